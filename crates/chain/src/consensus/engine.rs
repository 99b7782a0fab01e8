//! Wires the actors of one node together and starts them.

use std::{sync::Arc, time::Duration};

use assay_types::{Genesis, GenesisError};
use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{
        self,
        resolver::p2p as marshal_resolver,
        standard::{Deferred, Standard},
    },
    simplex,
};
use commonware_cryptography::sha256::Digest;
use commonware_p2p::{AddressableManager, Blocker, Receiver, Sender, max_message_size, utils::mux::prefixed};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage};
use commonware_utils::{NZDuration, NZUsize};
use rand_core::CryptoRng;

use super::{
    base::{Base, BaseConfig, MAILBOX},
    epochs::Epochs,
    gossip,
};
use crate::{
    block::Block,
    committee::{CommitteeError, Committees, PublicKey, Scheme},
    guard::Guard,
    keys::ValidatorKeys,
    mempool::Limits,
    node::Node,
    retention::Retention,
    sync::JoinError,
};

/// What a node needs besides a runtime and a network.
#[derive(Clone)]
pub struct NodeConfig {
    /// The network's genesis.
    pub genesis: Genesis,
    /// This validator's keys.
    pub keys: ValidatorKeys,
    /// Prefix of all storage partitions, so that several nodes can share a runtime.
    pub partition: String,
    /// Bounds of the mempool.
    pub mempool: Limits,
    /// What it keeps of the past.
    pub retention: Retention,
    /// Asked before each vote; none where nothing can forget what was voted but the votes with it.
    pub guard: Option<Arc<dyn Guard>>,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The genesis has no usable committee.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// The genesis is invalid.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The state directory belongs to another network.
    #[error(
        "the state directory belongs to another network (genesis {found}, expected {expected}): choose another directory or start fresh"
    )]
    ForeignState {
        /// Genesis hash found.
        found: String,
        /// Genesis hash expected.
        expected: String,
    },
    /// The state directory was written by another version.
    #[error(
        "the state directory has format {found}, this version reads {expected}: start fresh or use the version that wrote it"
    )]
    StateVersion {
        /// Format found.
        found: String,
        /// Format expected.
        expected: String,
    },
    /// The state directory can't be read or written.
    #[error("the state directory {path} is unusable")]
    Directory {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The disk of the state directory is full.
    #[error(
        "the disk under {path} is full: {free_bytes} bytes are left, {} are needed",
        crate::host::DISK_RESERVE_BYTES
    )]
    DiskFull {
        /// The state directory.
        path: std::path::PathBuf,
        /// What is left.
        free_bytes: u64,
    },
    /// What is on disk cannot be read.
    #[error("the state under {path} is damaged: {what}")]
    Corrupt {
        /// The state directory.
        path: std::path::PathBuf,
        /// What the storage says.
        what: String,
    },
    /// State sync failed.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// A pruning node would keep too little.
    #[error("a pruning node keeps at least {least} blocks, two epochs of the validators; {given} are configured")]
    Retention {
        /// As configured.
        given: u64,
        /// Fewest.
        least: u64,
    },
    /// The peer-to-peer port is taken.
    #[error("peer-to-peer address {address} is in use: stop the other process or choose another port")]
    PortInUse {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl StartError {
    pub(crate) fn corrupt(what: &'static str, error: &(dyn std::error::Error + '_)) -> Self {
        Self::damaged(what, error.to_string())
    }

    pub(crate) fn damaged(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Corrupt { path: Default::default(), what: format!("{what}: {}", reason.into()) }
    }

    /// Says where, if that is not said yet.
    pub(crate) fn under(self, dir: &std::path::Path) -> Self {
        match self {
            Self::Corrupt { path, what } if path.as_os_str().is_empty() => Self::Corrupt { path: dir.to_owned(), what },
            other => other,
        }
    }
}

/// One channel of the network.
pub(crate) type Channel<S, R> = (S, R);

/// The channels of a node, in the order of their numbers.
pub struct Channels<S, R> {
    /// Votes.
    pub votes: Channel<S, R>,
    /// Certificates.
    pub certificates: Channel<S, R>,
    /// Missing certificates.
    pub resolver: Channel<S, R>,
    /// Blocks.
    pub broadcast: Channel<S, R>,
    /// Missing blocks.
    pub backfill: Channel<S, R>,
    /// Transactions.
    pub txs: Channel<S, R>,
}

/// Number of channels; they are numbered from zero.
pub const CHANNELS: u64 = 6;

/// Most bytes a message of this network may have, however many validators sit.
pub fn max_message(genesis: &Genesis) -> u32 {
    let seats = most_seats(genesis);
    max_message_size(&[
        prefixed(simplex::max_payload_size::<Scheme, Digest>(seats)),
        marshal::max_payload_size::<Standard<Block>, Scheme>(seats, &()),
        gossip::MESSAGE_BYTES,
    ])
}

/// Seats of the largest committee this network may have. A governed change above it waits for new programs.
pub(crate) fn most_seats(genesis: &Genesis) -> u32 {
    genesis.params.max_validators.max(u32::try_from(genesis.validators.len()).unwrap_or(u32::MAX))
}

/// Starts a node. The handle ends when consensus does.
pub async fn start<E, S, R, M, B>(
    context: E,
    config: NodeConfig,
    channels: Channels<S, R>,
    peers: M,
    blocker: B,
) -> Result<(Node, Handle<()>), StartError>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    M: AddressableManager<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    let NodeConfig { genesis, keys, partition, mempool, retention, guard } = config;
    let public_key = commonware_cryptography::Signer::public_key(&keys.network);
    let committees = Committees::new(keys, guard);
    let max_repair = NZUsize!(16);
    let config = BaseConfig { genesis, committees, partition: partition.clone(), mempool, retention, max_repair };
    let base = Base::open(&context, config).await?;
    gossip::start(context.child("gossip"), Arc::clone(&base.core), channels.txs, blocker.clone());
    let resolver = marshal_resolver::init(
        context.child("marshal_resolver"),
        marshal_resolver::Config {
            public_key: public_key.clone(),
            peer_provider: peers.clone(),
            blocker: blocker.clone(),
            mailbox_size: MAILBOX,
            fetch_timeout: NZDuration!(Duration::from_secs(2)),
            fetch_retry_delay: Duration::from_millis(100),
            priority_requests: false,
            priority_responses: false,
        },
        channels.backfill,
    );
    let (broadcast_engine, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key,
            mailbox_size: MAILBOX,
            deque_size: 16,
            priority: false,
            codec_config: (),
            peer_provider: peers.clone(),
            strategy: Sequential,
        },
    );
    broadcast_engine.start(channels.broadcast);
    let application = base.application.clone();
    let deferred = Deferred::new(context.child("deferred"), application, base.marshal.clone(), base.epocher.clone());
    let (marshal, page_cache) = (base.marshal.clone(), base.page_cache.clone());
    let node = base.start(&context, |actor, application| actor.start(application, buffer, resolver)).await?;
    let epochs = Epochs {
        context: context.child("consensus"),
        core: Arc::clone(&node.core),
        manager: peers,
        blocker,
        marshal,
        application: deferred,
        partition,
        page_cache,
    };
    let handle = epochs.start(channels.votes, channels.certificates, channels.resolver);
    Ok((node, handle))
}
