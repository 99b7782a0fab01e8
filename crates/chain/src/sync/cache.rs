//! Proven blocks that marshal has not taken yet, in the bytes its resolver wants.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use commonware_codec::Encode as _;
use commonware_cryptography::sha256::Digest;
use parking_lot::Mutex;

use super::trust::Proven;

/// Blocks by height and digest. Holds what one or two batches bring.
#[derive(Default)]
pub(crate) struct Cache {
    blocks: Mutex<Blocks>,
}

#[derive(Default)]
struct Blocks {
    by_height: BTreeMap<u64, (Digest, Option<Bytes>)>,
    by_digest: HashMap<Digest, Bytes>,
}

impl Cache {
    pub(crate) fn insert(&self, proven: &[Proven]) {
        let mut blocks = self.blocks.lock();
        for one in proven {
            let block = one.block.encode();
            let with_certificate = one.finalization.as_ref().map(|certificate| {
                let mut bytes = certificate.encode().to_vec();
                bytes.extend_from_slice(&block);
                Bytes::from(bytes)
            });
            blocks.by_height.insert(one.block.header.height, (one.digest, with_certificate));
            blocks.by_digest.insert(one.digest, Bytes::from(block.to_vec()));
        }
    }

    /// Certificate and block at a height. The outer none: the height is not held.
    pub(crate) fn certified(&self, height: u64) -> Option<Option<Bytes>> {
        self.blocks.lock().by_height.get(&height).map(|(_, bytes)| bytes.clone())
    }

    pub(crate) fn block(&self, digest: &Digest) -> Option<Bytes> {
        self.blocks.lock().by_digest.get(digest).cloned()
    }

    /// Forgets blocks up to a height.
    pub(crate) fn forget(&self, height: u64) {
        let mut blocks = self.blocks.lock();
        let kept = blocks.by_height.split_off(&height.saturating_add(1));
        for (_, (digest, _)) in std::mem::replace(&mut blocks.by_height, kept) {
            blocks.by_digest.remove(&digest);
        }
    }
}
