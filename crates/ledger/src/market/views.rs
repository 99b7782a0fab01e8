//! What the chain answers about its market, and why an order goes unfilled.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use assay_market::{Band, Book, Clearing, Order as Entry, Rule, Side, Sorted, clear};
use assay_types::{
    Grains, Params,
    class::{Class, is_leaf, leaves_under},
    view::{
        BookView, ClassView, ClearedView, EpochView, EstimateView, LevelView, OrderKind, OrderView, PriceRange,
        Unfilled,
    },
};

use super::{
    Order, Source, active,
    book::{Adjusted, LedgerBook},
    epochs,
    trading::{Cleared, Trading, cost_up},
};
use crate::{
    jobs::Job,
    keys::{self, CLEARED, ORDER, OWNED},
    money::{self, OrderPot, Pot},
    reject::BrokenInvariant,
    state::StateRead,
    step::{Tip, keys_under, read},
};

type Read<T> = Result<T, BrokenInvariant>;

/// Price levels of a side that a view shows.
const LEVELS: usize = 50;
/// Orders of a book that one view reads at most.
const MOST_READ: usize = 20_000;

/// The id no order has: that of an order that is only tried.
const TRIED: u64 = u64::MAX;

struct Here<'a> {
    view: &'a dyn StateRead,
    params: Params,
    tip: Tip,
}

impl<'a> Here<'a> {
    fn new(view: &'a dyn StateRead) -> Read<Self> {
        let params = crate::query::params(view).ok_or(BrokenInvariant::NoGenesis)?;
        let tip = read(view, &keys::tip())?.ok_or(BrokenInvariant::NoGenesis)?;
        Ok(Self { view, params, tip })
    }

    fn trading(&self, class: u32, window: u32) -> Read<Trading> {
        Trading::load(self.view, &self.params, class, window)
    }

    fn rule(&self, trading: &Trading) -> Read<Rule> {
        Rule::new(trading.reference, self.params.band_bps, self.tip.beacon).map_err(|_| BrokenInvariant::Arithmetic)
    }

    fn book(&self, class: u32, window: u32) -> LedgerBook<'a> {
        LedgerBook { view: self.view, class, window }
    }
}

fn range(band: Band) -> PriceRange {
    PriceRange { low: band.low, high: band.high }
}

/// All classes, and how they trade.
pub(crate) fn classes(view: &dyn StateRead) -> Read<Vec<ClassView>> {
    let here = Here::new(view)?;
    here.params.classes.iter().map(|class| class_view(&here, class)).collect()
}

fn class_view(here: &Here<'_>, class: &Class) -> Read<ClassView> {
    let trading = here.trading(class.id, 0)?;
    let height = here.tip.height;
    let epoch = EpochView {
        epoch: height.checked_div(u64::from(here.params.epoch_blocks)).unwrap_or_default(),
        open: trading.open,
        high: trading.high,
        low: trading.low,
        close: trading.open.and(trading.last),
        volume: trading.volume,
        turnover: trading.turnover,
        utilisation_bps: trading.utilisation_bps(height),
        index: trading.reference,
        printed: false,
    };
    Ok(ClassView {
        class: class.clone(),
        leaf: is_leaf(&here.params.classes, class),
        leaves: leaves_under(&here.params.classes, class).map(|leaf| leaf.id).collect(),
        reference: trading.reference,
        band: range(here.rule(&trading)?.band()),
        last: trading.last,
        last_height: trading.last.map(|_| trading.last_height),
        capacity: trading.capacity,
        busy: trading.busy,
        bids: trading.bids,
        asks: trading.asks,
        epoch,
    })
}

/// Past epochs of a class, the latest first.
pub(crate) fn prices(view: &dyn StateRead, class: u32, limit: usize) -> Read<Vec<EpochView>> {
    let past = epochs::past(view, class, limit)?;
    Ok(past
        .into_iter()
        .map(|one| EpochView {
            epoch: one.epoch,
            open: one.open,
            high: one.high,
            low: one.low,
            close: one.close,
            volume: one.volume,
            turnover: one.turnover,
            utilisation_bps: one.utilisation_bps,
            index: one.index,
            printed: one.printed,
        })
        .collect())
}

/// A book as it rests; None for an unknown class.
pub(crate) fn book(view: &dyn StateRead, class: u32, window: u32) -> Read<Option<BookView>> {
    let here = Here::new(view)?;
    if active(&here.params, class).is_none() {
        return Ok(None);
    }
    let trading = here.trading(class, window)?;
    let book = here.book(class, window);
    Ok(Some(BookView {
        class,
        window,
        reference: trading.reference,
        band: range(here.rule(&trading)?.band()),
        bids: levels(&book, Side::Bid),
        asks: levels(&book, Side::Ask),
        recent: recent(view, class, window)?,
    }))
}

fn levels(book: &LedgerBook<'_>, side: Side) -> Vec<LevelView> {
    let mut levels: Vec<LevelView> = Vec::new();
    for order in book.best_first(side).take(MOST_READ) {
        let full = levels.len() == LEVELS;
        match levels.last_mut().filter(|level| level.price == order.price) {
            Some(level) => {
                level.quantity = level.quantity.saturating_add(order.quantity);
                level.orders = level.orders.saturating_add(1);
            }
            None if full => break,
            None => levels.push(LevelView { price: order.price, quantity: order.quantity, orders: 1 }),
        }
    }
    levels
}

/// The clearings remembered, the latest first.
fn recent(view: &dyn StateRead, class: u32, window: u32) -> Read<Vec<ClearedView>> {
    let prefix = keys::of_book(CLEARED, class, window);
    let found: Vec<Vec<u8>> = keys_under(view, &prefix).collect();
    let mut all = Vec::new();
    for key in found {
        let one: Cleared = read(view, &key)?.ok_or(BrokenInvariant::Missing(CLEARED))?;
        let Cleared { height, price, volume, best_bid_left, best_ask_left } = one;
        all.push(ClearedView { height, price, volume, best_bid_left, best_ask_left });
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.height));
    Ok(all)
}

/// Open orders, the latest first: all, or those of one owner.
pub(crate) fn orders(view: &dyn StateRead, owner: Option<Address>, limit: usize) -> Read<Vec<OrderView>> {
    let here = Here::new(view)?;
    let prefix = owner.map_or_else(|| vec![ORDER], |owner| keys::of_address(OWNED, &owner));
    let mut ids: Vec<u64> = keys_under(view, &prefix).filter_map(|key| keys::order_at_end(&key)).collect();
    ids.reverse();
    let mut found = Vec::new();
    for id in ids.into_iter().take(limit) {
        found.extend(order_view(&here, id)?);
    }
    Ok(found)
}

/// One open order.
pub(crate) fn order(view: &dyn StateRead, id: u64) -> Read<Option<OrderView>> {
    order_view(&Here::new(view)?, id)
}

fn order_view(here: &Here<'_>, id: u64) -> Read<Option<OrderView>> {
    let Some(order) = Order::load(here.view, id)? else { return Ok(None) };
    let (kind, escrow, limit, opens_at) = match order.source {
        Source::Job(job) => {
            let record = Job::load(here.view, &job)?.ok_or(BrokenInvariant::Missing(keys::JOB))?;
            (OrderKind::Job { job }, money::held(here.view, Pot::Escrow(job))?, record.limit, record.opens_at)
        }
        Source::Ask(_) => (OrderKind::Capacity, 0, 0, 0),
        Source::Limit | Source::Claim(_) => {
            let escrow = money::held(here.view, Pot::Order(OrderPot::Bid, id))?;
            (OrderKind::Limit, escrow, order.price, order.opens_at)
        }
    };
    let class = order.booked.map_or(order.class, |booked| booked.class);
    let price = order.booked.map_or(limit, |booked| booked.price);
    let quantity = order.booked.map_or(order.quantity, |booked| booked.quantity);
    let unfilled = match order.booked {
        Some(_) if order.booked_at == here.tip.height => Some(Unfilled::New),
        Some(booked) => {
            let entry = Entry { id, side: order.side, price, quantity, min_fill: booked.min_fill };
            unfilled(here, class, order.window, &entry)?
        }
        None if opens_at > here.tip.height => Some(Unfilled::Sealed { until: opens_at }),
        None if order.parked.is_some() => Some(Unfilled::Fit),
        None => None,
    };
    Ok(Some(OrderView {
        id,
        owner: order.owner,
        kind,
        class,
        window: order.window,
        bid: order.side == Side::Bid,
        price,
        quantity,
        min_fill: order.min_fill,
        placed_at: order.placed_at,
        expires: order.expires,
        escrow,
        unfilled,
        would_have_cleared_at: recent(here.view, class, order.window)?,
    }))
}

/// The book of a leaf; of an inner class, the leaf under it that offers best to an order of this side.
fn leaf_for(here: &Here<'_>, class: u32, side: Side) -> Read<u32> {
    let Some(named) = active(&here.params, class) else { return Ok(class) };
    let other = if side == Side::Bid { Side::Ask } else { Side::Bid };
    let best = leaves_under(&here.params.classes, named).filter_map(|leaf| {
        let price = here.book(leaf.id, 0).best_first(other).next()?.price;
        Some((if side == Side::Bid { price } else { !price }, leaf.id))
    });
    let first = leaves_under(&here.params.classes, named).map(|leaf| leaf.id).next();
    Ok(best.min().map(|(_, id)| id).or(first).unwrap_or(class))
}

/// What keeps a resting order from being filled, by clearing its book as it stands.
fn unfilled(here: &Here<'_>, class: u32, window: u32, entry: &Entry) -> Read<Option<Unfilled>> {
    let leaf = leaf_for(here, class, entry.side)?;
    let rule = here.rule(&here.trading(leaf, window)?)?;
    let extra = if leaf == class { Vec::new() } else { vec![*entry] };
    let (clearing, got) = tried(here, leaf, window, &rule, extra, entry.id);
    Ok(reason(&rule, &clearing, here.book(leaf, window), entry, got))
}

fn tried(here: &Here<'_>, leaf: u32, window: u32, rule: &Rule, extra: Vec<Entry>, id: u64) -> (Clearing, u64) {
    let extra = Sorted::new(extra).unwrap_or_default();
    let (out, most) = (BTreeSet::new(), BTreeMap::new());
    let clearing = clear(&Adjusted { base: here.book(leaf, window), extra: &extra, out: &out, most: &most }, rule);
    let got = clearing.fills().find(|(_, fill)| fill.id == id).map_or(0, |(_, fill)| fill.quantity);
    (clearing, got)
}

fn reason(rule: &Rule, clearing: &Clearing, book: LedgerBook<'_>, entry: &Entry, got: u64) -> Option<Unfilled> {
    if let Some(offered) = clearing.left_out.get(&entry.id) {
        return Some(Unfilled::MinFill { offered: *offered });
    }
    let band = rule.band();
    if band.effective(entry.side, entry.price).is_none() {
        let by = match entry.side {
            Side::Bid => band.low.saturating_sub(entry.price),
            Side::Ask => entry.price.saturating_sub(band.high),
        };
        return Some(Unfilled::Band { by });
    }
    if got == entry.quantity {
        // It would trade whole: what keeps it is that lots or machines do not fit.
        return Some(Unfilled::Fit);
    }
    if got > 0 {
        return Some(Unfilled::Rationed);
    }
    let (margin, other) = match entry.side {
        Side::Bid => (clearing.ask.left.or(clearing.bid.traded), Side::Ask),
        Side::Ask => (clearing.bid.left.or(clearing.ask.traded), Side::Bid),
    };
    if !book.has(other) {
        return Some(Unfilled::Nobody);
    }
    let by = margin.map_or(0, |margin| margin.abs_diff(entry.price));
    Some(if by == 0 { Unfilled::Rationed } else { Unfilled::Price { by } })
}

/// What a bid or ask would get in the next block. None for an unknown class.
pub(crate) fn estimate(
    view: &dyn StateRead,
    class: u32,
    bid: bool,
    price: Grains,
    quantity: u64,
) -> Read<Option<EstimateView>> {
    let here = Here::new(view)?;
    if active(&here.params, class).is_none() || quantity == 0 || price == 0 {
        return Ok(None);
    }
    let side = if bid { Side::Bid } else { Side::Ask };
    let leaf = leaf_for(&here, class, side)?;
    let trading = here.trading(leaf, 0)?;
    let rule = here.rule(&trading)?;
    let entry = Entry { id: TRIED, side, price, quantity, min_fill: 0 };
    let (clearing, filled) = tried(&here, leaf, 0, &rule, vec![entry], TRIED);
    let unfilled = reason(&rule, &clearing, here.book(leaf, 0), &entry, filled).filter(|_| filled < quantity);
    // The most generous limit there can be says whether any would do; the margin, which one.
    let best = if bid { rule.band().high } else { rule.band().low.max(1) };
    let (most, all) = tried(&here, leaf, 0, &rule, vec![Entry { price: best, ..entry }], TRIED);
    let margin = if bid { most.ask.traded } else { most.bid.traded };
    let enough_at = margin.filter(|_| all == quantity);
    let traded = clearing.price.filter(|_| filled > 0);
    Ok(Some(EstimateView {
        class: leaf,
        wanted: quantity,
        filled,
        price: traded,
        enough_at,
        reference: trading.reference,
        band: range(rule.band()),
        escrow: if bid { cost_up(price, quantity).unwrap_or(Grains::MAX) } else { 0 },
        cost: traded.and_then(|price| cost_up(price, filled)),
        unfilled,
    }))
}
