//! Audits: some tasks of a lot are run again by drawn auditors before its provider opens what it committed to.
//!
//! ```text
//!  committed, fuels in the open
//!      │
//!   Drawing ── beacon of a fixed height: not audited ────────────────────> Revealing ── opened ──> Agreed
//!      │ audited; beacon of a later one: s points of the fuel, auditors     ^   │
//!      v                                                                    │   │ an auditor differs or is silent,
//!   Auditing ── auditors committed, or window over ─────────────────────────┘   │ or none could be drawn
//!                                                                               v
//!                                                       the drawn tasks are adjudicated by the validators
//! ```
//!
//! What a beacon decides is fixed before it exists: the result, its bill and its salt by the commitment, the
//! height by the block of the commitment. The delay is more than a third of the seats, so that no coalition of
//! fewer leads every block between and knows the draw when it commits.
//!
//! Whether and where are two beacons' matter: a leader that saw both at once would withhold only the draws that
//! find it, and a cheat on few tasks would be found with the square of that chance.
//!
//! A share of the audits are traps, which the provider's salt and the beacon decide and only the provider
//! knows until it opens. It then serves decoys ([`assay_types::job::decoy`]) to whoever asks for its results; an
//! auditor that has them from a friend instead of running the tasks commits to decoys.

pub(crate) mod calls;
pub(crate) mod judge;

use alloy_primitives::{Address, B256, keccak256};
use assay_proof::audit::{Assumptions, FuelLine, is_audited};
use assay_types::{
    Grains, Leaf, Params,
    abi::IAudits,
    job::{fuel_units, run_ceiling},
    system,
    view::{AuditView, AuditorView, LeafView, LotPhase},
};

use crate::{
    codec::record,
    draw::{Candidate, draw},
    jobs::{Case, Lot, lifecycle, matching},
    keys::{self, AUDIT, WORK_AUDIT},
    providers::{self, Provider},
    reject::{BrokenInvariant, Done, Failure, fits},
    state::StateRead,
    step::{Step, keys_under, read},
};

/// Reason to decline: the key that was sealed to the auditor is not the job's.
const WRONG_KEY: u8 = 2;

record! {
    /// What is known of a lot's audit, from the commitment on.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Audit {
        /// Fuel of each task, as billed before anything was opened.
        pub(crate) fuels: Vec<u64>,
        /// Height whose beacon decides whether it is audited; 0 before it is set.
        pub(crate) draws_at: u64,
        /// Height whose beacon decides where and by whom; 0 unless it is audited.
        pub(crate) points_at: u64,
        /// What the last of these beacons says about this lot, once it has decided.
        pub(crate) seed: Option<B256>,
        /// Drawn tasks by place in the lot; none when it is not audited.
        pub(crate) tasks: Vec<u32>,
        /// Those who may still be paid.
        pub(crate) auditors: Vec<Auditor>,
        /// Height by which they commit.
        pub(crate) due: u64,
        /// The provider's, once it opened.
        pub(crate) salt: Option<B256>,
        /// Whether the opening showed it to be a trap.
        pub(crate) forced: bool,
    }
}

record! {
    /// An auditor of a lot.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Auditor {
        pub(crate) account: Address,
        pub(crate) locked: Grains,
        /// Grains a gigafuel it is paid.
        pub(crate) price: Grains,
        /// Fuel it is kept busy with, thousandths of a gigafuel.
        pub(crate) units: u64,
        pub(crate) busy: bool,
        pub(crate) commitment: Option<B256>,
        /// Why it gave the audit back, if it did; reasons as in `IAudits.decline`.
        pub(crate) declined: Option<u8>,
        /// Height from which it had the job key.
        pub(crate) keyed_at: Option<u64>,
        /// What it opened, a leaf a drawn task; empty before.
        pub(crate) leaves: Vec<Leaf>,
    }
}

impl Auditor {
    fn spoke(&self) -> bool {
        self.commitment.is_some() || self.declined.is_some()
    }

    /// Whether saying nothing was its own doing: it had a key for as long as the job gives its providers, and did not
    /// say that the key is wrong, which it cannot prove and nobody can refute.
    fn to_blame(&self, due: u64, commit_window: u32) -> bool {
        let in_time = |at: u64| at.saturating_add(u64::from(commit_window)) <= due;
        self.keyed_at.is_some_and(in_time) && self.declined != Some(WRONG_KEY)
    }
}

impl Audit {
    /// An audit of results billed at `fuels`, not yet drawn.
    pub(crate) fn of(fuels: Vec<u64>) -> Self {
        Self {
            fuels,
            draws_at: 0,
            points_at: 0,
            seed: None,
            tasks: Vec::new(),
            auditors: Vec::new(),
            due: 0,
            salt: None,
            forced: false,
        }
    }

    pub(crate) fn load(step: &Step<'_>, case: &Case) -> Result<Option<Self>, BrokenInvariant> {
        step.read(&keys::of_lot(AUDIT, &case.id, case.index))
    }

    fn must(step: &Step<'_>, case: &Case) -> Result<Self, BrokenInvariant> {
        step.must(&keys::of_lot(AUDIT, &case.id, case.index))
    }

    pub(crate) fn store(&self, step: &mut Step<'_>, case: &Case) {
        step.write(keys::of_lot(AUDIT, &case.id, case.index), self);
    }

    /// Those of a lot's leaves that were drawn.
    fn drawn_of(&self, leaves: &[Leaf]) -> Vec<Leaf> {
        let at = |place: &u32| usize::try_from(*place).ok().and_then(|place| leaves.get(place));
        self.tasks.iter().filter_map(at).cloned().collect()
    }
}

/// What the network assumes about those who would cheat it while there are this many seats.
pub(crate) fn assumptions(params: &Params, seats: usize) -> Assumptions {
    // What a third of the seats gains by withholding from the beacon, measured: docs/protocol/beacon.md.
    let gained = match seats {
        0..=20 => 2,
        21..=50 => 3,
        _ => 4,
    };
    Assumptions {
        collusion_bps: params.assumed_collusion_bps,
        draw_tries: params.draw_tries.max(gained),
        margin_bps: params.deterrence_bps,
        floor_bps: params.collateral_bps,
    }
}

/// The provider committed: the beacon of a height to come decides.
pub(crate) fn await_draw(step: &mut Step<'_>, case: &mut Case) -> Done {
    let mut audit = Audit::must(step, case)?;
    (audit.draws_at, audit.points_at) = (unknown_yet(step), 0);
    audit.store(step, case);
    case.lot.phase = LotPhase::Drawing;
    case.lot.due = audit.draws_at;
    Ok(())
}

/// The chain had so much to do that it forgot the beacon of a draw: another one decides, as unknown now as that one
/// was. What an earlier one decided stands.
fn wait_anew(step: &mut Step<'_>, case: &mut Case, mut audit: Audit) -> Done {
    let at = unknown_yet(step);
    match audit.points_at {
        0 => audit.draws_at = at,
        _ => audit.points_at = at,
    }
    audit.store(step, case);
    case.lot.due = at;
    Ok(())
}

/// The first height whose beacon no coalition of less than a third of the seats can know now.
fn unknown_yet(step: &Step<'_>) -> u64 {
    step.env.after(draw_delay(step))
}

/// Blocks from something that is committed to until the beacon that decides about it.
pub(crate) fn draw_delay(step: &Step<'_>) -> u32 {
    let seats = u32::try_from(step.env.seats.len()).unwrap_or(u32::MAX);
    let a_third = seats.checked_div(3).unwrap_or_default().saturating_add(1);
    step.env.params.audit_delay.max(a_third)
}

/// The beacon of `height`, while it is remembered.
pub(crate) fn beacon_of(step: &Step<'_>, height: u64) -> Done<Option<B256>> {
    if height == step.env.height() {
        return Ok(Some(step.env.ctx.beacon));
    }
    let kept: Option<(u64, B256)> = step.read(&keys::beacon(height))?;
    Ok(kept.filter(|(at, _)| *at == height).map(|(_, beacon)| beacon))
}

/// A beacon is there: whether the lot is audited, and then, with a later one, where and by whom.
pub(crate) fn drawing(step: &mut Step<'_>, case: &mut Case) -> Done {
    let mut audit = Audit::must(step, case)?;
    let at = audit.draws_at.max(audit.points_at);
    if step.env.height() < at {
        return Ok(());
    }
    let Some(beacon) = beacon_of(step, at)? else { return wait_anew(step, case, audit) };
    let seed = keccak256(
        [b"assay/audit".as_slice(), beacon.as_slice(), case.id.as_slice(), &case.index.to_be_bytes()].concat(),
    );
    let chosen = audit.points_at > 0;
    if !chosen && is_audited(seed, u32::from(case.terms.audit_bps)) {
        audit.points_at = unknown_yet(step);
        case.lot.due = audit.points_at;
        audit.store(step, case);
        return Ok(());
    }
    audit.seed = Some(seed);
    if chosen {
        audit.tasks = FuelLine::new(&audit.fuels).draw(seed, u32::from(case.terms.audit_draws));
        audit.auditors = draw_auditors(step, case, &audit, seed)?;
    }
    let first = case.first_task();
    let window = step.env.params.key_window.saturating_add(case.terms.commit_window);
    audit.due = step.env.after(window);
    step.emit(
        system::AUDITS,
        &IAudits::AuditDrawn {
            job: case.id,
            lot: case.index,
            tasks: audit.tasks.iter().map(|place| first.saturating_add(*place)).collect(),
            auditors: audit.auditors.iter().map(|auditor| auditor.account).collect(),
            deadline: audit.due,
        },
    );
    audit.store(step, case);
    if audit.auditors.is_empty() {
        return lifecycle::open_reveal(step, case);
    }
    case.lot.phase = LotPhase::Auditing;
    case.lot.due = audit.due;
    Ok(())
}

/// Auditors for the drawn tasks, by stake, each of another operator; their collateral is locked.
fn draw_auditors(step: &mut Step<'_>, case: &Case, audit: &Audit, seed: B256) -> Done<Vec<Auditor>> {
    let price = case.lot.replicas.first().map_or(case.job.limit, |replica| replica.price);
    let mut fee: Grains = 0;
    for place in &audit.tasks {
        let fuel = usize::try_from(*place).ok().and_then(|place| audit.fuels.get(place)).copied().unwrap_or_default();
        fee = fee.saturating_add(run_ceiling(fuel, price).unwrap_or(Grains::MAX));
    }
    let locked = assumptions(&step.env.params, step.env.seats.len())
        .auditor_lock(fee, step.env.params.forced_error_bps)
        .unwrap_or(Grains::MAX);
    let tasks = u64::try_from(audit.tasks.len()).unwrap_or(u64::MAX);
    let units = fuel_units(case.terms.fuel_per_task.saturating_mul(tasks));
    let urn = able(step, case, locked)?;
    let mut operators: Vec<Address> = urn.iter().map(|candidate| candidate.operator).collect();
    operators.sort();
    operators.dedup();
    let wanted = usize::from(case.terms.auditors).min(operators.len());
    let seed = keccak256([b"assay/auditors".as_slice(), seed.as_slice()].concat());
    let mut auditors = Vec::new();
    for one in draw(seed, &urn, wanted).unwrap_or_default() {
        providers::lock(step, &one.provider, locked, units, price)?;
        step.mark(keys::work(WORK_AUDIT, &one.provider, &case.id, case.index));
        auditors.push(Auditor {
            account: one.provider,
            locked,
            price,
            units,
            busy: true,
            commitment: None,
            declined: None,
            keyed_at: has_key(&step.state, &case.id, &one.provider).then(|| step.env.height()),
            leaves: Vec::new(),
        });
    }
    Ok(auditors)
}

/// Providers that could run the drawn tasks and have no part in the lot. Those at work count: an audit is small
/// and has a job's time, and when all are at work the validators would have to do it.
fn able(step: &Step<'_>, case: &Case, locked: Grains) -> Done<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for account in matching::open_asks(&step.state).collect::<Vec<_>>() {
        let provider = Provider::must(step, &account)?;
        let free = provider.free(&step.state, &account)?;
        let renters = account == case.job.renter || provider.operator == case.job.renter;
        let has_part = case.lot.replicas.iter().any(|replica| replica.operator == provider.operator);
        let fits = provider.runtime_id == case.terms.runtime_id
            && provider.max_fuel_per_task >= case.terms.fuel_per_task
            && provider.effective_mib() >= case.terms.memory_mib
            && step.env.height() >= provider.suspended_until;
        if fits && free >= locked && !renters && !has_part {
            candidates.push(Candidate { provider: account, operator: provider.operator, weight: free });
        }
    }
    Ok(candidates)
}

/// Auditors have spoken, or their time is over: everybody opens.
pub(crate) fn auditing(step: &mut Step<'_>, case: &mut Case) -> Done {
    let audit = Audit::must(step, case)?;
    let all = audit.auditors.iter().all(Auditor::spoke);
    if all || step.env.height() >= audit.due { lifecycle::open_reveal(step, case) } else { Ok(()) }
}

/// Lets an auditor go.
fn release(step: &mut Step<'_>, case: &Case, auditor: &Auditor) -> Done {
    let busy = auditor.busy.then_some(auditor.units);
    providers::unlock(step, &auditor.account, auditor.locked, busy, auditor.price)?;
    step.state.delete(keys::work(WORK_AUDIT, &auditor.account, &case.id, case.index));
    Ok(())
}

/// Ends a lot's audit without paying anybody; nothing when there is none.
pub(crate) fn dissolve(step: &mut Step<'_>, case: &Case) -> Done {
    let Some(audit) = Audit::load(step, case)? else { return Ok(()) };
    for auditor in &audit.auditors {
        release(step, case, auditor)?;
    }
    step.state.delete(keys::of_lot(AUDIT, &case.id, case.index));
    Ok(())
}

/// A key was sealed to an auditor of a lot.
pub(crate) fn keyed(step: &mut Step<'_>, case: &Case, account: &Address) -> Done {
    let height = step.env.height();
    let mut audit = Audit::must(step, case)?;
    for auditor in audit.auditors.iter_mut().filter(|auditor| auditor.account == *account) {
        auditor.keyed_at = auditor.keyed_at.or(Some(height));
    }
    audit.store(step, case);
    Ok(())
}

/// Whether the job key was sealed to `account`.
fn has_key(view: &dyn StateRead, case: &assay_types::JobId, account: &Address) -> bool {
    keys_under(view, &keys::sealed_keys(case, account)).next().is_some()
}

/// An audit as queries show it.
pub(crate) fn view_of(view: &dyn StateRead, id: assay_types::JobId, index: u32, first_task: u32) -> Option<AuditView> {
    let audit: Audit = read(view, &keys::of_lot(AUDIT, &id, index)).ok()??;
    let leaf = |leaf: &Leaf| LeafView { output: leaf.output, fuel: leaf.fuel };
    let auditors = audit.auditors.iter().map(|auditor| AuditorView {
        auditor: auditor.account,
        has_key: has_key(view, &id, &auditor.account),
        commitment: auditor.commitment,
        declined: auditor.declined.is_some(),
        leaves: auditor.leaves.iter().map(leaf).collect(),
        locked: auditor.locked,
    });
    Some(AuditView {
        auditors: auditors.collect(),
        fuels: audit.fuels,
        draws_at: audit.draws_at.max(audit.points_at),
        audited: audit.points_at > 0,
        drawn: audit.seed.is_some(),
        tasks: audit.tasks.iter().map(|place| first_task.saturating_add(*place)).collect(),
        forced: audit.forced,
        due: audit.due,
    })
}

/// Whether results of this lot are committed to with their fuels in the open.
pub(crate) fn applies(case: &Case) -> bool {
    case.terms.audit_bps > 0
}

/// The bill a provider commits to, checked.
pub(crate) fn check_bill(lot: &Lot, cap: u64, fuels: &[u64]) -> Done {
    if u32::try_from(fuels.len()) != Ok(lot.tasks) {
        return Err(Failure::LeafCount.into());
    }
    if fuels.iter().any(|fuel| *fuel > cap) {
        return Err(Failure::FuelAboveCap.into());
    }
    fits(fuels.iter().try_fold(0u64, |sum, fuel| sum.checked_add(*fuel)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_seats_the_more_tries_and_a_vote_may_only_raise_them() {
        let params = Params::default();
        let tries = |params: &Params, seats| assumptions(params, seats).draw_tries;
        assert_eq!([1, 20, 21, 50, 51, 128].map(|seats| tries(&params, seats)), [2, 2, 3, 3, 4, 4]);
        let careful = Params { draw_tries: 6, ..params };
        assert_eq!([1, 128].map(|seats| tries(&careful, seats)), [6, 6]);
        let few = assumptions(&Params::default(), 4);
        let many = assumptions(&Params::default(), 100);
        assert!(many.audit_lock(1_000, 5_000, 1) > few.audit_lock(1_000, 5_000, 1), "withholding must not pay");
    }
}
