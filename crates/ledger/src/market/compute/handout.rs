//! Handing out in whole lots what a clearing gave in units.
//!
//! Bids better than the margin get all their lots, those at the margin the whole lots in their share, and
//! what that leaves goes a lot each in tie order. A lot draws its providers by the beacon among the
//! filled asks, weighted by what they have left; asks at the margin only where no better one fits.

use std::collections::{BTreeMap, BTreeSet};

use assay_market::{Clearing, Order as Entry, Side};
use assay_types::{Grains, JobId};

use super::Floor;
use crate::{
    draw::{Candidate, draw},
    jobs::{
        Case,
        matching::{Buyer, Matched, Measure, Seller, seed},
    },
    reject::Done,
    step::Step,
};

/// A lot and whom it goes to.
pub(super) struct Given {
    pub(super) job: JobId,
    pub(super) lot: u32,
    pub(super) matched: Vec<Matched>,
}

/// What a clearing comes to.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) given: Vec<Given>,
    /// What each ask is used for, or would be had others stood beside it.
    pub(super) used: BTreeMap<u64, u64>,
    /// Orders of jobs that were given a lot.
    pub(super) served: BTreeSet<u64>,
    /// Jobs none of whose lots could be given to anybody.
    pub(super) unserved: BTreeSet<u64>,
}

pub(super) fn hand_out(
    step: &Step<'_>,
    floor: &Floor,
    clearing: &Clearing,
    bids: &[Entry],
    asks: &[Entry],
) -> Done<Plan> {
    let Some(price) = clearing.price else { return Ok(Plan::default()) };
    let fills = clearing.fills().filter(|(side, _)| *side == Side::Bid).map(|(_, fill)| (fill.id, fill.quantity));
    let filled: BTreeMap<u64, u64> = fills.collect();
    let measure = Measure::new(&step.state, step.env.height(), &step.env.params);
    let seller = |ask: &Entry| {
        let kept = floor.sellers.get(&ask.id)?;
        Some(Seller { left: ask.quantity.min(kept.left), ..kept.clone() })
    };
    let (better, margin): (Vec<&Entry>, Vec<&Entry>) =
        asks.iter().partition(|ask| Some(ask.price) != clearing.ask.traded);
    let tiers = [better, margin].map(|tier| tier.into_iter().filter_map(seller).collect());
    let room = usize::try_from(step.env.params.max_due_per_block).unwrap_or(usize::MAX);
    let mut desk = Desk { step, measure, price, tiers, room, plan: Plan::default() };
    let (mut pool, mut at_margin, mut waiting) = (0u64, 0u64, Vec::new());
    for bid in bids {
        let got = filled.get(&bid.id).copied().unwrap_or(0);
        let mut turn = Turn { cases: floor.jobs.get(&bid.id).map_or(&[], Vec::as_slice), failed: false, given: false };
        let left = desk.serve(&mut turn, got, usize::MAX)?;
        if Some(bid.price) == clearing.bid.traded {
            pool = pool.saturating_add(left);
            at_margin = at_margin.saturating_add(got);
            waiting.push((bid.id, turn));
        } else if turn.failed && !turn.given {
            desk.plan.unserved.insert(bid.id);
        }
    }
    waiting.sort_by_cached_key(|(id, _)| floor.rule.tie(*id));
    loop {
        let before = pool;
        for (_, turn) in waiting.iter_mut().filter(|(_, turn)| !turn.failed) {
            pool = desk.serve(turn, pool, 1)?;
        }
        if pool == before {
            break;
        }
    }
    for (id, turn) in waiting {
        // One larger than all there is at the margin would keep it from smaller ones for ever.
        let too_large = turn.cases.first().is_some_and(|case| need(case) > at_margin);
        if !turn.given && (turn.failed || too_large) {
            desk.plan.unserved.insert(id);
        }
    }
    Ok(desk.plan)
}

/// Units of all the replicas a lot lacks.
fn need(case: &Case) -> u64 {
    case.units().saturating_mul(u64::try_from(case.missing()).unwrap_or(u64::MAX))
}

/// A job whose lots are handed out.
struct Turn<'a> {
    /// Those still to come.
    cases: &'a [Case],
    failed: bool,
    given: bool,
}

/// The filled asks while lots are handed out.
struct Desk<'a> {
    step: &'a Step<'a>,
    measure: Measure<'a>,
    price: Grains,
    /// Better than the margin, then those at it.
    tiers: [Vec<Seller>; 2],
    /// Lots that may still be given in this block.
    room: usize,
    plan: Plan,
}

impl Desk<'_> {
    /// Gives a job its next lots while `budget` units suffice, at most `lots`; the units it left.
    fn serve(&mut self, turn: &mut Turn<'_>, mut budget: u64, lots: usize) -> Done<u64> {
        let mut served = 0;
        while let Some((case, rest)) = turn.cases.split_first() {
            let need = need(case);
            if need > budget || self.room == 0 || served == lots {
                break;
            }
            turn.cases = rest;
            self.room = self.room.saturating_sub(1);
            match self.draw(case)? {
                Some(matched) => {
                    budget = budget.saturating_sub(need);
                    served = served.saturating_add(1);
                    turn.given = true;
                    self.plan.served.insert(case.job.order);
                    self.plan.given.push(Given { job: case.id, lot: case.index, matched });
                }
                None => turn.failed = true,
            }
        }
        Ok(budget)
    }

    /// Draws the providers a lot lacks, each of another operator. What they have left is used up either
    /// way: what a lot could not use for want of others, it would have used.
    fn draw(&mut self, case: &Case) -> Done<Option<Vec<Matched>>> {
        let buyer = Buyer::of(case, self.price);
        let missing = case.missing();
        let mut matched: Vec<Matched> = Vec::new();
        for tier in 0..self.tiers.len() {
            let lacking = missing.saturating_sub(matched.len());
            let urn = self.urn(tier, case, &buyer, &matched)?;
            let operators: BTreeSet<_> = urn.iter().map(|one| one.operator).collect();
            let seed = seed(self.step, case, if tier == 0 { b"assay/match" } else { b"assay/margin" });
            for one in draw(seed, &urn, operators.len().min(lacking)).unwrap_or_default() {
                matched.extend(self.take(tier, case, &buyer, &one)?);
            }
        }
        Ok((matched.len() == missing).then_some(matched))
    }

    fn urn(&self, tier: usize, case: &Case, buyer: &Buyer, matched: &[Matched]) -> Done<Vec<Candidate>> {
        let mut urn = Vec::new();
        for seller in self.tiers.get(tier).map_or(&[][..], Vec::as_slice) {
            let operator = seller.provider.operator;
            let taken = matched.iter().any(|one| one.operator == operator);
            if !taken && seller.left >= case.units() && self.measure.lacks(seller, buyer)?.is_empty() {
                urn.push(Candidate { provider: seller.account, operator, weight: u128::from(seller.left) });
            }
        }
        Ok(urn)
    }

    fn take(&mut self, tier: usize, case: &Case, buyer: &Buyer, one: &Candidate) -> Done<Option<Matched>> {
        let sellers = self.tiers.get_mut(tier);
        let found = sellers.and_then(|sellers| sellers.iter_mut().find(|seller| seller.account == one.provider));
        let Some(seller) = found else { return Ok(None) };
        let used = self.plan.used.entry(seller.order).or_default();
        *used = used.saturating_add(case.units());
        let lock = self.measure.lock(buyer)?;
        seller.left = seller.left.saturating_sub(case.units());
        seller.free = seller.free.saturating_sub(lock);
        seller.provider.active_lots = seller.provider.active_lots.saturating_add(1);
        Ok(Some(Matched { provider: seller.account, operator: seller.provider.operator, price: self.price, lock }))
    }
}
