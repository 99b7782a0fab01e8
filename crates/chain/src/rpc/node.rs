//! A node's index and RPC server: what [`super::Backend`] asks, answered by [`Node`].

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes};
use assay_ledger::{Checked, StateRead, latest};
use assay_types::{
    FinalizedBlock, Genesis,
    block::SharedBlock,
    node::{Certificate, Evidence, StateProof},
};
use commonware_cryptography::Digestible as _;
use futures::{FutureExt, future::BoxFuture};
use parking_lot::RwLock;
use tokio::task::JoinSet;

use super::{Backend, Head, Health, RpcConfig, RpcError, RpcServer, serve};
use crate::{
    block::to_b256,
    crypto::Bls,
    index::{History, Index, IndexError, IndexOptions, follow},
    mempool::{Admission, SubmitError},
    node::{FinalizedTip, Node},
    state::State,
    upstream::Upstream,
};

/// States kept for readers that name a block: versions share what they have in common.
const STATES: usize = 128;

/// Why a node's index or RPC server does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeRpcError {
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The server.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// No thread could be started.
    #[error("cannot start a thread")]
    Thread(#[from] std::io::Error),
}

/// A node's running index and RPC server.
pub struct NodeRpc {
    node: Node,
    server: RpcServer,
    history: Arc<History>,
    /// The follower and the keeper of states; they end when this is dropped.
    tasks: JoinSet<()>,
}

impl NodeRpc {
    /// The server.
    pub fn server(&self) -> &RpcServer {
        &self.server
    }

    /// The index.
    pub fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// Closes the port, then files and writes what the node has finalized. Stop the node first, or
    /// what it finalizes meanwhile is missing from the index.
    pub async fn stop(mut self) {
        /// A stopped node's last blocks are filed within moments, unless the index has failed.
        const PATIENCE: Duration = Duration::from_secs(5);
        self.server.stop().await;
        let last = self.node.tip().map_or(0, |tip| tip.height);
        let filed = async {
            while self.history.newest().is_some_and(|newest| newest.height < last) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, filed).await.is_err() {
            tracing::warn!(last, "the index did not reach the last block");
        }
        self.tasks.shutdown().await;
        self.history.drain().await;
    }
}

/// Opens the index at `index` and serves `node` once it has opened its database. Must be called
/// within a tokio runtime, which may be another than the node's.
pub async fn serve_node(
    node: Node,
    index: &Path,
    options: IndexOptions,
    config: RpcConfig,
) -> Result<NodeRpc, NodeRpcError> {
    node.ready().await;
    let index = Arc::new(Index::open(index, node.genesis().hash(), options)?);
    let history = History::start(Arc::clone(&index))?;
    let finalized = node.subscribe();
    let tip = node.tip().map_or(0, |tip| tip.height);
    let mut tasks = JoinSet::new();
    tasks.spawn({
        let (node, history) = (node.clone(), Arc::clone(&history));
        async move {
            let opening = Arc::new(opening_block(&node));
            let replay = |height| {
                let opening = (height == 0).then(|| Arc::clone(&opening));
                futures::future::ready(node.recent_block(height).or(opening)).boxed()
            };
            let first = match node.first_block() {
                // What the block did at which state sync began is not known.
                began if began > 0 && node.recent_block(began).is_none() => began.saturating_add(1),
                began => began,
            };
            if let Err(error) = follow(history, &index, finalized, first, tip, replay).await {
                tracing::error!(%error, "the index stopped");
            }
        }
    });
    let pool_state = node.clone();
    let admission = Admission::start(Arc::clone(node.mempool()), move || {
        let state: Arc<dyn StateRead> = Arc::new(pool_state.tip_state().map(|(_, state)| state).unwrap_or_default());
        state
    })?;
    let genesis = Arc::new(node.genesis().clone());
    let served = node.clone();
    let backend = Arc::new(NodeBackend { node, genesis, admission, states: RwLock::default() });
    tasks.spawn(keep_states(Arc::downgrade(&backend), backend.node.subscribe()));
    let server = serve(config, backend, Arc::clone(&history)).await?;
    Ok(NodeRpc { node: served, server, history, tasks })
}

struct NodeBackend {
    node: Node,
    genesis: Arc<Genesis>,
    admission: Admission,
    states: RwLock<BTreeMap<u64, State>>,
}

/// Remembers the state after each of the newest blocks.
async fn keep_states(backend: Weak<NodeBackend>, mut blocks: tokio::sync::broadcast::Receiver<SharedBlock>) {
    use tokio::sync::broadcast::error::RecvError;
    while !matches!(blocks.recv().await, Err(RecvError::Closed)) {
        let Some(backend) = backend.upgrade() else { return };
        if let Some((tip, state)) = backend.node.tip_state() {
            let mut states = backend.states.write();
            states.insert(tip.height, state);
            while states.len() > STATES {
                states.pop_first();
            }
        }
    }
}

impl Backend for NodeBackend {
    fn genesis(&self) -> Arc<Genesis> {
        Arc::clone(&self.genesis)
    }

    fn head(&self) -> Head {
        let (block, state) = match self.node.tip_state() {
            // A node that just started has its newest state, but not the block that led to it.
            Some((tip, state)) => {
                let block = self.node.recent_block(tip.height).unwrap_or_else(|| Arc::new(bare_block(&tip, &state)));
                (block, state)
            }
            None => (Arc::new(opening_block(&self.node)), State::default()),
        };
        Head { block, state: Arc::new(state) }
    }

    fn state_at(&self, height: u64) -> Option<Arc<dyn StateRead>> {
        if let Some(state) = self.states.read().get(&height) {
            return Some(Arc::new(state.clone()));
        }
        let (_, state) = self.node.tip_state().filter(|(tip, _)| tip.height == height)?;
        Some(Arc::new(state))
    }

    fn health(&self) -> Health {
        Health {
            peers: self
                .node
                .peers()
                .unwrap_or_else(|| u32::try_from(self.node.seats().saturating_sub(1)).unwrap_or(u32::MAX)),
            waiting_txs: self.node.mempool().len(),
            behind: self.node.behind(),
            finality_ms: self.node.finality(),
        }
    }

    fn submit(&self, raw: Bytes) -> BoxFuture<'_, Result<B256, SubmitError>> {
        self.admission.submit(raw).boxed()
    }

    fn waiting(&self, hash: &B256) -> Option<Arc<Checked>> {
        self.node.mempool().get(hash)
    }

    fn next_nonce(&self, sender: &Address) -> u64 {
        let state = self.node.tip_state().map(|(_, state)| state).unwrap_or_default();
        self.node.mempool().next_nonce(sender, &state)
    }

    fn certificate(&self, height: u64) -> BoxFuture<'_, Option<Certificate>> {
        self.node.certified(height).boxed()
    }

    fn prove(&self, key: Vec<u8>) -> BoxFuture<'_, Option<StateProof>> {
        self.node.state_proof(key).boxed()
    }

    fn evidence(&self) -> Vec<Evidence> {
        let shape = |(found, proof): (assay_ledger::Equivocation, Bytes)| Evidence {
            epoch: found.epoch,
            view: found.view,
            account: found.account,
            proof,
        };
        self.node.evidence().into_iter().map(shape).collect()
    }

    fn serves_joiners(&self) -> Option<&dyn Upstream> {
        Some(&self.node)
    }

    fn first_block(&self) -> u64 {
        self.node.first_block()
    }
}

/// What is known of the newest block without its transactions.
fn bare_block(tip: &FinalizedTip, state: &State) -> FinalizedBlock {
    let ctx = latest(state, &Bls);
    FinalizedBlock {
        height: tip.height,
        hash: tip.hash,
        parent_hash: B256::ZERO,
        timestamp_ms: tip.timestamp_ms,
        proposer: ctx.as_ref().map_or(Address::ZERO, |ctx| ctx.proposer),
        state_root: tip.state_root,
        transactions_root: B256::ZERO,
        receipts_root: B256::ZERO,
        beacon: ctx.map_or(B256::ZERO, |ctx| ctx.beacon),
        base_fee: assay_ledger::base_fee(state),
        gas_used: 0,
        gas_limit: 0,
        size_bytes: 0,
        txs: Vec::new(),
        end_logs: Vec::new(),
    }
}

/// The block at height 0, which nobody proposed.
fn opening_block(node: &Node) -> FinalizedBlock {
    let (block, params) = (&node.core.genesis_block, &node.core.genesis.params);
    let header = &block.header;
    FinalizedBlock {
        height: 0,
        hash: to_b256(&block.digest()),
        parent_hash: B256::ZERO,
        timestamp_ms: header.timestamp_ms,
        proposer: header.proposer,
        state_root: to_b256(&header.state_root),
        transactions_root: header.transactions_root,
        receipts_root: header.receipts_root,
        beacon: header.beacon,
        base_fee: header.base_fee,
        gas_used: 0,
        gas_limit: params.block_gas_limit,
        size_bytes: commonware_codec::EncodeSize::encode_size(block) as u64,
        txs: Vec::new(),
        end_logs: Vec::new(),
    }
}
