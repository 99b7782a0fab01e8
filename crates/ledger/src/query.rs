//! What the chain says about itself, in the shapes of `assay_types::view`.
//!
//! Queries read; they never change anything and are no part of consensus.

use alloy_primitives::{Address, B256};
use assay_types::{
    Grains, JobId, Params,
    view::{
        BookView, ClaimView, ClassView, DecentralisationView, DelegationView, EpochView, EstimateView, FlightView,
        IssuanceView, JobSummary, JobView, LotView, OrderView, ProposalView, ProtocolView, ProviderView, RiskView,
        Role, ValidatorView, VoteView, WaitingLot, WorkItem,
    },
};

use crate::{
    claims, governance,
    jobs::{self, result::JobResult},
    keys, market, providers,
    reputation::Lens,
    risk, staking,
    state::StateRead,
    step::{Network, keys_under, read},
};

/// The consensus parameters in force.
pub fn params(view: &dyn StateRead) -> Option<Params> {
    crate::params::params(view).map(std::sync::Arc::unwrap_or_clone)
}

/// Accounts of the seats of the next block's epoch, in order of their network keys.
pub fn validators(view: &dyn StateRead) -> Vec<Address> {
    staking::seats(view).into_iter().map(|seat| seat.account).collect()
}

/// Hash of the genesis the state grew from.
pub fn genesis_hash(view: &dyn StateRead) -> Option<B256> {
    network(view).map(|network| network.genesis_hash)
}

fn network(view: &dyn StateRead) -> Option<Network> {
    read(view, &keys::network()).ok().flatten()
}

/// A job, whole.
pub fn job(view: &dyn StateRead, id: JobId) -> Option<JobView> {
    jobs::views::job(view, id)
}

/// Why lots of an open job have not all their providers: each open ask, what it lacks and by how much.
/// Empty when none waits, or the job is over or unknown.
pub fn why_waiting(view: &dyn StateRead, id: JobId) -> Vec<WaitingLot> {
    jobs::matching::why_waiting(view, id).unwrap_or_default()
}

/// All classes, and how they trade.
pub fn market_classes(view: &dyn StateRead) -> Vec<ClassView> {
    market::views::classes(view).unwrap_or_default()
}

/// A book as it rests; None for an unknown class.
pub fn market_book(view: &dyn StateRead, class: u32, window: u32) -> Option<BookView> {
    market::views::book(view, class, window).ok().flatten()
}

/// Past epochs of a class that the state still has, the latest first.
pub fn market_prices(view: &dyn StateRead, class: u32, limit: usize) -> Vec<EpochView> {
    market::views::prices(view, class, limit).unwrap_or_default()
}

/// Open orders, the latest first: all, or those of one owner.
pub fn orders(view: &dyn StateRead, owner: Option<Address>, limit: usize) -> Vec<OrderView> {
    market::views::orders(view, owner, limit).unwrap_or_default()
}

/// One open order, and why it is not filled.
pub fn order(view: &dyn StateRead, id: u64) -> Option<OrderView> {
    market::views::order(view, id).ok().flatten()
}

/// What an order would get in the next block; None for an unknown class, or nothing asked for.
pub fn market_estimate(
    view: &dyn StateRead,
    class: u32,
    bid: bool,
    price: Grains,
    quantity: u64,
) -> Option<EstimateView> {
    market::views::estimate(view, class, bid, price, quantity).ok().flatten()
}

/// Claims an account has, by class and window.
pub fn claims(view: &dyn StateRead, owner: Address) -> Vec<ClaimView> {
    claims::views::claims(view, owner).unwrap_or_default()
}

/// Claims issued in a class, by window and issuer, that are not over.
pub fn issuances(view: &dyn StateRead, class: u32) -> Vec<IssuanceView> {
    claims::views::issuances(view, class).unwrap_or_default()
}

/// One lot of a job.
pub fn lot(view: &dyn StateRead, id: JobId, index: u32) -> Option<LotView> {
    jobs::views::lot(view, id, index)
}

/// Jobs, latest first: all, or those of one renter.
pub fn jobs(view: &dyn StateRead, renter: Option<Address>, limit: usize) -> Vec<JobSummary> {
    let prefix = match renter {
        None => vec![keys::JOBS_BY_AGE],
        Some(renter) => keys::of_address(keys::RENTER_JOBS, &renter),
    };
    let ids = keys_under(view, &prefix).filter_map(|key| keys::job_at_end(&key)).take(limit);
    ids.filter_map(|id| jobs::views::summary(view, id)).collect()
}

/// The result of a closed job.
pub fn result(view: &dyn StateRead, id: JobId) -> Option<JobResult> {
    JobResult::decode(&view.get(&keys::job_result(id))?)
}

/// One provider.
pub fn provider(view: &dyn StateRead, account: Address) -> Option<ProviderView> {
    providers::views::view_of(view, account, Lens::at_tip(view).ok()?)
}

/// All providers, by address.
pub fn providers(view: &dyn StateRead) -> Vec<ProviderView> {
    let Ok(lens) = Lens::at_tip(view) else { return Vec::new() };
    providers::views::accounts(view).filter_map(|account| providers::views::view_of(view, account, lens)).collect()
}

/// How concentrated the network is: who could halt it, who could take it over, and whose its capacity is.
pub fn risk(view: &dyn StateRead) -> Option<RiskView> {
    risk::of(view).ok()
}

/// One validator, seated or not.
pub fn validator(view: &dyn StateRead, account: Address) -> Option<ValidatorView> {
    staking::views::validator(view, &account).ok().flatten()
}

/// Validators that are not tombstoned, the most staked first, as many as nodes connect to.
pub fn staked_validators(view: &dyn StateRead) -> Vec<ValidatorView> {
    staking::views::validators(view).unwrap_or_default()
}

/// What an account has with each validator it delegated to.
pub fn delegations(view: &dyn StateRead, delegator: Address) -> Vec<DelegationView> {
    staking::views::delegations(view, &delegator).unwrap_or_default()
}

/// Stake of an account that is on its way.
pub fn unbondings(view: &dyn StateRead, delegator: Address) -> Vec<FlightView> {
    staking::views::unbondings(view, &delegator).unwrap_or_default()
}

/// How few seats, and how little stake, could stop the network.
pub fn decentralisation(view: &dyn StateRead) -> Option<DecentralisationView> {
    staking::views::decentralisation(view).ok()
}

/// Proposals, the latest first.
pub fn proposals(view: &dyn StateRead, limit: usize) -> Vec<ProposalView> {
    governance::views::proposals(view, limit).unwrap_or_default()
}

/// One proposal.
pub fn proposal(view: &dyn StateRead, id: u64) -> Option<ProposalView> {
    governance::views::proposal(view, id).ok().flatten()
}

/// Votes of a proposal while it is voted on, by voter.
pub fn votes(view: &dyn StateRead, id: u64, limit: usize) -> Vec<VoteView> {
    governance::views::votes_of(view, id, limit).unwrap_or_default()
}

/// The protocol version in force, and the upgrade that is scheduled.
pub fn protocol(view: &dyn StateRead) -> Option<ProtocolView> {
    governance::views::protocol(view).ok()
}

/// What concerns an account now: its replicas, what it witnesses, what it judges, its own open jobs.
pub fn work(view: &dyn StateRead, account: Address) -> Vec<WorkItem> {
    jobs::work::of(view, account)
}

/// The lots a validator has to judge.
pub fn disputes(view: &dyn StateRead, validator: Address) -> Vec<WorkItem> {
    work(view, validator).into_iter().filter(|item| item.role == Role::Adjudicator).collect()
}
