//! Implied volatility: the total standard deviation at which Black-76 gives a price.
//!
//! The price is first carried to the out-of-the-money side by parity, where no digits are lost to the
//! intrinsic value, then solved by Newton steps on its logarithm held inside a shrinking bracket.
//! The result reprices to 1e-12 of the forward wherever the price itself is known that well.

use crate::{
    black::Kind,
    normal::{cdf, pdf},
};

/// Why a price has no implied volatility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoVol {
    /// An argument is not a positive finite number.
    BadArgument,
    /// At or below the discounted intrinsic value.
    BelowIntrinsic,
    /// At or above the most a European option can be worth.
    AboveMaximum,
}

/// Implied volatility a year of a present value `price`.
///
/// # Errors
/// [`NoVol`] where the price lies outside the no-arbitrage bounds or an argument makes no sense.
pub fn implied_vol(kind: Kind, price: f64, forward: f64, strike: f64, years: f64, discount: f64) -> Result<f64, NoVol> {
    let good = |x: f64| x.is_finite() && x > 0.0;
    if !(good(forward) && good(strike) && good(years) && good(discount) && price.is_finite()) {
        return Err(NoVol::BadArgument);
    }
    let undiscounted = price / discount;
    let intrinsic = (kind.sign() * (forward - strike)).max(0.0);
    let most = match kind {
        Kind::Call => forward,
        Kind::Put => strike,
    };
    // A time value below the rounding of the price itself says nothing about volatility.
    let time_value = undiscounted - intrinsic;
    if time_value <= f64::EPSILON * forward.max(strike) {
        return Err(NoVol::BelowIntrinsic);
    }
    if undiscounted >= most {
        return Err(NoVol::AboveMaximum);
    }
    implied_stdev(time_value, forward, strike).map(|stdev| stdev / years.sqrt())
}

/// Out-of-the-money undiscounted price and its derivative by `stdev`; both per unit of forward,
/// where `k` = ln(K / F) is not negative for the call this is reduced to.
fn otm(k: f64, strike_ratio: f64, stdev: f64) -> (f64, f64) {
    let d1 = -k / stdev + 0.5 * stdev;
    let d2 = d1 - stdev;
    (cdf(d1) - strike_ratio * cdf(d2), pdf(d1))
}

fn implied_stdev(time_value: f64, forward: f64, strike: f64) -> Result<f64, NoVol> {
    // An out-of-the-money put struck at K is worth K/F calls with forward and strike exchanged
    // (put-call symmetry), so one call with k >= 0 stands for both.
    let (scale, k, ratio) = if strike >= forward {
        (forward, libm::log(strike / forward), strike / forward)
    } else {
        (strike, libm::log(forward / strike), forward / strike)
    };
    let target = time_value / scale;
    let goal = libm::log(target);
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    while otm(k, ratio, high).0 < target {
        low = high;
        high *= 2.0;
        if high > 1e3 {
            return Err(NoVol::AboveMaximum);
        }
    }
    // The inflection of the price in stdev, sqrt(2 k), starts Newton on its convex side.
    let mut x = (2.0 * k).sqrt();
    if !(x > low && x < high) {
        x = 0.5 * (low + high);
    }
    for _ in 0..200 {
        let (value, slope) = otm(k, ratio, x);
        if value < target {
            low = x;
        } else {
            high = x;
        }
        let step = if value > 1e-300 && slope > 0.0 { value * (goal - libm::log(value)) / slope } else { f64::NAN };
        let mut next = x + step;
        if !(next > low && next < high) {
            next = 0.5 * (low + high);
        }
        if (next - x).abs() <= 2.0 * f64::EPSILON * x || next == low || next == high {
            x = next;
            break;
        }
        x = next;
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::{NoVol, implied_vol};
    use crate::black::{Kind, black76};

    #[test]
    fn implied_vols_reprice_to_a_trillionth_of_the_forward() {
        let forward = 6_940.0;
        let mut solved = 0;
        for years in [3.0 / 365.0, 0.1, 1.0, 5.9] {
            let discount = libm::exp(-0.04 * years);
            for step in 1..=60 {
                let strike = 200.0 * f64::from(step);
                for vol in [0.04, 0.12, 0.3, 0.9, 2.5] {
                    for kind in [Kind::Call, Kind::Put] {
                        let price = black76(kind, forward, strike, vol, years, discount);
                        let Ok(found) = implied_vol(kind, price, forward, strike, years, discount) else { continue };
                        let again = black76(kind, forward, strike, found, years, discount);
                        assert!((again - price).abs() <= 1e-12 * forward, "{kind:?} {strike} {vol} {years}");
                        solved += 1;
                    }
                }
            }
        }
        assert!(solved > 1_500, "{solved}");
    }

    #[test]
    fn prices_outside_the_bounds_have_a_typed_answer() {
        let call = |price| implied_vol(Kind::Call, price, 100.0, 90.0, 1.0, 0.95);
        assert_eq!(call(9.4), Err(NoVol::BelowIntrinsic));
        assert_eq!(call(95.0), Err(NoVol::AboveMaximum));
        assert_eq!(call(f64::NAN), Err(NoVol::BadArgument));
        assert_eq!(implied_vol(Kind::Put, 1.0, 100.0, -1.0, 1.0, 1.0), Err(NoVol::BadArgument));
        assert_eq!(implied_vol(Kind::Put, 1.0, 100.0, 90.0, 0.0, 1.0), Err(NoVol::BadArgument));
    }
}
