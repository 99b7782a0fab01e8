//! The blobs a node keeps: files named by their hash, within a quota.
//!
//! ```text
//! DIR/FORMAT                     what this directory is; also locked while a process uses it
//! DIR/blobs/ab/cd/abcd...        a blob, named by the BLAKE3 of its content
//! DIR/partial/N                  being written; swept away at start
//! ```
//!
//! Invariants:
//! - A file under `blobs/` was complete and hashed to its name when it got that name: written aside,
//!   synced, renamed, directory synced.
//! - Nothing is handed out unchecked: content is hashed again on every read, and a file that went
//!   bad is removed, so that it can be fetched anew.
//! - Kept and reserved bytes never exceed the quota, whatever is being written at once. To make
//!   room the least recently used blobs go first; pinned ones never go.
//!
//! Pins live in memory: whoever pins (a provider, for its open jobs) pins again after a restart.
//! All calls block on the disk; async callers wrap them in `spawn_blocking`.

mod files;
mod index;
mod writer;

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::BlobId;
use files::Layout;
use index::Index;
pub use index::Usage;
pub use writer::BlobWriter;

// Recency survives a restart through file times; finer steps would cost a disk write a read.
const TOUCH_INTERVAL: Duration = Duration::from_secs(60);

/// On whose behalf a blob is pinned: a job id, as a rule.
pub type Holder = [u8; 32];

/// Settings of a store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Bytes of blobs kept at most.
    pub quota_bytes: u64,
}

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory open.
    #[error("{} is in use by another process: stop it, or choose another directory", .dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory was written by another program or version.
    #[error("{} is not a blob store of this version: choose another directory, or empty it", .dir.display())]
    ForeignDirectory {
        /// The directory.
        dir: PathBuf,
    },
    /// The disk is full. Nothing half-written is left behind.
    #[error("the disk of {} is full: free some space, or lower the store's quota", .path.display())]
    DiskFull {
        /// The file that did not fit.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No room, even after evicting everything that may be evicted. Nothing was evicted.
    #[error(
        "{needed_bytes} bytes do not fit the quota of {quota_bytes}, of which {held_bytes} are pinned or being written"
    )]
    OverQuota {
        /// Size of the blob.
        needed_bytes: u64,
        /// The quota.
        quota_bytes: u64,
        /// Bytes that cannot be evicted.
        held_bytes: u64,
    },
    /// The blob's file went bad; it was removed and can be fetched again.
    #[error("blob {id} went bad on disk and was removed: fetch it again")]
    Corrupt {
        /// The blob.
        id: BlobId,
    },
    /// The written bytes are not those the name promises. Nothing was kept.
    #[error("the bytes written are not blob {expected}: their hash is {actual}")]
    HashMismatch {
        /// The name asked for.
        expected: BlobId,
        /// What the bytes hash to.
        actual: BlobId,
    },
    /// More or fewer bytes were written than announced. Nothing was kept.
    #[error("{written_bytes} bytes were written of a blob announced with {announced_bytes}")]
    WrongSize {
        /// Size announced.
        announced_bytes: u64,
        /// Size seen.
        written_bytes: u64,
    },
    /// The runtime stopped before the disk was asked.
    #[error("the node is shutting down")]
    ShuttingDown,
    /// Any other failure of the file system.
    #[error("could not {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A directory of blobs. Clones share it.
#[derive(Debug, Clone)]
pub struct BlobStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: Layout,
    index: Mutex<Index>,
}

impl BlobStore {
    /// Opens or creates the store in `dir`, and finds the blobs already there.
    ///
    /// A quota lowered below what is kept takes effect with the next write, when pins are known.
    pub fn open(dir: &Path, config: StoreConfig) -> Result<Self, StoreError> {
        let files = Layout::open(dir)?;
        let mut index = Index::new(config.quota_bytes);
        let mut found = files.scan()?;
        found.sort_unstable_by_key(|blob| (blob.used, blob.id));
        for blob in found {
            index.insert(blob.id, blob.size, blob.used, false);
        }
        Ok(Self { inner: Arc::new(Inner { files, index: Mutex::new(index) }) })
    }

    /// Keeps `bytes` and returns their name.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobId, StoreError> {
        let id = BlobId::of(bytes);
        self.put_known(id, bytes)?;
        Ok(id)
    }

    /// Keeps bytes that the caller has just hashed to `id`.
    pub(crate) fn put_known(&self, id: BlobId, bytes: &[u8]) -> Result<(), StoreError> {
        let here = self.inner.index.lock().touch(&id);
        // One found at start may have gone bad since it was written: then it is written anew.
        if here && !matches!(self.check(&id), Err(StoreError::Corrupt { .. })) && self.has(&id) {
            return Ok(());
        }
        let mut writer = self.writer(bytes.len() as u64)?;
        writer.write_hashed(bytes)?;
        writer.keep_as(id)
    }

    /// Starts writing a blob of `size_bytes`, making room for it now.
    pub fn writer(&self, size_bytes: u64) -> Result<BlobWriter, StoreError> {
        BlobWriter::start(self.inner.clone(), size_bytes)
    }

    /// The blob's bytes, checked against its name; `None` when it is not here.
    pub fn get(&self, id: &BlobId) -> Result<Option<Bytes>, StoreError> {
        let Some(mut reader) = self.reader(id)? else { return Ok(None) };
        let bytes = reader.read_at(0, reader.size_bytes)?;
        if BlobId::of(&bytes) != *id {
            return Err(self.discard(id));
        }
        self.inner.index.lock().mark_checked(id);
        Ok(Some(bytes))
    }

    /// Opens the blob for reading piece by piece; `None` when it is not here. The pieces are not
    /// checked: see [`Self::check`].
    pub(crate) fn reader(&self, id: &BlobId) -> Result<Option<BlobReader>, StoreError> {
        let Some(size_bytes) = self.size_bytes(id) else { return Ok(None) };
        let path = self.inner.files.blob(id);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Evicted since the index was asked, or deleted behind our back.
                self.inner.forget_missing(id);
                return Ok(None);
            }
            Err(error) => return Err(files::failed("open", &path, error)),
        };
        let actual = file.metadata().map_err(|error| files::failed("read", &path, error))?.len();
        if actual != size_bytes {
            return Err(self.discard(id));
        }
        self.note_use(id, &file);
        Ok(Some(BlobReader { file, path, size_bytes }))
    }

    /// Makes sure that the blob's file matched its name at least once since the store was opened.
    pub(crate) fn check(&self, id: &BlobId) -> Result<(), StoreError> {
        let checked = self.inner.index.lock().is_checked(id);
        if checked { Ok(()) } else { self.get(id).map(drop) }
    }

    /// Removes a blob whose file went bad, and says so.
    pub(crate) fn discard(&self, id: &BlobId) -> StoreError {
        tracing::warn!(blob = %id, "a blob went bad on disk and is removed");
        match self.remove(id) {
            Ok(_) => StoreError::Corrupt { id: *id },
            Err(error) => error,
        }
    }

    /// Deletes a blob, pinned or not; false when it was not here.
    pub fn remove(&self, id: &BlobId) -> Result<bool, StoreError> {
        let mut index = self.inner.index.lock();
        if !index.remove(id) {
            return Ok(false);
        }
        self.inner.files.remove(id)?;
        Ok(true)
    }

    /// Whether the blob is here, without reading it.
    pub fn has(&self, id: &BlobId) -> bool {
        self.size_bytes(id).is_some()
    }

    /// The blob's size, when it is here.
    pub fn size_bytes(&self, id: &BlobId) -> Option<u64> {
        self.inner.index.lock().size(id)
    }

    /// Keeps the blob from eviction until `holder` lets go. May be called before the blob arrives,
    /// and again without effect.
    pub fn pin(&self, id: BlobId, holder: Holder) {
        self.inner.index.lock().pin(id, holder);
    }

    /// Lets go of everything `holder` pinned; the blobs stay until their room is needed.
    pub fn unpin(&self, holder: &Holder) {
        self.inner.index.lock().unpin(holder);
    }

    /// What is kept, and under which quota.
    pub fn usage(&self) -> Usage {
        self.inner.index.lock().usage()
    }

    fn note_use(&self, id: &BlobId, file: &File) {
        let now = SystemTime::now();
        let mut index = self.inner.index.lock();
        index.touch(id);
        if index.stale_since(id, now, TOUCH_INTERVAL) {
            // Only a hint for eviction after a restart: not worth failing a read for.
            if let Err(error) = file.set_modified(now) {
                tracing::debug!(blob = %id, %error, "could not note the use of a blob");
            }
        }
    }
}

impl Inner {
    fn forget_missing(&self, id: &BlobId) {
        let mut index = self.index.lock();
        // Under the lock nobody renames or removes, so what is not on disk now is gone.
        if !self.files.blob(id).exists() {
            index.remove(id);
        }
    }

    /// Makes room for `size_bytes` and holds it until released or kept.
    fn reserve(&self, size_bytes: u64) -> Result<(), StoreError> {
        let mut index = self.index.lock();
        for victim in index.reserve(size_bytes)? {
            tracing::debug!(blob = %victim, "evicting the least recently used blob");
            if let Err(error) = self.files.remove(&victim) {
                index.release(size_bytes);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// An open blob, readable even if it is evicted meanwhile.
#[derive(Debug)]
pub(crate) struct BlobReader {
    file: File,
    path: PathBuf,
    pub(crate) size_bytes: u64,
}

impl BlobReader {
    /// Reads exactly `len` bytes from `offset`; they are not checked against the blob's name.
    pub(crate) fn read_at(&mut self, offset: u64, len: u64) -> Result<Bytes, StoreError> {
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(usize::MAX));
        let read = self
            .file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| (&mut self.file).take(len).read_to_end(&mut bytes))
            .map_err(|error| files::failed("read", &self.path, error))?;
        if read as u64 != len {
            let source = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(files::failed("read", &self.path, source));
        }
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests;
