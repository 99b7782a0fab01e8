//! A node over JSON-RPC: its status, headers and logs of ranges of blocks, and word of new ones.

use std::time::Duration;

use alloy_primitives::{B256, LogData, U64};
use alloy_rpc_types_eth::{Filter, Log};
use assay_types::{Address, FinalizedBlock, node::NodeStatus};
use jsonrpsee::{
    core::{
        client::{ClientT, Error as RpcError, Subscription, SubscriptionClientT},
        params::{ArrayParams, BatchRequestBuilder},
    },
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::event::{EMITTERS, TOPICS};

/// Longest answer taken; a node gives half of it.
const MAX_ANSWER_BYTES: u32 = 64 << 20;
/// Headers asked for at once; a node answers up to a thousand.
const HEADERS: u64 = 200;

/// Why a node gives no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// It does not answer.
    #[error("the node at {url} does not answer ({reason}): is it running, and is this its JSON-RPC address?")]
    Unreachable {
        /// Its address.
        url: String,
        /// Why.
        reason: String,
    },
    /// It refuses.
    #[error("the node refuses {method}: {message} (code {code})")]
    Refused {
        /// What was asked.
        method: &'static str,
        /// JSON-RPC code.
        code: i32,
        /// Its words.
        message: String,
    },
    /// Its answer makes no sense.
    #[error("the node's answer to {method} makes no sense: {reason}; is it an assay node of this version?")]
    Malformed {
        /// What was asked.
        method: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl NodeError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// A node to follow.
#[derive(Debug, Clone)]
pub struct Node {
    http: HttpClient,
    url: String,
    /// Between two looks for new blocks where there is no WebSocket.
    pub(crate) poll: Duration,
}

/// A block as the record needs it.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) height: u64,
    pub(crate) hash: B256,
    pub(crate) parent: B256,
    pub(crate) time: u64,
    pub(crate) logs: Vec<PlacedLog>,
}

/// A log and its position in its block.
#[derive(Debug, Clone)]
pub(crate) struct PlacedLog {
    pub(crate) index: u64,
    pub(crate) address: Address,
    pub(crate) data: LogData,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    hash: B256,
    parent_hash: B256,
    number: U64,
    timestamp: U64,
}

/// Blocks of a range, or how far it got: a height the node does not have.
pub(crate) enum Fetched {
    Blocks(Vec<Block>),
    Missing(u64),
}

impl Node {
    /// A client of the node at `url` (`http://host:port`); does not connect yet.
    pub fn new(url: &str) -> Result<Self, NodeError> {
        let http = HttpClientBuilder::default()
            .request_timeout(Duration::from_secs(30))
            .max_response_size(MAX_ANSWER_BYTES)
            .build(url)
            .map_err(|error| NodeError::Unreachable { url: url.to_owned(), reason: error.to_string() })?;
        Ok(Self { http, url: url.to_owned(), poll: Duration::from_millis(250) })
    }

    /// The same node, asked for new blocks this often where there is no WebSocket.
    pub fn polled(self, poll: Duration) -> Self {
        Self { poll, ..self }
    }

    pub(crate) async fn status(&self) -> Result<NodeStatus, NodeError> {
        self.ask("assay_status", rpc_params![]).await
    }

    /// Height of the newest block it can serve.
    pub(crate) async fn newest(&self) -> Result<u64, NodeError> {
        self.ask("eth_blockNumber", rpc_params![]).await.map(|height: U64| height.to())
    }

    /// Hash of a block; none if the node does not have it.
    pub(crate) async fn hash(&self, height: u64) -> Result<Option<B256>, NodeError> {
        let header: Option<Header> = self.ask("eth_getBlockByNumber", rpc_params![U64::from(height), false]).await?;
        Ok(header.map(|header| header.hash))
    }

    /// The blocks from one height to another, both included.
    pub(crate) async fn blocks(&self, from: u64, to: u64) -> Result<Fetched, NodeError> {
        let (headers, mut logs) = futures::try_join!(self.headers(from, to), self.logs(from, to))?;
        logs.reverse();
        let mut blocks = Vec::with_capacity(headers.len());
        for (height, header) in (from..=to).zip(headers) {
            let Some(header) = header else { return Ok(Fetched::Missing(height)) };
            if header.number.to::<u64>() != height {
                return Err(malformed("eth_getBlockByNumber", format!("block {} for {height}", header.number)));
            }
            let mut own: Vec<PlacedLog> = Vec::new();
            while let Some(log) = logs.pop_if(|log| log.block_number == Some(height)) {
                let index = log.log_index.filter(|index| own.last().is_none_or(|last| last.index < *index));
                let (Some(index), true) = (index, log.block_hash == Some(header.hash) && !log.removed) else {
                    return Err(malformed(
                        "eth_getLogs",
                        format!("logs of block {height} are not those of that block"),
                    ));
                };
                own.push(PlacedLog { index, address: log.inner.address, data: log.inner.data });
            }
            blocks.push(Block {
                height,
                hash: header.hash,
                parent: header.parent_hash,
                time: header.timestamp.to(),
                logs: own,
            });
        }
        if logs.is_empty() {
            return Ok(Fetched::Blocks(blocks));
        }
        Err(malformed("eth_getLogs", format!("logs out of order or outside of blocks {from} to {to}")))
    }

    /// One block whole, for one with more logs than the node gives to a query.
    pub(crate) async fn whole(&self, height: u64) -> Result<Option<Block>, NodeError> {
        let block: Option<FinalizedBlock> = self.ask("assay_block", rpc_params![height]).await?;
        let Some(block) = block else { return Ok(None) };
        if block.height != height {
            return Err(malformed("assay_block", format!("block {} for {height}", block.height)));
        }
        let logs = (0..)
            .zip(block.logs())
            .filter(|(_, log)| EMITTERS.contains(&log.address))
            .filter(|(_, log)| log.topics().first().is_some_and(|topic| TOPICS.contains(topic)))
            .map(|(index, log)| PlacedLog { index, address: log.address, data: log.data.clone() })
            .collect();
        let time = block.timestamp_ms / 1_000;
        Ok(Some(Block { height, hash: block.hash, parent: block.parent_hash, time, logs }))
    }

    async fn logs(&self, from: u64, to: u64) -> Result<Vec<Log>, NodeError> {
        let filter =
            Filter::new().address(EMITTERS.to_vec()).event_signature(TOPICS.to_vec()).from_block(from).to_block(to);
        self.ask("eth_getLogs", rpc_params![filter]).await
    }

    async fn headers(&self, from: u64, to: u64) -> Result<Vec<Option<Header>>, NodeError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let mut headers = Vec::new();
        let mut next = from;
        while next <= to {
            let last = next.saturating_add(HEADERS).saturating_sub(1).min(to);
            let mut batch = BatchRequestBuilder::new();
            for height in next..=last {
                let added = batch.insert(METHOD, rpc_params![U64::from(height), false]);
                added.map_err(|error| malformed(METHOD, error.to_string()))?;
            }
            let answers = self.http.batch_request::<Option<Header>>(batch).await;
            let before = headers.len();
            let answers = answers.map_err(|error| match error {
                // A batch that is refused as a whole is answered by one error, not by a list.
                RpcError::ParseError(error) => refused(METHOD, 0, &error.to_string()),
                other => self.failed(METHOD, other),
            });
            for answer in answers? {
                headers.push(answer.map_err(|error| refused(METHOD, error.code(), error.message()))?);
            }
            let (given, wanted) = (headers.len().saturating_sub(before), last.saturating_sub(next).saturating_add(1));
            if u64::try_from(given).ok() != Some(wanted) {
                return Err(malformed(METHOD, format!("{given} answers to {wanted} requests")));
            }
            next = last.saturating_add(1);
        }
        Ok(headers)
    }

    async fn ask<T: DeserializeOwned>(&self, method: &'static str, params: ArrayParams) -> Result<T, NodeError> {
        self.http.request(method, params).await.map_err(|error| self.failed(method, error))
    }

    fn failed(&self, method: &'static str, error: RpcError) -> NodeError {
        match error {
            RpcError::Call(object) => refused(method, object.code(), object.message()),
            RpcError::ParseError(error) => malformed(method, error.to_string()),
            other => NodeError::Unreachable { url: self.url.clone(), reason: other.to_string() },
        }
    }

    /// Word of new blocks; none where there is no WebSocket.
    async fn subscribe(&self) -> Option<Word> {
        let url = self.url.replacen("http", "ws", 1);
        let client = WsClientBuilder::default().connection_timeout(Duration::from_secs(5)).build(&url).await.ok()?;
        let heads = client.subscribe("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe").await.ok()?;
        Some(Word { heads, _client: client })
    }
}

struct Word {
    heads: Subscription<serde::de::IgnoredAny>,
    /// Dropped, it would close the connection.
    _client: WsClient,
}

/// Waits for new blocks: woken over WebSocket, else by the clock.
pub(crate) struct Waiting<'a> {
    node: &'a Node,
    word: Option<Word>,
    /// Waits by the clock left until WebSocket is tried again.
    skip: u32,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(node: &'a Node) -> Self {
        Self { node, word: None, skip: 0 }
    }

    /// Returns when there may be a new block; early is no harm.
    pub(crate) async fn wait(&mut self) {
        /// A block that came while nobody listened, or a connection that died silently, is found by then.
        const SILENCE: Duration = Duration::from_secs(5);
        const SKIPPED: u32 = 60;
        /// After a connection that broke, so that one that breaks at once is not tried without pause.
        const SKIPPED_BROKEN: u32 = 4;
        match &mut self.word {
            Some(word) => {
                if let Ok(None | Some(Err(_))) = tokio::time::timeout(SILENCE, word.heads.next()).await {
                    self.word = None;
                    self.skip = SKIPPED_BROKEN;
                }
            }
            None if self.skip > 0 => {
                self.skip = self.skip.saturating_sub(1);
                tokio::time::sleep(self.node.poll).await;
            }
            None => {
                self.word = self.node.subscribe().await;
                if self.word.is_none() {
                    self.skip = SKIPPED;
                }
            }
        }
    }
}

fn refused(method: &'static str, code: i32, message: &str) -> NodeError {
    NodeError::Refused { method, code, message: message.to_owned() }
}

fn malformed(method: &'static str, reason: String) -> NodeError {
    NodeError::Malformed { method, reason }
}
