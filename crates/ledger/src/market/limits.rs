//! Limit orders, in the classes and windows where orders are not jobs and machines: placed, amended,
//! cancelled, expired, filled.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use assay_market::{Clearing, Rule, Side, Sorted, clear};
use assay_types::{
    Grains,
    abi::IMarket,
    class::{Class, Unit, is_leaf},
    system,
};

use super::{
    Order, Source, allotments,
    book::{Adjusted, LedgerBook, rule},
    live_class, orders,
    trading::{self, Trading, cost_up},
};
use crate::{
    claims::{self, Issuance, selling},
    keys::{self, OWNED},
    money::{self, OrderPot, Pot, transfer},
    providers::Provider,
    reject::{BrokenInvariant, Done, Failure, Stop, fits, sane},
    schedule::{self, Due},
    step::{Step, keys_under},
};

/// Why an order is over. Numbers are those of the `OrderClosed` event, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    Filled = 1,
    Cancelled = 2,
    Expired = 3,
    Retired = 4,
    /// The claims it offered were closed out.
    ClosedOut = 5,
}

/// What a new order says.
pub(crate) struct Terms {
    pub(crate) class: u32,
    pub(crate) window: u32,
    pub(crate) side: Side,
    pub(crate) price: Grains,
    pub(crate) quantity: u64,
    pub(crate) min_fill: u64,
    pub(crate) expires: u64,
}

impl TryFrom<&IMarket::placeCall> for Terms {
    type Error = Stop;
    fn try_from(call: &IMarket::placeCall) -> Done<Self> {
        let side = match call.side {
            0 => Side::Bid,
            1 => Side::Ask,
            _ => return Err(Failure::BadSide.into()),
        };
        Ok(Self {
            class: call.class,
            window: call.window,
            side,
            price: call.price,
            quantity: call.quantity,
            min_fill: call.minFill,
            expires: call.expires,
        })
    }
}

/// What a new order's escrow is taken from, and when it takes part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backing {
    pub(crate) pot: Pot,
    pub(crate) value: Grains,
    /// Of a sealed order, which locked value whatever its side; 0: at once.
    pub(crate) opens_at: u64,
}

impl Backing {
    /// Value sent along.
    pub(crate) fn sent(sender: Address, value: Grains) -> Self {
        Self { pot: Pot::Account(sender), value, opens_at: 0 }
    }

    fn is_sealed(&self) -> bool {
        self.opens_at > 0
    }
}

fn check(step: &Step<'_>, class: &Class, price: Grains, quantity: u64, expires: u64) -> Done {
    if price == 0 || price.checked_rem(class.tick) != Some(0) {
        return Err(Failure::OffTick.into());
    }
    if quantity == 0 || quantity.checked_rem(class.min_quantity) != Some(0) {
        return Err(Failure::BelowMinimum.into());
    }
    let height = step.env.height();
    if expires <= height || expires > step.env.after(step.env.params.max_order_lifetime) {
        return Err(Failure::Expired.into());
    }
    Ok(())
}

/// Places an order; it takes part from the next block on. One in a window ends with it at the latest.
pub(crate) fn place(step: &mut Step<'_>, sender: Address, backing: Backing, mut terms: Terms) -> Done<u64> {
    let class = live_class(step, terms.class)?;
    let ends = claims::ends(&step.env.params, terms.window);
    match (class.unit == Unit::Gigafuel, terms.window) {
        (true, 0) => return Err(Failure::WrongClass.into()),
        (false, 0) => {}
        (false, _) => return Err(Failure::WindowClosed.into()),
        (true, _) if terms.side == Side::Ask => return Err(Failure::SellClaims.into()),
        (true, _) if !is_leaf(&step.env.params.classes, class) => return Err(Failure::NotLeaf.into()),
        (true, _) if ends <= step.env.height() => return Err(Failure::WindowClosed.into()),
        (true, _) => terms.expires = terms.expires.min(ends),
    }
    post(step, sender, backing, class, Source::Limit, &terms)
}

/// Opens an order of limit and quantity of its own.
pub(crate) fn post(
    step: &mut Step<'_>,
    sender: Address,
    backing: Backing,
    class: &Class,
    source: Source,
    terms: &Terms,
) -> Done<u64> {
    check(step, class, terms.price, terms.quantity, terms.expires)?;
    if backing.is_sealed() && terms.expires <= backing.opens_at.saturating_add(1) {
        // It would be over before it took part, and cost nothing.
        return Err(Failure::SealedStands.into());
    }
    if terms.min_fill > terms.quantity {
        return Err(Failure::MinFillTooLarge.into());
    }
    let mut trading = Trading::of(step, terms.class, terms.window)?;
    if terms.min_fill > 0 && trading.min_fills >= step.env.params.max_min_fills_per_book {
        return Err(Failure::TooManyMinFills.into());
    }
    if terms.side == Side::Ask && source == Source::Limit {
        if backing.value != 0 && !backing.is_sealed() {
            return Err(Failure::NotPayable.into());
        }
        if !is_leaf(&step.env.params.classes, class) {
            return Err(Failure::NotLeaf.into());
        }
        Provider::load(&step.state, &sender)?.ok_or(Failure::UnknownProvider)?;
    }
    no_self_trade(step, &sender, None, terms)?;
    let id = orders::open(step, sender, source, terms.side, terms.class, terms.expires)?;
    if terms.side == Side::Bid || backing.is_sealed() {
        let escrow = fits(cost_up(terms.price, terms.quantity))?;
        if backing.value < escrow {
            return Err(Failure::ValueTooLow.into());
        }
        if terms.side == Side::Bid {
            transfer(step, backing.pot, Pot::Order(OrderPot::Bid, id), escrow)?;
        }
    }
    let mut order = Order::load(&step.state, id)?.ok_or(BrokenInvariant::Missing(keys::ORDER))?;
    (order.window, order.opens_at) = (terms.window, backing.opens_at);
    (order.price, order.quantity, order.min_fill) = (terms.price, terms.quantity, terms.min_fill);
    order.store(step, id);
    if terms.min_fill > 0 {
        // Counted from here on, not when it comes into the book: one block holds many orders.
        trading.min_fills = sane(trading.min_fills.checked_add(1))?;
        trading.store(step, terms.class, terms.window);
    }
    schedule::at(step, terms.expires, Due::Order(id));
    if backing.is_sealed() {
        schedule::at(step, backing.opens_at, Due::Order(id));
    }
    step.emit(
        system::MARKET,
        &IMarket::OrderPlaced {
            id,
            owner: sender,
            class: terms.class,
            window: terms.window,
            side: terms.side as u8,
            price: terms.price,
            quantity: terms.quantity,
            minFill: terms.min_fill,
            expires: terms.expires,
        },
    );
    Ok(id)
}

/// An account does not trade with itself: it would set a price that nobody pays.
fn no_self_trade(step: &Step<'_>, sender: &Address, except: Option<u64>, terms: &Terms) -> Done {
    let prefix = keys::of_address(OWNED, sender);
    for id in
        keys_under(&step.state, &prefix).filter_map(|key| keys::order_at_end(&key)).filter(|id| Some(*id) != except)
    {
        let Some(other) = Order::load(&step.state, id)? else { continue };
        let same = other.source.is_placed() && (other.class, other.window) == (terms.class, terms.window);
        let crosses = match terms.side {
            Side::Bid => other.side == Side::Ask && other.price <= terms.price,
            Side::Ask => other.side == Side::Bid && other.price >= terms.price,
        };
        if same && crosses {
            return Err(Failure::SelfTrade.into());
        }
    }
    Ok(())
}

/// A limit order that is open and the sender's.
fn own(step: &Step<'_>, sender: &Address, id: u64) -> Done<Order> {
    let order = Order::load(&step.state, id)?.filter(|order| order.source.is_placed());
    let order = order.ok_or(Failure::UnknownOrder)?;
    if order.owner != *sender {
        return Err(Failure::NotOwner.into());
    }
    Ok(order)
}

/// Changes an order; what a bid needs less comes back at once.
pub(crate) fn amend(
    step: &mut Step<'_>,
    sender: Address,
    value: u128,
    id: u64,
    (price, quantity, mut expires): (Grains, u64, u64),
) -> Done {
    let mut order = own(step, &sender, id)?;
    if order.must_stand(step.env.height()) {
        return Err(Failure::SealedStands.into());
    }
    let class = live_class(step, order.class)?;
    if order.window != 0 {
        expires = expires.min(claims::ends(&step.env.params, order.window));
    }
    if let Some(claim) = selling::offered(&order) {
        let (_, issuance) = Issuance::live(step, claim.to_u256())?;
        expires = expires.min(issuance.last);
    }
    check(step, class, price, quantity, expires)?;
    let Order { class, window, side, min_fill, .. } = order;
    no_self_trade(step, &sender, Some(id), &Terms { class, window, side, price, quantity, min_fill, expires })?;
    if side == Side::Bid {
        let (pot, needed) = (Pot::Order(OrderPot::Bid, id), fits(cost_up(price, quantity))?);
        let held = money::held(&step.state, pot)?;
        match needed.checked_sub(held) {
            Some(more) if more > value => return Err(Failure::ValueTooLow.into()),
            Some(more) => transfer(step, Pot::Account(sender), pot, more)?,
            None => transfer(step, pot, Pot::Account(sender), held.saturating_sub(needed))?,
        }
    } else if value != 0 {
        return Err(Failure::NotPayable.into());
    }
    selling::resize(step, &order, quantity)?;
    if order.expires != expires {
        schedule::cancel(step, order.expires, &Due::Order(id));
        schedule::at(step, expires, Due::Order(id));
    }
    (order.price, order.quantity, order.expires) = (price, quantity, expires);
    order.min_fill = order.min_fill.min(quantity);
    order.store(step, id);
    orders::touch(step, id);
    step.emit(system::MARKET, &IMarket::OrderAmended { id, price, quantity, expires });
    Ok(())
}

/// Takes an order back.
pub(crate) fn cancel(step: &mut Step<'_>, sender: Address, id: u64) -> Done {
    if own(step, &sender, id)?.must_stand(step.env.height()) {
        return Err(Failure::SealedStands.into());
    }
    end(step, id, Reason::Cancelled)
}

/// Closes an order; what is behind it goes back.
pub(crate) fn end(step: &mut Step<'_>, id: u64, reason: Reason) -> Done {
    let Some(order) = Order::load(&step.state, id)? else { return Ok(()) };
    let pot = Pot::Order(OrderPot::Bid, id);
    let refunded = money::held(&step.state, pot)?;
    transfer(step, pot, Pot::Account(order.owner), refunded)?;
    selling::resize(step, &order, 0)?;
    schedule::cancel(step, order.expires, &Due::Order(id));
    if order.min_fill > 0 {
        let mut trading = Trading::of(step, order.class, order.window)?;
        trading.min_fills = sane(trading.min_fills.checked_sub(1))?;
        trading.store(step, order.class, order.window);
    }
    orders::close(step, id)?;
    step.emit(system::MARKET, &IMarket::OrderClosed { id, reason: reason as u8, refunded });
    Ok(())
}

/// Clears a book of limit orders: what trades becomes allotments between those who traded.
pub(crate) fn clear_book(step: &mut Step<'_>, class: u32, window: u32, extra: &Sorted) -> Done {
    let trading = Trading::of(step, class, window)?;
    let rule = rule(step, &trading, step.env.ctx.beacon)?;
    let base = LedgerBook { view: &step.state, class, window };
    let (out, most) = (BTreeSet::new(), BTreeMap::new());
    let clearing = clear(&Adjusted { base, extra, out: &out, most: &most }, &rule);
    let edges = (clearing.bid.left, clearing.ask.left);
    let Some(price) = clearing.price else {
        return trading::note(step, (class, window), None, 0, None, edges);
    };
    let (bought, sold) = sides(&clearing, &rule);
    let volume: u64 = bought.iter().map(|(_, quantity)| *quantity).fold(0, u64::saturating_add);
    for (bid, ask, quantity) in pairs(&bought, &sold) {
        let seller = Order::load(&step.state, ask)?.ok_or(BrokenInvariant::Missing(keys::ORDER))?.owner;
        allotments::open(step, class, bid, seller, quantity, price)?;
        trading::sold(step, class, &seller, price, quantity)?;
    }
    for (id, quantity) in bought.into_iter().chain(sold) {
        reduce(step, id, quantity, price)?;
    }
    trading::note(step, (class, window), Some(price), volume, clearing.range, edges)
}

/// Orders and how much of each was filled.
pub(crate) type Filled = Vec<(u64, u64)>;

/// What was bought and what was sold by which order, each in tie order.
pub(crate) fn sides(clearing: &Clearing, rule: &Rule) -> (Filled, Filled) {
    let (mut bought, mut sold) = (Vec::new(), Vec::new());
    for (side, fill) in clearing.fills() {
        match side {
            Side::Bid => bought.push((fill.id, fill.quantity)),
            Side::Ask => sold.push((fill.id, fill.quantity)),
        }
    }
    for list in [&mut bought, &mut sold] {
        list.sort_by_cached_key(|(id, _)| rule.tie(*id));
    }
    (bought, sold)
}

/// Who trades with whom: both lists side by side, each cut where the other ends.
pub(crate) fn pairs(bought: &[(u64, u64)], sold: &[(u64, u64)]) -> Vec<(u64, u64, u64)> {
    let (mut pairs, mut bids, mut asks) = (Vec::new(), bought.iter().copied(), sold.iter().copied());
    let (mut bid, mut ask) = (bids.next(), asks.next());
    while let (Some((buyer, wants)), Some((seller, has))) = (bid, ask) {
        let quantity = wants.min(has);
        pairs.push((buyer, seller, quantity));
        bid = if wants > quantity { Some((buyer, wants.saturating_sub(quantity))) } else { bids.next() };
        ask = if has > quantity { Some((seller, has.saturating_sub(quantity))) } else { asks.next() };
    }
    pairs
}

/// Takes what was filled from an order, and returns what a bid no longer needs.
pub(crate) fn reduce(step: &mut Step<'_>, id: u64, filled: u64, price: Grains) -> Done {
    let mut order = Order::load(&step.state, id)?.ok_or(BrokenInvariant::Missing(keys::ORDER))?;
    order.quantity = sane(order.quantity.checked_sub(filled))?;
    if order.quantity > 0 {
        order.min_fill = order.min_fill.min(order.quantity);
    }
    order.store(step, id);
    orders::touch(step, id);
    step.emit(system::MARKET, &IMarket::OrderFilled { id, price, quantity: filled, left: order.quantity });
    if order.quantity == 0 {
        return end(step, id, Reason::Filled);
    }
    if order.side == Side::Bid {
        let pot = Pot::Order(OrderPot::Bid, id);
        let needed = sane(cost_up(order.price, order.quantity))?;
        let surplus = sane(money::held(&step.state, pot)?.checked_sub(needed))?;
        transfer(step, pot, Pot::Account(order.owner), surplus)?;
    }
    Ok(())
}
