//! A validator's keys: Ed25519 for the peer-to-peer layer, BLS12-381 for votes and the beacon.

use commonware_codec::{DecodeExt as _, Encode as _};
use commonware_cryptography::{
    Signer as _,
    bls12381::primitives::{
        group::Private,
        ops::{compute_public, sign_proof_of_possession},
        variant::{MinPk, Variant},
    },
    ed25519,
};
use commonware_math::algebra::Random;
use rand_core::CryptoRng;

/// Vote public key: a point of G1, 48 bytes compressed.
pub type VoteKey = <MinPk as Variant>::Public;
/// Signature: a point of G2, 96 bytes compressed.
pub type VoteSignature = <MinPk as Variant>::Signature;

/// Namespace of proofs of possession. Not bound to a network: the proof shows that a key is held, and
/// the genesis that lists it comes after it.
pub const POSSESSION_NAMESPACE: &[u8] = b"ASSAY_PROOF_OF_POSSESSION";

/// The secrets of one validator seat.
#[derive(Clone)]
pub struct ValidatorKeys {
    /// Identity on the peer-to-peer layer.
    pub network: ed25519::PrivateKey,
    /// Signs votes and beacon reveals.
    pub vote: Private,
    /// Takes the place of `vote` in the first epoch whose committee lists it.
    pub next_vote: Option<Private>,
}

impl std::fmt::Debug for ValidatorKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValidatorKeys").field("network", &self.network.public_key()).finish_non_exhaustive()
    }
}

/// The bytes are not a validator's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these are not the keys of a validator: expected 64 bytes, a seed of Ed25519 and a BLS scalar")]
pub struct MalformedKeys;

impl ValidatorKeys {
    /// New keys.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self { network: Random::random(&mut *rng), vote: Random::random(rng), next_vote: None }
    }

    /// 64 bytes: the Ed25519 seed, the BLS scalar.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.network.encode().to_vec();
        bytes.extend_from_slice(&self.vote.encode());
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedKeys> {
        let (network, vote) = bytes.split_at_checked(32).filter(|(_, vote)| vote.len() == 32).ok_or(MalformedKeys)?;
        let network = ed25519::PrivateKey::decode(network.to_vec()).map_err(|_| MalformedKeys)?;
        let vote = Private::decode(vote.to_vec()).map_err(|_| MalformedKeys)?;
        Ok(Self { network, vote, next_vote: None })
    }

    /// Public identity on the peer-to-peer layer, 32 bytes.
    pub fn network_key(&self) -> assay_types::B256 {
        assay_types::B256::from_slice(&self.network.public_key().encode())
    }

    /// The vote keys, the one that comes last.
    pub fn votes(&self) -> impl Iterator<Item = &Private> {
        std::iter::once(&self.vote).chain(&self.next_vote)
    }

    /// Public vote key, 48 bytes.
    pub fn vote_key(&self) -> assay_types::Bytes {
        compute_public::<MinPk>(&self.vote).encode().to_vec().into()
    }

    /// Shows that the vote key is held by who lists it, 96 bytes.
    pub fn proof_of_possession(&self) -> assay_types::Bytes {
        sign_proof_of_possession::<MinPk>(&self.vote, POSSESSION_NAMESPACE).encode().to_vec().into()
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn keys_survive_their_bytes_and_damaged_bytes_are_refused() {
        let keys = ValidatorKeys::generate(&mut StdRng::seed_from_u64(7));
        let bytes = keys.to_bytes();
        let read = ValidatorKeys::from_bytes(&bytes).expect("own bytes");
        assert_eq!((read.network_key(), read.vote_key()), (keys.network_key(), keys.vote_key()));
        assert_eq!(ValidatorKeys::from_bytes(&bytes[1..]).err(), Some(MalformedKeys));
        assert_eq!(ValidatorKeys::from_bytes(&[0xff; 64]).err(), Some(MalformedKeys));
    }
}
