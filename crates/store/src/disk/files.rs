//! The directory of a store: paths, lock, scan.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use super::{StoreError, writer::Sink};
use crate::BlobId;

const FORMAT: &[u8] = b"assay blob store 1\n";

/// Where things are.
#[derive(Debug)]
pub(super) struct Layout {
    blobs: PathBuf,
    partial: PathBuf,
    next_partial: AtomicU64,
    // Held for its lock.
    _format: File,
    /// How files are created: replaced in tests by one whose disk fills up.
    pub(super) create: fn(&Path) -> io::Result<Box<dyn Sink>>,
}

/// A blob found by a scan.
pub(super) struct Found {
    pub(super) id: BlobId,
    pub(super) size: u64,
    pub(super) used: SystemTime,
}

/// Names a failure; a full disk gets its own name.
pub(super) fn failed(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path, source },
        _ => StoreError::Io { action, path, source },
    }
}

impl Layout {
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(|error| failed("create", dir, error))?;
        let format = claim(dir)?;
        let (blobs, partial) = (dir.join("blobs"), dir.join("partial"));
        create_directory(&blobs)?;
        create_directory(&partial)?;
        for left in entries(&partial)? {
            fs::remove_file(&left).map_err(|error| failed("remove", &left, error))?;
        }
        let create = |path: &Path| -> io::Result<Box<dyn Sink>> {
            Ok(Box::new(OpenOptions::new().write(true).create_new(true).open(path)?))
        };
        Ok(Self { blobs, partial, next_partial: AtomicU64::new(0), _format: format, create })
    }

    /// The blob's file.
    pub(super) fn blob(&self, id: &BlobId) -> PathBuf {
        let name = id.to_string();
        self.blobs.join(&name[..2]).join(&name[2..4]).join(&name)
    }

    /// A path nobody else writes to.
    pub(super) fn new_partial(&self) -> PathBuf {
        self.partial.join(self.next_partial.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Makes the directory that the blob's file will be in.
    pub(super) fn prepare(&self, id: &BlobId) -> Result<PathBuf, StoreError> {
        let name = id.to_string();
        let first = self.blobs.join(&name[..2]);
        let second = first.join(&name[2..4]);
        create_directory(&first)?;
        create_directory(&second)?;
        Ok(second)
    }

    /// Gives a finished file its name; durable once its directory is synced.
    pub(super) fn adopt(&self, partial: &Path, id: &BlobId) -> Result<(), StoreError> {
        let path = self.blob(id);
        fs::rename(partial, &path).map_err(|error| failed("rename", &path, error))
    }

    /// Deletes the blob's file, if it is there.
    pub(super) fn remove(&self, id: &BlobId) -> Result<(), StoreError> {
        let path = self.blob(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path, error)),
            _ => Ok(()),
        }
    }

    /// Every blob in the directory. Files that are none of ours are left alone.
    pub(super) fn scan(&self) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::new();
        for first in entries(&self.blobs)?.iter().filter(|path| path.is_dir()) {
            for second in entries(first)?.iter().filter(|path| path.is_dir()) {
                for path in entries(second)? {
                    let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
                    match id {
                        Some(id) if self.blob(&id) == path => {
                            let read = || path.metadata().and_then(|meta| Ok((meta.len(), meta.modified()?)));
                            let (size, used) = read().map_err(|error| failed("read", &path, error))?;
                            found.push(Found { id, size, used });
                        }
                        _ => tracing::warn!(path = %path.display(), "not a blob: left alone"),
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Makes what happened in the directory survive a power cut.
pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(|error| failed("sync", path, error))
}

fn create_directory(path: &Path) -> Result<(), StoreError> {
    match fs::create_dir(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync_directory),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("create", path, error)),
    }
}

/// Locks the directory's `FORMAT` file and checks or writes what it says.
fn claim(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("FORMAT");
    let io = |error| failed("open", &path, error);
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
    }
    let mut found = Vec::new();
    (&mut file).take(64).read_to_end(&mut found).map_err(io)?;
    if found.is_empty() && entries(dir)?.len() == 1 {
        file.write_all(FORMAT).and_then(|()| file.sync_all()).map_err(|error| failed("write", &path, error))?;
        sync_directory(dir)?;
    } else if found != FORMAT {
        return Err(StoreError::ForeignDirectory { dir: dir.to_owned() });
    }
    Ok(file)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list =
        || -> io::Result<Vec<PathBuf>> { fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect() };
    list().map_err(|error| failed("list", dir, error))
}
