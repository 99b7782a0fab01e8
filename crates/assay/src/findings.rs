//! What a run found out, as plain data: the tables, the report and the JSON document only present it.

use assay_types::{Address, B256, Fault, Grains, JobId, view::Books};

use crate::timeline::Timeline;

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Findings {
    /// What was priced.
    pub(crate) market: Market,
    /// One row a slice, ascending by settlement.
    pub(crate) slices: Vec<Slice>,
    /// The book.
    pub(crate) book: Book,
    /// The jobs, in order.
    pub(crate) jobs: Vec<JobFacts>,
    /// The network they ran on.
    pub(crate) network: NetworkFacts,
    /// The lie and what became of it.
    pub(crate) cheat: Option<CheatFacts>,
    /// Where things were saved.
    pub(crate) files: Files,
    /// BLAKE3 over both jobs' outputs in clear, in task order.
    pub(crate) result_hash: B256,
    /// Every receipt verified and every job completed.
    pub(crate) verified: bool,
    /// Wall time from the start of the network.
    pub(crate) elapsed_ms: u64,
}

/// What was priced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Market {
    /// Name of the underlying, as `SPX`.
    pub(crate) underlying: String,
    /// Date of the quotes, ISO.
    pub(crate) as_of: String,
    /// Where the chain came from.
    pub(crate) source: String,
    /// Rows read.
    pub(crate) quotes: u64,
    /// Rows given a model price and an implied vol.
    pub(crate) contracts_priced: u64,
    /// Distinct expiration dates.
    pub(crate) expiries: u64,
}

/// One fitted or interpolated slice: an expiration and a settlement root.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slice {
    /// ISO date.
    pub(crate) expiration: String,
    /// `SPX` (settles at the open) or `SPXW` (at the close).
    pub(crate) root: String,
    /// ACT/365F to settlement.
    pub(crate) years: f64,
    pub(crate) forward: Option<f64>,
    pub(crate) discount: Option<f64>,
    pub(crate) atm_vol: Option<f64>,
    /// Slope of implied vol in log-moneyness at the money.
    pub(crate) skew: Option<f64>,
    pub(crate) svi: Option<Svi>,
    /// Vega-weighted root mean square, in vol points.
    pub(crate) fit_error_vol: Option<f64>,
    /// Root mean square, in bid-ask spreads.
    pub(crate) fit_error_spreads: Option<f64>,
    /// Rows given a price.
    pub(crate) priced: u64,
    /// What to know about it: `interpolated`, `butterfly`, `calendar` ...
    pub(crate) flags: Vec<String>,
    /// Out-of-the-money quotes behind the fit.
    pub(crate) quotes: Vec<SmileQuote>,
}

/// Raw SVI: w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), w total variance.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Svi {
    pub(crate) a: f64,
    pub(crate) b: f64,
    pub(crate) rho: f64,
    pub(crate) m: f64,
    pub(crate) sigma: f64,
}

impl Svi {
    /// Implied vol at log-moneyness `k` for `years`.
    pub(crate) fn vol(&self, k: f64, years: f64) -> f64 {
        let d = k - self.m;
        let w = self.a + self.b * (self.rho * d + (d * d + self.sigma * self.sigma).sqrt());
        (w.max(0.0) / years).sqrt()
    }
}

/// A quote in vols.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SmileQuote {
    /// ln(strike / forward).
    pub(crate) k: f64,
    /// None where the bid lies below the no-arbitrage bound.
    pub(crate) bid: Option<f64>,
    pub(crate) mid: f64,
    pub(crate) ask: Option<f64>,
}

/// The book's value and risk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    pub(crate) positions: u64,
    pub(crate) value: f64,
    pub(crate) delta: f64,
    pub(crate) gamma: f64,
    pub(crate) vega: f64,
    pub(crate) theta: f64,
    pub(crate) paths: u64,
    pub(crate) horizon_days: u32,
    pub(crate) confidence: f64,
    pub(crate) var: f64,
    pub(crate) var_se: f64,
    pub(crate) es: f64,
    pub(crate) es_se: f64,
    pub(crate) mean: f64,
    pub(crate) mean_se: f64,
    /// Losses are negative.
    pub(crate) histogram: Histogram,
    /// The book is quoted in this.
    pub(crate) currency: String,
    /// Rows of the book's own table: expiry bucket, positions, value, delta, vega.
    pub(crate) buckets: Vec<Bucket>,
}

/// Positions that expire in the same month range.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) positions: u64,
    pub(crate) value: f64,
    pub(crate) delta: f64,
    pub(crate) gamma: f64,
    pub(crate) vega: f64,
    pub(crate) theta: f64,
}

/// Equal bins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    pub(crate) low: f64,
    pub(crate) width: f64,
    pub(crate) counts: Vec<u64>,
}

/// One job as it went.
#[derive(Debug, Clone)]
pub(crate) struct JobFacts {
    pub(crate) name: String,
    pub(crate) id: JobId,
    pub(crate) tasks: u32,
    pub(crate) lots: u32,
    pub(crate) replicas: u8,
    pub(crate) fuel: u64,
    pub(crate) paid: Grains,
    pub(crate) refunded: Grains,
    pub(crate) compensated: Grains,
    pub(crate) submit_to_settled_ms: u64,
    pub(crate) result_root: B256,
    pub(crate) receipt: String,
    pub(crate) receipt_bytes: u64,
    pub(crate) timeline: Timeline,
}

/// The network as seen during the run.
#[derive(Debug, Clone)]
pub(crate) struct NetworkFacts {
    pub(crate) chain_id: u64,
    pub(crate) genesis_hash: B256,
    pub(crate) runtime_id: B256,
    pub(crate) validators: u32,
    pub(crate) height: u64,
    pub(crate) state_root: B256,
    pub(crate) transactions: u64,
    pub(crate) finality: Percentiles,
    pub(crate) books: Books,
    pub(crate) renter: Party,
    pub(crate) providers: Vec<Party>,
}

/// Who had and has what.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) price_per_gigafuel: Grains,
    pub(crate) lots_settled: u64,
    pub(crate) earned: Grains,
    pub(crate) slashed: Grains,
    /// Its share of others' slashes.
    pub(crate) caught: Grains,
    /// Fees it paid.
    pub(crate) fees: Grains,
    pub(crate) balance: Grains,
    pub(crate) collateral: Grains,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Percentiles {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) count: u64,
}

impl Percentiles {
    /// Of a sample, by nearest rank.
    pub(crate) fn of(mut sample: Vec<u64>) -> Self {
        sample.sort_unstable();
        Self { p50: rank(&sample, 50), p99: rank(&sample, 99), count: sample.len() as u64 }
    }
}

/// The `p`th percentile of a sorted sample, by nearest rank.
pub(crate) fn rank(sorted: &[u64], p: usize) -> u64 {
    let at = (sorted.len() * p).div_ceil(100).max(1) - 1;
    sorted.get(at).copied().unwrap_or_default()
}

/// How a lie went.
#[derive(Debug, Clone)]
pub(crate) struct CheatFacts {
    pub(crate) liar: String,
    pub(crate) address: Address,
    /// Lots it revealed a wrong result for.
    pub(crate) lots: u32,
    /// Slashes, in order.
    pub(crate) slashes: Vec<SlashFacts>,
    /// Who found out.
    pub(crate) caught_by: &'static str,
    /// Every lot it lied about was done again and settled by others.
    pub(crate) redone: bool,
}

/// One slash.
#[derive(Debug, Clone)]
pub(crate) struct SlashFacts {
    pub(crate) job: String,
    pub(crate) lot: u32,
    pub(crate) fault: Fault,
    pub(crate) amount: Grains,
    pub(crate) burned: Grains,
    pub(crate) to_catchers: Grains,
    pub(crate) to_renter: Grains,
    pub(crate) at_ms: u64,
}

/// Where things were saved, as the user would type it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    pub(crate) report: String,
    pub(crate) surface: String,
    pub(crate) slices: String,
    pub(crate) book: String,
    pub(crate) genesis: String,
    pub(crate) receipts: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let p = Percentiles::of((1..=200).rev().collect());
        assert_eq!((p.p50, p.p99, p.count), (100, 198, 200));
        assert_eq!(Percentiles::of(vec![7]), Percentiles { p50: 7, p99: 7, count: 1 });
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    }
}
