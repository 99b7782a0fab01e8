//! Events that are due at a height.
//!
//! An entry only says "look at this lot (or job) at this height"; what is due then is decided from
//! the lot itself, so a stale or double entry does no harm. At the end of a block entries with a
//! height not above it are handled in order of height, at most `max_due_per_block` of them; the rest
//! stay and come first in the next block.

use alloy_primitives::B256;

use crate::{
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

/// Handles what is due at the end of this block.
pub(crate) fn run_due(_step: &mut Step<'_>) -> Done {
    Ok(())
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
