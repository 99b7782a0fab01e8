//! Commitments to results and the mathematics of checking them.
//!
//! Pure: no state, no clock, no network.

pub mod audit;
pub mod merkle_sum;

pub use merkle_sum::{MerkleSumTree, OpeningError, SumRoot, lot_root};
