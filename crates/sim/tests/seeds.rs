//! Twenty seeds of thirty simulated seconds, and one of them twice.

use assay_sim::{Scenario, run};

const LENGTH_MS: u64 = 30_000;

fn seeds(range: std::ops::Range<u64>) {
    for seed in range {
        let report = run(&Scenario::of_seed(seed, LENGTH_MS));
        println!("seed {seed}: height {}, {} jobs, slashed {}", report.height, report.jobs, report.slashed);
        assert!(report.height > 50, "the chain hardly moved: {report:?}");
    }
}

#[test]
fn ten_networks_with_a_cheat_crashes_and_a_partition_finish_their_jobs() {
    seeds(1..11);
}

#[test]
fn ten_more_networks_do_too() {
    seeds(11..21);
}

#[test]
fn the_same_seed_is_the_same_run_and_another_seed_another() {
    let scenario = Scenario::of_seed(1, LENGTH_MS);
    let first = run(&scenario);
    assert_eq!(first, run(&scenario));
    assert_ne!(first.replay, run(&Scenario::of_seed(2, LENGTH_MS)).replay);
}
