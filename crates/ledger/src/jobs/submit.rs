//! Submitting a job: its specification is checked, its escrow taken, its lots made.

use alloy_primitives::Address;
use assay_market::Side;
use assay_types::{
    Grains, JobCause, JobId, JobSpec,
    abi::IJobs,
    class::{Unit, class_of},
    job::{job_id, spec_hash},
    system,
    view::LotPhase,
};

use super::{Case, Job, Lot, Terms, wanted};
use crate::{
    disputes::quarantine,
    keys::{self, INPUTS, LOT, TERMS},
    market::{self, Source, orders},
    money::{self, Pot, transfer},
    reject::{Done, Failure, fits, sane},
    schedule::{self, Due},
    step::Step,
};

/// Takes escrow for a job and has the market look for its providers. Value above the escrow never leaves
/// the sender.
pub(crate) fn submit(step: &mut Step<'_>, sender: Address, nonce: u64, value: u128, spec: &JobSpec) -> Done<JobId> {
    let opens_at = step.env.height();
    submit_from(step, Pot::Account(sender), sender, nonce, value, spec, opens_at)
}

/// As [`submit`], with the escrow from `pot`; the job's order takes part from `opens_at` on.
pub(crate) fn submit_from(
    step: &mut Step<'_>,
    pot: Pot,
    sender: Address,
    nonce: u64,
    value: u128,
    spec: &JobSpec,
    opens_at: u64,
) -> Done<JobId> {
    spec.validate(&step.env.params).map_err(Failure::from)?;
    if !step.env.params.runtimes.contains(&spec.runtimeId) {
        return Err(Failure::UnknownRuntime.into());
    }
    if quarantine::holds(step, &spec.runtimeId)? {
        return Err(Failure::RuntimeQuarantined.into());
    }
    check_classes(step, spec)?;
    let escrow = fits(spec.escrow())?;
    if value < escrow {
        return Err(Failure::ValueTooLow.into());
    }
    let id = job_id(step.env.network.chain_id, sender, nonce);
    if Job::load(&step.state, &id)?.is_some() {
        return Err(Failure::JobExists.into());
    }
    transfer(step, pot, Pot::Escrow(id), escrow)?;
    let height = step.env.height();
    let ends_at = step.env.after(spec.lifetime);
    let order = orders::open(step, sender, Source::Job(id), Side::Bid, spec.class, ends_at)?;
    let tasks = fits(u32::try_from(spec.inputs.len()).ok())?;
    let mut job = Job {
        renter: sender,
        spec_hash: spec_hash(spec),
        submitted_at: height,
        ends_at,
        tasks,
        lots: 0,
        lots_open: 0,
        lots_settled: 0,
        committed: false,
        outcome: None,
        cause: JobCause::None,
        paid: 0,
        refunded: 0,
        compensated: 0,
        fuel: 0,
        result_root: None,
        key: None,
        limit: spec.maxPricePerGigafuel,
        order,
        opens_at,
        prepaid: None,
    };
    let terms = Terms::of(spec);
    step.write(keys::of_job(TERMS, &id), &terms);
    let lots = make_lots(step, &id, &job, &terms, spec)?;
    (job.lots, job.lots_open) = (lots, lots);
    job.store(step, &id);
    step.mark(keys::renter_open(&sender, &id));
    step.mark(keys::renter_job(&sender, height, &id));
    step.mark(keys::job_by_age(height, &id));
    schedule::at(step, job.ends_at, Due::End(id));
    if opens_at > height {
        schedule::at(step, opens_at, Due::Order(order));
    }
    step.emit(system::JOBS, &IJobs::JobSubmitted { job: id, renter: sender, tasks, lots, escrow });
    Ok(id)
}

/// A job runs in classes of compute that take orders, at a price on each one's tick.
fn check_classes(step: &Step<'_>, spec: &JobSpec) -> Done {
    for id in std::iter::once(spec.class).chain(spec.substitutes.iter().copied()) {
        let class = market::live_class(step, id)?;
        if class.unit != Unit::Gigafuel {
            return Err(Failure::WrongClass.into());
        }
        if spec.maxPricePerGigafuel.checked_rem(class.tick) != Some(0) {
            return Err(Failure::OffTick.into());
        }
    }
    Ok(())
}

fn make_lots(step: &mut Step<'_>, id: &JobId, job: &Job, terms: &Terms, spec: &JobSpec) -> Done<u32> {
    let per_lot = fits(usize::try_from(spec.tasksPerLot).ok())?;
    let mut lots = 0u32;
    for inputs in spec.inputs.chunks(per_lot) {
        let lot = Lot {
            tasks: fits(u32::try_from(inputs.len()).ok())?,
            phase: LotPhase::Running,
            cause: JobCause::None,
            attempts: 0,
            due: 0,
            opened_at: 0,
            replicas: Vec::new(),
            excluded: Vec::new(),
            leaves: Vec::new(),
            settles_at: None,
            adjudicated: false,
            scheduled: None,
            renter_late: false,
        };
        step.write(keys::of_lot(LOT, id, lots), &lot);
        step.write(keys::of_lot(INPUTS, id, lots), &inputs.to_vec());
        wanted::note(step, &Case { id: *id, job: job.clone(), terms: terms.clone(), index: lots, lot })?;
        lots = sane(lots.checked_add(1))?;
    }
    Ok(lots)
}

/// Changes the limit price of an open job; the escrow follows at once.
pub(crate) fn amend(step: &mut Step<'_>, sender: Address, value: u128, id: JobId, limit: Grains) -> Done {
    let mut job = Job::load(&step.state, &id)?.ok_or(Failure::UnknownJob)?;
    if job.outcome.is_some() {
        return Err(Failure::JobClosed.into());
    }
    if sender != job.renter {
        return Err(Failure::NotRenter.into());
    }
    if job.prepaid.is_some() {
        return Err(Failure::PrepaidJob.into());
    }
    if job.must_stand(step.env.height()) {
        return Err(Failure::SealedStands.into());
    }
    let terms = Terms::load(&step.state, &id)?;
    if limit == 0 {
        return Err(Failure::SpecPrice.into());
    }
    let mut needed: Grains = 0;
    for index in 0..job.lots {
        let lot: Lot = step.must(&keys::of_lot(LOT, &id, index))?;
        if lot.ended() {
            continue;
        }
        if lot.replicas.iter().any(|replica| replica.price > limit) {
            return Err(Failure::PriceBelowAssigned.into());
        }
        let share = fits(terms.lot_escrow(lot.tasks, limit))?;
        needed = fits(needed.checked_add(share))?;
    }
    for class in std::iter::once(terms.class).chain(terms.substitutes.iter().copied()) {
        let off =
            class_of(&step.env.params.classes, class).is_some_and(|class| limit.checked_rem(class.tick) != Some(0));
        if off {
            return Err(Failure::OffTick.into());
        }
    }
    let held = money::held(&step.state, Pot::Escrow(id))?;
    match needed.checked_sub(held) {
        Some(more) if more > value => return Err(Failure::ValueTooLow.into()),
        Some(more) => transfer(step, Pot::Account(sender), Pot::Escrow(id), more)?,
        None => {
            let back = sane(held.checked_sub(needed))?;
            transfer(step, Pot::Escrow(id), Pot::Account(sender), back)?;
            job.refunded = sane(job.refunded.checked_add(back))?;
        }
    }
    job.limit = limit;
    job.store(step, &id);
    orders::touch(step, job.order);
    step.emit(system::JOBS, &IJobs::JobAmended { job: id, maxPricePerGigafuel: limit, escrow: needed });
    Ok(())
}
