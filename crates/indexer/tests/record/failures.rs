//! What goes wrong is refused by a typed error that says what to do, and leaves the record as it was.

use alloy_primitives::{B256, Bytes, LogData};
use assay_indexer::{Index, IndexError, Node, NodeError, Until};
use assay_types::abi::{IJobs, IMarket};

use crate::{
    chain::{self, account, epoch, job_id, jobs, market},
    database::Database,
    node::TestNode,
};

crate::on_both!(
    a_node_of_another_network_is_refused,
    a_node_that_tells_another_history_is_refused,
    a_shorter_other_history_is_refused_and_a_node_that_is_behind_is_not,
    blocks_that_do_not_fit_together_are_refused,
    a_malformed_event_stops_the_record_before_its_block,
    events_that_contradict_earlier_ones_are_refused,
    logs_that_are_not_those_of_their_blocks_are_refused,
    a_node_that_pruned_blocks_is_refused_and_costs_no_record,
    a_layout_of_a_newer_version_is_left_alone,
    a_node_that_is_away_is_named,
);

/// Follows to the head, which must fail; the record must stay at this height.
async fn fails(index: &Index, node: &TestNode, height: u64) -> IndexError {
    let error = index.follow(&node.client(), Until::Head).await.expect_err("it must not follow");
    assert_eq!(index.status().await.expect("it has one").height, height, "{error}");
    error
}

async fn a_node_of_another_network_is_refused(database: Database) {
    let node = TestNode::start(20).await;
    let index = database.open().await;
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    let before = database.dump().await;
    let genesis = B256::repeat_byte(9);
    let other = TestNode::of(genesis, chain::chain(genesis, 30)).await;
    let error = fails(&index, &other, 20).await;
    assert!(
        matches!(error, IndexError::WrongGenesis { stored, given } if stored == B256::repeat_byte(7) && given == genesis)
    );
    assert!(error.to_string().contains("database of its own"), "{error}");
    assert_eq!(database.dump().await, before);
}

/// Another history from a height on.
fn forked(node: &TestNode, from: usize, length: u64) {
    let mut held = node.held();
    held.blocks.truncate(from);
    let end = vec![market(&IMarket::OrderFilled { id: 999, price: 1, quantity: 1, left: 0 })];
    while held.blocks.len() as u64 <= length {
        let next = chain::block(held.blocks.last().expect("one"), Vec::new(), end.clone());
        held.blocks.push(next);
    }
}

async fn a_node_that_tells_another_history_is_refused(database: Database) {
    let node = TestNode::start(20).await;
    let index = database.open().await;
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    let before = database.dump().await;
    forked(&node, 15, 40);
    let theirs = node.held().blocks[20].hash;
    let error = fails(&index, &node, 20).await;
    assert!(matches!(error, IndexError::OtherBlock { height: 20, given, .. } if given == theirs), "{error}");
    assert!(error.to_string().contains("ask another node"), "{error}");
    assert_eq!(database.dump().await, before);
}

async fn a_shorter_other_history_is_refused_and_a_node_that_is_behind_is_not(database: Database) {
    let node = TestNode::start(20).await;
    let index = database.open().await;
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    let behind = TestNode::start(12).await;
    let at = index.follow(&behind.client(), Until::Head).await.expect("it is only behind");
    assert_eq!((at.height, at.head), (20, 12));
    forked(&behind, 10, 12);
    assert!(matches!(fails(&index, &behind, 20).await, IndexError::OtherBlock { height: 12, .. }));
}

async fn blocks_that_do_not_fit_together_are_refused(database: Database) {
    let node = TestNode::start(20).await;
    node.held().blocks[15].parent_hash = B256::repeat_byte(0xee);
    let index = database.open().await;
    let error = fails(&index, &node, 14).await;
    assert!(
        matches!(error, IndexError::BrokenChain { height: 15, given, .. } if given == B256::repeat_byte(0xee)),
        "{error}"
    );
    assert!(error.to_string().contains("block 14"), "{error}");
}

async fn a_malformed_event_stops_the_record_before_its_block(database: Database) {
    let node = TestNode::start(20).await;
    let good = market(&epoch(1, 77, 5));
    let mut short = market(&epoch(1, 78, 5));
    let data = Bytes::from(short.data.data[..100].to_vec());
    short.data = LogData::new_unchecked(short.data.topics().to_vec(), data);
    node.push(vec![good, short]);
    let index = database.open().await;
    let error = fails(&index, &node, 20).await;
    assert!(
        matches!(error, IndexError::MalformedLog { height: 21, log_index: 1, event: "EpochClosed", .. }),
        "{error}"
    );
    assert!(error.to_string().contains("update assay"), "{error}");
    assert!(!database.dump().await.iter().any(|row| row.starts_with("epochs 1 77")), "half a block was stored");
}

async fn events_that_contradict_earlier_ones_are_refused(database: Database) {
    let placed = |id, side| IMarket::OrderPlaced {
        id,
        owner: account(1),
        class: 1,
        window: 0,
        side,
        price: 1,
        quantity: 1,
        minFill: 0,
        expires: 1,
    };
    let submitted = IJobs::JobSubmitted { job: job_id(3), renter: account(1), tasks: 1, lots: 1, escrow: 1 };
    let unknown = IJobs::JobClosed { job: job_id(500), outcome: 1, cause: 0, paid: 0, refunded: 0 };
    let settled = |job, paid| jobs(&IJobs::LotSettled { job, lot: 0, fuel: 1, paid });
    let index = database.open().await;
    let node = TestNode::start(20).await;
    let cases = [
        (vec![market(&placed(1, 0))], "placed before"),
        (vec![market(&placed(900, 2))], "neither bid nor ask"),
        (vec![market(&placed(1 << 53, 0))], "below 2^53"),
        (vec![market(&epoch(1, 1, 1))], "closed before"),
        (vec![jobs(&submitted)], "submitted before"),
        (vec![jobs(&unknown)], "never submitted"),
        (vec![settled(job_id(500), 1)], "never submitted"),
        (vec![settled(job_id(3), u128::MAX)], "out of range"),
    ];
    for (end, words) in cases {
        node.push(end);
        let error = fails(&index, &node, 20).await;
        assert!(matches!(error, IndexError::MalformedLog { height: 21, log_index: 0, .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        node.held().blocks.pop();
    }
    // The greatest numbers that fit are no contradiction.
    node.push(vec![market(&placed((1 << 53) - 1, 1))]);
    index.follow(&node.client(), Until::Head).await.expect("it follows");
}

async fn logs_that_are_not_those_of_their_blocks_are_refused(database: Database) {
    let index = database.open().await;
    let node = TestNode::start(20).await;
    let tampers: [fn(&mut Vec<alloy_rpc_types_eth::Log>); 6] = [
        |logs| logs[0].block_hash = Some(B256::ZERO),
        |logs| logs[0].block_number = None,
        |logs| logs[0].removed = true,
        |logs| logs[0].log_index = None,
        |logs| logs.reverse(),
        |logs| logs[0].block_number = Some(1_000),
    ];
    for tamper in tampers {
        node.held().tamper = tamper;
        let error = fails(&index, &node, 0).await;
        let IndexError::Node(NodeError::Malformed { method, .. }) = &error else { panic!("{error}") };
        assert_eq!(*method, "eth_getLogs");
    }
    node.held().tamper = |_| ();
    index.follow(&node.client(), Until::Head).await.expect("it follows");
}

async fn a_node_that_pruned_blocks_is_refused_and_costs_no_record(database: Database) {
    let node = TestNode::start(20).await;
    let index = database.open().await;
    index.follow(&node.client(), Until::Height(8)).await.expect("it follows");
    let before = database.dump().await;
    node.held().pruned = 15;
    assert!(matches!(fails(&index, &node, 8).await, IndexError::MissingBlock { height: 8 }));
    let error = index.rebuild(&node.client(), |_| ()).await.expect_err("it cannot");
    assert!(matches!(error, IndexError::MissingBlock { height: 1 }), "{error}");
    assert!(error.to_string().contains("keeps all blocks"), "{error}");
    assert_eq!(database.dump().await, before);
}

async fn a_layout_of_a_newer_version_is_left_alone(database: Database) {
    let index = database.open().await;
    index.close().await;
    database.run("INSERT INTO layout (version) VALUES (2)").await;
    let error = Index::open(&database.url).await.expect_err("it is newer");
    assert!(matches!(error, IndexError::Schema { found: 2, known: 1 }), "{error}");
    assert!(error.to_string().contains("update assay"), "{error}");
    database.run("DELETE FROM layout WHERE version = 2").await;
    Index::open(&database.url).await.expect("it is as before");
}

async fn a_node_that_is_away_is_named(database: Database) {
    let node = TestNode::start(3).await;
    let (url, index) = (node.url(), database.open().await);
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    let before = database.dump().await;
    node.stop().await;
    let client = Node::new(&url).expect("an address");
    for error in [
        index.follow(&client, Until::Head).await.expect_err("nobody is there"),
        index.rebuild(&client, |_| ()).await.expect_err("nobody is there"),
    ] {
        assert!(error.is_transient());
        assert!(matches!(&error, IndexError::Node(NodeError::Unreachable { url: named, .. }) if *named == url));
        assert!(error.to_string().contains("is it running"), "{error}");
    }
    assert_eq!(database.dump().await, before);
    assert!(Node::new("not an address").is_err());
}

#[tokio::test]
async fn a_database_that_is_away_is_named_without_its_password() {
    let url = "postgres://me:secret@127.0.0.1:1/prices";
    let error = Index::open(url).await.expect_err("nobody is there");
    assert!(matches!(&error, IndexError::Open { url, .. } if url == "postgres://me@127.0.0.1:1/prices"), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "not a database at all, but long enough to look into. ".repeat(20)).expect("it is written");
    let error = Index::open(&format!("sqlite:{}", path.display())).await.expect_err("it is none");
    assert!(error.to_string().contains("not a database"), "{error}");
}
