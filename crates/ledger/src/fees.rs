//! Fees as in EIP-1559, with a step by time instead of by block.
//!
//! The base fee is burned, the priority fee goes to the block's leader. Ethereum moves the base fee
//! by at most 1/8 every 12 s; blocks here are many a second, so the step is pro rata:
//!
//! ```text
//! next = base + base * (used - target) * dt / (target * 8 * 12 s)     target = gas limit / 2
//! ```
//!
//! rounded toward `base`, `dt` capped at 12 s so that a pause is not a jump, never below the floor of
//! the parameters. Deviation from EIP-1559: no minimum rise of one grain a block, which at twenty
//! blocks a second would be the whole step; with a floor of 10^5 grains or more it never matters.

use alloy_primitives::U256;

use crate::{
    keys,
    state::StateRead,
    step::{Tip, read},
};

const STEP_MS: u64 = 12_000;
const DENOMINATOR: u64 = 8;

/// Base fee of the block after one that used `used` of `limit` gas `dt_ms` after its parent.
pub(crate) fn next_base_fee(base: u128, used: u64, limit: u64, dt_ms: u64, floor: u128) -> u128 {
    let target = (limit / 2).max(1);
    let distance = used.abs_diff(target).min(target);
    let dt = dt_ms.min(STEP_MS);
    let change = U256::from(base)
        .saturating_mul(U256::from(distance))
        .saturating_mul(U256::from(dt))
        .checked_div(U256::from(target).saturating_mul(U256::from(DENOMINATOR.saturating_mul(STEP_MS))))
        .and_then(|change| u128::try_from(change).ok())
        .unwrap_or(u128::MAX);
    if used > target { base.saturating_add(change) } else { base.saturating_sub(change) }.max(floor)
}

/// What a unit of gas costs a transaction, and how much of that is the leader's. None when its
/// maximum is below the base fee.
pub(crate) fn effective_price(max_fee: u128, max_tip: u128, base: u128) -> Option<(u128, u128)> {
    let tip = max_fee.checked_sub(base)?.min(max_tip);
    Some((base.checked_add(tip)?, tip))
}

/// Base fee of the next block.
pub fn base_fee(view: &dyn StateRead) -> u128 {
    read::<Tip>(view, &keys::tip()).ok().flatten().map_or(0, |tip| tip.next_base_fee)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u128 = 1_000_000_000;

    #[test]
    fn full_blocks_over_twelve_seconds_raise_the_fee_by_an_eighth_and_empty_ones_lower_it() {
        assert_eq!(next_base_fee(BASE, 60, 60, 12_000, 1), BASE + BASE / 8);
        assert_eq!(next_base_fee(BASE, 0, 60, 12_000, 1), BASE - BASE / 8);
        assert_eq!(next_base_fee(BASE, 30, 60, 12_000, 1), BASE);
        let many = (0..240).fold(BASE, |fee, _| next_base_fee(fee, 60, 60, 50, 1));
        assert!(many > BASE * 113 / 100 && many < BASE * 114 / 100, "compounds to e^(1/8): {many}");
    }

    #[test]
    fn a_long_pause_is_one_step_and_the_floor_holds() {
        assert_eq!(next_base_fee(BASE, 60, 60, 3_600_000, 1), BASE + BASE / 8);
        assert_eq!(next_base_fee(BASE, 0, 60, 12_000, BASE), BASE);
        assert_eq!(next_base_fee(u128::MAX, 60, 60, 12_000, 1), u128::MAX);
    }

    #[test]
    fn the_tip_is_what_the_maximum_leaves_above_the_base() {
        assert_eq!(effective_price(10, 3, 5), Some((8, 3)));
        assert_eq!(effective_price(10, 9, 5), Some((10, 5)));
        assert_eq!(effective_price(4, 1, 5), None);
    }
}
