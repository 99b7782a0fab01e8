//! Answers calls of `IClaims`.

use alloy_primitives::{Address, Bytes, FixedBytes, U256};
use alloy_sol_types::SolCall;
use assay_types::{
    JobSpec,
    abi::IClaims::{self, IClaimsCalls},
};

use super::{issue, margin, redeem, selling, tokens, views};
use crate::{
    reject::{Done, Failure},
    step::Step,
};

/// ERC-165 itself, ERC-1155, and its metadata.
const INTERFACES: [[u8; 4]; 3] = [[0x01, 0xff, 0xc9, 0xa7], [0xd9, 0xb6, 0x7a, 0x26], [0x0e, 0x89, 0x34, 0x1c]];

/// Answers a call of `IClaims`; returns its ABI-encoded return data.
pub(crate) fn execute(
    step: &mut Step<'_>,
    sender: Address,
    nonce: u64,
    value: u128,
    call: &IClaimsCalls,
) -> Done<Bytes> {
    let payable = matches!(call, IClaimsCalls::issue(_) | IClaimsCalls::topUp(_) | IClaimsCalls::takeOver(_));
    if value != 0 && !payable {
        return Err(Failure::NotPayable.into());
    }
    match call {
        IClaimsCalls::issue(call) => {
            let offer = issue::Offer {
                class: call.class,
                window: call.window,
                amount: call.amount,
                price: call.issuePrice,
                max_rate: call.maxRate,
            };
            let id = issue::issue(step, sender, value, &offer)?;
            return Ok(IClaims::issueCall::abi_encode_returns(&id).into());
        }
        IClaimsCalls::sell(call) => {
            let ask =
                selling::Ask { amount: call.amount, price: call.price, min_fill: call.minFill, expires: call.expires };
            let order = selling::sell(step, sender, call.id, &ask)?;
            return Ok(IClaims::sellCall::abi_encode_returns(&order).into());
        }
        IClaimsCalls::redeem(call) => {
            let spec = JobSpec::from(call.spec.clone());
            let job = redeem::redeem(step, sender, nonce, call.id, call.amount, &spec)?;
            return Ok(IClaims::redeemCall::abi_encode_returns(&job).into());
        }
        IClaimsCalls::topUp(call) => issue::top_up(step, sender, value, call.id)?,
        IClaimsCalls::withdrawSurplus(call) => issue::withdraw_surplus(step, sender, call.id)?,
        IClaimsCalls::takeOver(call) => margin::take_over(step, sender, value, call.id)?,
        IClaimsCalls::collect(call) => margin::collect(step, sender, call.id, call.holder)?,
        IClaimsCalls::setApprovalForAll(call) => tokens::approve(step, sender, call.operator, call.approved),
        IClaimsCalls::safeTransferFrom(call) => {
            tokens::send(step, sender, call.from, call.to, call.id, call.amount)?;
        }
        IClaimsCalls::safeBatchTransferFrom(call) => {
            tokens::send_batch(step, sender, call.from, call.to, &call.ids, &call.amounts)?;
        }
        _ => return view(step, call),
    }
    Ok(Bytes::new())
}

fn view(step: &Step<'_>, call: &IClaimsCalls) -> Done<Bytes> {
    let state = &step.state;
    Ok(match call {
        IClaimsCalls::balanceOf(call) => {
            let held = tokens::balance_of(state, &call.account, call.id)?;
            IClaims::balanceOfCall::abi_encode_returns(&held)
        }
        IClaimsCalls::balanceOfBatch(call) => {
            if call.accounts.len() != call.ids.len() {
                return Err(Failure::BatchLength.into());
            }
            let pairs = call.accounts.iter().zip(&call.ids);
            let held: Result<Vec<U256>, _> = pairs.map(|(who, id)| tokens::balance_of(state, who, *id)).collect();
            IClaims::balanceOfBatchCall::abi_encode_returns(&held?)
        }
        IClaimsCalls::isApprovedForAll(call) => {
            let approved = tokens::is_approved(state, &call.account, &call.operator);
            IClaims::isApprovedForAllCall::abi_encode_returns(&approved)
        }
        IClaimsCalls::uri(call) => IClaims::uriCall::abi_encode_returns(&views::uri_of(step, call.id)?),
        IClaimsCalls::supportsInterface(call) => {
            let known = INTERFACES.iter().any(|one| FixedBytes(*one) == call.interfaceId);
            IClaims::supportsInterfaceCall::abi_encode_returns(&known)
        }
        IClaimsCalls::issuance(call) => views::issuance_call(step, call.id)?,
        // All others change something and were answered by `execute`.
        _ => Vec::new(),
    }
    .into())
}

/// Whether a call only reads.
pub(crate) fn is_view(call: &IClaimsCalls) -> bool {
    matches!(
        call,
        IClaimsCalls::balanceOf(_)
            | IClaimsCalls::balanceOfBatch(_)
            | IClaimsCalls::isApprovedForAll(_)
            | IClaimsCalls::uri(_)
            | IClaimsCalls::supportsInterface(_)
            | IClaimsCalls::issuance(_)
    )
}
