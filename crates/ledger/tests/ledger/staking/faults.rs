//! Evidence and downtime: what is slashed, who is jailed, who never sits again.

use assay_ledger::query;
use assay_types::{GRAINS_PER_KRT as KRT, abi::IStaking, system::STAKING};

use super::*;

fn report(epoch: u64, key: &[u8]) -> IStaking::reportEquivocationCall {
    IStaking::reportEquivocationCall { evidence: evidence(epoch, 7, key) }
}

const V1: [u8; 48] = [1; 48];

#[test]
fn who_votes_for_two_things_is_slashed_and_never_sits_again() {
    let mut net = network();
    net.ok("renter", STAKING, 100 * KRT, IStaking::delegateCall { validator: addr("v1") });
    for who in ["c1", "c2"] {
        net.ok(who, STAKING, 100 * KRT, registration(who));
    }
    turn(&mut net);
    let books = net.books();
    let before = net.balance("stranger");
    let receipt = net.ok("stranger", STAKING, 0, report(1, &V1));
    let event = net.events::<IStaking::Slashed>().remove(0);
    // 5 % of 200 are 10, of which 5 % are the reporter's.
    assert_eq!((event.why, event.bps, event.burned, event.bounty), (1, 500, 19 * KRT / 2, KRT / 2));
    let fee = u128::from(receipt.gas_used) * receipt.effective_gas_price;
    assert_eq!(net.balance("stranger"), before + KRT / 2 - fee);
    assert_eq!(net.books().stake, books.stake - 10 * KRT);
    let view = seen(&net, "v1");
    assert_eq!((view.tokens, view.self_stake, view.tombstoned), (190 * KRT, 95 * KRT, true));
    assert!(view.seated, "until its epoch is over");
    assert_eq!(net.fail("stranger", STAKING, 0, report(1, &V1)), "EvidenceKnown");
    let other = IStaking::reportEquivocationCall { evidence: evidence(0, 3, &V1) };
    assert_eq!(net.fail("stranger", STAKING, 0, other), "EvidenceKnown", "once for good, not once a vote");
    turn(&mut net);
    assert_eq!(seated(&net), ["c1", "c2", "v2", "v3", "v4"]);
    assert!(assay_ledger::peers(&net.state).iter().all(|seat| seat.account != addr("v1")));
    // It does not come back: not by more stake, other keys or time.
    assert_eq!(net.fail("v1", STAKING, KRT, IStaking::delegateCall { validator: addr("v1") }), "TombstonedValidator");
    assert_eq!(net.fail("v1", STAKING, 0, IStaking::unjailCall {}), "TombstonedValidator");
    assert_eq!(net.fail("v1", STAKING, 300 * KRT, registration("v1")), "AlreadyValidator");
    let rotation = IStaking::rotateKeysCall {
        networkKey: network_key("v1", 1),
        voteKey: vote_key("v1", 1),
        proofOfPossession: possession(&vote_key("v1", 1)),
    };
    assert_eq!(net.fail("v1", STAKING, 0, rotation), "TombstonedValidator");
    let back = IStaking::redelegateCall { from: addr("v2"), to: addr("v1"), amount: 1 };
    assert_eq!(net.fail("v2", STAKING, 0, back), "TombstonedValidator");
    // Its delegators may leave.
    net.ok("renter", STAKING, 0, IStaking::redelegateCall { from: addr("v1"), to: addr("v2"), amount: 95 * KRT });
    net.ok("v1", STAKING, 0, IStaking::undelegateCall { validator: addr("v1"), amount: 95 * KRT });
}

#[test]
fn evidence_that_proves_nothing_is_refused_and_costs_nobody() {
    let mut net = Net::of(&genesis_with(|params| params.unbonding_ms = 2_000));
    let stake = net.books().stake;
    let fails = |net: &mut Net, evidence: Bytes| {
        net.fail("stranger", STAKING, 0, IStaking::reportEquivocationCall { evidence })
    };
    let good = evidence(0, 7, &V1);
    assert_eq!(fails(&mut net, Bytes::new()), "EvidenceInvalid");
    assert_eq!(fails(&mut net, good[1..].to_vec().into()), "EvidenceInvalid");
    let mut forged = good.to_vec();
    forged[15] ^= 1;
    assert_eq!(fails(&mut net, forged.into()), "EvidenceInvalid", "signed for another view");
    assert_eq!(fails(&mut net, evidence(0, 7, &[9; 48])), "EvidenceInvalid", "nobody's key");
    net.ok("c1", STAKING, 100 * KRT, registration("c1"));
    assert_eq!(fails(&mut net, evidence(0, 7, &vote_key("c1", 0))), "EvidenceInvalid", "no seat of that epoch");
    assert_eq!(fails(&mut net, evidence(9, 7, &V1)), "EvidenceTooOld", "not known yet");
    turn(&mut net);
    net.pass(20);
    net.time_ms += 2_000;
    net.pass(1);
    assert_eq!(fails(&mut net, good), "EvidenceTooOld", "the stake behind it has left");
    assert_eq!(net.books().stake, stake + 100 * KRT);
}

#[test]
fn old_keys_stay_slashable_after_a_rotation() {
    let mut net = network();
    let rotation = IStaking::rotateKeysCall {
        networkKey: network_key("v1", 1),
        voteKey: vote_key("v1", 1),
        proofOfPossession: possession(&vote_key("v1", 1)),
    };
    net.ok("v1", STAKING, 0, rotation);
    turn(&mut net);
    assert_eq!(net.fail("stranger", STAKING, 0, report(1, &V1)), "EvidenceInvalid", "no key of epoch 1");
    net.ok("stranger", STAKING, 0, report(0, &V1));
    assert!(seen(&net, "v1").tombstoned);
}

/// Blocks of three seconds, led by all but `silent`, until the window is over.
fn window(net: &mut Net, silent: &str, each: impl Fn(&mut Net, u64)) {
    let leaders: Vec<_> = query::validators(&net.state).into_iter().filter(|who| *who != addr(silent)).collect();
    net.leaders = leaders;
    for at in 0..201 {
        net.time_ms += 2_950;
        each(net, at);
    }
    net.leaders = Vec::new();
}

fn jailed(net: &Net, who: &str) -> bool {
    seen(net, who).jailed_until_ms.is_some()
}

#[test]
fn a_seat_without_a_sign_of_life_in_a_whole_window_is_jailed_and_leaves() {
    let mut net = network();
    net.ok("c1", STAKING, 100 * KRT, registration("c1"));
    net.ok("renter", STAKING, 900 * KRT, IStaking::delegateCall { validator: addr("v4") });
    let burned = net.books().burned;
    let began = net.time_ms;
    window(&mut net, "v4", |net, _| net.pass(1));
    let view = seen(&net, "v4");
    assert!(view.jailed_until_ms.expect("jailed") >= began + 1_200_000);
    // 1 basis point of 1,000.
    assert_eq!((view.tokens, view.self_stake), (9_999 * KRT / 10, 9_999 * KRT / 100));
    assert_eq!(net.books().burned, burned + KRT / 10);
    assert!(["v1", "v2", "v3"].iter().all(|who| !jailed(&net, who)), "who leads is there");
    assert_eq!(net.fail("v4", STAKING, 0, IStaking::unjailCall {}), "StillJailed");
    turn(&mut net);
    assert_eq!(seated(&net), ["c1", "v1", "v2", "v3"]);
    assert_eq!(net.fail("v4", STAKING, 0, IStaking::heartbeatCall {}), "NotSeated");
    net.time_ms += 600_000;
    assert_eq!(net.fail("v4", STAKING, 0, IStaking::unjailCall {}), "SelfStakeTooLow", "the slash took it below");
    net.ok("v4", STAKING, KRT, IStaking::delegateCall { validator: addr("v4") });
    turn(&mut net);
    assert!(!seated(&net).contains(&"v4".to_owned()), "time alone does not free it");
    net.ok("v4", STAKING, 0, IStaking::unjailCall {});
    assert!(!jailed(&net, "v4"));
    turn(&mut net);
    assert_eq!(seated(&net), ["c1", "v1", "v2", "v3", "v4"]);
}

#[test]
fn a_heartbeat_a_window_is_a_sign_of_life() {
    let mut net = network();
    for _ in 0..3 {
        window(&mut net, "v4", |net, at| {
            if at == 100 {
                net.ok("v4", STAKING, 0, IStaking::heartbeatCall {});
            } else {
                net.pass(1);
            }
        });
        assert!(!jailed(&net, "v4"));
    }
    assert_eq!(net.books().stake, 400 * KRT);
    window(&mut net, "v4", |net, _| net.pass(1));
    assert!(jailed(&net, "v4"), "the first window without one");
}

#[test]
fn a_verdict_is_a_sign_of_life() {
    let mut net = network();
    net.register_all(&["p1", "p2", "p3"]);
    let slowly = |net: &mut Net, blocks: u64| {
        for _ in 0..blocks {
            net.time_ms += 2_950;
            net.pass(1);
        }
    };
    slowly(&mut net, 150);
    // In the second window v3 and v4 lead nothing; v4 judges a dispute through which v3 sleeps.
    net.leaders = ["v1", "v2"].map(addr).to_vec();
    slowly(&mut net, 55);
    assert!(!jailed(&net, "v3") && !jailed(&net, "v4"));
    let id = net.assigned(spec(2, 2, 2));
    net.deliver_keys(id);
    let liar = net.replicas(id, 0).remove(0);
    net.perform(id, 0, |who, lot| if who == liar { lies(lot, 5) } else { truths(lot) });
    net.disclose(id);
    net.judge(id, 0, |who, tasks| if who == "v3" { None } else { right(who, tasks) });
    slowly(&mut net, 200);
    assert!(jailed(&net, "v3") && !jailed(&net, "v4"));
}

#[test]
fn a_halt_is_nobodys_fault() {
    let mut net = network();
    window(&mut net, "v4", |net, at| {
        if at == 150 {
            net.time_ms += 60_001;
        }
        net.pass(1);
    });
    assert!(!jailed(&net, "v4"), "the chain stood still for more than a minute");
    window(&mut net, "v4", |net, _| net.pass(1));
    assert!(jailed(&net, "v4"), "but then it is");
    // Nor is a window with fewer than four blocks a seat: 15 of 40 s each, then 20 of 30 s.
    let mut net = network();
    net.leaders = ["v1", "v2", "v3"].map(addr).to_vec();
    let mut slow = |pause_ms: u64| {
        for _ in 0..21 {
            net.time_ms += pause_ms - 50;
            net.pass(1);
        }
        jailed(&net, "v4")
    };
    assert!(!slow(40_000));
    assert!(slow(30_000));
}

#[test]
fn a_seat_is_judged_by_windows_it_sat_wholly_only() {
    let mut net = Net::of(&genesis_with(|params| params.validator_epoch_blocks = 150));
    net.ok("c1", STAKING, 500 * KRT, registration("c1"));
    let silent = |net: &mut Net, blocks: u64| {
        net.leaders = ["v1", "v2", "v3", "v4"].map(addr).to_vec();
        for _ in 0..blocks {
            net.time_ms += 2_950;
            net.pass(1);
        }
    };
    silent(&mut net, 205);
    assert!(seen(&net, "c1").seated, "since block 150");
    assert!(!jailed(&net, "c1"), "it sat for a part of this window only");
    silent(&mut net, 205);
    assert!(jailed(&net, "c1"));
}
