//! Fetching, running and keeping: the actions that never touch the chain.

use assay_client::{
    host::blocking,
    job::{MAX_BLOB_BYTES, PROGRAM_CONTEXT, input_context, output_context},
};
use assay_store::{BlobId, JobKey, Source, open_blob, seal_blob};
use assay_types::{
    JobId,
    view::{LeafView, WorkItem},
};
use bytes::Bytes;

use super::{Agent, AgentError, Outcome};
use crate::{
    engine::Task,
    journal::JournaledLeaf,
    misbehaviour::{Misbehaviour, Told},
    plan::{Duty, Slot},
};

impl Agent {
    /// The work item a slot belongs to.
    pub(super) fn item(&self, slot: &Slot) -> Result<WorkItem, AgentError> {
        let state = self.state.lock();
        let found = state.work.iter().find(|item| Slot::of(item, slot.duty) == *slot && slot.duty.fits(item.role));
        found.cloned().ok_or(AgentError::Missing("the lot"))
    }

    pub(super) fn key(&self, job: &JobId) -> Result<JobKey, AgentError> {
        self.state.lock().keys.get(job).cloned().ok_or(AgentError::Missing("the job key"))
    }

    pub(super) async fn fetch_blobs(&self, slot: Slot) -> Result<Outcome, AgentError> {
        let item = self.item(&slot)?;
        let sources = sources(&item);
        let tasks = slot.tasks(&item.lot);
        let inputs = tasks.iter().filter_map(|task| input_of(&item, *task));
        for id in std::iter::once(BlobId(item.spec.program.0)).chain(inputs) {
            self.parts.blobs.pin(id, slot.job.0);
            self.parts.blobs.get(id, MAX_BLOB_BYTES, &sources).await?;
        }
        Ok(Outcome::Fetched(slot))
    }

    pub(super) async fn run_task(&self, slot: Slot, task: u32) -> Result<Outcome, AgentError> {
        let item = self.item(&slot)?;
        let key = self.key(&slot.job)?;
        let sources = sources(&item);
        let input = input_of(&item, task).ok_or(AgentError::Unreadable("task list"))?;
        let program = self.parts.blobs.get(BlobId(item.spec.program.0), MAX_BLOB_BYTES, &sources).await?;
        let input = self.parts.blobs.get(input, MAX_BLOB_BYTES, &sources).await?;

        let (engine, cancel, cheat) = (self.parts.engine.clone(), self.cancel.clone(), self.cheat(&slot));
        let (spec, job) = (item.spec, slot.job);
        let work = move || {
            let program = match spec.program_sealed {
                true => Bytes::from(
                    open_blob(&key, PROGRAM_CONTEXT, &program).map_err(|_| AgentError::Unreadable("program"))?,
                ),
                false => program,
            };
            let input = open_blob(&key, &input_context(task), &input).map_err(|_| AgentError::Unreadable("input"))?;
            let opened = Task::of(&spec, program, input).ok_or(AgentError::Unreadable("ABI"))?;
            let result = engine.execute(&opened, &cancel)?;
            let mut told = Told { execution: result.execution, fuel: result.fuel };
            if let Some(cheat) = cheat {
                told = cheat.bend(&job, task, spec.fuel_per_task, told);
            }
            let sealed = seal_blob(&key, &output_context(&job, task), &told.execution);
            Ok::<_, AgentError>((Bytes::from(sealed), told.fuel))
        };
        let (sealed, fuel) = blocking(&*self.parts.host, work).await.ok_or(AgentError::Missing("the machine"))??;

        let output = BlobId::of(&sealed);
        if slot.duty == Duty::Replica && self.parts.misbehaviour != Some(Misbehaviour::WithholdOutput) {
            // Pinned first, so that it can't be evicted between the two.
            self.parts.blobs.pin(output, slot.job.0);
            self.parts.blobs.put(sealed).await?;
        }
        let leaf = LeafView { output: output.0.into(), fuel };
        let row = JournaledLeaf { job: slot.job, task, duty: slot.duty, leaf };
        let stands = self.journal(move |journal| journal.put_leaf(row)).await?;
        Ok(Outcome::Ran(slot, task, stands))
    }

    /// Providers may be told to cheat, at their own work or as auditors; nobody cheats as a judge.
    fn cheat(&self, slot: &Slot) -> Option<Misbehaviour> {
        let at = |cheat: &Misbehaviour| match slot.duty {
            Duty::Replica => *cheat != Misbehaviour::MakeUpAudits,
            Duty::Audit => *cheat == Misbehaviour::MakeUpAudits,
            Duty::Verdict => false,
        };
        self.parts.misbehaviour.filter(at)
    }

    pub(super) async fn evict(&self, job: JobId) -> Result<Outcome, AgentError> {
        self.journal(move |journal| journal.forget(&job)).await?;
        self.parts.blobs.unpin(&job.0);
        Ok(Outcome::Done)
    }
}

/// Where the lot's blobs may be: at the renter's, then at the other replicas'.
fn sources(item: &WorkItem) -> Vec<Source> {
    let encoded = std::iter::once(&item.spec.source).chain(&item.peers);
    encoded.filter_map(|bytes| Source::from_bytes(bytes).ok()).collect()
}

/// The input of a task, given that `spec.inputs` is cut down to the lot's tasks.
fn input_of(item: &WorkItem, task: u32) -> Option<BlobId> {
    let at = task.checked_sub(item.lot.first_task)?;
    item.spec.inputs.get(at as usize).map(|id| BlobId(id.0))
}
