//! The validators' network on real sockets: authenticated, encrypted TCP between those who sit and those who may.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    time::Duration,
};

use assay_types::Genesis;
use commonware_cryptography::{ChaCha20Poly1305, ed25519::PrivateKey};
use commonware_p2p::authenticated::lookup::{Config, Network};
use commonware_runtime::{Handle, Quota, Supervisor as _, tokio as runtime};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize};

use crate::{
    committee::Committee,
    consensus::engine::{Channels, StartError, max_message, most_seats, start},
    host::HostedNode,
    node::Node,
};

/// How two validators meet: each proves its identity, and what they say is encrypted.
pub type Handshake = Cups<Sake<PrivateKey>, ChaCha20Poly1305>;

/// Whether an address means something else on another network.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The settings under which the validator with the identity `key` listens at `listen`.
pub fn settings(genesis: &Genesis, key: PrivateKey, listen: SocketAddr) -> Result<Config<Handshake>, StartError> {
    let committee = Committee::of_genesis(genesis)?;
    let handshake = Cups::new(
        Sake {
            signer: key,
            synchrony_bound: Duration::from_secs(5),
            max_handshake_age: Duration::from_secs(10),
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    // Those who sit, those who may, and this node.
    let peers = most_seats(genesis).saturating_add(genesis.params.max_candidates).saturating_add(1);
    let peers = NonZeroUsize::new(peers as usize).unwrap_or(NonZeroUsize::MIN);
    // Recommended by the library are a minute between two tries to reach a peer and another before a dead link is
    // noticed: a validator that restarts would be away for as long. One peer is dialled at a time: at the library's
    // two a second, a validator of a hundred has not dialled two thirds of them within half a minute of its start.
    // Mailboxes have room for a second of messages from every peer of every set that is remembered, and are written
    // to as they are made: with the library's four sets that is 370 MiB, and a second or more of each start. Two are
    // the present one and the one before; who leaves a committee is in the next set as a candidate.
    Ok(Config {
        allow_private_ips: committee.seats().iter().any(|seat| is_private(seat.address.ip())),
        dial_frequency: Duration::from_millis(100),
        dial_timeout: Duration::from_secs(3),
        ping_frequency: Duration::from_secs(1),
        tracked_peer_sets: NZUsize!(2),
        ..Config::local(handshake, committee.namespace(), listen, peers, max_message(genesis), NZUsize!(256))
    })
}

/// Starts a validator and its network.
pub(crate) async fn start_on_sockets(
    context: runtime::Context,
    HostedNode { config, listen }: HostedNode,
) -> Result<(Node, Handle<()>, Handle<()>), StartError> {
    let settings = settings(&config.genesis, config.keys.network.clone(), listen)?;
    let (mut network, oracle) = Network::new(context.child("network"), settings);
    // A quota is also the size of a mailbox for each peer, so generous ones cost memory. Twenty blocks a second take
    // some sixty votes and as many certificates of each peer.
    let mut channel = |number, a_second| network.register(number, Quota::per_second(a_second));
    let channels = Channels {
        votes: channel(0, NZU32!(128)),
        certificates: channel(1, NZU32!(128)),
        resolver: channel(2, NZU32!(32)),
        broadcast: channel(3, NZU32!(64)),
        backfill: channel(4, NZU32!(64)),
        txs: channel(5, NZU32!(256)),
    };
    // The network first: what a node missed while it was down it asks for as it starts.
    let network = network.start();
    let (node, handle) = start(context.child("chain"), config, channels, oracle.clone(), oracle).await?;
    Ok((node, handle, network))
}
