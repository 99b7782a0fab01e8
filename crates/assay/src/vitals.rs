//! How a process is, over HTTP: `/health` (it lives), `/ready` (it is fit to serve, or why not) and
//! `/metrics` for Prometheus. On an address of its own, which should not be public.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use assay_chain::metrics::{Metrics, readiness};
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::failure::{Code, Failure, Outcome};

/// A running HTTP server; dropping it stops it.
pub(crate) struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Served {
    /// Serves `routes` at `listen`, which the configuration calls `field`.
    pub(crate) async fn start(routes: Router, listen: SocketAddr, field: &str) -> Outcome<Self> {
        let listener = TcpListener::bind(listen).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => Failure::new(Code::PortInUse, format!("port {} is taken", listen.port()))
                .why(format!("another program listens on {listen}"))
                .next(format!("stop that program, or choose another address for `{field}`")),
            _ => Failure::io(format!("could not listen on {listen}"), &error),
        })?;
        let address = listener.local_addr().map_err(|e| Failure::io("could not listen", &e))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let until = async {
                // Dropped or told: both mean stop.
                stopped.await.unwrap_or_default();
            };
            if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(until).await {
                tracing::error!(target: "rpc", %error, "HTTP is not served any more");
            }
        });
        Ok(Self { address, stop, server })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers what it has taken, for three seconds at most.
    pub(crate) async fn stop(self) {
        // It may have ended by itself.
        let _told = self.stop.send(());
        if tokio::time::timeout(Duration::from_secs(3), self.server).await.is_err() {
            tracing::debug!(target: "rpc", "readers were cut off");
        }
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// A page of figures as Prometheus reads it.
pub(crate) fn page(text: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// 200 or 503, by whether it is ready.
pub(crate) fn status(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// What a process that answers at all says of its health.
pub(crate) async fn alive() -> impl IntoResponse {
    Json(json!({ "status": "alive", "version": env!("CARGO_PKG_VERSION") }))
}

/// The routes of a node.
pub(crate) fn of_node(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/health", get(alive))
        .route(
            "/ready",
            get(|State(metrics): State<Arc<Metrics>>| async move {
                let state = readiness(metrics.node(), now_ms());
                (status(state.ready), Json(state))
            }),
        )
        .route("/metrics", get(|State(metrics): State<Arc<Metrics>>| async move { page(metrics.text(now_ms()).await) }))
        .with_state(metrics)
}
