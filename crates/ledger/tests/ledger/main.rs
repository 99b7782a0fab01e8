//! The ledger through its public face: signed transactions in, receipts and books out.

mod audits;
mod capacity;
mod claims;
mod conformance;
mod delivery;
mod disputes;
mod governance;
mod health;
mod jobs;
mod kit;
mod market;
/// What the example draws, and how.
#[path = "../../examples/rewards_plots/plots.rs"]
mod plots;
mod providers;
mod random;
mod reputation;
mod rewards;
mod scenario;
mod sealed;
mod staking;
#[path = "../../examples/rewards_plots/svg.rs"]
mod svg;
mod transactions;
