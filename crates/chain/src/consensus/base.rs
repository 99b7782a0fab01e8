//! What a validator and a follower are both made of: the archives, marshal, and the application on its database.
//!
//! They are opened in order, then started together with whatever brings marshal its blocks: peers, or upstreams.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    sync::Arc,
};

use assay_types::Genesis;
use commonware_codec::RangeCfg;
use commonware_consensus::{
    marshal::{self, Identifier, Start, core::Actor as MarshalActor, standard::Standard},
    simplex::types::Finalization,
    types::{FixedEpocher, Height, ViewDelta},
};
use commonware_cryptography::{Digested, Digestible as _, certificate::Verifier as _, sha256::Digest};
use commonware_glue::stateful::{Config, Mailbox, Stateful, SyncPlan, db::SyncEngineConfig};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_utils::{NZU64, NZUsize};
use futures::{FutureExt as _, future::BoxFuture};
use rand_core::CryptoRng;

use super::{
    app::{App, Databases, NoStateSync},
    core::{Core, RECENT, opening_state},
    engine::StartError,
    handovers::{Kept, record},
    outcomes::{Archived, Outcomes},
    serve::Marshal,
    shelf::{self, Shelf},
    storage::{Archive, BUFFER, database_config, load, open_archive, opening_block, page_cache},
};
use crate::{
    block::Block,
    committee::{Committee, Committees, Scheme},
    mempool::Limits,
    node::Node,
    retention::Retention,
    state::State,
    sync::join::joined,
};

/// Messages an actor's mailbox holds.
pub(crate) const MAILBOX: NonZeroUsize = NZUsize!(256);

/// The application's mailbox, which takes finalized blocks.
pub(crate) type Application<E> = Mailbox<E, App>;

/// Marshal before it is started.
pub(crate) type StoppedMarshal<E> = MarshalActor<
    E,
    Standard<Block>,
    Committees,
    Archive<E, Finalization<Scheme, Digest>>,
    Archive<E, Arc<Block>>,
    FixedEpocher,
    Sequential,
>;

/// What these actors are opened with.
pub(crate) struct BaseConfig {
    pub(crate) genesis: Genesis,
    pub(crate) committees: Committees,
    /// Prefix of all storage partitions.
    pub(crate) partition: String,
    pub(crate) mempool: Limits,
    pub(crate) retention: Retention,
    /// Missing blocks asked for at a time.
    pub(crate) max_repair: NonZeroUsize,
}

/// The actors, opened and not started.
pub(crate) struct Base<E>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
{
    pub(crate) core: Arc<Core>,
    pub(crate) epocher: FixedEpocher,
    pub(crate) page_cache: CacheRef,
    pub(crate) marshal: Marshal,
    pub(crate) application: Application<E>,
    marshal_actor: StoppedMarshal<E>,
    application_actor: Stateful<E, App, Standard<Block>, NoStateSync, Sequential>,
    opening: State,
    outcomes: Arc<dyn Outcomes>,
    handovers: Arc<Kept<E>>,
    retention: Retention,
}

impl<E> Base<E>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
{
    /// Opens the databases; a node that joined by state sync begins there, any other with its genesis.
    pub(crate) async fn open(context: &E, config: BaseConfig) -> Result<Self, StartError> {
        let BaseConfig { genesis, committees, partition, mempool, retention, max_repair } = config;
        retention.check(&genesis.params)?;
        let joined = joined(context, &partition).await;
        committees.add(Committee::of_genesis(&genesis)?);
        let opening = opening_state(&genesis)?;
        let genesis_block = opening_block::<E>(&genesis);
        let core = Arc::new(Core::new(genesis, genesis_block.clone(), committees.clone(), mempool));
        if let Some(joined) = &joined {
            core.began_at(joined)?;
        }
        let epocher = FixedEpocher::new(NonZeroU64::new(core.epoch_blocks()).unwrap_or(NonZeroU64::MIN));

        let page_cache = page_cache();
        let certificates = Scheme::certificate_codec_config_unbounded();
        let finalizations =
            open_archive(context, &partition, "finalizations", "certificates", certificates, &page_cache).await?;
        let blocks = open_archive(context, &partition, "blocks", "blocks", (), &page_cache).await?;
        let bytes = (RangeCfg::from(..), ());
        let outcomes = open_archive(context, &partition, "outcomes", "receipts", bytes, &page_cache).await?;
        let outcomes: Arc<dyn Outcomes> = Archived::new(outcomes);
        let handovers = Kept::open(context, &partition, &page_cache).await?;
        handovers.recall(&core).await;
        let plan = SyncPlan::init(context.child("plan"), partition.clone()).await;
        let start = match joined {
            Some(joined) => Start::Floor(joined.finalization),
            None => plan.marshal_start(Digested::precomputed(genesis_block.clone(), genesis_block.digest())),
        };
        let (marshal_actor, marshal, floor) = MarshalActor::init(
            context.child("marshal"),
            finalizations,
            blocks,
            marshal::Config {
                provider: committees,
                epocher: epocher.clone(),
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
                max_repair,
                max_pending_acks: NZUsize!(16),
                strategy: Sequential,
            },
        )
        .await;
        let (application_actor, application) = Stateful::new(
            context.child("stateful"),
            Config {
                application: App::new(Arc::clone(&core), Arc::clone(&outcomes)),
                db_config: database_config::<E>(&partition, page_cache.clone()),
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
        Ok(Self {
            core,
            epocher,
            page_cache,
            marshal,
            application,
            marshal_actor,
            application_actor,
            opening,
            outcomes,
            handovers,
            retention,
        })
    }

    /// Starts them, marshal by `run`, and loads the state they are at. Gives the node's handle.
    pub(crate) async fn start(
        self,
        context: &E,
        run: impl FnOnce(StoppedMarshal<E>, Application<E>) -> Handle<()>,
    ) -> Result<Node, StartError> {
        let Self { core, marshal, application, marshal_actor, application_actor, .. } = self;
        // The request for the database must be queued before the first block is, since blocks wait for
        // the state that is loaded from it.
        let subscriber = application.clone();
        let mut database: BoxFuture<'static, Databases<E>> =
            async move { subscriber.subscribe_databases().await }.boxed();
        let early = futures::poll!(&mut database);
        run(marshal_actor, application);
        application_actor.start();
        let database = match early {
            std::task::Poll::Ready(database) => database,
            std::task::Poll::Pending => database.await,
        };
        load(&core, &database, self.opening, |height| {
            let marshal = marshal.clone();
            async move { marshal.get_block(Identifier::Height(Height::new(height))).await.map(|b| b.inner().clone()) }
                .boxed()
        })
        .await?;
        let tip = core.tip().map_or(0, |(tip, _)| tip.height);
        for height in tip.saturating_sub(RECENT as u64).saturating_add(1)..=tip {
            core.recall(self.outcomes.get(height).await);
        }
        self.retention.keep(context, Arc::clone(&core), self.outcomes);
        record(context, Arc::clone(&core), marshal.clone(), self.handovers.clone());
        let shelf = Shelf { core: Arc::clone(&core), marshal, database, handovers: self.handovers };
        let archive = Arc::new(shelf::open(context, shelf));
        Ok(Node { core, archive, connections: Arc::default() })
    }
}
