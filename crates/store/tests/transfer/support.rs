//! Nodes for tests: honest ones, and endpoints that speak whatever the test makes them speak.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use assay_store::{
    AcceptPut, BlobId, BlobNode, BlobStore, Blobs, NodeConfig, Source, StoreConfig,
    transfer::{ALPN, Limits, RefusePuts},
};
use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayMode, SecretKey, TransportAddr,
    endpoint::{Connection, RecvStream, SendStream, presets},
};
use tempfile::TempDir;

pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
pub(crate) const MANY: u64 = 1 << 30;

/// An honest node with a directory of its own.
pub(crate) struct Honest {
    pub(crate) node: BlobNode,
    pub(crate) dir: TempDir,
}

pub(crate) fn secret(n: u8) -> [u8; 32] {
    [n; 32]
}

/// Patience short enough for tests of impatience.
pub(crate) fn impatient() -> Limits {
    Limits {
        connect_timeout: Duration::from_secs(1),
        stall_timeout: Duration::from_millis(600),
        hedge_after: Duration::from_millis(200),
        ..Limits::default()
    }
}

/// Gives up on absent peers soon, and is otherwise patient.
pub(crate) fn quick_to_connect() -> Limits {
    Limits { connect_timeout: Duration::from_secs(1), ..Limits::default() }
}

pub(crate) async fn honest(n: u8) -> Honest {
    honest_with(n, Limits::default(), Arc::new(RefusePuts), 1 << 30).await
}

pub(crate) async fn honest_with(n: u8, limits: Limits, policy: Arc<dyn AcceptPut>, quota_bytes: u64) -> Honest {
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open(dir.path(), StoreConfig { quota_bytes }).unwrap();
    let config = NodeConfig { limits, ..NodeConfig::new(secret(n), LOOPBACK) };
    Honest { node: BlobNode::spawn(config, store, policy).await.unwrap(), dir }
}

/// Content that compresses and repeats nowhere.
pub(crate) fn content(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&(len as u64).to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

pub(crate) async fn raw_endpoint(n: u8) -> Endpoint {
    Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .clear_ip_transports()
        .bind_addr(LOOPBACK)
        .unwrap()
        .secret_key(SecretKey::from_bytes(&secret(n)))
        .alpns(vec![ALPN.to_vec()])
        .bind()
        .await
        .unwrap()
}

/// What a scripted server does after it has read a request.
#[derive(Clone)]
pub(crate) enum Script {
    /// Says this and ends the stream.
    Say(Vec<u8>),
    /// Says this and then nothing, without ending the stream.
    SayAndStall(Vec<u8>),
    /// Says one byte of this at a time, with a pause after each.
    Drip(Vec<u8>, Duration),
    /// Says this, waits for it to arrive, and closes the connection.
    SayAndClose(Vec<u8>),
}

/// A server that follows a script, one entry a request; the last is repeated.
pub(crate) struct Scripted {
    pub(crate) source: Source,
    pub(crate) requests: Arc<AtomicUsize>,
    endpoint: Endpoint,
}

impl Scripted {
    pub(crate) async fn spawn(n: u8, script: Vec<Script>) -> Self {
        let endpoint = raw_endpoint(n).await;
        let source = Source::new(*endpoint.id().as_bytes(), endpoint.bound_sockets()).unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let (accepting, counted) = (endpoint.clone(), requests.clone());
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                let Ok(connection) = incoming.await else { continue };
                let (script, counted) = (script.clone(), counted.clone());
                tokio::spawn(async move {
                    while let Ok((send, mut recv)) = connection.accept_bi().await {
                        let mut frame = [0; 49];
                        recv.read_exact(&mut frame).await.unwrap();
                        let turn = counted.fetch_add(1, Ordering::SeqCst).min(script.len() - 1);
                        tokio::spawn(follow(script[turn].clone(), connection.clone(), send, recv));
                    }
                });
            }
        });
        Self { source, requests, endpoint }
    }

    pub(crate) async fn close(self) {
        self.endpoint.close().await;
    }
}

async fn follow(script: Script, connection: Connection, mut send: SendStream, _recv: RecvStream) {
    // The other side may give up at any point, as it should.
    match script {
        Script::Say(bytes) => {
            if send.write_all(&bytes).await.is_ok() {
                send.finish().unwrap();
                let _stopped = send.stopped().await;
            }
        }
        Script::SayAndStall(bytes) => {
            let _written = send.write_all(&bytes).await;
            connection.closed().await;
        }
        Script::Drip(bytes, pause) => {
            for byte in bytes {
                if send.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(pause).await;
            }
        }
        Script::SayAndClose(bytes) => {
            let _written = send.write_all(&bytes).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            connection.close(0u32.into(), b"scripted");
        }
    }
}

/// Head of an answer as the protocol writes it.
pub(crate) fn head(status: u8, size: u64) -> Vec<u8> {
    [&[status], size.to_le_bytes().as_slice()].concat()
}

/// A whole honest answer to GET.
pub(crate) fn found(bytes: &[u8]) -> Vec<u8> {
    [head(0, bytes.len() as u64), bytes.to_vec()].concat()
}

/// A request as the protocol writes it.
pub(crate) fn request(op: u8, id: BlobId, a: u64, b: u64) -> Vec<u8> {
    [&[op], id.0.as_slice(), &a.to_le_bytes(), &b.to_le_bytes()].concat()
}

pub(crate) async fn dial(from: &Endpoint, to: &BlobNode) -> Connection {
    let source = to.source();
    let id = EndpointId::from_bytes(&source.node().0).unwrap();
    let address = EndpointAddr::from_parts(id, source.addrs().iter().copied().map(TransportAddr::Ip));
    from.connect(address, ALPN).await.unwrap()
}

/// Sends one frame and reads all that comes back, up to 1 MiB; `None` when the stream was reset.
pub(crate) async fn exchange(connection: &Connection, frame: &[u8]) -> Option<Vec<u8>> {
    let (mut send, mut recv) = connection.open_bi().await.ok()?;
    send.write_all(frame).await.ok()?;
    send.finish().ok()?;
    recv.read_to_end(1 << 20).await.ok()
}
