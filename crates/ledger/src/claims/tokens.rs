//! Who has which claims: ERC-1155 without receivers' code, since there is none.

use alloy_primitives::{Address, U256};
use assay_types::{ClaimId, abi::IClaims, system};

use super::{Issuance, key_of};
use crate::{
    keys::{self, APPROVED, HELD, HELD_BY},
    reject::{BrokenInvariant, Done, Failure, sane},
    state::StateRead,
    step::{Step, read},
};

fn held_key(id: &ClaimId, owner: &Address) -> Vec<u8> {
    let mut key = key_of(HELD, id);
    key.extend_from_slice(owner.as_slice());
    key
}

/// Everybody's part of an issuance lies under this.
pub(crate) fn held_prefix(id: &ClaimId) -> Vec<u8> {
    key_of(HELD, id)
}

fn owned_key(id: &ClaimId, owner: &Address) -> Vec<u8> {
    let mut key = keys::of_address(HELD_BY, owner);
    key.extend_from_slice(key_of(0, id).get(1..).unwrap_or_default());
    key
}

/// What an address has of an issuance.
pub(crate) fn balance(view: &dyn StateRead, id: &ClaimId, owner: &Address) -> Result<u64, BrokenInvariant> {
    Ok(read(view, &held_key(id, owner))?.unwrap_or_default())
}

/// As ERC-1155 asks it: an id that names nothing is held by nobody.
pub(crate) fn balance_of(view: &dyn StateRead, owner: &Address, id: U256) -> Result<U256, BrokenInvariant> {
    let held = ClaimId::from_u256(id).map_or(Ok(0), |id| balance(view, &id, owner))?;
    Ok(U256::from(held))
}

fn set(step: &mut Step<'_>, id: &ClaimId, owner: &Address, amount: u64) {
    if amount == 0 {
        step.state.delete(held_key(id, owner));
        step.state.delete(owned_key(id, owner));
    } else {
        step.write(held_key(id, owner), &amount);
        step.mark(owned_key(id, owner));
    }
}

/// Moves claims without telling; zero addresses stand for making and burning.
fn shift(step: &mut Step<'_>, id: &ClaimId, from: Address, to: Address, amount: u64) -> Done {
    if !from.is_zero() {
        let left = balance(&step.state, id, &from)?.checked_sub(amount).ok_or(Failure::ClaimBalance)?;
        set(step, id, &from, left);
    }
    if !to.is_zero() {
        let held = sane(balance(&step.state, id, &to)?.checked_add(amount))?;
        set(step, id, &to, held);
    }
    Ok(())
}

/// The one way claims move; zero addresses stand for making and burning.
pub(crate) fn transfer(
    step: &mut Step<'_>,
    operator: Address,
    id: &ClaimId,
    from: Address,
    to: Address,
    amount: u64,
) -> Done {
    if amount == 0 {
        return Ok(());
    }
    shift(step, id, from, to, amount)?;
    let value = U256::from(amount);
    step.emit(system::CLAIMS, &IClaims::TransferSingle { operator, from, to, id: id.to_u256(), value });
    Ok(())
}

fn approved_key(owner: &Address, operator: &Address) -> Vec<u8> {
    keys::key(APPROVED, &[owner.as_slice(), operator.as_slice()])
}

/// Whether `operator` may move what `owner` has.
pub(crate) fn is_approved(view: &dyn StateRead, owner: &Address, operator: &Address) -> bool {
    view.get(&approved_key(owner, operator)).is_some()
}

/// Allows or forbids somebody to move all claims of the sender.
pub(crate) fn approve(step: &mut Step<'_>, sender: Address, operator: Address, approved: bool) {
    let key = approved_key(&sender, &operator);
    match approved {
        true => step.mark(key),
        false => step.state.delete(key),
    }
    step.emit(system::CLAIMS, &IClaims::ApprovalForAll { account: sender, operator, approved });
}

fn check(step: &Step<'_>, sender: &Address, from: &Address, to: &Address) -> Done {
    if sender != from && !is_approved(&step.state, from, sender) {
        return Err(Failure::NotApproved.into());
    }
    if to.is_zero() || system::is_system(to) {
        return Err(Failure::ClaimRecipient.into());
    }
    Ok(())
}

fn send_one(step: &mut Step<'_>, from: Address, to: Address, id: U256, amount: U256) -> Done {
    let (id, _) = Issuance::live(step, id)?;
    let amount = u64::try_from(amount).map_err(|_| Failure::ClaimBalance)?;
    shift(step, &id, from, to, amount)
}

/// `safeTransferFrom`.
pub(crate) fn send(step: &mut Step<'_>, sender: Address, from: Address, to: Address, id: U256, amount: U256) -> Done {
    check(step, &sender, &from, &to)?;
    send_one(step, from, to, id, amount)?;
    step.emit(system::CLAIMS, &IClaims::TransferSingle { operator: sender, from, to, id, value: amount });
    Ok(())
}

/// `safeBatchTransferFrom`.
pub(crate) fn send_batch(
    step: &mut Step<'_>,
    sender: Address,
    from: Address,
    to: Address,
    ids: &[U256],
    amounts: &[U256],
) -> Done {
    check(step, &sender, &from, &to)?;
    if ids.len() != amounts.len() {
        return Err(Failure::BatchLength.into());
    }
    for (id, amount) in ids.iter().zip(amounts) {
        send_one(step, from, to, *id, *amount)?;
    }
    let (ids, values) = (ids.to_vec(), amounts.to_vec());
    step.emit(system::CLAIMS, &IClaims::TransferBatch { operator: sender, from, to, ids, values });
    Ok(())
}
