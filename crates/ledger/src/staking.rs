//! Stake behind validators: who may sit, what it costs to lie, and whose the rewards are.
//!
//! A validator's bonded tokens lie in one pot; its delegators (itself among them) own shares of it, as in Cosmos SDK
//! x/staking. Slashing takes from the pot and leaves the shares, so all of them lose alike. Rewards are claimed by a
//! cumulative reward a share (Ojha and Goes, "F1 Fee Distribution", 2019, without its slash events: shares do not
//! change when tokens are slashed). Stake that leaves, or moves to another validator, stays liable for the unbonding
//! time.
//!
//! ```text
//!  account ── delegate ──> Stake(validator) ── undelegate ──> Unbonding(id) ── time ──> account
//!                            │      └──────── redelegate ───> Stake(other), liable until then
//!                            └─ slashed: burned, a bounty to whoever reported it
//! ```
//!
//! Invariants
//! - Every division rounds against who acts; no grain is made.
//! - The sum of what delegators can claim is never above the pot it is paid from.
//! - A committee is fixed by the last block of the epoch before its own and never changes; it is remembered until the
//!   stake behind it has left.
//!
//! Does not: read votes (see [`crate::crypto`]), decide rewards (see [`reward`]'s callers).

pub(crate) mod calls;
pub(crate) mod committees;
pub(crate) mod delegations;
pub(crate) mod flights;
pub(crate) mod liveness;
pub(crate) mod rewards;
pub(crate) mod slashing;
pub(crate) mod validators;
pub(crate) mod views;

use alloy_primitives::Address;
use assay_types::{GenesisValidator, Grains, Seat};

pub use committees::{committee, peers};
pub(crate) use delegations::delegations_of;
pub(crate) use rewards::reward;
pub(crate) use validators::Validator;

use crate::{
    keys::{self, STAKING},
    money::{self, Pot, transfer},
    reject::{BrokenInvariant, Done},
    state::StateRead,
    step::{Step, read},
};

/// The validators of a genesis, each with its stake as its own, and the committee of epoch 0.
pub(crate) fn genesis(step: &mut Step<'_>, listed: &[GenesisValidator]) -> Done {
    for one in listed {
        let mut validator = Validator::new(one.network_key, one.vote_key.clone(), one.address.clone());
        validator.commission_bps = one.commission_bps;
        validator.commission_changed_ms = step.env.ctx.timestamp_ms;
        validators::own_keys(step, &one.account, &one.network_key, &one.vote_key)?;
        validator.store(step, &one.account)?;
        if one.stake > 0 {
            // Minted here, so that genesis needs no account to pay from.
            transfer(step, Pot::Mint, Pot::Account(one.account), one.stake)?;
            delegations::add(step, one.account, one.account, one.stake, Pot::Account(one.account))?;
        }
    }
    let accounts = listed.iter().map(|one| one.account).collect();
    committees::fix(step, 0, 0, accounts)?;
    liveness::begin(step);
    Ok(())
}

/// What happens at the end of each block, the turn of an epoch last.
pub(crate) fn end_block(step: &mut Step<'_>) -> Done {
    flights::mature(step)?;
    liveness::end_block(step)?;
    committees::turn_if_over(step)
}

fn bonded_key() -> Vec<u8> {
    vec![STAKING, 0]
}

/// All that is bonded, to whomever.
pub(crate) fn bonded_total(view: &dyn StateRead) -> Result<Grains, BrokenInvariant> {
    Ok(read(view, &bonded_key())?.unwrap_or_default())
}

/// What is bonded to a validator, its own and delegated.
pub(crate) fn tokens_of(view: &dyn StateRead, validator: &Address) -> Result<Grains, BrokenInvariant> {
    money::held(view, Pot::Stake(*validator))
}

/// Whether an account is a registered validator, seated or not.
pub(crate) fn is_validator(view: &dyn StateRead, account: &Address) -> bool {
    view.get(&keys::of_address(keys::VALIDATOR, account)).is_some()
}

/// Whether an account sits in the epoch of the block under way, or of the next one.
#[cfg_attr(not(test), expect(dead_code, reason = "governance and rewards ask it"))]
pub(crate) fn is_seated(view: &dyn StateRead, account: &Address) -> bool {
    seats(view).iter().any(|seat| seat.account == *account)
}

/// The seats of the epoch of the block under way, or of the next one, in order of their network keys.
pub(crate) fn seats(view: &dyn StateRead) -> Vec<Seat> {
    committees::present(view).unwrap_or_default()
}

#[cfg(test)]
mod tests;
