//! One member: votes with the chain's own scheme, packaged orchestrator and resharing beside it.
//!
//! The key that is reshared signs nothing but the beacon. Who votes in an epoch is a matter of [`Seats`]
//! alone, as in the chain it is one of the ledger, whether or not a round of resharing succeeded.

use std::{
    collections::BTreeMap,
    num::{NonZeroU64, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use assay_chain::{
    committee::{Committee, PublicKey, Scheme},
    keys::ValidatorKeys,
};
use assay_types::{Address, B256, staking::Seat};
use commonware_broadcast::buffered;
use commonware_codec::{Encode as _, Read as _};
use commonware_consensus::{
    Heightable as _, Reporter, Reporters,
    marshal::{
        self, Start, Update, core::Actor as MarshalActor, resolver::p2p as marshal_resolver, standard::Deferred,
    },
    simplex::{
        self,
        config::{ForwardPolicy, SkipPolicy},
        elector::RoundRobin,
    },
    types::{Epoch, FixedEpocher, Height, ViewDelta},
};
use commonware_cryptography::{
    Digested, Digestible as _, Sha256, Signer as _,
    bls12381::{
        dkg::feldman_desmedt::Reveal,
        primitives::{
            sharing::{Mode, ModeVersion},
            variant::MinPk,
        },
    },
    certificate::{Provider, Scoped, Verifier as _},
    ed25519,
};
use commonware_glue::dkg::{
    ParticipantsProvider, Registrar,
    fence::Fence,
    network, orchestrator, reshare,
    state_sync::Plan as StateSyncPlan,
    types::{Payload, SchemeInfo},
};
use commonware_p2p::{
    PeerSetSubscription, Provider as Peers, Receiver as _, Recipients, Sender as _, TrackedPeers,
    simulated::{Manager, Oracle, Receiver, Sender},
};
use commonware_parallel::Sequential;
use commonware_runtime::{
    Clock as _, Handle, Quota, Spawner as _, Supervisor as _, buffer::paged::CacheRef, deterministic::Context,
};
use commonware_storage::{archive::prunable, translator::TwoCap};
use commonware_utils::{
    Acknowledgement as _, NZDuration, NZU16, NZU32, NZU64, NZUsize, acknowledgement::Exact, ordered::Set,
    sequence::Unit,
};
use parking_lot::Mutex;

use crate::{
    block::{App, Block, Carried, Handed, Info, MOST},
    conduct::{Conducted, Plan, Tally},
    secrets::Secrets,
};

/// Channels of a member; the first ceremony has its own.
pub(crate) const CHANNELS: u64 = 7;
const QUOTA: Quota = Quota::per_second(NZU32!(1_024));
const MAILBOX: NonZeroUsize = NZUsize!(128);
const BUFFER: NonZeroUsize = NZUsize!(4_096);
/// What all of the key is bound to.
pub(crate) const NAMESPACE: &[u8] = b"ASSAY_RESHARE_TRIAL";

/// Who votes, and who holds the key.
#[derive(Clone)]
pub(crate) struct Seats {
    /// All members, those that sit later too.
    pub(crate) members: Arc<Vec<ValidatorKeys>>,
    /// Seats of an epoch.
    pub(crate) count: usize,
    /// Blocks of an epoch.
    pub(crate) epoch_blocks: NonZeroU64,
    /// Epochs by which the holders of the key are behind those that vote.
    pub(crate) lag: u64,
}

impl Seats {
    /// Indices of those that vote in `epoch`: one leaves and one comes each time.
    pub(crate) fn of(&self, epoch: u64) -> impl Iterator<Item = usize> + use<> {
        let first = usize::try_from(epoch).expect("few epochs");
        first..first + self.count
    }

    /// Identity of a member.
    pub(crate) fn key(&self, member: usize) -> PublicKey {
        self.members[member].network.public_key()
    }

    /// Identities of those that vote in `epoch`.
    pub(crate) fn set(&self, epoch: u64) -> Set<PublicKey> {
        Set::from_iter_dedup(self.of(epoch).map(|member| self.key(member)))
    }

    /// Who gets shares in the round of `epoch`, and so holds the key in the next.
    pub(crate) fn receivers(&self, epoch: u64) -> Set<PublicKey> {
        self.set((epoch + 1).saturating_sub(self.lag))
    }

    /// Index of an identity.
    pub(crate) fn member(&self, key: &PublicKey) -> usize {
        let position = self.members.iter().position(|member| member.network.public_key() == *key);
        position.expect("a member")
    }

    /// The chain's scheme of votes for `epoch`, as `member` has it.
    fn votes(&self, epoch: u64, member: usize) -> Scheme {
        let seat = |index: usize| {
            let keys = &self.members[index];
            Seat {
                account: Address::with_last_byte(u8::try_from(index).expect("few members")),
                stake: 1,
                network_key: keys.network_key(),
                vote_key: keys.vote_key(),
                address: format!("127.0.0.1:{}", 10_000 + index),
            }
        };
        let seats: Vec<Seat> = self.of(epoch).map(seat).collect();
        let committee = Committee::of_seats(B256::repeat_byte(7), epoch, &seats).expect("keys are sound");
        committee.scheme(&self.members[member], None)
    }
}

impl ParticipantsProvider for Seats {
    type PublicKey = PublicKey;
    type Directory = Unit;

    async fn participants(&mut self, epoch: Epoch) -> Set<PublicKey> {
        self.receivers(epoch.get())
    }

    async fn directory(&mut self, _: Epoch, _: Set<PublicKey>) -> Unit {
        Unit
    }
}

/// The schemes of votes, by epoch.
#[derive(Clone)]
struct Votes(Arc<Vec<Arc<Scheme>>>);

impl Provider for Votes {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.0.get(usize::try_from(epoch.get()).ok()?).cloned().map(Scoped::scheme)
    }
}

/// What a member holds of the key, by epoch.
pub(crate) type Held = Arc<Mutex<BTreeMap<u64, SchemeInfo<MinPk, PublicKey>>>>;

/// Keeps what resharing says of the key; votes do not change with it.
struct Keep(Held);

impl Registrar for Keep {
    type Variant = MinPk;
    type PublicKey = PublicKey;

    async fn register(&self, epoch: Epoch, info: SchemeInfo<MinPk, PublicKey>) {
        self.0.lock().insert(epoch.get(), info);
    }
}

/// All members are peers the whole time, as registered validators are in the chain, which tracks them itself.
#[derive(Clone, Debug)]
pub(crate) struct Everybody(pub(crate) Manager<PublicKey, Context>);

impl Peers for Everybody {
    type PublicKey = PublicKey;

    async fn peer_set(&mut self, id: u64) -> Option<TrackedPeers<PublicKey>> {
        self.0.peer_set(id).await
    }

    async fn subscribe(&mut self) -> PeerSetSubscription<PublicKey> {
        self.0.subscribe().await
    }
}

impl network::Manager for Everybody {
    type Directory = Unit;
    type Error = std::convert::Infallible;

    fn track(&mut self, _: Epoch, _: TrackedPeers<PublicKey>, _: &Unit) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Final blocks as a member hears of them.
#[derive(Clone, Default)]
pub(crate) struct Watch(pub(crate) Arc<Mutex<BTreeMap<u64, Block>>>);

impl Watch {
    /// Height of the last.
    pub(crate) fn height(&self) -> u64 {
        self.0.lock().last_key_value().map_or(0, |(height, _)| *height)
    }
}

impl Reporter for Watch {
    type Activity = Update<Block, Exact>;

    fn report(&mut self, update: Self::Activity) -> commonware_actor::Feedback {
        if let Update::Block(block, done) = update {
            self.0.lock().insert(block.height().get(), block.inner().clone());
            done.acknowledge();
        }
        commonware_actor::Feedback::Ok
    }
}

/// What a member is started with.
#[derive(Clone)]
pub(crate) struct Member {
    /// Who votes and holds.
    pub(crate) seats: Seats,
    /// Which member this is.
    pub(crate) index: usize,
    /// Who holds the key first.
    pub(crate) info: Info,
    /// Its conduct in the rounds.
    pub(crate) plan: Plan,
    /// What it sent in them.
    pub(crate) tally: Tally,
    /// What it holds of the key.
    pub(crate) held: Held,
    /// Final blocks it heard of.
    pub(crate) watch: Watch,
    /// Whether it hands its log to those that lead, and puts theirs into its blocks.
    pub(crate) hand_on: bool,
}

type Link = (Sender<PublicKey, Context>, Receiver<PublicKey>);

/// Registers a member's channels, `first` and those after it.
pub(crate) async fn channels(oracle: &Oracle<PublicKey, Context>, key: PublicKey, first: u64, count: u64) -> Vec<Link> {
    let control = oracle.control(key);
    let mut links = Vec::new();
    for channel in first..first + count {
        links.push(control.register(channel, QUOTA).await.expect("a member registers"));
    }
    links
}

fn archive<C>(prefix: &str, name: &str, page_cache: CacheRef, codec_config: C) -> prunable::Config<TwoCap, C> {
    prunable::Config {
        translator: TwoCap,
        metadata_partition: format!("{prefix}-{name}-metadata"),
        key_partition: format!("{prefix}-{name}-key"),
        key_page_cache: page_cache,
        value_partition: format!("{prefix}-{name}-value"),
        compression: None,
        codec_config,
        items_per_section: NZU64!(64),
        key_write_buffer: BUFFER,
        value_write_buffer: BUFFER,
        replay_buffer: BUFFER,
    }
}

/// Starts a member, again after a crash; aborting the handle stops all of it.
pub(crate) async fn start(context: Context, oracle: &Oracle<PublicKey, Context>, member: Member) -> Handle<()> {
    let Member { seats, index, info, plan, tally, held, watch, hand_on } = member;
    let signer = seats.members[index].network.clone();
    let key = signer.public_key();
    let prefix = format!("member-{index}");
    let page_cache = CacheRef::new(NZU16!(1_024), NZUsize!(64));
    let epocher = FixedEpocher::new(seats.epoch_blocks);
    let everybody = Everybody(oracle.manager());
    let mut links = channels(oracle, key.clone(), 0, CHANNELS).await.into_iter();
    let mut link = || links.next().expect("a link a channel");
    let (votes, certificates, missing, backfill, broadcast, dealings, logs) =
        (link(), link(), link(), link(), link(), link(), link());
    let schemes = (0..(seats.members.len() - seats.count + 1) as u64).map(|e| Arc::new(seats.votes(e, index)));
    let provider = Votes(Arc::new(schemes.collect()));

    let resolver = marshal_resolver::init(
        context.child("marshal_resolver"),
        marshal_resolver::Config {
            public_key: key.clone(),
            peer_provider: everybody.clone(),
            blocker: oracle.control(key.clone()),
            mailbox_size: MAILBOX,
            fetch_timeout: NZDuration!(Duration::from_secs(2)),
            fetch_retry_delay: Duration::from_millis(100),
            priority_requests: false,
            priority_responses: false,
        },
        backfill,
    );
    let (broadcast_engine, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: key.clone(),
            mailbox_size: MAILBOX,
            deque_size: 16,
            priority: false,
            codec_config: (),
            peer_provider: everybody.clone(),
            strategy: Sequential,
        },
    );
    broadcast_engine.start(broadcast);
    let certificates_config = Scheme::certificate_codec_config_unbounded();
    let config = archive(&prefix, "finalizations", page_cache.clone(), certificates_config);
    let finalizations = prunable::Archive::init(context.child("finalizations"), config).await.expect("archive");
    let config = archive(&prefix, "blocks", page_cache.clone(), ());
    let blocks = prunable::Archive::init(context.child("blocks"), config).await.expect("archive");
    let genesis = Block::genesis(seats.key(0), info);
    let genesis = Digested::precomputed(genesis.clone(), genesis.digest());
    let (marshal_actor, marshal, _) = MarshalActor::init(
        context.child("marshal"),
        finalizations,
        blocks,
        marshal::Config {
            provider: provider.clone(),
            epocher: epocher.clone(),
            start: Start::Genesis(genesis),
            partition_prefix: prefix.clone(),
            mailbox_size: MAILBOX,
            view_retention: ViewDelta::new(16),
            prunable_items_per_section: NZU64!(64),
            page_cache: page_cache.clone(),
            replay_buffer: BUFFER,
            key_write_buffer: BUFFER,
            value_write_buffer: BUFFER,
            block_codec_config: (),
            max_repair: NZUsize!(16),
            max_pending_acks: NZUsize!(1),
            strategy: Sequential,
        },
    )
    .await;

    let (fence, gate) = Fence::new();
    let secrets = Secrets::open(context.child("secrets"), format!("{prefix}-secrets")).await;
    let (reshare_actor, reshare_mailbox) = reshare::Actor::new(
        context.child("reshare"),
        reshare::Config {
            signer: signer.clone(),
            manager: everybody.clone(),
            blocker: oracle.control(key.clone()),
            participants_provider: seats.clone(),
            secret_store: secrets,
            strategy: Sequential,
            registrar: Keep(held),
            marshal: marshal.clone(),
            state_sync: StateSyncPlan::disabled(),
            fence,
            namespace: NAMESPACE,
            sharing_mode: Mode::NonZeroCounter,
            reveal: Reveal::V1,
            mailbox_size: MAILBOX,
            partition_prefix: format!("{prefix}-reshare"),
            page_cache: page_cache.clone(),
            write_buffer: BUFFER,
            replay_buffer: BUFFER,
            max_participants: MOST,
            blocks_per_epoch: seats.epoch_blocks,
        },
    );
    let reshare_handle = reshare_actor.start((Conducted { inner: dealings.0, plan, tally }, dealings.1));

    let handed = Handed::default();
    if hand_on {
        let (mailbox, watch, handed) = (reshare_mailbox.clone(), watch.clone(), handed.clone());
        let epoch_blocks = seats.epoch_blocks.get();
        context.child("handing").spawn(move |context| hand(context, logs, mailbox, watch, handed, epoch_blocks));
    }
    let application = reshare::Application::new(
        App { handed, epoch_blocks: seats.epoch_blocks.get() },
        reshare_mailbox.clone(),
        seats.epoch_blocks,
    );
    let deferred = Deferred::new(context.child("deferred"), application, marshal.clone(), epocher);
    let (orchestrator_actor, orchestrator_mailbox) = orchestrator::Actor::new(
        context.child("orchestrator"),
        orchestrator::Config {
            oracle: oracle.control(key),
            manager: everybody,
            provider,
            marshal,
            application: deferred,
            strategy: Sequential,
            simplex: orchestrator::SimplexConfig {
                elector: RoundRobin::<Sha256>::default(),
                mailbox_size: MAILBOX,
                replay_buffer: BUFFER,
                write_buffer: BUFFER,
                page_cache,
                leader_timeout: Duration::from_secs(1),
                certification_timeout: Duration::from_secs(2),
                timeout_retry: Duration::from_millis(500),
                fetch_timeout: NZDuration!(Duration::from_secs(2)),
                fetch_retry_delay: Duration::from_millis(500),
                view_retention: ViewDelta::new(16),
                skip: SkipPolicy::Enabled {
                    timeout: Duration::from_secs(5),
                    budget: simplex::SkipBudget::Participants,
                },
                forward: ForwardPolicy::Disabled,
                track_historical_votes: false,
            },
            gate,
            state_sync: StateSyncPlan::disabled(),
            blocks_per_epoch: seats.epoch_blocks,
            mailbox_size: MAILBOX,
            partition_prefix: format!("{prefix}-orchestrator"),
        },
    );
    let orchestrator_handle = orchestrator_actor.start(votes, certificates, missing);
    let reporters = Reporters::from((watch, Reporters::from((orchestrator_mailbox, reshare_mailbox))));
    let marshal_handle = marshal_actor.start(reporters, buffer, resolver);
    context.spawn(move |_| async move {
        let handles = [reshare_handle, orchestrator_handle, marshal_handle];
        Handle::select(handles).await.expect("no actor fails");
    })
}

/// Hands this member's log to all others from the middle of an epoch on, and takes theirs.
async fn hand(
    context: Context,
    (mut sender, mut receiver): Link,
    mut mailbox: reshare::Mailbox<Block, MinPk, ed25519::PrivateKey>,
    watch: Watch,
    handed: Handed,
    epoch_blocks: u64,
) {
    let mut epoch = 0;
    loop {
        let next = watch.height() + 1;
        if next / epoch_blocks != epoch {
            epoch = next / epoch_blocks;
            handed.lock().clear();
        }
        // The reservation is dropped at once: the actor gives the log to this member's own proposal too.
        let log = mailbox.next_log(Height::new(next)).await.and_then(|mut log| log.take_payload());
        if let Some(log) = log {
            sender.send(Recipients::All, log.encode(), false);
        }
        let wake = context.current() + Duration::from_millis(100);
        loop {
            let left = wake.duration_since(context.current()).unwrap_or_default();
            let timer = futures::FutureExt::boxed(context.sleep(left));
            let message = futures::FutureExt::boxed(receiver.recv());
            match futures::future::select(timer, message).await {
                futures::future::Either::Left(_) => break,
                futures::future::Either::Right((Ok((from, bytes)), _)) => {
                    let bytes = bytes.as_ref().to_vec();
                    let carried = Carried::read_cfg(&mut bytes::Bytes::from(bytes.clone()), &(MOST, ModeVersion::v0()));
                    if matches!(carried, Ok(Payload::DealerLog(_))) {
                        handed.lock().insert(from, bytes);
                    }
                }
                futures::future::Either::Right((Err(_), _)) => return,
            }
        }
    }
}
