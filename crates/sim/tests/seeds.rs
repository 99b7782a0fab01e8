//! Twenty seeds of thirty simulated seconds, and one of them twice.

use assay_sim::{Counts, Scenario, run};

const LENGTH_MS: u64 = 30_000;

/// Runs seeds; what traders did in all of them together.
fn seeds(range: std::ops::Range<u64>) -> Vec<Counts> {
    let report = |seed| {
        let report = run(&Scenario::of_seed(seed, LENGTH_MS));
        println!("seed {seed}: height {}, {} jobs, slashed {}", report.height, report.jobs, report.slashed);
        println!("  {:?}", report.market);
        assert!(report.height > 50, "the chain hardly moved: {report:?}");
        report.market
    };
    range.map(report).collect()
}

/// Whatever a seed drew, its traders acted: else nothing was learnt from the checks they passed.
fn all_acted(runs: &[Counts]) {
    for counts in runs {
        let each = [counts.honest_trades, counts.dust_orders, counts.dust_refused, counts.seals];
        assert!(each.iter().all(|count| *count > 0) && counts.forfeited > 0, "{counts:?}");
    }
    let sum = |count: fn(&Counts) -> u32| runs.iter().map(count).sum::<u32>();
    // An honest order may be there first every time, so not in each of them.
    assert!(sum(|counts| counts.wash_trades) > 20, "the wash trader hardly traded with itself");
    assert!(sum(|counts| counts.wash_epochs) > 0, "the wash trader was never alone in an epoch");
    assert!(sum(|counts| counts.turns) > 10, "asks hardly ever changed");
    assert!(sum(|counts| counts.printed) > 0, "no index of bandwidth was ever printed");
}

#[test]
fn ten_networks_with_a_cheat_crashes_a_partition_and_abusive_traders_finish_their_jobs() {
    all_acted(&seeds(1..11));
}

#[test]
fn ten_more_networks_do_too() {
    all_acted(&seeds(11..21));
}

#[test]
fn the_same_seed_is_the_same_run_and_another_seed_another() {
    let scenario = Scenario::of_seed(1, LENGTH_MS);
    let first = run(&scenario);
    assert_eq!(first, run(&scenario));
    assert_ne!(first.replay, run(&Scenario::of_seed(2, LENGTH_MS)).replay);
}
