//! Keeps the history at the chain's tip: replays what it missed, then follows.

use std::sync::Arc;

use assay_types::block::SharedBlock;
use futures::future::BoxFuture;
use tokio::sync::broadcast;

use super::{History, Index, IndexError};

/// Brings `history` from where the index stopped to the chain's newest block and keeps it there.
/// Ends when the chain's channel closes or the index fails.
///
/// `finalized` carries new blocks and must be subscribed to before `tip` is read; `replay` gives an
/// older finalized block, or none if the node no longer can. Blocks that nobody can give leave a hole,
/// and a warning says so. An empty index begins at `first`, the lowest block the node ever had.
pub async fn follow<'a>(
    history: Arc<History>,
    index: &Index,
    mut finalized: broadcast::Receiver<SharedBlock>,
    first: u64,
    tip: u64,
    replay: impl Fn(u64) -> BoxFuture<'a, Option<SharedBlock>>,
) -> Result<(), IndexError> {
    let mut next = index.heights()?.map_or(first, |(_, last)| last.saturating_add(1));
    next = catch_up(&history, next, tip, &replay).await;
    loop {
        if history.failure().borrow().is_some() {
            return Ok(());
        }
        match finalized.recv().await {
            Ok(block) if block.height < next => {}
            Ok(block) => {
                if block.height > next {
                    next = catch_up(&history, next, block.height.saturating_sub(1), &replay).await;
                }
                if block.height == next {
                    next = next.saturating_add(1);
                    history.publish(block).await;
                }
            }
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                tracing::debug!(missed, "the index lags and reads blocks back");
            }
            Err(broadcast::error::RecvError::Closed) => return Ok(()),
        }
    }
}

/// Publishes heights `next` to `to`; gives the height after the last.
async fn catch_up<'a>(
    history: &History,
    next: u64,
    to: u64,
    replay: &impl Fn(u64) -> BoxFuture<'a, Option<SharedBlock>>,
) -> u64 {
    let mut lost = 0u64;
    for height in next..=to {
        match replay(height).await {
            Some(block) => history.publish(block).await,
            None => lost = lost.saturating_add(1),
        }
    }
    if lost > 0 {
        tracing::warn!(lost, from = next, to, "finalized blocks cannot be read back and are missing from the index");
    }
    next.max(to.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::index::{IndexOptions, LogLimits, end_hash, tables::tests::block};
    use alloy_rpc_types_eth::Filter;
    use assay_types::B256;

    struct Rig {
        dir: tempfile::TempDir,
        chain: broadcast::Sender<SharedBlock>,
    }

    impl Rig {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().expect("temporary folder"), chain: broadcast::Sender::new(4) }
        }

        /// Runs the follower over `feed`, blocks sent as they come, with a chain that can replay
        /// heights from `oldest` on.
        async fn run(&self, tip: u64, feed: std::ops::Range<u64>, oldest: u64) -> (Arc<History>, Arc<Index>) {
            let index = Index::open(&self.dir.path().join("i.redb"), B256::ZERO, IndexOptions::default());
            let index = Arc::new(index.expect("opens"));
            let history = History::start(Arc::clone(&index)).expect("starts");
            let finalized = self.chain.subscribe();
            let replay = move |height| async move { (height >= oldest).then(|| block(height, 2)) }.boxed();
            let (shared, table) = (Arc::clone(&history), Arc::clone(&index));
            let task = tokio::spawn(async move { follow(shared, &table, finalized, 0, tip, replay).await });
            let mut seen = history.subscribe();
            for height in feed.clone() {
                self.chain.send(block(height, 2)).expect("followed");
            }
            while let Some(last) = feed.clone().last() {
                if seen.recv().await.is_ok_and(|block| block.height == last) {
                    break;
                }
            }
            task.abort();
            assert!(task.await.is_err_and(|error| error.is_cancelled()), "it follows until stopped");
            history.drain().await;
            (history, index)
        }
    }

    #[tokio::test]
    async fn a_restarted_follower_replays_what_it_missed_and_loses_nothing_when_it_lags() {
        let rig = Rig::new();
        // The channel holds 4, so a feed of 10 overruns the follower, who must read back.
        let (history, index) = rig.run(5, 6..16, 0).await;
        assert_eq!(index.heights().expect("reads"), Some((0, 15)));
        drop((history, index));
        let (history, index) = rig.run(40, 41..43, 0).await;
        assert_eq!(index.heights().expect("reads"), Some((0, 42)));
        for height in 0..43 {
            let known = block(height, 2);
            assert_eq!(history.block(height).expect("reads"), Some(Arc::clone(&known)));
            assert_eq!(history.block_by_hash(&known.hash).expect("reads"), Some(known));
        }
        assert_eq!(history.place_of(&end_hash(12)).expect("reads").map(|p| p.height), Some(12));
    }

    #[tokio::test]
    async fn blocks_nobody_can_give_leave_a_hole_and_nothing_else_is_lost() {
        let rig = Rig::new();
        let (history, index) = rig.run(0, 1..3, 0).await;
        drop((history, index));
        let (history, _index) = rig.run(8, 9..11, 6).await;
        assert_eq!(history.heights().expect("reads"), Some((0, 10)));
        let held = |height| history.block(height).expect("reads").is_some();
        assert_eq!((0..11).filter(|height| held(*height)).collect::<Vec<_>>(), [0, 1, 2, 6, 7, 8, 9, 10]);
    }

    #[tokio::test]
    async fn a_log_query_joins_disk_and_memory_in_order_without_doubles() {
        let rig = Rig::new();
        let (history, _index) = rig.run(60, 61..63, 0).await;
        let found = history.matching(&Filter::new(), 10, 62, &LogLimits::default()).expect("finds");
        assert_eq!(found.iter().map(|b| b.height).collect::<Vec<_>>(), (10..63).collect::<Vec<_>>());
        let limits = LogLimits { max_blocks: 10, ..LogLimits::default() };
        let long = history.matching(&Filter::new(), 10, 20, &limits);
        assert!(matches!(long, Err(IndexError::RangeTooLong { given: 11, limit: 10 })));
        let few = LogLimits { max_logs: 12, ..LogLimits::default() };
        let many = history.matching(&Filter::new(), 55, 62, &few);
        assert!(matches!(many, Err(IndexError::TooManyLogs { limit: 12, .. })), "bounds hold across both");
    }
}
