//! Whether a provider can take a lot: the one rule, for the market's draw and for whoever asks why nobody
//! was drawn.

use alloy_primitives::{Address, B256, keccak256};
use assay_proof::audit::Assumptions;
use assay_types::{
    Grains, JobId, Params,
    class::{class_of, leaves_under},
    view::{Assessment, Lack, LotPhase, WaitingLot},
};

use super::{Case, Job, Lot, Terms, wanted};
use crate::{
    audits, keys,
    providers::Provider,
    reject::{BrokenInvariant, Done, sane},
    reputation::{Lens, Reputation},
    staking,
    state::StateRead,
    step::{Step, Tip, keys_under, read},
};

/// A provider drawn for a lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matched {
    pub(crate) provider: Address,
    pub(crate) operator: Address,
    pub(crate) price: Grains,
    pub(crate) lock: Grains,
}

/// A provider with what it has left.
#[derive(Debug, Clone)]
pub(crate) struct Seller {
    pub(crate) order: u64,
    pub(crate) account: Address,
    pub(crate) provider: Provider,
    /// Thousandths of a gigafuel.
    pub(crate) left: u64,
    /// Collateral that backs nothing.
    pub(crate) free: Grains,
    /// Its reputation, basis points.
    pub(crate) score: u16,
}

impl Seller {
    pub(crate) fn load(view: &dyn StateRead, order: u64, account: Address, lens: Lens) -> Done<Self> {
        let provider = Provider::load(view, &account)?.ok_or(BrokenInvariant::Missing(keys::PROVIDER))?;
        let left = if provider.open { provider.effective().saturating_sub(provider.busy) } else { 0 };
        let free = provider.free(view, &account)?;
        let bonded = free.saturating_add(provider.locked);
        let score = Reputation::load(view, &account, lens)?.score(bonded, lens);
        Ok(Self { order, account, provider, left, free, score })
    }
}

/// What a lot wants of a provider.
pub(crate) struct Buyer<'a> {
    case: &'a Case,
    /// What it would pay.
    price: Grains,
}

impl<'a> Buyer<'a> {
    pub(crate) fn of(case: &'a Case, price: Grains) -> Self {
        Self { case, price }
    }
}

/// What an ask is held against, from the state of one block.
pub(crate) struct Measure<'a> {
    view: &'a dyn StateRead,
    lens: Lens,
    assumed: Assumptions,
}

impl<'a> Measure<'a> {
    pub(crate) fn new(view: &'a dyn StateRead, height: u64, params: &Params) -> Self {
        let assumed = audits::assumptions(params, staking::seats(view).len());
        Self { view, lens: Lens::new(height, params), assumed }
    }

    /// Collateral that one replica of the lot takes: what makes cheating lose at this tier. More than there is
    /// when it does not fit.
    pub(crate) fn lock(&self, buyer: &Buyer<'_>) -> Done<Grains> {
        let terms = &buyer.case.terms;
        let most = sane(terms.most(buyer.case.lot.tasks, buyer.price))?;
        let lock = match terms.audit_bps {
            0 => self.assumed.replica_lock(most, u32::from(terms.replicas)),
            chance => self.assumed.audit_lock(most, u32::from(chance), u32::from(terms.auditors)),
        };
        Ok(lock.unwrap_or(Grains::MAX))
    }

    /// What keeps a provider from one more replica of a lot; nothing if it can take it.
    pub(crate) fn lacks(&self, seller: &Seller, buyer: &Buyer<'_>) -> Done<Vec<Lack>> {
        let (provider, case) = (&seller.provider, buyer.case);
        let terms = &case.terms;
        let mut lacks = Vec::new();
        if provider.runtime_id != terms.runtime_id {
            lacks.push(Lack::Runtime);
        }
        if let Some(by) = provider.price.checked_sub(buyer.price).filter(|by| *by > 0) {
            lacks.push(Lack::Price { by });
        }
        if let Some(by) = terms.fuel_per_task.checked_sub(provider.max_fuel_per_task).filter(|by| *by > 0) {
            lacks.push(Lack::Fuel { by });
        }
        if let Some(by_mib) = terms.memory_mib.checked_sub(provider.effective_mib()).filter(|by| *by > 0) {
            lacks.push(Lack::Memory { by_mib });
        }
        if provider.active_lots >= provider.max_lots || seller.left < case.units() {
            lacks.push(Lack::Capacity { lots: provider.active_lots, proved: unproved(seller, case.units()) });
        }
        if self.lens.height < provider.suspended_until {
            lacks.push(Lack::Suspended { until: provider.suspended_until });
        }
        if seller.account == case.job.renter || provider.operator == case.job.renter {
            lacks.push(Lack::Own);
        }
        if case.lot.excluded.contains(&provider.operator)
            || case.lot.replicas.iter().any(|replica| replica.operator == provider.operator)
        {
            lacks.push(Lack::Operator);
        }
        if let Some(by) = terms.min_reputation.checked_sub(seller.score).filter(|by| *by > 0) {
            lacks.push(Lack::Reputation { by });
        }
        let lock = self.lock(buyer)?;
        if let Some(by) = lock.checked_sub(seller.free).filter(|by| *by > 0) {
            lacks.push(Lack::Collateral { by });
        }
        Ok(lacks)
    }
}

/// What a provider proved, if only that keeps a lot of `units` from what it offers.
fn unproved(seller: &Seller, units: u64) -> Option<u64> {
    let provider = &seller.provider;
    let offered = provider.capacity.saturating_sub(provider.busy);
    (provider.active_lots < provider.max_lots && units <= offered).then_some(provider.proved)
}

impl Case {
    /// A lot of an open job that lacks providers, if it does.
    pub(crate) fn running(step: &Step<'_>, id: JobId, index: u32) -> Done<Option<Self>> {
        let Some(job) = Job::load(&step.state, &id)?.filter(|job| job.outcome.is_none()) else { return Ok(None) };
        let lot: Lot = step.must(&keys::of_lot(keys::LOT, &id, index))?;
        let case = Self { terms: Terms::load(&step.state, &id)?, id, job, index, lot };
        let over = case.lot.phase != LotPhase::Running || case.missing() == 0 || case.past_end(step);
        Ok((!over).then_some(case))
    }

    /// Providers it lacks.
    pub(crate) fn missing(&self) -> usize {
        self.wanted().saturating_sub(self.lot.replicas.len())
    }
}

/// Accounts of all providers with an open ask.
pub(crate) fn open_asks(view: &dyn StateRead) -> impl Iterator<Item = Address> + '_ {
    keys_under(view, &[keys::OPEN_ASK]).filter_map(|key| keys::address_at_end(&key))
}

/// Why lots of an open job have not all their providers; empty when none waits.
pub(crate) fn why_waiting(view: &dyn StateRead, id: JobId) -> Done<Vec<WaitingLot>> {
    let Some(job) = Job::load(view, &id)?.filter(|job| job.outcome.is_none()) else { return Ok(Vec::new()) };
    let tip: Tip = read(view, &keys::tip())?.ok_or(BrokenInvariant::NoGenesis)?;
    let params = crate::query::params(view).ok_or(BrokenInvariant::NoGenesis)?;
    let measure = Measure::new(view, tip.height.saturating_add(1), &params);
    let terms = Terms::load(view, &id)?;
    let named = std::iter::once(terms.class).chain(terms.substitutes.iter().copied());
    let classes: Vec<u32> = named
        .filter_map(|class| class_of(&params.classes, class))
        .flat_map(|class| leaves_under(&params.classes, class))
        .map(|class| class.id)
        .collect();
    let mut waiting = Vec::new();
    for (index, _) in wanted::of_job(view, &id)? {
        let lot: Lot = read(view, &keys::of_lot(keys::LOT, &id, index))?.ok_or(BrokenInvariant::Missing(keys::LOT))?;
        let case = Case { id, job: job.clone(), terms: terms.clone(), index, lot };
        waiting.push(waiting_lot(&measure, &case, &classes)?);
    }
    Ok(waiting)
}

fn waiting_lot(measure: &Measure<'_>, case: &Case, classes: &[u32]) -> Done<WaitingLot> {
    let buyer = Buyer::of(case, case.job.limit);
    let mut assessed = Vec::new();
    for account in open_asks(measure.view) {
        let seller = Seller::load(measure.view, 0, account, measure.lens)?;
        let mut lacks = measure.lacks(&seller, &buyer)?;
        if !classes.contains(&seller.provider.class) {
            lacks.insert(0, Lack::Class { class: seller.provider.class });
        }
        let Provider { operator, price, .. } = seller.provider;
        assessed.push(Assessment { provider: account, operator, price_per_gigafuel: price, lacks });
    }
    assessed.sort_by_key(|one| {
        let elsewhere = one.lacks.iter().any(|lack| matches!(lack, Lack::Class { .. }));
        (elsewhere, one.price_per_gigafuel, one.provider)
    });
    let operators = |fits: fn(&Lack) -> bool| {
        let mut seen = Vec::new();
        for one in assessed.iter().filter(|one| one.lacks.iter().all(fits)) {
            if !seen.iter().any(|(operator, _)| *operator == one.operator) {
                seen.push((one.operator, one.price_per_gigafuel));
            }
        }
        seen
    };
    let able = operators(|_| false).len();
    let priced = operators(|lack| matches!(lack, Lack::Price { .. }));
    let enough_at = priced.get(case.missing().saturating_sub(1)).map(|(_, price)| *price);
    let since = wanted::of_lot(measure.view, &case.id, case.index)?.map(|wanted| wanted.since);
    Ok(WaitingLot {
        lot: case.index,
        since,
        missing: u32::try_from(case.missing()).unwrap_or(u32::MAX),
        able: u32::try_from(able).unwrap_or(u32::MAX),
        enough_at,
        asks: assessed,
    })
}

/// Randomness of one draw: the beacon of this block, which nobody knew when the draw became due.
pub(crate) fn seed(step: &Step<'_>, case: &Case, domain: &[u8]) -> B256 {
    let mut bytes = domain.to_vec();
    bytes.extend_from_slice(step.env.ctx.beacon.as_slice());
    bytes.extend_from_slice(case.id.as_slice());
    bytes.extend_from_slice(&case.index.to_be_bytes());
    bytes.extend_from_slice(&case.lot.attempts.to_be_bytes());
    keccak256(bytes)
}
