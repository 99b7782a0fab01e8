//! Exponential decay in integers: the same on every machine.
//!
//! `value * 2^(-blocks / half_life)`, rounded down. Whole half-lives halve. What is left, as a binary fraction
//! of 32 bits (rounded down), is a product of the roots `2^(-1/2)`, `2^(-1/4)` … of its bits, so that
//! nothing is interpolated: the factor is right to about 2^-57, and to decay in two steps is to decay in one but
//! for less than two in 2^32 of the value and one unit.
//!
//! Invariant: never grows with time, never exceeds the value, and halves exactly in a half-life.

use alloy_primitives::U256;

/// Bits of the fraction of a half-life.
const BITS: u32 = 32;
/// Factors are in units of 2^-63.
const SCALE: u32 = 63;

/// `2^(-2^-i)` for i = 1 to 32: each the square root of the one before, rounded down.
const ROOTS: [u64; BITS as usize] = roots();

#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "checked where it runs: in the compiler")]
const fn roots() -> [u64; BITS as usize] {
    let mut table = [0; BITS as usize];
    let mut root = 1u128 << (SCALE - 1);
    let mut place = 0;
    while place < table.len() {
        root = (root << SCALE).isqrt();
        table[place] = root as u64;
        place += 1;
    }
    table
}

/// `2^-fraction` in units of 2^-63, for a fraction in units of 2^-32 below one.
fn factor(fraction: u32) -> u128 {
    let places = (0..BITS).rev().zip(ROOTS);
    let set = places.filter(|(bit, _)| fraction.checked_shr(*bit).unwrap_or_default() & 1 == 1);
    set.fold(1 << SCALE, |product: u128, (_, root)| product.saturating_mul(u128::from(root)) >> SCALE)
}

/// What is left of `value` after `blocks`.
pub(super) fn decayed(value: u128, blocks: u64, half_life: u64) -> u128 {
    let half_life = half_life.max(1);
    let whole = blocks.checked_div(half_life).unwrap_or_default();
    let rest = blocks.checked_rem(half_life).unwrap_or_default();
    let fraction = (u128::from(rest) << BITS).checked_div(u128::from(half_life)).unwrap_or_default();
    let Some(shift) = usize::try_from(whole).ok().filter(|whole| *whole < 128) else { return 0 };
    let product = U256::from(value).saturating_mul(U256::from(factor(u32::try_from(fraction).unwrap_or(u32::MAX))));
    // The factor is at most one, so that what is left fits.
    product.wrapping_shr(shift.saturating_add(SCALE as usize)).try_into().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const H: u64 = 1_200_000;

    #[test]
    fn a_half_life_halves_two_quarter_and_none_changes_nothing() {
        for half_life in [1, 2, 3, 7, H, u64::MAX] {
            for value in [0, 1, 4, 1_000_003, 1 << 100, u128::MAX] {
                assert_eq!(decayed(value, 0, half_life), value);
                assert_eq!(decayed(value, half_life, half_life), value / 2);
                if let Some(two) = half_life.checked_mul(2) {
                    assert_eq!(decayed(value, two, half_life), value / 4);
                }
            }
        }
        assert_eq!((decayed(u128::MAX, 127 * H, H), decayed(u128::MAX, 128 * H, H)), (1, 0));
        assert_eq!((decayed(u128::MAX, u64::MAX, 1), decayed(8, 3, 0)), (0, 1));
    }

    /// Against 50 digits of 2^-x worked out elsewhere.
    #[test]
    fn parts_of_a_half_life_are_powers_of_two_and_not_a_line() {
        let ten_to_18 = 1_000_000_000_000_000_000;
        assert_eq!(decayed(ten_to_18, 1, 2), 707_106_781_186_547_524);
        assert_eq!(decayed(ten_to_18, 1, 4), 840_896_415_253_714_543);
        assert_eq!(decayed(ten_to_18, 3, 4), 594_603_557_501_360_533);
        assert_eq!(decayed(ten_to_18, 7, 4), 297_301_778_750_680_266);
    }

    #[test]
    fn the_factor_is_that_of_floating_point() {
        for part in (0..H).step_by(997) {
            let exact = (-(part as f64) / H as f64).exp2() * 1e15;
            let got = decayed(1_000_000_000_000_000, part, H) as f64;
            assert!((got - exact).abs() <= 1.0 + exact * 2f64.powi(-32), "{part}: {got}, {exact}");
        }
    }

    proptest! {
        #[test]
        fn it_never_grows_with_time_and_more_stays_more(
            value: u128, more: u128, blocks in 0..40 * H, later in 0..40 * H, half_life in 1..2 * H,
        ) {
            let now = decayed(value, blocks, half_life);
            prop_assert!(now <= value);
            prop_assert!(decayed(value, blocks + later, half_life) <= now);
            prop_assert!(decayed(value.saturating_add(more), blocks, half_life) >= now);
        }

        #[test]
        fn each_block_costs_what_is_large_something(blocks in 0..10 * H) {
            prop_assert!(decayed(1 << 96, blocks + 1, H) < decayed(1 << 96, blocks, H));
        }

        #[test]
        fn two_steps_are_one(value: u128, one in 0..5 * H, two in 0..5 * H, half_life in 1..2 * H) {
            let at_once = decayed(value, one + two, half_life);
            let in_two = decayed(decayed(value, one, half_life), two, half_life);
            prop_assert!(at_once.abs_diff(in_two) <= 1 + (at_once >> 31), "{at_once} {in_two}");
        }
    }
}
