//! The price of a class over an epoch, which no owner moves alone.

use std::collections::BTreeMap;

use alloy_primitives::Address;

use crate::math::mul_div;

/// Units somebody bought or sold in an epoch's clearings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traded {
    /// Who.
    pub owner: Address,
    /// Grains a unit.
    pub price: u128,
    /// Units.
    pub quantity: u64,
}

/// What an index takes to be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRule {
    /// Most weight of one owner, basis points of all; below ten owners a cap of 1,000 cannot hold.
    pub cap_bps: u32,
    /// Fewest bonded owners.
    pub min_owners: usize,
    /// Fewest units traded by bonded owners.
    pub min_volume: u128,
}

/// The index of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Print {
    /// A new one, grains a unit.
    Price(u128),
    /// Too few traded, or too little: the last one stands.
    Stands,
}

/// Volume-weighted median of an epoch's trades. An owner weighs what it traded in grains, at most its
/// bonded stake and at most `cap_bps` of all weights together; of an owner's weight each trade has the
/// share of its units. Rounded down throughout; the median is the lowest price with half the weight at
/// or below it.
pub fn index(trades: &[Traded], bonded: &BTreeMap<Address, u128>, rule: &IndexRule) -> Print {
    let mut owners: BTreeMap<Address, (u128, u128)> = BTreeMap::new();
    for trade in trades.iter().filter(|trade| bonded.get(&trade.owner).is_some_and(|bond| *bond > 0)) {
        let (units, grains) = owners.entry(trade.owner).or_default();
        *units = units.saturating_add(u128::from(trade.quantity));
        *grains = grains.saturating_add(trade.price.saturating_mul(u128::from(trade.quantity)));
    }
    let volume = owners.values().fold(0_u128, |sum, (units, _)| sum.saturating_add(*units));
    if owners.len() < rule.min_owners || volume < rule.min_volume || volume == 0 {
        return Print::Stands;
    }
    let weights: BTreeMap<Address, u128> = owners
        .iter()
        .map(|(owner, (_, grains))| (*owner, (*grains).min(bonded.get(owner).copied().unwrap_or(0))))
        .collect();
    let Some(cap) = cap(weights.values().copied().collect(), rule.cap_bps) else { return Print::Stands };
    let mut weighed: Vec<(u128, u128)> = Vec::new();
    for trade in trades {
        let Some((weight, (units, _))) = weights.get(&trade.owner).zip(owners.get(&trade.owner)) else { continue };
        weighed.push((trade.price, mul_div((*weight).min(cap), u128::from(trade.quantity), (*units).max(1))));
    }
    median(weighed).map_or(Print::Stands, Print::Price)
}

/// The weight t at which owners are cut so that none exceeds `bps` of the sum after the cut: with the k
/// heaviest cut, t = share * (k t + rest), solved for t. None where no cut can do it.
fn cap(mut weights: Vec<u128>, bps: u32) -> Option<u128> {
    weights.sort_unstable_by_key(|weight| std::cmp::Reverse(*weight));
    let bps = u128::from(bps);
    let mut rest = weights.iter().fold(0_u128, |sum, weight| sum.saturating_add(*weight));
    for (cut, weight) in (0_u128..).zip(&weights) {
        let free = 10_000_u128.checked_sub(bps.saturating_mul(cut)).filter(|free| *free > 0)?;
        let cap = mul_div(rest, bps, free);
        if *weight <= cap {
            return Some(cap);
        }
        rest = rest.saturating_sub(*weight);
    }
    None
}

fn median(mut weighed: Vec<(u128, u128)>) -> Option<u128> {
    weighed.sort_unstable();
    let all = weighed.iter().fold(0_u128, |sum, (_, weight)| sum.saturating_add(*weight));
    let mut below = 0_u128;
    for (price, weight) in weighed {
        below = below.saturating_add(weight);
        if weight > 0 && below >= all.saturating_sub(below) {
            return Some(price);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: IndexRule = IndexRule { cap_bps: 1_000, min_owners: 10, min_volume: 100 };

    fn owner(n: u8) -> Address {
        Address::repeat_byte(n)
    }

    fn bonds(count: u8, bond: u128) -> BTreeMap<Address, u128> {
        (1..=count).map(|n| (owner(n), bond)).collect()
    }

    #[test]
    fn an_owner_however_large_moves_the_index_no_further_than_a_tenth_of_the_weight() {
        let mut trades: Vec<Traded> =
            (1..=19).map(|n| Traded { owner: owner(n), price: 100 + u128::from(n), quantity: 100 }).collect();
        let honest = index(&trades, &bonds(19, u128::MAX), &RULE);
        assert_eq!(honest, Print::Price(110));
        trades.push(Traded { owner: owner(20), price: 900, quantity: u64::MAX });
        let Print::Price(moved) = index(&trades, &bonds(20, u128::MAX), &RULE) else { panic!("it stands") };
        assert!((110..=112).contains(&moved), "{moved}");
        // Without a bond it weighs nothing at all.
        assert_eq!(index(&trades, &bonds(19, u128::MAX), &RULE), honest);
    }

    #[test]
    fn a_thin_market_prints_nothing_and_the_last_index_stands() {
        let trade = |n| Traded { owner: owner(n), price: 100, quantity: 50 };
        let few: Vec<Traded> = (1..=9).map(trade).collect();
        assert_eq!(index(&few, &bonds(9, 1_000_000), &RULE), Print::Stands);
        let many: Vec<Traded> = (1..=10).map(trade).collect();
        assert_eq!(index(&many, &bonds(10, 1_000_000), &RULE), Print::Price(100));
        assert_eq!(index(&many, &bonds(10, 1_000_000), &IndexRule { min_volume: 501, ..RULE }), Print::Stands);
        assert_eq!(index(&[], &bonds(10, 1), &IndexRule { min_owners: 0, min_volume: 0, ..RULE }), Print::Stands);
        // Nine giants and a dwarf: no cut gives each a tenth at most.
        let mut uneven = bonds(10, 1_000_000);
        uneven.insert(owner(10), 1);
        assert!(matches!(index(&many, &uneven, &RULE), Print::Price(100) | Print::Stands));
    }
}
