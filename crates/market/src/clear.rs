//! One clearing of one book.

use std::{cmp::Reverse, collections::BTreeMap, iter::Peekable};

use alloy_primitives::B256;

use crate::{
    book::Book,
    math::mul_div,
    order::{Order, Rule, Side},
};

/// Clearings in which only the worst violator of a minimum fill is left out; after them all are.
const SINGLE_PASSES: u32 = 8;

/// What an order got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Which.
    pub id: u64,
    /// Units.
    pub quantity: u64,
}

/// Where one side of a clearing ended. Prices are effective ones, moved to the band's edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Margin {
    /// Worst price that traded.
    pub traded: Option<u128>,
    /// Best price that is not wholly filled.
    pub left: Option<u128>,
}

/// The outcome of a clearing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clearing {
    /// The price of all trades; none without a trade.
    pub price: Option<u128>,
    /// Units traded.
    pub volume: u128,
    /// Lowest and highest price that would have cleared the same volume.
    pub range: Option<(u128, u128)>,
    /// Where the bids ended.
    pub bid: Margin,
    /// Where the asks ended.
    pub ask: Margin,
    bids: Vec<Fill>,
    asks: Vec<Fill>,
    /// Orders left out because of their minimum fill, and what they would have got.
    pub left_out: BTreeMap<u64, u64>,
}

impl Clearing {
    /// All fills, best order first, bids before asks.
    pub fn fills(&self) -> impl Iterator<Item = (Side, Fill)> {
        let of = |side: Side| move |fill: &Fill| (side, *fill);
        self.bids.iter().map(of(Side::Bid)).chain(self.asks.iter().map(of(Side::Ask)))
    }
}

/// Clears a book at one price.
///
/// Orders with a minimum fill that got less, but something, are left out and the rest is cleared again:
/// first one at a time, the one that fell short by the most units (of equals the last in tie order), at
/// most eight times, then all that fall short, until none does. Volume is maximal only without them.
///
/// The cost follows what trades and the size of the marginal price, times the passes; orders that rest
/// behind them are not looked at.
pub fn clear(book: &impl Book, rule: &Rule) -> Clearing {
    let mut left_out = BTreeMap::new();
    let mut passes = 0_u32;
    loop {
        let walk = Walk::over(book, rule, &left_out);
        let [bids, asks] = [&walk.bids, &walk.asks].map(|side| side.margin_fills(rule));
        let mut short: Vec<(&Order, u64)> = bids
            .iter()
            .chain(&asks)
            .filter(|(order, got)| *got > 0 && *got < order.min_fill)
            .map(|(order, got)| (order, *got))
            .collect();
        if short.is_empty() {
            return walk.finish(rule, &bids, &asks, left_out);
        }
        if passes < SINGLE_PASSES {
            let by = |(order, got): &(&Order, u64)| (order.min_fill.saturating_sub(*got), rule.tie(order.id));
            short.sort_by_cached_key(|one| Reverse(by(one)));
            short.truncate(1);
        }
        // Each pass leaves somebody out, so there is a last one.
        left_out.extend(short.into_iter().map(|(order, got)| (order.id, got)));
        passes = passes.saturating_add(1);
    }
}

/// Orders of one effective price.
#[derive(Default)]
struct Level {
    price: u128,
    orders: Vec<Order>,
    quantity: u128,
    /// Units that did not trade.
    left: u128,
}

/// One side under way: whole levels behind, the current one, and what comes.
struct Ladder<I: Iterator<Item = (u128, Order)>> {
    ahead: Peekable<I>,
    whole: Vec<Fill>,
    level: Level,
}

/// One side when the walk is over.
struct Ended {
    whole: Vec<Fill>,
    level: Level,
    margin: Margin,
}

impl<I: Iterator<Item = (u128, Order)>> Ladder<I> {
    fn new(ahead: I) -> Self {
        Self { ahead: ahead.peekable(), whole: Vec::new(), level: Level::default() }
    }

    /// The best price with units left.
    fn price(&mut self) -> Option<u128> {
        if self.level.left > 0 {
            return Some(self.level.price);
        }
        self.ahead.peek().map(|(price, _)| *price)
    }

    /// Gathers the next level if the current one is used up.
    fn step(&mut self) {
        if self.level.left > 0 {
            return;
        }
        self.pass();
        let Some((price, first)) = self.ahead.next() else { return };
        let mut orders = vec![first];
        while let Some((_, order)) = self.ahead.next_if(|(next, _)| *next == price) {
            orders.push(order);
        }
        let quantity = orders.iter().map(|order| u128::from(order.quantity)).sum();
        self.level = Level { price, orders, quantity, left: quantity };
    }

    /// Files the current level, all of which traded.
    fn pass(&mut self) {
        let orders = std::mem::take(&mut self.level.orders);
        self.whole.extend(orders.iter().map(|order| Fill { id: order.id, quantity: order.quantity }));
    }

    fn end(mut self) -> Ended {
        let left = self.price();
        let traded = (self.level.quantity > 0).then_some(self.level.price);
        if self.level.left == 0 {
            self.pass();
        }
        Ended { whole: self.whole, level: self.level, margin: Margin { traded, left } }
    }
}

impl Ended {
    /// What the orders of a level that traded in part got: pro rata, rounded down, and what that leaves
    /// a unit each in tie order.
    fn margin_fills(&self, rule: &Rule) -> Vec<(Order, u64)> {
        let Level { orders, quantity, left, .. } = &self.level;
        let traded = quantity.saturating_sub(*left);
        let mut fills: Vec<(Order, u64)> = orders
            .iter()
            .map(|order| {
                let share = mul_div(u128::from(order.quantity), traded, *quantity);
                (*order, u64::try_from(share).unwrap_or(order.quantity))
            })
            .collect();
        let given: u128 = fills.iter().map(|(_, got)| u128::from(*got)).sum();
        let over = usize::try_from(traded.saturating_sub(given)).unwrap_or(usize::MAX);
        if over > 0 {
            let mut ranks: Vec<(B256, usize)> =
                fills.iter().enumerate().map(|(at, (order, _))| (rule.tie(order.id), at)).collect();
            ranks.sort_unstable();
            for (_, at) in ranks.into_iter().take(over) {
                if let Some((_, got)) = fills.get_mut(at) {
                    *got = got.saturating_add(1);
                }
            }
        }
        fills
    }
}

/// A walk of both sides up to where they no longer cross.
struct Walk {
    bids: Ended,
    asks: Ended,
    volume: u128,
}

impl Walk {
    fn over(book: &impl Book, rule: &Rule, left_out: &BTreeMap<u64, u64>) -> Self {
        let side = |side: Side| {
            book.best_first(side)
                .map_while(move |order| Some((rule.band().effective(side, order.price)?, order)))
                .filter(|(_, order)| left_out.is_empty() || !left_out.contains_key(&order.id))
        };
        let (mut bids, mut asks) = (Ladder::new(side(Side::Bid)), Ladder::new(side(Side::Ask)));
        let mut volume = 0_u128;
        while let (Some(bid), Some(ask)) = (bids.price(), asks.price())
            && bid >= ask
        {
            bids.step();
            asks.step();
            let traded = bids.level.left.min(asks.level.left);
            bids.level.left = bids.level.left.saturating_sub(traded);
            asks.level.left = asks.level.left.saturating_sub(traded);
            volume = volume.saturating_add(traded);
        }
        Self { bids: bids.end(), asks: asks.end(), volume }
    }

    fn finish(
        self,
        rule: &Rule,
        bids: &[(Order, u64)],
        asks: &[(Order, u64)],
        left_out: BTreeMap<u64, u64>,
    ) -> Clearing {
        let Self {
            bids: Ended { whole: mut bought, margin: bid, .. },
            asks: Ended { whole: mut sold, margin: ask, .. },
            volume,
        } = self;
        for (whole, margin) in [(&mut bought, bids), (&mut sold, asks)] {
            let traded = margin.iter().filter(|(_, got)| *got > 0);
            whole.extend(traded.map(|(order, got)| Fill { id: order.id, quantity: *got }));
        }
        let range = bid.traded.zip(ask.traded).map(|(worst_bid, worst_ask)| {
            (worst_ask.max(bid.left.unwrap_or(0)), worst_bid.min(ask.left.unwrap_or(u128::MAX)))
        });
        // The walk ends where they cross, so the range is never empty.
        let price = range.map(|(low, high)| rule.reference().max(low).min(high));
        Clearing { price, volume, range, bid, ask, bids: bought, asks: sold, left_out }
    }
}
