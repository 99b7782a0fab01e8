//! From the paths' P&L to risk figures. Pure; neither the order of the outputs nor the partition matters.
//!
//! With n paths and losses L sorted, tail = ceil(n (1 - q)) paths (q = 99 %):
//! - VaR is the `tail`-th largest loss. Its standard error is half the distance of the order statistics
//!   sqrt(n q (1 - q)) ranks to either side, the non-parametric binomial band of one sigma.
//! - ES is the mean of the `tail` largest losses; its standard error is
//!   sqrt((var of the tail + q (ES - VaR)^2) / tail) (Manistre and Hancock, "Variance of the CTE
//!   estimator", North American Actuarial Journal 9, 2005).

use std::fmt;

use quant::{black::Greeks, csv::number, wire::WireError};
use vol_surface::{Contract, surface::Slice};

use crate::{book::Position, job::RiskJob, kernel::decode_output};

/// One position, valued.
#[derive(Clone, Debug, PartialEq)]
pub struct PositionRow {
    /// OCC symbol.
    pub contract: String,
    /// Contracts held.
    pub quantity: f64,
    /// Index units a contract.
    pub multiplier: f64,
    /// Forward of its slice.
    pub forward: f64,
    /// Middle of the market, where there is one.
    pub mid: Option<f64>,
    /// Model price and Greeks of one unit.
    pub unit: Greeks,
}

impl PositionRow {
    pub(crate) fn new(position: &Position, contract: &Contract, slice: &Slice, unit: Greeks) -> Self {
        Self {
            contract: position.contract.clone(),
            quantity: position.quantity,
            multiplier: position.multiplier,
            forward: slice.forward.unwrap_or(f64::NAN),
            mid: contract.priced.mid,
            unit,
        }
    }

    /// Model value of the position in dollars.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.quantity * self.multiplier * self.unit.price
    }
}

/// A book's value and sensitivities, in dollars. Forwards of all expirations move together, so that
/// Greeks of different expirations add up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BookGreeks {
    /// At model prices.
    pub value: f64,
    /// At the market's middles, model prices where there is none.
    pub market_value: f64,
    /// Gain when the index rises by 1 %, to first order.
    pub delta_1pct: f64,
    /// Change of `delta_1pct` when the index rises by 1 %.
    pub gamma_1pct: f64,
    /// Gain when all volatilities rise by one vol point (0.01).
    pub vega_point: f64,
    /// Gain from one calendar day passing.
    pub theta_day: f64,
}

impl BookGreeks {
    pub(crate) fn sum(rows: &[PositionRow]) -> Self {
        let mut all = Self::default();
        for row in rows {
            let amount = row.quantity * row.multiplier;
            let percent = 0.01 * row.forward;
            all.value += amount * row.unit.price;
            all.market_value += amount * row.mid.unwrap_or(row.unit.price);
            all.delta_1pct += amount * row.unit.delta * percent;
            all.gamma_1pct += amount * row.unit.gamma * percent * percent;
            all.vega_point += amount * row.unit.vega * 0.01;
            all.theta_day += amount * row.unit.theta / 365.0;
        }
        all
    }
}

/// The risk of a book.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskReport {
    /// Paths simulated.
    pub paths: u64,
    /// Confidence of VaR and ES.
    pub confidence: f64,
    /// Value at risk, a positive loss in dollars.
    pub var: f64,
    /// Its Monte Carlo standard error.
    pub var_error: f64,
    /// Expected shortfall, a positive loss in dollars.
    pub es: f64,
    /// Its Monte Carlo standard error.
    pub es_error: f64,
    /// Mean P&L.
    pub mean: f64,
    /// Its Monte Carlo standard error.
    pub mean_error: f64,
    /// Standard deviation of P&L.
    pub deviation: f64,
    /// P&L of every path, ascending.
    pub sorted: Vec<f64>,
}

/// Why outputs do not make a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReduceError {
    /// The bytes at this index are no output of a risk task.
    Output {
        /// Index of the output.
        index: usize,
        /// What is wrong.
        error: WireError,
    },
    /// Paths are missing or doubled; this is the first.
    Gap {
        /// The path.
        path: u64,
    },
    /// Fewer or more paths than the job's.
    Count {
        /// The job's.
        expected: u64,
        /// The outputs'.
        found: u64,
    },
}

impl fmt::Display for ReduceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output { index, error } => write!(f, "the output of task {index} is not a range of paths: {error}"),
            Self::Gap { path } => write!(f, "path {path} is missing or there twice"),
            Self::Count { expected, found } => write!(f, "{found} paths where the job has {expected}"),
        }
    }
}

impl std::error::Error for ReduceError {}

impl RiskJob {
    /// [`reduce`], checked against the number of paths that this job has.
    ///
    /// # Errors
    /// [`ReduceError`].
    pub fn reduce<T: AsRef<[u8]>>(&self, outputs: &[T]) -> Result<RiskReport, ReduceError> {
        let report = reduce(outputs)?;
        if report.paths != self.scenario.paths {
            return Err(ReduceError::Count { expected: self.scenario.paths, found: report.paths });
        }
        Ok(report)
    }
}

/// Puts the tasks' outputs together, in whatever order they come.
///
/// # Errors
/// [`ReduceError`] where an output is broken or paths are missing or doubled.
pub fn reduce<T: AsRef<[u8]>>(outputs: &[T]) -> Result<RiskReport, ReduceError> {
    let mut all = Vec::with_capacity(outputs.len());
    for (index, bytes) in outputs.iter().enumerate() {
        all.push(decode_output(bytes.as_ref()).map_err(|error| ReduceError::Output { index, error })?);
    }
    all.sort_by_key(|(first, values)| (*first, values.len()));
    let mut sorted = Vec::new();
    for (first, values) in all {
        let path = sorted.len() as u64;
        if first != path {
            return Err(ReduceError::Gap { path });
        }
        sorted.extend(values);
    }
    if sorted.len() < 100 {
        return Err(ReduceError::Count { expected: 100, found: sorted.len() as u64 });
    }
    let n = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / n;
    let variance = sorted.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
    sorted.sort_by(f64::total_cmp);
    let q = 0.99;
    // 1 / (1 - q) = 100 paths give one of the tail.
    let tail = sorted.len().div_ceil(100);
    let loss = |rank: usize| -sorted[rank.clamp(1, sorted.len()) - 1];
    let var = loss(tail);
    let band = (n * q * (1.0 - q)).sqrt().round() as usize;
    let var_error = 0.5 * (loss(tail.saturating_sub(band)) - loss(tail + band));
    let es = -sorted[..tail].iter().sum::<f64>() / tail as f64;
    let spread = sorted[..tail].iter().map(|v| (-v - es) * (-v - es)).sum::<f64>() / (tail.max(2) - 1) as f64;
    let es_error = ((spread + q * (es - var) * (es - var)) / tail as f64).sqrt();
    Ok(RiskReport {
        paths: sorted.len() as u64,
        confidence: q,
        var,
        var_error,
        es,
        es_error,
        mean,
        mean_error: (variance / n).sqrt(),
        deviation: variance.sqrt(),
        sorted,
    })
}

impl RiskReport {
    /// The P&L that a share `q` of the paths does not exceed.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let rank = (q.clamp(0.0, 1.0) * self.sorted.len() as f64) as usize;
        self.sorted.get(rank.min(self.sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    /// Counts of P&L in `cells` equal cells between the 0.1 % and 99.9 % quantile, what lies outside in the
    /// outermost: (lower edge of the first cell, width, counts).
    #[must_use]
    pub fn histogram(&self, cells: usize) -> (f64, f64, Vec<u64>) {
        let cells = cells.max(1);
        let low = self.quantile(0.001);
        let width = ((self.quantile(0.999) - low) / cells as f64).max(f64::MIN_POSITIVE);
        let mut counts = vec![0; cells];
        for v in &self.sorted {
            let at = ((v - low) / width).clamp(0.0, (cells - 1) as f64) as usize;
            counts[at] += 1;
        }
        (low, width, counts)
    }
}

/// A CSV of the positions: `contract,quantity,multiplier,price,value,delta,gamma,vega,theta`, Greeks of
/// one unit as in the surface's CSV.
#[must_use]
pub fn positions_csv(rows: &[PositionRow]) -> String {
    let mut out = String::from("contract,quantity,multiplier,price,value,delta,gamma,vega,theta\n");
    for r in rows {
        let g = r.unit;
        let numbers = [r.quantity, r.multiplier, g.price, r.value(), g.delta, g.gamma, g.vega, g.theta];
        let cells: Vec<String> = numbers.iter().map(|v| number(Some(*v))).collect();
        out.push_str(&format!("{},{}\n", r.contract, cells.join(",")));
    }
    out
}
