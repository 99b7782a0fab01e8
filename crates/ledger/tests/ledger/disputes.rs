//! Lies, challenges and verdicts.

use assay_types::{
    GRAINS_PER_KRT, JobCause, JobId, JobOutcome, Leaf,
    abi::{IDisputes, IJobs},
    system::{DISPUTES, JOBS},
    view::{LotPhase, LotView, Role},
};

use crate::{kit::*, scenario::*};

/// One lot of two tasks whose replicas say what `says` has them say.
fn performed(
    net: &mut Net,
    names: &[&str],
    replicas: u8,
    says: impl Fn(&[String], &str, &LotView) -> Vec<Leaf>,
) -> JobId {
    net.register_all(names);
    let id = net.assigned(spec(2, 2, replicas));
    net.deliver_keys(id);
    let speakers = net.replicas(id, 0);
    net.perform(id, 0, |who, lot| says(&speakers, who, lot));
    id
}

fn first_lies(speakers: &[String], who: &str, lot: &LotView) -> Vec<Leaf> {
    if who == speakers[0] { lies(lot, 0xbb) } else { truths(lot) }
}

#[test]
fn a_liar_is_adjudicated_slashed_replaced_and_the_buyer_compensated() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2", "p3"], 2, first_lies);
    let lot = net.lot(id, 0);
    assert_eq!((lot.phase, lot.dispute.expect("open").tasks), (LotPhase::Disclosing, vec![0]));
    let [liar, honest_one] = <[String; 2]>::try_from(net.replicas(id, 0)).expect("two");
    let wrong_key = IDisputes::discloseKeyCall { job: id, key: Default::default() };
    assert_eq!(net.fail("renter", DISPUTES, 0, wrong_key), "WrongKey");
    net.disclose(id);
    assert!(assay_ledger::query::disputes(&net.state, addr("v1")).iter().all(|item| item.role == Role::Adjudicator));
    assert_eq!(assay_ledger::query::disputes(&net.state, addr("v1")).len(), 1);
    let (locked, renter, catcher) = (net.provider(&liar).locked, net.balance("renter"), net.balance(&honest_one));
    net.judge(id, 0, right);
    let resolved = net.events::<IDisputes::DisputeResolved>().remove(0);
    assert_eq!((resolved.outcome, resolved.wrong), (1, vec![addr(&liar)]));
    let slash = net.events::<IJobs::Slashed>().remove(0);
    assert_eq!((slash.provider, slash.fault, slash.amount), (addr(&liar), 1, locked));
    assert_eq!((slash.burned, slash.toCatchers, slash.toRenter), (locked / 2, locked * 4 / 10, locked / 10));
    assert_eq!(net.balance("renter"), renter + locked / 10);
    assert_eq!(net.balance(&honest_one), catcher + locked * 2 / 10, "half of the catchers' share");
    net.until(3, |net| net.replicas(id, 0).len() == 2);
    let now = net.replicas(id, 0);
    assert!(now.contains(&honest_one) && !now.contains(&liar), "{now:?}: the honest result stands");
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    net.until(10, |net| net.job(id).outcome.is_some());
    let job = net.job(id);
    assert_eq!((job.outcome, job.compensated), (Some(JobOutcome::Completed), locked / 10));
    assert!(net.provider(&honest_one).earned > 0 && net.provider(&liar).earned == 0);
}

#[test]
fn a_fuel_padder_is_caught_like_any_liar() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2", "p3"], 2, |speakers, who, lot| {
        let mut leaves = truths(lot);
        leaves[1].fuel += u64::from(who == speakers[0]);
        leaves
    });
    assert_eq!(net.lot(id, 0).dispute.expect("open").tasks, [1]);
    let padder = net.replicas(id, 0).remove(0);
    net.disclose(id);
    net.judge(id, 0, right);
    assert_eq!(net.provider(&padder).faults, 1);
}

#[test]
fn when_both_replicas_lie_differently_both_are_slashed_and_the_lot_is_redone() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2", "p3", "p4"], 2, |speakers, who, lot| {
        lies(lot, if who == speakers[0] { 1 } else { 2 })
    });
    let liars = net.replicas(id, 0);
    net.disclose(id);
    net.judge(id, 0, right);
    assert_eq!(net.events::<IJobs::Slashed>().len(), 2);
    net.until(3, |net| net.replicas(id, 0).len() == 2);
    assert!(net.replicas(id, 0).iter().all(|who| !liars.contains(who)));
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    net.until(10, |net| net.job(id).outcome == Some(JobOutcome::Completed));
}

#[test]
fn two_replicas_that_collude_on_one_lie_are_paid_which_this_tier_cannot_see() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2"], 2, |_, _, lot| lies(lot, 0xcc));
    net.until(10, |net| net.job(id).outcome == Some(JobOutcome::Completed));
    assert_eq!(net.lot(id, 0).leaves[0].output, wrong(0, 0xcc).output);
    assert_eq!(net.provider("p1").faults, 0);
}

#[test]
fn a_right_challenge_slashes_colluders_and_a_wrong_one_costs_its_bond() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2", "p3", "p4"], 2, |_, _, lot| lies(lot, 0xcc));
    let liars = net.replicas(id, 0);
    let challenge = |task| IJobs::challengeCall { job: id, task };
    assert_eq!(net.fail("stranger", JOBS, 1, challenge(0)), "ValueTooLow");
    let had = net.balance("stranger");
    let receipt = net.ok("stranger", JOBS, 5 * GRAINS_PER_KRT, challenge(0));
    let fee = u128::from(receipt.gas_used) * receipt.effective_gas_price;
    assert_eq!(net.balance("stranger"), had - fee - GRAINS_PER_KRT, "value above the bond is not taken");
    net.disclose(id);
    net.judge(id, 0, right);
    assert!(net.balance("stranger") > had - fee, "bond back and a share of both slashes");
    assert!(liars.iter().all(|who| net.provider(who).faults == 1));
    assert_eq!(net.lot(id, 0).cause, JobCause::WrongResult);

    net.until(3, |net| net.replicas(id, 0).len() == 2);
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    let (had, burned) = (net.balance("stranger"), net.books().burned);
    let receipt = net.ok("stranger", JOBS, GRAINS_PER_KRT, challenge(1));
    assert_eq!(net.lot(id, 0).phase, LotPhase::Judging, "the key is known already");
    net.judge(id, 0, right);
    let fee = u128::from(receipt.gas_used) * receipt.effective_gas_price;
    assert_eq!(net.balance("stranger"), had - fee - GRAINS_PER_KRT);
    assert!(net.books().burned > burned + GRAINS_PER_KRT / 2);
    assert_eq!(net.lot(id, 0).phase, LotPhase::Agreed);
    net.until(10, |net| net.job(id).outcome == Some(JobOutcome::Completed));
}

#[test]
fn a_challenge_is_refused_outside_its_window() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let id = net.assigned(spec(2, 2, 1));
    let challenge = |job, task| IJobs::challengeCall { job, task };
    assert_eq!(net.fail("stranger", JOBS, GRAINS_PER_KRT, challenge(id, 0)), "WrongPhase");
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    assert_eq!(net.fail("stranger", JOBS, GRAINS_PER_KRT, challenge(id, 2)), "UnknownLot");
    assert_eq!(net.fail("stranger", JOBS, GRAINS_PER_KRT, challenge(JobId::ZERO, 0)), "UnknownJob");
    net.pass(1);
    assert_eq!(net.height + 1, net.lot(id, 0).settles_at.expect("agreed"));
    assert_eq!(net.fail("stranger", JOBS, GRAINS_PER_KRT, challenge(id, 0)), "TooLate");
    assert_eq!(net.fail("stranger", JOBS, GRAINS_PER_KRT, challenge(id, 0)), "JobClosed");
}

#[test]
fn without_two_thirds_nobody_is_slashed_and_the_lot_is_redone() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2", "p3"], 2, first_lies);
    net.disclose(id);
    net.judge(id, 0, |who, tasks| match who {
        "v1" | "v2" => right(who, tasks),
        "v3" => Some(vec![wrong(tasks[0], 9)]),
        _ => None,
    });
    net.until(20, |net| net.lot(id, 0).attempts == 1);
    assert_eq!(net.events::<IDisputes::DisputeResolved>().remove(0).outcome, 2);
    assert_eq!(net.lot(id, 0).cause, JobCause::Undecided);
    assert!(["p1", "p2", "p3"].into_iter().all(|who| net.provider(who).faults == 0));
}

#[test]
fn three_of_four_validators_decide_and_silent_or_lying_ones_are_not_paid() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2", "p3"], 2, first_lies);
    net.disclose(id);
    let idle = net.balance("v4");
    net.judge(id, 0, |who, tasks| if who == "v4" { None } else { right(who, tasks) });
    net.until(20, |net| net.lot(id, 0).attempts == 1);
    assert_eq!(net.events::<IJobs::Slashed>().len(), 1);
    // Tips of a few blocks are all that v4 gets.
    assert!(net.balance("v4") - idle < GRAINS_PER_KRT / 1_000_000);
}

#[test]
fn a_renter_that_never_discloses_the_key_pays_nobody_and_slashes_nobody() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2"], 2, first_lies);
    net.until(8, |net| net.lot(id, 0).attempts == 1);
    assert_eq!(net.events::<IDisputes::DisputeResolved>().remove(0).outcome, 3);
    assert_eq!((net.provider("p1").slashed, net.provider("p2").slashed), (0, 0));
    net.until(420, |net| net.job(id).outcome.is_some());
    assert_eq!(net.job(id).paid, 0);
}

#[test]
fn a_challenge_that_cannot_be_decided_returns_its_bond_and_the_lot_settles() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2"], 2, |_, _, lot| truths(lot));
    let had = net.balance("stranger");
    let receipt = net.ok("stranger", JOBS, GRAINS_PER_KRT, IJobs::challengeCall { job: id, task: 0 });
    net.until(30, |net| net.job(id).outcome == Some(JobOutcome::Completed));
    let fee = u128::from(receipt.gas_used) * receipt.effective_gas_price;
    assert_eq!(net.balance("stranger"), had - fee);
}

#[test]
fn verdicts_are_the_validators_own_salted_and_in_time() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2", "p3"], 2, first_lies);
    let commit = IDisputes::commitVerdictCall { job: id, lot: 0, commitment: Default::default() };
    let reveal = IDisputes::revealVerdictCall { job: id, lot: 0, salt: salt("v1"), leaves: vec![] };
    assert_eq!(net.fail("stranger", DISPUTES, 0, commit.clone()), "NotValidator");
    assert_eq!(net.fail("v1", DISPUTES, 0, commit.clone()), "WrongPhase");
    net.disclose(id);
    let again = IDisputes::discloseKeyCall { job: id, key: KEY };
    assert_eq!(net.fail("renter", DISPUTES, 0, again), "WrongPhase");
    net.ok("v1", DISPUTES, 0, commit.clone());
    assert_eq!(net.fail("v1", DISPUTES, 0, commit), "AlreadyJudged");
    assert_eq!(net.fail("v1", DISPUTES, 0, reveal.clone()), "WrongPhase");
    net.until(10, |net| net.lot(id, 0).phase == LotPhase::Deciding);
    assert_eq!(net.fail("v2", DISPUTES, 0, reveal.clone()), "NoVerdict");
    assert_eq!(net.fail("v1", DISPUTES, 0, reveal), "LeafCount");
    let leaf = IDisputes::Leaf { output: truth(0).output, fuel: truth(0).fuel };
    let other = IDisputes::revealVerdictCall { job: id, lot: 0, salt: salt("v1"), leaves: vec![leaf] };
    assert_eq!(net.fail("v1", DISPUTES, 0, other), "RevealMismatch");
}

#[test]
fn a_result_that_survived_adjudication_is_paid_even_when_no_replacement_comes() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2"], 2, first_lies);
    let honest_one = net.replicas(id, 0).remove(1);
    net.disclose(id);
    net.judge(id, 0, right);
    net.until(420, |net| net.job(id).outcome.is_some());
    assert_eq!(net.job(id).outcome, Some(JobOutcome::Completed));
    assert!(net.provider(&honest_one).earned > 0);
}

#[test]
fn validators_who_sleep_through_a_decided_dispute_lose_a_little_stake() {
    let mut net = Net::new();
    let id = performed(&mut net, &["p1", "p2", "p3"], 2, first_lies);
    net.disclose(id);
    let stake = net.books().stake;
    net.judge(id, 0, |who, tasks| if who == "v4" { None } else { right(who, tasks) });
    net.until(12, |net| net.lot(id, 0).dispute.is_none());
    let slept: Vec<_> = net.events::<IDisputes::Slept>().into_iter().map(|e| (e.validator, e.burned)).collect();
    assert_eq!(slept, [(addr("v4"), GRAINS_PER_KRT / 100)]);
    assert_eq!(net.books().stake, stake - GRAINS_PER_KRT / 100);
}

#[test]
fn when_validators_differ_the_runtime_is_quarantined_and_nobody_is_punished_for_results_under_it() {
    let mut genesis = genesis();
    genesis.params.quarantine_blocks = 60;
    genesis.params.key_window = 60;
    let mut net = Net::of(&genesis);
    let first = performed(&mut net, &["p1", "p2", "p3", "p4"], 2, first_lies);
    let second = net.submit(spec(2, 2, 2));
    net.until(4, |net| net.replicas(second, 0).len() == 2);
    net.disclose(first);
    // As a host with a bug would: each validator gets another result, and none of them lies.
    net.judge(first, 0, |who, tasks| Some(tasks.iter().map(|task| wrong(*task, who.as_bytes()[1])).collect()));
    let alarm = net.events::<IDisputes::RuntimeQuarantined>().remove(0);
    assert_eq!((alarm.runtimeId, alarm.job, alarm.until), (RUNTIME, first, net.height + 60));
    assert_eq!(net.lot(first, 0).cause, JobCause::Undecided);
    assert_eq!(
        net.fail("renter", JOBS, GRAINS_PER_KRT, IJobs::submitCall { spec: spec(1, 1, 1) }),
        "RuntimeQuarantined"
    );
    net.deliver_keys(second);
    let speakers = net.replicas(second, 0);
    assert_eq!(speakers.len(), 2);
    net.perform(second, 0, |who, lot| first_lies(&speakers, who, lot));
    net.disclose(second);
    net.judge(second, 0, right);
    assert_eq!(net.events::<IDisputes::DisputeResolved>().remove(0).outcome, 4);
    assert!(net.events::<IJobs::Slashed>().is_empty(), "not even the one the validators agree about");
    net.pass(60);
    net.submit(spec(1, 1, 1));
}

/// A provider that misses its commitment on a network where that can be excused; the appeal's number.
fn late(net: &mut Net) -> (JobId, u64) {
    net.register_all(&["p1"]);
    let id = net.assigned(spec(1, 1, 1));
    net.deliver_keys(id);
    let locked = net.provider("p1").locked;
    net.until(20, |net| net.lot(id, 0).cause == JobCause::Late);
    let held = net.events::<IDisputes::SlashHeld>().remove(0);
    assert_eq!((held.provider, held.fault, held.amount), (addr("p1"), 2, locked / 10));
    assert!(net.events::<IJobs::Slashed>().is_empty());
    assert_eq!(net.provider("p1").collateral, 100 * GRAINS_PER_KRT - locked / 10);
    (id, held.appeal)
}

fn appealable() -> Net {
    let mut genesis = genesis();
    genesis.params.appeal_window = 30;
    Net::of(&genesis)
}

#[test]
fn a_lateness_that_two_thirds_of_the_validators_excuse_costs_nothing() {
    let mut net = appealable();
    let (_, appeal) = late(&mut net);
    let excuse = || IDisputes::excuseCall { appeal };
    assert_eq!(net.fail("p1", DISPUTES, 0, excuse()), "NotValidator");
    assert_eq!(net.fail("v1", DISPUTES, 0, IDisputes::excuseCall { appeal: 99 }), "UnknownAppeal");
    net.ok("v1", DISPUTES, 0, excuse());
    assert_eq!(net.fail("v1", DISPUTES, 0, excuse()), "AlreadyJudged");
    net.ok("v2", DISPUTES, 0, excuse());
    assert_eq!(net.provider("p1").faults, 1, "half is not enough");
    net.ok("v3", DISPUTES, 0, excuse());
    let provider = net.provider("p1");
    assert_eq!((provider.faults, provider.slashed, provider.suspended_until), (0, 0, 0));
    assert_eq!(provider.collateral, 100 * GRAINS_PER_KRT);
    assert_eq!(net.fail("v4", DISPUTES, 0, excuse()), "UnknownAppeal");
}

#[test]
fn a_lateness_that_nobody_excuses_is_slashed_when_its_appeal_is_over() {
    let mut net = appealable();
    let (id, appeal) = late(&mut net);
    net.ok("v1", DISPUTES, 0, IDisputes::excuseCall { appeal });
    net.until(40, |net| !net.events::<IJobs::Slashed>().is_empty());
    let slash = net.events::<IJobs::Slashed>().remove(0);
    assert_eq!((slash.job, slash.fault, slash.burned), (id, 2, slash.amount / 2));
    assert_eq!(net.job(id).compensated, slash.toRenter);
    assert_eq!(net.fail("v2", DISPUTES, 0, IDisputes::excuseCall { appeal }), "UnknownAppeal");
}
