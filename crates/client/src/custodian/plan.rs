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

#[cfg(test)]
mod tests {
    use assay_types::{
        JobCause, JobId,
        view::{DisputeView, JobSpecView, LeafView, ReplicaView},
    };

    use super::*;

    const P: Address = Address::repeat_byte(1);
    const LEAF: LeafView = LeafView { output: B256::repeat_byte(5), fuel: 1 };

    fn job(phase: LotPhase, replica: ReplicaPhase) -> JobView {
        let replicas = vec![ReplicaView {
            provider: P,
            phase: replica,
            price_per_gigafuel: 1,
            locked: 1,
            due: 50,
            commitment: None,
            leaves: Vec::new(),
        }];
        let agreed = matches!(phase, LotPhase::Agreed | LotPhase::Settled);
        let lot = LotView {
            index: 0,
            first_task: 0,
            tasks: 1,
            phase,
            cause: JobCause::None,
            attempts: 0,
            replicas,
            leaves: if agreed { vec![LEAF] } else { Vec::new() },
            settles_at: (phase == LotPhase::Agreed).then_some(20),
            dispute: None,
            delivery: None,
            audit: None,
        };
        let spec = JobSpecView::from(&assay_types::JobSpec {
            program: B256::ZERO,
            programSealed: false,
            abi: 0,
            runtimeId: B256::ZERO,
            class: 1,
            substitutes: Vec::new(),
            inputs: vec![B256::ZERO],
            fuelPerTask: 1,
            memoryMib: 1,
            outputBytes: 1,
            tasksPerLot: 1,
            replicas: 1,
            auditBps: 0,
            auditDraws: 0,
            auditors: 0,
            minReputation: 0,
            maxPricePerGigafuel: 1,
            commitWindow: 1,
            challengeWindow: 1,
            lifetime: 1,
            keyHash: B256::ZERO,
            source: Default::default(),
        });
        JobView {
            id: JobId::ZERO,
            renter: P,
            spec,
            submitted_at: 0,
            ends_at: 100,
            outcome: None,
            cause: JobCause::None,
            limit_price: 0,
            escrow: 0,
            paid: 0,
            refunded: 0,
            compensated: 0,
            fuel: 0,
            result_root: None,
            lots: vec![lot],
        }
    }

    fn at(height: u64, job: &JobView, memory: &Memory) -> Vec<Action> {
        plan(job, memory, &BTreeSet::new(), Policy::default(), height)
    }

    #[test]
    fn each_phase_has_its_action() {
        let fresh = Memory::default();
        let pushed = Memory { pushed: [(0, P)].into(), ..Memory::default() };
        let here = Memory { fetched: [(0, LEAF.output)].into(), ..Memory::default() };
        let superseded = Memory { fetched: [(0, B256::ZERO)].into(), ..Memory::default() };
        let fetch = Action::FetchOutput(0, LEAF.output);
        use LotPhase::{Agreed, Revealing, Running, Settled};
        use ReplicaPhase::{AwaitingKey, Committed, Revealed};
        let table = [
            (Running, AwaitingKey, &fresh, vec![Action::DeliverKey(P), Action::PushBlobs(0, P)]),
            (Running, AwaitingKey, &pushed, vec![Action::DeliverKey(P)]),
            (Running, ReplicaPhase::Running, &fresh, vec![Action::PushBlobs(0, P)]),
            (Running, Committed, &fresh, vec![]),
            (Revealing, Committed, &fresh, vec![]),
            (Agreed, Revealed, &fresh, vec![fetch]),
            (Agreed, Revealed, &here, vec![]),
            (Settled, Revealed, &superseded, vec![fetch]),
            (LotPhase::Refunded, Revealed, &fresh, vec![]),
        ];
        for (lot, replica, memory, expected) in table {
            assert_eq!(at(10, &job(lot, replica), memory), expected, "{lot:?} {replica:?}");
        }
    }

    #[test]
    fn the_key_is_disclosed_once_when_a_dispute_asks_for_it() {
        let mut disputed = job(LotPhase::Disclosing, ReplicaPhase::Revealed);
        let dispute = |key| DisputeView {
            tasks: vec![0],
            challenger: None,
            key,
            due: 50,
            committed: Vec::new(),
            revealed: Vec::new(),
        };
        disputed.lots[0].dispute = Some(dispute(None));
        assert_eq!(at(10, &disputed, &Memory::default()), [Action::DiscloseKey]);
        disputed.lots[0].dispute = Some(dispute(Some(B256::ZERO)));
        assert_eq!(at(10, &disputed, &Memory::default()), []);
    }

    #[test]
    fn a_withheld_output_is_demanded_in_time_once_and_a_doubted_one_challenged() {
        let agreed = job(LotPhase::Agreed, ReplicaPhase::Revealed);
        let mut memory = Memory { unfetchable: [(0, 10)].into(), ..Memory::default() };
        let fetch = Action::FetchOutput(0, LEAF.output);
        assert_eq!(at(13, &agreed, &memory), [fetch], "not at the first failure");
        assert_eq!(at(14, &agreed, &memory), [Action::DemandDelivery(0), fetch]);
        assert_eq!(at(20, &agreed, &memory), [fetch], "too late: it settles");
        memory.demanded.insert((0, 0));
        assert_eq!(at(14, &agreed, &memory), [fetch], "once an attempt");
        memory.doubted.insert(0);
        assert_eq!(at(14, &agreed, &memory), [Action::Challenge(0), fetch]);
    }
}
