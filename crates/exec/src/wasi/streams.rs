//! Calls on descriptors that move bytes or say where they are: read, write, seek, close.

use super::abi::*;
use super::host::{Call, Fail};
use super::memory::{self, Vectors};
use super::tree::NodeId;

/// What a descriptor number stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Descriptor {
    Stdin,
    Stdout,
    Stderr,
    Directory { node: NodeId, mounted_at: Option<&'static str> },
    File { node: NodeId, offset: u64, append: bool, read: bool, write: bool },
}

impl Call<'_> {
    pub(super) fn descriptor(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.wasi.descriptors.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::BadFd)
    }

    pub(super) fn fd_read(&mut self, fd: u32, at: u32, count: u32, read_at: u32) -> Result<(), Fail> {
        let (vectors, total) = self.vectors(at, count)?;
        let read = match *self.descriptor(fd)? {
            Descriptor::Stdin => {
                let left = self.wasi.stdin.len() - self.wasi.stdin_read;
                self.charge_bytes(total.min(left as u64))?;
                let read = scatter(self.memory, &vectors, &self.wasi.stdin[self.wasi.stdin_read..])?;
                self.wasi.stdin_read += read as usize;
                read
            }
            Descriptor::File { node, offset, append, read: true, write } => {
                let read = self.read_at(node, offset, &vectors, total)?;
                let offset = offset.saturating_add(u64::from(read));
                *self.descriptor(fd)? = Descriptor::File { node, offset, append, read: true, write };
                read
            }
            Descriptor::Directory { .. } => return Err(Errno::IsDirectory.into()),
            _ => return Err(Errno::BadFd.into()),
        };
        Ok(memory::put_u32(self.memory, read_at, read)?)
    }

    pub(super) fn fd_pread(&mut self, fd: u32, at: u32, count: u32, offset: u64, read_at: u32) -> Result<(), Fail> {
        let (vectors, total) = self.vectors(at, count)?;
        let read = match *self.descriptor(fd)? {
            Descriptor::File { node, read: true, .. } => self.read_at(node, offset, &vectors, total)?,
            Descriptor::File { .. } => return Err(Errno::BadFd.into()),
            Descriptor::Directory { .. } => return Err(Errno::IsDirectory.into()),
            _ => return Err(Errno::IllegalSeek.into()),
        };
        Ok(memory::put_u32(self.memory, read_at, read)?)
    }

    fn read_at(&mut self, node: NodeId, offset: u64, vectors: &Vectors, total: u64) -> Result<u32, Fail> {
        let left = self.wasi.tree.size(node).saturating_sub(offset);
        self.charge_bytes(total.min(left))?;
        let file = self.wasi.tree.file(node)?;
        let from = usize::try_from(offset).map_or(file.len(), |offset| offset.min(file.len()));
        Ok(scatter(self.memory, vectors, &file[from..])?)
    }

    pub(super) fn fd_write(&mut self, fd: u32, at: u32, count: u32, written_at: u32) -> Result<(), Fail> {
        let (vectors, total) = self.vectors(at, count)?;
        self.charge_bytes(total)?;
        match *self.descriptor(fd)? {
            Descriptor::Stdout => {
                self.wasi.grow_output(total)?;
                for (pointer, len) in &vectors {
                    self.wasi.stdout.extend_from_slice(memory::slice(self.memory, *pointer, *len)?);
                }
            }
            Descriptor::Stderr => {
                for (pointer, len) in &vectors {
                    self.wasi.write_log(memory::slice(self.memory, *pointer, *len)?);
                }
            }
            Descriptor::File { node, offset, append, read, write: true } => {
                let offset = if append { self.wasi.tree.size(node) } else { offset };
                let offset = self.write_at(node, offset, &vectors, total)?;
                *self.descriptor(fd)? = Descriptor::File { node, offset, append, read, write: true };
            }
            _ => return Err(Errno::BadFd.into()),
        }
        Ok(memory::put_u32(self.memory, written_at, length(total)?)?)
    }

    pub(super) fn fd_pwrite(&mut self, fd: u32, at: u32, count: u32, offset: u64, written_at: u32) -> Result<(), Fail> {
        let (vectors, total) = self.vectors(at, count)?;
        self.charge_bytes(total)?;
        match *self.descriptor(fd)? {
            Descriptor::File { node, write: true, .. } => self.write_at(node, offset, &vectors, total)?,
            Descriptor::File { .. } | Descriptor::Directory { .. } => return Err(Errno::BadFd.into()),
            _ => return Err(Errno::IllegalSeek.into()),
        };
        Ok(memory::put_u32(self.memory, written_at, length(total)?)?)
    }

    /// Writes into a file, filling a gap before the offset with zeros. Returns the offset after.
    fn write_at(&mut self, node: NodeId, offset: u64, vectors: &Vectors, total: u64) -> Result<u64, Fail> {
        let end = offset.checked_add(total).ok_or(Errno::FileTooBig)?;
        if total > 0 {
            self.resize(node, end.max(self.wasi.tree.size(node)))?;
        }
        let file = self.wasi.tree.file_mut(node)?;
        // The file reaches to `end`, so the offset fits wherever anything is written.
        let mut at = usize::try_from(offset).map_err(|_| Errno::FileTooBig)?;
        for (pointer, len) in vectors {
            let bytes = memory::slice(self.memory, *pointer, *len)?;
            if let Some(place) = file.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
                place.copy_from_slice(bytes);
            }
            at += bytes.len();
        }
        Ok(end)
    }

    /// Makes a file of `/out` as long as said, charged and counted.
    pub(super) fn resize(&mut self, node: NodeId, size: u64) -> Result<(), Fail> {
        let old = self.wasi.tree.size(node);
        if size > old {
            self.wasi.grow_output(size - old)?;
            self.charge_bytes(size - old)?;
        } else {
            self.wasi.shrink_output(old - size);
        }
        // Within the output limit by now, which is counted in 32 bits.
        let size = usize::try_from(size).map_err(|_| Errno::FileTooBig)?;
        self.wasi.tree.file_mut(node)?.resize(size, 0);
        Ok(())
    }

    pub(super) fn fd_seek(&mut self, fd: u32, delta: i64, whence: u32, offset_at: u32) -> Result<(), Fail> {
        let Descriptor::File { node, offset, append, read, write } = *self.descriptor(fd)? else {
            return Err(Errno::IllegalSeek.into());
        };
        let base = match whence {
            0 => 0,
            1 => offset,
            2 => self.wasi.tree.size(node),
            _ => return Err(Errno::Invalid.into()),
        };
        let offset = base.checked_add_signed(delta).filter(|to| i64::try_from(*to).is_ok()).ok_or(Errno::Invalid)?;
        *self.descriptor(fd)? = Descriptor::File { node, offset, append, read, write };
        Ok(memory::put_u64(self.memory, offset_at, offset)?)
    }

    pub(super) fn fd_close(&mut self, fd: u32) -> Result<(), Fail> {
        let closed = self.wasi.descriptors.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::BadFd)?;
        self.forget(closed);
        Ok(())
    }

    pub(super) fn fd_renumber(&mut self, from: u32, to: u32) -> Result<(), Fail> {
        let moved = *self.descriptor(from)?;
        let replaced = std::mem::replace(self.descriptor(to)?, moved);
        if from != to {
            self.wasi.descriptors[from as usize] = None;
            self.forget(replaced);
        }
        Ok(())
    }

    fn forget(&mut self, descriptor: Descriptor) {
        if let Descriptor::File { node, .. } | Descriptor::Directory { node, .. } = descriptor {
            let gone = self.wasi.tree.release(node);
            self.wasi.shrink_output(gone);
        }
    }
}

fn length(total: u64) -> Result<u32, Errno> {
    u32::try_from(total).map_err(|_| Errno::Invalid)
}

/// Copies bytes into the guest's vectors as far as either reaches.
fn scatter(memory: &mut [u8], vectors: &Vectors, mut from: &[u8]) -> Result<u32, Errno> {
    let mut copied = 0;
    for (pointer, len) in vectors {
        let now = (*len as usize).min(from.len());
        memory::put(memory, *pointer, &from[..now])?;
        from = &from[now..];
        copied += now;
    }
    length(copied as u64)
}
