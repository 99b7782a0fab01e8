//! Slashing: where a faulty provider's collateral goes.
//!
//! A share is burned, which makes catching oneself a loss; a share goes to those who caught the fault
//! or did their own part; the rest compensates the renter. Every division rounds down and the
//! remainder is the renter's.

use alloy_primitives::Address;
use assay_types::{Fault, Grains, JobId, abi::IJobs, system};

use crate::{
    disputes::appeals,
    jobs::{Case, Job, Replica, assign},
    math,
    money::{Pot, transfer},
    providers::{Provider, health},
    reject::{Done, sane},
    reputation,
    step::Step,
};

/// Who is paid for a caught fault: two groups, half of the catchers' share each. An empty group's half
/// goes to the renter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catchers {
    pub(crate) groups: Vec<Vec<Address>>,
}

impl Catchers {
    /// One group, which has the whole share.
    pub(crate) fn whole(group: Vec<Address>) -> Self {
        Self { groups: vec![group] }
    }

    /// Two groups, half each.
    pub(crate) fn halves(first: Vec<Address>, second: Vec<Address>) -> Self {
        Self { groups: vec![first, second] }
    }
}

/// What a missed commit deadline costs.
pub(crate) fn late_amount(step: &Step<'_>, replica: &Replica) -> Done<Grains> {
    sane(math::share(replica.locked, step.env.params.late_slash_bps))
}

/// Takes all that stands behind a replica for `fault` and lets the replica go.
pub(crate) fn wholly(
    step: &mut Step<'_>,
    case: &mut Case,
    replica: &Replica,
    fault: Fault,
    catchers: &Catchers,
) -> Done {
    let amount = health::at_stake(step, &replica.provider, replica.locked, replica.price)?;
    slash(step, case, replica, fault, amount, catchers)
}

/// Takes `amount` of a replica's locked collateral for `fault` and lets the replica go.
pub(crate) fn slash(
    step: &mut Step<'_>,
    case: &mut Case,
    replica: &Replica,
    fault: Fault,
    amount: Grains,
    catchers: &Catchers,
) -> Done {
    let units = case.units();
    fine(step, case, &replica.provider, fault, (amount, units), catchers)?;
    assign::release(step, case, replica)
}

/// Takes `amount` of a provider's collateral for `fault` in work whose cap is `units`; what it had locked is
/// still to be let go.
pub(crate) fn fine(
    step: &mut Step<'_>,
    case: &mut Case,
    account: &Address,
    fault: Fault,
    (amount, units): (Grains, u64),
    catchers: &Catchers,
) -> Done {
    let held = appeals::open_to(fault) && step.env.params.appeal_window > 0 && amount > 0;
    if held {
        appeals::hold(step, case, *account, fault, (amount, units), catchers)?;
    }
    let mut provider = Provider::must(step, account)?;
    provider.faults = sane(provider.faults.checked_add(1))?;
    provider.slashed = sane(provider.slashed.checked_add(amount))?;
    match fault {
        Fault::LateCommit | Fault::SilentAuditor => provider.suspend(step.env.height(), case.terms.commit_window),
        Fault::LateReveal => provider.suspend(step.env.height(), step.env.params.reveal_window),
        Fault::WrongResult | Fault::WithheldOutput | Fault::WrongAudit | Fault::WithheldKey => {
            provider.suspend(step.env.height(), step.env.params.jail_blocks);
        }
    }
    provider.store(step, account);
    if held {
        return Ok(());
    }
    let charge = Charge { job: case.id, lot: case.index, provider: *account, fault, amount, units };
    distribute(step, Pot::Collateral(*account), &charge, &mut case.job, catchers)
}

/// A fault and what it costs.
pub(crate) struct Charge {
    pub(crate) job: JobId,
    pub(crate) lot: u32,
    pub(crate) provider: Address,
    pub(crate) fault: Fault,
    pub(crate) amount: Grains,
    /// Work it was about, thousandths of a gigafuel.
    pub(crate) units: u64,
}

/// Slashes what lies in `pot`: burned, to those who caught it, the rest to the renter.
pub(crate) fn distribute(step: &mut Step<'_>, pot: Pot, charge: &Charge, job: &mut Job, catchers: &Catchers) -> Done {
    let amount = charge.amount;
    let burned = sane(math::share(amount, step.env.params.slash_burn_bps))?;
    transfer(step, pot, Pot::Burn, burned)?;
    let share = sane(math::share(amount, step.env.params.slash_catcher_bps))?;
    let to_catchers = pay_groups(step, pot, share, catchers)?;
    let to_renter = sane(amount.checked_sub(burned).and_then(|rest| rest.checked_sub(to_catchers)))?;
    transfer(step, pot, Pot::Account(job.renter), to_renter)?;
    job.compensated = sane(job.compensated.checked_add(to_renter))?;
    reputation::blamed(step, &charge.provider, charge.fault, charge.units)?;
    step.emit(
        system::JOBS,
        &IJobs::Slashed {
            job: charge.job,
            lot: charge.lot,
            provider: charge.provider,
            fault: charge.fault as u8,
            amount,
            burned,
            toCatchers: to_catchers,
            toRenter: to_renter,
        },
    );
    Ok(())
}

fn pay_groups(step: &mut Step<'_>, pot: Pot, share: Grains, catchers: &Catchers) -> Done<Grains> {
    let groups = u128::try_from(catchers.groups.len()).unwrap_or(u128::MAX).max(1);
    let each = share.checked_div(groups).unwrap_or_default();
    let mut paid = 0u128;
    for group in &catchers.groups {
        paid = sane(paid.checked_add(pay_equally(step, pot, each, group)?))?;
    }
    Ok(paid)
}

/// Pays `amount` in equal parts, rounded down; returns what was paid.
pub(crate) fn pay_equally(step: &mut Step<'_>, from: Pot, amount: Grains, to: &[Address]) -> Done<Grains> {
    let count = u128::try_from(to.len()).unwrap_or(u128::MAX);
    let Some(each) = amount.checked_div(count) else { return Ok(0) };
    for account in to {
        transfer(step, from, Pot::Account(*account), each)?;
    }
    sane(each.checked_mul(count))
}
