//! The same validator over the simulated network, for deterministic tests of whole networks.
//!
//! Generic over the runtime, so that only those who simulate compile it.

use std::{collections::BTreeSet, sync::Arc};

use assay_types::Genesis;
use commonware_cryptography::Signer as _;
use commonware_p2p::{
    Recipients,
    simulated::{
        self, Control, Link, Network, Oracle, Receiver, Sender, SplitForwarder, SplitOrigin, SplitSender, SplitTarget,
    },
};
use commonware_runtime::{Clock, Handle, Metrics, Network as Sockets, Quota, Spawner, Storage};
use commonware_utils::{NZU32, NZUsize};
use parking_lot::Mutex;
use rand_core::CryptoRng;
use tokio::sync::oneshot;

use crate::{
    committee::{Committee, PublicKey},
    consensus::engine::{CHANNELS, Channels, NodeConfig, StartError, max_message, start},
    node::Node,
};

/// What a runtime that simulates must offer.
pub trait Runtime: Clock + CryptoRng + Spawner + Storage + Metrics + Sockets {}
impl<E: Clock + CryptoRng + Spawner + Storage + Metrics + Sockets> Runtime for E {}

/// Messages a second a peer may send on a channel; the simulator allocates nothing for them.
const QUOTA: Quota = Quota::per_second(NZU32!(1_024));

/// Identities of the validators, in the order of the committee's seats.
pub fn identities(committee: &Committee) -> Vec<PublicKey> {
    committee.seats().iter().map(|seat| seat.network.clone()).collect()
}

/// Starts a network of these validators, of `genesis` and later ones, without links between them.
pub async fn network<E: Runtime>(context: E, genesis: &Genesis, validators: Vec<PublicKey>) -> Oracle<PublicKey, E> {
    let config = simulated::Config {
        max_size: max_message(genesis),
        max_peers_per_set: std::num::NonZeroUsize::new(validators.len()).unwrap_or(NZUsize!(1)),
        disconnect_on_block: true,
        tracked_peer_sets: NZUsize!(4),
    };
    let (network, oracle) = Network::new_with_peers(context, config, validators).await;
    network.start();
    oracle
}

/// Links two validators both ways.
pub async fn link<E: Clock>(oracle: &Oracle<PublicKey, E>, one: &PublicKey, other: &PublicKey, link: Link) {
    for (from, to) in [(one, other), (other, one)] {
        oracle.add_link(from.clone(), to.clone(), link.clone()).await.expect("two validators can be linked");
    }
}

/// Cuts two validators off from each other.
pub async fn unlink<E: Clock>(oracle: &Oracle<PublicKey, E>, one: &PublicKey, other: &PublicKey) {
    for (from, to) in [(one, other), (other, one)] {
        oracle.remove_link(from.clone(), to.clone()).await.expect("a link can be cut");
    }
}

/// Starts a validator in a task of its own, again after a crash; aborting the task is the crash.
pub async fn launch<E: Runtime>(
    context: &E,
    oracle: &Oracle<PublicKey, E>,
    config: NodeConfig,
) -> Result<(Node, Handle<()>), StartError> {
    let (started, start) = oneshot::channel();
    let oracle = oracle.clone();
    let task = context.child("validator").spawn(move |context| async move {
        match join(context.child("node"), &oracle, config).await {
            Ok((node, consensus)) => {
                started.send(Ok(node)).ok();
                consensus.await.ok();
            }
            Err(error) => {
                started.send(Err(error)).ok();
            }
        }
    });
    let node = start.await.expect("a validator says whether it started");
    Ok((node?, task))
}

/// Starts a validator. It ends when the task that owns `context` is aborted, as by a crash.
pub async fn join<E: Runtime>(
    context: E,
    oracle: &Oracle<PublicKey, E>,
    config: NodeConfig,
) -> Result<(Node, Handle<()>), StartError> {
    let control = oracle.control(config.keys.network.public_key());
    let channels = in_order(register(&control).await);
    start(context, config, channels, oracle.socket_manager(), control).await
}

/// A channel of the simulated network.
pub type Registered<E> = (Sender<PublicKey, E>, Receiver<PublicKey>);

/// Opens a validator's channels, in the order of their numbers.
pub async fn register<E: Runtime>(control: &Control<PublicKey, E>) -> Vec<Registered<E>> {
    let mut links = Vec::new();
    for channel in 0..CHANNELS {
        links.push(control.register(channel, QUOTA).await.expect("a validator can register"));
    }
    links
}

/// The channels by name.
pub fn in_order<S, R>(links: Vec<(S, R)>) -> Channels<S, R> {
    let mut links = links.into_iter();
    let mut link = || links.next().expect("a link for each channel");
    Channels { votes: link(), certificates: link(), resolver: link(), broadcast: link(), backfill: link(), txs: link() }
}

/// What the two halves of an equivocator say to whom.
#[derive(Clone)]
pub struct Split {
    /// Those who hear the first half; all others hear the second.
    pub first: BTreeSet<PublicKey>,
    /// Whether everybody hears the votes of both, so that the double vote is seen.
    pub open: bool,
}

/// Blocks that the halves of an equivocator sent, by what was sent.
#[derive(Clone, Default)]
pub struct Spoken {
    blocks: Arc<Mutex<[BTreeSet<Vec<u8>>; 2]>>,
}

impl Spoken {
    /// Blocks that only one of the halves sent, the first's and the second's.
    pub fn apart(&self) -> [usize; 2] {
        let blocks = self.blocks.lock();
        let [first, second] = &*blocks;
        [first.difference(second).count(), second.difference(first).count()]
    }
}

/// Starts an equivocator: two honest nodes with one validator's keys, each heard by some of the others,
/// which propose and vote for different blocks of their own (S. Bano et al., "Twins: BFT Systems Made
/// Robust", OPODIS 2021).
pub async fn join_twins<E: Runtime>(
    context: E,
    oracle: &Oracle<PublicKey, E>,
    config: NodeConfig,
    split: Split,
) -> Result<([Node; 2], [Handle<()>; 2], Spoken), StartError> {
    let control = oracle.control(config.keys.network.public_key());
    let everybody: Vec<PublicKey> =
        Committee::of_genesis(&config.genesis)?.seats().iter().map(|seat| seat.network.clone()).collect();
    let spoken = Spoken::default();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (channel, (sender, receiver)) in (0..).zip(register(&control).await) {
        let senders: (SplitSender<_, _, _>, _) = sender.split_with(forward(channel, &split, &everybody, &spoken));
        let hears = context.child("hears").with_attribute("channel", channel);
        let receivers = receiver.split_with(hears, |_| SplitTarget::Both);
        first.push((senders.0, receivers.0));
        second.push((senders.1, receivers.1));
    }
    let twin = NodeConfig { partition: format!("{}-twin", config.partition), ..config.clone() };
    let one = start(context.child("one"), config, in_order(first), oracle.socket_manager(), control.clone()).await?;
    let other = start(context.child("other"), twin, in_order(second), oracle.socket_manager(), control).await?;
    Ok(([one.0, other.0], [one.1, other.1], spoken))
}

/// Number of the channel of votes, and of that of blocks, in the order of [`Channels`].
const VOTES: u64 = 0;
const BLOCKS: u64 = 3;

/// Sends what a half says on a channel to those who hear it.
fn forward(
    channel: u64,
    split: &Split,
    everybody: &[PublicKey],
    spoken: &Spoken,
) -> impl SplitForwarder<PublicKey> + use<> {
    let heard: [Vec<PublicKey>; 2] = [true, false]
        .map(|first| everybody.iter().filter(|peer| split.first.contains(*peer) == first).cloned().collect());
    let (open, spoken) = (split.open && channel == VOTES, spoken.clone());
    move |half, recipients: &Recipients<PublicKey>, message: &commonware_runtime::IoBuf| {
        let index = usize::from(half == SplitOrigin::Secondary);
        if channel == BLOCKS {
            spoken.blocks.lock()[index].insert(message.as_ref().to_vec());
        }
        if open {
            return Some(recipients.clone());
        }
        let heard = &heard[index];
        match recipients {
            Recipients::All => Some(Recipients::Some(heard.clone())),
            Recipients::Some(some) => {
                Some(Recipients::Some(some.iter().filter(|p| heard.contains(p)).cloned().collect()))
            }
            Recipients::One(one) => heard.contains(one).then(|| recipients.clone()),
        }
    }
}
