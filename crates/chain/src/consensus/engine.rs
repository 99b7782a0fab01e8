//! Wires the actors of one node together and starts them.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use assay_types::{Genesis, GenesisError};
use commonware_broadcast::buffered;
use commonware_codec::RangeCfg;
use commonware_consensus::{
    marshal::{
        self, Identifier,
        core::Actor as MarshalActor,
        resolver::p2p as marshal_resolver,
        standard::{Deferred, Standard},
    },
    simplex,
    types::{FixedEpocher, Height, ViewDelta},
};
use commonware_cryptography::{Digested, Digestible as _, certificate::Verifier as _, sha256::Digest};
use commonware_glue::stateful::{
    Config as StatefulConfig, Stateful, SyncPlan,
    db::{DatabaseSet, SyncEngineConfig},
};
use commonware_p2p::{AddressableManager, Blocker, Receiver, Sender, max_message_size, utils::mux::prefixed};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_storage::{
    archive::prunable,
    journal::contiguous::variable::Config as LogConfig,
    merkle::full::Config as MerkleConfig,
    qmdb::current::VariableConfig,
    translator::{EightCap, TwoCap},
};
use commonware_utils::{NZDuration, NZU16, NZU64, NZUsize};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use rand_core::CryptoRng;

use super::{
    app::{App, Databases, NoStateSync},
    core::{Core, RECENT, Version, decode_entry, is_blank, opening_state},
    epochs::Epochs,
    gossip,
    handovers::{Kept, record},
    outcomes::{Archived, Outcomes},
    shelf::{self, Shelf},
};
use crate::{
    block::Block,
    committee::{Committee, CommitteeError, Committees, PublicKey, Scheme},
    guard::Guard,
    keys::ValidatorKeys,
    light::MAX_VALUE_BYTES,
    mempool::Limits,
    node::Node,
    retention::Retention,
    sync::{JoinError, join::joined},
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

pub(crate) const BUFFER: std::num::NonZeroUsize = NZUsize!(1 << 16);
pub(crate) const MAILBOX: std::num::NonZeroUsize = NZUsize!(256);

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

pub(crate) fn archive_config<C>(
    prefix: &str,
    name: &str,
    page_cache: CacheRef,
    codec_config: C,
) -> prunable::Config<TwoCap, C> {
    prunable::Config {
        translator: TwoCap,
        metadata_partition: format!("{prefix}-{name}-metadata"),
        key_partition: format!("{prefix}-{name}-key"),
        key_page_cache: page_cache,
        value_partition: format!("{prefix}-{name}-value"),
        compression: None,
        codec_config,
        // What pruning drops at once.
        items_per_section: NZU64!(512),
        key_write_buffer: BUFFER,
        value_write_buffer: BUFFER,
        replay_buffer: BUFFER,
    }
}

pub(crate) fn database_config<E: Spawner + Storage + Clock + Metrics>(
    prefix: &str,
    page_cache: CacheRef,
) -> <Databases<E> as DatabaseSet<E>>::Config {
    VariableConfig {
        merkle_config: MerkleConfig {
            journal_partition: format!("{prefix}-state-merkle-journal"),
            metadata_partition: format!("{prefix}-state-merkle-pins"),
            items_per_blob: NZU64!(65_536),
            write_buffer: BUFFER,
            replay_buffer: BUFFER,
            strategy: Sequential,
            page_cache: page_cache.clone(),
        },
        journal_config: LogConfig {
            partition: format!("{prefix}-state-log"),
            items_per_section: NZU64!(65_536),
            compression: None,
            codec_config: ((), (RangeCfg::from(0..=MAX_VALUE_BYTES), ())),
            page_cache,
            write_buffer: BUFFER,
            replay_buffer: BUFFER,
        },
        grafted_metadata_partition: format!("{prefix}-state-grafted"),
        translator: EightCap,
        init_cache: Some(NZUsize!(1 << 16)),
        init_buffer: NZUsize!(1 << 21),
        init_concurrency: (),
    }
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
    retention.check(&genesis.params)?;
    let joined = joined(&context, &partition).await;
    let public_key = commonware_cryptography::Signer::public_key(&keys.network);
    let committees = Committees::new(keys, guard);
    committees.add(Committee::of_genesis(&genesis)?);
    let opening = opening_state(&genesis)?;
    let genesis_block = opening_block::<E>(&genesis);
    let core = Arc::new(Core::new(genesis, genesis_block.clone(), committees.clone(), mempool));
    if let Some(joined) = &joined {
        core.began_at(joined)?;
    }
    let epocher = FixedEpocher::new(NonZeroU64::new(core.epoch_blocks()).unwrap_or(NonZeroU64::MIN));
    gossip::start(context.child("gossip"), Arc::clone(&core), channels.txs);

    let page_cache = CacheRef::new(NZU16!(4_096), NZUsize!(1_024));
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
            public_key: public_key.clone(),
            mailbox_size: MAILBOX,
            deque_size: 16,
            priority: false,
            codec_config: (),
            peer_provider: peers.clone(),
            strategy: Sequential,
        },
    );
    broadcast_engine.start(channels.broadcast);
    let finalizations = prunable::Archive::init(
        context.child("finalizations"),
        archive_config(&partition, "finalizations", page_cache.clone(), Scheme::certificate_codec_config_unbounded()),
    )
    .await
    .map_err(|e| StartError::corrupt("certificates", &e))?;
    let blocks =
        prunable::Archive::init(context.child("blocks"), archive_config(&partition, "blocks", page_cache.clone(), ()))
            .await
            .map_err(|e| StartError::corrupt("blocks", &e))?;
    let outcomes: Arc<dyn Outcomes> = Archived::new(
        prunable::Archive::init(
            context.child("outcomes"),
            archive_config(&partition, "outcomes", page_cache.clone(), (RangeCfg::from(..), ())),
        )
        .await
        .map_err(|e| StartError::corrupt("receipts", &e))?,
    );
    let handovers = Kept::open(&context, &partition, page_cache.clone()).await?;
    handovers.recall(&core).await;
    let plan = SyncPlan::init(context.child("plan"), partition.clone()).await;
    let (marshal_actor, marshal, floor) = MarshalActor::<_, Standard<Block>, _, _, _, _, _>::init(
        context.child("marshal"),
        finalizations,
        blocks,
        marshal::Config {
            provider: committees,
            epocher: epocher.clone(),
            start: match joined {
                Some(joined) => marshal::Start::Floor(joined.finalization),
                None => plan.marshal_start(Digested::precomputed(genesis_block.clone(), genesis_block.digest())),
            },
            partition_prefix: partition.clone(),
            mailbox_size: MAILBOX,
            view_retention: ViewDelta::new(64),
            prunable_items_per_section: NZU64!(4_096),
            page_cache: page_cache.clone(),
            replay_buffer: BUFFER,
            key_write_buffer: BUFFER,
            value_write_buffer: BUFFER,
            block_codec_config: (),
            max_repair: NZUsize!(16),
            max_pending_acks: NZUsize!(16),
            strategy: Sequential,
        },
    )
    .await;
    let (stateful_actor, stateful) = Stateful::new(
        context.child("stateful"),
        StatefulConfig {
            application: App::new(Arc::clone(&core), Arc::clone(&outcomes)),
            db_config: database_config::<E>(&partition, page_cache.clone()),
            provider: (),
            marshal: (marshal.clone(), floor),
            mailbox_size: MAILBOX,
            plan,
            resolvers: NoStateSync,
            sync_config: SyncEngineConfig {
                fetch_batch_size: NZU64!(64),
                apply_batch_size: NZU64!(1_024),
                max_outstanding_requests: NZUsize!(8),
            },
            prune_config: retention.prune_config(),
            strategy: Sequential,
        },
    );
    let deferred = Deferred::new(context.child("deferred"), stateful.clone(), marshal.clone(), epocher);

    // The request for the database must be queued before the first block is, since blocks wait for
    // the state that is loaded from it.
    let subscriber = stateful.clone();
    let mut database: BoxFuture<'static, Databases<E>> = async move { subscriber.subscribe_databases().await }.boxed();
    let early = futures::poll!(&mut database);
    marshal_actor.start(stateful, buffer, resolver);
    stateful_actor.start();
    let database = match early {
        std::task::Poll::Ready(database) => database,
        std::task::Poll::Pending => database.await,
    };
    load(&core, &database, opening, |height| {
        let marshal = marshal.clone();
        async move { marshal.get_block(Identifier::Height(Height::new(height))).await.map(|b| b.inner().clone()) }
            .boxed()
    })
    .await?;
    let tip = core.tip().map_or(0, |(tip, _)| tip.height);
    for height in tip.saturating_sub(RECENT as u64).saturating_add(1)..=tip {
        core.recall(outcomes.get(height).await);
    }

    retention.keep(&context, Arc::clone(&core), Arc::clone(&outcomes));
    let epochs = Epochs {
        context: context.child("consensus"),
        core: Arc::clone(&core),
        manager: peers,
        blocker,
        marshal: marshal.clone(),
        application: deferred,
        partition,
        page_cache,
    };
    let handle = epochs.start(channels.votes, channels.certificates, channels.resolver);
    record(&context, Arc::clone(&core), marshal.clone(), handovers.clone());
    let desk = shelf::open(&context, Shelf { core: Arc::clone(&core), marshal, database, handovers });
    Ok((Node { core, archive: Arc::new(desk), connections: Arc::default() }, handle))
}

/// Block 0 of a genesis.
pub(crate) fn opening_block<E: Spawner + Storage + Clock + Metrics>(genesis: &Genesis) -> Block {
    let targets = <Databases<E> as DatabaseSet<E>>::initial_sync_targets();
    Block::genesis(
        targets.root,
        targets.root,
        targets.range,
        genesis.hash(),
        genesis.timestamp_ms,
        genesis.params.min_base_fee,
    )
}

/// Loads the version the node starts from: what its database holds, or the opening state.
pub(crate) async fn load<E>(
    core: &Core,
    database: &Databases<E>,
    opening: crate::state::State,
    block_at: impl Fn(u64) -> BoxFuture<'static, Option<Block>>,
) -> Result<(), StartError>
where
    E: Clock + Spawner + Storage + Metrics,
{
    let mut entries = Vec::new();
    let root = {
        let guard = database.read().await;
        let mut stream = std::pin::pin!(guard.stream_range(..));
        while let Some(entry) = stream.next().await {
            let (_, value) = entry.map_err(|e| StartError::corrupt("state", &e))?;
            let entry = decode_entry(&value);
            entries.push(entry.ok_or_else(|| StartError::damaged("state", "an entry of the state does not decode"))?);
        }
        guard.root()
    };
    let state = crate::state::State::from_entries(entries);
    let genesis_block = &core.genesis_block;
    if is_blank(&state) {
        let version = Version {
            height: 0,
            timestamp_ms: genesis_block.header.timestamp_ms,
            beacon: genesis_block.header.beacon,
            state: opening,
            output: None,
        };
        core.start_from(genesis_block, version);
        return Ok(());
    }
    let latest = assay_ledger::latest(&state, &crate::crypto::Bls);
    let height = latest.ok_or_else(|| StartError::damaged("state", "it does not say after which block it is"))?.height;
    let block = block_at(height).await;
    let block =
        block.ok_or_else(|| StartError::damaged("blocks", format!("block {height} of the state is missing")))?;
    if block.header.height != height || block.header.state_root != root {
        return Err(StartError::damaged("state", format!("its root is not that of block {height}")));
    }
    let version =
        Version { height, timestamp_ms: block.header.timestamp_ms, beacon: block.header.beacon, state, output: None };
    tracing::info!(height, "resumed");
    core.start_from(&block, version);
    Ok(())
}
