//! What consensus and its readers share: versions of the state, the tip, finalized blocks, figures.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use assay_ledger::{BlockBuilder, BlockContext, BlockOutput, BrokenInvariant, CheckRules, Reject, StateRead};
use assay_types::{Address, B256, FinalizedBlock, FinalizedTx, Genesis, Params, block::SharedBlock, node::Quantiles};
use commonware_cryptography::{Digestible as _, sha256::Digest};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{broadcast, watch};

use crate::{
    block::{Block, Header, to_b256},
    committee::Committee,
    crypto::Bls,
    keys::ValidatorKeys,
    mempool::{Mempool, Origin, Space},
    node::{FinalizedTip, UpgradeNeeded},
    state::State,
};

/// Finalized blocks kept in memory for readers that lag.
pub(crate) const RECENT: usize = 1_024;
/// Own proposals whose finality time is remembered.
const FIGURES: usize = 4_096;
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
    pub(crate) committee: Committee,
    pub(crate) keys: ValidatorKeys,
    pub(crate) account: Address,
    pub(crate) mempool: Arc<Mempool>,
    versions: Mutex<HashMap<Digest, Version>>,
    /// Turns true once the version the node starts from is loaded.
    pub(crate) ready: watch::Sender<bool>,
    tip: RwLock<Option<(FinalizedTip, Version)>>,
    recent: Mutex<BTreeMap<u64, SharedBlock>>,
    pub(crate) blocks: broadcast::Sender<SharedBlock>,
    proposed: Mutex<HashMap<Digest, u64>>,
    finality_ms: Mutex<VecDeque<u64>>,
    pub(crate) equivocations: std::sync::atomic::AtomicU64,
    /// Set once the chain is at a protocol version that this program does not know.
    pub(crate) upgrade: watch::Sender<Option<UpgradeNeeded>>,
}

impl Core {
    pub(crate) fn new(
        genesis: Genesis,
        genesis_block: Block,
        committee: Committee,
        keys: ValidatorKeys,
        account: Address,
        limits: crate::mempool::Limits,
    ) -> Self {
        let rules = CheckRules::of_genesis(&genesis);
        let mempool = Mempool::new(limits, rules, 0, genesis.params.min_base_fee);
        Self {
            genesis,
            genesis_block,
            committee,
            keys,
            account,
            mempool: Arc::new(mempool),
            versions: Mutex::default(),
            ready: watch::Sender::new(false),
            tip: RwLock::new(None),
            recent: Mutex::default(),
            blocks: broadcast::Sender::new(RECENT),
            proposed: Mutex::default(),
            finality_ms: Mutex::default(),
            equivocations: Default::default(),
            upgrade: watch::Sender::new(None),
        }
    }

    /// Sets the version the node starts from: what its database holds.
    pub(crate) fn start_from(&self, block: &Block, version: Version) {
        let digest = block.digest();
        *self.tip.write() = Some((tip_of(digest, &block.header), version.clone()));
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
            // Nobody listening is fine.
            self.blocks.send(shared).ok();
        }
        let height = version.height;
        self.versions.lock().retain(|other, v| v.height > height || *other == digest);
    }

    /// Admits transactions of this node's clients or its peers; heavy, keep it off the async threads.
    pub(crate) fn admit(&self, raws: &[assay_types::Bytes], origin: Origin) {
        let Some((_, state)) = self.tip() else { return };
        let good = self.mempool.check_all(raws).into_iter().filter_map(Result::ok);
        let results = self.mempool.insert_all(good, &state, origin);
        let refused = results.iter().filter(|r| r.is_err()).count();
        if refused > 0 {
            tracing::trace!(refused, "transactions of a peer were not admitted");
        }
    }
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
