//! The pool's rules.
//!
//! Which refusal wins, in this order: already known, a refused sender, intrinsic limits of a block, fee below the
//! floor, nonce used, nonce gap, replacement underpriced, funds, sender's quota, pool full.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
    sync::Arc,
};

use assay_ledger::Reject;
use assay_types::{Address, B256, RejectCode};

use super::queue::{Entry, Queue, Rank};

/// What the pool must know of a transaction.
pub trait PoolTx {
    /// Its hash.
    fn hash(&self) -> B256;
    /// Who signed it.
    fn sender(&self) -> Address;
    /// Its nonce.
    fn nonce(&self) -> u64;
    /// Most gas its sender pays for.
    fn gas_limit(&self) -> u64;
    /// Gas it takes of a block.
    fn gas(&self) -> u64;
    /// Most grains a unit of gas may cost.
    fn max_fee_per_gas(&self) -> u128;
    /// Most of that for the leader.
    fn max_priority_fee_per_gas(&self) -> u128;
    /// Grains it moves.
    fn value(&self) -> u128;
    /// Encoded bytes.
    fn size_bytes(&self) -> usize;

    /// The most it can take from its sender; `None` beyond 128 bits, which nobody owns.
    fn cost(&self) -> Option<u128> {
        self.max_fee_per_gas().checked_mul(u128::from(self.gas_limit()))?.checked_add(self.value())
    }

    /// What the leader earns on a unit of gas at this base fee; `None` when the cap is below it.
    fn effective_tip(&self, base_fee: u128) -> Option<u128> {
        Some(self.max_fee_per_gas().checked_sub(base_fee)?.min(self.max_priority_fee_per_gas()))
    }
}

/// A sender as some state has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Funds {
    /// Next nonce.
    pub nonce: u64,
    /// Grains it has.
    pub balance: u128,
}

/// Bounds of a pool. They are a node's own choice and no part of consensus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Transactions of all senders.
    pub max_txs: usize,
    /// Encoded bytes of all senders.
    pub max_bytes: usize,
    /// Transactions of one sender.
    pub max_txs_per_sender: usize,
    /// How far a nonce may lie beyond the first missing one. Wide enough for a burst that arrives out
    /// of order over many connections.
    pub max_nonce_gap: u64,
    /// How much more, in percent, both fees of a replacement must offer.
    pub replacement_percent: u128,
    /// Blocks a transaction may wait.
    pub max_age_blocks: u64,
    /// Gas a block has room for, so that nothing waits that could never fit.
    pub block_gas_limit: u64,
    /// Bytes a block has room for.
    pub block_bytes_limit: usize,
    /// Senders none of whose transactions may wait, so that this node's blocks hold none either. It executes the
    /// blocks of others as they are.
    pub refused: BTreeSet<Address>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_txs: 32_768,
            max_bytes: 32 << 20,
            max_txs_per_sender: 4_096,
            max_nonce_gap: 1_024,
            replacement_percent: 10,
            max_age_blocks: 20_000,
            block_gas_limit: 60_000_000,
            block_bytes_limit: 1 << 20,
            refused: BTreeSet::new(),
        }
    }
}

/// Room left in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Gas.
    pub gas: u64,
    /// Encoded bytes.
    pub bytes: usize,
}

/// Why a transaction may not wait here. The texts begin with those geth uses, which wallets match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The same transaction waits already.
    #[error("already known")]
    AlreadyKnown,
    /// This node's operator takes nothing from this sender.
    #[error("this node takes no transactions from {sender}: send it to another node")]
    RefusedSender {
        /// Who signed it.
        sender: Address,
    },
    /// Wants more gas than a block has.
    #[error("exceeds block gas limit: {given} wanted, a block has {limit}")]
    GasLimit {
        /// Wanted.
        given: u64,
        /// A block's.
        limit: u64,
    },
    /// Longer than a block may be.
    #[error("oversized data: {given} bytes, a block has {limit}")]
    Size {
        /// Its bytes.
        given: usize,
        /// A block's.
        limit: usize,
    },
    /// Fee cap below the base fee of the next block.
    #[error("max fee per gas less than block base fee: maxFeePerGas {given}, baseFee {floor}")]
    FeeTooLow {
        /// Its cap.
        given: u128,
        /// The base fee.
        floor: u128,
    },
    /// The account used this nonce already.
    #[error("nonce too low: next nonce {expected}, tx nonce {given}")]
    NonceTooLow {
        /// The account's next nonce.
        expected: u64,
        /// Its nonce.
        given: u64,
    },
    /// Too far ahead of the first missing nonce.
    #[error("nonce too high: nonce gap beyond {max_gap}: first missing nonce {expected}, tx nonce {given}")]
    NonceGap {
        /// First nonce that is missing.
        expected: u64,
        /// Its nonce.
        given: u64,
        /// How far it may lie ahead.
        max_gap: u64,
    },
    /// A transaction with this nonce waits and this one does not offer enough more.
    #[error(
        "replacement transaction underpriced: both fees must rise by {percent} %, to maxFeePerGas {max_fee} and maxPriorityFeePerGas {max_tip}"
    )]
    ReplacementUnderpriced {
        /// Percent both fees must rise by.
        percent: u128,
        /// Least fee cap that replaces.
        max_fee: u128,
        /// Least tip that replaces.
        max_tip: u128,
    },
    /// The account cannot pay for it and for what it has waiting.
    #[error(
        "insufficient funds for gas * price + value: address {sender} have {balance} want {needed} (waiting transactions included)"
    )]
    InsufficientFunds {
        /// Who pays.
        sender: Address,
        /// What it has.
        balance: u128,
        /// What all its waiting transactions and this one may cost.
        needed: u128,
    },
    /// The sender has as many waiting as one may.
    #[error("account limit exceeded: {limit} transactions of this sender wait already")]
    SenderQuota {
        /// The quota.
        limit: usize,
    },
    /// The pool is full of better paying transactions.
    #[error("txpool is full: waiting transactions pay a tip of {cheapest} grains a gas and more")]
    Full {
        /// Tip of the cheapest that could have made room.
        cheapest: u128,
    },
}

impl PoolError {
    /// Stable number and name, for programs. Where the ledger refuses the same in a block, they are
    /// the ledger's; the pool's own begin at 40. Never reused.
    pub fn code(&self) -> (RejectCode, &'static str) {
        let ledger = |reject: Reject| (reject.code(), reject.name());
        match self {
            Self::Size { .. } => ledger(Reject::Oversized),
            Self::GasLimit { .. } => ledger(Reject::GasLimitTooHigh),
            Self::FeeTooLow { .. } => ledger(Reject::FeeBelowBase),
            Self::NonceTooLow { .. } => ledger(Reject::NonceTooLow),
            Self::NonceGap { .. } => ledger(Reject::NonceGap),
            Self::InsufficientFunds { .. } => ledger(Reject::InsufficientFunds),
            Self::AlreadyKnown => (40, "AlreadyKnown"),
            Self::ReplacementUnderpriced { .. } => (41, "ReplacementUnderpriced"),
            Self::SenderQuota { .. } => (42, "SenderQuota"),
            Self::Full { .. } => (43, "PoolFull"),
            Self::RefusedSender { .. } => (46, "RefusedSender"),
        }
    }
}

/// Waiting transactions.
#[derive(Debug)]
pub struct Pool<T> {
    limits: Limits,
    senders: BTreeMap<Address, Queue<T>>,
    /// Looked up, never iterated: its order is not deterministic.
    by_hash: HashMap<B256, (Address, u64)>,
    /// Each sender's last transaction in the order of eviction.
    tails: BTreeSet<Rank>,
    bytes: usize,
    seq: u64,
    height: u64,
    base_fee: u128,
}

impl<T: PoolTx> Pool<T> {
    /// An empty pool for the block after `height`, whose base fee is `base_fee`.
    pub fn new(limits: Limits, height: u64, base_fee: u128) -> Self {
        Self {
            limits,
            senders: BTreeMap::new(),
            by_hash: HashMap::new(),
            tails: BTreeSet::new(),
            bytes: 0,
            seq: 0,
            height,
            base_fee,
        }
    }

    /// Number of waiting transactions.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// Encoded bytes of all waiting transactions.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a transaction waits.
    pub fn contains(&self, hash: &B256) -> bool {
        self.by_hash.contains_key(hash)
    }

    /// A waiting transaction.
    pub fn get(&self, hash: &B256) -> Option<Arc<T>> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        Some(Arc::clone(&self.senders.get(sender)?.get(*nonce)?.tx))
    }

    /// The nonce a wallet should sign next, given the account's nonce by state.
    pub fn next_nonce(&self, sender: &Address, nonce: u64) -> u64 {
        self.senders.get(sender).map_or(nonce, |queue| queue.first_missing(nonce))
    }

    /// Adds a transaction; `funds` is its sender by finalized state.
    pub fn insert(&mut self, tx: Arc<T>, funds: Funds) -> Result<(), PoolError> {
        let (hash, sender, nonce, size) = (tx.hash(), tx.sender(), tx.nonce(), tx.size_bytes());
        self.check_alone(&tx)?;
        let cost = self.check_queue(&tx, funds)?;
        let replaced = self.senders.get(&sender).and_then(|q| q.get(nonce)).map(|e| e.tx.size_bytes());
        self.make_room(&tx, replaced)?;

        if replaced.is_some() {
            self.take(sender, nonce);
        }
        self.seq = self.seq.wrapping_add(1);
        let entry = Entry { tx, seq: self.seq, height: self.height, cost };
        let queue = self.senders.entry(sender).or_insert_with(|| Queue::new(funds.nonce));
        queue.set_nonce(funds.nonce);
        queue.insert(entry);
        self.by_hash.insert(hash, (sender, nonce));
        self.bytes = self.bytes.saturating_add(size);
        self.settle_tail(sender);
        Ok(())
    }

    /// Rules that look at the transaction alone.
    fn check_alone(&self, tx: &T) -> Result<(), PoolError> {
        if self.contains(&tx.hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        if self.limits.refused.contains(&tx.sender()) {
            return Err(PoolError::RefusedSender { sender: tx.sender() });
        }
        if tx.gas_limit() > self.limits.block_gas_limit {
            return Err(PoolError::GasLimit { given: tx.gas_limit(), limit: self.limits.block_gas_limit });
        }
        if tx.size_bytes() > self.limits.block_bytes_limit {
            return Err(PoolError::Size { given: tx.size_bytes(), limit: self.limits.block_bytes_limit });
        }
        if tx.max_fee_per_gas() < self.base_fee {
            return Err(PoolError::FeeTooLow { given: tx.max_fee_per_gas(), floor: self.base_fee });
        }
        Ok(())
    }

    /// Rules that look at its sender and what else the sender has waiting. Gives its cost.
    fn check_queue(&self, tx: &T, funds: Funds) -> Result<u128, PoolError> {
        let queue = self.senders.get(&tx.sender());
        let nonce = tx.nonce();
        if nonce < funds.nonce {
            return Err(PoolError::NonceTooLow { expected: funds.nonce, given: nonce });
        }
        let expected = queue.map_or(funds.nonce, |q| q.first_missing(funds.nonce));
        if nonce.saturating_sub(expected) > self.limits.max_nonce_gap {
            return Err(PoolError::NonceGap { expected, given: nonce, max_gap: self.limits.max_nonce_gap });
        }
        let old = queue.and_then(|q| q.get(nonce));
        if let Some(old) = old {
            let percent = self.limits.replacement_percent;
            let least = |fee: u128| fee.saturating_add(fee.saturating_mul(percent).div_ceil(100).max(1));
            let (max_fee, max_tip) = (least(old.tx.max_fee_per_gas()), least(old.tx.max_priority_fee_per_gas()));
            if tx.max_fee_per_gas() < max_fee || tx.max_priority_fee_per_gas() < max_tip {
                return Err(PoolError::ReplacementUnderpriced { percent, max_fee, max_tip });
            }
        }
        let waiting = queue.map_or(0, Queue::cost).saturating_sub(old.map_or(0, |e| e.cost));
        let cost = tx.cost().unwrap_or(u128::MAX);
        let needed = waiting.saturating_add(cost);
        if needed > funds.balance {
            return Err(PoolError::InsufficientFunds { sender: tx.sender(), balance: funds.balance, needed });
        }
        if old.is_none() && queue.is_some_and(|q| q.len() >= self.limits.max_txs_per_sender) {
            return Err(PoolError::SenderQuota { limit: self.limits.max_txs_per_sender });
        }
        Ok(cost)
    }

    /// Evicts cheaper transactions of other senders until `tx` fits, or refuses and evicts nothing.
    fn make_room(&mut self, tx: &T, replaced: Option<usize>) -> Result<(), PoolError> {
        let mut count = self.len().saturating_sub(usize::from(replaced.is_some())).saturating_add(1);
        let mut bytes = self.bytes.saturating_sub(replaced.unwrap_or(0)).saturating_add(tx.size_bytes());
        let (max_txs, max_bytes) = (self.limits.max_txs, self.limits.max_bytes);
        let fits = |count: usize, bytes: usize| count <= max_txs && bytes <= max_bytes;
        if fits(count, bytes) {
            return Ok(());
        }
        // The order of eviction is that of `tails`; a queue whose last goes offers the one before.
        let mut tails = self.tails.iter().copied().peekable();
        let mut exposed: BTreeSet<(Rank, u64)> = BTreeSet::new();
        let mut victims = Vec::new();
        while !fits(count, bytes) {
            let from_tails = match (tails.peek(), exposed.first()) {
                (Some(tail), Some((rank, _))) => tail < rank,
                (tail, _) => tail.is_some(),
            };
            let next = if from_tails { tails.next().map(|rank| (rank, None)) } else { None };
            let Some((rank, nonce)) = next.or_else(|| exposed.pop_first().map(|(rank, nonce)| (rank, Some(nonce))))
            else {
                return Err(PoolError::Full { cheapest: self.tails.first().map_or(0, |rank| rank.1) });
            };
            let (executable, tip, max_fee, _, sender) = rank;
            if (executable, tip, max_fee) >= (true, tx.max_priority_fee_per_gas(), tx.max_fee_per_gas()) {
                return Err(PoolError::Full { cheapest: tip });
            }
            if sender == tx.sender() {
                continue;
            }
            let Some(queue) = self.senders.get(&sender) else { continue };
            let Some(nonce) = nonce.or_else(|| queue.last_nonce()) else { continue };
            let Some(entry) = queue.get(nonce) else { continue };
            count = count.saturating_sub(1);
            bytes = bytes.saturating_sub(entry.tx.size_bytes());
            victims.push((sender, nonce));
            if let Some(before) = queue.before(nonce) {
                exposed.extend(queue.rank(before, sender).map(|rank| (rank, before)));
            }
        }
        for (sender, nonce) in victims {
            self.take(sender, nonce);
        }
        Ok(())
    }

    /// Removes one transaction, for instance one the ledger refused in a proposal.
    pub fn remove(&mut self, hash: &B256) -> Option<Arc<T>> {
        let (sender, nonce) = self.by_hash.get(hash).copied()?;
        self.take(sender, nonce)
    }

    fn take(&mut self, sender: Address, nonce: u64) -> Option<Arc<T>> {
        let entry = self.senders.get_mut(&sender)?.remove(nonce)?;
        self.by_hash.remove(&entry.tx.hash());
        self.bytes = self.bytes.saturating_sub(entry.tx.size_bytes());
        self.settle_tail(sender);
        Some(entry.tx)
    }

    /// Puts a sender's queue at its place in the order of eviction and drops it when empty.
    fn settle_tail(&mut self, sender: Address) {
        let Some(queue) = self.senders.get_mut(&sender) else { return };
        let now = queue.last_nonce().and_then(|nonce| queue.rank(nonce, sender));
        if queue.filed != now {
            if let Some(old) = queue.filed.take() {
                self.tails.remove(&old);
            }
            if let Some(rank) = now {
                self.tails.insert(rank);
            }
            queue.filed = now;
        }
        if queue.is_empty() {
            self.senders.remove(&sender);
        }
    }

    /// Picks what a leader should try in a block, best tip first and each sender's nonces in order.
    ///
    /// `funds` reads the parent's state, which may be ahead of the finalized one; it is asked only
    /// about senders that come to the front.
    pub fn propose(&self, mut funds: impl FnMut(&Address) -> Funds, base_fee: u128, mut space: Space) -> Vec<Arc<T>> {
        /// How many that do not fit are passed over before the block counts as full.
        const MISFITS: usize = 64;
        /// Least gas any transaction uses.
        const LEAST_GAS: u64 = 21_000;
        // (tip, earlier first, sender, nonce, what the sender may still spend once it is known)
        type Front = (u128, Reverse<u64>, Address, u64, Option<u128>);
        let front = |sender: &Address, queue: &Queue<T>, nonce: u64, budget: Option<u128>| -> Option<Front> {
            let entry = queue.get(nonce)?;
            Some((entry.tx.effective_tip(base_fee)?, Reverse(entry.seq), *sender, nonce, budget))
        };
        let mut heap: BinaryHeap<Front> = self
            .senders
            .iter()
            .filter_map(|(sender, queue)| front(sender, queue, queue.first_nonce()?, None))
            .collect::<Vec<_>>()
            .into();
        let (mut picked, mut misfits) = (Vec::new(), 0usize);
        while let Some((_, _, sender, nonce, budget)) = heap.pop() {
            if space.gas < LEAST_GAS || misfits > MISFITS {
                break;
            }
            let Some(queue) = self.senders.get(&sender) else { continue };
            let budget = match budget {
                Some(budget) => budget,
                None => {
                    let now = funds(&sender);
                    if now.nonce != nonce {
                        heap.extend(front(&sender, queue, now.nonce, Some(now.balance)));
                        continue;
                    }
                    now.balance
                }
            };
            let Some(entry) = queue.get(nonce) else { continue };
            let Some(left) = budget.checked_sub(entry.cost) else { continue };
            let size = entry.tx.size_bytes();
            match (space.gas.checked_sub(entry.tx.gas()), space.bytes.checked_sub(size)) {
                (Some(gas), Some(bytes)) => space = Space { gas, bytes },
                _ => {
                    misfits += 1;
                    continue;
                }
            }
            picked.push(Arc::clone(&entry.tx));
            heap.extend(front(&sender, queue, nonce.saturating_add(1), Some(left)));
        }
        picked
    }

    /// Follows a finalized block: `senders` are those whose transactions it contains, `funds` reads
    /// the state after it, `base_fee` is the next block's.
    pub fn finalized(
        &mut self,
        height: u64,
        base_fee: u128,
        senders: impl IntoIterator<Item = Address>,
        mut funds: impl FnMut(&Address) -> Funds,
    ) {
        /// Blocks between two sweeps for stale transactions, since a sweep looks at each.
        const SWEEP_EVERY: u64 = 64;
        let swept = self.height / SWEEP_EVERY;
        self.height = self.height.max(height);
        self.base_fee = base_fee;
        let mut seen = BTreeSet::new();
        for sender in senders {
            if !seen.insert(sender) {
                continue;
            }
            let Some(queue) = self.senders.get_mut(&sender) else { continue };
            let nonce = funds(&sender).nonce;
            queue.set_nonce(nonce);
            while let Some(used) = self.senders.get(&sender).and_then(Queue::first_nonce).filter(|used| *used < nonce) {
                self.take(sender, used);
            }
            self.settle_tail(sender);
        }
        if self.height / SWEEP_EVERY != swept {
            self.expire();
        }
    }

    fn expire(&mut self) {
        let oldest = self.height.saturating_sub(self.limits.max_age_blocks);
        let stale: Vec<(Address, u64)> = self
            .senders
            .iter()
            .flat_map(|(sender, queue)| queue.iter().map(move |(nonce, entry)| (*sender, nonce, entry.height)))
            .filter(|(_, _, height)| *height < oldest)
            .map(|(sender, nonce, _)| (sender, nonce))
            .collect();
        for (sender, nonce) in stale {
            self.take(sender, nonce);
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
