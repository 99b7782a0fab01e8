//! Filling a lane, and the trees over what was filled.

use std::collections::BTreeMap;

use alloy_primitives::B256;

use super::{BLOCK_BYTES, Shape};

/// One block.
pub type Block = [u8; BLOCK_BYTES];

/// Steps between two looks at whether to stop.
const STRIDE: u32 = 4_096;

/// Keys inner nodes; leaves are hashed without a key.
const NODE: &[u8; 32] = b"assay/capacity/node-of-two-hash.";

/// A lane's blocks, or what is left of them: their tree, and the inputs of the steps that were asked for.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Hashes of the blocks, then of pairs, up to the root.
    levels: Vec<Vec<B256>>,
    kept: LaneKept,
}

/// The two inputs of a step, by step.
pub type LaneKept = BTreeMap<u32, (Box<Block>, Box<Block>)>;

impl Lane {
    /// Fills a lane and keeps the inputs of the steps in `keep`. `stop` is asked now and then; None once it says so.
    pub fn fill(shape: Shape, seed: B256, keep: &[u32], stop: impl Fn() -> bool) -> Option<Self> {
        let blocks = usize::try_from(shape.blocks()).ok()?;
        let mut memory: Vec<Block> = vec![[0; BLOCK_BYTES]; blocks];
        let mut hashes = Vec::with_capacity(usize::try_from(shape.steps()).ok()?);
        let mut kept = LaneKept::new();
        let mut before: Block = [0; BLOCK_BYTES];
        let place = |step: u32| usize::try_from(step % shape.blocks()).unwrap_or(usize::MAX);
        for step in 0..shape.steps() {
            if step % STRIDE == 0 && stop() {
                return None;
            }
            let back = match step {
                0 | 1 => before,
                _ => *memory.get(place(shape.back(step, &before)))?,
            };
            if keep.contains(&step) {
                kept.insert(step, (Box::new(before), Box::new(back)));
            }
            before = mix(seed, step, &before, &back);
            hashes.push(leaf(&before));
            *memory.get_mut(place(step))? = before;
        }
        Some(Self { levels: tree(hashes), kept })
    }

    /// Root of the tree over all blocks ever made.
    pub fn root(&self) -> B256 {
        top(&self.levels)
    }

    pub(super) fn kept(&self, step: u32) -> Option<(&Block, &Block)> {
        self.kept.get(&step).map(|(before, back)| (&**before, &**back))
    }

    pub(super) fn path(&self, step: u32) -> Vec<B256> {
        siblings(&self.levels, step)
    }
}

/// Block `step` of a lane.
pub(super) fn mix(seed: B256, step: u32, before: &Block, back: &Block) -> Block {
    let mut hasher = blake3::Hasher::new_keyed(&seed.0);
    hasher.update(before).update(back).update(&step.to_be_bytes());
    let mut block = [0; BLOCK_BYTES];
    hasher.finalize_xof().fill(&mut block);
    block
}

pub(super) fn leaf(block: &Block) -> B256 {
    B256::from(*blake3::hash(block).as_bytes())
}

pub(super) fn node(left: B256, right: B256) -> B256 {
    let mut pair = [0; 64];
    let (first, second) = pair.split_at_mut(32);
    first.copy_from_slice(left.as_slice());
    second.copy_from_slice(right.as_slice());
    B256::from(*blake3::keyed_hash(NODE, &pair).as_bytes())
}

/// Root over the roots of all lanes, in their order. An odd node at the end of a level moves up unchanged.
pub fn root_of(lanes: &[B256]) -> B256 {
    top(&tree(lanes.to_vec()))
}

pub(super) fn tree(bottom: Vec<B256>) -> Vec<Vec<B256>> {
    let mut levels = vec![bottom];
    while let Some(level) = levels.last().filter(|level| level.len() > 1) {
        let above = level.chunks(2).map(|pair| match pair {
            [left, right] => node(*left, *right),
            rest => rest.first().copied().unwrap_or_default(),
        });
        let above = above.collect();
        levels.push(above);
    }
    levels
}

fn top(levels: &[Vec<B256>]) -> B256 {
    levels.last().and_then(|level| level.first()).copied().unwrap_or_default()
}

pub(super) fn siblings(levels: &[Vec<B256>], at: u32) -> Vec<B256> {
    let mut at = usize::try_from(at).unwrap_or(usize::MAX);
    let mut path = Vec::new();
    for level in levels {
        path.extend(level.get(at ^ 1));
        at /= 2;
    }
    path
}

/// Root that a node at `at` of `width` leads to with these siblings; None if they are too few or too many.
pub(super) fn climb(mut hash: B256, mut at: u32, mut width: u32, siblings: &[B256]) -> Option<B256> {
    let mut siblings = siblings.iter();
    while width > 1 {
        if at ^ 1 < width {
            let sibling = *siblings.next()?;
            hash = if at.is_multiple_of(2) { node(hash, sibling) } else { node(sibling, hash) };
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    siblings.next().is_none().then_some(hash)
}

/// Number of siblings such a climb takes.
pub(super) fn siblings_of(mut at: u32, mut width: u32) -> usize {
    let mut count = 0;
    while width > 1 {
        count += usize::from(at ^ 1 < width);
        at /= 2;
        width = width.div_ceil(2);
    }
    count
}
