//! Integer arithmetic that names its rounding. `None` means the result does not fit.

use alloy_primitives::U256;
use assay_types::{GIGAFUEL, Grains};

/// `a * b / d`, rounded down.
pub(crate) fn mul_div_down(a: u128, b: u128, d: u128) -> Option<u128> {
    let product = U256::from(a).checked_mul(U256::from(b))?;
    product.checked_div(U256::from(d))?.try_into().ok()
}

/// `a * b / d`, rounded up.
pub(crate) fn mul_div_up(a: u128, b: u128, d: u128) -> Option<u128> {
    let d = U256::from(d);
    let product = U256::from(a).checked_mul(U256::from(b))?;
    let up = U256::from(!product.checked_rem(d)?.is_zero());
    product.checked_div(d)?.checked_add(up)?.try_into().ok()
}

/// A share of `amount` in basis points, rounded down.
pub(crate) fn share(amount: Grains, bps: u32) -> Option<Grains> {
    mul_div_down(amount, u128::from(bps), 10_000)
}

/// What `fuel` earns at `price` grains a gigafuel: rounded down, in the renter's favour.
pub(crate) fn earning(fuel: u64, price: Grains) -> Option<Grains> {
    mul_div_down(u128::from(fuel), price, u128::from(GIGAFUEL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_the_way_its_name_says_and_overflow_is_told() {
        assert_eq!((mul_div_down(7, 3, 2), mul_div_up(7, 3, 2)), (Some(10), Some(11)));
        assert_eq!((mul_div_down(8, 3, 2), mul_div_up(8, 3, 2)), (Some(12), Some(12)));
        assert_eq!((mul_div_down(u128::MAX, 2, 1), mul_div_up(u128::MAX, 2, 1)), (None, None));
        assert_eq!((mul_div_down(1, 1, 0), mul_div_up(1, 1, 0)), (None, None));
        assert_eq!(mul_div_down(u128::MAX, u128::MAX, u128::MAX), Some(u128::MAX));
        assert_eq!((earning(1, 1), earning(GIGAFUEL, 7)), (Some(0), Some(7)));
    }
}
