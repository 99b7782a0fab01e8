//! The chain as agents see it: the one trait through which providers, adjudicators and renters read
//! state and send transactions.
//!
//! [`RpcChain`] reaches a node over JSON-RPC; a node's own process and the simulation implement the
//! trait over their handles. Everything answered is finalized unless said otherwise.
//!
//! What is deliberately absent: nothing here signs (that is [`crate::wallet`]) or decides.

mod rpc;

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes};
use assay_types::{
    FinalizedBlock, Genesis, Grains, JobId, Params, Receipt, RejectCode, amount,
    node::Evidence,
    view::{JobSummary, JobView, ProviderView, ValidatorView, WorkItem},
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

pub use rpc::{RpcChain, RpcConfig};

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Names the network.
    pub genesis_hash: B256,
    /// Latest finalized height.
    pub height: u64,
    /// Its block's digest.
    pub hash: B256,
    /// State root after it.
    pub state_root: B256,
    /// Its time, milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
}

/// An account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// Nonce of its next transaction, by finalized state.
    pub nonce: u64,
    /// As `nonce`, counting transactions that wait in the node's mempool.
    pub pending_nonce: u64,
    /// Grains it can spend.
    #[serde(with = "amount::as_string")]
    pub balance: Grains,
}

/// What a transaction must offer to be included now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fees {
    /// Base fee of the next block, grains a unit of gas.
    #[serde(with = "amount::as_string")]
    pub base_fee: u128,
    /// Priority fee that is enough when blocks are not full.
    #[serde(with = "amount::as_string")]
    pub priority_fee: u128,
}

/// A final receipt and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxReceipt {
    /// Height of its block.
    pub height: u64,
    /// What the transaction did.
    pub receipt: Receipt,
}

/// Proof of one job's result for someone who trusts only the genesis file. Header, certificate and
/// proof are the chain's bytes; [`crate::receipt::LightVerifier`] reads them.
pub use assay_types::node::StateProof as JobProof;

/// Finalized blocks in order; ends when the source is lost for good.
pub type BlockStream = BoxStream<'static, Arc<FinalizedBlock>>;

/// Why the chain did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The node refused a transaction; it was not included and cost nothing.
    #[error("the node refused the transaction: {name} (code {code}){}", sentence(.detail))]
    Rejected {
        /// Stable number, see `docs/protocol/rejects.md`.
        code: RejectCode,
        /// Stable name.
        name: String,
        /// More, in words.
        detail: String,
    },
    /// The node cannot be reached, or went away while it answered.
    #[error("the node does not answer: {0}")]
    Unreachable(String),
    /// The node answered with an error of another kind.
    #[error("the node answered with error {code}: {message}")]
    Remote {
        /// JSON-RPC code.
        code: i32,
        /// Its words.
        message: String,
    },
    /// The node's answer does not have the expected shape.
    #[error("the node's answer to {method} is malformed: {detail}")]
    Malformed {
        /// What was asked.
        method: &'static str,
        /// What is wrong.
        detail: String,
    },
}

fn sentence(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

impl ChainError {
    /// Whether asking again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// Read and write access to the chain.
#[async_trait]
pub trait Chain: Send + Sync {
    /// Where the node stands.
    async fn status(&self) -> Result<Status, ChainError>;
    /// The genesis the node started from.
    async fn genesis(&self) -> Result<Genesis, ChainError>;
    /// Parameters in force.
    async fn params(&self) -> Result<Params, ChainError>;
    /// An account; one never seen has zeros.
    async fn account(&self, address: Address) -> Result<AccountState, ChainError>;
    /// What to offer for inclusion now.
    async fn fees(&self) -> Result<Fees, ChainError>;
    /// Hands in a signed transaction and returns its hash. Handing in a known one again is no error.
    async fn send_raw(&self, raw: Bytes) -> Result<B256, ChainError>;
    /// The receipt of a finalized transaction.
    async fn receipt(&self, hash: B256) -> Result<Option<TxReceipt>, ChainError>;
    /// A job, whole.
    async fn job(&self, id: JobId) -> Result<Option<JobView>, ChainError>;
    /// Jobs, newest first, of one renter or of all.
    async fn jobs(&self, renter: Option<Address>, limit: u32) -> Result<Vec<JobSummary>, ChainError>;
    /// All that `account` has to do, in every role it has.
    async fn work(&self, account: Address) -> Result<Vec<WorkItem>, ChainError>;
    /// All registered providers, ascending by account.
    async fn providers(&self) -> Result<Vec<ProviderView>, ChainError>;
    /// One provider.
    async fn provider(&self, account: Address) -> Result<Option<ProviderView>, ChainError> {
        Ok(self.providers().await?.into_iter().find(|p| p.account == account))
    }
    /// A validator; none if the account is none, or the node cannot say.
    async fn validator(&self, _account: Address) -> Result<Option<ValidatorView>, ChainError> {
        Ok(None)
    }
    /// Validators that the node saw vote twice.
    async fn evidence(&self) -> Result<Vec<Evidence>, ChainError> {
        Ok(Vec::new())
    }
    /// A finalized block.
    async fn block(&self, height: u64) -> Result<Option<Arc<FinalizedBlock>>, ChainError>;
    /// Finalized blocks from now on, in order.
    async fn subscribe_blocks(&self) -> Result<BlockStream, ChainError>;
    /// Proof of a closed job's result at a recent height; `None` while the job is open or unknown.
    async fn job_proof(&self, id: JobId) -> Result<Option<JobProof>, ChainError>;
}
