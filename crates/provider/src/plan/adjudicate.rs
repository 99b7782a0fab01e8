//! The plan of a validator who judges a dispute.

use std::collections::BTreeSet;

use assay_types::view::{LotPhase, WorkItem};

use super::{Action, Duty, KeyState, Situation, Slot, SlotState, TaskState, leaves_of};

pub(super) fn plan(
    situation: &Situation<'_>,
    item: &WorkItem,
    wanted: &mut BTreeSet<Action>,
    runs: &mut Vec<(u64, Action)>,
) {
    let Some(dispute) = &item.lot.dispute else { return };
    let slot = Slot::of(item, Duty::Verdict);
    let empty = SlotState::default();
    let state = situation.memory.slots.get(&slot).unwrap_or(&empty);
    if dispute.due < situation.height {
        return;
    }
    let (committed, revealed) = (dispute.committed.contains(&situation.me), dispute.revealed.contains(&situation.me));
    match item.lot.phase {
        LotPhase::Judging if !committed => {
            if state.opening.is_some() || leaves_of(state, &dispute.tasks).is_some() {
                wanted.insert(Action::CommitVerdict(slot));
            } else if !state.fetched {
                wanted.insert(Action::FetchBlobs(slot));
            } else if situation.key(&item.job) == KeyState::Known && !state.unreadable {
                let limit = situation.capacity.max_host_faults;
                let open = dispute.tasks.iter().filter(|task| match state.tasks.get(task) {
                    None => true,
                    Some(TaskState::Done(_)) => false,
                    Some(TaskState::HostFault(times)) => *times < limit,
                });
                runs.extend(open.map(|task| (dispute.due, Action::Run(slot, *task))));
            }
        }
        LotPhase::Deciding if committed && !revealed => {
            wanted.insert(Action::RevealVerdict(slot));
        }
        _ => {}
    }
}
