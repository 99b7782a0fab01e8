//! The plan of one replica of one lot.

use std::collections::BTreeSet;

use assay_types::view::{LotPhase, ReplicaPhase, WorkItem};

use super::{Action, DeclineReason, Duty, KeyState, Situation, Slot, SlotState, work};

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
        (LotPhase::Running, ReplicaPhase::Running) => {
            let piece = work::Piece {
                item,
                slot,
                due: mine.due,
                commit: Action::Commit(slot),
                decline: |reason| Action::Decline(item.job, item.lot.index, reason),
            };
            piece.plan(situation, state, wanted, runs);
        }
        // Without the key its auditors could only be silent, and the lot would wait for them.
        (LotPhase::Auditing, _) if situation.key(&item.job) == KeyState::Known => {
            let auditors = item.lot.audit.iter().flat_map(|audit| &audit.auditors);
            let lacking = auditors.filter(|auditor| !auditor.has_key && !auditor.declined);
            wanted.extend(lacking.map(|auditor| Action::ShareKey(item.job, auditor.auditor)));
        }
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
