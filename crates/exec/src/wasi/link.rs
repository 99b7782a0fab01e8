//! The table of preview-1 functions: every name, its signature, and what answers it.

use wasmtime::{Caller, Engine, Linker};

use super::MODULE;
use super::abi::Errno;
use super::host::{Call, Fail, enter};
use super::paths::PathAt;
use crate::program::{Host, Stop};

/// Declares functions that answer with an error number, and the list of all names.
macro_rules! functions {
    ($($name:ident($($arg:ident: $ty:ty),*) => |$call:pat_param| $body:expr;)*) => {
        /// Every function there is, `proc_exit` among them.
        pub(super) const NAMES: &[&str] = &["proc_exit", $(stringify!($name)),*];

        fn add_all(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
            $(
                linker.func_wrap(MODULE, stringify!($name), |mut caller: Caller<'_, Host>, $($arg: $ty),*| {
                    enter(&mut caller, |$call: &mut Call<'_>| $body)
                })?;
            )*
            Ok(())
        }
    };
}

/// All preview-1 functions on this host.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    add_all(&mut linker)?;
    linker.func_wrap(MODULE, "proc_exit", |mut caller: Caller<'_, Host>, code: u32| -> wasmtime::Result<()> {
        enter(&mut caller, |_| Err(Stop::Exit(code).into())).map(|_| ())
    })?;
    Ok(linker)
}

/// Succeeds where the descriptor exists.
fn exists(call: &mut Call<'_>, fd: u32) -> Result<(), Fail> {
    Ok(call.descriptor(fd).map(|_| ())?)
}

/// Always the same error.
fn refuse(errno: Errno) -> Result<(), Fail> {
    Err(errno.into())
}

functions! {
    args_get(pointers: u32, bytes: u32) => |c| c.args_get(pointers, bytes);
    args_sizes_get(count: u32, bytes: u32) => |c| c.args_sizes_get(count, bytes);
    environ_get(_pointers: u32, _bytes: u32) => |_| Ok(());
    environ_sizes_get(count: u32, bytes: u32) => |c| {
        super::memory::put_u32(c.memory, count, 0)?;
        Ok(super::memory::put_u32(c.memory, bytes, 0)?)
    };
    clock_res_get(id: i32, at: u32) => |c| c.clock_res_get(id, at);
    clock_time_get(id: i32, _precision: u64, at: u32) => |c| c.clock_time_get(id, at);
    fd_advise(fd: u32, _offset: u64, _len: u64, _advice: i32) => |c| exists(c, fd);
    fd_allocate(_fd: u32, _offset: u64, _len: u64) => |_| refuse(Errno::NotSupported);
    fd_close(fd: u32) => |c| c.fd_close(fd);
    fd_datasync(fd: u32) => |c| exists(c, fd);
    fd_fdstat_get(fd: u32, at: u32) => |c| c.fd_fdstat_get(fd, at);
    fd_fdstat_set_flags(fd: u32, flags: u32) => |c| c.fd_fdstat_set_flags(fd, flags);
    fd_fdstat_set_rights(fd: u32, _base: u64, _inheriting: u64) => |c| exists(c, fd);
    fd_filestat_get(fd: u32, at: u32) => |c| c.fd_filestat_get(fd, at);
    fd_filestat_set_size(fd: u32, size: u64) => |c| c.fd_filestat_set_size(fd, size);
    fd_filestat_set_times(fd: u32, _accessed: u64, _modified: u64, _flags: i32) => |c| exists(c, fd);
    fd_pread(fd: u32, at: u32, count: u32, offset: u64, read: u32) => |c| c.fd_pread(fd, at, count, offset, read);
    fd_prestat_get(fd: u32, at: u32) => |c| c.fd_prestat_get(fd, at);
    fd_prestat_dir_name(fd: u32, at: u32, len: u32) => |c| c.fd_prestat_dir_name(fd, at, len);
    fd_pwrite(fd: u32, at: u32, count: u32, offset: u64, written: u32) => |c| c.fd_pwrite(fd, at, count, offset, written);
    fd_read(fd: u32, at: u32, count: u32, read: u32) => |c| c.fd_read(fd, at, count, read);
    fd_readdir(fd: u32, at: u32, len: u32, cookie: u64, used: u32) => |c| c.fd_readdir(fd, at, len, cookie, used);
    fd_renumber(from: u32, to: u32) => |c| c.fd_renumber(from, to);
    fd_seek(fd: u32, delta: i64, whence: u32, at: u32) => |c| c.fd_seek(fd, delta, whence, at);
    fd_sync(fd: u32) => |c| exists(c, fd);
    fd_tell(fd: u32, at: u32) => |c| c.fd_seek(fd, 0, 1, at);
    fd_write(fd: u32, at: u32, count: u32, written: u32) => |c| c.fd_write(fd, at, count, written);
    path_create_directory(fd: u32, at: u32, len: u32) => |c| c.path_create_directory(PathAt { fd, at, len });
    path_filestat_get(fd: u32, _flags: i32, at: u32, len: u32, stat: u32) => |c| c.path_filestat_get(PathAt { fd, at, len }, stat);
    path_filestat_set_times(fd: u32, _flags: i32, at: u32, len: u32, _accessed: u64, _modified: u64, _which: i32) =>
        |c| c.path_filestat_set_times(PathAt { fd, at, len });
    path_link(_from: u32, _flags: i32, _at: u32, _len: u32, _to: u32, _new_at: u32, _new_len: u32) => |_| refuse(Errno::NotSupported);
    path_open(fd: u32, _lookup: i32, at: u32, len: u32, oflags: i32, rights: u64, _inheriting: u64, fdflags: u32, opened: u32) =>
        |c| c.path_open(PathAt { fd, at, len }, oflags, rights, fdflags, opened);
    path_readlink(fd: u32, at: u32, len: u32, _buf: u32, _buf_len: u32, _used: u32) => |c| c.path_readlink(PathAt { fd, at, len });
    path_remove_directory(fd: u32, at: u32, len: u32) => |c| c.path_remove_directory(PathAt { fd, at, len });
    path_rename(fd: u32, at: u32, len: u32, new_fd: u32, new_at: u32, new_len: u32) =>
        |c| c.path_rename(PathAt { fd, at, len }, PathAt { fd: new_fd, at: new_at, len: new_len });
    path_symlink(_at: u32, _len: u32, _fd: u32, _new_at: u32, _new_len: u32) => |_| refuse(Errno::NotSupported);
    path_unlink_file(fd: u32, at: u32, len: u32) => |c| c.path_unlink_file(PathAt { fd, at, len });
    poll_oneoff(from: u32, to: u32, count: u32, events: u32) => |c| c.poll_oneoff(from, to, count, events);
    proc_raise(_signal: i32) => |_| refuse(Errno::NoSystemCall);
    random_get(at: u32, len: u32) => |c| c.random_get(at, len);
    sched_yield() => |_| Ok(());
    sock_accept(_fd: u32, _flags: i32, _at: u32) => |_| refuse(Errno::NotSocket);
    sock_recv(_fd: u32, _at: u32, _count: u32, _flags: i32, _read: u32, _out: u32) => |_| refuse(Errno::NotSocket);
    sock_send(_fd: u32, _at: u32, _count: u32, _flags: i32, _sent: u32) => |_| refuse(Errno::NotSocket);
    sock_shutdown(_fd: u32, _how: i32) => |_| refuse(Errno::NotSocket);
}
