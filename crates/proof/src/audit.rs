//! The mathematics of audits: who is looked at, where, and what must be at stake.
//!
//! A provider commits to the results of a lot with the fuel of each task in the open. A beacon value that did not
//! exist then says whether the lot is audited and, if so, which of its tasks auditors run again: `draws` times
//! a point of the lot's total fuel, so that a task is found in proportion to what it is billed.
//!
//! ```text
//!  fuel     |--- task 0 ---|- 1 -|-------- task 2 --------|- 3 -|
//!  draws           x                  x        x                       -> tasks 0 and 2
//! ```
//!
//! Chances are basis points, amounts grains; every rounding is against the provider.

use alloy_primitives::{B256, U256, keccak256};

/// Basis points of a whole.
const WHOLE: u64 = 10_000;

/// Whether a commitment is audited, with a chance of `chance_bps` (10,000: always).
pub fn is_audited(seed: B256, chance_bps: u32) -> bool {
    let point = below(hashed(b"assay/audited", seed, 0), u128::from(WHOLE));
    point < u128::from(chance_bps)
}

/// Whether an audited lot is a trap: its provider alone, who committed to `salt` before the beacon was known,
/// can tell until it opens.
pub fn is_forced(salt: B256, seed: B256, chance_bps: u32) -> bool {
    let secret = keccak256([b"assay/forced".as_slice(), salt.as_slice()].concat());
    below(hashed(secret.as_slice(), seed, 0), u128::from(WHOLE)) < u128::from(chance_bps)
}

/// A lot's tasks side by side on the line of its fuel, to draw from.
///
/// A task billed at nothing counts as one unit of fuel, so that none is out of reach.
#[derive(Debug, Clone)]
pub struct FuelLine {
    /// Where each task ends, ascending.
    ends: Vec<u128>,
}

impl FuelLine {
    /// The line of tasks that burned `fuels`, in their order.
    pub fn new(fuels: &[u64]) -> Self {
        let mut end = 0u128;
        let ends = fuels.iter().map(|fuel| {
            end = end.saturating_add(u128::from((*fuel).max(1)));
            end
        });
        Self { ends: ends.collect() }
    }

    /// Places of the tasks that `draws` points fall on, ascending and each once; empty without tasks.
    pub fn draw(&self, seed: B256, draws: u32) -> Vec<u32> {
        let Some(total) = self.ends.last().copied() else { return Vec::new() };
        let place = |draw: u32| {
            let point = below(hashed(b"assay/audit draw", seed, draw), total);
            u32::try_from(self.ends.partition_point(|end| *end <= point)).unwrap_or(u32::MAX)
        };
        let mut places: Vec<u32> = (0..draws).map(place).collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// What a network assumes about those who would cheat it. Governed parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assumptions {
    /// Share of the auditors' (or replicas') draws that fall to one coalition.
    pub collusion_bps: u32,
    /// Draws a cheat may have to choose from, 1 to 8: 1 where nobody can, more where those who add to a beacon can
    /// withhold.
    pub draw_tries: u32,
    /// How far above break-even the lock is: 10,000 is break-even.
    pub margin_bps: u32,
    /// Least lock, as a share of the gain.
    pub floor_bps: u32,
}

impl Assumptions {
    /// Chance, in billionths and rounded down, that a lot cheated on wholly is caught: audited by somebody
    /// outside the coalition. With `auditors` independent ones all of them must belong to it.
    pub fn caught(&self, chance_bps: u32, auditors: u32) -> u64 {
        const BILLION: u128 = 1_000_000_000;
        let chance = u128::from(chance_bps.min(10_000));
        // All tries must hit; each product of billionths is rounded down.
        let drawn = (0..self.draw_tries.clamp(1, 8)).fold(BILLION, |all, _| all.saturating_mul(chance) / 10_000);
        let outside = BILLION.saturating_sub(all_collude(self.collusion_bps, auditors));
        u64::try_from(drawn.saturating_mul(outside) / BILLION).unwrap_or(0)
    }

    /// Collateral behind a lot that can earn `gain` under audits: `gain * max(floor, margin (1 - a') / a')`
    /// with a' as [`Self::caught`]. None when it overflows, or when nothing would ever be caught.
    ///
    /// With draws in proportion to fuel, cheating on a part gains that part and is caught at least as
    /// often a unit gained, so that the whole is the case that binds.
    pub fn audit_lock(&self, gain: u128, chance_bps: u32, auditors: u32) -> Option<u128> {
        let caught = self.caught(chance_bps, auditors);
        self.lock(gain, 1_000_000_000u64.checked_sub(caught)?, caught)
    }

    /// Collateral behind a replica: `gain * max(floor, margin c / (1 - c))`, c the chance that all replicas
    /// belong to one coalition. One replica is checked by nobody; the floor is all there is.
    pub fn replica_lock(&self, gain: u128, replicas: u32) -> Option<u128> {
        if replicas < 2 {
            return self.lock(gain, 0, 1);
        }
        let together = u64::try_from(all_collude(self.collusion_bps, replicas)).ok()?;
        self.lock(gain, together, 1_000_000_000u64.checked_sub(together)?)
    }

    /// Collateral behind an audit that is paid `fee`: `fee * max(floor, margin (1 - f) / f)`, f the share of audits
    /// that are traps for who does not run the tasks. Without traps the floor is all there is.
    pub fn auditor_lock(&self, fee: u128, forced_bps: u32) -> Option<u128> {
        let forced = u64::from(forced_bps.min(10_000));
        match forced {
            0 => self.lock(fee, 0, 1),
            _ => self.lock(fee, WHOLE.checked_sub(forced)?, forced),
        }
    }

    /// `gain * max(floor, margin * escapes / caught)`, rounded up.
    fn lock(&self, gain: u128, escapes: u64, caught: u64) -> Option<u128> {
        let (gain, whole) = (U256::from(gain), U256::from(WHOLE));
        let floor = gain.checked_mul(U256::from(self.floor_bps))?.div_ceil(whole);
        let odds = gain.checked_mul(U256::from(self.margin_bps))?.checked_mul(U256::from(escapes))?;
        let at_stake = whole.checked_mul(U256::from(caught))?;
        if at_stake.is_zero() {
            return None;
        }
        u128::try_from(floor.max(odds.div_ceil(at_stake))).ok()
    }
}

/// Chance, in billionths and rounded up, that `count` independent draws all fall to the coalition.
fn all_collude(collusion_bps: u32, count: u32) -> u128 {
    let share = u128::from(collusion_bps.min(10_000));
    (0..count).fold(1_000_000_000, |chance: u128, _| chance.saturating_mul(share).div_ceil(u128::from(WHOLE)))
}

pub(crate) fn hashed(domain: &[u8], seed: B256, draw: u32) -> B256 {
    let mut bytes = domain.to_vec();
    bytes.extend_from_slice(seed.as_slice());
    bytes.extend_from_slice(&draw.to_be_bytes());
    keccak256(bytes)
}

/// A hash as a number below `limit`, uniform but for less than one in 2^120.
pub(crate) fn below(hash: B256, limit: u128) -> u128 {
    let point = U256::from_be_bytes(hash.0).checked_rem(U256::from(limit)).unwrap_or_default();
    u128::try_from(point).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seed(number: u64) -> B256 {
        keccak256(number.to_be_bytes())
    }

    const HONEST: Assumptions = Assumptions { collusion_bps: 0, draw_tries: 1, margin_bps: 15_000, floor_bps: 10_000 };

    #[test]
    fn locks_are_those_of_the_design() {
        // margin 1.5: S = 6 p at a = .2, 1.5 p at .5, never below p.
        assert_eq!(HONEST.audit_lock(1_000, 2_000, 1), Some(6_000));
        assert_eq!(HONEST.audit_lock(1_000, 5_000, 1), Some(1_500));
        assert_eq!(HONEST.audit_lock(1_000, 9_000, 1), Some(1_000));
        assert_eq!(HONEST.audit_lock(1_000, 10_000, 1), Some(1_000));
        // Nobody is ever looked at: no lock is enough.
        assert_eq!(HONEST.audit_lock(1_000, 0, 1), None);
        // A coalition of a tenth and a draw that can be repeated: a' = .25 * .9 = .225.
        let doubtful = Assumptions { collusion_bps: 1_000, draw_tries: 2, ..HONEST };
        assert_eq!(doubtful.caught(5_000, 1), 225_000_000);
        assert_eq!(doubtful.audit_lock(9_000, 5_000, 1), Some(46_500));
        assert_eq!(doubtful.caught(5_000, 2), 247_500_000);
        assert_eq!(HONEST.audit_lock(u128::MAX, 2_000, 1), None);
    }

    #[test]
    fn replicas_are_locked_by_the_chance_that_all_collude() {
        let half = Assumptions { collusion_bps: 5_000, ..HONEST };
        // c = 1/4: 1.5 / 3 = half of the gain, so the floor stands; at c = .81 it is 1.5 * .81 / .19.
        assert_eq!(half.replica_lock(1_000, 2), Some(1_000));
        let most = Assumptions { collusion_bps: 9_000, ..HONEST };
        assert_eq!(most.replica_lock(1_000, 2), Some(6_395));
        assert_eq!(most.replica_lock(1_000, 1), Some(1_000));
        let all = Assumptions { collusion_bps: 10_000, ..HONEST };
        assert_eq!(all.replica_lock(1_000, 2), None);
    }

    #[test]
    fn an_auditor_that_never_looks_loses_more_in_a_trap_than_it_saves_between_two() {
        assert_eq!(HONEST.auditor_lock(1_000, 200), Some(73_500));
        assert_eq!(HONEST.auditor_lock(1_000, 0), Some(1_000));
        let traps = (0..10_000).filter(|number| is_forced(seed(*number), seed(1), 200)).count();
        // Binomial(10,000, .02): standard deviation 14.
        assert!(traps.abs_diff(200) < 56, "{traps}");
    }

    #[test]
    fn break_even_is_where_the_design_says() {
        // Cheating wholly gains p, and loses the lock and p when caught: at S = 6 p break-even is a' = 1/7,
        // a coalition of 28.6 %.
        for (chance, collusion) in [(2_000, 2_857), (5_000, 2_000)] {
            let lock = HONEST.audit_lock(1_000_000, chance, 1).expect("fits");
            let caught = Assumptions { collusion_bps: collusion, ..HONEST }.caught(chance, 1);
            let lost = u128::from(caught) * (lock + 1_000_000);
            let gained = 1_000_000u128 * 1_000_000_000;
            assert!(lost.abs_diff(gained) < gained / 1_000, "{chance}: {lost} {gained}");
        }
    }

    #[test]
    fn chances_are_kept() {
        let audited = (0..10_000).filter(|number| is_audited(seed(*number), 2_000)).count();
        // Binomial(10,000, .2): standard deviation 40.
        assert!(audited.abs_diff(2_000) < 160, "{audited}");
        assert!((0..1_000).all(|number| is_audited(seed(number), 10_000)));
        assert!(!(0..1_000).any(|number| is_audited(seed(number), 0)));
        let line = FuelLine::new(&[100, 0, 299, 600]);
        let heavy = (0..10_000).filter(|number| line.draw(seed(*number), 1) == [3]).count();
        assert!(heavy.abs_diff(6_000) < 200, "{heavy}");
        assert_eq!(FuelLine::new(&[]).draw(seed(1), 5), Vec::<u32>::new());
        // Tasks that bill nothing are drawn all the same.
        assert_eq!(FuelLine::new(&[0, 0, 0]).draw(seed(1), 64), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn draws_are_places_of_the_line_ascending_and_once(
            fuels in prop::collection::vec(any::<u64>(), 1..50),
            draws in 1u32..600,
            number: u64,
        ) {
            let line = FuelLine::new(&fuels);
            let places = line.draw(seed(number), draws);
            prop_assert!(!places.is_empty() && places.len() <= draws as usize);
            prop_assert!(places.is_sorted_by(|a, b| a < b));
            prop_assert!(places.iter().all(|place| (*place as usize) < fuels.len()));
            prop_assert_eq!(line.draw(seed(number), draws), places);
        }

        #[test]
        fn a_lock_grows_with_what_it_must_deter(
            gain in 0u128..1 << 100, chance in 1u32..=10_000, collusion in 0u32..9_000, auditors in 1u32..4,
        ) {
            let one = Assumptions { collusion_bps: collusion, ..HONEST };
            let lock = one.audit_lock(gain, chance, auditors);
            let weaker = Assumptions { collusion_bps: collusion + 500, draw_tries: 2, ..HONEST };
            prop_assert!(lock.is_some_and(|lock| lock >= gain));
            prop_assert!(weaker.audit_lock(gain, chance, auditors).is_none_or(|more| Some(more) >= lock));
            prop_assert!(one.audit_lock(gain, chance, auditors + 1) <= lock);
        }
    }
}
