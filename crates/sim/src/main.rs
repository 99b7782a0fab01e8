//! Runs seeds and prints what came of them: `assay-sim --seeds 500`, or one again: `--seed 17`.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use assay_sim::{Scenario, run, wan};
use clap::{Parser, Subcommand};

/// Whole-network deterministic simulation: a cheat, crashes, a partition and abusive traders in every run.
#[derive(Parser)]
#[command(name = "assay-sim", version, args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Number of seeds to run.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Run this one seed, twice, and check that both runs are the same bit for bit.
    #[arg(long)]
    seed: Option<u64>,
    /// Simulated seconds of each run.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Threads, a seed each.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// Simulations other than that of a market.
#[derive(Subcommand)]
enum Command {
    /// Finality of many validators on links between continents.
    Wan(wan::command::Options),
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
        None => {
            markets(&options);
            ExitCode::SUCCESS
        }
    }
}

/// An error with what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

fn markets(options: &Options) {
    let length_ms = options.seconds.max(20) * 1_000;
    if let Some(seed) = options.seed {
        let scenario = Scenario::of_seed(seed, length_ms);
        let (first, second) = (run(&scenario), run(&scenario));
        println!("{}", serde_json::to_string_pretty(&first).unwrap_or_default());
        assert_eq!(first, second, "seed {seed} is not deterministic");
        println!("the same again: {}", second.replay);
        return;
    }
    let next = AtomicU64::new(options.from);
    let end = options.from.saturating_add(options.seeds);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let at = Instant::now();
                    let report = run(&Scenario::of_seed(seed, length_ms));
                    println!(
                        "seed {seed}: height {}, {} jobs, {} lots redone, slashed {}, {:.1} s",
                        report.height,
                        report.jobs,
                        report.lots_redone,
                        report.slashed,
                        at.elapsed().as_secs_f64()
                    );
                }
            });
        }
    });
    println!("{} seeds passed in {:.0} s", options.seeds, started.elapsed().as_secs_f64());
}
