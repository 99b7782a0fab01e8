//! The handle of a running node: what RPC, providers and tests see of the chain.
//!
//! Cheap to clone, independent of the runtime the node runs on. Reads answer from memory.

use std::sync::{Arc, atomic::Ordering};

use assay_ledger::Equivocation;
use assay_types::{
    B256, Bytes, Genesis,
    block::SharedBlock,
    node::{Certificate, Handover, Quantiles, StateProof},
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};

use crate::{
    committee::Committee,
    consensus::core::Core,
    mempool::{Mempool, Origin, SubmitError},
    metrics::Connections,
    state::State,
    upstream::{BlockRecord, UpstreamError},
};

/// The newest finalized block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalizedTip {
    /// Height.
    pub height: u64,
    /// Digest the validators signed.
    pub hash: B256,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// State root after it.
    pub state_root: B256,
}

/// The chain went on to a protocol version that this program does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeNeeded {
    /// First height this program cannot execute.
    pub height: u64,
    /// The version needed.
    pub version: u32,
    /// Name of the upgrade, as it was voted for.
    pub name: String,
}

/// Answers what needs the node's database or archives.
pub(crate) trait Archive: Send + Sync {
    fn certified(&self, height: u64) -> BoxFuture<'static, Option<Certificate>>;
    fn state_proof(&self, key: Vec<u8>) -> BoxFuture<'static, Option<StateProof>>;
    /// As [`crate::upstream::Upstream`] has them.
    fn tip(&self, after: u64) -> BoxFuture<'static, Result<Certificate, UpstreamError>>;
    fn blocks(&self, from: u64, count: u64) -> BoxFuture<'static, Result<Vec<BlockRecord>, UpstreamError>>;
    fn block(&self, hash: B256) -> BoxFuture<'static, Result<BlockRecord, UpstreamError>>;
    fn handovers(&self, epoch: u64, count: u64) -> BoxFuture<'static, Result<Vec<Handover>, UpstreamError>>;
    fn state_ops(&self, request: Bytes) -> BoxFuture<'static, Result<Bytes, UpstreamError>>;
}

/// A running node.
#[derive(Clone)]
pub struct Node {
    pub(crate) core: Arc<Core>,
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) connections: Arc<Connections>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("tip", &self.tip()).finish_non_exhaustive()
    }
}

impl Node {
    /// The genesis this node runs on.
    pub fn genesis(&self) -> &Genesis {
        &self.core.genesis
    }

    /// The newest finalized block; none until the node has opened its database.
    pub fn tip(&self) -> Option<FinalizedTip> {
        self.core.tip().map(|(tip, _)| tip)
    }

    /// The newest finalized block and the state after it, from one moment.
    pub fn tip_state(&self) -> Option<(FinalizedTip, State)> {
        self.core.tip()
    }

    /// The lowest height whose block this node ever had: 0, or where its state sync began.
    pub fn first_block(&self) -> u64 {
        self.core.first_block.load(Ordering::Relaxed)
    }

    /// Height the network is known to have reached, if this node is more than a few blocks behind it.
    pub fn behind(&self) -> Option<u64> {
        const TOLERATED: u64 = 8;
        let known = self.core.network_height.load(Ordering::Relaxed);
        let own = self.tip().map_or(0, |tip| tip.height);
        (known > own.saturating_add(TOLERATED)).then_some(known)
    }

    /// Waits until the node has opened its database.
    pub async fn ready(&self) {
        self.core.wait_ready().await;
    }

    /// A finalized block, while it is among the newest in memory.
    pub fn recent_block(&self, height: u64) -> Option<SharedBlock> {
        self.core.recent(height)
    }

    /// Finalized blocks from now on. A reader that lags by a thousand blocks misses some.
    pub fn subscribe(&self) -> broadcast::Receiver<SharedBlock> {
        self.core.blocks.subscribe()
    }

    /// The node's waiting transactions.
    pub fn mempool(&self) -> &Arc<Mempool> {
        &self.core.mempool
    }

    /// Puts a signed transaction into the pool and tells the other validators. Recovers its signature
    /// on this thread; [`crate::mempool::Admission`] does it in parallel for many.
    pub fn submit(&self, raw: Bytes) -> Result<B256, SubmitError> {
        let (_, state) = self.core.tip().ok_or(SubmitError::Stopped)?;
        let checked = self.core.mempool.check_all(std::slice::from_ref(&raw)).pop().ok_or(SubmitError::Stopped)?;
        let checked = checked.map_err(SubmitError::Reject)?;
        let hash = checked.hash;
        let admitted = self.core.mempool.insert_all([checked], &state, Origin::Local).pop();
        admitted.unwrap_or(Ok(())).map_err(SubmitError::Pool)?;
        Ok(hash)
    }

    /// Time from proposal to finality of this node's own recent proposals, milliseconds.
    pub fn finality(&self) -> Option<Quantiles> {
        self.core.finality()
    }

    /// Validators that contradicted themselves, with the proof the ledger takes.
    pub fn evidence(&self) -> Vec<(Equivocation, Bytes)> {
        self.core.evidence()
    }

    /// How committees handed over, to those of epochs after `known`, where other keys sat.
    pub fn handovers(&self, known: u64) -> Vec<Handover> {
        self.core.handovers(known, u64::MAX)
    }

    /// The validators' epoch under way.
    pub fn epoch(&self) -> u64 {
        *self.core.epoch.borrow()
    }

    /// The committee of the epoch under way, and whether this node sits in it.
    pub fn committee(&self) -> Option<(Arc<Committee>, bool)> {
        let (committee, scheme) = self.core.committees.get(self.epoch())?;
        Some((committee, scheme.votes()))
    }

    /// Seats of the epoch under way; of the genesis until the node has opened its database.
    pub fn seats(&self) -> usize {
        self.committee().map_or(self.core.genesis.validators.len(), |(committee, _)| committee.seats().len())
    }

    /// Turns to what is needed once the chain is at a protocol version that this program does not know; the node
    /// then takes no part any more.
    pub fn upgrade_needed(&self) -> watch::Receiver<Option<UpgradeNeeded>> {
        self.core.upgrade.subscribe()
    }

    /// Validators this node has a connection with; none where nobody counts, as on a simulated network.
    pub fn peers(&self) -> Option<u32> {
        self.connections.get()
    }

    /// Header and certificate of the first certified block at or after `height` that is archived; a
    /// block that was finalized through a descendant has no certificate of its own.
    pub async fn certified(&self, height: u64) -> Option<Certificate> {
        self.archive.certified(height).await
    }

    /// Proof of the value at a key of the ledger, or of its absence, under a recent certified header.
    pub async fn state_proof(&self, key: Vec<u8>) -> Option<StateProof> {
        self.archive.state_proof(key).await
    }
}
