//! The end of an epoch: the record of each class, and the reference of the next.

use std::collections::{BTreeMap, btree_map::Entry};

use alloy_primitives::Address;
use assay_market::{Book, IndexRule, Print, Rule, Side, Traded, index};
use assay_types::{Grains, abi::IMarket, system};

use super::{book::LedgerBook, trading::Trading};
use crate::{
    claims::margin,
    codec::record,
    keys::{self, EPOCH, SOLD, TRADING},
    money::{self, Pot},
    providers::Provider,
    reject::{BrokenInvariant, Done, sane},
    rewards,
    state::StateRead,
    step::{Step, keys_under, read},
};

/// Epochs of a class kept in the state; an indexer keeps them all.
const KEPT: u64 = 128;

record! {
    /// One class over one epoch.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Epoch {
        pub(crate) epoch: u64,
        pub(crate) open: Option<Grains>,
        pub(crate) high: Option<Grains>,
        pub(crate) low: Option<Grains>,
        pub(crate) close: Option<Grains>,
        pub(crate) volume: u64,
        pub(crate) turnover: Grains,
        pub(crate) utilisation_bps: u32,
        pub(crate) index: Grains,
        pub(crate) printed: bool,
    }
}

fn epoch_key(class: u32, epoch: u64) -> Vec<u8> {
    keys::key(EPOCH, &[&class.to_be_bytes(), &(!epoch).to_be_bytes()])
}

/// Past epochs of a class, the latest first, at most `limit`.
pub(crate) fn past(view: &dyn StateRead, class: u32, limit: usize) -> Result<Vec<Epoch>, BrokenInvariant> {
    let prefix = keys::key(EPOCH, &[&class.to_be_bytes()]);
    let found: Vec<Vec<u8>> = keys_under(view, &prefix).take(limit).collect();
    found.iter().map(|key| read(view, key)?.ok_or(BrokenInvariant::Missing(EPOCH))).collect()
}

/// Closes the epoch of every class that traded or had orders, when this block is its last.
pub(crate) fn close_if_over(step: &mut Step<'_>) -> Done {
    let height = step.env.height();
    let length = u64::from(step.env.params.epoch_blocks);
    if height.checked_rem(length) != Some(0) {
        return Ok(());
    }
    let epoch = height.checked_div(length).unwrap_or_default().saturating_sub(1);
    let mut used = Vec::new();
    for class in step.env.params.classes.iter().filter(|class| !class.retired) {
        if step.read::<Trading>(&keys::of_book(TRADING, class.id, 0))?.is_some() {
            used.push((class.id, close(step, class.id, epoch)?));
        }
    }
    rewards::epoch::close(step, &used)
}

/// Returns the busy part of the class's capacity, basis points.
fn close(step: &mut Step<'_>, class: u32, epoch: u64) -> Done<u32> {
    let height = step.env.height();
    let mut trading = Trading::of(step, class, 0)?;
    let print = print(step, class)?;
    let (next, printed) = match print {
        Print::Price(price) => (price, true),
        Print::Stands => (drifted(step, class, trading.reference)?, false),
    };
    let record = Epoch {
        epoch,
        open: trading.open,
        high: trading.high,
        low: trading.low,
        close: trading.open.and(trading.last),
        volume: trading.volume,
        turnover: trading.turnover,
        utilisation_bps: trading.utilisation_bps(height),
        index: next,
        printed,
    };
    trading.accrue(height);
    (trading.reference, trading.capacity_blocks, trading.busy_blocks) = (next, 0, 0);
    (trading.open, trading.high, trading.low, trading.volume, trading.turnover) = (None, None, None, 0, 0);
    trading.store(step, class, 0);
    margin::index_moved(step, class);
    let traded: Vec<_> = keys_under(&step.state, &keys::key(SOLD, &[&class.to_be_bytes()])).collect();
    traded.into_iter().for_each(|key| step.state.delete(key));
    step.write(epoch_key(class, epoch), &record);
    if let Some(old) = epoch.checked_sub(KEPT) {
        step.state.delete(epoch_key(class, old));
    }
    let or_zero = |price: Option<Grains>| price.unwrap_or_default();
    step.emit(
        system::MARKET,
        &IMarket::EpochClosed {
            class,
            epoch,
            open: or_zero(record.open),
            high: or_zero(record.high),
            low: or_zero(record.low),
            close: or_zero(record.close),
            volume: record.volume,
            turnover: record.turnover,
            utilisationBps: record.utilisation_bps,
            index: record.index,
            printed,
        },
    );
    Ok(record.utilisation_bps)
}

/// The index of what was sold in this epoch: an owner is the operator of the machines that sold, its bond
/// their collateral together.
fn print(step: &Step<'_>, class: u32) -> Done<Print> {
    let prefix = keys::key(SOLD, &[&class.to_be_bytes()]);
    let mut trades = Vec::new();
    let mut bonds: BTreeMap<Address, (Address, Grains)> = BTreeMap::new();
    for key in keys_under(&step.state, &prefix).collect::<Vec<_>>() {
        let corrupt = BrokenInvariant::Corrupt(SOLD);
        let seller = keys::address_at_end(&key).ok_or(corrupt)?;
        let price = key.get(prefix.len()..).and_then(|rest| rest.first_chunk::<16>()).ok_or(corrupt)?;
        let quantity: u64 = step.must(&key)?;
        if let Entry::Vacant(place) = bonds.entry(seller) {
            let provider = Provider::must(step, &seller)?;
            place.insert((provider.operator, money::held(&step.state, Pot::Collateral(seller))?));
        }
        let owner = bonds.get(&seller).map_or(seller, |(operator, _)| *operator);
        trades.push(Traded { owner, price: u128::from_be_bytes(*price), quantity });
    }
    let mut bonded: BTreeMap<Address, u128> = BTreeMap::new();
    for (operator, collateral) in bonds.values() {
        let sum = bonded.entry(*operator).or_default();
        *sum = sane(sum.checked_add(*collateral))?;
    }
    let params = &step.env.params;
    let rule = IndexRule {
        cap_bps: params.index_cap_bps,
        min_owners: usize::try_from(params.index_min_owners).unwrap_or(usize::MAX),
        min_volume: u128::from(params.index_min_volume),
    };
    Ok(index(&trades, &bonded, &rule))
}

/// Where nothing could be printed because all who would trade want to trade outside the band, the
/// reference moves to where they would, at most to the band's edge; or a price that left its band while
/// nobody traded could never be found again.
fn drifted(step: &Step<'_>, class: u32, reference: Grains) -> Done<Grains> {
    let book = LedgerBook { view: &step.state, class, window: 0 };
    let best = |side| book.best_first(side).next().map(|order| order.price);
    let (Some(bid), Some(ask)) = (best(Side::Bid), best(Side::Ask)) else { return Ok(reference) };
    if bid < ask {
        return Ok(reference);
    }
    let rule =
        Rule::new(reference, step.env.params.band_bps, Default::default()).map_err(|_| BrokenInvariant::Arithmetic)?;
    Ok(reference.max(ask).min(bid).max(rule.band().low).min(rule.band().high))
}
