//! The state directory of an embedded network: whose it is, of which version, and that only one
//! process uses it.
//!
//! ```text
//! DIR/assay.json        what this directory is: format version, chain id, genesis hash
//! DIR/lock              held while a process uses the directory
//! DIR/genesis.json      what receipts are verified against
//! DIR/secrets.json      keys of all roles, readable by the owner only
//! DIR/validators/N/     chain state of a validator
//! DIR/providers/N/      blobs, journal and compiled code of a provider
//! DIR/renter/           the renter's jobs and blobs
//! ```

use std::{
    fs::{self, File, TryLockError},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use assay_types::{B256, Genesis};
use serde::{Deserialize, Serialize};

use crate::failure::{Code, Failure, Outcome};

/// Format of the directory; another number is another format.
const VERSION: u32 = 2;
const MARKER: &str = "assay.json";

/// What says that a directory is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    version: u32,
    chain_id: u64,
    genesis_hash: B256,
}

/// A state directory in use by this process. The lock goes with it.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Takes the directory; what was in it goes if `fresh`, unless it is not ours.
    pub(crate) fn open(path: &Path, fresh: bool) -> Outcome<Self> {
        check_ours(path)?;
        create_dir(path)?;
        let lock = lock(path)?;
        if fresh {
            clear(path)?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file or directory in it.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// The genesis of the network in it, if there is one.
    pub(crate) fn genesis(&self) -> Outcome<Option<Genesis>> {
        let path = self.join(MARKER);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::io(format!("could not read {}", path.display()), &error)),
        };
        let foreign = |why: String| {
            Failure::new(Code::ForeignDirectory, format!("{} cannot be used", self.path.display()))
                .why(why)
                .next("choose another directory with --dir, or start over with `assay up --fresh`")
        };
        let version = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|v| v.get("version")?.as_u64());
        if version != Some(u64::from(VERSION)) {
            let found = version.map_or_else(|| "no".to_owned(), |v| v.to_string());
            return Err(foreign(format!("it has {found} format version, and this program reads {VERSION}")));
        }
        let marker: Marker = serde_json::from_str(&text).map_err(|e| foreign(format!("{MARKER}: {e}")))?;
        let genesis = read_genesis(&self.join("genesis.json"))?;
        if (genesis.chain_id, genesis.hash()) != (marker.chain_id, marker.genesis_hash) {
            return Err(foreign(format!(
                "its state is of chain {} with genesis {}, its genesis.json of chain {} with genesis {}",
                marker.chain_id,
                marker.genesis_hash,
                genesis.chain_id,
                genesis.hash()
            )));
        }
        Ok(Some(genesis))
    }

    /// Makes it the directory of the network with this genesis. The marker comes last, so a
    /// half-made directory is never taken for a whole one.
    pub(crate) fn adopt(&self, genesis: &Genesis) -> Outcome<()> {
        write_file(&self.join("genesis.json"), genesis.to_json().as_bytes(), 0o644)?;
        let marker = Marker { version: VERSION, chain_id: genesis.chain_id, genesis_hash: genesis.hash() };
        let text = serde_json::to_string_pretty(&marker).unwrap_or_default();
        write_file(&self.join(MARKER), text.as_bytes(), 0o644)
    }
}

/// Reads a genesis file.
pub(crate) fn read_genesis(path: &Path) -> Outcome<Genesis> {
    let text = fs::read_to_string(path).map_err(|e| Failure::io(format!("could not read {}", path.display()), &e))?;
    Genesis::from_json(&text).map_err(|error| {
        Failure::new(Code::BadInput, format!("{} is not a genesis file", path.display())).because(&error)
    })
}

/// Writes a file whole or not at all.
pub(crate) fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Outcome<()> {
    if let Some(parent) = path.parent() {
        create_dir(parent)?;
    }
    let aside = path.with_extension("new");
    let write = || {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(mode);
        }
        let mut file = options.open(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&aside, path)
    };
    let _unix_only = mode;
    write().map_err(|error| Failure::io(format!("could not write {}", path.display()), &error))
}

pub(crate) fn create_dir(path: &Path) -> Outcome<()> {
    fs::create_dir_all(path).map_err(|error| Failure::io(format!("could not create {}", path.display()), &error))
}

/// A directory with things in it and no marker belongs to somebody else.
fn check_ours(path: &Path) -> Outcome<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::io(format!("could not read {}", path.display()), &error)),
    };
    // A run that was stopped before its network existed leaves a lock and secrets at most.
    let ours = ["lock", "secrets.json", "secrets.new", "genesis.json", "genesis.new", "assay.new", MARKER];
    let strange = entries.flatten().map(|e| e.file_name()).find(|n| !ours.iter().any(|name| n == name));
    match strange {
        Some(name) if !path.join(MARKER).exists() => {
            Err(Failure::new(Code::ForeignDirectory, format!("{} is not a state directory of assay", path.display()))
                .why(format!("it holds {} and no {MARKER}", name.to_string_lossy()))
                .next("choose an empty or new directory with --dir"))
        }
        _ => Ok(()),
    }
}

fn lock(path: &Path) -> Outcome<File> {
    let file = path.join("lock");
    let io = |error: &std::io::Error| Failure::io(format!("could not lock {}", path.display()), error);
    let mut lock =
        fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file).map_err(|e| io(&e))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&file).unwrap_or_default();
            let who = holder
                .trim()
                .parse::<u32>()
                .map_or_else(|_| "another process".to_owned(), |pid| format!("process {pid}"));
            return Err(Failure::new(Code::DirectoryInUse, format!("{} is in use", path.display()))
                .why(format!("{who} has it open"))
                .next("stop that process, or choose another directory with --dir"));
        }
        Err(TryLockError::Error(error)) => return Err(io(&error)),
    }
    lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(|e| io(&e))?;
    Ok(lock)
}

/// Empties the directory, the marker first: cut short, it is not taken for a whole one.
fn clear(path: &Path) -> Outcome<()> {
    let io = |error: &std::io::Error| Failure::io(format!("could not empty {}", path.display()), error);
    let mut entries: Vec<PathBuf> = fs::read_dir(path).map_err(|e| io(&e))?.flatten().map(|e| e.path()).collect();
    entries.retain(|p| !p.ends_with("lock"));
    // Keep the marker until all else is gone, or what is left would look like somebody else's.
    entries.sort_by_key(|p| p.ends_with(MARKER));
    for entry in entries {
        let gone = if entry.is_dir() { fs::remove_dir_all(&entry) } else { fs::remove_file(&entry) };
        gone.map_err(|e| io(&e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_used_by_one_process_at_a_time() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = StateDir::open(dir.path(), false).expect("opens");
        let refused = StateDir::open(dir.path(), false).expect_err("is locked");
        assert_eq!(refused.code, Code::DirectoryInUse);
        drop(first);
        StateDir::open(dir.path(), true).expect("is free again");
    }

    #[test]
    fn a_directory_of_somebody_else_is_left_alone_even_when_starting_over() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("thesis.tex"), "ten years of work").expect("writes");
        let refused = StateDir::open(dir.path(), true).expect_err("refused");
        assert_eq!(refused.code, Code::ForeignDirectory);
        assert!(dir.path().join("thesis.tex").exists());
    }

    #[test]
    fn a_directory_of_another_version_or_chain_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = StateDir::open(dir.path(), false).expect("opens");
        assert!(state.genesis().expect("reads").is_none());
        fs::write(dir.path().join(MARKER), "{\"version\":0}").expect("writes");
        let refused = state.genesis().expect_err("refused");
        assert_eq!(refused.code, Code::ForeignDirectory);
        assert!(refused.why[0].contains("format version"), "{refused}");
    }
}
