//! Finalized blocks with what they did, on disk: receipts and events cannot be had from a block
//! without the state before it, which a node no longer has.
//!
//! A block is on disk before the state database takes its changes, so after a crash every block up to
//! the database's height can be given to readers, and an index that lagged loses nothing.

use std::sync::Arc;

use assay_types::block::SharedBlock;
use commonware_cryptography::sha256::Digest;
use commonware_storage::{
    Context as StorageContext,
    archive::{Archive as _, Identifier},
};
use futures::{FutureExt as _, future::BoxFuture, lock::Mutex};

use super::storage::Archive;
use crate::index::codec;

/// The archive, whatever runtime it is on.
pub(crate) trait Outcomes: Send + Sync {
    /// Writes a block through to the disk; again does nothing.
    fn put<'a>(&'a self, digest: Digest, block: &'a SharedBlock) -> BoxFuture<'a, ()>;
    /// The block at a height.
    fn get(&self, height: u64) -> BoxFuture<'_, Option<SharedBlock>>;
    /// Drops blocks below a height, in whole sections.
    fn prune(&self, first: u64) -> BoxFuture<'_, ()>;
}

/// On a runtime's storage.
pub(crate) struct Archived<E: StorageContext> {
    // Taken while it is written to: a failed write leaves none.
    archive: Mutex<Option<Archive<E, Vec<u8>>>>,
}

impl<E: StorageContext> Archived<E> {
    pub(crate) fn new(archive: Archive<E, Vec<u8>>) -> Arc<Self> {
        Arc::new(Self { archive: Mutex::new(Some(archive)) })
    }
}

impl<E: StorageContext> Outcomes for Archived<E> {
    fn put<'a>(&'a self, digest: Digest, block: &'a SharedBlock) -> BoxFuture<'a, ()> {
        async move {
            let mut archive = self.archive.lock().await;
            let open = archive.take().expect("an earlier write of a block's outcome failed");
            let written = open.put_sync(block.height, digest, &codec::encode(block)).await;
            *archive = Some(written.expect("a block's outcome is written, or this node cannot go on"));
        }
        .boxed()
    }

    fn get(&self, height: u64) -> BoxFuture<'_, Option<SharedBlock>> {
        async move {
            let archive = self.archive.lock().await;
            let bytes = archive.as_ref()?.get(Identifier::Index(height)).await.ok()??;
            codec::decode(&bytes).map(Arc::new)
        }
        .boxed()
    }

    fn prune(&self, first: u64) -> BoxFuture<'_, ()> {
        async move {
            let mut archive = self.archive.lock().await;
            let open = archive.take().expect("an earlier write of a block's outcome failed");
            *archive = Some(open.prune(first).await.expect("old outcomes are dropped, or this node cannot go on"));
        }
        .boxed()
    }
}
