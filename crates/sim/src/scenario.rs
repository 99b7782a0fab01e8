//! What goes wrong in a run, drawn from its seed.

use std::time::Duration;

use assay_provider::Misbehaviour;
use commonware_utils::Probability;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Serialize;

/// Validators of every run.
pub const VALIDATORS: usize = 4;
/// Providers of every run, the liar and the mortal one among them.
pub const PROVIDERS: usize = 5;

/// A validator that is gone for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// Which.
    pub validator: usize,
    /// When it crashes, simulated milliseconds.
    pub from_ms: u64,
    /// When it is back.
    pub until_ms: u64,
}

/// Everything a seed decides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// How long it runs, simulated milliseconds.
    pub length_ms: u64,
    /// Latency of a link, milliseconds.
    pub latency_ms: u64,
    /// Its jitter, milliseconds.
    pub jitter_ms: u64,
    /// Messages lost, per thousand.
    pub lost_per_mille: u64,
    /// A validator crashes with its memory and comes back with its disk.
    pub crash: Outage,
    /// A validator is cut off from the others.
    pub partition: Outage,
    /// What the dishonest provider does.
    pub cheat: Misbehaviour,
    /// When another provider dies for good.
    pub death_ms: u64,
    /// When an honest provider is killed in the middle of what it does, and started again.
    pub restart_ms: u64,
    /// When each job is submitted, and how many tasks it has.
    pub jobs: Vec<(u64, u8)>,
}

impl Scenario {
    /// The scenario of a seed.
    pub fn of_seed(seed: u64, length_ms: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let half = length_ms / 2;
        let crashed = rng.random_range(0..VALIDATORS);
        let cut = (crashed + rng.random_range(1..VALIDATORS)) % VALIDATORS;
        // One after the other: two of four down at once is a halt, which is another test.
        let crash_at = rng.random_range(2_000..half - 3_500);
        let crash =
            Outage { validator: crashed, from_ms: crash_at, until_ms: crash_at + rng.random_range(1_000..3_000) };
        let cut_at = rng.random_range(half..length_ms - 9_000);
        let partition = Outage { validator: cut, from_ms: cut_at, until_ms: cut_at + rng.random_range(1_000..4_000) };
        let cheat = match rng.random_range(0..5) {
            0 | 1 => Misbehaviour::LieAboutTasks { every: rng.random_range(1..4), seed: rng.random() },
            2 => Misbehaviour::PadFuel { percent: rng.random_range(1..50) },
            3 => Misbehaviour::EchoCommitments,
            _ => Misbehaviour::NeverReveal,
        };
        let jobs = rng.random_range(2..4);
        Self {
            seed,
            length_ms,
            latency_ms: rng.random_range(5..40),
            jitter_ms: rng.random_range(0..10),
            lost_per_mille: rng.random_range(0..10),
            crash,
            partition,
            cheat,
            death_ms: rng.random_range(3_000..half),
            restart_ms: rng.random_range(3_000..half),
            jobs: (0..jobs).map(|_| (rng.random_range(1_500..half), rng.random_range(3..9))).collect(),
        }
    }

    /// How links behave.
    pub fn link(&self) -> commonware_p2p::simulated::Link {
        let arrives = Probability::new(1_000 - self.lost_per_mille.min(1_000), 1_000).expect("a share of a thousand");
        commonware_p2p::simulated::Link {
            latency: Duration::from_millis(self.latency_ms),
            jitter: Duration::from_millis(self.jitter_ms),
            success_rate: arrives,
        }
    }
}
