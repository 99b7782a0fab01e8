//! A task: from a slice's quotes to its forward, discount, smile and every contract's model price,
//! implied volatility and Greeks. [`run`] is what the guest exports.

use std::fmt;

use quant::{
    black::{Greeks, Kind, greeks},
    date::Date,
    svi::Svi,
    wire::{Reader, WireError, Writer},
};

use crate::{
    chain::SliceKey,
    parity::{self, Pair, Pairs},
    smile,
    task::{Task, read_key, read_kind, write_key, write_kind},
};

const MAGIC: [u8; 4] = *b"AVO1";

/// What a reader of a slice should know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// No common strike: forward interpolated between neighbouring slices, rate taken from the curve.
    pub const FORWARD_INTERPOLATED: Self = Self(1);
    /// Nothing tells a forward; the slice is not priced.
    pub const NO_FORWARD: Self = Self(1 << 1);
    /// The fitted smile admits a butterfly arbitrage.
    pub const BUTTERFLY: Self = Self(1 << 2);
    /// Total variance falls below an earlier slice's by more than 0.05 vol points inside both quoted ranges.
    pub const CALENDAR: Self = Self(1 << 3);
    /// Fewer than five usable quotes: the smile is flat.
    pub const FEW_QUOTES: Self = Self(1 << 4);
    /// No usable quote at all: the smile is interpolated between neighbouring slices.
    pub const SMILE_INTERPOLATED: Self = Self(1 << 5);
    /// No usable quote and no neighbours; the slice is not priced.
    pub const NO_SMILE: Self = Self(1 << 6);
    /// The fit misses its quotes by more than a bid-ask spread (root mean square).
    pub const POOR_FIT: Self = Self(1 << 7);
    /// The curve of all slices says more about the rate than the slice's own parity.
    pub const RATE_FROM_CURVE: Self = Self(1 << 8);

    const NAMES: [(Self, &'static str); 9] = [
        (Self::FORWARD_INTERPOLATED, "forward-interpolated"),
        (Self::NO_FORWARD, "no-forward"),
        (Self::BUTTERFLY, "butterfly"),
        (Self::CALENDAR, "calendar"),
        (Self::FEW_QUOTES, "few-quotes"),
        (Self::SMILE_INTERPOLATED, "smile-interpolated"),
        (Self::NO_SMILE, "no-smile"),
        (Self::POOR_FIT, "poor-fit"),
        (Self::RATE_FROM_CURVE, "rate-from-curve"),
    ];

    /// Whether all of `other` is set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets `other` where `on`.
    pub fn set(&mut self, other: Self, on: bool) {
        if on {
            self.0 |= other.0;
        }
    }

    /// Whether any arbitrage flag is set.
    #[must_use]
    pub fn has_arbitrage(self) -> bool {
        self.has(Self::BUTTERFLY) || self.has(Self::CALENDAR)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (flag, name) in Self::NAMES {
            if self.has(flag) {
                write!(f, "{}{name}", if first { "" } else { ";" })?;
                first = false;
            }
        }
        Ok(())
    }
}

/// One contract, priced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Priced {
    /// Call or put.
    pub kind: Kind,
    /// Strike in thousandths of an index point.
    pub strike_milli: u32,
    /// Middle of the market, where there is one.
    pub mid: Option<f64>,
    /// Implied volatility of that middle, where it lies inside the no-arbitrage bounds.
    pub market_vol: Option<f64>,
    /// Volatility of the slice's smile.
    pub model_vol: Option<f64>,
    /// Model price and Greeks at `model_vol`.
    pub greeks: Option<Greeks>,
}

/// A task's output.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceOutput {
    /// The day the quotes are of.
    pub as_of: Date,
    /// The slice.
    pub key: SliceKey,
    /// ACT/365F from as-of to expiration.
    pub years: f64,
    /// Forward and discount, where known.
    pub carry: Option<(f64, f64)>,
    /// The smile, where fitted.
    pub svi: Option<Svi>,
    /// Vega-weighted fit error in vol points.
    pub fit_error_vol: Option<f64>,
    /// Fit error in bid-ask spreads.
    pub fit_error_spreads: Option<f64>,
    /// Quotes fitted.
    pub fitted: u32,
    /// Their range of ln(K / F).
    pub range: (f64, f64),
    /// What to know about it.
    pub flags: Flags,
    /// Every contract of the slice, in order of strike.
    pub contracts: Vec<Priced>,
}

/// The guest's entry: a task's bytes to its output's.
///
/// # Errors
/// A sentence, where the bytes are not a task.
pub fn run(input: &[u8]) -> Result<Vec<u8>, String> {
    let task = Task::decode(input).map_err(|e| format!("vol-surface: the input is not a task: {e}"))?;
    Ok(compute(&task).encode())
}

fn compute(task: &Task) -> SliceOutput {
    let years = task.as_of.years_to(task.key.expiration);
    let own = Pairs::of(&task.key, &task.quotes);
    let others: Vec<(f64, &[Pair])> =
        task.curve.iter().map(|pairs| (task.as_of.years_to(pairs.key.expiration), pairs.points.as_slice())).collect();
    let mut output = SliceOutput {
        as_of: task.as_of,
        key: task.key.clone(),
        years,
        carry: None,
        svi: None,
        fit_error_vol: None,
        fit_error_spreads: None,
        fitted: 0,
        range: (0.0, 0.0),
        flags: Flags::default(),
        contracts: Vec::with_capacity(task.quotes.len()),
    };
    let unpriced = |quote: &crate::chain::Quote| Priced {
        kind: quote.kind,
        strike_milli: quote.strike_milli,
        mid: quote.mid(),
        market_vol: None,
        model_vol: None,
        greeks: None,
    };
    output.contracts = task.quotes.iter().map(unpriced).collect();
    let Some(carry) = parity::carry(&own.points, years, &others) else {
        output.flags.set(Flags::NO_FORWARD, true);
        return output;
    };
    output.carry = Some((carry.forward, carry.discount));
    output.flags.set(Flags::FORWARD_INTERPOLATED, carry.interpolated);
    output.flags.set(Flags::RATE_FROM_CURVE, carry.rate_from_curve);
    let vols: Vec<Option<f64>> = task.quotes.iter().map(|q| smile::market_vol(q, &carry, years)).collect();
    for (contract, vol) in output.contracts.iter_mut().zip(&vols) {
        contract.market_vol = *vol;
    }
    let Some(found) = smile::fit(&task.quotes, &vols, &carry, years) else {
        output.flags.set(Flags::NO_SMILE, true);
        return output;
    };
    output.flags.set(Flags::BUTTERFLY, !found.free_of_butterflies);
    output.flags.set(Flags::FEW_QUOTES, found.flat);
    output.flags.set(Flags::POOR_FIT, found.error_spreads > 1.0);
    output.fit_error_vol = Some(found.error_vol);
    output.fit_error_spreads = Some(found.error_spreads);
    output.fitted = found.points;
    output.range = (found.low, found.high);
    output.svi = Some(found.svi);
    output.price();
    output
}

impl SliceOutput {
    /// Prices every contract off the smile.
    pub(crate) fn price(&mut self) {
        let (Some((forward, discount)), Some(svi)) = (self.carry, self.svi) else { return };
        for contract in &mut self.contracts {
            let strike = f64::from(contract.strike_milli) / 1000.0;
            let vol = svi.vol(libm::log(strike / forward), self.years);
            let priced = greeks(contract.kind, forward, strike, vol, self.years, discount);
            if vol > 0.0 && vol.is_finite() && priced.price.is_finite() {
                contract.model_vol = Some(vol);
                contract.greeks = Some(priced);
            }
        }
    }

    /// The output's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new(MAGIC);
        w.i32(self.as_of.0);
        write_key(&mut w, &self.key);
        w.f64(self.years);
        write_some(&mut w, self.carry.map(|(f, d)| [f, d]));
        write_some(&mut w, self.svi.map(|s| [s.a, s.b, s.rho, s.m, s.sigma]));
        write_some(&mut w, self.fit_error_vol.map(|v| [v]));
        write_some(&mut w, self.fit_error_spreads.map(|v| [v]));
        w.u32(self.fitted);
        w.f64s(&[self.range.0, self.range.1]);
        w.u32(self.flags.0);
        w.count(self.contracts.len());
        for c in &self.contracts {
            write_kind(&mut w, c.kind);
            w.u32(c.strike_milli);
            write_some(&mut w, c.mid.map(|v| [v]));
            write_some(&mut w, c.market_vol.map(|v| [v]));
            write_some(&mut w, c.model_vol.map(|v| [v]));
            write_some(&mut w, c.greeks.map(|g| [g.price, g.delta, g.gamma, g.vega, g.theta]));
        }
        w.finish()
    }
}

fn write_some<const N: usize>(w: &mut Writer, values: Option<[f64; N]>) {
    w.u8(u8::from(values.is_some()));
    if let Some(values) = values {
        w.f64s(&values);
    }
}

fn read_some<const N: usize>(r: &mut Reader<'_>) -> Result<Option<[f64; N]>, WireError> {
    match r.u8()? {
        0 => Ok(None),
        1 => {
            let values = r.f64s::<N>()?;
            if values.iter().all(|v| v.is_finite()) { Ok(Some(values)) } else { Err(WireError::Invalid("a number")) }
        }
        _ => Err(WireError::Invalid("an optional value")),
    }
}

/// Reads a task's output.
///
/// # Errors
/// [`WireError`] where the bytes are not an output.
pub fn decode_slice(bytes: &[u8]) -> Result<SliceOutput, WireError> {
    let mut r = Reader::new(bytes, MAGIC)?;
    let as_of = Date(r.i32()?);
    let key = read_key(&mut r)?;
    let years = r.f64()?;
    if !(years > 0.0 && years < 200.0) {
        return Err(WireError::Invalid("years"));
    }
    let carry = read_some::<2>(&mut r)?.map(|[f, d]| (f, d));
    if carry.is_some_and(|(f, d)| !(f > 0.0 && d > 0.0)) {
        return Err(WireError::Invalid("the forward or discount"));
    }
    let svi = read_some::<5>(&mut r)?.map(|[a, b, rho, m, sigma]| Svi { a, b, rho, m, sigma });
    let fit_error_vol = read_some::<1>(&mut r)?.map(|[v]| v);
    let fit_error_spreads = read_some::<1>(&mut r)?.map(|[v]| v);
    let fitted = r.u32()?;
    let [low, high] = r.f64s()?;
    let flags = Flags(r.u32()?);
    let mut contracts = Vec::new();
    for _ in 0..r.count(9)? {
        contracts.push(Priced {
            kind: read_kind(&mut r)?,
            strike_milli: r.u32()?,
            mid: read_some::<1>(&mut r)?.map(|[v]| v),
            market_vol: read_some::<1>(&mut r)?.map(|[v]| v),
            model_vol: read_some::<1>(&mut r)?.map(|[v]| v),
            greeks: read_some::<5>(&mut r)?.map(|[price, delta, gamma, vega, theta]| Greeks {
                price,
                delta,
                gamma,
                vega,
                theta,
            }),
        });
    }
    r.end()?;
    let range = (low, high);
    Ok(SliceOutput { as_of, key, years, carry, svi, fit_error_vol, fit_error_spreads, fitted, range, flags, contracts })
}
