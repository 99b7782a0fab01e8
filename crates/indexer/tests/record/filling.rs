//! However the record is filled, in one go, step by step, stopped, killed, twice at once: the same rows.

use std::{path::PathBuf, time::Duration};

use assay_indexer::{Index, Progress, Until};

use crate::{database::Database, http::Http, node::TestNode};

const LENGTH: u64 = 130;

crate::on_both!(
    ranges_and_single_blocks_give_the_same_rows,
    a_node_that_gives_little_at_once_is_read_in_small_ranges_and_whole_blocks,
    a_restart_goes_on_where_it_stopped,
    following_that_is_dropped_anywhere_loses_and_doubles_nothing,
    a_process_that_is_killed_anywhere_loses_and_doubles_nothing,
    a_rebuilt_record_is_the_same_row_for_row,
    a_rebuild_goes_over_to_another_network,
    two_indexers_of_one_database_share_the_work,
    a_rebuild_beside_a_follower_ends_with_the_same_rows,
    new_blocks_are_asked_for_where_there_is_no_websocket,
    new_blocks_are_followed_and_a_node_that_is_away_is_waited_for,
);

/// What a record of the node's blocks must hold, written to SQLite in one go.
async fn expected(node: &TestNode) -> Vec<String> {
    let database = Database::sqlite();
    let index = database.open().await;
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    index.close().await;
    let rows = database.dump().await;
    let count = |table: &str| rows.iter().filter(|row| row.starts_with(table)).count();
    assert_eq!(count("blocks "), node.held().blocks.len() - 1);
    for table in ["chain ", "classes ", "clearings ", "epochs ", "orders ", "order_fills ", "jobs "] {
        assert!(count(table) > 0, "the chain tests nothing of {table}");
    }
    rows
}

async fn ranges_and_single_blocks_give_the_same_rows(database: Database) {
    let node = TestNode::start(LENGTH).await;
    let index = database.open().await;
    for height in 1..=LENGTH {
        let at = index.follow(&node.client(), Until::Height(height)).await.expect("it follows");
        assert_eq!(at, Progress { height, head: LENGTH });
    }
    // Asked again, it has nothing to do.
    let before = node.held().asked.0;
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    assert_eq!(node.held().asked.0, before);
    assert_eq!(database.dump().await, expected(&node).await);
}

async fn a_node_that_gives_little_at_once_is_read_in_small_ranges_and_whole_blocks(database: Database) {
    let node = TestNode::start(LENGTH).await;
    let whole = expected(&node).await;
    assert_eq!(node.held().asked, (1, 0), "a short chain is one range");
    node.held().most = (16, 4);
    let index = database.open().await;
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    assert!(node.held().asked.1 > 0, "some blocks have more than four events");
    assert_eq!(database.dump().await, whole);
}

async fn a_restart_goes_on_where_it_stopped(database: Database) {
    let node = TestNode::start(LENGTH).await;
    for height in [1, 2, 37, 38, LENGTH] {
        let index = database.open().await;
        index.follow(&node.client(), Until::Height(height)).await.expect("it follows");
        assert_eq!(index.status().await.expect("it has one").height, height);
        index.close().await;
    }
    assert_eq!(database.dump().await, expected(&node).await);
}

async fn following_that_is_dropped_anywhere_loses_and_doubles_nothing(database: Database) {
    let node = TestNode::start(LENGTH).await;
    let client = node.client();
    let index = database.open().await;
    let mut dropped = 0_u64;
    // Each try a little longer than the one before, so that it ends at another await.
    while tokio::time::timeout(Duration::from_micros(500 + 700 * dropped), index.follow(&client, Until::Head))
        .await
        .is_err()
    {
        dropped += 1;
        assert!(dropped < 2_000, "it never gets done");
    }
    assert!(dropped >= 3, "dropped {dropped} times only");
    assert_eq!(database.dump().await, expected(&node).await);
}

/// The example program, which lies beside the tests.
fn program() -> PathBuf {
    let tests = std::env::current_exe().expect("a path");
    let profile = tests.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps");
    let program = profile.join("examples/index");
    assert!(program.exists(), "{} is missing: cargo build --examples with the same profile", program.display());
    program
}

async fn a_process_that_is_killed_anywhere_loses_and_doubles_nothing(database: Database) {
    const LONG: u64 = 400;
    let node = TestNode::start(LONG).await;
    let whole = expected(&node).await;
    let index = database.open().await;
    let (mut killed, mut seen) = (0_u64, Vec::new());
    loop {
        let mut command = tokio::process::Command::new(program());
        command.args([&node.url(), &database.url, "127.0.0.1:0"]).kill_on_drop(true);
        let mut process = command.stderr(std::process::Stdio::null()).spawn().expect("it starts");
        // Later each time, and at no round number.
        tokio::time::sleep(Duration::from_millis(25 + killed * 7)).await;
        process.kill().await.expect("it is killed");
        killed += 1;
        let height = index.status().await.expect("it has one").height;
        assert!(seen.last().is_none_or(|last| *last <= height), "blocks were lost: {seen:?}, then {height}");
        seen.push(height);
        if height == LONG {
            break;
        }
        assert!(killed < 300, "it never gets done: {seen:?}");
    }
    assert!(seen.iter().any(|height| (1..LONG).contains(height)), "it was never killed in the middle: {seen:?}");
    assert_eq!(database.dump().await, whole);
}

async fn a_rebuilt_record_is_the_same_row_for_row(database: Database) {
    let node = TestNode::start(LENGTH).await;
    let index = database.open().await;
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    let followed = database.dump().await;
    database.run("UPDATE epochs SET close = '1'; DELETE FROM jobs; DELETE FROM blocks WHERE height > 50").await;
    assert_ne!(database.dump().await, followed);
    let mut reports = Vec::new();
    // Small ranges, so that there is something to report.
    node.held().most = (20, 10_000);
    let at = index.rebuild(&node.client(), |at| reports.push(at.height)).await.expect("it rebuilds");
    assert_eq!(at, Progress { height: LENGTH, head: LENGTH });
    assert!(reports.len() > 3 && reports.is_sorted() && reports.last() == Some(&LENGTH), "{reports:?}");
    assert_eq!(database.dump().await, followed);
}

async fn a_rebuild_goes_over_to_another_network(database: Database) {
    let (old, other) = (alloy_primitives::B256::repeat_byte(1), alloy_primitives::B256::repeat_byte(2));
    let old = TestNode::of(old, crate::chain::chain(old, 40)).await;
    let other = TestNode::of(other, crate::chain::chain(other, 30)).await;
    let index = database.open().await;
    index.follow(&old.client(), Until::Head).await.expect("it follows");
    index.rebuild(&other.client(), |_| ()).await.expect("it rebuilds");
    assert_eq!(database.dump().await, expected(&other).await);
}

async fn two_indexers_of_one_database_share_the_work(database: Database) {
    let node = TestNode::start(LENGTH).await;
    node.held().most = (9, 10_000);
    // Opened at once too: both find an empty database to lay out.
    let (one, two) = tokio::join!(database.open(), database.open());
    let (client, other) = (node.client(), node.client());
    let (at_one, at_two) = tokio::join!(one.follow(&client, Until::Head), two.follow(&other, Until::Head));
    assert_eq!(at_one.expect("it follows").height, LENGTH);
    assert_eq!(at_two.expect("it follows").height, LENGTH);
    node.held().most = (100_000, 10_000);
    assert_eq!(database.dump().await, expected(&node).await);
}

async fn a_rebuild_beside_a_follower_ends_with_the_same_rows(database: Database) {
    let node = TestNode::start(LENGTH).await;
    let (one, two) = (database.open().await, database.open().await);
    one.follow(&node.client(), Until::Height(60)).await.expect("it follows");
    let (client, other) = (node.client(), node.client());
    let (followed, rebuilt) = tokio::join!(one.follow(&client, Until::Head), two.rebuild(&other, |_| ()));
    assert_eq!(followed.expect("it follows").height, LENGTH);
    assert_eq!(rebuilt.expect("it rebuilds").height, LENGTH);
    assert_eq!(database.dump().await, expected(&node).await);
}

async fn reaches(index: &Index, height: u64) {
    for _ in 0..600 {
        if index.status().await.expect("it has one").height == height {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("block {height} is not reached: {:?}", index.status().await);
}

async fn new_blocks_are_asked_for_where_there_is_no_websocket(database: Database) {
    let node = TestNode::without_websocket(10).await;
    let index = database.open().await;
    let client = node.client().polled(Duration::from_millis(20));
    let following = tokio::spawn({
        let index = index.clone();
        async move { index.follow(&client, Until::Height(40)).await }
    });
    for height in [10, 11, 30] {
        node.grow(height);
        reaches(&index, height).await;
    }
    assert!(!following.is_finished());
    node.grow(45);
    let at = following.await.expect("it ends").expect("it follows");
    assert_eq!((at.height, index.status().await.expect("it has one").height), (40, 40));
}

async fn new_blocks_are_followed_and_a_node_that_is_away_is_waited_for(database: Database) {
    let node = TestNode::start(10).await;
    let index = database.open().await;
    let following = tokio::spawn({
        let (index, client) = (index.clone(), node.client());
        async move { index.follow(&client, Until::Forever).await }
    });
    reaches(&index, 10).await;
    for height in [11, 12, 40] {
        node.grow(height);
        reaches(&index, height).await;
    }
    let http = Http::of(&index).await;
    let status = http.good("/v1/status").await;
    assert_eq!((&status["height"], &status["node_height"], &status["lag"]), (&40.into(), &40.into(), &0.into()));
    // The node stops and comes back at the same address, with blocks made meanwhile.
    let (url, genesis) = (node.url(), node.held().genesis);
    node.stop().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!following.is_finished(), "it gave up");
    let node = TestNode::at(url.trim_start_matches("http://"), genesis, crate::chain::chain(genesis, 60)).await;
    reaches(&index, 60).await;
    following.abort();
    assert_eq!(database.dump().await, expected(&node).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_postgresql_ends_are_made_anew() {
    let database = Database::postgres().await;
    let node = TestNode::start(10).await;
    let index = database.open().await;
    let following = tokio::spawn({
        let (index, client) = (index.clone(), node.client());
        async move { index.follow(&client, Until::Forever).await }
    });
    reaches(&index, 10).await;
    for height in [20, 30, LENGTH] {
        let others = "datname = current_database() AND pid <> pg_backend_pid()";
        database.run(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")).await;
        node.grow(height);
        // Asked through a connection of the case's own: those of the index may be broken.
        let mut rows = 0;
        for _ in 0..1_000 {
            rows = database.dump().await.iter().filter(|row| row.starts_with("blocks ")).count();
            if rows as u64 == height {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(rows as u64, height, "it does not go on");
        assert!(!following.is_finished(), "it gave up");
    }
    following.abort();
    assert_eq!(database.dump().await, expected(&node).await);
}
