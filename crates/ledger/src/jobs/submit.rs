//! Submitting a job: its specification is checked, its escrow taken, its lots queued.

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolValue;
use assay_types::{JobCause, JobId, JobSpec, abi::IJobs, job::job_id, system, view::LotPhase};

use super::{Job, Lot, Terms};
use crate::{
    keys::{self, INPUTS, LOT, TERMS},
    money::{Pot, transfer},
    reject::{Done, Failure, fits, sane},
    schedule::{self, Due},
    step::Step,
};

/// Names a specification in a job's result: keccak256 of its ABI encoding.
pub fn spec_hash(spec: &JobSpec) -> B256 {
    keccak256(spec.abi_encode())
}

/// Takes escrow for a job and queues its lots. Value above the escrow never leaves the sender.
pub(crate) fn submit(step: &mut Step<'_>, sender: Address, nonce: u64, value: u128, spec: &JobSpec) -> Done<JobId> {
    spec.validate(&step.env.params).map_err(Failure::from)?;
    if !step.env.params.runtimes.contains(&spec.runtimeId) {
        return Err(Failure::UnknownRuntime.into());
    }
    let escrow = fits(spec.escrow())?;
    if value < escrow {
        return Err(Failure::ValueTooLow.into());
    }
    let id = job_id(step.env.network.chain_id, sender, nonce);
    if Job::load(&step.state, &id)?.is_some() {
        return Err(Failure::JobExists.into());
    }
    transfer(step, Pot::Account(sender), Pot::Escrow(id), escrow)?;
    let lots = queue_lots(step, &id, spec)?;
    let height = step.env.height();
    let tasks = fits(u32::try_from(spec.inputs.len()).ok())?;
    let job = Job {
        renter: sender,
        spec_hash: spec_hash(spec),
        submitted_at: height,
        ends_at: step.env.after(spec.lifetime),
        tasks,
        lots,
        lots_open: lots,
        lots_settled: 0,
        committed: false,
        outcome: None,
        cause: JobCause::None,
        paid: 0,
        refunded: 0,
        compensated: 0,
        fuel: 0,
        result_root: None,
        key: None,
    };
    job.store(step, &id);
    step.write(keys::of_job(TERMS, &id), &Terms::of(spec));
    step.mark(keys::renter_open(&sender, &id));
    step.mark(keys::renter_job(&sender, height, &id));
    step.mark(keys::job_by_age(height, &id));
    schedule::at(step, job.ends_at, Due::End(id));
    step.emit(system::JOBS, &IJobs::JobSubmitted { job: id, renter: sender, tasks, lots, escrow });
    Ok(id)
}

fn queue_lots(step: &mut Step<'_>, id: &JobId, spec: &JobSpec) -> Done<u32> {
    let per_lot = fits(usize::try_from(spec.tasksPerLot).ok())?;
    let next = step.env.after(1);
    let mut lots = 0u32;
    for inputs in spec.inputs.chunks(per_lot) {
        let lot = Lot {
            tasks: fits(u32::try_from(inputs.len()).ok())?,
            phase: LotPhase::Running,
            cause: JobCause::None,
            attempts: 0,
            due: 0,
            opened_at: 0,
            replicas: Vec::new(),
            excluded: Vec::new(),
            leaves: Vec::new(),
            settles_at: None,
            waiting_since: None,
            adjudicated: false,
            scheduled: None,
        };
        step.write(keys::of_lot(LOT, id, lots), &lot);
        step.write(keys::of_lot(INPUTS, id, lots), &inputs.to_vec());
        // Drawn in a later block, by randomness that nobody knows when this transaction is included.
        schedule::at(step, next, Due::Match(*id, lots));
        lots = sane(lots.checked_add(1))?;
    }
    Ok(lots)
}
