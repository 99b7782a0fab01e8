//! Events that are due at a height.
//!
//! An entry only says "look at this lot (or job) at this height"; what is due then is decided from
//! the lot itself, so a stale or double entry does no harm. A lot has one entry for its next deadline,
//! moved whenever the lot is stored, and for a moment a second one when a call completed a phase. At the end of a block entries with a
//! height not above it are handled in order of height, at most `max_due_per_block` of them; the rest
//! stay and come first in the next block. An order has one entry a reason to be looked at.

use alloy_primitives::{Address, B256};
use assay_types::ClaimId;

use crate::{
    capacity,
    claims::{self, margin},
    disputes::appeals,
    jobs::lifecycle,
    keys::{
        self, DUE_ALLOTMENT, DUE_APPEAL, DUE_CHALLENGE, DUE_CLAIMS, DUE_END, DUE_HAND_OVER, DUE_HEALTH, DUE_LOT,
        DUE_ORDER, DUE_ROUND, DUE_SEAL, DUE_SWEEP,
    },
    market::{allotments, orders, sealed},
    providers::health,
    reject::Done,
    staking::flights,
    state::StateRead,
    step::Step,
};

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A lot's next deadline or transition.
    Lot(B256, u32),
    /// The end of a job's lifetime.
    End(B256),
    /// An order that expires, or is tried again.
    Order(u64),
    /// A metered trade whose time to be delivered is over.
    Allotment(u64),
    /// A sealed bid or order whose time to be opened is over.
    Seal(Address, B256),
    /// A deadline of an issuance of claims.
    Claims(ClaimId),
    /// A provider whose health is looked at.
    Health(Address),
    /// A provider with more to hand over.
    HandOver(Address),
    /// A slash whose appeal is over.
    Appeal(u64),
    /// Capacity challenges of a class, from a provider on; of class 0, the round of all classes.
    Round(u32, Address),
    /// A deadline of a provider's capacity challenge.
    Challenge(Address),
    /// Stake on its way from a validator that was slashed, from a flight on.
    Sweep(Address, u64),
}

fn key(height: u64, due: &Due) -> Vec<u8> {
    let height = height.to_be_bytes();
    match due {
        Due::Lot(job, lot) => keys::key(DUE_LOT, &[&height, job.as_slice(), &lot.to_be_bytes()]),
        Due::End(job) => keys::key(DUE_END, &[&height, job.as_slice()]),
        Due::Order(order) => keys::key(DUE_ORDER, &[&height, &order.to_be_bytes()]),
        Due::Allotment(id) => keys::key(DUE_ALLOTMENT, &[&height, &id.to_be_bytes()]),
        Due::Seal(owner, commitment) => keys::key(DUE_SEAL, &[&height, owner.as_slice(), commitment.as_slice()]),
        Due::Health(account) => keys::key(DUE_HEALTH, &[&height, account.as_slice()]),
        Due::Appeal(id) => keys::key(DUE_APPEAL, &[&height, &id.to_be_bytes()]),
        Due::HandOver(account) => keys::key(DUE_HAND_OVER, &[&height, account.as_slice()]),
        Due::Claims(id) => {
            keys::key(DUE_CLAIMS, &[&height, &id.class.to_be_bytes(), &id.window.to_be_bytes(), id.issuer.as_slice()])
        }
        Due::Round(class, from) => keys::key(DUE_ROUND, &[&height, &class.to_be_bytes(), from.as_slice()]),
        Due::Challenge(provider) => keys::key(DUE_CHALLENGE, &[&height, provider.as_slice()]),
        Due::Sweep(validator, from) => keys::key(DUE_SWEEP, &[&height, validator.as_slice(), &from.to_be_bytes()]),
    }
}

/// Has `due` looked at, at the end of block `height`.
pub(crate) fn at(step: &mut Step<'_>, height: u64, due: Due) {
    let key = key(height, &due);
    step.mark(key);
}

/// Forgets an entry.
pub(crate) fn cancel(step: &mut Step<'_>, height: u64, due: &Due) {
    step.state.delete(key(height, due));
}

/// Handles what is due at the end of this block.
pub(crate) fn run_due(step: &mut Step<'_>) -> Done {
    let mut left = usize::try_from(step.env.params.max_due_per_block).unwrap_or(usize::MAX);
    while left > 0 {
        let batch = earliest(step, left);
        if batch.is_empty() {
            return Ok(());
        }
        left = left.saturating_sub(batch.len());
        for (height, due) in batch {
            step.state.delete(key(height, &due));
            match due {
                Due::Lot(job, lot) => lifecycle::advance(step, job, lot)?,
                Due::End(job) => lifecycle::end_job(step, job)?,
                Due::Order(order) => orders::due(step, order)?,
                Due::Allotment(id) => allotments::end(step, id)?,
                Due::Seal(owner, commitment) => sealed::forfeit(step, owner, commitment)?,
                Due::Claims(id) => margin::due(step, id)?,
                Due::Health(account) => health::due(step, account)?,
                Due::Appeal(id) => appeals::due(step, id)?,
                Due::HandOver(account) => health::hand_over(step, account)?,
                Due::Round(class, from) => capacity::rounds::begin(step, class, from)?,
                Due::Challenge(provider) => capacity::rounds::due(step, provider)?,
                Due::Sweep(validator, from) => flights::sweep(step, validator, from)?,
            }
        }
    }
    Ok(())
}

/// The first `count` entries due by now, by height, then kind, then job and lot.
fn earliest(step: &Step<'_>, count: usize) -> Vec<(u64, Due)> {
    let mut due: Vec<(u64, Due)> = [
        DUE_LOT,
        DUE_END,
        DUE_ORDER,
        DUE_ALLOTMENT,
        DUE_SEAL,
        DUE_CLAIMS,
        DUE_HEALTH,
        DUE_HAND_OVER,
        DUE_APPEAL,
        DUE_ROUND,
        DUE_CHALLENGE,
        DUE_SWEEP,
    ]
    .into_iter()
    .flat_map(|table| {
        let end = keys::key(table, &[&step.env.after(1).to_be_bytes()]);
        step.state.scan(&[table], Some(&end)).take(count).collect::<Vec<_>>()
    })
    .filter_map(|(key, _)| parse(&key))
    .collect();
    due.sort();
    due.truncate(count);
    due
}

fn parse(key: &[u8]) -> Option<(u64, Due)> {
    let (table, rest) = key.split_first()?;
    let (height, _) = rest.split_first_chunk::<8>()?;
    let due = match *table {
        DUE_LOT => keys::job_and_lot(key).map(|(job, lot)| Due::Lot(job, lot)),
        DUE_END => keys::job_at_end(key).map(Due::End),
        DUE_ORDER => keys::order_at_end(key).map(Due::Order),
        DUE_ALLOTMENT => keys::order_at_end(key).map(Due::Allotment),
        DUE_APPEAL => keys::order_at_end(key).map(Due::Appeal),
        DUE_HEALTH => keys::address_at_end(key).map(Due::Health),
        DUE_HAND_OVER => keys::address_at_end(key).map(Due::HandOver),
        DUE_CLAIMS => claims::id_at_end(key).map(Due::Claims),
        DUE_ROUND => {
            let (class, from) = rest.get(8..)?.split_first_chunk::<4>()?;
            Some(Due::Round(u32::from_be_bytes(*class), Address::try_from(from).ok()?))
        }
        DUE_CHALLENGE => keys::address_at_end(key).map(Due::Challenge),
        DUE_SWEEP => {
            let (validator, from) = rest.get(8..)?.split_first_chunk::<20>()?;
            Some(Due::Sweep(Address::from(*validator), u64::from_be_bytes(from.try_into().ok()?)))
        }
        DUE_SEAL => {
            let (owner, commitment) = rest.get(8..)?.split_first_chunk::<20>()?;
            Some(Due::Seal(Address::from(*owner), B256::try_from(commitment).ok()?))
        }
        _ => None,
    };
    Some((u64::from_be_bytes(*height), due?))
}

/// Whether something is due for which the chain should go on producing blocks at full pace: a lot
/// with a deadline (its windows are counted in blocks), a sealed bid's window, a capacity challenge, or a book that changed
/// since it was cleared. An order that nobody can serve yet does not keep an idle chain awake.
pub fn work_pending(view: &dyn StateRead) -> bool {
    view.scan(&[DUE_LOT], Some(&[DUE_END])).next().is_some()
        || view.scan(&[DUE_SEAL], keys::after(&[DUE_SEAL]).as_deref()).next().is_some()
        || view.scan(&[DUE_CHALLENGE], keys::after(&[DUE_CHALLENGE]).as_deref()).next().is_some()
        || view.get(&keys::fresh()).is_some()
}
