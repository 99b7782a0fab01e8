//! Twenty seeds of the validators' network, and one of them twice.

use std::{collections::BTreeMap, ops::ControlFlow};

use assay_sim::{
    batch::{World, run_all},
    summary::Summary,
    validators::{run, scenario::Scenario},
};

#[test]
fn twenty_networks_with_byzantine_seats_stay_one_chain_and_go_on_while_committees_change() {
    let seeds: Vec<(World, u64)> = (1..21).map(|seed| (World::Network, seed)).collect();
    let all = run_all(&seeds, 2, 0, |one| {
        println!("seed {}: {:.1} s", one.seed, one.took.as_secs_f64());
        ControlFlow::Continue(())
    });
    let summary = Summary::of(&all, 0, std::time::Duration::ZERO);
    println!("{summary}");
    assert!(summary.failures.is_empty(), "{summary}");
    let sum = &summary.tally;
    // What happened, or nothing was learnt from the checks that were passed.
    assert!(sum.epochs >= 20 * 3 && sum.changes >= 20 * 2, "committees hardly changed: {summary}");
    assert!(sum.transactions > 20 * 20 && sum.books > 20 * 20, "{summary}");
    assert!(sum.punished > 0 && sum.blocked > 0 && sum.bounded_jobs > 0 && sum.bounded > sum.bounded_jobs, "{summary}");
    let faults: &BTreeMap<_, _> = &sum.faults;
    for kind in ["equivocate, heard by all", "withhold blocks", "withhold votes", "delay", "garbage", "censor"] {
        assert!(faults.contains_key(kind), "no seed drew {kind}: {summary}");
    }
    for kind in ["crash", "partition 5/2", "partition 4/3"] {
        assert!(faults.contains_key(kind), "no seed drew {kind}: {summary}");
    }
}

#[test]
fn the_same_seed_is_the_same_network_and_another_seed_another() {
    let first = run(&Scenario::of_seed(1));
    assert_eq!(first, run(&Scenario::of_seed(1)));
    assert_ne!(first.replay, run(&Scenario::of_seed(2)).replay);
}
