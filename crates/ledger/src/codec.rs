//! How records become bytes in the state: fixed-width big-endian integers, length-prefixed lists,
//! one byte for an option or an enum.
//!
//! Canonical: a value has one byte form, and decoding refuses every other, leftovers included. The
//! numbers of enums are explicit and never reused.

use alloy_primitives::{Address, B256, Bytes, U256};
use assay_types::{
    Fault, JobCause, JobOutcome, Leaf, Seat,
    view::{LotPhase, ReplicaPhase},
};

/// A value with one byte form.
pub(crate) trait Wire: Sized {
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes a value off the front.
    fn take(input: &mut &[u8]) -> Option<Self>;
}

/// The bytes of `value`.
pub(crate) fn encode<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

/// The value whose bytes are exactly `bytes`.
pub(crate) fn decode<T: Wire>(mut bytes: &[u8]) -> Option<T> {
    let value = T::take(&mut bytes)?;
    bytes.is_empty().then_some(value)
}

fn take_array<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*head)
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl Wire for $t {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
            fn take(input: &mut &[u8]) -> Option<Self> {
                take_array(input).map(<$t>::from_be_bytes)
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, u128);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        match u8::take(input)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Wire for Address {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_slice());
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        take_array::<20>(input).map(Into::into)
    }
}

impl Wire for B256 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_slice());
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        take_array::<32>(input).map(Into::into)
    }
}

impl Wire for U256 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes::<32>());
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        take_array::<32>(input).map(Self::from_be_bytes)
    }
}

fn put_len(len: usize, out: &mut Vec<u8>) {
    // No record holds 2^32 items: transactions are bounded far below.
    u32::try_from(len).unwrap_or(u32::MAX).put(out);
}

impl Wire for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        put_len(self.len(), out);
        out.extend_from_slice(self);
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        let len = usize::try_from(u32::take(input)?).ok()?;
        let (head, rest) = input.split_at_checked(len)?;
        *input = rest;
        Some(Self::copy_from_slice(head))
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_len(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Self::from_utf8(Bytes::take(input)?.to_vec()).ok()
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_len(self.len(), out);
        self.iter().for_each(|item| item.put(out));
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        let len = u32::take(input)?;
        (0..len).map(|_| T::take(input)).collect()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                value.put(out);
            }
        }
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        match u8::take(input)? {
            0 => Some(None),
            1 => T::take(input).map(Some),
            _ => None,
        }
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Some((A::take(input)?, B::take(input)?))
    }
}

impl Wire for Leaf {
    fn put(&self, out: &mut Vec<u8>) {
        self.output.put(out);
        self.fuel.put(out);
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Some(Self { output: B256::take(input)?, fuel: u64::take(input)? })
    }
}

impl Wire for Seat {
    fn put(&self, out: &mut Vec<u8>) {
        self.account.put(out);
        self.stake.put(out);
        self.network_key.put(out);
        self.vote_key.put(out);
        self.address.put(out);
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Some(Self {
            account: Address::take(input)?,
            stake: u128::take(input)?,
            network_key: B256::take(input)?,
            vote_key: Bytes::take(input)?,
            address: String::take(input)?,
        })
    }
}

/// Declares a record and its byte form: its fields in order.
macro_rules! record {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$fmeta:meta])* $fvis:vis $field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        $vis struct $name {
            $($(#[$fmeta])* $fvis $field: $type),*
        }
        impl $crate::codec::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::codec::Wire::put(&self.$field, out);)*
            }
            fn take(input: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: $crate::codec::Wire::take(input)?),* })
            }
        }
    };
}
pub(crate) use record;

/// Gives a fieldless enum its numbers in the state.
macro_rules! numbered {
    ($name:ty { $($variant:ident = $number:literal),* $(,)? }) => {
        impl $crate::codec::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(match self { $(<$name>::$variant => $number),* });
            }
            fn take(input: &mut &[u8]) -> Option<Self> {
                match u8::take(input)? {
                    $($number => Some(<$name>::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use numbered;

numbered!(LotPhase {
    Running = 0,
    Revealing = 1,
    Agreed = 2,
    Disclosing = 3,
    Judging = 4,
    Deciding = 5,
    Settled = 6,
    Refunded = 7,
    Drawing = 8,
    Auditing = 9,
});
numbered!(ReplicaPhase { AwaitingKey = 0, Running = 1, Committed = 2, Revealed = 3, Paid = 4 });
numbered!(JobOutcome { Completed = 1, Cancelled = 2, Expired = 3, Partial = 4 });

impl Wire for Fault {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Self::from_number(u8::take(input)?)
    }
}

impl Wire for JobCause {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Self::from_number(u8::take(input)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    record! {
        #[derive(Debug, Clone, PartialEq)]
        struct Sample {
            number: u64,
            words: Vec<Bytes>,
            maybe: Option<(Address, u128)>,
            flag: bool,
            leaf: Vec<Leaf>,
            seat: Seat,
            wide: U256,
        }
    }

    proptest! {
        #[test]
        fn a_record_survives_and_no_other_bytes_decode_to_it(
            number: u64,
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..4),
            maybe in prop::option::of((any::<[u8; 20]>(), any::<u128>())),
            flag: bool,
            junk in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let sample = Sample {
                number,
                words: words.into_iter().map(Bytes::from).collect(),
                maybe: maybe.map(|(a, n)| (a.into(), n)),
                flag,
                leaf: vec![Leaf { output: B256::repeat_byte(1), fuel: number }],
                seat: Seat {
                    account: Address::repeat_byte(1),
                    stake: number.into(),
                    network_key: B256::repeat_byte(2),
                    vote_key: vec![3; 48].into(),
                    address: format!("127.0.0.1:{}", number % 65_536),
                },
                wide: U256::from(number).saturating_mul(U256::MAX >> 9),
            };
            let bytes = encode(&sample);
            prop_assert_eq!(decode::<Sample>(&bytes), Some(sample));
            let mut longer = bytes.clone();
            longer.push(0);
            prop_assert_eq!(decode::<Sample>(&longer), None);
            prop_assert_eq!(decode::<Sample>(&bytes[..bytes.len() - 1]), None);
            if let Some(other) = decode::<Sample>(&junk) {
                prop_assert_eq!(encode(&other), junk);
            }
        }
    }

    #[test]
    fn every_enum_number_reads_back_as_its_variant() {
        for number in 0..=u8::MAX {
            if let Some(phase) = decode::<LotPhase>(&[number]) {
                assert_eq!(encode(&phase), [number]);
            }
            if let Some(cause) = decode::<JobCause>(&[number]) {
                assert_eq!(encode(&cause), [number]);
            }
        }
        assert!(decode::<Fault>(&[0]).is_none() && decode::<JobOutcome>(&[5]).is_none());
        assert!(decode::<bool>(&[2]).is_none() && decode::<Option<u8>>(&[2, 0]).is_none());
    }
}
