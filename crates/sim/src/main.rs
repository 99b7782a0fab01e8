//! Runs seeds and prints what came of them: `assay-sim --seeds 500`, or one again: `--seed 17`.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use assay_sim::{Scenario, run};
use clap::Parser;

/// Whole-network deterministic simulation: a cheat, crashes, a partition and abusive traders in every run.
#[derive(Parser)]
#[command(name = "assay-sim", version)]
struct Options {
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

fn main() {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let options = Options::parse();
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
