//! Rounds: who is challenged when, and what follows from deadlines.

use alloy_primitives::Address;
use assay_types::{abi::ICapacity, class::Unit, system};

use super::{Challenge, JAILING, round_at, set_figure};
use crate::{
    audits::{beacon_of, draw_delay},
    keys::{self, CHALLENGE, OPEN_ASK},
    providers::Provider,
    reject::Done,
    schedule::{self, Due},
    state::StateRead,
    step::Step,
};

/// Begins a round: all classes of compute (class 0), or what is left of one from a provider on.
pub(crate) fn begin(step: &mut Step<'_>, class: u32, from: Address) -> Done {
    let params = &step.env.params;
    if class != 0 {
        return challenge_class(step, class, from);
    }
    let length = u64::from(params.capacity_round_blocks);
    let height = step.env.height();
    let classes = params.classes.iter().filter(|class| class.unit == Unit::Gigafuel).map(|class| class.id);
    for class in classes.collect::<Vec<_>>() {
        schedule::at(step, height, Due::Round(class, Address::ZERO));
    }
    let next = round_at(step).saturating_add(1).saturating_mul(length);
    if next > height {
        schedule::at(step, next, Due::Round(0, Address::ZERO));
    }
    Ok(())
}

/// Challenges open providers of a class, at most a cohort of them; the rest are for the next block.
fn challenge_class(step: &mut Step<'_>, class: u32, from: Address) -> Done {
    let cohort = usize::try_from(step.env.params.capacity_cohort).unwrap_or(usize::MAX);
    let end = keys::after(&keys::key(OPEN_ASK, &[&class.to_be_bytes()]));
    let listed: Vec<Address> = step
        .state
        .scan(&keys::open_ask(class, &from), end.as_deref())
        .filter_map(|(key, _)| keys::address_at_end(&key))
        .take(cohort.saturating_add(1))
        .collect();
    for account in listed.iter().take(cohort) {
        challenge(step, *account)?;
    }
    if let Some(next) = listed.get(cohort) {
        schedule::at(step, step.env.after(1), Due::Round(class, *next));
    }
    Ok(())
}

fn challenge(step: &mut Step<'_>, account: Address) -> Done {
    // Only where the chain had more to do than a round has blocks.
    if Challenge::load(&step.state, &account)?.is_some() {
        return Ok(());
    }
    let mut provider = Provider::must(step, &account)?;
    provider.round = round_at(step);
    provider.store(step, &account);
    let round = step.env.height();
    let answer_by = step.env.after(step.env.params.capacity_answer_blocks);
    let challenge = Challenge {
        round,
        beacon: step.env.ctx.beacon,
        answer_by,
        answer: None,
        draws_at: answer_by.saturating_add(u64::from(draw_delay(step))),
        drawn: None,
        open_by: 0,
    };
    challenge.store(step, &account);
    schedule::at(step, answer_by, Due::Challenge(account));
    step.emit(system::CAPACITY, &ICapacity::Challenged { provider: account, round, answerBy: answer_by });
    Ok(())
}

/// A deadline of a challenge.
pub(crate) fn due(step: &mut Step<'_>, account: Address) -> Done {
    let Some(mut challenge) = Challenge::load(&step.state, &account)? else { return Ok(()) };
    let height = step.env.height();
    if challenge.answer.is_none() || (challenge.drawn.is_some() && height >= challenge.open_by) {
        return missed(step, account, &challenge);
    }
    if challenge.drawn.is_none() {
        if height >= challenge.draws_at {
            match beacon_of(step, challenge.draws_at)? {
                Some(beacon) => {
                    challenge.drawn = Some(beacon);
                    challenge.open_by = step.env.after(step.env.params.capacity_open_blocks);
                    let (round, open_by) = (challenge.round, challenge.open_by);
                    let event = ICapacity::OpeningDrawn { provider: account, round, openBy: open_by };
                    step.emit(system::CAPACITY, &event);
                }
                // Forgotten meanwhile: another one, as unknown now as that one was.
                None => challenge.draws_at = step.env.after(draw_delay(step)),
            }
        }
        challenge.store(step, &account);
        let next = if challenge.drawn.is_some() { challenge.open_by } else { challenge.draws_at };
        schedule::at(step, next, Due::Challenge(account));
    }
    Ok(())
}

/// A right opening: the figure is what was proved, or what was delivered of the figure before, if that is more.
pub(crate) fn proved(step: &mut Step<'_>, account: Address, challenge: &Challenge, lanes: u32) -> Done {
    let mut provider = Provider::must(step, &account)?;
    let shown = u64::from(lanes).saturating_mul(step.env.params.capacity_lane_units);
    let figure = shown.max(kept(&provider));
    set_figure(&step.env.params, &mut provider, figure);
    provider.missed = 0;
    close(step, account, provider);
    schedule::cancel(step, challenge.open_by, &Due::Challenge(account));
    let round = challenge.round;
    step.emit(system::CAPACITY, &ICapacity::Proved { provider: account, round, lanes, proved: figure });
    Ok(())
}

/// No right answer in time.
fn missed(step: &mut Step<'_>, account: Address, challenge: &Challenge) -> Done {
    let mut provider = Provider::must(step, &account)?;
    let (round, kept) = (challenge.round, kept(&provider));
    if units(&provider) >= provider.effective().max(1) {
        provider.missed = 0;
        let delivered = units(&provider);
        close(step, account, provider);
        step.emit(system::CAPACITY, &ICapacity::Covered { provider: account, round, delivered });
        return Ok(());
    }
    let figure = (provider.effective() / 2).max(kept);
    set_figure(&step.env.params, &mut provider, figure);
    provider.missed = provider.missed.saturating_add(1);
    let mut jailed_until = 0;
    if provider.missed >= JAILING {
        jailed_until = step.env.after(step.env.params.capacity_jail_blocks);
        provider.suspended_until = provider.suspended_until.max(jailed_until);
    }
    let in_a_row = provider.missed;
    close(step, account, provider);
    let event =
        ICapacity::Missed { provider: account, round, inARow: in_a_row, proved: figure, jailedUntil: jailed_until };
    step.emit(system::CAPACITY, &event);
    Ok(())
}

/// Checked fuel delivered since the last round, thousandths of a gigafuel, rounded down.
fn units(provider: &Provider) -> u64 {
    provider.delivered / 1_000_000
}

/// The part of its figure that a provider's deliveries keep up. They never raise it: fuel delivered one lot after
/// the other is more than was in progress at once.
fn kept(provider: &Provider) -> u64 {
    provider.proved.min(units(provider))
}

fn close(step: &mut Step<'_>, account: Address, mut provider: Provider) {
    provider.delivered = 0;
    provider.store(step, &account);
    step.state.delete(keys::of_address(CHALLENGE, &account));
}
