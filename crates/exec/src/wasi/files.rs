//! Calls that describe descriptors: status, size, directory listing, mounts.

use super::abi::*;
use super::host::{Call, Fail};
use super::memory;
use super::streams::Descriptor;
use super::tree::NodeId;

const FILESTAT_BYTES: usize = 64;
const FDSTAT_BYTES: usize = 24;
const DIRENT_BYTES: usize = 24;

impl Call<'_> {
    pub(super) fn fd_fdstat_get(&mut self, fd: u32, at: u32) -> Result<(), Fail> {
        let (filetype, flags, rights) = match *self.descriptor(fd)? {
            Descriptor::Stdin => (FILETYPE_UNKNOWN, 0, RIGHTS_FD_READ),
            Descriptor::Stdout | Descriptor::Stderr => (FILETYPE_UNKNOWN, FDFLAGS_APPEND, RIGHTS_FD_WRITE),
            Descriptor::Directory { .. } => (FILETYPE_DIRECTORY, 0, RIGHTS_ALL),
            Descriptor::File { append, read, write, .. } => {
                let mut rights = RIGHTS_ALL & !(RIGHTS_FD_READ | RIGHTS_FD_WRITE);
                rights |= if read { RIGHTS_FD_READ } else { 0 };
                rights |= if write { RIGHTS_FD_WRITE } else { 0 };
                (FILETYPE_REGULAR, if append { FDFLAGS_APPEND } else { 0 }, rights)
            }
        };
        let mut stat = [0; FDSTAT_BYTES];
        stat[0] = filetype;
        stat[2..4].copy_from_slice(&flags.to_le_bytes());
        stat[8..16].copy_from_slice(&rights.to_le_bytes());
        stat[16..24].copy_from_slice(&RIGHTS_ALL.to_le_bytes());
        Ok(memory::put(self.memory, at, &stat)?)
    }

    /// Appending is the only flag that means anything here.
    pub(super) fn fd_fdstat_set_flags(&mut self, fd: u32, flags: u32) -> Result<(), Fail> {
        if let Descriptor::File { append, .. } = self.descriptor(fd)? {
            *append = flags & u32::from(FDFLAGS_APPEND) != 0;
        }
        Ok(())
    }

    pub(super) fn fd_filestat_get(&mut self, fd: u32, at: u32) -> Result<(), Fail> {
        match *self.descriptor(fd)? {
            Descriptor::File { node, .. } | Descriptor::Directory { node, .. } => self.put_filestat(node, at),
            _ => Ok(memory::put(self.memory, at, &[0; FILESTAT_BYTES])?),
        }
    }

    /// Device and times are always 0.
    pub(super) fn put_filestat(&mut self, node: NodeId, at: u32) -> Result<(), Fail> {
        let mut stat = [0; FILESTAT_BYTES];
        stat[8..16].copy_from_slice(&node.inode().to_le_bytes());
        stat[16] = self.filetype(node);
        stat[24..32].copy_from_slice(&1u64.to_le_bytes());
        stat[32..40].copy_from_slice(&self.wasi.tree.size(node).to_le_bytes());
        Ok(memory::put(self.memory, at, &stat)?)
    }

    pub(super) fn fd_filestat_set_size(&mut self, fd: u32, size: u64) -> Result<(), Fail> {
        match *self.descriptor(fd)? {
            Descriptor::File { node, write: true, .. } => self.resize(node, size),
            Descriptor::File { .. } => Err(Errno::Invalid.into()),
            _ => Err(Errno::BadFd.into()),
        }
    }

    pub(super) fn fd_prestat_get(&mut self, fd: u32, at: u32) -> Result<(), Fail> {
        let name = self.mount(fd)?;
        memory::put_u32(self.memory, at, 0)?;
        Ok(memory::put_u32(self.memory, memory::offset(at, 4)?, name.len() as u32)?)
    }

    pub(super) fn fd_prestat_dir_name(&mut self, fd: u32, at: u32, len: u32) -> Result<(), Fail> {
        let name = self.mount(fd)?;
        if name.len() > len as usize {
            return Err(Errno::NameTooLong.into());
        }
        Ok(memory::put(self.memory, at, name.as_bytes())?)
    }

    fn mount(&mut self, fd: u32) -> Result<&'static str, Errno> {
        match *self.descriptor(fd)? {
            Descriptor::Directory { mounted_at: Some(name), .. } => Ok(name),
            _ => Err(Errno::BadFd),
        }
    }

    /// Lists a directory in the order of names. The cookie is how many entries come before.
    pub(super) fn fd_readdir(&mut self, fd: u32, at: u32, len: u32, cookie: u64, used_at: u32) -> Result<(), Fail> {
        let Descriptor::Directory { node, .. } = *self.descriptor(fd)? else {
            return Err(Errno::NotDirectory.into());
        };
        let entries = self.wasi.tree.entries(node)?;
        let skip = usize::try_from(cookie).unwrap_or(usize::MAX);
        let passed = skip.min(entries.len()) as u64;
        self.charge_steps(passed)?;
        self.charge_bytes(u64::from(len))?;

        let mut listing = Vec::new();
        for (position, (name, id)) in self.wasi.tree.entries(node)?.iter().enumerate().skip(skip) {
            if listing.len() >= len as usize {
                break;
            }
            let mut entry = [0; DIRENT_BYTES];
            entry[..8].copy_from_slice(&(position as u64 + 1).to_le_bytes());
            entry[8..16].copy_from_slice(&id.inode().to_le_bytes());
            entry[16..20].copy_from_slice(&(name.len() as u32).to_le_bytes());
            entry[20] = self.filetype(*id);
            listing.extend_from_slice(&entry);
            listing.extend_from_slice(name.as_bytes());
        }
        // A cut entry fills the buffer to its end, which tells the guest to ask again with more room.
        listing.truncate(len as usize);
        memory::put(self.memory, at, &listing)?;
        Ok(memory::put_u32(self.memory, used_at, listing.len() as u32)?)
    }

    fn filetype(&self, node: NodeId) -> u8 {
        if self.wasi.tree.is_directory(node) { FILETYPE_DIRECTORY } else { FILETYPE_REGULAR }
    }

    pub(super) fn args_sizes_get(&mut self, count_at: u32, bytes_at: u32) -> Result<(), Fail> {
        let bytes: usize = self.wasi.args.iter().map(Vec::len).sum();
        memory::put_u32(self.memory, count_at, self.wasi.args.len() as u32)?;
        Ok(memory::put_u32(self.memory, bytes_at, bytes as u32)?)
    }

    pub(super) fn args_get(&mut self, pointers_at: u32, bytes_at: u32) -> Result<(), Fail> {
        let bytes: usize = self.wasi.args.iter().map(Vec::len).sum();
        self.charge_bytes(bytes as u64)?;
        let (mut pointer_at, mut at) = (pointers_at, bytes_at);
        for arg in &self.wasi.args {
            memory::put_u32(self.memory, pointer_at, at)?;
            memory::put(self.memory, at, arg)?;
            pointer_at = memory::offset(pointer_at, 4)?;
            at = memory::offset(at, arg.len() as u32)?;
        }
        Ok(())
    }

    pub(super) fn random_get(&mut self, at: u32, len: u32) -> Result<(), Fail> {
        self.charge_bytes(u64::from(len))?;
        self.wasi.random.fill(memory::slice_mut(self.memory, at, len)?);
        Ok(())
    }
}
