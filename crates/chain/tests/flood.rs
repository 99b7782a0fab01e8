//! One of four validators floods the others over real sockets: first with sound transactions that nobody can pay
//! for, each of which costs its reader a recovered signature, then with bytes that nobody can read.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256};
use alloy_signer_local::PrivateKeySigner;
use assay_chain::{
    CHANNELS, Host, HostedNode, Node,
    committee::PublicKey,
    metrics::{Metrics, RuntimeFigures},
    sockets::settings,
};
use assay_ledger::account;
use assay_types::Genesis;
use commonware_codec::DecodeExt as _;
use commonware_p2p::{
    AddressableManager as _, AddressableTrackedPeers, Recipients, Sender as _, authenticated::lookup::Network,
};
use commonware_runtime::{Clock as _, IoBuf, Quota, Runner as _, Supervisor as _, tokio as runtime};
use commonware_utils::{NZU32, TryFromIterator as _, ordered::Map};
use tokio::sync::oneshot;

#[path = "support/network.rs"]
mod support;
#[path = "support/transfer.rs"]
mod transfer;

use support::{CHAIN_ID, network};
use transfer::transfer;

/// Number of the channel of transactions.
const TXS: usize = 5;

/// Transactions of one message of the flood: nearly the longest message there may be.
const A_MESSAGE: u64 = 2_000;

/// Messages of the flood that each of the others must have left unread.
const UNREAD: u64 = 200;

/// A message of transactions of an account that owns nothing.
fn unpaid() -> Vec<u8> {
    let poor = PrivateKeySigner::from_bytes(&B256::repeat_byte(0x77)).expect("a key");
    let mut message = Vec::new();
    for nonce in 0..A_MESSAGE {
        let tx = transfer(CHAIN_ID, &poor, nonce, Address::repeat_byte(9), 1);
        message.extend_from_slice(&u32::try_from(tx.len()).expect("short").to_be_bytes());
        message.extend_from_slice(&tx);
    }
    message
}

/// Sends the flood to all others until told to speak garbage, and that until told to end.
fn flood(genesis: Genesis, attacker: HostedNode, dir: &Path, turn: oneshot::Receiver<()>, end: oneshot::Receiver<()>) {
    let config = runtime::Config::new().with_worker_threads(1).with_storage_directory(dir);
    runtime::Runner::new(config).start(|context| async move {
        let settings = settings(&genesis, attacker.config.keys.network.clone(), attacker.listen).expect("a committee");
        let (mut network, mut oracle) = Network::new(context.child("network"), settings);
        let quota = Quota::per_second(NZU32!(10_000));
        let mut channels: Vec<_> = (0..CHANNELS).map(|number| network.register(number, quota)).collect();
        network.start();
        let seats = genesis.validators.iter().map(|seat| {
            let address: SocketAddr = seat.address.parse().expect("an address");
            (peer(&seat.network_key), address.into())
        });
        let seats = Map::try_from_iter(seats).expect("each once");
        oracle.track(1, AddressableTrackedPeers::new(seats, Map::default()));
        let message = unpaid();
        let txs = &mut channels[TXS].0;
        let (mut turn, mut end) = (turn, end);
        while turn.try_recv().is_err() {
            txs.send(Recipients::All, IoBuf::from(message.clone()), false);
            context.sleep(Duration::from_millis(5)).await;
        }
        while end.try_recv().is_err() {
            txs.send(Recipients::All, IoBuf::from(message[1..].to_vec()), false);
            context.sleep(Duration::from_millis(20)).await;
        }
    });
}

fn peer(key: &B256) -> PublicKey {
    PublicKey::decode(key.to_vec()).expect("a key")
}

/// Messages that a node left unread.
fn unread(node: &Node, figures: &RuntimeFigures, dir: &Path) -> u64 {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let text = rt.block_on(Metrics::new(node.clone(), figures.clone(), dir).text(0));
    let line = text.lines().find_map(|line| line.strip_prefix("assay_gossip_unread_total "));
    line.expect("it is told").trim().parse().expect("a number")
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within two minutes");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_validator_that_floods_the_others_is_left_unread_then_cut_off_and_the_chain_goes_on() {
    let sender = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key");
    let (genesis, mut nodes) = network(6, sender.address());
    let attacker = nodes.pop().expect("the fourth");
    let dir = tempfile::tempdir().expect("a directory");
    let host = Host::start(dir.path().to_owned(), nodes, 4).expect("three start");
    let (turn, turns) = oneshot::channel();
    let (end, ends) = oneshot::channel();
    let foe = dir.path().join("attacker");
    let attack = std::thread::spawn(move || flood(genesis, attacker, &foe, turns, ends));

    for node in host.nodes() {
        until("the attacker connects, too", || node.peers() == Some(3));
    }
    let figures = host.figures();
    let mut nonce = 0;
    for (at, node) in host.nodes().iter().enumerate() {
        until("the flood is left unread", || {
            // Each pays while the flood goes on, and is final before the next.
            node.submit(transfer(CHAIN_ID, &sender, nonce, Address::repeat_byte(9), 1)).expect("admitted");
            nonce += 1;
            for other in host.nodes() {
                until("a transfer is final under the flood", || {
                    other.tip_state().is_some_and(|(_, state)| account(&state, sender.address()).nonce >= nonce)
                });
            }
            unread(node, &figures, dir.path()) >= UNREAD
        });
        println!("validator {at}: {} messages unread at transfer {nonce}", unread(node, &figures, dir.path()));
    }
    let heights: Vec<_> = host.nodes().iter().map(|node| node.tip().expect("a tip").height).collect();

    turn.send(()).expect("it attacks");
    for (node, height) in host.nodes().iter().zip(heights) {
        until("who sends garbage is cut off", || node.peers() == Some(2));
        until("the three go on", || node.tip().is_some_and(|tip| tip.height > height + 5));
    }
    end.send(()).expect("it attacks");
    attack.join().expect("the attacker ends");
    host.stop();
}
