//! Coefficients and indices by hand, and against trying everything.

use proptest::prelude::*;

use super::*;

fn counted(amounts: &[u128]) -> (u32, Option<u32>, Option<u32>) {
    let Nakamoto { owners, halt, takeover } = nakamoto(amounts.iter().copied());
    (owners, halt, takeover)
}

#[test]
fn coefficients_by_hand() {
    assert_eq!(counted(&[]), (0, None, None));
    assert_eq!(counted(&[0, 0]), (0, None, None));
    assert_eq!(counted(&[7]), (1, Some(1), Some(1)));
    // What the quorums of these many equal seats are: n - (n - 1) / 3 decide.
    for (seats, halt, takeover) in
        [(1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 3), (5, 2, 4), (6, 2, 5), (7, 3, 5), (9, 3, 7), (100, 34, 67)]
    {
        let expected = (seats, Some(halt), Some(takeover));
        assert_eq!(counted(&vec![1; seats as usize]), expected);
        let quorum = seats - (seats - 1) / 3;
        assert_eq!((halt, takeover), (seats - quorum + 1, quorum), "{seats} seats");
    }
    assert_eq!(counted(&[10, 34, 33, 23]), (4, Some(1), Some(2)), "34 of 100 halt, 67 decide");
    assert_eq!(counted(&[10, 33, 33, 24]), (4, Some(2), Some(3)), "33 of 100 do not halt, 66 do not decide");
    assert_eq!(counted(&[5, 1, 60, 33, 1]), (5, Some(1), Some(2)));
    assert_eq!(counted(&[u128::MAX, u128::MAX, u128::MAX, u128::MAX]), (4, Some(2), Some(3)));
}

#[test]
fn indices_by_hand() {
    let of = |amounts: &[u128]| herfindahl(amounts.iter().copied());
    assert_eq!((of(&[]), of(&[0])), (None, None));
    assert_eq!((of(&[9]), of(&[9, 0])), (Some(10_000), Some(10_000)));
    assert_eq!((of(&[5, 5]), of(&[1; 4]), of(&[1; 3])), (Some(5_000), Some(2_500), Some(3_333)));
    // 0.5^2 + 0.3^2 + 0.2^2
    assert_eq!(of(&[50, 30, 20]), Some(3_800));
    assert_eq!(of(&[u128::MAX, u128::MAX]), Some(5_000));
}

/// The smallest set of owners for which `can` holds of what it has and what all have, trying every one.
fn smallest(amounts: &[u128], can: impl Fn(u128, u128) -> bool) -> Option<u32> {
    let all: u128 = amounts.iter().sum();
    let sets = 1u32..1 << amounts.len();
    let held = |set: u32| -> u128 { (0..amounts.len()).filter(|i| set >> i & 1 == 1).map(|i| amounts[i]).sum() };
    sets.filter(|set| can(held(*set), all)).map(u32::count_ones).min()
}

proptest! {
    #[test]
    fn no_smaller_set_of_owners_could(amounts in prop::collection::vec(0..1_000u128, 0..9)) {
        let owners = amounts.iter().filter(|amount| **amount > 0).count();
        let halts = smallest(&amounts, |held, all| all > 0 && 3 * (all - held) <= 2 * all);
        let takes = smallest(&amounts, |held, all| all > 0 && 3 * held > 2 * all);
        prop_assert_eq!(counted(&amounts), (u32::try_from(owners).expect("few"), halts, takes));
    }

    #[test]
    fn an_index_is_the_chance_that_two_grains_are_one_owners(amounts in prop::collection::vec(1..60u128, 1..6)) {
        let all: u128 = amounts.iter().sum();
        let owner = |grain: u128| {
            let mut rest = grain;
            amounts.iter().position(|amount| {
                let found = rest < *amount;
                rest = rest.saturating_sub(*amount);
                found
            })
        };
        let pairs = (0..all).flat_map(|one| (0..all).map(move |other| (one, other)));
        let same = pairs.filter(|(one, other)| owner(*one) == owner(*other)).count() as u128;
        prop_assert_eq!(herfindahl(amounts.iter().copied()).map(u128::from), Some(same * 10_000 / (all * all)));
    }
}
