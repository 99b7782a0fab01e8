//! How each committee named the next, on disk: what a joining node needs to believe in the present one.
//!
//! The ledger forgets a committee when its stake is unbonded; handovers are kept for good, one an epoch.

use std::{sync::Arc, time::Duration};

use assay_types::node::Handover;
use commonware_codec::RangeCfg;
use commonware_consensus::types::Height;
use commonware_cryptography::{Digest as _, sha256::Digest};
use commonware_runtime::{Clock, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_storage::{
    Context as StorageContext,
    archive::{Archive as _, Identifier},
};
use futures::{FutureExt as _, future::BoxFuture, lock::Mutex};

use super::{
    core::Core,
    engine::StartError,
    serve::Marshal,
    shelf::certified_at,
    storage::{Archive, open_archive},
};

/// Handovers of one answer.
pub(crate) const MAX_HANDOVERS: u64 = 64;
/// Pause before a certificate that is not there yet is looked for again.
const LOOK: Duration = Duration::from_millis(200);
/// Looks in a row after which the recorder waits for the next block.
const LOOKS: u32 = 50;

/// The archive, whatever runtime it is on.
pub(crate) trait Handovers: Send + Sync {
    /// Keeps the handover to `epoch`; again does nothing.
    fn put<'a>(&'a self, epoch: u64, handover: &'a Handover) -> BoxFuture<'a, ()>;
    /// Handovers to `epoch` and those after it, without a gap.
    fn get(&self, epoch: u64, count: u64) -> BoxFuture<'_, Vec<Handover>>;
}

/// On a runtime's storage.
pub(crate) struct Kept<E: StorageContext> {
    // Taken while it is written to: a failed write leaves none.
    archive: Mutex<Option<Archive<E, Vec<u8>>>>,
}

impl<E: Clock + Spawner + Storage + Metrics> Kept<E> {
    pub(crate) async fn open(context: &E, partition: &str, page_cache: &CacheRef) -> Result<Arc<Self>, StartError> {
        let bytes = (RangeCfg::from(..), ());
        let archive = open_archive(context, partition, "handovers", "handovers", bytes, page_cache).await?;
        Ok(Arc::new(Self { archive: Mutex::new(Some(archive)) }))
    }

    /// Tells `core` of all that is kept, for its proofs.
    pub(crate) async fn recall(&self, core: &Core) {
        let ranges: Vec<(u64, u64)> =
            self.archive.lock().await.as_ref().map(|archive| archive.ranges().collect()).unwrap_or_default();
        for epoch in ranges.into_iter().flat_map(|(first, last)| first..=last) {
            for handover in self.get(epoch, 1).await {
                core.note_handover(epoch, &handover);
            }
        }
    }
}

impl<E: StorageContext> Handovers for Kept<E> {
    fn put<'a>(&'a self, epoch: u64, handover: &'a Handover) -> BoxFuture<'a, ()> {
        async move {
            let bytes = serde_json::to_vec(handover).expect("a handover is plain data");
            let mut archive = self.archive.lock().await;
            let open = archive.take().expect("an earlier write of a handover failed");
            let written = open.put_sync(epoch, Digest::EMPTY, &bytes).await;
            *archive = Some(written.expect("a handover is written, or this node cannot go on"));
        }
        .boxed()
    }

    fn get(&self, epoch: u64, count: u64) -> BoxFuture<'_, Vec<Handover>> {
        async move {
            let archive = self.archive.lock().await;
            let mut found = Vec::new();
            for epoch in epoch..epoch.saturating_add(count.min(MAX_HANDOVERS)) {
                let Some(open) = archive.as_ref() else { break };
                let Ok(Some(bytes)) = open.get(Identifier::Index(epoch)).await else { break };
                let Ok(handover) = serde_json::from_slice(&bytes) else { break };
                found.push(handover);
            }
            found
        }
        .boxed()
    }
}

/// Keeps each handover once its block is certified.
pub(crate) fn record<E>(context: &E, core: Arc<Core>, marshal: Marshal, kept: Arc<dyn Handovers>)
where
    E: Clock + Spawner + Storage + Metrics,
{
    context.child("handovers").spawn(move |context| async move {
        let mut turns = core.turned.subscribe();
        loop {
            let epoch = *turns.borrow_and_update();
            // One that is no longer held is a gap, which others can fill.
            for epoch in epoch.saturating_sub(2).max(1)..=epoch {
                if !kept.get(epoch, 1).await.is_empty() {
                    continue;
                }
                for _ in 0..LOOKS {
                    match handover(&core, &marshal, epoch).await {
                        Some(handover) => {
                            kept.put(epoch, &handover).await;
                            core.note_handover(epoch, &handover);
                            break;
                        }
                        None => context.sleep(LOOK).await,
                    }
                }
            }
            if turns.changed().await.is_err() {
                return;
            }
        }
    });
}

async fn handover(core: &Core, marshal: &Marshal, epoch: u64) -> Option<Handover> {
    let (_, state) = core.tip()?;
    let seats = assay_ledger::committee(&state, epoch)?;
    let height = epoch.checked_mul(core.epoch_blocks())?.checked_sub(1)?;
    let (header, certified) = certified_at(marshal, Height::new(height).get()).await?;
    header.next_committee?;
    Some(Handover { header: certified.header, certificate: certified.certificate, seats })
}
