//! One consensus engine an epoch: started when the last block of the epoch before is final, with the
//! committee that block fixed, and stopped when its own last block is.
//!
//! ```text
//!  height   0 … L-1 | L … 2L-1 | 2L …          L = validator_epoch_blocks
//!  epoch       0    |    1     |  2
//!                   ^ block L-1 is final: its state names the committee of epoch 1, its header commits to
//!                     it, its beacon shuffles the order of leaders; peers are tracked; the engine starts
//! ```
//!
//! Peers reach an epoch some milliseconds apart. What they say of the next epoch before this node is there
//! waits for it, and if this node does not get there by itself, they are asked for the finality of the last
//! block of its epoch. So nothing halts at a boundary, and who was away follows epoch by epoch.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use commonware_consensus::{
    Reporters,
    marshal::{
        Identifier,
        core::Mailbox as MarshalMailbox,
        standard::{Deferred, Standard},
    },
    simplex::{
        self,
        config::{Floor, ForwardPolicy, SkipPolicy},
        elector::RoundRobin,
    },
    types::{Epoch, FixedEpocher, Height, ViewDelta},
};
use commonware_cryptography::{Digestible as _, Sha256, sha256::Digest};
use commonware_p2p::{
    Address, AddressableManager, AddressableTrackedPeers, Blocker, Message, Receiver, Sender,
    utils::mux::{Builder as _, MuxHandle, Muxer, SubReceiver, SubSender},
};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_utils::{NZDuration, TryFromIterator as _, ordered::Map, vec::NonEmptyVec};
use futures::{FutureExt as _, pin_mut, select_biased};
use rand_core::CryptoRng;

use super::{base::MAILBOX, core::Core, engine::Channel, pace::Paced, storage::BUFFER, tap::Tap};
use crate::{
    block::Block,
    committee::{PublicKey, Scheme, Seat},
    consensus::app::App,
};
use commonware_glue::stateful::Mailbox as StatefulMailbox;

/// How often changes of the validators that may connect are looked for.
const PEERS_EVERY: Duration = Duration::from_secs(1);
/// How long after a peer spoke of the next epoch this node waits to get there by itself.
const PATIENCE: Duration = Duration::from_millis(250);
/// Messages of the next epoch that wait.
const EARLY: usize = 4_096;

/// A channel's receiver with what came before it was read.
#[derive(Debug)]
pub(crate) struct Early {
    waiting: VecDeque<Message<PublicKey>>,
    receiver: SubReceiver<PublicKey>,
}

impl Early {
    /// Takes a message in; says from whom.
    async fn take_in(&mut self) -> Option<PublicKey> {
        let message = self.receiver.recv().await.ok()?;
        let from = message.0.clone();
        if self.waiting.len() < EARLY {
            self.waiting.push_back(message);
        }
        Some(from)
    }
}

impl Receiver for Early {
    type Error = <SubReceiver<PublicKey> as Receiver>::Error;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<Message<PublicKey>, Self::Error> {
        match self.waiting.pop_front() {
            Some(message) => Ok(message),
            None => self.receiver.recv().await,
        }
    }

    fn capacity(&self) -> std::num::NonZeroUsize {
        self.receiver.capacity()
    }
}

/// What every epoch's engine shares.
pub(crate) struct Epochs<E: Clock + CryptoRng + Spawner + Storage + Metrics, M, B> {
    pub(crate) context: E,
    pub(crate) core: Arc<Core>,
    pub(crate) manager: M,
    pub(crate) blocker: B,
    pub(crate) marshal: MarshalMailbox<Scheme, Standard<Block>>,
    pub(crate) application: Deferred<E, Scheme, StatefulMailbox<E, App>, Block, FixedEpocher>,
    pub(crate) partition: String,
    pub(crate) page_cache: CacheRef,
}

/// One epoch's part of a channel.
type Part<S> = (SubSender<S>, Early);

/// The channels of an epoch that this node has not reached.
struct Ahead<S: Sender<PublicKey = PublicKey>> {
    votes: Part<S>,
    certificates: Part<S>,
}

/// An engine; dropping it stops it.
struct Running(Handle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Muxes<S: Sender<PublicKey = PublicKey>> {
    votes: MuxHandle<S>,
    certificates: MuxHandle<S>,
    resolver: MuxHandle<S>,
}

impl<S: Sender<PublicKey = PublicKey>> Muxes<S> {
    async fn ahead(&mut self, epoch: u64) -> Option<Ahead<S>> {
        let early = |(sender, receiver)| (sender, Early { waiting: VecDeque::new(), receiver });
        Some(Ahead {
            votes: self.votes.register(epoch).await.ok().map(early)?,
            certificates: self.certificates.register(epoch).await.ok().map(early)?,
        })
    }
}

impl<E, M, B> Epochs<E, M, B>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
    M: AddressableManager<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    /// Starts the engine of the epoch under way, and then that of each next.
    pub(crate) fn start<S, R>(
        self,
        votes: Channel<S, R>,
        certificates: Channel<S, R>,
        resolver: Channel<S, R>,
    ) -> Handle<()>
    where
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
    {
        let context = self.context.child("epochs");
        context.spawn(move |context| async move {
            let (mux, votes, votes_later) =
                Muxer::builder(context.child("votes"), votes.0, votes.1).with_backup().build();
            mux.start();
            let (mux, certificates) = Muxer::new(context.child("certificates"), certificates.0, certificates.1);
            mux.start();
            let (mux, resolver) = Muxer::new(context.child("resolver"), resolver.0, resolver.1);
            mux.start();
            self.run(&context, Muxes { votes, certificates, resolver }, votes_later).await;
        })
    }

    async fn run<S: Sender<PublicKey = PublicKey>>(
        mut self,
        context: &E,
        mut muxes: Muxes<S>,
        mut later: commonware_utils::channel::mpsc::Receiver<(commonware_p2p::Channel, Message<PublicKey>)>,
    ) {
        let mut turns = self.core.epoch.subscribe();
        let mut epoch = *turns.borrow_and_update();
        let Some(mut ahead) = muxes.ahead(epoch).await else { return };
        let mut ahead_for = epoch;
        let mut known = Vec::new();
        let mut set = 0;
        loop {
            if ahead_for != epoch {
                // Further than the next, as where many blocks came at once.
                let Some(fresh) = muxes.ahead(epoch).await else { return };
                ahead = fresh;
            }
            self.track(&mut known, &mut set);
            let Some(mut running) = self.enter(context, epoch, ahead, &mut muxes).await else { return };
            ahead_for = epoch.saturating_add(1);
            let Some(next) = muxes.ahead(ahead_for).await else { return };
            ahead = next;
            let last = epoch.saturating_add(1).saturating_mul(self.core.epoch_blocks()).saturating_sub(1);
            // Who spoke of a later epoch, and when they are asked how this one ended.
            let mut asked: Option<(PublicKey, std::time::SystemTime)> = None;
            while *turns.borrow_and_update() == epoch {
                let wake = match &asked {
                    Some((_, at)) => at.duration_since(context.current()).unwrap_or_default().min(PEERS_EVERY),
                    None => PEERS_EVERY,
                };
                let turn = turns.changed().fuse();
                let vote = ahead.votes.1.take_in().fuse();
                let certificate = ahead.certificates.1.take_in().fuse();
                let much_later = later.recv().fuse();
                let ended = (&mut running.0).fuse();
                let timer = context.sleep(wake).fuse();
                pin_mut!(turn, vote, certificate, much_later, ended, timer);
                let ahead_of_us = select_biased! {
                    changed = turn => match changed {
                        Ok(()) => None,
                        Err(_) => return,
                    },
                    // It never ends by itself unless the node does.
                    _ = ended => return,
                    from = vote => match from { Some(from) => Some(from), None => return },
                    from = certificate => match from { Some(from) => Some(from), None => return },
                    message = much_later => match message {
                        Some((their, (from, _))) if their > epoch => Some(from),
                        Some(_) => None,
                        None => return,
                    },
                    () = timer => {
                        self.track(&mut known, &mut set);
                        None
                    }
                };
                if let (Some(from), None) = (ahead_of_us, &asked) {
                    asked = Some((from, context.current() + PATIENCE));
                }
                if let Some((from, _)) = asked.take_if(|(_, at)| *at <= context.current()) {
                    tracing::debug!(target: "consensus", epoch, last, ?from, "peers are in a later epoch");
                    self.marshal.hint_finalized(Height::new(last), NonEmptyVec::new(from));
                }
            }
            epoch = *turns.borrow();
            drop(running);
            self.forget(context, epoch).await;
        }
    }

    /// Starts the engine of `epoch`.
    async fn enter<S: Sender<PublicKey = PublicKey>>(
        &mut self,
        context: &E,
        epoch: u64,
        channels: Ahead<S>,
        muxes: &mut Muxes<S>,
    ) -> Option<Running> {
        let (_, state) = self.core.tip()?;
        let (committee, scheme) = self.core.sitting(epoch, &state)?;
        let (floor, seed) = self.boundary(epoch).await?;
        let params = assay_ledger::params(&state)?;
        let leader_timeout = Duration::from_millis(params.idle_block_interval_ms) + Duration::from_millis(1_500);
        let seated = scheme.votes();
        let application = self.application.clone();
        let tap = Tap::new(Arc::clone(&self.core), Arc::clone(&committee), context.child("tap"));
        let engine = simplex::Engine::new(
            context.child("simplex").with_attribute("epoch", epoch),
            simplex::Config {
                scheme: scheme.as_ref().clone(),
                elector: RoundRobin::<Sha256>::shuffled(&seed),
                blocker: self.blocker.clone(),
                automaton: Paced::new(application.clone(), Arc::clone(&self.core), context.child("pace")),
                relay: application.clone(),
                reporter: Reporters::from((application, tap)),
                strategy: Sequential,
                partition: simplex_partition(&self.partition, epoch),
                mailbox_size: MAILBOX,
                epoch: Epoch::new(epoch),
                floor: Floor::Genesis(floor),
                replay_buffer: BUFFER,
                write_buffer: BUFFER,
                page_cache: self.page_cache.clone(),
                leader_timeout,
                certification_timeout: leader_timeout + Duration::from_millis(1_000),
                timeout_retry: Duration::from_millis(1_000),
                view_retention: ViewDelta::new(64),
                skip: SkipPolicy::Enabled {
                    timeout: Duration::from_secs(5),
                    budget: simplex::SkipBudget::Participants,
                },
                fetch_timeout: NZDuration!(Duration::from_secs(2)),
                fetch_retry_delay: Duration::from_millis(500),
                forward: ForwardPolicy::Disabled,
                track_historical_votes: false,
            },
        );
        let resolver = muxes.resolver.register(epoch).await.ok()?;
        let handle = engine.start(channels.votes, channels.certificates, resolver);
        let seats = committee.seats().len();
        tracing::info!(target: "consensus", epoch, seats, seated, "an epoch begins");
        Some(Running(handle))
    }

    /// The block an epoch builds on, and what shuffles its leaders: the beacon of that block.
    async fn boundary(&mut self, epoch: u64) -> Option<(Digest, Vec<u8>)> {
        if epoch == 0 {
            return Some((self.core.genesis_block.digest(), self.core.genesis.hash().to_vec()));
        }
        let height = epoch.saturating_mul(self.core.epoch_blocks()).saturating_sub(1);
        match self.marshal.get_block(Identifier::Height(Height::new(height))).await {
            Some(block) => Some((block.digest(), block.inner().header.beacon.to_vec())),
            None if self.core.boundary(epoch).is_some() => {
                self.core.boundary(epoch).map(|(digest, beacon)| (digest, beacon.to_vec()))
            }
            None => {
                tracing::error!(target: "consensus", epoch, height, "the last block of the epoch before is missing");
                None
            }
        }
    }

    /// Tells the network who sits, whom this node dials, and who else may connect.
    fn track(&mut self, known: &mut Vec<Seat>, set: &mut u64) {
        let Some((tip, state)) = self.core.tip() else { return };
        let epoch = self.core.epoch_of(tip.height.saturating_add(1));
        let Some((committee, _)) = self.core.sitting(epoch, &state) else { return };
        let sits = |seat: &Seat| committee.seat(&seat.network).is_some();
        let others: Vec<Seat> = assay_ledger::peers(&state)
            .iter()
            .filter_map(|seat| Seat::read(seat).ok())
            .filter(|seat| !sits(seat))
            .collect();
        let now: Vec<Seat> = committee.seats().iter().chain(&others).cloned().collect();
        if *known == now {
            return;
        }
        let addresses = |seats: &[Seat]| {
            let peers = seats.iter().map(|seat| (seat.network.clone(), Address::from(seat.address)));
            // The ledger lists a key once.
            Map::try_from_iter(peers).unwrap_or_default()
        };
        *set = set.saturating_add(1).max(tip.height);
        let peers = AddressableTrackedPeers::new(addresses(committee.seats()), addresses(&others));
        self.manager.track(*set, peers);
        *known = now;
    }

    /// Removes the journals of epochs that are over, and the committees whose certificates nobody asks for.
    async fn forget(&mut self, context: &E, epoch: u64) {
        if let Some(old) = epoch.checked_sub(2) {
            // Nothing is there on a node that joined later.
            context.remove(&simplex_partition(&self.partition, old), None).await.ok();
            self.core.committees.forget_before(old);
        }
    }
}

fn simplex_partition(prefix: &str, epoch: u64) -> String {
    format!("{prefix}-simplex-{epoch}")
}
