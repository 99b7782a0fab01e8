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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuance_survives_json_whatever_its_standing() {
        for status in [
            ClaimStatus::Good,
            ClaimStatus::Called { deadline: 7 },
            ClaimStatus::Offered { since: 7, until: 9 },
            ClaimStatus::ClosedOut { pool: u128::MAX, claims: u64::MAX },
        ] {
            let claim = ClaimId { class: 1, window: 2, issuer: Address::repeat_byte(3) };
            let issuance = IssuanceView {
                id: claim.to_u256(),
                claim,
                starts: 1,
                ends: 2,
                last_redemption: 3,
                obligor: claim.issuer,
                issue_price: u128::MAX,
                max_rate: 4,
                issued: u64::MAX,
                outstanding: 5,
                offered: 6,
                redeeming: 7,
                collateral: 8,
                in_jobs: 9,
                maintenance: 10,
                status,
                max_fuel_per_task: 11,
                max_memory_mib: 12,
                max_lot: 13,
                redemption_price: 14,
            };
            let one = ClaimView { owner: claim.issuer, amount: 15, issuance };
            let text = serde_json::to_string(&one).expect("plain data");
            assert_eq!(serde_json::from_str::<ClaimView>(&text).expect("own output"), one, "{text}");
        }
    }
}
