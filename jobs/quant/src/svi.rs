//! A smile slice in the raw SVI parametrisation, its no-arbitrage checks and its fit.
//!
//! Total implied variance at log-moneyness k = ln(K / F):
//!
//! ```text
//! w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2))
//! ```
//!
//! Sources: J. Gatheral and A. Jacquier, "Arbitrage-free SVI volatility surfaces", Quantitative Finance
//! 14 (2014) for the parametrisation and for g(k), the density's sign; Zeliade Systems, "Quasi-explicit
//! calibration of Gatheral's SVI model" (2009) for the reduction of the fit to two dimensions. Deviations
//! from Zeliade: the wings are bounded by Lee's moment formula as b (1 + |rho|) <= 2 in total variance,
//! `a` may be negative as long as the least variance is not, and slices that admit a butterfly are
//! penalised while fitting and polished in all five parameters.
//!
//! rho is free in (-1, 1); what keeps the wings sane beyond the last quotes is a leash on each (see
//! `svi/fit.rs`): a fifth of the quoted range beyond the last quote the volatility lies between half and
//! twice that quote's, and the asymptote is not much steeper than that takes. The leash costs fit: a raw
//! SVI that may run off beyond the quotes comes nearer to them, one that may not bends less.

mod fit;

pub use fit::{Fit, Point, fit};

/// The raw parameters of a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Svi {
    /// Level.
    pub a: f64,
    /// Slope of the wings.
    pub b: f64,
    /// Tilt, in (-1, 1).
    pub rho: f64,
    /// Shift.
    pub m: f64,
    /// Curvature at the bottom.
    pub sigma: f64,
}

impl Svi {
    /// Total variance at `k`.
    #[inline(always)]
    #[must_use]
    pub fn total_variance(&self, k: f64) -> f64 {
        let x = k - self.m;
        self.a + self.b * (self.rho * x + (x * x + self.sigma * self.sigma).sqrt())
    }

    /// Total variance with its first and second derivative by `k`.
    #[must_use]
    pub fn derivatives(&self, k: f64) -> (f64, f64, f64) {
        let x = k - self.m;
        let root = (x * x + self.sigma * self.sigma).sqrt();
        let w = self.a + self.b * (self.rho * x + root);
        (w, self.b * (self.rho + x / root), self.b * self.sigma * self.sigma / (root * root * root))
    }

    /// Implied volatility a year at `k`.
    #[must_use]
    pub fn vol(&self, k: f64, years: f64) -> f64 {
        (self.total_variance(k).max(0.0) / years).sqrt()
    }

    /// Slope of the implied volatility by log-moneyness at the money, dsigma/dk at k = 0.
    #[must_use]
    pub fn skew(&self, years: f64) -> f64 {
        let (w, slope, _) = self.derivatives(0.0);
        slope / (2.0 * (w * years).sqrt())
    }

    /// Gatheral and Jacquier's g(k): negative where the slice implies a negative density.
    #[must_use]
    pub fn g(&self, k: f64) -> f64 {
        let (w, d1, d2) = self.derivatives(k);
        let half = 1.0 - k * d1 / (2.0 * w);
        half * half - 0.25 * d1 * d1 * (1.0 / w + 0.25) + 0.5 * d2
    }

    /// The least total variance over all strikes.
    #[must_use]
    pub fn least_variance(&self) -> f64 {
        self.a + self.b * self.sigma * (1.0 - self.rho * self.rho).max(0.0).sqrt()
    }

    /// The lowest g over `[low, high]` on an even grid of `cells` cells.
    #[must_use]
    pub fn least_g(&self, low: f64, high: f64, cells: u32) -> f64 {
        let step = (high - low) / f64::from(cells.max(1));
        (0..=cells)
            .map(|i| self.g(low + step * f64::from(i)))
            .fold(f64::INFINITY, |a, g| if g < a || g.is_nan() { g } else { a })
    }

    /// Whether the slice is free of butterfly arbitrage over `[low, high]`: variance positive, g not
    /// negative, wings within Lee's bound.
    #[must_use]
    pub fn is_free_of_butterflies(&self, low: f64, high: f64) -> bool {
        self.least_variance() > 0.0
            && self.b * (1.0 + self.rho.abs()) <= 2.0 + 1e-12
            && self.least_g(low, high, 400) >= -1e-10
    }
}

/// How far total variance falls from the `early` to the `late` slice at worst, over an even grid of
/// `[low, high]`; above zero there is calendar arbitrage.
#[must_use]
pub fn calendar_violation(early: &Svi, late: &Svi, low: f64, high: f64) -> f64 {
    let step = (high - low) / 200.0;
    (0..=200_u32)
        .map(|i| low + step * f64::from(i))
        .map(|k| early.total_variance(k) - late.total_variance(k))
        .fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use super::{Svi, calendar_violation};

    #[test]
    fn the_slice_of_axel_vogt_is_rejected_for_butterfly_arbitrage() {
        let vogt = Svi { a: -0.0410, b: 0.1331, m: 0.3586, rho: 0.3060, sigma: 0.4153 };
        assert!(vogt.least_variance() > 0.0);
        assert!(vogt.least_g(-1.5, 1.5, 400) < 0.0);
        assert!(!vogt.is_free_of_butterflies(-1.5, 1.5));
    }

    #[test]
    fn an_index_like_slice_is_accepted_and_a_later_lower_one_is_calendar_arbitrage() {
        let slice = Svi { a: 0.002, b: 0.03, m: 0.02, rho: -0.6, sigma: 0.08 };
        assert!(slice.is_free_of_butterflies(-1.0, 0.5));
        let lower = Svi { a: 0.001, ..slice };
        assert!(calendar_violation(&slice, &lower, -0.5, 0.3) > 0.0);
        assert!(calendar_violation(&lower, &slice, -0.5, 0.3) < 0.0);
    }

    #[test]
    fn derivatives_are_slopes() {
        let s = Svi { a: 0.002, b: 0.03, m: 0.02, rho: -0.6, sigma: 0.08 };
        let (_, d1, d2) = s.derivatives(-0.1);
        let h = 1e-4;
        assert!((d1 - (s.total_variance(-0.1 + h) - s.total_variance(-0.1 - h)) / (2.0 * h)).abs() < 1e-8);
        let bend = s.total_variance(-0.1 + h) - 2.0 * s.total_variance(-0.1) + s.total_variance(-0.1 - h);
        assert!((d2 - bend / (h * h)).abs() < 1e-6);
    }
}
