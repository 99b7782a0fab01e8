//! The job key.

use std::fmt;

use zeroize::Zeroize;

use super::SealError;

// Domain separation of everything derived from a job key. Changing one is a format change.
const HASH_CONTEXT: &str = "assay 2026-11 job key hash";
const CIPHER_CONTEXT: &str = "assay 2026-11 blob cipher key v1";
const NONCE_CONTEXT: &str = "assay 2026-11 blob nonce key v1";

/// The secret that seals everything of one job. Wiped from memory when dropped.
#[derive(Clone)]
pub struct JobKey([u8; 32]);

impl JobKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self, SealError> {
        let mut key = Self([0; 32]);
        getrandom::fill(&mut key.0).map_err(|_| SealError::NoRandomness)?;
        Ok(key)
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret bytes, to be disclosed in a dispute or kept in a file only its owner reads.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What the job publishes of its key: `BLAKE3.derive_key("assay 2026-11 job key hash", key)`.
    /// Says nothing about the key, and nothing else derived from the key can equal it.
    pub fn hash(&self) -> [u8; 32] {
        blake3::derive_key(HASH_CONTEXT, &self.0)
    }

    pub(super) fn cipher_key(&self) -> DerivedKey {
        DerivedKey(blake3::derive_key(CIPHER_CONTEXT, &self.0))
    }

    pub(super) fn nonce_key(&self) -> DerivedKey {
        DerivedKey(blake3::derive_key(NONCE_CONTEXT, &self.0))
    }
}

impl Drop for JobKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JobKey(secret)")
    }
}

/// A key made from the job key for one purpose; wiped when dropped.
pub(super) struct DerivedKey(pub(super) [u8; 32]);

impl Drop for DerivedKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_generated_keys_differ() {
        let (a, b) = (JobKey::generate().unwrap(), JobKey::generate().unwrap());
        assert_ne!(a.as_bytes(), b.as_bytes());
        assert_ne!(a.hash(), b.hash());
    }

    #[test]
    fn what_is_derived_for_one_purpose_serves_no_other() {
        let key = JobKey::from_bytes([7; 32]);
        let all = [key.hash(), key.cipher_key().0, key.nonce_key().0, *blake3::hash(&[7; 32]).as_bytes(), [7; 32]];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn the_ledger_hashes_a_disclosed_key_the_same_way() {
        let key = JobKey::from_bytes([7; 32]);
        assert_eq!(assay_types::job::key_hash(&(*key.as_bytes()).into()).0, key.hash());
    }

    #[test]
    fn a_key_never_prints_itself() {
        assert_eq!(format!("{:?}", JobKey::from_bytes([7; 32])), "JobKey(secret)");
    }
}
