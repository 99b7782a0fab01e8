//! What inflation asks of staking: how much is bonded, who sits with how much, and how a seat is paid.
//!
//! Here over the stakes of the genesis, which stand behind one account each.

use alloy_primitives::Address;
use assay_types::Grains;

use crate::{
    keys,
    money::{self, Pot, transfer},
    reject::{BrokenInvariant, Done},
    state::StateRead,
    step::{Network, Step, read},
};

/// All that is bonded.
pub(super) fn bonded_total(view: &dyn StateRead) -> Result<Grains, BrokenInvariant> {
    seats(view)?.iter().try_fold(0u128, |sum, (_, stake)| sum.checked_add(*stake)).ok_or(BrokenInvariant::Arithmetic)
}

/// Who sits in the present epoch, and with how much.
pub(super) fn seats(view: &dyn StateRead) -> Result<Vec<(Address, Grains)>, BrokenInvariant> {
    let network: Network = read(view, &keys::network())?.ok_or(BrokenInvariant::NoGenesis)?;
    network.validators.into_iter().map(|account| Ok((account, money::held(view, Pot::Stake(account))?))).collect()
}

/// Pays a seat.
pub(super) fn reward(step: &mut Step<'_>, validator: &Address, amount: Grains, from: Pot) -> Done {
    transfer(step, from, Pot::Account(*validator), amount)
}
