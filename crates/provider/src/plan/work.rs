//! Getting a piece of work done by its deadline, or giving it back in time.

use std::collections::BTreeSet;

use assay_types::view::WorkItem;

use super::{Action, DeclineReason, KeyState, Situation, Slot, SlotState, TaskState, leaves_of};

/// Tasks to run and say something about.
pub(super) struct Piece<'a, D> {
    pub(super) item: &'a WorkItem,
    pub(super) slot: Slot,
    /// Height by which it must be said.
    pub(super) due: u64,
    /// What says it.
    pub(super) commit: Action,
    /// What gives it back.
    pub(super) decline: D,
}

impl<D: Fn(DeclineReason) -> Action> Piece<'_, D> {
    pub(super) fn plan(
        &self,
        situation: &Situation<'_>,
        state: &SlotState,
        wanted: &mut BTreeSet<Action>,
        runs: &mut Vec<(u64, Action)>,
    ) {
        let tasks = self.slot.tasks(&self.item.lot);
        if state.opening.is_some() || leaves_of(state, &tasks).is_some() {
            if self.due >= situation.height {
                wanted.insert(self.commit);
            }
            return;
        }
        let mut decline = |reason| wanted.extend([(self.decline)(reason)]);
        let too_late = situation.height.saturating_add(situation.capacity.margin) >= self.due;
        let started = state.tasks.values().any(|t| matches!(t, TaskState::Done(_)))
            || situation.busy.iter().any(|action| matches!(action, Action::Run(running, _) if *running == self.slot));
        if situation.key(&self.item.job) == KeyState::Wrong || state.unreadable {
            decline(DeclineReason::WrongKey);
        } else if situation.draining && !started {
            decline(DeclineReason::Draining);
        } else if broken(state, situation.capacity.max_host_faults) {
            decline(DeclineReason::HostFault);
        } else if too_late {
            decline(if state.fetched { DeclineReason::HostFault } else { DeclineReason::InputsUnreachable });
        } else if !state.fetched {
            wanted.insert(Action::FetchBlobs(self.slot));
        } else if situation.key(&self.item.job) == KeyState::Known {
            let open = tasks.into_iter().filter(|t| !matches!(state.tasks.get(t), Some(TaskState::Done(_))));
            runs.extend(open.map(|task| (self.due, Action::Run(self.slot, task))));
        }
    }
}

fn broken(state: &SlotState, limit: u32) -> bool {
    state.tasks.values().any(|task| matches!(task, TaskState::HostFault(times) if *times >= limit))
}
