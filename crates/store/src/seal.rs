//! Sealing: blobs under a job key, and the job key to each provider.
//!
//! Every job has one random 32-byte key. Inputs, outputs and logs are sealed under it with
//! XChaCha20-Poly1305 ([`blob`]); the key itself is sealed to each assigned provider with HPKE
//! ([`envelope`], RFC 9180). The chain holds the key's hash and the sealed keys, never the key,
//! unless a dispute makes a holder disclose it.
//!
//! Invariant: under one job key and context a plaintext has exactly one sealed form. Replicas that
//! computed the same output therefore name the same blob, and a sealed form made differently does
//! not open.

mod blob;
mod envelope;
mod key;

pub use blob::{BLOB_OVERHEAD_BYTES, open_blob, seal_blob};
pub use envelope::{SEALED_KEY_BYTES, SealingKeypair, key_binding, open_key, seal_key};
pub use key::JobKey;

/// Why something could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    NoRandomness,
    /// Shorter than any sealed thing, or of another length than a sealed key has.
    #[error("the sealed bytes have an impossible length")]
    WrongLength,
    /// Sealed by a version this one does not know.
    #[error("the bytes were sealed by an unknown version ({0})")]
    UnknownVersion(u8),
    /// Tampered with, sealed under another key, or bound to another context.
    #[error("the sealed bytes were altered, or sealed under another key or for another purpose")]
    NotAuthentic,
    /// Opens, but is not the one sealed form this plaintext has.
    #[error("the sealed bytes are not the canonical sealing of their content")]
    NotCanonical,
    /// A public key no secret can be agreed with.
    #[error("the recipient's sealing key is not a usable X25519 public key")]
    BadPublicKey,
}
