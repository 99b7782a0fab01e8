//! A whole network in one deterministic simulation: validators with real consensus, real state and
//! real signatures; providers, adjudicators and a renter with their real agents; the real sandbox.
//! Only sockets, clocks and disks are simulated. One seed is one run, bit for bit.
//!
//! ```text
//!  scenario (seed) ── faults: crashes, a partition, a provider that dies ── world
//!  world: 4 validators · commonware deterministic runtime · p2p::simulated
//!         agents ── SimChain ── Node handle of one validator
//!                └─ SimBlobs ── blobs in memory, nodes go on- and offline
//!  traders: honest owners of bandwidth, a wash trader, a griefer, a turncoat provider
//!  checks, every 100 simulated ms: one chain, one state root a height, books balanced
//!  each block: prices within the band, orders within their limits
//!  at the end: all jobs closed, honest outputs, liar slashed, honest providers not; no order or seal left,
//!  the traders' money accounted for, no index from one owner's trades
//! ```

pub mod batch;
pub mod blobs;
pub mod chain;
pub mod host;
pub mod market;
mod names;
pub mod scenario;
pub mod summary;
mod traders;
pub mod validators;
pub mod wan;
pub mod world;

pub use market::Counts;
pub use scenario::Scenario;
pub use world::{Report, run};
