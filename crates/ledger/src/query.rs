//! What the chain says about itself, in the shapes of `assay_types::view`.
//!
//! Queries read; they never change anything and are no part of consensus.

use alloy_primitives::{Address, B256};
use assay_types::{
    JobId, Params,
    view::{JobSummary, JobView, LotView, ProviderView, WorkItem},
};

use crate::{
    keys,
    state::StateRead,
    step::{Network, read},
};

/// The consensus parameters in force.
pub fn params(view: &dyn StateRead) -> Option<Params> {
    serde_json::from_slice(&view.get(&keys::params())?).ok()
}

/// The validators' accounts, in the order of the genesis.
pub fn validators(view: &dyn StateRead) -> Vec<Address> {
    network(view).map(|network| network.validators).unwrap_or_default()
}

/// Hash of the genesis the state grew from.
pub fn genesis_hash(view: &dyn StateRead) -> Option<B256> {
    network(view).map(|network| network.genesis_hash)
}

fn network(view: &dyn StateRead) -> Option<Network> {
    read(view, &keys::network()).ok().flatten()
}

/// A job, whole.
pub fn job(_view: &dyn StateRead, _id: JobId) -> Option<JobView> {
    None
}

/// One lot of a job.
pub fn lot(_view: &dyn StateRead, _id: JobId, _index: u32) -> Option<LotView> {
    None
}

/// Jobs, latest first: all, or those of one renter.
pub fn jobs(_view: &dyn StateRead, _renter: Option<Address>, _limit: usize) -> Vec<JobSummary> {
    Vec::new()
}

/// One provider.
pub fn provider(_view: &dyn StateRead, _account: Address) -> Option<ProviderView> {
    None
}

/// All providers, by address.
pub fn providers(_view: &dyn StateRead) -> Vec<ProviderView> {
    Vec::new()
}

/// What concerns an account now: its replicas, what it witnesses, what it judges, its own open jobs.
pub fn work(_view: &dyn StateRead, _account: Address) -> Vec<WorkItem> {
    Vec::new()
}

/// The lots a validator has to judge.
pub fn disputes(view: &dyn StateRead, validator: Address) -> Vec<WorkItem> {
    work(view, validator).into_iter().filter(|item| item.role == assay_types::view::Role::Adjudicator).collect()
}
