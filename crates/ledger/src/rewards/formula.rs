//! The arithmetic of inflation, burn and emission: whole numbers in, whole numbers out, no state.
//!
//! Ratios and rates are parts of [`ONE`] (10^18), rates a year; amounts are grains; times milliseconds. Products are
//! taken in 256 bits, so nothing wraps at any supply. What is minted is rounded down and what is burned up, so that
//! rounding never makes a grain.
//!
//! | formula | source |
//! |---|---|
//! | [`InflationRule::next`] | Cosmos SDK, x/mint, `NextInflationRate`: pro rata of time, not of blocks |
//! | [`minted`] | Cosmos SDK, x/mint, `BlockProvision`, likewise |
//! | [`fullness`] | Filecoin's baseline minting: the reward grows with use up to a baseline, then stands |
//! | [`emission`] | Helium HIP 20, net emissions: what is minted back is what was burned, up to a cap; here a provider |

use alloy_primitives::U256;
use assay_types::{Grains, Params};

use crate::math;

/// A rate or ratio of one.
pub const ONE: u64 = 1_000_000_000_000_000_000;

/// A Julian year of 365.25 days, milliseconds; Cosmos' 8,766 hours.
pub const YEAR_MS: u64 = 31_557_600_000;

const BPS: u64 = 10_000;

/// Basis points as parts of [`ONE`].
pub fn from_bps(bps: u32) -> u64 {
    u64::from(bps).saturating_mul(ONE / BPS)
}

/// `a * b * c / (d * e)`, rounded down; the most that fits where it is more. The factors beside `a` are 64 bits wide,
/// so that the product fits.
fn scaled(a: u128, (b, c): (u64, u64), (d, e): (u64, u64)) -> u128 {
    let product = U256::from(a).saturating_mul(U256::from(b)).saturating_mul(U256::from(c));
    let by = U256::from(d).saturating_mul(U256::from(e));
    product.checked_div(by).map_or(0, |result| result.try_into().unwrap_or(u128::MAX))
}

/// The bonded part of a supply, at most one; zero of nothing.
pub fn bonded_ratio(bonded: Grains, supply: Grains) -> u64 {
    let part = math::mul_div_down(bonded.min(supply), u128::from(ONE), supply).unwrap_or_default();
    u64::try_from(part).unwrap_or(ONE)
}

/// How inflation follows the bonded part of the supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InflationRule {
    /// Least rate.
    pub min: u64,
    /// Most.
    pub max: u64,
    /// What the rate rises by in a year in which nothing is bonded.
    pub change: u64,
    /// Bonded part at which it stands.
    pub goal: u64,
}

impl InflationRule {
    /// The rule in force.
    pub fn of(params: &Params) -> Self {
        Self {
            min: from_bps(params.inflation_min_bps),
            max: from_bps(params.inflation_max_bps),
            change: from_bps(params.inflation_change_bps),
            goal: from_bps(params.goal_bonded_bps),
        }
    }

    /// The rate a network starts with: the middle of its bounds.
    pub fn first(&self) -> u64 {
        self.min.midpoint(self.max)
    }

    /// The rate after `dt_ms` in which `bonded` of the supply was bonded:
    /// `rate + change * (1 - bonded / goal) * dt / year`, within the bounds. Steps are rounded towards standing still.
    pub fn next(&self, rate: u64, bonded: u64, dt_ms: u64) -> u64 {
        let gap = self.goal.abs_diff(bonded);
        let step = scaled(u128::from(self.change), (gap, dt_ms), (self.goal, YEAR_MS));
        let step = u64::try_from(step).unwrap_or(u64::MAX);
        let moved = if bonded < self.goal { rate.saturating_add(step) } else { rate.saturating_sub(step) };
        moved.min(self.max).max(self.min)
    }
}

/// What a yearly `rate` on `supply` mints in `dt_ms`: `supply * rate * dt / year`, rounded down.
pub fn minted(supply: Grains, rate: u64, dt_ms: u64) -> Grains {
    scaled(supply, (rate, dt_ms), (ONE, YEAR_MS))
}

/// What is burned of a payment, rounded up: small payments do not go free.
pub fn burned(paid: Grains, share_bps: u32) -> Grains {
    math::mul_div_up(paid, u128::from(share_bps), u128::from(BPS)).unwrap_or(paid).min(paid)
}

/// The part of its share that a class at this utilisation has, parts of 10,000: `min(1, U / U*)`, rounded down.
pub fn fullness(utilisation_bps: u32, full_bps: u32) -> u32 {
    let part = math::mul_div_down(u128::from(utilisation_bps), u128::from(BPS), u128::from(full_bps));
    part.and_then(|part| u32::try_from(part).ok()).unwrap_or(10_000).min(10_000)
}

/// `amount` weighed by [`fullness`], rounded down.
pub fn weighed(amount: Grains, fullness: u32) -> Grains {
    math::share(amount, fullness.min(10_000)).unwrap_or_default()
}

/// What a provider is emitted for an epoch: its weighed part of the budget by what its payments burned, and at most
/// `cap_bps` of what they burned: `min(cap * burned, budget * weighed / all burned)`, rounded down.
///
/// As `weighed <= burned`, all providers together have at most the budget; as `cap <= 1`, each at most its own burn,
/// so that who buys from itself never gains.
pub fn emission(budget: Grains, all_burned: Grains, burned: Grains, weighed: Grains, cap_bps: u32) -> Grains {
    let part = math::mul_div_down(budget, weighed.min(burned), all_burned).unwrap_or_default();
    part.min(math::share(burned, cap_bps.min(10_000)).unwrap_or_default())
}

#[cfg(test)]
mod tests;
