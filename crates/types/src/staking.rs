//! Who sits in a committee, and the hash that names it.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

use crate::amount::{Grains, as_string};

/// A validator's seat in the committee of an epoch. Seats are equal votes: stake decides who sits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// Account that receives priority fees and sends verdicts.
    pub account: Address,
    /// Bonded stake, its own and delegated, when the committee was fixed; grains.
    #[serde(with = "as_string")]
    pub stake: Grains,
    /// Ed25519 key of the peer-to-peer layer.
    pub network_key: B256,
    /// BLS12-381 MinPk vote key, 48 bytes.
    pub vote_key: Bytes,
    /// Peer-to-peer address, `ip:port`.
    pub address: String,
}

/// Names the committee of an epoch: keccak256 of "assay/committee", the epoch, the number of seats, and each seat in
/// order of its network key. Integers are big-endian, vote keys and addresses have a length of four bytes before them.
pub fn committee_hash(epoch: u64, seats: &[Seat]) -> B256 {
    let mut seats: Vec<&Seat> = seats.iter().collect();
    seats.sort_by_key(|seat| seat.network_key);
    let mut bytes = b"assay/committee".to_vec();
    bytes.extend_from_slice(&epoch.to_be_bytes());
    bytes.extend_from_slice(&length(seats.len()));
    for seat in seats {
        bytes.extend_from_slice(seat.account.as_slice());
        bytes.extend_from_slice(&seat.stake.to_be_bytes());
        bytes.extend_from_slice(seat.network_key.as_slice());
        for part in [seat.vote_key.as_ref(), seat.address.as_bytes()] {
            bytes.extend_from_slice(&length(part.len()));
            bytes.extend_from_slice(part);
        }
    }
    keccak256(bytes)
}

fn length(count: usize) -> [u8; 4] {
    // Keys and addresses are short, seats few: far below 2^32.
    u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(i: u8) -> Seat {
        Seat {
            account: Address::repeat_byte(i),
            stake: u128::from(i),
            network_key: B256::repeat_byte(i),
            vote_key: vec![i; 48].into(),
            address: format!("127.0.0.{i}:9000"),
        }
    }

    #[test]
    fn a_committees_name_is_that_of_its_seats_in_any_order_and_of_its_epoch() {
        let hash = committee_hash(3, &[seat(1), seat(2)]);
        assert_eq!(hash, committee_hash(3, &[seat(2), seat(1)]));
        assert_ne!(hash, committee_hash(4, &[seat(1), seat(2)]));
        assert_ne!(hash, committee_hash(3, &[seat(1)]));
        let changes: [fn(&mut Seat); 5] = [
            |s| s.account = Address::ZERO,
            |s| s.stake = 9,
            |s| s.network_key = B256::ZERO,
            |s| s.vote_key = vec![9; 48].into(),
            |s| s.address = "127.0.0.1:1".into(),
        ];
        for change in changes {
            let mut other = seat(2);
            change(&mut other);
            assert_ne!(hash, committee_hash(3, &[seat(1), other]));
        }
    }

    #[test]
    fn a_seat_survives_json() {
        let json = serde_json::to_string(&seat(1)).expect("plain data");
        assert_eq!(serde_json::from_str::<Seat>(&json).expect("own output"), seat(1));
    }
}
