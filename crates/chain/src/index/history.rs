//! The past as readers see it: the newest blocks in memory, the rest on disk.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    thread::JoinHandle,
};

use alloy_rpc_types_eth::Filter;
use assay_types::{B256, block::SharedBlock};
use parking_lot::RwLock;
use tokio::sync::{broadcast, mpsc, watch};

use super::{
    logs::{LogLimits, TxPlace},
    tables::{Index, IndexError, LogBudget, hashes},
};

/// Blocks that may wait for the disk before the follower waits too.
const BACKLOG: usize = 256;

/// Blocks written at once.
const BATCH: usize = 64;

/// Blocks kept in memory after they are on disk, since most questions are about the newest.
const RECENT: usize = 32;

/// Blocks a subscriber may lag behind.
const SUBSCRIBER_BACKLOG: usize = 128;

/// Blocks by height and hash, transactions by hash, logs by filter; new blocks to subscribers.
#[derive(Debug)]
pub struct History {
    index: Arc<Index>,
    recent: Arc<RwLock<Recent>>,
    /// None only while being dropped.
    writer: Option<mpsc::Sender<SharedBlock>>,
    thread: Option<JoinHandle<()>>,
    published: broadcast::Sender<SharedBlock>,
    failure: watch::Receiver<Option<String>>,
}

#[derive(Debug, Default)]
struct Recent {
    blocks: BTreeMap<u64, SharedBlock>,
    heights: HashMap<B256, u64>,
    places: HashMap<B256, TxPlace>,
    /// Heights on disk that are still in memory, oldest first.
    written: VecDeque<u64>,
}

impl History {
    /// Starts the thread that writes blocks to the index. Dropping the history waits until all is
    /// written, so that the file can be opened again at once.
    pub fn start(index: Arc<Index>) -> std::io::Result<Arc<Self>> {
        let (writer, queue) = mpsc::channel(BACKLOG);
        let (fail, failure) = watch::channel(None);
        let recent = Arc::<RwLock<Recent>>::default();
        let (table, memory) = (Arc::clone(&index), Arc::clone(&recent));
        let thread = std::thread::Builder::new()
            .name("index-writer".into())
            .spawn(move || write(&table, queue, &fail, |written| memory.write().forget(written)))?;
        Ok(Arc::new(Self {
            index,
            recent,
            writer: Some(writer),
            thread: Some(thread),
            published: broadcast::Sender::new(SUBSCRIBER_BACKLOG),
            failure,
        }))
    }

    /// Adds the next block and tells subscribers. Waits when the disk is far behind.
    pub async fn publish(&self, block: SharedBlock) {
        self.recent.write().add(&block);
        if let Some(writer) = &self.writer {
            // The thread is gone only after a failure, which `failure` tells.
            writer.send(Arc::clone(&block)).await.ok();
        }
        self.published.send(block).ok();
    }

    /// Waits until everything published is on disk, or writing has stopped.
    pub async fn drain(&self) {
        let mut failure = self.failure();
        while !self.recent.read().all_written() {
            if failure.borrow_and_update().is_some() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Blocks from now on. A subscriber that lags too far is told so and misses some.
    pub fn subscribe(&self) -> broadcast::Receiver<SharedBlock> {
        self.published.subscribe()
    }

    /// Why writing stopped, if it did.
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.clone()
    }

    /// Lowest and highest height held.
    pub fn heights(&self) -> Result<Option<(u64, u64)>, IndexError> {
        let disk = self.index.heights()?;
        let recent = self.recent.read();
        let memory = recent.blocks.keys().next().copied().zip(recent.blocks.keys().next_back().copied());
        Ok(match (disk, memory) {
            (Some(disk), Some(memory)) => Some((disk.0.min(memory.0), disk.1.max(memory.1))),
            (disk, memory) => disk.or(memory),
        })
    }

    /// The newest block published since the start.
    pub fn newest(&self) -> Option<SharedBlock> {
        self.recent.read().blocks.values().next_back().cloned()
    }

    /// The block at a height.
    pub fn block(&self, height: u64) -> Result<Option<SharedBlock>, IndexError> {
        if let Some(block) = self.recent.read().blocks.get(&height) {
            return Ok(Some(Arc::clone(block)));
        }
        Ok(self.index.block(height)?.map(Arc::new))
    }

    /// The block with a hash.
    pub fn block_by_hash(&self, hash: &B256) -> Result<Option<SharedBlock>, IndexError> {
        let height = self.recent.read().heights.get(hash).copied();
        match height.map_or_else(|| self.index.height_of(hash), |height| Ok(Some(height)))? {
            Some(height) => self.block(height),
            None => Ok(None),
        }
    }

    /// Where a transaction is.
    pub fn place_of(&self, tx: &B256) -> Result<Option<TxPlace>, IndexError> {
        if let Some(place) = self.recent.read().places.get(tx) {
            return Ok(Some(*place));
        }
        self.index.place_of(tx)
    }

    /// Blocks from `from` to `to` that hold logs the filter wants, ascending.
    pub fn matching(
        &self,
        filter: &Filter,
        from: u64,
        to: u64,
        limits: &LogLimits,
    ) -> Result<Vec<SharedBlock>, IndexError> {
        let given = to.saturating_sub(from).saturating_add(1);
        if given > limits.max_blocks {
            return Err(IndexError::RangeTooLong { given, limit: limits.max_blocks });
        }
        // Memory first: what leaves it meanwhile is on disk by then.
        let memory: BTreeMap<u64, SharedBlock> =
            self.recent.read().blocks.range(from..=to).map(|(height, block)| (*height, Arc::clone(block))).collect();
        let mut found: Vec<SharedBlock> = match memory.keys().next() {
            Some(&first) if first == from => Vec::new(),
            Some(&first) => self.on_disk(filter, from, first.saturating_sub(1), limits)?,
            None => self.on_disk(filter, from, to, limits)?,
        };
        let mut budget = LogBudget::new(from, limits);
        for block in &found {
            budget.take(block, filter)?;
        }
        for (_, block) in memory {
            if budget.take(&block, filter)? {
                found.push(block);
            }
        }
        Ok(found)
    }

    fn on_disk(&self, filter: &Filter, from: u64, to: u64, limits: &LogLimits) -> Result<Vec<SharedBlock>, IndexError> {
        Ok(self.index.matching(filter, from..=to, limits)?.into_iter().map(Arc::new).collect())
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.writer = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the index writer panicked");
        }
    }
}

impl Recent {
    fn add(&mut self, block: &SharedBlock) {
        self.heights.insert(block.hash, block.height);
        for (hash, index) in hashes(block) {
            self.places.insert(hash, TxPlace { height: block.height, index });
        }
        self.blocks.insert(block.height, Arc::clone(block));
    }

    fn all_written(&self) -> bool {
        self.written.len() == self.blocks.len()
    }

    /// Lets go of blocks that are on disk, except the newest few.
    fn forget(&mut self, written: &[SharedBlock]) {
        self.written.extend(written.iter().map(|block| block.height));
        while self.written.len() > RECENT {
            let Some(block) = self.written.pop_front().and_then(|height| self.blocks.remove(&height)) else { continue };
            self.heights.remove(&block.hash);
            for (hash, _) in hashes(&block) {
                self.places.remove(&hash);
            }
        }
    }
}

fn write(
    index: &Index,
    mut queue: mpsc::Receiver<SharedBlock>,
    fail: &watch::Sender<Option<String>>,
    written: impl Fn(&[SharedBlock]),
) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        if let Err(error) = index.apply(&batch) {
            let text = chain(&error);
            tracing::error!(error = text, "the index stopped; delete it to have it built anew");
            fail.send_replace(Some(text));
            return;
        }
        written(&batch);
        batch.clear();
    }
}

/// An error and its sources in one line.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
