//! Who votes in an epoch: its seats, checked, and the signature scheme over them.
//!
//! Votes are equal, one a seat. The aggregate scheme does not check that a vote key is held by who
//! lists it, and a rogue key could forge aggregates: for the genesis we check it here, for those who
//! come later the ledger does when they register.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use assay_types::{
    Address, B256, Genesis, GenesisError,
    staking::{Seat as LedgerSeat, committee_hash},
};
use commonware_codec::DecodeExt as _;
use commonware_consensus::types::Epoch;
use commonware_cryptography::{
    bls12381::primitives::{
        group::Private,
        ops::{compute_public, verify_proof_of_possession},
        variant::MinPk,
    },
    certificate::{Provider, Scoped},
    ed25519,
};
use commonware_utils::{TryFromIterator as _, ordered::BiMap};
use parking_lot::RwLock;

pub use crate::scheme::Scheme;
use crate::{
    guard::Guard,
    keys::{POSSESSION_NAMESPACE, ValidatorKeys, VoteKey, VoteSignature},
};

/// Identity of a validator on the peer-to-peer layer.
pub type PublicKey = ed25519::PublicKey;

/// Why a list of validators is no committee.
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
    /// Nobody sits.
    #[error("the committee of epoch {0} is empty")]
    Empty(u64),
    /// A key sits twice.
    #[error("the committee of epoch {0} has the same key twice")]
    Duplicate(u64),
}

/// One seat.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// The seats of an epoch and what their votes are bound to.
#[derive(Debug, Clone)]
pub struct Committee {
    epoch: u64,
    seats: Vec<Seat>,
    hash: B256,
    namespace: Vec<u8>,
    genesis_hash: B256,
}

/// What every vote and reveal of a network is bound to: "ASSAY" and the genesis hash.
pub fn namespace(genesis_hash: B256) -> Vec<u8> {
    [b"ASSAY".as_slice(), genesis_hash.as_slice()].concat()
}

/// The seats of a genesis as the ledger lists them, in the order of their network keys.
pub fn genesis_seats(genesis: &Genesis) -> Vec<LedgerSeat> {
    let mut seats: Vec<LedgerSeat> = genesis
        .validators
        .iter()
        .map(|validator| LedgerSeat {
            account: validator.account,
            stake: validator.stake,
            network_key: validator.network_key,
            vote_key: validator.vote_key.clone(),
            address: validator.address.clone(),
        })
        .collect();
    seats.sort_by_key(|seat| seat.network_key);
    seats
}

impl Seat {
    /// Reads what the ledger says of a validator.
    pub fn read(seat: &LedgerSeat) -> Result<Self, CommitteeError> {
        let account = seat.account;
        let malformed = |what| CommitteeError::Malformed { account, what };
        Ok(Self {
            account,
            network: PublicKey::decode(seat.network_key.to_vec()).map_err(|_| malformed("network_key"))?,
            vote: VoteKey::decode(seat.vote_key.to_vec()).map_err(|_| malformed("vote_key"))?,
            address: seat.address.parse().map_err(|_| malformed("address"))?,
        })
    }
}

impl Committee {
    /// The committee of epoch 0, each proof of possession checked.
    pub fn of_genesis(genesis: &Genesis) -> Result<Self, CommitteeError> {
        genesis.validate()?;
        let committee = Self::of_seats(genesis.hash(), 0, &genesis_seats(genesis))?;
        for validator in &genesis.validators {
            let malformed = |what| CommitteeError::Malformed { account: validator.account, what };
            let vote = VoteKey::decode(validator.vote_key.to_vec()).map_err(|_| malformed("vote_key"))?;
            let proof = VoteSignature::decode(validator.proof_of_possession.to_vec())
                .map_err(|_| malformed("proof_of_possession"))?;
            verify_proof_of_possession::<MinPk>(&vote, POSSESSION_NAMESPACE, &proof)
                .map_err(|_| CommitteeError::Possession(validator.account))?;
        }
        Ok(committee)
    }

    /// The committee of an epoch as the ledger fixed it. That keys are possessed was checked when they
    /// were registered.
    pub fn of_seats(genesis_hash: B256, epoch: u64, seats: &[LedgerSeat]) -> Result<Self, CommitteeError> {
        let hash = committee_hash(epoch, seats);
        let seats = seats.iter().map(Seat::read).collect::<Result<Vec<_>, _>>()?;
        if seats.is_empty() {
            return Err(CommitteeError::Empty(epoch));
        }
        let committee = Self { epoch, seats, hash, namespace: namespace(genesis_hash), genesis_hash };
        committee.members().map(|_| committee.clone())
    }

    /// Which epoch it votes in.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The seats.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// What headers commit to it by.
    pub fn hash(&self) -> B256 {
        self.hash
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

    /// The seat of a signer's index in votes and certificates, which are in the order of network keys.
    pub fn signer_at(&self, index: usize) -> Option<&Seat> {
        let mut order: Vec<&Seat> = self.seats.iter().collect();
        order.sort_by(|one, other| one.network.cmp(&other.network));
        order.get(index).copied()
    }

    fn members(&self) -> Result<BiMap<PublicKey, VoteKey>, CommitteeError> {
        BiMap::try_from_iter(self.seats.iter().map(|seat| (seat.network.clone(), seat.vote)))
            .map_err(|_| CommitteeError::Duplicate(self.epoch))
    }

    /// Whether the same keys sit, whatever stake is behind them.
    pub fn same_keys(&self, other: &Self) -> bool {
        self.members().ok() == other.members().ok()
    }

    /// A scheme that checks votes and certificates.
    pub fn verifier(&self) -> Scheme {
        // Checked when the committee was made.
        Scheme::verifier(&self.namespace, self.members().unwrap_or_default())
    }

    /// A scheme that votes with `keys`, if they have a seat, and else only checks. Each vote is put to
    /// `guard` first.
    pub fn scheme(&self, keys: &ValidatorKeys, guard: Option<Arc<dyn Guard>>) -> Scheme {
        let members = self.members().unwrap_or_default();
        keys.votes()
            .find_map(|key| Scheme::signer(&self.namespace, members.clone(), key.clone(), guard.clone()))
            .unwrap_or_else(|| self.verifier())
    }

    /// The seat of `keys` and the vote key that sits.
    pub fn seat_of<'a>(&self, keys: &'a ValidatorKeys) -> Option<(&Seat, &'a Private)> {
        let seat = |key: &Private| self.seats.iter().find(|seat| seat.vote == compute_public::<MinPk>(key));
        keys.votes().find_map(|key| seat(key).map(|seat| (seat, key)))
    }
}

/// An epoch's committee and the scheme over it.
pub(crate) type Sitting = (Arc<Committee>, Arc<Scheme>);

/// The committees a node knows, by epoch.
#[derive(Clone)]
pub(crate) struct Committees {
    keys: ValidatorKeys,
    guard: Option<Arc<dyn Guard>>,
    sittings: Arc<RwLock<BTreeMap<u64, Sitting>>>,
}

impl std::fmt::Debug for Committees {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committees").field("epochs", &self.sittings.read().len()).finish()
    }
}

impl Committees {
    pub(crate) fn new(keys: ValidatorKeys, guard: Option<Arc<dyn Guard>>) -> Self {
        Self { keys, guard, sittings: Arc::default() }
    }

    pub(crate) fn keys(&self) -> &ValidatorKeys {
        &self.keys
    }

    /// Makes a committee known; one that is known stays.
    pub(crate) fn add(&self, committee: Committee) -> Sitting {
        let scheme = Arc::new(committee.scheme(&self.keys, self.guard.clone()));
        let mut sittings = self.sittings.write();
        sittings.entry(committee.epoch()).or_insert_with(|| (Arc::new(committee), scheme)).clone()
    }

    pub(crate) fn get(&self, epoch: u64) -> Option<Sitting> {
        self.sittings.read().get(&epoch).cloned()
    }

    /// Forgets committees before `epoch`, whose certificates can then no longer be checked.
    pub(crate) fn forget_before(&self, epoch: u64) {
        self.sittings.write().retain(|known, _| *known >= epoch);
    }
}

impl Provider for Committees {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.get(epoch.get()).map(|(_, scheme)| Scoped::scheme(scheme))
    }
}
