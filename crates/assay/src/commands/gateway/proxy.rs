//! Passing a JSON-RPC request to a node that is well, the next one if it fails.
//!
//! A request that may have reached a node is sent to another as well: all methods may be repeated, and
//! a transaction sent twice is one transaction.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::upstreams::{Seen, Upstreams, why};
use crate::config::GatewayFile;

/// JSON-RPC: the request is no JSON (specification 2.0, section 5.1).
const PARSE_ERROR: i32 = -32_700;
/// JSON-RPC as EIP-1474 numbers it: a resource is not available.
const UNAVAILABLE: i32 = -32_002;
/// EIP-1474: a limit is exceeded.
const LIMIT: i32 = -32_005;

/// What requests pass through.
pub(super) struct Proxy {
    client: reqwest::Client,
    pub(super) upstreams: Arc<Upstreams>,
    max_request_bytes: usize,
    max_response_bytes: usize,
    room: Semaphore,
    passed: AtomicU64,
    refused: AtomicU64,
    unanswered: AtomicU64,
}

impl Proxy {
    pub(super) fn new(file: &GatewayFile, client: reqwest::Client, upstreams: Arc<Upstreams>) -> Self {
        Self {
            client,
            upstreams,
            max_request_bytes: file.max_request_bytes,
            max_response_bytes: file.max_response_bytes,
            room: Semaphore::new(file.max_requests),
            passed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
        }
    }

    /// Requests so far, by how they ended.
    pub(super) fn counted(&self) -> [(&'static str, u64); 3] {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [("passed", count(&self.passed)), ("refused", count(&self.refused)), ("unanswered", count(&self.unanswered))]
    }

    fn refuse(&self, status: StatusCode, id: Value, code: i32, message: String, data: Option<Value>) -> Response {
        let counter = if status == StatusCode::BAD_GATEWAY { &self.unanswered } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        let mut error = json!({ "code": code, "message": message });
        if let (Some(data), Some(error)) = (data, error.as_object_mut()) {
            error.insert("data".to_owned(), data);
        }
        (status, axum::Json(json!({ "jsonrpc": "2.0", "id": id, "error": error }))).into_response()
    }

    async fn ask(&self, url: &str, body: Bytes) -> Result<Vec<u8>, String> {
        let request = self.client.post(url).header("content-type", "application/json").body(body);
        let response = request.send().await.map_err(|e| why(&e))?;
        if response.status().is_server_error() {
            return Err(format!("it answers {}", response.status().as_u16()));
        }
        bounded(response, self.max_response_bytes).await
    }
}

/// A body of at most so many bytes.
pub(super) async fn bounded(mut response: reqwest::Response, most: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| why(&e))? {
        if body.len() + chunk.len() > most {
            return Err(format!("its answer has more than {most} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The id of a request, for an answer that is ours; null for a batch, as for what has none.
fn id_of(body: &[u8]) -> Value {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        id: Value,
    }
    // A list would pass for the fields in order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Value::Null;
    }
    serde_json::from_slice::<Named>(body).map(|named| named.id).unwrap_or_default()
}

/// POST of JSON-RPC.
pub(super) async fn forward(State(proxy): State<Arc<Proxy>>, body: Body) -> Response {
    let Ok(_place) = proxy.room.try_acquire() else {
        let message = "too many requests are under way: try again in a moment".to_owned();
        return proxy.refuse(StatusCode::SERVICE_UNAVAILABLE, Value::Null, LIMIT, message, None);
    };
    let most = proxy.max_request_bytes;
    let Ok(body) = to_bytes(body, most).await else {
        let message = format!("a request has at most {most} bytes");
        return proxy.refuse(StatusCode::PAYLOAD_TOO_LARGE, Value::Null, LIMIT, message, None);
    };
    if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
        let message = "the request is not JSON".to_owned();
        return proxy.refuse(StatusCode::BAD_REQUEST, Value::Null, PARSE_ERROR, message, None);
    }
    for url in proxy.upstreams.well() {
        match proxy.ask(&url, body.clone()).await {
            Ok(answer) => {
                proxy.passed.fetch_add(1, Ordering::Relaxed);
                return ([(CONTENT_TYPE, "application/json")], answer).into_response();
            }
            // One large answer says nothing about the node, and another would give the same.
            Err(why) if why.contains("more than") => {
                let message = format!("the answer has more than {} bytes: ask for less", proxy.max_response_bytes);
                return proxy.refuse(StatusCode::OK, id_of(&body), LIMIT, message, None);
            }
            Err(why) => proxy.upstreams.failed(&url, &why),
        }
    }
    let nodes = proxy.upstreams.seen();
    // By number: where the nodes are is nobody else's business.
    let problem = |(at, node): (usize, &Seen)| json!({ "node": at + 1, "problem": node.problem });
    let problems: Vec<Value> = nodes.iter().enumerate().map(problem).collect();
    let message = format!("none of the {} nodes behind this gateway is well: try again later", nodes.len());
    proxy.refuse(StatusCode::BAD_GATEWAY, id_of(&body), UNAVAILABLE, message, Some(Value::Array(problems)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_ours_carries_the_id_of_its_request() {
        assert_eq!(id_of(br#"{"jsonrpc":"2.0","id":7,"method":"x"}"#), json!(7));
        assert_eq!(id_of(br#"{"id":"a","method":"x"}"#), json!("a"));
        assert_eq!(id_of(br#"{"method":"x"}"#), Value::Null);
        assert_eq!(id_of(br#"[{"id":7}]"#), Value::Null);
    }
}
