//! Whose stake is whose: all that governance asks of staking.

use alloy_primitives::Address;
use assay_types::Grains;

use crate::{
    keys,
    money::{self, Pot},
    reject::BrokenInvariant,
    state::StateRead,
    step::{Network, read},
};

fn validators(view: &dyn StateRead) -> Result<Vec<Address>, BrokenInvariant> {
    let network: Network = read(view, &keys::network())?.ok_or(BrokenInvariant::NoGenesis)?;
    Ok(network.validators)
}

/// All stake that may vote.
pub(crate) fn bonded_total(view: &dyn StateRead) -> Result<Grains, BrokenInvariant> {
    let mut sum: Grains = 0;
    for validator in validators(view)? {
        sum = sum.checked_add(tokens_of(view, &validator)?).ok_or(BrokenInvariant::Arithmetic)?;
    }
    Ok(sum)
}

/// Stake behind a validator, its own and others'.
pub(crate) fn tokens_of(view: &dyn StateRead, validator: &Address) -> Result<Grains, BrokenInvariant> {
    money::held(view, Pot::Stake(*validator))
}

/// Whom an account delegated to, and how much.
pub(crate) fn delegations_of(
    view: &dyn StateRead,
    delegator: &Address,
) -> Result<Vec<(Address, Grains)>, BrokenInvariant> {
    let own = money::held(view, Pot::Stake(*delegator))?;
    Ok(if own == 0 { Vec::new() } else { vec![(*delegator, own)] })
}
