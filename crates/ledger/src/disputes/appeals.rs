//! What evidence cannot settle waits for an appeal: silence looks alike whether a provider slept or was cut off.
//!
//! The amount of a fault of lateness lies in a pot of its own for `appeal_window` blocks. If more than two thirds of the
//! validators' seats excuse it meanwhile, it goes back; otherwise it goes where slashes go. Suspension is at once.

use alloy_primitives::Address;
use assay_types::{Fault, Grains, JobId, abi::IDisputes, system};

use crate::{
    codec::record,
    jobs::{Case, Job},
    keys::{self, APPEAL},
    money::{Pot, transfer},
    providers::Provider,
    reject::{BrokenInvariant, Done, Failure, sane},
    schedule::{self, Due},
    slash::{self, Catchers, Charge},
    staking::{Validator, liveness},
    step::Step,
};

record! {
    /// A slash that may be excused.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Appeal {
        pub(crate) provider: Address,
        pub(crate) job: JobId,
        pub(crate) lot: u32,
        pub(crate) fault: Fault,
        pub(crate) amount: Grains,
        /// Work it was about, thousandths of a gigafuel.
        pub(crate) units: u64,
        pub(crate) catchers: Vec<Vec<Address>>,
        pub(crate) until: u64,
        /// Who may excuse it: the seats of the epoch in which it was held.
        pub(crate) judges: Vec<Address>,
        pub(crate) excused_by: Vec<Address>,
    }
}

/// Whether a fault is one that evidence cannot settle.
pub(crate) fn open_to(fault: Fault) -> bool {
    matches!(fault, Fault::LateCommit | Fault::LateReveal | Fault::SilentAuditor)
}

/// Holds the amount of a fault until its appeal is over.
pub(crate) fn hold(
    step: &mut Step<'_>,
    case: &Case,
    provider: Address,
    fault: Fault,
    (amount, units): (Grains, u64),
    catchers: &Catchers,
) -> Done {
    let id: u64 = step.read(&keys::next_appeal())?.unwrap_or(1);
    step.write(keys::next_appeal(), &sane(id.checked_add(1))?);
    transfer(step, Pot::Collateral(provider), Pot::Appeal(id), amount)?;
    let until = step.env.after(step.env.params.appeal_window);
    let appeal = Appeal {
        provider,
        job: case.id,
        lot: case.index,
        fault,
        amount,
        units,
        catchers: catchers.groups.clone(),
        until,
        judges: step.env.seats.clone(),
        excused_by: Vec::new(),
    };
    step.write(keys::of_order(APPEAL, id), &appeal);
    schedule::at(step, until, Due::Appeal(id));
    let (job, lot, fault) = (case.id, case.index, fault as u8);
    step.emit(system::DISPUTES, &IDisputes::SlashHeld { appeal: id, job, lot, provider, fault, amount, until });
    Ok(())
}

/// A validator excuses a fault.
pub(crate) fn excuse(step: &mut Step<'_>, sender: Address, id: u64) -> Done {
    if Validator::load(&step.state, &sender)?.is_none() {
        return Err(Failure::NotValidator.into());
    }
    let key = keys::of_order(APPEAL, id);
    let mut appeal: Appeal = step.read(&key)?.ok_or(Failure::UnknownAppeal)?;
    if !appeal.judges.contains(&sender) {
        return Err(Failure::NotJudge.into());
    }
    if step.env.height() > appeal.until {
        return Err(Failure::TooLate.into());
    }
    if appeal.excused_by.contains(&sender) {
        return Err(Failure::AlreadyJudged.into());
    }
    appeal.excused_by.push(sender);
    if excused(&appeal) {
        schedule::at(step, step.env.height(), Due::Appeal(id));
    }
    step.write(key, &appeal);
    liveness::seen(step, &sender)?;
    step.emit(system::DISPUTES, &IDisputes::Excused { appeal: id, validator: sender });
    Ok(())
}

fn excused(appeal: &Appeal) -> bool {
    appeal.excused_by.len().saturating_mul(3) > appeal.judges.len().saturating_mul(2)
}

/// Does what is due about an appeal.
pub(crate) fn due(step: &mut Step<'_>, id: u64) -> Done {
    let key = keys::of_order(APPEAL, id);
    let Some(appeal) = step.read::<Appeal>(&key)? else { return Ok(()) };
    let excused = excused(&appeal);
    if !excused && step.env.height() < appeal.until {
        return Ok(());
    }
    step.state.delete(key);
    schedule::cancel(step, appeal.until, &Due::Appeal(id));
    let Appeal { provider: account, job: id_of_job, lot, fault, amount, .. } = appeal;
    let pot = Pot::Appeal(id);
    if excused {
        transfer(step, pot, Pot::Collateral(account), amount)?;
        let mut provider = Provider::must(step, &account)?;
        provider.faults = sane(provider.faults.checked_sub(1))?;
        provider.slashed = sane(provider.slashed.checked_sub(amount))?;
        provider.late_streak = provider.late_streak.saturating_sub(1);
        provider.suspended_until = 0;
        provider.store(step, &account);
        step.emit(system::DISPUTES, &IDisputes::SlashExcused { appeal: id, provider: account, amount });
        return Ok(());
    }
    let mut job = Job::load(&step.state, &id_of_job)?.ok_or(BrokenInvariant::Missing(keys::JOB))?;
    let catchers = Catchers { groups: appeal.catchers };
    let charge = Charge { job: id_of_job, lot, provider: account, fault, amount, units: appeal.units };
    slash::distribute(step, pot, &charge, &mut job, &catchers)?;
    job.store(step, &id_of_job);
    Ok(())
}
