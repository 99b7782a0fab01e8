//! What is kept and what must go: the arithmetic of quota, recency and pins. No I/O.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, SystemTime},
};

use super::{Holder, StoreError};
use crate::BlobId;

/// What a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Blobs kept.
    pub blobs: usize,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Bytes of those that are pinned.
    pub pinned_bytes: u64,
    /// Bytes promised to blobs being written.
    pub reserved_bytes: u64,
    /// The quota.
    pub quota_bytes: u64,
}

#[derive(Debug)]
struct Entry {
    size: u64,
    /// Place in `by_use`.
    turn: u64,
    /// Last use as the file's time says it.
    noted: SystemTime,
    /// Whether the content matched the name since the store was opened.
    checked: bool,
}

#[derive(Debug)]
pub(super) struct Index {
    quota_bytes: u64,
    kept_bytes: u64,
    reserved_bytes: u64,
    next_turn: u64,
    entries: HashMap<BlobId, Entry>,
    by_use: BTreeMap<u64, BlobId>,
    holders_of: HashMap<BlobId, BTreeSet<Holder>>,
    held_by: HashMap<Holder, BTreeSet<BlobId>>,
}

impl Index {
    pub(super) fn new(quota_bytes: u64) -> Self {
        Self {
            quota_bytes,
            kept_bytes: 0,
            reserved_bytes: 0,
            next_turn: 0,
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
            holders_of: HashMap::new(),
            held_by: HashMap::new(),
        }
    }

    /// Adds a blob as the most recently used; one already there is replaced.
    pub(super) fn insert(&mut self, id: BlobId, size: u64, noted: SystemTime, checked: bool) {
        self.remove(&id);
        let turn = self.take_turn();
        self.entries.insert(id, Entry { size, turn, noted, checked });
        self.by_use.insert(turn, id);
        self.kept_bytes += size;
    }

    pub(super) fn remove(&mut self, id: &BlobId) -> bool {
        let Some(entry) = self.entries.remove(id) else { return false };
        self.by_use.remove(&entry.turn);
        self.kept_bytes -= entry.size;
        true
    }

    pub(super) fn size(&self, id: &BlobId) -> Option<u64> {
        self.entries.get(id).map(|entry| entry.size)
    }

    /// Makes the blob the most recently used; false when it is not here.
    pub(super) fn touch(&mut self, id: &BlobId) -> bool {
        let turn = self.take_turn();
        let Some(entry) = self.entries.get_mut(id) else { return false };
        self.by_use.remove(&entry.turn);
        entry.turn = turn;
        self.by_use.insert(turn, *id);
        true
    }

    /// Whether the blob's noted use is older than `interval`; if so it counts as noted `now`.
    pub(super) fn stale_since(&mut self, id: &BlobId, now: SystemTime, interval: Duration) -> bool {
        let Some(entry) = self.entries.get_mut(id) else { return false };
        let stale = now.duration_since(entry.noted).is_ok_and(|age| age > interval);
        if stale {
            entry.noted = now;
        }
        stale
    }

    pub(super) fn mark_checked(&mut self, id: &BlobId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.checked = true;
        }
    }

    pub(super) fn is_checked(&self, id: &BlobId) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.checked)
    }

    pub(super) fn pin(&mut self, id: BlobId, holder: Holder) {
        self.holders_of.entry(id).or_default().insert(holder);
        self.held_by.entry(holder).or_default().insert(id);
    }

    pub(super) fn unpin(&mut self, holder: &Holder) {
        for id in self.held_by.remove(holder).unwrap_or_default() {
            if let Some(holders) = self.holders_of.get_mut(&id) {
                holders.remove(holder);
                if holders.is_empty() {
                    self.holders_of.remove(&id);
                }
            }
        }
    }

    /// Sets `size` bytes aside and returns the blobs that must be deleted for it, already removed
    /// here. When that cannot be enough nothing changes.
    pub(super) fn reserve(&mut self, size: u64) -> Result<Vec<BlobId>, StoreError> {
        let held_bytes = self.pinned_bytes() + self.reserved_bytes;
        if size > self.quota_bytes.saturating_sub(held_bytes) {
            return Err(StoreError::OverQuota { needed_bytes: size, quota_bytes: self.quota_bytes, held_bytes });
        }
        let taken = self.kept_bytes + self.reserved_bytes + size;
        let mut excess = taken.saturating_sub(self.quota_bytes);
        let mut victims = Vec::new();
        for id in self.by_use.values() {
            if excess == 0 {
                break;
            }
            if !self.holders_of.contains_key(id) {
                excess = excess.saturating_sub(self.entries[id].size);
                victims.push(*id);
            }
        }
        for id in &victims {
            self.remove(id);
        }
        self.reserved_bytes += size;
        Ok(victims)
    }

    pub(super) fn release(&mut self, size: u64) {
        self.reserved_bytes -= size;
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            blobs: self.entries.len(),
            kept_bytes: self.kept_bytes,
            pinned_bytes: self.pinned_bytes(),
            reserved_bytes: self.reserved_bytes,
            quota_bytes: self.quota_bytes,
        }
    }

    fn pinned_bytes(&self) -> u64 {
        self.holders_of.keys().filter_map(|id| self.size(id)).sum()
    }

    fn take_turn(&mut self) -> u64 {
        self.next_turn += 1;
        self.next_turn
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u8) -> BlobId {
        BlobId([n; 32])
    }

    fn index(quota: u64, blobs: &[(u8, u64)]) -> Index {
        let mut index = Index::new(quota);
        for (n, size) in blobs {
            index.insert(id(*n), *size, SystemTime::UNIX_EPOCH, true);
        }
        index
    }

    #[test]
    fn the_least_recently_used_blob_goes_first_and_no_more_than_needed() {
        let mut index = index(100, &[(1, 40), (2, 30), (3, 30)]);
        index.touch(&id(1));
        assert_eq!(index.reserve(20).unwrap(), [id(2)]);
        assert_eq!(index.usage().kept_bytes, 70);
        assert_eq!(index.reserve(10).unwrap(), []);
        assert_eq!(index.reserve(41).unwrap(), [id(3), id(1)]);
    }

    #[test]
    fn a_pinned_blob_never_goes_until_its_last_holder_lets_go() {
        let mut index = index(100, &[(1, 60), (2, 40)]);
        index.pin(id(1), [1; 32]);
        index.pin(id(1), [1; 32]);
        index.pin(id(1), [2; 32]);
        assert_eq!(index.reserve(40).unwrap(), [id(2)]);
        index.unpin(&[1; 32]);
        assert!(matches!(
            index.reserve(1),
            Err(StoreError::OverQuota { needed_bytes: 1, quota_bytes: 100, held_bytes: 100 })
        ));
        index.unpin(&[2; 32]);
        assert_eq!(index.reserve(1).unwrap(), [id(1)]);
    }

    #[test]
    fn a_blob_that_can_never_fit_evicts_nothing() {
        let mut index = index(100, &[(1, 60)]);
        assert!(index.reserve(101).is_err());
        assert_eq!(index.usage().blobs, 1);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Write(u8, u64),
        Pin(u8, u8),
        Unpin(u8),
        Touch(u8),
        Remove(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..12u8, 0..60u64).prop_map(|(n, size)| Step::Write(n, size)),
            (0..12u8, 0..3u8).prop_map(|(n, holder)| Step::Pin(n, holder)),
            (0..3u8).prop_map(Step::Unpin),
            (0..12u8).prop_map(Step::Touch),
            (0..12u8).prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn the_quota_holds_and_pins_survive_whatever_happens(steps in proptest::collection::vec(step(), 0..120)) {
            let mut index = Index::new(100);
            for step in steps {
                match step {
                    Step::Write(n, size) => {
                        let before: Vec<BlobId> =
                            index.entries.keys().filter(|id| index.holders_of.contains_key(*id)).copied().collect();
                        if index.reserve(size).is_ok() {
                            index.release(size);
                            index.insert(id(n), size, SystemTime::UNIX_EPOCH, true);
                        }
                        prop_assert!(before.iter().all(|id| index.size(id).is_some()));
                    }
                    Step::Pin(n, holder) => index.pin(id(n), [holder; 32]),
                    Step::Unpin(holder) => index.unpin(&[holder; 32]),
                    Step::Touch(n) => drop(index.touch(&id(n))),
                    Step::Remove(n) => drop(index.remove(&id(n))),
                }
                let sum: u64 = index.entries.values().map(|entry| entry.size).sum();
                prop_assert_eq!(index.kept_bytes, sum);
                prop_assert!(sum <= 100);
                prop_assert_eq!(index.by_use.len(), index.entries.len());
            }
        }
    }
}
