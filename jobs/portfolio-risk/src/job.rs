//! From a surface and a book to tasks: everything that a path needs, computed once.

use std::fmt;

use quant::{
    date::Date,
    svi::Svi,
    wire::{Reader, WireError, Writer},
};
use vol_surface::Surface;

use crate::{
    book::{Book, BookError},
    report::{BookGreeks, PositionRow},
};

pub(crate) const MAGIC: [u8; 4] = *b"APR1";
/// A path takes at most so many steps.
pub const MOST_STEPS: usize = 512;
/// A task runs at most so many paths.
pub const MOST_PATHS: u64 = 1 << 24;
/// Paths are numbered below this.
pub const LAST_PATH: u64 = 1 << 40;

/// What to simulate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scenario {
    /// Paths in all.
    pub paths: u64,
    /// Key of the random numbers.
    pub seed: u64,
    /// Weekdays to the horizon, a step each.
    pub days: u32,
    /// Half the degrees of freedom of the index's Student-t; zero for a normal. At least 2 otherwise.
    pub half_freedom: u32,
    /// Volatility of volatility, a year, at the reference maturity.
    pub vol_of_vol: f64,
    /// Correlation of volatility with the index.
    pub correlation: f64,
    /// The maturity, in years, to which `vol_of_vol` belongs.
    pub reference_years: f64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            paths: 100_000,
            seed: 20_260_130,
            days: 10,
            half_freedom: 3,
            vol_of_vol: 1.0,
            correlation: -0.75,
            reference_years: 30.0 / 365.0,
        }
    }
}

/// Why a job cannot be made.
#[derive(Debug)]
pub enum RiskError {
    /// The book does not fit the surface.
    Book(BookError),
    /// A parameter of the scenario makes no sense.
    Scenario(&'static str),
    /// The surface has no at-the-money volatility to drive the index with.
    NoVariance,
}

impl fmt::Display for RiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Book(error) => error.fmt(f),
            Self::Scenario(name) => write!(f, "the scenario's {name} is out of range"),
            Self::NoVariance => write!(f, "the surface has no slice to take the index's volatility from"),
        }
    }
}

impl std::error::Error for RiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Book(error) = self { Some(error) } else { None }
    }
}

/// A smile as the paths need it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Smile {
    pub(crate) forward: f64,
    /// Discount from the horizon to expiration; one where it settles before.
    pub(crate) discount: f64,
    /// Total variance left at the horizon over that of today.
    pub(crate) shrink: f64,
    /// Standard deviation of the log volatility over the horizon.
    pub(crate) eta: f64,
    /// The step at whose end it settles; `steps` or more where it outlives the horizon.
    pub(crate) settles: u32,
    pub(crate) svi: Svi,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Holding {
    pub(crate) smile: u32,
    pub(crate) is_put: bool,
    pub(crate) strike: f64,
    /// ln(K / F).
    pub(crate) k: f64,
    /// Quantity times multiplier.
    pub(crate) amount: f64,
}

/// A task decoded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Task {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) seed: u64,
    pub(crate) half_freedom: u32,
    pub(crate) correlation: f64,
    /// The book's value now, from the surface's model prices.
    pub(crate) value: f64,
    /// Standard deviation of the log-return of each step.
    pub(crate) steps: Vec<f64>,
    pub(crate) smiles: Vec<Smile>,
    pub(crate) holdings: Vec<Holding>,
}

impl Task {
    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new(MAGIC);
        w.u64(self.first);
        w.u64(self.last);
        w.u64(self.seed);
        w.u32(self.half_freedom);
        w.f64s(&[self.correlation, self.value]);
        w.count(self.steps.len());
        w.f64s(&self.steps);
        w.count(self.smiles.len());
        for s in &self.smiles {
            w.f64s(&[s.forward, s.discount, s.shrink, s.eta]);
            w.u32(s.settles);
            w.f64s(&[s.svi.a, s.svi.b, s.svi.rho, s.svi.m, s.svi.sigma]);
        }
        w.count(self.holdings.len());
        for h in &self.holdings {
            w.u32(h.smile);
            w.u8(u8::from(h.is_put));
            w.f64s(&[h.strike, h.k, h.amount]);
        }
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut r = Reader::new(bytes, MAGIC)?;
        let (first, last, seed) = (r.u64()?, r.u64()?, r.u64()?);
        if first > last || last > LAST_PATH || last - first > MOST_PATHS {
            return Err(WireError::Invalid("the range of paths"));
        }
        let half_freedom = r.u32()?;
        if half_freedom == 1 || half_freedom > 64 {
            return Err(WireError::Invalid("the degrees of freedom"));
        }
        let [correlation, value] = r.f64s()?;
        if !((-1.0..=1.0).contains(&correlation) && value.is_finite()) {
            return Err(WireError::Invalid("the correlation or value"));
        }
        let mut steps = Vec::new();
        for _ in 0..r.count(8)? {
            steps.push(r.f64()?);
        }
        if steps.is_empty() || steps.len() > MOST_STEPS || !steps.iter().all(|s| (0.0..=1.0).contains(s)) {
            return Err(WireError::Invalid("the steps"));
        }
        let mut smiles = Vec::new();
        for _ in 0..r.count(76)? {
            let [forward, discount, shrink, eta] = r.f64s()?;
            let settles = r.u32()?;
            let [a, b, rho, m, sigma] = r.f64s()?;
            let sound = forward > 0.0 && forward < 1e9 && discount > 0.0 && discount < 1e3;
            let bounded = (0.0..=1.0).contains(&shrink) && (0.0..=10.0).contains(&eta);
            let finite = [a, b, rho, m, sigma].iter().all(|v| v.is_finite());
            if !(sound && bounded && finite) {
                return Err(WireError::Invalid("a smile"));
            }
            smiles.push(Smile { forward, discount, shrink, eta, settles, svi: Svi { a, b, rho, m, sigma } });
        }
        let mut holdings = Vec::new();
        for _ in 0..r.count(29)? {
            let (smile, put) = (r.u32()?, r.u8()?);
            let [strike, k, amount] = r.f64s()?;
            let known = (smile as usize) < smiles.len() && put <= 1;
            if !(known && strike > 0.0 && strike < 1e9 && k.is_finite() && amount.is_finite()) {
                return Err(WireError::Invalid("a position"));
            }
            holdings.push(Holding { smile, is_put: put == 1, strike, k, amount });
        }
        r.end()?;
        Ok(Self { first, last, seed, half_freedom, correlation, value, steps, smiles, holdings })
    }
}

/// A risk job: the whole run, before it is cut into tasks.
#[derive(Clone, Debug)]
pub struct RiskJob {
    /// What is simulated.
    pub scenario: Scenario,
    /// The horizon's date.
    pub horizon: Date,
    /// The book's value, Greeks and the positions' rows, off the surface.
    pub greeks: BookGreeks,
    /// A row per position, in the order of the book.
    pub rows: Vec<PositionRow>,
    whole: Task,
}

impl RiskJob {
    /// Prepares the job.
    ///
    /// # Errors
    /// [`RiskError`] where the book holds what the surface does not price or the scenario makes no sense.
    pub fn new(surface: &Surface, book: &Book, scenario: Scenario) -> Result<Self, RiskError> {
        check(&scenario)?;
        book.check(surface).map_err(RiskError::Book)?;
        let dates: Vec<Date> = (0..=scenario.days).map(|n| surface.as_of.plus_weekdays(n)).collect();
        let horizon = dates.last().copied().unwrap_or(surface.as_of);
        let span = surface.as_of.years_to(horizon);
        let steps = steps(surface, &dates).ok_or(RiskError::NoVariance)?;
        let mut used: Vec<usize> = Vec::new();
        let (mut smiles, mut holdings, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        let mut value = 0.0;
        for position in &book.positions {
            let Some(contract) = surface.contract(&position.contract) else { continue };
            let slice = &surface.slices[contract.slice];
            let (Some(svi), Some(forward), Some(discount)) = (slice.svi, slice.forward, slice.discount) else {
                continue;
            };
            let Some(greeks) = contract.priced.greeks else { continue };
            let at = used.iter().position(|s| *s == contract.slice).unwrap_or_else(|| {
                let left = (slice.years - span).max(0.0) / slice.years;
                let maturity = (scenario.reference_years / slice.years).sqrt().min(2.0);
                let settles = dates.iter().skip(1).position(|d| *d >= slice.key.expiration).unwrap_or(dates.len());
                used.push(contract.slice);
                smiles.push(Smile {
                    forward,
                    discount: libm::exp(libm::log(discount) * left),
                    shrink: left,
                    eta: scenario.vol_of_vol * span.sqrt() * maturity,
                    settles: if left > 0.0 { u32::MAX } else { u32::try_from(settles).unwrap_or(u32::MAX) },
                    svi,
                });
                used.len() - 1
            });
            let amount = position.quantity * position.multiplier;
            value += amount * greeks.price;
            holdings.push(Holding {
                smile: u32::try_from(at).unwrap_or(u32::MAX),
                is_put: contract.priced.kind == quant::black::Kind::Put,
                strike: contract.strike,
                k: libm::log(contract.strike / forward),
                amount,
            });
            rows.push(PositionRow::new(position, contract, slice, greeks));
        }
        let whole = Task {
            first: 0,
            last: scenario.paths,
            seed: scenario.seed,
            half_freedom: scenario.half_freedom,
            correlation: scenario.correlation,
            value,
            steps,
            smiles,
            holdings,
        };
        Ok(Self { scenario, horizon, greeks: BookGreeks::sum(&rows), rows, whole })
    }

    /// The encoded inputs of `parts` tasks that share the paths evenly; fewer where there are fewer paths.
    #[must_use]
    pub fn tasks(&self, parts: u64) -> Vec<Vec<u8>> {
        let least = self.scenario.paths.div_ceil(MOST_PATHS);
        let parts = parts.clamp(1, self.scenario.paths).max(least);
        let edge = |i: u64| (u128::from(self.scenario.paths) * u128::from(i) / u128::from(parts)) as u64;
        (0..parts).map(|i| Task { first: edge(i), last: edge(i + 1), ..self.whole.clone() }.encode()).collect()
    }
}

fn check(scenario: &Scenario) -> Result<(), RiskError> {
    let wrong = |name| Err(RiskError::Scenario(name));
    if !(100..=1 << 32).contains(&scenario.paths) {
        return wrong("number of paths (100 to 2^32)");
    }
    if scenario.days == 0 || scenario.days as usize > MOST_STEPS {
        return wrong("number of days (1 to 512)");
    }
    if scenario.half_freedom == 1 || scenario.half_freedom > 64 {
        return wrong("degrees of freedom (0, or half of them 2 to 64)");
    }
    if !(0.0..=3.0).contains(&scenario.vol_of_vol) {
        return wrong("volatility of volatility (0 to 3)");
    }
    if !(-1.0..=1.0).contains(&scenario.correlation) {
        return wrong("correlation (-1 to 1)");
    }
    if !(scenario.reference_years > 0.0 && scenario.reference_years < 100.0) {
        return wrong("reference maturity");
    }
    Ok(())
}

/// Standard deviation of each step from the surface's at-the-money total variance. Where that falls
/// from one date to the next (calendar noise) the step has none.
fn steps(surface: &Surface, dates: &[Date]) -> Option<Vec<f64>> {
    let mut reached = 0.0;
    let mut steps = Vec::with_capacity(dates.len().saturating_sub(1));
    for date in dates.iter().skip(1) {
        let variance = surface.atm_variance(surface.as_of.years_to(*date))?;
        steps.push((variance - reached).max(0.0).sqrt().min(1.0));
        reached = variance.max(reached);
    }
    Some(steps)
}
