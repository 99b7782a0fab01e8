//! Clearing a class of compute: the auction says the price and whose asks are filled, the beacon which of
//! those runs which lot.
//!
//! A lot is not divisible and each of its replicas is another operator's, which an auction of units
//! knows nothing about. So what a clearing gives a job is handed out in whole lots (see [`handout`]).
//! Where the filled asks do not fit (two replicas, and one operator's cheap ask fills all), the asks
//! are cut to what they could be used for and the book is cleared again, so that the price reaches the
//! next operator. A job nobody can serve even so is left out, and all others cleared as if it were not
//! there: it never moves their price.

mod handout;

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use assay_market::{Book, Clearing, Order as Resting, Rule, Side, Sorted, clear};
use assay_types::{Grains, class::Class};

use self::handout::{Plan, hand_out};
use super::{
    Order, Source,
    book::{Adjusted, LedgerBook, rule},
    orders,
    trading::{self, Trading},
};
use crate::{
    jobs::{Case, assign, matching::Seller, wanted},
    keys::ORDER,
    reject::{BrokenInvariant, Done},
    reputation::Lens,
    step::Step,
};

/// Clearings with asks cut to what they are good for.
const CUTS: usize = 6;
/// Times jobs that nobody can serve are left out and all is cleared anew.
const ROUNDS: usize = 4;

/// Clears one leaf class with the orders placed in it, and assigns what it gives.
pub(crate) fn clear_class(step: &mut Step<'_>, class: &Class, extra: &Sorted) -> Done {
    let trading = Trading::of(step, class.id, 0)?;
    let rule = rule(step, &trading, step.env.ctx.beacon)?;
    let mut floor = Floor { class: class.id, rule, jobs: BTreeMap::new(), sellers: BTreeMap::new() };
    let (clearing, plan, out) = settle_on(step, &mut floor, extra)?;
    let mut volume = 0u64;
    if let Some(price) = clearing.price {
        for given in plan.given {
            volume = volume.saturating_add(apply(step, class.id, price, given)?);
        }
    }
    for id in &out {
        orders::unserved(step, *id)?;
    }
    let price = clearing.price.filter(|_| volume > 0);
    trading::note(step, (class.id, 0), price, volume, clearing.range, (clearing.bid.left, clearing.ask.left))
}

/// What a clearing works with: jobs and providers, read once a block.
struct Floor {
    class: u32,
    rule: Rule,
    jobs: BTreeMap<u64, Vec<Case>>,
    sellers: BTreeMap<u64, Seller>,
}

/// The clearing that stands, whom it gives what, and the jobs that were left out of it.
fn settle_on(step: &Step<'_>, floor: &mut Floor, extra: &Sorted) -> Done<(Clearing, Plan, BTreeSet<u64>)> {
    let mut out = BTreeSet::new();
    let mut round = 0;
    loop {
        let mut most: BTreeMap<u64, u64> = BTreeMap::new();
        let mut unserved = BTreeSet::new();
        for _ in 0..CUTS {
            let base = LedgerBook { view: &step.state, class: floor.class, window: 0 };
            let book = Adjusted { base, extra, out: &out, most: &most };
            let clearing = clear(&book, &floor.rule);
            let bids = upto(&book, &floor.rule, Side::Bid, clearing.bid.traded);
            let asks = upto(&book, &floor.rule, Side::Ask, clearing.ask.traded);
            floor.read(step, &bids, &asks)?;
            let plan = hand_out(step, floor, &clearing, &bids, &asks)?;
            // Cutting asks must have served who was unserved before, not left it without anybody to ask.
            let missed = unserved.iter().copied().filter(|id| !plan.served.contains(id));
            let missed: BTreeSet<u64> = missed.chain(plan.unserved.iter().copied()).collect();
            if missed.is_empty() || round == ROUNDS {
                out.extend(missed);
                return Ok((clearing, plan, out));
            }
            let idle = |ask: &&Resting| plan.used.get(&ask.id).copied().unwrap_or(0) < ask.quantity;
            let cut: Vec<u64> = asks.iter().filter(idle).map(|ask| ask.id).collect();
            unserved = missed;
            if cut.is_empty() {
                break;
            }
            most.extend(cut.into_iter().map(|id| (id, plan.used.get(&id).copied().unwrap_or(0))));
        }
        out.extend(unserved);
        round = round.saturating_add(1);
    }
}

/// Orders of a side as good as the worst that traded, at the price they take part with.
fn upto(book: &impl Book, rule: &Rule, side: Side, worst: Option<u128>) -> Vec<Resting> {
    let Some(worst) = worst else { return Vec::new() };
    let good = |price| if side == Side::Bid { price >= worst } else { price <= worst };
    let effective = |order: Resting| Some(Resting { price: rule.band().effective(side, order.price)?, ..order });
    book.best_first(side).map_while(effective).take_while(|order| good(order.price)).collect()
}

impl Floor {
    fn read(&mut self, step: &Step<'_>, bids: &[Resting], asks: &[Resting]) -> Done {
        for bid in bids {
            if let Entry::Vacant(place) = self.jobs.entry(bid.id) {
                place.insert(waiting_lots(step, bid.id)?);
            }
        }
        let lens = Lens::new(step.env.height(), &step.env.params);
        for ask in asks {
            if let Entry::Vacant(place) = self.sellers.entry(ask.id) {
                let order = Order::load(&step.state, ask.id)?.ok_or(BrokenInvariant::Missing(ORDER))?;
                let Source::Ask(account) = order.source else { return Err(BrokenInvariant::Corrupt(ORDER).into()) };
                place.insert(Seller::load(&step.state, ask.id, account, lens)?);
            }
        }
        Ok(())
    }
}

/// Lots of an order's job that lack providers, in their order.
fn waiting_lots(step: &Step<'_>, order: u64) -> Done<Vec<Case>> {
    let order = Order::load(&step.state, order)?.ok_or(BrokenInvariant::Missing(ORDER))?;
    let Source::Job(job) = order.source else { return Err(BrokenInvariant::Corrupt(ORDER).into()) };
    let most = usize::try_from(step.env.params.max_due_per_block).unwrap_or(usize::MAX);
    let mut cases = Vec::new();
    for (lot, _) in wanted::of_job(&step.state, &job)?.into_iter().take(most) {
        cases.extend(Case::running(step, job, lot)?);
    }
    Ok(cases)
}

/// Assigns one lot; the units it trades.
fn apply(step: &mut Step<'_>, class: u32, price: Grains, given: handout::Given) -> Done<u64> {
    let Some(mut case) = Case::running(step, given.job, given.lot)? else { return Ok(0) };
    let units = case.units();
    let mut volume = 0u64;
    for one in given.matched {
        trading::sold(step, class, &one.provider, price, units)?;
        assign::assign(step, &mut case, one)?;
        volume = volume.saturating_add(units);
    }
    orders::served(step, case.job.order)?;
    wanted::note(step, &case)?;
    case.store_lot(step);
    Ok(volume)
}
