//! The chain as agents see it, over the handles of simulated validators. An agent asks the first
//! validator that is up, as a client with several RPC addresses would.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, B256, Bytes};
use assay_chain::{Node, mempool::SubmitError, state::State};
use assay_client::{AccountState, BlockStream, Chain, ChainError, Fees, JobProof, Status, TxReceipt};
use assay_ledger::{account, base_fee, keys, query};
use assay_types::{
    FinalizedBlock, Genesis, JobId, Params,
    view::{BookView, JobSummary, JobView, OrderView, ProviderView, WorkItem},
};
use async_trait::async_trait;
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// The validators' handles; `None` while one is down.
pub type Handles = Arc<Mutex<Vec<Option<Node>>>>;

/// Receipts of all finalized blocks, and the blocks, for readers.
#[derive(Default)]
pub struct History {
    receipts: BTreeMap<B256, TxReceipt>,
}

impl History {
    /// Files a block.
    pub fn file(&mut self, block: &FinalizedBlock) {
        for tx in &block.txs {
            let receipt = TxReceipt { height: block.height, receipt: tx.receipt.clone() };
            self.receipts.insert(tx.receipt.tx_hash, receipt);
        }
    }
}

/// Access to the chain through whichever validator is up.
pub struct SimChain {
    genesis: Genesis,
    handles: Handles,
    history: Arc<Mutex<History>>,
    /// Blocks in order, once each, from whichever validator had them first.
    blocks: broadcast::Sender<Arc<FinalizedBlock>>,
    /// Validator asked first.
    preferred: usize,
}

impl SimChain {
    /// Access that asks validator `preferred` first.
    pub fn new(
        genesis: Genesis,
        handles: Handles,
        history: Arc<Mutex<History>>,
        blocks: broadcast::Sender<Arc<FinalizedBlock>>,
        preferred: usize,
    ) -> Self {
        Self { genesis, handles, history, blocks, preferred }
    }

    /// The validator to ask: of those that are up the one furthest ahead, the preferred one first.
    fn node(&self) -> Result<Node, ChainError> {
        let handles = self.handles.lock();
        let count = handles.len();
        let order = (0..count).map(|offset| (self.preferred + offset) % count);
        let up = order.filter_map(|at| handles.get(at)?.clone());
        let height = |node: &Node| node.tip().map_or(0, |tip| tip.height);
        // The first of the highest: max_by_key would give the last.
        let best = up.reduce(|best, node| if height(&node) > height(&best) { node } else { best });
        best.ok_or_else(|| ChainError::Unreachable("no validator is up".into()))
    }

    /// A book as it rests; None while no validator is up.
    pub fn book(&self, class: u32) -> Option<BookView> {
        query::market_book(&self.state().ok()?, class, 0)
    }

    /// An account's open orders.
    pub fn orders(&self, owner: Address) -> Vec<OrderView> {
        self.state().map(|state| query::orders(&state, Some(owner), 1_000)).unwrap_or_default()
    }

    fn state(&self) -> Result<State, ChainError> {
        let (_, state) = self.node()?.tip_state().ok_or_else(|| ChainError::Unreachable("starting".into()))?;
        Ok(state)
    }
}

#[async_trait]
impl Chain for SimChain {
    async fn status(&self) -> Result<Status, ChainError> {
        let tip = self.node()?.tip().ok_or_else(|| ChainError::Unreachable("starting".into()))?;
        Ok(Status {
            chain_id: self.genesis.chain_id,
            genesis_hash: self.genesis.hash(),
            height: tip.height,
            hash: tip.hash,
            state_root: tip.state_root,
            timestamp_ms: tip.timestamp_ms,
        })
    }

    async fn genesis(&self) -> Result<Genesis, ChainError> {
        Ok(self.genesis.clone())
    }

    async fn params(&self) -> Result<Params, ChainError> {
        Ok(self.genesis.params.clone())
    }

    async fn account(&self, address: Address) -> Result<AccountState, ChainError> {
        let node = self.node()?;
        let state = self.state()?;
        let found = account(&state, address);
        let pending_nonce = node.mempool().next_nonce(&address, &state);
        Ok(AccountState { nonce: found.nonce, pending_nonce, balance: found.balance })
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        Ok(Fees { base_fee: base_fee(&self.state()?), priority_fee: 1 })
    }

    async fn send_raw(&self, raw: Bytes) -> Result<B256, ChainError> {
        let hash = alloy_primitives::keccak256(&raw);
        match self.node()?.submit(raw) {
            Ok(hash) => Ok(hash),
            Err(SubmitError::Pool(assay_chain::mempool::PoolError::AlreadyKnown)) => Ok(hash),
            Err(refused) => {
                let (code, name) = refused.code();
                Err(ChainError::Rejected { code, name: name.to_owned(), detail: refused.to_string() })
            }
        }
    }

    async fn receipt(&self, hash: B256) -> Result<Option<TxReceipt>, ChainError> {
        Ok(self.history.lock().receipts.get(&hash).cloned())
    }

    async fn job(&self, id: JobId) -> Result<Option<JobView>, ChainError> {
        Ok(query::job(&self.state()?, id))
    }

    async fn jobs(&self, renter: Option<Address>, limit: u32) -> Result<Vec<JobSummary>, ChainError> {
        Ok(query::jobs(&self.state()?, renter, limit as usize))
    }

    async fn work(&self, account: Address) -> Result<Vec<WorkItem>, ChainError> {
        Ok(query::work(&self.state()?, account))
    }

    async fn providers(&self) -> Result<Vec<ProviderView>, ChainError> {
        Ok(query::providers(&self.state()?))
    }

    async fn block(&self, height: u64) -> Result<Option<Arc<FinalizedBlock>>, ChainError> {
        Ok(self.node()?.recent_block(height))
    }

    async fn subscribe_blocks(&self) -> Result<BlockStream, ChainError> {
        let stream = futures::stream::unfold(self.blocks.subscribe(), |mut blocks| async move {
            loop {
                match blocks.recv().await {
                    Ok(block) => return Some((block, blocks)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        Ok(stream.boxed())
    }

    async fn job_proof(&self, id: JobId) -> Result<Option<JobProof>, ChainError> {
        let node = self.node()?;
        Ok(node.state_proof(keys::job_result(id)).await.filter(|proof| proof.value.is_some()))
    }
}
