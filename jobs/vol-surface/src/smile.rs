//! From a slice's quotes and carry to its smile: market implied vols, the SVI fit and how well it fits.

use quant::{
    black::{Kind, greeks, undiscounted},
    implied::implied_vol,
    svi::{self, Svi},
};

use crate::{chain::Quote, parity::Carry};

/// A point's volatility counts as known no better than this.
const LEAST_VOL_ERROR: f64 = 0.0002;

/// A smile with the measures of its fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Smile {
    pub(crate) svi: Svi,
    pub(crate) free_of_butterflies: bool,
    /// Too few quotes for SVI: the smile is flat.
    pub(crate) flat: bool,
    /// Vega-weighted root mean square of model less market, in vol points (0.01).
    pub(crate) error_vol: f64,
    /// Root mean square of model less market price over the bid-ask spread.
    pub(crate) error_spreads: f64,
    /// Quotes fitted.
    pub(crate) points: u32,
    /// Their range of ln(K / F).
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The market's implied volatility of a quote: that of its middle where it lies inside the bounds.
pub(crate) fn market_vol(quote: &Quote, carry: &Carry, years: f64) -> Option<f64> {
    implied_vol(quote.kind, quote.mid()?, carry.forward, quote.strike(), years, carry.discount).ok()
}

struct Fitted {
    quote: Quote,
    point: svi::Point,
    vega: f64,
}

/// Fits the out-of-the-money side, whose quotes are the tight ones.
pub(crate) fn fit(quotes: &[Quote], vols: &[Option<f64>], carry: &Carry, years: f64) -> Option<Smile> {
    let mut fitted: Vec<Fitted> = Vec::new();
    for (quote, vol) in quotes.iter().zip(vols) {
        let out = match quote.kind {
            Kind::Call => quote.strike() >= carry.forward,
            Kind::Put => quote.strike() < carry.forward,
        };
        let (true, Some(vol)) = (out, *vol) else { continue };
        let vega = greeks(quote.kind, carry.forward, quote.strike(), vol, years, carry.discount).vega;
        let error = (quote.half_spread().max(0.025) / vega).max(LEAST_VOL_ERROR);
        // Where the spread is as wide as the volatility itself the quote says nothing about it.
        if !(error.is_finite() && error < 0.5 * vol) {
            continue;
        }
        let point = svi::Point { k: libm::log(quote.strike() / carry.forward), vol, error };
        fitted.push(Fitted { quote: *quote, point, vega });
    }
    if fitted.is_empty() {
        return None;
    }
    let points: Vec<svi::Point> = fitted.iter().map(|f| f.point).collect();
    let (svi, free_of_butterflies, flat) = match svi::fit(&points, years) {
        Some(found) => (found.svi, found.free_of_butterflies, false),
        None => (level(&fitted, years), true, true),
    };
    let (mut vol_sum, mut vegas, mut spread_sum) = (0.0, 0.0, 0.0);
    for f in &fitted {
        let model = svi.vol(f.point.k, years);
        vol_sum += f.vega * (model - f.point.vol) * (model - f.point.vol);
        vegas += f.vega;
        let price =
            |vol: f64| carry.discount * undiscounted(f.quote.kind, carry.forward, f.quote.strike(), vol * years.sqrt());
        let off = (price(model) - price(f.point.vol)) / (2.0 * f.quote.half_spread()).max(0.05);
        spread_sum += off * off;
    }
    Some(Smile {
        svi,
        free_of_butterflies,
        flat,
        error_vol: 100.0 * (vol_sum / vegas).sqrt(),
        error_spreads: (spread_sum / fitted.len() as f64).sqrt(),
        points: u32::try_from(fitted.len()).unwrap_or(u32::MAX),
        low: points.iter().fold(f64::INFINITY, |a, p| a.min(p.k)),
        high: points.iter().fold(f64::NEG_INFINITY, |a, p| a.max(p.k)),
    })
}

/// A flat smile at the weighted mean of total variance.
fn level(fitted: &[Fitted], years: f64) -> Svi {
    let (mut sum, mut weights) = (0.0, 0.0);
    for f in fitted {
        let weight = 1.0 / (f.point.error * f.point.error);
        sum += weight * f.point.vol * f.point.vol * years;
        weights += weight;
    }
    Svi { a: sum / weights, b: 0.0, rho: 0.0, m: 0.0, sigma: 0.1 }
}
