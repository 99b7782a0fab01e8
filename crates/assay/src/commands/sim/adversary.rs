//! `assay sim adversary`: cheats against audits.

use assay_audit_sim::{AuditorPlay, BreakEven, Options, Parameters, Report, StrategySummary, simulate};
use serde_json::json;

use super::{share, signed};
use crate::terminal::{Grid, Terminal, Tone};

/// Jobs a cell.
const JOBS: u64 = 10_000;
const QUICK_JOBS: u64 = 500;
/// Most cells that may lie outside of their interval, and how far off none may be.
const MOST_OUTSIDE: f64 = 0.03;
const MOST_SIGMA: f64 = 5.0;
/// Most extra fuel.
const MOST_OVERHEAD: f64 = 0.10;

/// Runs it.
pub(super) fn run(quick: bool, seed: u64, terminal: &Terminal) {
    let jobs = if quick { QUICK_JOBS } else { JOBS };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let spinner = terminal.spinner("cheats");
    let options = Options { seed, jobs, threads };
    let report = simulate(&options, |done, total| spinner.say(format!("{done} of {total} settings")));
    drop(spinner);
    terminal.document(&json!(report));
    if quick {
        terminal.line(format!("quick: {jobs} jobs a setting instead of {JOBS}, so intervals are wider"));
    }
    strategies(&report, terminal);
    coalitions(&report, terminal);
    auditors(&report, terminal);
    verdict(&report, terminal);
}

fn strategies(report: &Report, terminal: &Terminal) {
    terminal.line(format!("at the default parameters: {}", defaults(&report.defaults)));
    let head = ["cheat", "caught at 1 %", "10 %", "100 %", "best profit", "buyer's loss", "cells outside", "worst"];
    let mut grid = Grid::new(head);
    for row in &report.strategies {
        let caught = |bps: u32| row.caught.iter().find(|(fuel, _)| *fuel == bps).map(|(_, rate)| share(*rate));
        let caught = |bps| caught(bps).unwrap_or_else(|| "–".to_owned());
        let tone = if row.best_profit < 0.0 { Tone::Plain } else { Tone::Warn };
        grid.toned([
            (name(row), Tone::Plain),
            (caught(100), Tone::Plain),
            (caught(1_000), Tone::Plain),
            (caught(10_000), Tone::Plain),
            (signed(row.best_profit / report.price as f64), tone),
            (share(row.buyers_loss), Tone::Plain),
            (format!("{} of {}", row.outside, row.cells), Tone::Plain),
            (format!("{:.1} se", row.worst_sigma), Tone::Plain),
        ]);
    }
    terminal.table(&grid);
    terminal.line(
        "shares of fuel falsified; profit and loss are shares of a job's price, against honest work, for the best and \
         worst share of fuel; adaptive cheats count three jobs as one",
    );
}

fn name(row: &StrategySummary) -> String {
    match row.agree_bps {
        0 => row.strategy.words().to_owned(),
        agree => format!("{} ({:.0} %)", row.strategy.words(), f64::from(agree) / 100.0),
    }
}

fn defaults(rule: &Parameters) -> String {
    let percent = |bps: u32| f64::from(bps) / 100.0;
    format!(
        "{:.0} % of lots audited, {} points, {} auditor, coalitions of up to {:.0} % assumed, lock {} times the price",
        percent(rule.chance_bps),
        rule.draws,
        rule.auditors,
        percent(rule.collusion_bps),
        rule.lock(rule.chance_bps).map_or_else(|| "no".to_owned(), |lock| format!("{lock:.2}"))
    )
}

fn coalitions(report: &Report, terminal: &Terminal) {
    let mut grid = Grid::new(["cheat with own auditors", "pays from", "measured, steps of 5 %"]);
    let from = |value: Option<f64>| value.map_or_else(|| "never".to_owned(), share);
    for BreakEven { strategy, closed_form, measured, .. } in &report.break_even {
        grid.row([strategy.words().to_owned(), from(*closed_form), from(*measured)]);
    }
    terminal.heading("From which coalition on cheating pays");
    terminal.table(&grid);
    terminal.line("share of the auditors' stake; lazy, random, heaviest and last are as colluding auditors");
    if report.one_value_profit > 0.0 {
        terminal.line(format!(
            "were one beacon value to decide, draw points and draw auditors, a leader would gain {} of a job's price by \
             cheating on little: points must come from a later value",
            signed(report.one_value_profit / report.price as f64)
        ));
    }
}

fn auditors(report: &Report, terminal: &Terminal) {
    let mut grid = Grid::new(["auditor", "forced errors", "caught", "formula", "profit, fees", "pays below"]);
    for run in &report.auditors {
        grid.row([
            play(run.play),
            share(f64::from(run.forced_bps) / 1e4),
            share(run.measured),
            share(run.formula),
            format!("{:+.2}", run.profit_formula / report.auditor_fee),
            run.break_even_forced.map_or_else(|| "always pays".to_owned(), share),
        ]);
    }
    terminal.heading("Auditors that do not look");
    terminal.table(&grid);
}

fn play(play: AuditorPlay) -> String {
    match play {
        AuditorPlay::AlwaysAgree => "always agrees".to_owned(),
        AuditorPlay::AgreeWith { chance_bps } => format!("agrees in {:.0} %", f64::from(chance_bps) / 100.0),
        AuditorPlay::Copying => "copies from the provider".to_owned(),
        AuditorPlay::Warned => "is warned by the provider".to_owned(),
    }
}

fn verdict(report: &Report, terminal: &Terminal) {
    terminal.heading("In short");
    let say = |good: bool, text: String| {
        let tone = if good { Tone::Good } else { Tone::Bad };
        terminal.line(format!("{} {text}", terminal.paint(tone, if good { "✓" } else { "✗" })));
    };
    say(
        report.cells_outside_interval <= MOST_OUTSIDE && report.worst_cell_sigma <= MOST_SIGMA,
        format!(
            "{} of {} cells lie outside of their 99 % interval (Clopper-Pearson), the worst {:.1} standard errors off",
            share(report.cells_outside_interval),
            report.cells.len(),
            report.worst_cell_sigma
        ),
    );
    say(
        report.max_cheat_profit < 0.0,
        format!(
            "best cheat within the assumed collusion: {} of a job's price if idling saves all of it, {} if it saves {}",
            signed(report.max_cheat_profit / report.price as f64),
            signed(report.max_cheat_profit_at_cost / report.price as f64),
            share(report.cost_share)
        ),
    );
    let audited: u64 = report.honest.iter().map(|run| run.audited).sum();
    say(
        report.honest_slashed == 0,
        format!(
            "{} honest providers slashed in {audited} audits of theirs, {:.0} grains a job lost",
            report.honest_slashed, report.honest_loss
        ),
    );
    let sizes = report.overhead_by_tasks.iter().map(|(tasks, overhead)| format!("{tasks} tasks {}", share(*overhead)));
    say(
        report.overhead <= MOST_OVERHEAD,
        format!(
            "overhead {} of the fuel at {} tasks a job, formula {} (equal tasks: {})",
            share(report.overhead),
            report.tasks_per_job,
            share(report.overhead_formula),
            sizes.collect::<Vec<_>>().join(", ")
        ),
    );
    terminal.line(format!("seed {}, at least {} jobs a setting", report.seed, report.jobs_per_cell));
}

#[cfg(test)]
mod tests {
    use assay_types::{Params, job::AuditTerms};

    use super::*;

    #[test]
    fn what_is_simulated_is_what_a_network_starts_with() {
        let (simulated, params, terms) = (Parameters::defaults(), Params::default(), AuditTerms::default());
        assert_eq!(simulated.chance_bps, u32::from(terms.chance_bps));
        assert_eq!((simulated.draws, simulated.auditors), (u32::from(terms.draws), u32::from(terms.auditors)));
        assert_eq!(simulated.collusion_bps, params.assumed_collusion_bps);
        assert_eq!(simulated.draw_tries, params.draw_tries);
        assert_eq!((simulated.margin_bps, simulated.floor_bps), (params.deterrence_bps, params.collateral_bps));
        assert_eq!(simulated.forced_bps, params.forced_error_bps);
        assert!(simulated.points_later, "as the ledger draws: whether first, where with a later beacon");
    }
}
