//! The double-sign guard: what a validator voted, on disk before the vote exists.
//!
//! A validator that votes twice in a view loses stake for good, and the usual cause is no malice but a
//! restored backup, a second process, or a disk that forgot. The guard's file lies beside the key. It is
//! locked while a process uses it, and holds the votes of the latest views in a ring that is synced before
//! each signature; what is older than the ring reaches is refused.
//!
//! ```text
//! record, 64 bytes: "AV" 1 kind | epoch u64 | view u64 | digest 32 | zero 4 | checksum u64 (first of keccak256)
//! ```

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

/// Votes kept. A view takes two at most, to notarize and then to finalize or nullify.
const SLOTS: usize = 512;
/// Views below the newest in which a new vote may still be signed; the ring reaches further back.
const VIEWS_BACK: u64 = 100;
const RECORD: usize = 64;

/// What is voted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Notarize = 1,
    Nullify = 2,
    Finalize = 3,
}

/// A vote about to be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    kind: Kind,
    epoch: u64,
    view: u64,
    digest: [u8; 32],
}

impl Vote {
    /// For a proposal.
    pub fn notarize(epoch: u64, view: u64, digest: [u8; 32]) -> Self {
        Self { kind: Kind::Notarize, epoch, view, digest }
    }

    /// To give a view up.
    pub fn nullify(epoch: u64, view: u64) -> Self {
        Self { kind: Kind::Nullify, epoch, view, digest: [0; 32] }
    }

    /// To make a proposal final.
    pub fn finalize(epoch: u64, view: u64, digest: [u8; 32]) -> Self {
        Self { kind: Kind::Finalize, epoch, view, digest }
    }

    fn round(&self) -> (u64, u64) {
        (self.epoch, self.view)
    }
}

impl std::fmt::Display for Vote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of view {} in epoch {}", self.kind, self.view, self.epoch)
    }
}

/// Why a vote is not signed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It contradicts one that was signed.
    #[error("{vote} contradicts a vote of these keys that was signed before")]
    Conflict {
        /// Which.
        vote: Vote,
    },
    /// Too old to know.
    #[error("{vote} is older than the guard remembers, which is at view {view} of epoch {epoch}")]
    Old {
        /// Which.
        vote: Vote,
        /// Newest epoch voted in.
        epoch: u64,
        /// Newest view voted in.
        view: u64,
    },
    /// The guard cannot write.
    #[error("the guard {path} cannot be written: {source}")]
    Io {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Says whether a vote may be signed. Once it said yes it says no to all that contradict it.
pub trait Guard: Send + Sync {
    /// Remembers the vote, or refuses it.
    fn allow(&self, vote: Vote) -> Result<(), Refused>;
}

/// Why a guard does not open.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Another process votes with these keys.
    #[error("another process votes with the keys of {path}: two would contradict each other and be slashed")]
    InUse {
        /// Its file.
        path: PathBuf,
    },
    /// Its file is damaged.
    #[error("the guard {path} is damaged: what these keys voted last cannot be known")]
    Damaged {
        /// Its file.
        path: PathBuf,
    },
    /// Its file cannot be read or written.
    #[error("the guard {path} cannot be used")]
    Io {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What was voted in a view.
#[derive(Debug, Clone, Copy, Default)]
struct Voted {
    notarized: Option<[u8; 32]>,
    nullified: bool,
    finalized: Option<[u8; 32]>,
}

impl Voted {
    /// Whether `vote` is new here; none where it contradicts.
    fn admits(&self, vote: &Vote) -> Option<bool> {
        match vote.kind {
            Kind::Notarize => match self.notarized {
                Some(digest) => (digest == vote.digest).then_some(false),
                None => Some(true),
            },
            Kind::Nullify => match (self.nullified, self.finalized) {
                (_, Some(_)) => None,
                (known, None) => Some(!known),
            },
            Kind::Finalize => match (self.nullified, self.finalized) {
                (true, _) => None,
                (false, Some(digest)) => (digest == vote.digest).then_some(false),
                (false, None) => Some(true),
            },
        }
    }

    fn note(&mut self, vote: &Vote) {
        match vote.kind {
            Kind::Notarize => self.notarized = Some(vote.digest),
            Kind::Nullify => self.nullified = true,
            Kind::Finalize => self.finalized = Some(vote.digest),
        }
    }
}

struct Ring {
    file: File,
    next: usize,
    slots: Vec<Option<(u64, u64)>>,
    votes: BTreeMap<(u64, u64), Voted>,
}

/// A guard in a file.
pub struct FileGuard {
    path: PathBuf,
    ring: Mutex<Ring>,
}

fn encode(vote: &Vote) -> [u8; RECORD] {
    let mut bytes = Vec::with_capacity(RECORD);
    bytes.extend_from_slice(b"AV\x01");
    bytes.push(vote.kind as u8);
    bytes.extend_from_slice(&vote.epoch.to_be_bytes());
    bytes.extend_from_slice(&vote.view.to_be_bytes());
    bytes.extend_from_slice(&vote.digest);
    bytes.extend_from_slice(&[0; 4]);
    let sum = alloy_primitives::keccak256(&bytes);
    bytes.extend_from_slice(&sum[..8]);
    let mut record = [0; RECORD];
    record.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    record
}

/// A record; none where the slot was never written; an error where it is damaged.
fn decode(record: &[u8]) -> Result<Option<Vote>, ()> {
    if record.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let number = |from: usize| -> Result<u64, ()> {
        let bytes = record.get(from..from + 8).ok_or(())?;
        Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| ())?))
    };
    let digest: [u8; 32] = record.get(20..52).and_then(|d| d.try_into().ok()).ok_or(())?;
    let kind = match record.get(3) {
        Some(1) => Kind::Notarize,
        Some(2) => Kind::Nullify,
        Some(3) => Kind::Finalize,
        _ => return Err(()),
    };
    let vote = Vote { kind, epoch: number(4)?, view: number(12)?, digest };
    if encode(&vote).as_slice() == record { Ok(Some(vote)) } else { Err(()) }
}

impl FileGuard {
    /// Opens the guard in `path`, making it if there is none, and locks it until it is dropped.
    pub fn open(path: &Path) -> Result<Self, GuardError> {
        let io = |source| GuardError::Io { path: path.to_owned(), source };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(GuardError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        if bytes.is_empty() {
            // All of it is there from the start, so that syncing a vote changes no metadata.
            bytes = vec![0; SLOTS * RECORD];
            file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(io)?;
        }
        let damaged = || GuardError::Damaged { path: path.to_owned() };
        if bytes.len() != SLOTS * RECORD {
            return Err(damaged());
        }
        let records: Vec<_> = bytes.chunks_exact(RECORD).map(decode).collect();
        let mut slots = vec![None; SLOTS];
        let mut votes: BTreeMap<(u64, u64), Voted> = BTreeMap::new();
        // One record may be torn by a crash in its write; the vote it held was then not signed.
        let mut torn = None;
        for (slot, record) in records.into_iter().enumerate() {
            match record {
                Ok(None) => {}
                Ok(Some(vote)) => {
                    votes.entry(vote.round()).or_default().note(&vote);
                    slots[slot] = Some(vote.round());
                }
                Err(()) if torn.is_none() => torn = Some(slot),
                Err(()) => return Err(damaged()),
            }
        }
        // The ring goes on after its newest record: after the highest round, in the last slot that has it.
        let newest = slots.iter().flatten().max().copied();
        let last = newest.and_then(|round| {
            let holds: Vec<usize> = (0..SLOTS).filter(|slot| slots[*slot] == Some(round)).collect();
            // Around the end of the file the run of the newest round goes on at its start.
            let run_end = holds.iter().copied().find(|slot| !holds.contains(&((slot + 1) % SLOTS)));
            run_end.or(holds.last().copied())
        });
        let next = torn.or(last.map(|slot| (slot + 1) % SLOTS)).unwrap_or(0);
        Ok(Self { path: path.to_owned(), ring: Mutex::new(Ring { file, next, slots, votes }) })
    }
}

impl Guard for FileGuard {
    fn allow(&self, vote: Vote) -> Result<(), Refused> {
        let mut ring = self.ring.lock();
        match ring.votes.get(&vote.round()).copied().unwrap_or_default().admits(&vote) {
            None => return Err(Refused::Conflict { vote }),
            Some(false) => return Ok(()),
            Some(true) => {}
        }
        if let Some((&(epoch, view), _)) = ring.votes.last_key_value()
            && (vote.epoch < epoch || vote.epoch == epoch && vote.view.saturating_add(VIEWS_BACK) < view)
        {
            return Err(Refused::Old { vote, epoch, view });
        }
        let slot = ring.next;
        let io = |source| Refused::Io { path: self.path.clone(), source };
        let at = u64::try_from(slot * RECORD).unwrap_or(0);
        ring.file.seek(SeekFrom::Start(at)).map_err(io)?;
        ring.file.write_all(&encode(&vote)).map_err(io)?;
        ring.file.sync_data().map_err(io)?;
        if let Some(old) = ring.slots[slot].replace(vote.round())
            && !ring.slots.contains(&Some(old))
        {
            ring.votes.remove(&old);
        }
        ring.next = (slot + 1) % SLOTS;
        ring.votes.entry(vote.round()).or_default().note(&vote);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> [u8; 32] {
        [byte; 32]
    }

    #[test]
    fn what_was_voted_is_voted_again_and_nothing_that_contradicts_it_even_after_a_restart() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("guard");
        let refused = |guard: &FileGuard| {
            for vote in [
                Vote::notarize(0, 5, digest(2)),
                Vote::nullify(0, 5),
                Vote::finalize(0, 5, digest(2)),
                Vote::finalize(0, 6, digest(1)),
            ] {
                assert!(matches!(guard.allow(vote), Err(Refused::Conflict { .. })), "{vote} was signed");
            }
        };
        let guard = FileGuard::open(&path).expect("opens");
        for vote in [Vote::notarize(0, 5, digest(1)), Vote::finalize(0, 5, digest(1)), Vote::nullify(0, 6)] {
            guard.allow(vote).expect("new");
            guard.allow(vote).expect("the same again");
        }
        refused(&guard);
        assert!(matches!(FileGuard::open(&path), Err(GuardError::InUse { .. })), "two processes");
        drop(guard);
        refused(&FileGuard::open(&path).expect("opens again"));
    }

    #[test]
    fn a_long_history_keeps_the_latest_and_refuses_what_it_forgot() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("guard");
        for (epoch, views) in [(0, 1..700u64), (1, 1..40)] {
            for chunk in views.collect::<Vec<_>>().chunks(37) {
                let guard = FileGuard::open(&path).expect("opens");
                for view in chunk {
                    guard.allow(Vote::notarize(epoch, *view, digest(1))).expect("new");
                    guard.allow(Vote::finalize(epoch, *view, digest(1))).expect("new");
                }
            }
        }
        let guard = FileGuard::open(&path).expect("opens");
        for view in 1..40 {
            assert!(guard.allow(Vote::notarize(1, view, digest(2))).is_err(), "view {view}");
        }
        for view in [1, 300, 699, 800] {
            let old = guard.allow(Vote::nullify(0, view));
            assert!(old.is_err(), "view {view} of an epoch that is over");
        }
        for view in 41..400 {
            guard.allow(Vote::nullify(1, view)).expect("new");
        }
        assert!(matches!(guard.allow(Vote::notarize(1, 60, digest(1))), Err(Refused::Old { .. })));
    }

    #[test]
    fn a_torn_record_is_one_vote_that_was_not_signed_and_more_damage_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("guard");
        let guard = FileGuard::open(&path).expect("opens");
        guard.allow(Vote::notarize(0, 1, digest(1))).expect("new");
        guard.allow(Vote::notarize(0, 2, digest(1))).expect("new");
        drop(guard);
        let mut bytes = std::fs::read(&path).expect("reads");
        bytes[RECORD + 30] ^= 1;
        std::fs::write(&path, &bytes).expect("writes");
        let guard = FileGuard::open(&path).expect("opens");
        assert!(guard.allow(Vote::notarize(0, 1, digest(2))).is_err());
        guard.allow(Vote::notarize(0, 2, digest(1))).expect("was never signed");
        drop(guard);
        bytes[5] ^= 1;
        std::fs::write(&path, &bytes).expect("writes");
        assert!(matches!(FileGuard::open(&path), Err(GuardError::Damaged { .. })));
        std::fs::write(&path, &bytes[1..]).expect("writes");
        assert!(matches!(FileGuard::open(&path), Err(GuardError::Damaged { .. })));
    }
}
