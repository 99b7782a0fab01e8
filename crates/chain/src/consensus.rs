//! Consensus: the ledger as an application of commonware's simplex, and nothing else of it.
//!
//! [`app`] is the only file that knows the glue crate's application trait; [`base`] opens the actors that every node
//! has, [`engine`] adds a validator's, `sync` a follower's.
//! The same [`engine::start`] runs on the tokio runtime over authenticated TCP and on the
//! deterministic runtime over a simulated network.
//!
//! ```text
//!  mempool ─▶ App::propose ─▶ Deferred ─▶ Paced ─▶ simplex ─▶ votes, certificates
//!                 │ execute                          │
//!                 ▼                                  ▼
//!  versions ◀─ App::process ◀─ Stateful ◀─ marshal (archives) ── finalized blocks in order
//!     │                          │
//!     ▼ App::capture             ▼
//!  Core::publish ─▶ readers     QMDB
//! ```

pub(crate) mod app;
pub(crate) mod base;
pub(crate) mod core;
pub(crate) mod engine;
pub(crate) mod epochs;
pub(crate) mod gossip;
pub(crate) mod handovers;
pub(crate) mod outcomes;
pub(crate) mod pace;
pub(crate) mod serve;
pub(crate) mod shelf;
pub(crate) mod storage;
pub(crate) mod tap;
