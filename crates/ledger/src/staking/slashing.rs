//! Faults of validators and what they cost.
//!
//! A share of the bonded tokens is burned, so that all who delegated lose alike, and the same share of what left since
//! the fault ([`super::flights`]). For a fault that evidence dates, at most that share of the stake the seat had then is
//! taken of the bonded tokens, as in Cosmos SDK x/staking: who came later pays for nothing but what those who
//! left would have paid, which their flights pay.

use std::cell::Cell;

use alloy_primitives::Address;
use assay_types::{Grains, abi::IStaking, system};

use super::{
    Validator, committees,
    flights::{self, Slash},
    tokens_of,
};
use crate::{
    math,
    money::{Pot, transfer},
    reject::{Done, Failure, sane},
    step::Step,
};

/// Two votes for different things.
const EQUIVOCATION: u8 = 1;
/// A window of silence.
const DOWNTIME: u8 = 2;

/// Burns up to `amount` of what is bonded to a validator; returns what it burned.
pub(crate) fn fine(step: &mut Step<'_>, account: &Address, amount: Grains) -> Done<Grains> {
    let validator = Validator::must(&step.state, account)?;
    let burned = amount.min(tokens_of(&step.state, account)?);
    transfer(step, Pot::Stake(*account), Pot::Burn, burned)?;
    validator.store(step, account)?;
    Ok(burned)
}

/// A fault at height `since` or later.
struct Fault {
    why: u8,
    since: u64,
    bps: u32,
    /// Stake it is counted on at most.
    at_most: Grains,
    reporter: Option<Address>,
}

/// Takes what a fault costs. The caller stores the validator.
fn slash(step: &mut Step<'_>, account: &Address, validator: &mut Validator, fault: &Fault) -> Done {
    let tokens = tokens_of(&step.state, account)?;
    let amount = sane(math::share(tokens.min(fault.at_most), fault.bps))?;
    let bounty = match fault.reporter {
        Some(_) => sane(math::share(amount, step.env.params.evidence_bounty_bps))?,
        None => 0,
    };
    let burned = sane(amount.checked_sub(bounty))?;
    transfer(step, Pot::Stake(*account), Pot::Burn, burned)?;
    if let Some(reporter) = fault.reporter {
        transfer(step, Pot::Stake(*account), Pot::Account(reporter), bounty)?;
    }
    flights::note(step, account, validator, &Slash { since: fault.since, bps: fault.bps })?;
    let (validator, why, bps) = (*account, fault.why, fault.bps);
    step.emit(system::STAKING, &IStaking::Slashed { validator, why, bps, burned, bounty });
    Ok(())
}

/// A seat was silent for a window that began at height `since`.
pub(crate) fn down(step: &mut Step<'_>, account: &Address, since: u64) -> Done {
    let mut validator = Validator::must(&step.state, account)?;
    let bps = step.env.params.downtime_slash_bps;
    let fault = Fault { why: DOWNTIME, since, bps, at_most: Grains::MAX, reporter: None };
    slash(step, account, &mut validator, &fault)?;
    // 0 would say that it is free.
    let until = step.env.ctx.timestamp_ms.saturating_add(step.env.params.downtime_jail_ms).max(1);
    validator.jailed_until_ms = until;
    validator.store(step, account)?;
    step.emit(system::STAKING, &IStaking::Jailed { validator: *account, untilMs: until });
    Ok(())
}

/// Someone shows that a seat voted for two things: it is slashed and never sits again.
pub(crate) fn report(step: &mut Step<'_>, reporter: Address, evidence: &[u8]) -> Done {
    let forgotten = Cell::new(false);
    let committee = |epoch| {
        let seats = committees::remembered(&step.state, epoch, step.env.ctx.timestamp_ms, &step.env.params);
        forgotten.set(forgotten.get() || seats.is_none());
        seats
    };
    let found = step.env.ctx.crypto.equivocator(evidence, &committee);
    let seat = found.and_then(|found| committee(found.epoch)?.into_iter().find(|seat| seat.account == found.account));
    let (Some(found), Some(seat)) = (found, seat) else {
        let why = if forgotten.get() { Failure::EvidenceTooOld } else { Failure::EvidenceInvalid };
        return Err(why.into());
    };
    let account = seat.account;
    let mut validator = Validator::must(&step.state, &account)?;
    if validator.tombstoned {
        return Err(Failure::EvidenceKnown.into());
    }
    let fault = Fault {
        why: EQUIVOCATION,
        // What left before the epoch began did not stand behind the seat.
        since: committees::first_height(&step.env.params, found.epoch),
        bps: step.env.params.equivocation_slash_bps,
        at_most: seat.stake,
        reporter: Some(reporter),
    };
    slash(step, &account, &mut validator, &fault)?;
    validator.tombstoned = true;
    validator.store(step, &account)?;
    step.emit(
        system::STAKING,
        &IStaking::Tombstoned { validator: account, epoch: found.epoch, view_: found.view, reporter },
    );
    Ok(())
}

/// A jailed validator that is there again asks back in.
pub(crate) fn unjail(step: &mut Step<'_>, account: Address) -> Done {
    let mut validator = Validator::named(&step.state, &account)?;
    if validator.tombstoned {
        return Err(Failure::TombstonedValidator.into());
    }
    if !validator.is_jailed() {
        return Err(Failure::NotJailed.into());
    }
    if step.env.ctx.timestamp_ms < validator.jailed_until_ms {
        return Err(Failure::StillJailed.into());
    }
    let own = super::delegations::amount_of(&step.state, &account, &account)?;
    if own < step.env.params.min_self_stake {
        return Err(Failure::SelfStakeTooLow.into());
    }
    validator.jailed_until_ms = 0;
    validator.store(step, &account)?;
    step.emit(system::STAKING, &IStaking::Unjailed { validator: account });
    Ok(())
}
