//! The chain: consensus, mempool, state database, index and JSON-RPC.

pub mod beacon;
pub mod block;
pub mod committee;
mod consensus;
pub mod crypto;
mod evidence;
pub mod guard;
pub mod host;
pub mod index;
pub mod keys;
pub mod light;
pub mod mempool;
pub mod metrics;
pub mod node;
pub mod panics;
pub mod probe;
pub mod retention;
pub mod rpc;
mod scheme;
pub mod simulated;
pub mod snapshot;
pub mod sockets;
pub mod state;
pub mod sync;
pub mod upstream;

pub use consensus::engine::{CHANNELS, Channels, NodeConfig, StartError, max_message, start};
pub use host::{Host, HostedNode};
pub use node::{FinalizedTip, Node, UpgradeNeeded};
