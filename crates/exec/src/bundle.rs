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
    let is_directory = |path: &String| {
        let below = format!("{path}/");
        files.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
    };
    if files.keys().any(is_directory) { Err(DecodeError::Path) } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn content() -> impl Strategy<Value = Vec<u8>> {
        vec(any::<u8>(), 0..40)
    }

    /// Paths that cannot be directories of one another: all have the same number of components.
    fn files() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
        btree_map("[a-cé]{1,3}/[a-z.]{3}x", content(), 0..8)
    }

    fn input() -> impl Strategy<Value = Input> {
        (vec("[^\0]{0,6}", 0..5), content(), files()).prop_map(|(args, stdin, files)| Input { args, stdin, files })
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(given in input()) {
            let bytes = given.encode().unwrap();
            prop_assert_eq!(Input::decode(&bytes), Ok(given.clone()));
            let output = Output { stdout: given.stdin, files: given.files };
            let bytes = output.encode().unwrap();
            prop_assert_eq!(Output::decode(&bytes), Ok(output));
        }

        #[test]
        fn whatever_decodes_is_the_one_encoding_of_its_value(bytes in vec(any::<u8>(), 0..80)) {
            if let Ok(input) = Input::decode(&bytes) {
                prop_assert_eq!(input.encode().unwrap(), bytes.clone());
            }
            if let Ok(output) = Output::decode(&bytes) {
                prop_assert_eq!(output.encode().unwrap(), bytes);
            }
        }

        #[test]
        fn a_changed_byte_is_refused_or_canonical(given in input(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = given.encode().unwrap();
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Ok(input) = Input::decode(&bytes) {
                prop_assert_eq!(input.encode().unwrap(), bytes);
            }
        }

        #[test]
        fn a_cut_or_longer_bundle_is_refused(given in input(), cut in any::<prop::sample::Index>()) {
            let mut bytes = given.encode().unwrap();
            prop_assert!(Input::decode(&bytes[..cut.index(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert_eq!(Input::decode(&bytes), Err(DecodeError::Trailing));
        }
    }

    fn with_file(path: &str) -> Input {
        Input { files: [(path.to_owned(), Vec::new())].into(), ..Input::default() }
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused_both_ways() {
        for path in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\0b", &"n".repeat(256), &"a/".repeat(3000)]
        {
            assert_eq!(with_file(path).encode(), Err(DecodeError::Path), "{path}");
            let mut bytes = vec![VERSION, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
            put(&mut bytes, path.as_bytes()).unwrap();
            put(&mut bytes, b"").unwrap();
            assert_eq!(Input::decode(&bytes), Err(DecodeError::Path), "{path}");
        }
        assert!(with_file("a/b..c/.d").encode().is_ok());
    }

    #[test]
    fn a_file_that_is_also_a_directory_is_refused() {
        let mut input = with_file("a/b");
        input.files.insert("a".into(), Vec::new());
        assert_eq!(input.encode(), Err(DecodeError::Path));
    }

    #[test]
    fn files_out_of_order_or_twice_are_refused() {
        for (first, second) in [("b", "a"), ("a", "a")] {
            let mut bytes = vec![VERSION, 0, 0, 0, 0, 2, 0, 0, 0];
            for path in [first, second] {
                put(&mut bytes, path.as_bytes()).unwrap();
                put(&mut bytes, b"").unwrap();
            }
            assert_eq!(Output::decode(&bytes), Err(DecodeError::NotCanonical));
        }
    }

    #[test]
    fn a_count_that_lies_allocates_nothing_and_is_refused() {
        assert_eq!(Input::decode(&[1, 255, 255, 255, 255]), Err(DecodeError::TooLarge));
        assert_eq!(Input::decode(&[1, 0, 16, 0, 0]), Err(DecodeError::Truncated));
        assert_eq!(Output::decode(&[1, 255, 255, 255, 255, 0]), Err(DecodeError::Truncated));
        assert_eq!(Output::decode(&[2]), Err(DecodeError::Version(2)));
        assert_eq!(Output::decode(&[]), Err(DecodeError::Truncated));
    }
}
