//! Who runs a lot: the one place that decides it.
//!
//! Among open asks of the job's runtime whose provider is not suspended, within its price and size, with room and collateral for one
//! more lot, replicas are drawn by the beacon, weighted by free collateral, each of another operator.
//! Each is paid its own ask. An auction can replace [`match_lot`] without anyone noticing.

use alloy_primitives::{Address, B256, keccak256};
use assay_types::{
    Grains, JobId,
    view::{Assessment, Lack, LotPhase, WaitingLot},
};

use super::{Case, Job, Lot, Terms};
use crate::{
    draw::{Candidate, draw},
    keys, math,
    providers::Provider,
    reject::{BrokenInvariant, Done, sane},
    schedule::{self, Due},
    state::StateRead,
    step::{Step, Tip, keys_under, read},
};

/// Waiting lots looked at anew when a provider has room again.
const WOKEN: usize = 2;

/// A provider drawn for a lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matched {
    pub(crate) provider: Address,
    pub(crate) operator: Address,
    pub(crate) price: Grains,
    pub(crate) lock: Grains,
}

/// Draws the providers a lot still lacks; None when too few are eligible.
pub(crate) fn match_lot(step: &Step<'_>, case: &Case) -> Done<Option<Vec<Matched>>> {
    let missing = case.wanted().saturating_sub(case.lot.replicas.len());
    let mut eligible = Vec::new();
    let mut urn = Vec::new();
    let measure =
        Measure { view: &step.state, height: step.env.height(), collateral_bps: step.env.params.collateral_bps };
    for account in open_asks(&step.state, &case.terms.runtime_id) {
        if let Assessed::Able(matched, weight) = assess(&measure, case, account)? {
            urn.push(Candidate { provider: matched.provider, operator: matched.operator, weight });
            eligible.push(matched);
        }
    }
    let drawn = draw(seed(step, case, b"assay/match"), &urn, missing);
    let by_account = |one: Candidate| eligible.iter().find(|m| m.provider == one.provider).cloned();
    Ok(drawn.and_then(|drawn| drawn.into_iter().map(by_account).collect()))
}

/// What an ask is held against, from the state of one block.
struct Measure<'a> {
    view: &'a dyn StateRead,
    height: u64,
    collateral_bps: u32,
}

/// A provider that could take a lot, or what it lacks.
enum Assessed {
    Able(Matched, u128),
    Lacks(Provider, Vec<Lack>),
}

/// Whether a provider could take one more replica of a lot: the one rule, for the draw and for whoever
/// asks why nobody was drawn.
fn assess(measure: &Measure<'_>, case: &Case, account: Address) -> Done<Assessed> {
    let provider = Provider::load(measure.view, &account)?.ok_or(BrokenInvariant::Missing(keys::PROVIDER))?;
    let terms = &case.terms;
    let mut lacks = Vec::new();
    if let Some(by) = provider.price.checked_sub(terms.max_price).filter(|by| *by > 0) {
        lacks.push(Lack::Price { by });
    }
    if let Some(by) = terms.fuel_per_task.checked_sub(provider.max_fuel_per_task).filter(|by| *by > 0) {
        lacks.push(Lack::Fuel { by });
    }
    if let Some(by_mib) = terms.memory_mib.checked_sub(provider.max_memory_mib).filter(|by| *by > 0) {
        lacks.push(Lack::Memory { by_mib });
    }
    if provider.active_lots >= provider.max_lots {
        lacks.push(Lack::Capacity { lots: provider.active_lots });
    }
    if measure.height < provider.suspended_until {
        lacks.push(Lack::Suspended { until: provider.suspended_until });
    }
    if case.lot.excluded.contains(&provider.operator)
        || case.lot.replicas.iter().any(|replica| replica.operator == provider.operator)
    {
        lacks.push(Lack::Operator);
    }
    // An ask too dear to be paid at all may be too dear to count.
    let most = terms.most(case.lot.tasks, provider.price.min(terms.max_price));
    let lock = math::mul_div_up(sane(most)?, u128::from(measure.collateral_bps), 10_000);
    let free = provider.free(measure.view, &account)?;
    match lock {
        Some(lock) if free >= lock && lacks.is_empty() => {
            let matched = Matched { provider: account, operator: provider.operator, price: provider.price, lock };
            return Ok(Assessed::Able(matched, free));
        }
        Some(lock) if free >= lock => {}
        lock => lacks.push(Lack::Collateral { by: lock.unwrap_or(Grains::MAX).saturating_sub(free) }),
    }
    Ok(Assessed::Lacks(provider, lacks))
}

fn open_asks(view: &dyn StateRead, runtime: &B256) -> Vec<Address> {
    let prefix = keys::key(keys::OPEN_ASK, &[runtime.as_slice()]);
    keys_under(view, &prefix).filter_map(|key| keys::address_at_end(&key)).collect()
}

/// Why lots of an open job have not all their providers; empty when none waits.
pub(crate) fn why_waiting(view: &dyn StateRead, id: JobId) -> Done<Vec<WaitingLot>> {
    let Some(job) = Job::load(view, &id)?.filter(|job| job.outcome.is_none()) else { return Ok(Vec::new()) };
    let tip: Tip = read(view, &keys::tip())?.ok_or(BrokenInvariant::NoGenesis)?;
    let params = crate::query::params(view).ok_or(BrokenInvariant::NoGenesis)?;
    let measure = Measure { view, height: tip.height.saturating_add(1), collateral_bps: params.collateral_bps };
    let terms = Terms::load(view, &id)?;
    let asks = open_asks(view, &terms.runtime_id);
    let mut waiting = Vec::new();
    let prefix = keys::of_job(keys::LOT, &id);
    let lots: Vec<u32> =
        keys_under(view, &prefix).filter_map(|key| keys::job_and_lot(&key)).map(|(_, lot)| lot).collect();
    for index in lots {
        let lot: Lot = read(view, &keys::of_lot(keys::LOT, &id, index))?.ok_or(BrokenInvariant::Missing(keys::LOT))?;
        let case = Case { id, job: job.clone(), terms: terms.clone(), index, lot };
        let missing = case.wanted().saturating_sub(case.lot.replicas.len());
        if case.lot.phase != LotPhase::Running || missing == 0 {
            continue;
        }
        waiting.push(waiting_lot(&measure, &case, &asks, missing)?);
    }
    Ok(waiting)
}

fn waiting_lot(measure: &Measure<'_>, case: &Case, asks: &[Address], missing: usize) -> Done<WaitingLot> {
    let mut assessed = Vec::new();
    for account in asks {
        let (operator, price, lacks) = match assess(measure, case, *account)? {
            Assessed::Able(matched, _) => (matched.operator, matched.price, Vec::new()),
            Assessed::Lacks(provider, lacks) => (provider.operator, provider.price, lacks),
        };
        assessed.push(Assessment { provider: *account, operator, price_per_gigafuel: price, lacks });
    }
    assessed.sort_by_key(|one| (one.price_per_gigafuel, one.provider));
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
    let enough_at =
        operators(|lack| matches!(lack, Lack::Price { .. })).get(missing.saturating_sub(1)).map(|(_, price)| *price);
    Ok(WaitingLot {
        lot: case.index,
        since: case.lot.waiting_since,
        missing: u32::try_from(missing).unwrap_or(u32::MAX),
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

/// Has a few lots that wait for this runtime looked at anew, the longest waiting first: a provider
/// has come or has room again.
pub(crate) fn wake(step: &mut Step<'_>, runtime: &B256) -> Done {
    let prefix = keys::key(keys::WAITING, &[runtime.as_slice()]);
    let woken: Vec<_> =
        keys_under(&step.state, &prefix).filter_map(|key| keys::job_and_lot(&key)).take(WOKEN).collect();
    let next = step.env.after(1);
    for (job, lot) in woken {
        schedule::at(step, next, Due::Match(job, lot));
    }
    Ok(())
}
