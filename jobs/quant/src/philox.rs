//! Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random
//! numbers: as easy as 1, 2, 3" (SC 2011). A draw is a pure function of key and counter, so any
//! partition of the paths gives the same bits.

const M0: u64 = 0xD251_1F53;
const M1: u64 = 0xCD9E_8D57;
const W0: u32 = 0x9E37_79B9;
const W1: u32 = 0xBB67_AE85;

/// The four words at `counter` under `key`.
#[inline(always)]
#[must_use]
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        let p0 = M0.wrapping_mul(u64::from(c0));
        let p1 = M1.wrapping_mul(u64::from(c2));
        (c0, c1, c2, c3) = ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
        k0 = k0.wrapping_add(W0);
        k1 = k1.wrapping_add(W1);
    }
    [c0, c1, c2, c3]
}

/// A uniform in (0, 1), never an end: the top 52 bits, centred in their cell.
#[inline(always)]
#[must_use]
pub fn open_unit(high: u32, low: u32) -> f64 {
    let bits = (u64::from(high) << 32) | u64::from(low);
    // 1.m in [1, 2), less 1, plus half a cell: exact.
    let one_and = f64::from_bits((bits >> 12) | 0x3FF0_0000_0000_0000);
    (one_and - 1.0) + f64::EPSILON / 2.0
}

/// The two uniforms of draw `draw` of path `path`.
#[inline(always)]
#[must_use]
pub fn uniforms(seed: u64, path: u64, draw: u32) -> [f64; 2] {
    let [a, b, c, d] = philox4x32([path as u32, (path >> 32) as u32, draw, 0], [seed as u32, (seed >> 32) as u32]);
    [open_unit(a, b), open_unit(c, d)]
}

#[cfg(test)]
mod tests {
    use super::{open_unit, philox4x32};

    #[test]
    fn the_known_answers_of_random123_are_met() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = u32::MAX;
        assert_eq!(philox4x32([ones; 4], [ones; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let key = [0xa409_3822, 0x299f_31d0];
        assert_eq!(philox4x32(counter, key), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn uniforms_never_touch_the_ends() {
        assert!(open_unit(0, 0) > 0.0);
        assert!(open_unit(u32::MAX, u32::MAX) < 1.0);
    }
}
