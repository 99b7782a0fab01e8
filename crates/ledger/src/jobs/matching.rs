//! Who runs a lot: the one place that decides it.
//!
//! Among open asks of the job's runtime whose provider is not suspended, within its price and size, with room and collateral for one
//! more lot, replicas are drawn by the beacon, weighted by free collateral, each of another operator.
//! Each is paid its own ask. An auction can replace [`match_lot`] without anyone noticing.

use alloy_primitives::{Address, B256, keccak256};
use assay_types::Grains;

use super::Case;
use crate::{
    draw::{Candidate, draw},
    keys, math,
    providers::Provider,
    reject::{Done, sane},
    schedule::{self, Due},
    step::{Step, keys_under},
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
    let prefix = keys::key(keys::OPEN_ASK, &[case.terms.runtime_id.as_slice()]);
    let asks: Vec<Address> = keys_under(&step.state, &prefix).filter_map(|key| keys::address_at_end(&key)).collect();
    for account in asks {
        if let Some((matched, weight)) = eligible_for(step, case, account)? {
            urn.push(Candidate { provider: matched.provider, operator: matched.operator, weight });
            eligible.push(matched);
        }
    }
    let drawn = draw(seed(step, case, b"assay/match"), &urn, missing);
    let by_account = |one: Candidate| eligible.iter().find(|m| m.provider == one.provider).cloned();
    Ok(drawn.and_then(|drawn| drawn.into_iter().map(by_account).collect()))
}

fn eligible_for(step: &Step<'_>, case: &Case, account: Address) -> Done<Option<(Matched, u128)>> {
    let provider = Provider::must(step, &account)?;
    let terms = &case.terms;
    let fits = step.env.height() >= provider.suspended_until
        && provider.price <= terms.max_price
        && provider.max_fuel_per_task >= terms.fuel_per_task
        && provider.max_memory_mib >= terms.memory_mib
        && provider.active_lots < provider.max_lots;
    let taken = case.lot.excluded.contains(&provider.operator)
        || case.lot.replicas.iter().any(|replica| replica.operator == provider.operator);
    if !fits || taken {
        return Ok(None);
    }
    let most = sane(terms.most(case.lot.tasks, provider.price))?;
    let bps = u128::from(step.env.params.collateral_bps);
    let Some(lock) = math::mul_div_up(most, bps, 10_000) else { return Ok(None) };
    let free = provider.free(&step.state, &account)?;
    let matched = Matched { provider: account, operator: provider.operator, price: provider.price, lock };
    Ok((free >= lock).then_some((matched, free)))
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
