//! What the chain says about capacity claims. Amounts are thousandths of a gigafuel.

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};

use crate::{
    amount::{Grains, as_string},
    claim::ClaimId,
};

/// How an issuance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum ClaimStatus {
    /// Its collateral suffices.
    Good,
    /// Collateral is missing.
    Called {
        /// Height by which it must be there.
        deadline: u64,
    },
    /// The obligation is offered to other providers.
    Offered {
        /// Height it was offered at.
        since: u64,
        /// Height up to which somebody can take it.
        until: u64,
    },
    /// Holders collect money instead.
    ClosedOut {
        /// Grains not yet collected.
        #[serde(with = "as_string")]
        pool: Grains,
        /// Claims they are for.
        claims: u64,
    },
}

/// All claims with one id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuanceView {
    /// As ERC-1155 names it.
    pub id: U256,
    /// Class, window, issuer.
    #[serde(flatten)]
    pub claim: ClaimId,
    /// First height of its window.
    pub starts: u64,
    /// First height after it.
    pub ends: u64,
    /// Last height at which claims are redeemed.
    pub last_redemption: u64,
    /// Who owes delivery now.
    pub obligor: Address,
    /// Grains a gigafuel it was issued at.
    #[serde(with = "as_string")]
    pub issue_price: Grains,
    /// What it delivers a block at most.
    pub max_rate: u64,
    /// Ever issued.
    pub issued: u64,
    /// Neither delivered, paid for nor void.
    pub outstanding: u64,
    /// The part of them offered in the market.
    pub offered: u64,
    /// The part of them in running jobs.
    pub redeeming: u64,
    /// Collateral, without what pays for running jobs.
    #[serde(with = "as_string")]
    pub collateral: Grains,
    /// What was taken from it to pay for running jobs.
    #[serde(with = "as_string")]
    pub in_jobs: Grains,
    /// Collateral it needs when marked, at the present index.
    #[serde(with = "as_string")]
    pub maintenance: Grains,
    /// How it stands.
    #[serde(flatten)]
    pub status: ClaimStatus,
    /// Fuel of one task that a redeeming job may have at most.
    pub max_fuel_per_task: u64,
    /// And memory, MiB.
    pub max_memory_mib: u32,
    /// And thousandths of a gigafuel of one replica of a lot.
    pub max_lot: u64,
    /// Limit price a redeeming job has to name now.
    #[serde(with = "as_string")]
    pub redemption_price: Grains,
}

/// What an account has of one issuance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimView {
    /// Whose.
    pub owner: Address,
    /// How much of it can be sold, sent or redeemed.
    pub amount: u64,
    /// Claims on what.
    pub issuance: IssuanceView,
}
