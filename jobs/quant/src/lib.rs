//! Quantitative finance shared by the bundled jobs: dates, Black-76, implied volatility, SVI slices,
//! a counter-based random number generator and branch-free vector mathematics.
//!
//! Everything here gives the same bits natively and in Wasm: transcendental functions come from the
//! `libm` crate or from [`lanes`], never from the platform, and Rust does not contract `a * b + c`.
//! Nothing here allocates behind the caller's back except the CSV helpers, reads a clock or panics
//! on any input.

pub mod black;
pub mod csv;
pub mod date;
pub mod implied;
pub mod lanes;
pub mod normal;
pub mod philox;
pub mod simplex;
pub mod svi;
pub mod wire;
