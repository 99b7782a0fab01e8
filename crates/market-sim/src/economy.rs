//! What is worth what to whom.

use assay_market::{Order, Side};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Owners on each side.
pub(crate) const OWNERS: usize = 40;
/// Long-run price, grains a unit.
pub(crate) const LEVEL: f64 = 1_000_000.0;
/// Blocks over which the level wanders by one part in fifty.
const WANDER: f64 = 0.02;

/// Somebody with something to trade in a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trader {
    /// Index of its owner among its side's.
    pub(crate) owner: usize,
    /// Buys or sells.
    pub(crate) side: Side,
    /// True value to a buyer, true cost to a seller, grains a unit.
    pub(crate) worth: u128,
    /// Units.
    pub(crate) quantity: u64,
}

/// A sequence of blocks of traders, from a seed.
pub(crate) struct Economy {
    rng: StdRng,
    level: f64,
}

impl Economy {
    /// The economy of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), level: LEVEL }
    }

    /// The level that values and costs scatter about now.
    pub(crate) fn level(&self) -> f64 {
        self.level
    }

    /// The traders of the next block: one order an owner. Values scatter 12 % about the level, costs 10 %
    /// about nine tenths of it; the level wanders and returns.
    pub(crate) fn next_block(&mut self) -> Vec<Trader> {
        let step = self.normal() * WANDER / 10.0 + 0.002 * (1.0 - self.level / LEVEL);
        self.level *= 1.0 + step;
        let mut traders = Vec::with_capacity(2 * OWNERS);
        for side in [Side::Bid, Side::Ask] {
            for owner in 0..OWNERS {
                let (about, scatter) = if side == Side::Bid { (1.0, 0.12) } else { (0.9, 0.10) };
                let worth = (self.level * about * (1.0 + scatter * self.normal())).max(1.0);
                traders.push(Trader { owner, side, worth: worth as u128, quantity: self.rng.random_range(1..100) });
            }
        }
        traders
    }

    /// A standard normal, by the sum of twelve uniforms: its tails do not matter here.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.rng.random::<f64>()).sum::<f64>() - 6.0
    }
}

/// The best allocation's surplus and the middle of its equilibrium prices.
pub(crate) fn equilibrium(traders: &[Trader]) -> (f64, f64) {
    let of = |side: Side| {
        let mut sorted: Vec<(u128, u64)> =
            traders.iter().filter(|t| t.side == side).map(|t| (t.worth, t.quantity)).collect();
        sorted.sort_unstable();
        sorted
    };
    let (mut bids, mut asks) = (of(Side::Bid), of(Side::Ask));
    bids.reverse();
    let (mut bid, mut ask) = (0, 0);
    let (mut surplus, mut price) = (0.0, f64::NAN);
    while let (Some((value, wanted)), Some((cost, offered))) = (bids.get_mut(bid), asks.get_mut(ask))
        && value >= cost
    {
        let units = (*wanted).min(*offered);
        surplus += (*value - *cost) as f64 * units as f64;
        price = (*value as f64 + *cost as f64) / 2.0;
        *wanted -= units;
        *offered -= units;
        bid += usize::from(*wanted == 0);
        ask += usize::from(*offered == 0);
    }
    (surplus, price)
}

impl Trader {
    /// Its order at a limit.
    pub(crate) fn order(&self, id: u64, limit: f64) -> Order {
        Order { id, side: self.side, price: (limit.max(1.0)) as u128, quantity: self.quantity, min_fill: 0 }
    }
}
