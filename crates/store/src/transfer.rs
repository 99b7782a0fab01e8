//! Moving blobs between nodes.
//!
//! [`Blobs`] is what the rest of the system sees; [`BlobNode`] is the real thing, over iroh (QUIC,
//! every peer authenticated by its Ed25519 key) with the ALPN `assay/blob/0`. A simulation replaces
//! `BlobNode` by its own `Blobs` and nothing else.
//!
//! ```text
//!   get(id) -- here? --> BlobStore
//!      |  no
//!      +-- same blob being fetched already? --> wait for that
//!      +-- source 1 --GET--> size, bytes ... hash as they come --> equal to id? --> keep, return
//!      +-- source 2    when 1 failed, or sent nothing for a moment
//! ```
//!
//! Invariant: bytes that do not hash to the name asked for are never kept nor returned, and the peer
//! that sent them is named. Everything a peer can make us spend is bounded: see [`Limits`].

mod fetch;
mod limits;
mod node;
mod policy;
mod serve;
mod wire;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{BlobId, Source, StoreError, disk::Holder, source::NodeId};
pub use limits::Limits;
pub use node::{BlobNode, NodeConfig, NodeError};
pub use policy::{AcceptPut, ExpectedBlobs, PutDecision, PutOffer, RefusePuts};
pub use wire::ALPN;

/// Blobs as the provider and the client see them: kept here, fetched from and pushed to others.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// The blob, from here or else from the first source that delivers it. A blob of more than
    /// `max_bytes` is not fetched. What was fetched is kept, evictable, if there is room.
    async fn get(&self, id: BlobId, max_bytes: u64, sources: &[Source]) -> Result<Bytes, FetchError>;

    /// Keeps the bytes here, for others to get.
    async fn put(&self, bytes: Bytes) -> Result<BlobId, StoreError>;

    /// Offers the bytes to another node, which may refuse them.
    async fn push(&self, target: &Source, bytes: Bytes) -> Result<BlobId, PeerError>;

    /// Whether another node says that it has the blob.
    async fn has(&self, target: &Source, id: BlobId) -> Result<bool, PeerError>;

    /// Keeps the blob, here or yet to come, from eviction until `holder` lets go.
    fn pin(&self, id: BlobId, holder: Holder);

    /// Lets go of everything `holder` pinned.
    fn unpin(&self, holder: &Holder);

    /// Where others find this node.
    fn source(&self) -> Source;
}

/// What went wrong with one peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("node {node}: {failure}")]
pub struct PeerError {
    /// The peer, as it authenticated or should have.
    pub node: NodeId,
    /// What it did or failed to do.
    pub failure: PeerFailure,
}

/// How a peer can fail us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerFailure {
    /// No connection, or it broke and could not be made again.
    #[error("unreachable ({0})")]
    Unreachable(String),
    /// Connected, then answered or sent too slowly.
    #[error("too slow")]
    Timeout,
    /// Does not have the blob.
    #[error("does not have the blob")]
    NotFound,
    /// Served, or was sent, bytes that are not the blob.
    #[error("the bytes sent are not the blob")]
    HashMismatch,
    /// The blob is larger than the receiver takes.
    #[error("the blob is too large")]
    TooLarge,
    /// Serves as many as it can already.
    #[error("busy")]
    Busy,
    /// Will not store this blob.
    #[error("refuses to store the blob")]
    Refused,
    /// Would store the blob but has no room.
    #[error("has no room for the blob")]
    NoRoom,
    /// Could not read or write its own disk.
    #[error("has trouble with its disk")]
    Internal,
    /// Did not speak the protocol.
    #[error("broke the protocol")]
    Protocol,
}

/// Why a blob could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It is not here and no other place to look was given.
    #[error("blob {id} is not here, and no other node to ask was given")]
    NoSources {
        /// The blob.
        id: BlobId,
    },
    /// Every source failed; each with its reason, in the order they gave up.
    #[error("no node could deliver blob {id}: {}", list(.attempts))]
    AllFailed {
        /// The blob.
        id: BlobId,
        /// What each source did.
        attempts: Vec<PeerError>,
    },
    /// It is here, but larger than the caller takes.
    #[error("blob {id} has {size_bytes} bytes, more than the {max_bytes} expected")]
    TooLarge {
        /// The blob.
        id: BlobId,
        /// Its size.
        size_bytes: u64,
        /// The caller's limit.
        max_bytes: u64,
    },
}

fn list(attempts: &[PeerError]) -> String {
    attempts.iter().map(PeerError::to_string).collect::<Vec<_>>().join("; ")
}
