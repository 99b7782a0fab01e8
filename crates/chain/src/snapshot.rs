//! A chain's state in one file: exported from any node, imported without trusting who made it.
//!
//! The file holds a certified header, its block, and all operations of the state from the sync boundary
//! on, each piece with its proof. Importing is state sync with the file as the upstream, so every byte
//! is checked against the genesis' validators before it is believed; the hash at the end only tells
//! damage from forgery.
//!
//! ```text
//!  "ASSAYSNP"  version u32  genesis hash 32
//!  frame*      kind u8, length u32 of what follows, zstd of the payload
//!  end         kind 0, SHA-256 of all bytes before it
//! ```
//!
//! Integers are big-endian. Frames of operations begin at fixed steps of the log, as the importer asks
//! for them. Layout and bounds are part of `docs/protocol/sync.md`.

mod read;
mod write;

use std::path::PathBuf;

use assay_types::B256;

pub use read::{SnapshotUpstream, import};
pub use write::export;

use crate::{sync::JoinError, upstream::NoUpstream};

pub(crate) const MAGIC: &[u8; 8] = b"ASSAYSNP";
/// Layout of the file.
pub const VERSION: u32 = 1;
/// Magic, version, genesis hash.
pub(crate) const HEAD_BYTES: usize = 8 + 4 + 32;
/// Bytes of a frame's payload, at most.
pub(crate) const MAX_FRAME: usize = 64 << 20;

/// What a frame holds.
pub(crate) mod kind {
    pub(crate) const END: u8 = 0;
    /// Header and certificate, each behind its length.
    pub(crate) const TIP: u8 = 1;
    /// The block.
    pub(crate) const BLOCK: u8 = 2;
    /// Answer to the request for the boundary.
    pub(crate) const BOUNDARY: u8 = 3;
    /// First location as 8 bytes, answer to the request for operations.
    pub(crate) const OPERATIONS: u8 = 4;
    /// Handovers to epoch 1 and all after it up to the block's, a JSON array.
    pub(crate) const HANDOVERS: u8 = 5;
}

/// What a snapshot says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Hash of the genesis.
    pub genesis: B256,
    /// Height of the block.
    pub height: u64,
    /// Its digest.
    pub hash: B256,
    /// State root after it.
    pub state_root: B256,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// Operations held.
    pub operations: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// Why a snapshot is not written or not taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file cannot be read or written.
    #[error("the snapshot {path} cannot be read or written")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It does not begin like one.
    #[error("{path} is no snapshot of an Assay chain")]
    NotASnapshot {
        /// Which.
        path: PathBuf,
    },
    /// Written by another version.
    #[error("the snapshot {path} has layout {found}, this version reads {VERSION}: export it anew")]
    Version {
        /// Which.
        path: PathBuf,
        /// Its layout.
        found: u32,
    },
    /// Its end is missing.
    #[error("the snapshot {path} ends too early: it was cut off, copy it again")]
    Truncated {
        /// Which.
        path: PathBuf,
    },
    /// Its hash does not match.
    #[error("the snapshot {path} is damaged: {reason}; copy it again")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Of another network.
    #[error("the snapshot is of another network (genesis {found}, expected {expected})")]
    OtherNetwork {
        /// Genesis hash of the file.
        found: B256,
        /// Genesis hash wanted.
        expected: B256,
    },
    /// Nobody gave what was to be exported.
    #[error("the export stopped: {0}")]
    Export(#[source] NoUpstream),
    /// What it holds is not what validators signed, or the database failed.
    #[error("the snapshot was not taken")]
    Import(#[from] JoinError),
    /// The node has state already.
    #[error("the node already has its state (of block {height} or later): a snapshot goes into an empty directory")]
    NotEmpty {
        /// Where it joined; 0 is genesis.
        height: u64,
    },
    /// The state directory is unusable.
    #[error(transparent)]
    Start(#[from] crate::StartError),
}
