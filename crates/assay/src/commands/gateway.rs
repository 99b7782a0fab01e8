//! `assay gateway`: an HTTP edge before several nodes, a process of its own without a chain.
//!
//! ```text
//! POST /                          JSON-RPC, passed to the first node that is well
//! GET  /v1/...                    the price record, if it has a database
//! GET  /health /ready /metrics    for those who watch over it
//! ```
//!
//! A node is well if it answers, is of this network and not far behind the best. Nodes are asked in
//! the order of the file, not in turns, so that a client meets one history: after a transaction it
//! reads from the node that took it. Bodies, time and requests under way are bounded.
//!
//! Does not: WebSocket, TLS, accounts, caching.

mod proxy;
mod upstreams;

use std::{sync::Arc, time::Duration};

use assay_chain::metrics::Page;
use assay_indexer::{Index, Node, Until, router as prices};
use assay_provider::http;
use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use serde_json::json;

use crate::{
    cli::GatewayArgs,
    config::GatewayFile,
    failure::{Code, Failure, Outcome},
    stop::Stop,
    terminal::{Terminal, Tone},
    vitals::{Served, alive, page, status},
};
use proxy::{Proxy, forward};
use upstreams::Upstreams;

/// Runs it until Ctrl-C.
pub(crate) async fn run(args: &GatewayArgs, terminal: &Terminal) -> Outcome<()> {
    let file = GatewayFile::read(&args.config)?;
    let timeout = Duration::from_millis(file.timeout_ms);
    let settings = |client: reqwest::ClientBuilder| {
        client
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(3)))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
    };
    let client =
        http::client(settings).map_err(|e| Failure::new(Code::Internal, "no HTTP client can be made").because(&e))?;
    let upstreams = Upstreams::new(&file, client.clone());
    upstreams.look().await;
    let proxy = Arc::new(Proxy::new(&file, client, Arc::clone(&upstreams)));
    let index = match &file.database {
        Some(database) => Some(Index::open(database).await?),
        None => None,
    };
    let vital = of_gateway(Arc::clone(&proxy));
    let mut routes = Router::new()
        .route("/", post(forward))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(Arc::clone(&proxy));
    if file.metrics.is_none() {
        routes = routes.merge(vital.clone());
    }
    if let Some(index) = &index {
        routes = routes.fallback_service(prices(index.clone()));
    }
    let served = Served::start(routes, file.listen, "listen").await?;
    let watched = match file.metrics {
        Some(at) => Some(Served::start(vital, at, "metrics").await?),
        None => None,
    };
    let url = format!("http://{}", served.address());
    let watcher = tokio::spawn({
        let (upstreams, every) = (Arc::clone(&upstreams), Duration::from_millis(file.check_every_ms));
        async move {
            loop {
                tokio::time::sleep(every).await;
                upstreams.look().await;
            }
        }
    });
    // The record follows this gateway, so it fails over with everybody else.
    let follower = match &index {
        Some(index) => Some(follow(index.clone(), &url)?),
        None => None,
    };
    let metrics_url = watched.as_ref().map(|served| format!("http://{}", served.address()));
    tracing::info!(target: "gateway", listen = %served.address(), nodes = file.nodes.len(), "up");
    terminal.document(&json!({ "rpc_url": url, "metrics_url": metrics_url, "nodes": upstreams.seen() }));
    terminal.line(terminal.paint(Tone::Good, &format!("The gateway is up at {url}.")));
    for node in upstreams.seen() {
        terminal.line(format!("  {} {}", node.url, node.problem.as_deref().unwrap_or("is well")));
    }
    terminal.line("Stop it with Ctrl-C.");
    Stop::new(false).asked().await;
    tracing::info!(target: "gateway", "stopping");
    watcher.abort();
    if let Some(follower) = follower {
        follower.abort();
    }
    served.stop().await;
    if let Some(watched) = watched {
        watched.stop().await;
    }
    if let Some(index) = index {
        index.close().await;
    }
    tracing::info!(target: "gateway", "stopped");
    Ok(())
}

fn follow(index: Index, url: &str) -> Outcome<tokio::task::JoinHandle<()>> {
    let node = Node::new(url).map_err(|e| Failure::new(Code::Internal, "the gateway has no address").because(&e))?;
    Ok(tokio::spawn(async move {
        if let Err(error) = index.follow(&node, Until::Forever).await {
            tracing::error!(target: "gateway", %error, "the price record stands still");
        }
    }))
}

fn of_gateway(proxy: Arc<Proxy>) -> Router {
    Router::new()
        .route("/health", get(alive))
        .route(
            "/ready",
            get(|State(proxy): State<Arc<Proxy>>| async move {
                let nodes = proxy.upstreams.seen();
                let ready = nodes.iter().any(|node| node.problem.is_none());
                let reasons: Vec<_> = if ready { Vec::new() } else { vec!["no node is well"] };
                (status(ready), Json(json!({ "ready": ready, "reasons": reasons, "nodes": nodes })))
            }),
        )
        .route("/metrics", get(|State(proxy): State<Arc<Proxy>>| async move { page(figures(&proxy)) }))
        .with_state(proxy)
}

fn figures(proxy: &Proxy) -> String {
    let mut page = Page::default();
    page.gauge(
        "assay_build_info",
        "Version of this program.",
        &[(format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1)],
    );
    let requests = proxy.counted().map(|(outcome, count)| (format!("{{outcome=\"{outcome}\"}}"), count));
    page.counters("assay_gateway_requests_total", "Requests by how they ended.", &requests);
    let nodes = proxy.upstreams.seen();
    let label = |url: &str| format!("{{node=\"{}\"}}", url.replace(['\\', '"', '\n'], "_"));
    let well: Vec<_> = nodes.iter().map(|node| (label(&node.url), u8::from(node.problem.is_none()))).collect();
    page.gauge("assay_gateway_node_well", "1 if requests may go to this node.", &well);
    let heights: Vec<_> = nodes.iter().filter_map(|node| Some((label(&node.url), node.height?))).collect();
    page.gauge("assay_gateway_node_height", "Height of a node as last seen.", &heights);
    page.process();
    page.into_text()
}
