//! From what every validator saw of every block to the figures.
//!
//! A block's time runs from the leader's clock when it begins to build, in whole milliseconds and so up to one
//! too long, to the moment a validator's node publishes the block as final: certificate, block and state are
//! there, and readers see them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bound::Links;

/// A final block and when each validator had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The leader, by index.
    pub leader: usize,
    /// When it began to build, microseconds of simulated time.
    pub proposed_us: u64,
    /// Its transactions.
    pub transfers: usize,
    /// Its encoded size.
    pub bytes: u64,
    /// When each validator had it final, by index; only those that have.
    pub final_us: BTreeMap<usize, u64>,
}

impl Seen {
    /// By the leader, the median validator and the slowest, milliseconds after the proposal.
    fn finality_ms(&self) -> Views<f64> {
        let after = |at: u64| at.saturating_sub(self.proposed_us) as f64 / 1_000.0;
        let leader = self.final_us.get(&self.leader).copied().unwrap_or(u64::MAX);
        Views::of(after(leader), self.final_us.values().map(|at| after(*at)).collect())
    }
}

/// Quantiles by the nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half are at most this.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// Ninety-nine of a hundred; the worst where there are fewer.
    pub p99: f64,
}

/// The value below which `percent` of them lie, by the nearest rank; 0 of none.
pub fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

impl Quantiles {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |percent| (quantile(&values, percent) * 10.0).round() / 10.0;
        Self { p50: at(50), p90: at(90), p99: at(99) }
    }
}

/// The same as three see it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Views<T> {
    /// Who proposed the block.
    pub leader: T,
    /// Half of the validators have it by then.
    pub median: T,
    /// The last validator.
    pub slowest: T,
}

impl Views<f64> {
    fn of(leader: f64, mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Self { leader, median: quantile(&all, 50), slowest: quantile(&all, 100) }
    }
}

impl<T> Views<T> {
    fn map<U>(self, to: impl Fn(T) -> U) -> Views<U> {
        Views { leader: to(self.leader), median: to(self.median), slowest: to(self.slowest) }
    }

    /// The three, in the order of their fields.
    pub fn named(&self) -> [(&'static str, &T); 3] {
        [("leader", &self.leader), ("median validator", &self.median), ("slowest validator", &self.slowest)]
    }
}

fn quantiles(blocks: &[Views<f64>]) -> Views<Quantiles> {
    let of = |view: fn(&Views<f64>) -> f64| Quantiles::of(blocks.iter().map(view).collect());
    Views { leader: of(|v| v.leader), median: of(|v| v.median), slowest: of(|v| v.slowest) }
}

/// What came of a run. Equal for equal seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Blocks measured.
    pub blocks: usize,
    /// Views in which no block became final, beside them.
    pub views_lost: u64,
    /// Transfers of a block, on average.
    pub transfers: f64,
    /// Bytes of a block, on average.
    pub bytes: f64,
    /// From a proposal to the next, milliseconds.
    pub interval_ms: Quantiles,
    /// From a proposal to finality, milliseconds.
    pub finality_ms: Views<Quantiles>,
    /// The least that the latencies allow, for the leaders of these blocks, milliseconds.
    pub bound_ms: Views<Quantiles>,
    /// The least, for the average leader of all, milliseconds.
    pub bound_mean_ms: Views<f64>,
    /// Finality over its bound, at the median.
    pub ratio: Views<f64>,
}

impl Figures {
    /// Of blocks in the order of their heights, the next proposal of the last of which is not known.
    pub fn of(blocks: &[Seen], views_lost: u64, links: &Links, validators: usize) -> Self {
        let finality = quantiles(&blocks.iter().map(Seen::finality_ms).collect::<Vec<_>>());
        let least: Vec<Views<f64>> = (0..validators)
            .map(|leader| links.finality_ms(leader))
            .enumerate()
            .map(|(leader, all)| Views::of(all[leader], all))
            .collect();
        let bound = quantiles(&blocks.iter().map(|block| least[block.leader]).collect::<Vec<_>>());
        let mean = |view: fn(&Views<f64>) -> f64| least.iter().map(view).sum::<f64>() / validators as f64;
        let average = |of: fn(&Seen) -> f64| blocks.iter().map(of).sum::<f64>() / blocks.len().max(1) as f64;
        let gaps = blocks.windows(2).filter_map(|pair| match pair {
            [one, next] => Some(next.proposed_us.saturating_sub(one.proposed_us) as f64 / 1_000.0),
            _ => None,
        });
        let ratio = |seen: &Quantiles, least: &Quantiles| (seen.p50 / least.p50 * 100.0).round() / 100.0;
        Self {
            blocks: blocks.len(),
            views_lost,
            transfers: average(|block| block.transfers as f64).round(),
            bytes: average(|block| block.bytes as f64).round(),
            interval_ms: Quantiles::of(gaps.collect()),
            ratio: Views {
                leader: ratio(&finality.leader, &bound.leader),
                median: ratio(&finality.median, &bound.median),
                slowest: ratio(&finality.slowest, &bound.slowest),
            },
            finality_ms: finality,
            bound_ms: bound,
            bound_mean_ms: Views {
                leader: mean(|v| v.leader),
                median: mean(|v| v.median),
                slowest: mean(|v| v.slowest),
            }
            .map(|ms| (ms * 10.0).round() / 10.0),
        }
    }
}
