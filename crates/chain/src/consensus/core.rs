//! What consensus and its readers share: versions of the state, the tip, finalized blocks, figures.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use assay_ledger::{
    BlockBuilder, BlockContext, BlockOutput, BrokenInvariant, CheckRules, Checked, Equivocation, Reject, StateRead,
};
use assay_types::{
    B256, Bytes, FinalizedBlock, FinalizedTx, Genesis, Params,
    block::SharedBlock,
    node::{Handover, Quantiles},
    staking::{Seat, committee_hash},
};
use commonware_codec::DecodeExt as _;
use commonware_cryptography::{Digestible as _, sha256::Digest};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{broadcast, watch};

use crate::{
    block::{Block, Header, to_b256},
    committee::{Committee, CommitteeError, Committees, Sitting, genesis_seats, namespace},
    crypto::Bls,
    mempool::{Mempool, Origin, PoolError, Space},
    node::{FinalizedTip, UpgradeNeeded},
    state::State,
    sync::join::Joined,
};

/// Finalized blocks kept in memory for readers that lag.
pub(crate) const RECENT: usize = 1_024;
/// Own proposals whose finality time is remembered.
const FIGURES: usize = 4_096;
/// Conflicts of votes that are kept.
const EVIDENCE: usize = 256;
/// A block may be at most this much later than its parent. Together with waiting for the local clock
/// it bounds how long a leader with a fast clock can hold its voters up.
pub(crate) const MAX_STEP_MS: u64 = 10_000;

/// A state after a block that is finalized or may yet be.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) height: u64,
    pub(crate) timestamp_ms: u64,
    pub(crate) beacon: B256,
    pub(crate) state: State,
    /// None for the version a node started from.
    pub(crate) output: Option<Arc<BlockOutput>>,
}

/// Shared by the actors of one node and its handle.
pub(crate) struct Core {
    pub(crate) genesis: Genesis,
    pub(crate) genesis_block: Block,
    pub(crate) committees: Committees,
    /// What votes and reveals are bound to.
    pub(crate) namespace: Vec<u8>,
    /// The epoch under way: that of the block after the tip.
    pub(crate) epoch: watch::Sender<u64>,
    /// The same for who keeps handovers. One waiter each: a watch wakes several in an order that the thread draws
    /// and not the runtime, so that the simulator would not run a seed twice the same way.
    pub(crate) turned: watch::Sender<u64>,
    pub(crate) mempool: Arc<Mempool>,
    versions: Mutex<HashMap<Digest, Version>>,
    /// Turns true once the version the node starts from is loaded.
    pub(crate) ready: watch::Sender<bool>,
    tip: RwLock<Option<(FinalizedTip, Version)>>,
    recent: Mutex<BTreeMap<u64, SharedBlock>>,
    pub(crate) blocks: broadcast::Sender<SharedBlock>,
    proposed: Mutex<HashMap<Digest, u64>>,
    finality_ms: Mutex<VecDeque<u64>>,
    /// Lowest height whose block this node ever had.
    pub(crate) first_block: AtomicU64,
    boundary: Mutex<Option<(u64, Digest, B256)>>,
    /// Highest certified height it has heard of from an upstream.
    pub(crate) network_height: AtomicU64,
    /// Who contradicted itself, and the proof.
    evidence: Mutex<BTreeMap<Equivocation, Bytes>>,
    /// By the epoch handed over to.
    handovers: RwLock<BTreeMap<u64, Arc<Handover>>>,
    /// Messages of peers left unread because they had sent too many transactions in vain.
    pub(crate) unread: AtomicU64,
    /// Set once the chain is at a protocol version that this program does not know.
    pub(crate) upgrade: watch::Sender<Option<UpgradeNeeded>>,
}

impl Core {
    pub(crate) fn new(
        genesis: Genesis,
        genesis_block: Block,
        committees: Committees,
        limits: crate::mempool::Limits,
    ) -> Self {
        let rules = CheckRules::of_genesis(&genesis);
        let mempool = Mempool::new(limits, rules, 0, genesis.params.min_base_fee);
        let namespace = namespace(genesis.hash());
        Self {
            genesis,
            genesis_block,
            committees,
            namespace,
            epoch: watch::Sender::new(0),
            turned: watch::Sender::new(0),
            mempool: Arc::new(mempool),
            versions: Mutex::default(),
            ready: watch::Sender::new(false),
            tip: RwLock::new(None),
            recent: Mutex::default(),
            blocks: broadcast::Sender::new(RECENT),
            proposed: Mutex::default(),
            finality_ms: Mutex::default(),
            first_block: Default::default(),
            boundary: Mutex::default(),
            network_height: Default::default(),
            evidence: Mutex::default(),
            handovers: RwLock::default(),
            unread: AtomicU64::new(0),
            upgrade: watch::Sender::new(None),
        }
    }

    /// Notes where the node began, if that was not genesis: the committee of that epoch, which no state
    /// before it names, and the block that the epoch builds on.
    pub(crate) fn began_at(&self, joined: &Joined) -> Result<(), CommitteeError> {
        self.first_block.store(joined.block.header.height, Ordering::Relaxed);
        if let Some(handover) = &joined.handover
            && let Ok(header) = Header::decode(handover.header.to_vec())
        {
            let epoch = header.context.round.epoch().get().saturating_add(1);
            self.committees.add(Committee::of_seats(self.genesis.hash(), epoch, &handover.seats)?);
            *self.boundary.lock() = Some((epoch, header.digest(), header.beacon));
        }
        Ok(())
    }

    /// The last block before the epoch in which this node began, which it does not hold, and its beacon.
    pub(crate) fn boundary(&self, epoch: u64) -> Option<(Digest, B256)> {
        self.boundary.lock().filter(|(began, ..)| *began == epoch).map(|(_, digest, beacon)| (digest, beacon))
    }

    /// Sets the version the node starts from: what its database holds.
    pub(crate) fn start_from(&self, block: &Block, version: Version) {
        let digest = block.digest();
        *self.tip.write() = Some((tip_of(digest, &block.header), version.clone()));
        let epoch = self.epoch_of(version.height.saturating_add(1));
        self.epoch.send_replace(epoch);
        self.turned.send_replace(epoch);
        self.versions.lock().insert(digest, version);
        self.ready.send_replace(true);
    }

    pub(crate) async fn wait_ready(&self) {
        let mut ready = self.ready.subscribe();
        // The sender lives in self, so this cannot fail while self does.
        ready.wait_for(|ready| *ready).await.map(|_| ()).unwrap_or(());
    }

    pub(crate) fn version(&self, digest: &Digest) -> Option<Version> {
        self.versions.lock().get(digest).cloned()
    }

    pub(crate) fn remember(&self, digest: Digest, version: Version) {
        self.versions.lock().insert(digest, version);
    }

    /// The parameters in force for a block on `parent`.
    pub(crate) fn params(&self, parent: &Version) -> Arc<Params> {
        assay_ledger::params(&parent.state).unwrap_or_else(|| Arc::new(self.genesis.params.clone()))
    }

    /// Never returns where the chain is at a protocol version that this program does not know: who can tell neither
    /// right from wrong says nothing, until the host ends the node.
    pub(crate) async fn halt_if_outdated(&self) {
        if self.upgrade.borrow().is_some() {
            std::future::pending().await
        }
    }

    /// The epoch of a height.
    pub(crate) fn epoch_of(&self, height: u64) -> u64 {
        height / self.epoch_blocks()
    }

    /// Blocks of an epoch.
    pub(crate) fn epoch_blocks(&self) -> u64 {
        u64::from(self.genesis.params.validator_epoch_blocks).max(1)
    }

    /// Whether the block at `height` is the last of its epoch.
    pub(crate) fn ends_epoch(&self, height: u64) -> bool {
        self.epoch_of(height) != self.epoch_of(height.saturating_add(1))
    }

    /// Who sits in `epoch`, by a state after the block that fixed it.
    pub(crate) fn sitting(&self, epoch: u64, state: &State) -> Option<Sitting> {
        if let Some(sitting) = self.committees.get(epoch) {
            return Some(sitting);
        }
        let seats = assay_ledger::committee(state, epoch)?;
        match Committee::of_seats(self.genesis.hash(), epoch, &seats) {
            Ok(committee) => Some(self.committees.add(committee)),
            Err(error) => {
                tracing::error!(target: "consensus", epoch, %error, "the ledger fixed a committee nobody can check");
                None
            }
        }
    }

    /// What the last block of an epoch commits to: the committee of the next, which its state has fixed.
    pub(crate) fn next_committee(&self, version: &Version) -> Option<B256> {
        let next = self.epoch_of(version.height).saturating_add(1);
        let ends = self.ends_epoch(version.height);
        ends.then(|| assay_ledger::committee(&version.state, next))?.map(|seats| committee_hash(next, &seats))
    }

    /// The finalized tip and its state.
    pub(crate) fn tip(&self) -> Option<(FinalizedTip, State)> {
        self.tip.read().as_ref().map(|(tip, version)| (*tip, version.state.clone()))
    }

    /// A finalized block that is still in memory.
    pub(crate) fn recent(&self, height: u64) -> Option<SharedBlock> {
        self.recent.lock().get(&height).cloned()
    }

    /// Executes a peer's block on its parent. None: the block is invalid for good, or an upgrade is needed.
    pub(crate) fn execute(&self, parent: &Version, header: &Header, txs: &[assay_types::Bytes]) -> Option<Version> {
        let rules = CheckRules::of_state(&parent.state).unwrap_or_else(|_| CheckRules::of_genesis(&self.genesis));
        let checked = self.mempool.check_under(txs, &rules);
        let ctx = context_of(header);
        let mut builder = BlockBuilder::new(&parent.state, ctx);
        for tx in checked {
            match tx {
                Ok(tx) => match builder.add(&tx) {
                    Ok(_) => {}
                    // `finish` says which invariant is broken and halts.
                    Err(Reject::LedgerHalted) => break,
                    Err(reject) => {
                        tracing::warn!(height = header.height, %reject, "a block holds a transaction that cannot be in it");
                        return None;
                    }
                },
                Err(reject) => {
                    tracing::warn!(height = header.height, %reject, "a block holds a malformed transaction");
                    return None;
                }
            }
        }
        self.finish(parent, builder, header.height, header.timestamp_ms, header.beacon)
    }

    /// Fills a block of this node's own with waiting transactions. None: an upgrade is needed.
    pub(crate) fn build(&self, parent: &Version, ctx: BlockContext) -> Option<(Vec<assay_types::Bytes>, Version)> {
        let params = self.params(parent);
        let space = Space { gas: params.block_gas_limit, bytes: params.block_bytes_limit as usize };
        let rules = CheckRules::of_state(&parent.state).unwrap_or_else(|_| CheckRules::of_genesis(&self.genesis));
        let (height, timestamp_ms, beacon) = (ctx.height, ctx.timestamp_ms, ctx.beacon);
        let mut builder = BlockBuilder::new(&parent.state, ctx);
        let mut txs = Vec::new();
        for tx in self.mempool.propose(&parent.state, builder.base_fee(), space) {
            match rules.hold(&tx).and_then(|()| builder.add(&tx)) {
                Ok(_) => txs.push(tx.raw.clone()),
                Err(Reject::BlockGasFull | Reject::BlockBytesFull | Reject::LedgerHalted) => break,
                // An earlier one of the same sender was refused; this one may fit later.
                Err(Reject::NonceGap) => {}
                Err(reject) => {
                    tracing::debug!(%reject, hash = %tx.hash, "a waiting transaction no longer fits");
                    self.mempool.remove(&tx.hash);
                }
            }
        }
        Some((txs, self.finish(parent, builder, height, timestamp_ms, beacon)?))
    }

    fn finish(
        &self,
        parent: &Version,
        builder: BlockBuilder<'_>,
        height: u64,
        timestamp_ms: u64,
        beacon: B256,
    ) -> Option<Version> {
        match builder.finish() {
            Ok(output) => {
                let state = parent.state.with(&output.changes);
                Some(Version { height, timestamp_ms, beacon, state, output: Some(Arc::new(output)) })
            }
            Err(BrokenInvariant::UpgradeNeeded { height, version, name }) => {
                tracing::error!(height, version, %name, "this program does not know the protocol version of the next block");
                self.upgrade.send_replace(Some(UpgradeNeeded { height, version, name: name.to_string() }));
                None
            }
            Err(broken) => {
                // Going on would sign a state in which money appeared or vanished.
                tracing::error!(height, %broken, "an invariant of the ledger is broken: this node halts");
                panic!("ledger invariant broken at height {height}: {broken}");
            }
        }
    }

    /// Whether a leader on `parent` has a reason not to wait.
    pub(crate) fn has_work(&self, parent: &Version) -> bool {
        assay_ledger::work_pending(&parent.state) || {
            let base_fee = assay_ledger::base_fee(&parent.state);
            let params = self.params(parent);
            let one = Space { gas: params.block_gas_limit, bytes: params.block_bytes_limit as usize };
            !self.mempool.is_empty() && !self.mempool.propose(&parent.state, base_fee, one).is_empty()
        }
    }

    /// Keeps checked evidence until somebody reports it.
    pub(crate) fn note_evidence(&self, found: Equivocation, proof: Bytes) {
        let mut evidence = self.evidence.lock();
        if evidence.contains_key(&found) {
            return;
        }
        tracing::warn!(target: "consensus", account = %found.account, epoch = found.epoch, view = found.view,
            "a validator signed two votes that contradict each other");
        while evidence.len() >= EVIDENCE {
            evidence.pop_first();
        }
        evidence.insert(found, proof);
    }

    /// Takes a handover in if other keys sit after it than before. They come in the order of their epochs.
    pub(crate) fn note_handover(&self, epoch: u64, handover: &Handover) {
        let mut handovers = self.handovers.write();
        let keys = |seats: &[Seat]| seats.iter().map(|s| (s.network_key, s.vote_key.clone())).collect::<Vec<_>>();
        let same = match handovers.range(..epoch).next_back() {
            Some((_, before)) => keys(&before.seats) == keys(&handover.seats),
            None => keys(&genesis_seats(&self.genesis)) == keys(&handover.seats),
        };
        if !same {
            handovers.insert(epoch, Arc::new(handover.clone()));
        }
    }

    /// Handovers to epochs after `known` and up to `epoch`, in order.
    pub(crate) fn handovers(&self, known: u64, epoch: u64) -> Vec<Handover> {
        let handovers = self.handovers.read();
        let later = handovers.range(known.saturating_add(1)..).take_while(|(to, _)| **to <= epoch);
        later.map(|(_, handover)| Handover::clone(handover)).collect()
    }

    /// The evidence that is kept.
    pub(crate) fn evidence(&self) -> Vec<(Equivocation, Bytes)> {
        self.evidence.lock().iter().map(|(found, proof)| (*found, proof.clone())).collect()
    }

    /// Records when this node began to build a block.
    pub(crate) fn note_proposed(&self, digest: Digest, now_ms: u64) {
        let mut proposed = self.proposed.lock();
        if proposed.len() > FIGURES {
            proposed.clear();
        }
        proposed.insert(digest, now_ms);
    }

    /// Records when a block of this node was finalized.
    pub(crate) fn note_finalized(&self, digest: &Digest, now_ms: u64) {
        if let Some(at) = self.proposed.lock().remove(digest) {
            let mut times = self.finality_ms.lock();
            if times.len() == FIGURES {
                times.pop_front();
            }
            times.push_back(now_ms.saturating_sub(at));
        }
    }

    pub(crate) fn finality(&self) -> Option<Quantiles> {
        let mut times: Vec<u64> = self.finality_ms.lock().iter().copied().collect();
        times.sort_unstable();
        let at = |share: usize| times.get(times.len().saturating_sub(1) * share / 100).copied();
        Some(Quantiles { p50: at(50)?, p99: at(99)? })
    }

    /// A block with what it did, if it was executed here.
    pub(crate) fn outcome(&self, digest: &Digest, block: &Block) -> Option<SharedBlock> {
        let output = self.version(digest)?.output?;
        Some(Arc::new(finalized_block(*digest, block, &output)))
    }

    /// Takes older finalized blocks into memory, for readers that lag behind the tip at a restart.
    pub(crate) fn recall(&self, blocks: impl IntoIterator<Item = SharedBlock>) {
        self.recent.lock().extend(blocks.into_iter().map(|block| (block.height, block)));
    }

    /// A finalized block: readers see it, the pool forgets its transactions, dead forks are dropped.
    pub(crate) fn publish(&self, block: &Block) {
        let digest = block.digest();
        let Some(version) = self.version(&digest) else {
            tracing::error!(height = block.header.height, "a finalized block has no state: readers will lag");
            return;
        };
        if self.tip.read().as_ref().is_some_and(|(tip, _)| tip.height >= block.header.height) {
            return;
        }
        if let Some(output) = &version.output {
            let shared = Arc::new(finalized_block(digest, block, output));
            self.mempool.finalized(&shared, &version.state, assay_ledger::base_fee(&version.state));
            *self.tip.write() = Some((tip_of(digest, &block.header), version.clone()));
            let mut recent = self.recent.lock();
            recent.insert(shared.height, Arc::clone(&shared));
            while recent.len() > RECENT {
                recent.pop_first();
            }
            drop(recent);
            let next = self.epoch_of(block.header.height.saturating_add(1));
            self.sitting(next, &version.state);
            for turns in [&self.epoch, &self.turned] {
                turns.send_if_modified(|epoch| std::mem::replace(epoch, next) != next);
            }
            // Nobody listening is fine.
            self.blocks.send(shared).ok();
        }
        let height = version.height;
        self.versions.lock().retain(|other, v| v.height > height || *other == digest);
    }

    /// Admits a peer's transactions; heavy, keep it off the async threads.
    pub(crate) fn admit(&self, raws: &[assay_types::Bytes]) -> Heard {
        let Some((_, state)) = self.tip() else { return Heard::Read { vain: 0 } };
        let checked = self.mempool.check_all(raws);
        let bad = checked.iter().filter_map(|one| one.as_ref().err().copied());
        if let Some(reject) = bad.clone().find(|reject| is_of_the_sender(*reject)) {
            return Heard::Spoiled(reject);
        }
        let good: Vec<Arc<Checked>> = checked.iter().filter_map(|one| one.as_ref().ok().cloned()).collect();
        let different = good.iter().map(|tx| tx.hash).collect::<HashSet<B256>>().len();
        let inserted = self.mempool.insert_all(good, &state, Origin::Peer);
        // What waited here already was not checked again.
        let refused = |one: &&Result<(), PoolError>| !matches!(one, Ok(()) | Err(PoolError::AlreadyKnown));
        let refused = inserted.iter().filter(refused).count();
        let doubles = inserted.len().saturating_sub(different);
        Heard::Read { vain: bad.count().saturating_add(refused).saturating_add(doubles) }
    }
}

/// What came of a peer's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// They were looked at, so many of them in vain.
    Read {
        /// Those whose signature was recovered for nothing.
        vain: usize,
    },
    /// One is such as no honest peer hands on, whatever its state; none was taken.
    Spoiled(Reject),
}

/// Whether no state and no vote makes the transaction a good one: every node refuses it from its own clients.
fn is_of_the_sender(reject: Reject) -> bool {
    matches!(reject, Reject::Malformed | Reject::WrongChainId | Reject::BadSignature)
}

/// What the ledger is told of a block.
pub(crate) fn context_of(header: &Header) -> BlockContext {
    BlockContext {
        height: header.height,
        timestamp_ms: header.timestamp_ms,
        proposer: header.proposer,
        beacon: header.beacon,
        crypto: &Bls,
    }
}

fn tip_of(digest: Digest, header: &Header) -> FinalizedTip {
    FinalizedTip {
        height: header.height,
        hash: to_b256(&digest),
        timestamp_ms: header.timestamp_ms,
        state_root: to_b256(&header.state_root),
    }
}

fn finalized_block(digest: Digest, block: &Block, output: &BlockOutput) -> FinalizedBlock {
    let header = &block.header;
    FinalizedBlock {
        height: header.height,
        hash: to_b256(&digest),
        parent_hash: to_b256(&header.parent),
        timestamp_ms: header.timestamp_ms,
        proposer: header.proposer,
        state_root: to_b256(&header.state_root),
        transactions_root: header.transactions_root,
        receipts_root: header.receipts_root,
        beacon: header.beacon,
        base_fee: header.base_fee,
        gas_used: header.gas_used,
        gas_limit: output.gas_limit,
        size_bytes: commonware_codec::EncodeSize::encode_size(block) as u64,
        txs: block
            .txs
            .iter()
            .zip(&output.receipts)
            .map(|(raw, receipt)| FinalizedTx { raw: raw.clone(), receipt: receipt.clone() })
            .collect(),
        end_logs: output.end_logs.clone(),
    }
}

/// Entries of the state as the state database keeps them: key length, key, value.
pub(crate) fn encode_entry(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + key.len() + value.len());
    bytes.extend_from_slice(&(key.len() as u32).to_be_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    bytes
}

/// Reads what [`encode_entry`] wrote.
pub(crate) fn decode_entry(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (key, value) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((key.to_vec(), value.to_vec()))
}

/// The state before block 1.
pub(crate) fn opening_state(genesis: &Genesis) -> Result<State, assay_types::GenesisError> {
    Ok(State::default().with(&assay_ledger::genesis_state(genesis)?))
}

/// Whether `state` holds nothing, which only the default does.
pub(crate) fn is_blank(state: &dyn StateRead) -> bool {
    state.scan(&[], None).next().is_none()
}
