//! The jobs' wire form: little-endian numbers, `u32` counts, UTF-8 strings. Decoding is strict and
//! bounded: a count is checked against the bytes that are left, and nothing may follow the end.

use std::fmt;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The bytes end before the value does.
    Truncated,
    /// Bytes follow the value.
    Trailing,
    /// The first bytes are not this format's.
    Magic,
    /// A field holds a value that its type does not have.
    Invalid(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "the bytes end before the value does"),
            Self::Trailing => write!(f, "bytes follow the value"),
            Self::Magic => write!(f, "the bytes are not of this format and version"),
            Self::Invalid(field) => write!(f, "{field} has a value that it cannot have"),
        }
    }
}

impl std::error::Error for WireError {}

/// Appends values.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Starts with the format's four bytes.
    #[must_use]
    pub fn new(magic: [u8; 4]) -> Self {
        Self(magic.to_vec())
    }
    /// Appends a byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }
    /// Appends a `u32`.
    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    /// Appends an `i32`.
    pub fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    /// Appends a `u64`.
    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    /// Appends the bits of a float.
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }
    /// Appends floats without a count.
    pub fn f64s(&mut self, values: &[f64]) {
        for value in values {
            self.f64(*value);
        }
    }
    /// Appends a count; no list here comes near `u32::MAX`.
    pub fn count(&mut self, value: usize) {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX));
    }
    /// Appends a string.
    pub fn text(&mut self, value: &str) {
        self.count(value.len());
        self.0.extend_from_slice(value.as_bytes());
    }
    /// The bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes values off the front.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads after the format's four bytes.
    ///
    /// # Errors
    /// [`WireError::Magic`] where they differ.
    pub fn new(bytes: &'a [u8], magic: [u8; 4]) -> Result<Self, WireError> {
        bytes.strip_prefix(&magic).map(Self).ok_or(WireError::Magic)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    /// Takes a byte.
    ///
    /// # Errors
    /// [`WireError::Truncated`], as every method here.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_le_bytes(self.take()?))
    }
    /// Takes a `u32`.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.take()?))
    }
    /// Takes an `i32`.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn i32(&mut self) -> Result<i32, WireError> {
        Ok(i32::from_le_bytes(self.take()?))
    }
    /// Takes a `u64`.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_le_bytes(self.take()?))
    }
    /// Takes a float.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn f64(&mut self) -> Result<f64, WireError> {
        Ok(f64::from_bits(self.u64()?))
    }
    /// Takes a fixed number of floats.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    pub fn f64s<const N: usize>(&mut self) -> Result<[f64; N], WireError> {
        let mut values = [0.0; N];
        for value in &mut values {
            *value = self.f64()?;
        }
        Ok(values)
    }
    /// Takes a count of items of at least `least` bytes each, which must still be there.
    ///
    /// # Errors
    /// [`WireError::Truncated`] where fewer bytes are left than so many items need.
    pub fn count(&mut self, least: usize) -> Result<usize, WireError> {
        let count = self.u32()? as usize;
        if count.checked_mul(least.max(1)).is_none_or(|bytes| bytes > self.0.len()) {
            return Err(WireError::Truncated);
        }
        Ok(count)
    }
    /// Takes a string.
    ///
    /// # Errors
    /// [`WireError::Truncated`], or [`WireError::Invalid`] where it is not UTF-8.
    pub fn text(&mut self) -> Result<String, WireError> {
        let count = self.count(1)?;
        let (head, rest) = self.0.split_at(count);
        self.0 = rest;
        core::str::from_utf8(head).map(str::to_owned).map_err(|_| WireError::Invalid("a string"))
    }
    /// Ends: nothing may be left.
    ///
    /// # Errors
    /// [`WireError::Trailing`].
    pub fn end(self) -> Result<(), WireError> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError::Trailing) }
    }
}
