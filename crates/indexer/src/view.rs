//! What the record says, as programs read it and as JSON shows it.
//!
//! Prices are grains a unit of the class, quantities thousandths of a unit. Both are strings of decimal
//! digits in JSON, since JSON numbers lose digits past 2^53; heights, times and ids stay below that.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// Writes decimal digits as a string.
fn digits<T: std::fmt::Display, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// The same, or null.
fn some_digits<S: Serializer>(number: &Option<u128>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serializer.collect_str(number),
        None => serializer.serialize_none(),
    }
}

/// Some of a list, and where it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// In the order asked for.
    pub items: Vec<T>,
    /// Give it as `cursor` for what follows; null at the end.
    pub next: Option<String>,
}

/// Where the record stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Status {
    /// EIP-155 chain id; null before the first block.
    pub chain_id: Option<String>,
    /// Hash of the network's genesis.
    pub genesis_hash: Option<String>,
    /// Newest height stored; 0 before the first.
    pub height: u64,
    /// Its hash.
    pub hash: Option<String>,
    /// Its time, seconds since the Unix epoch.
    pub time: Option<u64>,
    /// The newest height this program heard of from its node; null if it follows none.
    pub node_height: Option<u64>,
    /// Blocks the record is behind it.
    pub lag: Option<u64>,
}

/// A class that has a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Class {
    /// Its number.
    pub id: u32,
    /// Height of its first clearing, order or epoch.
    pub first_height: u64,
    /// Its latest clearing for delivery now.
    pub last: Option<Clearing>,
    /// Its latest closed epoch.
    pub epoch: Option<Epoch>,
}

/// A clearing that traded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Clearing {
    /// Block.
    pub height: u64,
    /// Time of the block, seconds since the Unix epoch.
    pub time: u64,
    /// Class.
    pub class: u32,
    /// Delivery window; 0 for now.
    pub window: u32,
    /// The one price of all that traded.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub price: u128,
    /// What traded.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub volume: u64,
    /// The lowest price that would have cleared the same volume.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub low: u128,
    /// The highest.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub high: u128,
}

/// The record of a class over an epoch. Prices are 0 where nothing traded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Epoch {
    /// Class.
    pub class: u32,
    /// Number of the epoch.
    pub epoch: u64,
    /// Block that closed it.
    pub height: u64,
    /// Time of that block, seconds since the Unix epoch.
    pub time: u64,
    /// First price.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub open: u128,
    /// Highest price.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub high: u128,
    /// Lowest price.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub low: u128,
    /// Last price.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub close: u128,
    /// What traded.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub volume: u64,
    /// Grains it traded for.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub turnover: u128,
    /// Part of the capacity at work, in ten-thousandths.
    pub utilisation_bps: u32,
    /// The index that is hard to manipulate: see the market's rule.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub index: u128,
    /// False where too little traded for an index and the one before stands.
    pub printed: bool,
}

/// A limit order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Order {
    /// Its number.
    pub id: u64,
    /// Whose.
    pub owner: String,
    /// Class it names.
    pub class: u32,
    /// Delivery window; 0 for now.
    pub window: u32,
    /// `bid` or `ask`.
    pub side: &'static str,
    /// Limit.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub price: u128,
    /// Wanted when it was placed.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub quantity: u64,
    /// Not filled as of its last event.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub left: u64,
    /// Least it takes in a block.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub min_fill: u64,
    /// Height at which it ends, any 64-bit number.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub expires: u64,
    /// Height it was placed at.
    pub placed_at: u64,
    /// Height of its last change by its owner.
    pub amended_at: Option<u64>,
    /// Height it was closed at; null while it is open.
    pub closed_at: Option<u64>,
    /// Why: 1 filled, 2 cancelled, 3 expired, 4 its class was retired, 5 closed out.
    pub close_reason: Option<u8>,
    /// Grains given back at its end.
    #[serde(serialize_with = "some_digits")]
    #[schema(value_type = Option<String>)]
    pub refunded: Option<u128>,
}

/// An order filled, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fill {
    /// Block.
    pub height: u64,
    /// Price.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub price: u128,
    /// What it got.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub quantity: u64,
    /// What it still wants.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub left: u64,
}

/// An order with its fills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderWithFills {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// Its fills, a page of them.
    pub fills: Page<Fill>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Whose.
    pub renter: String,
    /// Its tasks.
    pub tasks: u32,
    /// Its lots.
    pub lots: u32,
    /// Grains locked for it, as of its submission or last change.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub escrow: u128,
    /// Height it was submitted at.
    pub submitted_at: u64,
    /// Lots settled so far.
    pub lots_settled: u64,
    /// Fuel of the settled lots.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub fuel: u128,
    /// Grains paid: for the settled lots while it is open, in all once it is closed.
    #[serde(serialize_with = "digits")]
    #[schema(value_type = String)]
    pub paid: u128,
    /// Height it was closed at; null while it is open.
    pub closed_at: Option<u64>,
    /// 1 completed, 2 cancelled, 3 expired, 4 partly completed.
    pub outcome: Option<u8>,
    /// Why, as in the `JobClosed` event.
    pub cause: Option<u8>,
    /// Grains given back at its end.
    #[serde(serialize_with = "some_digits")]
    #[schema(value_type = Option<String>)]
    pub refunded: Option<u128>,
}
