//! The plan of an auditor: run the drawn tasks, commit, open.

use std::collections::BTreeSet;

use assay_types::view::{LotPhase, WorkItem};

use super::{Action, Duty, Situation, Slot, SlotState, work};

pub(super) fn plan(
    situation: &Situation<'_>,
    item: &WorkItem,
    wanted: &mut BTreeSet<Action>,
    runs: &mut Vec<(u64, Action)>,
) {
    let Some(audit) = &item.lot.audit else { return };
    let Some(mine) = audit.auditors.iter().find(|auditor| auditor.auditor == situation.me) else { return };
    let slot = Slot::of(item, Duty::Audit);
    let empty = SlotState::default();
    let state = situation.memory.slots.get(&slot).unwrap_or(&empty);
    match item.lot.phase {
        LotPhase::Auditing if mine.commitment.is_none() && !mine.declined => {
            let job = work::Piece {
                item,
                slot,
                due: audit.due,
                commit: Action::CommitAudit(slot),
                decline: |reason| Action::DeclineAudit(item.job, item.lot.index, reason),
            };
            job.plan(situation, state, wanted, runs);
        }
        LotPhase::Revealing if mine.commitment.is_some() && mine.leaves.is_empty() => {
            wanted.insert(Action::RevealAudit(slot));
        }
        _ => {}
    }
}
