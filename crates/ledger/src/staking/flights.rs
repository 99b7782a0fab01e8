//! Stake on its way: out of the network, or from one validator to another.
//!
//! Both stay liable for faults of the validator they left whose height is not after the one they began at, as unbonding
//! entries and redelegations of Cosmos SDK x/staking do: a slash takes its share of what left, of at most what is still
//! there. A validator keeps the list of its slashes and a flight the number of those it has answered for. It answers
//! for the others before anything else happens to it, and a sweep over all flights of the validator, a bounded number
//! a block, brings the rest up to date. So nothing escapes by speed and no block does unbounded work.
//!
//! What a redelegation owes is taken from the delegation it went to, and where that has left already from what is
//! leaving there. Stake that came by a redelegation is not moved on before that is over, so the chain ends there.

use alloy_primitives::Address;
use assay_types::{Grains, abi::IStaking, system};

use super::{Validator, delegations};
use crate::{
    codec::record,
    keys::{self, FLIGHT, FLIGHT_OF, LEAVING, MATURES, SLASHED, STAKING},
    math,
    money::{Pot, transfer},
    reject::{BrokenInvariant, Done, Failure, sane},
    schedule::{self, Due},
    state::StateRead,
    step::{Step, keys_under, read},
};

/// Flights that a sweep brings up to date in one block.
const SWEPT: usize = 64;
const OUT: u8 = 0;
const IN: u8 = 1;

record! {
    /// Stake on its way.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Flight {
        pub(crate) delegator: Address,
        pub(crate) from: Address,
        /// None: it is paid out.
        pub(crate) to: Option<Address>,
        pub(crate) initial: Grains,
        /// What a slash may still take.
        pub(crate) left: Grains,
        pub(crate) began: u64,
        pub(crate) due_ms: u64,
        /// Slashes of `from` that it has answered for.
        pub(crate) seen: u32,
    }
}

record! {
    /// A slash, as stake on its way sees it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Slash {
        /// Flights begun at this height or later answer for it.
        pub(crate) since: u64,
        pub(crate) bps: u32,
    }
}

fn next_id() -> Vec<u8> {
    vec![STAKING, 1]
}

fn key(id: u64) -> Vec<u8> {
    keys::of_order(FLIGHT, id)
}

fn slash_key(validator: &Address, number: u32) -> Vec<u8> {
    keys::key(SLASHED, &[validator.as_slice(), &number.to_be_bytes()])
}

impl Flight {
    /// Whose delegation or undelegation it belongs to, and which.
    fn place(&self) -> (Address, u8) {
        self.to.map_or((self.from, OUT), |to| (to, IN))
    }

    fn index_keys(&self, id: u64) -> [Vec<u8>; 3] {
        let (at, kind) = self.place();
        let number = id.to_be_bytes();
        [
            keys::key(LEAVING, &[self.from.as_slice(), &number]),
            keys::key(FLIGHT_OF, &[self.delegator.as_slice(), at.as_slice(), &[kind], &number]),
            keys::key(MATURES, &[&self.due_ms.to_be_bytes(), &number]),
        ]
    }

    fn event(&self, id: u64, burned: Grains) -> IStaking::FlightSlashed {
        IStaking::FlightSlashed { delegator: self.delegator, validator: self.from, id, burned }
    }
}

fn ids(view: &dyn StateRead, delegator: &Address, validator: &Address, kind: u8) -> Vec<u64> {
    let prefix = keys::key(FLIGHT_OF, &[delegator.as_slice(), validator.as_slice(), &[kind]]);
    keys_under(view, &prefix).filter_map(|key| keys::order_at_end(&key)).collect()
}

/// All of an account that is on its way.
pub(crate) fn of(view: &dyn StateRead, delegator: &Address) -> Result<Vec<(u64, Flight)>, BrokenInvariant> {
    keys_under(view, &keys::of_address(FLIGHT_OF, delegator))
        .filter_map(|key| keys::order_at_end(&key))
        .map(|id| Ok((id, read(view, &key(id))?.ok_or(BrokenInvariant::Missing(FLIGHT))?)))
        .collect()
}

/// What of a flight is left once it has answered for all slashes so far.
pub(crate) fn left_of(view: &dyn StateRead, flight: &Flight) -> Result<Grains, BrokenInvariant> {
    let (owed, _) = owed(view, flight)?;
    Ok(flight.left.saturating_sub(owed))
}

/// Takes stake out of the network: it is paid when the unbonding time is over.
pub(crate) fn undelegate(step: &mut Step<'_>, delegator: Address, from: Address, amount: Grains) -> Done {
    Validator::named(&step.state, &from)?;
    room(step, &delegator, &from, OUT, amount)?;
    settle(step, &delegator, &from)?;
    let id = fresh_id(step)?;
    let amount = delegations::take(step, &delegator, &from, amount, Pot::Unbonding(id))?;
    let due_ms = begin(step, id, delegator, from, None, amount)?;
    step.emit(system::STAKING, &IStaking::Undelegated { delegator, validator: from, id, amount, dueMs: due_ms });
    Ok(())
}

/// Moves stake at once to another validator.
pub(crate) fn redelegate(step: &mut Step<'_>, delegator: Address, from: Address, to: Address, amount: Grains) -> Done {
    Validator::named(&step.state, &from)?;
    if Validator::named(&step.state, &to)?.tombstoned {
        return Err(Failure::TombstonedValidator.into());
    }
    if from == to {
        return Err(Failure::SameValidator.into());
    }
    room(step, &delegator, &to, IN, amount)?;
    if !ids(&step.state, &delegator, &from, IN).is_empty() {
        return Err(Failure::TransitiveRedelegation.into());
    }
    settle(step, &delegator, &to)?;
    let id = fresh_id(step)?;
    let amount = delegations::take(step, &delegator, &from, amount, Pot::Unbonding(id))?;
    delegations::add(step, delegator, to, amount, Pot::Unbonding(id))?;
    let due_ms = begin(step, id, delegator, from, Some(to), amount)?;
    step.emit(system::STAKING, &IStaking::Redelegated { delegator, from, to, id, amount, dueMs: due_ms });
    Ok(())
}

fn room(step: &Step<'_>, delegator: &Address, at: &Address, kind: u8, amount: Grains) -> Done {
    if amount == 0 {
        return Err(Failure::AmountZero.into());
    }
    let most = usize::try_from(step.env.params.max_unbondings).unwrap_or(usize::MAX);
    match ids(&step.state, delegator, at, kind).len() < most {
        true => Ok(()),
        false => Err(Failure::TooManyUnbondings.into()),
    }
}

fn fresh_id(step: &mut Step<'_>) -> Done<u64> {
    let id: u64 = step.read(&next_id())?.unwrap_or(1);
    step.write(next_id(), &sane(id.checked_add(1))?);
    Ok(id)
}

fn begin(
    step: &mut Step<'_>,
    id: u64,
    delegator: Address,
    from: Address,
    to: Option<Address>,
    initial: Grains,
) -> Done<u64> {
    let due_ms = step.env.ctx.timestamp_ms.saturating_add(step.env.params.unbonding_ms);
    let seen = Validator::must(&step.state, &from)?.slashes;
    let flight = Flight { delegator, from, to, initial, left: initial, began: step.env.height(), due_ms, seen };
    step.write(key(id), &flight);
    flight.index_keys(id).into_iter().for_each(|key| step.mark(key));
    Ok(due_ms)
}

/// Pays out what is due, a bounded number a block.
pub(crate) fn mature(step: &mut Step<'_>) -> Done {
    let now = keys::key(MATURES, &[&step.env.ctx.timestamp_ms.saturating_add(1).to_be_bytes()]);
    let most = usize::try_from(step.env.params.max_due_per_block).unwrap_or(usize::MAX);
    let due: Vec<u64> =
        step.state.scan(&[MATURES], Some(&now)).take(most).filter_map(|(key, _)| keys::order_at_end(&key)).collect();
    for id in due {
        let flight: Flight = step.must(&key(id))?;
        if flight.to.is_none() {
            // What came here by a redelegation may owe for faults elsewhere.
            settle(step, &flight.delegator, &flight.from)?;
        }
        answer(step, id)?;
        let flight: Flight = step.must(&key(id))?;
        step.state.delete(key(id));
        flight.index_keys(id).into_iter().for_each(|key| step.state.delete(key));
        if flight.to.is_none() {
            let Flight { delegator, from: validator, left: amount, .. } = flight;
            transfer(step, Pot::Unbonding(id), Pot::Account(delegator), amount)?;
            step.emit(system::STAKING, &IStaking::Unbonded { delegator, validator, id, amount });
        }
    }
    Ok(())
}

/// Notes a slash of a validator for its stake on its way. The caller stores the validator.
pub(crate) fn note(step: &mut Step<'_>, account: &Address, validator: &mut Validator, slash: &Slash) -> Done {
    step.write(slash_key(account, validator.slashes), slash);
    validator.slashes = sane(validator.slashes.checked_add(1))?;
    schedule::at(step, step.env.height(), Due::Sweep(*account, 0));
    Ok(())
}

/// Brings flights from a validator up to date, from one on.
pub(crate) fn sweep(step: &mut Step<'_>, validator: Address, from: u64) -> Done {
    let start = keys::key(LEAVING, &[validator.as_slice(), &from.to_be_bytes()]);
    let end = keys::after(&keys::of_address(LEAVING, &validator));
    let some: Vec<u64> =
        step.state.scan(&start, end.as_deref()).take(SWEPT).filter_map(|(key, _)| keys::order_at_end(&key)).collect();
    for id in &some {
        answer(step, *id)?;
    }
    match some.last() {
        Some(last) if some.len() == SWEPT => {
            schedule::at(step, step.env.after(1), Due::Sweep(validator, last.saturating_add(1)));
        }
        _ => {}
    }
    Ok(())
}

/// Lets the redelegations to `validator` answer, before what they brought is looked at.
pub(crate) fn settle(step: &mut Step<'_>, delegator: &Address, validator: &Address) -> Done {
    for id in ids(&step.state, delegator, validator, IN) {
        answer(step, id)?;
    }
    Ok(())
}

/// What a flight owes for slashes it has not answered for, and how many slashes there are.
fn owed(view: &dyn StateRead, flight: &Flight) -> Result<(Grains, u32), BrokenInvariant> {
    let slashes = Validator::must(view, &flight.from)?.slashes;
    let mut owed: Grains = 0;
    for number in flight.seen..slashes {
        let slash: Slash = read(view, &slash_key(&flight.from, number))?.ok_or(BrokenInvariant::Missing(SLASHED))?;
        if flight.began >= slash.since {
            let part = math::share(flight.initial, slash.bps).ok_or(BrokenInvariant::Arithmetic)?;
            owed = owed.saturating_add(part);
        }
    }
    Ok((owed, slashes))
}

fn answer(step: &mut Step<'_>, id: u64) -> Done {
    let mut flight: Flight = step.must(&key(id))?;
    let (owed, slashes) = owed(&step.state, &flight)?;
    if flight.seen == slashes {
        return Ok(());
    }
    let cut = owed.min(flight.left);
    flight.seen = slashes;
    flight.left = sane(flight.left.checked_sub(cut))?;
    step.write(key(id), &flight);
    if cut == 0 {
        return Ok(());
    }
    let burned = match flight.to {
        None => {
            transfer(step, Pot::Unbonding(id), Pot::Burn, cut)?;
            cut
        }
        Some(to) => take_moved(step, &flight, to, cut)?,
    };
    step.emit(system::STAKING, &flight.event(id, burned));
    Ok(())
}

/// Takes what a redelegation owes from where it went.
fn take_moved(step: &mut Step<'_>, flight: &Flight, to: Address, cut: Grains) -> Done<Grains> {
    let there = delegations::amount_of(&step.state, &flight.delegator, &to)?.min(cut);
    let mut burned = match there {
        0 => 0,
        _ => delegations::take(step, &flight.delegator, &to, there, Pot::Burn)?,
    };
    for id in ids(&step.state, &flight.delegator, &to, OUT) {
        let missing = cut.saturating_sub(burned);
        let mut leaving: Flight = step.must(&key(id))?;
        let part = missing.min(leaving.left);
        if part == 0 || leaving.began < flight.began {
            continue;
        }
        leaving.left = sane(leaving.left.checked_sub(part))?;
        transfer(step, Pot::Unbonding(id), Pot::Burn, part)?;
        step.write(key(id), &leaving);
        burned = sane(burned.checked_add(part))?;
    }
    Ok(burned)
}
