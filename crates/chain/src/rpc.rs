//! JSON-RPC over HTTP and WebSocket: Ethereum's interface, and `assay_*` for what Ethereum has no
//! words for.
//!
//! Everything served is final: `latest`, `safe` and `finalized` are one block, and `pending` is that
//! block with the mempool's nonces. There are no reorganisations, so no log is ever `removed`.
//!
//! Where Ethereum's interface does not fit
//! - A block's hash is the digest the validators signed, not the hash of its header in RLP.
//! - Times are whole seconds in `eth_*`, so blocks of one second share theirs; `assay_block` has
//!   milliseconds. `mixHash` is the beacon.
//! - Events of the end of a block are logs of the protocol's own transaction, see [`crate::index`].
//!   It is listed in its block after all others, from the zero address, without gas or fee.
//! - State is kept for the newest blocks only; older ones answer "historical state is pruned".
//! - A receipt with status 0 says why in `failure`.
//!
//! What is deliberately absent: no accounts, no signing, no mining, no filters kept by the server, no
//! cross-origin headers (a browser page of another origin cannot read answers; put a proxy before it
//! if it should).
//!
//! Bounds: request and response bytes, calls of a batch, connections, subscriptions of a connection,
//! blocks and logs of a query. A subscriber that reads too slowly is told so and dropped.

mod assay;
mod blocks;
mod context;
mod error;
mod fees;
mod node;
mod server;
mod shape;
mod state;
mod subscribe;
mod sync;
mod transactions;

use std::sync::Arc;

use assay_ledger::{Checked, StateRead};
use assay_types::{
    Address, B256, Bytes, Genesis,
    block::SharedBlock,
    node::{Certificate, Quantiles, StateProof},
};
use futures::future::BoxFuture;

pub use node::{NodeRpc, NodeRpcError, serve_node};
pub use server::{RpcConfig, RpcError, RpcServer, serve};
pub use state::CLIENT_VERSION;

use crate::{mempool::SubmitError, upstream::Upstream};

/// The newest finalized block and the state after it.
#[derive(Clone)]
pub struct Head {
    /// The block.
    pub block: SharedBlock,
    /// The state after it.
    pub state: Arc<dyn StateRead>,
}

/// How the node is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Validators the node talks to, itself not counted.
    pub peers: u32,
    /// Transactions that wait for a block.
    pub waiting_txs: usize,
    /// Height the network is known to have reached, when this node is behind it.
    pub behind: Option<u64>,
    /// Proposal to finality of the latest blocks.
    pub finality_ms: Option<Quantiles>,
}

/// What the RPC needs of a node.
pub trait Backend: Send + Sync + 'static {
    /// The network's genesis.
    fn genesis(&self) -> Arc<Genesis>;
    /// The newest finalized block and the state after it.
    fn head(&self) -> Head;
    /// The state after the block at `height`, if it is still held.
    fn state_at(&self, height: u64) -> Option<Arc<dyn StateRead>> {
        Some(self.head()).filter(|head| head.block.height == height).map(|head| head.state)
    }
    /// How the node is.
    fn health(&self) -> Health;
    /// Takes a signed transaction; gives its hash once it waits for a block.
    fn submit(&self, raw: Bytes) -> BoxFuture<'_, Result<B256, SubmitError>>;
    /// A waiting transaction.
    fn waiting(&self, hash: &B256) -> Option<Arc<Checked>>;
    /// The nonce a wallet should sign next, waiting transactions counted.
    fn next_nonce(&self, sender: &Address) -> u64;
    /// Proof that the block at `height`, or the first with a certificate of its own after it, is final.
    fn certificate(&self, height: u64) -> BoxFuture<'_, Option<Certificate>>;
    /// Proof of what the newest state has under `key`; none while the state has no certificate yet.
    fn prove(&self, key: Vec<u8>) -> BoxFuture<'_, Option<StateProof>>;
    /// What joining nodes ask; none if this server does not serve them.
    fn serves_joiners(&self) -> Option<&dyn Upstream> {
        None
    }
    /// The lowest height, genesis aside, whose blocks this node ever had.
    fn first_block(&self) -> u64 {
        0
    }
}
