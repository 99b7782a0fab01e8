//! What an account has to do next: a pure function from the chain's present state and the local
//! journal to actions.
//!
//! ```text
//!  replica    lot        key, blobs, leaves          action
//!  awaiting   running    -                           FetchBlobs (ahead of the key)
//!  running    running    key wrong                   Decline(WrongKey)
//!  running    running    blobs missing               FetchBlobs; near the deadline Decline(InputsUnreachable)
//!  running    running    blobs here, leaves missing  Run, a task each; near the deadline Decline(HostFault)
//!  running    running    all leaves                  Commit
//!  committed  running    other replica lacks the key ShareKey
//!  committed  revealing  -                           Reveal
//!  any        disclosing holds the key               Disclose
//!  committed  auditing   an auditor lacks the key    ShareKey
//!  auditor    auditing   as a replica that runs      FetchBlobs, Run, CommitAudit, DeclineAudit
//!  auditor    revealing  committed                   RevealAudit
//!  witness    any        not attested                AttestDelivery
//!  validator  judging    leaves missing              FetchBlobs, Run
//!  validator  judging    all leaves                  CommitVerdict
//!  validator  deciding   committed                   RevealVerdict
//!  challenged                no root posted           AnswerChallenge
//!  challenged                blocks drawn             OpenAnswer
//!  no work for a while                               Evict
//! ```
//!
//! Level-triggered: the same situation gives the same actions however it came about, so a restart
//! needs the journal and the chain, no history. An action under way or backing off is not given
//! again. What is committed to is fixed in the journal before the commitment leaves the machine
//! ([`crate::journal`]), so repeating an action repeats its content.
//!
//! Heights and windows are blocks.

mod adjudicate;
mod audit;
mod capacity;
mod replica;
#[cfg(test)]
mod tests;
mod witness;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, keccak256};
use assay_types::{
    JobId,
    view::{ChallengeView, LeafView, LotView, Role, WorkItem},
};

/// Something to do. Ordered: what unblocks others and costs little comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Open a commitment.
    Reveal(Slot),
    /// Open a verdict.
    RevealVerdict(Slot),
    /// Open what an audit found.
    RevealAudit(Slot),
    /// Commit to all leaves of a lot.
    Commit(Slot),
    /// Commit to the leaves of the disputed tasks.
    CommitVerdict(Slot),
    /// Commit to the leaves of the drawn tasks.
    CommitAudit(Slot),
    /// Post the job key for the adjudicators.
    Disclose(JobId),
    /// Seal the job key to an assigned provider that lacks it.
    ShareKey(JobId, Address),
    /// Give a lot back.
    Decline(JobId, u32, DeclineReason),
    /// Give an audit back.
    DeclineAudit(JobId, u32, DeclineReason),
    /// Try to fetch a demanded output from every replica and say from which it came.
    AttestDelivery(JobId, u32),
    /// Open what was drawn of the answer to the capacity challenge made at a height.
    OpenAnswer(u64),
    /// Fill all lanes for the capacity challenge made at a height, and post their root.
    AnswerChallenge(u64),
    /// Get program and inputs.
    FetchBlobs(Slot),
    /// Run one task.
    Run(Slot, u32),
    /// Forget a job that is over, and let its blobs go.
    Evict(JobId),
}

/// One piece of work. A lot handed out anew is the same slot: a replica that committed may stay while
/// others are replaced, so what it committed to must stay too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The job.
    pub job: JobId,
    /// The lot.
    pub lot: u32,
    /// As what.
    pub duty: Duty,
    /// Names the tasks of a verdict or audit, since a lot can have two; 0 for a replica.
    pub round: u64,
}

/// What a slot's leaves are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// A replica's result: every task of the lot.
    Replica,
    /// A verdict on the disputed tasks.
    Verdict,
    /// An audit of the drawn tasks.
    Audit,
}

impl Duty {
    /// Whether work in this role is this duty.
    pub(crate) fn fits(self, role: Role) -> bool {
        role == match self {
            Self::Replica => Role::Replica,
            Self::Verdict => Role::Adjudicator,
            Self::Audit => Role::Auditor,
        }
    }
}

/// Why a lot is given back. Numbers are on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DeclineReason {
    /// Program or inputs could not be fetched.
    InputsUnreachable = 1,
    /// The delivered key is not the job's, or opens none of its blobs.
    WrongKey = 2,
    /// This machine failed.
    HostFault = 3,
    /// This machine is being stopped.
    Draining = 4,
}

/// What is known here of the key of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyState {
    /// Not here yet.
    #[default]
    Missing,
    /// Here, and its hash is the job's.
    Known,
    /// What was delivered is not the job's key.
    Wrong,
}

/// What is known here of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// Ran; the sealed output is stored.
    Done(LeafView),
    /// This machine could not run it, so often.
    HostFault(u32),
}

/// What is known here of a slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotState {
    /// Program and inputs are in the store.
    pub fetched: bool,
    /// A blob opened to nonsense under the right key.
    pub unreadable: bool,
    /// By task index in the job.
    pub tasks: BTreeMap<u32, TaskState>,
    /// What was or will be committed to, once fixed.
    pub opening: Option<Opening>,
}

/// A commitment's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Hides the leaves until they are revealed.
    pub salt: B256,
    /// In task order.
    pub leaves: Vec<LeafView>,
}

/// The local memory the plan depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Keys by job.
    pub keys: BTreeMap<JobId, KeyState>,
    /// Slots.
    pub slots: BTreeMap<Slot, SlotState>,
    /// Jobs the journal or the store still holds something of, with the height they were last seen
    /// in the work list.
    pub held: BTreeMap<JobId, u64>,
    /// Providers seen without a job's key, since which height.
    pub lacking: BTreeMap<(JobId, Address), u64>,
    /// Actions that failed, with the height before which they are not tried again.
    pub retry_at: BTreeMap<Action, u64>,
}

/// How much a machine takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Tasks run at the same time.
    pub cores: usize,
    /// Blocks before a commit deadline from which unfinished work is given back rather than late.
    pub margin: u64,
    /// Blocks for which the outputs of a job that is over stay pinned.
    pub retain: u64,
    /// Times a task that this machine failed to run is tried.
    pub max_host_faults: u32,
    /// Blocks a replica must have lacked the key, which the renter delivers as a rule, before another
    /// replica does.
    pub share_after: u64,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { cores: 1, margin: 8, retain: 20_000, max_host_faults: 3, share_after: 10 }
    }
}

/// Everything the plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Whose plan this is.
    pub me: Address,
    /// Finalized height.
    pub height: u64,
    /// What the chain expects of the account.
    pub work: &'a [WorkItem],
    /// The capacity challenge it has to answer.
    pub challenge: Option<&'a ChallengeView>,
    /// What is known here.
    pub memory: &'a Memory,
    /// Actions under way.
    pub busy: &'a BTreeSet<Action>,
    /// How much to take on.
    pub capacity: Capacity,
    /// Being stopped: what was started is finished, the rest given back.
    pub draining: bool,
}

/// The actions to start now, in order of urgency.
pub fn plan(situation: &Situation<'_>) -> Vec<Action> {
    let mut wanted = BTreeSet::new();
    let mut runs = Vec::new();
    for item in situation.work {
        match item.role {
            Role::Replica => replica::plan(situation, item, &mut wanted, &mut runs),
            Role::Witness => witness::plan(situation, item, &mut wanted),
            Role::Auditor => audit::plan(situation, item, &mut wanted, &mut runs),
            Role::Adjudicator => adjudicate::plan(situation, item, &mut wanted, &mut runs),
            Role::Renter => {}
        }
    }
    capacity::plan(situation, &mut wanted);
    let present: BTreeSet<JobId> = situation.work.iter().map(|item| item.job).collect();
    for (job, last_seen) in &situation.memory.held {
        if !present.contains(job) && situation.height > last_seen.saturating_add(situation.capacity.retain) {
            wanted.insert(Action::Evict(*job));
        }
    }
    let mut actions: Vec<Action> = wanted.into_iter().filter(|action| situation.may_start(action)).collect();
    actions.extend(admitted(situation, runs));
    actions
}

/// As many runs as there are free cores, the one due first before the others.
fn admitted(situation: &Situation<'_>, mut runs: Vec<(u64, Action)>) -> Vec<Action> {
    let running = situation.busy.iter().filter(|action| matches!(action, Action::Run(..))).count();
    runs.retain(|(_, action)| situation.may_start(action));
    runs.sort_unstable();
    runs.dedup();
    runs.into_iter().take(situation.capacity.cores.saturating_sub(running)).map(|(_, action)| action).collect()
}

impl Situation<'_> {
    fn may_start(&self, action: &Action) -> bool {
        !self.busy.contains(action) && self.memory.retry_at.get(action).is_none_or(|at| *at <= self.height)
    }

    fn key(&self, job: &JobId) -> KeyState {
        self.memory.keys.get(job).copied().unwrap_or_default()
    }
}

impl Slot {
    /// The slot of `item` for `duty`.
    pub fn of(item: &WorkItem, duty: Duty) -> Self {
        let mut slot = Self { job: item.job, lot: item.lot.index, duty, round: 0 };
        if duty != Duty::Replica {
            let tasks: Vec<u8> = slot.tasks(&item.lot).into_iter().flat_map(u32::to_be_bytes).collect();
            let [a, b, c, d, e, f, g, h, ..] = keccak256(tasks).0;
            slot.round = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        }
        slot
    }

    /// The tasks of this slot, given its lot.
    pub fn tasks(&self, lot: &LotView) -> Vec<u32> {
        match self.duty {
            Duty::Replica => (lot.first_task..lot.first_task + lot.tasks).collect(),
            Duty::Verdict => lot.dispute.as_ref().map(|d| d.tasks.clone()).unwrap_or_default(),
            Duty::Audit => lot.audit.as_ref().map(|audit| audit.tasks.clone()).unwrap_or_default(),
        }
    }
}

/// The leaves of `tasks`, if all are there.
pub(crate) fn leaves_of(state: &SlotState, tasks: &[u32]) -> Option<Vec<LeafView>> {
    let done = |task| match state.tasks.get(task) {
        Some(TaskState::Done(leaf)) => Some(*leaf),
        _ => None,
    };
    tasks.iter().map(done).collect()
}
