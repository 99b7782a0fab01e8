//! The standard normal distribution: density, distribution and quantile.
//!
//! The quantile is algorithm AS241 (PPND16), M. J. Wichura, Applied Statistics 37 (1988), accurate to
//! about one part in 10^16.

use core::f64::consts::{FRAC_1_SQRT_2, PI};

/// The density at `x`.
#[must_use]
pub fn pdf(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / (2.0 * PI).sqrt()
}

/// The distribution function at `x`, accurate relatively in both tails.
#[must_use]
pub fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// Numerator and denominator of AS241 for |p - 1/2| <= 0.425, ascending powers.
pub(crate) const CENTRE: ([f64; 8], [f64; 8]) = (
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_545,
    ],
);
/// The same for sqrt(-ln p) up to 5.
pub(crate) const TAIL: ([f64; 8], [f64; 8]) = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);
/// The same beyond 5.
const FAR: ([f64; 8], [f64; 8]) = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_7e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);

#[inline(always)]
pub(crate) fn ratio((num, den): &([f64; 8], [f64; 8]), r: f64) -> f64 {
    let n =
        ((((((num[7] * r + num[6]) * r + num[5]) * r + num[4]) * r + num[3]) * r + num[2]) * r + num[1]) * r + num[0];
    let d =
        ((((((den[7] * r + den[6]) * r + den[5]) * r + den[4]) * r + den[3]) * r + den[2]) * r + den[1]) * r + den[0];
    n / d
}

/// The tail of AS241 where sqrt(-ln p) exceeds 5, that is p below 1.4e-11.
pub(crate) fn far_tail(r: f64) -> f64 {
    ratio(&FAR, r - 5.0)
}

/// The quantile of `p`; infinite at 0 and 1, NaN outside.
#[must_use]
pub fn quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&CENTRE, 0.180_625 - q * q);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let r = (-libm::log(tail)).sqrt();
    let x = if r <= 5.0 { ratio(&TAIL, r - 1.6) } else { far_tail(r) };
    if q < 0.0 { -x } else { x }
}

#[cfg(test)]
mod tests {
    use super::{cdf, quantile};

    #[test]
    fn the_quantile_meets_the_published_check_values_of_as241() {
        for (p, z) in
            [(0.25, -0.674_489_750_196_081_7), (0.001, -3.090_232_306_167_813_5), (1e-20, -9.262_340_089_798_408)]
        {
            assert!((quantile(p) / z - 1.0).abs() < 2e-16 * 4.0, "{p}: {}", quantile(p));
        }
    }

    #[test]
    fn distribution_and_quantile_are_each_others_inverse() {
        for i in 1..4000 {
            let p = f64::from(i) / 4000.0;
            assert!((cdf(quantile(p)) / p - 1.0).abs() < 4e-15, "{p}");
        }
        assert_eq!(quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(quantile(1.0), f64::INFINITY);
        assert!(quantile(f64::NAN).is_nan() && quantile(-0.1).is_nan());
    }
}
