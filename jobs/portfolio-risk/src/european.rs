//! A European option by Monte Carlo in steps: the yardstick. Its price is known in closed form, and
//! QuantLib's `MCEuropeanEngine` does the same work, so both accuracy and speed can be compared.
//!
//! The spot follows geometric Brownian motion, stepped in its logarithm; a task returns the discounted
//! payoff of each of its paths.

use quant::{
    lanes::{LANES, exp},
    wire::{Reader, WireError, Writer},
};

use crate::{
    job::{LAST_PATH, MOST_PATHS, MOST_STEPS},
    kernel::{DRAWS, decode_output, normals},
};

pub(crate) const MAGIC: [u8; 4] = *b"AEU1";

/// What to price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct European {
    /// Spot.
    pub spot: f64,
    /// Strike.
    pub strike: f64,
    /// Continuously compounded rate.
    pub rate: f64,
    /// Volatility a year.
    pub vol: f64,
    /// Years to expiration.
    pub years: f64,
    /// Whether it is a put.
    pub is_put: bool,
    /// Time steps a path.
    pub steps: u32,
    /// Key of the random numbers.
    pub seed: u64,
}

/// A Monte Carlo estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Paths.
    pub paths: u64,
    /// Mean discounted payoff.
    pub price: f64,
    /// Its standard error.
    pub error: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Task {
    pub(crate) first: u64,
    last: u64,
    what: European,
}

impl European {
    /// The option of the reference tables: 100 at 100, 5 %, 20 %, a year; worth 10.450583572185577.
    pub const YARDSTICK: Self =
        Self { spot: 100.0, strike: 100.0, rate: 0.05, vol: 0.2, years: 1.0, is_put: false, steps: 32, seed: 7 };

    /// The encoded inputs of `parts` tasks that share `paths` paths (at most 2^40) evenly.
    #[must_use]
    pub fn tasks(&self, paths: u64, parts: u64) -> Vec<Vec<u8>> {
        let paths = paths.min(LAST_PATH);
        let parts = parts.clamp(1, paths.max(1)).max(paths.div_ceil(MOST_PATHS));
        let edge = |i: u64| (u128::from(paths) * u128::from(i) / u128::from(parts)) as u64;
        (0..parts).map(|i| Task { first: edge(i), last: edge(i + 1), what: *self }.encode()).collect()
    }

    /// The estimate from the tasks' outputs, in whatever order they come.
    ///
    /// # Errors
    /// [`WireError`] where an output is broken or paths are missing.
    pub fn reduce<T: AsRef<[u8]>>(outputs: &[T]) -> Result<Estimate, WireError> {
        let mut all = outputs.iter().map(|o| decode_output(o.as_ref())).collect::<Result<Vec<_>, _>>()?;
        all.sort_by_key(|(first, values)| (*first, values.len()));
        let (mut paths, mut sum, mut squares) = (0_u64, 0.0, 0.0);
        for (first, values) in &all {
            if *first != paths {
                return Err(WireError::Invalid("the paths' order"));
            }
            paths += values.len() as u64;
            for v in values {
                sum += v;
                squares += v * v;
            }
        }
        if paths < 2 {
            return Err(WireError::Truncated);
        }
        let n = paths as f64;
        let price = sum / n;
        Ok(Estimate { paths, price, error: ((squares / n - price * price).max(0.0) / (n - 1.0)).sqrt() })
    }
}

impl Task {
    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new(MAGIC);
        w.u64(self.first);
        w.u64(self.last);
        let e = &self.what;
        w.f64s(&[e.spot, e.strike, e.rate, e.vol, e.years]);
        w.u8(u8::from(e.is_put));
        w.u32(e.steps);
        w.u64(e.seed);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut r = Reader::new(bytes, MAGIC)?;
        let (first, last) = (r.u64()?, r.u64()?);
        let [spot, strike, rate, vol, years] = r.f64s()?;
        let (put, steps, seed) = (r.u8()?, r.u32()?, r.u64()?);
        r.end()?;
        if first > last || last > LAST_PATH || last - first > MOST_PATHS || steps == 0 || steps as usize > MOST_STEPS {
            return Err(WireError::Invalid("the paths or steps"));
        }
        let positive = [spot, strike, vol, years].iter().all(|v| *v > 0.0 && *v < 1e9);
        if !(positive && rate.abs() < 10.0 && put <= 1) {
            return Err(WireError::Invalid("the option"));
        }
        let what = European { spot, strike, rate, vol, years, is_put: put == 1, steps, seed };
        Ok(Self { first, last, what })
    }

    /// The discounted payoff of each path.
    pub(crate) fn payoffs(&self) -> Vec<f64> {
        let e = &self.what;
        let step = e.years / f64::from(e.steps);
        let deviation = e.vol * step.sqrt();
        let drift = (e.rate - 0.5 * e.vol * e.vol) * step;
        let discount = libm::exp(-e.rate * e.years);
        let sign = if e.is_put { -1.0 } else { 1.0 };
        let mut all = Vec::with_capacity(usize::try_from(self.last - self.first).unwrap_or(0));
        let mut first = self.first;
        while first < self.last {
            let mut x = [0.0; LANES];
            let mut left = e.steps as usize;
            let mut draw = 0;
            while left > 0 {
                let now = left.min(2 * DRAWS);
                let lots = normals(e.seed, first, draw, now.div_ceil(2));
                for z in &lots[..now] {
                    for i in 0..LANES {
                        x[i] += drift + deviation * z[i];
                    }
                }
                draw += DRAWS as u32;
                left -= now;
            }
            let mut worth = [0.0; LANES];
            for i in 0..LANES {
                let payoff = sign * (e.spot * exp(x[i]) - e.strike);
                worth[i] = discount * if payoff > 0.0 { payoff } else { 0.0 };
            }
            let wanted = usize::try_from(self.last - first).unwrap_or(LANES).min(LANES);
            all.extend_from_slice(&worth[..wanted]);
            first += LANES as u64;
        }
        all
    }
}
