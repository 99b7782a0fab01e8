//! Forward and discount of a slice from put-call parity, C - P = D (F - K).
//!
//! The regression of C - P on K is weighted by the quotes' own spreads and made robust by Huber's
//! weights: stale and wide quotes otherwise bend it (an unweighted fit gives 2026-02-20 a discount above
//! one). Even so the slope of a slice three days long says nothing about a rate (its error divided by T
//! is whole percents), so the discount is shrunk towards the curve of all slices' rates:
//!
//! 1. every slice is fitted alone, giving a zero rate r = -ln D / T and its standard error;
//! 2. the prior of a slice is the mean of the *other* slices' rates, each weighted by its error and by its
//!    distance in ln T;
//! 3. the slice is fitted again with that prior on D.
//!
//! A slice with no pair of its own takes the prior's rate, and a forward interpolated linearly in
//! ln F over time between its neighbours; it is flagged.

use quant::black::Kind;

use crate::chain::{Quote, SliceKey};

/// One strike at which both call and put are quoted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Strike.
    pub strike: f64,
    /// Call middle less put middle.
    pub difference: f64,
    /// Its uncertainty: the root sum of squares of the two half spreads.
    pub error: f64,
}

/// The pairs of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    /// The slice.
    pub key: SliceKey,
    /// In order of strike.
    pub points: Vec<Pair>,
}

/// A slice's forward and discount.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carry {
    /// Forward.
    pub forward: f64,
    /// Discount factor.
    pub discount: f64,
    /// The forward had no pair of its own and is interpolated.
    pub interpolated: bool,
    /// The curve says more about the rate than the slice itself.
    pub rate_from_curve: bool,
}

/// Pairs a slice lends to the others' tasks.
const LENT: usize = 40;
/// The least uncertainty of a middle, in index points: half a tick.
const LEAST_ERROR: f64 = 0.025;
/// Where Huber's loss turns linear, in units of the residuals' own robust scale.
const HUBER: f64 = 1.5;
/// Middles of neighbouring strikes err together, so that the error of a line through many of them is this
/// many times what independent errors would give.
const TOGETHER: f64 = 3.0;
/// What is believed of a rate before any quote is seen: mean and standard deviation.
const BELIEF: (f64, f64) = (0.04, 0.03);
/// How far zero rates stray per unit of ln(T + a tenth of a year).
const RATE_STRAY: f64 = 0.004;
/// The least standard deviation of the curve's rate.
const RATE_FLOOR: f64 = 0.0005;

impl Pairs {
    /// All pairs of a slice; `quotes` in order of strike, call before put.
    #[must_use]
    pub fn of(key: &SliceKey, quotes: &[Quote]) -> Self {
        let mut points = Vec::new();
        for two in quotes.windows(2) {
            let (call, put) = (&two[0], &two[1]);
            if call.strike_milli != put.strike_milli || call.kind != Kind::Call || put.kind != Kind::Put {
                continue;
            }
            if let (Some(c), Some(p)) = (call.mid(), put.mid()) {
                let error = (call.half_spread() * call.half_spread() + put.half_spread() * put.half_spread()).sqrt();
                points.push(Pair { strike: call.strike(), difference: c - p, error: error.max(LEAST_ERROR) });
            }
        }
        Self { key: key.clone(), points }
    }

    /// At most [`LENT`] pairs, evenly over those not much wider than the median.
    #[must_use]
    pub fn thinned(key: &SliceKey, quotes: &[Quote]) -> Self {
        let mut all = Self::of(key, quotes);
        let mut errors: Vec<f64> = all.points.iter().map(|p| p.error).collect();
        errors.sort_by(f64::total_cmp);
        if let Some(median) = errors.get(errors.len() / 2).copied() {
            all.points.retain(|p| p.error <= 2.0 * median);
        }
        let n = all.points.len();
        if n > LENT {
            all.points = (0..LENT).map(|i| all.points[i * (n - 1) / (LENT - 1)]).collect();
        }
        all
    }
}

/// A belief about a rate.
#[derive(Clone, Copy, Debug)]
struct Rate {
    mean: f64,
    error: f64,
}

struct Line {
    forward: f64,
    discount: f64,
    /// Standard error of the discount from the pairs alone.
    error: f64,
}

/// Robust weighted line through the pairs, the discount drawn to `prior` (mean, standard deviation).
fn line(points: &[Pair], prior: (f64, f64)) -> Option<Line> {
    // Around the strike where call and put are worth the same, the forward roughly, so that errors of
    // slope and level hardly mix.
    let centre = points.iter().min_by(|a, b| a.difference.abs().total_cmp(&b.difference.abs()))?.strike;
    // The prior's precision, in the units in which the pairs' errors are taken at face value.
    let precision = TOGETHER * TOGETHER / (prior.1 * prior.1);
    let mut huber = vec![1.0; points.len()];
    let mut scale = 1.0_f64;
    let mut result = None;
    for _ in 0..25 {
        let (mut s, mut sx, mut sxx, mut sy, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (p, h) in points.iter().zip(&huber) {
            let weight = h / (p.error * p.error * scale * scale);
            let x = centre - p.strike;
            s += weight;
            sx += weight * x;
            sxx += weight * x * x;
            sy += weight * p.difference;
            sxy += weight * x * p.difference;
        }
        // difference = level + D x, with D ~ prior.
        let (pxx, pxy) = (sxx + precision, sxy + precision * prior.0);
        let det = s * pxx - sx * sx;
        if det.is_nan() || det <= 0.0 {
            return result;
        }
        let level = (sy * pxx - sx * pxy) / det;
        let discount = (s * pxy - sx * sy) / det;
        let alone = sxx - sx * sx / s;
        let error = if alone > 0.0 { 1.0 / alone.sqrt() } else { f64::INFINITY };
        if discount.is_nan() || discount <= 0.0 {
            return None;
        }
        result = Some(Line { forward: centre + level / discount, discount, error });
        let residual = |p: &Pair| ((p.difference - level - discount * (centre - p.strike)) / p.error).abs();
        let mut sizes: Vec<f64> = points.iter().map(residual).collect();
        for (h, r) in huber.iter_mut().zip(&sizes) {
            let limit = HUBER * scale;
            *h = if *r > limit { limit / r } else { 1.0 };
        }
        sizes.sort_by(f64::total_cmp);
        // Middles agree far better than their spreads allow, or worse: take the scale from the residuals,
        // but never trust a pair beyond a tenth of its spread.
        scale = (1.4826 * sizes[sizes.len() / 2]).clamp(0.1, 3.0);
    }
    result
}

fn own_rate(points: &[Pair], years: f64) -> Option<Rate> {
    if points.len() < 3 {
        return None;
    }
    let found = line(points, discount_prior(Rate { mean: BELIEF.0, error: 10.0 * BELIEF.1 }, years))?;
    let error = TOGETHER * found.error / (found.discount * years);
    error.is_finite().then(|| Rate { mean: -libm::log(found.discount) / years, error: error.max(2e-4) })
}

fn discount_prior(rate: Rate, years: f64) -> (f64, f64) {
    let mean = libm::exp(-rate.mean * years);
    (mean, mean * years * rate.error)
}

/// The curve's rate at `years`, from the rates of slices at other times.
fn curve_rate(rates: &[(f64, Rate)], years: f64) -> Rate {
    let (mut sum, mut weights) = (BELIEF.0 / (BELIEF.1 * BELIEF.1), 1.0 / (BELIEF.1 * BELIEF.1));
    for (at, rate) in rates {
        let stray = RATE_STRAY * libm::log((at + 0.1) / (years + 0.1));
        let weight = 1.0 / (rate.error * rate.error + stray * stray);
        sum += weight * rate.mean;
        weights += weight;
    }
    Rate { mean: sum / weights, error: (1.0 / weights).sqrt().max(RATE_FLOOR) }
}

/// Forward and discount of the slice with pairs `own` that lasts `years`; `others` are the other slices'
/// years and pairs. `None` where nothing tells a forward.
#[must_use]
pub fn carry(own: &[Pair], years: f64, others: &[(f64, &[Pair])]) -> Option<Carry> {
    let rates: Vec<(f64, Rate)> =
        others.iter().filter_map(|(at, points)| own_rate(points, *at).map(|rate| (*at, rate))).collect();
    let prior = curve_rate(&rates, years);
    if !own.is_empty()
        && let Some(found) = line(own, discount_prior(prior, years))
    {
        let rate_from_curve = own_rate(own, years).is_none_or(|rate| rate.error > prior.error);
        let Line { forward, discount, .. } = found;
        return (forward > 0.0).then_some(Carry { forward, discount, interpolated: false, rate_from_curve });
    }
    let mut known: Vec<(f64, f64)> = others
        .iter()
        .filter_map(|(at, points)| {
            let found = line(points, discount_prior(curve_rate(&rates, *at), *at))?;
            (found.forward > 0.0).then(|| (*at, libm::log(found.forward)))
        })
        .collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let forward = libm::exp(interpolate(&known, years)?);
    let discount = libm::exp(-prior.mean * years);
    Some(Carry { forward, discount, interpolated: true, rate_from_curve: true })
}

/// Linear between the neighbours of `at`; flat where there is a neighbour on one side only.
fn interpolate(known: &[(f64, f64)], at: f64) -> Option<f64> {
    let before = known.iter().rev().find(|(x, _)| *x <= at);
    let after = known.iter().find(|(x, _)| *x >= at);
    match (before, after) {
        (Some((x0, y0)), Some((x1, y1))) if x1 > x0 => Some(y0 + (y1 - y0) * (at - x0) / (x1 - x0)),
        (Some((_, y)), _) | (None, Some((_, y))) => Some(*y),
        (None, None) => None,
    }
}
