//! Answers calls of `IGovernance`.

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use assay_types::{
    Grains,
    abi::IGovernance::{self, About, IGovernanceCalls},
    system,
    view::ProposalStatus,
};

use super::{Counts, Proposal, action::Action, deposits, views, votes};
use crate::{
    keys::GOV_COUNTS,
    params,
    reject::{Done, Failure, sane},
    step::Step,
};

const MAX_TITLE_BYTES: usize = 128;
const MAX_URI_BYTES: usize = 256;

/// Answers a call of `IGovernance`; returns its ABI-encoded return data.
pub(crate) fn execute(step: &mut Step<'_>, sender: Address, value: u128, call: &IGovernanceCalls) -> Done<Bytes> {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let (about, action) = match call {
        IGovernanceCalls::proposeText(call) => (&call.about, Action::Text),
        IGovernanceCalls::proposeParams(call) => (&call.about, Action::Params(bytes(&call.changes))),
        IGovernanceCalls::proposeClass(call) => (&call.about, Action::Class(bytes(&call.class))),
        IGovernanceCalls::proposeRetireClass(call) => (&call.about, Action::RetireClass(call.class)),
        IGovernanceCalls::proposePayment(call) => (&call.about, Action::Payment(call.to, call.amount)),
        IGovernanceCalls::proposeRuntime(call) => (&call.about, Action::Runtime(call.runtime, call.active)),
        IGovernanceCalls::proposeUpgrade(call) => {
            (&call.about, Action::Upgrade(bytes(&call.name), call.height, call.protocolVersion))
        }
        IGovernanceCalls::deposit(call) => {
            let proposal = Proposal::named(step, call.id)?;
            return deposits::add(step, call.id, proposal, sender, value).map(|()| Bytes::new());
        }
        _ if value != 0 => return Err(Failure::NotPayable.into()),
        IGovernanceCalls::vote(call) => {
            let shares = votes::Vote::one(call.option).ok_or(Failure::BadVote)?;
            return votes::cast(step, call.id, sender, shares).map(|()| Bytes::new());
        }
        IGovernanceCalls::voteWeighted(call) => {
            let shares = [call.yes, call.no, call.abstain, call.noWithVeto];
            return votes::cast(step, call.id, sender, shares).map(|()| Bytes::new());
        }
        IGovernanceCalls::cancel(call) => return cancel(step, sender, call.id).map(|()| Bytes::new()),
        IGovernanceCalls::proposal(call) => return views::proposal_call(step, call.id),
        IGovernanceCalls::checkParams(call) => {
            let now = params::load(&step.state)?;
            let problem = super::action::changes(call.changes.as_bytes(), &now).err();
            let problem = problem.map(|error| error.to_string()).unwrap_or_default();
            return Ok(IGovernance::checkParamsCall::abi_encode_returns(&problem).into());
        }
        IGovernanceCalls::upgrade(_) => return views::upgrade_call(step),
    };
    let id = propose(step, sender, value, about, action)?;
    // The seven ways to propose answer alike.
    Ok(IGovernance::proposeTextCall::abi_encode_returns(&id).into())
}

fn propose(step: &mut Step<'_>, sender: Address, value: Grains, about: &About, action: Action) -> Done<u64> {
    let plain = |text: &str| !text.chars().any(char::is_control);
    let title = (1..=MAX_TITLE_BYTES).contains(&about.title.len()) && plain(&about.title);
    if !title || about.uri.len() > MAX_URI_BYTES || !plain(&about.uri) {
        return Err(Failure::ProposalText.into());
    }
    action.check(step)?;
    let mut counts = Counts::load(&step.state)?;
    if counts.open >= step.env.params.gov_max_open {
        return Err(Failure::TooManyProposals.into());
    }
    counts.open = sane(counts.open.checked_add(1))?;
    counts.proposed = sane(counts.proposed.checked_add(1))?;
    let id = counts.proposed;
    step.write(vec![GOV_COUNTS], &counts);
    let kind = action.kind();
    let now = step.env.ctx.timestamp_ms;
    let mut proposal = Proposal {
        proposer: sender,
        title: Bytes::copy_from_slice(about.title.as_bytes()),
        text_hash: about.textHash,
        uri: Bytes::copy_from_slice(about.uri.as_bytes()),
        action,
        status: ProposalStatus::Depositing,
        proposed_ms: now,
        until_ms: now,
        deposit: 0,
        votes: 0,
        tally: None,
        failure: 0,
    };
    proposal.enter(step, id, ProposalStatus::Depositing, step.env.params.gov_deposit_ms);
    let event = IGovernance::Proposed {
        id,
        proposer: sender,
        kind,
        title: about.title.clone(),
        depositUntil: proposal.until_ms,
    };
    step.emit(system::GOVERNANCE, &event);
    deposits::add(step, id, proposal, sender, value)?;
    Ok(id)
}

fn cancel(step: &mut Step<'_>, sender: Address, id: u64) -> Done {
    let mut proposal = Proposal::named(step, id)?;
    if proposal.proposer != sender {
        return Err(Failure::NotProposer.into());
    }
    if proposal.status != ProposalStatus::Depositing {
        return Err(Failure::NotDepositing.into());
    }
    deposits::give_back(step, id, step.env.params.gov_cancel_burn_bps)?;
    step.emit(system::GOVERNANCE, &IGovernance::Cancelled { id });
    proposal.end(step, id, ProposalStatus::Cancelled)
}

/// Whether a call only reads.
pub(crate) fn is_view(call: &IGovernanceCalls) -> bool {
    matches!(call, IGovernanceCalls::proposal(_) | IGovernanceCalls::checkParams(_) | IGovernanceCalls::upgrade(_))
}
