//! Merkle-sum tree over (task index, output hash, fuel).
//!
//! The root commits to every output and to the total fuel at once: a node hashes its children's
//! hashes *and* sums, so a bill padded anywhere changes the root, and an opening of one leaf proves
//! the total it was part of (Merkle-sum trees: Maxwell's proof of liabilities, 2014; leaf and node
//! domains are separated, so a node can't pass for a leaf).
//!
//! ```text
//!             (h, 12)            node = keccak256(1 | h_l | s_l | h_r | s_r), sum = s_l + s_r
//!            /       \
//!        (h, 7)     (h, 5)       leaf = keccak256(0 | index | output | fuel), sum = fuel
//!        /    \        |
//!     (h,3)  (h,4)   (h,5)       an odd node at the end of a level moves up unchanged
//! ```
//!
//! Indices are the task's index in the job, so equal results of two tasks have different leaves.

use alloy_primitives::{B256, keccak256};
use assay_types::Leaf;

/// Hash and total fuel of a tree or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SumRoot {
    /// Commits to everything below, sums included.
    pub hash: B256,
    /// Total fuel below.
    pub fuel: u64,
}

/// Why results or an opening are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpeningError {
    /// A tree needs a leaf.
    Empty,
    /// Total fuel does not fit 64 bits.
    FuelOverflow,
    /// The opening has the wrong number of siblings for its position, or the position lies outside.
    Shape,
    /// The opening leads to another root.
    WrongRoot,
}

impl std::fmt::Display for OpeningError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "no leaves",
            Self::FuelOverflow => "total fuel overflows",
            Self::Shape => "opening does not fit the tree's shape",
            Self::WrongRoot => "opening leads to another root",
        })
    }
}

impl std::error::Error for OpeningError {}

/// A whole tree, kept so that leaves can be opened.
#[derive(Debug, Clone)]
pub struct MerkleSumTree {
    levels: Vec<Vec<SumRoot>>,
}

impl MerkleSumTree {
    /// Builds the tree over `leaves`, which are tasks `first_task`, `first_task + 1`, …
    pub fn new(first_task: u32, leaves: &[Leaf]) -> Result<Self, OpeningError> {
        if leaves.is_empty() {
            return Err(OpeningError::Empty);
        }
        let bottom = (first_task..).zip(leaves).map(|(index, leaf)| leaf_node(index, leaf)).collect();
        let mut levels: Vec<Vec<SumRoot>> = vec![bottom];
        while let Some(level) = levels.last().filter(|l| l.len() > 1) {
            let above = level
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => join(*left, *right),
                    rest => rest.first().copied().ok_or(OpeningError::Empty),
                })
                .collect::<Result<_, _>>()?;
            levels.push(above);
        }
        Ok(Self { levels })
    }

    /// Hash and total fuel of all leaves.
    pub fn root(&self) -> SumRoot {
        self.levels.last().and_then(|l| l.first()).copied().unwrap_or(SumRoot { hash: B256::ZERO, fuel: 0 })
    }

    /// Siblings from the leaf at `position` (0-based in this tree) up to the root.
    pub fn open(&self, position: usize) -> Result<Vec<SumRoot>, OpeningError> {
        let mut siblings = Vec::new();
        let mut at = position;
        if self.levels.first().is_none_or(|l| at >= l.len()) {
            return Err(OpeningError::Shape);
        }
        for level in &self.levels {
            if let Some(sibling) = level.get(at ^ 1) {
                siblings.push(*sibling);
            }
            at /= 2;
        }
        Ok(siblings)
    }
}

/// Root of a lot's results, the thing its providers commit to.
pub fn lot_root(first_task: u32, leaves: &[Leaf]) -> Result<SumRoot, OpeningError> {
    MerkleSumTree::new(first_task, leaves).map(|tree| tree.root())
}

/// Checks that `leaf` is at `position` of the tree over `count` leaves from `first_task` with `root`.
pub fn verify_opening(
    root: SumRoot,
    first_task: u32,
    count: usize,
    position: usize,
    leaf: &Leaf,
    siblings: &[SumRoot],
) -> Result<(), OpeningError> {
    if position >= count {
        return Err(OpeningError::Shape);
    }
    let index = u32::try_from(position).ok().and_then(|p| first_task.checked_add(p)).ok_or(OpeningError::Shape)?;
    let mut node = leaf_node(index, leaf);
    let (mut at, mut width) = (position, count);
    let mut siblings = siblings.iter();
    while width > 1 {
        if at ^ 1 < width {
            let sibling = *siblings.next().ok_or(OpeningError::Shape)?;
            node = if at.is_multiple_of(2) { join(node, sibling)? } else { join(sibling, node)? };
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    if siblings.next().is_some() {
        return Err(OpeningError::Shape);
    }
    if node == root { Ok(()) } else { Err(OpeningError::WrongRoot) }
}

fn leaf_node(index: u32, leaf: &Leaf) -> SumRoot {
    let mut bytes = [0u8; 1 + 4 + 32 + 8];
    bytes[1..5].copy_from_slice(&index.to_be_bytes());
    bytes[5..37].copy_from_slice(leaf.output.as_slice());
    bytes[37..].copy_from_slice(&leaf.fuel.to_be_bytes());
    SumRoot { hash: keccak256(bytes), fuel: leaf.fuel }
}

fn join(left: SumRoot, right: SumRoot) -> Result<SumRoot, OpeningError> {
    let mut bytes = [1u8; 1 + 40 + 40];
    bytes[1..33].copy_from_slice(left.hash.as_slice());
    bytes[33..41].copy_from_slice(&left.fuel.to_be_bytes());
    bytes[41..73].copy_from_slice(right.hash.as_slice());
    bytes[73..].copy_from_slice(&right.fuel.to_be_bytes());
    let fuel = left.fuel.checked_add(right.fuel).ok_or(OpeningError::FuelOverflow)?;
    Ok(SumRoot { hash: keccak256(bytes), fuel })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: usize) -> Vec<Leaf> {
        (0..count).map(|i| Leaf { output: keccak256(i.to_be_bytes()), fuel: 10 + i as u64 }).collect()
    }

    #[test]
    fn a_root_is_pinned_so_that_no_release_changes_it_unnoticed() {
        let root = lot_root(3, &leaves(5)).expect("leaves");
        assert_eq!(root.fuel, 60);
        assert_eq!(root.hash.to_string(), PINNED);
    }
    const PINNED: &str = "0x9855ab6f7bb35e986385fe80351fa4edd8482e26ebf972a79342fa193351a93f";

    #[test]
    fn an_empty_or_overflowing_result_is_refused() {
        assert_eq!(lot_root(0, &[]).err(), Some(OpeningError::Empty));
        let full = Leaf { output: B256::ZERO, fuel: u64::MAX };
        let one = Leaf { output: B256::ZERO, fuel: 1 };
        assert_eq!(lot_root(0, &[full, one]).err(), Some(OpeningError::FuelOverflow));
    }

    proptest! {
        #[test]
        fn every_leaf_opens_and_a_padded_or_moved_one_does_not(count in 1usize..70, first in 0u32..1000, pick: prop::sample::Index) {
            let leaves = leaves(count);
            let tree = MerkleSumTree::new(first, &leaves).expect("leaves");
            let at = pick.index(count);
            let siblings = tree.open(at).expect("inside");
            let verify = |leaf: &Leaf, at, siblings: &[SumRoot]| verify_opening(tree.root(), first, count, at, leaf, siblings);
            prop_assert_eq!(verify(&leaves[at], at, &siblings), Ok(()));
            let padded = Leaf { fuel: leaves[at].fuel + 1, ..leaves[at].clone() };
            prop_assert_eq!(verify(&padded, at, &siblings), Err(OpeningError::WrongRoot));
            if count > 1 {
                prop_assert!(verify(&leaves[at], (at + 1) % count, &siblings).is_err());
                prop_assert_eq!(verify(&leaves[at], at, &siblings[1..]).err().is_some(), true);
                let mut lied = siblings.clone();
                lied[0].fuel += 1;
                prop_assert_eq!(verify(&leaves[at], at, &lied), Err(OpeningError::WrongRoot));
            }
            let mut long = siblings.clone();
            long.push(tree.root());
            prop_assert_eq!(verify(&leaves[at], at, &long), Err(OpeningError::Shape));
            prop_assert_eq!(tree.open(count).err(), Some(OpeningError::Shape));
        }
    }
}
