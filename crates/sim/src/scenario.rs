//! What goes wrong in a run, drawn from its seed.

use std::{ops::Range, time::Duration};

use assay_provider::Misbehaviour;
use assay_types::GRAINS_PER_KRT;
use commonware_utils::Probability;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Serialize;

/// Validators of every run.
pub const VALIDATORS: usize = 4;
/// Providers of every run, the liar, the mortal one and the turncoat among them.
pub const PROVIDERS: usize = 6;
/// The provider that spoils what it offers.
pub const TURNCOAT: usize = 5;

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

/// When somebody trades, simulated milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// First.
    pub from_ms: u64,
    /// Last.
    pub until_ms: u64,
}

impl Span {
    fn draw(rng: &mut StdRng, from_ms: Range<u64>, length_ms: Range<u64>) -> Self {
        let from_ms = rng.random_range(from_ms);
        Self { from_ms, until_ms: from_ms + rng.random_range(length_ms) }
    }
}

/// An owner that trades with itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Wash {
    /// When.
    pub span: Span,
    /// Whether it pushes prices up, or down.
    pub up: bool,
    /// Thousandths of a GiB a trade.
    pub quantity: u64,
}

/// An account that fills books with what never trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Grief {
    /// When.
    pub span: Span,
    /// Bids it seals and never opens.
    pub seals: u32,
    /// Grains it locks behind each.
    pub locked: u128,
}

/// How a provider spoils what it offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Turncoat {
    /// It withdraws its ask as soon as it is filled.
    Withdraws,
    /// It changes its price each block.
    Flips,
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
    /// When honest owners trade bandwidth.
    pub honest: Span,
    /// Who trades with itself beside them, and when.
    pub wash: Wash,
    /// Who fills the books, and when.
    pub grief: Grief,
    /// When a provider spoils what it offers, and how.
    pub turncoat: (Span, Turncoat),
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
            // Drawn last, so that the rest is as it was before there were traders.
            honest: Span::draw(&mut rng, 2_000..8_000, 3_000..5_000),
            wash: Wash {
                span: Span::draw(&mut rng, 1_500..4_000, 6_000..9_000),
                up: rng.random(),
                quantity: rng.random_range(50..500),
            },
            grief: Grief {
                span: Span::draw(&mut rng, 1_500..4_000, 3_000..6_000),
                seals: rng.random_range(1..4),
                locked: u128::from(rng.random_range(1..100u64)) * GRAINS_PER_KRT + 7,
            },
            turncoat: (
                Span::draw(&mut rng, 1_500..2_500, 10_000..12_000),
                if rng.random() { Turncoat::Withdraws } else { Turncoat::Flips },
            ),
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
