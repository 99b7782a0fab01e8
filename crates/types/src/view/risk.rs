//! What the chain says about reputations, and how concentrated the network is.
//!
//! Scores are basis points, work is thousandths of a gigafuel.

use serde::{Deserialize, Serialize};

/// A provider's record, as it stands after decay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReputationView {
    /// 0 for a newcomer, below 10,000 for everybody: what orders ask for.
    pub score: u16,
    /// Work it was paid for.
    pub delivered: u64,
    /// Work that its faults outweigh.
    pub faults: u64,
    /// Work that the deadlines it missed outweigh.
    pub late: u64,
    /// Work it was drawn for and gave back; in no score.
    pub declined: u64,
    /// Blocks since it registered.
    pub age: u64,
}

/// How few hold how much: least numbers of owners, the largest first. None where there is nothing to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nakamoto {
    /// Owners there are.
    pub owners: u32,
    /// Those without whom no more than two thirds are left: more than two thirds decide, so they can halt.
    pub halt: Option<u32>,
    /// Those that have more than two thirds: they can decide alone.
    pub takeover: Option<u32>,
}

/// Herfindahl-Hirschman indices: sums of squared shares, 10,000 where one has all. None where there is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Herfindahl {
    /// What is shared, in all.
    pub total: u64,
    /// By whose machines it is.
    pub operator: Option<u16>,
    /// By region.
    pub region: Option<u16>,
    /// By class.
    pub class: Option<u16>,
}

/// How concentrated a network is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskView {
    /// Height it was measured at.
    pub height: u64,
    /// Validators by seats, which is what consensus and adjudication count.
    pub seats: Nakamoto,
    /// Validators by stake.
    pub stake: Nakamoto,
    /// Operators by the capacity they offer now.
    pub capacity: Nakamoto,
    /// Operators by the collateral of all their providers.
    pub collateral: Nakamoto,
    /// Concentration of the capacity offered now.
    pub offered: Herfindahl,
    /// Concentration of the work delivered of late, as it counts in reputations.
    pub delivered: Herfindahl,
}
