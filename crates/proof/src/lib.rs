//! Commitments to results, proofs of capacity, and the mathematics of checking both.
//!
//! Pure: no state, no clock, no network.

pub mod audit;
pub mod capacity;
pub mod merkle_sum;

pub use merkle_sum::{MerkleSumTree, OpeningError, SumRoot, lot_root};
