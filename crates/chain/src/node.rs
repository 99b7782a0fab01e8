//! The handle of a running node: what RPC, providers and tests see of the chain.
//!
//! Cheap to clone, independent of the runtime the node runs on. Reads answer from memory.

use std::sync::{Arc, atomic::Ordering};

use assay_types::{
    B256, Bytes, Genesis,
    block::SharedBlock,
    node::{Certificate, Quantiles, StateProof},
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::{
    consensus::core::Core,
    mempool::{Mempool, Origin, SubmitError},
    metrics::Connections,
    state::State,
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

/// Answers what needs the node's database or archives.
pub(crate) trait Archive: Send + Sync {
    fn certified(&self, height: u64) -> BoxFuture<'static, Option<Certificate>>;
    fn state_proof(&self, key: Vec<u8>) -> BoxFuture<'static, Option<StateProof>>;
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

    /// Validators this node has a connection with; none where nobody counts, as on a simulated network.
    pub fn peers(&self) -> Option<u32> {
        self.connections.get()
    }

    /// Conflicting votes seen.
    pub fn equivocations(&self) -> u64 {
        self.core.equivocations.load(Ordering::Relaxed)
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
