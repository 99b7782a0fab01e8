//! Orders, and the rule of a clearing.

use alloy_primitives::{B256, keccak256};

use crate::math::{mul_div, mul_div_up};

/// What an order wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// To buy at its price or below.
    Bid,
    /// To sell at its price or above.
    Ask,
}

/// A limit order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Names it; one of its own in its book.
    pub id: u64,
    /// Buys or sells.
    pub side: Side,
    /// Worst price it takes, grains a unit.
    pub price: u128,
    /// Units it wants.
    pub quantity: u64,
    /// Units below which it wants nothing from a clearing; its quantity for all or nothing.
    pub min_fill: u64,
}

/// Why an order is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// For nothing.
    #[error("order {0} has no quantity")]
    ZeroQuantity(u64),
    /// Without a price.
    #[error("order {0} has no price")]
    ZeroPrice(u64),
    /// It could never be filled.
    #[error("order {id} wants at least {min_fill} of {quantity}")]
    MinFillAboveQuantity {
        /// Which.
        id: u64,
        /// The least it takes.
        min_fill: u64,
        /// All it wants.
        quantity: u64,
    },
    /// The book has one of this name.
    #[error("order {0} is in the book already")]
    Duplicate(u64),
    /// The book has none of this name.
    #[error("order {0} is not in the book")]
    Unknown(u64),
    /// More is taken from it than it has.
    #[error("order {id} has {has} units, not {taken}")]
    TooMuch {
        /// Which.
        id: u64,
        /// Units it has.
        has: u64,
        /// Units to be taken.
        taken: u64,
    },
}

impl Order {
    /// Refuses what makes no sense in any book.
    pub fn check(&self) -> Result<(), OrderError> {
        let Self { id, price, quantity, min_fill, .. } = *self;
        match () {
            () if quantity == 0 => Err(OrderError::ZeroQuantity(id)),
            () if price == 0 => Err(OrderError::ZeroPrice(id)),
            () if min_fill > quantity => Err(OrderError::MinFillAboveQuantity { id, min_fill, quantity }),
            () => Ok(()),
        }
    }
}

/// Prices a clearing may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    /// Lowest.
    pub low: u128,
    /// Highest.
    pub high: u128,
}

impl Band {
    /// The price at which an order takes part: a limit more generous than the band counts as its edge;
    /// one less generous rests.
    pub fn effective(&self, side: Side, price: u128) -> Option<u128> {
        match side {
            Side::Bid => (price >= self.low).then(|| price.min(self.high)),
            Side::Ask => (price <= self.high).then(|| price.max(self.low)),
        }
    }
}

/// What a clearing follows beside the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    reference: u128,
    band: Band,
    beacon: B256,
}

/// Why a rule is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// There is no price to move from.
    #[error("the reference price must be above zero")]
    ZeroReference,
    /// A band that reaches below zero.
    #[error("a band of {0} basis points is wider than the reference, which is 10000")]
    BandTooWide(u32),
}

const BPS: u128 = 10_000;

impl Rule {
    /// The previous epoch's index, the band around it in basis points, and randomness drawn after the
    /// orders were included. The band's edges are rounded towards the reference.
    pub fn new(reference: u128, band_bps: u32, beacon: B256) -> Result<Self, RuleError> {
        if reference == 0 {
            return Err(RuleError::ZeroReference);
        }
        let width = u128::from(band_bps);
        let below = BPS.checked_sub(width).ok_or(RuleError::BandTooWide(band_bps))?;
        let low = mul_div_up(reference, below, BPS).max(1);
        let high = mul_div(reference, BPS.saturating_add(width), BPS);
        Ok(Self { reference, band: Band { low, high }, beacon })
    }

    /// The price the clearing moves from as little as it can.
    pub fn reference(&self) -> u128 {
        self.reference
    }

    /// Prices it may have.
    pub fn band(&self) -> Band {
        self.band
    }

    /// Rank of an order among equals, lower first: keccak256(beacon, id as eight bytes big-endian).
    pub fn tie(&self, id: u64) -> B256 {
        let mut bytes = [0; 40];
        let (beacon, name) = bytes.split_at_mut(32);
        beacon.copy_from_slice(self.beacon.as_slice());
        name.copy_from_slice(&id.to_be_bytes());
        keccak256(bytes)
    }
}
