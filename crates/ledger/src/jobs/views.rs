//! What the chain answers about jobs.

use alloy_primitives::B256;
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use assay_types::{
    JobCause, JobId, Leaf,
    abi::IJobs,
    view::{JobSpecView, JobSummary, JobView, LeafView, LotView, ReplicaView},
};

use super::{Job, Lot, Replica, Terms, wanted};
use crate::{
    audits, delivery, disputes,
    keys::{self, INPUTS, LOT},
    money::{self, Pot},
    reject::Done,
    state::StateRead,
    step::{Step, Tip, read},
};

/// `IJobs.job`.
pub(crate) fn job_call(step: &Step<'_>, id: &JobId) -> Done<Bytes> {
    let answer = match Job::load(&step.state, id)? {
        None => IJobs::jobReturn {
            renter: Address::ZERO,
            phase: 0,
            outcome: 0,
            tasks: 0,
            lotsSettled: 0,
            lots: 0,
            escrow: 0,
            paid: 0,
            resultRoot: B256::ZERO,
        },
        Some(job) => IJobs::jobReturn {
            renter: job.renter,
            phase: if job.outcome.is_none() { 1 } else { 2 },
            outcome: job.outcome.map_or(0, |outcome| outcome as u8),
            tasks: job.tasks,
            lotsSettled: job.lots_settled,
            lots: job.lots,
            escrow: money::held(&step.state, Pot::Escrow(*id))?,
            paid: job.paid,
            resultRoot: job.result_root.unwrap_or_default(),
        },
    };
    Ok(IJobs::jobCall::abi_encode_returns(&answer).into())
}

fn load<T: crate::codec::Wire>(view: &dyn StateRead, key: &[u8]) -> Option<T> {
    read(view, key).ok().flatten()
}

/// A job, whole.
pub(crate) fn job(view: &dyn StateRead, id: JobId) -> Option<JobView> {
    let job = Job::load(view, &id).ok()??;
    let terms = Terms::load(view, &id).ok()?;
    let mut inputs: Vec<B256> = Vec::new();
    let mut lots = Vec::new();
    for index in 0..job.lots {
        inputs.extend(load::<Vec<B256>>(view, &keys::of_lot(INPUTS, &id, index))?);
        lots.push(lot_view(view, id, &terms, &job, index)?);
    }
    Some(JobView {
        id,
        renter: job.renter,
        spec: spec_view(&terms, inputs),
        submitted_at: job.submitted_at,
        ends_at: job.ends_at,
        outcome: job.outcome,
        cause: job.cause,
        limit_price: job.limit,
        escrow: money::held(view, Pot::Escrow(id)).ok()?,
        paid: job.paid,
        refunded: job.refunded,
        compensated: job.compensated,
        fuel: job.fuel,
        result_root: job.result_root,
        lots,
    })
}

/// One lot.
pub(crate) fn lot(view: &dyn StateRead, id: JobId, index: u32) -> Option<LotView> {
    let job = Job::load(view, &id).ok()??;
    let terms = Terms::load(view, &id).ok()?;
    lot_view(view, id, &terms, &job, index)
}

/// A line about a job.
pub(crate) fn summary(view: &dyn StateRead, id: JobId) -> Option<JobSummary> {
    let job = Job::load(view, &id).ok()??;
    Some(JobSummary {
        id,
        renter: job.renter,
        submitted_at: job.submitted_at,
        tasks: job.tasks,
        lots_settled: job.lots_settled,
        lots: job.lots,
        outcome: job.outcome,
    })
}

pub(crate) fn spec_view(terms: &Terms, inputs: Vec<B256>) -> JobSpecView {
    JobSpecView {
        program: terms.program,
        program_sealed: terms.program_sealed,
        abi: terms.abi,
        runtime_id: terms.runtime_id,
        class: terms.class,
        substitutes: terms.substitutes.clone(),
        inputs,
        fuel_per_task: terms.fuel_per_task,
        memory_mib: terms.memory_mib,
        output_bytes: terms.output_bytes,
        tasks_per_lot: terms.tasks_per_lot,
        replicas: terms.replicas,
        audit_bps: terms.audit_bps,
        audit_draws: terms.audit_draws,
        auditors: terms.auditors,
        min_reputation: terms.min_reputation,
        max_price_per_gigafuel: terms.max_price,
        commit_window: terms.commit_window,
        challenge_window: terms.challenge_window,
        lifetime: terms.lifetime,
        key_hash: terms.key_hash,
        source: terms.source.clone(),
    }
}

/// One lot of a loaded job.
pub(crate) fn lot_view(view: &dyn StateRead, id: JobId, terms: &Terms, job: &Job, index: u32) -> Option<LotView> {
    let lot: Lot = load(view, &keys::of_lot(LOT, &id, index))?;
    Some(LotView {
        index,
        first_task: terms.first_task(index),
        tasks: lot.tasks,
        phase: lot.phase,
        cause: if waits(view, &id, index)? { JobCause::NoEligibleProviders } else { lot.cause },
        attempts: lot.attempts,
        replicas: lot.replicas.iter().map(replica_view).collect(),
        leaves: leaf_views(&lot.leaves),
        settles_at: lot.settles_at,
        dispute: disputes::view_of(view, id, index, &lot, job.key),
        delivery: delivery::view_of(view, id, index),
        audit: audits::view_of(view, id, index, terms.first_task(index)),
    })
}

/// Whether a lot went through a clearing without getting all its providers.
fn waits(view: &dyn StateRead, id: &JobId, index: u32) -> Option<bool> {
    let Some(wanted) = wanted::of_lot(view, id, index).ok()? else { return Some(false) };
    let tip: Tip = load(view, &keys::tip())?;
    Some(tip.height > wanted.since)
}

fn replica_view(replica: &Replica) -> ReplicaView {
    ReplicaView {
        provider: replica.provider,
        phase: replica.phase,
        price_per_gigafuel: replica.price,
        locked: replica.locked,
        due: replica.due,
        commitment: replica.commitment,
        leaves: leaf_views(&replica.leaves),
    }
}

fn leaf_views(leaves: &[Leaf]) -> Vec<LeafView> {
    leaves.iter().map(|leaf| LeafView { output: leaf.output, fuel: leaf.fuel }).collect()
}
