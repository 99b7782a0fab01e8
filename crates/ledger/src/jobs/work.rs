//! What an account has to do now, from indices kept a account: levels, so that a restarted provider
//! needs no history.

use alloy_primitives::{Address, B256, Bytes};
use assay_types::{
    JobId,
    view::{Role, WorkItem},
};

use super::{Job, Lot, Terms, views};
use crate::{
    disputes::Dispute,
    keys::{self, INPUTS, LOT, RENTER_OPEN, WORK_AUDIT, WORK_JUDGE, WORK_REPLICA, WORK_WITNESS},
    providers::Provider,
    staking,
    state::StateRead,
    step::{keys_under, read},
};

/// Everything that concerns `account`, by role, then job and lot.
pub(crate) fn of(view: &dyn StateRead, account: Address) -> Vec<WorkItem> {
    let listed = |tag: u8| {
        keys_under(view, &keys::of_address(tag, &account)).filter_map(|key| keys::job_and_lot(&key)).collect::<Vec<_>>()
    };
    let mut items = Vec::new();
    let mut add = |lots: Vec<(JobId, u32)>, role: Role| {
        items.extend(lots.into_iter().filter_map(|(job, lot)| item(view, account, job, lot, role)));
    };
    add(listed(WORK_REPLICA), Role::Replica);
    add(listed(WORK_WITNESS), Role::Witness);
    add(listed(WORK_AUDIT), Role::Auditor);
    if staking::is_validator(view, &account) {
        let judges = |(job, lot): &(JobId, u32)| {
            Dispute::load(view, job, *lot).is_ok_and(|dispute| dispute.judges.contains(&account))
        };
        let judged = keys_under(view, &[WORK_JUDGE]).filter_map(|key| keys::job_and_lot(&key));
        add(judged.filter(judges).collect(), Role::Adjudicator);
    }
    let jobs: Vec<JobId> =
        keys_under(view, &keys::of_address(RENTER_OPEN, &account)).filter_map(|key| keys::job_at_end(&key)).collect();
    add(jobs.into_iter().flat_map(|job| open_lots(view, job)).collect(), Role::Renter);
    items
}

fn open_lots(view: &dyn StateRead, id: JobId) -> Vec<(JobId, u32)> {
    let lots = Job::load(view, &id).ok().flatten().map_or(0, |job| job.lots);
    let open = |index: &u32| {
        let lot = read::<Lot>(view, &keys::of_lot(LOT, &id, *index)).ok().flatten();
        lot.is_some_and(|lot| !lot.ended())
    };
    (0..lots).filter(open).map(|index| (id, index)).collect()
}

fn item(view: &dyn StateRead, account: Address, id: JobId, index: u32, role: Role) -> Option<WorkItem> {
    let job = Job::load(view, &id).ok()??;
    let terms = Terms::load(view, &id).ok()?;
    let inputs: Vec<B256> = read(view, &keys::of_lot(INPUTS, &id, index)).ok()??;
    let lot = views::lot_view(view, id, &terms, &job, index)?;
    let others = lot.replicas.iter().filter(|replica| replica.provider != account);
    let peers = others.filter_map(|r| Provider::load(view, &r.provider).ok().flatten()).map(|p| p.endpoint).collect();
    let prefix = keys::sealed_keys(&id, &account);
    let sealed = view.scan(&prefix, keys::after(&prefix).as_deref());
    let sealed_keys = sealed.filter_map(|(_, value)| crate::codec::decode::<Bytes>(&value)).collect();
    Some(WorkItem {
        job: id,
        lot,
        spec: views::spec_view(&terms, inputs),
        renter: job.renter,
        sealed_keys,
        role,
        peers,
    })
}
