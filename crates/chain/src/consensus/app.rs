//! The ledger as an application of the glue crate, which is young: all that knows its traits is here.
//!
//! Execution happens on the in-memory version of the parent's state; the state database only receives
//! what a block changed and answers with the roots. The opening balances enter it with block 1.

use std::{sync::Arc, time::Duration};

use assay_ledger::BlockContext;
use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_cryptography::{Digestible as _, Hasher as _, Sha256, sha256::Digest};
use commonware_glue::stateful::{
    Application, Finality, Input, Proposed,
    db::{AttachableResolver, DatabaseSet, Merkleized as _, Shared, Unmerkleized as _},
};
use commonware_parallel::Sequential;
use commonware_runtime::Spawner;
use commonware_storage::{
    Context as StorageContext, mmr,
    qmdb::{
        any::ordered::variable::Operation,
        current::ordered::variable,
        sync::{
            Target,
            source::{self, Request, Source},
        },
    },
    translator::EightCap,
};
use commonware_utils::non_empty_range;
use futures::StreamExt as _;

use super::{
    core::{Core, MAX_STEP_MS, Version, encode_entry},
    outcomes::Outcomes,
};
use crate::{
    beacon,
    block::{Block, Header, RoundContext, transactions_root},
    committee::Scheme,
    crypto::Bls,
};

/// The state database: SHA-256 of the ledger's key to (key, value), ordered, with proofs of presence
/// and absence.
pub(crate) type Qmdb<E> = variable::Db<mmr::Family, E, Digest, Vec<u8>, Sha256, EightCap, 32, Sequential>;
/// The one database of the application.
pub(crate) type Databases<E> = Shared<Qmdb<E>>;

/// A leader's clock may be this much ahead before its voters wait for theirs.
const CLOCK_TOLERANCE_MS: u64 = 250;

/// Serves no state to peers: the glue crate's state sync carries fixed-size values only so far, so a
/// node that was away catches up from blocks.
#[derive(Clone)]
pub(crate) struct NoStateSync;

impl Source for NoStateSync {
    type Family = mmr::Family;
    type Digest = Digest;
    type Op = Operation<mmr::Family, Digest, Vec<u8>>;
    type Error = std::convert::Infallible;

    async fn serve(&self, _request: Request<Self::Family>) -> source::Result<Self> {
        std::future::pending().await
    }
}

impl<DB: Send + Sync + 'static> AttachableResolver<DB> for NoStateSync {
    async fn attach_database(&self, _database: Shared<DB>) {}
}

/// The ledger, proposing and judging blocks.
#[derive(Clone)]
pub(crate) struct App {
    core: Arc<Core>,
    outcomes: Arc<dyn Outcomes>,
}

impl App {
    pub(crate) fn new(core: Arc<Core>, outcomes: Arc<dyn Outcomes>) -> Self {
        Self { core, outcomes }
    }

    /// Writes what `version` changed into the database batch of its parent.
    async fn merkleize<E: Spawner + StorageContext>(
        &self,
        version: &Version,
        mut batches: <Databases<E> as DatabaseSet<E>>::Unmerkleized,
    ) -> <Databases<E> as DatabaseSet<E>>::Merkleized {
        let key_of = |key: &[u8]| Sha256::hash(&[key]);
        if version.height == 1 {
            // The opening state, under the changes of the first block.
            let changed = version.output.as_ref().map(|o| &o.changes);
            let opening = assay_ledger::genesis_state(&self.core.genesis).expect("the genesis was checked at start");
            for (key, value) in opening {
                if let (Some(value), false) = (value, changed.is_some_and(|c| c.contains_key(&key))) {
                    batches = batches.write(key_of(&key), Some(encode_entry(&key, &value)));
                }
            }
        }
        if let Some(output) = &version.output {
            for (key, value) in &output.changes {
                let entry = value.as_ref().map(|value| encode_entry(key, value));
                batches = batches.write(key_of(key), entry);
            }
        }
        batches.merkleize().await.expect("the state database computes its root, or this node cannot go on")
    }

    /// The version of `parent`, executing ancestors again where a restart forgot them.
    async fn parent_version(&self, parent: &Block, mut older: impl Ancestry<Block>) -> Option<Version> {
        self.core.wait_ready().await;
        let mut missing = Vec::new();
        let mut at = parent.clone();
        let mut version = loop {
            if let Some(version) = self.core.version(&at.digest()) {
                break version;
            }
            // Below the tip only the final branch has a future, and its state is gone.
            if self.core.tip().is_some_and(|(tip, _)| at.header.height <= tip.height) {
                return None;
            }
            missing.push(at);
            at = older.next().await?.inner().clone();
        };
        while let Some(block) = missing.pop() {
            let executed = self.core.execute(&version, &block.header, &block.txs);
            self.core.halt_if_outdated().await;
            version = executed?;
            self.core.remember(block.digest(), version.clone());
        }
        Some(version)
    }

    /// The rules a header must keep whatever the state says. False is for good.
    fn header_follows(&self, header: &Header, context: &RoundContext, parent: &Version) -> bool {
        let params = self.core.params(parent);
        let earliest = parent.timestamp_ms.saturating_add(params.min_block_interval_ms);
        let latest = parent.timestamp_ms.saturating_add(MAX_STEP_MS);
        let epoch = self.core.epoch_of(header.height);
        let Some((committee, _)) = self.core.sitting(epoch, &parent.state) else { return false };
        let Some(seat) = committee.seat(&context.leader) else { return false };
        let Some(reveal) = &header.reveal else { return false };
        header.context == *context
            && Some(header.height) == parent.height.checked_add(1)
            && (earliest..=latest).contains(&header.timestamp_ms)
            && header.proposer == seat.account
            && context.round.epoch().get() == epoch
            && beacon::verify(&self.core.namespace, &seat.vote, header.height, reveal)
            && header.beacon == beacon::accumulate(parent.beacon, reveal)
    }
}

/// Milliseconds since the Unix epoch by the runtime's clock.
pub(crate) fn now_ms(rt: &impl commonware_runtime::Clock) -> u64 {
    let since = rt.current().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns at a time by the runtime's clock.
pub(crate) async fn sleep_until(rt: &impl commonware_runtime::Clock, at_ms: u64) {
    let wait = at_ms.saturating_sub(now_ms(rt));
    if wait > 0 {
        rt.sleep(Duration::from_millis(wait)).await;
    }
}

impl<E: Spawner + StorageContext> Application<E> for App {
    type SigningScheme = Scheme;
    type Context = RoundContext;
    type Block = Block;
    type Databases = Databases<E>;
    type Captured = ();
    type Provider = ();
    type Input = ();

    fn sync_targets(block: &Block) -> <Self::Databases as DatabaseSet<E>>::SyncTargets {
        Target::new(block.header.ops_root, block.header.ops_range.clone())
    }

    async fn genesis(&mut self) -> Block {
        self.core.genesis_block.clone()
    }

    async fn propose(
        &mut self,
        (rt, context): (E, RoundContext),
        mut ancestry: impl Ancestry<Block>,
        batches: <Self::Databases as DatabaseSet<E>>::Unmerkleized,
        _input: Input<(), ()>,
    ) -> Option<Proposed<Self, E>> {
        let parent_block = ancestry.next().await?.inner().clone();
        let parent = self.parent_version(&parent_block, ancestry).await?;
        let started = now_ms(&rt);
        let height = parent.height.checked_add(1)?;
        let (committee, _) = self.core.sitting(self.core.epoch_of(height), &parent.state)?;
        let (seat, key) = committee.seat_of(self.core.committees.keys())?;
        let (account, reveal) = (seat.account, beacon::reveal(&self.core.namespace, key, height));
        let beacon = beacon::accumulate(parent.beacon, &reveal);
        let earliest = parent.timestamp_ms.saturating_add(self.core.params(&parent).min_block_interval_ms);
        let latest = parent.timestamp_ms.saturating_add(MAX_STEP_MS);
        // Long over, but for a leader that restarted: it did not know its parent's time when its turn came.
        sleep_until(&rt, earliest).await;
        let timestamp_ms = now_ms(&rt).clamp(earliest, latest);
        let ctx = BlockContext { height, timestamp_ms, proposer: account, beacon, crypto: &Bls };
        let built = self.core.build(&parent, ctx);
        self.core.halt_if_outdated().await;
        let (txs, version) = built?;
        let merkleized = self.merkleize::<E>(&version, batches).await;
        let next_committee = self.core.next_committee(&version);
        let output = version.output.as_ref()?;
        let header = Header {
            context,
            parent: parent_block.digest(),
            height,
            timestamp_ms,
            proposer: account,
            state_root: merkleized.root(),
            ops_root: merkleized.ops_root(),
            ops_range: non_empty_range!(merkleized.sync_boundary(), merkleized.bounds().tip.size),
            transactions_root: transactions_root(&txs),
            receipts_root: output.receipts_root,
            base_fee: output.base_fee,
            gas_used: output.gas_used,
            beacon,
            reveal: Some(reveal),
            next_committee,
        };
        let block = Block { header, txs };
        let digest = block.digest();
        self.core.remember(digest, version);
        self.core.note_proposed(digest, started);
        Some(Proposed { block, merkleized })
    }

    async fn process(
        &mut self,
        (rt, context): (E, RoundContext),
        mut ancestry: impl Ancestry<Block>,
        batches: <Self::Databases as DatabaseSet<E>>::Unmerkleized,
        finality: Finality,
    ) -> Option<<Self::Databases as DatabaseSet<E>>::Merkleized> {
        let block = ancestry.next().await?.inner().clone();
        let digest = block.digest();
        let version = match self.core.version(&digest) {
            Some(version) if version.output.is_some() => version,
            _ => {
                let parent_block = ancestry.next().await?.inner().clone();
                let parent = self.parent_version(&parent_block, ancestry).await?;
                if !self.header_follows(&block.header, &context, &parent) {
                    tracing::warn!(height = block.header.height, "a block breaks a rule of its header");
                    return None;
                }
                if !matches!(finality, Finality::Finalized) {
                    // Bounded by MAX_STEP_MS: the rule above ties the time to the parent's.
                    sleep_until(&rt, block.header.timestamp_ms.saturating_sub(CLOCK_TOLERANCE_MS)).await;
                }
                let executed = self.core.execute(&parent, &block.header, &block.txs);
                self.core.halt_if_outdated().await;
                executed?
            }
        };
        let merkleized = self.merkleize::<E>(&version, batches).await;
        let (header, output) = (&block.header, version.output.as_ref()?);
        let agrees = header.state_root == merkleized.root()
            && header.receipts_root == output.receipts_root
            && header.base_fee == output.base_fee
            && header.gas_used == output.gas_used
            && header.next_committee == self.core.next_committee(&version);
        if !agrees {
            tracing::warn!(height = header.height, "a block commits to another outcome than its transactions have");
            return None;
        }
        self.core.remember(digest, version);
        Some(merkleized)
    }

    async fn capture(
        &mut self,
        _context: (E, RoundContext),
        block: &Block,
        _batches: &<Self::Databases as DatabaseSet<E>>::Merkleized,
        _readers: <Self::Databases as DatabaseSet<E>>::Readers,
    ) {
        let digest = block.digest();
        if let Some(outcome) = self.core.outcome(&digest, block) {
            self.outcomes.put(digest, &outcome).await;
        }
    }

    async fn finalized(
        &mut self,
        _context: (E, RoundContext),
        block: &Block,
        _captured: (),
        _readers: <Self::Databases as DatabaseSet<E>>::Readers,
    ) {
        self.core.publish(block);
    }
}
