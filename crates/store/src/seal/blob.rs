//! Sealing of blobs: XChaCha20-Poly1305 with a synthetic nonce.
//!
//! ```text
//! version 1 | nonce 24 bytes | ciphertext, as long as the plaintext | tag 16 bytes
//! nonce = BLAKE3.keyed(nonce key, len(context) u64 LE | context | BLAKE3(plaintext))[..24]
//! associated data = version | context
//! ```
//!
//! The nonce follows the synthetic-IV idea of RFC 5297: derived from key, context and plaintext by a
//! keyed hash, so sealing is deterministic, and a nonce repeats only when everything repeats. What
//! it gives away: whether two sealed blobs of one job and context hold the same bytes. Opening
//! recomputes the nonce, so nobody who knows the key can make a second sealed form of a plaintext
//! (which would split honest replicas by name), nor one ciphertext that opens under two keys.

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};

use super::{JobKey, SealError};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = 1 + NONCE_BYTES;

/// How much longer a sealed blob is than its plaintext.
pub const BLOB_OVERHEAD_BYTES: usize = HEAD_BYTES + TAG_BYTES;

/// Seals `plaintext` under the job's key, bound to `context` (what the blob is, as `output/7`).
/// The same key, context and plaintext always give the same bytes.
pub fn seal_blob(key: &JobKey, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let nonce = synthetic_nonce(key, context, plaintext);
    let mut sealed = Vec::with_capacity(plaintext.len() + BLOB_OVERHEAD_BYTES);
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let tag = cipher(key)
        .encrypt_inout_detached(&XNonce::from(nonce), &associated_data(context), (&mut sealed[HEAD_BYTES..]).into())
        .expect("XChaCha20-Poly1305 takes any message below 256 GiB, more than memory holds");
    sealed.extend_from_slice(&tag);
    sealed
}

/// Opens what [`seal_blob`] made under the same key and context; anything else is an error.
pub fn open_blob(key: &JobKey, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (head, rest) = sealed.split_at_checked(HEAD_BYTES).ok_or(SealError::WrongLength)?;
    let (version, nonce) = (head[0], &head[1..]);
    if version != VERSION {
        return Err(SealError::UnknownVersion(version));
    }
    let text_bytes = rest.len().checked_sub(TAG_BYTES).ok_or(SealError::WrongLength)?;
    let (ciphertext, tag) = rest.split_at(text_bytes);
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| SealError::WrongLength)?;
    let tag: [u8; TAG_BYTES] = tag.try_into().map_err(|_| SealError::WrongLength)?;

    let mut plaintext = ciphertext.to_vec();
    cipher(key)
        .decrypt_inout_detached(
            &XNonce::from(nonce),
            &associated_data(context),
            plaintext.as_mut_slice().into(),
            &Tag::from(tag),
        )
        .map_err(|_| SealError::NotAuthentic)?;
    if synthetic_nonce(key, context, &plaintext) != nonce {
        return Err(SealError::NotCanonical);
    }
    Ok(plaintext)
}

fn cipher(key: &JobKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&key.cipher_key().0).into())
}

fn associated_data(context: &[u8]) -> Vec<u8> {
    [&[VERSION], context].concat()
}

fn synthetic_nonce(key: &JobKey, context: &[u8], plaintext: &[u8]) -> [u8; NONCE_BYTES] {
    let mut hasher = blake3::Hasher::new_keyed(&key.nonce_key().0);
    hasher.update(&(context.len() as u64).to_le_bytes());
    hasher.update(context);
    hasher.update(blake3::hash(plaintext).as_bytes());
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&hasher.finalize().as_bytes()[..NONCE_BYTES]);
    nonce
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> JobKey {
        JobKey::from_bytes([3; 32])
    }

    #[test]
    fn two_replicas_that_seal_the_same_output_name_the_same_blob() {
        let sealed = seal_blob(&key(), b"output/7", b"the answer");
        assert_eq!(sealed, seal_blob(&key(), b"output/7", b"the answer"));
        assert_eq!(sealed.len(), b"the answer".len() + BLOB_OVERHEAD_BYTES);
        assert_ne!(sealed, seal_blob(&key(), b"output/8", b"the answer"));
        assert_ne!(sealed, seal_blob(&key(), b"output/7", b"another answer"));
        assert_ne!(sealed, seal_blob(&JobKey::from_bytes([4; 32]), b"output/7", b"the answer"));
    }

    #[test]
    fn the_sealed_form_is_pinned() {
        let sealed = seal_blob(&key(), b"output/7", b"the answer");
        assert_eq!(crate::BlobId::of(&sealed).to_string(), PINNED, "the sealed format changed: raise its version");
    }
    // The same bytes come from libsodium's XChaCha20-Poly1305 and the reference BLAKE3, by the layout above.
    const PINNED: &str = "a70ed858656b8e036f1ffd2401957de07ee9448e6ccebd42c2625b6942fdb29a";

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let sealed = seal_blob(&key(), b"input/0", b"secret position");
        for at in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(open_blob(&key(), b"input/0", &bad).is_err(), "bit {at}");
        }
        for len in 0..sealed.len() {
            assert!(open_blob(&key(), b"input/0", &sealed[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn the_wrong_key_or_context_opens_nothing() {
        let sealed = seal_blob(&key(), b"input/0", b"x");
        let other = JobKey::from_bytes([9; 32]);
        assert_eq!(open_blob(&other, b"input/0", &sealed), Err(SealError::NotAuthentic));
        assert_eq!(open_blob(&key(), b"input/1", &sealed), Err(SealError::NotAuthentic));
    }

    #[test]
    fn a_sealing_with_a_nonce_of_the_sealers_choice_is_refused() {
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&[5; NONCE_BYTES]);
        sealed.extend_from_slice(b"the answer");
        let tag = cipher(&key())
            .encrypt_inout_detached(&XNonce::from([5; 24]), &associated_data(b"o"), (&mut sealed[HEAD_BYTES..]).into())
            .unwrap();
        sealed.extend_from_slice(&tag);
        assert_eq!(open_blob(&key(), b"o", &sealed), Err(SealError::NotCanonical));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(plaintext in proptest::collection::vec(any::<u8>(), 0..4096), context in proptest::collection::vec(any::<u8>(), 0..40)) {
            let sealed = seal_blob(&key(), &context, &plaintext);
            prop_assert_eq!(open_blob(&key(), &context, &sealed), Ok(plaintext));
        }

        #[test]
        fn noise_never_opens(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(open_blob(&key(), b"", &noise).is_err());
        }
    }
}
