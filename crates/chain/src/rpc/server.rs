//! The server: bounds, binding, stopping.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jsonrpsee::{
    RpcModule,
    core::{RegisterMethodError, traits::IdProvider},
    server::{BatchRequestConfig, PingConfig, Server, ServerConfig, ServerHandle},
    types::SubscriptionId,
};

use super::{Backend, assay, blocks, context::Context, fees, state, subscribe, sync, transactions};
use crate::index::{History, LogLimits};

/// Where to listen and what to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcConfig {
    /// Address and port; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Bytes of a request.
    pub max_request_bytes: u32,
    /// Bytes of a response.
    pub max_response_bytes: u32,
    /// Calls of a batch.
    pub max_batch: u32,
    /// Connections at a time.
    pub max_connections: u32,
    /// Subscriptions of a connection.
    pub max_subscriptions: u32,
    /// Messages that wait on a connection, the only ones a slow reader makes the server hold.
    pub message_backlog: u32,
    /// How long a message may wait for a place there before its subscriber is dropped.
    pub patience: Duration,
    /// Bounds of a log query.
    pub logs: LogLimits,
}

impl RpcConfig {
    /// The usual bounds.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            max_request_bytes: 5 << 20,
            max_response_bytes: 32 << 20,
            max_batch: 1_000,
            max_connections: 256,
            max_subscriptions: 32,
            message_backlog: 16,
            patience: Duration::from_secs(10),
            logs: LogLimits::default(),
        }
    }
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Another program listens there.
    #[error("port {} on {} is in use: stop the program that listens there or choose another with --rpc-port", .0.port(), .0.ip())]
    PortInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Address asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Two methods of one name: a fault of this program.
    #[error("a JSON-RPC method is declared twice")]
    Methods(#[from] RegisterMethodError),
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct RpcServer {
    address: SocketAddr,
    handle: ServerHandle,
}

impl RpcServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and all connections, and waits until that is done.
    pub async fn stop(self) {
        // An error says that it has stopped already.
        self.handle.stop().ok();
        self.handle.stopped().await;
    }
}

/// Serves `backend` and `history`. Must be called within a tokio runtime.
pub async fn serve(config: RpcConfig, backend: Arc<dyn Backend>, history: Arc<History>) -> Result<RpcServer, RpcError> {
    let address = config.listen;
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => RpcError::PortInUse(address),
        _ => RpcError::Listen { address, source },
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let bounds = ServerConfig::builder()
        .max_request_body_size(config.max_request_bytes)
        .max_response_body_size(config.max_response_bytes)
        .max_connections(config.max_connections)
        .max_subscriptions_per_connection(config.max_subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(config.max_batch))
        .set_message_buffer_capacity(config.message_backlog)
        .enable_ws_ping(PingConfig::new())
        .set_id_provider(HexIds::default())
        .build();
    let server = Server::builder().set_config(bounds).build_from_tcp(listener).map_err(failed)?;
    let genesis = backend.genesis();
    let context =
        Context { genesis_hash: genesis.hash(), genesis, backend, history, config, rendered: Default::default() };
    let handle = server.start(methods(context)?);
    tracing::info!(%address, "JSON-RPC listens");
    Ok(RpcServer { address, handle })
}

fn methods(context: Context) -> Result<RpcModule<Context>, RegisterMethodError> {
    let mut module = RpcModule::new(context);
    state::register(&mut module)?;
    blocks::register(&mut module)?;
    transactions::register(&mut module)?;
    fees::register(&mut module)?;
    assay::register(&mut module)?;
    subscribe::register(&mut module)?;
    sync::register(&mut module)?;
    Ok(module)
}

/// Subscription ids as Ethereum clients expect them: quantities in hexadecimal.
#[derive(Debug, Default)]
struct HexIds {
    next: AtomicU64,
}

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        // Spread over 64 bits, so that an id kept from an earlier connection hits nothing.
        let count = self.next.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        SubscriptionId::Str(format!("{:#x}", count.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 63).into())
    }
}
