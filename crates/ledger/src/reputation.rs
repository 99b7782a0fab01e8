//! Reputation: what the chain saw a provider do, with a half-life.
//!
//! Four sums a provider, all in work, so that they compare: what it delivered, what its faults weigh, what the
//! deadlines it missed weigh, and what it declined, which is only shown. The score is the part of the rest which is good,
//!
//! ```text
//! score = 10,000 * delivered / (delivered + faults + late + NEWCOMER)      rounded down
//! ```
//!
//! and never more than the bonded part of the least collateral. Why, and where the weights come from:
//! `docs/protocol/reputation.md`.
//!
//! Does not: know what anybody says of a provider. Does not lower locks either: collateral deters, this chooses.
//!
//! Invariant: the sums of the score change only where grains are paid or slashed; between, they only decay.
//! Units: thousandths of a gigafuel, in fixed point with [`FRACTION`] bits so that decay at every touch loses nothing.

mod decay;

use alloy_primitives::{Address, U256};
use assay_types::{Fault, GIGAFUEL, Grains, Params, job::MOST_REPUTATION, view::ReputationView};

use crate::{
    codec::record,
    keys::{self, REPUTATION},
    math,
    reject::{BrokenInvariant, Done},
    state::StateRead,
    step::{Step, Tip, read},
};

/// Bits after the point of the sums.
const FRACTION: u32 = 32;
/// What a lie, or what could hide one, outweighs: this many times its lot.
const FAULT_WEIGHT: u64 = 125;
/// What a missed deadline outweighs.
const LATE_WEIGHT: u64 = 5;
/// A fault counts as one in a lot of this size at least.
const LEAST_FAULTY_LOT: u64 = 16_000;
/// What a newcomer has to outweigh: as much as one caught lying once.
const NEWCOMER: u64 = FAULT_WEIGHT.saturating_mul(LEAST_FAULTY_LOT);

record! {
    /// A provider's sums as they were at a height.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Reputation {
        /// Height it registered at.
        since: u64,
        /// Height of the sums.
        at: u64,
        delivered: u128,
        faults: u128,
        late: u128,
        declined: u128,
    }
}

/// What reputations are read with: the height and the parameters that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lens {
    pub(crate) height: u64,
    half_life: u64,
    min_collateral: Grains,
}

impl Lens {
    pub(crate) fn new(height: u64, params: &Params) -> Self {
        Self { height, half_life: params.reputation_half_life, min_collateral: params.min_collateral }
    }

    /// At the latest block of a state.
    pub(crate) fn at_tip(view: &dyn StateRead) -> Result<Self, BrokenInvariant> {
        let tip: Tip = read(view, &keys::tip())?.ok_or(BrokenInvariant::NoGenesis)?;
        let params = crate::query::params(view).ok_or(BrokenInvariant::NoGenesis)?;
        Ok(Self::new(tip.height, &params))
    }
}

impl Reputation {
    fn newcomer(height: u64) -> Self {
        Self { since: height, at: height, delivered: 0, faults: 0, late: 0, declined: 0 }
    }

    /// The sums as they stand now.
    pub(crate) fn load(view: &dyn StateRead, account: &Address, lens: Lens) -> Result<Self, BrokenInvariant> {
        let kept: Option<Self> = read(view, &keys::of_address(REPUTATION, account))?;
        Ok(kept.ok_or(BrokenInvariant::Missing(REPUTATION))?.seen_through(lens))
    }

    fn seen_through(self, lens: Lens) -> Self {
        let blocks = lens.height.saturating_sub(self.at);
        let left = |sum| decay::decayed(sum, blocks, lens.half_life);
        Self {
            since: self.since,
            at: lens.height.max(self.at),
            delivered: left(self.delivered),
            faults: left(self.faults),
            late: left(self.late),
            declined: left(self.declined),
        }
    }

    fn deliver(&mut self, fuel: u64) {
        self.delivered = self.delivered.saturating_add(work_of(fuel));
    }

    /// Charges a fault in a lot whose cap is `units`.
    fn blame(&mut self, fault: Fault, units: u64) {
        match fault {
            // A lie, and each way to hide one: what weighed less would be the price of a lie.
            Fault::WrongResult | Fault::LateReveal | Fault::WithheldOutput | Fault::WrongAudit | Fault::WithheldKey => {
                self.faults = self.faults.saturating_add(weigh(units.max(LEAST_FAULTY_LOT), FAULT_WEIGHT));
            }
            Fault::LateCommit | Fault::SilentAuditor => {
                self.late = self.late.saturating_add(weigh(units, LATE_WEIGHT));
            }
        }
    }

    /// Basis points, for a provider with this much collateral that is not leaving.
    pub(crate) fn score(&self, bonded: Grains, lens: Lens) -> u16 {
        let whole = u128::from(MOST_REPUTATION);
        let sums = [self.delivered, self.faults, self.late, weigh(NEWCOMER, 1)];
        let all = sums.into_iter().fold(U256::ZERO, |sum, one| sum.saturating_add(U256::from(one)));
        let good = U256::from(self.delivered).saturating_mul(U256::from(whole));
        let earned = good.checked_div(all).and_then(|part| part.try_into().ok()).unwrap_or(whole);
        let bound = math::mul_div_down(whole, bonded, lens.min_collateral).unwrap_or(whole);
        u16::try_from(earned.min(bound)).unwrap_or(MOST_REPUTATION).min(MOST_REPUTATION)
    }

    /// Thousandths of a gigafuel delivered, as they count now.
    pub(crate) fn delivered(&self) -> u64 {
        units_of(self.delivered)
    }

    pub(crate) fn view(&self, bonded: Grains, lens: Lens) -> ReputationView {
        ReputationView {
            score: self.score(bonded, lens),
            delivered: self.delivered(),
            faults: units_of(self.faults),
            late: units_of(self.late),
            declined: units_of(self.declined),
            age: lens.height.saturating_sub(self.since),
        }
    }
}

/// Fuel as the sums have it.
fn work_of(fuel: u64) -> u128 {
    (u128::from(fuel) << FRACTION).checked_div(u128::from(GIGAFUEL / 1_000)).unwrap_or_default()
}

fn weigh(units: u64, weight: u64) -> u128 {
    (u128::from(units) << FRACTION).saturating_mul(u128::from(weight))
}

fn units_of(sum: u128) -> u64 {
    u64::try_from(sum >> FRACTION).unwrap_or(u64::MAX)
}

/// Starts the record of a provider that registers.
pub(crate) fn begin(step: &mut Step<'_>, account: &Address) {
    step.write(keys::of_address(REPUTATION, account), &Reputation::newcomer(step.env.height()));
}

/// Notes that a provider was paid for `fuel`, as a replica or as an auditor.
pub(crate) fn delivered(step: &mut Step<'_>, account: &Address, fuel: u64) -> Done {
    change(step, account, |reputation| reputation.deliver(fuel))
}

/// Notes that a lot whose cap is `units` was given back.
pub(crate) fn declined(step: &mut Step<'_>, account: &Address, units: u64) -> Done {
    change(step, account, |reputation| reputation.declined = reputation.declined.saturating_add(weigh(units, 1)))
}

/// Notes a fault in a lot, or the part of one, whose cap is `units`.
pub(crate) fn blamed(step: &mut Step<'_>, account: &Address, fault: Fault, units: u64) -> Done {
    change(step, account, |reputation| reputation.blame(fault, units))
}

fn change(step: &mut Step<'_>, account: &Address, note: impl FnOnce(&mut Reputation)) -> Done {
    let lens = Lens::new(step.env.height(), &step.env.params);
    let mut reputation = Reputation::load(&step.state, account, lens)?;
    note(&mut reputation);
    step.write(keys::of_address(REPUTATION, account), &reputation);
    Ok(())
}

#[cfg(test)]
mod tests;
