//! Answers calls of `IMarket`.

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use assay_market::Rule;
use assay_types::abi::IMarket::{self, IMarketCalls};

use super::{
    Order, allotments,
    limits::{self, Backing},
    live_class, sealed,
    trading::Trading,
};
use crate::{
    reject::{BrokenInvariant, Done, Failure},
    step::Step,
};

/// Answers a call of `IMarket`; returns its ABI-encoded return data.
pub(crate) fn execute(step: &mut Step<'_>, sender: Address, value: u128, call: &IMarketCalls) -> Done<Bytes> {
    let payable = matches!(call, IMarketCalls::place(_) | IMarketCalls::seal(_) | IMarketCalls::amend(_));
    if value != 0 && !payable {
        return Err(Failure::NotPayable.into());
    }
    match call {
        IMarketCalls::place(call) => {
            let id = limits::place(step, sender, Backing::sent(sender, value), limits::Terms::try_from(call)?)?;
            return Ok(IMarket::placeCall::abi_encode_returns(&id).into());
        }
        IMarketCalls::seal(call) => sealed::seal(step, sender, value, sealed::Kind::Order, call.commitment)?,
        IMarketCalls::openSealed(call) => {
            let id = sealed::open_order(step, sender, call)?;
            return Ok(IMarket::openSealedCall::abi_encode_returns(&id).into());
        }
        IMarketCalls::amend(call) => {
            limits::amend(step, sender, value, call.id, (call.price, call.quantity, call.expires))?;
        }
        IMarketCalls::cancel(call) => limits::cancel(step, sender, call.id)?,
        IMarketCalls::serve(call) => allotments::serve(step, sender, call.allotment, call.served, &call.signature)?,
        IMarketCalls::order(call) => return order(step, call.id),
        IMarketCalls::quote(call) => return quote(step, call.class, call.window),
    }
    Ok(Bytes::new())
}

fn order(step: &Step<'_>, id: u64) -> Done<Bytes> {
    let order = Order::load(&step.state, id)?.ok_or(Failure::UnknownOrder)?;
    let (class, price, quantity, min_fill) = match order.booked {
        Some(booked) => (booked.class, booked.price, booked.quantity, booked.min_fill),
        None => (order.class, order.price, order.quantity, order.min_fill),
    };
    let answer = IMarket::orderReturn {
        owner: order.owner,
        class,
        window: order.window,
        side: order.side as u8,
        price,
        quantity,
        minFill: min_fill,
        expires: order.expires,
    };
    Ok(IMarket::orderCall::abi_encode_returns(&answer).into())
}

fn quote(step: &Step<'_>, class: u32, window: u32) -> Done<Bytes> {
    live_class(step, class)?;
    let trading = Trading::of(step, class, window)?;
    let rule = Rule::new(trading.reference, step.env.params.band_bps, Default::default())
        .map_err(|_| BrokenInvariant::Arithmetic)?;
    let answer = IMarket::quoteReturn {
        index: trading.reference,
        low: rule.band().low,
        high: rule.band().high,
        last: trading.last.unwrap_or_default(),
        height: trading.last_height,
    };
    Ok(IMarket::quoteCall::abi_encode_returns(&answer).into())
}
