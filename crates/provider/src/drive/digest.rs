//! Taking in the work list: keys are opened, slots remembered, wanted blobs announced.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use assay_client::job::MAX_BLOB_BYTES;
use assay_store::{BlobId, JobKey, open_key, seal::key_binding};
use assay_types::{
    JobId,
    job::key_hash,
    view::{ReplicaPhase, Role, WorkItem},
};

use super::{Agent, State};
use crate::plan::{Duty, KeyState, Slot, SlotState, TaskState};

impl Agent {
    /// Makes memory agree with what the chain says and the journal holds.
    pub(super) fn digest(&self, work: Vec<WorkItem>, height: u64) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        for item in &work {
            match item.role {
                Role::Replica => {
                    self.learn_key(state, item);
                    state.remember(Slot::of(item, Duty::Replica), item);
                    self.expect(item);
                }
                Role::Auditor => {
                    self.learn_key(state, item);
                    state.remember(Slot::of(item, Duty::Audit), item);
                    self.expect(item);
                }
                Role::Adjudicator => {
                    if let Some(key) = item.lot.dispute.as_ref().and_then(|dispute| dispute.key) {
                        state.take_key(item, key);
                    }
                    state.remember(Slot::of(item, Duty::Verdict), item);
                }
                Role::Witness | Role::Renter => continue,
            }
            state.memory.held.insert(item.job, height);
        }
        state.note_lacking(&work, height);
        // What the journal held at start counts from the first block seen.
        state.memory.held.values_mut().filter(|seen| **seen == 0).for_each(|seen| *seen = height);
        let lots: BTreeSet<(JobId, u32)> = work.iter().map(|item| (item.job, item.lot.index)).collect();
        state.memory.slots.retain(|slot, _| lots.contains(&(slot.job, slot.lot)));
        state.memory.retry_at.retain(|_, at| height < at.saturating_add(super::MAX_BACK_OFF));
        state.failures.retain(|action, _| state.memory.retry_at.contains_key(action));
        if let Some(expected) = &self.parts.expected {
            let jobs: BTreeSet<JobId> = lots.iter().map(|(job, _)| *job).collect();
            state.memory.held.keys().filter(|job| !jobs.contains(*job)).for_each(|job| expected.forget(&job.0));
        }
        state.work = work;
    }

    fn learn_key(&self, state: &mut State, item: &WorkItem) {
        let known = state.memory.keys.get(&item.job).copied().unwrap_or_default() == KeyState::Known;
        let tried = state.tried_keys.get(&item.job).copied().unwrap_or(0);
        if known || item.sealed_keys.len() <= tried {
            return;
        }
        let Some(pair) = &self.parts.sealing else { return };
        let info = key_binding(&item.job.0, &self.address().0.0);
        let mut keys = item.sealed_keys.iter().filter_map(|sealed| open_key(sealed, pair, &info).ok());
        let found = keys.any(|key| state.take_key(item, B256::from(*key.as_bytes())));
        state.tried_keys.insert(item.job, item.sealed_keys.len());
        if !found {
            state.memory.keys.insert(item.job, KeyState::Wrong);
        }
    }

    /// Lets the renter send us what we will need.
    fn expect(&self, item: &WorkItem) {
        let Some(expected) = &self.parts.expected else { return };
        for id in std::iter::once(&item.spec.program).chain(&item.spec.inputs) {
            expected.expect(BlobId(id.0), MAX_BLOB_BYTES, item.job.0);
        }
    }
}

impl State {
    fn take_key(&mut self, item: &WorkItem, key: B256) -> bool {
        let good = key_hash(&key) == item.spec.key_hash;
        if good {
            self.keys.insert(item.job, JobKey::from_bytes(key.0));
            self.memory.keys.insert(item.job, KeyState::Known);
        }
        good
    }

    /// Fills a slot seen for the first time with what was done for it before.
    fn remember(&mut self, slot: Slot, item: &WorkItem) {
        if self.memory.slots.contains_key(&slot) {
            return;
        }
        let tasks = slot.tasks(&item.lot).into_iter().filter_map(|task| {
            let leaf = self.leaves.get(&(slot.job, task, slot.duty))?;
            Some((task, TaskState::Done(*leaf)))
        });
        let known =
            SlotState { tasks: tasks.collect(), opening: self.openings.get(&slot).cloned(), ..SlotState::default() };
        self.memory.slots.insert(slot, known);
    }

    fn note_lacking(&mut self, work: &[WorkItem], height: u64) {
        let lacking: BTreeSet<_> = work
            .iter()
            .filter(|item| item.role == Role::Replica)
            .flat_map(|item| item.lot.replicas.iter().map(|replica| (item.job, replica)))
            .filter(|(_, replica)| replica.phase == ReplicaPhase::AwaitingKey)
            .map(|(job, replica)| (job, replica.provider))
            .collect();
        self.memory.lacking.retain(|who, _| lacking.contains(who));
        for who in lacking {
            self.memory.lacking.entry(who).or_insert(height);
        }
    }
}
