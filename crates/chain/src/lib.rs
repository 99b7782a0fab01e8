//! The chain: consensus, mempool, state database, index and JSON-RPC.

pub mod beacon;
pub mod block;
pub mod committee;
mod consensus;
pub mod host;
pub mod index;
pub mod keys;
pub mod light;
pub mod mempool;
pub mod metrics;
pub mod node;
pub mod probe;
pub mod rpc;
pub mod simulated;
pub mod state;

pub use consensus::engine::{CHANNELS, Channels, NodeConfig, StartError, max_message, start};
pub use host::{Host, HostedNode};
pub use node::{FinalizedTip, Node};
