//! How lots and jobs end: paid or refunded, and never with escrow left behind.

use alloy_primitives::Address;
use assay_proof::lot_root;
use assay_types::{
    Grains, JobCause, JobOutcome, Leaf,
    abi::{IJobs, IProviders},
    system,
    view::{LotPhase, ReplicaPhase},
};

use super::{Case, Lot, assign, result, wanted};
use crate::{
    audits::{self, judge},
    capacity,
    claims::redeem,
    keys::{self, LOT, SEALED_KEY},
    market::orders,
    math,
    money::{self, BondKind, Pot, transfer},
    providers::Provider,
    reject::{BrokenInvariant, Done, sane},
    reputation, rewards,
    schedule::{self, Due},
    slash,
    step::{Step, keys_under},
};

/// Pays a lot's replicas, each its own ask for the accepted fuel (rounded down a task, in the renter's
/// favour), and returns the rest of the lot's escrow.
pub(crate) fn settle_lot(step: &mut Step<'_>, case: &mut Case) -> Done {
    let share = case.escrow()?;
    let replicas = case.lot.replicas.clone();
    let fuel = sane(case.lot.leaves.iter().try_fold(0u64, |sum, leaf| sum.checked_add(leaf.fuel)))?;
    let mut paid: Grains = 0;
    let checked = capacity::checked_fuel(step, case)?;
    for replica in &replicas {
        let amount = sane(earned(&case.lot.leaves, replica.price))?;
        let class = Provider::must(step, &replica.provider)?.class;
        let net = rewards::pay_provider(step, Pot::Escrow(case.id), replica.provider, class, amount)?;
        paid = sane(paid.checked_add(amount))?;
        assign::release(step, case, replica)?;
        let mut provider = Provider::must(step, &replica.provider)?;
        provider.lots_settled = sane(provider.lots_settled.checked_add(1))?;
        provider.late_streak = 0;
        provider.earned = sane(provider.earned.checked_add(net))?;
        provider.delivered = provider.delivered.saturating_add(checked);
        provider.store(step, &replica.provider);
        reputation::delivered(step, &replica.provider, fuel)?;
        step.emit(
            system::JOBS,
            &IJobs::ProviderPaid { job: case.id, lot: case.index, provider: replica.provider, amount },
        );
    }
    paid = sane(paid.checked_add(judge::pay(step, case)?))?;
    let takers: Vec<Address> = replicas.iter().map(|replica| replica.provider).collect();
    pay_attached(step, case, &takers)?;
    refund(step, case, sane(share.checked_sub(paid))?)?;
    for replica in &mut case.lot.replicas {
        replica.phase = ReplicaPhase::Paid;
        replica.locked = 0;
        replica.busy = false;
        // The accepted results are the lot's; keeping a copy a replica would only cost state.
        replica.leaves.clear();
    }
    case.lot.phase = LotPhase::Settled;
    case.lot.due = 0;
    case.job.paid = sane(case.job.paid.checked_add(paid))?;
    case.job.fuel = sane(case.job.fuel.checked_add(fuel))?;
    case.job.lots_settled = sane(case.job.lots_settled.checked_add(1))?;
    case.job.lots_open = sane(case.job.lots_open.checked_sub(1))?;
    step.emit(system::JOBS, &IJobs::LotSettled { job: case.id, lot: case.index, fuel, paid });
    redeem::delivered(step, case, share)
}

/// What came with the lot when a provider handed it over: equally to those who did it, or the renter's.
fn pay_attached(step: &mut Step<'_>, case: &Case, to: &[Address]) -> Done {
    let pot = Pot::Bond(BondKind::HandOver, case.id, case.index);
    let held = money::held(&step.state, pot)?;
    if held == 0 {
        return Ok(());
    }
    let paid = slash::pay_equally(step, pot, held, to)?;
    let to_renter = sane(held.checked_sub(paid))?;
    transfer(step, pot, Pot::Account(case.job.renter), to_renter)?;
    let each = u128::try_from(to.len()).ok().and_then(|count| paid.checked_div(count)).unwrap_or_default();
    step.emit(
        system::PROVIDERS,
        &IProviders::AttachedPaid { job: case.id, lot: case.index, each, toRenter: to_renter },
    );
    Ok(())
}

fn earned(leaves: &[Leaf], price: Grains) -> Option<Grains> {
    leaves.iter().try_fold(0u128, |sum, leaf| sum.checked_add(math::earning(leaf.fuel, price)?))
}

fn refund(step: &mut Step<'_>, case: &mut Case, amount: Grains) -> Done {
    transfer(step, Pot::Escrow(case.id), redeem::payer(case), amount)?;
    case.job.refunded = sane(case.job.refunded.checked_add(amount))?;
    Ok(())
}

/// Ends a lot unpaid: its replicas are let go without penalty, its escrow goes back.
pub(crate) fn refund_lot(step: &mut Step<'_>, case: &mut Case, cause: JobCause) -> Done {
    let supply_failed = redeem::supply_failed(step, case, cause);
    for replica in std::mem::take(&mut case.lot.replicas) {
        assign::release(step, case, &replica)?;
    }
    audits::dissolve(step, case)?;
    pay_attached(step, case, &[])?;
    let share = case.escrow()?;
    refund(step, case, share)?;
    redeem::undelivered(step, case, share, supply_failed)?;
    case.lot.phase = LotPhase::Refunded;
    case.lot.cause = cause;
    case.lot.due = 0;
    case.lot.settles_at = None;
    case.lot.leaves.clear();
    wanted::note(step, case)?;
    if case.job.cause == JobCause::None {
        case.job.cause = cause;
    }
    case.job.lots_open = sane(case.job.lots_open.checked_sub(1))?;
    Ok(())
}

/// Closes the job when its last lot has ended.
pub(crate) fn close_if_over(step: &mut Step<'_>, case: &mut Case) -> Done {
    if case.job.lots_open > 0 {
        return Ok(());
    }
    let outcome = match case.job.lots_settled {
        settled if settled == case.job.lots => JobOutcome::Completed,
        0 => JobOutcome::Expired,
        _ => JobOutcome::Partial,
    };
    close(step, case, outcome)
}

/// Closes a job all of whose lots have ended.
pub(crate) fn close(step: &mut Step<'_>, case: &mut Case, outcome: JobOutcome) -> Done {
    if money::held(&step.state, Pot::Escrow(case.id))? != 0 {
        return Err(BrokenInvariant::EscrowLeft.into());
    }
    let leaves = all_leaves(step, case)?;
    if outcome == JobOutcome::Completed {
        case.job.result_root = Some(lot_root(0, &leaves).map_err(|_| BrokenInvariant::Missing(LOT))?.hash);
    }
    case.job.outcome = Some(outcome);
    case.job.store(step, &case.id);
    result::write(step, case, outcome, &leaves);
    schedule::cancel(step, case.job.ends_at, &Due::End(case.id));
    orders::close(step, case.job.order)?;
    step.state.delete(keys::renter_open(&case.job.renter, &case.id));
    let sealed: Vec<_> = keys_under(&step.state, &keys::of_job(SEALED_KEY, &case.id)).collect();
    sealed.into_iter().for_each(|key| step.state.delete(key));
    step.emit(
        system::JOBS,
        &IJobs::JobClosed {
            job: case.id,
            outcome: outcome as u8,
            cause: case.job.cause as u8,
            paid: case.job.paid,
            refunded: case.job.refunded,
        },
    );
    Ok(())
}

/// Accepted results of all tasks in order; an unsettled task's leaf is zero.
fn all_leaves(step: &Step<'_>, case: &Case) -> Done<Vec<Leaf>> {
    let mut leaves = Vec::new();
    for index in 0..case.job.lots {
        let lot: Lot = step.must(&keys::of_lot(LOT, &case.id, index))?;
        let none = Leaf { output: Default::default(), fuel: 0 };
        let tasks = usize::try_from(lot.tasks).unwrap_or(usize::MAX);
        match lot.phase {
            LotPhase::Settled => leaves.extend(lot.leaves),
            _ => leaves.extend(std::iter::repeat_n(none, tasks)),
        }
    }
    Ok(leaves)
}
