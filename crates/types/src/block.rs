//! What a finalized block says, as nodes hand it to indexers, providers and clients.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, Log};
use serde::{Deserialize, Serialize};

/// Stable number of a refusal; the table is in `docs/protocol/rejects.md`. Never reused.
pub type RejectCode = u16;

/// Why an included transaction had no effect beyond its fee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxFailure {
    /// Stable number.
    pub code: RejectCode,
    /// Stable name, as `WrongPhase`.
    pub name: String,
}

/// Outcome of one included transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Transaction hash (keccak256 of the EIP-2718 bytes).
    pub tx_hash: B256,
    /// Recovered sender.
    pub from: Address,
    /// Destination.
    pub to: Address,
    /// None when it did what it asked; the fee is charged either way.
    pub failure: Option<TxFailure>,
    /// Gas charged.
    pub gas_used: u64,
    /// Gas charged by this and all earlier transactions of the block.
    pub cumulative_gas_used: u64,
    /// Grains a unit of gas cost.
    pub effective_gas_price: u128,
    /// Events, in order.
    pub logs: Vec<Log>,
}

/// A transaction of a finalized block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalizedTx {
    /// EIP-2718 bytes as signed.
    pub raw: Bytes,
    /// What became of it.
    pub receipt: Receipt,
}

/// A finalized block with everything it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalizedBlock {
    /// Height; genesis is 0.
    pub height: u64,
    /// Digest the validators signed.
    pub hash: B256,
    /// Digest of the parent.
    pub parent_hash: B256,
    /// Milliseconds since the Unix epoch, by the leader's clock.
    pub timestamp_ms: u64,
    /// Account of the leader.
    pub proposer: Address,
    /// State root after this block.
    pub state_root: B256,
    /// Commitment to the transactions.
    pub transactions_root: B256,
    /// Commitment to the receipts and end-of-block logs.
    pub receipts_root: B256,
    /// Randomness accumulator after this block.
    pub beacon: B256,
    /// Base fee, grains a unit of gas.
    pub base_fee: u128,
    /// Gas used by all transactions.
    pub gas_used: u64,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// Encoded size.
    pub size_bytes: u64,
    /// Transactions in order.
    pub txs: Vec<FinalizedTx>,
    /// Events of the end of the block (assignments, expiries, settlements), which belong to no transaction.
    pub end_logs: Vec<Log>,
}

impl FinalizedBlock {
    /// All events of the block in order: transactions first, then the end of the block.
    pub fn logs(&self) -> impl Iterator<Item = &Log> {
        self.txs.iter().flat_map(|tx| &tx.receipt.logs).chain(&self.end_logs)
    }
}

/// A finalized block shared between its readers.
pub type SharedBlock = Arc<FinalizedBlock>;
