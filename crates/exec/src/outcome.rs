//! How an execution ended, and the one encoding of it that is hashed on chain.
//!
//! ```text
//! blob    = version:u8 (1)  tag:u8  bytes(payload)  bytes(log)
//! bytes   = length:u32 little endian, then that many bytes
//! tag     0 Ok(output)  1 Failed(UTF-8)  2 Trapped(code:u8)  3 OutOfFuel  4 StackOverflow  5 MemoryExceeded
//!         6 OutputTooLarge  7 Exited(code:u32 LE, output)  8 Rejected(code:u8)
//! ```
//! Tags without a payload have one of length 0. Decoding accepts exactly what encoding writes.

use std::fmt;

use crate::error::RejectCode;

const VERSION: u8 = 1;

/// How a guest ended: the same on every honest machine of one runtime.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It returned these bytes: a component's list, or an output bundle of a WASI command that exited
    /// with 0.
    Ok(Vec<u8>),
    /// A component returned its error string.
    Failed(String),
    /// It trapped.
    Trapped(TrapCode),
    /// It needed more fuel than the cap. The cap is charged and output and log are dropped, since where
    /// exactly a guest stops is not to be relied on.
    OutOfFuel,
    /// It ran out of native stack. Hosts may differ here, so nobody is at fault for it; the log is
    /// dropped, the fuel used is charged.
    StackOverflow,
    /// It was refused memory beyond its limit and then trapped, or declared more than its limit.
    ///
    /// Growing beyond the limit answers -1 as Wasm has it, so a guest that copes goes on.
    MemoryExceeded,
    /// It returned or wrote more than the output limit.
    OutputTooLarge,
    /// A WASI command exited with a code other than 0.
    Exited {
        /// Its exit code, never 0.
        code: u32,
        /// Its output bundle.
        output: Vec<u8>,
    },
    /// The program cannot be loaded by any honest node.
    Rejected(RejectCode),
}

impl Outcome {
    /// The output of a run that went well.
    pub fn ok(&self) -> Option<&[u8]> {
        match self {
            Self::Ok(output) => Some(output),
            _ => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok(output) => write!(f, "completed with {} bytes of output", output.len()),
            Self::Failed(message) => write!(f, "failed: {message}"),
            Self::Trapped(code) => write!(f, "trapped: {code}"),
            Self::OutOfFuel => f.write_str("out of fuel: raise the fuel cap or split the task"),
            Self::StackOverflow => f.write_str("call stack exhausted"),
            Self::MemoryExceeded => f.write_str("out of memory: raise the memory limit"),
            Self::OutputTooLarge => f.write_str("output too large: raise the output limit"),
            Self::Exited { code, .. } => write!(f, "exited with code {code}"),
            Self::Rejected(code) => write!(f, "program rejected: {code}"),
        }
    }
}

/// Why a guest trapped. Numbers go on chain and are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum TrapCode {
    /// `unreachable`: how panics and aborts end.
    #[error("unreachable code reached (a panic or abort of the guest)")]
    Unreachable = 1,
    /// Memory access out of bounds.
    #[error("memory access out of bounds")]
    MemoryOutOfBounds = 2,
    /// Table access out of bounds.
    #[error("table access out of bounds")]
    TableOutOfBounds = 3,
    /// Indirect call of an empty table slot.
    #[error("indirect call of an empty table slot")]
    IndirectCallToNull = 4,
    /// Indirect call with another signature.
    #[error("indirect call with another signature")]
    BadSignature = 5,
    /// Integer overflow in a division or conversion.
    #[error("integer overflow")]
    IntegerOverflow = 6,
    /// Division by zero.
    #[error("integer division by zero")]
    DivisionByZero = 7,
    /// A float that no integer represents.
    #[error("float cannot be converted to an integer")]
    BadConversion = 8,
    /// The component's result or its allocator breaks the canonical ABI.
    #[error("the component broke the canonical ABI")]
    AbiViolation = 9,
    /// Any other trap of the engine.
    #[error("trap of another kind")]
    Other = 255,
}

impl TrapCode {
    /// The code with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        use TrapCode::*;
        [
            Unreachable,
            MemoryOutOfBounds,
            TableOutOfBounds,
            IndirectCallToNull,
            BadSignature,
            IntegerOverflow,
            DivisionByZero,
            BadConversion,
            AbiViolation,
            Other,
        ]
        .into_iter()
        .find(|code| *code as u8 == number)
    }
}

/// One finished run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// How it ended.
    pub outcome: Outcome,
    /// Fuel to be paid for, at most the cap.
    pub fuel_used: u64,
    /// What a WASI command wrote to stderr, cut at the log limit; empty for components.
    pub log: Vec<u8>,
}

impl Execution {
    /// The bytes whose hash is the task's result on chain ([`encode_execution`]).
    pub fn encode(&self) -> Vec<u8> {
        encode_execution(&self.outcome, &self.log)
    }
}

/// Why bytes are not an encoded execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// Bytes are left over.
    #[error("bytes are left over at the end")]
    Trailing,
    /// Another version than this code knows.
    #[error("version {0} is unknown")]
    Version(u8),
    /// A tag or code without a meaning.
    #[error("tag or code {0} is unknown")]
    Tag(u8),
    /// Not the form that encoding writes.
    #[error("the encoding is not canonical")]
    NotCanonical,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
    /// A path that the sandbox does not allow.
    #[error("a file path is empty, absolute, too long, or has an empty, `.` or `..` component")]
    Path,
    /// More entries or bytes than allowed.
    #[error("a count or length is above its limit")]
    TooLarge,
}

/// Encodes an outcome and a log into the bytes whose hash goes on chain.
pub fn encode_execution(outcome: &Outcome, log: &[u8]) -> Vec<u8> {
    let small;
    let (tag, payload): (u8, &[u8]) = match outcome {
        Outcome::Ok(output) => (0, output),
        Outcome::Failed(message) => (1, message.as_bytes()),
        Outcome::Trapped(code) => {
            small = vec![*code as u8];
            (2, &small)
        }
        Outcome::OutOfFuel => (3, &[]),
        Outcome::StackOverflow => (4, &[]),
        Outcome::MemoryExceeded => (5, &[]),
        Outcome::OutputTooLarge => (6, &[]),
        Outcome::Exited { code, output } => {
            small = [&code.to_le_bytes(), output.as_slice()].concat();
            (7, &small)
        }
        Outcome::Rejected(code) => {
            small = vec![*code as u8];
            (8, &small)
        }
    };
    let mut blob = Vec::with_capacity(10 + payload.len() + log.len());
    blob.extend_from_slice(&[VERSION, tag]);
    for part in [payload, log] {
        // Limits keep both far below 4 GiB: `Limits` counts them in `u32`.
        blob.extend_from_slice(&(part.len() as u32).to_le_bytes());
        blob.extend_from_slice(part);
    }
    blob
}

/// Decodes what [`encode_execution`] wrote, and nothing else.
pub fn decode_execution(blob: &[u8]) -> Result<(Outcome, Vec<u8>), DecodeError> {
    let (head, rest) = blob.split_at_checked(2).ok_or(DecodeError::Truncated)?;
    if head[0] != VERSION {
        return Err(DecodeError::Version(head[0]));
    }
    let (payload, rest) = split_bytes(rest)?;
    let (log, rest) = split_bytes(rest)?;
    if !rest.is_empty() {
        return Err(DecodeError::Trailing);
    }
    let code = || match payload {
        [code] => Ok(*code),
        _ => Err(DecodeError::NotCanonical),
    };
    let empty = |outcome| if payload.is_empty() { Ok(outcome) } else { Err(DecodeError::NotCanonical) };
    let outcome = match head[1] {
        0 => Outcome::Ok(payload.to_vec()),
        1 => Outcome::Failed(String::from_utf8(payload.to_vec()).map_err(|_| DecodeError::Utf8)?),
        2 => {
            let code = code()?;
            Outcome::Trapped(TrapCode::from_number(code).ok_or(DecodeError::Tag(code))?)
        }
        3 => empty(Outcome::OutOfFuel)?,
        4 => empty(Outcome::StackOverflow)?,
        5 => empty(Outcome::MemoryExceeded)?,
        6 => empty(Outcome::OutputTooLarge)?,
        7 => {
            let (code, output) = payload.split_first_chunk::<4>().ok_or(DecodeError::Truncated)?;
            let code = u32::from_le_bytes(*code);
            if code == 0 {
                return Err(DecodeError::NotCanonical);
            }
            Outcome::Exited { code, output: output.to_vec() }
        }
        8 => {
            let code = code()?;
            Outcome::Rejected(RejectCode::from_number(code).ok_or(DecodeError::Tag(code))?)
        }
        other => return Err(DecodeError::Tag(other)),
    };
    Ok((outcome, log.to_vec()))
}

/// Splits length-prefixed bytes off the front.
pub(crate) fn split_bytes(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(DecodeError::Truncated)?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(DecodeError::Truncated)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn outcome() -> impl Strategy<Value = Outcome> {
        let bytes = || vec(any::<u8>(), 0..40);
        prop_oneof![
            bytes().prop_map(Outcome::Ok),
            ".{0,10}".prop_map(Outcome::Failed),
            any::<u8>().prop_filter_map("codes", TrapCode::from_number).prop_map(Outcome::Trapped),
            Just(Outcome::OutOfFuel),
            Just(Outcome::StackOverflow),
            Just(Outcome::MemoryExceeded),
            Just(Outcome::OutputTooLarge),
            (1u32.., bytes()).prop_map(|(code, output)| Outcome::Exited { code, output }),
            any::<u8>().prop_filter_map("codes", RejectCode::from_number).prop_map(Outcome::Rejected),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { max_local_rejects: 1_000_000, ..ProptestConfig::default() })]

        #[test]
        fn an_encoded_execution_decodes_to_the_same(outcome in outcome(), log in vec(any::<u8>(), 0..20)) {
            let blob = encode_execution(&outcome, &log);
            prop_assert_eq!(decode_execution(&blob), Ok((outcome, log)));
        }

        #[test]
        fn whatever_decodes_is_the_one_encoding_of_its_value(tag in 0u8..10, rest in vec(0u8..12, 0..40)) {
            let blob = [&[1, tag], rest.as_slice()].concat();
            if let Ok((outcome, log)) = decode_execution(&blob) {
                prop_assert_eq!(encode_execution(&outcome, &log), blob);
            }
        }
    }

    #[test]
    fn numbers_and_bytes_on_chain_never_change() {
        let cases: [(Outcome, &[u8]); 9] = [
            (Outcome::Ok(b"ab".to_vec()), &[1, 0, 2, 0, 0, 0, b'a', b'b', 1, 0, 0, 0, b'l']),
            (Outcome::Failed("é".into()), &[1, 1, 2, 0, 0, 0, 0xc3, 0xa9, 1, 0, 0, 0, b'l']),
            (Outcome::Trapped(TrapCode::DivisionByZero), &[1, 2, 1, 0, 0, 0, 7, 1, 0, 0, 0, b'l']),
            (Outcome::OutOfFuel, &[1, 3, 0, 0, 0, 0, 1, 0, 0, 0, b'l']),
            (Outcome::StackOverflow, &[1, 4, 0, 0, 0, 0, 1, 0, 0, 0, b'l']),
            (Outcome::MemoryExceeded, &[1, 5, 0, 0, 0, 0, 1, 0, 0, 0, b'l']),
            (Outcome::OutputTooLarge, &[1, 6, 0, 0, 0, 0, 1, 0, 0, 0, b'l']),
            (
                Outcome::Exited { code: 258, output: b"o".to_vec() },
                &[1, 7, 5, 0, 0, 0, 2, 1, 0, 0, b'o', 1, 0, 0, 0, b'l'],
            ),
            (Outcome::Rejected(RejectCode::ForbiddenImport), &[1, 8, 1, 0, 0, 0, 5, 1, 0, 0, 0, b'l']),
        ];
        for (outcome, blob) in cases {
            assert_eq!(encode_execution(&outcome, b"l"), blob);
            assert_eq!(decode_execution(blob), Ok((outcome, b"l".to_vec())));
        }
    }

    #[test]
    fn broken_blobs_are_refused_with_a_reason() {
        let cases: [(&[u8], DecodeError); 9] = [
            (&[], DecodeError::Truncated),
            (&[1], DecodeError::Truncated),
            (&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0], DecodeError::Version(2)),
            (&[1, 9, 0, 0, 0, 0, 0, 0, 0, 0], DecodeError::Tag(9)),
            (&[1, 0, 255, 255, 255, 255, 0], DecodeError::Truncated),
            (&[1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0], DecodeError::Trailing),
            (&[1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0], DecodeError::NotCanonical),
            (&[1, 1, 1, 0, 0, 0, 255, 0, 0, 0, 0], DecodeError::Utf8),
            (&[1, 7, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], DecodeError::NotCanonical),
        ];
        for (blob, error) in cases {
            assert_eq!(decode_execution(blob), Err(error), "{blob:?}");
        }
    }
}
