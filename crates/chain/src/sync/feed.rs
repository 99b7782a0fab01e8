//! Feeds a follower's marshal: hears of new tips, fetches and proves blocks in batches, reports their
//! certificates, and answers what marshal misses.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use assay_types::node::Certificate;
use bytes::Bytes;
use commonware_consensus::{Reporter as _, marshal::resolver::handler::Key, simplex::types::Activity};
use commonware_cryptography::sha256::Digest;
use commonware_resolver::opaque::Fetcher;
use commonware_runtime::Clock;

use super::{
    cache::Cache,
    trust::{Proven, Sitting, block_of, decode_header},
};
use crate::{
    block::to_b256,
    consensus::{core::Core, serve::Marshal},
    upstream::{BlockRecord, Fault, MAX_BLOCKS, NoUpstream, Pool},
};

/// What the feed and marshal's resolver share.
pub(crate) struct Feed {
    pub(crate) core: Arc<Core>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) cache: Cache,
}

/// Pause after a round in which no upstream gave anything, longer by as much each time in a row.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Rounds in a row that failed before it is worth a warning, and before the next.
const TROUBLE: u32 = 5;
/// How often the node is looked at while it executes a batch.
const LOOK: Duration = Duration::from_millis(5);
/// Looks without progress after which a batch is reported again.
const PATIENCE: u32 = 2_000;

impl Feed {
    /// The committee of `epoch`, once this node's state names it.
    fn sitting(&self, epoch: u64) -> Option<Sitting> {
        let (_, state) = self.core.tip()?;
        let (_, scheme) = self.core.sitting(epoch, &state)?;
        Some(Sitting { epoch, scheme, seed: self.core.genesis.hash().0 })
    }

    /// A tip's height. Its certificate is checked where the committee of its epoch is known; one of a
    /// later epoch is a hint, which the blocks on the way there will prove or not.
    fn check_tip(&self, certificate: &Certificate) -> Result<u64, Fault> {
        let header = decode_header(certificate)?;
        if let Some(sitting) = self.sitting(header.context.round.epoch().get()) {
            sitting.tip(certificate)?;
        }
        Ok(header.height)
    }

    fn check_blocks(&self, from: u64, records: Vec<BlockRecord>) -> Result<Vec<Proven>, Fault> {
        let epoch = self.core.epoch_of(from);
        let sitting = self.sitting(epoch);
        sitting
            .ok_or_else(|| Fault::lacks(format!("the committee of epoch {epoch} is not known yet")))?
            .blocks(from, records)
    }

    fn own(&self) -> u64 {
        self.core.tip().map_or(0, |(tip, _)| tip.height)
    }

    /// Keeps the node at the upstreams' tip. Never ends.
    pub(crate) async fn run<E: Clock>(self: Arc<Self>, clock: E, mut marshal: Marshal) {
        let mut failures = 0u32;
        loop {
            let outcome = match self.tip().await {
                Ok(Some(tip)) => self.catch_up(&clock, &mut marshal, tip).await,
                Ok(None) => Ok(()),
                Err(none) => Err(none),
            };
            let Err(none) = outcome else {
                failures = 0;
                continue;
            };
            failures = failures.saturating_add(1);
            // At the tip an upstream may not hold yet what it has told of: only what lasts is trouble.
            if failures.is_multiple_of(TROUBLE) {
                tracing::warn!(%none, failures, height = self.own(), "cannot follow the chain");
            } else {
                tracing::debug!(%none, failures, height = self.own(), "will be asked again");
            }
            clock.sleep(PAUSE.saturating_mul(failures).min(MAX_PAUSE)).await;
        }
    }

    /// The height of a tip above this node's. The first upstream is asked; if it has nothing new, all
    /// are, since one that withholds cannot be told from a chain at rest.
    async fn tip(&self) -> Result<Option<u64>, NoUpstream> {
        let own = self.own();
        let check = |certificate: Certificate| self.check_tip(&certificate);
        let mut best = self.pool.ask(|upstream| upstream.tip(own), check).await?;
        if best <= own {
            let all = self.pool.ask_all(|upstream| upstream.tip(own), check).await?;
            best = all.into_iter().max().unwrap_or(0);
        }
        if best > own {
            self.core.network_height.fetch_max(best, Ordering::Relaxed);
        }
        Ok(Some(best).filter(|best| *best > own))
    }

    async fn catch_up<E: Clock>(&self, clock: &E, marshal: &mut Marshal, tip: u64) -> Result<(), NoUpstream> {
        loop {
            let own = self.own();
            self.cache.forget(own);
            let from = own.saturating_add(1);
            // A batch ends with its epoch: the next committee is in the state after it.
            let length = self.core.epoch_blocks();
            let left = length.saturating_sub(from.checked_rem(length).unwrap_or(0));
            let count = tip.saturating_sub(own).min(MAX_BLOCKS).min(left);
            if count == 0 {
                return Ok(());
            }
            let batch = self
                .pool
                .ask(|upstream| upstream.blocks(from, count), |records| self.check_blocks(from, records))
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
                    let proven = feed.check_blocks(height, records)?;
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
