//! The chain over a node's JSON-RPC: requests over HTTP, blocks over WebSocket, both on one port.
//!
//! Where no WebSocket can be had (a proxy, a firewall), new blocks are asked for over HTTP instead.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use assay_types::{
    FinalizedBlock, Genesis, JobId, Params, TxFailure,
    node::Evidence,
    view::{JobSummary, JobView, ProviderView, ValidatorView, WorkItem},
};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use jsonrpsee::{
    core::{
        client::{ClientT, Error as RpcError, Subscription, SubscriptionClientT},
        params::ArrayParams,
    },
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{AccountState, BlockStream, Chain, ChainError, Fees, JobProof, Status, TxReceipt};

/// How to reach a node.
#[derive(Debug, Clone)]
pub struct RpcConfig {
    /// `http://host:port`; WebSocket is spoken on the same port.
    pub url: String,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Between two looks for new blocks where there is no WebSocket.
    pub poll: Duration,
}

impl RpcConfig {
    /// A node at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), timeout: Duration::from_secs(15), poll: Duration::from_millis(200) }
    }
}

const MAX_MESSAGE_BYTES: u32 = 64 << 20;

/// A node's JSON-RPC.
#[derive(Clone)]
pub struct RpcChain {
    http: HttpClient,
    config: RpcConfig,
}

impl RpcChain {
    /// A client for a node; does not connect yet.
    pub fn new(config: RpcConfig) -> Result<Self, ChainError> {
        let http = HttpClientBuilder::default()
            .request_timeout(config.timeout)
            .max_response_size(MAX_MESSAGE_BYTES)
            .build(&config.url)
            .map_err(|error| ChainError::Unreachable(error.to_string()))?;
        Ok(Self { http, config })
    }

    async fn ask<T: DeserializeOwned>(&self, method: &'static str, params: ArrayParams) -> Result<T, ChainError> {
        self.http.request(method, params).await.map_err(|error| failed(method, error))
    }

    async fn websocket(&self) -> Result<(Arc<WsClient>, Subscription<Arc<FinalizedBlock>>), ChainError> {
        let url = self.config.url.replacen("http", "ws", 1);
        let client = WsClientBuilder::default()
            .request_timeout(self.config.timeout)
            .connection_timeout(self.config.timeout)
            .max_response_size(MAX_MESSAGE_BYTES)
            .build(&url)
            .await
            .map_err(|error| failed("connect", error))?;
        let blocks = client
            .subscribe("assay_subscribeBlocks", rpc_params![], "assay_unsubscribeBlocks")
            .await
            .map_err(|error| failed("assay_subscribeBlocks", error))?;
        Ok((Arc::new(client), blocks))
    }

    /// Blocks after `height`, asked for over HTTP.
    fn polled(self, height: u64) -> BlockStream {
        let state = (self, height, VecDeque::new());
        stream::unfold(state, |(chain, mut height, mut ready)| async move {
            loop {
                if let Some(block) = ready.pop_front() {
                    return Some((block, (chain, height, ready)));
                }
                match chain.block(height.saturating_add(1)).await {
                    Ok(Some(block)) => {
                        height = block.height;
                        ready.push_back(block);
                    }
                    Ok(None) => tokio::time::sleep(chain.config.poll).await,
                    Err(error) => {
                        tracing::debug!(%error, "lost the node");
                        return None;
                    }
                }
            }
        })
        .boxed()
    }
}

fn failed(method: &'static str, error: RpcError) -> ChainError {
    match error {
        RpcError::Call(object) => match object.data().and_then(|data| serde_json::from_str(data.get()).ok()) {
            Some(TxFailure { code, name }) => ChainError::Rejected { code, name, detail: object.message().to_owned() },
            None => ChainError::Remote { code: object.code(), message: object.message().to_owned() },
        },
        RpcError::ParseError(error) => ChainError::Malformed { method, detail: error.to_string() },
        other => ChainError::Unreachable(other.to_string()),
    }
}

/// A quantity as Ethereum's JSON-RPC writes it.
#[derive(Deserialize)]
struct Quantity(alloy_primitives::U256);

impl Quantity {
    fn to<T: TryFrom<alloy_primitives::U256>>(&self, method: &'static str) -> Result<T, ChainError> {
        T::try_from(self.0).map_err(|_| ChainError::Malformed { method, detail: format!("{} is out of range", self.0) })
    }
}

#[async_trait]
impl Chain for RpcChain {
    async fn status(&self) -> Result<Status, ChainError> {
        self.ask("assay_status", rpc_params![]).await
    }

    async fn genesis(&self) -> Result<Genesis, ChainError> {
        self.ask("assay_genesis", rpc_params![]).await
    }

    async fn params(&self) -> Result<Params, ChainError> {
        self.ask("assay_params", rpc_params![]).await
    }

    async fn account(&self, address: Address) -> Result<AccountState, ChainError> {
        const NONCE: &str = "eth_getTransactionCount";
        let nonce = self.ask::<Quantity>(NONCE, rpc_params![address, "latest"]).await?.to(NONCE)?;
        let pending_nonce = self.ask::<Quantity>(NONCE, rpc_params![address, "pending"]).await?.to(NONCE)?;
        const BALANCE: &str = "eth_getBalance";
        let balance = self.ask::<Quantity>(BALANCE, rpc_params![address, "latest"]).await?.to(BALANCE)?;
        Ok(AccountState { nonce, pending_nonce, balance })
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        const PRICE: &str = "eth_gasPrice";
        const TIP: &str = "eth_maxPriorityFeePerGas";
        let price: u128 = self.ask::<Quantity>(PRICE, rpc_params![]).await?.to(PRICE)?;
        let priority_fee: u128 = self.ask::<Quantity>(TIP, rpc_params![]).await?.to(TIP)?;
        Ok(Fees { base_fee: price.saturating_sub(priority_fee).max(1), priority_fee })
    }

    async fn send_raw(&self, raw: Bytes) -> Result<B256, ChainError> {
        match self.ask("eth_sendRawTransaction", rpc_params![&raw]).await {
            Err(ChainError::Rejected { name, .. }) if name == "AlreadyKnown" => Ok(keccak256(&raw)),
            answer => answer,
        }
    }

    async fn receipt(&self, hash: B256) -> Result<Option<TxReceipt>, ChainError> {
        self.ask("assay_receipt", rpc_params![hash]).await
    }

    async fn job(&self, id: JobId) -> Result<Option<JobView>, ChainError> {
        self.ask("assay_job", rpc_params![id]).await
    }

    async fn jobs(&self, renter: Option<Address>, limit: u32) -> Result<Vec<JobSummary>, ChainError> {
        self.ask("assay_jobs", rpc_params![renter, limit]).await
    }

    async fn work(&self, account: Address) -> Result<Vec<WorkItem>, ChainError> {
        self.ask("assay_work", rpc_params![account]).await
    }

    async fn providers(&self) -> Result<Vec<ProviderView>, ChainError> {
        self.ask("assay_providers", rpc_params![]).await
    }

    async fn provider(&self, account: Address) -> Result<Option<ProviderView>, ChainError> {
        self.ask("assay_provider", rpc_params![account]).await
    }

    async fn validator(&self, account: Address) -> Result<Option<ValidatorView>, ChainError> {
        self.ask("assay_validator", rpc_params![account]).await
    }

    async fn evidence(&self) -> Result<Vec<Evidence>, ChainError> {
        self.ask("assay_evidence", rpc_params![]).await
    }

    async fn block(&self, height: u64) -> Result<Option<Arc<FinalizedBlock>>, ChainError> {
        self.ask::<Option<FinalizedBlock>>("assay_block", rpc_params![height]).await.map(|block| block.map(Arc::new))
    }

    async fn subscribe_blocks(&self) -> Result<BlockStream, ChainError> {
        match self.websocket().await {
            // The client is kept with the stream: dropped, it would close the connection.
            Ok((client, blocks)) => Ok(blocks
                .take_while(|block| futures::future::ready(block.is_ok()))
                .filter_map(move |block| {
                    let _open = client.clone();
                    futures::future::ready(block.ok())
                })
                .boxed()),
            Err(error) => {
                let height = self.status().await?.height;
                tracing::debug!(%error, "no WebSocket: asking for blocks instead");
                Ok(self.clone().polled(height))
            }
        }
    }

    async fn job_proof(&self, id: JobId) -> Result<Option<JobProof>, ChainError> {
        self.ask("assay_jobProof", rpc_params![id]).await
    }
}
