//! What the ledger asks about the signatures of consensus, answered with commonware.

use assay_ledger::{ConsensusCrypto, Equivocation};
use assay_types::Seat;
use commonware_codec::DecodeExt as _;
use commonware_cryptography::bls12381::primitives::{ops::verify_proof_of_possession, variant::MinPk};

use crate::keys::{POSSESSION_NAMESPACE, VoteKey, VoteSignature};

/// BLS12-381 MinPk, as votes are signed.
#[derive(Debug, Clone, Copy)]
pub struct Bls;

impl ConsensusCrypto for Bls {
    fn possesses(&self, vote_key: &[u8], proof: &[u8]) -> bool {
        let (Ok(key), Ok(proof)) = (VoteKey::decode(vote_key.to_vec()), VoteSignature::decode(proof.to_vec())) else {
            return false;
        };
        verify_proof_of_possession::<MinPk>(&key, POSSESSION_NAMESPACE, &proof).is_ok()
    }

    /// No evidence is understood yet: reading votes belongs to what runs the epochs.
    fn equivocator(&self, _: &[u8], _: &dyn Fn(u64) -> Option<Vec<Seat>>) -> Option<Equivocation> {
        None
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;
    use crate::keys::ValidatorKeys;

    #[test]
    fn a_proof_is_of_its_own_key_only_and_junk_proves_nothing() {
        let [one, other] = [1, 2].map(|seed| ValidatorKeys::generate(&mut StdRng::seed_from_u64(seed)));
        let (key, proof) = (one.vote_key(), one.proof_of_possession());
        assert!(Bls.possesses(&key, &proof));
        assert!(!Bls.possesses(&other.vote_key(), &proof));
        assert!(!Bls.possesses(&key, &other.proof_of_possession()));
        assert!(!Bls.possesses(&key[1..], &proof) && !Bls.possesses(&key, &proof[1..]));
        assert!(!Bls.possesses(&[0; 48], &[0; 96]) && !Bls.possesses(&[], &[]));
    }
}
