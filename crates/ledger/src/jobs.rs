//! Jobs: from escrow to settlement.
//!
//! A job is tasks of one program; consecutive tasks form lots; a lot is run by `replicas` providers
//! of different operators.
//!
//! ```text
//!            ┌───────────── requeued: late, declined, no key, wrong, undecided, withheld ─────────┐
//!            v                                                                                    │
//! submit → Running ── all committed ──> Revealing ── equal ──> Agreed ── window over ──> Settled  │
//!            │                              │ differ             │ challenge                      │
//!            │ end, or tried too often      v                    v                                │
//!            └──> Refunded              Disclosing ──> Judging ──> Deciding ──────────────────────┘
//! ```
//!
//! Lots of jobs with audits have two phases between Running and Revealing: see [`crate::audits`].
//!
//! Calls only record what someone did; every transition happens at the end of a block, in
//! [`lifecycle::advance`], from the lot's own record.
//!
//! Invariants
//! - The escrow pot of an open job holds exactly the shares of its lots that are not yet settled or
//!   refunded; a closed job's is empty.
//! - A provider's `locked` is the sum over its replicas in open lots.
//! - A lot never has two replicas of one operator.

pub(crate) mod assign;
pub(crate) mod calls;
pub(crate) mod close;
pub(crate) mod lifecycle;
pub(crate) mod matching;
pub(crate) mod replicas;
pub(crate) mod result;
pub(crate) mod submit;
pub(crate) mod views;
pub(crate) mod wanted;
pub(crate) mod work;

use alloy_primitives::{Address, B256, Bytes};
use assay_types::{
    ClaimId, Grains, JobCause, JobId, JobOutcome, JobSpec, Leaf,
    job::{audit_runs, fuel_units, run_ceiling},
    view::{LotPhase, ReplicaPhase},
};

use crate::{
    codec::record,
    keys::{self, JOB, LOT, TERMS},
    reject::{BrokenInvariant, Done, Failure, sane},
    schedule::{self, Due},
    state::StateRead,
    step::{Step, read},
};

record! {
    /// What changes about a job.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Job {
        pub(crate) renter: Address,
        pub(crate) spec_hash: B256,
        pub(crate) submitted_at: u64,
        pub(crate) ends_at: u64,
        pub(crate) tasks: u32,
        pub(crate) lots: u32,
        pub(crate) lots_open: u32,
        pub(crate) lots_settled: u32,
        /// Whether any lot was ever committed to.
        pub(crate) committed: bool,
        pub(crate) outcome: Option<JobOutcome>,
        pub(crate) cause: JobCause,
        pub(crate) paid: Grains,
        pub(crate) refunded: Grains,
        pub(crate) compensated: Grains,
        pub(crate) fuel: u64,
        pub(crate) result_root: Option<B256>,
        /// The job key once disclosed to adjudicators.
        pub(crate) key: Option<B256>,
        /// Limit price, as submitted or amended since.
        pub(crate) limit: Grains,
        /// Its order in the market.
        pub(crate) order: u64,
        /// Sealed bids take part from this height on.
        pub(crate) opens_at: u64,
        /// The claims that pay for it.
        pub(crate) prepaid: Option<ClaimId>,
    }
}

record! {
    /// What a job was submitted with, but for its inputs.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Terms {
        pub(crate) program: B256,
        pub(crate) program_sealed: bool,
        pub(crate) abi: u8,
        pub(crate) runtime_id: B256,
        pub(crate) class: u32,
        pub(crate) substitutes: Vec<u32>,
        pub(crate) fuel_per_task: u64,
        pub(crate) memory_mib: u32,
        pub(crate) output_bytes: u32,
        pub(crate) tasks_per_lot: u32,
        pub(crate) replicas: u8,
        pub(crate) audit_bps: u16,
        pub(crate) audit_draws: u16,
        pub(crate) auditors: u8,
        /// Least reputation of its providers, basis points.
        pub(crate) min_reputation: u16,
        pub(crate) max_price: Grains,
        pub(crate) commit_window: u32,
        pub(crate) challenge_window: u32,
        pub(crate) lifetime: u32,
        pub(crate) key_hash: B256,
        pub(crate) source: Bytes,
    }
}

record! {
    /// One lot.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Lot {
        pub(crate) tasks: u32,
        pub(crate) phase: LotPhase,
        pub(crate) cause: JobCause,
        pub(crate) attempts: u32,
        /// Deadline of the phase, where the phase has one.
        pub(crate) due: u64,
        /// Height at which openings became due; they count in later blocks only.
        pub(crate) opened_at: u64,
        pub(crate) replicas: Vec<Replica>,
        /// Operators that failed this lot and are not drawn for it again.
        pub(crate) excluded: Vec<Address>,
        /// Accepted results.
        pub(crate) leaves: Vec<Leaf>,
        pub(crate) settles_at: Option<u64>,
        /// Whether what the present revealed replicas say survived adjudication.
        pub(crate) adjudicated: bool,
        /// Height at which the schedule looks at it: its only deadline there.
        pub(crate) scheduled: Option<u64>,
        /// Whether its key came too late for the work to be done in time, or not at all.
        pub(crate) renter_late: bool,
    }
}

record! {
    /// One replica of a lot.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Replica {
        pub(crate) provider: Address,
        pub(crate) operator: Address,
        pub(crate) phase: ReplicaPhase,
        pub(crate) price: Grains,
        pub(crate) locked: Grains,
        /// Deadline of its next step.
        pub(crate) due: u64,
        /// Whether it counts as a lot the provider works on.
        pub(crate) busy: bool,
        pub(crate) commitment: Option<B256>,
        pub(crate) leaves: Vec<Leaf>,
    }
}

impl Job {
    /// A sealed bid that has not been through a clearing yet stands: who could take it back after seeing what
    /// others opened would have bid for nothing.
    pub(crate) fn must_stand(&self, height: u64) -> bool {
        self.opens_at > self.submitted_at && height <= self.opens_at.saturating_add(1)
    }

    pub(crate) fn load(view: &dyn StateRead, id: &JobId) -> Result<Option<Self>, BrokenInvariant> {
        read(view, &keys::of_job(JOB, id))
    }

    pub(crate) fn store(&self, step: &mut Step<'_>, id: &JobId) {
        step.write(keys::of_job(JOB, id), self);
    }
}

impl Terms {
    pub(crate) fn of(spec: &JobSpec) -> Self {
        Self {
            program: spec.program,
            program_sealed: spec.programSealed,
            abi: spec.abi,
            runtime_id: spec.runtimeId,
            class: spec.class,
            substitutes: spec.substitutes.clone(),
            fuel_per_task: spec.fuelPerTask,
            memory_mib: spec.memoryMib,
            output_bytes: spec.outputBytes,
            tasks_per_lot: spec.tasksPerLot,
            replicas: spec.replicas,
            audit_bps: spec.auditBps,
            audit_draws: spec.auditDraws,
            auditors: spec.auditors,
            min_reputation: spec.minReputation,
            max_price: spec.maxPricePerGigafuel,
            commit_window: spec.commitWindow,
            challenge_window: spec.challengeWindow,
            lifetime: spec.lifetime,
            key_hash: spec.keyHash,
            source: spec.source.clone(),
        }
    }

    pub(crate) fn load(view: &dyn StateRead, id: &JobId) -> Result<Self, BrokenInvariant> {
        read(view, &keys::of_job(TERMS, id))?.ok_or(BrokenInvariant::Missing(TERMS))
    }

    /// The most one replica of `tasks` tasks can earn at `price`.
    pub(crate) fn most(&self, tasks: u32, price: Grains) -> Option<Grains> {
        run_ceiling(self.fuel_per_task, price)?.checked_mul(u128::from(tasks))
    }

    /// The part of the escrow that stands behind a lot at this limit.
    pub(crate) fn lot_escrow(&self, tasks: u32, limit: Grains) -> Option<Grains> {
        let runs = u128::from(tasks).checked_mul(u128::from(self.replicas))?;
        let audits = audit_runs(self.auditors, self.audit_draws, tasks);
        run_ceiling(self.fuel_per_task, limit)?.checked_mul(runs.checked_add(audits)?)
    }

    /// What one replica of a lot of `tasks` is traded as: the fuel it may burn.
    pub(crate) fn units(&self, tasks: u32) -> u64 {
        fuel_units(self.fuel_per_task.saturating_mul(u64::from(tasks)))
    }

    /// The lot that holds `task`, and its place in it.
    pub(crate) fn place(&self, task: u32) -> Option<(u32, u32)> {
        Some((task.checked_div(self.tasks_per_lot)?, task.checked_rem(self.tasks_per_lot)?))
    }

    /// First task of a lot.
    pub(crate) fn first_task(&self, lot: u32) -> u32 {
        lot.saturating_mul(self.tasks_per_lot)
    }
}

impl Lot {
    pub(crate) fn ended(&self) -> bool {
        matches!(self.phase, LotPhase::Settled | LotPhase::Refunded)
    }

    /// Height of its next deadline.
    fn next_due(&self) -> Option<u64> {
        let waits = |replica: &&Replica| matches!(replica.phase, ReplicaPhase::AwaitingKey | ReplicaPhase::Running);
        match self.phase {
            LotPhase::Running => self.replicas.iter().filter(waits).map(|replica| replica.due).min(),
            LotPhase::Settled | LotPhase::Refunded => None,
            _ => Some(self.due),
        }
    }

    pub(crate) fn all(&self, phase: ReplicaPhase) -> bool {
        self.replicas.iter().all(|replica| replica.phase == phase)
    }
}

/// A lot with its job: what every transition works on. Loaded whole, stored whole.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) id: JobId,
    pub(crate) job: Job,
    pub(crate) terms: Terms,
    pub(crate) index: u32,
    pub(crate) lot: Lot,
}

impl Case {
    /// The lot of an open job that a call names.
    pub(crate) fn open(step: &Step<'_>, id: JobId, index: u32) -> Done<Self> {
        let job = Job::load(&step.state, &id)?.ok_or(Failure::UnknownJob)?;
        if job.outcome.is_some() {
            return Err(Failure::JobClosed.into());
        }
        let lot = step.read(&keys::of_lot(LOT, &id, index))?.ok_or(Failure::UnknownLot)?;
        Ok(Self { id, job, terms: Terms::load(&step.state, &id)?, index, lot })
    }

    /// As [`Case::open`] by task; also the task's place in the lot.
    pub(crate) fn open_task(step: &Step<'_>, id: JobId, task: u32) -> Done<(Self, u32)> {
        let job = Job::load(&step.state, &id)?.ok_or(Failure::UnknownJob)?;
        let terms = Terms::load(&step.state, &id)?;
        let (lot, place) = sane(terms.place(task))?;
        if task >= job.tasks && job.outcome.is_none() {
            return Err(Failure::UnknownLot.into());
        }
        Ok((Self::open(step, id, lot)?, place))
    }

    pub(crate) fn store(&mut self, step: &mut Step<'_>) {
        self.store_lot(step);
        self.job.store(step, &self.id);
    }

    /// Stores the lot and moves its entry in the schedule to its next deadline.
    pub(crate) fn store_lot(&mut self, step: &mut Step<'_>) {
        let due = Due::Lot(self.id, self.index);
        let next = self.lot.next_due();
        if next != self.lot.scheduled {
            if let Some(before) = std::mem::replace(&mut self.lot.scheduled, next) {
                schedule::cancel(step, before, &due);
            }
            if let Some(next) = next {
                schedule::at(step, next, due);
            }
        }
        step.write(keys::of_lot(LOT, &self.id, self.index), &self.lot);
    }

    pub(crate) fn first_task(&self) -> u32 {
        self.terms.first_task(self.index)
    }

    /// What one replica of it is traded as.
    pub(crate) fn units(&self) -> u64 {
        self.terms.units(self.lot.tasks)
    }

    /// The part of the escrow that stands behind it.
    pub(crate) fn escrow(&self) -> Done<Grains> {
        sane(self.terms.lot_escrow(self.lot.tasks, self.job.limit))
    }

    /// Openings count in blocks after the one they became due in, up to the deadline.
    pub(crate) fn openings_count(&self, step: &Step<'_>) -> Done {
        let height = step.env.height();
        if height <= self.lot.opened_at {
            return Err(Failure::TooEarly.into());
        }
        if height > self.lot.due {
            return Err(Failure::TooLate.into());
        }
        Ok(())
    }

    pub(crate) fn past_end(&self, step: &Step<'_>) -> bool {
        step.env.height() >= self.job.ends_at
    }

    pub(crate) fn wanted(&self) -> usize {
        usize::from(self.terms.replicas)
    }

    /// Place of `provider`'s replica.
    pub(crate) fn replica_of(&mut self, provider: &Address) -> Done<&mut Replica> {
        let found = self.lot.replicas.iter_mut().find(|replica| replica.provider == *provider);
        Ok(found.ok_or(Failure::NotAssigned)?)
    }
}
