//! Following the chain by height: the one thing level-triggered agents need of new blocks.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, Stream, StreamExt, stream};

use crate::{
    chain::{BlockStream, Chain},
    host::{Host, within},
};

/// A node that says nothing for so long is asked where it stands.
const SILENCE: Duration = Duration::from_secs(2);

struct Follower {
    chain: Arc<dyn Chain>,
    host: Arc<dyn Host>,
    blocks: Option<BlockStream>,
    latest: Option<u64>,
    pause: Duration,
}

/// Finalized heights, rising, never ending: the latest at once, then one whenever the chain moved.
/// Heights that pass while nobody looks are skipped. A node that goes away is tried again.
pub fn heights(chain: Arc<dyn Chain>, host: Arc<dyn Host>) -> impl Stream<Item = u64> + Send + Unpin {
    let follower = Follower { chain, host, blocks: None, latest: None, pause: Duration::from_millis(50) };
    Box::pin(stream::unfold(follower, |mut follower| async move {
        let height = follower.next().await;
        Some((height, follower))
    }))
}

impl Follower {
    async fn next(&mut self) -> u64 {
        loop {
            let seen = match &mut self.blocks {
                None => self.connect().await,
                Some(blocks) => match within(&*self.host, SILENCE, blocks.next()).await {
                    Some(Some(block)) => {
                        let mut height = block.height;
                        while let Some(Some(later)) = blocks.next().now_or_never() {
                            height = later.height;
                        }
                        Some(height)
                    }
                    // The subscription ended, or is silent: an idle chain, or one that lost us.
                    Some(None) => {
                        self.blocks = None;
                        None
                    }
                    None => self.ask().await,
                },
            };
            if let Some(height) = seen
                && self.latest.is_none_or(|latest| height > latest)
            {
                self.latest = Some(height);
                return height;
            }
        }
    }

    async fn connect(&mut self) -> Option<u64> {
        match self.chain.subscribe_blocks().await {
            Ok(blocks) => {
                self.blocks = Some(blocks);
                self.pause = Duration::from_millis(50);
                self.ask().await
            }
            Err(error) => {
                tracing::debug!(%error, "cannot follow the chain yet");
                self.host.sleep(self.pause).await;
                self.pause = (self.pause * 2).min(SILENCE);
                None
            }
        }
    }

    async fn ask(&mut self) -> Option<u64> {
        match self.chain.status().await {
            Ok(status) => Some(status.height),
            Err(error) => {
                tracing::debug!(%error, "the node does not say where it stands");
                self.blocks = None;
                self.host.sleep(self.pause).await;
                self.pause = (self.pause * 2).min(SILENCE);
                None
            }
        }
    }
}
