//! `assay-sim wan`: runs plans and prints their figures, as tables or one JSON document.

use std::io::IsTerminal as _;

use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::{
    Plan, Run, WanError,
    bound::quorum,
    cost::{Costs, costs, upload_ms},
    figures::{Quantiles, Views},
    regions::{REGIONS, Spread},
    run,
};

/// Finality on links between continents, in simulated time.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Number of validators.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    validators: u16,
    /// Blocks to measure, of each load.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=500))]
    blocks: u64,
    /// Where the validators are.
    #[arg(long, value_enum, default_value = "equal")]
    spread: Spread,
    /// Which blocks.
    #[arg(long, value_enum, default_value = "both")]
    load: Load,
    /// Transfers a second, where blocks are loaded.
    #[arg(long, default_value_t = 1_500)]
    rate: u64,
    /// Standard deviation of a link's latency, percent of it; normally distributed.
    #[arg(long, default_value_t = 3)]
    jitter: u32,
    /// What each validator can send in the simulation, megabits a second; no limit if not given. Slow above 20
    /// validators: the simulator shares bandwidth out anew at each message.
    #[arg(long)]
    uplink_mbit: Option<u32>,
    /// Uplink for the figures on paper, megabits a second.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    paper_mbit: u32,
    /// Decides keys, jitter and order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// What is in the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Load {
    /// Nothing: a block an idle interval.
    Empty,
    /// Transfers.
    Transfers,
    /// Each in a run of its own.
    Both,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// Tables.
    Table,
    /// One JSON document.
    Json,
}

/// A run with what the simulated clock leaves out.
#[derive(Debug, Serialize)]
struct Outcome {
    plan: Plan,
    run: Run,
    paper: Paper,
}

/// The median validator's median time, with what the simulated clock leaves out, milliseconds.
#[derive(Debug, Serialize)]
struct Paper {
    /// As simulated.
    simulated_ms: f64,
    /// The block to all others over the leader's uplink.
    upload_ms: f64,
    /// Two rounds of votes: signing, and a certificate from 2f+1 votes.
    certificates_ms: f64,
    /// Building the block and then executing it: at most twice a validator's part of the run's computing, which
    /// has all it does for a block, certificates and transfers too, and its part of the simulator.
    blocks_ms: f64,
    /// All of these.
    sum_ms: f64,
}

/// Everything that is printed.
#[derive(Debug, Serialize)]
struct Document {
    validators: usize,
    quorum: usize,
    seats: Vec<(&'static str, usize)>,
    paper_mbit: u32,
    costs: Costs,
    runs: Vec<Outcome>,
}

/// Runs what the options say and prints it.
pub fn execute(options: &Options) -> std::result::Result<(), WanError> {
    let validators = usize::from(options.validators);
    let costs = costs(validators)?;
    let rates: &[u64] = match options.load {
        Load::Empty => &[0],
        Load::Transfers => &[options.rate],
        Load::Both => &[0, options.rate],
    };
    let mut runs = Vec::new();
    for transfers_a_second in rates {
        let plan = Plan {
            validators,
            spread: options.spread,
            transfers_a_second: *transfers_a_second,
            blocks: options.blocks,
            jitter_percent: options.jitter,
            uplink_mbit: options.uplink_mbit,
            seed: options.seed,
        };
        let bar = bar(&plan, options.output);
        let run = run(&plan, |blocks| bar.set_position(blocks))?;
        bar.finish_and_clear();
        let paper = paper(&plan, &run, &costs, options.paper_mbit);
        runs.push(Outcome { plan, run, paper });
    }
    let at = options.spread.seats(validators);
    let seats = |region: usize| at.iter().filter(|seat| **seat == region).count();
    let document = Document {
        validators,
        quorum: quorum(validators),
        seats: REGIONS.iter().enumerate().map(|(index, region)| (region.place, seats(index))).collect(),
        paper_mbit: options.paper_mbit,
        costs,
        runs,
    };
    match options.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&document).unwrap_or_default()),
        Output::Table => print(&document),
    }
    Ok(())
}

fn paper(plan: &Plan, run: &Run, costs: &Costs, mbit: u32) -> Paper {
    let simulated_ms = run.figures.finality_ms.median.p50;
    let upload_ms = upload_ms(run.figures.bytes, plan.validators - 1, mbit);
    let certificates_ms = 2.0 * (costs.sign_ms + costs.assemble_ms);
    let blocks_ms = 2.0 * run.computing_ms / plan.validators as f64;
    Paper {
        simulated_ms,
        upload_ms,
        certificates_ms,
        blocks_ms,
        sum_ms: simulated_ms + upload_ms + certificates_ms + blocks_ms,
    }
}

fn bar(plan: &Plan, output: Output) -> ProgressBar {
    let show = output == Output::Table && std::io::stderr().is_terminal();
    let target = if show { ProgressDrawTarget::stderr_with_hz(12) } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(plan.blocks), target);
    let style = ProgressStyle::with_template("{prefix:24} {bar:30} {pos:>4}/{len:<4} blocks, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(format!("{} validators, {}", plan.validators, load(plan)));
    bar
}

fn load(plan: &Plan) -> &'static str {
    if plan.transfers_a_second == 0 { "empty" } else { "transfers" }
}

fn grid<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::TableStyle::new());
    table.set_header(head);
    for column in 0..N {
        if let Some(column) = table.column_mut(column).filter(|_| column > 0) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn print(document: &Document) {
    let seats: Vec<String> = document
        .seats
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(place, count)| format!("{place} {count}"))
        .collect();
    println!("{} validators, quorum {}: {}", document.validators, document.quorum, seats.join(", "));
    println!("\nPropose to final, simulated, ms");
    let mut table = grid(["blocks", "seen by", "p50", "p90", "p99", "bound p50", "ratio"]);
    for Outcome { plan, run, .. } in &document.runs {
        let figures = &run.figures;
        let rows = figures.finality_ms.named().into_iter().zip(figures.bound_ms.named()).zip(figures.ratio.named());
        for (((who, seen), (_, bound)), (_, ratio)) in rows {
            let Quantiles { p50, p90, p99 } = seen;
            let cells = [p50, p90, p99, &bound.p50].map(|ms| format!("{ms:.0}"));
            let [p50, p90, p99, bound] = cells;
            table.add_row([load(plan).to_owned(), who.to_owned(), p50, p90, p99, bound, format!("{ratio:.2}")]);
        }
    }
    println!("{table}");
    println!("\nBlocks");
    let mut table =
        grid(["blocks", "measured", "views lost", "transfers", "bytes", "interval p50, ms", "p99", "computing, ms"]);
    for Outcome { plan, run, .. } in &document.runs {
        let figures = &run.figures;
        table.add_row([
            load(plan).to_owned(),
            figures.blocks.to_string(),
            figures.views_lost.to_string(),
            format!("{:.0}", figures.transfers),
            format!("{:.0}", figures.bytes),
            format!("{:.0}", figures.interval_ms.p50),
            format!("{:.0}", figures.interval_ms.p99),
            format!("{:.0}", run.computing_ms),
        ]);
    }
    println!("{table}");
    let Views { leader, median, slowest } = document
        .runs
        .first()
        .map_or(Views { leader: 0.0, median: 0.0, slowest: 0.0 }, |run| run.run.figures.bound_mean_ms);
    println!("\nBound for the average leader: {leader:.0} ms, median validator {median:.0}, slowest {slowest:.0}");
    let costs = &document.costs;
    println!(
        "A validator, one core: {:.2} ms to sign, {:.2} ms from votes to a certificate, {:.2} ms to check one of {} bytes",
        costs.sign_ms, costs.assemble_ms, costs.verify_ms, costs.certificate_bytes
    );
    println!("\nMedian validator's p50 with computing and a leader's uplink of {} Mbit/s, ms", document.paper_mbit);
    let mut table = grid(["blocks", "simulated", "upload", "certificates", "build, execute", "sum"]);
    for Outcome { plan, paper, .. } in &document.runs {
        let Paper { simulated_ms, upload_ms, certificates_ms, blocks_ms, sum_ms } = paper;
        let [simulated, sum] = [simulated_ms, sum_ms].map(|ms| format!("{ms:.0}"));
        let [upload, certificates, blocks] = [upload_ms, certificates_ms, blocks_ms].map(|ms| format!("{ms:.1}"));
        table.add_row([load(plan).to_owned(), simulated, upload, certificates, blocks, sum]);
    }
    println!("{table}");
}
