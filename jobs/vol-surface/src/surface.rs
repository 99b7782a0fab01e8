//! From all slices' outputs to the surface: order, calendar checks, smiles for slices that have none.
//! Pure and deterministic: the order in which outputs arrive does not matter.

use std::fmt;

use quant::{
    date::Date,
    svi::{Svi, calendar_violation},
    wire::WireError,
};

use crate::{
    chain::{SliceKey, parse_symbol, symbol},
    slice::{Flags, Priced, SliceOutput, decode_slice},
};

/// Calendar arbitrage shallower than this volatility is within the noise of the fits.
const CALENDAR_TOLERANCE: f64 = 0.0005;

/// Why outputs do not make a surface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReduceError {
    /// No outputs.
    Empty,
    /// The bytes at this index are no slice output.
    Output {
        /// Index of the output.
        index: usize,
        /// What is wrong.
        error: WireError,
    },
    /// Two outputs are of one slice.
    Twice(SliceKey),
    /// Outputs are of different as-of dates.
    AsOf,
}

impl fmt::Display for ReduceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "there are no slices"),
            Self::Output { index, error } => write!(f, "the output of task {index} is not a slice: {error}"),
            Self::Twice(key) => write!(f, "the slice {} {} is there twice", key.expiration, key.root),
            Self::AsOf => write!(f, "the slices are of different dates"),
        }
    }
}

impl std::error::Error for ReduceError {}

/// One slice of the surface.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Expiration and root.
    pub key: SliceKey,
    /// ACT/365F to expiration.
    pub years: f64,
    /// Forward implied by parity.
    pub forward: Option<f64>,
    /// Discount factor implied by parity.
    pub discount: Option<f64>,
    /// Volatility of the smile at the forward.
    pub atm_vol: Option<f64>,
    /// dsigma / d ln K at the forward.
    pub skew: Option<f64>,
    /// The smile.
    pub svi: Option<Svi>,
    /// Vega-weighted root mean square fit error, in vol points.
    pub fit_error_vol: Option<f64>,
    /// Root mean square fit error, in bid-ask spreads.
    pub fit_error_spreads: Option<f64>,
    /// Quotes fitted.
    pub fitted: u32,
    /// Range of ln(K / F) of the quotes fitted.
    pub range: (f64, f64),
    /// What to know about it.
    pub flags: Flags,
    /// Contracts listed in the slice.
    pub contracts: usize,
}

impl Slice {
    /// The continuously compounded zero rate, -ln D / T.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        self.discount.map(|d| -libm::log(d) / self.years)
    }
}

/// One contract of the surface.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// OCC symbol.
    pub symbol: String,
    /// Index into [`Surface::slices`].
    pub slice: usize,
    /// Strike in index points.
    pub strike: f64,
    /// Prices, volatilities and Greeks.
    pub priced: Priced,
}

impl Contract {
    /// The volatility to publish: the market's where its middle lies inside the no-arbitrage bounds, else
    /// the smile's.
    #[must_use]
    pub fn implied_vol(&self) -> Option<f64> {
        self.priced.market_vol.or(self.priced.model_vol)
    }

    /// Whether it has a model price and an implied volatility.
    #[must_use]
    pub fn is_priced(&self) -> bool {
        self.priced.greeks.is_some() && self.implied_vol().is_some()
    }
}

/// The whole surface, in order of expiration, root, strike, call before put.
#[derive(Clone, Debug, PartialEq)]
pub struct Surface {
    /// The day the quotes are of.
    pub as_of: Date,
    /// Slices in order of expiration and root.
    pub slices: Vec<Slice>,
    /// Contracts in order of slice, strike and kind.
    pub contracts: Vec<Contract>,
}

impl Surface {
    /// Contracts with a model price and implied volatility from a fitted or interpolated slice.
    #[must_use]
    pub fn contracts_priced(&self) -> usize {
        self.contracts.iter().filter(|c| c.is_priced()).count()
    }

    /// Contracts whose middle lies inside the no-arbitrage bounds.
    #[must_use]
    pub fn mids_inside_bounds(&self) -> usize {
        self.contracts.iter().filter(|c| c.priced.market_vol.is_some()).count()
    }

    /// Distinct expirations.
    #[must_use]
    pub fn expirations(&self) -> usize {
        let mut dates: Vec<Date> = self.slices.iter().map(|s| s.key.expiration).collect();
        dates.dedup();
        dates.len()
    }

    /// A contract by its symbol.
    #[must_use]
    pub fn contract(&self, name: &str) -> Option<&Contract> {
        let (key, kind, strike_milli) = parse_symbol(name)?;
        let slice = self.slices.binary_search_by(|s| s.key.cmp(&key)).ok()?;
        let at = self
            .contracts
            .binary_search_by(|c| (c.slice, c.priced.strike_milli, c.priced.kind).cmp(&(slice, strike_milli, kind)))
            .ok()?;
        self.contracts.get(at)
    }

    /// Total variance at the forward, interpolated linearly between slices (flat in volatility outside).
    #[must_use]
    pub fn atm_variance(&self, years: f64) -> Option<f64> {
        let known: Vec<(f64, f64)> =
            self.slices.iter().filter_map(|s| s.svi.map(|svi| (s.years, svi.total_variance(0.0)))).collect();
        let after = known.iter().position(|(t, _)| *t >= years);
        match after {
            Some(0) => Some(known[0].1 * years / known[0].0),
            Some(i) => {
                let ((t0, w0), (t1, w1)) = (known[i - 1], known[i]);
                Some(if t1 > t0 { w0 + (w1 - w0) * (years - t0) / (t1 - t0) } else { w1 })
            }
            None => known.last().map(|(t, w)| w * years / t),
        }
    }
}

/// Puts the slices' outputs together, in whatever order they come.
///
/// # Errors
/// [`ReduceError`] where an output is broken, doubled or of another date.
pub fn reduce<T: AsRef<[u8]>>(outputs: &[T]) -> Result<Surface, ReduceError> {
    let mut all: Vec<SliceOutput> = Vec::with_capacity(outputs.len());
    for (index, bytes) in outputs.iter().enumerate() {
        all.push(decode_slice(bytes.as_ref()).map_err(|error| ReduceError::Output { index, error })?);
    }
    all.sort_by(|a, b| a.key.cmp(&b.key));
    let as_of = all.first().ok_or(ReduceError::Empty)?.as_of;
    if all.iter().any(|s| s.as_of != as_of) {
        return Err(ReduceError::AsOf);
    }
    if let Some(two) = all.windows(2).find(|two| two[0].key == two[1].key) {
        return Err(ReduceError::Twice(two[0].key.clone()));
    }
    fill_smiles(&mut all);
    flag_calendar(&mut all);
    let mut surface = Surface { as_of, slices: Vec::new(), contracts: Vec::new() };
    for (slice, output) in all.into_iter().enumerate() {
        for priced in &output.contracts {
            surface.contracts.push(Contract {
                symbol: symbol(&output.key, priced.kind, priced.strike_milli),
                slice,
                strike: f64::from(priced.strike_milli) / 1000.0,
                priced: *priced,
            });
        }
        surface.slices.push(Slice {
            years: output.years,
            forward: output.carry.map(|c| c.0),
            discount: output.carry.map(|c| c.1),
            atm_vol: output.svi.map(|s| s.vol(0.0, output.years)),
            skew: output.svi.map(|s| s.skew(output.years)),
            svi: output.svi,
            fit_error_vol: output.fit_error_vol,
            fit_error_spreads: output.fit_error_spreads,
            fitted: output.fitted,
            range: output.range,
            flags: output.flags,
            contracts: output.contracts.len(),
            key: output.key,
        });
    }
    Ok(surface)
}

/// A slice with a forward but not one usable quote takes its neighbours' smile: SVI parameters are not
/// additive, so the nearest slice's smile is rescaled in total variance by time.
fn fill_smiles(all: &mut [SliceOutput]) {
    let known: Vec<(f64, Svi)> = all.iter().filter_map(|s| s.svi.map(|svi| (s.years, svi))).collect();
    for slice in all.iter_mut().filter(|s| s.svi.is_none() && s.carry.is_some()) {
        let nearest = known.iter().min_by(|a, b| {
            let far = |t: f64| libm::log(t / slice.years).abs();
            far(a.0).total_cmp(&far(b.0))
        });
        let Some((years, svi)) = nearest else { continue };
        let by = slice.years / years;
        // The same smile in k / sqrt(T): w(k) = by * w0(k / sqrt(by)).
        let wide = by.sqrt();
        slice.svi =
            Some(Svi { a: svi.a * by, b: svi.b * wide, rho: svi.rho, m: svi.m * wide, sigma: svi.sigma * wide });
        slice.flags.0 &= !Flags::NO_SMILE.0;
        slice.flags.set(Flags::SMILE_INTERPOLATED, true);
        slice.price();
    }
}

fn flag_calendar(all: &mut [SliceOutput]) {
    for late in 1..all.len() {
        let (before, rest) = all.split_at_mut(late);
        let (Some(early), slice) = (before.iter().rev().find(|s| s.svi.is_some()), &mut rest[0]) else { continue };
        let (Some(first), Some(second)) = (early.svi, slice.svi) else { continue };
        let (low, high) = (early.range.0.max(slice.range.0), early.range.1.min(slice.range.1));
        if low >= high {
            continue;
        }
        let step = (high - low) / 200.0;
        let noise = (0..=200_u32).any(|i| {
            let k = low + step * f64::from(i);
            let fall = first.total_variance(k) - second.total_variance(k);
            fall > 2.0 * second.vol(k, slice.years) * slice.years * CALENDAR_TOLERANCE
        });
        slice.flags.set(Flags::CALENDAR, noise && calendar_violation(&first, &second, low, high) > 0.0);
    }
}
