//! Who keeps orders: anybody that can name them best first.

use std::collections::BTreeMap;

use crate::{
    clear::Clearing,
    order::{Order, OrderError, Side},
};

/// Orders of one class, to be walked from the best on.
pub trait Book {
    /// Orders of a side, most generous limit first, those of one price together. The walk is lazy: a
    /// clearing looks at what trades and at the first order that does not.
    fn best_first(&self, side: Side) -> impl Iterator<Item = Order>;
}

/// Orders sorted once, as from a file.
#[derive(Debug, Clone, Default)]
pub struct Sorted {
    bids: Vec<Order>,
    asks: Vec<Order>,
}

impl Sorted {
    /// Checks and sorts.
    pub fn new(orders: impl IntoIterator<Item = Order>) -> Result<Self, OrderError> {
        let (mut bids, mut asks) = (Vec::new(), Vec::new());
        let mut ids = Vec::new();
        for order in orders {
            order.check()?;
            ids.push(order.id);
            match order.side {
                Side::Bid => bids.push(order),
                Side::Ask => asks.push(order),
            }
        }
        ids.sort_unstable();
        if let Some((id, _)) = ids.iter().zip(ids.iter().skip(1)).find(|(one, next)| one == next) {
            return Err(OrderError::Duplicate(*id));
        }
        bids.sort_unstable_by_key(|order| (std::cmp::Reverse(order.price), order.id));
        asks.sort_unstable_by_key(|order| (order.price, order.id));
        Ok(Self { bids, asks })
    }
}

impl Book for Sorted {
    fn best_first(&self, side: Side) -> impl Iterator<Item = Order> {
        match side {
            Side::Bid => self.bids.iter().copied(),
            Side::Ask => self.asks.iter().copied(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Left {
    quantity: u64,
    min_fill: u64,
}

/// A book that rests and changes: an order is put, taken and cleared at a cost that does not grow with
/// what rests.
#[derive(Debug, Clone, Default)]
pub struct Resting {
    /// By rank and id; the rank of a bid is its price's complement, so that the best comes first.
    sides: [BTreeMap<(u128, u64), Left>; 2],
    /// Side and price by id.
    places: BTreeMap<u64, (Side, u128)>,
}

fn rank(side: Side, price: u128) -> u128 {
    match side {
        Side::Bid => !price,
        Side::Ask => price,
    }
}

impl Resting {
    fn side(&mut self, side: Side) -> &mut BTreeMap<(u128, u64), Left> {
        let [bids, asks] = &mut self.sides;
        match side {
            Side::Bid => bids,
            Side::Ask => asks,
        }
    }

    /// Number of orders.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Puts an order.
    pub fn insert(&mut self, order: Order) -> Result<(), OrderError> {
        order.check()?;
        if self.places.contains_key(&order.id) {
            return Err(OrderError::Duplicate(order.id));
        }
        self.places.insert(order.id, (order.side, order.price));
        let left = Left { quantity: order.quantity, min_fill: order.min_fill };
        self.side(order.side).insert((rank(order.side, order.price), order.id), left);
        Ok(())
    }

    /// An order as it stands.
    pub fn get(&self, id: u64) -> Option<Order> {
        let (side, price) = *self.places.get(&id)?;
        let [bids, asks] = &self.sides;
        let orders = if side == Side::Bid { bids } else { asks };
        let left = orders.get(&(rank(side, price), id))?;
        Some(Order { id, side, price, quantity: left.quantity, min_fill: left.min_fill })
    }

    /// Takes an order out.
    pub fn remove(&mut self, id: u64) -> Result<Order, OrderError> {
        let order = self.get(id).ok_or(OrderError::Unknown(id))?;
        self.places.remove(&id);
        self.side(order.side).remove(&(rank(order.side, order.price), id));
        Ok(order)
    }

    /// Takes `taken` units from an order, which leaves when it has none. What is left wants at most
    /// itself from the next clearing.
    pub fn reduce(&mut self, id: u64, taken: u64) -> Result<(), OrderError> {
        let mut order = self.get(id).ok_or(OrderError::Unknown(id))?;
        let too_much = OrderError::TooMuch { id, has: order.quantity, taken };
        order.quantity = order.quantity.checked_sub(taken).ok_or(too_much)?;
        if order.quantity == 0 {
            return self.remove(id).map(|_| ());
        }
        let left = Left { quantity: order.quantity, min_fill: order.min_fill.min(order.quantity) };
        self.side(order.side).insert((rank(order.side, order.price), id), left);
        Ok(())
    }

    /// Takes what a clearing of this book filled.
    pub fn settle(&mut self, clearing: &Clearing) -> Result<(), OrderError> {
        clearing.fills().try_for_each(|(_, fill)| self.reduce(fill.id, fill.quantity))
    }
}

impl Book for Resting {
    fn best_first(&self, side: Side) -> impl Iterator<Item = Order> {
        let [bids, asks] = &self.sides;
        let orders = if side == Side::Bid { bids } else { asks };
        // The rank of a bid is its own inverse.
        orders.iter().map(move |((at, id), left)| Order {
            id: *id,
            side,
            price: rank(side, *at),
            quantity: left.quantity,
            min_fill: left.min_fill,
        })
    }
}
