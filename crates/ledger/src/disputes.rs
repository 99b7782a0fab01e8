//! Disputes: validators re-execute, commit, reveal; two thirds of all seats on one result decide.
//!
//! A dispute is about some tasks of a lot: those on which its replicas differ, or the one task a
//! challenger pointed at. Its windows are the lot's phases, so a lot has at most one dispute.
//!
//! ```text
//! Disclosing ── key ──> Judging ── all committed, or window over ──> Deciding ──> decided
//!     │ no key             │ nobody committed                            │ no two thirds
//!     └────────────────────┴────────────── undecided <───────────────────┘
//! ```
//!
//! A verdict is a commitment over the Merkle-sum root of the disputed tasks' leaves in order, at
//! positions 0, 1, 2 … whatever their index in the job.

pub(crate) mod appeals;
pub(crate) mod calls;
pub(crate) mod quarantine;
pub(crate) mod resolve;

use alloy_primitives::{Address, B256};
use assay_types::{
    Grains, JobId, Leaf,
    abi::IDisputes,
    system,
    view::{DisputeView, LotPhase},
};

pub(crate) use calls::{challenge, execute};

use crate::{
    audits,
    codec::record,
    jobs::{Case, Lot},
    keys::{self, DISPUTE, WORK_JUDGE},
    reject::{BrokenInvariant, Done},
    state::StateRead,
    step::{Step, read},
};

record! {
    /// A dispute under way.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Dispute {
        /// Disputed tasks, by place in the lot.
        pub(crate) tasks: Vec<u32>,
        /// First task of the lot, so that a view can name tasks by job.
        pub(crate) first_task: u32,
        /// Who challenged, with the bond; none when replicas disagree.
        pub(crate) challenger: Option<(Address, Grains)>,
        /// Who judges: the seats of the epoch in which it was opened, whoever sits later.
        pub(crate) judges: Vec<Address>,
        pub(crate) verdicts: Vec<Verdict>,
    }
}

record! {
    /// What a validator said.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Verdict {
        pub(crate) validator: Address,
        pub(crate) commitment: B256,
        pub(crate) leaves: Option<Vec<Leaf>>,
    }
}

impl Dispute {
    pub(crate) fn load(view: &dyn StateRead, job: &JobId, lot: u32) -> Result<Self, BrokenInvariant> {
        read(view, &keys::of_lot(DISPUTE, job, lot))?.ok_or(BrokenInvariant::Missing(DISPUTE))
    }

    pub(crate) fn store(&self, step: &mut Step<'_>, case: &Case) {
        step.write(keys::of_lot(DISPUTE, &case.id, case.index), self);
    }
}

/// Opens a dispute over `tasks` (places in the lot).
pub(crate) fn open(
    step: &mut Step<'_>,
    case: &mut Case,
    tasks: Vec<u32>,
    challenger: Option<(Address, Grains)>,
) -> Done {
    let first_task = case.first_task();
    let dispute = Dispute { tasks, first_task, challenger, judges: step.env.seats.clone(), verdicts: Vec::new() };
    let disclosed = case.job.key.is_some();
    let disclose_by = if disclosed { step.env.height() } else { step.env.after(step.env.params.disclose_window) };
    step.emit(
        system::DISPUTES,
        &IDisputes::DisputeOpened {
            job: case.id,
            lot: case.index,
            cause: match challenger {
                Some(_) => 2,
                None if audits::applies(case) => 3,
                None => 1,
            },
            tasks: dispute.tasks.iter().map(|place| first_task.saturating_add(*place)).collect(),
            discloseBy: disclose_by,
        },
    );
    dispute.store(step, case);
    if disclosed {
        judge(step, case);
    } else {
        case.lot.phase = LotPhase::Disclosing;
        case.lot.due = disclose_by;
    }
    Ok(())
}

/// The key is known: adjudicators re-execute.
pub(crate) fn judge(step: &mut Step<'_>, case: &mut Case) {
    let due = step.env.after(step.env.params.verdict_commit_window);
    case.lot.phase = LotPhase::Judging;
    case.lot.due = due;
    step.mark(keys::of_lot(WORK_JUDGE, &case.id, case.index));
}

/// Does what is due about a lot in dispute.
pub(crate) fn advance(step: &mut Step<'_>, case: &mut Case) -> Done {
    let height = step.env.height();
    let over = height >= case.lot.due;
    let dispute = Dispute::load(&step.state, &case.id, case.index)?;
    match case.lot.phase {
        LotPhase::Disclosing if over => resolve::undecided(step, case, &dispute, resolve::NOT_DISCLOSED),
        LotPhase::Judging if over && dispute.verdicts.is_empty() => {
            resolve::undecided(step, case, &dispute, resolve::NO_TWO_THIRDS)
        }
        LotPhase::Judging if over || dispute.verdicts.len() == dispute.judges.len() => {
            let due = step.env.after(step.env.params.verdict_reveal_window);
            case.lot.phase = LotPhase::Deciding;
            case.lot.due = due;
            case.lot.opened_at = height;
            Ok(())
        }
        LotPhase::Deciding if over || dispute.verdicts.iter().all(|verdict| verdict.leaves.is_some()) => {
            resolve::decide(step, case, &dispute)
        }
        _ => Ok(()),
    }
}

/// A dispute as queries show it.
pub(crate) fn view_of(
    view: &dyn StateRead,
    id: JobId,
    index: u32,
    lot: &Lot,
    key: Option<B256>,
) -> Option<DisputeView> {
    let dispute: Dispute = read(view, &keys::of_lot(DISPUTE, &id, index)).ok()??;
    let revealed = dispute.verdicts.iter().filter(|verdict| verdict.leaves.is_some());
    Some(DisputeView {
        tasks: dispute.tasks.iter().map(|place| dispute.first_task.saturating_add(*place)).collect(),
        challenger: dispute.challenger.map(|(who, _)| who),
        key,
        due: lot.due,
        committed: dispute.verdicts.iter().map(|verdict| verdict.validator).collect(),
        revealed: revealed.map(|verdict| verdict.validator).collect(),
    })
}
