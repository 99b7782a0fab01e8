//! The one way a provider is paid for work out of what somebody else put down: a governed share burns.

use alloy_primitives::Address;
use assay_types::{Grains, abi::IRewards, system};

use super::{Issuance, emission, formula};
use crate::{
    keys::{self, WORK_BURNED},
    money::{Pot, transfer},
    reject::{Done, sane},
    step::Step,
};

pub(super) fn key(provider: &Address, epoch: u64, class: u32) -> Vec<u8> {
    keys::key(WORK_BURNED, &[provider.as_slice(), &epoch.to_be_bytes(), &class.to_be_bytes()])
}

/// Pays `amount` for work in `class`, of which `job_burn_bps` burns, and what the provider is owed of ended epochs.
/// Who pays pays `amount`; the provider's part of it is returned.
pub(crate) fn pay_provider(
    step: &mut Step<'_>,
    from: Pot,
    provider: Address,
    class: u32,
    amount: Grains,
) -> Done<Grains> {
    emission::settle(step, provider)?;
    let burned = formula::burned(amount, step.env.params.job_burn_bps);
    let net = sane(amount.checked_sub(burned))?;
    transfer(step, from, Pot::Burn, burned)?;
    transfer(step, from, Pot::Account(provider), net)?;
    if burned == 0 {
        return Ok(net);
    }
    let mut issuance = Issuance::load(&step.state)?;
    issuance.burned_in_epoch = sane(issuance.burned_in_epoch.checked_add(burned))?;
    issuance.burned = sane(issuance.burned.checked_add(burned))?;
    issuance.store(step);
    let epoch = issuance.epoch;
    let key = key(&provider, epoch, class);
    let before: Grains = step.read(&key)?.unwrap_or_default();
    step.write(key, &sane(before.checked_add(burned))?);
    step.emit(system::REWARDS, &IRewards::PaymentBurned { provider, epoch, class, paid: amount, burned });
    Ok(net)
}
