//! What the chain answers about providers.

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use assay_types::{abi::IProviders, view::ProviderView};

use super::{Provider, health};
use crate::{
    capacity,
    keys::{self, PROVIDER},
    money::{self, Pot},
    reject::{Done, Failure},
    reputation::{Lens, Reputation},
    state::StateRead,
    step::{Step, keys_under},
};

/// `IProviders.provider`.
pub(crate) fn provider(step: &Step<'_>, account: &Address) -> Done<Bytes> {
    let provider = Provider::load(&step.state, account)?.ok_or(Failure::UnknownProvider)?;
    let answer = IProviders::Provider {
        account: *account,
        operator: provider.operator,
        sealingKey: provider.sealing_key,
        endpoint: provider.endpoint.clone(),
        ask: provider.ask(),
        collateral: money::held(&step.state, Pot::Collateral(*account))?,
        locked: provider.locked,
        withdrawing: provider.withdrawing,
        withdrawableAt: provider.withdrawable_at,
        activeLots: provider.active_lots,
        lotsSettled: provider.lots_settled,
        faults: provider.faults,
    };
    Ok(IProviders::providerCall::abi_encode_returns(&answer).into())
}

/// `IProviders.providers`.
pub(crate) fn providers(step: &Step<'_>) -> Done<Bytes> {
    let all: Vec<Address> = accounts(&step.state).collect();
    Ok(IProviders::providersCall::abi_encode_returns(&all).into())
}

/// Accounts of all providers, ascending.
pub(crate) fn accounts(view: &dyn StateRead) -> impl Iterator<Item = Address> + '_ {
    keys_under(view, &[PROVIDER]).filter_map(|key| keys::address_at_end(&key))
}

/// One provider as queries show it.
pub(crate) fn view_of(view: &dyn StateRead, account: Address, lens: Lens) -> Option<ProviderView> {
    let provider = Provider::load(view, &account).ok()??;
    let collateral = money::held(view, Pot::Collateral(account)).ok()?;
    let reputation = Reputation::load(view, &account, lens).ok()?;
    Some(ProviderView {
        health_bps: health::of(&provider, collateral),
        margin: provider.margin,
        account,
        operator: provider.operator,
        sealing_key: provider.sealing_key,
        endpoint: provider.endpoint,
        runtime_id: provider.runtime_id,
        class: provider.class,
        capacity: provider.capacity,
        busy: provider.busy,
        price_per_gigafuel: provider.price,
        max_lots: provider.max_lots,
        max_fuel_per_task: provider.max_fuel_per_task,
        max_memory_mib: provider.max_memory_mib,
        open: provider.open,
        collateral,
        locked: provider.locked,
        withdrawing: provider.withdrawing,
        withdrawable_at: provider.withdrawable_at,
        active_lots: provider.active_lots,
        lots_settled: provider.lots_settled,
        faults: provider.faults,
        earned: provider.earned,
        suspended_until: provider.suspended_until,
        slashed: provider.slashed,
        reputation: reputation.view(collateral.saturating_sub(provider.withdrawing), lens),
        proved_capacity: Some(provider.proved).filter(|proved| *proved != u64::MAX),
        proved_memory_mib: Some(provider.proved_mib).filter(|_| provider.proved != u64::MAX),
        missed_rounds: provider.missed,
        challenge: capacity::view_of(view, &account),
    })
}
