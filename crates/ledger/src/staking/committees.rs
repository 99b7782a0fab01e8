//! Who sits: the most staked of those that qualify, an epoch at a time.
//!
//! Epoch `e` has the heights `e * L` to `(e + 1) * L - 1`, L the parameter `validator_epoch_blocks`. The last block of an
//! epoch fixes the committee of the next. Where too few qualify the same accounts sit again: a committee of one that
//! was five is no safer for being new. There is no limit on how many seats change at once: a certificate is checked
//! against the committee of its own epoch, whoever sat before.

use alloy_primitives::Address;
use assay_types::{Params, Seat, abi::IStaking, committee_hash, system};

use super::{Validator, tokens_of, validators};
use crate::{
    codec::record,
    keys::{self, COMMITTEE},
    reject::{BrokenInvariant, Done},
    state::StateRead,
    step::{Step, Tip, params_of, read},
};

/// Fewer than this many seats survive no faulty one; a smaller network stays at least as large as it is.
const SAFE: usize = 4;
/// Committees forgotten at the end of an epoch at most.
const FORGOTTEN: usize = 4;

record! {
    /// A committee.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Committee {
        /// In order of their network keys.
        seats: Vec<Seat>,
        /// When its epoch was over.
        ended_ms: Option<u64>,
    }
}

fn key(epoch: u64) -> Vec<u8> {
    keys::of_order(COMMITTEE, epoch)
}

/// The epoch of a height.
pub(crate) fn epoch_of(params: &Params, height: u64) -> u64 {
    height.checked_div(u64::from(params.validator_epoch_blocks)).unwrap_or_default()
}

/// The first height of an epoch.
pub(crate) fn first_height(params: &Params, epoch: u64) -> u64 {
    epoch.saturating_mul(u64::from(params.validator_epoch_blocks))
}

/// Accounts of the seats of an epoch, which must be known.
pub(crate) fn accounts(view: &dyn StateRead, epoch: u64) -> Result<Vec<Address>, BrokenInvariant> {
    let committee: Committee = read(view, &key(epoch))?.ok_or(BrokenInvariant::Missing(COMMITTEE))?;
    Ok(committee.seats.into_iter().map(|seat| seat.account).collect())
}

/// The seats of an epoch, while stake that stood behind them may still be slashed at `now_ms`.
pub(crate) fn remembered(view: &dyn StateRead, epoch: u64, now_ms: u64, params: &Params) -> Option<Vec<Seat>> {
    let committee: Committee = read(view, &key(epoch)).ok()??;
    let gone = committee.ended_ms.is_some_and(|at| at.saturating_add(params.unbonding_ms) < now_ms);
    (!gone).then_some(committee.seats)
}

/// The committee of an epoch, in order of network keys: None before it is fixed, and once all stake that stood behind it
/// can have left.
pub fn committee(view: &dyn StateRead, epoch: u64) -> Option<Vec<Seat>> {
    let tip: Tip = read(view, &keys::tip()).ok()??;
    remembered(view, epoch, tip.timestamp_ms, &*params_of(view).ok()?)
}

/// All validators a node connects to, those without a seat included, so that it knows them before they sit: the most
/// staked, at most `max_validators + max_candidates`, without the tombstoned.
pub fn peers(view: &dyn StateRead) -> Vec<Seat> {
    let Ok(params) = params_of(view) else { return Vec::new() };
    let accounts = validators::standing(view, most_peers(&params)).unwrap_or_default();
    accounts.iter().filter_map(|account| seat_of(view, account).ok()).collect()
}

pub(crate) fn most_peers(params: &Params) -> usize {
    usize::try_from(params.max_validators.saturating_add(params.max_candidates)).unwrap_or(usize::MAX)
}

/// The seats of the epoch of the block after the tip, which is the block under way in a step.
pub(crate) fn present(view: &dyn StateRead) -> Option<Vec<Seat>> {
    let tip: Tip = read(view, &keys::tip()).ok()??;
    let epoch = epoch_of(&*params_of(view).ok()?, tip.height.saturating_add(1));
    let committee: Committee = read(view, &key(epoch)).ok()??;
    Some(committee.seats)
}

fn seat_of(view: &dyn StateRead, account: &Address) -> Result<Seat, BrokenInvariant> {
    let validator = Validator::must(view, account)?;
    let stake = tokens_of(view, account)?;
    let Validator { network_key, vote_key, address, .. } = validator;
    Ok(Seat { account: *account, stake, network_key, vote_key, address })
}

/// Fixes the committee of `epoch`, whose first height is `first`.
pub(crate) fn fix(step: &mut Step<'_>, epoch: u64, first: u64, accounts: Vec<Address>) -> Done<Vec<Seat>> {
    let mut seats = Vec::with_capacity(accounts.len());
    for account in &accounts {
        let mut validator = Validator::must(&step.state, account)?;
        if validator.seated_since.is_none() {
            validator.seated_since = Some(first);
            validator.store(step, account)?;
        }
        seats.push(seat_of(&step.state, account)?);
    }
    seats.sort_by_key(|seat| seat.network_key);
    let committee = Committee { seats, ended_ms: None };
    step.write(key(epoch), &committee);
    Ok(committee.seats)
}

/// At the last block of an epoch: fixes the next committee, and forgets those whose stake has left.
pub(crate) fn turn_if_over(step: &mut Step<'_>) -> Done {
    let first = step.env.after(1);
    let present = epoch_of(&step.env.params, step.env.height());
    let next = epoch_of(&step.env.params, first);
    if next == present {
        return Ok(());
    }
    let mut ending: Committee = step.must(&key(present))?;
    ending.ended_ms = Some(step.env.ctx.timestamp_ms);
    step.write(key(present), &ending);
    let (accounts, kept) = choose(step)?;
    for seat in &ending.seats {
        if !accounts.contains(&seat.account) {
            let mut validator = Validator::must(&step.state, &seat.account)?;
            validator.seated_since = None;
            validator.store(step, &seat.account)?;
        }
    }
    let seats = fix(step, next, first, accounts)?;
    forget(step)?;
    let count = u32::try_from(seats.len()).unwrap_or(u32::MAX);
    let hash = committee_hash(next, &seats);
    step.emit(system::STAKING, &IStaking::CommitteeFixed { epoch: next, hash, seats: count, kept });
    Ok(())
}

/// Accounts that sit next, and whether they are those that sit now because too few qualify.
fn choose(step: &Step<'_>) -> Done<(Vec<Address>, bool)> {
    let most = usize::try_from(step.env.params.max_validators).unwrap_or(usize::MAX);
    let chosen = validators::eligible(step, most)?;
    let enough = SAFE.min(step.env.seats.len()).min(most);
    Ok(match chosen.len() >= enough && !chosen.is_empty() {
        true => (chosen, false),
        false => (step.env.seats.clone(), true),
    })
}

fn forget(step: &mut Step<'_>) -> Done {
    let now = step.env.ctx.timestamp_ms;
    let end = keys::after(&[COMMITTEE]);
    let oldest: Vec<Vec<u8>> =
        step.state.scan(&[COMMITTEE], end.as_deref()).take(FORGOTTEN).map(|(key, _)| key).collect();
    for key in oldest {
        let committee: Committee = step.must(&key)?;
        match committee.ended_ms {
            Some(at) if at.saturating_add(step.env.params.unbonding_ms) < now => step.state.delete(key),
            _ => break,
        }
    }
    Ok(())
}
