//! What the chain says about stake: validators, delegations, what is on its way, who could stop the network.
//!
//! Amounts are grains, commissions and shares basis points, times milliseconds since the Unix epoch.

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::amount::{Grains, as_string};

/// A validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorView {
    /// Its account.
    pub account: Address,
    /// Bonded: its own and what others delegated.
    #[serde(with = "as_string")]
    pub tokens: Grains,
    /// What it delegated to itself.
    #[serde(with = "as_string")]
    pub self_stake: Grains,
    /// What it keeps of its delegators' rewards.
    pub commission_bps: u32,
    /// Commission it has not claimed.
    #[serde(with = "as_string")]
    pub commission: Grains,
    /// Whether it sits in the epoch of the next block.
    pub seated: bool,
    /// First height of the epochs in a row in which it sits.
    pub seated_since: Option<u64>,
    /// None: it is not jailed. Time alone does not free it.
    pub jailed_until_ms: Option<u64>,
    /// It voted for two things and never sits again.
    pub tombstoned: bool,
    /// Network key of the next committee it sits in.
    pub network_key: B256,
    /// Vote key of that.
    pub vote_key: Bytes,
    /// Peer-to-peer address of that.
    pub address: String,
}

/// What an account has with one validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationView {
    /// Whom it delegated to.
    pub validator: Address,
    /// What the delegation is worth now.
    #[serde(with = "as_string")]
    pub amount: Grains,
    /// What it can claim.
    #[serde(with = "as_string")]
    pub rewards: Grains,
}

/// Stake on its way out, or from one validator to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightView {
    /// Its number.
    pub id: u64,
    /// Whose faults it is still liable for.
    pub from: Address,
    /// Where it went; None: it is paid out.
    pub to: Option<Address>,
    /// What left.
    #[serde(with = "as_string")]
    pub initial: Grains,
    /// What slashes have left of it so far.
    #[serde(with = "as_string")]
    pub left: Grains,
    /// When that ends.
    pub due_ms: u64,
}

/// How few could stop the network, by seats and by stake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecentralisationView {
    /// Seats of the epoch of the next block.
    pub seats: u32,
    /// The least seats without which no more than two thirds are left: at least a third of them.
    pub third: u32,
    /// Share of all bonded stake behind the cheapest that many seats.
    pub third_stake_bps: u32,
    /// What that many newcomers need to push out the cheapest: that many times the stake of the dearest of them.
    #[serde(with = "as_string")]
    pub entry_stake: Grains,
    /// The least seats, the most staked first, that hold a third of the seated stake.
    pub nakamoto_stake: u32,
}
