//! Assigning providers to lots, and what follows when a replica leaves one.

use alloy_primitives::Address;
use assay_types::{
    JobCause, JobId,
    abi::IJobs,
    system,
    view::{LotPhase, ReplicaPhase},
};

use super::{Case, Job, Lot, Replica, Terms, close, lifecycle, matching};
use crate::{
    keys::{self, LOT, WORK_REPLICA},
    providers,
    reject::{Done, sane},
    schedule::{self, Due},
    step::{Step, keys_under},
};

/// Most blocks between two looks at a lot that nobody can serve.
const LONGEST_WAIT: u64 = 8;

/// Looks for the providers a lot lacks.
pub(crate) fn find_providers(step: &mut Step<'_>, id: JobId, index: u32) -> Done {
    let Some(job) = Job::load(&step.state, &id)?.filter(|job| job.outcome.is_none()) else { return Ok(()) };
    let lot: Lot = step.must(&keys::of_lot(LOT, &id, index))?;
    let mut case = Case { terms: Terms::load(&step.state, &id)?, id, job, index, lot };
    let complete = case.lot.replicas.len() >= case.wanted();
    if case.lot.phase != LotPhase::Running || complete || case.past_end(step) {
        return Ok(());
    }
    match matching::match_lot(step, &case)? {
        Some(matched) => {
            stop_waiting(step, &mut case);
            for one in matched {
                assign(step, &mut case, one)?;
            }
        }
        None => wait(step, &mut case),
    }
    case.store_lot(step);
    Ok(())
}

fn waiting_key(case: &Case, since: u64) -> Vec<u8> {
    let since = since.to_be_bytes();
    let lot = case.index.to_be_bytes();
    keys::key(keys::WAITING, &[case.terms.runtime_id.as_slice(), &since, case.id.as_slice(), &lot])
}

fn wait(step: &mut Step<'_>, case: &mut Case) {
    let height = step.env.height();
    let since = *case.lot.waiting_since.get_or_insert(height);
    case.lot.cause = JobCause::NoEligibleProviders;
    step.mark(waiting_key(case, since));
    let pause = height.saturating_sub(since).clamp(1, LONGEST_WAIT);
    schedule::at(step, height.saturating_add(pause), Due::Match(case.id, case.index));
}

/// Ends a lot's wait for providers, if it waited.
pub(crate) fn stop_waiting(step: &mut Step<'_>, case: &mut Case) {
    if let Some(since) = case.lot.waiting_since.take() {
        step.state.delete(waiting_key(case, since));
        case.lot.cause = JobCause::None;
    }
}

fn assign(step: &mut Step<'_>, case: &mut Case, one: matching::Matched) -> Done {
    providers::lock(step, &one.provider, one.lock)?;
    let has_key = keys_under(&step.state, &keys::sealed_keys(&case.id, &one.provider)).next().is_some();
    let (phase, window) = match has_key {
        true => (ReplicaPhase::Running, case.terms.commit_window),
        false => (ReplicaPhase::AwaitingKey, step.env.params.key_window),
    };
    let due = step.env.after(window);
    step.mark(keys::work(WORK_REPLICA, &one.provider, &case.id, case.index));
    step.emit(
        system::JOBS,
        &IJobs::LotAssigned {
            job: case.id,
            lot: case.index,
            provider: one.provider,
            pricePerGigafuel: one.price,
            locked: one.lock,
        },
    );
    case.lot.replicas.push(Replica {
        provider: one.provider,
        operator: one.operator,
        phase,
        price: one.price,
        locked: one.lock,
        due,
        busy: true,
        commitment: None,
        leaves: Vec::new(),
    });
    Ok(())
}

/// Lets a replica go: its collateral is free again, its work no longer listed.
pub(crate) fn release(step: &mut Step<'_>, case: &Case, replica: &Replica) -> Done {
    providers::unlock(step, &replica.provider, replica.locked, replica.busy)?;
    step.state.delete(keys::work(WORK_REPLICA, &replica.provider, &case.id, case.index));
    matching::wake(step, &case.terms.runtime_id)
}

/// Notes that a provider's machines are free for other work while its collateral stays behind this.
pub(crate) fn no_longer_busy(step: &mut Step<'_>, case: &mut Case, provider: &Address) -> Done {
    let replica = case.replica_of(provider)?;
    if std::mem::replace(&mut replica.busy, false) {
        providers::unlock(step, provider, 0, true)?;
        matching::wake(step, &case.terms.runtime_id)?;
    }
    Ok(())
}

/// A lot lost replicas for `cause`: it is handed out anew, or ends when it was tried too often or its
/// job is over.
pub(crate) fn requeue(step: &mut Step<'_>, case: &mut Case, cause: JobCause) -> Done {
    case.lot.attempts = sane(case.lot.attempts.checked_add(1))?;
    case.lot.cause = cause;
    case.lot.leaves.clear();
    case.lot.settles_at = None;
    let exhausted = case.lot.attempts > step.env.params.max_attempts;
    if exhausted || case.past_end(step) {
        return give_up(step, case, if exhausted { JobCause::AttemptsExhausted } else { JobCause::LifetimeEnded });
    }
    case.lot.adjudicated &= !case.lot.replicas.is_empty();
    case.lot.phase = LotPhase::Running;
    case.lot.due = 0;
    step.emit(system::JOBS, &IJobs::LotRequeued { job: case.id, lot: case.index, cause: cause as u8 });
    let next = step.env.after(1);
    schedule::at(step, next, Due::Match(case.id, case.index));
    Ok(())
}

/// Ends a lot that cannot be completed. A result that survived adjudication is accepted with the
/// replicas that stand behind it, since it is known to be right; anything else is refunded.
pub(crate) fn give_up(step: &mut Step<'_>, case: &mut Case, cause: JobCause) -> Done {
    // Replicas keep their order, so the first revealed one is one that survived.
    let proven = case.lot.replicas.iter().find(|replica| replica.phase == ReplicaPhase::Revealed);
    let Some(leaves) = proven.filter(|_| case.lot.adjudicated).map(|replica| replica.leaves.clone()) else {
        return close::refund_lot(step, case, cause);
    };
    stop_waiting(step, case);
    let stands = |replica: &Replica| replica.phase == ReplicaPhase::Revealed && replica.leaves == leaves;
    let (stay, gone): (Vec<_>, Vec<_>) = case.lot.replicas.drain(..).partition(stands);
    case.lot.replicas = stay;
    for replica in gone {
        release(step, case, &replica)?;
    }
    lifecycle::agree(step, case)
}
