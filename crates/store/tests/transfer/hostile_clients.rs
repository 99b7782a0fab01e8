//! Peers that ask for too much, or speak nonsense.

use std::{sync::Arc, time::Duration};

use assay_store::{
    BlobId, Blobs, PeerFailure,
    transfer::{ExpectedBlobs, Limits, RefusePuts},
};
use iroh::endpoint::{Connection, ConnectionError};
use tokio::time::timeout;

use crate::support::*;

async fn raw_put(connection: &Connection, id: BlobId, announced: u64, sent: &[u8]) -> Option<Vec<u8>> {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&request(3, id, announced, 0)).await.unwrap();
    let mut answer = [0; 9];
    recv.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, head(1, 0).as_slice(), "told to continue");
    // A receiver that has heard enough may stop listening before all is written.
    let _stopped = send.write_all(sent).await;
    let _stopped = send.finish();
    recv.read_to_end(100).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_blob_can_be_asked_for() {
    let alice = honest(1).await;
    let bytes = content(2 << 20);
    let id = alice.node.put(bytes.clone().into()).await.unwrap();
    let client = raw_endpoint(8).await;
    let connection = dial(&client, &alice.node).await;
    let size = bytes.len() as u64;
    for (offset, most, expected) in [
        (0, 10, &bytes[..10]),
        (2_000_000, 5, &bytes[2_000_000..2_000_005]),
        (size - 3, u64::MAX, &bytes[bytes.len() - 3..]),
        (size, u64::MAX, &[]),
        (7, 0, &[]),
    ] {
        let answer = exchange(&connection, &request(1, id, offset, most)).await.unwrap();
        assert_eq!(answer[..9], head(0, size));
        assert_eq!(&answer[9..], expected);
    }
    assert_eq!(exchange(&connection, &request(1, id, size + 1, 1)).await, None);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_cut_off_and_the_connection_still_serves_sense() {
    let alice = honest(1).await;
    let id = alice.node.put(b"content".to_vec().into()).await.unwrap();
    let client = raw_endpoint(8).await;
    let connection = dial(&client, &alice.node).await;
    for nonsense in [
        vec![],
        vec![1; 10],
        request(0, id, 0, 0),
        request(4, id, 0, 0),
        request(2, id, 1, 0),
        request(3, id, 1, 1),
        vec![255; 49],
        b"GET / HTTP/1.1\r\nhost: a-rather-long-name-to-fill-it\r\n".to_vec(),
    ] {
        assert_eq!(exchange(&connection, &nonsense).await, None, "{nonsense:?}");
    }
    let answer = exchange(&connection, &request(1, id, 0, u64::MAX)).await;
    assert_eq!(answer, Some(found(b"content")));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_comes_is_not_waited_for() {
    let alice = honest_with(1, impatient(), Arc::new(RefusePuts), MANY).await;
    let client = raw_endpoint(8).await;
    let connection = dial(&client, &alice.node).await;
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&[1; 20]).await.unwrap();
    let end = timeout(Duration::from_secs(5), recv.read_to_end(10)).await;
    assert!(end.expect("cut off in time").is_err());
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_must_be_what_was_announced() {
    let expected = Arc::new(ExpectedBlobs::default());
    let alice = honest_with(1, Limits::default(), expected.clone(), MANY).await;
    let client = raw_endpoint(8).await;
    let connection = dial(&client, &alice.node).await;
    let bytes = content(3000);
    let id = BlobId::of(&bytes);
    expected.expect(id, 3000, [1; 32]);

    assert_eq!(raw_put(&connection, id, 3000, &content(3001)[..3000]).await, Some(head(6, 0)), "another hash");
    assert_eq!(raw_put(&connection, id, 2999, &bytes[..2999]).await, Some(head(6, 0)), "cut short by the announcement");
    assert_eq!(raw_put(&connection, id, 3000, &bytes[..1000]).await, None, "ends early");
    let usage = alice.node.store().usage();
    assert_eq!((usage.blobs, usage.reserved_bytes), (0, 0));
    assert_eq!(std::fs::read_dir(alice.dir.path().join("partial")).unwrap().count(), 0);

    assert_eq!(raw_put(&connection, id, 3000, &bytes).await, Some(head(0, 3000)));
    assert_eq!(alice.node.store().get(&id).unwrap().unwrap(), bytes);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_stalls_gives_its_room_back() {
    let expected = Arc::new(ExpectedBlobs::default());
    let alice = honest_with(1, impatient(), expected.clone(), 5000).await;
    let client = raw_endpoint(8).await;
    let connection = dial(&client, &alice.node).await;
    let bytes = content(5000);
    let id = BlobId::of(&bytes);
    expected.expect(id, 5000, [1; 32]);
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&request(3, id, 5000, 0)).await.unwrap();
    recv.read_exact(&mut [0; 9]).await.unwrap();
    send.write_all(&bytes[..100]).await.unwrap();
    assert_eq!(alice.node.store().usage().reserved_bytes, 5000);
    assert!(recv.read_to_end(10).await.is_err());
    let bob = honest(2).await;
    assert_eq!(bob.node.push(&alice.node.source(), bytes.into()).await, Ok(id));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_peer_cannot_take_all_connections_nor_all_peers_more_than_there_are() {
    let limits = Limits { max_connections: 3, max_connections_per_peer: 2, ..Limits::default() };
    let alice = honest_with(1, limits, Arc::new(RefusePuts), MANY).await;
    let id = alice.node.put(b"content".to_vec().into()).await.unwrap();
    let ask = request(2, id, 0, 0);
    let (greedy, second, late) = (
        raw_endpoint(8).await,
        raw_endpoint(9).await,
        honest_with(10, quick_to_connect(), Arc::new(RefusePuts), MANY).await,
    );
    let mut kept = Vec::new();
    for _ in 0..2 {
        let connection = dial(&greedy, &alice.node).await;
        assert_eq!(exchange(&connection, &ask).await, Some(head(0, 7)));
        kept.push(connection);
    }
    let third = dial(&greedy, &alice.node).await;
    let closed = timeout(Duration::from_secs(5), third.closed()).await.unwrap();
    assert!(matches!(closed, ConnectionError::ApplicationClosed(close) if close.error_code == 1u32.into()));

    let connection = dial(&second, &alice.node).await;
    assert_eq!(exchange(&connection, &ask).await, Some(head(0, 7)));
    let refused = late.node.has(&alice.node.source(), id).await.unwrap_err();
    assert!(matches!(refused.failure, PeerFailure::Unreachable(_) | PeerFailure::Busy), "{refused}");

    kept.pop().unwrap().close(0u32.into(), b"");
    while late.node.has(&alice.node.source(), id).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    greedy.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_transfers_than_a_node_serves_are_told_to_come_back() {
    let expected = Arc::new(ExpectedBlobs::default());
    let limits = Limits { max_transfers: 1, queue_timeout: Duration::from_millis(100), ..Limits::default() };
    let alice = honest_with(1, limits, expected.clone(), MANY).await;
    let stored = alice.node.put(b"content".to_vec().into()).await.unwrap();
    let client = raw_endpoint(8).await;
    let connection = dial(&client, &alice.node).await;
    let coming = BlobId::of(b"coming");
    expected.expect(coming, 6, [1; 32]);
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&request(3, coming, 6, 0)).await.unwrap();
    recv.read_exact(&mut [0; 9]).await.unwrap();

    let get = request(1, stored, 0, u64::MAX);
    assert_eq!(exchange(&connection, &get).await, Some(head(3, 0)), "busy");
    assert_eq!(exchange(&connection, &request(2, stored, 0, 0)).await, Some(head(0, 7)), "but knows what it has");
    let bob = honest(2).await;
    let (node, source) = (bob.node.clone(), alice.node.source());
    let patient = tokio::spawn(async move { node.get(stored, 10, &[source]).await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    send.write_all(b"coming").await.unwrap();
    send.finish().unwrap();
    assert_eq!(patient.await.unwrap().unwrap(), b"content".as_slice(), "an honest peer comes back by itself");
    assert_eq!(recv.read_to_end(10).await.unwrap(), head(0, 6));
    assert_eq!(exchange(&connection, &get).await, Some(found(b"content")));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_asking_again_just_works() {
    let limits = Limits { idle_timeout: Duration::from_millis(200), ..Limits::default() };
    let alice = honest_with(1, limits, Arc::new(RefusePuts), MANY).await;
    let id = alice.node.put(b"content".to_vec().into()).await.unwrap();
    let client = raw_endpoint(8).await;
    let connection = dial(&client, &alice.node).await;
    exchange(&connection, &request(2, id, 0, 0)).await.unwrap();
    timeout(Duration::from_secs(5), connection.closed()).await.expect("closed when idle");
    client.close().await;

    let bob = honest(2).await;
    assert!(bob.node.has(&alice.node.source(), id).await.unwrap());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(bob.node.has(&alice.node.source(), id).await.unwrap());
}
