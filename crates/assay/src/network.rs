//! A whole network in one process: validators with their adjudicators, providers of distinct
//! operators, a funded renter.
//!
//! Nothing is simulated: validators vote over authenticated TCP on loopback, blobs move over QUIC,
//! every agent talks JSON-RPC to a node of its own choice. Roles share the process, the compiled
//! guests and nothing else.

mod edge;
mod layout;
mod params;
mod record;
mod roster;
mod run;

pub(crate) use edge::Edge;
pub(crate) use layout::{StateDir, create_dir, read_genesis, write_file};
pub(crate) use params::{ParamsFile, match_existing, of_new};
pub(crate) use record::PriceRecord;
pub(crate) use roster::{BANDWIDTH, COLLATERAL, Roster, ask};
pub(crate) use run::{Network, Options, ended_by_itself, start_failure};
