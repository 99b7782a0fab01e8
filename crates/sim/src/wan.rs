//! How soon a block is final on links between continents: the whole network, simulated on published latencies.
//!
//! ```text
//!  regions (round trips) ── links ── network: n whole nodes, real consensus and signatures ── figures
//!                       └─ bound: what the latencies allow at all ───────────────────────────┘
//!  cost: computing, which takes no simulated time, and uplinks, beside them
//! ```
//!
//! Not here: lost packets, validators that are down and liars (`tests/seeds.rs` has those), and sockets:
//! encryption and TCP's own waiting are left out.

pub mod bound;
pub mod command;
pub mod cost;
mod cpu;
pub mod figures;
mod load;
mod network;
pub mod regions;

use assay_chain::{StartError, committee::CommitteeError, mempool::SubmitError};
use serde::Serialize;

use figures::Figures;
use regions::Spread;

/// What is simulated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Validators, one seat each.
    pub validators: usize,
    /// Where they are.
    pub spread: Spread,
    /// Transfers that clients send a second; 0: blocks are empty.
    pub transfers_a_second: u64,
    /// Blocks that are measured.
    pub blocks: u64,
    /// Standard deviation of a link's latency, percent of it.
    pub jitter_percent: u32,
    /// What each validator can send, megabits a second; none: no limit. Costs much computing.
    pub uplink_mbit: Option<u32>,
    /// Decides keys, jitter and order.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// The figures, equal for equal plans.
    pub figures: Figures,
    /// Computing of a block on this machine, all validators together, milliseconds of one core.
    pub computing_ms: f64,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum WanError {
    /// A node did not start.
    #[error("a validator does not start")]
    Start(#[source] StartError),
    /// The genesis has no committee.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// The simulated network ended.
    #[error("the simulated network ended early")]
    Network,
    /// A validator's pool turned a transfer away.
    #[error("a validator's pool turned a transfer away: send fewer a second (--rate)")]
    Refused(#[source] SubmitError),
    /// Blocks became final too slowly.
    #[error("the slowest validator is at height {height} after {seconds} simulated seconds; replay with --seed {seed}")]
    Stalled {
        /// Its newest final block.
        height: u64,
        /// Simulated seconds.
        seconds: u64,
        /// Seed of the run.
        seed: u64,
    },
    /// A measured block has no certificate.
    #[error("the node has no certificate of the blocks it measured")]
    Uncertified,
    /// Votes do not make a certificate.
    #[error("votes that were just signed make no certificate that verifies")]
    Votes,
}

/// Simulates a plan; `progress` hears of the blocks measured so far.
pub fn run(plan: &Plan, progress: impl Fn(u64)) -> Result<Run, WanError> {
    network::run(plan, progress)
}
