//! What a seed does to the validators' network.

use std::time::Duration;

use commonware_p2p::simulated::Link;
use commonware_utils::Probability;
use rand::{Rng, RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde::Serialize;

/// Seats of each committee.
pub const SEATS: usize = 7;
/// Validators that come later and wait for a seat.
pub const CANDIDATES: usize = 3;
/// All of them.
pub const VALIDATORS: usize = SEATS + CANDIDATES;
/// Seats that may be faulty: (7 - 1) / 3.
pub const FAULTY: usize = 2;
/// Blocks of a validators' epoch.
pub const EPOCH_BLOCKS: u64 = 10;
/// A run ends a few blocks into the epoch after this many turns.
pub const TURNS: u64 = 3;

/// How a validator breaks the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Kind {
    /// Two nodes with its keys propose and vote for different blocks.
    Equivocate {
        /// Whether all hear the votes of both, so that the double vote is seen.
        open: bool,
    },
    /// Its blocks reach only so many others.
    WithholdBlocks {
        /// How many.
        heard: usize,
    },
    /// Its votes reach nobody.
    WithholdVotes,
    /// All it says and hears comes late.
    Delay {
        /// By how many milliseconds.
        by_ms: u64,
    },
    /// Beside what it should say, it says what nobody can read, on every channel.
    Garbage,
    /// It takes no transaction of one account, from nobody.
    Censor,
}

impl Kind {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equivocate { open: true } => "equivocate, heard by all",
            Self::Equivocate { open: false } => "equivocate",
            Self::WithholdBlocks { .. } => "withhold blocks",
            Self::WithholdVotes => "withhold votes",
            Self::Delay { .. } => "delay",
            Self::Garbage => "garbage",
            Self::Censor => "censor",
        }
    }

    fn draw(rng: &mut impl Rng) -> Self {
        match rng.random_range(0..6) {
            0 => Self::Equivocate { open: rng.random_bool(0.7) },
            1 => Self::WithholdBlocks { heard: rng.random_range(0..4) },
            2 => Self::WithholdVotes,
            3 => Self::Delay { by_ms: rng.random_range(100..900) },
            4 => Self::Garbage,
            _ => Self::Censor,
        }
    }
}

/// A validator that breaks the rules from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Byzantine {
    /// Which, by its place in the genesis.
    pub validator: usize,
    /// How.
    pub kind: Kind,
}

/// What happens to honest validators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Trouble {
    /// The first of the order that is honest and up loses its memory, and comes back with its disk.
    Crash,
    /// The first seats of the order, and some of those without a seat, are cut off from the others.
    Cut {
        /// How many seats.
        seats: usize,
    },
}

impl Trouble {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Cut { seats: 2 } => "partition 5/2",
            Self::Cut { .. } => "partition 4/3",
        }
    }
}

/// Something that goes wrong and is over after a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Height of the chain at which it begins.
    pub height: u64,
    /// Simulated milliseconds it lasts.
    pub lasts_ms: u64,
    /// What it is.
    pub trouble: Trouble,
    /// All validators, those it concerns first.
    pub order: Vec<usize>,
}

/// Everything a seed decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// Latency of a link, milliseconds.
    pub latency_ms: u64,
    /// Its jitter, milliseconds.
    pub jitter_ms: u64,
    /// Messages lost, per thousand.
    pub lost_per_mille: u64,
    /// Fewer than a third of the seats.
    pub byzantine: Vec<Byzantine>,
    /// By height; partitions do not overlap.
    pub faults: Vec<Fault>,
}

impl Scenario {
    /// The scenario of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5EA7);
        let order = |rng: &mut StdRng| {
            let mut order: Vec<usize> = (0..VALIDATORS).collect();
            order.shuffle(rng);
            order
        };
        let seats: Vec<usize> = order(&mut rng).into_iter().filter(|at| *at < SEATS).take(FAULTY).collect();
        let kinds = match rng.random_range(0..10) {
            // The bound of censorship is worth a share of its own: as many as there may be, and nothing beside.
            0 | 1 => vec![Kind::Censor; FAULTY],
            2 => vec![Kind::draw(&mut rng)],
            _ => (0..FAULTY).map(|_| Kind::draw(&mut rng)).collect(),
        };
        let byzantine = seats.into_iter().zip(kinds).map(|(validator, kind)| Byzantine { validator, kind }).collect();
        let mut faults = Vec::new();
        for _ in 0..rng.random_range(1..4) {
            let (height, lasts_ms) = (rng.random_range(2..EPOCH_BLOCKS * TURNS - 6), rng.random_range(300..4_000));
            faults.push(Fault { height, lasts_ms, trouble: Trouble::Crash, order: order(&mut rng) });
        }
        let half = EPOCH_BLOCKS * TURNS / 2;
        for from in [2, half].into_iter().take(rng.random_range(1..3)) {
            let height = from + rng.random_range(0..half - 6);
            let trouble = Trouble::Cut { seats: rng.random_range(2..4) };
            let lasts_ms = rng.random_range(500..4_000);
            faults.push(Fault { height, lasts_ms, trouble, order: order(&mut rng) });
        }
        faults.sort_by_key(|fault| fault.height);
        Self {
            seed,
            latency_ms: rng.random_range(5..40),
            jitter_ms: rng.random_range(0..10),
            lost_per_mille: if rng.random_bool(0.3) { rng.random_range(1..15) } else { 0 },
            byzantine,
            faults,
        }
    }

    /// How a validator breaks the rules; None: it keeps them.
    pub fn kind(&self, validator: usize) -> Option<Kind> {
        self.byzantine.iter().find(|one| one.validator == validator).map(|one| one.kind)
    }

    /// How the link between two validators behaves.
    pub fn link(&self, one: usize, other: usize) -> Link {
        let late = |at| match self.kind(at) {
            Some(Kind::Delay { by_ms }) => by_ms,
            _ => 0,
        };
        let arrives = Probability::new(1_000 - self.lost_per_mille.min(1_000), 1_000).expect("a share of a thousand");
        Link {
            latency: Duration::from_millis(self.latency_ms + late(one) + late(other)),
            jitter: Duration::from_millis(self.jitter_ms),
            success_rate: arrives,
        }
    }
}
