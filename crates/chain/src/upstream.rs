//! Where a node without peers gets the chain from: another node, asked over JSON-RPC, or a file.
//!
//! An upstream is trusted with nothing. What it says is checked by who asks, against the committee's
//! certificates: [`crate::sync`] for state and blocks. A wrong answer is the upstream's fault and is
//! counted against it ([`Pool`]); another one is asked.
//!
//! ```text
//!  joining node ──▶ Pool ──▶ Upstream 1 (JSON-RPC of a node)   certified tip, blocks, state operations
//!                     └────▶ Upstream 2 (a snapshot file)
//! ```
//!
//! Bounds: an answer holds at most [`MAX_BLOCKS`] blocks and about [`MAX_ANSWER_BYTES`] bytes, one
//! block or operation more than that if it alone is larger.

mod local;
mod pool;
mod rpc;

use assay_types::{
    B256, Bytes,
    node::{Certificate, Handover},
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use pool::{Fault, NoUpstream, Pool, STRIKES};
pub use rpc::{BadAddress, RpcUpstream};
pub(crate) use rpc::{NOT_FOUND, PRUNED};

/// Blocks of one answer.
pub const MAX_BLOCKS: u64 = 256;
/// Bytes of blocks or operations after which an answer ends.
pub const MAX_ANSWER_BYTES: usize = 4 << 20;
/// Operations of the state log in one answer.
pub const MAX_OPERATIONS: u64 = 1_024;
/// Longest that a question for a newer tip waits, milliseconds.
pub const TIP_WAIT_MS: u64 = 5_000;

/// A finalized block as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRecord {
    /// Encoded block.
    pub block: Bytes,
    /// Encoded finality certificate, if the block has one of its own and not only a descendant's.
    pub certificate: Option<Bytes>,
}

/// Why an upstream gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// It cannot be reached, or did not answer in time.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It answered with an error.
    #[error("it refuses: {message} (code {code})")]
    Refused {
        /// JSON-RPC code.
        code: i32,
        /// Its words.
        message: String,
    },
    /// It no longer holds what was asked for; an archive node may.
    #[error("it has pruned what was asked for: {0}")]
    Pruned(String),
    /// It never had what was asked for.
    #[error("it does not have what was asked for: {0}")]
    Unknown(String),
    /// Its answer does not parse.
    #[error("its answer is malformed: {0}")]
    Malformed(String),
}

/// What is asked of an upstream. Each answer must be checked by who asks.
pub trait Upstream: Send + Sync + 'static {
    /// How people call it.
    fn name(&self) -> String;

    /// Its newest certified header, once that is higher than `after`, or after [`TIP_WAIT_MS`] in any
    /// case.
    fn tip(&self, after: u64) -> BoxFuture<'_, Result<Certificate, UpstreamError>>;

    /// Finalized blocks from height `from` on, ascending, as many of `count` as it has and fit.
    fn blocks(&self, from: u64, count: u64) -> BoxFuture<'_, Result<Vec<BlockRecord>, UpstreamError>>;

    /// The finalized block with a digest.
    fn block(&self, hash: B256) -> BoxFuture<'_, Result<BlockRecord, UpstreamError>>;

    /// Operations of the state log with their proof: an encoded `qmdb::sync` response to the encoded
    /// request. It may hold fewer operations than asked for, never none.
    fn state_ops(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, UpstreamError>>;

    /// How the committees of `epoch` and after it came to sit, without a gap; none if it knows none yet.
    fn handovers(&self, epoch: u64, count: u64) -> BoxFuture<'_, Result<Vec<Handover>, UpstreamError>>;

    /// Passes a signed transaction on.
    fn submit(&self, raw: Bytes) -> BoxFuture<'_, Result<B256, UpstreamError>>;
}
