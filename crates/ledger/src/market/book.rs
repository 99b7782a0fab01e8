//! Books in the state, read as the auction reads any book.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use assay_market::{Book, Order, Rule, Side, Sorted};

use super::{Booked, trading::Trading};
use crate::{
    codec,
    keys::{self, BOOK},
    reject::{BrokenInvariant, Done},
    state::StateRead,
    step::{Step, keys_under},
};

/// A side's key prefix.
fn side_key(class: u32, window: u32, side: Side) -> Vec<u8> {
    keys::key(BOOK, &[&class.to_be_bytes(), &window.to_be_bytes(), &[side as u8]])
}

/// The best comes first: a bid's rank is its price's complement.
fn rank(side: Side, price: u128) -> u128 {
    match side {
        Side::Bid => !price,
        Side::Ask => price,
    }
}

fn entry_key(window: u32, side: Side, id: u64, booked: &Booked) -> Vec<u8> {
    let mut key = side_key(booked.class, window, side);
    key.extend_from_slice(&rank(side, booked.price).to_be_bytes());
    key.extend_from_slice(&id.to_be_bytes());
    key
}

/// Puts an order's entry.
pub(crate) fn put(step: &mut Step<'_>, window: u32, side: Side, id: u64, booked: &Booked) {
    step.write(entry_key(window, side, id, booked), &(booked.quantity, booked.min_fill));
}

/// Takes it away.
pub(crate) fn take(step: &mut Step<'_>, window: u32, side: Side, id: u64, booked: &Booked) {
    step.state.delete(entry_key(window, side, id, booked));
}

/// One book of the state.
#[derive(Clone, Copy)]
pub(crate) struct LedgerBook<'a> {
    pub(crate) view: &'a dyn StateRead,
    pub(crate) class: u32,
    pub(crate) window: u32,
}

impl LedgerBook<'_> {
    /// Whether a side has orders.
    pub(crate) fn has(&self, side: Side) -> bool {
        keys_under(self.view, &side_key(self.class, self.window, side)).next().is_some()
    }
}

impl Book for LedgerBook<'_> {
    fn best_first(&self, side: Side) -> impl Iterator<Item = Order> {
        let prefix = side_key(self.class, self.window, side);
        self.view.scan(&prefix, keys::after(&prefix).as_deref()).filter_map(move |(key, value)| {
            let (rest, id) = key.split_last_chunk::<8>()?;
            let (_, at) = rest.split_last_chunk::<16>()?;
            let (quantity, min_fill) = codec::decode(&value)?;
            let price = rank(side, u128::from_be_bytes(*at));
            Some(Order { id: u64::from_be_bytes(*id), side, price, quantity, min_fill })
        })
    }
}

/// A book with orders placed in it for this clearing, others left out, and asks cut to what they can do.
pub(crate) struct Adjusted<'a> {
    pub(crate) base: LedgerBook<'a>,
    pub(crate) extra: &'a Sorted,
    pub(crate) out: &'a BTreeSet<u64>,
    pub(crate) most: &'a BTreeMap<u64, u64>,
}

impl Book for Adjusted<'_> {
    fn best_first(&self, side: Side) -> impl Iterator<Item = Order> {
        let before =
            move |one: &Order, other: &Order| (rank(side, one.price), one.id) < (rank(side, other.price), other.id);
        let (mut base, mut extra) = (self.base.best_first(side).peekable(), self.extra.best_first(side).peekable());
        let merged = std::iter::from_fn(move || match (base.peek(), extra.peek()) {
            (Some(one), Some(other)) if before(other, one) => extra.next(),
            (None, _) => extra.next(),
            _ => base.next(),
        });
        merged.filter(|order| !self.out.contains(&order.id)).filter_map(|mut order| {
            order.quantity = self.most.get(&order.id).map_or(order.quantity, |most| order.quantity.min(*most));
            (order.quantity > 0).then_some(order)
        })
    }
}

/// The rule a book clears by in this block.
pub(crate) fn rule(step: &Step<'_>, trading: &Trading, beacon: B256) -> Done<Rule> {
    Ok(Rule::new(trading.reference, step.env.params.band_bps, beacon).map_err(|_| BrokenInvariant::Arithmetic)?)
}
