//! The past, as JSON-RPC asks for it: blocks by height and hash, transactions by hash, logs by filter.
//!
//! One redb file beside the node's state. It holds nothing that finalized blocks do not say, so it
//! can be deleted at any time and is rebuilt from them. Consensus never reads it.
//!
//! ```text
//!  finalized block ──▶ History (memory: what is not yet on disk) ──▶ subscribers
//!                         │ batches
//!                         ▼
//!                      Index (redb)
//! ```
//!
//! Invariants
//! - A height is written once; the same block again changes nothing, another block is an error.
//! - Blocks a crash kept from the index and that the node cannot read back leave a hole; they are
//!   answered as unknown.
//! - Tables of one batch change together or not at all.
//! - A subscriber that hears of a block can read it at once, from memory if not yet from disk.
//! - Memory is bounded by the backlog between the chain and the disk.
//!
//! Events of the end of a block belong to no transaction, but Ethereum's interfaces know logs of
//! transactions only. They are filed under a transaction of the protocol's own, after all others of
//! the block, with the hash [`end_hash`]. Blocks without such events have no such transaction.

pub(crate) mod codec;
mod follow;
mod history;
mod logs;
mod tables;

use alloy_primitives::keccak256;
use assay_types::B256;

pub use follow::follow;
pub use history::History;
pub use logs::{LogLimits, PlacedLog, TxPlace, block_bloom, logs_of};
pub use tables::{Index, IndexError, IndexOptions};

/// Hash of the protocol's own transaction at the end of the block at `height`: keccak256 of
/// ("assay/end", height as 8 bytes big-endian).
pub fn end_hash(height: u64) -> B256 {
    let mut bytes = b"assay/end".to_vec();
    bytes.extend_from_slice(&height.to_be_bytes());
    keccak256(bytes)
}
