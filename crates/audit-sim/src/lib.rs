//! Cheats against audits, and withheld turns against the beacon, counted and compared with exact formulas.
//!
//! ```text
//!  shapes: fuels of a lot's tasks          strategy: which leaves are wrong, who agrees, who leads
//!     │                                       │
//!     └──────────────┬────────────────────────┘
//!                    ▼
//!  assay_proof::audit  is it audited? which points of its fuel? by whom?  ─▶ auditor runs, compares
//!                    │                                                          │ differs
//!                    ▼                                                          ▼
//!  count of lots caught, beside the formula's sum of chances       adjudicator runs: who is slashed?
//! ```
//!
//! Draws and locks are the ledger's own code; figures about them are statistics, so floats are fine here.
//! A figure is a function of the seed alone, whatever the number of threads.
//!
//! What it leaves out: the chain (a commitment counts as final, messages arrive), reputations, several coalitions
//! at once, appeals to a court of validators that is itself bought.

mod auditor;
mod beacon;
mod cell;
mod formula;
mod honest;
mod interval;
mod parameters;
mod report;
mod shape;
mod strategy;
mod sweep;
mod trial;

pub use auditor::{AuditorPlay, AuditorRun};
pub use beacon::{Bias, BiasRun, beacon_bias, beacon_sweep};
pub use cell::Cell;
pub use formula::{Formula, Odds, caught};
pub use honest::HonestRun;
pub use interval::clopper_pearson;
pub use parameters::Parameters;
pub use report::{Options, Report, StrategySummary, simulate, simulate_against};
pub use strategy::Strategy;
pub use sweep::{BreakEven, SweepPoint};
