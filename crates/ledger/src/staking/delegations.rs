//! Who owns which shares of a validator's bonded tokens.
//!
//! ```text
//! shares bought = amount * shares / tokens   (down; one a grain while there are none)
//! worth         = mine   * tokens / shares   (down)
//! shares sold   = amount * shares / tokens   (up)
//! ```
//!
//! What rounding leaves belongs to the shares that stay; the last share takes all tokens.

use alloy_primitives::{Address, U256};
use assay_types::{Grains, abi::IStaking, system};

use super::{Validator, flights, rewards, tokens_of};
use crate::{
    codec::record,
    keys::{self, DELEGATION},
    math,
    money::{Pot, transfer},
    reject::{BrokenInvariant, Done, Failure, fits, sane},
    state::StateRead,
    step::{Step, keys_under, read},
};

/// Validators an account delegates to at once, so that what counts its stake has a bound.
const MOST: usize = 64;

record! {
    /// Someone's shares of a validator.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Delegation {
        pub(crate) shares: u128,
        /// The validator's reward a share when this was last paid.
        pub(crate) paid_at: U256,
    }
}

pub(crate) fn key(delegator: &Address, validator: &Address) -> Vec<u8> {
    keys::key(DELEGATION, &[delegator.as_slice(), validator.as_slice()])
}

pub(crate) fn load(
    view: &dyn StateRead,
    delegator: &Address,
    validator: &Address,
) -> Result<Option<Delegation>, BrokenInvariant> {
    read(view, &key(delegator, validator))
}

/// What `shares` of a validator with these tokens are worth, rounded down.
fn worth(shares: u128, validator: &Validator, tokens: Grains) -> Result<Grains, BrokenInvariant> {
    match validator.shares {
        0 => Ok(0),
        all => math::mul_div_down(shares, tokens, all).ok_or(BrokenInvariant::Arithmetic),
    }
}

/// What an account has delegated to a validator.
pub(crate) fn amount_of(
    view: &dyn StateRead,
    delegator: &Address,
    validator: &Address,
) -> Result<Grains, BrokenInvariant> {
    match (load(view, delegator, validator)?, Validator::load(view, validator)?) {
        (Some(held), Some(record)) => worth(held.shares, &record, tokens_of(view, validator)?),
        _ => Ok(0),
    }
}

/// What a validator whose record and tokens these are has delegated to itself.
pub(crate) fn own_stake(
    view: &dyn StateRead,
    account: &Address,
    validator: &Validator,
    tokens: Grains,
) -> Result<Grains, BrokenInvariant> {
    load(view, account, account)?.map_or(Ok(0), |held| worth(held.shares, validator, tokens))
}

/// Validators and what `delegator` has delegated to each; its own stake counts as delegated to itself. At most 64.
pub(crate) fn delegations_of(
    view: &dyn StateRead,
    delegator: &Address,
) -> Result<Vec<(Address, Grains)>, BrokenInvariant> {
    keys_under(view, &keys::of_address(DELEGATION, delegator))
        .filter_map(|key| keys::address_at_end(&key))
        .map(|validator| Ok((validator, amount_of(view, delegator, &validator)?)))
        .collect()
}

/// Delegates `amount` out of `from`.
pub(crate) fn delegate(step: &mut Step<'_>, delegator: Address, to: Address, amount: Grains, from: Pot) -> Done {
    let validator = Validator::named(&step.state, &to)?;
    if validator.tombstoned {
        return Err(Failure::TombstonedValidator.into());
    }
    if amount == 0 {
        return Err(Failure::AmountZero.into());
    }
    flights::settle(step, &delegator, &to)?;
    add(step, delegator, to, amount, from)
}

/// The same where all of that was seen to.
pub(crate) fn add(step: &mut Step<'_>, delegator: Address, to: Address, amount: Grains, from: Pot) -> Done {
    let mut validator = Validator::must(&step.state, &to)?;
    let tokens = tokens_of(&step.state, &to)?;
    let bought = match (validator.shares, tokens) {
        (0, _) => amount,
        (_, 0) => return Err(Failure::StakeWorthless.into()),
        (all, tokens) => fits(math::mul_div_down(amount, all, tokens))?,
    };
    if bought == 0 {
        return Err(Failure::DelegationTooSmall.into());
    }
    let mut held = match load(&step.state, &delegator, &to)? {
        Some(held) => held,
        None => {
            if keys_under(&step.state, &keys::of_address(DELEGATION, &delegator)).take(MOST).count() == MOST {
                return Err(Failure::TooManyDelegations.into());
            }
            Delegation { shares: 0, paid_at: validator.reward_per_share }
        }
    };
    rewards::pay(step, &delegator, &to, &validator, &mut held)?;
    transfer(step, from, Pot::Stake(to), amount)?;
    held.shares = fits(held.shares.checked_add(bought))?;
    validator.shares = fits(validator.shares.checked_add(bought))?;
    step.write(key(&delegator, &to), &held);
    validator.store(step, &to)?;
    step.emit(system::STAKING, &IStaking::Delegated { delegator, validator: to, amount });
    Ok(())
}

/// Takes `amount` out of a delegation into `into`; returns what it took, which is more only where nobody else is left
/// to have the rest.
pub(crate) fn take(
    step: &mut Step<'_>,
    delegator: &Address,
    from: &Address,
    amount: Grains,
    into: Pot,
) -> Done<Grains> {
    let mut validator = Validator::must(&step.state, from)?;
    let tokens = tokens_of(&step.state, from)?;
    let mut held = load(&step.state, delegator, from)?.ok_or(Failure::NotDelegated)?;
    if worth(held.shares, &validator, tokens)? < amount {
        return Err(Failure::NotDelegated.into());
    }
    rewards::pay(step, delegator, from, &validator, &mut held)?;
    // Never more than it has: what it has is worth the amount.
    let sold = sane(math::mul_div_up(amount, validator.shares, tokens))?.min(held.shares);
    validator.shares = sane(validator.shares.checked_sub(sold))?;
    held.shares = sane(held.shares.checked_sub(sold))?;
    let taken = if validator.shares == 0 { tokens } else { amount };
    transfer(step, Pot::Stake(*from), into, taken)?;
    match held.shares {
        0 => step.state.delete(key(delegator, from)),
        _ => step.write(key(delegator, from), &held),
    }
    if validator.shares == 0 {
        rewards::sweep(step, from)?;
    }
    validator.store(step, from)?;
    Ok(taken)
}
