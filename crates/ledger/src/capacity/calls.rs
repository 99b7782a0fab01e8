//! What challenged providers say: a root, and what was drawn of it.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolCall;
use assay_proof::capacity::{MAX_LANES, OpeningError, verify};
use assay_types::{
    abi::ICapacity::{self, ICapacityCalls},
    system,
};

use super::{Challenge, rounds};
use crate::{
    providers::Provider,
    reject::{Done, Failure},
    step::Step,
};

/// Answers a call of `ICapacity`.
pub(crate) fn execute(step: &mut Step<'_>, sender: Address, value: u128, call: &ICapacityCalls) -> Done<Bytes> {
    if value != 0 {
        return Err(Failure::NotPayable.into());
    }
    match call {
        ICapacityCalls::answer(call) => answer(step, sender, call.round, call.lanes, call.root)?,
        ICapacityCalls::open(call) => open(step, sender, call.round, &call.opening)?,
        ICapacityCalls::standing(call) => return standing(step, &call.provider),
    }
    Ok(Bytes::new())
}

fn challenge_of(step: &Step<'_>, sender: &Address, round: u64) -> Done<Challenge> {
    let found = Challenge::load(&step.state, sender)?.filter(|challenge| challenge.round == round);
    Ok(found.ok_or(Failure::NotChallenged)?)
}

fn answer(step: &mut Step<'_>, sender: Address, round: u64, lanes: u32, root: B256) -> Done {
    let mut challenge = challenge_of(step, &sender, round)?;
    if challenge.answer.is_some() {
        return Err(Failure::AlreadyAnswered.into());
    }
    if step.env.height() > challenge.answer_by {
        return Err(Failure::TooLate.into());
    }
    if lanes == 0 || lanes > MAX_LANES {
        return Err(Failure::LaneCount.into());
    }
    challenge.answer = Some((lanes, root));
    challenge.store(step, &sender);
    step.emit(system::CAPACITY, &ICapacity::Answered { provider: sender, round, lanes, root });
    Ok(())
}

fn open(step: &mut Step<'_>, sender: Address, round: u64, opening: &Bytes) -> Done {
    let challenge = challenge_of(step, &sender, round)?;
    let (lanes, root) = challenge.answer.ok_or(Failure::NotAnswered)?;
    let drawn = challenge.drawn.ok_or(Failure::NotDrawn)?;
    if step.env.height() > challenge.open_by {
        return Err(Failure::TooLate.into());
    }
    let task = challenge.task(step, sender)?;
    let draws = task.draws(root, lanes, drawn, step.env.params.capacity_draws);
    verify(&task, root, lanes, &draws, opening).map_err(|error| match error {
        OpeningError::Length => Failure::OpeningLength,
        OpeningError::WrongLane => Failure::OpeningLane,
        OpeningError::WrongBlock => Failure::OpeningBlock,
    })?;
    rounds::proved(step, sender, &challenge, lanes)
}

fn standing(step: &Step<'_>, account: &Address) -> Done<Bytes> {
    let provider = Provider::load(&step.state, account)?.ok_or(Failure::UnknownProvider)?;
    let challenge = Challenge::load(&step.state, account)?;
    let answer = ICapacity::standingReturn {
        advertised: provider.capacity,
        proved: provider.proved,
        effective: provider.effective(),
        effectiveMib: provider.effective_mib(),
        missed: provider.missed,
        round: challenge.map_or(0, |challenge| challenge.round),
    };
    Ok(ICapacity::standingCall::abi_encode_returns(&answer).into())
}
