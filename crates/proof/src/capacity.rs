//! A memory-hard task that shows what a machine has: cores, memory for each, and the time to use both.
//!
//! A lane is one core's part. It fills `n` blocks of 1 KiB, several times over, each block from the one
//! before it and from an earlier one that only the block before tells:
//!
//! ```text
//!  X[0] = F(seed, 0)          X[i] = F(seed, i, X[i-1], X[phi(i)])       phi(i) from X[i-1], in the last n blocks
//!
//!    lane 0   X[0] X[1] ... X[s-1] --> lane root \
//!    lane 1   X[0] X[1] ... X[s-1] --> lane root  >--> root      posted first
//!    lane 2   X[0] X[1] ... X[s-1] --> lane root /
//! ```
//!
//! Once the root is posted, a beacon that did not exist then draws steps of all lanes. For each the prover
//! opens the two blocks it was made from, and the checker makes it again: a hash of 2 KiB a draw and three paths.
//!
//! After MTP (Biryukov and Khovratovich, "Egalitarian computing", 2016), with what attacks on it taught (Dinur
//! and Nadler, 2017) and Itsuku fixed (Coelho, Larroche and Colin, 2017): every block binds the seed and
//! its own index, both inputs go in whole instead of being added, and the seed binds the prover. F is BLAKE3 keyed
//! by the seed in its extendable-output mode. Other than MTP, the draws come from a beacon after the root was posted
//! instead of a hash of the root, so that there is nothing to try again.
//!
//! Does not: say how long filling took, or where. Whoever asks sets a deadline.

mod fill;
mod opening;
#[cfg(test)]
mod tests;

use alloy_primitives::{Address, B256, keccak256};

pub use fill::{Block, Lane, LaneKept, root_of};
pub use opening::{OpeningError, open, verify};

use crate::audit::{below, hashed};

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 1_024;

/// Most lanes of a prover.
pub const MAX_LANES: u32 = 256;

/// Most steps of a lane.
pub const MAX_STEPS: u32 = 1 << 24;

/// Size of a lane: blocks of memory, and how often it is filled. Both are powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    blocks: u32,
    passes: u32,
}

impl Shape {
    /// None unless both are powers of two, there are four blocks at least, and no more than [`MAX_STEPS`] steps.
    pub fn new(blocks: u32, passes: u32) -> Option<Self> {
        let sized = blocks.is_power_of_two() && blocks >= 4 && passes.is_power_of_two();
        let steps = blocks.checked_mul(passes)?;
        (sized && steps <= MAX_STEPS).then_some(Self { blocks, passes })
    }

    /// Blocks that a lane has in memory.
    pub fn blocks(self) -> u32 {
        self.blocks
    }

    /// Blocks that are made.
    pub fn steps(self) -> u32 {
        self.blocks.saturating_mul(self.passes)
    }

    /// Siblings of a path in a lane's tree.
    pub(crate) fn depth(self) -> u32 {
        self.steps().ilog2()
    }

    /// Most bytes of an opening of `draws` draws.
    pub fn opening_bytes(self, draws: u32) -> u64 {
        let path = 32 * u64::from(self.depth());
        let lane = 32 * (1 + u64::from(MAX_LANES.ilog2()));
        u64::from(draws) * (2 * BLOCK_BYTES as u64 + 3 * path + lane)
    }

    /// The step that `step` (2 or more) takes a block from, as the block before it tells: one of those in memory
    /// but for that one, each as likely.
    pub(crate) fn back(self, step: u32, before: &Block) -> u32 {
        let [a, b, c, d, ..] = *before;
        let among = u64::from(step.min(self.blocks).saturating_sub(1));
        let far = (u64::from(u32::from_le_bytes([a, b, c, d])) * among) >> 32;
        step.saturating_sub(2).saturating_sub(u32::try_from(far).unwrap_or(u32::MAX))
    }
}

/// One prover's task in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// Size of each lane.
    pub shape: Shape,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Height of the challenge.
    pub round: u64,
    /// Randomness of that height.
    pub beacon: B256,
    /// Who answers.
    pub provider: Address,
}

/// A block to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Draw {
    /// In which lane.
    pub lane: u32,
    /// Which; 2 or more, since the first two have no choice of inputs.
    pub step: u32,
}

impl Task {
    /// What all blocks of a lane are keyed by.
    pub fn lane_seed(&self, lane: u32) -> B256 {
        keccak256(
            [
                b"assay/capacity lane".as_slice(),
                &self.chain_id.to_be_bytes(),
                &self.round.to_be_bytes(),
                self.beacon.as_slice(),
                self.provider.as_slice(),
                &lane.to_be_bytes(),
                &self.shape.blocks.to_be_bytes(),
                &self.shape.passes.to_be_bytes(),
            ]
            .concat(),
        )
    }

    /// What of `lanes` lanes under `root` is to be opened, as a later `beacon` says: ascending, each once.
    pub fn draws(&self, root: B256, lanes: u32, beacon: B256, count: u32) -> Vec<Draw> {
        let seed = keccak256(
            [b"assay/capacity draw".as_slice(), beacon.as_slice(), self.provider.as_slice(), root.as_slice()].concat(),
        );
        let drawn = |number: u32| {
            let place = |domain: &[u8], limit: u32| {
                u32::try_from(below(hashed(domain, seed, number), u128::from(limit.max(1)))).unwrap_or_default()
            };
            let step = place(b"step", self.shape.steps().saturating_sub(2)).saturating_add(2);
            Draw { lane: place(b"lane", lanes), step }
        };
        let mut draws: Vec<Draw> = (0..count).map(drawn).collect();
        draws.sort_unstable();
        draws.dedup();
        draws
    }
}
