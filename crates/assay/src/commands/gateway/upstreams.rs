//! The nodes behind a gateway, and which of them are well.

use std::sync::Arc;

use assay_types::{B256, node::NodeStatus};
use futures::future::join_all;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::proxy::bounded;
use crate::config::GatewayFile;

/// Bytes of a status.
const STATUS_BYTES: usize = 64 << 10;

/// A node as last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Seen {
    /// Its address.
    pub(super) url: String,
    /// Its height, if it answered.
    pub(super) height: Option<u64>,
    /// Why it is not asked; none if it is well.
    pub(super) problem: Option<String>,
}

/// All nodes, the preferred one first.
pub(super) struct Upstreams {
    client: reqwest::Client,
    max_lag_blocks: u64,
    // The network: given, or that of the first node to answer.
    genesis_hash: Mutex<Option<B256>>,
    seen: Mutex<Vec<Seen>>,
}

impl Upstreams {
    pub(super) fn new(file: &GatewayFile, client: reqwest::Client) -> Arc<Self> {
        let unseen = |url: &String| Seen { url: url.clone(), height: None, problem: Some("not asked yet".into()) };
        Arc::new(Self {
            client,
            max_lag_blocks: file.max_lag_blocks,
            genesis_hash: Mutex::new(file.genesis_hash),
            seen: Mutex::new(file.nodes.iter().map(unseen).collect()),
        })
    }

    /// All nodes as last seen.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// The nodes to ask, in order.
    pub(super) fn well(&self) -> Vec<String> {
        self.seen.lock().iter().filter(|node| node.problem.is_none()).map(|node| node.url.clone()).collect()
    }

    /// A request failed there: not asked again before the next look.
    pub(super) fn failed(&self, url: &str, why: &str) {
        let mut seen = self.seen.lock();
        if let Some(node) = seen.iter_mut().find(|node| node.url == url && node.problem.is_none()) {
            tracing::warn!(target: "gateway", node = url, why, "a node failed");
            node.problem = Some(why.to_owned());
        }
    }

    /// Asks all nodes how they are.
    pub(super) async fn look(&self) {
        let urls: Vec<String> = self.seen.lock().iter().map(|node| node.url.clone()).collect();
        let answers = join_all(urls.iter().map(|url| self.status(url))).await;
        let network = {
            let mut network = self.genesis_hash.lock();
            *network
                .get_or_insert_with(|| answers.iter().flatten().next().map_or(B256::ZERO, |status| status.genesis_hash))
        };
        if network == B256::ZERO {
            // Nobody has answered yet: the first who does names it.
            *self.genesis_hash.lock() = None;
        }
        let now = judge(&urls, &answers, network, self.max_lag_blocks);
        let mut seen = self.seen.lock();
        for (before, after) in seen.iter().zip(&now) {
            match (&before.problem, &after.problem) {
                (None, Some(why)) => tracing::warn!(target: "gateway", node = after.url, why, "a node is not well"),
                (Some(_), None) => tracing::info!(target: "gateway", node = after.url, "a node is well"),
                _ => {}
            }
        }
        *seen = now;
    }

    async fn status(&self, url: &str) -> Result<NodeStatus, String> {
        #[derive(Deserialize)]
        struct Answer {
            result: Option<NodeStatus>,
        }
        let ask = r#"{"jsonrpc":"2.0","id":1,"method":"assay_status","params":[]}"#;
        let request = self.client.post(url).header("content-type", "application/json").body(ask);
        let response = request.send().await.map_err(|e| why(&e))?;
        let body = bounded(response, STATUS_BYTES).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| "it is no node of assay".to_owned())?;
        answer.result.ok_or_else(|| "it does not say how it is".to_owned())
    }
}

/// An error of HTTP in few words.
pub(super) fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "it does not answer in time".to_owned()
    } else if error.is_connect() {
        "it cannot be reached".to_owned()
    } else {
        "it does not answer".to_owned()
    }
}

fn judge(urls: &[String], answers: &[Result<NodeStatus, String>], network: B256, max_lag: u64) -> Vec<Seen> {
    let ours = |status: &&NodeStatus| status.genesis_hash == network;
    let best = answers.iter().flatten().filter(ours).map(|status| status.height).max().unwrap_or(0);
    let one = |(url, answer): (&String, &Result<NodeStatus, String>)| {
        let problem = match answer {
            Err(why) => Some(why.clone()),
            Ok(status) if status.genesis_hash != network => {
                Some(format!("it is of another network, {}", status.genesis_hash))
            }
            Ok(status) if best.saturating_sub(status.height) > max_lag => {
                Some(format!("it is {} blocks behind the best", best.saturating_sub(status.height)))
            }
            Ok(_) => None,
        };
        Seen { url: url.clone(), height: answer.as_ref().ok().map(|status| status.height), problem }
    };
    urls.iter().zip(answers).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(height: u64, network: u8) -> Result<NodeStatus, String> {
        Ok(NodeStatus {
            chain_id: 1,
            genesis_hash: B256::repeat_byte(network),
            height,
            hash: B256::ZERO,
            state_root: B256::ZERO,
            timestamp_ms: 0,
            syncing: false,
            peers: 3,
            waiting_txs: 0,
            finality_ms: None,
            version: String::new(),
        })
    }

    #[test]
    fn nodes_that_lag_or_are_of_another_network_or_are_silent_are_not_asked() {
        let urls: Vec<String> = (0..5).map(|n| format!("http://n{n}")).collect();
        let answers = [at(980, 1), at(979, 1), at(1_000, 1), at(2_000, 2), Err("it cannot be reached".into())];
        let seen = judge(&urls, &answers, B256::repeat_byte(1), 20);
        let problems: Vec<Option<&str>> = seen.iter().map(|node| node.problem.as_deref()).collect();
        assert_eq!(problems[0], None, "exactly as far behind as allowed");
        assert_eq!(problems[1], Some("it is 21 blocks behind the best"));
        assert_eq!(problems[2], None);
        assert!(problems[3].is_some_and(|p| p.contains("another network")), "and its height counts for nothing");
        assert_eq!(problems[4], Some("it cannot be reached"));
        assert_eq!(seen[4].height, None);
    }
}
