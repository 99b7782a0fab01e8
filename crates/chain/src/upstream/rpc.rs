//! A node asked over JSON-RPC.

use std::time::Duration;

use assay_types::{
    B256, Bytes,
    node::{Certificate, Handover},
};
use futures::{FutureExt as _, future::BoxFuture};
use jsonrpsee::{
    core::{ClientError, client::ClientT as _},
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
};
use serde::de::DeserializeOwned;

use super::{BlockRecord, MAX_ANSWER_BYTES, TIP_WAIT_MS, Upstream, UpstreamError};

/// JSON-RPC code of something that was pruned, as clients use it for EIP-4444.
pub(crate) const PRUNED: i32 = 4444;
/// JSON-RPC code of something that is not there.
pub(crate) const NOT_FOUND: i32 = -32_001;

/// Longest answer taken: hexadecimal doubles the bytes, and one block more than the bound may be in it.
const MAX_RESPONSE_BYTES: u32 = 6 * MAX_ANSWER_BYTES as u32;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(TIP_WAIT_MS + 10_000);

/// The address is not one of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not the address of a node's JSON-RPC: write it like http://127.0.0.1:8545 ({reason})")]
pub struct BadAddress {
    /// As given.
    pub url: String,
    /// Why.
    pub reason: String,
}

/// A node asked over JSON-RPC.
#[derive(Debug, Clone)]
pub struct RpcUpstream {
    url: String,
    client: HttpClient,
}

impl RpcUpstream {
    /// A client for the node at `url`; does not connect yet.
    pub fn new(url: &str) -> Result<Self, BadAddress> {
        let bad = |reason: String| BadAddress { url: url.to_owned(), reason };
        if !url.starts_with("http://") {
            return Err(bad("it must begin with http://".into()));
        }
        let client = HttpClientBuilder::default()
            .request_timeout(PATIENCE)
            .max_response_size(MAX_RESPONSE_BYTES)
            .build(url)
            .map_err(|error| bad(error.to_string()))?;
        Ok(Self { url: url.to_owned(), client })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: jsonrpsee::core::params::ArrayParams,
    ) -> Result<T, UpstreamError> {
        self.client.request(method, params).await.map_err(|error| match error {
            ClientError::Call(error) => match (error.code(), error.message().to_owned()) {
                (PRUNED, message) => UpstreamError::Pruned(message),
                (NOT_FOUND, message) => UpstreamError::Unknown(message),
                (code, message) => UpstreamError::Refused { code, message },
            },
            ClientError::ParseError(error) => UpstreamError::Malformed(format!("{method}: {error}")),
            error => UpstreamError::Unreachable(format!("{method}: {error}")),
        })
    }
}

impl Upstream for RpcUpstream {
    fn name(&self) -> String {
        self.url.clone()
    }

    fn tip(&self, after: u64) -> BoxFuture<'_, Result<Certificate, UpstreamError>> {
        self.ask("assay_certifiedTip", rpc_params![after]).boxed()
    }

    fn blocks(&self, from: u64, count: u64) -> BoxFuture<'_, Result<Vec<BlockRecord>, UpstreamError>> {
        self.ask("assay_blocks", rpc_params![from, count]).boxed()
    }

    fn block(&self, hash: B256) -> BoxFuture<'_, Result<BlockRecord, UpstreamError>> {
        self.ask("assay_blockByHash", rpc_params![hash]).boxed()
    }

    fn state_ops(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, UpstreamError>> {
        self.ask("assay_stateOps", rpc_params![request]).boxed()
    }

    fn handovers(&self, epoch: u64, count: u64) -> BoxFuture<'_, Result<Vec<Handover>, UpstreamError>> {
        self.ask("assay_handovers", rpc_params![epoch, count]).boxed()
    }

    fn submit(&self, raw: Bytes) -> BoxFuture<'_, Result<B256, UpstreamError>> {
        self.ask("eth_sendRawTransaction", rpc_params![raw]).boxed()
    }
}
