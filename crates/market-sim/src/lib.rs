//! Agents that trade in the auction over thousands of blocks: what honesty, shading, wash trades and
//! cartels gain or lose, and what it costs to move the index.
//!
//! ```text
//!  Economy (seed): values of buyers and costs of sellers, drawn anew each block, the same for all runs
//!     │ strategies turn them into orders
//!     ▼
//!  assay_market::clear, block by block ─▶ surplus, price, each owner's gain against its true value
//!     │ end of an epoch
//!     ▼
//!  assay_market::index ─▶ the next epoch's reference
//! ```
//!
//! Each strategy is run against the same economy as the truthful run, so that gains are differences
//! between two runs that differ in nothing else. The auction is the ledger's own code; figures about it
//! are statistics, so floats are fine here.
//!
//! What it leaves out: owners that learn, budgets, orders that rest over blocks, minimum fills, and a
//! manipulator's gain from whatever else is priced at the index.

mod economy;
mod run;

pub use run::{Outcome, Report, Strategy, simulate, strategies};
