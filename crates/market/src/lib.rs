//! The market's arithmetic: a uniform-price double auction a block, the controller of posted prices,
//! and the index. Pure integers, no state of its own, no clock: the ledger, the command line and
//! simulations run the same code.
//!
//! ```text
//!  Book (any keeper of orders, best first)
//!    │ clear(book, rule)
//!    ▼
//!  walk both sides while bid >= ask ─▶ volume, margins ─▶ lo, hi ─▶ price = clamp(reference, lo, hi)
//!    ▲                                    │
//!    │ without the order that              ▼
//!    └──────────── fell short ◀── minimum fills kept? ─▶ Clearing: fills, and why the others have none
//! ```
//!
//! Why these rules: E. Budish, P. Cramton, J. Shim, "The High-Frequency Trading Arms Race: Frequent
//! Batch Auctions as a Market Design Response", Quarterly Journal of Economics 130 (2015), for batches
//! without time priority. The price moves as little as it can from a reference no single trade sets.

mod book;
mod clear;
mod index;
mod math;
mod order;
mod rate;
mod region;
mod why;

pub use book::{Book, Resting, Sorted};
pub use clear::{Clearing, Fill, Margin, clear};
pub use index::{IndexRule, Print, Traded, index};
pub use order::{Band, Order, OrderError, Rule, RuleError, Side};
pub use rate::{RateBounds, next_rate};
pub use region::{Floating, Leaf, Regional, clear_regions, lies_in};
pub use why::{Why, why};
