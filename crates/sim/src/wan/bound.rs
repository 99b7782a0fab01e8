//! How soon a block can be final at all, from the latencies alone.
//!
//! ```text
//!  leader ── block ──> i ── notarize ──> j: 2f+1 of them, or a certificate ── finalize ──> k: 2f+1, or one
//! ```
//!
//! Simplex (Chan and Pass, "Simplex Consensus", 2023) finalizes in three hops: the block, a round of notarize
//! votes, a round of finalize votes. A validator has a round's certificate when the (2f+1)-th vote is there or
//! when somebody who had it sent it on, whichever is first. Jitter, bandwidth and computing are left out, so nothing
//! on the same links is sooner but by jitter in its favour.

/// Latencies between validators, milliseconds one way.
pub struct Links {
    ms: Vec<Vec<f64>>,
    /// Over others, where that is shorter: certificates are sent on, votes are not.
    relayed: Vec<Vec<f64>>,
}

/// Votes that certify, of `validators`: more than two thirds.
pub fn quorum(validators: usize) -> usize {
    validators - validators.saturating_sub(1) / 3
}

impl Links {
    /// Of `count` validators, by what is between two of them; a validator hears itself at once.
    pub fn new(count: usize, one_way_ms: impl Fn(usize, usize) -> f64) -> Self {
        let row = |from| (0..count).map(|to| if from == to { 0.0 } else { one_way_ms(from, to) }).collect();
        let ms: Vec<Vec<f64>> = (0..count).map(row).collect();
        let mut relayed = ms.clone();
        // Floyd and Warshall.
        for by in 0..count {
            for from in 0..count {
                for to in 0..count {
                    relayed[from][to] = relayed[from][to].min(relayed[from][by] + relayed[by][to]);
                }
            }
        }
        Self { ms, relayed }
    }

    /// When each validator has a block final that `leader` sends at 0, at the earliest, milliseconds.
    pub fn finality_ms(&self, leader: usize) -> Vec<f64> {
        self.certified(&self.certified(&self.ms[leader]))
    }

    /// When each has a certificate of votes that were sent at these times.
    fn certified(&self, voted: &[f64]) -> Vec<f64> {
        let count = voted.len();
        let gathered = |at: usize| {
            let mut votes: Vec<f64> = (0..count).map(|from| voted[from] + self.ms[from][at]).collect();
            votes.sort_by(f64::total_cmp);
            votes[quorum(count) - 1]
        };
        let gathered: Vec<f64> = (0..count).map(gathered).collect();
        let first = |at: usize| (0..count).map(|from| gathered[from] + self.relayed[from][at]).fold(f64::MAX, f64::min);
        (0..count).map(first).collect()
    }
}
