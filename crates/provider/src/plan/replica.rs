//! The plan of one replica of one lot.

use std::collections::BTreeSet;

use assay_types::view::{LotPhase, ReplicaPhase, ReplicaView, WorkItem};

use super::{Action, DeclineReason, Duty, KeyState, Situation, Slot, SlotState, TaskState, leaves_of};

pub(super) fn plan(
    situation: &Situation<'_>,
    item: &WorkItem,
    wanted: &mut BTreeSet<Action>,
    runs: &mut Vec<(u64, Action)>,
) {
    let Some(mine) = item.lot.replicas.iter().find(|replica| replica.provider == situation.me) else { return };
    let slot = Slot::of(item, Duty::Replica);
    let empty = SlotState::default();
    let state = situation.memory.slots.get(&slot).unwrap_or(&empty);
    match (item.lot.phase, mine.phase) {
        (LotPhase::Running, ReplicaPhase::AwaitingKey) => {
            if situation.draining {
                wanted.insert(Action::Decline(item.job, item.lot.index, DeclineReason::Draining));
            } else if !state.fetched {
                wanted.insert(Action::FetchBlobs(slot));
            }
        }
        (LotPhase::Running, ReplicaPhase::Running) => work(situation, item, mine, slot, state, wanted, runs),
        (LotPhase::Revealing, ReplicaPhase::Committed) if mine.due >= situation.height => {
            wanted.insert(Action::Reveal(slot));
        }
        (LotPhase::Disclosing, _) => {
            let due = item.lot.dispute.as_ref().is_some_and(|d| d.key.is_none());
            if due && situation.key(&item.job) == KeyState::Known {
                wanted.insert(Action::Disclose(item.job));
            }
        }
        _ => {}
    }
    if item.lot.phase == LotPhase::Running && situation.key(&item.job) == KeyState::Known {
        let patience = situation.capacity.share_after;
        let lacking = |provider| {
            let since = situation.memory.lacking.get(&(item.job, provider));
            since.is_some_and(|since| situation.height >= since.saturating_add(patience))
        };
        let others = item.lot.replicas.iter().filter(|r| r.provider != situation.me);
        let waiting = others.filter(|r| r.phase == ReplicaPhase::AwaitingKey && lacking(r.provider));
        wanted.extend(waiting.map(|r| Action::ShareKey(item.job, r.provider)));
    }
}

fn work(
    situation: &Situation<'_>,
    item: &WorkItem,
    mine: &ReplicaView,
    slot: Slot,
    state: &SlotState,
    wanted: &mut BTreeSet<Action>,
    runs: &mut Vec<(u64, Action)>,
) {
    let tasks = slot.tasks(&item.lot);
    if state.opening.is_some() || leaves_of(state, &tasks).is_some() {
        if mine.due >= situation.height {
            wanted.insert(Action::Commit(slot));
        }
        return;
    }
    let mut decline = |reason| wanted.extend([Action::Decline(item.job, item.lot.index, reason)]);
    let too_late = situation.height.saturating_add(situation.capacity.margin) >= mine.due;
    let started = state.tasks.values().any(|t| matches!(t, TaskState::Done(_)))
        || situation.busy.iter().any(|action| matches!(action, Action::Run(running, _) if *running == slot));
    if situation.key(&item.job) == KeyState::Wrong || state.unreadable {
        decline(DeclineReason::WrongKey);
    } else if situation.draining && !started {
        decline(DeclineReason::Draining);
    } else if broken(state, situation.capacity.max_host_faults) {
        decline(DeclineReason::HostFault);
    } else if too_late {
        decline(if state.fetched { DeclineReason::HostFault } else { DeclineReason::InputsUnreachable });
    } else if !state.fetched {
        wanted.insert(Action::FetchBlobs(slot));
    } else if situation.key(&item.job) == KeyState::Known {
        let open = tasks.into_iter().filter(|t| !matches!(state.tasks.get(t), Some(TaskState::Done(_))));
        runs.extend(open.map(|task| (mine.due, Action::Run(slot, task))));
    }
}

fn broken(state: &SlotState, limit: u32) -> bool {
    state.tasks.values().any(|task| matches!(task, TaskState::HostFault(times) if *times >= limit))
}
