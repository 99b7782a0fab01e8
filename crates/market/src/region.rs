//! Orders that name a place, and orders that name only a part of the world.
//!
//! Regions are a tree written as paths, `eu/west/fra`. An order that names a leaf lies in that leaf's
//! book; one that names an inner node floats: it is placed in the leaf under it where, as things stand,
//! its next unit trades best, and then takes part there as any other. So each leaf clears at one price,
//! and an order never trades in two.

use std::collections::BTreeMap;

use crate::{
    book::{Book, Sorted},
    clear::{Clearing, clear},
    order::{Order, OrderError, Rule, Side},
};

/// A leaf of the tree with its orders and the rule of its clearing.
pub struct Leaf<'a, B> {
    /// Its path.
    pub path: &'a str,
    /// Orders that name it.
    pub book: &'a B,
    /// Its reference, band and beacon.
    pub rule: Rule,
}

/// An order that may trade in any leaf under a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floating {
    /// The order.
    pub order: Order,
    /// Path of the node; empty for the whole world.
    pub region: String,
}

/// A clearing of all leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Regional {
    /// Clearings, in the order of the leaves.
    pub leaves: Vec<Clearing>,
    /// Index of the leaf in which each floating order took part; those without a leaf under their node
    /// are missing.
    pub placed: BTreeMap<u64, usize>,
}

/// Whether `path` is the node `region` or lies under it.
pub fn lies_in(path: &str, region: &str) -> bool {
    region.is_empty() || path.strip_prefix(region).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Places floating orders, then clears the leaves.
///
/// Asks are placed first, then bids, each the most generous first and equals in tie order of the first
/// leaf's beacon. An order goes where the next unit of the other side that the provisional clearing and
/// the orders placed before it leave is priced best for it; of equal leaves to the one whose path
/// comes first.
pub fn clear_regions<B: Book>(leaves: &[Leaf<'_, B>], floating: &[Floating]) -> Result<Regional, OrderError> {
    let mut extra: Vec<Vec<Order>> = leaves.iter().map(|_| Vec::new()).collect();
    let mut placed = BTreeMap::new();
    for side in [Side::Ask, Side::Bid] {
        let with = joined(leaves, &extra)?;
        let mut depths: Vec<Depth<'_>> =
            leaves.iter().zip(&with).map(|(leaf, book)| Depth::behind(book, &leaf.rule, side)).collect();
        for one in in_turn(leaves, floating, side) {
            let under = |at: &usize| leaves.get(*at).is_some_and(|leaf| lies_in(leaf.path, &one.region));
            let best = (0..leaves.len()).filter(under).min_by_key(|at| {
                let price = depths.get_mut(*at).and_then(Depth::price);
                let rank = match (side, price) {
                    (_, None) => u128::MAX,
                    (Side::Bid, Some(price)) => price,
                    (Side::Ask, Some(price)) => !price,
                };
                (rank, leaves.get(*at).map(|leaf| leaf.path))
            });
            let Some(best) = best else { continue };
            placed.insert(one.order.id, best);
            if let Some(depth) = depths.get_mut(best) {
                depth.take(&one.order);
            }
            if let Some(orders) = extra.get_mut(best) {
                orders.push(one.order);
            }
        }
    }
    let with = joined(leaves, &extra)?;
    let cleared = leaves.iter().zip(&with).map(|(leaf, book)| clear(book, &leaf.rule)).collect();
    Ok(Regional { leaves: cleared, placed })
}

/// Floating orders of a side, the most generous first.
fn in_turn<'a, B>(leaves: &[Leaf<'_, B>], floating: &'a [Floating], side: Side) -> Vec<&'a Floating> {
    let mut turn: Vec<&Floating> = floating.iter().filter(|one| one.order.side == side).collect();
    let rank = |order: &Order| if side == Side::Bid { !order.price } else { order.price };
    turn.sort_by_cached_key(|one| (rank(&one.order), leaves.first().map(|leaf| leaf.rule.tie(one.order.id))));
    turn
}

fn joined<'a, B: Book>(leaves: &[Leaf<'a, B>], extra: &[Vec<Order>]) -> Result<Vec<Joined<'a, B>>, OrderError> {
    let one = |(leaf, extra): (&Leaf<'a, B>, &Vec<Order>)| {
        Ok(Joined { base: leaf.book, extra: Sorted::new(extra.iter().copied())? })
    };
    leaves.iter().zip(extra).map(one).collect()
}

/// A leaf's own orders and those placed in it.
struct Joined<'a, B> {
    base: &'a B,
    extra: Sorted,
}

impl<B: Book> Book for Joined<'_, B> {
    fn best_first(&self, side: Side) -> impl Iterator<Item = Order> {
        let rank = move |order: &Order| (if side == Side::Bid { !order.price } else { order.price }, order.id);
        let (mut base, mut extra) = (self.base.best_first(side).peekable(), self.extra.best_first(side).peekable());
        std::iter::from_fn(move || match (base.peek(), extra.peek()) {
            (Some(one), Some(other)) if rank(other) < rank(one) => extra.next(),
            (None, _) => extra.next(),
            _ => base.next(),
        })
    }
}

/// What a provisional clearing leaves of the side that orders of `side` would trade with, best first.
struct Depth<'a> {
    ahead: std::iter::Peekable<Box<dyn Iterator<Item = (u128, u64)> + 'a>>,
    /// Units already taken of the next order.
    taken: u128,
}

impl<'a> Depth<'a> {
    fn behind<B: Book>(book: &'a Joined<'_, B>, rule: &Rule, side: Side) -> Self {
        let other = if side == Side::Bid { Side::Ask } else { Side::Bid };
        let provisional = clear(book, rule);
        let (band, left_out) = (rule.band(), provisional.left_out);
        let ahead = book
            .best_first(other)
            .map_while(move |order| Some((band.effective(other, order.price)?, order)))
            .filter(move |(_, order)| !left_out.contains_key(&order.id))
            .map(|(price, order)| (price, order.quantity));
        let ahead: Box<dyn Iterator<Item = (u128, u64)> + 'a> = Box::new(ahead);
        let mut depth = Self { ahead: ahead.peekable(), taken: 0 };
        depth.pass(provisional.volume);
        depth
    }

    fn price(&mut self) -> Option<u128> {
        self.ahead.peek().map(|(price, _)| *price)
    }

    /// Passes units, whatever their price.
    fn pass(&mut self, units: u128) {
        self.taken = self.taken.saturating_add(units);
        while let Some((_, quantity)) = self.ahead.peek()
            && self.taken >= u128::from(*quantity)
        {
            self.taken = self.taken.saturating_sub(u128::from(*quantity));
            self.ahead.next();
        }
    }

    /// Takes what an order would trade.
    fn take(&mut self, order: &Order) {
        let mut wanted = u128::from(order.quantity);
        while wanted > 0
            && let Some((price, quantity)) = self.ahead.peek().copied()
        {
            let crosses = if order.side == Side::Bid { price <= order.price } else { price >= order.price };
            if !crosses {
                return;
            }
            let units = wanted.min(u128::from(quantity).saturating_sub(self.taken));
            wanted = wanted.saturating_sub(units);
            self.pass(units);
        }
    }
}
