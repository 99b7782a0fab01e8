//! Who votes: the validators of a genesis, checked, and the signature scheme over them.
//!
//! Votes are equal, one a seat. The aggregate scheme does not check that a vote key is held by who
//! lists it; we do, here, or a rogue key could forge aggregates.

use std::net::SocketAddr;

use assay_types::{Address, B256, Genesis, GenesisError};
use commonware_codec::DecodeExt as _;
use commonware_consensus::simplex::scheme::bls12381_multisig;
use commonware_cryptography::{
    bls12381::primitives::{ops::verify_proof_of_possession, variant::MinPk},
    ed25519,
};
use commonware_utils::{TryFromIterator as _, ordered::BiMap};

use crate::keys::{POSSESSION_NAMESPACE, ValidatorKeys, VoteKey, VoteSignature};

/// Identity of a validator on the peer-to-peer layer.
pub type PublicKey = ed25519::PublicKey;
/// Aggregated BLS12-381 votes with signer indices: attributable.
pub type Scheme = bls12381_multisig::Scheme<PublicKey, MinPk>;

/// Why a genesis has no usable committee.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// Not a valid genesis.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// A key is not a point of its curve.
    #[error("validator {account}: {what} is malformed")]
    Malformed {
        /// Which validator.
        account: Address,
        /// Which field.
        what: &'static str,
    },
    /// The vote key's holder did not prove that they hold it.
    #[error("validator {0}: the proof of possession does not verify, so its votes could be forged")]
    Possession(Address),
    /// The keys are nobody's of this genesis.
    #[error("these keys belong to no validator of this genesis")]
    NotAValidator,
}

/// One seat.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Earns fees, sends verdicts.
    pub account: Address,
    /// Peer-to-peer identity.
    pub network: PublicKey,
    /// Vote key.
    pub vote: VoteKey,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The seats of a network and what their votes are bound to.
#[derive(Debug, Clone)]
pub struct Committee {
    seats: Vec<Seat>,
    namespace: Vec<u8>,
    genesis_hash: B256,
}

impl Committee {
    /// Checks a genesis, each proof of possession included.
    pub fn of_genesis(genesis: &Genesis) -> Result<Self, CommitteeError> {
        genesis.validate()?;
        let seats = genesis
            .validators
            .iter()
            .map(|validator| {
                let account = validator.account;
                let malformed = |what| CommitteeError::Malformed { account, what };
                let network =
                    PublicKey::decode(validator.network_key.to_vec()).map_err(|_| malformed("network_key"))?;
                let vote = VoteKey::decode(validator.vote_key.to_vec()).map_err(|_| malformed("vote_key"))?;
                let proof = VoteSignature::decode(validator.proof_of_possession.to_vec())
                    .map_err(|_| malformed("proof_of_possession"))?;
                verify_proof_of_possession::<MinPk>(&vote, POSSESSION_NAMESPACE, &proof)
                    .map_err(|_| CommitteeError::Possession(account))?;
                let address = validator.address.parse().map_err(|_| malformed("address"))?;
                Ok(Seat { account, network, vote, address })
            })
            .collect::<Result<Vec<_>, CommitteeError>>()?;
        let genesis_hash = genesis.hash();
        let mut namespace = b"ASSAY".to_vec();
        namespace.extend_from_slice(genesis_hash.as_slice());
        Ok(Self { seats, namespace, genesis_hash })
    }

    /// The seats, in the genesis file's order.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// The seat of a peer-to-peer identity.
    pub fn seat(&self, network: &PublicKey) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.network == *network)
    }

    /// Hash of the genesis.
    pub fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    /// What every vote is bound to: "ASSAY" and the genesis hash.
    pub fn namespace(&self) -> &[u8] {
        &self.namespace
    }

    fn members(&self) -> BiMap<PublicKey, VoteKey> {
        // Genesis validation refuses duplicates, the only thing that can fail here.
        BiMap::try_from_iter(self.seats.iter().map(|seat| (seat.network.clone(), seat.vote))).unwrap_or_default()
    }

    /// A scheme that checks votes and certificates.
    pub fn verifier(&self) -> Scheme {
        Scheme::verifier(&self.namespace, self.members())
    }

    /// A scheme that also votes with `keys`.
    pub fn signer(&self, keys: &ValidatorKeys) -> Result<Scheme, CommitteeError> {
        Scheme::signer(&self.namespace, self.members(), keys.vote.clone()).ok_or(CommitteeError::NotAValidator)
    }
}
