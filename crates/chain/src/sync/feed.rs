//! Feeds a follower's marshal: hears of new tips, fetches and proves blocks in batches, reports their
//! certificates, and answers what marshal misses.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use commonware_consensus::{Reporter as _, marshal::resolver::handler::Key, simplex::types::Activity};
use commonware_cryptography::sha256::Digest;
use commonware_resolver::opaque::Fetcher;
use commonware_runtime::Clock;

use super::{
    cache::Cache,
    trust::{Tip, Trust, block_of},
};
use crate::{
    block::to_b256,
    consensus::{core::Core, serve::Marshal},
    upstream::{Fault, MAX_BLOCKS, NoUpstream, Pool},
};

/// What the feed and marshal's resolver share.
pub(crate) struct Feed {
    pub(crate) core: Arc<Core>,
    pub(crate) trust: Trust,
    pub(crate) pool: Arc<Pool>,
    pub(crate) cache: Cache,
}

/// Pause after a round in which no upstream gave anything.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the node is looked at while it executes a batch.
const LOOK: Duration = Duration::from_millis(5);
/// Looks without progress after which a batch is reported again.
const PATIENCE: u32 = 2_000;

impl Feed {
    fn own(&self) -> u64 {
        self.core.tip().map_or(0, |(tip, _)| tip.height)
    }

    /// Keeps the node at the upstreams' tip. Never ends.
    pub(crate) async fn run<E: Clock>(self: Arc<Self>, clock: E, mut marshal: Marshal) {
        loop {
            let outcome = match self.tip().await {
                Ok(Some(tip)) => self.catch_up(&clock, &mut marshal, &tip).await,
                Ok(None) => Ok(()),
                Err(none) => Err(none),
            };
            if let Err(none) = outcome {
                tracing::warn!(%none, height = self.own(), "cannot follow the chain");
                clock.sleep(PAUSE).await;
            }
        }
    }

    /// A tip above this node's. The first upstream is asked; if it has nothing new, all are, since one
    /// that withholds cannot be told from a chain at rest.
    async fn tip(&self) -> Result<Option<Tip>, NoUpstream> {
        let own = self.own();
        let first = self.pool.ask(|upstream| upstream.tip(own), |certificate| self.trust.tip(&certificate)).await?;
        let best = if first.header.height > own {
            Some(first)
        } else {
            let all =
                self.pool.ask_all(|upstream| upstream.tip(own), |certificate| self.trust.tip(&certificate)).await?;
            all.into_iter().max_by_key(|tip| tip.header.height)
        };
        let best = best.filter(|tip| tip.header.height > own);
        if let Some(tip) = &best {
            self.core.network_height.fetch_max(tip.header.height, Ordering::Relaxed);
        }
        Ok(best)
    }

    async fn catch_up<E: Clock>(&self, clock: &E, marshal: &mut Marshal, tip: &Tip) -> Result<(), NoUpstream> {
        loop {
            let own = self.own();
            self.cache.forget(own);
            let count = tip.header.height.saturating_sub(own).min(MAX_BLOCKS);
            if count == 0 {
                return Ok(());
            }
            let from = own.saturating_add(1);
            let batch = self
                .pool
                .ask(|upstream| upstream.blocks(from, count), |records| self.trust.blocks(from, records))
                .await?;
            self.cache.insert(&batch);
            let Some(last) = batch.last() else { return Ok(()) };
            let height = last.block.header.height;
            for finalization in batch.iter().filter_map(|block| block.finalization.clone()) {
                // From the lowest: each block is there when the next is reported.
                let _ = marshal.report(Activity::Finalization(finalization));
            }
            let (mut before, mut looks) = (own, 0);
            while self.own() < height && looks < PATIENCE {
                clock.sleep(LOOK).await;
                looks = if self.own() > before { 0 } else { looks + 1 };
                before = self.own();
            }
        }
    }
}

/// Answers marshal from the cache, or from an upstream.
#[derive(Clone)]
pub(crate) struct Answers(pub(crate) Arc<Feed>);

impl Fetcher for Answers {
    type Key = Key<Digest>;
    type Value = Bytes;

    async fn fetch(&self, key: Self::Key) -> Option<Bytes> {
        let feed = &self.0;
        match key {
            Key::Block(digest) => {
                if let Some(block) = feed.cache.block(&digest) {
                    return Some(block);
                }
                let hash = to_b256(&digest);
                let found = feed
                    .pool
                    .ask(|upstream| upstream.block(hash), |record| block_of(&record, &digest).map(|_| record.block.0));
                found.await.ok()
            }
            Key::Finalized { height } => {
                let height = height.get();
                if let Some(held) = feed.cache.certified(height) {
                    return held;
                }
                let check = |records| {
                    let proven = feed.trust.blocks(height, records)?;
                    proven.into_iter().next().ok_or_else(|| Fault::lacks("no block"))
                };
                let proven = feed.pool.ask(|upstream| upstream.blocks(height, 1), check).await.ok()?;
                feed.cache.insert(std::slice::from_ref(&proven));
                feed.cache.certified(height).flatten()
            }
            // Only voters ask for what is notarized.
            Key::Notarized { .. } => None,
        }
    }
}
