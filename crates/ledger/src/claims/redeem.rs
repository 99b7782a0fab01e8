//! Claims as prepaid bids: the job a holder submits, and what becomes of the claims when its lots end.

use alloy_primitives::{Address, U256};
use assay_market::Rule;
use assay_types::{
    ClaimId, Grains, JobCause, JobId, JobSpec, Params, abi::IClaims, class::class_of, system, view::ReplicaPhase,
};

use super::{Issuance, Standing, blocks_for, ends, margin, starts, tokens};
use crate::{
    jobs::{Case, Job, Replica, Terms, submit},
    market::trading::Trading,
    math,
    money::{self, Pot, transfer},
    reject::{BrokenInvariant, Done, Failure, fits, sane},
    state::StateRead,
    step::Step,
};

/// More replicas would let a holder demand more machines than there are.
const MOST_REPLICAS: u8 = 2;

/// The limit price of a redeeming job: the band's upper edge, rounded down to the tick.
pub(crate) fn price(view: &dyn StateRead, params: &Params, class: u32) -> Result<Grains, BrokenInvariant> {
    let reference = Trading::load(view, params, class, 0)?.reference;
    let rule = Rule::new(reference, params.band_bps, Default::default()).map_err(|_| BrokenInvariant::Arithmetic)?;
    let high = rule.band().high;
    let over = class_of(&params.classes, class).and_then(|class| high.checked_rem(class.tick)).unwrap_or_default();
    Ok(high.saturating_sub(over))
}

/// Submits a job that claims of the sender pay for.
pub(crate) fn redeem(
    step: &mut Step<'_>,
    sender: Address,
    nonce: u64,
    id: U256,
    amount: u64,
    spec: &JobSpec,
) -> Done<JobId> {
    let (id, mut issuance) = Issuance::live(step, id)?;
    let height = step.env.height();
    if height < starts(&step.env.params, id.window) {
        return Err(Failure::RedemptionEarly.into());
    }
    if height > issuance.last {
        return Err(Failure::RedemptionLate.into());
    }
    if amount == 0 {
        return Err(Failure::AmountZero.into());
    }
    if tokens::balance(&step.state, &id, &sender)? < amount {
        return Err(Failure::ClaimBalance.into());
    }
    spec.validate(&step.env.params).map_err(Failure::from)?;
    check_job(step, &id, &issuance, amount, spec)?;
    check_time(step, &id, &issuance, amount, spec)?;
    let escrow = fits(spec.escrow())?;
    let held = money::held(&step.state, Pot::Claims(id))?;
    let all = issuance.collateral(&step.state, &id)?;
    // Its part of the collateral and no more, or it would take from the other holders.
    let part = math::mul_div_down(all, u128::from(amount), u128::from(issuance.outstanding)).unwrap_or(all);
    if escrow > part.min(held) {
        return Err(Failure::ClaimUncovered.into());
    }
    tokens::transfer(step, sender, &id, sender, system::CLAIMS, amount)?;
    issuance.redeemed = sane(issuance.redeemed.checked_add(amount))?;
    issuance.in_jobs = sane(issuance.in_jobs.checked_add(escrow))?;
    issuance.store(step, &id);
    let job = submit::submit_from(step, Pot::Claims(id), sender, nonce, escrow, spec, height)?;
    let mut record = Job::load(&step.state, &job)?.ok_or(BrokenInvariant::Missing(crate::keys::JOB))?;
    record.prepaid = Some(id);
    record.store(step, &job);
    step.emit(system::CLAIMS, &IClaims::ClaimsRedeemed { id: id.to_u256(), holder: sender, job, amount, escrow });
    Ok(job)
}

/// Whether the job is what was claimed, and what the issuer's machines took when it issued.
fn check_job(step: &Step<'_>, id: &ClaimId, issuance: &Issuance, amount: u64, spec: &JobSpec) -> Done {
    // With a reputation that nobody has, holders would have their issuer default.
    let picky = !spec.substitutes.is_empty() || spec.audited() || spec.minReputation > 0;
    if spec.class != id.class || spec.replicas > MOST_REPLICAS || picky {
        return Err(Failure::ClaimJob.into());
    }
    let (lot, all) = units(spec);
    if all != amount {
        return Err(Failure::ClaimUnits.into());
    }
    let too_much = spec.fuelPerTask > issuance.max_fuel_per_task
        || spec.memoryMib > issuance.max_memory_mib
        || lot > issuance.max_lot;
    if too_much || spec.runtimeId != issuance.runtime_id {
        return Err(Failure::ClaimFit.into());
    }
    if spec.maxPricePerGigafuel != price(&step.state, &step.env.params, id.class)? {
        return Err(Failure::ClaimPrice.into());
    }
    Ok(())
}

/// Whether the job leaves the claims' rate its time.
fn check_time(step: &Step<'_>, id: &ClaimId, issuance: &Issuance, amount: u64, spec: &JobSpec) -> Done {
    let (params, height) = (&step.env.params, step.env.height());
    let rate = issuance.max_rate;
    let commit = u64::from(spec.commitWindow);
    let least = blocks_for(amount, rate).saturating_mul(2).saturating_add(commit);
    let lifetime = u64::from(spec.lifetime);
    let too_short = commit < blocks_for(units(spec).0, rate) || lifetime < least;
    let too_long = height.saturating_add(lifetime) > ends(params, id.window).saturating_add(least);
    if too_short || too_long {
        return Err(Failure::ClaimTime.into());
    }
    let open = height.saturating_sub(starts(params, id.window)).saturating_add(1);
    if issuance.redeemed.saturating_add(amount) > rate.saturating_mul(open) {
        return Err(Failure::ClaimRate.into());
    }
    Ok(())
}

/// Thousandths of a gigafuel of one replica of the largest lot, and of all replicas of all lots.
fn units(spec: &JobSpec) -> (u64, u64) {
    let terms = Terms::of(spec);
    let tasks = u32::try_from(spec.inputs.len()).unwrap_or(u32::MAX);
    let lots = u64::from(tasks.div_ceil(spec.tasksPerLot.max(1)));
    let whole = u64::from(tasks.checked_div(spec.tasksPerLot).unwrap_or(0));
    let rest = tasks.checked_rem(spec.tasksPerLot).unwrap_or(0);
    let (full, last) = (terms.units(spec.tasksPerLot), terms.units(rest));
    let one_each = full.saturating_mul(whole).saturating_add(if lots > whole { last } else { 0 });
    (if whole > 0 { full } else { last }, one_each.saturating_mul(u64::from(spec.replicas)))
}

/// What a lot of a prepaid job took of the claims.
fn of_lot(case: &Case) -> u64 {
    case.units().saturating_mul(u64::from(case.terms.replicas))
}

/// Where what a lot does not use goes back to.
pub(crate) fn payer(case: &Case) -> Pot {
    case.job.prepaid.map_or(Pot::Account(case.job.renter), Pot::Claims)
}

/// A lot was delivered and paid; `share` was its escrow.
pub(crate) fn delivered(step: &mut Step<'_>, case: &Case, share: Grains) -> Done {
    let Some(id) = case.job.prepaid else { return Ok(()) };
    let mut issuance = Issuance::must(step, &id)?;
    let amount = of_lot(case);
    burn(step, &id, &mut issuance, amount, share)?;
    let (job, lot) = (case.id, case.index);
    step.emit(system::CLAIMS, &IClaims::ClaimsDelivered { id: id.to_u256(), job, lot, amount });
    margin::settle(step, &id, issuance)
}

/// A lot's claims are no more, and its escrow is no longer out.
fn burn(step: &mut Step<'_>, id: &ClaimId, issuance: &mut Issuance, amount: u64, share: Grains) -> Done {
    tokens::transfer(step, system::JOBS, id, system::CLAIMS, Address::ZERO, amount)?;
    issuance.outstanding = sane(issuance.outstanding.checked_sub(amount))?;
    issuance.in_jobs = sane(issuance.in_jobs.checked_sub(share))?;
    Ok(())
}

/// Whether a lot that ends unpaid for `cause` does so for want of machines or through their fault. Asked while
/// its replicas are still there.
pub(crate) fn supply_failed(step: &Step<'_>, case: &Case, cause: JobCause) -> bool {
    use JobCause::*;
    let commit = u64::from(case.terms.commit_window);
    let key_window = u64::from(step.env.params.key_window);
    let could_have =
        |replica: &Replica| replica.due.saturating_sub(key_window).saturating_add(commit) <= case.job.ends_at;
    // The key never came to a machine that was there early enough.
    let waits = |replica: &Replica| replica.phase == ReplicaPhase::AwaitingKey && could_have(replica);
    let renters = case.lot.renter_late || case.lot.replicas.iter().any(waits);
    let supplys =
        matches!(cause, NoEligibleProviders | Late | WrongResult | WithheldOutput | LifetimeEnded | AttemptsExhausted);
    supplys && !renters && !matches!(case.lot.cause, KeyNotDelivered | Declined | Undecided)
}

/// A lot ended unpaid and its escrow `share` is back in the pot: its holder is paid, or has its claims again.
pub(crate) fn undelivered(step: &mut Step<'_>, case: &mut Case, share: Grains, supply_failed: bool) -> Done {
    let Some(id) = case.job.prepaid else { return Ok(()) };
    let mut issuance = Issuance::must(step, &id)?;
    let amount = of_lot(case);
    let (job, lot, holder) = (case.id, case.index, case.job.renter);
    if supply_failed {
        let paid = compensation(step, &id, &issuance, amount, share)?;
        burn(step, &id, &mut issuance, amount, share)?;
        transfer(step, Pot::Claims(id), Pot::Account(holder), paid)?;
        case.job.compensated = sane(case.job.compensated.checked_add(paid))?;
        step.emit(system::CLAIMS, &IClaims::ClaimsDefaulted { id: id.to_u256(), job, lot, amount, paid });
    } else {
        tokens::transfer(step, system::JOBS, &id, system::CLAIMS, holder, amount)?;
        issuance.redeemed = sane(issuance.redeemed.checked_sub(amount))?;
        issuance.in_jobs = sane(issuance.in_jobs.checked_sub(share))?;
        if let Standing::ClosedOut(pool, claims) = issuance.standing {
            let free = money::held(&step.state, Pot::Claims(id))?.saturating_sub(pool);
            let more = issuance.payoff(step, &id, amount)?.min(free);
            issuance.standing = Standing::ClosedOut(pool.saturating_add(more), claims.saturating_add(amount));
        }
        step.emit(system::CLAIMS, &IClaims::ClaimsReturned { id: id.to_u256(), job, lot, amount });
    }
    margin::settle(step, &id, issuance)
}

/// What undelivered claims pay: the index or what they were issued at, times the penalty, and at most their part
/// of the collateral.
fn compensation(step: &Step<'_>, id: &ClaimId, issuance: &Issuance, amount: u64, share: Grains) -> Done<Grains> {
    let held = money::held(&step.state, Pot::Claims(*id))?;
    let full = issuance.payoff(step, id, amount)?;
    if let Standing::ClosedOut(pool, _) = issuance.standing {
        return Ok(full.min(held.saturating_sub(pool)));
    }
    let all = held.saturating_add(issuance.in_jobs.saturating_sub(share));
    let part = sane(math::mul_div_down(all, u128::from(amount), u128::from(issuance.outstanding)))?;
    Ok(full.min(part).min(held))
}
