//! Proposals of each kind from deposit to execution, each way they end, each way they are refused.

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall;
use assay_ledger::{BlockBuilder, BrokenInvariant, Failure, call, latest, query};
use assay_types::{
    Class, GRAINS_PER_KRT, Genesis, GenesisValidator, Params, Tier, Unit,
    abi::{
        IClaims,
        IGovernance::{self, About},
        IJobs, IStaking,
    },
    system::{CLAIMS, GOVERNANCE, JOBS, MARKET, STAKING},
    view::{ActionView, ProposalStatus, ProposalView},
};

use crate::{kit::*, market::place, scenario::*};

const KRT: u128 = GRAINS_PER_KRT;
/// Twenty blocks of the kit, a second each.
const STAGE: u64 = 20;

pub(crate) fn governed(params: Params) -> Params {
    Params { gov_min_deposit: 100 * KRT, gov_deposit_ms: 1_000, gov_voting_ms: 1_000, gov_timelock_ms: 1_000, ..params }
}

fn net() -> Net {
    Net::of(&Genesis { params: governed(params()), ..genesis() })
}

pub(crate) fn about(title: &str) -> About {
    About { title: title.into(), textHash: B256::repeat_byte(7), uri: "ipfs://text".into() }
}

pub(crate) fn changing(changes: &str) -> IGovernance::proposeParamsCall {
    IGovernance::proposeParamsCall { about: about("change"), changes: changes.into() }
}

fn one_task_more() -> IGovernance::proposeParamsCall {
    changing(r#"{"max_tasks": 7}"#)
}

fn payment(amount: u128) -> IGovernance::proposePaymentCall {
    IGovernance::proposePaymentCall { about: about("pay"), to: addr("p4"), amount }
}

fn upgrade(name: &str, height: u64, version: u32) -> IGovernance::proposeUpgradeCall {
    IGovernance::proposeUpgradeCall { about: about("upgrade"), name: name.into(), height, protocolVersion: version }
}

impl Net {
    /// Proposes with the whole deposit; the number.
    fn propose(&mut self, who: &str, call: impl SolCall) -> u64 {
        self.ok(who, GOVERNANCE, 1_000 * KRT / 2, call);
        query::proposals(&self.state, 1)[0].id
    }

    fn vote(&mut self, who: &str, id: u64, option: u8) {
        self.ok(who, GOVERNANCE, 0, IGovernance::voteCall { id, option });
    }

    fn proposal(&self, id: u64) -> ProposalView {
        query::proposal(&self.state, id).expect("proposed")
    }

    fn stands(&self, id: u64) -> ProposalStatus {
        self.proposal(id).status
    }

    pub(crate) fn until_stands(&mut self, id: u64, status: ProposalStatus) {
        self.until(3 * STAGE, |net| net.stands(id) == status);
    }

    /// Voted for by three of four.
    fn accepted(&mut self, call: impl SolCall) -> u64 {
        let id = self.propose("stranger", call);
        ["v1", "v2", "v3"].into_iter().for_each(|who| self.vote(who, id, 1));
        self.until_stands(id, ProposalStatus::Queued);
        id
    }

    fn carried_out(&mut self, call: impl SolCall) -> u64 {
        let id = self.accepted(call);
        self.until_stands(id, ProposalStatus::Executed);
        id
    }

    /// Accepted, and failed with this.
    fn fails(&mut self, call: impl SolCall, name: &str) {
        let id = self.accepted(call);
        let before = query::params(&self.state);
        self.until_stands(id, ProposalStatus::Failed);
        assert_eq!(self.proposal(id).failure.map(|failure| failure.name).as_deref(), Some(name));
        assert_eq!(query::params(&self.state), before, "nothing was changed");
    }

    fn params(&self) -> Params {
        query::params(&self.state).expect("a genesis")
    }

    fn view<C: SolCall>(&self, input: C) -> C::Return {
        let ctx = latest(&self.state, &HashCrypto).expect("a tip");
        let bytes = call(&self.state, &ctx, GOVERNANCE, addr("v1"), 0, &input.abi_encode()).expect("an answer");
        C::abi_decode_returns(&bytes).expect("of that shape")
    }
}

#[test]
fn a_parameter_change_takes_deposits_votes_a_timelock_and_then_holds() {
    let mut net = net();
    let before = (net.balance("stranger"), net.balance("renter"));
    net.ok("stranger", GOVERNANCE, 10 * KRT, one_task_more());
    let id = 1;
    let open = net.proposal(id);
    assert_eq!((open.status, open.deposit, open.missing), (ProposalStatus::Depositing, 10 * KRT, 90 * KRT));
    assert_eq!(open.until_ms, net.time_ms + 1_000);
    assert_eq!(open.action, ActionView::Params { changes: r#"{"max_tasks": 7}"#.into() });
    assert_eq!(net.fail("v1", GOVERNANCE, 0, IGovernance::voteCall { id, option: 1 }), "NotVoting");
    // What is sent beyond what is missing never leaves the sender.
    net.ok("renter", GOVERNANCE, 500 * KRT, IGovernance::depositCall { id });
    assert_eq!((net.stands(id), net.proposal(id).deposit), (ProposalStatus::Voting, 100 * KRT));
    assert!(before.1 - net.balance("renter") < 91 * KRT);
    assert_eq!(net.books().escrow, 100 * KRT);
    assert_eq!(net.fail("renter", GOVERNANCE, 9 * KRT, IGovernance::depositCall { id }), "NotDepositing");
    net.vote("v1", id, 1);
    net.vote("v2", id, 2);
    let so_far = net.proposal(id).tally.expect("voting");
    assert_eq!((so_far.yes, so_far.no, so_far.bonded), (100 * KRT, 100 * KRT, 400 * KRT));
    net.ok("v2", GOVERNANCE, 0, IGovernance::voteWeightedCall { id, yes: 7_500, no: 0, abstain: 2_500, noWithVeto: 0 });
    assert_eq!(net.proposal(id).votes, 2, "the last vote counts");
    net.until_stands(id, ProposalStatus::Queued);
    let tally = net.proposal(id).tally.expect("counted");
    assert_eq!((tally.yes, tally.no, tally.abstain, tally.turnout), (175 * KRT, 0, 25 * KRT, 200 * KRT));
    assert_eq!(net.params().max_tasks, 1_024, "the timelock runs");
    assert_eq!(net.books().escrow, 0, "deposits are back");
    let fees = KRT / 100;
    assert!(before.0 - net.balance("stranger") < fees && before.1 - net.balance("renter") < fees);
    net.until_stands(id, ProposalStatus::Executed);
    assert_eq!(net.params().max_tasks, 7);
    assert_eq!(net.events::<IGovernance::ParamsChanged>()[0].changes, r#"{"max_tasks": 7}"#);
    net.register_all(&["p1", "p2"]);
    let large = spec(8, 1, 1);
    let escrow = large.escrow().expect("fits");
    assert_eq!(net.fail("renter", JOBS, escrow, IJobs::submitCall { spec: large }), "SpecTooManyTasks");
    let answer = net.view(IGovernance::proposalCall { id });
    assert_eq!((answer.status, answer.kind, answer.yes), (4, 2, 175 * KRT));
}

#[test]
fn what_cannot_be_proposed_is_refused_and_costs_no_deposit() {
    let mut net = net();
    let mut refused = |call: Vec<u8>, name: &str| {
        let before = net.balance("stranger");
        let tx = net.tx("stranger", GOVERNANCE, 500 * KRT, call);
        let receipt = net.run(&[tx]).remove(0).expect("in the block");
        assert_eq!(outcome(&receipt), name);
        assert!(before - net.balance("stranger") < KRT / 100, "only the fee");
        assert!(query::proposals(&net.state, 9).is_empty());
    };
    for (changes, name) in [
        ("[1]", "ParamsMalformed"),
        (r#"{"max_tasks": 1, "max_tasks": 2}"#, "ParamsMalformed"),
        (r#"{"colour": 1}"#, "ParamUnknown"),
        (r#"{"max_tasks": "1"}"#, "ParamValue"),
        (r#"{"max_tasks": 1.5}"#, "ParamValue"),
        (r#"{"max_tasks": 4294967296}"#, "ParamValue"),
        (r#"{"max_tasks": 0}"#, "ParamBounds"),
        (r#"{"gov_quorum_bps": 10001}"#, "ParamBounds"),
        (r#"{"claim_initial_bps": 1}"#, "ParamBounds"),
        (r#"{"epoch_blocks": 100}"#, "ParamFixed"),
        (r#"{"claim_window_blocks": 100}"#, "ParamFixed"),
        (r#"{"validator_epoch_blocks": 100}"#, "ParamFixed"),
        (r#"{"classes": []}"#, "ParamOwnKind"),
        (r#"{"max_tasks": 1024}"#, "ParamsSame"),
        ("{}", "ParamsSame"),
    ] {
        refused(changing(changes).abi_encode(), name);
    }
    refused(changing(&format!("{{\"max_tasks\": {}7}}", " ".repeat(4_096))).abi_encode(), "ParamsMalformed");
    let text = |about| IGovernance::proposeTextCall { about }.abi_encode();
    refused(text(about("")), "ProposalText");
    refused(text(about(&"x".repeat(129))), "ProposalText");
    refused(text(about("a\u{1b}[2Jb")), "ProposalText");
    refused(text(About { uri: "x".repeat(257), ..about("t") }), "ProposalText");
    let class = |class: &Class| {
        let class = serde_json::to_string(class).expect("plain data");
        IGovernance::proposeClassCall { about: about("class"), class }.abi_encode()
    };
    let metered = Class { id: 2, name: "served".into(), unit: Unit::Gib, tier: Tier::Metered, ..Class::any_cpu(1_000) };
    refused(IGovernance::proposeClassCall { about: about("c"), class: "{}".into() }.abi_encode(), "ClassInvalid");
    refused(class(&Class { retired: true, ..metered.clone() }), "ClassInvalid");
    refused(class(&Class { tick: 0, ..metered.clone() }), "ClassInvalid");
    refused(class(&Class { id: 1, ..metered.clone() }), "ClassTaken");
    refused(class(&Class { name: "cpu".into(), ..metered.clone() }), "ClassTaken");
    refused(class(&Class { id: 2, name: "west".into(), region: "eu".into(), ..Class::any_cpu(9) }), "ClassSplits");
    refused(IGovernance::proposeRetireClassCall { about: about("r"), class: 9 }.abi_encode(), "UnknownClass");
    let pay = |to, amount| IGovernance::proposePaymentCall { about: about("p"), to, amount }.abi_encode();
    refused(pay(Address::ZERO, 1), "PaymentInvalid");
    refused(pay(MARKET, 1), "PaymentInvalid");
    refused(pay(addr("p1"), 0), "PaymentInvalid");
    let runtime = |runtime, active| IGovernance::proposeRuntimeCall { about: about("r"), runtime, active }.abi_encode();
    refused(runtime(RUNTIME, true), "RuntimeStands");
    refused(runtime(RUNTIME, false), "RuntimeStands");
    refused(runtime(B256::ZERO, false), "RuntimeStands");
    refused(upgrade("", 900, 2).abi_encode(), "UpgradeInvalid");
    refused(upgrade(&"x".repeat(33), 900, 2).abi_encode(), "UpgradeInvalid");
    refused(upgrade("same", 900, 1).abi_encode(), "UpgradeInvalid");
    refused(upgrade("late", 3, 2).abi_encode(), "UpgradePast");
    refused(upgrade("none", 0, 0).abi_encode(), "UpgradeNone");
    assert_eq!(net.fail("stranger", GOVERNANCE, 10 * KRT - 1, one_task_more()), "DepositTooSmall");
    assert_eq!(net.fail("stranger", GOVERNANCE, 0, IGovernance::depositCall { id: 1 }), "UnknownProposal");
    assert_eq!(net.fail("v1", GOVERNANCE, 0, IGovernance::voteCall { id: 1, option: 1 }), "UnknownProposal");
    assert_eq!(net.view(IGovernance::proposalCall { id: 1 }).status, 0);
    let problem = |changes: &str| net.view(IGovernance::checkParamsCall { changes: changes.into() });
    assert_eq!(problem(r#"{"max_tasks": 7}"#), "");
    assert_eq!(problem(r#"{"max_tasks": 0}"#), "parameter max_tasks is out of bounds");
    assert_eq!(problem(r#"{"colour": 0}"#), "there is no parameter colour");
}

#[test]
fn votes_are_refused_from_who_has_no_stake_and_where_they_make_no_sense() {
    let mut net = net();
    let id = net.propose("stranger", one_task_more());
    assert_eq!(net.fail("renter", GOVERNANCE, 0, IGovernance::voteCall { id, option: 1 }), "NoStake");
    for option in [0, 5] {
        assert_eq!(net.fail("v1", GOVERNANCE, 0, IGovernance::voteCall { id, option }), "BadVote");
    }
    let weights = |yes, no| IGovernance::voteWeightedCall { id, yes, no, abstain: 0, noWithVeto: 0 };
    assert_eq!(net.fail("v1", GOVERNANCE, 0, weights(5_000, 4_999)), "BadVote");
    assert_eq!(net.fail("v1", GOVERNANCE, 0, weights(u16::MAX, u16::MAX)), "BadVote");
    assert_eq!(net.fail("v1", GOVERNANCE, 1, weights(5_000, 5_000)), "NotPayable");
    assert_eq!(net.fail("v1", GOVERNANCE, 0, IGovernance::cancelCall { id }), "NotProposer");
    assert_eq!(net.fail("stranger", GOVERNANCE, 0, IGovernance::cancelCall { id }), "NotDepositing");
    assert_eq!(net.proposal(id).votes, 0);
    // The block in which voting ends takes no votes any more.
    net.until(STAGE + 1, |net| net.time_ms + 50 >= net.proposal(id).until_ms);
    assert_eq!(net.fail("v1", GOVERNANCE, 0, IGovernance::voteCall { id, option: 1 }), "NotVoting");
    assert_eq!(net.stands(id), ProposalStatus::NoQuorum);
}

#[test]
fn quorum_threshold_and_veto_decide_and_only_a_veto_costs_the_deposit() {
    for (votes, ends, back) in [
        (&[1][..], ProposalStatus::NoQuorum, true),
        (&[1, 3], ProposalStatus::Queued, true),
        (&[3, 3, 3, 3], ProposalStatus::Rejected, true),
        (&[1, 2], ProposalStatus::Rejected, true),
        (&[1, 1, 2], ProposalStatus::Queued, true),
        (&[1, 1, 1, 4], ProposalStatus::Queued, true),
        (&[1, 1, 4, 4], ProposalStatus::Vetoed, false),
        (&[2, 4], ProposalStatus::Vetoed, false),
        (&[], ProposalStatus::NoQuorum, true),
    ] {
        let mut net = net();
        let before = net.balance("stranger");
        let id = net.propose("stranger", one_task_more());
        for (voter, option) in votes.iter().enumerate() {
            net.vote(["v1", "v2", "v3", "v4"][voter], id, *option);
        }
        let burned = net.books().burned;
        net.until(STAGE + 2, |net| net.stands(id) != ProposalStatus::Voting);
        assert_eq!(net.stands(id), ends, "{votes:?}");
        let lost = before - net.balance("stranger");
        let expected = if back { 0 } else { 100 * KRT };
        assert!(lost >= expected && lost < expected + KRT / 100, "{votes:?}: {lost}");
        assert_eq!(net.books().burned - burned, expected);
        assert_eq!(net.books().escrow, 0);
        let event = &net.events::<IGovernance::Tallied>()[0];
        assert_eq!((event.id, event.status, event.bonded), (id, ends as u8, 400 * KRT));
        net.pass(STAGE + 1);
        assert_eq!(net.params().max_tasks == 7, ends == ProposalStatus::Queued, "{votes:?}");
        assert!(query::votes(&net.state, id, 9).is_empty(), "votes are forgotten");
    }
}

#[test]
fn a_proposal_without_its_deposit_lapses_and_everybody_is_paid_back() {
    let mut net = net();
    let before = (net.balance("stranger"), net.balance("renter"));
    net.ok("stranger", GOVERNANCE, 10 * KRT, one_task_more());
    net.ok("renter", GOVERNANCE, 40 * KRT, IGovernance::depositCall { id: 1 });
    assert_eq!(net.fail("p1", GOVERNANCE, 9 * KRT, IGovernance::depositCall { id: 1 }), "DepositTooSmall");
    net.until_stands(1, ProposalStatus::Lapsed);
    assert!(before.0 - net.balance("stranger") < KRT / 100 && before.1 - net.balance("renter") < KRT / 100);
    assert_eq!((net.books().escrow, net.events::<IGovernance::DepositReturned>().len()), (0, 2));
    assert_eq!(net.fail("p1", GOVERNANCE, 9 * KRT, IGovernance::depositCall { id: 1 }), "NotDepositing");
    assert_eq!(net.proposal(1).tally, None);
}

#[test]
fn a_proposer_may_cancel_before_the_vote_and_half_of_the_deposits_burns() {
    let mut net = net();
    let before = (net.balance("stranger"), net.balance("renter"));
    net.ok("stranger", GOVERNANCE, 10 * KRT + 1, one_task_more());
    net.ok("renter", GOVERNANCE, 40 * KRT, IGovernance::depositCall { id: 1 });
    let burned = net.books().burned;
    let receipt = net.ok("stranger", GOVERNANCE, 0, IGovernance::cancelCall { id: 1 });
    let fee = u128::from(receipt.gas_used) * net.last.as_ref().expect("a block").base_fee;
    assert_eq!(net.books().burned - burned - fee, 25 * KRT + 1, "rounded up");
    assert_eq!((net.stands(1), net.books().escrow), (ProposalStatus::Cancelled, 0));
    assert!(before.1 - net.balance("renter") - 20 * KRT < KRT / 100);
    net.pass(2 * STAGE);
    assert_eq!(net.stands(1), ProposalStatus::Cancelled);
    assert!(before.0 - net.balance("stranger") < 6 * KRT);
}

#[test]
fn open_proposals_are_bounded_and_a_closed_one_makes_room() {
    let params = Params { gov_max_open: 2, ..governed(params()) };
    let mut net = Net::of(&Genesis { params, ..genesis() });
    let text = || IGovernance::proposeTextCall { about: about("text") };
    net.ok("stranger", GOVERNANCE, 10 * KRT, text());
    let second = net.propose("renter", text());
    assert_eq!(net.fail("p1", GOVERNANCE, 10 * KRT, text()), "TooManyProposals");
    net.ok("stranger", GOVERNANCE, 0, IGovernance::cancelCall { id: 1 });
    net.ok("p1", GOVERNANCE, 10 * KRT, text());
    ["v1", "v2", "v3"].into_iter().for_each(|who| net.vote(who, second, 1));
    net.until_stands(second, ProposalStatus::Executed);
    net.until_stands(3, ProposalStatus::Lapsed);
    let listed: Vec<_> = query::proposals(&net.state, 2).iter().map(|one| one.id).collect();
    assert_eq!(listed, [3, 2], "the latest first");
}

#[test]
fn votes_that_end_together_are_counted_one_a_block() {
    let mut net = net();
    let all = ["p1", "p2", "p3"].map(|who| net.tx(who, GOVERNANCE, 100 * KRT, one_task_more().abi_encode()));
    assert!(net.run(&all).iter().all(|one| one.as_ref().is_ok_and(|receipt| receipt.failure.is_none())));
    net.until(STAGE + 1, |net| net.stands(1) == ProposalStatus::NoQuorum);
    assert_eq!((net.stands(2), net.stands(3)), (ProposalStatus::Voting, ProposalStatus::Voting));
    assert_eq!(net.fail("v1", GOVERNANCE, 0, IGovernance::voteCall { id: 3, option: 1 }), "NotVoting");
    assert_eq!((net.stands(2), net.stands(3)), (ProposalStatus::NoQuorum, ProposalStatus::Voting));
    net.pass(1);
    assert_eq!(net.stands(3), ProposalStatus::NoQuorum);
}

#[test]
fn of_more_votes_than_are_counted_those_of_most_stake_stay() {
    let names: Vec<String> = (1..=18).map(|number| format!("voter {number}")).collect();
    let mut genesis = Genesis { params: Params { gov_max_votes: 16, ..governed(params()) }, ..genesis() };
    for (at, name) in names.iter().enumerate() {
        let number = u8::try_from(at).expect("few") + 50;
        genesis.accounts.push(assay_types::GenesisAccount { address: addr(name), balance: 10 * KRT });
        genesis.validators.push(GenesisValidator {
            account: addr(name),
            stake: (at as u128 + 1) * KRT,
            network_key: B256::repeat_byte(number),
            vote_key: vec![number; 48].into(),
            proof_of_possession: vec![number; 96].into(),
            address: "127.0.0.1:1".into(),
            commission_bps: 0,
        });
    }
    let mut net = Net::of(&genesis);
    let id = net.propose("stranger", one_task_more());
    for name in names.iter().take(16) {
        net.vote(name, id, 2);
    }
    net.vote(&names[17], id, 1);
    assert_eq!(net.events::<IGovernance::VoteDropped>()[0].voter, addr(&names[0]), "the smallest made room");
    assert_eq!(net.fail(&names[0], GOVERNANCE, 0, IGovernance::voteCall { id, option: 1 }), "VoteTooSmall");
    net.vote(&names[5], id, 1);
    let proposal = net.proposal(id);
    let tally = proposal.tally.expect("voting");
    assert_eq!(
        (proposal.votes, tally.yes, tally.no),
        (16, (18 + 6) * KRT, (2 + 3 + 4 + 5) * KRT + (7..=16).sum::<u128>() * KRT)
    );
    assert_eq!(query::votes(&net.state, id, 99).len(), 16);
}

#[test]
fn a_delegator_s_vote_takes_its_stake_off_its_validator_s_and_stake_counts_where_it_is_at_the_end() {
    let mut net = net();
    let delegate = |validator, amount| (IStaking::delegateCall { validator: addr(validator) }, amount);
    for (who, validator, amount) in [("renter", "v1", 60), ("renter", "v2", 40), ("p1", "v1", 40)] {
        let (call, amount) = delegate(validator, amount * KRT);
        net.ok(who, STAKING, amount, call);
    }
    let id = net.propose("stranger", one_task_more());
    let tally = |net: &Net| {
        let tally = net.proposal(id).tally.expect("counted");
        assert_eq!(tally.turnout, tally.yes + tally.no + tally.abstain + tally.no_with_veto);
        (tally.yes / KRT, tally.no / KRT, tally.abstain / KRT, tally.bonded / KRT)
    };
    net.vote("v1", id, 1);
    assert_eq!(tally(&net), (200, 0, 0, 540), "a validator speaks for those who delegate to it");
    net.vote("renter", id, 2);
    assert_eq!(tally(&net), (140, 100, 0, 540), "with all it delegated, to whomever");
    net.vote("v2", id, 3);
    assert_eq!(tally(&net), (140, 100, 100, 540));
    net.ok("renter", STAKING, 0, IStaking::redelegateCall { from: addr("v1"), to: addr("v2"), amount: 60 * KRT });
    assert_eq!(tally(&net), (140, 100, 100, 540), "moved, not doubled");
    net.ok("renter", STAKING, 0, IStaking::undelegateCall { validator: addr("v2"), amount: 90 * KRT });
    net.ok("p2", STAKING, 30 * KRT, delegate("v1", 0).0);
    assert_eq!(tally(&net), (170, 10, 100, 480), "what left does not count, what came does");
    net.until_stands(id, ProposalStatus::Queued);
    assert_eq!(tally(&net), (170, 10, 100, 480));
    net.ok("renter", STAKING, 0, IStaking::undelegateCall { validator: addr("v2"), amount: 10 * KRT });
    assert_eq!(tally(&net), (170, 10, 100, 480), "counted is counted");
}

#[test]
fn what_cannot_be_carried_out_any_more_fails_with_a_reason_and_changes_nothing() {
    let mut net = net();
    let first = net.propose("stranger", one_task_more());
    let second = net.propose("renter", changing(r#"{"max_tasks": 7, "max_replicas": 3}"#));
    let third = net.propose("renter", one_task_more());
    for id in [first, second, third] {
        ["v1", "v2"].into_iter().for_each(|who| net.vote(who, id, 1));
    }
    net.until_stands(third, ProposalStatus::Failed);
    assert_eq!((net.stands(first), net.stands(second)), (ProposalStatus::Executed, ProposalStatus::Executed));
    assert_eq!((net.params().max_tasks, net.params().max_replicas), (7, 3));
    let failure = net.proposal(third).failure.expect("failed");
    assert_eq!((failure.code, failure.name.as_str()), (Failure::ParamsSame.code(), "ParamsSame"));
    assert_eq!(net.events::<IGovernance::ExecutionFailed>()[0].reason, "ParamsSame");
}

#[test]
fn the_treasury_pays_what_was_voted_for_if_it_holds_that() {
    let mut net = net();
    let before = (net.balance("p4"), net.books().treasury);
    assert_eq!(before.1, KRT);
    net.carried_out(payment(KRT / 4));
    assert_eq!((net.balance("p4") - before.0, before.1 - net.books().treasury), (KRT / 4, KRT / 4));
    let deposit = net.balance("stranger");
    net.fails(payment(KRT), "TreasuryShort");
    assert_eq!(net.books().treasury, 3 * KRT / 4);
    assert!(deposit - net.balance("stranger") < KRT / 100, "the deposit came back");
}

#[test]
fn a_runtime_is_activated_for_new_jobs_and_a_job_under_an_old_one_ends_as_it_began() {
    let mut net = net();
    net.register_all(&["p1", "p2"]);
    let new = B256::repeat_byte(0x78);
    let under = |runtime| assay_types::JobSpec { runtimeId: runtime, ..spec(1, 1, 1) };
    let escrow = under(new).escrow().expect("fits");
    assert_eq!(net.fail("renter", JOBS, escrow, IJobs::submitCall { spec: under(new) }), "UnknownRuntime");
    let runtime = |runtime, active| IGovernance::proposeRuntimeCall { about: about("runtime"), runtime, active };
    net.carried_out(runtime(new, true));
    assert_eq!(net.params().runtimes, [RUNTIME, new]);
    net.ok("renter", JOBS, escrow, IJobs::submitCall { spec: under(new) });
    let queued = net.accepted(runtime(RUNTIME, false));
    let running = net.assigned(assay_types::JobSpec { commitWindow: 60, ..under(RUNTIME) });
    net.deliver_keys(running);
    net.until_stands(queued, ProposalStatus::Executed);
    assert_eq!(net.params().runtimes, [new]);
    assert_eq!(net.fail("renter", JOBS, escrow, IJobs::submitCall { spec: under(RUNTIME) }), "UnknownRuntime");
    net.perform(running, 0, honest);
    net.until(20, |net| net.job(running).outcome.is_some());
    assert_eq!(net.job(running).outcome, Some(assay_types::JobOutcome::Completed));
}

fn metered(id: u32) -> Class {
    Class {
        id,
        name: format!("served {id}"),
        unit: Unit::Gib,
        tier: Tier::Metered,
        region: format!("r{id}"),
        ..Class::any_cpu(1_000)
    }
}

fn creating(class: &Class) -> IGovernance::proposeClassCall {
    IGovernance::proposeClassCall { about: about("class"), class: serde_json::to_string(class).expect("plain data") }
}

#[test]
fn a_class_is_created_traded_and_retired_with_all_that_rests_in_it_refunded_a_few_a_block() {
    let params = Params { max_due_per_block: 2, ..governed(params()) };
    let mut net = Net::of(&Genesis { params, ..genesis() });
    net.register_all(&["p1"]);
    assert_eq!(net.fail("renter", MARKET, 10_000, place(0, 1_000, 1_000)), "UnknownClass");
    net.carried_out(creating(&metered(2)));
    net.pass(1);
    let before = net.balance("renter");
    for price in [900, 910, 920, 930, 940] {
        net.ok("renter", MARKET, 10_000, place(0, price, 1_000));
    }
    net.ok("p1", MARKET, 0, place(1, 1_100, 1_000));
    assert!(net.books().escrow >= 4_600);
    let retire = IGovernance::proposeRetireClassCall { about: about("retire"), class: 2 };
    let id = net.accepted(retire.clone());
    let resting = |net: &Net| query::orders(&net.state, None, 99).iter().filter(|order| order.class == 2).count();
    assert_eq!(resting(&net), 6, "the timelock runs");
    net.until_stands(id, ProposalStatus::Executed);
    let mut left = Vec::new();
    for _ in 0..5 {
        left.push(resting(&net));
        net.pass(1);
    }
    assert_eq!(left, [6, 4, 2, 0, 0], "two a block");
    assert_eq!(net.books().escrow, 0);
    assert!(before - net.balance("renter") < KRT / 100, "all of it came back");
    assert_eq!(net.fail("renter", MARKET, 10_000, place(0, 1_000, 1_000)), "UnknownClass");
    assert_eq!(net.fail("stranger", GOVERNANCE, 100 * KRT, retire), "UnknownClass");
    assert_eq!(net.fail("stranger", GOVERNANCE, 100 * KRT, creating(&metered(2))), "ClassTaken", "for ever");
    net.carried_out(creating(&metered(3)));
}

#[test]
fn jobs_of_a_retired_class_go_on_to_their_other_classes_or_are_refunded() {
    let cpu = Class { id: 2, name: "v3".into(), cpu: "x86-64-v3".into(), ..Class::any_cpu(PRICE / 2) };
    let params = Params { classes: vec![Class::any_cpu(PRICE / 2), cpu], ..governed(params()) };
    let mut net = Net::of(&Genesis { params, ..genesis() });
    let id = net.accepted(IGovernance::proposeRetireClassCall { about: about("retire"), class: 1 });
    let alone = net.submit(spec(1, 1, 1));
    let either = net.submit(assay_types::JobSpec { substitutes: vec![2], lifetime: 400, ..spec(1, 1, 1) });
    net.until_stands(id, ProposalStatus::Executed);
    net.pass(12);
    let seller = assay_types::abi::IProviders::registerCall {
        operator: Address::ZERO,
        sealingKey: B256::ZERO,
        endpoint: Default::default(),
        ask: assay_types::abi::IProviders::Ask { class: 2, ..ask(PRICE / 2) },
    };
    net.ok("p1", assay_types::system::PROVIDERS, 100 * KRT, seller);
    net.until(40, |net| !net.job(either).lots[0].replicas.is_empty());
    net.until(500, |net| net.job(alone).outcome.is_some());
    assert_eq!((net.job(alone).paid, net.job(alone).escrow), (0, 0), "refunded");
}

#[test]
fn a_class_with_claims_on_it_retires_when_they_are_over_and_takes_no_new_ones() {
    let mut net = net();
    net.register_all(&["p1", "p2"]);
    let issue =
        |window| IClaims::issueCall { class: 1, window, amount: 100_000, issuePrice: PRICE / 2, maxRate: 4_000 };
    let id = net.accepted(IGovernance::proposeRetireClassCall { about: about("retire"), class: 1 });
    let window = u32::try_from(net.height / 60 + 1).expect("small");
    net.ok("p1", CLAIMS, 100 * KRT, issue(window));
    net.until_stands(id, ProposalStatus::Executed);
    assert_eq!(net.events::<IGovernance::ClassRetiring>()[0].class, 1);
    assert!(!net.params().classes[0].retired, "claims are out");
    assert_eq!(net.fail("p2", CLAIMS, 100 * KRT, issue(window + 1)), "UnknownClass");
    net.ok("renter", JOBS, spec(1, 1, 1).escrow().expect("fits"), IJobs::submitCall { spec: spec(1, 1, 1) });
    net.until(200, |net| net.params().classes[0].retired);
    assert!(net.height >= u64::from(window) * 60 + 60 && query::issuances(&net.state, 1).is_empty());
    net.pass(2);
    let late = spec(1, 1, 1);
    let escrow = late.escrow().expect("fits");
    assert_eq!(net.fail("renter", JOBS, escrow, IJobs::submitCall { spec: late }), "UnknownClass");
}

#[test]
fn from_the_height_of_an_upgrade_on_only_programs_that_know_it_go_on() {
    let mut net = net();
    let at = net.height + 70;
    net.carried_out(upgrade("second", at, 2));
    let scheduled = query::protocol(&net.state).expect("a genesis");
    assert_eq!((scheduled.version, scheduled.upgrade.as_ref().map(|next| next.height)), (1, Some(at)));
    assert_eq!(net.view(IGovernance::upgradeCall {}).height, at);
    net.until(100, |net| net.height + 1 == at);
    // This program knows version 1: it stops before it executes anything of the block.
    let ctx = net.context();
    let mut old = BlockBuilder::new(&net.state, ctx.clone());
    let tx = net.tx("p1", addr("p2"), 1, vec![]);
    assert_eq!(old.add(&tx), Err(assay_ledger::Reject::LedgerHalted));
    let why = old.finish().expect_err("refused");
    assert!(matches!(why, BrokenInvariant::UpgradeNeeded { height, version: 2, .. } if height == at), "{why}");
    assert!(why.to_string().contains("version 2 (upgrade \"second\")"), "{why}");
    let mut new = BlockBuilder::of_program(&net.state, ctx.clone(), 2);
    new.add(&tx).expect("a transaction");
    let output = new.finish().expect("goes on");
    let mut state = net.state.clone();
    state.apply(&output.changes);
    assert!(assay_ledger::books(&state).expect("readable").balance());
    let now = query::protocol(&state).expect("a genesis");
    assert_eq!((now.version, now.upgrade), (2, None));
    // And for good: an old program cannot join later either.
    let next = assay_ledger::BlockContext { height: at + 1, timestamp_ms: ctx.timestamp_ms + 50, ..ctx };
    let why = BlockBuilder::new(&state, next.clone()).finish().expect_err("refused");
    assert!(matches!(why, BrokenInvariant::UpgradeNeeded { version: 2, .. }), "{why}");
    BlockBuilder::of_program(&state, next, 3).finish().expect("a still newer one goes on");
}

#[test]
fn an_upgrade_is_postponed_or_cancelled_by_another_vote_and_fails_where_its_height_has_passed() {
    let mut net = net();
    net.fails(upgrade("too soon", net.height + 10, 2), "UpgradePast");
    net.carried_out(upgrade("second", net.height + 500, 2));
    net.carried_out(upgrade("second, later", net.height + 900, 2));
    let next = query::protocol(&net.state).and_then(|protocol| protocol.upgrade).expect("scheduled");
    assert_eq!(next.name, "second, later");
    net.carried_out(upgrade("", 0, 0));
    assert_eq!(query::protocol(&net.state).and_then(|protocol| protocol.upgrade), None);
    net.pass(400);
    assert_eq!(query::protocol(&net.state).map(|protocol| protocol.version), Some(1));
}

#[test]
fn a_transaction_that_waited_while_the_rules_changed_is_held_against_the_new_ones() {
    use assay_ledger::{CheckRules, Reject};
    let mut net = net();
    let waiting = net.tx("p1", addr("p2"), 1, vec![]);
    assert_eq!(CheckRules::of_state(&net.state).expect("a genesis").hold(&waiting), Ok(()));
    net.carried_out(changing(r#"{"block_gas_limit": 30000000}"#));
    let now = CheckRules::of_state(&net.state).expect("a genesis");
    assert_eq!(now.block_gas_limit, 30_000_000);
    assert_eq!(now.hold(&waiting), Err(Reject::GasLimitTooHigh), "it offers 40 million");
    assert_eq!(CheckRules { tx_bytes_limit: 100, ..rules() }.hold(&waiting), Err(Reject::Oversized));
    assert_eq!(net.last.as_ref().expect("a block").gas_limit, 60_000_000);
    net.pass(1);
    assert_eq!(net.last.as_ref().expect("a block").gas_limit, 30_000_000);
}
