//! Assigning providers to lots, and what follows when a replica leaves one.

use alloy_primitives::Address;
use assay_types::{
    JobCause,
    abi::IJobs,
    system,
    view::{LotPhase, ReplicaPhase},
};

use super::{Case, Replica, close, lifecycle, matching, wanted};
use crate::{
    audits,
    keys::{self, WORK_REPLICA},
    providers,
    reject::{Done, sane},
    step::{Step, keys_under},
};

/// Gives a lot one of the providers it lacks.
pub(crate) fn assign(step: &mut Step<'_>, case: &mut Case, one: matching::Matched) -> Done {
    providers::lock(step, &one.provider, one.lock, case.units(), one.price)?;
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
    let busy = replica.busy.then(|| case.units());
    providers::unlock(step, &replica.provider, replica.locked, busy, replica.price)?;
    step.state.delete(keys::work(WORK_REPLICA, &replica.provider, &case.id, case.index));
    Ok(())
}

/// Notes that a provider's machines are free for other work while its collateral stays behind this.
pub(crate) fn no_longer_busy(step: &mut Step<'_>, case: &mut Case, provider: &Address) -> Done {
    let replica = case.replica_of(provider)?;
    let price = replica.price;
    if std::mem::replace(&mut replica.busy, false) {
        providers::unlock(step, provider, 0, Some(case.units()), price)?;
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
    audits::dissolve(step, case)?;
    let exhausted = case.lot.attempts > step.env.params.max_attempts;
    if exhausted || case.past_end(step) {
        return give_up(step, case, if exhausted { JobCause::AttemptsExhausted } else { JobCause::LifetimeEnded });
    }
    case.lot.adjudicated &= !case.lot.replicas.is_empty();
    case.lot.phase = LotPhase::Running;
    case.lot.due = 0;
    step.emit(system::JOBS, &IJobs::LotRequeued { job: case.id, lot: case.index, cause: cause as u8 });
    wanted::note(step, case)?;
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
    let stands = |replica: &Replica| replica.phase == ReplicaPhase::Revealed && replica.leaves == leaves;
    let (stay, gone): (Vec<_>, Vec<_>) = case.lot.replicas.drain(..).partition(stands);
    case.lot.replicas = stay;
    for replica in gone {
        release(step, case, &replica)?;
    }
    lifecycle::agree(step, case)?;
    Ok(wanted::note(step, case)?)
}
