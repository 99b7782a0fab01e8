//! `assay sim beacon`: what withholding turns gains.

use assay_audit_sim::beacon_sweep;
use serde_json::json;

use crate::terminal::{Grid, Terminal};

/// Draws counted a setting.
const RUNS: u32 = 20_000;

/// Runs it.
pub(super) fn run(seed: u64, terminal: &Terminal) {
    let spinner = terminal.spinner("leader orders");
    let found = beacon_sweep(RUNS, seed);
    drop(spinner);
    let rows = found.iter().map(|run| {
        json!({
            "seats": run.bias.seats, "coalition": run.bias.coalition, "heights": run.bias.heights,
            "chance": run.bias.chance, "escape": run.exact, "counted": run.counted, "runs": run.runs, "tries": run.tries,
        })
    });
    terminal.document(&json!({ "seed": seed, "runs": rows.collect::<Vec<_>>() }));
    let mut grid = Grid::new(["seats", "coalition", "heights", "drawn", "fair", "by formula", "counted", "tries"]);
    for run in &found {
        let share = |value: f64| format!("{:.2} %", 100.0 * value);
        grid.row([
            run.bias.seats.to_string(),
            run.bias.coalition.to_string(),
            run.bias.heights.to_string(),
            share(run.bias.chance),
            share(1.0 - run.bias.chance),
            share(run.exact),
            share(run.counted),
            format!("{:.3}", run.tries),
        ]);
    }
    terminal.table(&grid);
    terminal
        .line("Chance that a coalition which withholds its turns is not drawn. Collateral is computed with 2 tries.");
    terminal.line(format!("seed {seed}, {RUNS} leader orders a row"));
}
