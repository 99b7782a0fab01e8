//! The fit of a slice: for a given (m, sigma) the best (a, d, c) of
//! `w = a + d y + c sqrt(y^2 + 1)`, `y = (k - m) / sigma`, is a small constrained least-squares problem
//! solved exactly; the two that are left are searched by Nelder-Mead from the best nodes of a grid.
//!
//! Residuals are in volatility over each quote's own uncertainty (Huber's weights, so that one stale
//! quote does not bend the smile). No randomness: the same points give the same bits.
//!
//! What quotes do not tell is bounded, wing by wing. A wing is on a leash: a fifth of the quoted range
//! beyond its last quote, its volatility stays within [`LEASH`] times that quote's. And its asymptote is at
//! most [`STEEPEST`] times as steep as the straight line of total variance from the last quote to twice
//! its volatility at the leash's end, besides Lee's bound. Without them a free rho puts a wing as steep as
//! Lee allows just beyond the last quoted call.

use super::Svi;
use crate::simplex::minimise;

/// A quote to fit.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// ln(K / F).
    pub k: f64,
    /// Implied volatility of the middle.
    pub vol: f64,
    /// Uncertainty of that volatility, above zero: half its bid-ask spread, say.
    pub error: f64,
}

/// A fitted slice.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// The parameters.
    pub svi: Svi,
    /// Whether it is free of butterflies over the points' range and a fifth beyond.
    pub free_of_butterflies: bool,
}

/// Where Huber's loss turns from square to linear, in uncertainties.
const HUBER: f64 = 3.75;

/// Least and most volatility at the leash's end over that of the wing's last quote: 0.5 and 2, a hair inside.
const LEASH: (f64, f64) = (0.505, 1.99);

/// Steepest asymptote of a wing over the slope from its last quote to twice its volatility at the leash's end.
const STEEPEST: f64 = 5.0;

/// How far relatively a wing may be off its leash: what the inner problem's stiff rows leave.
const SLACK: f64 = 1e-4;

/// What bounds a wing.
#[derive(Clone, Copy)]
struct Wing {
    /// Where the leash ends.
    end: f64,
    /// Least and most total variance there.
    least: f64,
    most: f64,
    /// Steepest asymptote.
    slope: f64,
}

struct Problem {
    k: Vec<f64>,
    variance: Vec<f64>,
    weight: Vec<f64>,
    /// At-the-money standard deviation, the scale of k.
    scale: f64,
    low: f64,
    high: f64,
    /// The left and the right wing.
    wings: [Wing; 2],
}

/// Fits a slice. `None` with fewer than five points, or where they make no sense.
#[must_use]
pub fn fit(points: &[Point], years: f64) -> Option<Fit> {
    let sound = |p: &Point| p.k.is_finite() && p.vol.is_finite() && p.vol > 0.0 && p.error.is_finite() && p.error > 0.0;
    if points.len() < 5 || !(years.is_finite() && years > 0.0) || !points.iter().all(sound) {
        return None;
    }
    let nearest = points.iter().fold(&points[0], |best, p| if p.k.abs() < best.k.abs() { p } else { best });
    let least = points.iter().fold(f64::INFINITY, |a, p| a.min(p.k));
    let most = points.iter().fold(f64::NEG_INFINITY, |a, p| a.max(p.k));
    let margin = 0.2 * (most - least);
    if margin <= 0.0 {
        return None;
    }
    let wing = |last: f64, end: f64| {
        let variance = points.iter().find(|p| p.k == last).map_or(0.0, |p| p.vol * p.vol * years);
        Wing {
            end,
            least: LEASH.0 * LEASH.0 * variance,
            most: LEASH.1 * LEASH.1 * variance,
            slope: (STEEPEST * 3.0 * variance / margin).min(2.0),
        }
    };
    let mut problem = Problem {
        k: points.iter().map(|p| p.k).collect(),
        variance: points.iter().map(|p| p.vol * p.vol * years).collect(),
        weight: vec![0.0; points.len()],
        scale: nearest.vol * years.sqrt(),
        low: least - margin,
        high: most + margin,
        wings: [wing(least, least - margin), wing(most, most + margin)],
    };
    let base = |p: &Point| {
        let slope = 2.0 * p.vol * years * p.error;
        1.0 / (slope * slope)
    };
    for (weight, p) in problem.weight.iter_mut().zip(points) {
        *weight = base(p);
    }
    let mut svi = problem.search(None)?;
    for _ in 0..3 {
        for (weight, p) in problem.weight.iter_mut().zip(points) {
            let off = (svi.vol(p.k, years) - p.vol).abs() / p.error;
            *weight = base(p) * if off > HUBER { HUBER / off } else { 1.0 };
        }
        svi = problem.search(Some(svi))?;
    }
    if !svi.is_free_of_butterflies(problem.low, problem.high) {
        svi = problem.polish(svi);
    }
    Some(Fit { svi, free_of_butterflies: svi.is_free_of_butterflies(problem.low, problem.high) })
}

impl Problem {
    fn loss(&self, svi: &Svi) -> f64 {
        let mut sum = 0.0;
        for ((k, variance), weight) in self.k.iter().zip(&self.variance).zip(&self.weight) {
            let off = svi.total_variance(*k) - variance;
            sum += weight * off * off;
        }
        sum / self.k.len() as f64
    }

    /// How far the wings are off their leashes, relative to the variance allowed there.
    fn stray(&self, svi: &Svi) -> f64 {
        let mut off = 0.0;
        for wing in &self.wings {
            let variance = svi.total_variance(wing.end);
            off += (variance / wing.most - 1.0).max(SLACK) + (1.0 - variance / wing.least).max(SLACK) - 2.0 * SLACK;
        }
        off
    }

    /// Grows with the depth to which g goes below zero, with negative variance and with stray wings.
    fn arbitrage(&self, svi: &Svi) -> f64 {
        let floor = 1e-3 * self.scale * self.scale;
        let short = (floor - svi.least_variance()).max(0.0) / floor;
        if short > 0.0 {
            return 10.0 + short;
        }
        let step = (self.high - self.low) / 60.0;
        let mut depth = 0.0;
        for i in 0..=60_u32 {
            let short = (2e-3 - svi.g(self.low + step * f64::from(i))).max(0.0);
            depth += short * short;
        }
        depth.sqrt() + self.stray(svi)
    }

    fn goal(&self, svi: &Svi) -> f64 {
        let loss = self.loss(svi);
        loss + (loss + 1.0) * 20.0 * self.arbitrage(svi)
    }

    fn search(&self, near: Option<Svi>) -> Option<Svi> {
        let decode = |x: &[f64; 2]| (x[0] * self.scale, libm::exp(x[1]) * self.scale);
        let value = |x: &[f64; 2]| {
            let (m, sigma) = decode(x);
            if !(x[0].abs() < 25.0 && x[1] > -4.0 && x[1] < 4.5) {
                return f64::INFINITY;
            }
            self.inner(m, sigma).map_or(f64::INFINITY, |svi| self.goal(&svi))
        };
        let mut starts: Vec<([f64; 2], f64)> = Vec::new();
        if let Some(svi) = near {
            let x = [svi.m / self.scale, libm::log(svi.sigma / self.scale)];
            starts.push((x, value(&x)));
        } else {
            for i in -4..=6 {
                for j in -5..=7 {
                    let x = [0.5 * f64::from(i), 0.5 * f64::from(j)];
                    starts.push((x, value(&x)));
                }
            }
            starts.sort_by(|a, b| a.1.total_cmp(&b.1));
            starts.truncate(3);
        }
        let mut best: Option<([f64; 2], f64)> = None;
        for (x, _) in starts {
            let found = minimise(x, [0.25, 0.25], 160, 1e-9, value);
            if found.value.is_finite() && best.is_none_or(|(_, low)| found.value < low) {
                best = Some((found.at, found.value));
            }
        }
        let (m, sigma) = decode(&best?.0);
        self.inner(m, sigma)
    }

    /// All five parameters at once, where the two-step search ends with a butterfly.
    fn polish(&self, svi: Svi) -> Svi {
        let variance = self.scale * self.scale;
        let decode = |x: &[f64; 5]| Svi {
            a: x[0] * variance,
            b: libm::exp(x[1]),
            rho: x[2] / (1.0 + x[2] * x[2]).sqrt(),
            m: x[3] * self.scale,
            sigma: libm::exp(x[4]) * self.scale,
        };
        let rho = svi.rho.clamp(-0.999, 0.999);
        let mut x = [
            svi.a / variance,
            libm::log(svi.b.max(1e-8)),
            rho / (1.0 - rho * rho).sqrt(),
            svi.m / self.scale,
            libm::log(svi.sigma / self.scale),
        ];
        for edge in [0.3, 0.1, 0.03] {
            x = minimise(x, [edge; 5], 700, 1e-10, |x| {
                let svi = decode(x);
                let [left, right] = self.wings;
                let steep =
                    (svi.b * (1.0 - svi.rho) - left.slope).max(0.0) + (svi.b * (1.0 + svi.rho) - right.slope).max(0.0);
                if x[4] < -4.0 { f64::INFINITY } else { self.goal(&svi) + 1e4 * steep }
            })
            .at;
        }
        decode(&x)
    }

    /// The best (a, b, rho) for a given (m, sigma). Where a wing is off its leash, a stiff row pulls it back
    /// to the leash's end.
    fn inner(&self, m: f64, sigma: f64) -> Option<Svi> {
        let mut normal = [[0.0; 3]; 3];
        let mut right = [0.0; 3];
        for ((k, variance), weight) in self.k.iter().zip(&self.variance).zip(&self.weight) {
            let y = (k - m) / sigma;
            let row = [1.0, y, (y * y + 1.0).sqrt()];
            for i in 0..3 {
                for j in 0..3 {
                    normal[i][j] += weight * row[i] * row[j];
                }
                right[i] += weight * row[i] * variance;
            }
        }
        let caps = self.wings.map(|wing| wing.slope * sigma);
        let stiff = 1e4 * normal[0][0];
        let mut best = constrained(&normal, &right, caps)?;
        for _ in 0..2 {
            let mut strays = false;
            for wing in &self.wings {
                let y = (wing.end - m) / sigma;
                let row = [1.0, y, (y * y + 1.0).sqrt()];
                let variance = row[0] * best[0] + row[1] * best[1] + row[2] * best[2];
                let pulled = variance.max(wing.least).min(wing.most);
                if (variance - pulled).abs() <= 0.5 * SLACK * pulled {
                    continue;
                }
                strays = true;
                for i in 0..3 {
                    for j in 0..3 {
                        normal[i][j] += stiff * row[i] * row[j];
                    }
                    right[i] += stiff * row[i] * pulled;
                }
            }
            if !strays {
                break;
            }
            best = constrained(&normal, &right, caps)?;
        }
        let [a, d, c] = best;
        let rho = if c > 0.0 { (d / c).clamp(-1.0, 1.0) } else { 0.0 };
        Some(Svi { a, b: c / sigma, rho, m, sigma })
    }
}

/// Least squares of (a, d, c) under |d| <= c, c - d <= `caps[0]` and c + d <= `caps[1]`, by trying every
/// active set.
fn constrained(normal: &[[f64; 3]; 3], right: &[f64; 3], caps: [f64; 2]) -> Option<[f64; 3]> {
    // Faces as p d + q c = s; feasible is p d + q c <= s. A hair inside keeps |rho| below one.
    const R: f64 = 0.995;
    let [low, high] = caps;
    let faces = [(-1.0, -R, 0.0), (1.0, -R, 0.0), (-1.0, 1.0, low), (1.0, 1.0, high)];
    let cap = low.max(high);
    let feasible = |x: &[f64; 3]| faces.iter().all(|(p, q, s)| p * x[1] + q * x[2] <= s + 1e-12 * cap);
    if let Some(x) = solve(*normal, *right)
        && feasible(&x)
    {
        return Some(x);
    }
    let cost = |x: &[f64; 3]| {
        let mut sum = 0.0;
        for i in 0..3 {
            for j in 0..3 {
                sum += 0.5 * x[i] * normal[i][j] * x[j];
            }
            sum -= right[i] * x[i];
        }
        sum
    };
    let mut best: Option<([f64; 3], f64)> = None;
    let mut keep = |x: [f64; 3]| {
        let value = cost(&x);
        if feasible(&x) && value.is_finite() && best.is_none_or(|(_, low)| value < low) {
            best = Some((x, value));
        }
    };
    // On one face: (d, c) = base + t * along, then least squares in (a, t).
    for (p, q, s) in faces {
        let length = p * p + q * q;
        let (base, along) = ([s * p / length, s * q / length], [-q, p]);
        let quad = |u: [f64; 2], v: [f64; 2]| {
            u[0] * v[0] * normal[1][1] + (u[0] * v[1] + u[1] * v[0]) * normal[1][2] + u[1] * v[1] * normal[2][2]
        };
        let cross = |u: [f64; 2]| u[0] * normal[0][1] + u[1] * normal[0][2];
        let (n00, n01, n11) = (normal[0][0], cross(along), quad(along, along));
        let r0 = right[0] - cross(base);
        let r1 = right[1] * along[0] + right[2] * along[1] - quad(along, base);
        let det = n00 * n11 - n01 * n01;
        if det > 0.0 {
            let (a, t) = ((r0 * n11 - n01 * r1) / det, (n00 * r1 - n01 * r0) / det);
            keep([a, base[0] + t * along[0], base[1] + t * along[1]]);
        }
    }
    // At a corner: only a is free.
    let (put, call) = (low / (1.0 + R), high / (1.0 + R));
    for (d, c) in [(0.0, 0.0), (0.5 * (high - low), 0.5 * (high + low)), (R * call, call), (-R * put, put)] {
        keep([(right[0] - normal[0][1] * d - normal[0][2] * c) / normal[0][0], d, c]);
    }
    best.map(|(x, _)| x)
}

/// Gaussian elimination with partial pivoting; `None` where the matrix is singular.
fn solve(mut m: [[f64; 3]; 3], mut r: [f64; 3]) -> Option<[f64; 3]> {
    for i in 0..3 {
        let pivot = (i..3).fold(i, |best, j| if m[j][i].abs() > m[best][i].abs() { j } else { best });
        m.swap(i, pivot);
        r.swap(i, pivot);
        if m[i][i].abs() <= 1e-14 * m[0][0].abs() {
            return None;
        }
        for j in i + 1..3 {
            let t = m[j][i] / m[i][i];
            let row = m[i];
            for (cell, above) in m[j].iter_mut().zip(row) {
                *cell -= t * above;
            }
            r[j] -= t * r[i];
        }
    }
    let z = r[2] / m[2][2];
    let y = (r[1] - m[1][2] * z) / m[1][1];
    let x = (r[0] - m[0][1] * y - m[0][2] * z) / m[0][0];
    (x.is_finite() && y.is_finite() && z.is_finite()).then_some([x, y, z])
}

#[cfg(test)]
mod tests {
    use super::{Point, fit};
    use crate::svi::Svi;

    #[test]
    fn a_slice_made_by_known_parameters_is_found_again() {
        let truth = Svi { a: 0.002, b: 0.03, m: 0.02, rho: -0.6, sigma: 0.08 };
        let points: Vec<Point> = (-30..=12)
            .map(|i| f64::from(i) * 0.02)
            .map(|k| Point { k, vol: truth.vol(k, 0.25), error: 0.002 })
            .collect();
        let found = fit(&points, 0.25).expect("a fit");
        assert!(found.free_of_butterflies);
        for p in &points {
            assert!((found.svi.vol(p.k, 0.25) - p.vol).abs() < 2e-6, "{:?}", found.svi);
        }
    }

    #[test]
    fn too_few_or_senseless_points_give_no_fit() {
        let p = Point { k: 0.0, vol: 0.2, error: 0.01 };
        assert!(fit(&[p; 4], 1.0).is_none());
        assert!(fit(&[p; 9], 1.0).is_none());
        assert!(fit(&[Point { vol: f64::NAN, ..p }; 9], 1.0).is_none());
    }
}
