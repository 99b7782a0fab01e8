//! What people ask of a dispute: challenge a result, disclose the key, commit and reveal verdicts.

use alloy_primitives::{Address, B256, Bytes};
use assay_proof::lot_root;
use assay_types::{
    JobId, Leaf,
    abi::IDisputes::{self, IDisputesCalls},
    job::{key_hash, verdict_commitment},
    system,
    view::LotPhase,
};

use super::{Dispute, Verdict, appeals, judge, open};
use crate::{
    delivery,
    jobs::{Case, Job, Terms, replicas::check_leaves},
    keys::{self, DISPUTE},
    money::{BondKind, Pot, transfer},
    reject::{Done, Failure, fits},
    schedule::{self, Due},
    staking::{Validator, liveness},
    step::{Step, keys_under},
};

/// Answers a call of `IDisputes`.
pub(crate) fn execute(step: &mut Step<'_>, sender: Address, value: u128, call: &IDisputesCalls) -> Done<Bytes> {
    if value != 0 {
        return Err(Failure::NotPayable.into());
    }
    match call {
        IDisputesCalls::discloseKey(call) => disclose_key(step, sender, call.job, call.key)?,
        IDisputesCalls::excuse(call) => appeals::excuse(step, sender, call.appeal)?,
        IDisputesCalls::commitVerdict(call) => commit_verdict(step, sender, call.job, call.lot, call.commitment)?,
        IDisputesCalls::revealVerdict(call) => {
            let leaves: Vec<Leaf> =
                call.leaves.iter().map(|leaf| Leaf { output: leaf.output, fuel: leaf.fuel }).collect();
            reveal_verdict(step, sender, call.job, call.lot, call.salt, leaves)?;
        }
    }
    Ok(Bytes::new())
}

/// Puts a bond on a claim that an agreed result is wrong. Value above the bond never leaves the sender.
pub(crate) fn challenge(step: &mut Step<'_>, sender: Address, value: u128, id: JobId, task: u32) -> Done {
    let (mut case, place) = Case::open_task(step, id, task)?;
    let bond = step.env.params.challenge_bond;
    if value < bond {
        return Err(Failure::ValueTooLow.into());
    }
    contestable(step, &case)?;
    transfer(step, Pot::Account(sender), Pot::Bond(BondKind::Challenge, id, case.index), bond)?;
    open(step, &mut case, vec![place], Some((sender, bond)))?;
    case.store_lot(step);
    Ok(())
}

/// Whether an agreed lot may still be challenged or its output demanded.
pub(crate) fn contestable(step: &Step<'_>, case: &Case) -> Done {
    let settles_at = match case.lot.settles_at {
        Some(at) if case.lot.phase == LotPhase::Agreed => at,
        _ => return Err(Failure::WrongPhase.into()),
    };
    if delivery::pending(step, case)? {
        return Err(Failure::AnotherPending.into());
    }
    if step.env.height() >= settles_at {
        return Err(Failure::TooLate.into());
    }
    Ok(())
}

fn disclose_key(step: &mut Step<'_>, sender: Address, id: JobId, key: B256) -> Done {
    let mut job = Job::load(&step.state, &id)?.ok_or(Failure::UnknownJob)?;
    if job.outcome.is_some() {
        return Err(Failure::JobClosed.into());
    }
    if key_hash(&key) != Terms::load(&step.state, &id)?.key_hash {
        return Err(Failure::WrongKey.into());
    }
    let disputed: Vec<u32> = keys_under(&step.state, &keys::of_job(DISPUTE, &id))
        .filter_map(|key| keys::job_and_lot(&key))
        .map(|(_, lot)| lot)
        .collect();
    let mut asked = false;
    for index in disputed {
        let mut case = Case::open(step, id, index)?;
        if case.lot.phase == LotPhase::Disclosing && step.env.height() <= case.lot.due {
            judge(step, &mut case);
            case.store_lot(step);
            asked = true;
        }
    }
    if !asked {
        return Err(Failure::WrongPhase.into());
    }
    job.key = Some(key);
    job.store(step, &id);
    step.emit(system::DISPUTES, &IDisputes::KeyDisclosed { job: id, sender, key });
    Ok(())
}

/// Verdicts are validators'; which of them judge a dispute is the dispute's to say.
fn known_validator(step: &Step<'_>, sender: &Address) -> Done {
    match Validator::load(&step.state, sender)? {
        Some(_) => Ok(()),
        None => Err(Failure::NotValidator.into()),
    }
}

fn commit_verdict(step: &mut Step<'_>, sender: Address, id: JobId, index: u32, commitment: B256) -> Done {
    known_validator(step, &sender)?;
    let case = Case::open(step, id, index)?;
    let height = step.env.height();
    if case.lot.phase != LotPhase::Judging {
        return Err(Failure::WrongPhase.into());
    }
    let mut dispute = Dispute::load(&step.state, &id, index)?;
    if !dispute.judges.contains(&sender) {
        return Err(Failure::NotJudge.into());
    }
    if dispute.verdicts.iter().any(|verdict| verdict.validator == sender) {
        return Err(Failure::AlreadyJudged.into());
    }
    if height > case.lot.due {
        return Err(Failure::TooLate.into());
    }
    dispute.verdicts.push(Verdict { validator: sender, commitment, leaves: None });
    if dispute.verdicts.len() == dispute.judges.len() {
        schedule::at(step, height, Due::Lot(id, index));
    }
    dispute.store(step, &case);
    liveness::seen(step, &sender)?;
    step.emit(system::DISPUTES, &IDisputes::VerdictCommitted { job: id, lot: index, validator: sender });
    Ok(())
}

fn reveal_verdict(step: &mut Step<'_>, sender: Address, id: JobId, index: u32, salt: B256, leaves: Vec<Leaf>) -> Done {
    known_validator(step, &sender)?;
    let case = Case::open(step, id, index)?;
    let height = step.env.height();
    if case.lot.phase != LotPhase::Deciding {
        return Err(Failure::WrongPhase.into());
    }
    let mut dispute = Dispute::load(&step.state, &id, index)?;
    let tasks = fits(u32::try_from(dispute.tasks.len()).ok())?;
    let chain_id = step.env.network.chain_id;
    let verdict = dispute.verdicts.iter_mut().find(|v| v.validator == sender).ok_or(Failure::NoVerdict)?;
    if verdict.leaves.is_some() {
        return Err(Failure::AlreadyRevealed.into());
    }
    case.openings_count(step)?;
    check_leaves(&leaves, tasks, case.terms.fuel_per_task)?;
    let root = lot_root(0, &leaves).map_err(|_| Failure::RevealMismatch)?;
    if verdict.commitment != verdict_commitment(chain_id, id, index, sender, salt, root.hash, root.fuel) {
        return Err(Failure::RevealMismatch.into());
    }
    verdict.leaves = Some(leaves);
    if dispute.verdicts.iter().all(|verdict| verdict.leaves.is_some()) {
        schedule::at(step, height, Due::Lot(id, index));
    }
    dispute.store(step, &case);
    liveness::seen(step, &sender)?;
    step.emit(system::DISPUTES, &IDisputes::VerdictRevealed { job: id, lot: index, validator: sender });
    Ok(())
}
