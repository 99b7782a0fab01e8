//! Events that are due at a height.
//!
//! An entry only says "look at this lot (or job) at this height"; what is due then is decided from
//! the lot itself, so a stale or double entry does no harm. A lot has one entry for its next deadline,
//! moved whenever the lot is stored, and for a moment a second one when a call completed a phase. At the end of a block entries with a
//! height not above it are handled in order of height, at most `max_due_per_block` of them; the rest
//! stay and come first in the next block.

use alloy_primitives::B256;

use crate::{
    jobs::{assign, lifecycle},
    keys::{self, DUE_END, DUE_LOT, DUE_MATCH},
    reject::Done,
    state::StateRead,
    step::{Step, Tip, read},
};

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A lot's next deadline or transition.
    Lot(B256, u32),
    /// The end of a job's lifetime.
    End(B256),
    /// A lot that needs providers.
    Match(B256, u32),
}

fn key(height: u64, due: &Due) -> Vec<u8> {
    let height = height.to_be_bytes();
    match due {
        Due::Lot(job, lot) => keys::key(DUE_LOT, &[&height, job.as_slice(), &lot.to_be_bytes()]),
        Due::End(job) => keys::key(DUE_END, &[&height, job.as_slice()]),
        Due::Match(job, lot) => keys::key(DUE_MATCH, &[&height, job.as_slice(), &lot.to_be_bytes()]),
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
                Due::Match(job, lot) => assign::find_providers(step, job, lot)?,
            }
        }
    }
    Ok(())
}

/// The first `count` entries due by now, by height, then kind, then job and lot.
fn earliest(step: &Step<'_>, count: usize) -> Vec<(u64, Due)> {
    let mut due: Vec<(u64, Due)> = [DUE_LOT, DUE_END, DUE_MATCH]
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
        DUE_MATCH => keys::job_and_lot(key).map(|(job, lot)| Due::Match(job, lot)),
        _ => None,
    };
    Some((u64::from_be_bytes(*height), due?))
}

/// Whether something is due for which the chain should go on producing blocks at full pace: a lot
/// with a deadline (its windows are counted in blocks), or a lot to be matched in the next block. A
/// lot that nobody can serve yet does not keep an idle chain awake.
pub fn work_pending(view: &dyn StateRead) -> bool {
    let height = read::<Tip>(view, &keys::tip()).ok().flatten().map_or(0, |tip| tip.height);
    let soon = height.saturating_add(2).to_be_bytes();
    view.scan(&[DUE_LOT], Some(&[DUE_END])).next().is_some()
        || view.scan(&[DUE_MATCH], Some(&keys::key(DUE_MATCH, &[&soon]))).next().is_some()
}
