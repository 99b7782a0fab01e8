//! Scores by hand, and what must hold of all of them.

use assay_types::GRAINS_PER_KRT;
use proptest::prelude::*;

use super::*;

const BOND: Grains = 10 * GRAINS_PER_KRT;
/// Fuel of one unit.
const UNIT: u64 = GIGAFUEL / 1_000;

fn lens(height: u64) -> Lens {
    Lens::new(height, &Params::default())
}

fn half_life() -> u64 {
    Params::default().reputation_half_life
}

fn after(gigafuel: u64) -> Reputation {
    let mut one = Reputation::newcomer(0);
    one.deliver(gigafuel * GIGAFUEL);
    one
}

#[test]
fn scores_are_those_of_the_table_in_the_documentation() {
    let score = |one: &Reputation| one.score(BOND, lens(0));
    let table = [(0, 0), (1, 4), (100, 476), (2_000, 5_000), (18_000, 9_000), (198_000, 9_900), (1_998_000, 9_990)];
    for (gigafuel, expected) in table {
        assert_eq!(score(&after(gigafuel)), expected, "{gigafuel} Gf");
    }
    // One lie in a lot of 80 Gf weighs 10,000 Gf; in one of 1 Gf what the least weighs.
    let mut liar = after(18_000);
    liar.blame(Fault::WrongResult, 80_000);
    assert_eq!(score(&liar), 6_000);
    let mut small = after(18_000);
    small.blame(Fault::WrongResult, 1_000);
    assert_eq!(score(&small), 8_181);
    // One lot in a hundred missed, its cap twice what the others burned.
    let mut late = after(99 * 2_000);
    late.blame(Fault::LateCommit, 2 * 2_000_000);
    assert_eq!(score(&late), 9_000);
    // One lot in a thousand wrong, half of them caught.
    let mut rare = after(1_999 * 400);
    rare.blame(Fault::WrongResult, 2 * 400_000);
    assert_eq!(score(&rare), 8_868);
}

#[test]
fn a_lie_and_each_way_to_hide_one_weigh_the_same_and_a_missed_deadline_less() {
    let weight = |fault| {
        let mut one = Reputation::newcomer(0);
        one.blame(fault, 20_000);
        let view = one.view(BOND, lens(0));
        (view.faults, view.late)
    };
    for number in 1..=7 {
        let fault = Fault::from_number(number).expect("known");
        let lie = !matches!(fault, Fault::LateCommit | Fault::SilentAuditor);
        assert_eq!(weight(fault), if lie { (2_500_000, 0) } else { (0, 100_000) }, "{fault:?}");
    }
    assert!(Fault::from_number(8).is_none(), "a new fault needs a weight");
}

#[test]
fn what_is_not_bonded_bounds_the_score() {
    let one = after(198_000);
    for (bonded, expected) in
        [(0, 0), (BOND / 4, 2_500), (BOND / 2, 5_000), (BOND / 100 * 99, 9_900), (BOND, 9_900), (u128::MAX, 9_900)]
    {
        assert_eq!(one.score(bonded, lens(0)), expected, "{bonded}");
    }
    assert_eq!(after(0).score(u128::MAX, lens(0)), 0, "money buys no reputation");
    let free = Params { min_collateral: 0, ..Params::default() };
    assert_eq!(one.score(0, Lens::new(0, &free)), 9_900, "where nothing is asked nothing is missing");
}

#[test]
fn an_idle_record_fades_and_work_after_a_fault_heals_what_time_alone_does_not() {
    let mut one = after(18_000);
    let clean = one.score(BOND, lens(0));
    one.blame(Fault::WrongResult, 80_000);
    let caught = one.score(BOND, lens(0));
    assert!(caught < clean);
    let idle = one.clone().seen_through(lens(half_life()));
    assert!(idle.score(BOND, lens(half_life())) < caught, "nothing is waited out");
    let half = idle.view(BOND, lens(half_life()));
    assert_eq!((half.delivered, half.faults, half.age), (9_000_000, 5_000_000, half_life()));
    // As much work again in each half-life: the score comes back to where it was and beyond.
    let mut scores = vec![caught];
    for week in 1..=8 {
        one = one.seen_through(lens(week * half_life()));
        one.deliver(18_000 * GIGAFUEL);
        scores.push(one.score(BOND, lens(week * half_life())));
    }
    assert!(scores.is_sorted() && scores[0] < scores[1], "{scores:?}");
    assert!(scores[5] > clean, "{scores:?}");
}

#[test]
fn work_in_drops_counts_as_work_at_once() {
    let mut drops = Reputation::newcomer(0);
    for height in 1..=100_000 {
        drops = drops.seen_through(lens(height));
        drops.deliver(UNIT / 100);
    }
    let mut once = Reputation::newcomer(0).seen_through(lens(50_000));
    once.deliver(1_000 * UNIT);
    let once = once.seen_through(lens(100_000));
    assert!(drops.delivered().abs_diff(once.delivered()) <= 1, "{} {}", drops.delivered(), once.delivered());
    assert!(drops.delivered() > 900, "{}", drops.delivered());
}

proptest! {
    #[test]
    fn a_score_lies_below_all_and_moves_the_right_way(
        (delivered, faults, late) in any::<(u128, u128, u128)>(),
        fuel in any::<u64>(),
        units in any::<u64>(),
        number in 1..=7u8,
        (bonded, more) in any::<(u128, u128)>(),
    ) {
        let one = Reputation { since: 0, at: 0, delivered, faults, late, declined: late };
        let score = one.score(bonded, lens(0));
        prop_assert!(score < MOST_REPUTATION || delivered > u128::MAX / 20_000);
        prop_assert!(one.score(bonded.saturating_add(more), lens(0)) >= score);
        let mut better = one.clone();
        better.deliver(fuel);
        prop_assert!(better.score(bonded, lens(0)) >= score);
        let mut worse = one.clone();
        worse.blame(Fault::from_number(number).expect("known"), units);
        prop_assert!(worse.score(bonded, lens(0)) <= score);
        let later = one.clone().seen_through(lens(1_000_000));
        prop_assert!(later.score(bonded, lens(1_000_000)) <= score, "time alone never raises it");
    }

    #[test]
    fn leaving_a_fault_behind_under_a_new_account_gains_nothing_until_as_much_was_delivered_again(
        before in 1..1_000_000u64, again in 0..1_000_000u64, units in 1..=LEAST_FAULTY_LOT,
    ) {
        prop_assume!(again <= before);
        let mut stayed = after(before);
        stayed.blame(Fault::WrongResult, units);
        stayed.deliver(again * GIGAFUEL);
        let left = after(again);
        prop_assert!(stayed.score(BOND, lens(0)) >= left.score(BOND, lens(0)));
    }
}
