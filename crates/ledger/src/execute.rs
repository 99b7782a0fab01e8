//! Dispatch of one call to the module that answers for it. Exhaustive: a new call does not compile
//! until it is handled here.

use alloy_primitives::{Address, Bytes};
use assay_types::Call;

use crate::{
    money::{Pot, transfer},
    reject::{Done, Failure},
    step::Step,
};

/// Executes `call` for `sender`, whose transaction had `nonce`; returns its ABI-encoded return data.
pub(crate) fn execute(
    step: &mut Step<'_>,
    sender: Address,
    nonce: u64,
    to: Address,
    value: u128,
    call: &Call,
) -> Done<Bytes> {
    let _ = nonce;
    match call {
        Call::Transfer => transfer(step, Pot::Account(sender), Pot::Account(to), value).map(|()| Bytes::new()),
        Call::Providers(_) => Err(Failure::UnknownProvider.into()),
        Call::Jobs(_) | Call::Disputes(_) => Err(Failure::UnknownJob.into()),
        Call::Chain(call) => crate::call::chain_view(step, call),
    }
}
