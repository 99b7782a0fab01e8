//! The book: its positions, the tasks of its risk job, its figures for the report.

use std::path::Path;

use portfolio_risk::{Book as Positions, RiskJob, RiskReport, Scenario, report::PositionRow};
use quant::date::Date;
use vol_surface::{Surface, chain::parse_symbol};

use super::read;
use crate::{
    failure::{Code, Failure, Outcome},
    findings::{Book, Bucket, Histogram},
};

/// The sample book, positions in the built-in chain.
const BUILT_IN_BOOK: &[u8] = include_bytes!("../../../../data/sample-book.csv");

/// Tasks the paths are cut into.
pub(crate) const RISK_TASKS: u64 = 16;

/// A book with where it came from.
#[derive(Debug)]
pub(crate) struct Holdings {
    positions: Positions,
    source: String,
}

impl Holdings {
    /// The book the command line names, or the built-in one.
    pub(crate) fn load(path: Option<&Path>) -> Outcome<Self> {
        let (bytes, source) = match path {
            Some(path) => (read(path)?, path.display().to_string()),
            None => (BUILT_IN_BOOK.to_vec(), "the sample book".to_owned()),
        };
        let positions = Positions::read(bytes.as_slice()).map_err(|error| {
            Failure::new(Code::BadInput, format!("{source} is not a book that can be valued"))
                .because(&error)
                .next("the columns are contract,quantity and, if wanted, multiplier; nothing was started")
        })?;
        Ok(Self { positions, source })
    }

    /// The book without positions that a foreign chain does not list: the sample book is made for the
    /// built-in chain.
    pub(crate) fn fit_to(&mut self, chain: &vol_surface::Chain, sample: bool) -> Outcome<usize> {
        let before = self.positions.positions.len();
        if sample {
            self.positions.positions.retain(|p| chain.quote(&p.contract).is_some());
        }
        if let Some(missing) = self.positions.positions.iter().find(|p| chain.quote(&p.contract).is_none()) {
            return Err(Failure::new(Code::BadInput, format!("{} does not fit the chain", self.source))
                .why(format!("line {}: {} is not in the chain, or has expired", missing.line, missing.contract))
                .next("every position must be a contract of the chain; nothing was started"));
        }
        if self.positions.positions.is_empty() {
            return Err(Failure::new(Code::BadInput, "none of the sample book's positions is in this chain")
                .next("give your own positions with --book FILE"));
        }
        Ok(before - self.positions.positions.len())
    }

    /// The risk job over a fitted surface.
    pub(crate) fn job(&self, surface: &Surface, paths: u64) -> Outcome<RiskJob> {
        let scenario = Scenario { paths, ..Scenario::default() };
        RiskJob::new(surface, &self.positions, scenario).map_err(|error| {
            Failure::new(Code::BadInput, format!("the risk of {} cannot be computed", self.source))
                .because(&error)
                .next("drop the positions that the chain cannot price")
        })
    }
}

/// The figures of the job's outputs.
pub(crate) fn report(job: &RiskJob, outputs: &[Vec<u8>]) -> Outcome<RiskReport> {
    job.reduce(outputs)
        .map_err(|error| Failure::new(Code::VerificationFailed, "the paths do not make a risk report").because(&error))
}

/// The book for the report.
pub(crate) fn book(job: &RiskJob, report: &RiskReport, as_of: Date) -> Book {
    let g = job.greeks;
    Book {
        positions: job.rows.len() as u64,
        value: g.value,
        delta: g.delta_1pct,
        gamma: g.gamma_1pct,
        vega: g.vega_point,
        theta: g.theta_day,
        paths: report.paths,
        horizon_days: job.scenario.days,
        confidence: report.confidence,
        var: report.var,
        var_se: report.var_error,
        es: report.es,
        es_se: report.es_error,
        mean: report.mean,
        mean_se: report.mean_error,
        histogram: histogram(&report.sorted, report.es),
        currency: "$".to_owned(),
        buckets: buckets(&job.rows, as_of),
    }
}

/// Equal bins from beyond the expected shortfall to the 99.9 % quantile; the few paths outside are
/// left out, not piled up at the edges.
fn histogram(sorted: &[f64], es: f64) -> Histogram {
    const BINS: usize = 90;
    let (Some(worst), Some(best)) = (sorted.first(), sorted.get(sorted.len().saturating_sub(1) * 999 / 1_000)) else {
        return Histogram::default();
    };
    let low = worst.max(-1.6 * es).min(-1.05 * es);
    let width = (best - low) / BINS as f64;
    let mut counts = vec![0u64; BINS];
    if width > 0.0 {
        for value in sorted.iter().filter(|v| **v >= low && *v <= best) {
            counts[(((value - low) / width) as usize).min(BINS - 1)] += 1;
        }
    }
    Histogram { low, width, counts }
}

fn buckets(rows: &[PositionRow], as_of: Date) -> Vec<Bucket> {
    const EDGES: [(i32, &str); 5] = [
        (10, "within 10 days"),
        (31, "within a month"),
        (92, "within a quarter"),
        (366, "within a year"),
        (i32::MAX, "later"),
    ];
    let mut buckets: Vec<Bucket> =
        EDGES.iter().map(|(_, name)| Bucket { name: (*name).to_owned(), ..Bucket::default() }).collect();
    for row in rows {
        let days = parse_symbol(&row.contract).map_or(i32::MAX, |(key, _, _)| key.expiration.0 - as_of.0);
        let at = EDGES.iter().position(|(edge, _)| days <= *edge).unwrap_or(EDGES.len() - 1);
        let (amount, percent, bucket) = (row.quantity * row.multiplier, 0.01 * row.forward, &mut buckets[at]);
        bucket.positions += 1;
        bucket.value += row.value();
        bucket.delta += amount * row.unit.delta * percent;
        bucket.gamma += amount * row.unit.gamma * percent * percent;
        bucket.vega += amount * row.unit.vega * 0.01;
        bucket.theta += amount * row.unit.theta / 365.0;
    }
    buckets.retain(|b| b.positions > 0);
    buckets
}
