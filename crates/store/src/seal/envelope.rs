//! Sealing of job keys to providers: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256, ChaCha20-Poly1305.
//!
//! ```text
//! version 1 | encapsulated key 32 bytes | sealed job key 32 bytes | tag 16 bytes
//! ```
//!
//! The version byte is the associated data; `info` binds the envelope to a job and a provider, so it
//! cannot be replayed for another job or handed to another provider as if made for it.

use std::fmt;

use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal_with_rng,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use zeroize::{Zeroize, Zeroizing};

use super::{JobKey, SealError};

const VERSION: u8 = 1;
const ENCAPPED_BYTES: usize = 32;

/// Length of a sealed job key.
pub const SEALED_KEY_BYTES: usize = 1 + ENCAPPED_BYTES + 32 + 16;

/// The `info` that binds a sealed key to one job and one provider: what both sides pass to
/// [`seal_key`] and [`open_key`].
pub fn key_binding(job: &[u8; 32], provider: &[u8; 20]) -> Vec<u8> {
    [b"assay/job-key/1".as_slice(), job, provider].concat()
}

/// The X25519 key pair that job keys are sealed to. The secret is wiped when dropped.
pub struct SealingKeypair {
    secret: [u8; 32],
    public: [u8; 32],
}

impl SealingKeypair {
    /// A new pair from the operating system's randomness.
    pub fn generate() -> Result<Self, SealError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut()).map_err(|_| SealError::NoRandomness)?;
        Ok(Self::from_secret(*secret))
    }

    /// The pair with this secret, as kept by its owner.
    pub fn from_secret(secret: [u8; 32]) -> Self {
        let private = private_key(&secret);
        let mut public = [0; 32];
        public.copy_from_slice(&X25519HkdfSha256::sk_to_pk(&private).to_bytes());
        Self { secret, public }
    }

    /// The secret, for its owner to keep.
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// The public key a provider registers on chain.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }
}

impl Drop for SealingKeypair {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for SealingKeypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKeypair(")?;
        crate::id::write_hex(f, &self.public)?;
        f.write_str(")")
    }
}

fn private_key(secret: &[u8; 32]) -> <X25519HkdfSha256 as Kem>::PrivateKey {
    Deserializable::from_bytes(secret).expect("every 32 bytes are an X25519 secret")
}

/// Seals the job key to the owner of `recipient`, bound to `info` ([`key_binding`]).
///
/// `entropy` must be 32 bytes nobody can guess, used once: the ephemeral key follows from it. The
/// caller brings it so that a simulated machine can be replayed.
pub fn seal_key(key: &JobKey, recipient: &[u8; 32], info: &[u8], entropy: [u8; 32]) -> Result<Vec<u8>, SealError> {
    let recipient = Deserializable::from_bytes(recipient).map_err(|_| SealError::BadPublicKey)?;
    let (encapped, ciphertext) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &recipient,
        info,
        key.as_bytes(),
        &[VERSION],
        &mut ChaCha20Rng::from_seed(entropy),
    )
    .map_err(|_| SealError::BadPublicKey)?;
    Ok([&[VERSION], encapped.to_bytes().as_slice(), &ciphertext].concat())
}

/// Opens a job key sealed to this pair with the same `info`.
pub fn open_key(sealed: &[u8], recipient: &SealingKeypair, info: &[u8]) -> Result<JobKey, SealError> {
    if sealed.len() != SEALED_KEY_BYTES {
        return Err(SealError::WrongLength);
    }
    if sealed[0] != VERSION {
        return Err(SealError::UnknownVersion(sealed[0]));
    }
    let (encapped, ciphertext) = sealed[1..].split_at(ENCAPPED_BYTES);
    let encapped = Deserializable::from_bytes(encapped).map_err(|_| SealError::NotAuthentic)?;
    let opened = single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &private_key(&recipient.secret),
        &encapped,
        info,
        ciphertext,
        &[VERSION],
    )
    .map_err(|_| SealError::NotAuthentic)?;
    let opened = Zeroizing::new(opened);
    let bytes = Zeroizing::new(<[u8; 32]>::try_from(opened.as_slice()).map_err(|_| SealError::WrongLength)?);
    Ok(JobKey::from_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_provider_it_is_sealed_to_opens_the_key_and_nobody_else_does() {
        let (provider, other) = (SealingKeypair::generate().unwrap(), SealingKeypair::generate().unwrap());
        let key = JobKey::generate().unwrap();
        let info = key_binding(&[1; 32], &[2; 20]);
        let sealed = seal_key(&key, &provider.public(), &info, [1; 32]).unwrap();
        assert_eq!(sealed.len(), SEALED_KEY_BYTES);
        let opened = open_key(&sealed, &provider, &info).unwrap();
        assert_eq!(opened.as_bytes(), key.as_bytes());
        assert_eq!(opened.hash(), key.hash());
        assert_eq!(open_key(&sealed, &other, &info).unwrap_err(), SealError::NotAuthentic);
    }

    #[test]
    fn a_key_sealed_by_another_implementation_of_rfc_9180_opens() {
        // Made with PyPI pyhpke, to the secret [7; 32].
        const SEALED: &str = "010533e463e86aea97a5e69f058a19bd470108e3fc49723a34392221151c78d87d\
             77bf178893f883e3684465859d1b87ed7b1464c00a9a9e99b790264a73fb33962c2cf4adcd076f985695ed3d369f9cf2";
        let sealed: Vec<u8> =
            (0..SEALED.len()).step_by(2).map(|at| u8::from_str_radix(&SEALED[at..at + 2], 16).unwrap()).collect();
        let provider = SealingKeypair::from_secret([7; 32]);
        let opened = open_key(&sealed, &provider, &key_binding(&[1; 32], &[2; 20])).unwrap();
        assert_eq!(opened.as_bytes(), &[3; 32]);
    }

    #[test]
    fn a_sealed_key_replayed_for_another_job_or_provider_does_not_open() {
        let provider = SealingKeypair::generate().unwrap();
        let sealed =
            seal_key(&JobKey::generate().unwrap(), &provider.public(), &key_binding(&[1; 32], &[2; 20]), [2; 32])
                .unwrap();
        for info in [key_binding(&[9; 32], &[2; 20]), key_binding(&[1; 32], &[9; 20]), Vec::new()] {
            assert_eq!(open_key(&sealed, &provider, &info).unwrap_err(), SealError::NotAuthentic);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_wrong_length_is_noticed() {
        let provider = SealingKeypair::from_secret([7; 32]);
        let sealed = seal_key(&JobKey::generate().unwrap(), &provider.public(), b"info", [3; 32]).unwrap();
        for at in 0..sealed.len() * 8 {
            // RFC 7748 ignores the top bit of a coordinate, but HPKE hashes the encoding as sent.
            let mut bad = sealed.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(open_key(&bad, &provider, b"info").is_err(), "bit {at}");
        }
        for len in 0..sealed.len() {
            assert_eq!(open_key(&sealed[..len], &provider, b"info").unwrap_err(), SealError::WrongLength);
        }
    }

    #[test]
    fn a_public_key_of_small_order_is_refused() {
        let sealed = seal_key(&JobKey::generate().unwrap(), &[0; 32], b"info", [4; 32]);
        assert_eq!(sealed.unwrap_err(), SealError::BadPublicKey);
    }

    #[test]
    fn a_pair_restored_from_its_secret_is_the_same_pair() {
        let pair = SealingKeypair::generate().unwrap();
        assert_eq!(SealingKeypair::from_secret(*pair.secret()).public(), pair.public());
        assert!(!format!("{pair:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn noise_never_opens(noise in proptest::collection::vec(any::<u8>(), 0..2 * SEALED_KEY_BYTES)) {
            prop_assert!(open_key(&noise, &SealingKeypair::from_secret([7; 32]), b"").is_err());
        }
    }
}
