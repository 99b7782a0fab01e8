//! A live view of the market in a terminal: classes, book, prices, clearings, jobs and blocks.
//!
//! ```text
//!   node ── JSON-RPC ──▶ feed ── Update ──▶ model ──▶ draw ──▶ terminal
//!                         ▲                   ▲
//!                  chosen class              keys
//! ```
//!
//! `model` and `draw` are pure and know neither clock nor network. What is deliberately absent: nothing
//! here signs, sends or decides. All text from a node is untrusted and cleaned before it is shown.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

pub mod draw;
pub mod feed;
pub mod figures;
pub mod model;
mod node;
mod terminal;

pub use node::{Node, NodeError};
pub use terminal::{Options, Size, TopError, once, render, run};
