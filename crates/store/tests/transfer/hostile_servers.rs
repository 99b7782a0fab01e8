//! Peers that serve lies, nothing, too much, or for ever.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use assay_store::{
    BlobId, Blobs, FetchError, PeerFailure,
    transfer::{Limits, RefusePuts},
};

use crate::support::*;

async fn failure_of(script: Script, limits: Limits) -> (PeerFailure, Duration) {
    let server = Scripted::spawn(9, vec![script]).await;
    let bob = honest_with(2, limits, Arc::new(RefusePuts), 1 << 20).await;
    let id = BlobId::of(&content(5000));
    let start = Instant::now();
    let error = bob.node.get(id, 10_000, std::slice::from_ref(&server.source)).await.unwrap_err();
    let took = start.elapsed();
    let FetchError::AllFailed { attempts, .. } = error else { panic!("{error}") };
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].node, server.source.node(), "the failure names the peer");
    assert_eq!(bob.node.store().usage().blobs, 0, "nothing unverified is kept");
    server.close().await;
    (attempts.into_iter().next().unwrap().failure, took)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_serves_wrong_bytes_is_caught_and_named() {
    let mut wrong = content(5000);
    wrong[4999] ^= 1;
    for bytes in [wrong, content(4999), Vec::new()] {
        let (failure, _) = failure_of(Script::Say(found(&bytes)), Limits::default()).await;
        assert_eq!(failure, PeerFailure::HashMismatch);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_does_not_keep_the_blob_from_one_who_asks_others_too() {
    let bytes = content(5000);
    let liar = Scripted::spawn(9, vec![Script::Say(found(&content(5001)))]).await;
    let (alice, bob) = (honest(1).await, honest(2).await);
    let id = alice.node.put(bytes.clone().into()).await.unwrap();
    let fetched = bob.node.get(id, MANY, &[liar.source.clone(), alice.node.source()]).await.unwrap();
    assert_eq!(fetched, bytes);
    assert_eq!(liar.requests.load(Ordering::SeqCst), 1);
    liar.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_outside_the_protocol_are_refused() {
    let bytes = content(5000);
    let cut = found(&bytes)[..3000].to_vec();
    for garbage in [head(200, 0), head(1, 0), head(2, 7), vec![0; 5], Vec::new(), cut] {
        let (failure, _) = failure_of(Script::Say(garbage), Limits::default()).await;
        assert_eq!(failure, PeerFailure::Protocol);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_more_than_was_expected_ends_the_fetch_at_once() {
    for size in [10_001, u64::MAX] {
        let (failure, _) = failure_of(Script::SayAndStall(head(0, size)), Limits::default()).await;
        assert_eq!(failure, PeerFailure::TooLarge);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_goes_silent_is_given_up() {
    for said in [Vec::new(), head(0, 5000), found(&content(5000))[..3000].to_vec()] {
        let (failure, took) = failure_of(Script::SayAndStall(said), impatient()).await;
        assert_eq!(failure, PeerFailure::Timeout);
        assert!(took < Duration::from_secs(7), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_drips_is_given_up_although_it_never_pauses_for_long() {
    let limits = Limits { min_bytes_per_s: 10_000, ..impatient() };
    let drip = Script::Drip(found(&content(5000)), Duration::from_millis(20));
    let (failure, took) = failure_of(drip, limits).await;
    assert_eq!(failure, PeerFailure::Timeout);
    assert!(took < Duration::from_secs(7), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_source_delays_the_next_by_a_moment_only() {
    let bytes = content(5000);
    let silent = Scripted::spawn(9, vec![Script::SayAndStall(Vec::new())]).await;
    let (alice, bob) = (honest(1).await, honest(2).await);
    let id = alice.node.put(bytes.clone().into()).await.unwrap();
    let start = Instant::now();
    assert_eq!(bob.node.get(id, MANY, &[silent.source.clone(), alice.node.source()]).await.unwrap(), bytes);
    assert!(start.elapsed() < Limits::default().stall_timeout / 2, "{:?}", start.elapsed());
    silent.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_cut_off_in_the_middle_is_resumed_where_it_stopped() {
    let bytes = content(5000);
    let id = BlobId::of(&bytes);
    let script = vec![
        Script::SayAndClose(found(&bytes)[..9 + 3000].to_vec()),
        Script::Say([head(0, 5000), bytes[3000..].to_vec()].concat()),
    ];
    let server = Scripted::spawn(9, script).await;
    let bob = honest(2).await;
    assert_eq!(bob.node.get(id, MANY, std::slice::from_ref(&server.source)).await.unwrap(), bytes);
    assert_eq!(server.requests.load(Ordering::SeqCst), 2);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_cuts_off_every_time_is_given_up() {
    let bytes = content(5000);
    let id = BlobId::of(&bytes);
    let server = Scripted::spawn(9, vec![Script::SayAndClose([head(0, 5000), vec![1; 10]].concat())]).await;
    let bob = honest(2).await;
    let error = bob.node.get(id, MANY, std::slice::from_ref(&server.source)).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::AllFailed { attempts, .. } if matches!(attempts[0].failure, PeerFailure::Unreachable(_))),
        "{error}"
    );
    assert!(server.requests.load(Ordering::SeqCst) <= 5);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_sources_are_asked_than_the_limit_says() {
    let server = Scripted::spawn(9, vec![Script::Say(head(2, 0))]).await;
    let limits = Limits { max_sources: 3, ..Limits::default() };
    let bob = honest_with(2, limits, Arc::new(RefusePuts), 1000).await;
    let sources = vec![server.source.clone(); 50];
    let error = bob.node.get(BlobId::of(b"x"), 10, &sources).await.unwrap_err();
    assert!(matches!(error, FetchError::AllFailed { attempts, .. } if attempts.len() == 3));
    assert_eq!(server.requests.load(Ordering::SeqCst), 3);
    server.close().await;
}
