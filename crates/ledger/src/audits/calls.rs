//! What auditors do: commit, decline, open.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolCall;
use assay_proof::lot_root;
use assay_types::{
    JobId, Leaf,
    abi::IAudits::{self, IAuditsCalls},
    job::audit_commitment,
    system,
    view::LotPhase,
};

use super::{Audit, Auditor, assumptions};
use crate::{
    jobs::{Case, replicas::check_leaves},
    providers,
    reject::{Done, Failure, fits},
    schedule::{self, Due},
    step::Step,
};

/// Answers a call of `IAudits`.
pub(crate) fn execute(step: &mut Step<'_>, sender: Address, value: u128, call: &IAuditsCalls) -> Done<Bytes> {
    if value != 0 {
        return Err(Failure::NotPayable.into());
    }
    match call {
        IAuditsCalls::commit(call) => speak(step, sender, call.job, call.lot, Said::Commitment(call.commitment))?,
        IAuditsCalls::decline(call) => speak(step, sender, call.job, call.lot, Said::Declined(call.reason))?,
        IAuditsCalls::reveal(call) => {
            let leaves = call.leaves.iter().map(|leaf| Leaf { output: leaf.output, fuel: leaf.fuel }).collect();
            reveal(step, sender, call.job, call.lot, call.salt, leaves)?;
        }
        IAuditsCalls::locks(call) => return locks(step, call),
    }
    Ok(Bytes::new())
}

fn locks(step: &Step<'_>, call: &IAudits::locksCall) -> Done<Bytes> {
    let assumed = assumptions(&step.env.params, step.env.seats.len());
    let auditors = u32::from(call.auditors);
    let provider = match call.auditBps {
        0 => assumed.replica_lock(call.mostEarned, 1),
        chance => assumed.audit_lock(call.mostEarned, u32::from(chance), auditors),
    };
    let answer = IAudits::locksReturn {
        provider: fits(provider)?,
        auditor: fits(assumed.auditor_lock(call.mostFee, step.env.params.forced_error_bps))?,
    };
    Ok(IAudits::locksCall::abi_encode_returns(&answer).into())
}

enum Said {
    Commitment(B256),
    Declined(u8),
}

fn auditor_of<'a>(audit: &'a mut Audit, account: &Address) -> Done<&'a mut Auditor> {
    let found = audit.auditors.iter_mut().find(|auditor| auditor.account == *account);
    Ok(found.ok_or(Failure::NotAuditor)?)
}

fn speak(step: &mut Step<'_>, sender: Address, id: JobId, index: u32, said: Said) -> Done {
    let case = Case::open(step, id, index)?;
    let mut audit = Audit::load(step, &case)?.ok_or(Failure::NotAuditor)?;
    let (height, due) = (step.env.height(), audit.due);
    let auditor = auditor_of(&mut audit, &sender)?;
    if auditor.spoke() {
        return Err(Failure::AuditorSpoke.into());
    }
    if case.lot.phase != LotPhase::Auditing {
        return Err(Failure::WrongPhase.into());
    }
    if height > due {
        return Err(Failure::TooLate.into());
    }
    match said {
        Said::Commitment(commitment) => auditor.commitment = Some(commitment),
        Said::Declined(reason @ 1..=4) => auditor.declined = Some(reason),
        Said::Declined(_) => return Err(Failure::BadReason.into()),
    }
    let (units, price, was_busy) = (auditor.units, auditor.price, std::mem::replace(&mut auditor.busy, false));
    if was_busy {
        providers::unlock(step, &sender, 0, Some(units), price)?;
    }
    if audit.auditors.iter().all(Auditor::spoke) {
        schedule::at(step, height, Due::Lot(id, index));
    }
    audit.store(step, &case);
    match said {
        Said::Commitment(_) => {
            step.emit(system::AUDITS, &IAudits::AuditCommitted { job: id, lot: index, auditor: sender });
        }
        Said::Declined(reason) => {
            step.emit(system::AUDITS, &IAudits::AuditDeclined { job: id, lot: index, auditor: sender, reason });
        }
    }
    Ok(())
}

fn reveal(step: &mut Step<'_>, sender: Address, id: JobId, index: u32, salt: B256, leaves: Vec<Leaf>) -> Done {
    let case = Case::open(step, id, index)?;
    let mut audit = Audit::load(step, &case)?.ok_or(Failure::NotAuditor)?;
    let tasks = fits(u32::try_from(audit.tasks.len()).ok())?;
    let (height, chain_id) = (step.env.height(), step.env.network.chain_id);
    let auditor = auditor_of(&mut audit, &sender)?;
    if !auditor.leaves.is_empty() {
        return Err(Failure::AlreadyRevealed.into());
    }
    if case.lot.phase != LotPhase::Revealing {
        return Err(Failure::WrongPhase.into());
    }
    case.openings_count(step)?;
    check_leaves(&leaves, tasks, case.terms.fuel_per_task)?;
    let root = lot_root(0, &leaves).map_err(|_| Failure::RevealMismatch)?;
    if auditor.commitment != Some(audit_commitment(chain_id, id, index, sender, salt, root.hash, root.fuel)) {
        return Err(Failure::RevealMismatch.into());
    }
    auditor.leaves = leaves;
    audit.store(step, &case);
    schedule::at(step, height, Due::Lot(id, index));
    step.emit(system::AUDITS, &IAudits::AuditRevealed { job: id, lot: index, auditor: sender });
    Ok(())
}
