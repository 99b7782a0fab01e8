//! Staking through transactions: registering, delegating, keys, evidence, downtime, and who sits.

mod committees;
mod faults;

use alloy_primitives::{Address, B256, Bytes};
use assay_ledger::{check, committee, peers, query};
use assay_types::{
    GRAINS_PER_KRT as KRT, Genesis, GenesisAccount, Params,
    abi::IStaking,
    system::STAKING,
    view::{DelegationView, ValidatorView},
};

use crate::{kit::*, scenario::*};

const DAY_MS: u64 = 86_400_000;

/// Small epochs; candidates `c1` to `c6` have 10,000 KRT each.
pub(crate) fn genesis_with(change: impl Fn(&mut Params)) -> Genesis {
    let mut genesis = genesis();
    genesis.params.validator_epoch_blocks = 20;
    change(&mut genesis.params);
    let rich = |at| GenesisAccount { address: addr(&format!("c{at}")), balance: 10_000 * KRT };
    genesis.accounts.extend((1..=6).map(rich));
    genesis
}

pub(crate) fn network() -> Net {
    Net::of(&genesis_with(|_| {}))
}

/// The vote key of a candidate, or another one of its.
pub(crate) fn vote_key(who: &str, turn: u8) -> Bytes {
    let hash = alloy_primitives::keccak256([who.as_bytes(), &[turn]].concat());
    [hash.as_slice(), &hash[..16]].concat().into()
}

pub(crate) fn network_key(who: &str, turn: u8) -> B256 {
    alloy_primitives::keccak256([who.as_bytes(), b"network", &[turn]].concat())
}

pub(crate) fn registration(who: &str) -> IStaking::registerCall {
    IStaking::registerCall {
        networkKey: network_key(who, 0),
        voteKey: vote_key(who, 0),
        proofOfPossession: possession(&vote_key(who, 0)),
        peer: "10.0.0.1:9000".into(),
        commissionBps: 1_000,
    }
}

pub(crate) fn seen(net: &Net, who: &str) -> ValidatorView {
    query::validator(&net.state, addr(who)).expect("registered")
}

/// Names of the seats of the next block's epoch.
pub(crate) fn seated(net: &Net) -> Vec<String> {
    let mut names: Vec<_> = query::validators(&net.state).into_iter().map(named).collect();
    names.sort();
    names
}

pub(crate) fn named(account: Address) -> String {
    let names = (1..=6).flat_map(|at| [format!("v{at}"), format!("c{at}")]);
    names.into_iter().find(|name| addr(name) == account).expect("known")
}

/// Until the next block is the first of another epoch.
pub(crate) fn turn(net: &mut Net) {
    let length = u64::from(query::params(&net.state).expect("a genesis").validator_epoch_blocks);
    net.pass(1);
    net.until(length, |net| (net.height + 1).is_multiple_of(length));
}

fn delegated(net: &Net, who: &str) -> Vec<DelegationView> {
    query::delegations(&net.state, addr(who))
}

#[test]
fn a_registration_shows_and_each_defect_of_one_is_named() {
    let mut net = network();
    net.ok("c1", STAKING, 150 * KRT, registration("c1"));
    let event = net.events::<IStaking::Registered>().remove(0);
    assert_eq!((event.validator, event.stake, event.commissionBps), (addr("c1"), 150 * KRT, 1_000));
    let view = seen(&net, "c1");
    assert_eq!((view.tokens, view.self_stake, view.seated), (150 * KRT, 150 * KRT, false));
    assert_eq!((view.network_key, view.address.as_str()), (network_key("c1", 0), "10.0.0.1:9000"));
    let books = net.books();
    assert_eq!(books.stake, 550 * KRT);

    let refused = |net: &mut Net, value, change: &dyn Fn(&mut IStaking::registerCall)| {
        let mut call = registration("c2");
        change(&mut call);
        net.fail("c2", STAKING, value, call)
    };
    let mut no = |expected: &str, change: &dyn Fn(&mut IStaking::registerCall)| {
        assert_eq!(refused(&mut net, 150 * KRT, change), expected);
    };
    no("CommissionBounds", &|call| call.commissionBps = 10_001);
    for peer in ["", "example.org:1", "0.0.0.0:9", "224.0.0.1:9", "10.0.0.1:0", "10.0.0.1:09", "10.0.0.1", "[::]:9"] {
        no("PeerAddress", &|call| call.peer = peer.to_owned());
    }
    no("KeyLength", &|call| call.networkKey = B256::ZERO);
    no("KeyLength", &|call| call.voteKey = vec![1; 47].into());
    no("KeyLength", &|call| call.proofOfPossession = vec![1; 97].into());
    no("NoPossession", &|call| call.proofOfPossession = possession(&vote_key("c1", 0)));
    // The keys of another, even with its proof.
    no("KeyTaken", &|call| call.networkKey = network_key("c1", 0));
    no("KeyTaken", &|call| {
        call.voteKey = vote_key("c1", 0);
        call.proofOfPossession = possession(&vote_key("c1", 0));
    });
    no("KeyTaken", &|call| call.networkKey = B256::repeat_byte(1));
    assert_eq!(refused(&mut net, 100 * KRT - 1, &|_| {}), "SelfStakeTooLow");
    assert_eq!(net.fail("c1", STAKING, 150 * KRT, registration("c1")), "AlreadyValidator");
    assert_eq!(net.fail("v1", STAKING, 150 * KRT, registration("v1")), "AlreadyValidator");
    assert_eq!(net.books().stake, books.stake, "nothing was taken");
    net.ok("c2", STAKING, 100 * KRT, registration("c2"));
}

#[test]
fn stake_goes_in_and_comes_out_after_the_unbonding_time() {
    let mut net = network();
    net.ok("renter", STAKING, 30 * KRT, IStaking::delegateCall { validator: addr("v1") });
    assert_eq!(delegated(&net, "renter"), [DelegationView { validator: addr("v1"), amount: 30 * KRT, rewards: 0 }]);
    assert_eq!(seen(&net, "v1").tokens, 130 * KRT);
    net.ok("renter", STAKING, 0, IStaking::undelegateCall { validator: addr("v1"), amount: 10 * KRT });
    let event = net.events::<IStaking::Undelegated>().remove(0);
    assert_eq!((event.amount, event.dueMs), (10 * KRT, net.time_ms + 21 * DAY_MS));
    let flight = query::unbondings(&net.state, addr("renter")).remove(0);
    assert_eq!((flight.from, flight.to, flight.initial, flight.left), (addr("v1"), None, 10 * KRT, 10 * KRT));
    assert_eq!(net.books().stake, 430 * KRT, "on its way it is stake still");
    let before = net.balance("renter");
    net.time_ms += 21 * DAY_MS - 51;
    net.pass(1);
    assert_eq!(net.balance("renter"), before, "a millisecond early");
    net.pass(1);
    assert_eq!(net.balance("renter"), before + 10 * KRT);
    let event = net.events::<IStaking::Unbonded>().remove(0);
    assert_eq!((event.delegator, event.amount), (addr("renter"), 10 * KRT));
    net.ok("renter", STAKING, 0, IStaking::redelegateCall { from: addr("v1"), to: addr("v2"), amount: 20 * KRT });
    assert_eq!(delegated(&net, "renter"), [DelegationView { validator: addr("v2"), amount: 20 * KRT, rewards: 0 }]);
    let flight = query::unbondings(&net.state, addr("renter")).remove(0);
    assert_eq!((flight.from, flight.to, flight.left), (addr("v1"), Some(addr("v2")), 20 * KRT));
}

#[test]
fn each_refusal_of_a_delegator_is_named() {
    let mut net = network();
    let delegate = |who: &str| IStaking::delegateCall { validator: addr(who) };
    let undelegate = |who: &str, amount| IStaking::undelegateCall { validator: addr(who), amount };
    let redelegate = |from: &str, to: &str, amount| IStaking::redelegateCall { from: addr(from), to: addr(to), amount };
    assert_eq!(net.fail("renter", STAKING, KRT, delegate("p1")), "UnknownValidator");
    assert_eq!(net.fail("renter", STAKING, 0, delegate("v1")), "AmountZero");
    net.ok("renter", STAKING, 10 * KRT, delegate("v1"));
    assert_eq!(net.fail("renter", STAKING, 0, undelegate("p1", 1)), "UnknownValidator");
    assert_eq!(net.fail("renter", STAKING, 0, undelegate("v1", 0)), "AmountZero");
    assert_eq!(net.fail("renter", STAKING, 0, undelegate("v1", 10 * KRT + 1)), "NotDelegated");
    assert_eq!(net.fail("stranger", STAKING, 0, undelegate("v1", 1)), "NotDelegated");
    assert_eq!(net.fail("renter", STAKING, 0, redelegate("v1", "v1", 1)), "SameValidator");
    assert_eq!(net.fail("renter", STAKING, 0, redelegate("v1", "p1", 1)), "UnknownValidator");
    assert_eq!(net.fail("renter", STAKING, 0, redelegate("v1", "v2", 0)), "AmountZero");
    assert_eq!(net.fail("renter", STAKING, 0, redelegate("v1", "v2", 10 * KRT + 1)), "NotDelegated");
    net.ok("renter", STAKING, 0, redelegate("v1", "v2", KRT));
    assert_eq!(net.fail("renter", STAKING, 0, redelegate("v2", "v3", KRT)), "TransitiveRedelegation");
    assert_eq!(net.fail("renter", STAKING, 0, IStaking::claimRewardsCall { validator: addr("v1") }), "NothingToClaim");
    assert_eq!(
        net.fail("renter", STAKING, 0, IStaking::claimRewardsCall { validator: addr("p1") }),
        "UnknownValidator"
    );
    assert_eq!(net.fail("renter", STAKING, 0, IStaking::claimRewardsCall { validator: addr("v4") }), "NotDelegated");
    assert_eq!(net.fail("renter", STAKING, 0, IStaking::claimCommissionCall {}), "UnknownValidator");
    assert_eq!(net.fail("v1", STAKING, 0, IStaking::claimCommissionCall {}), "NothingToClaim");
    assert_eq!(net.fail("renter", STAKING, 1, undelegate("v1", 1)), "NotPayable");
    assert_eq!(net.fail("renter", STAKING, 0, IStaking::heartbeatCall {}), "NotSeated");
    assert_eq!(net.fail("renter", STAKING, 0, IStaking::unjailCall {}), "UnknownValidator");
    assert_eq!(net.fail("v1", STAKING, 0, IStaking::unjailCall {}), "NotJailed");
}

#[test]
fn a_commission_moves_once_a_day_by_a_bounded_step() {
    let mut net = network();
    let set = |bps| IStaking::setCommissionCall { commissionBps: bps };
    assert_eq!(net.fail("v1", STAKING, 0, set(550)), "CommissionChange", "a day from its registration on");
    net.time_ms += DAY_MS;
    assert_eq!(net.fail("v1", STAKING, 0, set(601)), "CommissionChange");
    assert_eq!(net.fail("v1", STAKING, 0, set(10_001)), "CommissionBounds");
    assert_eq!(net.fail("p1", STAKING, 0, set(1)), "UnknownValidator");
    net.ok("v1", STAKING, 0, set(600));
    assert_eq!(seen(&net, "v1").commission_bps, 600);
    assert_eq!(net.fail("v1", STAKING, 0, set(599)), "CommissionChange");
    net.time_ms += DAY_MS;
    net.ok("v1", STAKING, 0, set(500));
}

#[test]
fn new_keys_sit_with_the_next_committee_and_old_ones_stay_whose_they_are() {
    let mut net = network();
    let rotation = |who: &str, turn| IStaking::rotateKeysCall {
        networkKey: network_key(who, turn),
        voteKey: vote_key(who, turn),
        proofOfPossession: possession(&vote_key(who, turn)),
    };
    assert_eq!(net.fail("p1", STAKING, 0, rotation("p1", 1)), "UnknownValidator");
    let wrong = IStaking::rotateKeysCall { proofOfPossession: vec![1; 96].into(), ..rotation("v1", 1) };
    assert_eq!(net.fail("v1", STAKING, 0, wrong), "NoPossession");
    net.ok("v1", STAKING, 0, rotation("v1", 1));
    net.ok("v1", STAKING, 0, IStaking::setAddressCall { peer: "[2001:db8::1]:9000".into() });
    assert_eq!(net.fail("v1", STAKING, 0, IStaking::setAddressCall { peer: "here".into() }), "PeerAddress");
    let of = |epoch, net: &Net| {
        let seats = committee(&net.state, epoch).expect("fixed");
        seats.into_iter().find(|seat| seat.account == addr("v1")).expect("sits")
    };
    assert_eq!(of(0, &net).network_key, B256::repeat_byte(1), "this epoch it sits with the old ones");
    turn(&mut net);
    let seat = of(1, &net);
    assert_eq!((seat.network_key, seat.vote_key), (network_key("v1", 1), vote_key("v1", 1)));
    assert_eq!(seat.address, "[2001:db8::1]:9000");
    // Nobody takes its old keys over, and it can have them back.
    let mut taken = registration("c1");
    taken.networkKey = B256::repeat_byte(1);
    assert_eq!(net.fail("c1", STAKING, 100 * KRT, taken), "KeyTaken");
    assert_eq!(net.fail("v2", STAKING, 0, rotation("v1", 1)), "KeyTaken");
    net.ok("v1", STAKING, 0, rotation("v1", 2));
    net.ok("v1", STAKING, 0, rotation("v1", 1));
}

#[test]
fn views_answer_as_the_queries_do() {
    use alloy_sol_types::SolCall;
    use assay_ledger::{call, latest};
    fn ask<C: SolCall>(net: &Net, asked: &C) -> C::Return {
        let ctx = latest(&net.state, &HashCrypto).expect("a tip");
        let bytes = call(&net.state, &ctx, STAKING, Address::ZERO, 0, &asked.abi_encode()).expect("answers");
        C::abi_decode_returns(&bytes).expect("its own type")
    }
    let mut net = network();
    net.ok("c1", STAKING, 150 * KRT, registration("c1"));
    net.ok("renter", STAKING, 30 * KRT, IStaking::delegateCall { validator: addr("c1") });
    net.ok("renter", STAKING, 0, IStaking::undelegateCall { validator: addr("c1"), amount: 10 * KRT });
    let one = ask(&net, &IStaking::validatorCall { account: addr("c1") });
    assert_eq!((one.tokens, one.selfStake, one.commissionBps, one.seated), (170 * KRT, 150 * KRT, 1_000, false));
    let all = ask(&net, &IStaking::validatorsCall {});
    assert_eq!(all.len(), 5);
    assert_eq!(all[0].account, addr("c1"), "the most staked first");
    let seats = ask(&net, &IStaking::committeeCall { epoch: 0 });
    assert_eq!(seats.len(), 4);
    assert!(ask(&net, &IStaking::committeeCall { epoch: 1 }).is_empty());
    let mine = ask(&net, &IStaking::delegationCall { delegator: addr("renter"), validator: addr("c1") });
    assert_eq!((mine.amount, mine.rewards), (20 * KRT, 0));
    let all = ask(&net, &IStaking::delegationsCall { delegator: addr("renter") });
    assert_eq!((all.len(), all[0].validator, all[0].amount), (1, addr("c1"), 20 * KRT));
    assert_eq!(ask(&net, &IStaking::rewardsCall { delegator: addr("renter"), validator: addr("c1") }), 0);
    let flights = ask(&net, &IStaking::unbondingsCall { delegator: addr("renter") });
    assert_eq!((flights.len(), flights[0].left, flights[0].to), (1, 10 * KRT, Address::ZERO));
    let view =
        check(&sign("renter", tx(net.nonce("renter"), STAKING, 0, IStaking::validatorsCall {}.abi_encode())), &rules());
    assert_eq!(view.err(), Some(assay_ledger::Reject::ViewFunction));
    assert_eq!(peers(&net.state).len(), 5);
}
