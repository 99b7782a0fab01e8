//! The same validator over the simulated network, for deterministic tests of whole networks.
//!
//! Generic over the runtime, so that only those who simulate compile it.

use commonware_cryptography::Signer as _;
use commonware_p2p::simulated::{self, Control, Link, Network, Oracle, Receiver, Sender};
use commonware_runtime::{Clock, Handle, Metrics, Network as Sockets, Quota, Spawner, Storage};
use commonware_utils::{NZU32, NZUsize};
use rand_core::CryptoRng;

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

/// Starts a network without links between the validators.
pub async fn network<E: Runtime>(context: E, committee: &Committee) -> Oracle<PublicKey, E> {
    let validators = identities(committee);
    let config = simulated::Config {
        max_size: max_message(committee),
        max_peers_per_set: std::num::NonZeroUsize::new(validators.len()).unwrap_or(NZUsize!(1)),
        disconnect_on_block: true,
        tracked_peer_sets: NZUsize!(1),
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

/// Starts a validator, again after a crash. It ends when the task that owns `context` is aborted, as
/// by a crash.
pub async fn join<E: Runtime>(
    context: E,
    oracle: &Oracle<PublicKey, E>,
    config: NodeConfig,
) -> Result<(Node, Handle<()>), StartError> {
    let control: Control<PublicKey, E> = oracle.control(config.keys.network.public_key());
    let mut links: Vec<(Sender<PublicKey, E>, Receiver<PublicKey>)> = Vec::new();
    for channel in 0..CHANNELS {
        links.push(control.register(channel, QUOTA).await.expect("a validator can register"));
    }
    let mut links = links.into_iter();
    let mut link = || links.next().expect("a link for each channel");
    let channels = Channels {
        votes: link(),
        certificates: link(),
        resolver: link(),
        broadcast: link(),
        backfill: link(),
        txs: link(),
    };
    start(context, config, channels, oracle.manager(), control).await
}
