//! Input and output of a WASI command as bytes: arguments, stdin and files in; stdout and files out.
//!
//! ```text
//! input   = version:u8 (1)  count:u32  bytes(argument)*  bytes(stdin)  files
//! output  = version:u8 (1)  bytes(stdout)  files
//! files   = count:u32  ( bytes(path)  bytes(content) )*     paths strictly ascending as bytes
//! bytes   = length:u32, then that many bytes                all integers little endian
//! ```
//! There is one encoding of every value, and decoding accepts nothing else. Paths are relative to `/in`
//! or `/out`, in UTF-8, with `/` between components; no path is a directory of another.

use std::collections::BTreeMap;

use crate::outcome::{DecodeError, split_bytes};

const VERSION: u8 = 1;

/// Arguments that a command may be given.
pub const MAX_ARGS: usize = 4_096;
/// Files that a bundle may hold.
pub const MAX_FILES: usize = 65_536;
/// Bytes of a path.
pub const MAX_PATH_BYTES: usize = 4_096;
/// Bytes of one component of a path.
pub const MAX_NAME_BYTES: usize = 255;

/// What a WASI command is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// Arguments after the program's name, without NUL bytes.
    pub args: Vec<String>,
    /// Standard input.
    pub stdin: Vec<u8>,
    /// Files under `/in`, by relative path.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// What a WASI command gives back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Files under `/out`, by relative path.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Input {
    /// Encodes, or says which limit or rule the value breaks.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        if self.args.len() > MAX_ARGS {
            return Err(DecodeError::TooLarge);
        }
        let mut out = vec![VERSION];
        put_len(&mut out, self.args.len())?;
        for arg in &self.args {
            check_arg(arg)?;
            put(&mut out, arg.as_bytes())?;
        }
        put(&mut out, &self.stdin)?;
        put_files(&mut out, &self.files)?;
        Ok(out)
    }

    /// Decodes what [`Input::encode`] wrote, and nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let rest = version(bytes)?;
        let (count, mut rest) = take_count(rest, MAX_ARGS, 4)?;
        let mut args = Vec::with_capacity(count);
        for _ in 0..count {
            let (arg, tail) = take_text(rest)?;
            check_arg(&arg)?;
            args.push(arg);
            rest = tail;
        }
        let (stdin, rest) = split_bytes(rest)?;
        let files = take_files(rest)?;
        Ok(Self { args, stdin: stdin.to_vec(), files })
    }
}

impl Output {
    /// Encodes, or says which limit or rule the value breaks.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut out = vec![VERSION];
        put(&mut out, &self.stdout)?;
        put_files(&mut out, &self.files)?;
        Ok(out)
    }

    /// Decodes what [`Output::encode`] wrote, and nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (stdout, rest) = split_bytes(version(bytes)?)?;
        let files = take_files(rest)?;
        Ok(Self { stdout: stdout.to_vec(), files })
    }
}

fn check_arg(arg: &str) -> Result<(), DecodeError> {
    if arg.contains('\0') { Err(DecodeError::NotCanonical) } else { Ok(()) }
}

/// Whether a path may stand in a bundle.
pub fn check_path(path: &str) -> Result<(), DecodeError> {
    let name = |name: &str| !matches!(name, "" | "." | "..") && name.len() <= MAX_NAME_BYTES && !name.contains('\0');
    if path.len() <= MAX_PATH_BYTES && path.split('/').all(name) { Ok(()) } else { Err(DecodeError::Path) }
}

fn version(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((&other, _)) => Err(DecodeError::Version(other)),
        None => Err(DecodeError::Truncated),
    }
}

fn put_len(out: &mut Vec<u8>, len: usize) -> Result<(), DecodeError> {
    let len = u32::try_from(len).map_err(|_| DecodeError::TooLarge)?;
    out.extend_from_slice(&len.to_le_bytes());
    Ok(())
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), DecodeError> {
    put_len(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

fn put_files(out: &mut Vec<u8>, files: &BTreeMap<String, Vec<u8>>) -> Result<(), DecodeError> {
    if files.len() > MAX_FILES {
        return Err(DecodeError::TooLarge);
    }
    check_tree(files)?;
    put_len(out, files.len())?;
    for (path, content) in files {
        check_path(path)?;
        put(out, path.as_bytes())?;
        put(out, content)?;
    }
    Ok(())
}

/// No file may be a directory on the way to another.
fn check_tree(files: &BTreeMap<String, Vec<u8>>) -> Result<(), DecodeError> {
    let parents = |path: &str| path.match_indices('/').any(|(at, _)| files.contains_key(&path[..at]));
    if files.keys().any(|path| parents(path)) { Err(DecodeError::Path) } else { Ok(()) }
}

/// A count of entries that each take at least `least` bytes, so that a lying count allocates nothing.
fn take_count(bytes: &[u8], most: usize, least: usize) -> Result<(usize, &[u8]), DecodeError> {
    let (count, rest) = bytes.split_first_chunk::<4>().ok_or(DecodeError::Truncated)?;
    let count = u32::from_le_bytes(*count) as usize;
    if count > most {
        return Err(DecodeError::TooLarge);
    }
    if count.saturating_mul(least) > rest.len() {
        return Err(DecodeError::Truncated);
    }
    Ok((count, rest))
}

fn take_text(bytes: &[u8]) -> Result<(String, &[u8]), DecodeError> {
    let (text, rest) = split_bytes(bytes)?;
    Ok((std::str::from_utf8(text).map_err(|_| DecodeError::Utf8)?.to_owned(), rest))
}

fn take_files(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, DecodeError> {
    let (count, mut rest) = take_count(bytes, MAX_FILES, 8)?;
    let mut files = BTreeMap::new();
    for _ in 0..count {
        let (path, tail) = take_text(rest)?;
        let (content, tail) = split_bytes(tail)?;
        rest = tail;
        check_path(&path)?;
        if files.last_key_value().is_some_and(|(last, _)| *last >= path) {
            return Err(DecodeError::NotCanonical);
        }
        files.insert(path, content.to_vec());
    }
    if !rest.is_empty() {
        return Err(DecodeError::Trailing);
    }
    check_tree(&files)?;
    Ok(files)
}
