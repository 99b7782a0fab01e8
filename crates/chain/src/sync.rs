//! Joining a chain from a genesis file and one address: state sync, then blocks.
//!
//! A validator's peer-to-peer layer talks to registered validators only, so a stranger's node gets the
//! chain from upstreams ([`crate::upstream`]). It trusts the genesis and nothing else.
//!
//! ```text
//!  genesis ─▶ committee ─▶ certificate ─▶ header ─▶ ops_root ─▶ operations ─▶ state ─▶ state_root
//!                               └──▶ block ─▶ parent ─▶ …        (join)         (checked again)
//!  certificates above it ─▶ blocks ─▶ executed here ─▶ JSON-RPC                 (follow)
//! ```
//!
//! - [`join`] takes the newest certified header and pulls the operations of its state into the node's
//!   own database. Every answer carries a proof against the header's `ops_root`. A restart goes on
//!   where it stopped; if all upstreams have pruned that state meanwhile, a newer header is taken and
//!   what still holds is kept.
//! - [`follow`] then takes blocks in order and executes them, so the node's state roots are its own.
//!
//! What is deliberately absent: no trust in an upstream's word about anything but what it has not got.
//! A withholding upstream can only delay; that is why several may be given.

pub(crate) mod cache;
pub(crate) mod feed;
pub(crate) mod follow;
pub(crate) mod join;
pub(crate) mod source;
pub(crate) mod trust;

pub use follow::{FollowerConfig, SYNC_BEYOND, start_follower};
pub use join::{JoinError, state_sync};
