//! Many seeds of one or both worlds, a thread each; a seed that fails does not stop the others.

use std::{
    any::Any,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::Serialize;

use crate::{Scenario, validators};

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// The validators' network: changing committees, Byzantine seats, crashes, partitions.
    Network,
    /// Whole jobs and the market over four validators.
    Market,
}

impl World {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Market => "market",
        }
    }
}

/// What a run reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// Of the validators' network.
    Network(Box<validators::Report>),
    /// Of the market.
    Market(Box<crate::Report>),
}

/// How a seed ended.
#[derive(Debug)]
pub struct Ended {
    /// In which world.
    pub world: World,
    /// The seed.
    pub seed: u64,
    /// Wall time.
    pub took: Duration,
    /// What it reports, or what did not hold.
    pub outcome: Result<Report, String>,
}

/// Runs one seed; panics if anything that must hold does not. `length_ms` is that of the market.
pub fn run(world: World, seed: u64, length_ms: u64) -> Report {
    match world {
        World::Network => Report::Network(Box::new(validators::run(&validators::scenario::Scenario::of_seed(seed)))),
        World::Market => Report::Market(Box::new(crate::run(&Scenario::of_seed(seed, length_ms)))),
    }
}

/// Runs all of these seeds on so many threads; `ended` hears of each as it ends, and says whether to begin another.
pub fn run_all(
    seeds: &[(World, u64)],
    threads: usize,
    length_ms: u64,
    ended: impl Fn(&Ended) -> ControlFlow<()> + Sync,
) -> Vec<Ended> {
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::with_capacity(seeds.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some((world, seed)) = seeds.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                    let from = Instant::now();
                    let outcome = catch_unwind(AssertUnwindSafe(|| run(world, seed, length_ms)));
                    let outcome = outcome.map_err(|panic| text(&*panic));
                    let one = Ended { world, seed, took: from.elapsed(), outcome };
                    let flow = ended(&one);
                    all.lock().push(one);
                    if flow.is_break() {
                        next.store(seeds.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut all = all.into_inner();
    all.sort_by_key(|one| (one.world.name(), one.seed));
    all
}

/// What a panic says.
fn text(panic: &(dyn Any + Send)) -> String {
    let known = panic.downcast_ref::<String>().cloned();
    known.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "panicked".into())
}
