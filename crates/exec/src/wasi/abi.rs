//! Numbers of WASI preview 1 (the `wasi_snapshot_preview1` witx), as far as this host answers them.

/// Error numbers that guests see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Errno {
    BadFd = 8,
    Exists = 20,
    Fault = 21,
    FileTooBig = 22,
    Invalid = 28,
    IsDirectory = 31,
    TooManyFiles = 33,
    NameTooLong = 37,
    NoEntry = 44,
    NoSpace = 51,
    NoSystemCall = 52,
    NotDirectory = 54,
    NotEmpty = 55,
    NotSocket = 57,
    NotSupported = 58,
    NotPermitted = 63,
    ReadOnly = 69,
    IllegalSeek = 70,
    NotCapable = 76,
}

pub(super) const FILETYPE_UNKNOWN: u8 = 0;
pub(super) const FILETYPE_DIRECTORY: u8 = 3;
pub(super) const FILETYPE_REGULAR: u8 = 4;

pub(super) const OFLAGS_CREATE: i32 = 1;
pub(super) const OFLAGS_DIRECTORY: i32 = 2;
pub(super) const OFLAGS_EXCLUSIVE: i32 = 4;
pub(super) const OFLAGS_TRUNCATE: i32 = 8;

pub(super) const FDFLAGS_APPEND: u16 = 1;

pub(super) const RIGHTS_FD_READ: u64 = 1 << 1;
pub(super) const RIGHTS_FD_WRITE: u64 = 1 << 6;
/// Every right that preview 1 defines.
pub(super) const RIGHTS_ALL: u64 = (1 << 30) - 1;

pub(super) const EVENT_CLOCK: u8 = 0;
pub(super) const EVENT_FD_READ: u8 = 1;
pub(super) const EVENT_FD_WRITE: u8 = 2;
pub(super) const SUBSCRIPTION_CLOCK_ABSTIME: u16 = 1;
