//! Runs nodes on real sockets and a real disk: a thread with commonware's tokio runtime of its own.
//!
//! One host may run several validators of a network (the embedded network does); they share a state
//! directory, each under its own partitions, and talk over authenticated TCP like strangers.

use std::{
    fs,
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use assay_ledger::PROTOCOL_VERSION;
use assay_types::{B256, Genesis};
use commonware_runtime::{
    Clock as _, Handle, Metrics as _, Runner as _, Spawner as _, Supervisor as _, tokio as runtime,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    consensus::engine::{NodeConfig, StartError},
    metrics::{RuntimeFigures, connected},
    node::{Node, UpgradeNeeded},
    panics::{self, Awaited},
    sockets::start_on_sockets,
    sync::{FollowerConfig, SYNC_BEYOND, start_follower, state_sync},
    upstream::Pool,
};

/// Version of what is on disk.
pub const FORMAT: u32 = 2;

/// Time that requests under way get to end before the actors that answer them do.
const SETTLE: Duration = Duration::from_millis(150);

/// Room that must be left on the disk: the nodes end while they can still write what they hold.
pub const DISK_RESERVE_BYTES: u64 = 64 << 20;

/// How often the room left is looked at.
const DISK_CHECK: Duration = Duration::from_millis(250);

/// A link on which nothing comes for so long is dead; peers ping each other every second.
const LINK_TIMEOUT: Duration = Duration::from_secs(5);

/// How often connections are counted.
const COUNT: Duration = Duration::from_secs(1);

/// Stack of the thread that starts the nodes: unoptimised, starting overflows the usual 2 MiB.
pub(crate) const STACK: usize = 16 << 20;

/// Names the network a state directory belongs to.
#[derive(Debug, Serialize, Deserialize)]
struct Tag {
    format: u32,
    genesis: B256,
}

/// Claims `dir` for the network of `genesis`: makes it, or checks that it is that network's.
pub fn claim(dir: &Path, genesis: &Genesis) -> Result<(), StartError> {
    let unusable = |source| StartError::Directory { path: dir.to_owned(), source };
    fs::create_dir_all(dir).map_err(unusable)?;
    let path = dir.join("network.json");
    let expected = Tag { format: FORMAT, genesis: genesis.hash() };
    match fs::read(&path) {
        Ok(bytes) => {
            let version = |found: String| StartError::StateVersion { found, expected: FORMAT.to_string() };
            let found: Tag = serde_json::from_slice(&bytes).map_err(|_| version("unreadable".into()))?;
            if found.format != FORMAT {
                return Err(version(found.format.to_string()));
            }
            if found.genesis != expected.genesis {
                let (found, expected) = (found.genesis.to_string(), expected.genesis.to_string());
                return Err(StartError::ForeignState { found, expected });
            }
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let bytes = serde_json::to_vec(&expected).map_err(|e| unusable(e.into()))?;
            let fresh = dir.join("network.json.new");
            fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, &path)).map_err(unusable)
        }
        Err(error) => Err(unusable(error)),
    }
}

/// One node of a host: its configuration and the address it listens on.
#[derive(Clone)]
pub struct HostedNode {
    /// The node.
    pub config: NodeConfig,
    /// Where it listens for peers.
    pub listen: SocketAddr,
}

/// What a host is asked to run.
enum Hosted {
    /// A validator, and where it gets its state from if it has none.
    Validator(Box<HostedNode>, Option<Arc<Pool>>),
    Follower(Box<FollowerConfig>, Arc<Pool>),
}

impl Hosted {
    async fn start(self, context: runtime::Context) -> Result<(Node, Vec<Handle<()>>), StartError> {
        match self {
            Self::Validator(node, pool) => {
                if let Some(pool) = pool {
                    let (genesis, partition) = (&node.config.genesis, &node.config.partition);
                    state_sync(context.child("join"), genesis, partition, &pool, SYNC_BEYOND).await?;
                }
                let (node, handle, network) = start_on_sockets(context, *node).await?;
                Ok((node, vec![handle, network]))
            }
            Self::Follower(config, pool) => {
                let (node, handle) = start_follower(context.child("follower"), *config, pool).await?;
                Ok((node, vec![handle]))
            }
        }
    }
}

/// Why the nodes of a host have ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Their owner said so.
    #[error("they were asked to end")]
    Asked,
    /// The disk is full, or so nearly that the nodes ended while they could write what they held.
    #[error("the disk under {path} is full: {free_bytes} bytes are left, {DISK_RESERVE_BYTES} are needed")]
    DiskFull {
        /// The state directory.
        path: PathBuf,
        /// What is left.
        free_bytes: u64,
    },
    /// The network upgraded to a protocol version that this program does not know. Nothing is lost.
    #[error("from block {} on the network runs protocol version {} (upgrade \"{}\"); this program knows {PROTOCOL_VERSION}", .0.height, .0.version, .0.name)]
    UpgradeNeeded(UpgradeNeeded),
    /// What is on disk cannot be read any more.
    #[error("the state under {path} is damaged: {what}")]
    Corrupt {
        /// The state directory.
        path: PathBuf,
        /// What the storage says.
        what: String,
    },
    /// A fault of this program or of the machine.
    #[error("a fault: {0}")]
    Fault(String),
}

/// Running nodes. Dropping it stops them.
pub struct Host {
    nodes: Vec<Node>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    ended: watch::Receiver<Option<Ended>>,
    figures: RuntimeFigures,
}

impl Host {
    /// Starts `hosted` nodes with their state in `dir` on `threads` worker threads. Blocks until all
    /// have opened their databases.
    pub fn start(dir: PathBuf, hosted: Vec<HostedNode>, threads: usize) -> Result<Self, StartError> {
        let hosted = hosted.into_iter().map(|node| Hosted::Validator(Box::new(node), None)).collect();
        Self::launch(dir, hosted, threads)
    }

    /// Starts a validator that brings its state from the upstreams of `pool` first if it has none.
    pub fn join(dir: PathBuf, node: HostedNode, pool: Arc<Pool>, threads: usize) -> Result<Self, StartError> {
        Self::launch(dir, vec![Hosted::Validator(Box::new(node), Some(pool))], threads)
    }

    /// Starts a follower of the upstreams of `pool`: a node without a seat and without peers. Blocks until its
    /// state is there, which takes a while on an empty directory.
    pub fn follow(dir: PathBuf, config: FollowerConfig, pool: Arc<Pool>, threads: usize) -> Result<Self, StartError> {
        Self::launch(dir, vec![Hosted::Follower(Box::new(config), pool)], threads)
    }

    fn launch(dir: PathBuf, hosted: Vec<Hosted>, threads: usize) -> Result<Self, StartError> {
        for node in &hosted {
            match node {
                Hosted::Validator(node, _) => {
                    claim(&dir, &node.config.genesis)?;
                    // The runtime would panic on a taken port; ask first.
                    TcpListener::bind(node.listen).map_err(|source| match source.kind() {
                        ErrorKind::AddrInUse => StartError::PortInUse { address: node.listen, source },
                        _ => StartError::Directory { path: PathBuf::from(node.listen.to_string()), source },
                    })?;
                }
                Hosted::Follower(config, _) => claim(&dir, &config.genesis)?,
            }
        }
        if let Some(Ended::DiskFull { path, free_bytes }) = disk_full(&dir) {
            return Err(StartError::DiskFull { path, free_bytes });
        }
        let storage = dir.join("chain");
        let (started, outcome) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ending, ended) = watch::channel(None);
        let (figures, asked) = mpsc::unbounded_channel();
        let unusable = {
            let dir = dir.clone();
            move |source| StartError::Directory { path: dir.clone(), source }
        };
        let disk = dir.clone();
        // Set once the nodes stop because their owner says so.
        let leaving = Arc::new(Mutex::new(None));
        let left = Arc::clone(&leaving);
        let nodes_until_the_end = move || {
            let config = runtime::Config::new()
                .with_worker_threads(threads)
                .with_tcp_nodelay(Some(true))
                .with_read_write_timeout(LINK_TIMEOUT)
                .with_storage_directory(storage);
            runtime::Runner::new(config).start(|context| async move {
                let mut nodes = Vec::new();
                let mut handles = Vec::new();
                for (index, node) in hosted.into_iter().enumerate() {
                    match node.start(context.child("node").with_attribute("index", index)).await {
                        Ok((node, running)) => {
                            nodes.push(node);
                            handles.extend(running);
                        }
                        Err(error) => {
                            started.send(Err(error)).ok();
                            return Ended::Asked;
                        }
                    }
                }
                let upgrades: Vec<_> = nodes.iter().map(Node::upgrade_needed).collect();
                started.send(Ok(nodes.clone())).ok();
                // Either the owner says stop or is gone, or the disk is full, or the network upgraded, or a node
                // ends by itself, which it never should.
                let why = tokio::select! {
                    _ = stopped => Ended::Asked,
                    full = watch_disk(&context, &disk) => full,
                    needed = watch_upgrade(upgrades) => needed,
                    () = count(&context, asked, &nodes) => Ended::Fault("nobody counts any more".into()),
                    _ = futures::future::select_all(handles.iter_mut()) => Ended::Fault("a node left".into()),
                };
                if why == Ended::Asked {
                    *leaving.lock() = Some(Awaited::begin());
                }
                // Consensus and network first, so that nobody asks an actor that has already left.
                for handle in &handles {
                    handle.abort();
                }
                context.sleep(SETTLE).await;
                if let Err(error) = context.stop(0, Some(Duration::from_secs(5))).await {
                    tracing::warn!(%error, "some tasks of the nodes did not stop in time");
                }
                why
            })
        };
        let (disk, disk_path) = (dir.clone(), dir.clone());
        let body = move || {
            // A task that cannot write panics, and with it the whole runtime.
            let why = catch_unwind(AssertUnwindSafe(nodes_until_the_end)).unwrap_or_else(|panic| {
                let why = disk_full(&disk).unwrap_or_else(|| fault(&disk, panics::text(&*panic)));
                let leaving = left.lock().is_some();
                match why {
                    // The application may wait for a block of marshal, which has left before it.
                    Ended::Fault(what) if leaving => {
                        tracing::debug!(what, "a part of the nodes fell while they were stopped");
                        Ended::Asked
                    }
                    why => why,
                }
            });
            drop(left.lock().take());
            if !matches!(why, Ended::Asked) {
                tracing::error!(%why, "the nodes ended");
            }
            ending.send_replace(Some(why));
        };
        let thread =
            std::thread::Builder::new().name("chain".into()).stack_size(STACK).spawn(body).map_err(&unusable)?;
        match outcome.recv() {
            Ok(Ok(nodes)) => {
                let figures = RuntimeFigures(figures);
                Ok(Self { nodes, stop: Some(stop), thread: Some(thread), ended, figures })
            }
            Ok(Err(error)) => {
                thread.join().ok();
                Err(error.under(&disk_path))
            }
            Err(_) => {
                thread.join().ok();
                let why = ended.borrow().clone();
                Err(match why {
                    Some(Ended::DiskFull { path, free_bytes }) => StartError::DiskFull { path, free_bytes },
                    Some(Ended::Corrupt { path, what }) => StartError::Corrupt { path, what },
                    // Several parts open at once and the last to fall tells: all they do is read what is there.
                    Some(Ended::Fault(what)) if !is_of_the_machine(&what) => {
                        StartError::Corrupt { path: disk_path, what }
                    }
                    why => {
                        let why = why.map_or_else(String::new, |why| why.to_string());
                        unusable(std::io::Error::other(format!("a node failed while starting: {why}")))
                    }
                })
            }
        }
    }

    /// The nodes, in the order given.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Says why once the nodes have ended, asked to or not.
    pub fn ended(&self) -> watch::Receiver<Option<Ended>> {
        self.ended.clone()
    }

    /// What the runtime and its parts count about themselves.
    pub fn figures(&self) -> RuntimeFigures {
        self.figures.clone()
    }

    /// Stops all nodes and waits until their state is on disk.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the thread has ended already.
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            // Its panics are caught and told by `ended`.
            thread.join().ok();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end();
    }
}

/// Bytes free to this process on the file system of `path`; unknown where it can't be asked.
#[cfg(unix)]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Unknown here.
#[cfg(not(unix))]
pub fn free_bytes(_: &Path) -> Option<u64> {
    None
}

fn disk_full(path: &Path) -> Option<Ended> {
    let free_bytes = free_bytes(path).filter(|free| *free < DISK_RESERVE_BYTES)?;
    Some(Ended::DiskFull { path: path.to_owned(), free_bytes })
}

/// Returns when the disk is nearly full.
async fn watch_disk(context: &runtime::Context, path: &Path) -> Ended {
    loop {
        if let Some(full) = disk_full(path) {
            return full;
        }
        context.sleep(DISK_CHECK).await;
    }
}

/// Returns when a node is at a protocol version that this program does not know.
async fn watch_upgrade(mut nodes: Vec<watch::Receiver<Option<UpgradeNeeded>>>) -> Ended {
    let each = nodes.iter_mut().map(|node| Box::pin(node.wait_for(Option::is_some)));
    let needed = match futures::future::select_all(each).await {
        (Ok(needed), ..) => needed.clone(),
        (Err(_), ..) => None,
    };
    match needed {
        Some(needed) => Ended::UpgradeNeeded(needed),
        // A node that left without a word is seen elsewhere.
        None => std::future::pending().await,
    }
}

/// Answers who asks for figures, and counts connections. Does not return.
async fn count(
    context: &runtime::Context,
    mut asked: mpsc::UnboundedReceiver<oneshot::Sender<String>>,
    nodes: &[Node],
) {
    loop {
        tokio::select! {
            Some(reply) = asked.recv() => {
                // Who asked may have gone.
                reply.send(context.encode()).ok();
            }
            () = context.sleep(COUNT) => {
                let text = context.encode();
                for (index, node) in nodes.iter().enumerate() {
                    node.connections.set(connected(&text, index));
                }
            }
        }
    }
}

/// What a panic of the nodes means: storage that finds what it did not write says so in known words.
fn fault(path: &Path, text: String) -> Ended {
    if is_damage(&text) { Ended::Corrupt { path: path.to_owned(), what: text } } else { Ended::Fault(text) }
}

/// Words in which commonware's storage, and our own reading of it, report damage.
pub(crate) fn is_damage(text: &str) -> bool {
    DAMAGE.iter().any(|word| text.contains(word))
}

const DAMAGE: [&str; 3] = ["orrupt", "hecksum", "holds entries as they were written"];

/// Whether a panic while the databases are opened is the machine's: files that may not be opened, no descriptors.
fn is_of_the_machine(text: &str) -> bool {
    ["Os {", "OpenFailed", "CreationFailed", "os error"].iter().any(|word| text.contains(word))
}
