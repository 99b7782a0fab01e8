//! Claims in the market: a book a class and window, in the same auction as every other.
//!
//! Bids are for claims of any issuer of that class and window. Offered claims lie with the market's address
//! until they are sold or the order ends.

use alloy_primitives::{Address, U256};
use assay_market::{Side, clear as clear_book};
use assay_types::{ClaimId, Grains, abi::IClaims, system};

use super::{Issuance, ends, tokens};
use crate::{
    keys::ORDER,
    market::{
        Order, Source,
        book::{LedgerBook, rule},
        limits::{self, Backing, Reason, Terms},
        live_class,
        trading::{self, Trading, cost_down},
    },
    money::{OrderPot, Pot, transfer},
    reject::{BrokenInvariant, Done, Failure},
    state::StateRead,
    step::Step,
};

/// Times a book is cleared anew because asks in it stand for claims that are worth nothing any more.
const ROUNDS: usize = 32;

/// What an ask offers.
pub(crate) struct Ask {
    pub(crate) amount: u64,
    pub(crate) price: Grains,
    pub(crate) min_fill: u64,
    pub(crate) expires: u64,
}

/// Offers claims of the sender; the order ends with their last redemption at the latest.
pub(crate) fn sell(step: &mut Step<'_>, sender: Address, id: U256, ask: &Ask) -> Done<u64> {
    let (id, issuance) = Issuance::live(step, id)?;
    if step.env.height() >= issuance.last {
        return Err(Failure::RedemptionLate.into());
    }
    if tokens::balance(&step.state, &id, &sender)? < ask.amount {
        return Err(Failure::ClaimBalance.into());
    }
    let class = live_class(step, id.class)?;
    let terms = Terms {
        class: id.class,
        window: id.window,
        side: Side::Ask,
        price: ask.price,
        quantity: ask.amount,
        min_fill: ask.min_fill,
        expires: ask.expires.min(issuance.last),
    };
    let order = limits::post(step, sender, Backing::sent(sender, 0), class, Source::Claim(id.issuer), &terms)?;
    tokens::transfer(step, sender, &id, sender, system::MARKET, ask.amount)?;
    Ok(order)
}

/// The claims an ask stands for.
pub(crate) fn offered(order: &Order) -> Option<ClaimId> {
    let Source::Claim(issuer) = order.source else { return None };
    Some(ClaimId { class: order.class, window: order.window, issuer })
}

/// An ask stands for another amount: claims move between its owner and the market.
pub(crate) fn resize(step: &mut Step<'_>, order: &Order, quantity: u64) -> Done {
    let Some(id) = offered(order) else { return Ok(()) };
    let (owner, market) = (order.owner, system::MARKET);
    match quantity.checked_sub(order.quantity) {
        Some(more) => tokens::transfer(step, owner, &id, owner, market, more),
        None => tokens::transfer(step, owner, &id, market, owner, order.quantity.saturating_sub(quantity)),
    }
}

/// Clears the book of a window: claims to buyers, the price to sellers.
pub(crate) fn clear(step: &mut Step<'_>, class: u32, window: u32) -> Done {
    if step.env.height() >= ends(&step.env.params, window) {
        return Ok(());
    }
    let trading = Trading::of(step, class, window)?;
    let rule = rule(step, &trading, step.env.ctx.beacon)?;
    for _ in 0..ROUNDS {
        let clearing = clear_book(&LedgerBook { view: &step.state, class, window }, &rule);
        let edges = (clearing.bid.left, clearing.ask.left);
        let Some(price) = clearing.price else {
            return trading::note(step, (class, window), None, 0, None, edges);
        };
        let (bought, sold) = limits::sides(&clearing, &rule);
        let void = void(step, &sold)?;
        if void.is_empty() {
            let volume = bought.iter().map(|(_, quantity)| *quantity).fold(0, u64::saturating_add);
            exchange(step, &bought, &sold, price)?;
            return trading::note(step, (class, window), Some(price), volume, clearing.range, edges);
        }
        for (order, reason) in void {
            limits::end(step, order, reason)?;
        }
    }
    Ok(())
}

/// Asks whose claims can no longer be redeemed: issued more of since, or closed out.
fn void(step: &Step<'_>, sold: &[(u64, u64)]) -> Done<Vec<(u64, Reason)>> {
    let mut void = Vec::new();
    for (order, _) in sold {
        let id = offered(&load(&step.state, *order)?).ok_or(BrokenInvariant::Corrupt(ORDER))?;
        let issuance = Issuance::must(step, &id)?;
        if issuance.is_closed_out() {
            void.push((*order, Reason::ClosedOut));
        } else if step.env.height() >= issuance.last {
            void.push((*order, Reason::Expired));
        }
    }
    Ok(void)
}

fn load(view: &dyn StateRead, order: u64) -> Result<Order, BrokenInvariant> {
    Order::load(view, order)?.ok_or(BrokenInvariant::Missing(ORDER))
}

/// Each seller is paid the price, rounded down, and what a bid does not need goes back to it.
fn exchange(step: &mut Step<'_>, bought: &[(u64, u64)], sold: &[(u64, u64)], price: Grains) -> Done {
    for (bid, ask, amount) in limits::pairs(bought, sold) {
        let (buyer, ask) = (load(&step.state, bid)?.owner, load(&step.state, ask)?);
        let id = offered(&ask).ok_or(BrokenInvariant::Corrupt(ORDER))?;
        let cost = cost_down(price, amount).ok_or(BrokenInvariant::Arithmetic)?;
        transfer(step, Pot::Order(OrderPot::Bid, bid), Pot::Account(ask.owner), cost)?;
        tokens::transfer(step, system::MARKET, &id, system::MARKET, buyer, amount)?;
        let seller = ask.owner;
        step.emit(system::CLAIMS, &IClaims::ClaimSold { id: id.to_u256(), buyer, seller, amount, price });
    }
    for (id, quantity) in bought.iter().chain(sold) {
        limits::reduce(step, *id, *quantity, price)?;
    }
    Ok(())
}
