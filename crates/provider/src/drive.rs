//! Carries out the plan of one account: provider, adjudicator, or both.
//!
//! [`Agent::run`] is one future that spawns nothing: on every finalized block, and whenever an action
//! ends, it asks the chain for its work, plans, and starts what is new. Guests run where the host may
//! block, at most [`crate::Capacity::cores`] at a time.
//!
//! A failed action is tried again after a pause that doubles. Nothing here decides; see
//! [`crate::plan`].

mod act;
mod capacity;
mod digest;
mod task;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::{Address, B256};
use assay_client::{Chain, ChainError, Host, TxError, TxSender, follow::heights, host::blocking};
use assay_exec::{Cancel, HostFault};
use assay_store::{BlobId, Blobs, FetchError, JobKey, SealingKeypair, StoreError, transfer::ExpectedBlobs};
use assay_types::{
    JobId,
    view::{ChallengeView, LeafView, WorkItem},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    engine::Execute,
    journal::{Journal, JournalError},
    misbehaviour::Misbehaviour,
    plan::{Action, Capacity, Memory, Opening, Situation, Slot, TaskState, plan},
};

/// Longest pause between two tries, blocks.
const MAX_BACK_OFF: u64 = 64;

/// What an agent is made of.
pub struct AgentParts {
    /// The chain.
    pub chain: Arc<dyn Chain>,
    /// The machine.
    pub host: Arc<dyn Host>,
    /// Blobs, kept here and elsewhere.
    pub blobs: Arc<dyn Blobs>,
    /// The runtime.
    pub engine: Arc<dyn Execute>,
    /// The account.
    pub sender: TxSender,
    /// What must not be forgotten.
    pub journal: Arc<Journal>,
    /// Opens job keys sealed to this provider; an adjudicator has none.
    pub sealing: Option<SealingKeypair>,
    /// Told which blobs others may store here.
    pub expected: Option<Arc<ExpectedBlobs>>,
    /// How much to take on.
    pub capacity: Capacity,
    /// Cheats, on development networks only.
    pub misbehaviour: Option<Misbehaviour>,
}

/// Why an agent could not start, stopped, or failed at something.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The journal failed: going on could double or lose work.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The chain failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A transaction failed.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// A blob could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A blob could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This machine could not run a task.
    #[error(transparent)]
    HostFault(#[from] HostFault),
    /// A blob does not open with the job's key, or the job makes no sense.
    #[error("the job's {0} cannot be read: its renter sealed it wrongly")]
    Unreadable(&'static str),
    /// Something the action needs is not here any more.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Cheating is for development networks.
    #[error("misbehaviour is allowed on development chains only, not on chain {0}")]
    MisbehaviourRefused(u64),
}

/// Where an agent stands.
#[derive(Debug, Clone, Default)]
pub struct AgentStatus {
    /// Finalized height last acted on.
    pub height: u64,
    /// Lots in the work list.
    pub lots: usize,
    /// Guests running.
    pub running: usize,
    /// Actions under way.
    pub busy: usize,
    /// Tasks run since the start.
    pub tasks_run: u64,
    /// What failed last.
    pub trouble: Option<String>,
}

/// How an agent is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Run,
    Drain,
    Stop,
}

/// One account at work.
pub struct Agent {
    parts: AgentParts,
    state: Mutex<State>,
    cancel: Cancel,
    order: watch::Sender<Order>,
    status: Mutex<AgentStatus>,
}

#[derive(Default)]
struct State {
    memory: Memory,
    work: Vec<WorkItem>,
    keys: BTreeMap<JobId, JobKey>,
    /// Sealed keys looked at, so that bad ones are not tried each block.
    tried_keys: BTreeMap<JobId, usize>,
    leaves: BTreeMap<(JobId, u32, crate::plan::Duty), LeafView>,
    openings: BTreeMap<Slot, Opening>,
    failures: BTreeMap<Action, u32>,
    /// Whether this network challenges providers' capacity; None until asked.
    challenged_here: Option<bool>,
    /// The challenge to answer.
    challenge: Option<ChallengeView>,
    /// Roots of all lanes posted for the challenge made at a height.
    lane_roots: Option<(u64, Vec<B256>)>,
}

/// What came of an action.
enum Outcome {
    Done,
    /// The ledger says that it was done before, or is no longer wanted.
    Overtaken,
    Fetched(Slot),
    Ran(Slot, u32, LeafView),
}

type Running<'a> = BoxFuture<'a, (Action, Result<Outcome, AgentError>)>;

impl Agent {
    /// An agent that remembers what its journal holds, with the outputs it may still have to serve
    /// pinned again.
    pub fn new(parts: AgentParts) -> Result<Self, AgentError> {
        if parts.misbehaviour.is_some() && !Misbehaviour::allowed_on(parts.sender.chain_id()) {
            return Err(AgentError::MisbehaviourRefused(parts.sender.chain_id()));
        }
        let mut state = State::default();
        for row in parts.journal.leaves()? {
            parts.blobs.pin(BlobId(row.leaf.output.0), row.job.0);
            state.leaves.insert((row.job, row.task, row.duty), row.leaf);
            state.memory.held.insert(row.job, 0);
        }
        for (slot, opening) in parts.journal.openings()? {
            state.memory.held.insert(slot.job, 0);
            state.openings.insert(slot, opening);
        }
        Ok(Self {
            parts,
            state: Mutex::new(state),
            cancel: Cancel::new(),
            order: watch::channel(Order::Run).0,
            status: Mutex::default(),
        })
    }

    /// Whose agent this is.
    pub fn address(&self) -> Address {
        self.parts.sender.address()
    }

    /// Where it stands.
    pub fn status(&self) -> AgentStatus {
        self.status.lock().clone()
    }

    /// Asks it to finish what it started, give the rest back, and return from [`Self::run`].
    pub fn drain(&self) {
        self.order.send_if_modified(|order| std::mem::replace(order, (*order).max(Order::Drain)) < Order::Drain);
    }

    /// Asks it to return from [`Self::run`] now. Guests are stopped; the journal has the rest.
    pub fn stop(&self) {
        self.cancel.cancel();
        self.order.send_replace(Order::Stop);
    }

    /// Works until asked to end, or until the journal fails.
    pub async fn run(&self) -> Result<(), AgentError> {
        let mut order = self.order.subscribe();
        let mut busy: BTreeSet<Action> = BTreeSet::new();
        let mut running: FuturesUnordered<Running<'_>> = FuturesUnordered::new();
        let mut heights = heights(self.parts.chain.clone(), self.parts.host.clone());
        let mut height = None;
        loop {
            let draining = match *order.borrow_and_update() {
                Order::Stop => return Ok(()),
                other => other == Order::Drain,
            };
            if let Some(height) = height {
                match self.parts.chain.work(self.address()).await {
                    Ok(work) => self.digest(work, height),
                    Err(error) => self.note_trouble(&error),
                }
                self.look_up_challenge().await;
                for action in self.plan(&busy, height, draining) {
                    busy.insert(action);
                    running.push(async move { (action, self.act(action).await) }.boxed());
                }
                self.note_status(&busy, height);
                if draining && running.is_empty() && self.is_idle() {
                    return Ok(());
                }
            }
            futures::select_biased! {
                _ = order.changed().fuse() => {}
                (action, outcome) = running.select_next_some() => {
                    busy.remove(&action);
                    self.settle(action, outcome, height.unwrap_or_default())?;
                    // All that ended together is settled before planning again.
                    while let Some(Some((action, outcome))) = running.next().now_or_never() {
                        busy.remove(&action);
                        self.settle(action, outcome, height.unwrap_or_default())?;
                    }
                }
                next = heights.next().fuse() => height = next.or(height),
            }
        }
    }

    fn plan(&self, busy: &BTreeSet<Action>, height: u64, draining: bool) -> Vec<Action> {
        let state = self.state.lock();
        let actions = plan(&Situation {
            me: self.address(),
            height,
            work: &state.work,
            challenge: state.challenge.as_ref(),
            memory: &state.memory,
            busy,
            capacity: self.parts.capacity,
            draining,
        });
        match self.parts.misbehaviour {
            Some(cheat) => actions.into_iter().filter(|action| !cheat.omits(action)).collect(),
            None => actions,
        }
    }

    /// Nothing of ours is under way on the chain.
    fn is_idle(&self) -> bool {
        !self.state.lock().work.iter().any(|item| item.role == assay_types::view::Role::Replica)
    }

    fn settle(&self, action: Action, outcome: Result<Outcome, AgentError>, height: u64) -> Result<(), AgentError> {
        let mut state = self.state.lock();
        let error = match outcome {
            Ok(done) => {
                state.failures.remove(&action);
                state.memory.retry_at.remove(&action);
                match done {
                    Outcome::Done => {}
                    // Should the work list still ask for it, then not at once: each try costs a fee.
                    Outcome::Overtaken => {
                        state.memory.retry_at.insert(action, height.saturating_add(3));
                    }
                    Outcome::Fetched(slot) => state.slot(slot).fetched = true,
                    Outcome::Ran(slot, task, leaf) => {
                        state.leaves.insert((slot.job, task, slot.duty), leaf);
                        state.slot(slot).tasks.insert(task, TaskState::Done(leaf));
                        self.status.lock().tasks_run += 1;
                    }
                }
                if let Action::Evict(job) = action {
                    state.forget(&job);
                }
                return Ok(());
            }
            Err(AgentError::Journal(error)) => return Err(error.into()),
            Err(error) => error,
        };
        match (&action, &error) {
            (Action::Run(..), AgentError::HostFault(HostFault::Cancelled)) => return Ok(()),
            (Action::Run(slot, task), AgentError::HostFault(_)) => {
                let tasks = &mut state.slot(*slot).tasks;
                let times = match tasks.get(task) {
                    Some(TaskState::HostFault(times)) => times + 1,
                    _ => 1,
                };
                tasks.insert(*task, TaskState::HostFault(times));
            }
            (Action::Run(slot, _), AgentError::Unreadable(_)) => state.slot(*slot).unreadable = true,
            (Action::Run(slot, _), AgentError::Fetch(_)) => state.slot(*slot).fetched = false,
            _ => {}
        }
        let failures = state.failures.entry(action).or_insert(0);
        *failures = failures.saturating_add(1);
        let pause = 1u64.checked_shl(*failures).unwrap_or(MAX_BACK_OFF).min(MAX_BACK_OFF) / 2;
        state.memory.retry_at.insert(action, height.saturating_add(pause.max(1)));
        drop(state);
        tracing::debug!(agent = %self.address(), ?action, %error, "will be tried again if it still makes sense");
        self.note_trouble(&error);
        Ok(())
    }

    fn note_trouble(&self, error: &dyn std::error::Error) {
        self.status.lock().trouble = Some(error.to_string());
    }

    fn note_status(&self, busy: &BTreeSet<Action>, height: u64) {
        let lots = self.state.lock().work.len();
        let mut status = self.status.lock();
        status.height = height;
        status.lots = lots;
        status.busy = busy.len();
        status.running = busy.iter().filter(|action| matches!(action, Action::Run(..))).count();
    }

    /// Journal access where it may block.
    async fn journal<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, AgentError> {
        let journal = self.parts.journal.clone();
        match blocking(&*self.parts.host, move || work(&journal)).await {
            Some(result) => Ok(result?),
            None => Err(AgentError::Missing("the machine")),
        }
    }
}

impl State {
    fn slot(&mut self, slot: Slot) -> &mut crate::plan::SlotState {
        self.memory.slots.entry(slot).or_default()
    }

    fn forget(&mut self, job: &JobId) {
        self.keys.remove(job);
        self.tried_keys.remove(job);
        self.memory.keys.remove(job);
        self.memory.held.remove(job);
        self.memory.slots.retain(|slot, _| slot.job != *job);
        self.leaves.retain(|(of, _, _), _| of != job);
        self.openings.retain(|slot, _| slot.job != *job);
    }
}
