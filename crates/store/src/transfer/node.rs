//! A node: an iroh endpoint that serves a store and fetches for it.

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use iroh::{
    Endpoint, RelayMode, SecretKey,
    endpoint::{BindError, QuicTransportConfig, VarInt, presets},
    protocol::{IncomingFilterOutcome, Router},
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::{
    AcceptPut, Blobs, FetchError, Limits, PeerError, PeerFailure,
    fetch::Peers,
    serve::{Server, blocking},
    wire::ALPN,
};
use crate::{BlobId, BlobStore, Source, SourceError, StoreError, disk::Holder};

// Measured: larger stream windows make QUIC lose track of gaps and drop the connection.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

// A node that was just shut down lets go of its socket a moment later.
const PORT_WAIT: Duration = Duration::from_secs(1);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a node is set up.
#[derive(Clone)]
pub struct NodeConfig {
    /// The node's identity: an Ed25519 secret, kept by the caller.
    pub secret_key: [u8; 32],
    /// Where to listen; port 0 takes any.
    pub bind: SocketAddr,
    /// Where others find it, when that is not where it listens (behind a port forward, or when
    /// listening on all interfaces). Empty: where it listens.
    pub advertise: Vec<SocketAddr>,
    /// Bounds on peers.
    pub limits: Limits,
}

impl NodeConfig {
    /// Listens on `bind`, advertises the same, default limits.
    pub fn new(secret_key: [u8; 32], bind: SocketAddr) -> Self {
        Self { secret_key, bind, advertise: Vec::new(), limits: Limits::default() }
    }
}

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Another process listens there.
    #[error("{addr} is in use by another process: stop it, or choose another port")]
    PortInUse {
        /// The address.
        addr: SocketAddr,
    },
    /// Could not listen for another reason.
    #[error("could not listen on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What iroh said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The addresses to advertise are none others could dial.
    #[error("the node cannot be reached at the addresses it would advertise: list reachable ones")]
    Advertise(#[from] SourceError),
}

/// A running node. Clones share it; it stops with [`Self::shutdown`].
#[derive(Clone)]
pub struct BlobNode {
    inner: Arc<Inner>,
}

type Flight = Shared<BoxFuture<'static, Result<Bytes, FetchError>>>;
type WeakFlight = WeakShared<BoxFuture<'static, Result<Bytes, FetchError>>>;

#[derive(Clone, PartialEq, Eq)]
struct Plan {
    max_bytes: u64,
    sources: Vec<Source>,
}

struct Inner {
    source: Source,
    store: BlobStore,
    peers: Arc<Peers>,
    router: Router,
    /// Fetches under way, so that callers who want the same blob share one.
    flights: Mutex<HashMap<BlobId, (Plan, WeakFlight)>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.router.is_shutdown() {
            return;
        }
        // Dropped without `shutdown`: peers are still told, if there is a runtime left to do it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let router = self.router.clone();
            runtime.spawn(async move { router.shutdown().await });
        }
    }
}

impl BlobNode {
    /// Starts listening and serving `store`; `policy` decides what others may store here.
    pub async fn spawn(config: NodeConfig, store: BlobStore, policy: Arc<dyn AcceptPut>) -> Result<Self, NodeError> {
        let NodeConfig { secret_key, bind, advertise, limits } = config;
        let transport = QuicTransportConfig::builder()
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
            .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
            .send_window(u64::from(CONNECTION_WINDOW_BYTES))
            .max_concurrent_bidi_streams(VarInt::from_u32(limits.max_streams_per_connection))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .build();
        let endpoint = bind_endpoint(bind, SecretKey::from_bytes(&secret_key), transport).await?;
        let addrs = if advertise.is_empty() { endpoint.bound_sockets() } else { advertise };
        let source = match Source::new(*endpoint.id().as_bytes(), addrs) {
            Ok(source) => source,
            Err(error) => {
                endpoint.close().await;
                return Err(error.into());
            }
        };
        let server = Server::new(store.clone(), policy, limits.clone());
        let guests = server.guests();
        let router = Router::builder(endpoint.clone())
            .incoming_filter(Arc::new(move |_| {
                if guests.full() { IncomingFilterOutcome::Reject } else { IncomingFilterOutcome::Accept }
            }))
            .accept(ALPN, server)
            .spawn();
        let peers = Arc::new(Peers::new(endpoint, limits));
        Ok(Self { inner: Arc::new(Inner { source, store, peers, router, flights: Mutex::default() }) })
    }

    /// The store it serves.
    pub fn store(&self) -> &BlobStore {
        &self.inner.store
    }

    /// Stops serving, tells the peers, and frees the port once every clone is dropped. Fetches under
    /// way fail.
    pub async fn shutdown(&self) {
        self.inner.peers.close();
        match timeout(CLOSE_TIMEOUT, self.inner.router.shutdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the blob node's accept loop failed"),
            Err(_) => tracing::warn!("peers did not acknowledge the blob node's closing in time"),
        }
    }

    /// The blob from this node's own disk. Trouble there is no reason not to fetch.
    async fn local(&self, id: BlobId) -> Option<Bytes> {
        let store = self.inner.store.clone();
        if !store.has(&id) {
            return None;
        }
        match blocking(move || store.get(&id)).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(blob = %id, %error, "could not read a blob; fetching it instead");
                None
            }
        }
    }

    /// Joins the fetch of this blob under way, or starts one. The plan is the one being followed.
    fn join(&self, id: BlobId, plan: &Plan) -> (Plan, Flight) {
        let mut flights = self.inner.flights.lock();
        if let Some((plan, flight)) = flights.get(&id)
            && let Some(flight) = flight.upgrade()
        {
            return (plan.clone(), flight);
        }
        flights.retain(|_, (_, flight)| flight.upgrade().is_some());
        let (peers, store, follow) = (self.inner.peers.clone(), self.inner.store.clone(), plan.clone());
        let flight = async move { fetch_and_keep(&peers, store, id, &follow).await }.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(id, (plan.clone(), weak));
        }
        (plan.clone(), flight)
    }
}

async fn bind_endpoint(
    addr: SocketAddr,
    secret_key: SecretKey,
    transport: QuicTransportConfig,
) -> Result<Endpoint, NodeError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| NodeError::Bind { addr, source };
    let deadline = Instant::now() + PORT_WAIT;
    loop {
        let builder = Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .clear_ip_transports()
            .bind_addr(addr)
            .map_err(|error| failed(error.into()))?
            .secret_key(secret_key.clone())
            .transport_config(transport.clone());
        match builder.bind().await {
            Ok(endpoint) => return Ok(endpoint),
            Err(BindError::Sockets { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
                if Instant::now() > deadline {
                    return Err(NodeError::PortInUse { addr });
                }
                sleep(PORT_WAIT / 20).await;
            }
            Err(error) => return Err(failed(error.into())),
        }
    }
}

async fn fetch_and_keep(peers: &Peers, store: BlobStore, id: BlobId, plan: &Plan) -> Result<Bytes, FetchError> {
    let bytes = peers.fetch(id, plan.max_bytes, &plan.sources).await?;
    let keep = bytes.clone();
    if let Err(error) = blocking(move || store.put_known(id, &keep)).await {
        // The caller asked for the bytes and has them; only the next one pays.
        tracing::warn!(blob = %id, %error, "fetched a blob but could not keep it");
    }
    Ok(bytes)
}

#[async_trait]
impl Blobs for BlobNode {
    async fn get(&self, id: BlobId, max_bytes: u64, sources: &[Source]) -> Result<Bytes, FetchError> {
        let fits = |bytes: Bytes| {
            let size_bytes = bytes.len() as u64;
            if size_bytes > max_bytes { Err(FetchError::TooLarge { id, size_bytes, max_bytes }) } else { Ok(bytes) }
        };
        if let Some(bytes) = self.local(id).await {
            return fits(bytes);
        }
        let plan = Plan { max_bytes, sources: sources.to_vec() };
        let (followed, flight) = self.join(id, &plan);
        match flight.await {
            Ok(bytes) => fits(bytes),
            // Somebody else's sources or limit failed: that says nothing about ours.
            Err(_) if followed != plan => fetch_and_keep(&self.inner.peers, self.inner.store.clone(), id, &plan).await,
            Err(error) => Err(error),
        }
    }

    async fn put(&self, bytes: Bytes) -> Result<BlobId, StoreError> {
        let store = self.inner.store.clone();
        blocking(move || store.put(&bytes)).await
    }

    async fn push(&self, target: &Source, bytes: Bytes) -> Result<BlobId, PeerError> {
        let id = BlobId::of(&bytes);
        let result = if target.node() == self.inner.source.node() {
            self.put(bytes).await.map(drop).map_err(|error| match error {
                StoreError::OverQuota { .. } | StoreError::DiskFull { .. } => PeerFailure::NoRoom,
                _ => PeerFailure::Internal,
            })
        } else {
            self.inner.peers.push(target, id, bytes).await
        };
        result.map(|()| id).map_err(|failure| PeerError { node: target.node(), failure })
    }

    async fn has(&self, target: &Source, id: BlobId) -> Result<bool, PeerError> {
        if target.node() == self.inner.source.node() {
            return Ok(self.inner.store.has(&id));
        }
        let answer = self.inner.peers.has(target, id).await;
        answer.map_err(|failure| PeerError { node: target.node(), failure })
    }

    fn pin(&self, id: BlobId, holder: Holder) {
        self.inner.store.pin(id, holder);
    }

    fn unpin(&self, holder: &Holder) {
        self.inner.store.unpin(holder);
    }

    fn source(&self) -> Source {
        self.inner.source.clone()
    }
}
