//! A lot's transitions, all of them, from its own record.
//!
//! [`advance`] is called at the end of a block when something about the lot is due. It looks at what
//! is there and does what follows; called once too often it does nothing. A deadline `due` lets acts
//! of block `due` still count, since transactions come before the end of their block.

use assay_proof::lot_root;
use assay_types::{
    Fault, JobCause, JobId,
    abi::IJobs,
    system,
    view::{LotPhase, ReplicaPhase},
};

use super::{Case, Job, Lot, Replica, Terms, assign, close, wanted};
use crate::{
    audits::{self, Audit},
    delivery, disputes,
    keys::{self, LOT},
    reject::{BrokenInvariant, Done},
    schedule::{self, Due},
    slash::{self, Catchers},
    step::Step,
};

/// Does what is due about a lot.
pub(crate) fn advance(step: &mut Step<'_>, id: JobId, index: u32) -> Done {
    let Some(job) = Job::load(&step.state, &id)?.filter(|job| job.outcome.is_none()) else { return Ok(()) };
    let mut lot: Lot = step.must(&keys::of_lot(LOT, &id, index))?;
    // The entry that brought us here is gone from the schedule.
    lot.scheduled = lot.scheduled.filter(|at| *at > step.env.height());
    let mut case = Case { terms: Terms::load(&step.state, &id)?, id, job, index, lot };
    match case.lot.phase {
        LotPhase::Running => running(step, &mut case)?,
        LotPhase::Drawing => audits::drawing(step, &mut case)?,
        LotPhase::Auditing => audits::auditing(step, &mut case)?,
        LotPhase::Revealing => match Audit::load(step, &case)? {
            Some(audit) => audits::judge::revealing(step, &mut case, audit)?,
            None => revealing(step, &mut case)?,
        },
        LotPhase::Agreed => agreed(step, &mut case)?,
        LotPhase::Disclosing | LotPhase::Judging | LotPhase::Deciding => disputes::advance(step, &mut case)?,
        LotPhase::Settled | LotPhase::Refunded => return Ok(()),
    }
    case.store(step);
    close::close_if_over(step, &mut case)
}

/// Has every lot of a job whose lifetime is over looked at.
pub(crate) fn end_job(step: &mut Step<'_>, id: JobId) -> Done {
    let Some(job) = Job::load(&step.state, &id)?.filter(|job| job.outcome.is_none()) else { return Ok(()) };
    let height = step.env.height();
    for index in 0..job.lots {
        schedule::at(step, height, Due::Lot(id, index));
    }
    Ok(())
}

fn running(step: &mut Step<'_>, case: &mut Case) -> Done {
    let height = step.env.height();
    let missed = |replica: &Replica| {
        matches!(replica.phase, ReplicaPhase::AwaitingKey | ReplicaPhase::Running) && height >= replica.due
    };
    let (gone, stay): (Vec<_>, Vec<_>) = case.lot.replicas.drain(..).partition(missed);
    case.lot.replicas = stay;
    if !gone.is_empty() {
        let mut cause = JobCause::KeyNotDelivered;
        for replica in gone {
            if replica.phase == ReplicaPhase::Running {
                cause = JobCause::Late;
                let amount = slash::late_amount(step, &replica)?;
                let catchers = did_their_part(case);
                slash::slash(step, case, &replica, Fault::LateCommit, amount, &catchers)?;
                case.lot.excluded.push(replica.operator);
            } else {
                case.lot.renter_late = true;
                assign::release(step, case, &replica)?;
            }
        }
        return assign::requeue(step, case, cause);
    }
    let said = |r: &Replica| matches!(r.phase, ReplicaPhase::Committed | ReplicaPhase::Revealed);
    if case.lot.replicas.len() == case.wanted() && case.lot.replicas.iter().all(said) {
        return if audits::applies(case) { audits::await_draw(step, case) } else { open_reveal(step, case) };
    }
    if case.past_end(step) {
        let waited = wanted::of_lot(&step.state, &case.id, case.index)?.is_some();
        let cause = if waited { JobCause::NoEligibleProviders } else { JobCause::LifetimeEnded };
        return assign::give_up(step, case, cause);
    }
    Ok(())
}

/// Replicas that committed in time: they are paid out of what a late one loses.
fn did_their_part(case: &Case) -> Catchers {
    let said = |r: &&Replica| matches!(r.phase, ReplicaPhase::Committed | ReplicaPhase::Revealed);
    Catchers::whole(case.lot.replicas.iter().filter(said).map(|r| r.provider).collect())
}

/// Everybody who committed opens, from the next block on.
pub(crate) fn open_reveal(step: &mut Step<'_>, case: &mut Case) -> Done {
    let due = step.env.after(step.env.params.reveal_window);
    case.lot.phase = LotPhase::Revealing;
    case.lot.due = due;
    case.lot.opened_at = step.env.height();
    for replica in &mut case.lot.replicas {
        replica.due = due;
    }
    step.emit(system::JOBS, &IJobs::RevealOpened { job: case.id, lot: case.index, deadline: due });
    Ok(())
}

fn revealing(step: &mut Step<'_>, case: &mut Case) -> Done {
    if case.lot.all(ReplicaPhase::Revealed) {
        let disputed = disputed_tasks(case);
        return match disputed.is_empty() {
            true => agree(step, case),
            false => disputes::open(step, case, disputed, None),
        };
    }
    if step.env.height() < case.lot.due {
        return Ok(());
    }
    let silent = |replica: &Replica| replica.phase != ReplicaPhase::Revealed;
    let (gone, stay): (Vec<_>, Vec<_>) = case.lot.replicas.drain(..).partition(silent);
    case.lot.replicas = stay;
    for replica in gone {
        // To refuse to open costs what a lie costs, or a liar would rather be silent.
        let catchers = did_their_part(case);
        slash::wholly(step, case, &replica, Fault::LateReveal, &catchers)?;
        case.lot.excluded.push(replica.operator);
    }
    assign::requeue(step, case, JobCause::Late)
}

/// Tasks, by place in the lot, on which any two replicas differ.
fn disputed_tasks(case: &Case) -> Vec<u32> {
    let differs = |place: usize| {
        let mut leaves = case.lot.replicas.iter().map(|replica| replica.leaves.get(place));
        let first = leaves.next().flatten();
        leaves.any(|leaf| leaf != first)
    };
    (0..case.lot.tasks).filter(|task| usize::try_from(*task).is_ok_and(differs)).collect()
}

/// The replicas say the same: open to challenge until it settles.
pub(crate) fn agree(step: &mut Step<'_>, case: &mut Case) -> Done {
    let leaves = case.lot.replicas.first().map(|replica| replica.leaves.clone()).unwrap_or_default();
    let root = lot_root(case.first_task(), &leaves).map_err(|_| BrokenInvariant::Missing(LOT))?;
    case.lot.leaves = leaves;
    let settles_at = step.env.after(case.terms.challenge_window);
    settle_at(case, settles_at);
    step.emit(
        system::JOBS,
        &IJobs::LotAgreed { job: case.id, lot: case.index, root: root.hash, settlesAt: settles_at },
    );
    Ok(())
}

/// Puts the lot into the agreed phase until `height`.
fn settle_at(case: &mut Case, height: u64) {
    case.lot.phase = LotPhase::Agreed;
    case.lot.due = height;
    case.lot.settles_at = Some(height);
}

/// Back to the agreed phase after a challenge or demand that found nothing: a fresh short window, so
/// that it did not use up other challengers' time; none once the job's lifetime is over, so that
/// escrow ends.
pub(crate) fn resume(step: &Step<'_>, case: &mut Case) {
    let height = step.env.height();
    let fresh = step.env.after(step.env.params.challenge_window_bounds.0);
    let planned = case.lot.settles_at.unwrap_or(height);
    let at = if case.past_end(step) { height } else { planned.max(fresh) };
    settle_at(case, at);
}

fn agreed(step: &mut Step<'_>, case: &mut Case) -> Done {
    if delivery::advance(step, case)? {
        return Ok(());
    }
    match case.lot.settles_at {
        Some(at) if step.env.height() >= at => close::settle_lot(step, case),
        _ => Ok(()),
    }
}
