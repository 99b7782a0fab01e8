//! Calls that take a path: open, stat, make, remove, rename. Paths are relative to a directory
//! descriptor and never lead out of it; there are no links.

use std::collections::BTreeMap;

use super::abi::*;
use super::host::{Call, Fail, MAX_DESCRIPTORS};
use super::memory;
use super::streams::Descriptor;
use super::tree::{Content, NodeId};
use crate::bundle::{MAX_NAME_BYTES, MAX_PATH_BYTES};

/// A path in the guest's memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathAt {
    pub(super) fd: u32,
    pub(super) at: u32,
    pub(super) len: u32,
}

/// Where a path leads.
struct Place {
    /// The directory it ends in, and the last name; `None` where it names that directory itself.
    parent: NodeId,
    name: Option<String>,
    /// What is there now.
    node: Option<NodeId>,
    /// The path ends in a slash.
    must_be_directory: bool,
}

impl Place {
    fn existing(&self) -> Result<NodeId, Errno> {
        self.node.ok_or(Errno::NoEntry)
    }

    /// The name of something other than the directory that the path began at.
    fn named(&self) -> Result<&str, Errno> {
        self.name.as_deref().ok_or(Errno::NotPermitted)
    }
}

impl Call<'_> {
    fn place(&mut self, path: PathAt) -> Result<Place, Fail> {
        let Descriptor::Directory { node, .. } = *self.descriptor(path.fd)? else {
            return Err(Errno::NotDirectory.into());
        };
        if path.len as usize > MAX_PATH_BYTES {
            return Err(Errno::NameTooLong.into());
        }
        self.charge_bytes(u64::from(path.len))?;
        let names = memory::slice(self.memory, path.at, path.len)?.split(|byte| *byte == b'/').count();
        self.charge_lookups(names as u64)?;
        Ok(self.resolve(node, memory::text(self.memory, path.at, path.len)?)?)
    }

    fn resolve(&self, base: NodeId, path: &str) -> Result<Place, Errno> {
        if path.is_empty() {
            return Err(Errno::NoEntry);
        }
        if path.starts_with('/') {
            return Err(Errno::NotCapable);
        }
        if path.contains('\0') {
            return Err(Errno::Invalid);
        }
        let tree = &self.wasi.tree;
        // Directories on the way, and what the last step named below the last of them.
        let mut way = vec![base];
        let mut last: Option<(&str, Option<NodeId>)> = None;
        for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
            if name.len() > MAX_NAME_BYTES {
                return Err(Errno::NameTooLong);
            }
            if let Some((_, node)) = last.take() {
                let node = node.ok_or(Errno::NoEntry)?;
                tree.entries(node)?;
                way.push(node);
            }
            if name == ".." {
                way.pop();
                if way.is_empty() {
                    return Err(Errno::NotCapable);
                }
            } else {
                let parent = *way.last().ok_or(Errno::NotCapable)?;
                last = Some((name, tree.child(parent, name)?));
            }
        }
        let parent = *way.last().ok_or(Errno::NotCapable)?;
        let must_be_directory = path.ends_with('/');
        Ok(match last {
            Some((name, node)) => {
                if must_be_directory && node.is_some_and(|node| !tree.is_directory(node)) {
                    return Err(Errno::NotDirectory);
                }
                Place { parent, name: Some(name.to_owned()), node, must_be_directory }
            }
            None => Place { parent, name: None, node: Some(parent), must_be_directory },
        })
    }

    #[allow(clippy::too_many_arguments, reason = "the parameters of the WASI call")]
    pub(super) fn path_open(
        &mut self,
        path: PathAt,
        oflags: i32,
        rights: u64,
        fdflags: u32,
        fd_at: u32,
    ) -> Result<(), Fail> {
        let place = self.place(path)?;
        let (create, exclusive) = (oflags & OFLAGS_CREATE != 0, oflags & OFLAGS_EXCLUSIVE != 0);
        let truncate = oflags & OFLAGS_TRUNCATE != 0;
        let write = rights & RIGHTS_FD_WRITE != 0;
        let free = self.free_descriptor()?;
        let node = match place.node {
            Some(_) if create && exclusive => return Err(Errno::Exists.into()),
            Some(node) => node,
            None if !create => return Err(Errno::NoEntry.into()),
            None if place.must_be_directory || oflags & OFLAGS_DIRECTORY != 0 => return Err(Errno::IsDirectory.into()),
            None if !self.wasi.tree.is_writable(place.parent) => return Err(Errno::ReadOnly.into()),
            None => self.wasi.tree.add(place.parent, place.named()?, Content::File(Vec::new()))?,
        };
        let descriptor = if self.wasi.tree.is_directory(node) {
            if write && oflags & OFLAGS_DIRECTORY == 0 && truncate {
                return Err(Errno::IsDirectory.into());
            }
            Descriptor::Directory { node, mounted_at: None }
        } else {
            if oflags & OFLAGS_DIRECTORY != 0 {
                return Err(Errno::NotDirectory.into());
            }
            if (write || truncate) && !self.wasi.tree.is_writable(node) {
                return Err(Errno::ReadOnly.into());
            }
            if truncate {
                self.resize(node, 0)?;
            }
            let append = fdflags & u32::from(FDFLAGS_APPEND) != 0;
            Descriptor::File { node, offset: 0, append, read: rights & RIGHTS_FD_READ != 0, write }
        };
        // The guest's pointer is checked before the descriptor exists.
        memory::put_u32(self.memory, fd_at, free as u32)?;
        self.wasi.tree.hold(node);
        if free == self.wasi.descriptors.len() {
            self.wasi.descriptors.push(Some(descriptor));
        } else {
            self.wasi.descriptors[free] = Some(descriptor);
        }
        Ok(())
    }

    /// The lowest number that is not in use.
    fn free_descriptor(&self) -> Result<usize, Errno> {
        let descriptors = &self.wasi.descriptors;
        let free = descriptors.iter().position(Option::is_none).unwrap_or(descriptors.len());
        if free < MAX_DESCRIPTORS { Ok(free) } else { Err(Errno::TooManyFiles) }
    }

    pub(super) fn path_filestat_get(&mut self, path: PathAt, at: u32) -> Result<(), Fail> {
        let node = self.place(path)?.existing()?;
        self.put_filestat(node, at)
    }

    /// Times are always 0, so setting them changes nothing.
    pub(super) fn path_filestat_set_times(&mut self, path: PathAt) -> Result<(), Fail> {
        let node = self.place(path)?.existing()?;
        if self.wasi.tree.is_writable(node) { Ok(()) } else { Err(Errno::ReadOnly.into()) }
    }

    pub(super) fn path_create_directory(&mut self, path: PathAt) -> Result<(), Fail> {
        let place = self.place(path)?;
        if place.node.is_some() {
            return Err(Errno::Exists.into());
        }
        self.writable(place.parent)?;
        self.wasi.tree.add(place.parent, place.named()?, Content::Directory(BTreeMap::new()))?;
        Ok(())
    }

    pub(super) fn path_remove_directory(&mut self, path: PathAt) -> Result<(), Fail> {
        let place = self.place(path)?;
        let node = place.existing()?;
        self.writable(place.parent)?;
        if !self.wasi.tree.entries(node)?.is_empty() {
            return Err(Errno::NotEmpty.into());
        }
        self.wasi.tree.unlink(place.parent, place.named()?)?;
        Ok(())
    }

    pub(super) fn path_unlink_file(&mut self, path: PathAt) -> Result<(), Fail> {
        let place = self.place(path)?;
        let node = place.existing()?;
        if self.wasi.tree.is_directory(node) {
            return Err(Errno::IsDirectory.into());
        }
        self.writable(place.parent)?;
        let gone = self.wasi.tree.unlink(place.parent, place.named()?)?;
        self.wasi.shrink_output(gone);
        Ok(())
    }

    pub(super) fn path_rename(&mut self, from: PathAt, to: PathAt) -> Result<(), Fail> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let node = from.existing()?;
        self.writable(from.parent)?;
        self.writable(to.parent)?;
        let (from_name, to_name) = (from.named()?, to.named()?);
        let directory = self.wasi.tree.is_directory(node);
        if to.must_be_directory && !directory {
            return Err(Errno::NotDirectory.into());
        }
        if to.node == Some(node) {
            return Ok(());
        }
        if directory {
            let depth = self.wasi.tree.upward(to.parent).count() as u64;
            self.charge_steps(depth)?;
            if self.wasi.tree.upward(to.parent).any(|above| above == node) {
                return Err(Errno::Invalid.into());
            }
        }
        if let Some(replaced) = to.node {
            match (directory, self.wasi.tree.is_directory(replaced)) {
                (true, false) => return Err(Errno::NotDirectory.into()),
                (false, true) => return Err(Errno::IsDirectory.into()),
                (true, true) if !self.wasi.tree.entries(replaced)?.is_empty() => return Err(Errno::NotEmpty.into()),
                _ => {}
            }
            let gone = self.wasi.tree.unlink(to.parent, to_name)?;
            self.wasi.shrink_output(gone);
        }
        Ok(self.wasi.tree.rename((from.parent, from_name), (to.parent, to_name))?)
    }

    /// There are no links, so nothing that exists can be read as one.
    pub(super) fn path_readlink(&mut self, path: PathAt) -> Result<(), Fail> {
        self.place(path)?.existing()?;
        Err(Errno::Invalid.into())
    }

    fn writable(&self, directory: NodeId) -> Result<(), Errno> {
        if self.wasi.tree.is_writable(directory) { Ok(()) } else { Err(Errno::ReadOnly) }
    }
}
