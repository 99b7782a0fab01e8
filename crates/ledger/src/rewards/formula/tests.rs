//! Hand values and properties of the formulas.

use assay_types::GRAINS_PER_KRT;
use proptest::prelude::*;

use super::*;

const BPS_ONE: u64 = ONE / 10_000;

/// Cosmos' parameters: 7 to 20 %, 13 points a year, goal 67 %.
const COSMOS: InflationRule =
    InflationRule { min: 700 * BPS_ONE, max: 2_000 * BPS_ONE, change: 1_300 * BPS_ONE, goal: 6_700 * BPS_ONE };

#[test]
fn the_rate_takes_the_steps_of_cosmos() {
    // x/mint's TestNextInflation: nothing bonded raises by 0.13 a year, all bonded lowers by 0.13 * (1 - 1/0.67),
    // at the goal nothing changes; the bounds hold. Here for a block of five seconds, as there: 6,311,520 a year.
    let rate = 1_000 * BPS_ONE;
    let block = 5_000;
    let per_year = 6_311_520;
    assert_eq!(COSMOS.next(rate, 0, block), rate + COSMOS.change / per_year);
    let down =
        u128::from(COSMOS.change) * u128::from(ONE - COSMOS.goal) / u128::from(COSMOS.goal) / u128::from(per_year);
    assert_eq!(COSMOS.next(rate, ONE, block), rate - u64::try_from(down).expect("small"));
    assert_eq!(COSMOS.next(rate, COSMOS.goal, block), rate);
    assert_eq!(COSMOS.next(COSMOS.max, 0, block), COSMOS.max);
    assert_eq!(COSMOS.next(COSMOS.min, ONE, block), COSMOS.min);
    // Half the goal for a year: half of 13 points.
    assert_eq!(COSMOS.next(rate, COSMOS.goal / 2, YEAR_MS), rate + COSMOS.change / 2);
    assert_eq!(InflationRule::of(&Params::default()).first(), 600 * BPS_ONE);
    assert_eq!(COSMOS.next(COSMOS.max, 0, u64::MAX), COSMOS.max);
    assert_eq!(COSMOS.next(COSMOS.min, ONE, u64::MAX), COSMOS.min);
}

#[test]
fn amounts_are_what_a_hand_reckons() {
    let krt = GRAINS_PER_KRT;
    assert_eq!(minted(1_000_000 * krt, 600 * BPS_ONE, YEAR_MS), 60_000 * krt);
    // An hour is 1 / 8,766 of a year: 1,000,000 * 0.06 / 8,766 = 6.844626967830253251 KRT.
    assert_eq!(minted(1_000_000 * krt, 600 * BPS_ONE, 3_600_000), 6_844_626_967_830_253_251);
    assert_eq!((minted(0, ONE, YEAR_MS), minted(krt, 0, YEAR_MS), minted(krt, ONE, 0)), (0, 0, 0));
    assert_eq!(minted(u128::MAX / 2, ONE, YEAR_MS), u128::MAX / 2);
    assert_eq!(minted(u128::MAX, ONE, 2 * YEAR_MS), u128::MAX, "the most that fits");
    assert_eq!((bonded_ratio(1, 3), bonded_ratio(0, 0), bonded_ratio(7, 3)), (ONE / 3, 0, ONE));
    assert_eq!(bonded_ratio(1 << 126, 1 << 127), ONE / 2);
    assert_eq!((burned(1_000, 500), burned(1, 500), burned(1_001, 500), burned(0, 500)), (50, 1, 51, 0));
    assert_eq!((burned(u128::MAX, 5_000), burned(7, 0)), (1 << 127, 0));
    assert_eq!(
        (fullness(0, 7_000), fullness(3_500, 7_000), fullness(7_000, 7_000), fullness(9_999, 7_000)),
        (0, 5_000, 10_000, 10_000)
    );
    // A tenth of what burned, at half fullness, of a budget of 1,000: 50, below the cap of 80.
    assert_eq!(emission(1_000, 1_600, 160, weighed(160, 5_000), 5_000), 50);
    // Of a budget of 10,000 the cap.
    assert_eq!(emission(10_000, 1_600, 160, weighed(160, 5_000), 5_000), 80);
    assert_eq!(emission(10_000, 0, 0, 0, 5_000), 0);
    assert_eq!(emission(u128::MAX, u128::MAX, u128::MAX, u128::MAX, 10_000), u128::MAX);
}

proptest! {
    #[test]
    fn the_rate_stays_within_bounds_and_moves_towards_the_goal(
        rate in 0u64..ONE, bonded in 0u64..=ONE, more in 0u64..=ONE, dt in 0u64..YEAR_MS,
    ) {
        let rate = rate.clamp(COSMOS.min, COSMOS.max);
        let next = COSMOS.next(rate, bonded, dt);
        prop_assert!((COSMOS.min..=COSMOS.max).contains(&next));
        match bonded.cmp(&COSMOS.goal) {
            std::cmp::Ordering::Less => prop_assert!(next >= rate),
            std::cmp::Ordering::Equal => prop_assert_eq!(next, rate),
            std::cmp::Ordering::Greater => prop_assert!(next <= rate),
        }
        // The more is bonded, the lower the rate.
        prop_assert!(COSMOS.next(rate, bonded.max(more), dt) <= next);
    }

    #[test]
    fn minting_in_parts_mints_no_more_and_at_most_a_grain_a_part_less(
        supply in any::<u128>(), rate in 0u64..=ONE, dt in 0u64..YEAR_MS, part in 0u64..YEAR_MS,
    ) {
        let supply = supply / 2;
        let part = part.min(dt);
        let (whole, parts) = (minted(supply, rate, dt), minted(supply, rate, part) + minted(supply, rate, dt - part));
        prop_assert!(parts <= whole && whole - parts <= 1);
        prop_assert!(whole <= supply);
    }

    #[test]
    fn a_burn_is_at_most_the_payment_and_splitting_it_saves_nothing(
        paid in any::<u128>(), first in any::<u128>(), bps in 0u32..=5_000,
    ) {
        let first = first.min(paid);
        let whole = burned(paid, bps);
        prop_assert!(whole <= paid);
        prop_assert!(burned(first, bps) + burned(paid - first, bps) >= whole);
    }

    /// Any providers: each at most its cap of its own burn, all at most the budget, and more burn is never worth less.
    #[test]
    fn emissions_are_within_own_burn_and_within_the_budget(
        budget in any::<u128>(), cap in 0u32..=10_000,
        burns in prop::collection::vec((0u128..u128::MAX / 64, 0u32..=10_000), 1..32),
    ) {
        let all: u128 = burns.iter().map(|(burned, _)| burned).sum();
        let mut sum = 0u128;
        for (burned, full) in &burns {
            let one = emission(budget, all, *burned, weighed(*burned, *full), cap);
            prop_assert!(one <= *burned);
            prop_assert!(one <= math::share(*burned, cap).expect("fits"));
            let more = burned + burned / 2;
            prop_assert!(emission(budget, all + burned / 2, more, weighed(more, *full), cap) >= one.saturating_sub(1));
            sum += one;
        }
        prop_assert!(sum <= budget);
    }
}
