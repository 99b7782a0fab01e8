//! One pool shared by the RPC, gossip and the leader.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy_primitives::keccak256;
use assay_ledger::{CheckRules, Checked, Reject, StateRead, account, check};
use assay_types::{Address, B256, Bytes, FinalizedBlock};
use parking_lot::{Mutex, RwLock};
use rayon::prelude::*;
use tokio::sync::{broadcast, watch};

use super::pool::{Funds, Limits, Pool, PoolError, PoolTx, Space};

/// Signatures below this number are recovered one after the other: handing them out costs more.
const WORTH_SHARING: usize = 4;

/// Transactions a gossip task may lag behind before it misses some.
const FRESH_BACKLOG: usize = 8_192;

/// Blocks by which the state that an insertion reads may be older than the pool.
const SETTLED_BLOCKS: u64 = 64;

impl PoolTx for Checked {
    fn hash(&self) -> B256 {
        self.hash
    }
    fn sender(&self) -> Address {
        self.sender
    }
    fn nonce(&self) -> u64 {
        self.nonce
    }
    fn gas_limit(&self) -> u64 {
        self.gas_limit
    }
    fn gas(&self) -> u64 {
        self.gas
    }
    fn max_fee_per_gas(&self) -> u128 {
        self.max_fee_per_gas
    }
    fn max_priority_fee_per_gas(&self) -> u128 {
        self.max_priority_fee_per_gas
    }
    fn value(&self) -> u128 {
        self.value
    }
    fn size_bytes(&self) -> usize {
        self.raw.len()
    }
}

/// Who brought a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client of this node: peers are told.
    Local,
    /// A peer, who tells the others itself.
    Peer,
}

/// A pool behind a lock, with what wakes its readers.
#[derive(Debug)]
pub struct Mempool {
    pool: Mutex<Pool<Checked>>,
    /// Nonces that recent blocks left their senders with, and the blocks' heights. Who inserts with a
    /// state read a moment ago must not miss what the pool has dropped as final since. Locked after
    /// `pool`, written before the pool follows a block.
    settled: Mutex<BTreeMap<Address, (u64, u64)>>,
    /// Those of the finalized state; a vote may change them.
    rules: RwLock<CheckRules>,
    admitted: AtomicU64,
    arrivals: watch::Sender<u64>,
    fresh: broadcast::Sender<Arc<Checked>>,
}

impl Mempool {
    /// An empty pool for the block after `height`, whose base fee is `base_fee`.
    pub fn new(limits: Limits, rules: CheckRules, height: u64, base_fee: u128) -> Self {
        Self {
            pool: Mutex::new(Pool::new(limits, height, base_fee)),
            settled: Mutex::default(),
            rules: RwLock::new(rules),
            admitted: AtomicU64::new(0),
            arrivals: watch::Sender::new(0),
            fresh: broadcast::Sender::new(FRESH_BACKLOG),
        }
    }

    /// Counts admitted transactions; it changes when one comes in, which wakes an idle leader.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// Transactions of this node's own clients as they are admitted, for gossip. A reader that lags
    /// misses some: they stay in this pool and reach a block when this node leads.
    pub fn fresh(&self) -> broadcast::Receiver<Arc<Checked>> {
        self.fresh.subscribe()
    }

    /// Number of waiting transactions.
    pub fn len(&self) -> usize {
        self.pool.lock().len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a transaction waits.
    pub fn contains(&self, hash: &B256) -> bool {
        self.pool.lock().contains(hash)
    }

    /// A waiting transaction, with its recovered sender.
    pub fn get(&self, hash: &B256) -> Option<Arc<Checked>> {
        self.pool.lock().get(hash)
    }

    /// The nonce a wallet should sign next.
    pub fn next_nonce(&self, sender: &Address, state: &dyn StateRead) -> u64 {
        let nonce = account(state, *sender).nonce;
        self.pool.lock().next_nonce(sender, nonce)
    }

    /// Checks transactions of clients or of gossip by the rules of the finalized state, in order. Those that
    /// wait here already are not checked again; the others are, in parallel.
    ///
    /// Blocks for tens of microseconds a transaction: keep it off the async threads.
    pub fn check_all(&self, raws: &[Bytes]) -> Vec<Result<Arc<Checked>, Reject>> {
        let rules = *self.rules.read();
        self.check_under(raws, &rules)
    }

    /// As [`Self::check_all`] for a block, by the rules of its parent's state.
    pub fn check_under(&self, raws: &[Bytes], rules: &CheckRules) -> Vec<Result<Arc<Checked>, Reject>> {
        let hashes: Vec<B256> = raws.iter().map(keccak256).collect();
        let known: HashMap<B256, Arc<Checked>> = {
            let pool = self.pool.lock();
            hashes.iter().filter_map(|hash| Some((*hash, pool.get(hash)?))).collect()
        };
        let one = |(hash, raw): (&B256, &Bytes)| match known.get(hash) {
            // It may have been checked under other rules.
            Some(checked) => rules.hold(checked).map(|()| Arc::clone(checked)),
            None => check(raw, rules).map(Arc::new),
        };
        if raws.len().saturating_sub(known.len()) < WORTH_SHARING {
            return hashes.iter().zip(raws).map(one).collect();
        }
        hashes.par_iter().zip(raws).map(one).collect()
    }

    /// Adds checked transactions in order; `state` is the finalized state.
    pub fn insert_all(
        &self,
        txs: impl IntoIterator<Item = Arc<Checked>>,
        state: &dyn StateRead,
        origin: Origin,
    ) -> Vec<Result<(), PoolError>> {
        let mut accepted = 0;
        let results = txs
            .into_iter()
            .map(|tx| {
                // State is read outside the lock; one transaction at a time keeps the lock short.
                let mut funds = funds(state, &tx.sender);
                let mut pool = self.pool.lock();
                if let Some((nonce, _)) = self.settled.lock().get(&tx.sender) {
                    funds.nonce = funds.nonce.max(*nonce);
                }
                pool.insert(Arc::clone(&tx), funds)?;
                drop(pool);
                accepted += 1;
                if origin == Origin::Local {
                    // No receiver means that nobody gossips, as with a single validator.
                    self.fresh.send(tx).ok();
                }
                Ok(())
            })
            .collect();
        if accepted > 0 {
            let count = self.admitted.fetch_add(accepted, Ordering::Relaxed).wrapping_add(accepted);
            self.arrivals.send_replace(count);
        }
        results
    }

    /// What a leader should try in a block on `parent`, best tip first, nonces in order. The ledger
    /// may refuse some; give those to [`Mempool::remove`] and go on.
    pub fn propose(&self, parent: &dyn StateRead, base_fee: u128, space: Space) -> Vec<Arc<Checked>> {
        self.pool.lock().propose(|sender| funds(parent, sender), base_fee, space)
    }

    /// Drops a transaction that the ledger refused.
    pub fn remove(&self, hash: &B256) {
        self.pool.lock().remove(hash);
    }

    /// Follows a finalized block; `state` is the state after it and `next_base_fee` its successor's.
    pub fn finalized(&self, block: &FinalizedBlock, state: &dyn StateRead, next_base_fee: u128) {
        if let Ok(rules) = CheckRules::of_state(state) {
            *self.rules.write() = rules;
        }
        let mut settled = self.settled.lock();
        settled.retain(|_, (_, height)| height.saturating_add(SETTLED_BLOCKS) > block.height);
        for tx in &block.txs {
            settled.insert(tx.receipt.from, (account(state, tx.receipt.from).nonce, block.height));
        }
        drop(settled);
        let senders = block.txs.iter().map(|tx| tx.receipt.from);
        self.pool.lock().finalized(block.height, next_base_fee, senders, |sender| funds(state, sender));
    }
}

fn funds(state: &dyn StateRead, sender: &Address) -> Funds {
    let account = account(state, *sender);
    Funds { nonce: account.nonce, balance: account.balance }
}
