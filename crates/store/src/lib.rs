//! Blobs: programs, inputs, outputs and logs of jobs, sealed, kept and moved.
//!
//! ```text
//!   renter                        provider                      co-replica, witness, adjudicator
//!   seal_blob(job key) ---------> BlobStore (quota, eviction)
//!        |   GET over iroh             |
//!        +--- Source on chain          +--- Source on chain ------> GET, verified by its name
//!   seal_key(provider) == on chain ==> open_key
//! ```
//!
//! A blob is named by the BLAKE3 hash of its bytes **as stored**, that is, sealed. Whoever holds the
//! name can check the bytes, whoever holds the job key can read them, and nobody needs to trust the
//! peer they came from.
//!
//! What is deliberately absent: nothing here knows of jobs, prices or the chain. Ids of jobs and
//! providers are opaque bytes, and who may store what at a node is a policy handed in
//! ([`transfer::AcceptPut`]). Striping, erasure codes and proofs of retrievability are not here yet.

#![forbid(unsafe_code)]

pub mod disk;
mod id;
pub mod seal;
pub mod source;
pub mod transfer;

pub use disk::{BlobStore, Holder, StoreConfig, StoreError};
pub use id::{BlobId, ParseBlobIdError};
pub use seal::{JobKey, SealError, SealingKeypair, open_blob, open_key, seal_blob, seal_key};
pub use source::{NodeId, Source, SourceError};
pub use transfer::{AcceptPut, BlobNode, Blobs, FetchError, NodeConfig, PeerError, PeerFailure};
