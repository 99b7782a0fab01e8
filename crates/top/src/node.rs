//! What is asked of a node, over HTTP.
//!
//! A node that cannot be reached is an error; one that refuses a single question, as a version before the
//! market does, leaves that part empty and says so.

use std::time::Duration;

use assay_types::{
    node::NodeStatus,
    view::{BookView, ClassView, EpochView},
};
use jsonrpsee::{
    core::{
        client::{ClientT, Error as RpcError},
        params::ArrayParams,
    },
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
};
use serde::{Deserialize, de::DeserializeOwned, de::IgnoredAny};

use crate::model::{Market, Snapshot};

/// Delivery now.
const WINDOW: u32 = 0;
/// Epochs asked for: as many as a wide screen shows.
const EPOCHS: usize = 128;
/// Orders asked for, to be counted.
const ORDERS: usize = 1_000;
/// Jobs asked for.
const JOBS: usize = 100;
/// Longest answer that is read.
const MAX_ANSWER_BYTES: u32 = 32 << 20;

/// Why a node gave no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Not an address of a node.
    #[error("'{url}' is not an address of a node: write http://host:port or ws://host:port")]
    Url {
        /// As given.
        url: String,
    },
    /// No client could be made.
    #[error("no connection can be made to {url}")]
    Client {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: Box<RpcError>,
    },
    /// It did not answer.
    #[error("{method} was not answered: {source}")]
    Unanswered {
        /// What was asked.
        method: &'static str,
        /// Why not.
        #[source]
        source: Box<RpcError>,
    },
    /// It answered something else.
    #[error("{method} was answered in a shape this version does not read: {reason}")]
    Shape {
        /// What was asked.
        method: &'static str,
        /// What does not fit.
        reason: String,
    },
}

/// A node's JSON-RPC.
#[derive(Debug, Clone)]
pub struct Node {
    http: HttpClient,
    validators: Option<usize>,
}

#[derive(Deserialize)]
struct Network {
    validators: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    base_fee_per_gas: Option<String>,
}

impl Node {
    /// A client for the node at `url`; does not connect yet. HTTP and WebSocket are on one port, so the
    /// address of either will do.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, NodeError> {
        let bad = || NodeError::Url { url: crate::figures::clean(url) };
        let address = match url.split_once("://") {
            Some(("http" | "ws", rest)) if !rest.is_empty() => format!("http://{rest}"),
            _ => return Err(bad()),
        };
        let http = HttpClientBuilder::default()
            .request_timeout(timeout)
            .max_response_size(MAX_ANSWER_BYTES)
            .build(&address)
            .map_err(|source| NodeError::Client { url: crate::figures::clean(url), source: Box::new(source) })?;
        Ok(Self { http, validators: None })
    }

    /// All that is shown, with book and prices of `class`, or of the first that has a book.
    pub async fn snapshot(&mut self, class: Option<u32>) -> Result<Snapshot, NodeError> {
        let status: NodeStatus = self.ask("assay_status", rpc_params![]).await?.map_err(|refusal| {
            NodeError::Shape { method: "assay_status", reason: format!("the node refuses: {refusal}") }
        })?;
        let mut refused = Vec::new();
        if self.validators.is_none() {
            let network: Option<Network> = self.part("assay_genesis", rpc_params![], &mut refused).await?;
            self.validators = network.map(|network| network.validators.len());
        }
        let head: Option<Head> =
            self.part("eth_getBlockByNumber", rpc_params!["latest", false], &mut refused).await?.flatten();
        let classes: Vec<ClassView> =
            self.part("assay_marketClasses", rpc_params![], &mut refused).await?.unwrap_or_default();
        let market = match choose(&classes, class) {
            Some(class) => self.market(class, &mut refused).await?,
            None => None,
        };
        // A node before the market has no such question, which the classes have said already.
        let orders = match classes.is_empty() {
            true => None,
            false => self.part("assay_orders", rpc_params![None::<()>, ORDERS], &mut refused).await?,
        };
        let jobs = self.part("assay_jobs", rpc_params![None::<()>, JOBS], &mut refused).await?;
        let providers = self.part("assay_providers", rpc_params![], &mut refused).await?;
        Ok(Snapshot {
            status,
            base_fee: head.and_then(|head| quantity(&head.base_fee_per_gas?)),
            validators: self.validators,
            classes,
            market,
            orders: orders.unwrap_or_default(),
            jobs: jobs.unwrap_or_default(),
            providers: providers.unwrap_or_default(),
            refused,
        })
    }

    async fn market(&self, class: u32, refused: &mut Vec<String>) -> Result<Option<Market>, NodeError> {
        let book: Option<BookView> = self.part("assay_marketBook", rpc_params![class, WINDOW], refused).await?;
        let epochs: Option<Vec<EpochView>> =
            self.part("assay_marketPrices", rpc_params![class, WINDOW, EPOCHS], refused).await?;
        Ok(book.map(|book| Market { book, epochs: epochs.unwrap_or_default() }))
    }

    /// An answer, or None and a note that the node refused.
    async fn part<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: ArrayParams,
        refused: &mut Vec<String>,
    ) -> Result<Option<T>, NodeError> {
        match self.ask(method, params).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(refusal) => {
                refused.push(format!("{method}: {refusal}"));
                Ok(None)
            }
        }
    }

    /// An answer, or the reason why the node refuses one.
    async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: ArrayParams,
    ) -> Result<Result<T, String>, NodeError> {
        match self.http.request(method, params).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(RpcError::Call(refusal)) => Ok(Err(refusal.message().to_owned())),
            Err(RpcError::ParseError(error)) => Err(NodeError::Shape { method, reason: error.to_string() }),
            Err(source) => Err(NodeError::Unanswered { method, source: Box::new(source) }),
        }
    }
}

/// The class asked for if it exists, else the first with a book.
fn choose(classes: &[ClassView], class: Option<u32>) -> Option<u32> {
    let asked = classes.iter().find(|view| Some(view.class.id) == class);
    let first = || classes.iter().find(|view| view.leaf && !view.class.retired).or(classes.first());
    asked.or_else(first).map(|view| view.class.id)
}

/// A number as Ethereum writes it: `0x3b9aca00`.
fn quantity(text: &str) -> Option<u128> {
    u128::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}
