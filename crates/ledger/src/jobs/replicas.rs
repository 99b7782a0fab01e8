//! What providers and renters do about a lot: keys, commitments, openings, giving back, cancelling.
//!
//! Each call only records; transitions happen at the end of the block.

use alloy_primitives::{Address, B256, Bytes};
use assay_proof::lot_root;
use assay_types::{
    JobCause, JobId, JobOutcome, Leaf,
    abi::IJobs,
    job::{MAX_SEALED_KEY_BYTES, result_commitment},
    system,
    view::{LotPhase, ReplicaPhase},
};

use super::{Case, Job, assign, close};
use crate::{
    audits::{self, Audit},
    keys::{self, LOT, WORK_AUDIT, WORK_REPLICA},
    reject::{Done, Failure},
    reputation,
    schedule::{self, Due},
    step::{Step, keys_under},
};

/// Posts the job key sealed to an assigned provider; the first one starts its commit deadline in
/// every lot of the job that it waits in.
pub(crate) fn deliver_key(step: &mut Step<'_>, sender: Address, id: JobId, provider: Address, sealed: &Bytes) -> Done {
    let job = Job::load(&step.state, &id)?.ok_or(Failure::UnknownJob)?;
    if job.outcome.is_some() {
        return Err(Failure::JobClosed.into());
    }
    let listed = |step: &Step<'_>, tag: u8, account: &Address| -> Vec<u32> {
        let prefix = keys::key(tag, &[account.as_slice(), id.as_slice()]);
        keys_under(&step.state, &prefix).filter_map(|key| keys::job_and_lot(&key)).map(|(_, lot)| lot).collect()
    };
    if sender != job.renter && listed(step, WORK_REPLICA, &sender).is_empty() {
        return Err(Failure::NotKeyHolder.into());
    }
    let (lots, audited) = (listed(step, WORK_REPLICA, &provider), listed(step, WORK_AUDIT, &provider));
    if lots.is_empty() && audited.is_empty() {
        return Err(Failure::NotAssigned.into());
    }
    if sealed.is_empty() || sealed.len() > usize::try_from(MAX_SEALED_KEY_BYTES).unwrap_or(usize::MAX) {
        return Err(Failure::KeyTooLong.into());
    }
    let key = keys::sealed_key(&id, &provider, &sender);
    if step.read::<Bytes>(&key)?.is_some() {
        return Err(Failure::KeyAlreadyDelivered.into());
    }
    step.write(key, sealed);
    for index in audited {
        let case = Case::open(step, id, index)?;
        audits::keyed(step, &case, &provider)?;
    }
    for index in lots {
        let mut case = Case::open(step, id, index)?;
        let (window, ends_at) = (case.terms.commit_window, case.job.ends_at);
        let due = step.env.after(window);
        let replica = case.replica_of(&provider)?;
        if replica.phase == ReplicaPhase::AwaitingKey {
            let assigned = replica.due.saturating_sub(u64::from(step.env.params.key_window));
            let in_time = assigned.saturating_add(u64::from(window)) <= ends_at;
            replica.phase = ReplicaPhase::Running;
            replica.due = due;
            case.lot.renter_late |= in_time && due > ends_at;
            case.store_lot(step);
        }
    }
    step.emit(system::JOBS, &IJobs::KeyDelivered { job: id, provider, sender, sealedKey: sealed.clone() });
    Ok(())
}

/// Commits to a lot's results; with the fuel of each task in the open when they may be audited.
pub(crate) fn commit(
    step: &mut Step<'_>,
    sender: Address,
    id: JobId,
    index: u32,
    commitment: B256,
    fuels: Option<&[u64]>,
) -> Done {
    let mut case = Case::open(step, id, index)?;
    let height = step.env.height();
    let running = case.lot.phase == LotPhase::Running;
    let replica = case.replica_of(&sender)?;
    match replica.phase {
        ReplicaPhase::AwaitingKey => return Err(Failure::KeyNotDelivered.into()),
        ReplicaPhase::Running if !running => return Err(Failure::WrongPhase.into()),
        ReplicaPhase::Running => {}
        ReplicaPhase::Committed | ReplicaPhase::Revealed | ReplicaPhase::Paid => {
            return Err(Failure::AlreadyCommitted.into());
        }
    }
    if height > replica.due {
        return Err(Failure::TooLate.into());
    }
    if fuels.is_some() != audits::applies(&case) {
        return Err(Failure::FuelsInTheOpen.into());
    }
    if let Some(fuels) = fuels {
        audits::check_bill(&case.lot, case.terms.fuel_per_task, fuels)?;
        Audit::of(fuels.to_vec()).store(step, &case);
    }
    let replica = case.replica_of(&sender)?;
    replica.commitment = Some(commitment);
    replica.phase = ReplicaPhase::Committed;
    assign::no_longer_busy(step, &mut case, &sender)?;
    let ready = case.lot.replicas.len() == case.wanted()
        && case.lot.replicas.iter().all(|r| matches!(r.phase, ReplicaPhase::Committed | ReplicaPhase::Revealed));
    case.store_lot(step);
    if ready {
        schedule::at(step, height, Due::Lot(id, index));
    }
    if !case.job.committed {
        case.job.committed = true;
        case.job.store(step, &id);
    }
    step.emit(system::JOBS, &IJobs::Committed { job: id, lot: index, provider: sender });
    Ok(())
}

/// Opens a commitment: the leaves must have the committed root.
pub(crate) fn reveal(step: &mut Step<'_>, sender: Address, id: JobId, index: u32, salt: B256, leaves: &[Leaf]) -> Done {
    let mut case = Case::open(step, id, index)?;
    let height = step.env.height();
    let (phase, first_task) = (case.lot.phase, case.first_task());
    let (tasks, cap) = (case.lot.tasks, case.terms.fuel_per_task);
    let replica = case.replica_of(&sender)?.clone();
    if replica.phase == ReplicaPhase::Revealed || replica.phase == ReplicaPhase::Paid {
        return Err(Failure::AlreadyRevealed.into());
    }
    if phase != LotPhase::Revealing {
        return Err(Failure::WrongPhase.into());
    }
    case.openings_count(step)?;
    check_leaves(leaves, tasks, cap)?;
    let root = lot_root(first_task, leaves).map_err(|_| Failure::RevealMismatch)?;
    let chain_id = step.env.network.chain_id;
    if replica.commitment != Some(result_commitment(chain_id, id, index, sender, salt, root.hash, root.fuel)) {
        return Err(Failure::RevealMismatch.into());
    }
    let mut audit = Audit::load(step, &case)?;
    if let Some(audit) = &mut audit {
        if !audit.fuels.iter().eq(leaves.iter().map(|leaf| &leaf.fuel)) {
            return Err(Failure::RevealMismatch.into());
        }
        audit.salt = Some(salt);
        audit.store(step, &case);
    }
    let replica = case.replica_of(&sender)?;
    replica.leaves = leaves.to_vec();
    replica.phase = ReplicaPhase::Revealed;
    case.store_lot(step);
    if case.lot.all(ReplicaPhase::Revealed) {
        schedule::at(step, height, Due::Lot(id, index));
    }
    step.emit(
        system::JOBS,
        &IJobs::Revealed { job: id, lot: index, provider: sender, root: root.hash, fuel: root.fuel },
    );
    Ok(())
}

/// One leaf a task, none above the fuel a task may burn.
pub(crate) fn check_leaves(leaves: &[Leaf], tasks: u32, fuel_cap: u64) -> Done {
    if u32::try_from(leaves.len()) != Ok(tasks) {
        return Err(Failure::LeafCount.into());
    }
    if leaves.iter().any(|leaf| leaf.fuel > fuel_cap) {
        return Err(Failure::FuelAboveCap.into());
    }
    Ok(())
}

/// Gives a lot back before committing: no penalty, but the operator is not drawn for it again.
pub(crate) fn decline(step: &mut Step<'_>, sender: Address, id: JobId, index: u32, reason: u8) -> Done {
    let mut case = Case::open(step, id, index)?;
    let height = step.env.height();
    let replica = case.replica_of(&sender)?.clone();
    if !(1..=4).contains(&reason) {
        return Err(Failure::BadReason.into());
    }
    if !matches!(replica.phase, ReplicaPhase::AwaitingKey | ReplicaPhase::Running) {
        return Err(Failure::AlreadyCommitted.into());
    }
    if height > replica.due {
        return Err(Failure::TooLate.into());
    }
    case.lot.replicas.retain(|one| one.provider != sender);
    case.lot.excluded.push(replica.operator);
    assign::release(step, &case, &replica)?;
    reputation::declined(step, &sender, case.units())?;
    step.emit(system::JOBS, &IJobs::Declined { job: id, lot: index, provider: sender, reason });
    assign::requeue(step, &mut case, JobCause::Declined)?;
    case.store(step);
    close::close_if_over(step, &mut case)
}

/// Ends a job that nobody has committed to yet, for its whole escrow back.
pub(crate) fn cancel(step: &mut Step<'_>, sender: Address, id: JobId) -> Done {
    let job = Job::load(&step.state, &id)?.ok_or(Failure::UnknownJob)?;
    if job.outcome.is_some() {
        return Err(Failure::JobClosed.into());
    }
    if sender != job.renter {
        return Err(Failure::NotRenter.into());
    }
    if job.must_stand(step.env.height()) {
        return Err(Failure::SealedStands.into());
    }
    if job.committed {
        return Err(Failure::HasCommitments.into());
    }
    for index in 0..job.lots {
        let lot: super::Lot = step.must(&keys::of_lot(LOT, &id, index))?;
        if lot.ended() {
            continue;
        }
        let mut case = Case::open(step, id, index)?;
        close::refund_lot(step, &mut case, JobCause::RenterCancelled)?;
        case.store(step);
        if case.job.lots_open == 0 {
            return close::close(step, &mut case, JobOutcome::Cancelled);
        }
    }
    Ok(())
}
