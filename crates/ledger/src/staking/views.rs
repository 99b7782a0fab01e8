//! What people see of staking.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use assay_types::{
    Grains,
    abi::IStaking::{self, IStakingCalls},
    view::{DecentralisationView, DelegationView, FlightView, ValidatorView},
};

use super::{Validator, bonded_total, committees, delegations, flights, rewards, seats, tokens_of, validators};
use crate::{
    money::{self, Pot},
    reject::{BrokenInvariant, Done, Failure},
    state::StateRead,
    step::{Step, params_of},
};

/// Answers the reading calls of `IStaking`.
pub(crate) fn answer(step: &Step<'_>, call: &IStakingCalls) -> Done<Bytes> {
    let view = &step.state;
    Ok(match call {
        IStakingCalls::validator(call) => {
            let seen = validator(view, &call.account)?.ok_or(Failure::UnknownValidator)?;
            IStaking::validatorCall::abi_encode_returns(&listed(seen))
        }
        IStakingCalls::validators(_) => {
            let all: Vec<_> = validators(view)?.into_iter().map(listed).collect();
            IStaking::validatorsCall::abi_encode_returns(&all)
        }
        IStakingCalls::committee(call) => {
            let seats = committees::committee(view, call.epoch).unwrap_or_default();
            let seats: Vec<_> = seats.into_iter().map(seat).collect();
            IStaking::committeeCall::abi_encode_returns(&seats)
        }
        IStakingCalls::delegation(call) => {
            let amount = delegations::amount_of(view, &call.delegator, &call.validator)?;
            let rewards = rewards::pending(view, &call.delegator, &call.validator)?;
            IStaking::delegationCall::abi_encode_returns(&IStaking::delegationReturn { amount, rewards })
        }
        IStakingCalls::delegations(call) => {
            let all: Vec<_> = delegations(view, &call.delegator)?.into_iter().map(delegated).collect();
            IStaking::delegationsCall::abi_encode_returns(&all)
        }
        IStakingCalls::unbondings(call) => {
            let all: Vec<_> = unbondings(view, &call.delegator)?.into_iter().map(flight).collect();
            IStaking::unbondingsCall::abi_encode_returns(&all)
        }
        IStakingCalls::rewards(call) => {
            IStaking::rewardsCall::abi_encode_returns(&rewards::pending(view, &call.delegator, &call.validator)?)
        }
        IStakingCalls::decentralisation(_) => {
            let DecentralisationView { seats, third, third_stake_bps, entry_stake, nakamoto_stake } =
                decentralisation(view)?;
            let answer = IStaking::decentralisationReturn {
                seats,
                third,
                thirdStakeBps: third_stake_bps,
                entryStake: entry_stake,
                nakamotoStake: nakamoto_stake,
            };
            IStaking::decentralisationCall::abi_encode_returns(&answer)
        }
        // The calls that change something are executed, not answered.
        _ => return Err(Failure::UnknownValidator.into()),
    }
    .into())
}

fn listed(seen: ValidatorView) -> IStaking::Validator {
    IStaking::Validator {
        account: seen.account,
        tokens: seen.tokens,
        selfStake: seen.self_stake,
        commissionBps: seen.commission_bps,
        seated: seen.seated,
        jailedUntilMs: seen.jailed_until_ms.unwrap_or_default(),
        tombstoned: seen.tombstoned,
        networkKey: seen.network_key,
        voteKey: seen.vote_key,
        peer: seen.address,
    }
}

fn seat(seat: assay_types::Seat) -> IStaking::Seat {
    let assay_types::Seat { account, stake, network_key, vote_key, address } = seat;
    IStaking::Seat { account, stake, networkKey: network_key, voteKey: vote_key, peer: address }
}

fn delegated(seen: DelegationView) -> IStaking::Delegation {
    let DelegationView { validator, amount, rewards } = seen;
    IStaking::Delegation { validator, amount, rewards }
}

fn flight(seen: FlightView) -> IStaking::Flight {
    let FlightView { id, from, to, initial, left, due_ms } = seen;
    IStaking::Flight { id, from, to: to.unwrap_or_default(), initial, left, dueMs: due_ms }
}

/// One validator; None where the account is none.
pub(crate) fn validator(view: &dyn StateRead, account: &Address) -> Result<Option<ValidatorView>, BrokenInvariant> {
    seen(view, account, &seated(view))
}

/// Validators that are not tombstoned, the most staked first, as many as nodes connect to.
pub(crate) fn validators(view: &dyn StateRead) -> Result<Vec<ValidatorView>, BrokenInvariant> {
    let seated = seated(view);
    let accounts = validators::standing(view, committees::most_peers(&*params_of(view)?))?;
    let mut all = Vec::with_capacity(accounts.len());
    for account in &accounts {
        all.extend(seen(view, account, &seated)?);
    }
    Ok(all)
}

fn seated(view: &dyn StateRead) -> Vec<Address> {
    seats(view).into_iter().map(|seat| seat.account).collect()
}

fn seen(view: &dyn StateRead, account: &Address, seated: &[Address]) -> Result<Option<ValidatorView>, BrokenInvariant> {
    let Some(record) = Validator::load(view, account)? else { return Ok(None) };
    let tokens = tokens_of(view, account)?;
    Ok(Some(ValidatorView {
        account: *account,
        tokens,
        self_stake: delegations::own_stake(view, account, &record, tokens)?,
        commission_bps: record.commission_bps,
        commission: money::held(view, Pot::Commission(*account))?,
        seated: seated.contains(account),
        seated_since: record.seated_since,
        jailed_until_ms: record.is_jailed().then_some(record.jailed_until_ms),
        tombstoned: record.tombstoned,
        network_key: record.network_key,
        vote_key: record.vote_key,
        address: record.address,
    }))
}

/// What an account has with each validator.
pub(crate) fn delegations(view: &dyn StateRead, delegator: &Address) -> Result<Vec<DelegationView>, BrokenInvariant> {
    super::delegations_of(view, delegator)?
        .into_iter()
        .map(|(validator, amount)| {
            Ok(DelegationView { validator, amount, rewards: rewards::pending(view, delegator, &validator)? })
        })
        .collect()
}

/// What of an account is on its way.
pub(crate) fn unbondings(view: &dyn StateRead, delegator: &Address) -> Result<Vec<FlightView>, BrokenInvariant> {
    flights::of(view, delegator)?
        .into_iter()
        .map(|(id, flight)| {
            let left = flights::left_of(view, &flight)?;
            let flights::Flight { from, to, initial, due_ms, .. } = flight;
            Ok(FlightView { id, from, to, initial, left, due_ms })
        })
        .collect()
}

/// How few could stop the network.
pub(crate) fn decentralisation(view: &dyn StateRead) -> Result<DecentralisationView, BrokenInvariant> {
    let mut stakes: Vec<Grains> = seats(view).into_iter().map(|seat| seat.stake).collect();
    stakes.sort_unstable();
    let third = stakes.len().div_ceil(3);
    let cheapest = stakes.get(..third).unwrap_or_default();
    let sum = |amounts: &[Grains]| amounts.iter().fold(U256::ZERO, |sum, one| sum.saturating_add(U256::from(*one)));
    let share = sum(cheapest)
        .saturating_mul(U256::from(10_000))
        .checked_div(U256::from(bonded_total(view)?))
        .unwrap_or_default();
    let entry = cheapest.last().copied().unwrap_or_default();
    let all = sum(&stakes);
    let mut held = U256::ZERO;
    let mut nakamoto: u32 = 0;
    for stake in stakes.iter().rev() {
        if held.saturating_mul(U256::from(3)) >= all {
            break;
        }
        held = held.saturating_add(U256::from(*stake));
        nakamoto = nakamoto.saturating_add(1);
    }
    Ok(DecentralisationView {
        seats: u32::try_from(stakes.len()).unwrap_or(u32::MAX),
        third: u32::try_from(third).unwrap_or(u32::MAX),
        third_stake_bps: share.try_into().unwrap_or(10_000),
        entry_stake: entry.saturating_mul(u128::try_from(third).unwrap_or(u128::MAX)),
        nakamoto_stake: nakamoto,
    })
}
