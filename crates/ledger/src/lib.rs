//! The state machine: pure, synchronous, deterministic.

pub mod state;

pub use state::{Changes, MemState, Overlay, StateRead};
