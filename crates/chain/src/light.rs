//! Offline verification: certificate -> header -> state root -> value, trusting a genesis, or a committee
//! somebody trusted vouches for, and following the committees from there.
//!
//! Pure functions over bytes; no node, no clock, no network.

use assay_types::{
    B256, Bytes, Genesis,
    node::{Certificate, Checkpoint, Handover, StateProof},
    staking::committee_hash,
};
use commonware_codec::{Decode as _, DecodeExt as _, RangeCfg};
use commonware_consensus::{Epochable as _, simplex::types::Finalization};
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
    /// Epoch whose committee finalized it.
    pub epoch: u64,
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
    /// No usable committee.
    #[error("the committee is unusable: {0}")]
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
    /// Too few votes, signatures that do not verify, or those of a committee that is not known here.
    #[error(
        "the certificate of epoch {epoch} does not verify under the committee of epoch {known}, the latest known: the validators did not finalize this block, or handovers are missing"
    )]
    BadCertificate {
        /// Epoch of the block.
        epoch: u64,
        /// Epoch of the committee it was checked under.
        known: u64,
    },
    /// Before anything that is trusted.
    #[error("the block is of epoch {epoch}, before the committee that is trusted, of epoch {known}")]
    BeforeTrust {
        /// Epoch of the block.
        epoch: u64,
        /// First epoch that is trusted.
        known: u64,
    },
    /// Not the last block of an epoch.
    #[error("block {0} is not the last of an epoch: it hands over to nobody")]
    NoHandover(u64),
    /// A handover to a committee that is known already.
    #[error("a handover to epoch {epoch} after one to epoch {known}: they must be in order")]
    OldHandover {
        /// Epoch handed over to.
        epoch: u64,
        /// Latest epoch known.
        known: u64,
    },
    /// Other seats than the block commits to.
    #[error("the seats are not the committee of epoch {0} that the block commits to")]
    OtherCommittee(u64),
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

/// The committees a verifier believes in: one it trusts, and those that were handed over to since.
///
/// A certificate is checked under the latest of them that is not after its block's epoch. Where the same
/// keys sit for many epochs no handover is needed for them: two thirds of keys that are trusted within the
/// unbonding period signed (as light clients of Tendermint skip, Braithwaite et al., "A Tendermint Light
/// Client", 2020, with all of the committee in common).
#[derive(Debug, Clone)]
pub struct Trust {
    genesis_hash: B256,
    committees: Vec<Committee>,
}

impl Trust {
    /// Trusts a genesis: its first committee.
    pub fn of_genesis(genesis: &Genesis) -> Result<Self, LightError> {
        Ok(Self { genesis_hash: genesis.hash(), committees: vec![Committee::of_genesis(genesis)?] })
    }

    /// Trusts a committee that came from somebody trusted.
    pub fn of_checkpoint(checkpoint: &Checkpoint) -> Result<Self, LightError> {
        let committee = Committee::of_seats(checkpoint.genesis_hash, checkpoint.epoch, &checkpoint.seats)?;
        Ok(Self { genesis_hash: checkpoint.genesis_hash, committees: vec![committee] })
    }

    /// Trusts a genesis and follows the handovers, in order.
    pub fn following(genesis: &Genesis, handovers: &[Handover]) -> Result<Self, LightError> {
        let mut trust = Self::of_genesis(genesis)?;
        for handover in handovers {
            trust.follow(handover)?;
        }
        Ok(trust)
    }

    /// The latest committee believed in.
    pub fn latest(&self) -> &Committee {
        // There is one from the start.
        &self.committees[self.committees.len() - 1]
    }

    /// Believes in the next committee, if the present one handed over to it. Gives what the block says.
    pub fn follow(&mut self, handover: &Handover) -> Result<Certified, LightError> {
        let certificate = certificate_of(handover.header.clone(), handover.certificate.clone())?;
        let (facts, header) = self.verify_header(&certificate)?;
        let Some(commitment) = header.next_committee else { return Err(LightError::NoHandover(facts.height)) };
        let epoch = header.context.round.epoch().get().saturating_add(1);
        if epoch <= self.latest().epoch() {
            return Err(LightError::OldHandover { epoch, known: self.latest().epoch() });
        }
        if committee_hash(epoch, &handover.seats) != commitment {
            return Err(LightError::OtherCommittee(epoch));
        }
        self.committees.push(Committee::of_seats(self.genesis_hash, epoch, &handover.seats)?);
        Ok(facts)
    }

    /// Checks that the validators finalized this header.
    pub fn verify_header(&self, certified: &Certificate) -> Result<(Certified, Header), LightError> {
        let header = Header::decode(certified.header.to_vec()).map_err(|_| LightError::MalformedHeader)?;
        let epoch = header.context.round.epoch().get();
        let committee = self.committees.iter().rev().find(|committee| committee.epoch() <= epoch);
        let committee = committee.ok_or(LightError::BeforeTrust { epoch, known: self.committees[0].epoch() })?;
        let scheme = committee.verifier();
        let finalization = Finalization::<Scheme, Digest>::decode_cfg(
            certified.certificate.to_vec(),
            &scheme.certificate_codec_config(),
        )
        .map_err(|_| LightError::MalformedCertificate)?;
        let digest = header.digest();
        if finalization.proposal.payload != digest {
            let certified = to_b256(&finalization.proposal.payload);
            return Err(LightError::OtherBlock { certified, header: to_b256(&digest) });
        }
        // The randomness only batches signature checks; here there is one.
        let mut rng = StdRng::from_seed(self.genesis_hash.0);
        if finalization.epoch().get() != epoch || !finalization.verify(&mut rng, &scheme, &Sequential) {
            return Err(LightError::BadCertificate { epoch, known: committee.epoch() });
        }
        if certified.height != header.height {
            return Err(LightError::Misstated("height"));
        }
        if certified.hash != to_b256(&digest) {
            return Err(LightError::Misstated("block hash"));
        }
        let facts = Certified {
            height: header.height,
            epoch,
            hash: to_b256(&digest),
            timestamp_ms: header.timestamp_ms,
            state_root: to_b256(&header.state_root),
            signers: finalization.certificate.signers.count() as u32,
        };
        Ok((facts, header))
    }
}

/// Checks a state proof down from its certificate. Gives what the header says.
pub fn verify_state(trust: &Trust, proof: &StateProof) -> Result<Certified, LightError> {
    let certificate = Certificate {
        height: proof.height,
        hash: proof.hash,
        header: proof.header.clone(),
        certificate: proof.certificate.clone(),
    };
    let (facts, header) = trust.verify_header(&certificate)?;
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
