//! What providers ask of the ledger: register, update, collateral in and out.

use alloy_primitives::{Address, B256, Bytes};
use assay_market::Side;
use assay_types::{
    abi::IProviders::{self, Ask, IProvidersCalls},
    class::{Unit, is_leaf},
    job::MAX_ENDPOINT_BYTES,
    system,
};

use super::{Provider, health, views};
use crate::{
    capacity, keys,
    market::{self, Source, orders},
    money::{self, Pot, transfer},
    reject::{Done, Failure, fits},
    reputation,
    step::Step,
};

/// Answers a call of `IProviders`.
pub(crate) fn execute(step: &mut Step<'_>, sender: Address, value: u128, call: &IProvidersCalls) -> Done<Bytes> {
    let payable = matches!(call, IProvidersCalls::register(_) | IProvidersCalls::depositCollateral(_));
    if value != 0 && !payable {
        return Err(Failure::NotPayable.into());
    }
    match call {
        IProvidersCalls::register(call) => {
            register(step, sender, value, call.operator, call.sealingKey, &call.endpoint, &call.ask)?;
        }
        IProvidersCalls::update(call) => update(step, sender, call.sealingKey, &call.endpoint, &call.ask)?,
        IProvidersCalls::depositCollateral(_) => deposit(step, sender, value)?,
        IProvidersCalls::requestWithdrawal(call) => request_withdrawal(step, sender, call.amount)?,
        IProvidersCalls::withdraw(_) => withdraw(step, sender)?,
        IProvidersCalls::exit(_) => health::exit(step, sender)?,
        IProvidersCalls::provider(call) => return views::provider(step, &call.account),
        IProvidersCalls::providers(_) => return views::providers(step),
    }
    Ok(Bytes::new())
}

fn check_terms(step: &Step<'_>, endpoint: &Bytes, ask: &Ask) -> Done {
    if endpoint.len() > usize::try_from(MAX_ENDPOINT_BYTES).unwrap_or(usize::MAX) {
        return Err(Failure::EndpointTooLong.into());
    }
    if !step.env.params.runtimes.contains(&ask.runtimeId) {
        return Err(Failure::UnknownRuntime.into());
    }
    let class = market::live_class(step, ask.class)?;
    if class.unit != Unit::Gigafuel {
        return Err(Failure::WrongClass.into());
    }
    if !is_leaf(&step.env.params.classes, class) {
        return Err(Failure::NotLeaf.into());
    }
    if ask.pricePerGigafuel.checked_rem(class.tick) != Some(0) {
        return Err(Failure::OffTick.into());
    }
    if ask.pricePerGigafuel == 0
        || ask.capacity == 0
        || ask.maxLots == 0
        || ask.maxFuelPerTask == 0
        || ask.maxMemoryMib == 0
    {
        return Err(Failure::AskInvalid.into());
    }
    Ok(())
}

fn register(
    step: &mut Step<'_>,
    sender: Address,
    value: u128,
    operator: Address,
    sealing_key: B256,
    endpoint: &Bytes,
    ask: &Ask,
) -> Done {
    if Provider::load(&step.state, &sender)?.is_some() {
        return Err(Failure::AlreadyRegistered.into());
    }
    check_terms(step, endpoint, ask)?;
    if value < step.env.params.min_collateral {
        return Err(Failure::ValueTooLow.into());
    }
    transfer(step, Pot::Account(sender), Pot::Collateral(sender), value)?;
    // An operator of zero means that the machine is its own.
    let operator = if operator.is_zero() { sender } else { operator };
    let order = orders::open(step, sender, Source::Ask(sender), Side::Ask, ask.class, u64::MAX)?;
    let mut provider = Provider {
        operator,
        sealing_key,
        endpoint: endpoint.clone(),
        runtime_id: ask.runtimeId,
        price: ask.pricePerGigafuel,
        class: ask.class,
        capacity: ask.capacity,
        busy: 0,
        order,
        max_lots: ask.maxLots,
        max_fuel_per_task: ask.maxFuelPerTask,
        max_memory_mib: ask.maxMemoryMib,
        open: ask.open,
        locked: 0,
        withdrawing: 0,
        withdrawable_at: 0,
        active_lots: 0,
        lots_settled: 0,
        faults: 0,
        earned: 0,
        slashed: 0,
        late_streak: 0,
        suspended_until: 0,
        exposure: 0,
        margin: 0,
        health_due: 0,
        proved: u64::MAX,
        proved_mib: u32::MAX,
        missed: 0,
        round: 0,
        delivered: 0,
    };
    capacity::welcome(&step.env.params, &mut provider);
    provider.store(step, &sender);
    reputation::begin(step, &sender);
    index_ask(step, &sender, &provider);
    step.emit(system::PROVIDERS, &IProviders::ProviderRegistered { provider: sender, operator, collateral: value });
    Ok(())
}

fn update(step: &mut Step<'_>, sender: Address, sealing_key: B256, endpoint: &Bytes, ask: &Ask) -> Done {
    let mut provider = Provider::load(&step.state, &sender)?.ok_or(Failure::UnknownProvider)?;
    check_terms(step, endpoint, ask)?;
    step.state.delete(keys::open_ask(provider.class, &sender));
    if !provider.open || provider.class != ask.class {
        capacity::returned(step, &mut provider);
    }
    provider.sealing_key = sealing_key;
    provider.endpoint = endpoint.clone();
    provider.runtime_id = ask.runtimeId;
    provider.price = ask.pricePerGigafuel;
    provider.class = ask.class;
    provider.capacity = ask.capacity;
    provider.max_lots = ask.maxLots;
    provider.max_fuel_per_task = ask.maxFuelPerTask;
    provider.max_memory_mib = ask.maxMemoryMib;
    provider.open = ask.open;
    provider.store(step, &sender);
    index_ask(step, &sender, &provider);
    step.emit(system::PROVIDERS, &IProviders::ProviderUpdated { provider: sender });
    Ok(())
}

fn index_ask(step: &mut Step<'_>, account: &Address, now: &Provider) {
    match now.open {
        true => step.mark(keys::open_ask(now.class, account)),
        false => step.state.delete(keys::open_ask(now.class, account)),
    }
}

fn deposit(step: &mut Step<'_>, sender: Address, value: u128) -> Done {
    let provider = Provider::load(&step.state, &sender)?.ok_or(Failure::UnknownProvider)?;
    if value == 0 {
        return Err(Failure::AmountZero.into());
    }
    transfer(step, Pot::Account(sender), Pot::Collateral(sender), value)?;
    let collateral = money::held(&step.state, Pot::Collateral(sender))?;
    step.emit(system::PROVIDERS, &IProviders::CollateralDeposited { provider: sender, amount: value, collateral });
    orders::touch(step, provider.order);
    Ok(())
}

fn request_withdrawal(step: &mut Step<'_>, sender: Address, amount: u128) -> Done {
    let mut provider = Provider::load(&step.state, &sender)?.ok_or(Failure::UnknownProvider)?;
    if amount == 0 {
        return Err(Failure::AmountZero.into());
    }
    if amount > provider.free(&step.state, &sender)? {
        return Err(Failure::CollateralInUse.into());
    }
    let height = step.env.after(step.env.params.withdrawal_delay);
    provider.withdrawing = fits(provider.withdrawing.checked_add(amount))?;
    // A later request moves the whole of it: nothing leaves before its own delay.
    provider.withdrawable_at = height;
    provider.store(step, &sender);
    step.emit(system::PROVIDERS, &IProviders::WithdrawalRequested { provider: sender, amount, height });
    Ok(())
}

fn withdraw(step: &mut Step<'_>, sender: Address) -> Done {
    let mut provider = Provider::load(&step.state, &sender)?.ok_or(Failure::UnknownProvider)?;
    if provider.withdrawing == 0 {
        return Err(Failure::NothingToWithdraw.into());
    }
    if step.env.height() < provider.withdrawable_at {
        return Err(Failure::WithdrawalTooEarly.into());
    }
    let held = money::held(&step.state, Pot::Collateral(sender))?;
    health::remark(step, &mut provider)?;
    let needed = provider.locked.saturating_add(provider.margin);
    let amount = provider.withdrawing.min(held.saturating_sub(needed));
    provider.withdrawing = 0;
    provider.withdrawable_at = 0;
    provider.store(step, &sender);
    transfer(step, Pot::Collateral(sender), Pot::Account(sender), amount)?;
    step.emit(system::PROVIDERS, &IProviders::CollateralWithdrawn { provider: sender, amount });
    Ok(())
}
