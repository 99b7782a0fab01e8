//! What validators gain who withhold their turn where a beacon does not suit them: by an exact recursion,
//! and counted on the accumulator itself.
//!
//! A leader can add one value at a height, its unique signature, or give its turn to the next. Leaders take
//! turns in a fixed order. A coalition knows what a draw becomes only where all leaders from now to the
//! draw's height are its own; there it may leave out any of its turns, so a run of r own turns before m
//! heights offers C(r, m) outcomes to choose from, and then the draw of the honest who follow:
//!
//! ```text
//!  W(honest turn, 1) = 1 - a                    W(honest turn, m) = W(next, m - 1)
//!  W(r own turns, m) = 1 - a^C(r, m) (1 - max_j W(after them, m - j))     j of them used, j < m
//! ```
//!
//! with a the chance that a draw hits, W the chance that the coalition gets one that does not.

use alloy_primitives::{B256, keccak256};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

/// Outcomes a coalition is let choose from at most; more change nothing any more.
const MOST: f64 = 1e6;

/// A network and a draw on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bias {
    /// Seats.
    pub seats: usize,
    /// Seats of the coalition; fewer than all.
    pub coalition: usize,
    /// Heights from the decision that the draw is about to the draw, that one included.
    pub heights: usize,
    /// Chance that a draw hits.
    pub chance: f64,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BiasRun {
    /// What it was about.
    pub bias: Bias,
    /// Chance that the coalition gets a draw that does not hit, by the recursion, mean over leader orders.
    pub exact: f64,
    /// The same, counted.
    pub counted: f64,
    /// Runs counted.
    pub runs: u32,
    /// Draws the coalition would have to be free to repeat for the same gain: 1 is no bias, 2 is what collateral
    /// is computed with.
    pub tries: f64,
}

fn choose(n: usize, k: usize) -> f64 {
    (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64).min(MOST)
}

/// Own turns in a row from `at` on.
fn run_of(order: &[bool], at: usize) -> usize {
    (0..order.len()).take_while(|i| order[(at + i) % order.len()]).count()
}

fn chance_of_escape(order: &[bool], at: usize, heights: usize, chance: f64) -> f64 {
    let own = run_of(order, at);
    if own == 0 {
        return if heights == 1 { 1.0 - chance } else { chance_of_escape(order, at + 1, heights - 1, chance) };
    }
    let known = if own >= heights { choose(own, heights) } else { 0.0 };
    let after = (0..=own.min(heights - 1)).map(|used| chance_of_escape(order, at + own, heights - used, chance));
    1.0 - chance.powf(known) * (1.0 - after.fold(0.0, f64::max))
}

/// Whether an accumulator hits.
fn hits(value: &B256, chance: f64) -> bool {
    let (number, _) = value.split_at(8);
    let number = u64::from_be_bytes(number.try_into().unwrap_or_default());
    (number as f64) < chance * u64::MAX as f64
}

/// One draw against a coalition that plays as well as it can: whether it escapes.
fn escapes(order: &[bool], mut at: usize, bias: &Bias, rng: &mut StdRng) -> bool {
    let mut reveal = |before: &B256| {
        let mut bytes = before.to_vec();
        bytes.extend_from_slice(&rng.random::<[u8; 32]>());
        keccak256(bytes)
    };
    let (mut beacon, mut left) = (B256::ZERO, bias.heights);
    while left > 0 {
        let own = run_of(order, at);
        if own == 0 {
            (beacon, left, at) = (reveal(&beacon), left - 1, at + 1);
            continue;
        }
        if own >= left {
            // Each way to fill the heights left is another value, all known to the coalition.
            for _ in 0..choose(own, left).min(512.0) as usize {
                if !hits(&reveal(&beacon), bias.chance) {
                    return true;
                }
            }
        }
        let worth = |used: &usize| chance_of_escape(order, at + own, left - used, bias.chance);
        let used = (0..=own.min(left - 1)).max_by(|a, b| worth(a).total_cmp(&worth(b))).unwrap_or(0);
        for _ in 0..used {
            beacon = reveal(&beacon);
        }
        (left, at) = (left - used, at + own);
    }
    !hits(&beacon, bias.chance)
}

/// Measures a bias over `runs` leader orders drawn from `seed`.
pub fn beacon_bias(bias: Bias, runs: u32, seed: u64) -> BiasRun {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut order: Vec<bool> = (0..bias.seats).map(|seat| seat < bias.coalition).collect();
    let (mut exact, mut counted) = (0.0, 0u32);
    for _ in 0..runs {
        order.shuffle(&mut rng);
        exact += chance_of_escape(&order, 0, bias.heights, bias.chance);
        counted += u32::from(escapes(&order, 0, &bias, &mut rng));
    }
    let exact = exact / f64::from(runs);
    let tries = (1.0 - exact).ln() / bias.chance.ln();
    BiasRun { bias, exact, counted: f64::from(counted) / f64::from(runs), runs, tries }
}

/// The networks that are shown: fewer than a third of the seats, and as many heights as the ledger waits.
pub fn beacon_sweep(runs: u32, seed: u64) -> Vec<BiasRun> {
    let networks = [4usize, 7, 16, 50, 100].map(|seats| (seats, (seats - 1) / 3, seats.div_ceil(3).max(2)));
    let cells = networks
        .into_iter()
        .flat_map(|(seats, coalition, heights)| [0.2, 0.5].map(|chance| Bias { seats, coalition, heights, chance }));
    cells.map(|bias| beacon_bias(bias, runs, seed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recursion_gives_what_can_be_counted_by_hand() {
        let one = |order: &[bool], heights| chance_of_escape(order, 0, heights, 0.5);
        assert_eq!(one(&[false], 3), 0.5);
        // One own turn at the last height: that value, or the next leader's.
        assert_eq!(one(&[true, false], 1), 0.75);
        // Two: either of them, or the next leader's.
        assert_eq!(one(&[true, true, false], 1), 0.875);
        // Both heights own: the one value known if both turns are used; else none is, the honest leader takes the
        // first height, and the two own turns come round for the last: 1 - 1/2 (1 - 7/8).
        assert_eq!(one(&[true, true, false], 2), 0.9375);
        // Where three honest turns follow, an honest leader has the last height: 1 - 1/2 (1 - 1/2).
        assert_eq!(one(&[true, true, false, false, false], 2), 0.75);
        assert_eq!(one(&[false, true, false], 2), 0.75);
    }

    #[test]
    fn counting_agrees_with_the_recursion() {
        for bias in [
            Bias { seats: 4, coalition: 1, heights: 2, chance: 0.5 },
            Bias { seats: 7, coalition: 2, heights: 3, chance: 0.2 },
            Bias { seats: 16, coalition: 5, heights: 6, chance: 0.5 },
        ] {
            let run = beacon_bias(bias, 20_000, 1);
            // Five standard errors of a share.
            let error = 5.0 * (run.exact * (1.0 - run.exact) / f64::from(run.runs)).sqrt();
            assert!((run.exact - run.counted).abs() < error, "{run:?}");
            assert!(run.tries >= 1.0, "{run:?}");
        }
    }
}
