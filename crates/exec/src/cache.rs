//! Compiled code on disk: one file for each program and ABI, in a directory for each runtime.
//!
//! ```text
//! CACHE/<runtime id>/<program hash>-<abi>.cwasm = magic  runtime id  program hash  abi:u8  BLAKE3(all of these, code)  code
//! ```
//! Loading compiled code means running it, so a file is read into memory whole and its hash checked
//! before the engine sees a byte of it; nothing is mapped from disk, where a truncated file would kill
//! the process. A file that is damaged, foreign or of another runtime is compiled afresh and replaced.
//!
//! The hash guards against damage and mix-ups. Whoever can write to the directory can run code as this
//! user, as with the binary itself: it is created readable and writable by its owner alone.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use assay_types::job::Abi;

use crate::runtime::runtime_id;

const MAGIC: &[u8; 8] = b"assaycw1";
const HEADER_BYTES: usize = 8 + 32 + 32 + 1 + 32;

/// The directory of one runtime's compiled code.
#[derive(Debug)]
pub(crate) struct DiskCache {
    dir: PathBuf,
}

impl DiskCache {
    /// Opens the cache below `root`, making its directory.
    pub(crate) fn open(root: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let dir = root.join(blake3::Hash::from(runtime_id()).to_hex().as_str());
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&dir) {
            Ok(()) => Ok(Self { dir }),
            Err(error) => Err((dir, error)),
        }
    }

    fn path(&self, program: &[u8; 32], abi: Abi) -> PathBuf {
        self.dir.join(format!("{}-{}.cwasm", blake3::Hash::from(*program).to_hex(), abi as u8))
    }

    /// The compiled code of a program, if it is here and whole.
    pub(crate) fn get(&self, program: &[u8; 32], abi: Abi) -> Option<Vec<u8>> {
        let path = self.path(program, abi);
        let mut file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled code cannot be read; compiling again");
                return None;
            }
        };
        let whole = file
            .split_at_checked(HEADER_BYTES)
            .is_some_and(|(head, code)| head == header(program, abi, code).as_slice());
        if !whole {
            tracing::warn!(path = %path.display(), "compiled code is damaged or foreign; compiling again");
            return None;
        }
        file.drain(..HEADER_BYTES);
        Some(file)
    }

    /// Keeps compiled code. A full or failing disk only costs the next start a compilation.
    pub(crate) fn put(&self, program: &[u8; 32], abi: Abi, code: &[u8]) {
        let path = self.path(program, abi);
        if let Err(error) = self.write(&path, &header(program, abi, code), code) {
            tracing::warn!(path = %path.display(), %error, "compiled code cannot be kept");
        }
    }

    /// Writes beside the final place and renames, so that no reader ever sees half a file.
    fn write(&self, path: &Path, header: &[u8], code: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{serial}.tmp", std::process::id()));
        let written = (|| {
            let mut file = fs::File::create(&temporary)?;
            file.write_all(header)?;
            file.write_all(code)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        })();
        if written.is_err()
            && let Err(error) = fs::remove_file(&temporary)
        {
            tracing::debug!(path = %temporary.display(), %error, "temporary file is left behind");
        }
        written
    }
}

fn header(program: &[u8; 32], abi: Abi, code: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEADER_BYTES);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&runtime_id());
    head.extend_from_slice(program);
    head.push(abi as u8);
    let mut hasher = blake3::Hasher::new_derive_key("assay 2026-11 compiled code");
    hasher.update(&head);
    hasher.update(code);
    head.extend_from_slice(hasher.finalize().as_bytes());
    head
}
