//! Products wider than what they are made of.

use alloy_primitives::U256;

/// `a * b / d` rounded down; `d` is not zero. What does not fit saturates.
pub(crate) fn mul_div(a: u128, b: u128, d: u128) -> u128 {
    match a.checked_mul(b) {
        Some(product) => product.checked_div(d).unwrap_or(u128::MAX),
        None => wide(a, b, d).0,
    }
}

/// `a * b / d` rounded up; `d` is not zero. What does not fit saturates.
pub(crate) fn mul_div_up(a: u128, b: u128, d: u128) -> u128 {
    let (quotient, exact) = wide(a, b, d);
    if exact { quotient } else { quotient.saturating_add(1) }
}

fn wide(a: u128, b: u128, d: u128) -> (u128, bool) {
    let product = U256::from(a).saturating_mul(U256::from(b));
    let (quotient, rest) = product.div_rem(U256::from(d.max(1)));
    (quotient.saturating_to(), rest.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_beyond_128_bits_are_exact_and_quotients_beyond_saturate() {
        assert_eq!(mul_div(u128::MAX, u128::MAX, u128::MAX), u128::MAX);
        assert_eq!(mul_div(u128::MAX, 3, 2), u128::MAX);
        assert_eq!((mul_div(7, 3, 2), mul_div_up(7, 3, 2), mul_div_up(8, 3, 2)), (10, 11, 12));
    }
}
