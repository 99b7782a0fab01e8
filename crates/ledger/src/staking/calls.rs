//! What people ask of staking.

use alloy_primitives::{Address, B256, Bytes};
use assay_types::{
    abi::IStaking::{self, IStakingCalls},
    system,
};

use super::{Validator, delegations, flights, liveness, rewards, slashing, validators, views};
use crate::{
    money::Pot,
    reject::{Done, Failure},
    step::Step,
};

const DAY_MS: u64 = 86_400_000;
const WHOLE_BPS: u32 = 10_000;

/// Whether a call only reads.
pub(crate) fn is_view(call: &IStakingCalls) -> bool {
    matches!(
        call,
        IStakingCalls::validator(_)
            | IStakingCalls::validators(_)
            | IStakingCalls::committee(_)
            | IStakingCalls::delegation(_)
            | IStakingCalls::delegations(_)
            | IStakingCalls::unbondings(_)
            | IStakingCalls::rewards(_)
            | IStakingCalls::decentralisation(_)
    )
}

/// Answers a call of `IStaking`.
pub(crate) fn execute(step: &mut Step<'_>, sender: Address, value: u128, call: &IStakingCalls) -> Done<Bytes> {
    let payable = matches!(call, IStakingCalls::register(_) | IStakingCalls::delegate(_));
    if value != 0 && !payable {
        return Err(Failure::NotPayable.into());
    }
    match call {
        IStakingCalls::register(call) => register(step, sender, value, call)?,
        IStakingCalls::delegate(call) => {
            delegations::delegate(step, sender, call.validator, value, Pot::Account(sender))?;
        }
        IStakingCalls::undelegate(call) => flights::undelegate(step, sender, call.validator, call.amount)?,
        IStakingCalls::redelegate(call) => flights::redelegate(step, sender, call.from, call.to, call.amount)?,
        IStakingCalls::claimRewards(call) => rewards::claim(step, sender, call.validator)?,
        IStakingCalls::claimCommission(_) => rewards::claim_commission(step, sender)?,
        IStakingCalls::setCommission(call) => set_commission(step, sender, call.commissionBps)?,
        IStakingCalls::rotateKeys(call) => {
            rotate(step, sender, call.networkKey, &call.voteKey, &call.proofOfPossession)?;
        }
        IStakingCalls::setAddress(call) => set_address(step, sender, &call.peer)?,
        IStakingCalls::heartbeat(_) => {
            liveness::heartbeat(step, sender)?;
            step.emit(system::STAKING, &IStaking::Heartbeat { validator: sender });
        }
        IStakingCalls::unjail(_) => {
            slashing::unjail(step, sender)?;
            liveness::seen(step, &sender)?;
        }
        IStakingCalls::reportEquivocation(call) => slashing::report(step, sender, &call.evidence)?,
        IStakingCalls::validator(_)
        | IStakingCalls::validators(_)
        | IStakingCalls::committee(_)
        | IStakingCalls::delegation(_)
        | IStakingCalls::delegations(_)
        | IStakingCalls::unbondings(_)
        | IStakingCalls::rewards(_)
        | IStakingCalls::decentralisation(_) => return views::answer(step, call),
    }
    Ok(Bytes::new())
}

fn register(step: &mut Step<'_>, sender: Address, value: u128, call: &IStaking::registerCall) -> Done {
    if Validator::load(&step.state, &sender)?.is_some() {
        return Err(Failure::AlreadyValidator.into());
    }
    if call.commissionBps > WHOLE_BPS {
        return Err(Failure::CommissionBounds.into());
    }
    if value < step.env.params.min_self_stake {
        return Err(Failure::SelfStakeTooLow.into());
    }
    validators::check_address(&call.peer)?;
    validators::check_keys(step, &sender, &call.networkKey, &call.voteKey, &call.proofOfPossession)?;
    validators::own_keys(step, &sender, &call.networkKey, &call.voteKey)?;
    let mut validator = Validator::new(call.networkKey, call.voteKey.clone(), call.peer.clone());
    validator.commission_bps = call.commissionBps;
    validator.commission_changed_ms = step.env.ctx.timestamp_ms;
    validator.store(step, &sender)?;
    step.emit(
        system::STAKING,
        &IStaking::Registered {
            validator: sender,
            stake: value,
            commissionBps: call.commissionBps,
            networkKey: call.networkKey,
            voteKey: call.voteKey.clone(),
            peer: call.peer.clone(),
        },
    );
    delegations::add(step, sender, sender, value, Pot::Account(sender))
}

/// As in Cosmos SDK x/staking: once a day, by a bounded step.
fn set_commission(step: &mut Step<'_>, sender: Address, bps: u32) -> Done {
    let mut validator = Validator::named(&step.state, &sender)?;
    if bps > WHOLE_BPS {
        return Err(Failure::CommissionBounds.into());
    }
    let now = step.env.ctx.timestamp_ms;
    let early = now.saturating_sub(validator.commission_changed_ms) < DAY_MS;
    if early || bps.abs_diff(validator.commission_bps) > step.env.params.max_commission_change_bps {
        return Err(Failure::CommissionChange.into());
    }
    validator.commission_bps = bps;
    validator.commission_changed_ms = now;
    validator.store(step, &sender)?;
    step.emit(system::STAKING, &IStaking::CommissionSet { validator: sender, commissionBps: bps });
    Ok(())
}

fn rotate(step: &mut Step<'_>, sender: Address, network_key: B256, vote_key: &Bytes, proof: &Bytes) -> Done {
    let mut validator = Validator::named(&step.state, &sender)?;
    if validator.tombstoned {
        return Err(Failure::TombstonedValidator.into());
    }
    validators::check_keys(step, &sender, &network_key, vote_key, proof)?;
    validators::own_keys(step, &sender, &network_key, vote_key)?;
    (validator.network_key, validator.vote_key) = (network_key, vote_key.clone());
    validator.store(step, &sender)?;
    let (validator, vote_key) = (sender, vote_key.clone());
    step.emit(system::STAKING, &IStaking::KeysRotated { validator, networkKey: network_key, voteKey: vote_key });
    Ok(())
}

fn set_address(step: &mut Step<'_>, sender: Address, peer: &str) -> Done {
    let mut validator = Validator::named(&step.state, &sender)?;
    validators::check_address(peer)?;
    peer.clone_into(&mut validator.address);
    validator.store(step, &sender)?;
    step.emit(system::STAKING, &IStaking::AddressSet { validator: sender, peer: peer.to_owned() });
    Ok(())
}
