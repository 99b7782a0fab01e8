//! Hot state: the ledger's whole map in memory, one persistent version for each block in flight.
//!
//! Versions share structure, so keeping one for every speculative block costs what the block changed,
//! and a reader's snapshot costs nothing and never blocks consensus.

use std::sync::Arc;

use assay_ledger::{Changes, StateRead, state::Entry};
use imbl::OrdMap;

/// An immutable version of the state.
#[derive(Clone, Default)]
pub struct State {
    entries: OrdMap<Vec<u8>, Arc<[u8]>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("entries", &self.entries.len()).finish()
    }
}

impl State {
    /// The version after `changes`.
    pub fn with(&self, changes: &Changes) -> Self {
        let mut entries = self.entries.clone();
        for (key, value) in changes {
            match value {
                Some(value) => entries.insert(key.clone(), value.as_slice().into()),
                None => entries.remove(key),
            };
        }
        Self { entries }
    }

    /// A state of these entries.
    pub fn from_entries(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self { entries: entries.into_iter().map(|(key, value)| (key, Arc::<[u8]>::from(value))).collect() }
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

impl StateRead for State {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.entries.get(key).map(|value| value.to_vec())
    }

    fn scan<'a>(&'a self, start: &[u8], end: Option<&[u8]>) -> Box<dyn Iterator<Item = Entry> + 'a> {
        if end.is_some_and(|end| end <= start) {
            return Box::new(std::iter::empty());
        }
        let end = end.map(<[u8]>::to_vec);
        Box::new(
            self.entries
                .range(start.to_vec()..)
                .take_while(move |(key, _)| end.as_ref().is_none_or(|end| *key < end))
                .map(|(key, value)| (key.clone(), value.to_vec())),
        )
    }
}
