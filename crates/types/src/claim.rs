//! How claims on capacity are named.

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};

/// Who owes what and when: class, delivery window, issuer. All claims with one id are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClaimId {
    /// Class of compute.
    pub class: u32,
    /// Delivery window; never 0, which is now.
    pub window: u32,
    /// Who issued them.
    pub issuer: Address,
}

impl ClaimId {
    /// As ERC-1155 names it: class, window and issuer from the left in the lower 224 bits.
    pub fn to_u256(self) -> U256 {
        let mut bytes = [0; 32];
        bytes[4..8].copy_from_slice(&self.class.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.window.to_be_bytes());
        bytes[12..].copy_from_slice(self.issuer.as_slice());
        U256::from_be_bytes(bytes)
    }

    /// The claim with this ERC-1155 id; None for a number that names none.
    pub fn from_u256(id: U256) -> Option<Self> {
        let bytes = id.to_be_bytes::<32>();
        let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let (spare, class, window) = (number(0)?, number(4)?, number(8)?);
        let issuer = Address::from_slice(&bytes[12..]);
        (spare == 0 && window != 0).then_some(Self { class, window, issuer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_class_window_and_issuer_side_by_side_and_reads_back() {
        let id = ClaimId { class: 7, window: 9, issuer: Address::repeat_byte(0xab) };
        let issuer = U256::from_be_slice(id.issuer.as_slice());
        assert_eq!(id.to_u256(), U256::from(7) << 192 | U256::from(9) << 160 | issuer);
        assert_eq!(ClaimId::from_u256(id.to_u256()), Some(id));
        assert_eq!(ClaimId::from_u256(id.to_u256() | U256::from(1) << 224), None);
        assert_eq!(ClaimId::from_u256(issuer), None, "window 0 is now");
    }
}
