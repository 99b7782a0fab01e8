//! The implied volatility surface of a listed option chain, a slice a task.
//!
//! ```text
//!  CSV -> read_chain -> Chain -> tasks() --bytes--> run (in Wasm or natively) --bytes--> reduce -> Surface
//! ```
//!
//! A slice is one expiration of one settlement root: five expirations of SPX mix AM-settled SPX with
//! PM-settled SPXW, and a mixed regression would fit neither. A task carries its slice's quotes and,
//! of every other slice, a few put-call pairs: short slices say little about the discount, and a slice
//! without common strikes nothing about its forward, so both borrow from the curve (see [`parity`]).
//! That makes each task self-contained, so tasks can run anywhere in any order.
//!
//! Exercise is European. Years are ACT/365F from the as-of date to the expiration, the same for AM and
//! PM settlement (the half day between is not modelled). Prices are in index points per unit of index.
//!
//! Not here: dividends one by one (the forward holds them), American exercise, intraday time.

pub mod chain;
pub mod parity;
pub mod slice;
mod smile;
pub mod surface;
pub mod table;
pub mod task;

pub use chain::{Chain, ChainError, Quote, RowError, SliceKey, read_chain};
pub use slice::{Flags, Priced, SliceOutput, decode_slice, run};
pub use surface::{Contract, ReduceError, Slice, Surface, reduce};
