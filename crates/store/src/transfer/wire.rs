//! The frames of `assay/blob/0`.
//!
//! One bidirectional stream per request. All integers little-endian; all frames of fixed length, so
//! there is nothing to size and nothing to nest.
//!
//! ```text
//! request   49 bytes   op 1 | blob id 32 | u64 a | u64 b
//!   GET 1   a = first byte wanted, b = bytes wanted at most (u64::MAX: to the end)
//!   HAS 2   a = b = 0
//!   PUT 3   a = size, b = 0; bytes follow only after the answer Continue
//! answer     9 bytes   status 1 | u64 size
//!   GET     Ok, size of the whole blob, then the bytes of the range; or a failure
//!   HAS     Ok, size; or NotFound
//!   PUT     Continue (send them), then a second answer; or Ok at once (already here)
//! ```

use crate::BlobId;

/// The protocol's name in the TLS handshake.
pub const ALPN: &[u8] = b"assay/blob/0";

pub(super) const REQUEST_BYTES: usize = 49;
pub(super) const ANSWER_BYTES: usize = 9;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Get { id: BlobId, offset: u64, max_bytes: u64 },
    Has { id: BlobId },
    Put { id: BlobId, size_bytes: u64 },
}

/// The status of an answer; numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Ok = 0,
    Continue = 1,
    NotFound = 2,
    Busy = 3,
    Refused = 4,
    TooLarge = 5,
    HashMismatch = 6,
    NoRoom = 7,
    Internal = 8,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: Status,
    /// Size of the blob for `Ok`, zero otherwise.
    pub(super) size_bytes: u64,
}

/// The frame is none of the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a frame of the blob protocol")]
pub(super) struct Malformed;

impl Request {
    pub(super) fn encode(&self) -> [u8; REQUEST_BYTES] {
        let (op, id, a, b) = match *self {
            Self::Get { id, offset, max_bytes } => (1, id, offset, max_bytes),
            Self::Has { id } => (2, id, 0, 0),
            Self::Put { id, size_bytes } => (3, id, size_bytes, 0),
        };
        let mut frame = [0; REQUEST_BYTES];
        frame[0] = op;
        frame[1..33].copy_from_slice(&id.0);
        frame[33..41].copy_from_slice(&u64::to_le_bytes(a));
        frame[41..].copy_from_slice(&u64::to_le_bytes(b));
        frame
    }

    pub(super) fn decode(frame: &[u8; REQUEST_BYTES]) -> Result<Self, Malformed> {
        let mut id = [0; 32];
        id.copy_from_slice(&frame[1..33]);
        let id = BlobId(id);
        match (frame[0], integer(&frame[33..41]), integer(&frame[41..])) {
            (1, offset, max_bytes) => Ok(Self::Get { id, offset, max_bytes }),
            (2, 0, 0) => Ok(Self::Has { id }),
            (3, size_bytes, 0) => Ok(Self::Put { id, size_bytes }),
            _ => Err(Malformed),
        }
    }
}

impl Answer {
    pub(super) fn ok(size_bytes: u64) -> Self {
        Self { status: Status::Ok, size_bytes }
    }

    pub(super) fn of(status: Status) -> Self {
        Self { status, size_bytes: 0 }
    }

    pub(super) fn encode(&self) -> [u8; ANSWER_BYTES] {
        let mut frame = [0; ANSWER_BYTES];
        frame[0] = self.status as u8;
        frame[1..].copy_from_slice(&self.size_bytes.to_le_bytes());
        frame
    }

    pub(super) fn decode(frame: &[u8; ANSWER_BYTES]) -> Result<Self, Malformed> {
        let status = match frame[0] {
            0 => Status::Ok,
            1 => Status::Continue,
            2 => Status::NotFound,
            3 => Status::Busy,
            4 => Status::Refused,
            5 => Status::TooLarge,
            6 => Status::HashMismatch,
            7 => Status::NoRoom,
            8 => Status::Internal,
            _ => return Err(Malformed),
        };
        let size_bytes = integer(&frame[1..]);
        if status != Status::Ok && size_bytes != 0 {
            return Err(Malformed);
        }
        Ok(Self { status, size_bytes })
    }
}

fn integer(bytes: &[u8]) -> u64 {
    let mut array = [0; 8];
    array.copy_from_slice(bytes);
    u64::from_le_bytes(array)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request() -> impl Strategy<Value = Request> {
        let id = any::<[u8; 32]>().prop_map(BlobId);
        (id, any::<u64>(), any::<u64>(), 0..3u8).prop_map(|(id, a, b, op)| match op {
            0 => Request::Get { id, offset: a, max_bytes: b },
            1 => Request::Has { id },
            _ => Request::Put { id, size_bytes: a },
        })
    }

    proptest! {
        #[test]
        fn a_request_survives_its_frame(request in request()) {
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }

        #[test]
        fn a_frame_that_decodes_is_the_only_frame_of_its_meaning(
            op in 0..6u8, rest in any::<[u8; 32]>(), a in 0..3u64, b in 0..3u64, status in 0..12u8,
        ) {
            let mut frame = [0; REQUEST_BYTES];
            frame[0] = op;
            frame[1..33].copy_from_slice(&rest);
            frame[33] = a as u8;
            frame[41] = b as u8;
            if let Ok(request) = Request::decode(&frame) {
                prop_assert_eq!(request.encode(), frame);
            }
            let mut frame = [0; ANSWER_BYTES];
            frame[0] = status;
            frame[8] = a as u8;
            if let Ok(answer) = Answer::decode(&frame) {
                prop_assert_eq!(answer.encode(), frame);
            }
        }
    }
}
