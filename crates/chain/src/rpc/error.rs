//! Errors as JSON-RPC clients know them.

use assay_ledger::{CallError, Failure};
use assay_types::{Bytes, TxFailure};
use jsonrpsee::types::{ErrorObjectOwned, error::INTERNAL_ERROR_CODE, error::INVALID_PARAMS_CODE};

use crate::{index::IndexError, mempool::SubmitError};

/// Refusals of all kinds, as geth uses it.
const SERVER_ERROR: i32 = -32_000;
/// Nothing has that name.
const NOT_FOUND: i32 = -32_001;
/// A bound of the server.
const LIMIT_EXCEEDED: i32 = -32_005;
/// A call that reverted; `data` is what it returned.
const REVERTED: i32 = 3;
/// `eth_sendRawTransactionSync` waited in vain (EIP-7966).
const TIMEOUT: i32 = 4;

/// Result of a method.
pub(super) type RpcResult<T> = Result<T, ErrorObjectOwned>;

pub(super) fn plain(code: i32, message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, message, None::<()>)
}

/// A parameter that parses but makes no sense.
pub(super) fn invalid(message: impl Into<String>) -> ErrorObjectOwned {
    plain(INVALID_PARAMS_CODE, message)
}

/// A block, job or the like that is not there.
pub(super) fn not_found(message: impl Into<String>) -> ErrorObjectOwned {
    plain(NOT_FOUND, message)
}

/// A fault of this node.
pub(super) fn internal(message: impl Into<String>) -> ErrorObjectOwned {
    plain(INTERNAL_ERROR_CODE, message)
}

/// State of a block that is no longer held.
pub(super) fn pruned(height: u64, held: u64) -> ErrorObjectOwned {
    plain(
        SERVER_ERROR,
        format!(
            "historical state is pruned: block {height} was asked for, state is held for block {held}; ask for \"latest\""
        ),
    )
}

/// A block that is no longer held, or never was, as EIP-4444 nodes answer.
pub(super) fn pruned_block(height: u64, first: u64) -> ErrorObjectOwned {
    plain(
        crate::upstream::PRUNED,
        format!("pruned: block {height} is not held here, the first is {first}: ask an archive node"),
    )
}

/// A transaction that was not taken. `data` carries the stable number and name.
pub(super) fn refused(error: SubmitError) -> ErrorObjectOwned {
    let (code, name) = error.code();
    let reason = TxFailure { code, name: name.to_owned() };
    ErrorObjectOwned::owned(SERVER_ERROR, error.to_string(), Some(reason))
}

/// The time to wait for a receipt is over; the transaction still waits.
pub(super) fn timed_out(hash: assay_types::B256, waited_ms: u64) -> ErrorObjectOwned {
    let message = format!("the transaction waits for a block and was not included within {waited_ms} ms");
    ErrorObjectOwned::owned(TIMEOUT, message, Some(hash))
}

/// A call that failed. `data` is the revert data, which wallets decode and print.
pub(super) fn call_failed(error: CallError) -> ErrorObjectOwned {
    match error {
        CallError::Broken(broken) => internal(format!("the state is broken: {broken}")),
        CallError::Reverted(_) => ErrorObjectOwned::owned(REVERTED, error.to_string(), Some(error.data())),
        CallError::Undecodable(reason) => {
            ErrorObjectOwned::owned(REVERTED, format!("execution reverted: {reason}"), Some(Bytes::new()))
        }
    }
}

/// Value beyond what the ledger can count.
pub(super) fn value_overflow() -> ErrorObjectOwned {
    call_failed(CallError::Reverted(Failure::AmountOverflow))
}

/// What the index answered, or its error as JSON-RPC says it.
pub(super) fn indexed<T>(result: Result<T, IndexError>) -> RpcResult<T> {
    result.map_err(|error| match &error {
        IndexError::RangeTooLong { .. } | IndexError::TooManyLogs { .. } => plain(LIMIT_EXCEEDED, error.to_string()),
        _ => {
            tracing::error!(%error, "the index failed to answer");
            internal(error.to_string())
        }
    })
}
