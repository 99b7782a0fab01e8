//! Why an order got what it got.

use crate::{
    clear::Clearing,
    order::{Order, Rule, Side},
};

/// What an order lacked in a clearing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing: it is filled.
    Filled,
    /// It rests: its limit is so many grains outside the band, until the reference comes nearer.
    OutsideBand {
        /// Grains a unit.
        by: u128,
    },
    /// Its limit is so many grains from where it would have traded.
    Price {
        /// Grains a unit.
        by: u128,
    },
    /// It was at the marginal price, where not all could be filled.
    Rationed {
        /// Units it got.
        got: u64,
    },
    /// It would have got less than the least it takes.
    MinFill {
        /// Units it would have got.
        got: u64,
        /// The least it takes.
        least: u64,
    },
    /// Nobody was on the other side.
    NobodyThere,
}

/// Explains what came of an order that took part in `clearing` under `rule` and got `got` units.
pub fn why(order: &Order, got: u64, clearing: &Clearing, rule: &Rule) -> Why {
    let band = rule.band();
    let Some(price) = band.effective(order.side, order.price) else {
        let edge = if order.side == Side::Bid { band.low } else { band.high };
        return Why::OutsideBand { by: edge.abs_diff(order.price) };
    };
    if got >= order.quantity {
        return Why::Filled;
    }
    if let Some(would) = clearing.left_out.get(&order.id) {
        return Why::MinFill { got: *would, least: order.min_fill };
    }
    let (own, other) = match order.side {
        Side::Bid => (clearing.bid, clearing.ask),
        Side::Ask => (clearing.ask, clearing.bid),
    };
    let at_margin = own.traded == Some(price);
    if at_margin {
        return Why::Rationed { got };
    }
    // It would have traded as good as the last of its side that did, or at the best that is left of the
    // other, whichever is nearer.
    let needed = [own.traded, other.left].into_iter().flatten().map(|at| at.abs_diff(price)).min();
    needed.map_or(Why::NobodyThere, |by| Why::Price { by })
}
