//! The price record: what the market's events say, kept in a database and served over HTTP.
//!
//! ```text
//!   node (JSON-RPC) --headers, logs--> follow --one transaction a block--> SQLite | PostgreSQL
//!                                                                              |
//!                                            REST (/v1/...), JSON-RPC <--- queries
//! ```
//!
//! The database holds nothing that the blocks do not say: it may be thrown away at any time and
//! [`Index::rebuild`] fills it again with the same rows.
//!
//! Does not: compute a price or an index (the ledger does), hold a key, send a transaction, or follow
//! anything but finalized blocks.
//!
//! Invariants
//! - A block, its events and its height are written in one transaction: a kill at any moment neither
//!   loses nor doubles anything.
//! - A stored block is never changed. A node that tells another history is refused, not followed.
//! - No wall clock and no number drawn by the database is stored, so two indexes of one chain are equal.
//! - Amounts and quantities are decimal text, so that no digit is lost; heights, times and ids are
//!   checked to lie below 2^53, where JSON numbers are exact.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)
)]

mod db;
mod error;
mod event;
mod follow;
mod node;
mod read;
mod rest;
mod rpc;
mod store;
pub mod view;

pub use db::Index;
pub use error::IndexError;
pub use follow::{Progress, Until};
pub use node::{Node, NodeError};
pub use read::{Cursor, CursorError, Order, Range};
pub use rest::{MAX_PAGE, PAGE, openapi, router, serve};
pub use rpc::methods;
