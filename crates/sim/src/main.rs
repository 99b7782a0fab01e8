//! Runs seeds and reports what came of them: `assay-sim --seeds 1000`, or one again: `--world network --seed 17`; or
//! measures finality between continents: `assay-sim wan`.

use std::{
    io::Write as _,
    ops::ControlFlow,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use assay_sim::{
    batch::{self, World},
    summary::Summary,
    wan,
};
use clap::{Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

/// Deterministic simulation: the validators' network under Byzantine faults, and whole jobs with a market.
#[derive(Parser)]
#[command(name = "assay-sim", version, args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
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

/// Simulations of another kind.
#[derive(Subcommand)]
enum Command {
    /// Finality of many validators on links between continents.
    Wan(wan::command::Options),
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
    match &options.command {
        Some(Command::Wan(options)) => match wan::command::execute(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}", chain(&error));
                ExitCode::FAILURE
            }
        },
        None => seeds(&options),
    }
}

/// An error with what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

fn seeds(options: &Options) -> ExitCode {
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
    let stop = stop_asked();
    let all = batch::run_all(seeds, threads, length_ms, |one| {
        bar.inc(1);
        if let Err(why) = &one.outcome {
            let line = format!("{} seed {} failed: {why}", one.world.name(), one.seed);
            bar.suspend(|| eprintln!("{line}"));
        } else if bar.is_hidden() && bar.position().is_multiple_of(LINE_EVERY) {
            eprintln!("{} of {} seeds, {:.0} s", bar.position(), seeds.len(), started.elapsed().as_secs_f64());
        }
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    Summary::of(&all, length_ms, started.elapsed())
}

/// Turns true at the first Ctrl-C: the seeds under way end, and what was run is told. The second ends the program.
fn stop_asked() -> Arc<AtomicBool> {
    let asked = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&asked);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let waited = runtime.and_then(|runtime| {
            runtime.block_on(async {
                tokio::signal::ctrl_c().await?;
                told.store(true, Ordering::Relaxed);
                eprintln!("ending with the seeds under way; Ctrl-C again ends at once");
                tokio::signal::ctrl_c().await
            })
        });
        if waited.is_ok() {
            std::process::exit(130);
        }
    });
    asked
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
