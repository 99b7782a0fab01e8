//! Collateral while prices move: margin, warning, handing over, leaving, jail.

use assay_types::{
    GIGAFUEL, GRAINS_PER_KRT, JobCause, JobId, JobOutcome, JobSpec, Params,
    abi::{IJobs, IProviders},
    system::{JOBS, PROVIDERS},
    view::ReplicaPhase,
};

use crate::{kit::*, scenario::*};

const EPOCH: u64 = 20;

/// A network whose index follows any trade.
fn network() -> Net {
    let mut genesis = genesis();
    genesis.params = Params {
        epoch_blocks: EPOCH as u32,
        index_min_owners: 1,
        index_min_volume: 1,
        index_cap_bps: 10_000,
        key_window: 300,
        jail_blocks: 6,
        ..genesis.params
    };
    Net::of(&genesis)
}

fn register(net: &mut Net, who: &str, price: u128, collateral: u128) {
    let ask = IProviders::Ask { capacity: 1 << 40, ..ask(price) };
    let call = IProviders::registerCall {
        operator: Default::default(),
        sealingKey: Default::default(),
        endpoint: vec![9; 40].into(),
        ask,
    };
    net.ok(who, PROVIDERS, collateral, call);
}

fn epoch_over(net: &mut Net) {
    net.pass(EPOCH - net.height % EPOCH);
}

/// One lot that locks 4.8 KRT at half of `PRICE`.
fn large() -> JobSpec {
    JobSpec { fuelPerTask: 100 * GIGAFUEL, lifetime: 2_000, commitWindow: 200, ..spec(64, 64, 1) }
}

const LOCK: u128 = 48 * GRAINS_PER_KRT / 10;

/// Two large lots on p1, which has 10 KRT behind them, and then a trade of p2's at `price`, which the next epoch's reference is.
fn dearer(net: &mut Net, price: u128) -> Vec<JobId> {
    register(net, "p1", PRICE / 2, 20 * GRAINS_PER_KRT);
    let jobs = vec![net.assigned(large()), net.assigned(large())];
    // What is leaving covers nothing.
    net.ok("p1", PROVIDERS, 0, IProviders::requestWithdrawalCall { amount: 10 * GRAINS_PER_KRT });
    assert_eq!(net.provider("p1").locked, 2 * LOCK);
    let ask = IProviders::Ask { open: false, ..ask(PRICE / 2) };
    net.ok("p1", PROVIDERS, 0, IProviders::updateCall { sealingKey: Default::default(), endpoint: vec![].into(), ask });
    register(net, "p2", price, 900 * GRAINS_PER_KRT);
    // What p1 sold weighs in this epoch's index, and not in the next one's.
    epoch_over(net);
    let id = net.assigned(JobSpec { maxPricePerGigafuel: price, ..spec(1, 1, 1) });
    assert_eq!(net.replicas(id, 0), ["p2"]);
    epoch_over(net);
    jobs
}

#[test]
fn what_locks_lack_at_a_dearer_price_backs_no_new_work_and_is_warned_of() {
    let mut net = network();
    dearer(&mut net, PRICE * 3 / 4);
    net.pass(1);
    let warning = net.events::<IProviders::HealthWarning>().remove(0);
    assert_eq!((warning.provider, warning.healthBps), (addr("p1"), 6_944), "10 of 14.4 KRT");
    assert_eq!(warning.shortfall, 44 * GRAINS_PER_KRT / 10);
    let provider = net.provider("p1");
    assert_eq!((provider.margin, provider.health_bps), (LOCK, Some(6_944)));
    let ask = IProviders::requestWithdrawalCall { amount: 1 };
    assert_eq!(net.fail("p1", PROVIDERS, 0, ask), "CollateralInUse");
    net.ok("p1", PROVIDERS, 5 * GRAINS_PER_KRT, IProviders::depositCollateralCall {});
    net.pass(EPOCH);
    assert!(net.events::<IProviders::HealthWarning>().is_empty());
    assert!(net.provider("p1").health_bps > Some(10_000));
}

#[test]
fn where_locks_deter_no_more_open_work_goes_to_others_with_a_part_of_them() {
    let mut net = network();
    let jobs = dearer(&mut net, PRICE);
    assert!(jobs.iter().all(|job| net.replicas(*job, 0) == ["p1"]));
    net.pass(1);
    assert_eq!(net.provider("p1").active_lots, 0);
    let handed = net.events::<IProviders::HandedOver>();
    assert_eq!(handed.iter().map(|e| (e.provider, e.attached)).collect::<Vec<_>>(), [(addr("p1"), LOCK / 10); 2]);
    assert_eq!(net.provider("p1").collateral, 20 * GRAINS_PER_KRT - LOCK / 5);
    assert_eq!((net.provider("p1").faults, net.provider("p1").locked), (0, 0));
    assert!(jobs.iter().all(|job| net.lot(*job, 0).cause == JobCause::HandedOver));
    net.until(4, |net| jobs.iter().all(|job| net.replicas(*job, 0) == ["p2"]));
    let had = net.balance("p2");
    for job in jobs {
        net.deliver_keys(job);
        net.perform(job, 0, honest);
        net.until(10, |net| net.job(job).outcome == Some(JobOutcome::Completed));
    }
    assert!(net.balance("p2") > had + LOCK / 5 - GRAINS_PER_KRT / 100, "paid, and what came with them");
}

#[test]
fn a_lie_costs_what_the_lock_would_be_now() {
    let mut net = network();
    let jobs = dearer(&mut net, PRICE * 3 / 4);
    net.ok("p1", PROVIDERS, 50 * GRAINS_PER_KRT, IProviders::depositCollateralCall {});
    net.deliver_keys(jobs[0]);
    net.perform(jobs[0], 0, |_, lot| lies(lot, 7));
    net.ok("stranger", JOBS, GRAINS_PER_KRT, IJobs::challengeCall { job: jobs[0], task: 0 });
    net.disclose(jobs[0]);
    net.judge(jobs[0], 0, right);
    let slash = net.events::<IJobs::Slashed>().remove(0);
    assert_eq!((slash.provider, slash.amount), (addr("p1"), LOCK * 3 / 2));
    assert_eq!(net.provider("p1").suspended_until, net.height + 6, "jailed");
}

#[test]
fn a_provider_leaves_whole_and_what_it_committed_to_it_still_opens() {
    let mut net = network();
    register(&mut net, "p1", PRICE / 2, 20 * GRAINS_PER_KRT);
    let jobs = [net.assigned(large()), net.assigned(large())];
    net.deliver_keys(jobs[0]);
    let lot = net.lot(jobs[0], 0);
    net.commit(jobs[0], 0, "p1", &truths(&lot));
    register(&mut net, "p2", PRICE / 2, 900 * GRAINS_PER_KRT);
    assert_eq!(net.fail("stranger", PROVIDERS, 0, IProviders::exitCall {}), "UnknownProvider");
    net.ok("p1", PROVIDERS, 0, IProviders::exitCall {});
    assert!(!net.provider("p1").open);
    assert_eq!(net.provider("p1").locked, LOCK, "behind what it committed to");
    net.reveal(jobs[0], 0, "p1", &truths(&lot));
    net.until(10, |net| net.job(jobs[0]).outcome == Some(JobOutcome::Completed));
    assert!(net.provider("p1").earned > 0);
    net.until(4, |net| net.replicas(jobs[1], 0) == ["p2"]);
    assert_eq!(net.lot(jobs[1], 0).replicas[0].phase, ReplicaPhase::AwaitingKey);
    net.ok("p1", PROVIDERS, 0, IProviders::exitCall {});
    net.pass(21);
    net.ok("p1", PROVIDERS, 0, IProviders::withdrawCall {});
    assert_eq!(net.provider("p1").collateral, 0, "all of it but what went along with the lot");
    net.deliver_keys(jobs[1]);
    net.perform(jobs[1], 0, honest);
    net.until(10, |net| net.job(jobs[1]).outcome == Some(JobOutcome::Completed));
    assert_eq!(net.books().escrow, 0);
}

#[test]
fn what_came_along_with_a_lot_that_nobody_does_is_the_renters() {
    let mut net = network();
    register(&mut net, "p1", PRICE / 2, 10 * GRAINS_PER_KRT);
    let id = net.assigned(JobSpec { lifetime: 300, ..large() });
    net.ok("p1", PROVIDERS, 0, IProviders::exitCall {});
    let had = net.balance("renter") + net.job(id).escrow;
    net.until(400, |net| net.job(id).outcome == Some(JobOutcome::Expired));
    assert_eq!(net.balance("renter"), had + LOCK / 10);
    assert_eq!(net.books().escrow, 0);
}
