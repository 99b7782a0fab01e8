//! The chain: consensus, mempool, state database, index and JSON-RPC.

pub mod index;
pub mod mempool;
pub mod rpc;
