//! Jobs that go well, and jobs whose providers or renter do not.

use alloy_sol_types::SolCall;
use assay_ledger::{JobResult, keys, leaves_hash, query};
use assay_proof::lot_root;
use assay_types::{
    GRAINS_PER_KRT, JobCause, JobOutcome, JobSpec,
    abi::{IJobs, IProviders},
    system::{JOBS, PROVIDERS},
    view::{Lack, LotPhase, Role},
};

use crate::{kit::*, scenario::*};

#[test]
fn a_job_is_assigned_run_agreed_settled_and_proved() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2", "p3"]);
    let (spec, before) = (JobSpec { commitWindow: 30, ..spec(5, 2, 2) }, net.balance("renter"));
    let id = net.assigned(spec.clone());
    let escrow = spec.escrow().expect("fits");
    assert_eq!(net.job(id).escrow, escrow);
    net.deliver_keys(id);
    for index in 0..3 {
        net.perform(id, index, honest);
    }
    assert!(query::work(&net.state, addr("renter")).iter().any(|item| item.role == Role::Renter));
    net.until(10, |net| net.job(id).outcome.is_some());
    let job = net.job(id);
    assert_eq!((job.outcome, job.cause), (Some(JobOutcome::Completed), JobCause::None));
    let leaves: Vec<_> = (0..5).map(truth).collect();
    let fuel: u64 = leaves.iter().map(|leaf| leaf.fuel).sum();
    assert_eq!(job.fuel, fuel);
    assert_eq!(job.result_root, lot_root(0, &leaves).ok().map(|root| root.hash));
    let one_run: u128 = leaves.iter().map(|leaf| u128::from(leaf.fuel) * (PRICE / 2) / 1_000_000_000).sum();
    assert_eq!((job.paid, job.refunded, job.escrow), (2 * one_run, escrow - 2 * one_run, 0));
    assert_eq!(job.lots.iter().map(|lot| lot.phase).collect::<Vec<_>>(), [LotPhase::Settled; 3]);
    assert!(before - net.balance("renter") < 2 * one_run + 10 * 1_000_000 * GWEI);
    for who in ["p1", "p2", "p3"] {
        let provider = net.provider(who);
        assert_eq!((provider.locked, provider.active_lots, provider.faults), (0, 0, 0));
        assert!(query::work(&net.state, addr(who)).is_empty());
    }
    assert!(query::work(&net.state, addr("renter")).is_empty());
    let bytes = assay_ledger::StateRead::get(&net.state, &keys::job_result(id)).expect("a result");
    let result = JobResult::decode(&bytes).expect("canonical");
    assert_eq!((result.spec_hash, result.leaves_hash), (assay_types::job::spec_hash(&spec), leaves_hash(&leaves)));
    assert_eq!((result.paid, result.fuel, result.result_root), (job.paid, fuel, job.result_root));
    assert!(!assay_ledger::work_pending(&net.state), "nothing keeps an idle chain awake");
}

#[test]
fn a_lot_that_waits_says_what_each_ask_lacks_and_at_what_price_enough_would_take_it() {
    let mut net = Net::new();
    net.register("p1", PRICE / 2);
    net.register("p2", PRICE * 2);
    net.register("p3", PRICE + 7);
    let id = net.submit(spec(1, 1, 2));
    net.pass(1);
    let waiting = query::why_waiting(&net.state, id);
    let [lot] = &waiting[..] else { panic!("one lot: {waiting:?}") };
    assert_eq!((lot.lot, lot.missing, lot.able, lot.enough_at), (0, 2, 1, Some(PRICE + 7)));
    assert!(lot.since.is_some());
    let lacks: Vec<_> = lot.asks.iter().map(|one| (one.provider, one.lacks.clone())).collect();
    let dear = |by| vec![Lack::Price { by }];
    assert_eq!(lacks, [(addr("p1"), vec![]), (addr("p3"), dear(7)), (addr("p2"), dear(PRICE))]);
    // Nothing waits any more once enough have come, and nothing is said of unknown jobs.
    net.register("p4", PRICE);
    net.until(10, |net| net.replicas(id, 0).len() == 2);
    assert!(query::why_waiting(&net.state, id).is_empty());
    assert!(query::why_waiting(&net.state, assay_types::JobId::repeat_byte(9)).is_empty());
}

#[test]
fn replicas_are_drawn_in_a_block_after_the_submission_among_fitting_asks_of_other_operators() {
    let mut net = Net::new();
    net.register("p1", PRICE / 2);
    net.register("p2", PRICE * 2);
    let id = net.submit(spec(1, 1, 1));
    assert!(net.replicas(id, 0).is_empty(), "nobody is drawn in the block of the submission");
    net.pass(1);
    assert_eq!(net.replicas(id, 0), ["p1"], "the dear ask is above the limit");

    let other = net.submit(spec(1, 1, 2));
    net.pass(3);
    let lot = net.lot(other, 0);
    assert_eq!((lot.replicas.len(), lot.cause), (0, JobCause::NoEligibleProviders));
    net.register("p3", PRICE);
    net.until(3, |net| net.replicas(other, 0).len() == 2);
    assert_eq!(net.lot(other, 0).cause, JobCause::None);
    let mut drawn = net.replicas(other, 0);
    drawn.sort();
    assert_eq!(drawn, ["p1", "p3"]);
}

#[test]
fn machines_of_one_operator_never_share_a_lot_and_all_are_paid_the_one_price() {
    let mut net = Net::new();
    for (who, operator) in [("p1", addr("p1")), ("p2", addr("p1")), ("p3", addr("p3"))] {
        let call = IProviders::registerCall {
            operator,
            sealingKey: Default::default(),
            endpoint: Default::default(),
            ask: ask(if who == "p3" { PRICE } else { PRICE / 4 }),
        };
        net.ok(who, PROVIDERS, 100 * GRAINS_PER_KRT, call);
    }
    let id = net.assigned(spec(2, 1, 2));
    for index in 0..2 {
        let drawn = net.replicas(id, index);
        assert!(drawn.contains(&"p3".to_owned()), "{drawn:?} has both operators");
    }
    net.deliver_keys(id);
    (0..2).for_each(|index| net.perform(id, index, honest));
    net.until(10, |net| net.job(id).outcome.is_some());
    let fuel: u128 = (0..2).map(|task| u128::from(truth(task).fuel)).sum();
    let all = after_burn(fuel * PRICE / 1_000_000_000);
    assert_eq!(net.provider("p3").earned, all);
    assert_eq!(net.provider("p1").earned + net.provider("p2").earned, all);
}

#[test]
fn tier_none_is_paid_on_reveal_after_its_challenge_window() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let id = net.assigned(spec(2, 2, 1));
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    let settles_at = net.lot(id, 0).settles_at.expect("agreed");
    assert_eq!(settles_at, net.height + 4);
    net.until(4, |net| net.job(id).outcome == Some(JobOutcome::Completed));
    assert_eq!(net.height, settles_at);
}

#[test]
fn a_provider_that_misses_its_deadline_is_slashed_and_the_task_is_requeued() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2", "p3"]);
    let id = net.assigned(spec(1, 1, 2));
    net.deliver_keys(id);
    let [steady, dead] = <[String; 2]>::try_from(net.replicas(id, 0)).expect("two");
    net.commit(id, 0, &steady, &[truth(0)]);
    let locked = net.provider(&dead).locked;
    let (had, renter) = (net.balance(&steady), net.balance("renter"));
    net.until(12, |net| net.lot(id, 0).attempts == 1);
    let slash = net.events::<IJobs::Slashed>().remove(0);
    let amount = locked / 10;
    assert_eq!((slash.provider, slash.fault, slash.amount), (addr(&dead), 2, amount));
    assert_eq!((slash.burned, slash.toCatchers, slash.toRenter), (amount / 2, amount * 4 / 10, amount / 10));
    assert_eq!(net.balance(&steady), had + amount * 4 / 10, "who did its part is paid out of it");
    assert_eq!(net.balance("renter"), renter + amount / 10);
    assert_eq!((net.lot(id, 0).cause, net.provider(&dead).locked), (JobCause::Late, 0));
    net.until(3, |net| net.replicas(id, 0).len() == 2);
    assert!(!net.replicas(id, 0).contains(&dead), "not drawn for the same lot again");
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    net.until(10, |net| net.job(id).outcome == Some(JobOutcome::Completed));
}

#[test]
fn a_provider_that_was_late_is_not_drawn_for_as_long_again_and_longer_each_time() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let miss = |net: &mut Net| {
        let id = net.submit(JobSpec { lifetime: 30, ..spec(1, 1, 1) });
        net.until(30, |net| !net.replicas(id, 0).is_empty());
        net.deliver_keys(id);
        net.until(12, |net| net.lot(id, 0).attempts == 1);
        net.provider("p1").suspended_until - net.height
    };
    assert_eq!(miss(&mut net), 10);
    let other = net.submit(spec(1, 1, 1));
    net.pass(5);
    assert!(net.replicas(other, 0).is_empty(), "suspended");
    net.until(20, |net| !net.replicas(other, 0).is_empty());
    net.deliver_keys(other);
    net.until(12, |net| net.lot(other, 0).attempts == 1);
    assert_eq!(net.provider("p1").suspended_until - net.height, 20);
    net.until(30, |net| net.height >= net.provider("p1").suspended_until);
    let last = net.assigned(spec(1, 1, 1));
    net.deliver_keys(last);
    net.perform(last, 0, honest);
    net.until(10, |net| net.job(last).outcome.is_some());
    assert_eq!(miss(&mut net), 10, "a settled lot ends the streak");
}

#[test]
fn the_first_failure_of_a_call_wins() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let id = net.assigned(spec(1, 1, 1));
    let commit = |job, lot| IJobs::commitCall { job, lot, commitment: Default::default() };
    let reveal = |job, lot| IJobs::revealCall { job, lot, salt: Default::default(), leaves: vec![] };
    let none = Default::default();
    // Each row mends the first defect of the row before.
    assert_eq!(net.fail("stranger", JOBS, 1, commit(none, 9)), "NotPayable");
    assert_eq!(net.fail("stranger", JOBS, 0, commit(none, 9)), "UnknownJob");
    assert_eq!(net.fail("stranger", JOBS, 0, commit(id, 9)), "UnknownLot");
    assert_eq!(net.fail("stranger", JOBS, 0, commit(id, 0)), "NotAssigned");
    assert_eq!(net.fail("p1", JOBS, 0, commit(id, 0)), "KeyNotDelivered");
    net.deliver_keys(id);
    assert_eq!(net.fail("stranger", JOBS, 1, reveal(none, 9)), "NotPayable");
    assert_eq!(net.fail("stranger", JOBS, 0, reveal(none, 9)), "UnknownJob");
    assert_eq!(net.fail("stranger", JOBS, 0, reveal(id, 9)), "UnknownLot");
    assert_eq!(net.fail("stranger", JOBS, 0, reveal(id, 0)), "NotAssigned");
    assert_eq!(net.fail("p1", JOBS, 0, reveal(id, 0)), "WrongPhase");
    net.commit(id, 0, "p1", &[truth(0)]);
    assert_eq!(net.fail("p1", JOBS, 0, reveal(id, 0)), "LeafCount");
    let padded = assay_types::Leaf { fuel: u64::MAX, ..truth(0) };
    let says = |leaf: assay_types::Leaf| IJobs::revealCall { leaves: vec![leaf], ..reveal(id, 0) };
    assert_eq!(net.fail("p1", JOBS, 0, says(padded)), "FuelAboveCap");
    assert_eq!(net.fail("p1", JOBS, 0, says(truth(0))), "RevealMismatch");
    net.reveal(id, 0, "p1", &[truth(0)]);
    assert_eq!(net.fail("p1", JOBS, 0, reveal(id, 0)), "AlreadyRevealed");
    assert_eq!(net.fail("p1", JOBS, 0, commit(id, 0)), "AlreadyCommitted");
}

#[test]
fn a_commitment_after_the_deadline_is_refused() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let id = net.assigned(spec(1, 1, 1));
    net.deliver_keys(id);
    net.pass(9);
    let call = net.commit_call(id, 0, "p1", &[truth(0)]);
    assert_eq!(net.height, net.lot(id, 0).replicas[0].due - 1);
    net.ok("p1", JOBS, 0, call);
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let id = net.assigned(spec(1, 1, 1));
    net.deliver_keys(id);
    net.pass(10);
    let call = IJobs::commitCall { job: id, lot: 0, commitment: Default::default() };
    assert_eq!(net.fail("p1", JOBS, 0, call), "NotAssigned", "it was slashed and released at the deadline");
}

#[test]
fn a_replica_that_will_not_open_its_commitment_loses_all_it_locked() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2", "p3"]);
    let id = net.assigned(spec(1, 1, 2));
    net.deliver_keys(id);
    let [open, silent] = <[String; 2]>::try_from(net.replicas(id, 0)).expect("two");
    net.commit(id, 0, &open, &[truth(0)]);
    net.commit(id, 0, &silent, &[truth(0)]);
    net.reveal(id, 0, &open, &[truth(0)]);
    let locked = net.provider(&silent).locked;
    net.until(8, |net| net.lot(id, 0).attempts == 1);
    let slash = net.events::<IJobs::Slashed>().remove(0);
    assert_eq!((slash.provider, slash.fault, slash.amount), (addr(&silent), 3, locked));
    net.until(3, |net| net.replicas(id, 0).len() == 2);
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    net.until(10, |net| net.job(id).outcome == Some(JobOutcome::Completed));
    assert!(net.provider(&open).earned > 0 && net.provider(&silent).earned == 0);
}

#[test]
fn an_opening_counts_only_in_a_block_after_the_last_commitment() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2"]);
    let id = net.assigned(spec(1, 1, 2));
    net.deliver_keys(id);
    net.commit(id, 0, "p1", &[truth(0)]);
    let early = net.reveal_call(id, 0, "p1", &[truth(0)]);
    assert_eq!(net.fail("p1", JOBS, 0, early), "WrongPhase");
    let last = net.tx("p2", JOBS, 0, net.commit_call(id, 0, "p2", &[truth(0)]).abi_encode());
    let eager = net.tx("p1", JOBS, 0, net.reveal_call(id, 0, "p1", &[truth(0)]).abi_encode());
    let receipts = net.run(&[last, eager]);
    assert_eq!(outcome(receipts[0].as_ref().expect("included")), "ok");
    assert_eq!(outcome(receipts[1].as_ref().expect("included")), "WrongPhase");
    net.reveal(id, 0, "p1", &[truth(0)]);
}

#[test]
fn an_opening_that_does_not_match_is_refused_and_may_be_retried() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let id = net.assigned(spec(2, 2, 1));
    net.deliver_keys(id);
    let leaves = [truth(0), truth(1)];
    net.commit(id, 0, "p1", &leaves);
    let fail = |net: &mut Net, leaves: &[assay_types::Leaf]| {
        let call = net.reveal_call(id, 0, "p1", leaves);
        net.fail("p1", JOBS, 0, call)
    };
    assert_eq!(fail(&mut net, &[truth(0)]), "LeafCount");
    assert_eq!(fail(&mut net, &[truth(1), truth(0)]), "RevealMismatch");
    let mut padded = leaves.clone();
    padded[1].fuel += 1;
    assert_eq!(fail(&mut net, &padded), "RevealMismatch", "fuel padded after the commitment");
    padded[1].fuel = 11_000_000_000;
    assert_eq!(fail(&mut net, &padded), "FuelAboveCap");
    net.reveal(id, 0, "p1", &leaves);
    assert_eq!(fail(&mut net, &leaves), "AlreadyRevealed");
}

#[test]
fn an_echoed_commitment_cannot_be_opened() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2", "p3"]);
    let id = net.assigned(spec(1, 1, 2));
    net.deliver_keys(id);
    let [honest_one, echo] = <[String; 2]>::try_from(net.replicas(id, 0)).expect("two");
    let call = net.commit_call(id, 0, &honest_one, &[truth(0)]);
    net.ok(&honest_one, JOBS, 0, call.clone());
    net.ok(&echo, JOBS, 0, call);
    let opening = net.reveal_call(id, 0, &honest_one, &[truth(0)]);
    net.ok(&honest_one, JOBS, 0, opening.clone());
    assert_eq!(net.fail(&echo, JOBS, 0, opening), "RevealMismatch");
    let locked = net.provider(&echo).locked;
    net.until(8, |net| net.lot(id, 0).attempts == 1);
    assert_eq!(net.provider(&echo).slashed, locked);
}

#[test]
fn a_declined_lot_moves_on_without_penalty() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2", "p3"]);
    let id = net.assigned(spec(1, 1, 2));
    let quitter = net.replicas(id, 0).remove(0);
    let decline = |reason| IJobs::declineCall { job: id, lot: 0, reason };
    assert_eq!(net.fail(&quitter, JOBS, 0, decline(0)), "BadReason");
    assert_eq!(net.fail("stranger", JOBS, 0, decline(1)), "NotAssigned");
    net.ok(&quitter, JOBS, 0, decline(4));
    assert_eq!((net.provider(&quitter).slashed, net.lot(id, 0).cause), (0, JobCause::Declined));
    net.until(3, |net| net.replicas(id, 0).len() == 2);
    assert!(!net.replicas(id, 0).contains(&quitter));
}

#[test]
fn a_renter_that_vanishes_before_delivering_keys_costs_providers_nothing_and_gets_its_escrow_back() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2"]);
    let spec = spec(1, 1, 2);
    let escrow = spec.escrow().expect("fits");
    let id = net.assigned(spec);
    net.until(12, |net| net.lot(id, 0).cause == JobCause::KeyNotDelivered);
    net.until(100, |net| net.job(id).outcome.is_some());
    let job = net.job(id);
    assert_eq!((job.outcome, job.cause), (Some(JobOutcome::Expired), JobCause::AttemptsExhausted));
    assert_eq!((job.refunded, job.paid), (escrow, 0));
    assert_eq!((net.provider("p1").slashed, net.provider("p1").faults), (0, 0));
}

#[test]
fn a_renter_that_vanishes_after_delivering_keys_still_pays() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2"]);
    let id = net.assigned(spec(2, 1, 2));
    net.deliver_keys(id);
    let nonce = net.nonce("renter");
    (0..2).for_each(|index| net.perform(id, index, honest));
    net.until(10, |net| net.job(id).outcome == Some(JobOutcome::Completed));
    assert_eq!(net.nonce("renter"), nonce);
    assert!(net.provider("p1").earned > 0);
}

#[test]
fn a_job_can_be_cancelled_until_something_is_committed_to() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2"]);
    let spec = spec(3, 1, 2);
    let escrow = spec.escrow().expect("fits");
    let id = net.assigned(spec.clone());
    assert_eq!(net.fail("p1", JOBS, 0, IJobs::cancelCall { job: id }), "NotRenter");
    net.ok("renter", JOBS, 0, IJobs::cancelCall { job: id });
    let job = net.job(id);
    assert_eq!((job.outcome, job.cause), (Some(JobOutcome::Cancelled), JobCause::RenterCancelled));
    assert_eq!((job.refunded, job.escrow, net.provider("p1").locked), (escrow, 0, 0));
    assert_eq!(net.fail("renter", JOBS, 0, IJobs::cancelCall { job: id }), "JobClosed");

    let id = net.assigned(spec);
    net.deliver_keys(id);
    net.commit(id, 1, "p1", &[truth(1)]);
    assert_eq!(net.fail("renter", JOBS, 0, IJobs::cancelCall { job: id }), "HasCommitments");
}

#[test]
fn a_job_that_nobody_serves_expires_with_its_escrow_returned() {
    let mut net = Net::new();
    let spec = spec(3, 2, 2);
    let escrow = spec.escrow().expect("fits");
    let id = net.submit(spec);
    net.until(410, |net| net.job(id).outcome.is_some());
    let job = net.job(id);
    assert_eq!((job.outcome, job.cause), (Some(JobOutcome::Expired), JobCause::NoEligibleProviders));
    assert_eq!((job.refunded, job.escrow), (escrow, 0));
    assert!(net.height <= job.ends_at + 1);
}

#[test]
fn a_job_some_of_whose_lots_settle_is_partly_completed() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2"]);
    let id = net.assigned(spec(2, 1, 2));
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    net.until(420, |net| net.job(id).outcome.is_some());
    let job = net.job(id);
    assert_eq!((job.outcome, job.result_root), (Some(JobOutcome::Partial), None));
    assert_eq!(job.paid + job.refunded, spec(2, 1, 2).escrow().expect("fits"));
    let result = query::result(&net.state, id).expect("a result");
    let none = assay_types::Leaf { output: Default::default(), fuel: 0 };
    assert_eq!(result.leaves_hash, leaves_hash(&[truth(0), none]));
}

#[test]
fn work_is_a_level_so_a_restarted_provider_needs_no_history() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2"]);
    let id = net.assigned(spec(3, 2, 2));
    net.deliver_keys(id);
    let work = query::work(&net.state, addr("p1"));
    assert_eq!(work.len(), 2);
    let second = &work[1];
    assert_eq!((second.role, second.lot.index, second.lot.first_task), (Role::Replica, 1, 2));
    assert_eq!(second.spec.inputs, spec(3, 2, 2).inputs[2..]);
    assert_eq!((second.sealed_keys.len(), second.peers.len()), (1, 1));
    assert_eq!(query::work(&net.state, addr("renter")).len(), 2);
    assert_eq!(query::jobs(&net.state, Some(addr("renter")), 10).len(), 1);
}

#[test]
fn a_provider_never_has_more_lots_than_it_asked_for_nor_than_its_collateral_covers() {
    let mut net = Net::new();
    let call = IProviders::registerCall {
        operator: Default::default(),
        sealingKey: Default::default(),
        endpoint: Default::default(),
        ask: IProviders::Ask { maxLots: 2, ..ask(PRICE) },
    };
    net.ok("p1", PROVIDERS, 10 * GRAINS_PER_KRT, call);
    let id = net.submit(spec(4, 1, 1));
    net.pass(12);
    assert_eq!(net.provider("p1").active_lots, 2);
    net.deliver_keys(id);
    net.until(60, |net| {
        let lots = net.job(id).lots;
        lots.iter().filter(|lot| lot.phase == LotPhase::Running && !lot.replicas.is_empty()).count() == 2
    });
    let running: Vec<u32> = net.job(id).lots.iter().filter(|l| !l.replicas.is_empty()).map(|l| l.index).collect();
    running.into_iter().for_each(|index| net.perform(id, index, honest));
    net.until(10, |net| net.job(id).lots.iter().all(|lot| !lot.replicas.is_empty()));
}
