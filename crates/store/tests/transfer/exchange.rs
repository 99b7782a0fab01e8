//! Honest nodes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use assay_store::{
    BlobId, BlobNode, BlobStore, Blobs, FetchError, JobKey, NodeConfig, PeerFailure, Source, StoreConfig, open_blob,
    seal_blob,
    transfer::{ExpectedBlobs, Limits, NodeError, RefusePuts},
};
use bytes::Bytes;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn blobs_of_every_size_arrive_and_are_kept() {
    let (alice, bob) = (honest(1).await, honest(2).await);
    for len in [0, 1, 1 << 20, (1 << 20) + 1, 64 << 20] {
        let bytes = content(len);
        let id = alice.node.put(bytes.clone().into()).await.unwrap();
        let sources = [alice.node.source()];
        assert!(bob.node.has(&sources[0], id).await.unwrap());
        assert!(!bob.node.store().has(&id));
        assert!(bob.node.get(id, MANY, &sources).await.unwrap() == bytes, "{len} bytes");
        assert_eq!(bob.node.store().size_bytes(&id), Some(len as u64));
    }
    alice.node.shutdown().await;
    // What was kept needs nobody any more.
    let bytes = content(1);
    assert_eq!(bob.node.get(BlobId::of(&bytes), MANY, &[]).await.unwrap(), bytes);
    bob.node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_blobs_at_once_arrive_from_one_node_that_serves_a_few_at_a_time() {
    let limits = Limits { max_transfers: 2, max_streams_per_connection: 4, ..Limits::default() };
    let alice = honest_with(1, limits, Arc::new(RefusePuts), MANY).await;
    let bob = honest(2).await;
    let mut fetches = Vec::new();
    for n in 0..100 {
        let bytes = content(20_000 + n);
        let id = alice.node.put(bytes.clone().into()).await.unwrap();
        let (node, source) = (bob.node.clone(), alice.node.source());
        fetches.push(tokio::spawn(async move { (node.get(id, MANY, &[source]).await.unwrap(), bytes) }));
    }
    for fetch in fetches {
        let (fetched, bytes) = fetch.await.unwrap();
        assert!(fetched == bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_output_is_read_by_the_renter_and_nobody_else() {
    let (provider, renter) = (honest(1).await, honest(2).await);
    let key = JobKey::generate().unwrap();
    let sealed = seal_blob(&key, b"output/0", b"42");
    let id = provider.node.put(sealed.into()).await.unwrap();
    let fetched = renter.node.get(id, 1000, &[provider.node.source()]).await.unwrap();
    assert_eq!(open_blob(&key, b"output/0", &fetched).unwrap(), b"42");
    assert!(open_blob(&JobKey::generate().unwrap(), b"output/0", &fetched).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_nobody_has_fails_with_every_sources_reason() {
    let (alice, bob, carol) =
        (honest(1).await, honest(2).await, honest_with(3, quick_to_connect(), Arc::new(RefusePuts), MANY).await);
    let id = BlobId::of(b"never stored");
    let gone = bob.node.source();
    bob.node.shutdown().await;
    assert_eq!(carol.node.get(id, MANY, &[]).await, Err(FetchError::NoSources { id }));
    assert_eq!(carol.node.get(id, MANY, &[carol.node.source()]).await, Err(FetchError::NoSources { id }));
    let error = carol.node.get(id, MANY, &[gone.clone(), alice.node.source()]).await.unwrap_err();
    let FetchError::AllFailed { attempts, .. } = &error else { panic!("{error}") };
    let of = |source: &Source| attempts.iter().find(|attempt| attempt.node == source.node()).unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!(of(&alice.node.source()).failure, PeerFailure::NotFound);
    assert!(matches!(of(&gone).failure, PeerFailure::Unreachable(_)), "{error}");
    assert!(!carol.node.has(&alice.node.source(), id).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_source_costs_little_when_another_has_the_blob() {
    let (alice, bob, carol) = (honest(1).await, honest(2).await, honest(3).await);
    let gone = bob.node.source();
    bob.node.shutdown().await;
    let id = alice.node.put(Bytes::from_static(b"here")).await.unwrap();
    let start = Instant::now();
    let bytes = carol.node.get(id, MANY, &[gone, alice.node.source()]).await.unwrap();
    assert_eq!(bytes, b"here".as_slice());
    assert!(start.elapsed() < Limits::default().connect_timeout, "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_larger_than_expected_is_not_fetched() {
    let (alice, bob) = (honest(1).await, honest(2).await);
    let id = alice.node.put(content(1000).into()).await.unwrap();
    let error = bob.node.get(id, 999, &[alice.node.source()]).await.unwrap_err();
    assert!(matches!(error, FetchError::AllFailed { attempts, .. } if attempts[0].failure == PeerFailure::TooLarge));
    bob.node.get(id, 1000, &[alice.node.source()]).await.unwrap();
    let kept = bob.node.get(id, 999, &[]).await;
    assert_eq!(kept, Err(FetchError::TooLarge { id, size_bytes: 1000, max_bytes: 999 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_want_the_same_blob_at_once_share_one_fetch() {
    let bytes = content(5000);
    let id = BlobId::of(&bytes);
    let server = Scripted::spawn(
        9,
        vec![Script::Drip(found(&bytes)[..20].to_vec(), Duration::from_millis(10)), Script::Say(found(&bytes))],
    )
    .await;
    let bob = honest(2).await;
    let ask = || {
        let (node, source) = (bob.node.clone(), server.source.clone());
        tokio::spawn(async move { node.get(id, MANY, &[source]).await })
    };
    // The script truncates the first answer, so the shared fetch fails for all alike.
    let callers: Vec<_> = (0..20).map(|_| ask()).collect();
    for caller in callers {
        assert!(caller.await.unwrap().is_err());
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
    let callers: Vec<_> = (0..20).map(|_| ask()).collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), bytes);
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 2);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_a_better_source_is_not_failed_by_anothers_bad_one() {
    let bytes = content(100);
    let id = BlobId::of(&bytes);
    let bad = Scripted::spawn(9, vec![Script::Drip(head(2, 0), Duration::from_millis(20))]).await;
    let (alice, bob) = (honest(1).await, honest(2).await);
    alice.node.put(bytes.clone().into()).await.unwrap();
    let (node, source) = (bob.node.clone(), bad.source.clone());
    let first = tokio::spawn(async move { node.get(id, MANY, &[source]).await });
    while bad.requests.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bob.node.get(id, MANY, &[alice.node.source()]).await.unwrap(), bytes);
    assert!(first.await.unwrap().is_err());
    bad.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_fetch_can_be_started_again() {
    let bytes = content(100);
    let id = BlobId::of(&bytes);
    let server = Scripted::spawn(9, vec![Script::SayAndStall(Vec::new()), Script::Say(found(&bytes))]).await;
    let bob = honest(2).await;
    let sources = [server.source.clone()];
    let fetch = bob.node.get(id, MANY, &sources);
    assert!(tokio::time::timeout(Duration::from_millis(300), fetch).await.is_err());
    assert_eq!(bob.node.get(id, MANY, &sources).await.unwrap(), bytes);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_what_open_jobs_named_and_nothing_else() {
    let expected = Arc::new(ExpectedBlobs::default());
    let provider = honest_with(1, Limits::default(), expected.clone(), 1 << 20).await;
    let renter = honest(2).await;
    let target = provider.node.source();
    let push = |bytes: Vec<u8>| {
        let (node, target) = (renter.node.clone(), target.clone());
        async move { node.push(&target, bytes.into()).await.map_err(|error| error.failure) }
    };
    let (input, large, huge) = (content(700_000), content(1001), content((1 << 20) + 1));
    let id = BlobId::of(&input);
    assert_eq!(push(input.clone()).await, Err(PeerFailure::Refused));
    expected.expect(id, 700_000, [7; 32]);
    expected.expect(BlobId::of(&large), 1000, [7; 32]);
    expected.expect(BlobId::of(&huge), MANY, [7; 32]);
    expected.expect(BlobId::of(b""), 0, [7; 32]);
    assert_eq!(push(input.clone()).await, Ok(id));
    assert_eq!(provider.node.store().get(&id).unwrap().unwrap(), input);
    assert_eq!(push(input.clone()).await, Ok(id), "pushing twice is no error");
    assert_eq!(push(Vec::new()).await, Ok(BlobId::of(b"")));
    assert_eq!(push(large).await, Err(PeerFailure::TooLarge));
    assert_eq!(push(huge).await, Err(PeerFailure::NoRoom));
    expected.forget(&[7; 32]);
    assert_eq!(push(content(5)).await, Err(PeerFailure::Refused));
    assert_eq!(provider.node.store().usage().reserved_bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pushing_to_oneself_keeps_the_blob() {
    let alice = honest(1).await;
    let id = alice.node.push(&alice.node.source(), Bytes::from_static(b"mine")).await.unwrap();
    assert!(alice.node.has(&alice.node.source(), id).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_quota_stops_keeping_but_not_getting() {
    let alice = honest(1).await;
    let bob = honest_with(2, Limits::default(), Arc::new(RefusePuts), 1000).await;
    let pinned = alice.node.put(content(900).into()).await.unwrap();
    let other = alice.node.put(content(500).into()).await.unwrap();
    bob.node.pin(pinned, [1; 32]);
    bob.node.get(pinned, MANY, &[alice.node.source()]).await.unwrap();
    assert_eq!(bob.node.get(other, MANY, &[alice.node.source()]).await.unwrap(), content(500));
    assert!(bob.node.store().has(&pinned) && !bob.node.store().has(&other));
    bob.node.unpin(&[1; 32]);
    bob.node.get(other, MANY, &[alice.node.source()]).await.unwrap();
    assert!(!bob.node.store().has(&pinned) && bob.node.store().has(&other));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_went_bad_on_disk_is_fetched_again_and_never_served() {
    let (alice, bob) = (honest(1).await, honest(2).await);
    let bytes = content(3 << 20);
    let id = alice.node.put(bytes.clone().into()).await.unwrap();
    bob.node.get(id, MANY, &[alice.node.source()]).await.unwrap();
    let name = id.to_string();
    let file = |dir: &std::path::Path| dir.join("blobs").join(&name[..2]).join(&name[2..4]).join(&name);
    let spoil = |dir: &std::path::Path| {
        let mut bad = bytes.clone();
        bad[2_000_000] ^= 1;
        std::fs::write(file(dir), bad).unwrap();
    };
    spoil(bob.dir.path());
    assert!(bob.node.get(id, MANY, &[alice.node.source()]).await.unwrap() == bytes);
    assert!(std::fs::read(file(bob.dir.path())).unwrap() == bytes);

    spoil(alice.dir.path());
    let carol = honest(3).await;
    let error = carol.node.get(id, MANY, &[alice.node.source()]).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::AllFailed { attempts, .. } if attempts[0].failure == PeerFailure::Internal),
        "{error}"
    );
    assert!(!alice.node.store().has(&id), "the bad file is gone");
    assert!(carol.node.get(id, MANY, &[alice.node.source(), bob.node.source()]).await.unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_restarts_keeps_identity_port_and_blobs_and_old_peers_find_it() {
    let dir = tempfile::tempdir().unwrap();
    let start = async |bind| {
        let store = BlobStore::open(dir.path(), StoreConfig { quota_bytes: MANY }).unwrap();
        BlobNode::spawn(NodeConfig::new(secret(1), bind), store, Arc::new(RefusePuts)).await.unwrap()
    };
    let bob = honest(2).await;
    let alice = start(LOOPBACK).await;
    let source = alice.source();
    let first = alice.put(Bytes::from_static(b"first")).await.unwrap();
    let second = alice.put(Bytes::from_static(b"second")).await.unwrap();
    bob.node.get(first, MANY, std::slice::from_ref(&source)).await.unwrap();
    alice.shutdown().await;
    drop(alice);

    let alice = start(source.addrs()[0]).await;
    assert_eq!(alice.source(), source);
    assert_eq!(bob.node.get(second, MANY, &[source]).await.unwrap(), b"second".as_slice());
    alice.shutdown().await;
}

#[test]
fn a_node_killed_without_a_goodbye_and_back_on_its_port_is_found_soon() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open(dir.path(), StoreConfig { quota_bytes: MANY }).unwrap();
    let id = store.put(b"content").unwrap();
    let (here, doomed, reborn) = (runtime(), runtime(), runtime());
    let start = |runtime: &tokio::runtime::Runtime, bind| {
        let store = store.clone();
        runtime.block_on(BlobNode::spawn(NodeConfig::new(secret(1), bind), store, Arc::new(RefusePuts))).unwrap()
    };
    let alice = start(&doomed, LOOPBACK);
    let source = alice.source();
    let bob = here.block_on(honest(2));
    assert!(here.block_on(bob.node.has(&source, id)).unwrap());
    // Its tasks and socket vanish in mid-air, as when a process is killed.
    doomed.shutdown_background();
    drop(alice);

    let alice = loop {
        let config = NodeConfig::new(secret(1), source.addrs()[0]);
        match reborn.block_on(BlobNode::spawn(config, store.clone(), Arc::new(RefusePuts))) {
            Ok(node) => break node,
            // The dying runtime may hold the socket a moment longer.
            Err(NodeError::PortInUse { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    let asked = Instant::now();
    assert!(here.block_on(bob.node.has(&source, id)).unwrap());
    assert!(asked.elapsed() < Limits::default().stall_timeout, "{:?}", asked.elapsed());
    println!("found again after {:?}", asked.elapsed());
    reborn.block_on(alice.shutdown());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let alice = honest(1).await;
    let bind = alice.node.source().addrs()[0];
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open(dir.path(), StoreConfig { quota_bytes: 1 }).unwrap();
    let refused = BlobNode::spawn(NodeConfig::new(secret(2), bind), store.clone(), Arc::new(RefusePuts)).await;
    assert!(matches!(refused.err(), Some(NodeError::PortInUse { addr }) if addr == bind));

    let everywhere = "0.0.0.0:0".parse().unwrap();
    let refused = BlobNode::spawn(NodeConfig::new(secret(2), everywhere), store.clone(), Arc::new(RefusePuts)).await;
    assert!(matches!(refused.err(), Some(NodeError::Advertise(_))));
    let advertise = vec!["192.0.2.1:4000".parse().unwrap()];
    let config = NodeConfig { advertise: advertise.clone(), ..NodeConfig::new(secret(2), everywhere) };
    let node = BlobNode::spawn(config, store, Arc::new(RefusePuts)).await.unwrap();
    assert_eq!(node.source().addrs(), advertise);
    node.shutdown().await;
}

#[test]
fn nodes_shut_down_or_merely_dropped_never_hang_the_process() {
    let start = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (alice, bob, carol) = (honest(1).await, honest(2).await, honest(3).await);
        let id = alice.node.put(Bytes::from_static(b"x")).await.unwrap();
        bob.node.get(id, MANY, &[alice.node.source()]).await.unwrap();
        carol.node.get(id, MANY, &[bob.node.source()]).await.unwrap();
        alice.node.shutdown().await;
        alice.node.shutdown().await;
        drop(bob);
        // Carol outlives the peers and is dropped with the runtime going down.
        std::mem::drop(carol);
    });
    drop(runtime);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}
