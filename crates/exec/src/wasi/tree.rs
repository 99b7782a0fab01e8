//! Files and directories in memory: names to nodes, nodes to bytes. Knows no descriptors and no limits
//! on bytes; limits how many nodes there are.

use std::collections::BTreeMap;

use super::abi::Errno;
use crate::bundle::{MAX_FILES, MAX_PATH_BYTES};
use crate::outcome::DecodeError;

/// Nodes of one tree, the directories and files of `/in` and `/out` together.
const MAX_NODES: usize = 2 * MAX_FILES;

/// A place in the tree. Serves as inode number, which makes those deterministic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(usize);

impl NodeId {
    pub(super) fn inode(self) -> u64 {
        self.0 as u64 + 1
    }
}

#[derive(Debug)]
pub(super) enum Content {
    Directory(BTreeMap<String, NodeId>),
    File(Vec<u8>),
}

#[derive(Debug)]
struct Node {
    content: Content,
    /// The directory it is in; itself for a root.
    parent: NodeId,
    writable: bool,
    /// Still to be found by a name.
    linked: bool,
    /// Descriptors that hold it.
    held: u32,
}

#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// Given up places, used again last in, first out.
    free: Vec<NodeId>,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), free: Vec::new() }
    }

    /// A directory of its own.
    pub(super) fn root(&mut self, writable: bool) -> NodeId {
        let parent = NodeId(self.nodes.len());
        self.place(Node { content: Content::Directory(BTreeMap::new()), parent, writable, linked: true, held: 1 })
    }

    /// Puts an input file where its path says, making the directories on the way.
    pub(super) fn mount(&mut self, root: NodeId, path: &str, content: Vec<u8>) -> Result<(), DecodeError> {
        let (parents, name) = path.rsplit_once('/').map_or(("", path), |(parents, name)| (parents, name));
        let mut at = root;
        for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
            at = match self.child(at, parent) {
                Ok(Some(next)) => next,
                _ => self.add(at, parent, Content::Directory(BTreeMap::new())).map_err(|_| DecodeError::TooLarge)?,
            };
        }
        self.add(at, name, Content::File(content)).map(|_| ()).map_err(|_| DecodeError::TooLarge)
    }

    fn place(&mut self, node: Node) -> NodeId {
        match self.free.pop() {
            Some(id) => {
                self.nodes[id.0] = node;
                id
            }
            None => {
                self.nodes.push(node);
                NodeId(self.nodes.len() - 1)
            }
        }
    }

    pub(super) fn content(&self, id: NodeId) -> &Content {
        &self.nodes[id.0].content
    }

    pub(super) fn is_writable(&self, id: NodeId) -> bool {
        self.nodes[id.0].writable
    }

    pub(super) fn is_directory(&self, id: NodeId) -> bool {
        matches!(self.content(id), Content::Directory(_))
    }

    /// Bytes of a file; 0 for a directory.
    pub(super) fn size(&self, id: NodeId) -> u64 {
        match self.content(id) {
            Content::File(bytes) => bytes.len() as u64,
            Content::Directory(_) => 0,
        }
    }

    pub(super) fn entries(&self, id: NodeId) -> Result<&BTreeMap<String, NodeId>, Errno> {
        match self.content(id) {
            Content::Directory(entries) => Ok(entries),
            Content::File(_) => Err(Errno::NotDirectory),
        }
    }

    fn entries_mut(&mut self, id: NodeId) -> Result<&mut BTreeMap<String, NodeId>, Errno> {
        match &mut self.nodes[id.0].content {
            Content::Directory(entries) => Ok(entries),
            Content::File(_) => Err(Errno::NotDirectory),
        }
    }

    pub(super) fn file(&self, id: NodeId) -> Result<&[u8], Errno> {
        match self.content(id) {
            Content::File(bytes) => Ok(bytes),
            Content::Directory(_) => Err(Errno::IsDirectory),
        }
    }

    pub(super) fn file_mut(&mut self, id: NodeId) -> Result<&mut Vec<u8>, Errno> {
        match &mut self.nodes[id.0].content {
            Content::File(bytes) => Ok(bytes),
            Content::Directory(_) => Err(Errno::IsDirectory),
        }
    }

    pub(super) fn child(&self, directory: NodeId, name: &str) -> Result<Option<NodeId>, Errno> {
        Ok(self.entries(directory)?.get(name).copied())
    }

    /// Adds an entry; the caller has seen that the name is free.
    pub(super) fn add(&mut self, directory: NodeId, name: &str, content: Content) -> Result<NodeId, Errno> {
        if self.nodes.len() - self.free.len() >= MAX_NODES {
            return Err(Errno::NoSpace);
        }
        self.entries(directory)?;
        let writable = self.is_writable(directory);
        let id = self.place(Node { content, parent: directory, writable, linked: true, held: 0 });
        self.entries_mut(directory)?.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Takes a name away. Returns the bytes that are gone with it: none while a descriptor holds the file.
    pub(super) fn unlink(&mut self, directory: NodeId, name: &str) -> Result<u64, Errno> {
        let id = self.entries_mut(directory)?.remove(name).ok_or(Errno::NoEntry)?;
        self.nodes[id.0].linked = false;
        Ok(self.give_up(id))
    }

    /// Moves an entry to a name that is free.
    pub(super) fn rename(&mut self, from: (NodeId, &str), to: (NodeId, &str)) -> Result<(), Errno> {
        self.entries(to.0)?;
        let id = self.entries_mut(from.0)?.remove(from.1).ok_or(Errno::NoEntry)?;
        self.entries_mut(to.0)?.insert(to.1.to_owned(), id);
        self.nodes[id.0].parent = to.0;
        Ok(())
    }

    /// A directory, the one it is in, and so on up to the root.
    pub(super) fn upward(&self, from: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(Some(from), |id| {
            let parent = self.nodes[id.0].parent;
            (parent != *id).then_some(parent)
        })
    }

    pub(super) fn hold(&mut self, id: NodeId) {
        self.nodes[id.0].held += 1;
    }

    /// A descriptor is closed. Returns the bytes that are gone with it.
    pub(super) fn release(&mut self, id: NodeId) -> u64 {
        self.nodes[id.0].held -= 1;
        self.give_up(id)
    }

    fn give_up(&mut self, id: NodeId) -> u64 {
        let node = &mut self.nodes[id.0];
        if node.linked || node.held > 0 {
            return 0;
        }
        let gone = match std::mem::replace(&mut node.content, Content::File(Vec::new())) {
            Content::File(bytes) => bytes.len() as u64,
            // Only empty directories are unlinked.
            Content::Directory(_) => 0,
        };
        self.free.push(id);
        gone
    }

    /// Takes all files below a root, by path; `None` if a path is longer than a bundle holds.
    pub(super) fn take_files(&mut self, root: NodeId) -> Option<BTreeMap<String, Vec<u8>>> {
        let mut found = Vec::new();
        // One path is kept and cut back, so that a deep tree costs no more than its nodes.
        let mut path = String::new();
        let mut open = vec![(self.entries(root).ok()?.iter(), 0)];
        while let Some((entries, parent_len)) = open.last_mut() {
            path.truncate(*parent_len);
            let Some((name, id)) = entries.next() else {
                open.pop();
                continue;
            };
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(name);
            if path.len() > MAX_PATH_BYTES {
                return None;
            }
            match self.content(*id) {
                Content::File(_) => found.push((path.clone(), *id)),
                Content::Directory(entries) => open.push((entries.iter(), path.len())),
            }
        }
        Some(
            found
                .into_iter()
                .map(|(path, id)| (path, self.file_mut(id).map(std::mem::take).unwrap_or_default()))
                .collect(),
        )
    }
}
