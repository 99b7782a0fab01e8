//! Proof of capacity: what a provider offers counts as far as it showed that it has it.
//!
//! ```text
//!  height k * capacity_round_blocks: all open providers of a class, one beacon
//!      │ Challenged
//!      │ answer: lanes, root                by answer_by ──── none ───────────────┐
//!      v                                                                          │
//!   beacon of answer_by + delay draws blocks of all lanes                         │
//!      │ open: those blocks                 by open_by ────── none, or not right ─┤
//!      v                                                                          v
//!   proved = lanes * capacity_lane_units     as much checked fuel delivered? stays: halved, the third
//!                                                                            time in a row jailed
//! ```
//!
//! A provider's place in the market is the lesser of what it asks and what it proved
//! ([`crate::providers::Provider::effective`]). Nothing is slashed: an empty promise took nothing from anybody.
//!
//! With `capacity_round_blocks` 0 nobody is challenged and what is asked is what counts.
//! `docs/protocol/capacity.md` derives the numbers and says what this cannot show.

pub(crate) mod calls;
pub(crate) mod rounds;

use alloy_primitives::{Address, B256};
use assay_proof::capacity::{Shape, Task};
use assay_types::{Params, view::ChallengeView};

use crate::{
    audits::Audit,
    codec::record,
    jobs::Case,
    keys::{self, CHALLENGE},
    providers::Provider,
    reject::{BrokenInvariant, Done, sane},
    state::StateRead,
    step::{Step, read},
};

/// Missed rounds in a row that jail.
pub(crate) const JAILING: u32 = 3;

record! {
    /// A challenge under way.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Challenge {
        /// Height it was made at.
        pub(crate) round: u64,
        /// Beacon of that height.
        pub(crate) beacon: B256,
        pub(crate) answer_by: u64,
        /// Lanes and root.
        pub(crate) answer: Option<(u32, B256)>,
        /// Height whose beacon draws what is opened.
        pub(crate) draws_at: u64,
        /// That beacon.
        pub(crate) drawn: Option<B256>,
        pub(crate) open_by: u64,
    }
}

impl Challenge {
    pub(crate) fn load(view: &dyn StateRead, provider: &Address) -> Result<Option<Self>, BrokenInvariant> {
        read(view, &keys::of_address(CHALLENGE, provider))
    }

    pub(crate) fn store(&self, step: &mut Step<'_>, provider: &Address) {
        step.write(keys::of_address(CHALLENGE, provider), self);
    }

    /// What is to be computed for it.
    pub(crate) fn task(&self, step: &Step<'_>, provider: Address) -> Done<Task> {
        let params = &step.env.params;
        let shape = Shape::new(params.capacity_lane_kib, params.capacity_passes);
        let shape = shape.ok_or(BrokenInvariant::Corrupt(keys::META))?;
        let chain_id = step.env.network.chain_id;
        Ok(Task { shape, chain_id, round: self.round, beacon: self.beacon, provider })
    }
}

/// Makes `units` what a provider is good for, and the memory of a task that of as many lanes, begun ones whole.
pub(crate) fn set_figure(params: &Params, provider: &mut Provider, units: u64) {
    provider.proved = units;
    let lanes = units.div_ceil(params.capacity_lane_units.max(1));
    let mib = lanes.saturating_mul(u64::from(params.capacity_lane_mib));
    provider.proved_mib = u32::try_from(mib).unwrap_or(u32::MAX);
}

/// What a provider is good for before its first round; whatever it says where there are none.
pub(crate) fn welcome(params: &Params, provider: &mut Provider) {
    if params.capacity_round_blocks > 0 {
        set_figure(params, provider, provider.proved.min(params.capacity_newcomer_units));
    }
}

/// Number of the round that a height lies in.
pub(crate) fn round_at(step: &Step<'_>) -> u64 {
    step.env.height().checked_div(u64::from(step.env.params.capacity_round_blocks)).unwrap_or_default()
}

/// A provider whose ask was closed, or in another class, while others were challenged is a newcomer again.
pub(crate) fn returned(step: &Step<'_>, provider: &mut Provider) {
    if provider.round != round_at(step) {
        welcome(&step.env.params, provider);
    }
}

/// Fuel of a lot that settles, as far as others than its provider ran it too; zero where they did not, or where
/// nobody asks for proofs.
pub(crate) fn checked_fuel(step: &Step<'_>, case: &Case) -> Done<u64> {
    if step.env.params.capacity_round_blocks == 0 {
        return Ok(0);
    }
    let audited = Audit::load(step, case)?.is_some_and(|audit| !audit.tasks.is_empty());
    if case.terms.replicas < 2 && !audited {
        return Ok(0);
    }
    sane(case.lot.leaves.iter().try_fold(0u64, |sum, leaf| sum.checked_add(leaf.fuel)))
}

/// A provider's challenge as queries show it.
pub(crate) fn view_of(view: &dyn StateRead, provider: &Address) -> Option<ChallengeView> {
    let challenge = Challenge::load(view, provider).ok()??;
    let params = crate::query::params(view)?;
    Some(ChallengeView {
        round: challenge.round,
        beacon: challenge.beacon,
        lane_kib: params.capacity_lane_kib,
        passes: params.capacity_passes,
        draws: params.capacity_draws,
        answer_by: challenge.answer_by,
        answer: challenge.answer,
        drawn: challenge.drawn,
        open_by: challenge.open_by,
    })
}
