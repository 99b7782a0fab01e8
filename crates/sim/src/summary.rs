//! What many seeds came to.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::{
    batch::{Ended, Report, World},
    validators::tally::Tally,
};

/// A seed in which something did not hold.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// In which world.
    pub world: World,
    /// The seed.
    pub seed: u64,
    /// What did not hold.
    pub why: String,
    /// The command that runs it again.
    pub replay: String,
}

/// All seeds together.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Seeds run.
    pub seeds: u64,
    /// Those in which something did not hold.
    pub failures: Vec<Failure>,
    /// Blocks that became final.
    pub blocks: u64,
    /// Jobs completed in the market.
    pub jobs: u64,
    /// What was counted in the validators' network; its faults are of both worlds, Byzantine validators and cheats too.
    #[serde(flatten)]
    pub tally: Tally,
    /// Wall time, seconds.
    pub wall_s: f64,
    /// Mean wall time of a seed on its thread, seconds.
    pub seed_s: f64,
}

impl Summary {
    /// Adds all up.
    pub fn of(all: &[Ended], length_ms: u64, wall: Duration) -> Self {
        let mut sum = Self { seeds: all.len() as u64, wall_s: wall.as_secs_f64(), ..Self::default() };
        let busy: f64 = all.iter().map(|one| one.took.as_secs_f64()).sum();
        sum.seed_s = busy / (all.len().max(1) as f64);
        for one in all {
            match &one.outcome {
                Ok(report) => sum.add(report),
                Err(why) => sum.failures.push(Failure {
                    world: one.world,
                    seed: one.seed,
                    why: why.clone(),
                    replay: replay(one.world, one.seed, length_ms),
                }),
            }
        }
        sum
    }

    fn add(&mut self, report: &Report) {
        match report {
            Report::Network(report) => {
                self.blocks += report.height;
                self.tally.add(&report.tally);
                for one in &report.scenario.byzantine {
                    *self.tally.faults.entry(one.kind.name()).or_default() += 1;
                }
            }
            Report::Market(report) => {
                self.blocks += report.height;
                self.jobs += report.jobs as u64;
                // A scenario has one of each.
                for name in ["crash", "partition 3/1", "provider that cheats", "provider that dies"] {
                    *self.tally.faults.entry(name).or_default() += 1;
                }
            }
        }
    }
}

/// The command that runs a seed again.
fn replay(world: World, seed: u64, length_ms: u64) -> String {
    let seconds = match world {
        World::Network => String::new(),
        World::Market => format!(" --seconds {}", length_ms / 1_000),
    };
    format!("cargo run --release -p assay-sim -- --world {} --seed {seed}{seconds}", world.name())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} seeds in {:.0} s, {:.1} s a seed and thread", self.seeds, self.wall_s, self.seed_s)?;
        let Self { blocks, jobs, tally, .. } = self;
        let Tally { epochs, changes, transactions, books, .. } = tally;
        writeln!(f, "{blocks} blocks, {epochs} epochs, {changes} changes of the committee, {jobs} jobs")?;
        writeln!(f, "{transactions} transactions of the validators' network final; books of {books} heights added up")?;
        for (name, count) in &tally.faults {
            writeln!(f, "  {count:>6} {name}")?;
        }
        writeln!(f, "{} validators punished for double votes, all guilty", tally.punished)?;
        writeln!(f, "{} times one who spoke garbage was cut off", tally.blocked)?;
        let [within, across] = tally.refused_worst;
        writeln!(
            f,
            "{} refused transactions, {} of them jobs, held to the bound: at most {within} blocks in an epoch, {across} across a turn",
            tally.bounded, tally.bounded_jobs
        )?;
        writeln!(
            f,
            "slowest recovery {} ms simulated, of {} s in all",
            tally.slowest_recovery_ms,
            tally.simulated_ms / 1_000
        )?;
        for failure in &self.failures {
            writeln!(
                f,
                "FAILED {} seed {}: {}\n  {}",
                failure.world.name(),
                failure.seed,
                failure.why,
                failure.replay
            )?;
        }
        write!(f, "{} failed", self.failures.len())
    }
}
