//! Who sits: epochs, what is remembered of them, disputes across their turn, and how few could stop the network.

use assay_ledger::{committee, peers, query};
use assay_types::{
    GRAINS_PER_KRT as KRT,
    abi::{IDisputes, IStaking},
    committee_hash,
    system::{DISPUTES, STAKING},
    view::{DecentralisationView, LotPhase},
};

use super::*;

#[test]
fn the_most_staked_of_those_that_qualify_sit_from_the_next_epoch_on() {
    let mut net = Net::of(&genesis_with(|params| params.max_validators = 5));
    // v1 to v4 have 100 each. c2 and c3 outrank them, c1 ties with them, c4 has only others' stake above.
    for (who, stake) in [("c1", 100), ("c2", 300), ("c3", 101), ("c4", 100)] {
        net.ok(who, STAKING, stake * KRT, registration(who));
    }
    net.ok("renter", STAKING, 50 * KRT, IStaking::delegateCall { validator: addr("c4") });
    assert_eq!(seated(&net), ["v1", "v2", "v3", "v4"]);
    assert_eq!(committee(&net.state, 1), None, "not fixed yet");
    turn(&mut net);
    assert_eq!(net.height, 19, "the last block of epoch 0");
    // c2 300, c4 150, c3 101, and the two lowest accounts of those with 100.
    let mut ties = ["v1", "v2", "v3", "v4", "c1"].map(addr);
    ties.sort();
    let mut expected = vec!["c2".to_owned(), "c3".to_owned(), "c4".to_owned(), named(ties[0]), named(ties[1])];
    expected.sort();
    assert_eq!(seated(&net), expected);
    let seats = committee(&net.state, 1).expect("fixed");
    assert!(seats.is_sorted_by_key(|seat| seat.network_key));
    assert_eq!(seats.iter().map(|seat| seat.stake).max(), Some(300 * KRT));
    let event = net.events::<IStaking::CommitteeFixed>().remove(0);
    assert_eq!((event.epoch, event.hash, event.seats, event.kept), (1, committee_hash(1, &seats), 5, false));
    // What happens now changes the next committee, never this one.
    net.ok("c2", STAKING, 0, IStaking::undelegateCall { validator: addr("c2"), amount: 250 * KRT });
    assert_eq!(committee(&net.state, 1).expect("fixed"), seats);
    let view = seen(&net, "c2");
    assert_eq!((view.seated, view.seated_since, view.tokens), (true, Some(20), 50 * KRT));
    turn(&mut net);
    assert!(!seated(&net).contains(&"c2".to_owned()), "its own stake is too low");
    assert_eq!(seen(&net, "c2").seated_since, None);
    // Nodes know all of them beforehand.
    let known: Vec<_> = peers(&net.state).into_iter().map(|seat| seat.account).collect();
    assert_eq!(known.len(), 8);
    assert_eq!(known[0], addr("c4"));
    assert_eq!(known[7], addr("c2"), "the least staked last");
}

#[test]
fn where_too_few_qualify_the_same_accounts_sit_again() {
    let mut net = network();
    let leave = |who: &str| IStaking::undelegateCall { validator: addr(who), amount: KRT };
    net.ok("v4", STAKING, 0, leave("v4"));
    turn(&mut net);
    let event = net.events::<IStaking::CommitteeFixed>().remove(0);
    assert_eq!((event.seats, event.kept), (4, true), "three would survive no faulty one");
    assert_eq!(seated(&net), ["v1", "v2", "v3", "v4"]);
    let stakes: Vec<_> = committee(&net.state, 1).expect("fixed").into_iter().map(|seat| seat.stake / KRT).collect();
    assert_eq!(stakes, [100, 100, 100, 99], "with the stake they have now");
    net.ok("c1", STAKING, 100 * KRT, registration("c1"));
    turn(&mut net);
    assert!(!net.events::<IStaking::CommitteeFixed>().remove(0).kept);
    assert_eq!(seated(&net), ["c1", "v1", "v2", "v3"]);
}

#[test]
fn a_committee_is_remembered_until_its_stake_has_left() {
    let mut net = Net::of(&genesis_with(|params| params.unbonding_ms = 10_000));
    turn(&mut net);
    let over = net.time_ms;
    net.until(400, |net| net.time_ms >= over + 10_000);
    assert_eq!(net.time_ms, over + 10_000);
    assert!(committee(&net.state, 0).is_some(), "what left in the last block of its epoch leaves now");
    net.pass(1);
    assert_eq!(committee(&net.state, 0), None);
    assert!(committee(&net.state, 1).is_some());
    let kept = |net: &Net| {
        use assay_ledger::StateRead;
        net.state.scan(&[0x78], Some(&[0x79])).count()
    };
    assert!(kept(&net) > 10);
    net.time_ms += 60_000;
    net.pass(200);
    assert!(kept(&net) < 15, "and then forgotten: {}", kept(&net));
}

/// All of the first epoch's validators leave their seats to others.
fn replaced(net: &mut Net) {
    for who in ["c1", "c2", "c3", "c4"] {
        net.ok(who, STAKING, 1_000 * KRT, registration(who));
    }
    turn(net);
    assert_eq!(seated(net), ["c1", "c2", "c3", "c4"]);
}

#[test]
fn a_dispute_is_judged_by_the_seats_of_the_epoch_it_was_opened_in() {
    let mut net = Net::of(&genesis_with(|params| {
        params.max_validators = 4;
        params.validator_epoch_blocks = 60;
        params.verdict_commit_window = 58;
    }));
    net.register_all(&["p1", "p2", "p3"]);
    let id = net.assigned(spec(2, 2, 2));
    net.deliver_keys(id);
    let liar = net.replicas(id, 0).remove(0);
    net.perform(id, 0, |who, lot| if who == liar { lies(lot, 5) } else { truths(lot) });
    net.disclose(id);
    assert_eq!(net.lot(id, 0).phase, LotPhase::Judging);
    replaced(&mut net);
    assert_eq!(net.lot(id, 0).phase, LotPhase::Judging, "still open");
    assert_eq!(query::disputes(&net.state, addr("v1")).len(), 1);
    assert!(query::disputes(&net.state, addr("c1")).is_empty());
    let verdict = IDisputes::commitVerdictCall { job: id, lot: 0, commitment: salt("x") };
    assert_eq!(net.fail("c1", DISPUTES, 0, verdict.clone()), "NotJudge");
    assert_eq!(net.fail("stranger", DISPUTES, 0, verdict), "NotValidator");
    // Three of the four that began decide; the fourth, which sits no more either, pays for its sleep.
    let tokens = seen(&net, "v4").tokens;
    net.judge(id, 0, |who, tasks| if who == "v4" { None } else { right(who, tasks) });
    net.until(110, |net| net.lot(id, 0).dispute.is_none());
    assert_eq!(net.provider(&liar).faults, 1);
    assert_eq!(net.events::<IDisputes::Slept>().len(), 1);
    assert_eq!(seen(&net, "v4").tokens, tokens - KRT / 100);
}

#[test]
fn a_fine_is_shared_with_delegators() {
    let mut net = network();
    net.register_all(&["p1", "p2", "p3"]);
    net.ok("renter", STAKING, 300 * KRT, IStaking::delegateCall { validator: addr("v4") });
    let id = net.assigned(spec(2, 2, 2));
    net.deliver_keys(id);
    let liar = net.replicas(id, 0).remove(0);
    net.perform(id, 0, |who, lot| if who == liar { lies(lot, 5) } else { truths(lot) });
    net.disclose(id);
    net.judge(id, 0, |who, tasks| if who == "v4" { None } else { right(who, tasks) });
    net.until(12, |net| net.lot(id, 0).dispute.is_none());
    let view = seen(&net, "v4");
    assert_eq!((view.tokens, view.self_stake), (400 * KRT - KRT / 100, 100 * KRT - KRT / 400));
    assert_eq!(query::delegations(&net.state, addr("renter"))[0].amount, 300 * KRT - 3 * KRT / 400);
}

#[test]
fn how_few_could_stop_the_network_is_counted_by_seats_and_by_stake() {
    let mut net = Net::of(&genesis_with(|_| {}));
    let even =
        DecentralisationView { seats: 4, third: 2, third_stake_bps: 5_000, entry_stake: 200 * KRT, nakamoto_stake: 2 };
    assert_eq!(query::decentralisation(&net.state), Some(even));
    // 1,000 KRT sit in one of six seats: by stake it alone could stop a vote by stake; here it takes two seats, and the
    // cheapest two have 200 of 1,560.
    net.ok("c1", STAKING, 1_000 * KRT, registration("c1"));
    net.ok("c2", STAKING, 160 * KRT, registration("c2"));
    turn(&mut net);
    let skewed =
        DecentralisationView { seats: 6, third: 2, third_stake_bps: 1_282, entry_stake: 200 * KRT, nakamoto_stake: 1 };
    assert_eq!(query::decentralisation(&net.state), Some(skewed));
    // Stake that sits nowhere counts in what is bonded.
    net.ok("c3", STAKING, 440 * KRT, registration("c3"));
    assert_eq!(query::decentralisation(&net.state).expect("a genesis").third_stake_bps, 1_000);
}
