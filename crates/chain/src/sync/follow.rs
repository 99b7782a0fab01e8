//! A node without a seat: executes what the validators finalized and serves it like any other.
//!
//! The same actors as a validator's without consensus and peers: marshal is fed by [`super::feed`], the
//! transactions of its clients go to an upstream.

use std::{num::NonZeroU64, sync::Arc};

use assay_types::Genesis;
use commonware_codec::RangeCfg;
use commonware_consensus::{
    marshal::{self, Identifier, Start, core::Actor as MarshalActor, resolver::handler, standard::Standard},
    types::{FixedEpocher, Height, ViewDelta},
};
use commonware_cryptography::{Digested, Digestible as _, certificate::Verifier as _};
use commonware_glue::stateful::{Config as StatefulConfig, Stateful, SyncPlan, db::SyncEngineConfig};
use commonware_parallel::Sequential;
use commonware_resolver::opaque;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_storage::archive::prunable;
use commonware_utils::{NZU16, NZU64, NZUsize};
use futures::{FutureExt as _, future::BoxFuture};
use rand_core::CryptoRng;
use tokio::sync::broadcast::error::RecvError;

use super::{
    feed::{Answers, Feed},
    join::{joined, state_sync},
};
use crate::{
    block::Block,
    committee::{Committee, Committees, PublicKey, Scheme},
    consensus::{
        app::{App, Databases, NoStateSync},
        core::{Core, RECENT, opening_state},
        engine::{BUFFER, MAILBOX, StartError, archive_config, database_config, load, opening_block},
        handovers::{Kept, record},
        outcomes::{Archived, Outcomes},
        shelf::{self, Shelf},
    },
    keys::ValidatorKeys,
    mempool::Limits,
    node::Node,
    retention::Retention,
    upstream::Pool,
};

/// What a follower needs besides a runtime and upstreams.
#[derive(Debug, Clone)]
pub struct FollowerConfig {
    /// The network's genesis.
    pub genesis: Genesis,
    /// Prefix of all storage partitions.
    pub partition: String,
    /// Bounds of the mempool.
    pub mempool: Limits,
    /// What it keeps of the past.
    pub retention: Retention,
    /// An empty node syncs the state if the chain is longer than this, in blocks, and replays it whole
    /// otherwise.
    pub sync_beyond: u64,
}

/// Blocks that are replayed rather than skipped by state sync, unless told.
pub const SYNC_BEYOND: u64 = 1_024;

/// Starts a follower: syncs the state if it has none, then follows. The handle ends when the node does.
pub async fn start_follower<E>(
    mut context: E,
    config: FollowerConfig,
    pool: Arc<Pool>,
) -> Result<(Node, Handle<()>), StartError>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
{
    let FollowerConfig { genesis, partition, mempool, retention, sync_beyond } = config;
    retention.check(&genesis.params)?;
    let opening = opening_state(&genesis)?;
    state_sync(context.child("join"), &genesis, &partition, &pool, sync_beyond).await?;
    let joined = joined(&context, &partition).await;
    // Nobody's: a follower proposes nothing.
    let keys = ValidatorKeys::generate(&mut context);
    let committees = Committees::new(keys, None);
    committees.add(Committee::of_genesis(&genesis)?);
    let genesis_block = opening_block::<E>(&genesis);
    let core = Arc::new(Core::new(genesis, genesis_block.clone(), committees.clone(), mempool));
    if let Some(joined) = &joined {
        core.began_at(joined)?;
    }
    let epocher = FixedEpocher::new(NonZeroU64::new(core.epoch_blocks()).unwrap_or(NonZeroU64::MIN));
    let feed = Arc::new(Feed { core: Arc::clone(&core), pool: Arc::clone(&pool), cache: Default::default() });

    let page_cache = CacheRef::new(NZU16!(4_096), NZUsize!(1_024));
    let (receiver, handler) = handler::init(context.child("handler"), MAILBOX);
    let resolver: opaque::Resolver<_, _, PublicKey> = opaque::init(
        context.child("upstream_resolver"),
        Answers(Arc::clone(&feed)),
        handler,
        MAILBOX,
        std::time::Duration::from_millis(100),
    );
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
    let start = match joined {
        Some(joined) => Start::Floor(joined.finalization),
        None => plan.marshal_start(Digested::precomputed(genesis_block.clone(), genesis_block.digest())),
    };
    let (marshal_actor, marshal, floor) = MarshalActor::<_, Standard<Block>, _, _, _, _, _>::init(
        context.child("marshal"),
        finalizations,
        blocks,
        marshal::Config {
            provider: committees,
            epocher,
            start,
            partition_prefix: partition.clone(),
            mailbox_size: MAILBOX,
            view_retention: ViewDelta::new(64),
            prunable_items_per_section: NZU64!(4_096),
            page_cache: page_cache.clone(),
            replay_buffer: BUFFER,
            key_write_buffer: BUFFER,
            value_write_buffer: BUFFER,
            block_codec_config: (),
            max_repair: NZUsize!(64),
            max_pending_acks: NZUsize!(16),
            strategy: Sequential,
        },
    )
    .await;
    let (stateful_actor, stateful) = Stateful::new(
        context.child("stateful"),
        StatefulConfig {
            application: App::new(Arc::clone(&core), Arc::clone(&outcomes)),
            db_config: database_config::<E>(&partition, page_cache),
            provider: (),
            marshal: (marshal.clone(), floor),
            mailbox_size: MAILBOX,
            plan,
            resolvers: NoStateSync,
            // Unused: the state is there before this starts.
            sync_config: SyncEngineConfig {
                fetch_batch_size: NZU64!(64),
                apply_batch_size: NZU64!(1_024),
                max_outstanding_requests: NZUsize!(8),
            },
            prune_config: retention.prune_config(),
            strategy: Sequential,
        },
    );
    // The request for the database must be queued before the first block is.
    let subscriber = stateful.clone();
    let mut database: BoxFuture<'static, Databases<E>> = async move { subscriber.subscribe_databases().await }.boxed();
    let early = futures::poll!(&mut database);
    marshal_actor.start_unbuffered(stateful, (receiver, resolver));
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
    // Marshal checks certificates of this epoch.
    if let Some((tip, state)) = core.tip() {
        core.sitting(core.epoch_of(tip.height), &state);
        core.sitting(core.epoch_of(tip.height.saturating_add(1)), &state);
    }
    record(&context, Arc::clone(&core), marshal.clone(), handovers.clone());
    let shelf = Shelf { core: Arc::clone(&core), marshal: marshal.clone(), database, handovers };
    let desk = shelf::open(&context, shelf);
    retention.keep(&context, Arc::clone(&core), outcomes);
    pass_on(&context, Arc::clone(&core), pool);
    let handle = context.child("feed").spawn(move |context| feed.run(context, marshal));
    Ok((Node { core, archive: Arc::new(desk), connections: Arc::default() }, handle))
}

/// Gives the transactions of this node's clients to an upstream. They stay in the pool until a block
/// has them, so that a client can ask for them here.
fn pass_on<E: Spawner>(context: &E, core: Arc<Core>, pool: Arc<Pool>) {
    context.child("pass_on").spawn(move |_| async move {
        let mut fresh = core.mempool.fresh();
        loop {
            match fresh.recv().await {
                Ok(tx) => {
                    let passed = pool.ask(|upstream| upstream.submit(tx.raw.clone()), |_| Ok(())).await;
                    if let Err(none) = passed {
                        tracing::warn!(hash = %tx.hash, %none, "a transaction could not be passed on");
                    }
                }
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "transactions were not passed on"),
                Err(RecvError::Closed) => return,
            }
        }
    });
}
