//! One sender's waiting transactions, by nonce.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use assay_types::Address;

use super::pool::PoolTx;

/// A waiting transaction and when it came.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) tx: Arc<T>,
    /// Order of arrival, unique in the pool.
    pub(super) seq: u64,
    /// Finalized height at arrival.
    pub(super) height: u64,
    /// The most it can take from its sender.
    pub(super) cost: u128,
}

/// Where a waiting transaction stands in the order of eviction: the smallest rank goes first.
///
/// Only a sender's last nonce is ever evicted, so eviction never tears a gap. Transactions that wait
/// behind a gap go before executable ones, then the lower tip, then the lower fee cap, then the later
/// arrival.
pub(super) type Rank = (bool, u128, u128, Reverse<u64>, Address);

/// One sender's waiting transactions.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// The sender's next nonce by finalized state.
    nonce: u64,
    /// The first nonce from there on that no waiting transaction has.
    missing: u64,
    txs: BTreeMap<u64, Entry<T>>,
    /// Sum of all costs.
    cost: u128,
    /// Rank of the last transaction as the pool filed it.
    pub(super) filed: Option<Rank>,
}

impl<T: PoolTx> Queue<T> {
    pub(super) fn new(nonce: u64) -> Self {
        Self { nonce, missing: nonce, txs: BTreeMap::new(), cost: 0, filed: None }
    }

    pub(super) fn len(&self) -> usize {
        self.txs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.txs.is_empty()
    }

    pub(super) fn cost(&self) -> u128 {
        self.cost
    }

    pub(super) fn get(&self, nonce: u64) -> Option<&Entry<T>> {
        self.txs.get(&nonce)
    }

    pub(super) fn first_nonce(&self) -> Option<u64> {
        self.txs.first_key_value().map(|(nonce, _)| *nonce)
    }

    pub(super) fn last_nonce(&self) -> Option<u64> {
        self.txs.last_key_value().map(|(nonce, _)| *nonce)
    }

    /// The last nonce below `nonce`.
    pub(super) fn before(&self, nonce: u64) -> Option<u64> {
        self.txs.range(..nonce).next_back().map(|(nonce, _)| *nonce)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Entry<T>)> {
        self.txs.iter().map(|(nonce, entry)| (*nonce, entry))
    }

    /// The first nonce from `from`, the sender's next by some state, that no waiting transaction has.
    pub(super) fn first_missing(&self, from: u64) -> u64 {
        if (self.nonce..=self.missing).contains(&from) { self.missing } else { self.scan(from) }
    }

    fn scan(&self, from: u64) -> u64 {
        let mut next = from;
        for nonce in self.txs.range(from..).map(|(nonce, _)| *nonce) {
            if nonce != next {
                break;
            }
            next = next.saturating_add(1);
        }
        next
    }

    /// Notes the sender's next nonce by finalized state.
    pub(super) fn set_nonce(&mut self, nonce: u64) {
        self.missing = self.first_missing(nonce);
        self.nonce = nonce;
    }

    pub(super) fn insert(&mut self, entry: Entry<T>) {
        self.cost = self.cost.saturating_add(entry.cost);
        let nonce = entry.tx.nonce();
        if let Some(old) = self.txs.insert(nonce, entry) {
            self.cost = self.cost.saturating_sub(old.cost);
        }
        if nonce == self.missing {
            self.missing = self.scan(nonce);
        }
    }

    pub(super) fn remove(&mut self, nonce: u64) -> Option<Entry<T>> {
        let entry = self.txs.remove(&nonce)?;
        self.cost = self.cost.saturating_sub(entry.cost);
        if nonce >= self.nonce {
            self.missing = self.missing.min(nonce);
        }
        Some(entry)
    }

    /// Rank of the transaction with `nonce`.
    pub(super) fn rank(&self, nonce: u64, sender: Address) -> Option<Rank> {
        let entry = self.txs.get(&nonce)?;
        let executable = nonce < self.missing;
        let (tip, fee) = (entry.tx.max_priority_fee_per_gas(), entry.tx.max_fee_per_gas());
        Some((executable, tip, fee, Reverse(entry.seq), sender))
    }
}
