//! Network risk: how few hold how much of what the network rests on.
//!
//! A Nakamoto coefficient is the least number of owners, largest first, that can do a thing. More than two thirds
//! decide here (blocks, verdicts), so to halt is to leave no more than two thirds: **at least** one third, not
//! more than it, which is one seat fewer where seats are a multiple of three. An index of Herfindahl and Hirschman
//! is the sum of squared shares in basis points, rounded down: 10,000 for one owner, 10,000 / n for n equal ones.
//!
//! Does not: know which owners are one person. An account counts as one validator, an operator's address
//! as one operator, so that all of this is a bound from the hopeful side.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256, U512};
use assay_types::{
    class::class_of,
    view::{Herfindahl, Nakamoto, RiskView},
};

use crate::{
    keys::PROVIDER,
    money::{self, Pot},
    providers::{Provider, views::accounts},
    query,
    reject::{BrokenInvariant, Done},
    reputation::{Lens, Reputation},
    staking,
    state::StateRead,
};

/// Everything of a state.
pub(crate) fn of(view: &dyn StateRead) -> Done<RiskView> {
    let lens = Lens::at_tip(view)?;
    let classes = query::params(view).ok_or(BrokenInvariant::NoGenesis)?.classes;
    let validators = query::validators(view);
    let stakes = validators.iter().map(|account| staking::tokens_of(view, account));
    let stakes = stakes.collect::<Result<Vec<_>, _>>()?;
    let (mut offered, mut delivered) = (Shares::default(), Shares::default());
    let mut collateral: BTreeMap<Address, u128> = BTreeMap::new();
    for account in accounts(view) {
        let provider = Provider::load(view, &account)?.ok_or(BrokenInvariant::Missing(PROVIDER))?;
        let reputation = Reputation::load(view, &account, lens)?;
        let region = class_of(&classes, provider.class).map(|class| class.region.as_str()).unwrap_or_default();
        let at = (provider.operator, region, provider.class);
        offered.add(at, if provider.open { provider.capacity } else { 0 });
        delivered.add(at, reputation.delivered());
        let sum = collateral.entry(provider.operator).or_default();
        *sum = sum.saturating_add(money::held(view, Pot::Collateral(account))?);
    }
    Ok(RiskView {
        height: lens.height,
        seats: nakamoto(validators.iter().map(|_| 1)),
        stake: nakamoto(stakes),
        capacity: nakamoto(offered.operators.values().copied()),
        collateral: nakamoto(collateral.into_values()),
        offered: offered.indices(),
        delivered: delivered.indices(),
    })
}

/// Who has how much of one thing, by three kinds of owner.
#[derive(Default)]
struct Shares<'a> {
    operators: BTreeMap<Address, u128>,
    regions: BTreeMap<&'a str, u128>,
    classes: BTreeMap<u32, u128>,
}

impl<'a> Shares<'a> {
    fn add(&mut self, (operator, region, class): (Address, &'a str, u32), amount: u64) {
        let sums = [
            self.operators.entry(operator).or_default(),
            self.regions.entry(region).or_default(),
            self.classes.entry(class).or_default(),
        ];
        for sum in sums {
            *sum = sum.saturating_add(u128::from(amount));
        }
    }

    fn indices(&self) -> Herfindahl {
        let total = self.classes.values().fold(0u128, |sum, one| sum.saturating_add(*one));
        Herfindahl {
            total: u64::try_from(total).unwrap_or(u64::MAX),
            operator: herfindahl(self.operators.values().copied()),
            region: herfindahl(self.regions.values().copied()),
            class: herfindahl(self.classes.values().copied()),
        }
    }
}

fn sum_of(amounts: &[u128]) -> U256 {
    amounts.iter().fold(U256::ZERO, |sum, one| sum.saturating_add(U256::from(*one)))
}

/// The coefficients of owners who hold these amounts; who holds nothing is no owner.
fn nakamoto(amounts: impl IntoIterator<Item = u128>) -> Nakamoto {
    let mut amounts: Vec<u128> = amounts.into_iter().filter(|amount| *amount > 0).collect();
    amounts.sort_unstable_by(|one, other| other.cmp(one));
    let all = sum_of(&amounts);
    let thrice = |sum: U256| sum.saturating_mul(U256::from(3));
    let twice = all.saturating_mul(U256::from(2));
    let mut counted = Nakamoto { owners: u32::try_from(amounts.len()).unwrap_or(u32::MAX), halt: None, takeover: None };
    let mut held = U256::ZERO;
    for (count, amount) in (1u32..).zip(amounts) {
        held = held.saturating_add(U256::from(amount));
        if thrice(all.saturating_sub(held)) <= twice {
            counted.halt = counted.halt.or(Some(count));
        }
        if thrice(held) > twice {
            counted.takeover = counted.takeover.or(Some(count));
        }
    }
    counted
}

/// The sum of squared shares, basis points rounded down; None of nothing.
fn herfindahl(amounts: impl IntoIterator<Item = u128>) -> Option<u16> {
    let amounts: Vec<u128> = amounts.into_iter().collect();
    let square = |amount: U256| U512::from(amount).saturating_mul(U512::from(amount));
    let squares = amounts.iter().fold(U512::ZERO, |sum, one| sum.saturating_add(square(U256::from(*one))));
    let index = squares.saturating_mul(U512::from(10_000)).checked_div(square(sum_of(&amounts)))?;
    index.try_into().ok()
}

#[cfg(test)]
mod tests;
