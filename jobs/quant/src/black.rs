//! Black-76 on a forward, and Black-Scholes as its special case.
//!
//! Units: prices in the units of the forward, volatilities as decimals a year, times in years
//! ACT/365F. Source: F. Black, "The pricing of commodity contracts", J. Financial Economics 3 (1976).
//! Greeks are plain partial derivatives, with the forward held fixed when time passes:
//! delta = dV/dF, gamma = d2V/dF2, vega = dV/dsigma (per 1.00), theta = dV/dt (per year).

use crate::normal::{cdf, pdf};

/// Call or put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The right to buy.
    Call,
    /// The right to sell.
    Put,
}

impl Kind {
    /// 1 for a call, -1 for a put.
    #[must_use]
    pub fn sign(self) -> f64 {
        match self {
            Self::Call => 1.0,
            Self::Put => -1.0,
        }
    }

    /// `call` or `put`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Put => "put",
        }
    }
}

/// Price and first-order sensitivities of one option.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Greeks {
    /// Present value.
    pub price: f64,
    /// dV/dF.
    pub delta: f64,
    /// d2V/dF2.
    pub gamma: f64,
    /// dV/dsigma, per 1.00 of volatility.
    pub vega: f64,
    /// dV/dt, per year.
    pub theta: f64,
}

/// Undiscounted price at total standard deviation `stdev` = sigma sqrt(T).
#[must_use]
pub fn undiscounted(kind: Kind, forward: f64, strike: f64, stdev: f64) -> f64 {
    let s = kind.sign();
    if stdev <= 0.0 {
        return (s * (forward - strike)).max(0.0);
    }
    let d1 = libm::log(forward / strike) / stdev + 0.5 * stdev;
    let d2 = d1 - stdev;
    s * (forward * cdf(s * d1) - strike * cdf(s * d2))
}

/// Black-76: present value of an option on a forward.
#[must_use]
pub fn black76(kind: Kind, forward: f64, strike: f64, vol: f64, years: f64, discount: f64) -> f64 {
    discount * undiscounted(kind, forward, strike, vol * years.sqrt())
}

/// Black-Scholes: present value of an option on a spot without dividends at rate `rate`.
#[must_use]
pub fn black_scholes(kind: Kind, spot: f64, strike: f64, vol: f64, years: f64, rate: f64) -> f64 {
    let growth = libm::exp(rate * years);
    black76(kind, spot * growth, strike, vol, years, 1.0 / growth)
}

/// Price and Greeks under Black-76; the rate in theta is the discount's own, -ln D / T.
#[must_use]
pub fn greeks(kind: Kind, forward: f64, strike: f64, vol: f64, years: f64, discount: f64) -> Greeks {
    let s = kind.sign();
    let stdev = vol * years.sqrt();
    if stdev <= 0.0 {
        let price = discount * (s * (forward - strike)).max(0.0);
        let delta = if s * (forward - strike) > 0.0 { s * discount } else { 0.0 };
        return Greeks { price, delta, ..Greeks::default() };
    }
    let d1 = libm::log(forward / strike) / stdev + 0.5 * stdev;
    let d2 = d1 - stdev;
    let density = pdf(d1);
    let price = discount * s * (forward * cdf(s * d1) - strike * cdf(s * d2));
    let rate = -libm::log(discount) / years;
    Greeks {
        price,
        delta: discount * s * cdf(s * d1),
        gamma: discount * density / (forward * stdev),
        vega: discount * forward * density * years.sqrt(),
        theta: rate * price - discount * forward * density * vol / (2.0 * years.sqrt()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, black_scholes, black76, greeks};

    fn close(got: f64, want: f64) {
        assert!((got / want - 1.0).abs() < 1e-10, "{got} for {want}");
    }

    #[test]
    fn closed_forms_meet_their_reference_values() {
        close(black_scholes(Kind::Call, 100.0, 100.0, 0.2, 1.0, 0.05), 10.450_583_572_185_577);
        let d = libm::exp(-0.10 * 0.75);
        close(black76(Kind::Call, 19.0, 19.0, 0.28, 0.75, d), 1.701_050_725_236_268);
        close(black76(Kind::Put, 20.0, 20.0, 0.25, 4.0 / 12.0, libm::exp(-0.09 * 4.0 / 12.0)), 1.116_641_456_558_943_8);
    }

    #[test]
    fn greeks_are_the_slopes_of_the_price() {
        let (f, k, v, t, r) = (6_940.0, 7_100.0, 0.17, 0.4, 0.038);
        let price = |f: f64, v: f64, t: f64| black76(Kind::Put, f, k, v, t, libm::exp(-r * t));
        let g = greeks(Kind::Put, f, k, v, t, libm::exp(-r * t));
        let slope = |up: f64, down: f64, h: f64| (up - down) / (2.0 * h);
        assert!((g.delta - slope(price(f + 0.5, v, t), price(f - 0.5, v, t), 0.5)).abs() < 1e-7);
        assert!((g.vega / slope(price(f, v + 1e-5, t), price(f, v - 1e-5, t), 1e-5) - 1.0).abs() < 1e-7);
        assert!((g.theta / -slope(price(f, v, t + 1e-5), price(f, v, t - 1e-5), 1e-5) - 1.0).abs() < 1e-6);
        let bend = (price(f + 1.0, v, t) - 2.0 * price(f, v, t) + price(f - 1.0, v, t)) / 1.0;
        assert!((g.gamma / bend - 1.0).abs() < 1e-5);
    }
}
