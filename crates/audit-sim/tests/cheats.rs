//! What cheating comes to, and that the comparison with formulas can fail.

use assay_audit_sim::{AuditorPlay, Odds, Options, Parameters, Report, Strategy, caught, simulate, simulate_against};

const FEW: Options = Options { seed: 1, jobs: 240, threads: 2 };

fn quiet(_: u64, _: u64) {}

#[test]
fn cheating_does_not_pay_and_nobody_honest_is_slashed() {
    let report = simulate(&FEW, quiet);
    assert!(report.cells.len() > 1_000 && report.cells.iter().all(|cell| cell.trials >= 240));
    assert!(report.cells_outside_interval <= 0.03, "{}", report.cells_outside_interval);
    assert!(report.worst_cell_sigma <= 5.0, "{}", report.worst_cell_sigma);
    assert!(report.max_cheat_profit < 0.0, "{} {:?}", report.max_cheat_profit, report.best_strategy);
    assert_eq!((report.honest_slashed, report.honest_loss), (0, 0.0));
    assert!(report.honest.iter().any(|run| run.auditors_slashed > 0), "false objections cost those who raise them");
    assert!(report.honest.iter().any(|run| run.bounties > 0), "forced errors are objected to");
    assert!(report.overhead > 0.0 && report.overhead <= 0.1, "{}", report.overhead);
    assert!((report.overhead / report.overhead_formula - 1.0).abs() < 0.5, "{}", report.overhead);
    coalitions(&report);
    auditors(&report);
    fields(&report);
}

/// With a lock of 6 prices, cheating wholly breaks even where one lot in seven is caught.
fn coalitions(report: &Report) {
    let of = |strategy| report.break_even.iter().find(|row| row.strategy == strategy).expect("swept");
    let (half, seventh) = (0.5, 1.0 / 7.0);
    for (strategy, share) in [
        (Strategy::Colluding, 1.0 - seventh / half),
        (Strategy::Padding, 1.0 - seventh / 2.0 / half),
        (Strategy::Adaptive, 1.0 - seventh / half),
        (Strategy::Timing, 1.0 - seventh / (half * half)),
    ] {
        let row = of(strategy);
        assert!((row.closed_form.expect("pays once") - share).abs() < 2e-4, "{strategy:?} {:?}", row.closed_form);
        assert!((row.measured.expect("paid once") - share).abs() < 0.2, "{strategy:?} {:?}", row.measured);
    }
    let both = of(Strategy::TimingColluding).closed_form.expect("pays once");
    assert!(both > 0.2 && both < of(Strategy::Timing).closed_form.expect("pays once"));
    assert!(report.one_value_profit > 0.0, "a leader that sees the points wins on little");
}

fn auditors(report: &Report) {
    for run in &report.auditors {
        assert!(run.sigma < 4.0, "{run:?}");
        let pays = run.break_even_forced.is_none_or(|forced| f64::from(run.forced_bps) / 1e4 < forced);
        assert_eq!(run.profit_formula > 0.0, pays, "{run:?}");
        assert_eq!(pays, run.play == AuditorPlay::Warned || run.forced_bps < 132, "{run:?}");
    }
}

fn fields(report: &Report) {
    let json = serde_json::to_value(report).expect("serializes");
    for number in
        ["seed", "cells_outside_interval", "worst_cell_sigma", "honest_slashed", "overhead", "max_cheat_profit"]
    {
        assert!(json[number].is_number(), "{number}");
    }
    let cell = &json["cells"][0];
    for number in ["measured", "low", "high", "formula", "sigma", "profit", "buyers_loss"] {
        assert!(cell[number].is_number(), "{number}");
    }
}

#[test]
fn a_wrong_formula_is_found_out() {
    let forgets_the_coalition = |odds: &Odds| caught(&Odds { agree: 0.0, ..*odds });
    let forgets_the_leader = |odds: &Odds| match odds.strategy {
        Strategy::Timing => caught(odds) / odds.chance,
        _ => caught(odds),
    };
    let one_point_less = |odds: &Odds| caught(&Odds { draws: odds.draws - 1, ..*odds });
    for wrong in [forgets_the_coalition, forgets_the_leader, one_point_less] {
        let report = simulate_against(&Options { jobs: 60, ..FEW }, wrong, quiet);
        assert!(report.cells_outside_interval > 0.03, "{}", report.cells_outside_interval);
        assert!(report.worst_cell_sigma > 5.0, "{}", report.worst_cell_sigma);
    }
}

#[test]
fn the_same_seed_says_the_same_on_any_number_of_threads() {
    let run = |seed, threads| simulate(&Options { seed, jobs: 12, threads }, quiet);
    let one = run(7, 1);
    assert_eq!(one, run(7, 3));
    assert_ne!(one.cells, run(8, 3).cells);
}

#[test]
fn locks_at_the_defaults_are_those_of_the_page() {
    let defaults = Parameters::defaults();
    assert_eq!(defaults.lock(defaults.chance_bps), Some(6.0));
    assert_eq!(defaults.lock(10_000), Some(1.5));
    assert_eq!(defaults.lock(0), None);
    assert_eq!(defaults.auditor_lock(defaults.forced_bps), Some(73.5));
}
