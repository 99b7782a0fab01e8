//! Whether a provider's collateral still covers its open work, and what follows when it does not.
//!
//! A lock is computed from the price of the day of assignment. When compute grows dearer, so does what a cheat
//! saves, and the lock deters less. So locks are marked to the class's reference: what they lack beyond what is
//! locked is the `margin`, which free collateral covers silently and which backs no new work.
//!
//! ```text
//! health = (collateral - withdrawing) / (locked + margin)
//!
//!   above 1              the margin is covered; new work as far as there is more
//!   below 1              called: a warning an epoch, no new work
//!   below 1 / deterrence at that point a lock is worth no more than break-even: work not yet committed to is
//!                        handed to others by the auction, with a part of the collateral attached
//! ```
//!
//! Checked once an epoch for who has open work, since the reference moves once an epoch.

use alloy_primitives::Address;
use assay_types::{
    Grains, JobCause,
    abi::IProviders,
    system,
    view::{LotPhase, ReplicaPhase},
};

use super::Provider;
use crate::{
    jobs::{Case, assign, close},
    keys::{self, WORK_REPLICA},
    market::{orders, trading::Trading},
    math,
    money::{self, BondKind, Pot, transfer},
    reject::{Done, Failure, sane},
    schedule::{self, Due},
    step::{Step, keys_under},
};

/// Lots handed over at the end of one block; the rest follow in the next.
const AT_ONCE: usize = 16;
/// Exposure is counted in this part of what a grain a gigafuel buys.
const SCALE: u128 = 1_000_000_000;
/// So many exposures add up without overflow.
const MOST: u128 = u128::MAX >> 40;

/// A lock over the price it was made at, so that times a reference it is what it would be there.
pub(crate) fn exposure(locked: Grains, price: Grains) -> u128 {
    math::mul_div_down(locked, SCALE, price).unwrap_or(MOST).min(MOST)
}

fn marked(exposure: u128, reference: Grains) -> Grains {
    math::mul_div_up(exposure, reference, SCALE).unwrap_or(Grains::MAX)
}

/// Brings a provider's margin up to date.
pub(crate) fn remark(step: &Step<'_>, provider: &mut Provider) -> Done {
    let reference = Trading::of(step, provider.class, 0)?.reference;
    provider.margin = marked(provider.exposure, reference).saturating_sub(provider.locked);
    Ok(())
}

/// Has a provider with open work looked at when the next epoch has begun.
pub(crate) fn watch(step: &mut Step<'_>, account: &Address, provider: &mut Provider) {
    if provider.health_due == 0 && provider.locked > 0 {
        let length = u64::from(step.env.params.epoch_blocks).max(1);
        let begun = step.env.height().checked_div(length).unwrap_or_default().saturating_add(1);
        provider.health_due = begun.saturating_mul(length).saturating_add(1);
        schedule::at(step, provider.health_due, Due::Health(*account));
    }
}

/// Health in basis points; none without open work.
pub(crate) fn of(provider: &Provider, collateral: Grains) -> Option<u32> {
    let owed = provider.locked.saturating_add(provider.margin);
    let backing = collateral.saturating_sub(provider.withdrawing);
    let health = math::mul_div_down(backing, 10_000, owed)?;
    (owed > 0).then(|| u32::try_from(health).unwrap_or(u32::MAX))
}

/// Below this a lock deters no more: margin over break-even is used up.
fn liquidation_bps(step: &Step<'_>) -> u32 {
    let deterrence = u64::from(step.env.params.deterrence_bps.max(10_000));
    u32::try_from(100_000_000u64.checked_div(deterrence).unwrap_or_default()).unwrap_or(u32::MAX)
}

/// Looks at a provider's health.
pub(crate) fn due(step: &mut Step<'_>, account: Address) -> Done {
    let Some(mut provider) = Provider::load(&step.state, &account)? else { return Ok(()) };
    provider.health_due = 0;
    remark(step, &mut provider)?;
    watch(step, &account, &mut provider);
    provider.store(step, &account);
    let collateral = money::held(&step.state, Pot::Collateral(account))?;
    let Some(health) = of(&provider, collateral).filter(|health| *health < 10_000) else { return Ok(()) };
    let owed = provider.locked.saturating_add(provider.margin);
    let shortfall = owed.saturating_sub(collateral.saturating_sub(provider.withdrawing));
    step.emit(system::PROVIDERS, &IProviders::HealthWarning { provider: account, healthBps: health, shortfall });
    if health < liquidation_bps(step) { hand_over(step, account) } else { Ok(()) }
}

/// Hands what a provider has not committed to yet to others, by the auction. A part of its lock goes along to who
/// takes it over, since the lot may be worth less now than its work.
pub(crate) fn hand_over(step: &mut Step<'_>, account: Address) -> Done {
    let prefix = keys::of_address(WORK_REPLICA, &account);
    let lots: Vec<_> = keys_under(&step.state, &prefix).filter_map(|key| keys::job_and_lot(&key)).collect();
    let mut handed = 0;
    for (id, index) in lots {
        let mut case = Case::open(step, id, index)?;
        let replica = case.replica_of(&account)?.clone();
        let open = matches!(replica.phase, ReplicaPhase::AwaitingKey | ReplicaPhase::Running);
        if case.lot.phase != LotPhase::Running || !open {
            continue;
        }
        if handed == AT_ONCE {
            schedule::at(step, step.env.after(1), Due::HandOver(account));
            break;
        }
        handed = handed.saturating_add(1);
        let attached = sane(math::share(replica.locked, step.env.params.late_slash_bps))?;
        transfer(step, Pot::Collateral(account), Pot::Bond(BondKind::HandOver, id, index), attached)?;
        case.lot.replicas.retain(|one| one.provider != account);
        case.lot.excluded.push(replica.operator);
        assign::release(step, &case, &replica)?;
        step.emit(system::PROVIDERS, &IProviders::HandedOver { provider: account, job: id, lot: index, attached });
        assign::requeue(step, &mut case, JobCause::HandedOver)?;
        case.store(step);
        close::close_if_over(step, &mut case)?;
    }
    Ok(())
}

/// A provider leaves: no new work, what it has not committed to goes to others, what is free is asked back. What
/// it has committed to it still opens; the rest of its collateral is free when that has settled.
pub(crate) fn exit(step: &mut Step<'_>, sender: Address) -> Done {
    let mut provider = Provider::load(&step.state, &sender)?.ok_or(Failure::UnknownProvider)?;
    provider.open = false;
    provider.store(step, &sender);
    step.state.delete(keys::open_ask(provider.class, &sender));
    hand_over(step, sender)?;
    let mut provider = Provider::must(step, &sender)?;
    let free = provider.free(&step.state, &sender)?;
    let height = step.env.after(step.env.params.withdrawal_delay);
    if free > 0 {
        provider.withdrawing = sane(provider.withdrawing.checked_add(free))?;
        provider.withdrawable_at = height;
        provider.store(step, &sender);
        step.emit(system::PROVIDERS, &IProviders::WithdrawalRequested { provider: sender, amount: free, height });
    }
    orders::touch(step, provider.order);
    step.emit(system::PROVIDERS, &IProviders::ProviderUpdated { provider: sender });
    Ok(())
}

/// What a fault costs that costs the whole lock: what the lock would be at today's reference, as far as free
/// collateral reaches.
pub(crate) fn at_stake(step: &Step<'_>, account: &Address, locked: Grains, price: Grains) -> Done<Grains> {
    let provider = Provider::must(step, account)?;
    let reference = Trading::of(step, provider.class, 0)?.reference;
    let extra = marked(exposure(locked, price), reference).saturating_sub(locked);
    let held = money::held(&step.state, Pot::Collateral(*account))?;
    let room = held.saturating_sub(provider.locked).saturating_sub(provider.withdrawing);
    sane(locked.checked_add(extra.min(room)))
}
