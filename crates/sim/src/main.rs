//! Runs seeds and reports what came of them: `assay-sim --seeds 1000`, or one again: `--world network --seed
//! 17`.

use std::{
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use assay_sim::{
    batch::{self, World},
    summary::Summary,
};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

/// Deterministic simulation: the validators' network under Byzantine faults, and whole jobs with a market.
#[derive(Parser)]
#[command(name = "assay-sim", version)]
struct Options {
    /// Number of seeds to run in each world.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Run this one seed, twice, and check that both runs are the same bit for bit.
    #[arg(long)]
    seed: Option<u64>,
    /// Which world.
    #[arg(long, value_enum, default_value_t = Worlds::Both)]
    world: Worlds,
    /// Simulated seconds of each run of the market.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Threads, a seed each; as many as there are cores if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// How to report.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Worlds {
    /// The validators' network.
    Network,
    /// Whole jobs and the market.
    Market,
    /// One after the other.
    Both,
}

impl Worlds {
    fn each(self) -> Vec<World> {
        match self {
            Self::Network => vec![World::Network],
            Self::Market => vec![World::Market],
            Self::Both => vec![World::Network, World::Market],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let options = Options::parse();
    let length_ms = options.seconds.max(20) * 1_000;
    let worlds = options.world.each();
    if let Some(seed) = options.seed {
        worlds.into_iter().for_each(|world| twice(world, seed, length_ms));
        return ExitCode::SUCCESS;
    }
    let range = options.from..options.from.saturating_add(options.seeds);
    let seeds: Vec<(World, u64)> =
        worlds.into_iter().flat_map(|world| range.clone().map(move |seed| (world, seed))).collect();
    let threads = options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from));
    let summary = run(&seeds, threads, length_ms);
    let text = match options.output {
        Output::Text => summary.to_string(),
        Output::Json => serde_json::to_string_pretty(&summary).unwrap_or_default(),
    };
    // Who closed the pipe has read enough.
    writeln!(std::io::stdout(), "{text}").ok();
    if summary.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs seeds beside a progress bar, or, where nobody sees one, a line for every twenty.
fn run(seeds: &[(World, u64)], threads: usize, length_ms: u64) -> Summary {
    const LINE_EVERY: u64 = 20;
    let bar = ProgressBar::new(seeds.len() as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {elapsed} gone, {eta} to go {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(500));
    let started = Instant::now();
    let all = batch::run_all(seeds, threads, length_ms, |one| {
        bar.inc(1);
        if let Err(why) = &one.outcome {
            let line = format!("{} seed {} failed: {why}", one.world.name(), one.seed);
            bar.suspend(|| eprintln!("{line}"));
        } else if bar.is_hidden() && bar.position().is_multiple_of(LINE_EVERY) {
            eprintln!("{} of {} seeds, {:.0} s", bar.position(), seeds.len(), started.elapsed().as_secs_f64());
        }
    });
    bar.finish_and_clear();
    Summary::of(&all, length_ms, started.elapsed())
}

fn twice(world: World, seed: u64, length_ms: u64) {
    let (first, second) = (batch::run(world, seed, length_ms), batch::run(world, seed, length_ms));
    let (text, replay) = match &first {
        batch::Report::Network(report) => (serde_json::to_string_pretty(report), report.replay.clone()),
        batch::Report::Market(report) => (serde_json::to_string_pretty(report), report.replay.clone()),
    };
    println!("{}", text.unwrap_or_default());
    assert_eq!(first, second, "{} seed {seed} is not deterministic", world.name());
    println!("the same again: {replay}");
}
