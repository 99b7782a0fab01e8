//! Four validators over authenticated loopback TCP with their state on disk: transfers become final,
//! a restart resumes where it stopped, and what the network says can be checked offline.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes};
use alloy_signer_local::PrivateKeySigner;
use assay_chain::{
    Host, HostedNode, Node, StartError,
    light::{LightError, Trust, verify_state},
};
use assay_ledger::{account, books, keys};

#[path = "support/network.rs"]
mod support;
#[path = "support/transfer.rs"]
mod transfer;

use support::{CHAIN_ID, network};
use transfer::transfer;

fn start(dir: &Path, nodes: &[HostedNode]) -> Host {
    Host::start(dir.to_owned(), nodes.to_vec(), 4).expect("the nodes start")
}

/// Waits until `node` is at `height` or beyond.
fn wait_for_height(node: &Node, height: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while node.tip().is_none_or(|tip| tip.height < height) {
        assert!(Instant::now() < deadline, "no height {height} within a minute: {:?}", node.tip());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for_nonce(node: &Node, sender: Address, nonce: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while node.tip_state().is_none_or(|(_, state)| account(&state, sender).nonce < nonce) {
        assert!(Instant::now() < deadline, "no nonce {nonce} within a minute: {:?}", node.tip());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn transfers_become_final_on_all_validators_and_a_restart_resumes_at_the_same_state() {
    let sender = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key");
    let (genesis, nodes) = network(1, sender.address());
    let dir = tempfile::tempdir().expect("a directory");
    let host = start(dir.path(), &nodes);
    let to = Address::repeat_byte(9);
    for nonce in 0..20 {
        // A transaction given to any validator reaches all.
        let node = &host.nodes()[nonce as usize % 4];
        wait_for_nonce(node, sender.address(), nonce);
        node.submit(transfer(CHAIN_ID, &sender, nonce, to, 1_000)).expect("admitted");
    }
    for node in host.nodes() {
        wait_for_nonce(node, sender.address(), 20);
        let (_, state) = node.tip_state().expect("a tip");
        assert_eq!(account(&state, to).balance, 20_000);
        assert!(books(&state).expect("books").balance());
    }
    let figures = host.nodes()[0].finality().expect("proposals were finalized");
    println!("finality p50 {} ms, p99 {} ms", figures.p50, figures.p99);
    host.stop();

    let host = start(dir.path(), &nodes);
    let tips: Vec<_> = host.nodes().iter().map(|node| node.tip().expect("resumed")).collect();
    assert!(tips.iter().all(|tip| tip.height > 0), "the nodes resume: {tips:?}");
    for (node, tip) in host.nodes().iter().zip(&tips) {
        wait_for_nonce(node, sender.address(), 20);
        let kept = (1..=tip.height).map(|height| node.recent_block(height).expect("kept over the restart"));
        assert_eq!(kept.map(|block| block.txs.len()).sum::<usize>(), 20, "with their receipts");
    }
    let height = tips.iter().map(|tip| tip.height).max().unwrap_or(0);
    wait_for_height(&host.nodes()[0], height + 3);
    host.nodes()[2].submit(transfer(CHAIN_ID, &sender, 20, to, 1)).expect("admitted");
    wait_for_nonce(&host.nodes()[0], sender.address(), 21);
    let roots: BTreeSet<_> = host
        .nodes()
        .iter()
        .map(|node| {
            wait_for_height(node, height + 3);
            node.recent_block(height + 3).expect("recent").state_root
        })
        .collect();
    assert_eq!(roots.len(), 1, "one state root at one height");

    // What the network says is checked offline, from the genesis alone.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let node = host.nodes()[0].clone();
    let (proof, absent, certified) = runtime.block_on(async {
        let key = keys::account(&to);
        let proof = node.state_proof(key).await.expect("a proof");
        let absent = node.state_proof(keys::account(&Address::repeat_byte(0x55))).await.expect("a proof");
        (proof, absent, node.certified(2).await.expect("a certificate"))
    });
    host.stop();
    assert!(proof.value.is_some() && absent.value.is_none());
    let trust = Trust::of_genesis(&genesis).expect("a committee");
    verify_state(&trust, &proof).expect("the proof holds");
    verify_state(&trust, &absent).expect("the proof of absence holds");
    let (facts, _) = trust.verify_header(&certified).expect("the certificate holds");
    assert!(facts.signers >= 3);

    let mut lied = proof.clone();
    lied.value = Some(Bytes::from_static(b"more money"));
    assert_eq!(verify_state(&trust, &lied), Err(LightError::BadProof));
    let mut hidden = proof.clone();
    hidden.value = None;
    assert!(verify_state(&trust, &hidden).is_err(), "a value cannot be denied");
    let mut forged = absent.clone();
    forged.value = Some(Bytes::from_static(b"money from nowhere"));
    assert!(verify_state(&trust, &forged).is_err());
    let mut other = certified.clone();
    other.certificate = proof.certificate.clone();
    assert!(trust.verify_header(&other).is_err(), "a certificate of another block");
    let mut broken = certified.clone();
    let mut bytes = broken.certificate.to_vec();
    *bytes.last_mut().expect("bytes") ^= 1;
    broken.certificate = bytes.into();
    assert!(trust.verify_header(&broken).is_err());
    let (other_network, _) = network(2, sender.address());
    assert!(
        Trust::of_genesis(&other_network).expect("good keys").verify_header(&certified).is_err(),
        "another network's validators"
    );
}

#[test]
fn a_taken_port_a_foreign_directory_and_another_version_are_refused_by_name() {
    let (_, nodes) = network(3, Address::repeat_byte(1));
    let dir = tempfile::tempdir().expect("a directory");
    let taken = TcpListener::bind(nodes[0].listen).expect("free before");
    let refused = Host::start(dir.path().to_owned(), nodes.clone(), 2).err();
    assert!(matches!(refused, Some(StartError::PortInUse { .. })), "{refused:?}");
    drop(taken);
    let (_, others) = network(4, Address::repeat_byte(1));
    let refused = Host::start(dir.path().to_owned(), others, 2).err();
    assert!(matches!(refused, Some(StartError::ForeignState { .. })), "{refused:?}");
    std::fs::write(
        dir.path().join("network.json"),
        br#"{"format":99,"genesis":"0x0000000000000000000000000000000000000000000000000000000000000000"}"#,
    )
    .expect("writable");
    let refused = Host::start(dir.path().to_owned(), nodes, 2).err();
    assert!(matches!(refused, Some(StartError::StateVersion { .. })), "{refused:?}");
}

#[test]
fn a_burst_from_one_account_is_admitted_while_its_earlier_transactions_become_final() {
    let sender = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key");
    let (_, nodes) = network(5, sender.address());
    let dir = tempfile::tempdir().expect("a directory");
    let host = start(dir.path(), &nodes);
    let (node, to, count) = (&host.nodes()[0], Address::repeat_byte(9), 6_000);
    let begin = Instant::now();
    for nonce in 0..count {
        while node.mempool().len() >= 3_000 {
            std::thread::sleep(Duration::from_millis(1));
        }
        node.submit(transfer(CHAIN_ID, &sender, nonce, to, 1)).expect("no gap: the earlier ones wait or are final");
    }
    for node in host.nodes() {
        wait_for_nonce(node, sender.address(), count);
    }
    println!(
        "{:.0} transfers a second, finality {:?} ms",
        count as f64 / begin.elapsed().as_secs_f64(),
        node.finality()
    );
    host.stop();
}
