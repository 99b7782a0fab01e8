//! What the chain answers about proposals.

use alloy_primitives::Bytes;
use alloy_sol_types::SolCall;
use assay_types::{
    Params, TxFailure,
    abi::IGovernance,
    view::{ProposalStatus, ProposalView, ProtocolView, TallyView, VoteView},
};

use super::{Counts, Proposal, action::text, upgrade, votes};
use crate::{
    params,
    reject::{BrokenInvariant, Done, Failure, Stop},
    state::StateRead,
    step::Step,
};

/// `IGovernance.proposal`.
pub(crate) fn proposal_call(step: &Step<'_>, id: u64) -> Done<Bytes> {
    let proposal = Proposal::load(&step.state, id)?;
    let tally = match &proposal {
        Some(one) => tally_of(&step.state, one, id)?.unwrap_or_default(),
        None => TallyView::default(),
    };
    let answer = IGovernance::proposalReturn {
        status: proposal.as_ref().map_or(0, |one| one.status as u8),
        kind: proposal.as_ref().map_or(0, |one| one.action.kind()),
        proposer: proposal.as_ref().map(|one| one.proposer).unwrap_or_default(),
        deposited: proposal.as_ref().map_or(0, |one| one.deposit),
        until: proposal.as_ref().map_or(0, |one| one.until_ms),
        yes: tally.yes,
        no: tally.no,
        abstain: tally.abstain,
        noWithVeto: tally.no_with_veto,
    };
    Ok(IGovernance::proposalCall::abi_encode_returns(&answer).into())
}

/// `IGovernance.upgrade`.
pub(crate) fn upgrade_call(step: &Step<'_>) -> Done<Bytes> {
    let next = upgrade::view(&step.state)?.upgrade;
    let answer = IGovernance::upgradeReturn {
        name: next.as_ref().map(|next| next.name.clone()).unwrap_or_default(),
        height: next.as_ref().map_or(0, |next| next.height),
        protocolVersion: next.as_ref().map_or(0, |next| next.protocol_version),
    };
    Ok(IGovernance::upgradeCall::abi_encode_returns(&answer).into())
}

/// The final count, or that of this moment.
fn tally_of(view: &dyn StateRead, proposal: &Proposal, id: u64) -> Done<Option<TallyView>> {
    match proposal.status {
        ProposalStatus::Voting => votes::count(view, id).map(Some),
        _ => Ok(proposal.tally),
    }
}

type Read<T> = Result<T, BrokenInvariant>;

fn broken(stop: Stop) -> BrokenInvariant {
    match stop {
        Stop::Broken(broken) => broken,
        Stop::Fail(failure) => BrokenInvariant::EndBlock(failure),
    }
}

/// One proposal.
pub(crate) fn proposal(view: &dyn StateRead, id: u64) -> Read<Option<ProposalView>> {
    let params = params::load(view)?;
    one(view, &params, id)
}

fn one(view: &dyn StateRead, params: &Params, id: u64) -> Read<Option<ProposalView>> {
    let Some(proposal) = Proposal::load(view, id)? else { return Ok(None) };
    let failure = Failure::ALL.iter().find(|failure| failure.code() == proposal.failure);
    let missing = match proposal.status {
        ProposalStatus::Depositing => params.gov_min_deposit.saturating_sub(proposal.deposit),
        _ => 0,
    };
    Ok(Some(ProposalView {
        id,
        proposer: proposal.proposer,
        title: text(&proposal.title),
        text_hash: proposal.text_hash,
        uri: text(&proposal.uri),
        action: proposal.action.view(),
        status: proposal.status,
        proposed_ms: proposal.proposed_ms,
        until_ms: proposal.until_ms,
        deposit: proposal.deposit,
        missing,
        votes: proposal.votes,
        tally: tally_of(view, &proposal, id).map_err(broken)?,
        failure: failure.map(|failure| TxFailure { code: failure.code(), name: failure.name().to_owned() }),
    }))
}

/// Proposals, the latest first.
pub(crate) fn proposals(view: &dyn StateRead, limit: usize) -> Read<Vec<ProposalView>> {
    let params = params::load(view)?;
    let last = Counts::load(view)?.proposed;
    let found = (1..=last).rev().take(limit).map(|id| one(view, &params, id));
    Ok(found.collect::<Read<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Votes of a proposal that is being voted on, by voter.
pub(crate) fn votes_of(view: &dyn StateRead, id: u64, limit: usize) -> Read<Vec<VoteView>> {
    let shown = votes::of(view, id)?.into_iter().take(limit);
    Ok(shown
        .map(|(voter, vote)| VoteView {
            voter,
            yes: vote.yes,
            no: vote.no,
            abstain: vote.abstain,
            no_with_veto: vote.veto,
        })
        .collect())
}

/// The protocol version in force, and the next.
pub(crate) fn protocol(view: &dyn StateRead) -> Read<ProtocolView> {
    upgrade::view(view)
}
