//! Proofs of capacity: rounds, answers, what they are worth in the market, and what is refused.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolCall;
use assay_ledger::query;
use assay_proof::capacity::{Draw, Lane, Shape, Task, open, root_of};
use assay_types::{
    Class, GIGAFUEL, GRAINS_PER_KRT, JobSpec, Params,
    abi::{ICapacity, IProviders},
    system::{CAPACITY, PROVIDERS},
    view::{ChallengeView, Lack, LotPhase},
};

use crate::{kit::*, scenario::*};

const LANE: u64 = 10_000;
const NEWCOMER: u64 = 4_000;

/// Small rounds; what a newcomer may have is one lot of one small task.
pub(crate) fn rounds(params: &mut Params) {
    params.capacity_round_blocks = 80;
    params.capacity_answer_blocks = 12;
    params.capacity_open_blocks = 12;
    params.capacity_jail_blocks = 50;
    params.capacity_lane_kib = 16;
    params.capacity_draws = 6;
    params.capacity_lane_units = LANE;
    params.capacity_newcomer_units = 40_000;
}

fn network() -> Net {
    network_with(|_| {})
}

fn network_with(change: impl Fn(&mut Params)) -> Net {
    let mut genesis = genesis();
    rounds(&mut genesis.params);
    genesis.params.capacity_newcomer_units = NEWCOMER;
    change(&mut genesis.params);
    Net::of(&genesis)
}

/// A lot of one task whose cap is 3,000 units, and which burns 2,000.
fn small(replicas: u8) -> JobSpec {
    JobSpec { fuelPerTask: 3 * GIGAFUEL, ..spec(1, 1, replicas) }
}

fn challenge(net: &Net, who: &str) -> ChallengeView {
    net.provider(who).challenge.expect("challenged")
}

/// Up to the height of the next round.
fn next_round(net: &mut Net) {
    let height = (net.height / 80 + 1) * 80;
    net.until(80, |net| net.height == height);
}

pub(crate) fn task_of(who: &str, challenge: &ChallengeView) -> Task {
    let shape = Shape::new(challenge.lane_kib, challenge.passes).expect("a good one");
    Task { shape, chain_id: CHAIN_ID, round: challenge.round, beacon: challenge.beacon, provider: addr(who) }
}

fn fill(task: &Task, lane: u32, keep: &[u32]) -> Lane {
    Lane::fill(task.shape, task.lane_seed(lane), keep, || false).expect("not stopped")
}

pub(crate) fn roots(task: &Task, lanes: u32) -> Vec<B256> {
    (0..lanes).map(|lane| fill(task, lane, &[]).root()).collect()
}

pub(crate) fn answer_call(round: u64, roots: &[B256]) -> ICapacity::answerCall {
    ICapacity::answerCall { round, lanes: roots.len() as u32, root: root_of(roots) }
}

/// Fills and posts; returns the roots.
fn answers(net: &mut Net, who: &str, lanes: u32) -> Vec<B256> {
    let challenge = challenge(net, who);
    let roots = roots(&task_of(who, &challenge), lanes);
    net.ok(who, CAPACITY, 0, answer_call(challenge.round, &roots));
    roots
}

/// What `who` opens, with the lanes as `owner` would fill them.
pub(crate) fn opening(net: &Net, who: &str, owner: &str, roots: &[B256]) -> ICapacity::openCall {
    let challenge = challenge(net, who);
    let lanes = roots.len() as u32;
    let beacon = challenge.drawn.expect("drawn");
    let draws = task_of(who, &challenge).draws(root_of(roots), lanes, beacon, challenge.draws);
    opening_of(&task_of(owner, &challenge), &draws, roots)
}

fn opening_of(task: &Task, draws: &[Draw], roots: &[B256]) -> ICapacity::openCall {
    let keep = |lane| draws.iter().filter(|draw| draw.lane == lane).map(|draw| draw.step).collect::<Vec<_>>();
    let lanes: BTreeMap<u32, Lane> =
        draws.iter().map(|draw| (draw.lane, fill(task, draw.lane, &keep(draw.lane)))).collect();
    let opening = open(task, roots, draws, |lane| lanes.get(&lane)).expect("kept");
    ICapacity::openCall { round: task.round, opening: opening.into() }
}

fn drawn(net: &mut Net, who: &str) {
    net.until(40, |net| challenge(net, who).drawn.is_some());
}

/// A whole honest round of `who`, from its height on.
fn proves(net: &mut Net, who: &str, lanes: u32) {
    let roots = answers(net, who, lanes);
    drawn(net, who);
    let call = opening(net, who, who, &roots);
    net.ok(who, CAPACITY, 0, call);
}

fn figure(net: &Net, who: &str) -> (u64, u32) {
    let provider = net.provider(who);
    (provider.proved_capacity.expect("rounds are on"), provider.missed_rounds)
}

fn over(net: &mut Net, who: &str) {
    net.until(60, |net| net.provider(who).challenge.is_none());
}

fn update(open: bool) -> IProviders::updateCall {
    let ask = IProviders::Ask { open, ..ask(PRICE / 2) };
    IProviders::updateCall { sealingKey: B256::ZERO, endpoint: vec![].into(), ask }
}

#[test]
fn where_there_are_no_rounds_what_is_asked_counts() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    net.pass(300);
    let provider = net.provider("p1");
    assert_eq!((provider.proved_capacity, provider.challenge, provider.missed_rounds), (None, None, 0));
    assert_eq!(query::market_classes(&net.state)[0].capacity, 4_000_000);
    assert_eq!(net.fail("p1", CAPACITY, 0, answer_call(80, &[B256::ZERO])), "NotChallenged");
}

#[test]
fn all_open_providers_are_challenged_at_one_height_and_a_right_answer_counts() {
    let mut net = network();
    net.register_all(&["p1", "p2", "p3", "p4"]);
    net.ok("p4", PROVIDERS, 0, update(false));
    net.pass(3);
    assert!(!assay_ledger::work_pending(&net.state), "nobody waits yet");
    next_round(&mut net);
    let events = net.events::<ICapacity::Challenged>();
    assert_eq!(events.len(), 3, "who is closed is let be");
    assert!(events.iter().all(|event| event.round == 80 && event.answerBy == 92));
    assert!(net.provider("p4").challenge.is_none());
    let seeds: Vec<B256> = ["p1", "p2", "p3"].iter().map(|who| challenge(&net, who).beacon).collect();
    assert_eq!(seeds, [keccak256(80u64.to_be_bytes()); 3]);
    assert!(assay_ledger::work_pending(&net.state), "deadlines are counted in blocks: the chain keeps its pace");
    let answered: Vec<_> = [("p1", 3), ("p2", 1)].map(|(who, lanes)| (who, answers(&mut net, who, lanes))).into();
    drawn(&mut net, "p1");
    assert_eq!(net.height, 92 + 2, "the beacon after the last answer draws");
    for (who, roots) in &answered {
        let call = opening(&net, who, who, roots);
        net.ok(who, CAPACITY, 0, call);
        assert_eq!(net.events::<ICapacity::Proved>().len(), 1);
    }
    assert_eq!(
        (figure(&net, "p1"), figure(&net, "p2"), figure(&net, "p3")),
        ((3 * LANE, 0), (LANE, 0), (NEWCOMER / 2, 1))
    );
    net.pass(1);
    assert_eq!(query::market_classes(&net.state)[0].capacity, 4 * LANE + NEWCOMER / 2);
    net.pass(40);
    assert!(!assay_ledger::work_pending(&net.state));
    assert_eq!(figure(&net, "p1"), (3 * LANE, 0));
    next_round(&mut net);
    assert_eq!(net.events::<ICapacity::Challenged>().len(), 3, "and again");
}

#[test]
fn a_newcomer_has_a_small_allowance_until_its_first_round() {
    let mut net = network_with(|params| params.key_window = 300);
    net.register_all(&["p1"]);
    let first = net.assigned(small(1));
    let second = net.submit(small(1));
    net.pass(4);
    assert!(net.replicas(second, 0).is_empty(), "the allowance is used");
    let why = query::why_waiting(&net.state, second).remove(0);
    assert_eq!(why.asks[0].lacks, [Lack::Capacity { lots: 1, proved: Some(NEWCOMER) }]);
    next_round(&mut net);
    proves(&mut net, "p1", 1);
    net.until(20, |net| net.replicas(second, 0) == ["p1"]);
    assert_eq!(net.provider("p1").busy, 6_000);
    assert!(net.job(first).outcome.is_none());
    // As much as it proved, not what it asks: four million.
    let third = net.submit(JobSpec { fuelPerTask: 4 * GIGAFUEL, ..small(1) });
    let fourth = net.submit(small(1));
    net.pass(12);
    assert_eq!((net.replicas(third, 0).len(), net.replicas(fourth, 0).len()), (1, 0));
}

#[test]
fn memory_counts_as_far_as_lanes_were_proved() {
    let mut net = network_with(|params| params.capacity_lane_mib = 48);
    net.register_all(&["p1"]);
    assert_eq!(net.provider("p1").proved_memory_mib, Some(48), "a begun lane");
    let id = net.submit(JobSpec { memoryMib: 100, ..small(1) });
    net.pass(4);
    let lacks = |net: &Net| query::why_waiting(&net.state, id).remove(0).asks.remove(0).lacks;
    assert_eq!(lacks(&net), [Lack::Memory { by_mib: 52 }]);
    next_round(&mut net);
    proves(&mut net, "p1", 2);
    assert_eq!(lacks(&net), [Lack::Memory { by_mib: 4 }]);
    next_round(&mut net);
    proves(&mut net, "p1", 3);
    net.until(12, |net| net.replicas(id, 0) == ["p1"]);
}

#[test]
fn a_lack_of_room_that_no_proof_would_mend_says_nothing_of_proofs() {
    let mut net = network();
    net.register_all(&["p1"]);
    let ask = IProviders::Ask { maxLots: 1, ..ask(PRICE / 2) };
    net.ok("p1", PROVIDERS, 0, IProviders::updateCall { sealingKey: B256::ZERO, endpoint: vec![].into(), ask });
    net.assigned(small(1));
    let second = net.submit(small(1));
    net.pass(2);
    let why = query::why_waiting(&net.state, second).remove(0);
    assert_eq!(why.asks[0].lacks, [Lack::Capacity { lots: 1, proved: None }]);
}

#[test]
fn misses_halve_and_the_third_in_a_row_jails_without_taking_anything() {
    let mut net = network();
    net.register_all(&["p1"]);
    next_round(&mut net);
    proves(&mut net, "p1", 4);
    let before = (net.books().burned, net.provider("p1").collateral);
    for (missed, left) in [(1, 2 * LANE), (2, LANE), (3, LANE / 2)] {
        next_round(&mut net);
        over(&mut net, "p1");
        let event = net.events::<ICapacity::Missed>().remove(0);
        assert_eq!((event.inARow, event.proved, event.jailedUntil > 0), (missed, left, missed == 3));
        assert_eq!(figure(&net, "p1"), (left, missed));
    }
    assert_eq!((net.books().burned, net.provider("p1").collateral), before);
    assert_eq!((net.provider("p1").slashed, net.provider("p1").faults), (0, 0));
    let until = net.provider("p1").suspended_until;
    assert_eq!(until, net.height + 50);
    let id = net.submit(small(1));
    net.until(60, |net| net.height == until - 2);
    assert!(net.replicas(id, 0).is_empty(), "jailed");
    net.until(12, |net| net.replicas(id, 0) == ["p1"]);
    // One right answer and it is as good as any.
    next_round(&mut net);
    proves(&mut net, "p1", 4);
    assert_eq!(figure(&net, "p1"), (4 * LANE, 0));
}

#[test]
fn a_figure_of_nothing_is_still_missed() {
    let mut net = network_with(|params| params.capacity_newcomer_units = 1);
    net.register_all(&["p1"]);
    for missed in 1..=4 {
        next_round(&mut net);
        over(&mut net, "p1");
        assert_eq!(figure(&net, "p1"), (0, missed));
    }
}

/// One job of two replicas after the other; each provider is paid for 2,000 units and a little.
fn busy(net: &mut Net, replicas: u8, jobs: usize) {
    for _ in 0..jobs {
        let id = net.assigned(small(replicas));
        net.deliver_keys(id);
        net.perform(id, 0, honest);
        net.until(12, |net| net.job(id).outcome.is_some());
    }
}

#[test]
fn a_provider_that_delivered_as_much_checked_fuel_may_skip_and_keeps_its_figure() {
    let mut net = network();
    net.register_all(&["p1", "p2"]);
    busy(&mut net, 2, 2);
    next_round(&mut net);
    over(&mut net, "p1");
    assert_eq!(net.events::<ICapacity::Covered>().len(), 2);
    assert_eq!((figure(&net, "p1"), figure(&net, "p2")), ((NEWCOMER, 0), (NEWCOMER, 0)));
    // What was delivered counts once, and half of it keeps half.
    busy(&mut net, 2, 1);
    next_round(&mut net);
    over(&mut net, "p1");
    assert_eq!(figure(&net, "p1"), (2_000, 1));
}

#[test]
fn fuel_that_nobody_checked_proves_nothing() {
    let mut net = network();
    net.register_all(&["p1"]);
    busy(&mut net, 1, 3);
    assert_eq!(net.provider("p1").lots_settled, 3);
    next_round(&mut net);
    over(&mut net, "p1");
    assert_eq!(figure(&net, "p1"), (NEWCOMER / 2, 1));
}

#[test]
fn audited_lots_that_stood_count() {
    for (chance, expected) in [(10_000, (NEWCOMER, 0)), (500, (NEWCOMER / 2, 1))] {
        let mut net = network_with(|params| params.forced_error_bps = 0);
        net.register_all(&["p1"]);
        for _ in 0..2 {
            let id = net.assigned(JobSpec { auditBps: chance, auditDraws: 4, auditors: 1, ..small(1) });
            net.deliver_keys(id);
            let leaves = [truth(0)];
            let call = with_bill(net.commit_call(id, 0, "p1", &leaves), &leaves);
            net.ok("p1", assay_types::system::JOBS, 0, call);
            net.until(8, |net| net.lot(id, 0).phase == LotPhase::Revealing);
            net.reveal(id, 0, "p1", &leaves);
            if chance == 10_000 {
                net.disclose(id);
                net.judge(id, 0, right);
            }
            net.until(12, |net| net.job(id).outcome.is_some());
        }
        next_round(&mut net);
        over(&mut net, "p1");
        assert_eq!(figure(&net, "p1"), expected, "chance {chance}");
    }
}

#[test]
fn deliveries_keep_a_figure_up_and_never_raise_it() {
    let mut net = network();
    net.register_all(&["p1", "p2"]);
    busy(&mut net, 2, 4);
    next_round(&mut net);
    over(&mut net, "p1");
    assert_eq!(figure(&net, "p1"), (NEWCOMER, 0), "8,000 delivered");
    next_round(&mut net);
    proves(&mut net, "p1", 1);
    assert_eq!(figure(&net, "p1"), (LANE, 0));
}

#[test]
fn two_providers_cannot_share_one_answer() {
    let mut net = network();
    net.register_all(&["p1", "p2"]);
    next_round(&mut net);
    let roots = answers(&mut net, "p1", 2);
    let round = challenge(&net, "p2").round;
    net.ok("p2", CAPACITY, 0, answer_call(round, &roots));
    drawn(&mut net, "p2");
    let own = opening(&net, "p1", "p1", &roots);
    // What p1 opens, and what p1 would have to open for p2's draws: neither is p2's task.
    let mut refused = vec![net.fail("p2", CAPACITY, 0, own.clone())];
    let call = opening(&net, "p2", "p1", &roots);
    refused.push(net.fail("p2", CAPACITY, 0, call));
    assert!(refused.iter().all(|name| ["OpeningBlock", "OpeningLength", "OpeningLane"].contains(&name.as_str())));
    assert_eq!(refused[1], "OpeningBlock");
    net.ok("p1", CAPACITY, 0, own);
    over(&mut net, "p2");
    assert_eq!((figure(&net, "p1"), figure(&net, "p2")), ((2 * LANE, 0), (NEWCOMER / 2, 1)));
}

#[test]
fn lanes_that_were_not_filled_cost_the_figure() {
    let mut net = network_with(|params| params.capacity_draws = 20);
    net.register_all(&["p1"]);
    next_round(&mut net);
    proves(&mut net, "p1", 2);
    next_round(&mut net);
    let challenge = challenge(&net, "p1");
    let mut roots = roots(&task_of("p1", &challenge), 2);
    roots.extend([B256::repeat_byte(1), B256::repeat_byte(2)]);
    net.ok("p1", CAPACITY, 0, answer_call(challenge.round, &roots));
    drawn(&mut net, "p1");
    let call = opening(&net, "p1", "p1", &roots);
    assert_eq!(net.fail("p1", CAPACITY, 0, call), "OpeningBlock");
    over(&mut net, "p1");
    assert_eq!(figure(&net, "p1"), (LANE, 1));
}

#[test]
fn what_is_early_late_twice_damaged_or_of_another_round_is_refused() {
    let mut net = network();
    net.register_all(&["p1", "p2"]);
    let none = ICapacity::openCall { round: 80, opening: vec![].into() };
    assert_eq!(net.fail("p1", CAPACITY, 0, answer_call(80, &[B256::ZERO])), "NotChallenged");
    next_round(&mut net);
    assert_eq!(net.fail("stranger", CAPACITY, 0, answer_call(80, &[B256::ZERO])), "NotChallenged");
    assert_eq!(net.fail("p1", CAPACITY, 0, answer_call(79, &[B256::ZERO])), "NotChallenged");
    assert_eq!(net.fail("p1", CAPACITY, 1, answer_call(80, &[B256::ZERO])), "NotPayable");
    assert_eq!(net.fail("p1", CAPACITY, 0, answer_call(80, &[])), "LaneCount");
    assert_eq!(net.fail("p1", CAPACITY, 0, answer_call(80, &[B256::ZERO; 257])), "LaneCount");
    assert_eq!(net.fail("p1", CAPACITY, 0, none.clone()), "NotAnswered");
    let roots = answers(&mut net, "p1", 2);
    assert_eq!(net.fail("p1", CAPACITY, 0, answer_call(80, &roots)), "AlreadyAnswered");
    assert_eq!(net.fail("p1", CAPACITY, 0, none.clone()), "NotDrawn");
    drawn(&mut net, "p1");
    assert_eq!(net.fail("p2", CAPACITY, 0, answer_call(80, &roots)), "NotChallenged", "its time is over");
    assert_eq!(net.fail("p1", CAPACITY, 0, none), "OpeningLength");
    let right = opening(&net, "p1", "p1", &roots);
    for (at, name) in [(0, "OpeningLane"), (right.opening.len() - 1, "OpeningBlock")] {
        let mut bytes = right.opening.to_vec();
        bytes[at] ^= 1;
        let call = ICapacity::openCall { round: 80, opening: bytes.into() };
        assert_eq!(net.fail("p1", CAPACITY, 0, call), name);
    }
    net.ok("p1", CAPACITY, 0, right.clone());
    assert_eq!(net.fail("p1", CAPACITY, 0, right.clone()), "NotChallenged");
    // The next round takes nothing of the last.
    next_round(&mut net);
    assert_eq!(net.fail("p1", CAPACITY, 0, answer_call(80, &roots)), "NotChallenged");
    net.ok("p1", CAPACITY, 0, answer_call(160, &roots));
    drawn(&mut net, "p1");
    assert_eq!(net.fail("p1", CAPACITY, 0, right), "NotChallenged");
    let old = Task { round: 80, beacon: keccak256(80u64.to_be_bytes()), ..task_of("p1", &challenge(&net, "p1")) };
    let now = challenge(&net, "p1");
    let draws = task_of("p1", &now).draws(root_of(&roots), 2, now.drawn.expect("drawn"), now.draws);
    let call = ICapacity::openCall { round: 160, ..opening_of(&old, &draws, &roots) };
    assert_eq!(net.fail("p1", CAPACITY, 0, call), "OpeningBlock");
    let late = opening(&net, "p1", "p1", &roots);
    over(&mut net, "p1");
    assert_eq!(net.fail("p1", CAPACITY, 0, late), "NotChallenged");
    assert_eq!(figure(&net, "p1"), (LANE, 1));
}

#[test]
fn who_was_closed_while_others_were_challenged_is_a_newcomer_again() {
    let mut net = network();
    net.register_all(&["p1", "p2"]);
    next_round(&mut net);
    proves(&mut net, "p1", 4);
    // Closed and opened again between two rounds: nothing was dodged.
    net.ok("p1", PROVIDERS, 0, update(false));
    net.ok("p1", PROVIDERS, 0, update(true));
    assert_eq!(figure(&net, "p1").0, 4 * LANE);
    net.ok("p1", PROVIDERS, 0, update(false));
    next_round(&mut net);
    assert!(net.provider("p1").challenge.is_none());
    net.ok("p1", PROVIDERS, 0, update(true));
    assert_eq!(figure(&net, "p1"), (NEWCOMER, 0));
}

#[test]
fn an_ask_closed_after_the_challenge_does_not_take_it_back() {
    let mut net = network();
    net.register_all(&["p1"]);
    next_round(&mut net);
    net.ok("p1", PROVIDERS, 0, update(false));
    over(&mut net, "p1");
    assert_eq!(figure(&net, "p1"), (NEWCOMER / 2, 1));
}

#[test]
fn more_providers_than_a_cohort_follow_block_by_block() {
    let mut net = network_with(|params| params.capacity_cohort = 3);
    net.register_all(&["p1", "p2", "p3", "p4"]);
    next_round(&mut net);
    assert_eq!(net.events::<ICapacity::Challenged>().len(), 3);
    net.pass(1);
    let last = net.events::<ICapacity::Challenged>();
    assert_eq!(last.iter().map(|event| event.round).collect::<Vec<_>>(), [81]);
    net.pass(1);
    assert!(net.events::<ICapacity::Challenged>().is_empty());
    for who in ["p1", "p2", "p3", "p4"] {
        over(&mut net, who);
        assert_eq!(figure(&net, who), (NEWCOMER / 2, 1));
    }
}

#[test]
fn classes_are_challenged_at_one_height_and_to_move_between_them_is_to_be_new() {
    let other = Class { id: 2, name: "v4".into(), cpu: "x86-64-v4".into(), ..Class::any_cpu(PRICE / 2) };
    let mut net = network_with(|params| {
        params.classes.push(other.clone());
        params.capacity_cohort = 1;
    });
    net.register_all(&["p1", "p2", "p3"]);
    let moved = |class| IProviders::updateCall {
        sealingKey: B256::ZERO,
        endpoint: vec![].into(),
        ask: IProviders::Ask { class, ..ask(PRICE / 2) },
    };
    let last = ["p1", "p2", "p3"].into_iter().max_by_key(|who| addr(who)).expect("three");
    net.ok(last, PROVIDERS, 0, moved(2));
    next_round(&mut net);
    let first: Vec<String> =
        net.events::<ICapacity::Challenged>().iter().map(|event| name_of(event.provider)).collect();
    assert_eq!(first.len(), 2, "one of each class");
    assert!(first.contains(&last.to_owned()), "{first:?}");
    proves(&mut net, last, 2);
    net.ok(last, PROVIDERS, 0, moved(1));
    assert_eq!(figure(&net, last), (2 * LANE, 0), "within the round it proved that in");
    next_round(&mut net);
    net.pass(1);
    // Two of its class were challenged, it would be next; all of the other class were.
    net.ok(last, PROVIDERS, 0, moved(2));
    net.pass(1);
    assert!(net.provider(last).challenge.is_none());
    assert_eq!(figure(&net, last), (NEWCOMER, 0), "nothing is won by that");
}

#[test]
fn a_crowded_schedule_delays_rounds_and_loses_none() {
    let mut net = network_with(|params| params.max_due_per_block = 1);
    net.register_all(&["p1", "p2", "p3", "p4"]);
    net.pass(400);
    for who in ["p1", "p2", "p3", "p4"] {
        let (proved, missed) = figure(&net, who);
        assert!(missed >= 3 && proved == NEWCOMER >> missed, "{who}: {proved} {missed}");
    }
}

#[test]
fn a_standing_is_told() {
    let mut net = network();
    net.register_all(&["p1"]);
    let standing = |net: &Net, who: &str| {
        let call = ICapacity::standingCall { provider: addr(who) };
        let answer = assay_ledger::call(&net.state, &net.context(), CAPACITY, Address::ZERO, 0, &call.abi_encode());
        answer.map(|bytes| ICapacity::standingCall::abi_decode_returns(&bytes).expect("decodes"))
    };
    next_round(&mut net);
    let told = standing(&net, "p1").expect("known");
    assert_eq!((told.advertised, told.proved, told.effective), (4_000_000, NEWCOMER, NEWCOMER));
    assert_eq!((told.missed, told.round, told.effectiveMib), (0, 80, 1_024));
    assert!(standing(&net, "p2").is_err());
    assert_eq!(GRAINS_PER_KRT * 100, net.provider("p1").collateral);
}
