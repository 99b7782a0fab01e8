//! Opening what was drawn, and checking it.
//!
//! ```text
//!  a drawn lane, ascending:  lane root 32 | its siblings up to the root
//!  a draw, ascending:        X[i-1] 1024 | X[phi(i)] 1024 | siblings of i | of i-1 | of phi(i)
//! ```
//!
//! The draws say how long every part is, so that an opening has one byte form.

use alloy_primitives::B256;

use super::{
    BLOCK_BYTES, Block, Draw, Lane, Task,
    fill::{climb, leaf, mix, siblings, siblings_of, tree},
};

/// Why an opening shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpeningError {
    /// It has not the bytes that these draws take.
    Length,
    /// A lane is not under the root.
    WrongLane,
    /// A block is not in its lane, or not made as the task says.
    WrongBlock,
}

impl std::fmt::Display for OpeningError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Length => "the opening has not the length that what was drawn takes",
            Self::WrongLane => "a lane is not under the posted root",
            Self::WrongBlock => "a block is not in its lane, or not made from the blocks before it",
        })
    }
}

impl std::error::Error for OpeningError {}

/// The lanes that `draws` fall on, ascending.
fn lanes_of(draws: &[Draw]) -> Vec<u32> {
    let mut lanes: Vec<u32> = draws.iter().map(|draw| draw.lane).collect();
    lanes.dedup();
    lanes
}

/// The opening of `draws`. `roots` are those of all lanes; `filled` gives the drawn lanes, which must have kept
/// their draws. None where something is missing.
pub fn open<'a>(
    task: &Task,
    roots: &[B256],
    draws: &[Draw],
    filled: impl Fn(u32) -> Option<&'a Lane>,
) -> Option<Vec<u8>> {
    let over = tree(roots.to_vec());
    let mut out = Vec::new();
    for lane in lanes_of(draws) {
        out.extend_from_slice(roots.get(usize::try_from(lane).ok()?)?.as_slice());
        siblings(&over, lane).iter().for_each(|hash| out.extend_from_slice(hash.as_slice()));
    }
    for draw in draws {
        let lane = filled(draw.lane)?;
        let (before, back) = lane.kept(draw.step)?;
        out.extend_from_slice(before);
        out.extend_from_slice(back);
        for step in [draw.step, draw.step.checked_sub(1)?, task.shape.back(draw.step, before)] {
            lane.path(step).iter().for_each(|hash| out.extend_from_slice(hash.as_slice()));
        }
    }
    Some(out)
}

/// Checks the opening of `draws` of `lanes` lanes under `root`.
pub fn verify(task: &Task, root: B256, lanes: u32, draws: &[Draw], opening: &[u8]) -> Result<(), OpeningError> {
    let mut rest = Reader(opening);
    let mut lane_roots = Vec::new();
    for lane in lanes_of(draws) {
        let lane_root = rest.hash()?;
        let path = rest.hashes(siblings_of(lane, lanes))?;
        if lane >= lanes || climb(lane_root, lane, lanes, &path) != Some(root) {
            return Err(OpeningError::WrongLane);
        }
        lane_roots.push((lane, lane_root));
    }
    let (steps, depth) = (task.shape.steps(), usize::try_from(task.shape.depth()).unwrap_or(usize::MAX));
    for draw in draws {
        let lane_root = lane_roots.iter().find(|(lane, _)| *lane == draw.lane).map(|(_, root)| *root);
        let (before, back) = (rest.block()?, rest.block()?);
        let made = mix(task.lane_seed(draw.lane), draw.step, &before, &back);
        let places =
            [(made, draw.step), (before, draw.step.saturating_sub(1)), (back, task.shape.back(draw.step, &before))];
        for (block, step) in places {
            let path = rest.hashes(depth)?;
            if climb(leaf(&block), step, steps, &path) != lane_root {
                return Err(OpeningError::WrongBlock);
            }
        }
    }
    if rest.0.is_empty() { Ok(()) } else { Err(OpeningError::Length) }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], OpeningError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(OpeningError::Length)?;
        self.0 = rest;
        Ok(*head)
    }

    fn hash(&mut self) -> Result<B256, OpeningError> {
        self.take::<32>().map(B256::from)
    }

    fn hashes(&mut self, count: usize) -> Result<Vec<B256>, OpeningError> {
        (0..count).map(|_| self.hash()).collect()
    }

    fn block(&mut self) -> Result<Block, OpeningError> {
        self.take::<BLOCK_BYTES>()
    }
}
