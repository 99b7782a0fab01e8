//! What an agent must not forget: the leaves it computed and the openings of its commitments.
//!
//! One redb file. A leaf is written after its sealed output is in the store; an opening is written,
//! durably, before the commitment to it leaves the machine, and never changed. So whatever the moment
//! of a crash, work is not lost, and a repeated commitment repeats its content.
//!
//! ```text
//! leaves    job 32 | task 4 | duty 1                               -> output 32 | fuel 8
//! openings  job 32 | lot 4 | duty 1 | round 8                      -> salt 32 | leaves 40 each
//! ```

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use alloy_primitives::B256;
use assay_types::{JobId, view::LeafView};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::plan::{Duty, Opening, Slot};

const LEAVES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("leaves/1");
const OPENINGS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("openings/1");
const LEAF_BYTES: usize = 40;
/// Rows are small and read once, at start.
const CACHE_BYTES: usize = 2 << 20;

/// Why the journal failed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it open.
    #[error("{} is in use by another process: stop it, or choose another data directory", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file or disk is bad, or the disk is full.
    #[error("the journal {} failed", .path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<redb::Error>,
    },
    /// A row has an impossible length.
    #[error("the journal {} holds a row of impossible length", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
}

/// The journal of one account.
#[derive(Debug)]
pub struct Journal {
    database: Database,
    path: PathBuf,
}

/// A leaf as journaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournaledLeaf {
    /// The job.
    pub job: JobId,
    /// Task index in the job.
    pub task: u32,
    /// What it was computed for.
    pub duty: Duty,
    /// The result.
    pub leaf: LeafView,
}

impl Journal {
    /// Opens or creates the journal at `path`.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let database = match Database::builder().set_cache_size(CACHE_BYTES).create(path) {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
                return Err(JournalError::InUse { path: path.to_owned() });
            }
            Err(error) => {
                return Err(JournalError::Database { path: path.to_owned(), source: Box::new(error.into()) });
            }
        };
        let journal = Self { database, path: path.to_owned() };
        journal.write(|tx| {
            tx.open_table(LEAVES)?;
            tx.open_table(OPENINGS)?;
            Ok(())
        })?;
        Ok(journal)
    }

    /// All leaves.
    pub fn leaves(&self) -> Result<Vec<JournaledLeaf>, JournalError> {
        let rows = self.read(|tx| {
            let table = tx.open_table(LEAVES)?;
            let rows = table.iter()?.map(|row| row.map(|(k, v)| (k.value().to_vec(), v.value().to_vec())));
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })?;
        rows.iter().map(|(key, value)| self.sane(leaf_row(key, value))).collect()
    }

    /// Notes a leaf. The first one stands: a task has one result.
    pub fn put_leaf(&self, row: JournaledLeaf) -> Result<LeafView, JournalError> {
        let key = leaf_key(&row);
        let stands = self.write(|tx| {
            let mut table = tx.open_table(LEAVES)?;
            let before = table.get(key.as_slice())?.map(|value| value.value().to_vec());
            if before.is_none() {
                table.insert(key.as_slice(), leaf_bytes(&row.leaf).as_slice())?;
            }
            Ok(before)
        })?;
        stands.map_or(Ok(row.leaf), |bytes| self.sane(leaf_of(&bytes)))
    }

    /// All openings.
    pub fn openings(&self) -> Result<Vec<(Slot, Opening)>, JournalError> {
        let rows = self.read(|tx| {
            let table = tx.open_table(OPENINGS)?;
            let rows = table.iter()?.map(|row| row.map(|(k, v)| (k.value().to_vec(), v.value().to_vec())));
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })?;
        rows.iter()
            .map(|(key, value)| self.sane(slot_of(key).and_then(|slot| Some((slot, opening_of(value)?)))))
            .collect()
    }

    /// Fixes what `slot` commits to, unless that was done before, and returns what stands.
    pub fn fix_opening(&self, slot: &Slot, opening: Opening) -> Result<Opening, JournalError> {
        let key = slot_key(slot);
        let stands = self.write(|tx| {
            let mut table = tx.open_table(OPENINGS)?;
            let before = table.get(key.as_slice())?.map(|value| value.value().to_vec());
            if before.is_none() {
                table.insert(key.as_slice(), opening_bytes(&opening).as_slice())?;
            }
            Ok(before)
        })?;
        stands.map_or(Ok(opening), |bytes| self.sane(opening_of(&bytes)))
    }

    /// Forgets a job.
    pub fn forget(&self, job: &JobId) -> Result<(), JournalError> {
        self.write(|tx| {
            for table in [LEAVES, OPENINGS] {
                tx.open_table(table)?.retain(|key, _| !key.starts_with(job.as_slice()))?;
            }
            Ok(())
        })
    }

    /// Jobs with anything in it.
    pub fn jobs(&self) -> Result<BTreeSet<JobId>, JournalError> {
        let leaves = self.leaves()?.into_iter().map(|row| row.job);
        Ok(leaves.chain(self.openings()?.into_iter().map(|(slot, _)| slot.job)).collect())
    }

    fn read<T>(&self, body: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>) -> Result<T, JournalError> {
        let run = || body(&self.database.begin_read()?);
        run().map_err(|source| self.failed(source))
    }

    fn write<T>(
        &self,
        body: impl FnOnce(&redb::WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, JournalError> {
        let run = || {
            // redb syncs on commit unless told otherwise.
            let tx = self.database.begin_write()?;
            let value = body(&tx)?;
            tx.commit()?;
            Ok(value)
        };
        run().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: redb::Error) -> JournalError {
        JournalError::Database { path: self.path.clone(), source: Box::new(source) }
    }

    fn sane<T>(&self, value: Option<T>) -> Result<T, JournalError> {
        value.ok_or_else(|| JournalError::Corrupt { path: self.path.clone() })
    }
}

fn duty_byte(duty: Duty) -> u8 {
    match duty {
        Duty::Replica => 0,
        Duty::Verdict => 1,
        Duty::Audit => 2,
    }
}

fn duty_of(byte: u8) -> Option<Duty> {
    match byte {
        0 => Some(Duty::Replica),
        1 => Some(Duty::Verdict),
        2 => Some(Duty::Audit),
        _ => None,
    }
}

fn leaf_key(row: &JournaledLeaf) -> Vec<u8> {
    [row.job.as_slice(), &row.task.to_be_bytes(), &[duty_byte(row.duty)]].concat()
}

fn leaf_bytes(leaf: &LeafView) -> Vec<u8> {
    [leaf.output.as_slice(), &leaf.fuel.to_be_bytes()].concat()
}

fn leaf_of(bytes: &[u8]) -> Option<LeafView> {
    let (output, fuel) = bytes.split_first_chunk::<32>()?;
    Some(LeafView { output: B256::from(*output), fuel: u64::from_be_bytes(fuel.try_into().ok()?) })
}

fn leaf_row(key: &[u8], value: &[u8]) -> Option<JournaledLeaf> {
    let (job, rest) = key.split_first_chunk::<32>()?;
    let (task, rest) = rest.split_first_chunk::<4>()?;
    let [duty] = rest else { return None };
    let (job, task) = (JobId::from(*job), u32::from_be_bytes(*task));
    Some(JournaledLeaf { job, task, duty: duty_of(*duty)?, leaf: leaf_of(value)? })
}

fn slot_key(slot: &Slot) -> Vec<u8> {
    [slot.job.as_slice(), &slot.lot.to_be_bytes(), &[duty_byte(slot.duty)], &slot.round.to_be_bytes()].concat()
}

fn slot_of(key: &[u8]) -> Option<Slot> {
    let (job, rest) = key.split_first_chunk::<32>()?;
    let (lot, rest) = rest.split_first_chunk::<4>()?;
    let (duty, round) = rest.split_first_chunk::<1>()?;
    Some(Slot {
        job: JobId::from(*job),
        lot: u32::from_be_bytes(*lot),
        duty: duty_of(duty[0])?,
        round: u64::from_be_bytes(round.try_into().ok()?),
    })
}

fn opening_bytes(opening: &Opening) -> Vec<u8> {
    let mut bytes = opening.salt.to_vec();
    opening.leaves.iter().for_each(|leaf| bytes.extend(leaf_bytes(leaf)));
    bytes
}

fn opening_of(bytes: &[u8]) -> Option<Opening> {
    let (salt, rest) = bytes.split_first_chunk::<32>()?;
    if rest.len() % LEAF_BYTES != 0 {
        return None;
    }
    let leaves = rest.chunks_exact(LEAF_BYTES).map(leaf_of).collect::<Option<_>>()?;
    Some(Opening { salt: B256::from(*salt), leaves })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(n: u8) -> LeafView {
        LeafView { output: B256::repeat_byte(n), fuel: u64::from(n) }
    }

    fn slot(job: u8) -> Slot {
        Slot { job: JobId::repeat_byte(job), lot: 2, duty: Duty::Verdict, round: u64::MAX }
    }

    #[test]
    fn what_was_noted_is_there_after_a_restart_and_the_first_note_stands() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("journal.redb");
        let row = JournaledLeaf { job: JobId::repeat_byte(7), task: 3, duty: Duty::Replica, leaf: leaf(1) };
        let first = Opening { salt: B256::repeat_byte(9), leaves: vec![leaf(1), leaf(2)] };
        {
            let journal = Journal::open(&path).expect("opens");
            assert_eq!(journal.put_leaf(row).expect("writes"), leaf(1));
            assert_eq!(journal.fix_opening(&slot(7), first.clone()).expect("writes"), first);
            assert!(matches!(Journal::open(&path), Err(JournalError::InUse { .. })));
        }
        let journal = Journal::open(&path).expect("opens again");
        assert_eq!(journal.leaves().expect("reads"), [row]);
        assert_eq!(journal.openings().expect("reads"), [(slot(7), first.clone())]);
        let other = Opening { salt: B256::repeat_byte(8), leaves: vec![leaf(5)] };
        assert_eq!(journal.fix_opening(&slot(7), other).expect("writes"), first);
        assert_eq!(journal.put_leaf(JournaledLeaf { leaf: leaf(4), ..row }).expect("writes"), leaf(1));
    }

    #[test]
    fn a_forgotten_job_leaves_nothing_and_others_stay() {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = Journal::open(&dir.path().join("journal.redb")).expect("opens");
        for job in [1, 2] {
            let row = JournaledLeaf { job: JobId::repeat_byte(job), task: 0, duty: Duty::Replica, leaf: leaf(job) };
            journal.put_leaf(row).expect("writes");
            let opening = Opening { salt: B256::ZERO, leaves: vec![leaf(job)] };
            journal.fix_opening(&slot(job), opening).expect("writes");
        }
        journal.forget(&JobId::repeat_byte(1)).expect("writes");
        assert_eq!(journal.jobs().expect("reads").into_iter().collect::<Vec<_>>(), [JobId::repeat_byte(2)]);
    }
}
