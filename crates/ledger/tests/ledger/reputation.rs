//! Reputation from what happens on the chain, as a constraint of orders, and the network's risk.

use assay_ledger::query;
use assay_types::{
    Class, GIGAFUEL, GRAINS_PER_KRT, JobSpec, Params,
    abi::{
        IJobs,
        IProviders::{self, Ask},
    },
    job::job_id,
    system::{JOBS, PROVIDERS},
    view::{Herfindahl, Lack, LotPhase, Nakamoto},
};

use crate::{kit::*, scenario::*};

/// A network in which work counts half after ten blocks.
fn forgetful() -> Net {
    let mut genesis = genesis();
    genesis.params = Params { reputation_half_life: 10, ..genesis.params };
    Net::of(&genesis)
}

/// Runs one honest job of one replica.
fn one_job(net: &mut Net, spec: JobSpec) -> assay_types::JobId {
    let id = net.assigned(spec);
    net.deliver_keys(id);
    let lots = net.job(id).lots.len();
    (0..lots).for_each(|lot| net.perform(id, u32::try_from(lot).expect("few"), honest));
    net.until(30, |net| net.job(id).outcome.is_some());
    id
}

#[test]
fn work_that_was_paid_counts_and_halves_in_a_half_life() {
    let mut net = forgetful();
    net.register_all(&["p1", "p2"]);
    let fresh = net.provider("p1").reputation;
    assert_eq!((fresh.score, fresh.delivered, fresh.faults, fresh.late), (0, 0, 0, 0));
    let id = net.assigned(spec(2, 2, 2));
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    assert_eq!(net.provider("p1").reputation.delivered, 0, "not before it is paid");
    net.until(30, |net| net.lot(id, 0).phase == LotPhase::Settled);
    // Two tasks of two gigafuel and one unit of fuel more.
    for who in ["p1", "p2"] {
        let now = net.provider(who).reputation;
        assert_eq!((now.delivered, now.score), (4_000, 19), "{who}: 4 of 2,004 Gf");
    }
    net.pass(10);
    let now = net.provider("p1").reputation;
    assert_eq!((now.delivered, now.score), (2_000, 9));
    assert_eq!(now.age, net.height - 1, "it registered in the first block");
    net.pass(10);
    assert_eq!(net.provider("p1").reputation.delivered, 1_000);
}

#[test]
fn a_lie_and_a_missed_deadline_weigh_by_the_cap_of_their_lot_and_lower_the_score() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2", "p3"]);
    let first = one_job(&mut net, spec(1, 1, 2));
    let workers: Vec<String> = net.replicas(first, 0);
    let id = net.assigned(spec(1, 1, 2));
    net.deliver_keys(id);
    let pair = net.replicas(id, 0);
    let liar = pair.iter().find(|who| workers.contains(who)).expect("two of three are in both").clone();
    let before = net.provider(&liar).reputation;
    assert!(before.score > 0);
    net.perform(id, 0, |who, lot| if who == liar { lies(lot, 5) } else { truths(lot) });
    net.disclose(id);
    net.judge(id, 0, right);
    net.until(9, |net| net.provider(&liar).faults == 1);
    let after = net.provider(&liar).reputation;
    // A lot of 10 Gf is less than the least that a fault counts as: 125 times 16 Gf, but for some blocks' decay.
    assert!((1_999_900..=2_000_000).contains(&after.faults), "{after:?}");
    assert!(after.score < before.score && after.score > 0, "{before:?} {after:?}");
    assert_eq!(after.late, 0);
    let other = pair.iter().find(|who| **who != liar).expect("another");
    assert_eq!(net.provider(other).reputation.faults, 0);

    // Whoever is drawn next and says nothing in time is late: five times the cap.
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let id = net.assigned(spec(3, 3, 1));
    net.deliver_keys(id);
    net.until(30, |net| net.provider("p1").faults == 1);
    let late = net.provider("p1").reputation;
    assert!((149_990..=150_000).contains(&late.late), "five times 30 Gf: {late:?}");
    assert_eq!((late.faults, late.score), (0, 0));
}

#[test]
fn who_refuses_one_renter_shows_it_by_silence_in_the_score_and_by_declining_beside_it() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    one_job(&mut net, spec(8, 8, 1));
    let served = net.provider("p1").reputation;
    assert!(served.score > 0 && served.declined == 0);
    let unwanted = net.assigned(spec(3, 3, 1));
    net.ok("p1", JOBS, 0, IJobs::declineCall { job: unwanted, lot: 0, reason: 4 });
    let declined = net.provider("p1").reputation;
    assert!((29_990..=30_000).contains(&declined.declined), "the lot's cap, 30 Gf: {declined:?}");
    assert_eq!((declined.score, declined.faults, declined.late), (served.score, 0, 0), "no renter can lower it");
    let ignored = net.assigned(spec(3, 3, 1));
    net.deliver_keys(ignored);
    net.until(30, |net| net.provider("p1").faults == 1);
    let silent = net.provider("p1").reputation;
    assert!(silent.late > 0 && silent.score < served.score, "{silent:?}");
}

#[test]
fn auditors_are_credited_with_what_they_ran() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2"]);
    let id = net.assigned(JobSpec { auditBps: 10_000, auditDraws: 500, auditors: 1, ..spec(8, 8, 1) });
    net.deliver_keys(id);
    let who = net.replicas(id, 0).remove(0);
    let leaves = truths(&net.lot(id, 0));
    let call = with_bill(net.commit_call(id, 0, &who, &leaves), &leaves);
    net.ok(&who, JOBS, 0, call);
    net.until(9, |net| net.lot(id, 0).phase == LotPhase::Auditing);
    let audit = net.lot(id, 0).audit.expect("audited");
    let (auditor, drawn) = (name_of(audit.auditors[0].auditor), audit.tasks);
    let found: Vec<_> = drawn.iter().map(|task| truth(*task)).collect();
    let key = IJobs::deliverKeyCall { job: id, provider: addr(&auditor), sealedKey: vec![7; 80].into() };
    net.ok(&who, JOBS, 0, key);
    net.ok(&auditor, assay_types::system::AUDITS, 0, audit_call(id, 0, &auditor, &found));
    net.until(9, |net| net.lot(id, 0).phase == LotPhase::Revealing);
    net.ok(&auditor, assay_types::system::AUDITS, 0, audit_opening(id, 0, &auditor, &found));
    net.reveal(id, 0, &who, &leaves);
    net.until(30, |net| net.job(id).outcome.is_some());
    let audited = 2 * u64::try_from(drawn.len()).expect("few") * 1_000;
    assert!(audited > 0);
    assert_eq!(net.provider(&auditor).reputation.delivered, audited);
    assert_eq!(net.provider(&who).reputation.delivered, 16_000);
}

#[test]
fn an_order_may_ask_for_a_reputation_and_who_lacks_it_is_told_by_how_much() {
    let mut net = Net::new();
    net.register("p1", PRICE);
    one_job(&mut net, spec(4, 4, 1));
    let score = net.provider("p1").reputation.score;
    assert_eq!(score, 39, "8 of 2,008 Gf");
    // Cheaper, and new.
    net.register("p2", PRICE / 2);
    let id = net.assigned(JobSpec { minReputation: score, ..spec(1, 1, 1) });
    assert_eq!(net.replicas(id, 0), ["p1"], "the cheap newcomer is passed over");
    assert_eq!(net.lot(id, 0).replicas[0].price_per_gigafuel, PRICE);

    let picky = net.submit(JobSpec { minReputation: 5_000, ..spec(1, 1, 1) });
    net.pass(3);
    assert!(net.replicas(picky, 0).is_empty());
    let lot = query::why_waiting(&net.state, picky).remove(0);
    assert_eq!((lot.able, lot.missing, lot.enough_at), (0, 1, None));
    let lacks = |who| lot.asks.iter().find(|one| one.provider == addr(who)).expect("listed").lacks.clone();
    assert_eq!(lacks("p1"), [Lack::Reputation { by: 5_000 - score }]);
    assert_eq!(lacks("p2"), [Lack::Reputation { by: 5_000 }]);
    assert_eq!(net.job(picky).spec.min_reputation, 5_000);

    // It goes to whoever earns that much meanwhile, here by one large job.
    let hard = net.submit(JobSpec { fuelPerTask: 100 * GIGAFUEL, ..spec(39, 39, 1) });
    net.until(9, |net| !net.replicas(hard, 0).is_empty());
    let worker = net.replicas(hard, 0).remove(0);
    net.deliver_keys(hard);
    net.perform(hard, 0, |_, lot| {
        truths(lot).into_iter().map(|leaf| assay_types::Leaf { fuel: 80 * GIGAFUEL, ..leaf }).collect()
    });
    net.until(60, |net| !net.replicas(picky, 0).is_empty());
    assert_eq!(net.replicas(picky, 0), [worker.as_str()]);
    assert!(net.provider(&worker).reputation.score >= 5_000);
}

#[test]
fn collateral_that_leaves_takes_the_reputation_along() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    one_job(&mut net, spec(4, 4, 1));
    assert!(net.provider("p1").reputation.score > 0);
    let all = net.provider("p1").collateral;
    net.ok("p1", PROVIDERS, 0, IProviders::requestWithdrawalCall { amount: all });
    assert_eq!(net.provider("p1").reputation.score, 0);
    assert!(net.provider("p1").reputation.delivered >= 7_999, "what it did is not forgotten");
    net.ok("p1", PROVIDERS, 10 * GRAINS_PER_KRT, IProviders::depositCollateralCall {});
    assert!(net.provider("p1").reputation.score > 0);
}

#[test]
fn no_job_may_ask_for_more_than_all() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let asks = |least| JobSpec { minReputation: least, ..spec(1, 1, 1) };
    let escrow = asks(0).escrow().expect("fits");
    assert_eq!(net.fail("renter", JOBS, escrow, IJobs::submitCall { spec: asks(10_001) }), "SpecReputation");
    let id = job_id(CHAIN_ID, addr("renter"), net.nonce("renter"));
    net.ok("renter", JOBS, escrow, IJobs::submitCall { spec: asks(10_000) });
    net.pass(2);
    assert_eq!(query::why_waiting(&net.state, id)[0].asks[0].lacks, [Lack::Reputation { by: 10_000 }]);
}

#[test]
fn a_network_says_who_could_halt_it_and_whose_its_capacity_is() {
    let region = |id, name: &str, region: &str| Class {
        id,
        name: name.to_owned(),
        region: region.to_owned(),
        ..Class::any_cpu(PRICE / 2)
    };
    let mut genesis = genesis();
    genesis.params.classes = vec![region(1, "eu", "eu"), region(2, "us", "us")];
    genesis.validators[0].stake = 250 * GRAINS_PER_KRT;
    let mut net = Net::of(&genesis);
    let empty = query::risk(&net.state).expect("a genesis");
    assert_eq!(empty.seats, Nakamoto { owners: 4, halt: Some(2), takeover: Some(3) });
    // 250 of 550 halt; with 100 and 100 more they are 450, above 366.
    assert_eq!(empty.stake, Nakamoto { owners: 4, halt: Some(1), takeover: Some(3) });
    assert_eq!((empty.capacity, empty.offered), (Nakamoto::default(), Herfindahl::default()));

    let sell = |net: &mut Net, who: &str, operator: &str, class, capacity, krt: u128| {
        let ask = Ask { class, capacity, ..ask(PRICE / 2) };
        let call = IProviders::registerCall {
            operator: addr(operator),
            sealingKey: Default::default(),
            endpoint: Default::default(),
            ask,
        };
        net.ok(who, PROVIDERS, krt * GRAINS_PER_KRT, call);
    };
    sell(&mut net, "p1", "p1", 1, 30_000, 100);
    sell(&mut net, "p2", "p1", 2, 20_000, 100);
    sell(&mut net, "p3", "p3", 1, 30_000, 50);
    sell(&mut net, "p4", "p4", 2, 20_000, 50);
    let risk = query::risk(&net.state).expect("a genesis");
    assert_eq!(risk.capacity, Nakamoto { owners: 3, halt: Some(1), takeover: Some(2) }, "50, 30, 20 of 100");
    assert_eq!(risk.collateral, Nakamoto { owners: 3, halt: Some(1), takeover: Some(2) }, "200, 50, 50 of 300");
    // 0.5^2 + 0.3^2 + 0.2^2 by operator; 0.6^2 + 0.4^2 by region and class.
    let expected = Herfindahl { total: 100_000, operator: Some(3_800), region: Some(5_200), class: Some(5_200) };
    assert_eq!((risk.offered, risk.delivered.operator), (expected, None));

    // One of them works, and an ask is taken back.
    let id = net.assigned(JobSpec { class: 1, ..spec(1, 1, 1) });
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    net.until(30, |net| net.job(id).outcome.is_some());
    let closed = Ask { class: 2, capacity: 20_000, open: false, ..ask(PRICE / 2) };
    net.ok(
        "p4",
        PROVIDERS,
        0,
        IProviders::updateCall { sealingKey: Default::default(), endpoint: Default::default(), ask: closed },
    );
    let risk = query::risk(&net.state).expect("a genesis");
    // A few blocks of a week's half-life cost less than a unit of 2,000.
    let total = risk.delivered.total;
    assert!((1_999..=2_000).contains(&total), "{total}");
    assert_eq!(risk.delivered, Herfindahl { total, operator: Some(10_000), region: Some(10_000), class: Some(10_000) });
    assert_eq!((risk.offered.total, risk.capacity.owners, risk.collateral.owners), (80_000, 2, 3));
    assert_eq!(risk.height, net.height);
}
