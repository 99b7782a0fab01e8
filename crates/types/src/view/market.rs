//! What the chain says about its market.
//!
//! Prices are grains a unit of the class, quantities thousandths of a unit.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use crate::{
    amount::{Grains, as_string},
    class::Class,
    job::JobId,
};

/// A class, and how it trades now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassView {
    /// As governed.
    #[serde(flatten)]
    pub class: Class,
    /// Whether it has a book of its own; an inner node's orders trade in the leaves under it.
    pub leaf: bool,
    /// The leaves its orders may trade in, by number.
    pub leaves: Vec<u32>,
    /// The previous epoch's index, which prices move from as little as possible.
    #[serde(with = "as_string")]
    pub reference: Grains,
    /// Lowest and highest price a clearing may have.
    pub band: PriceRange,
    /// Price of the last clearing that traded.
    #[serde(with = "as_string::option")]
    pub last: Option<Grains>,
    /// Its height.
    pub last_height: Option<u64>,
    /// What providers offer in all, busy or not.
    pub capacity: u64,
    /// The part of it at work.
    pub busy: u64,
    /// Orders that rest on each side.
    pub bids: u32,
    /// As above.
    pub asks: u32,
    /// The epoch under way.
    pub epoch: EpochView,
}

/// Two prices, the lower first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceRange {
    /// The lower.
    #[serde(with = "as_string")]
    pub low: Grains,
    /// The higher.
    #[serde(with = "as_string")]
    pub high: Grains,
}

/// The record of one class over one epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochView {
    /// Its number: height divided by the epoch's length.
    pub epoch: u64,
    /// First price; None without a trade, as the next three.
    #[serde(with = "as_string::option")]
    pub open: Option<Grains>,
    /// Highest.
    #[serde(with = "as_string::option")]
    pub high: Option<Grains>,
    /// Lowest.
    #[serde(with = "as_string::option")]
    pub low: Option<Grains>,
    /// Last.
    #[serde(with = "as_string::option")]
    pub close: Option<Grains>,
    /// Thousandths of a unit traded.
    pub volume: u64,
    /// Grains they went for, rounded down a trade.
    #[serde(with = "as_string")]
    pub turnover: Grains,
    /// Busy part of the capacity, mean over its blocks, basis points.
    pub utilisation_bps: u32,
    /// The index at its end; of the epoch under way, the one in force.
    #[serde(with = "as_string")]
    pub index: Grains,
    /// Whether the index is of this epoch's trades, or stands from before.
    pub printed: bool,
}

/// A price with what is offered at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelView {
    /// Limit price.
    #[serde(with = "as_string")]
    pub price: Grains,
    /// Thousandths of a unit.
    pub quantity: u64,
    /// Orders.
    pub orders: u32,
}

/// One clearing of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearedView {
    /// Height.
    pub height: u64,
    /// Price; None when nothing traded.
    #[serde(with = "as_string::option")]
    pub price: Option<Grains>,
    /// Thousandths of a unit.
    pub volume: u64,
    /// Best bid that was not wholly filled.
    #[serde(with = "as_string::option")]
    pub best_bid_left: Option<Grains>,
    /// Best ask that was not wholly filled: what one more unit would have cost.
    #[serde(with = "as_string::option")]
    pub best_ask_left: Option<Grains>,
}

/// The book of a class as it rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookView {
    /// Class.
    pub class: u32,
    /// Delivery window; 0 for now.
    pub window: u32,
    /// Its reference.
    #[serde(with = "as_string")]
    pub reference: Grains,
    /// The band around it.
    pub band: PriceRange,
    /// Best first.
    pub bids: Vec<LevelView>,
    /// Best first.
    pub asks: Vec<LevelView>,
    /// The latest clearings in which something changed, the latest first.
    pub recent: Vec<ClearedView>,
}

/// Whose order it is and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum OrderKind {
    /// A job's waiting lots.
    Job {
        /// Which job.
        job: JobId,
    },
    /// A provider's free capacity.
    Capacity,
    /// A limit order.
    Limit,
}

/// What keeps an order from being filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Unfilled {
    /// It takes part from the next block on.
    New,
    /// Its limit is outside the band and rests until the reference reaches it.
    Band {
        /// Grains to the nearer edge.
        #[serde(with = "as_string")]
        by: Grains,
    },
    /// Better orders took all there was.
    Price {
        /// Grains to where it would trade.
        #[serde(with = "as_string")]
        by: Grains,
    },
    /// It is at the margin and shares it.
    Rationed,
    /// Fewer units were there than it takes at least.
    MinFill {
        /// Units there were.
        offered: u64,
    },
    /// Nobody is on the other side at all.
    Nobody,
    /// There is enough at this price, but too few distinct operators fit each lot: see `assay_whyWaiting`.
    Fit,
    /// It waits for the reveal window to be over.
    Sealed {
        /// Height from which it takes part.
        until: u64,
    },
}

/// An open order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderView {
    /// Its number.
    pub id: u64,
    /// Whose.
    pub owner: Address,
    /// What for.
    #[serde(flatten)]
    pub kind: OrderKind,
    /// Class whose book it rests in, or that it names if it may trade in several.
    pub class: u32,
    /// Delivery window; 0 for now.
    pub window: u32,
    /// True for a bid.
    pub bid: bool,
    /// Limit.
    #[serde(with = "as_string")]
    pub price: Grains,
    /// Thousandths of a unit left.
    pub quantity: u64,
    /// Least it takes in one block.
    pub min_fill: u64,
    /// Height it was placed at.
    pub placed_at: u64,
    /// Height at which it ends.
    pub expires: u64,
    /// Grains locked behind it.
    #[serde(with = "as_string")]
    pub escrow: Grains,
    /// Why it has not been filled, as things stand.
    pub unfilled: Option<Unfilled>,
    /// What the latest clearings of its book would have needed of it, the latest first.
    pub would_have_cleared_at: Vec<ClearedView>,
}

/// What an order would get if it were placed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EstimateView {
    /// Class it would trade in.
    pub class: u32,
    /// Thousandths of a unit asked for.
    pub wanted: u64,
    /// What it would get in the next block.
    pub filled: u64,
    /// The price; None when nothing would trade.
    #[serde(with = "as_string::option")]
    pub price: Option<Grains>,
    /// The least limit at which it would get all it wants, if any would do.
    #[serde(with = "as_string::option")]
    pub enough_at: Option<Grains>,
    /// The reference.
    #[serde(with = "as_string")]
    pub reference: Grains,
    /// The band.
    pub band: PriceRange,
    /// Grains to be locked at the limit.
    #[serde(with = "as_string")]
    pub escrow: Grains,
    /// Grains it would cost at that price if it used all it may.
    #[serde(with = "as_string::option")]
    pub cost: Option<Grains>,
    /// Why it would not get all.
    pub unfilled: Option<Unfilled>,
}
