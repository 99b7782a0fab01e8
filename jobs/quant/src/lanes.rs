//! Branch-free elementary functions on plain `f64` arithmetic. Written so that a loop over an
//! `[f64; 8]` becomes vector instructions (SSE4.1 natively, simd128 in Wasm) with the same bits as
//! one lane alone: only +, -, *, /, sqrt, comparisons and moves of bits are used.
//!
//! Ranges are stated at each function; outside of them results are unspecified but finite or NaN.

use crate::normal::{CENTRE, TAIL, far_tail, ratio};

/// How many values go together.
pub const LANES: usize = 8;
/// Values that go together.
pub type Lanes = [f64; LANES];

/// Applies `f` to every lane.
#[inline(always)]
pub fn map(x: &Lanes, f: impl Fn(f64) -> f64) -> Lanes {
    let mut out = [0.0; LANES];
    for i in 0..LANES {
        out[i] = f(x[i]);
    }
    out
}

#[inline(always)]
fn select(condition: bool, yes: f64, no: f64) -> f64 {
    if condition { yes } else { no }
}

/// e^x for -708 <= x <= 709 (clamped to it), within 1 ulp or so.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor polynomial of degree 13, whose next term is
/// below 2^-57; 2^n by the exponent bits.
#[inline(always)]
#[must_use]
pub fn exp(x: f64) -> f64 {
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52: adding it rounds to an integer
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let x = select(x > 709.0, 709.0, select(x < -708.0, -708.0, x));
    let shifted = x * core::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.0 / 6_227_020_800.0;
    p = p * r + 1.0 / 479_001_600.0;
    p = p * r + 1.0 / 39_916_800.0;
    p = p * r + 1.0 / 3_628_800.0;
    p = p * r + 1.0 / 362_880.0;
    p = p * r + 1.0 / 40_320.0;
    p = p * r + 1.0 / 5_040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    let tail = r + r * r * p;
    // The low bits of `shifted` are n in two's complement; into the exponent with them.
    let scale = f64::from_bits((shifted.to_bits() << 52).wrapping_add(0x3FF0_0000_0000_0000));
    scale + scale * tail
}

/// ln x for positive normal x, within 1 ulp or so away from 1.
///
/// x = 2^n z with z in [sqrt(1/2), sqrt 2); ln z = 2 artanh(s), s = (z - 1) / (z + 1), by the odd
/// polynomial of fdlibm's `log` (Sun Microsystems, 1993).
#[inline(always)]
#[must_use]
pub fn ln(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const MAGIC: f64 = 4_503_599_627_370_496.0; // 2^52
    let bits = x.to_bits().wrapping_add(0x3FF0_0000_0000_0000 - 0x3FE6_A09E_667F_3BCD);
    let z = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF).wrapping_add(0x3FE6_A09E_667F_3BCD));
    // The biased exponent to a float without a conversion instruction.
    let n = f64::from_bits((bits >> 52) | 0x4330_0000_0000_0000) - (MAGIC + 1023.0);
    let f = z - 1.0;
    let s = f / (2.0 + f);
    let q = s * s;
    let mut p = 1.479_819_860_511_658_6e-1;
    p = p * q + 1.531_383_769_920_937_3e-1;
    p = p * q + 1.818_357_216_161_805e-1;
    p = p * q + 2.222_219_843_214_978_4e-1;
    p = p * q + 2.857_142_874_366_239e-1;
    p = p * q + 3.999_999_999_940_942e-1;
    p = p * q + 6.666_666_666_666_735e-1;
    let half = 0.5 * f * f;
    n * LN2_HIGH - ((half - (s * (half + p * q) + n * LN2_LOW)) - f)
}

/// The normal distribution function, to 1e-15 absolutely; `density` gives e^(-x^2/2) where the caller
/// has it, so that two of these cost one exponential.
///
/// Source: G. West, "Better approximations to cumulative normal functions", Wilmott (2005), after
/// J. F. Hart. His second branch (|x| > 7.07, values below 1e-12) is the continued fraction; here the
/// first rational function serves all x, off by less than 1e-15 there.
#[inline(always)]
#[must_use]
pub fn cdf_with(x: f64, density: f64) -> f64 {
    let z = x.abs();
    let mut n = 3.526_249_659_989_11e-2;
    n = n * z + 0.700_383_064_443_688;
    n = n * z + 6.373_962_203_531_65;
    n = n * z + 33.912_866_078_383;
    n = n * z + 112.079_291_497_871;
    n = n * z + 221.213_596_169_931;
    n = n * z + 220.206_867_912_376;
    let mut d = 8.838_834_764_831_84e-2;
    d = d * z + 1.755_667_163_182_64;
    d = d * z + 16.064_177_579_207;
    d = d * z + 86.780_732_202_946_1;
    d = d * z + 296.564_248_779_674;
    d = d * z + 637.333_633_378_831;
    d = d * z + 793.826_512_519_948;
    d = d * z + 440.413_735_824_752;
    let tail = density * n / d;
    select(x > 0.0, 1.0 - tail, tail)
}

/// The normal distribution function, to 1e-15 absolutely.
#[inline(always)]
#[must_use]
pub fn cdf(x: f64) -> f64 {
    cdf_with(x, exp(-0.5 * x * x))
}

/// How many values [`quantiles`] takes at a time, at most.
pub const MOST_QUANTILES: usize = 8 * LANES;

/// Replaces values in (0, 1) by their normal quantiles (AS241), at most [`MOST_QUANTILES`] of them.
///
/// The centre's rational function is computed for all; the 15 % that lie in the tails are gathered and
/// done eight at a time, so that their logarithm, root and second rational function are not paid for by
/// the rest. The far tail (p below 1.4e-11) is scalar. No value's bits depend on its neighbours.
#[inline(always)]
pub fn quantiles(values: &mut [f64]) {
    let mut tails = [0_u8; MOST_QUANTILES];
    let mut count = 0;
    for (i, p) in values.iter().take(MOST_QUANTILES).enumerate() {
        tails[count & (MOST_QUANTILES - 1)] = i as u8;
        count += usize::from((p - 0.5).abs() > 0.425);
    }
    // The tails' own values, before the centre's function overwrites them.
    let mut kept = [0.5; MOST_QUANTILES];
    for (keep, i) in kept.iter_mut().zip(&tails[..count]) {
        *keep = values[usize::from(*i)];
    }
    for p in values.iter_mut() {
        let q = *p - 0.5;
        *p = q * ratio(&CENTRE, 0.180_625 - q * q);
    }
    for (eight, places) in kept.chunks_exact(LANES).zip(tails.chunks_exact(LANES)).take(count.div_ceil(LANES)) {
        let (mut out, mut deep) = ([0.0; LANES], 0.0);
        for i in 0..LANES {
            let p = eight[i];
            let r = (-ln(select(p < 0.5, p, 1.0 - p))).sqrt();
            let t = ratio(&TAIL, r - 1.6);
            out[i] = select(p < 0.5, -t, t);
            deep = select(r > deep, r, deep);
        }
        if deep > 5.0 {
            far(eight, &mut out);
        }
        for i in 0..LANES {
            if eight[i] != 0.5 {
                values[usize::from(places[i])] = out[i];
            }
        }
    }
}

#[cold]
fn far(p: &[f64], out: &mut Lanes) {
    for i in 0..LANES {
        let r = (-ln(p[i].min(1.0 - p[i]))).sqrt();
        if r > 5.0 {
            let t = far_tail(r);
            out[i] = if p[i] < 0.5 { -t } else { t };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{cdf, exp, ln, quantiles};

    #[test]
    fn elementary_functions_agree_with_libm() {
        for i in -70_000..70_000 {
            let x = f64::from(i) * 0.01;
            assert!((exp(x) / libm::exp(x) - 1.0).abs() < 4e-16 || x < -708.0, "exp {x}");
        }
        for i in 1..200_000 {
            let x = f64::from(i) * 1e-3;
            let want = libm::log(x);
            assert!((ln(x) - want).abs() <= 3e-16 * want.abs().max(1e-3), "ln {x}");
            assert!((ln(x * 1e-12) / libm::log(x * 1e-12) - 1.0).abs() < 4e-16);
        }
    }

    #[test]
    fn the_distribution_function_agrees_with_erfc() {
        for i in -4_000..4_000 {
            let x = f64::from(i) * 0.01;
            assert!((cdf(x) - crate::normal::cdf(x)).abs() < 1e-15, "{x}: {} {}", cdf(x), crate::normal::cdf(x));
        }
    }

    #[test]
    fn many_quantiles_agree_with_one_in_centre_tails_and_far_tails() {
        for p in [1e-300, 1e-16, 1e-12, 1e-9, 1e-3, 0.02, 0.075, 0.3, 0.5, 0.7, 0.93, 0.99, 1.0 - 1e-9, 1.0 - 1e-15] {
            let mut got = [p, 0.5, 0.1, 0.9, 0.2, p, 0.99, 0.01, 0.001, 0.5, 0.999, 1e-4, 0.97, 0.02, 0.03, p, 0.6];
            quantiles(&mut got);
            let want = crate::normal::quantile(p);
            assert!((got[0] - want).abs() <= 1e-14 * want.abs(), "{p}: {} for {want}", got[0]);
            assert!(got[0].to_bits() == got[5].to_bits() && got[0].to_bits() == got[15].to_bits(), "{p}");
            assert!((got[12] - crate::normal::quantile(0.97)).abs() < 1e-14, "{}", got[12]);
        }
    }
}
