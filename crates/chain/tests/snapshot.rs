//! Snapshots of a running network on real disks: exported over JSON-RPC, imported, followed on; each kind
//! of damage refused by name and each forgery found out.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes};
use alloy_signer_local::PrivateKeySigner;
use assay_chain::{
    Host, Node,
    index::IndexOptions,
    mempool::Limits,
    rpc::{RpcConfig, serve_node},
    snapshot::{SnapshotError, SnapshotUpstream, export, import},
    sync::FollowerConfig,
    upstream::{Pool, RpcUpstream, Upstream},
};
use assay_ledger::{account, books};
use commonware_cryptography::{Hasher as _, Sha256};

#[path = "support/network.rs"]
mod support;
#[path = "support/transfer.rs"]
mod transfer;

use support::{CHAIN_ID, network};

fn transfer(from: &PrivateKeySigner, nonce: u64) -> Bytes {
    transfer::transfer(CHAIN_ID, from, nonce, Address::left_padding_from(&(0x5000 + nonce).to_be_bytes()), 1)
}

fn wait_for_nonce(node: &Node, sender: Address, nonce: u64) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while node.tip_state().is_none_or(|(_, state)| account(&state, sender).nonce < nonce) {
        assert!(Instant::now() < deadline, "no nonce {nonce}: {:?}", node.tip());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The frames of a snapshot, unpacked, and a snapshot of such frames with the hash it should have.
fn frames(bytes: &[u8]) -> (Vec<u8>, Vec<(u8, Vec<u8>)>) {
    let (head, mut rest) = bytes.split_at(44);
    let mut frames = Vec::new();
    while rest[0] != 0 {
        let length = u32::from_be_bytes(rest[1..5].try_into().expect("four")) as usize;
        frames.push((rest[0], zstd::bulk::decompress(&rest[5..5 + length], 64 << 20).expect("packed")));
        rest = &rest[5 + length..];
    }
    (head.to_vec(), frames)
}

fn packed(head: &[u8], frames: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    for (kind, payload) in frames {
        let payload = zstd::bulk::compress(payload, 1).expect("packs");
        bytes.push(*kind);
        bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&payload);
    }
    bytes.push(0);
    let digest = Sha256::hash(&[&bytes]);
    bytes.extend_from_slice(digest.as_ref());
    bytes
}

fn open(dir: &Path, bytes: &[u8]) -> Result<SnapshotUpstream, SnapshotError> {
    let path = dir.join("damaged");
    std::fs::write(&path, bytes).expect("writes");
    SnapshotUpstream::open(&path)
}

#[test]
fn a_snapshot_carries_a_chain_to_an_empty_directory_and_every_damage_and_forgery_is_refused() {
    let sender = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key");
    let (genesis, nodes) = network(31, sender.address());
    let dir = tempfile::tempdir().expect("a directory");
    let host = Host::start(dir.path().join("network"), nodes, 2).expect("the nodes start");
    let node = host.nodes()[0].clone();
    for nonce in 0..200 {
        node.submit(transfer(&sender, nonce)).expect("admitted");
    }
    wait_for_nonce(&node, sender.address(), 200);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let rpc = RpcConfig::new("127.0.0.1:0".parse().expect("an address"));
    let index = dir.path().join("index.redb");
    let served = serve_node(node.clone(), &index, IndexOptions::default(), rpc);
    let served = runtime.block_on(served).expect("it serves");
    let url = format!("http://{}", served.server().address());
    let upstream: Arc<dyn Upstream> = Arc::new(RpcUpstream::new(&url).expect("an address"));

    let path = dir.path().join("state.snapshot");
    let pool = Pool::new([Arc::clone(&upstream)]);
    let info = runtime.block_on(export(&pool, &genesis, &path)).expect("exports");
    assert_eq!(SnapshotUpstream::open(&path).expect("whole").info(), &info);
    assert_eq!(info.bytes, std::fs::metadata(&path).expect("there").len());

    // Imported into an empty directory it is the node's state, and the node goes on from there.
    let fresh = dir.path().join("fresh");
    assert_eq!(import(&fresh, &genesis, "node", &path, None).expect("imports"), info);
    let again = import(&fresh, &genesis, "node", &path, None);
    assert!(matches!(again, Err(SnapshotError::NotEmpty { height }) if height == info.height), "{again:?}");
    let config = FollowerConfig {
        genesis: genesis.clone(),
        partition: "node".to_owned(),
        mempool: Limits::default(),
        retention: Default::default(),
        sync_beyond: u64::MAX,
    };
    let follower = Host::follow(fresh, config, Pool::new([upstream]), 2).expect("it follows");
    assert_eq!(follower.nodes()[0].first_block(), info.height);
    follower.nodes()[0].submit(transfer(&sender, 200)).expect("admitted");
    wait_for_nonce(&node, sender.address(), 201);
    wait_for_nonce(&follower.nodes()[0], sender.address(), 201);
    let (_, state) = follower.nodes()[0].tip_state().expect("a tip");
    assert!(books(&state).expect("books").balance());
    for at in 0..200u64 {
        assert_eq!(account(&state, Address::left_padding_from(&(0x5000 + at).to_be_bytes())).balance, 1);
    }
    follower.stop();
    runtime.block_on(served.stop());
    host.stop();

    // Damage is told before anything is believed.
    let good = std::fs::read(&path).expect("reads");
    let dir = dir.path();
    for end in [44, 45, 60, good.len() / 2, good.len() - 1] {
        let refused = open(dir, &good[..end]);
        assert!(matches!(refused, Err(SnapshotError::Truncated { .. })), "cut at {end}: {refused:?}");
    }
    assert!(matches!(open(dir, &good[..20]), Err(SnapshotError::NotASnapshot { .. })));
    assert!(matches!(
        open(dir, b"{\"a\": \"json file, and long enough to be one\"}"),
        Err(SnapshotError::NotASnapshot { .. })
    ));
    for at in (44..good.len()).step_by(good.len() / 50 + 1) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let refused = open(dir, &bytes);
        let told = matches!(refused, Err(SnapshotError::Damaged { .. } | SnapshotError::Truncated { .. }));
        assert!(told, "a bit at {at}: {refused:?}");
    }
    assert!(matches!(open(dir, &[good.as_slice(), b"x"].concat()), Err(SnapshotError::Damaged { .. })));
    let mut old = good.clone();
    old[11] = 9;
    assert!(matches!(open(dir, &old), Err(SnapshotError::Version { found: 9, .. })));
    let (other, _) = network(32, sender.address());
    let refused = import(&dir.join("other"), &other, "node", &path, None);
    assert!(matches!(refused, Err(SnapshotError::OtherNetwork { .. })), "{refused:?}");

    // A forger can make the hash right, but not the certificate and the proofs.
    let (head, whole) = frames(&good);
    assert_eq!(SnapshotUpstream::open(&path).expect("whole").info().height, info.height);
    for target in 0..whole.len() {
        let mut forged = whole.clone();
        let at = forged[target].1.len() * 2 / 3;
        // An empty list of handovers has nothing to forge.
        if forged[target].1.len() < 8 {
            continue;
        }
        forged[target].1[at] ^= 1;
        let name = format!("forged-{target}");
        let path = dir.join(&name);
        std::fs::write(&path, packed(&head, &forged)).expect("writes");
        let refused = import(&dir.join(format!("{name}-dir")), &genesis, "node", &path, None);
        let told = matches!(refused, Err(SnapshotError::Import(_) | SnapshotError::Damaged { .. }));
        assert!(told, "frame {target} of kind {}: {refused:?}", whole[target].0);
    }
}
