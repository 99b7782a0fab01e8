//! Offline verification: certificate -> header -> state root -> value, trusting the genesis alone.
//!
//! Pure functions over bytes; no node, no clock, no network.

use assay_types::{
    B256, Bytes, Genesis,
    node::{Certificate, StateProof},
};
use commonware_codec::{Decode as _, DecodeExt as _, RangeCfg};
use commonware_consensus::simplex::types::Finalization;
use commonware_cryptography::{Hasher as _, Sha256, certificate::Verifier as _, sha256::Digest};
use commonware_parallel::Sequential;
use commonware_storage::{
    mmr,
    qmdb::{
        any::value::VariableEncoding,
        current::ordered::proof::constant::{ExclusionProof, KeyValueProof},
    },
};
use rand::rngs::StdRng;
use rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};

use crate::{
    block::{Header, to_b256},
    committee::{Committee, CommitteeError, Scheme},
    consensus::core::encode_entry,
};

pub(crate) type Presence = KeyValueProof<mmr::Family, Digest, Digest, 32>;
pub(crate) type Absence = ExclusionProof<mmr::Family, Digest, VariableEncoding<Vec<u8>>, Digest, 32>;

/// Most digests of a proof: two paths of a tree of 2^64 operations.
const MAX_DIGESTS: usize = 256;
/// Most bytes of a value of the state.
pub(crate) const MAX_VALUE_BYTES: usize = 4 << 20;

/// What a certified header says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certified {
    /// Height.
    pub height: u64,
    /// Digest the validators signed.
    pub hash: B256,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// State root after the block.
    pub state_root: B256,
    /// Validators that signed, by index among the sorted network keys.
    pub signers: u32,
}

/// Which step of a verification failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// The genesis has no usable committee.
    #[error("the genesis is unusable: {0}")]
    Committee(#[from] CommitteeError),
    /// Not a header.
    #[error("the block header is malformed")]
    MalformedHeader,
    /// Not a certificate.
    #[error("the finality certificate is malformed")]
    MalformedCertificate,
    /// The file says one thing and the header it carries another.
    #[error("the stated {0} is not what the block header says")]
    Misstated(&'static str),
    /// The certificate is for another block.
    #[error("the certificate is for block {certified}, not for this header, which is {header}")]
    OtherBlock {
        /// What was certified.
        certified: B256,
        /// Hash of the header.
        header: B256,
    },
    /// Too few votes, or signatures that do not verify.
    #[error("the certificate does not verify: the validators of this genesis did not finalize this block")]
    BadCertificate,
    /// Not a proof.
    #[error("the state proof is malformed")]
    MalformedProof,
    /// The proof leads elsewhere.
    #[error("the state proof does not lead to the block's state root")]
    BadProof,
}

/// A certificate that states what its header says, for bytes that come without statements.
pub fn certificate_of(header: Bytes, certificate: Bytes) -> Result<Certificate, LightError> {
    let read = Header::decode(header.to_vec()).map_err(|_| LightError::MalformedHeader)?;
    Ok(Certificate { height: read.height, hash: to_b256(&read.digest()), header, certificate })
}

/// Checks that the validators of `genesis` finalized this header.
pub fn verify_header(genesis: &Genesis, certified: &Certificate) -> Result<(Certified, Header), LightError> {
    let committee = Committee::of_genesis(genesis)?;
    let scheme = committee.verifier();
    let header = Header::decode(certified.header.to_vec()).map_err(|_| LightError::MalformedHeader)?;
    let finalization =
        Finalization::<Scheme, Digest>::decode_cfg(certified.certificate.to_vec(), &scheme.certificate_codec_config())
            .map_err(|_| LightError::MalformedCertificate)?;
    let digest = header.digest();
    if finalization.proposal.payload != digest {
        let certified = to_b256(&finalization.proposal.payload);
        return Err(LightError::OtherBlock { certified, header: to_b256(&digest) });
    }
    // The randomness only batches signature checks; here there is one.
    let mut rng = StdRng::from_seed(committee.genesis_hash().0);
    if !finalization.verify(&mut rng, &scheme, &Sequential) {
        return Err(LightError::BadCertificate);
    }
    if certified.height != header.height {
        return Err(LightError::Misstated("height"));
    }
    if certified.hash != to_b256(&digest) {
        return Err(LightError::Misstated("block hash"));
    }
    let facts = Certified {
        height: header.height,
        hash: to_b256(&digest),
        timestamp_ms: header.timestamp_ms,
        state_root: to_b256(&header.state_root),
        signers: finalization.certificate.signers.count() as u32,
    };
    Ok((facts, header))
}

/// Checks a state proof down from its certificate. Gives what the header says.
pub fn verify_state(genesis: &Genesis, proof: &StateProof) -> Result<Certified, LightError> {
    let certificate = Certificate {
        height: proof.height,
        hash: proof.hash,
        header: proof.header.clone(),
        certificate: proof.certificate.clone(),
    };
    let (facts, header) = verify_header(genesis, &certificate)?;
    if proof.state_root != facts.state_root {
        return Err(LightError::Misstated("state root"));
    }
    let key = Sha256::hash(&[proof.key.as_ref()]);
    let good = match &proof.value {
        Some(value) => {
            let presence = Presence::decode_cfg(proof.proof.to_vec(), &(MAX_DIGESTS, ()))
                .map_err(|_| LightError::MalformedProof)?;
            let entry = encode_entry(&proof.key, value);
            presence.verify::<Sha256, VariableEncoding<Vec<u8>>>(key, entry, &header.state_root)
        }
        None => {
            let value_cfg = (RangeCfg::from(0..=MAX_VALUE_BYTES), ());
            let cfg = (MAX_DIGESTS, ((), value_cfg), value_cfg);
            let absence = Absence::decode_cfg(proof.proof.to_vec(), &cfg).map_err(|_| LightError::MalformedProof)?;
            absence.verify::<Sha256>(&key, &header.state_root)
        }
    };
    if good { Ok(facts) } else { Err(LightError::BadProof) }
}
