//! What the renter has to do next.
//!
//! ```text
//!  lot         replica        action
//!  any         awaiting key   DeliverKey, PushBlobs
//!  running     running        PushBlobs
//!  agreed      -              FetchOutput; a result doubted by re-execution: Challenge
//!  agreed      -              unfetchable for a while, settlement not too near: DemandDelivery
//!  disclosing  -              DiscloseKey
//!  settled     -              FetchOutput
//! ```

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use assay_types::view::{JobView, LotPhase, LotView, ReplicaPhase};

/// Something the renter does. Ordered: what holds the job up comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Post the job key for the adjudicators.
    DiscloseKey,
    /// Seal the job key to a provider.
    DeliverKey(Address),
    /// Dispute a task's result.
    Challenge(u32),
    /// Make drawn witnesses try to fetch a task's output.
    DemandDelivery(u32),
    /// Send program and inputs of a lot to a provider.
    PushBlobs(u32, Address),
    /// Get a task's sealed output.
    FetchOutput(u32, B256),
}

/// How the renter acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Send blobs to providers, so that they need not come for them.
    pub push: bool,
    /// Blocks an output must have been unfetchable before delivery is demanded; `None`: never.
    pub demand_after: Option<u64>,
    /// Blocks a demand needs before settlement.
    pub demand_margin: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { push: true, demand_after: Some(4), demand_margin: 1 }
    }
}

/// What is known here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Lots and providers whose blobs were pushed.
    pub pushed: BTreeSet<(u32, Address)>,
    /// Outputs here, by task, with their hash.
    pub fetched: BTreeMap<u32, B256>,
    /// Tasks whose output could not be fetched, since which height.
    pub unfetchable: BTreeMap<u32, u64>,
    /// Tasks whose result our own re-execution contradicts.
    pub doubted: BTreeSet<u32>,
    /// Lots and attempts whose output was demanded.
    pub demanded: BTreeSet<(u32, u32)>,
    /// Actions that failed, with the height before which they are not tried again.
    pub retry_at: BTreeMap<Action, u64>,
}

/// The actions to start now, in order of urgency.
pub fn plan(job: &JobView, memory: &Memory, busy: &BTreeSet<Action>, policy: Policy, height: u64) -> Vec<Action> {
    let mut wanted = BTreeSet::new();
    for lot in &job.lots {
        match lot.phase {
            LotPhase::Running => feed(lot, memory, policy, &mut wanted),
            LotPhase::Agreed => {
                fetch(lot, memory, &mut wanted);
                defend(lot, memory, policy, height, &mut wanted);
            }
            LotPhase::Settled => fetch(lot, memory, &mut wanted),
            LotPhase::Disclosing if lot.dispute.as_ref().is_some_and(|d| d.key.is_none()) => {
                wanted.insert(Action::DiscloseKey);
            }
            _ => {}
        }
    }
    let ready = |action: &Action| !busy.contains(action) && memory.retry_at.get(action).is_none_or(|at| *at <= height);
    wanted.into_iter().filter(ready).collect()
}

fn feed(lot: &LotView, memory: &Memory, policy: Policy, wanted: &mut BTreeSet<Action>) {
    for replica in &lot.replicas {
        if replica.phase == ReplicaPhase::AwaitingKey {
            wanted.insert(Action::DeliverKey(replica.provider));
        }
        let needs_blobs = matches!(replica.phase, ReplicaPhase::AwaitingKey | ReplicaPhase::Running);
        if policy.push && needs_blobs && !memory.pushed.contains(&(lot.index, replica.provider)) {
            wanted.insert(Action::PushBlobs(lot.index, replica.provider));
        }
    }
}

fn fetch(lot: &LotView, memory: &Memory, wanted: &mut BTreeSet<Action>) {
    for (task, leaf) in (lot.first_task..).zip(&lot.leaves) {
        if memory.fetched.get(&task) != Some(&leaf.output) {
            wanted.insert(Action::FetchOutput(task, leaf.output));
        }
    }
}

fn defend(lot: &LotView, memory: &Memory, policy: Policy, height: u64, wanted: &mut BTreeSet<Action>) {
    let tasks = lot.first_task..lot.first_task.saturating_add(lot.tasks);
    let time_left = lot.settles_at.is_some_and(|at| height.saturating_add(policy.demand_margin) <= at);
    if lot.dispute.is_some() || lot.delivery.is_some() || !time_left {
        return;
    }
    if let Some(task) = memory.doubted.range(tasks.clone()).next() {
        wanted.insert(Action::Challenge(*task));
        return;
    }
    let Some(patience) = policy.demand_after else { return };
    let missing = memory.unfetchable.range(tasks).find(|(_, since)| height >= since.saturating_add(patience));
    if let Some((task, _)) = missing
        && !memory.demanded.contains(&(lot.index, lot.attempts))
    {
        wanted.insert(Action::DemandDelivery(*task));
    }
}
