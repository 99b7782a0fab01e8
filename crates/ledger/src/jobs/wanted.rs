//! Lots that lack providers: what a job's order in the market is made of.

use assay_types::JobId;

use super::{Case, Terms};
use crate::{
    codec::record,
    keys::{self, WANTED},
    market::orders,
    reject::BrokenInvariant,
    state::StateRead,
    step::{Step, keys_under, read},
};

record! {
    /// What a lot lacks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Wanted {
        pub(crate) since: u64,
        pub(crate) missing: u32,
    }
}

impl Terms {
    /// Number of tasks of a lot of a job of `all` tasks.
    pub(crate) fn tasks_of(&self, lot: u32, all: u32) -> u32 {
        all.saturating_sub(self.first_task(lot)).min(self.tasks_per_lot)
    }
}

/// Has the market look for the providers a lot lacks; forgets it when it lacks none or is over.
pub(crate) fn note(step: &mut Step<'_>, case: &Case) -> Result<(), BrokenInvariant> {
    let key = keys::of_lot(WANTED, &case.id, case.index);
    let missing = match case.lot.phase {
        assay_types::view::LotPhase::Running => case.wanted().saturating_sub(case.lot.replicas.len()),
        _ => 0,
    };
    let before: Option<Wanted> = read(&step.state, &key)?;
    match u32::try_from(missing).unwrap_or(u32::MAX) {
        0 => step.state.delete(key),
        missing => {
            let since = before.map_or(step.env.height(), |before| before.since);
            step.write(key, &Wanted { since, missing });
        }
    }
    if before.map_or(0, |before| usize::try_from(before.missing).unwrap_or(usize::MAX)) != missing {
        orders::touch(step, case.job.order);
    }
    Ok(())
}

/// What one lot lacks.
pub(crate) fn of_lot(view: &dyn StateRead, id: &JobId, lot: u32) -> Result<Option<Wanted>, BrokenInvariant> {
    read(view, &keys::of_lot(WANTED, id, lot))
}

/// A job's lots that lack providers, and how many each.
pub(crate) fn of_job(view: &dyn StateRead, id: &JobId) -> Result<Vec<(u32, u32)>, BrokenInvariant> {
    let prefix = keys::of_job(WANTED, id);
    let lots: Vec<u32> =
        keys_under(view, &prefix).filter_map(|key| keys::job_and_lot(&key)).map(|(_, lot)| lot).collect();
    let mut all = Vec::new();
    for lot in lots {
        let wanted = of_lot(view, id, lot)?.ok_or(BrokenInvariant::Missing(WANTED))?;
        all.push((lot, wanted.missing));
    }
    Ok(all)
}
