//! Each situation and what must be done in it.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes};
use assay_types::{
    JobCause, JobId,
    view::{
        DeliveryView, DisputeView, JobSpecView, LeafView, LotPhase, LotView, ReplicaPhase, ReplicaView, Role, WorkItem,
    },
};

use super::*;

const ME: Address = Address::repeat_byte(1);
const OTHER: Address = Address::repeat_byte(2);
const JOB: JobId = B256::repeat_byte(9);
const DUE: u64 = 100;

fn replica(provider: Address, phase: ReplicaPhase) -> ReplicaView {
    ReplicaView { provider, phase, price_per_gigafuel: 1, locked: 1, due: DUE, commitment: None, leaves: Vec::new() }
}

fn item(role: Role, lot: LotPhase, mine: ReplicaPhase, other: ReplicaPhase) -> WorkItem {
    WorkItem {
        job: JOB,
        lot: LotView {
            index: 1,
            first_task: 4,
            tasks: 2,
            phase: lot,
            cause: JobCause::None,
            attempts: 0,
            replicas: vec![replica(ME, mine), replica(OTHER, other)],
            leaves: Vec::new(),
            settles_at: None,
            dispute: None,
            delivery: None,
            audit: None,
        },
        spec: JobSpecView {
            program: B256::ZERO,
            program_sealed: false,
            abi: 0,
            runtime_id: B256::ZERO,
            class: 1,
            substitutes: Vec::new(),
            inputs: vec![B256::ZERO; 2],
            fuel_per_task: 1,
            memory_mib: 1,
            output_bytes: 1,
            tasks_per_lot: 2,
            replicas: 2,
            audit_bps: 0,
            audit_draws: 0,
            auditors: 0,
            min_reputation: 0,
            max_price_per_gigafuel: 1,
            commit_window: 1,
            challenge_window: 1,
            lifetime: 1,
            key_hash: B256::ZERO,
            source: Bytes::new(),
        },
        renter: Address::ZERO,
        sealed_keys: Vec::new(),
        role,
        peers: Vec::new(),
    }
}

fn slot() -> Slot {
    Slot { job: JOB, lot: 1, duty: Duty::Replica, round: 0 }
}

fn leaf(n: u8) -> LeafView {
    LeafView { output: B256::repeat_byte(n), fuel: u64::from(n) }
}

fn knows(key: KeyState, state: SlotState) -> Memory {
    let mut memory = Memory::default();
    memory.keys.insert(JOB, key);
    memory.slots.insert(slot(), state);
    memory
}

fn fetched() -> SlotState {
    SlotState { fetched: true, ..SlotState::default() }
}

fn done() -> SlotState {
    let tasks = [(4, TaskState::Done(leaf(4))), (5, TaskState::Done(leaf(5)))].into();
    SlotState { tasks, ..fetched() }
}

struct Case {
    memory: Memory,
    challenge: Option<ChallengeView>,
    busy: BTreeSet<Action>,
    height: u64,
    draining: bool,
    cores: usize,
}

impl Case {
    fn of(memory: Memory) -> Self {
        Self { memory, challenge: None, busy: BTreeSet::new(), height: 10, draining: false, cores: 4 }
    }

    fn plan(&self, work: &[WorkItem]) -> Vec<Action> {
        plan(&Situation {
            me: ME,
            height: self.height,
            work,
            challenge: self.challenge.as_ref(),
            memory: &self.memory,
            busy: &self.busy,
            capacity: Capacity { cores: self.cores, margin: 4, retain: 50, max_host_faults: 2, share_after: 3 },
            draining: self.draining,
        })
    }
}

#[test]
fn a_challenge_is_answered_then_opened_while_there_is_time() {
    let challenge = ChallengeView {
        round: 8,
        beacon: B256::ZERO,
        lane_kib: 4,
        passes: 1,
        draws: 1,
        answer_by: 20,
        answer: None,
        drawn: None,
        open_by: 0,
    };
    let (answer, open) = (vec![Action::AnswerChallenge(8)], vec![Action::OpenAnswer(8)]);
    let posted = ChallengeView { answer: Some((1, B256::ZERO)), ..challenge.clone() };
    let drawn = ChallengeView { drawn: Some(B256::ZERO), open_by: 30, ..posted.clone() };
    let none = Vec::new;
    for (challenge, height, draining, wanted) in [
        (&challenge, 19, false, answer.clone()),
        (&challenge, 20, false, none()),
        (&challenge, 19, true, none()),
        (&posted, 19, false, none()),
        (&drawn, 29, false, open.clone()),
        (&drawn, 29, true, open.clone()),
        (&drawn, 30, false, none()),
    ] {
        let case = Case { challenge: Some(challenge.clone()), height, draining, ..Case::of(Memory::default()) };
        assert_eq!(case.plan(&[]), wanted, "{challenge:?} at {height}");
    }
    let mut busy = Case { challenge: Some(challenge), ..Case::of(Memory::default()) };
    busy.busy.insert(Action::AnswerChallenge(8));
    assert_eq!(busy.plan(&[]), none(), "once is enough");
}

use ReplicaPhase::{AwaitingKey, Committed, Revealed, Running};

#[test]
fn each_phase_of_a_replica_has_its_action() {
    let run = |task| Action::Run(slot(), task);
    let decline = |reason| vec![Action::Decline(JOB, 1, reason)];
    let one = SlotState { tasks: [(4, TaskState::Done(leaf(4)))].into(), ..fetched() };
    let fixed = SlotState { opening: Some(Opening { salt: B256::ZERO, leaves: vec![leaf(4), leaf(5)] }), ..fetched() };
    let broken = SlotState { tasks: [(4, TaskState::HostFault(2))].into(), ..fetched() };
    let shaken = SlotState { tasks: [(4, TaskState::HostFault(1))].into(), ..fetched() };
    let garbled = SlotState { unreadable: true, ..fetched() };
    use KeyState::{Known, Missing, Wrong};
    let table = [
        (LotPhase::Running, AwaitingKey, Missing, SlotState::default(), vec![Action::FetchBlobs(slot())]),
        (LotPhase::Running, AwaitingKey, Missing, fetched(), vec![]),
        (LotPhase::Running, Running, Known, SlotState::default(), vec![Action::FetchBlobs(slot())]),
        (LotPhase::Running, Running, Known, fetched(), vec![run(4), run(5)]),
        (LotPhase::Running, Running, Known, one, vec![run(5)]),
        (LotPhase::Running, Running, Known, shaken, vec![run(4), run(5)]),
        (LotPhase::Running, Running, Known, done(), vec![Action::Commit(slot())]),
        (LotPhase::Running, Running, Known, fixed.clone(), vec![Action::Commit(slot())]),
        (LotPhase::Running, Running, Wrong, fetched(), decline(DeclineReason::WrongKey)),
        (LotPhase::Running, Running, Known, garbled, decline(DeclineReason::WrongKey)),
        (LotPhase::Running, Running, Known, broken, decline(DeclineReason::HostFault)),
        (LotPhase::Running, Committed, Known, fixed.clone(), vec![]),
        (LotPhase::Revealing, Committed, Known, fixed.clone(), vec![Action::Reveal(slot())]),
        (LotPhase::Revealing, Revealed, Known, fixed.clone(), vec![]),
        (LotPhase::Agreed, Revealed, Known, fixed.clone(), vec![]),
        (LotPhase::Settled, ReplicaPhase::Paid, Known, fixed, vec![]),
    ];
    for (lot, mine, key, state, expected) in table {
        let work = [item(Role::Replica, lot, mine, Running)];
        let said = format!("{lot:?} {mine:?} {key:?} {state:?}");
        assert_eq!(Case::of(knows(key, state)).plan(&work), expected, "{said}");
    }
}

#[test]
fn work_that_cannot_be_done_in_time_is_given_back_and_a_finished_result_is_still_committed() {
    let work = [item(Role::Replica, LotPhase::Running, Running, Running)];
    let late = |state| Case { height: DUE - 4, ..Case::of(knows(KeyState::Known, state)) }.plan(&work);
    assert_eq!(late(fetched()), [Action::Decline(JOB, 1, DeclineReason::HostFault)]);
    assert_eq!(late(SlotState::default()), [Action::Decline(JOB, 1, DeclineReason::InputsUnreachable)]);
    assert_eq!(late(done()), [Action::Commit(slot())]);
    let missed = Case { height: DUE + 1, ..Case::of(knows(KeyState::Known, done())) };
    assert_eq!(missed.plan(&work), []);
}

#[test]
fn a_draining_provider_gives_back_what_it_has_not_begun_and_ends_what_it_has() {
    let drain =
        |work: WorkItem, state| Case { draining: true, ..Case::of(knows(KeyState::Known, state)) }.plan(&[work]);
    let running = || item(Role::Replica, LotPhase::Running, Running, Running);
    let given_back = [Action::Decline(JOB, 1, DeclineReason::Draining)];
    assert_eq!(drain(item(Role::Replica, LotPhase::Running, AwaitingKey, Running), SlotState::default()), given_back);
    assert_eq!(drain(running(), fetched()), given_back);
    let begun = SlotState { tasks: [(4, TaskState::Done(leaf(4)))].into(), ..fetched() };
    assert_eq!(drain(running(), begun), [Action::Run(slot(), 5)]);
    assert_eq!(drain(running(), done()), [Action::Commit(slot())]);
}

#[test]
fn no_more_guests_run_than_there_are_cores_and_the_most_urgent_run_first() {
    let mut urgent = item(Role::Replica, LotPhase::Running, Running, Running);
    urgent.lot.index = 2;
    urgent.lot.replicas[0].due = DUE - 1;
    let urgent_slot = Slot { lot: 2, ..slot() };
    let mut memory = knows(KeyState::Known, fetched());
    memory.slots.insert(urgent_slot, fetched());
    let work = [item(Role::Replica, LotPhase::Running, Running, Running), urgent];
    let mut case = Case { cores: 3, ..Case::of(memory) };
    let all = [Action::Run(urgent_slot, 4), Action::Run(urgent_slot, 5), Action::Run(slot(), 4)];
    assert_eq!(case.plan(&work), all);
    case.busy.insert(all[0]);
    assert_eq!(case.plan(&work), all[1..]);
    case.busy.extend(all);
    assert_eq!(case.plan(&work), []);
}

#[test]
fn an_action_under_way_or_backing_off_is_not_started_again() {
    let work = [item(Role::Replica, LotPhase::Running, Running, Running)];
    let commit = Action::Commit(slot());
    let mut case = Case::of(knows(KeyState::Known, done()));
    case.busy.insert(commit);
    assert_eq!(case.plan(&work), []);
    case.busy.clear();
    case.memory.retry_at.insert(commit, case.height + 1);
    assert_eq!(case.plan(&work), []);
    case.height += 1;
    assert_eq!(case.plan(&work), [commit]);
}

#[test]
fn a_key_is_shared_with_a_replica_that_lacked_it_for_a_while() {
    let work = [item(Role::Replica, LotPhase::Running, Committed, AwaitingKey)];
    let mut case = Case::of(knows(KeyState::Known, done()));
    case.memory.lacking.insert((JOB, OTHER), 8);
    assert_eq!(case.plan(&work), []);
    case.height = 11;
    assert_eq!(case.plan(&work), [Action::ShareKey(JOB, OTHER)]);
    case.memory.keys.insert(JOB, KeyState::Missing);
    assert_eq!(case.plan(&work), []);
}

#[test]
fn a_dispute_makes_holders_disclose_and_validators_judge() {
    let dispute = |key| DisputeView {
        tasks: vec![5],
        challenger: None,
        key,
        due: DUE,
        committed: Vec::new(),
        revealed: Vec::new(),
    };
    let mut replica = item(Role::Replica, LotPhase::Disclosing, Revealed, Revealed);
    replica.lot.dispute = Some(dispute(None));
    assert_eq!(Case::of(knows(KeyState::Known, done())).plan(&[replica.clone()]), [Action::Disclose(JOB)]);
    assert_eq!(Case::of(knows(KeyState::Missing, done())).plan(&[replica]), []);

    let mut judged = item(Role::Adjudicator, LotPhase::Judging, Revealed, Revealed);
    judged.lot.dispute = Some(dispute(Some(B256::ZERO)));
    let verdict = Slot::of(&judged, Duty::Verdict);
    let with = |state| {
        let mut memory = knows(KeyState::Known, SlotState::default());
        memory.slots.insert(verdict, state);
        Case::of(memory)
    };
    assert_eq!(with(SlotState::default()).plan(&[judged.clone()]), [Action::FetchBlobs(verdict)]);
    assert_eq!(with(fetched()).plan(&[judged.clone()]), [Action::Run(verdict, 5)], "the disputed task alone");
    assert_eq!(with(done()).plan(&[judged.clone()]), [Action::CommitVerdict(verdict)]);
    if let Some(dispute) = &mut judged.lot.dispute {
        dispute.committed.push(ME);
    }
    assert_eq!(with(done()).plan(&[judged.clone()]), []);
    judged.lot.phase = LotPhase::Deciding;
    assert_eq!(with(done()).plan(&[judged.clone()]), [Action::RevealVerdict(verdict)]);
    if let Some(dispute) = &mut judged.lot.dispute {
        dispute.revealed.push(ME);
    }
    assert_eq!(with(done()).plan(&[judged]), []);
}

#[test]
fn a_drawn_witness_attests_once() {
    let mut work = item(Role::Witness, LotPhase::Agreed, Revealed, Revealed);
    work.lot.delivery = Some(DeliveryView { task: 4, witnesses: vec![ME], attested: Vec::new(), due: DUE });
    assert_eq!(Case::of(Memory::default()).plan(&[work.clone()]), [Action::AttestDelivery(JOB, 1)]);
    if let Some(delivery) = &mut work.lot.delivery {
        delivery.attested.push((ME, 1));
    }
    assert_eq!(Case::of(Memory::default()).plan(&[work]), []);
}

#[test]
fn a_job_that_is_over_is_forgotten_when_its_outputs_were_kept_long_enough() {
    let mut memory = Memory::default();
    memory.held.insert(JOB, 10);
    assert_eq!(Case { height: 60, ..Case::of(memory.clone()) }.plan(&[]), []);
    assert_eq!(Case { height: 61, ..Case::of(memory) }.plan(&[]), [Action::Evict(JOB)]);
}

proptest::proptest! {
    /// Whatever was done before a crash, the plan after it leads to the same single commitment: tasks
    /// with a leaf are not run again, and with an opening fixed nothing but that opening is committed.
    #[test]
    fn after_a_crash_at_any_point_the_rest_is_done_and_nothing_twice(first: bool, second: bool, fix: bool, refetched: bool) {
        let mut state = SlotState { fetched: refetched, ..SlotState::default() };
        if first { state.tasks.insert(4, TaskState::Done(leaf(4))); }
        if second { state.tasks.insert(5, TaskState::Done(leaf(5))); }
        let opening = Opening { salt: B256::repeat_byte(7), leaves: vec![leaf(4), leaf(5)] };
        if fix && first && second { state.opening = Some(opening.clone()); }
        let work = [item(Role::Replica, LotPhase::Running, Running, Running)];
        let mut memory = knows(KeyState::Known, state);
        let mut ran = Vec::new();
        for _ in 0..8 {
            let actions = Case::of(memory.clone()).plan(&work);
            if actions == [Action::Commit(slot())] { break; }
            for action in actions {
                let state = memory.slots.get_mut(&slot()).expect("known");
                match action {
                    Action::FetchBlobs(_) => state.fetched = true,
                    Action::Run(_, task) => {
                        ran.push(task);
                        state.tasks.insert(task, TaskState::Done(leaf(task as u8)));
                    }
                    other => panic!("{other:?} has no place here"),
                }
            }
        }
        let state = &memory.slots[&slot()];
        proptest::prop_assert_eq!(leaves_of(state, &[4, 5]), Some(opening.leaves));
        proptest::prop_assert_eq!(ran.contains(&4), !first);
        proptest::prop_assert_eq!(ran.contains(&5), !second);
        proptest::prop_assert_eq!(Case::of(memory.clone()).plan(&work), vec![Action::Commit(slot())]);
    }
}
