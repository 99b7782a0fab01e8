//! Rewards of delegators, paid when they are asked for, however many there are.
//!
//! ```text
//! per share += rest * 2^96 / shares          (down)
//! pot       += that * shares / 2^96          (up; what is left of the rest goes to the treasury)
//! claim      = mine * (per share - when last paid) / 2^96   (down)
//! ```
//!
//! The pot is rounded up once a reward and claims are rounded down, so that claims never exceed it. What they leave
//! goes to the treasury with the last share. While there are fewer than 2^96 shares (7.9e10 KRT) the loss is below a
//! grain a reward and a grain a claim.

use alloy_primitives::{Address, U256};
use assay_types::{Grains, abi::IStaking, system};

use super::{
    Validator,
    delegations::{self, Delegation},
};
use crate::{
    math,
    money::{self, Pot, transfer},
    reject::{BrokenInvariant, Done, Failure, sane},
    state::StateRead,
    step::Step,
};

/// 2^96, what a grain is counted as.
const GRAIN: U256 = U256::from_limbs([0, 1 << 32, 0, 0]);

/// Hands `amount` from `from` to a validator: its commission to itself, the rest to its delegators by their shares. What
/// nobody is there to have goes to the treasury.
pub(crate) fn reward(step: &mut Step<'_>, validator: &Address, amount: Grains, from: Pot) -> Done {
    let Some(mut record) = Validator::load(&step.state, validator)? else {
        return transfer(step, from, Pot::Treasury, amount);
    };
    let commission = sane(math::share(amount, record.commission_bps))?;
    transfer(step, from, Pot::Commission(*validator), commission)?;
    let rest = sane(amount.checked_sub(commission))?;
    let shares = U256::from(record.shares);
    let each = sane(U256::from(rest).checked_mul(GRAIN))?.checked_div(shares).unwrap_or_default();
    let credited = sane(each.checked_mul(shares).and_then(up))?;
    record.reward_per_share = sane(record.reward_per_share.checked_add(each))?;
    transfer(step, from, Pot::Rewards(*validator), credited)?;
    transfer(step, from, Pot::Treasury, sane(rest.checked_sub(credited))?)?;
    record.store(step, validator)
}

/// The whole grains of a sum of fractions, rounded up.
fn up(sum: U256) -> Option<Grains> {
    let more = U256::from(!sum.checked_rem(GRAIN)?.is_zero());
    sum.checked_div(GRAIN)?.checked_add(more)?.try_into().ok()
}

/// What a delegation has earned since it was last paid.
fn earned(validator: &Validator, held: &Delegation) -> Option<Grains> {
    let since = validator.reward_per_share.checked_sub(held.paid_at)?;
    U256::from(held.shares).checked_mul(since)?.checked_div(GRAIN)?.try_into().ok()
}

/// Rewards an account can claim of a validator.
pub(crate) fn pending(
    view: &dyn StateRead,
    delegator: &Address,
    validator: &Address,
) -> Result<Grains, BrokenInvariant> {
    match (delegations::load(view, delegator, validator)?, Validator::load(view, validator)?) {
        (Some(held), Some(record)) => earned(&record, &held).ok_or(BrokenInvariant::Arithmetic),
        _ => Ok(0),
    }
}

/// Pays what a delegation has earned, before its shares change. The caller stores the delegation.
pub(crate) fn pay(
    step: &mut Step<'_>,
    delegator: &Address,
    account: &Address,
    validator: &Validator,
    held: &mut Delegation,
) -> Done {
    let amount = sane(earned(validator, held))?;
    held.paid_at = validator.reward_per_share;
    if amount > 0 {
        transfer(step, Pot::Rewards(*account), Pot::Account(*delegator), amount)?;
        step.emit(system::STAKING, &IStaking::RewardsClaimed { delegator: *delegator, validator: *account, amount });
    }
    Ok(())
}

/// A delegator asks for its rewards.
pub(crate) fn claim(step: &mut Step<'_>, delegator: Address, account: Address) -> Done {
    let validator = Validator::named(&step.state, &account)?;
    let mut held = delegations::load(&step.state, &delegator, &account)?.ok_or(Failure::NotDelegated)?;
    if earned(&validator, &held) == Some(0) {
        return Err(Failure::NothingToClaim.into());
    }
    pay(step, &delegator, &account, &validator, &mut held)?;
    step.write(delegations::key(&delegator, &account), &held);
    Ok(())
}

/// A validator asks for its commission.
pub(crate) fn claim_commission(step: &mut Step<'_>, account: Address) -> Done {
    Validator::named(&step.state, &account)?;
    let amount = money::held(&step.state, Pot::Commission(account))?;
    if amount == 0 {
        return Err(Failure::NothingToClaim.into());
    }
    transfer(step, Pot::Commission(account), Pot::Account(account), amount)?;
    step.emit(system::STAKING, &IStaking::CommissionClaimed { validator: account, amount });
    Ok(())
}

/// The last share is gone: what rounding left is nobody's.
pub(crate) fn sweep(step: &mut Step<'_>, account: &Address) -> Done {
    let left = money::held(&step.state, Pot::Rewards(*account))?;
    transfer(step, Pot::Rewards(*account), Pot::Treasury, left)
}
