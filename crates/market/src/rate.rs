//! The controller of posted prices: leases, storage.

use crate::math::{mul_div, mul_div_up};

/// Bounds of a posted rate, grains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateBounds {
    /// Lowest, above zero.
    pub least: u128,
    /// Highest.
    pub most: u128,
}

/// The next epoch's rate: `r (1 + (U - U*) / (8 U*))`, with the utilisation `used` and its target in
/// basis points, kept within `bounds`. Rounded away from the old rate, so that it always moves when the
/// utilisation is off its target. The rule of EIP-1559's base fee with the target's share made free.
pub fn next_rate(rate: u128, used: u32, target: u32, bounds: RateBounds) -> u128 {
    let (used, target) = (u128::from(used.min(10_000)), u128::from(target.clamp(1, 10_000)));
    let (over, under) = (target.saturating_mul(7).saturating_add(used), target.saturating_mul(8));
    let next = if used > target { mul_div_up(rate, over, under) } else { mul_div(rate, over, under) };
    next.max(bounds.least).min(bounds.most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: RateBounds = RateBounds { least: 10, most: 1_000_000_000 };

    #[test]
    fn on_target_it_stands_and_off_target_it_moves_by_at_most_an_eighth_and_a_rounding() {
        assert_eq!(next_rate(1_000, 7_000, 7_000, BOUNDS), 1_000);
        assert_eq!(next_rate(1_000, 0, 7_000, BOUNDS), 875);
        // At full use the excess is 3/7 of the target.
        assert_eq!(next_rate(1_000, 10_000, 7_000, BOUNDS), 1_054);
        assert_eq!(next_rate(10, 7_001, 7_000, BOUNDS), 11, "it moves though the step is below a grain");
    }

    #[test]
    fn a_step_in_use_is_answered_without_overshoot_and_bounds_hold() {
        let mut rate = 1_000;
        for _ in 0..400 {
            let next = next_rate(rate, 10_000, 7_000, BOUNDS);
            assert!(next > rate || rate == BOUNDS.most);
            rate = next;
        }
        assert_eq!(rate, BOUNDS.most);
        for _ in 0..400 {
            rate = next_rate(rate, 0, 7_000, BOUNDS);
        }
        assert_eq!(rate, BOUNDS.least);
        assert_eq!(next_rate(u128::MAX, 10_000, 1, RateBounds { least: 1, most: u128::MAX }), u128::MAX);
    }
}
