//! Dispatch of one call to the module that answers for it. Exhaustive: a new call does not compile
//! until it is handled here.

use alloy_primitives::{Address, Bytes};
use assay_types::Call;

use crate::{
    audits,
    call::chain_view,
    capacity, claims, disputes, governance, jobs, market,
    money::{Pot, transfer},
    providers,
    reject::Done,
    rewards, staking,
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
    match call {
        Call::Transfer => transfer(step, Pot::Account(sender), Pot::Account(to), value).map(|()| Bytes::new()),
        Call::Providers(call) => providers::calls::execute(step, sender, value, call),
        Call::Jobs(call) => jobs::calls::execute(step, sender, nonce, value, call),
        Call::Disputes(call) => disputes::execute(step, sender, value, call),
        Call::Chain(call) => chain_view(step, call),
        Call::Market(call) => market::calls::execute(step, sender, value, call),
        Call::Claims(call) => claims::calls::execute(step, sender, nonce, value, call),
        Call::Audits(call) => audits::calls::execute(step, sender, value, call),
        Call::Capacity(call) => capacity::calls::execute(step, sender, value, call),
        Call::Staking(call) => staking::calls::execute(step, sender, value, call),
        Call::Rewards(call) => rewards::calls::execute(step, sender, value, call),
        Call::Governance(call) => governance::calls::execute(step, sender, value, call),
    }
}
