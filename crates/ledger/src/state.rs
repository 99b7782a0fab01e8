//! State as the ledger sees it: an ordered map from key bytes to value bytes.
//!
//! [`StateRead`] is all the ledger needs of whoever keeps the state. Blocks under construction write
//! into an [`Overlay`]; nothing commits itself.

use std::collections::{BTreeMap, btree_map};

/// What a block changes: new values, `None` where a key is deleted.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// One key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Read access to a state.
pub trait StateRead: Send + Sync {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;
    /// All entries with `start <= key < end`, ascending; no end means to the last key.
    fn scan<'a>(&'a self, start: &[u8], end: Option<&[u8]>) -> Box<dyn Iterator<Item = Entry> + 'a>;
}

/// A whole state in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemState {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemState {
    /// Applies a block's changes.
    pub fn apply(&mut self, changes: &Changes) {
        for (key, value) in changes {
            match value {
                Some(value) => self.entries.insert(key.clone(), value.clone()),
                None => self.entries.remove(key),
            };
        }
    }

    /// Sets one entry.
    pub fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.entries.insert(key, value);
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl StateRead for MemState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.entries.get(key).cloned()
    }

    fn scan<'a>(&'a self, start: &[u8], end: Option<&[u8]>) -> Box<dyn Iterator<Item = Entry> + 'a> {
        if end.is_some_and(|end| end <= start) {
            return Box::new(std::iter::empty());
        }
        Box::new(range(&self.entries, start, end).map(|(k, v)| (k.clone(), v.clone())))
    }
}

fn range<'a, V>(map: &'a BTreeMap<Vec<u8>, V>, start: &[u8], end: Option<&[u8]>) -> btree_map::Range<'a, Vec<u8>, V> {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    map.range::<[u8], _>((Included(start), end.map_or(Unbounded, Excluded)))
}

/// Changes not yet applied, over the state they would change. Overlays stack.
pub struct Overlay<'a> {
    parent: &'a dyn StateRead,
    changes: Changes,
}

impl<'a> Overlay<'a> {
    /// No changes yet.
    pub fn new(parent: &'a dyn StateRead) -> Self {
        Self { parent, changes: Changes::new() }
    }

    /// Changes already made, over `parent`.
    pub fn with_changes(parent: &'a dyn StateRead, changes: Changes) -> Self {
        Self { parent, changes }
    }

    /// Sets a value.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }

    /// What changed so far.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Adds all changes made by an overlay above this one.
    pub fn absorb(&mut self, changes: Changes) {
        self.changes.extend(changes);
    }

    /// Ends the overlay.
    pub fn into_changes(self) -> Changes {
        self.changes
    }
}

impl StateRead for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.changes.get(key) {
            Some(change) => change.clone(),
            None => self.parent.get(key),
        }
    }

    fn scan<'a>(&'a self, start: &[u8], end: Option<&[u8]>) -> Box<dyn Iterator<Item = Entry> + 'a> {
        if end.is_some_and(|end| end <= start) {
            return Box::new(std::iter::empty());
        }
        Box::new(MergeScan {
            below: self.parent.scan(start, end).peekable(),
            above: range(&self.changes, start, end).peekable(),
        })
    }
}

struct MergeScan<'a> {
    below: std::iter::Peekable<Box<dyn Iterator<Item = Entry> + 'a>>,
    above: std::iter::Peekable<btree_map::Range<'a, Vec<u8>, Option<Vec<u8>>>>,
}

impl Iterator for MergeScan<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let Some((key, _)) = self.above.peek() else {
                return self.below.next();
            };
            match self.below.peek() {
                Some((below, _)) if below < *key => return self.below.next(),
                Some((below, _)) if below == *key => {
                    self.below.next();
                }
                _ => {}
            }
            let (key, change) = self.above.next()?;
            if let Some(value) = change {
                return Some((key.clone(), value.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_overlay_reads_as_the_state_its_changes_would_make(
            base in prop::collection::btree_map(prop::collection::vec(0u8..4, 0..4), any::<[u8; 2]>(), 0..20),
            changes in prop::collection::btree_map(prop::collection::vec(0u8..4, 0..4), any::<Option<[u8; 2]>>(), 0..20),
            start in prop::collection::vec(0u8..4, 0..4),
            end in prop::option::of(prop::collection::vec(0u8..4, 0..4)),
        ) {
            let mut state = MemState::default();
            base.into_iter().for_each(|(k, v)| state.insert(k, v.to_vec()));
            let changes: Changes = changes.into_iter().map(|(k, v)| (k, v.map(|v| v.to_vec()))).collect();
            let overlay = Overlay::with_changes(&state, changes.clone());
            let mut applied = state.clone();
            applied.apply(&changes);
            let seen: Vec<_> = overlay.scan(&start, end.as_deref()).collect();
            let expected: Vec<_> = applied.scan(&start, end.as_deref()).collect();
            prop_assert_eq!(seen, expected);
            prop_assert_eq!(overlay.get(&start), applied.get(&start));
        }
    }
}
