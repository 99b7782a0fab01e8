//! Writing a blob: aside first, checked, then named.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    time::SystemTime,
};

use super::{
    Inner, StoreError,
    files::{failed, sync_directory},
};
use crate::BlobId;

/// Something that takes bytes and can make them durable.
pub(super) trait Sink: Write + Send {
    /// Returns once everything written would survive a power cut.
    fn sync(&mut self) -> io::Result<()>;
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// A blob being written. Dropped before [`Self::finish`], it leaves nothing behind.
pub struct BlobWriter {
    store: Arc<Inner>,
    path: PathBuf,
    sink: Option<Box<dyn Sink>>,
    hasher: blake3::Hasher,
    announced_bytes: u64,
    written_bytes: u64,
    /// Given back when dropped.
    reserved_bytes: u64,
}

impl BlobWriter {
    pub(super) fn start(store: Arc<Inner>, size_bytes: u64) -> Result<Self, StoreError> {
        store.reserve(size_bytes)?;
        let mut writer = Self {
            path: store.files.new_partial(),
            store,
            sink: None,
            hasher: blake3::Hasher::new(),
            announced_bytes: size_bytes,
            written_bytes: 0,
            reserved_bytes: size_bytes,
        };
        // From here on dropping the writer gives the room back.
        let create = writer.store.files.create;
        writer.sink = Some(create(&writer.path).map_err(|error| failed("create", &writer.path, error))?);
        Ok(writer)
    }

    /// Appends bytes; more than were announced is an error.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(bytes);
        self.write_hashed(bytes)
    }

    /// As [`Self::write`], for bytes whose hash the caller already knows.
    pub(super) fn write_hashed(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.written_bytes += bytes.len() as u64;
        if self.written_bytes > self.announced_bytes {
            return Err(self.wrong_size());
        }
        match &mut self.sink {
            Some(sink) => sink.write_all(bytes).map_err(|error| failed("write", &self.path, error)),
            None => Ok(()),
        }
    }

    /// Keeps the blob if it is the one named `expected`, durably; otherwise keeps nothing.
    pub fn finish(self, expected: BlobId) -> Result<(), StoreError> {
        let actual = BlobId(*self.hasher.finalize().as_bytes());
        if self.written_bytes != self.announced_bytes {
            return Err(self.wrong_size());
        }
        if actual != expected {
            return Err(StoreError::HashMismatch { expected, actual });
        }
        self.keep_as(expected)
    }

    /// Gives the bytes their name, which the caller vouches for.
    pub(super) fn keep_as(mut self, id: BlobId) -> Result<(), StoreError> {
        if let Some(mut sink) = self.sink.take() {
            sink.sync().map_err(|error| failed("write", &self.path, error))?;
        }
        let directory = self.store.files.prepare(&id)?;
        {
            // The slow parts are outside: others wait for a rename, not for the disk.
            let mut index = self.store.index.lock();
            self.store.files.adopt(&self.path, &id)?;
            index.release(self.announced_bytes);
            index.insert(id, self.announced_bytes, SystemTime::now(), true);
            self.reserved_bytes = 0;
        }
        sync_directory(&directory)
    }

    fn wrong_size(&self) -> StoreError {
        StoreError::WrongSize { announced_bytes: self.announced_bytes, written_bytes: self.written_bytes }
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // After `keep_as` the file has moved away and this finds nothing.
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "could not remove a partial blob");
            }
            _ => {}
        }
        self.store.index.lock().release(self.reserved_bytes);
    }
}
