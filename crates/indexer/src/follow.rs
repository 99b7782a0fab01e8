//! Following a node: catching up in ranges of blocks, then block by block as they become final.

use std::{sync::atomic::Ordering, time::Duration};

use assay_types::B256;

use crate::{
    db::Index,
    error::IndexError,
    node::{Block, Fetched, Node, NodeError, Waiting},
    store::{Put, Tip},
};

/// Blocks asked for at first and at most at once.
const RANGE_FIRST: u64 = 256;
const RANGE_MAX: u64 = 2_000;

/// How far to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// To the newest block the node has when it is reached.
    Head,
    /// To this height, waiting for it.
    Height(u64),
    /// For ever: a node or database that is away for a while is waited for.
    Forever,
}

/// How far it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Newest height stored.
    pub height: u64,
    /// The node's newest height.
    pub head: u64,
}

impl Index {
    /// Follows a node. May be dropped at any await: what is stored stays whole.
    ///
    /// Returns where it stands once `until` is reached.
    pub async fn follow(&self, node: &Node, until: Until) -> Result<Progress, IndexError> {
        self.follow_reporting(node, until, |_| ()).await
    }

    /// The same, and says how far it got after each range.
    pub async fn follow_reporting(
        &self,
        node: &Node,
        until: Until,
        mut report: impl FnMut(Progress),
    ) -> Result<Progress, IndexError> {
        const LONGEST: Duration = Duration::from_secs(30);
        let mut waiting = Waiting::new(node);
        let mut backoff = Duration::from_secs(1);
        loop {
            let at = match self.catch_up(node, until, &mut report).await {
                Ok(at) => at,
                Err(error) if until == Until::Forever && error.is_transient() => {
                    tracing::warn!(%error, "the index waits and tries again");
                    tokio::time::sleep(backoff).await;
                    backoff = backoff.saturating_mul(2).min(LONGEST);
                    continue;
                }
                Err(error) => return Err(error),
            };
            backoff = Duration::from_secs(1);
            match until {
                Until::Head => return Ok(at),
                Until::Height(height) if at.height >= height => return Ok(at),
                Until::Height(_) | Until::Forever => waiting.wait().await,
            }
        }
    }

    /// Empties the record and fills it from block 1 to the node's newest block, with the same rows.
    ///
    /// Stopped in the middle it leaves the blocks written so far, and following goes on from there.
    pub async fn rebuild(&self, node: &Node, report: impl FnMut(Progress)) -> Result<Progress, IndexError> {
        // A node that is away should not cost the record that is there.
        let status = node.status().await?;
        if status.height > 0 && node.hash(1).await?.is_none() {
            return Err(IndexError::MissingBlock { height: 1 });
        }
        self.clear(&status).await?;
        self.follow_reporting(node, Until::Head, report).await
    }

    /// To the node's newest block as it is now, or the wanted height.
    async fn catch_up(
        &self,
        node: &Node,
        until: Until,
        report: &mut impl FnMut(Progress),
    ) -> Result<Progress, IndexError> {
        let status = node.status().await?;
        self.claim(&status).await?;
        self.node_height.store(status.height, Ordering::Relaxed);
        // A node serves a block the moment after it says to have it.
        let head = node.newest().await?.min(status.height);
        let wanted = match until {
            Until::Height(height) => head.min(height),
            Until::Head | Until::Forever => head,
        };
        let mut tip = self.tip().await?;
        self.same_history(node, head, tip).await?;
        let mut range = RANGE_FIRST;
        let height = |tip: Option<Tip>| tip.map_or(0, |tip| tip.height);
        while height(tip) < wanted {
            let from = height(tip).saturating_add(1);
            let to = from.saturating_add(range).saturating_sub(1).min(wanted);
            let blocks = match fetch(node, from, to).await {
                Ok(blocks) => blocks,
                Err(IndexError::Node(error @ NodeError::Refused { .. })) if from < to => {
                    range = to.saturating_sub(from).div_ceil(2).max(1);
                    tracing::debug!(%error, range, "the node gave no answer for a range: asking for less");
                    continue;
                }
                Err(error) => return Err(error),
            };
            range = range.saturating_mul(2).min(RANGE_MAX);
            if !self.put_all(status.genesis_hash, &blocks).await? {
                tracing::info!("somebody else emptied the record: starting from its end");
                self.claim(&status).await?;
            }
            tip = self.tip().await?;
            report(Progress { height: height(tip), head: status.height });
        }
        Ok(Progress { height: height(tip), head: status.height })
    }

    /// Whether all are stored now; not so if the record has lost what comes before them.
    async fn put_all(&self, network: B256, blocks: &[Block]) -> Result<bool, IndexError> {
        for block in blocks {
            match self.put(network, block).await? {
                Put::Stored | Put::Present => {}
                Put::Early => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Compares the newest block that both have. Older ones are under its hash.
    async fn same_history(&self, node: &Node, head: u64, tip: Option<Tip>) -> Result<(), IndexError> {
        let Some(height) = tip.map(|tip| tip.height.min(head)).filter(|height| *height > 0) else { return Ok(()) };
        let stored = self.stored_hash(height).await?;
        match (stored, node.hash(height).await?) {
            (Some(stored), Some(given)) if stored != given => Err(IndexError::OtherBlock { height, stored, given }),
            (_, None) => Err(IndexError::MissingBlock { height }),
            _ => Ok(()),
        }
    }
}

async fn fetch(node: &Node, from: u64, to: u64) -> Result<Vec<Block>, IndexError> {
    match node.blocks(from, to).await {
        Ok(Fetched::Blocks(blocks)) => Ok(blocks),
        Ok(Fetched::Missing(height)) => Err(IndexError::MissingBlock { height }),
        // A single block that is too much for a query is read whole.
        Err(NodeError::Refused { .. }) if from == to => {
            node.whole(from).await?.map(|block| vec![block]).ok_or(IndexError::MissingBlock { height: from })
        }
        Err(error) => Err(error.into()),
    }
}
