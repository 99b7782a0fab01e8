//! The state machine: pure, synchronous, deterministic.
//!
//! [`check`] is the stateless half of a transaction's validity, [`BlockBuilder`] executes a block and
//! returns what it did as data ([`BlockOutput`]); nothing commits itself. Height, time and randomness
//! come in through [`BlockContext`], parameters through the state.
//!
//! Does not: touch a disk, a network, a clock or a random number generator; know of consensus.
//!
//! Invariants
//! - Value moves through one function ([`money`]); after each block the books must balance or
//!   [`BlockBuilder::finish`] returns a [`BrokenInvariant`] and the node stops.
//! - A transaction either cannot be in a block ([`Reject`]), or is in it and pays its fee, whether it
//!   did what it asked or failed ([`Failure`]).
//! - No iteration order depends on a hash map; no arithmetic wraps or panics.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::float_arithmetic
    )
)]

mod accounts;
mod audits;
mod block;
mod call;
mod capacity;
mod check;
mod claims;
mod codec;
mod crypto;
mod delivery;
mod disputes;
mod draw;
mod execute;
mod fees;
mod gas;
mod genesis;
mod governance;
mod jobs;
pub mod keys;
mod market;
mod math;
pub mod money;
mod params;
mod providers;
pub mod query;
mod reject;
mod reputation;
pub mod rewards;
mod risk;
mod schedule;
mod slash;
mod staking;
pub mod state;
mod step;

pub use accounts::{Account, account};
pub use block::{BlockBuilder, BlockOutput};
pub use call::{CallContext, CallError, call, estimate_gas, latest};
pub use check::{CheckRules, Checked, check};
pub use crypto::{ConsensusCrypto, Equivocation};
pub use fees::base_fee;
pub use genesis::genesis_state;
pub use governance::upgrade::{PROTOCOL_VERSION, UpgradeName};
pub use jobs::result::{JobResult, leaves_hash};
pub use market::allotments::served_hash;
pub use money::books;
pub use params::params;
pub use reject::{BrokenInvariant, Failure, Reject};
pub use schedule::work_pending;
pub use staking::{committee, peers};
pub use state::{Changes, MemState, Overlay, StateRead};
pub use step::{BlockContext, Tip};
