//! Logs of a block in order, and which of them a filter wants.

use alloy_primitives::Bloom;
use assay_types::{B256, FinalizedBlock, Log};

use super::end_hash;

/// Bounds of one log query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Blocks from first to last.
    pub max_blocks: u64,
    /// Logs found.
    pub max_logs: usize,
    /// Bytes of data in them.
    pub max_bytes: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { max_blocks: 100_000, max_logs: 10_000, max_bytes: 8 << 20 }
    }
}

/// Where a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxPlace {
    /// Block.
    pub height: u64,
    /// Position in the block; the number of its transactions for the protocol's own at its end.
    pub index: u32,
}

/// A log and its place in its block.
#[derive(Debug, Clone, Copy)]
pub struct PlacedLog<'a> {
    /// The event.
    pub log: &'a Log,
    /// Transaction that caused it, [`end_hash`] at the end of a block.
    pub tx_hash: B256,
    /// Position of that transaction in the block.
    pub tx_index: u64,
    /// Position of the log in the block.
    pub log_index: u64,
}

/// All logs of a block in order.
pub fn logs_of(block: &FinalizedBlock) -> impl Iterator<Item = PlacedLog<'_>> {
    let of_txs = block.txs.iter().map(|tx| (tx.receipt.tx_hash, &tx.receipt.logs));
    let of_end = std::iter::once_with(|| (end_hash(block.height), &block.end_logs));
    of_txs
        .chain(of_end)
        .zip(0u64..)
        .flat_map(|((tx_hash, logs), tx_index)| logs.iter().map(move |log| (log, tx_hash, tx_index)))
        .zip(0u64..)
        .map(|((log, tx_hash, tx_index), log_index)| PlacedLog { log, tx_hash, tx_index, log_index })
}

/// The 2048-bit bloom filter over addresses and topics of all logs of a block, as in Ethereum headers.
pub fn block_bloom(block: &FinalizedBlock) -> Bloom {
    block.logs().collect()
}
