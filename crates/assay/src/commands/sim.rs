//! `assay sim`: agents against the market's rules, cheats against audits.

mod adversary;
mod beacon;

use assay_market_sim::{Outcome as Run, Strategy, simulate, strategies};
use serde_json::json;

use crate::{
    cli::SimCommand,
    failure::Outcome,
    terminal::{Grid, Terminal},
};

/// Runs it.
pub(crate) fn run(command: &SimCommand, terminal: &Terminal) -> Outcome<()> {
    match *command {
        SimCommand::Market { blocks, seed } => market(blocks, seed, terminal),
        SimCommand::Beacon { seed } => beacon::run(seed, terminal),
        SimCommand::Adversary { quick, seed } => adversary::run(quick, seed, terminal),
    }
    Ok(())
}

fn market(blocks: u64, seed: u64, terminal: &Terminal) {
    let spinner = terminal.spinner("agents");
    let tried = strategies();
    spinner.say(format!("{} strategies, {blocks} blocks each", tried.len()));
    let report = simulate(seed, blocks, &tried);
    drop(spinner);
    terminal.document(&json!(report));
    let mut grid =
        Grid::new(["who plays what", "efficiency", "price error", "index moved", "players gain", "others gain"]);
    for run in &report.outcomes {
        grid.row([
            name(&run.strategy),
            share(run.efficiency),
            share(run.price_error),
            signed(run.index_moved),
            if run.strategy == Strategy::Truthful { "–".to_owned() } else { signed(run.players_gain) },
            if run.strategy == Strategy::Truthful { "–".to_owned() } else { signed(run.others_gain) },
        ]);
    }
    terminal.table(&grid);
    for line in lessons(&report.outcomes) {
        terminal.line(line);
    }
    terminal.line(format!("seed {seed}, {blocks} blocks; gains are against the truthful run of the same blocks"));
}

fn share(value: f64) -> String {
    format!("{:.2} %", 100.0 * value)
}

fn signed(value: f64) -> String {
    format!("{:+.2} %", 100.0 * value)
}

fn name(strategy: &Strategy) -> String {
    match strategy {
        Strategy::Truthful => "everybody tells the truth".to_owned(),
        Strategy::Shade { owners, by } => format!("{owners} of 40 a side shade by {}", share(*by)),
        Strategy::Cartel { sellers, markup } => format!("{sellers} of 40 sellers add {}", share(*markup)),
        Strategy::Wash { sellers, units } => format!("{sellers} of 40 sellers wash {units} units a block"),
    }
}

/// What a manipulator with a share of the supply can do at best, of what was tried.
fn lessons(runs: &[Run]) -> Vec<String> {
    let sellers = |run: &Run| match run.strategy {
        Strategy::Cartel { sellers, .. } => Some(sellers),
        _ => None,
    };
    let mut sizes: Vec<usize> = runs.iter().filter_map(sellers).collect();
    sizes.dedup();
    let mut lines = Vec::new();
    for size in sizes {
        let of_size = runs.iter().filter(|run| sellers(run) == Some(size));
        let Some(best) = of_size.max_by(|a, b| a.players_gain.total_cmp(&b.players_gain)) else { continue };
        lines.push(format!(
            "at best {size} colluding sellers of 40 gain {} (index {}), the market loses {} of its surplus",
            signed(best.players_gain),
            signed(best.index_moved),
            share(1.0 - best.efficiency)
        ));
    }
    let washed = runs.iter().filter(|run| matches!(run.strategy, Strategy::Wash { .. }));
    if let Some(most) = washed.max_by(|a, b| a.index_moved.total_cmp(&b.index_moved)) {
        lines.push(format!(
            "washing moves the index by at most {} and costs those who do it {:.0} grains a block",
            signed(most.index_moved),
            -most.players_grains
        ));
    }
    lines
}
