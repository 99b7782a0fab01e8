//! What governance does at the end of a block: stages whose time is over, classes that retire, upgrades.

use assay_types::{abi::IGovernance, system, view::ProposalStatus};

use super::{Proposal, classes, deposits, upgrade, votes};
use crate::{
    keys::{self, DUE_PROPOSAL, PROPOSAL},
    reject::{BrokenInvariant, Done, Stop},
    state::StateRead,
    step::Step,
};

/// Proposals whose time is over handled in one block; the rest come first in the next.
const PER_BLOCK: usize = 8;

/// A block's part.
pub(crate) fn run(step: &mut Step<'_>) -> Done {
    upgrade::run(step)?;
    stages(step)?;
    classes::run(step)
}

fn stages(step: &mut Step<'_>) -> Done {
    let end = keys::key(DUE_PROPOSAL, &[&step.env.ctx.timestamp_ms.saturating_add(1).to_be_bytes()]);
    let over: Vec<u64> = step
        .state
        .scan(&[DUE_PROPOSAL], Some(&end))
        .filter_map(|(key, _)| keys::order_at_end(&key))
        .take(PER_BLOCK)
        .collect();
    let mut counted = false;
    for id in over {
        let proposal = Proposal::load(&step.state, id)?.ok_or(BrokenInvariant::Missing(PROPOSAL))?;
        match proposal.status {
            ProposalStatus::Depositing => lapse(step, id, proposal)?,
            // A count is the largest piece of work there is: one a block.
            ProposalStatus::Voting if counted => {}
            ProposalStatus::Voting => {
                counted = true;
                decide(step, id, proposal)?;
            }
            ProposalStatus::Queued => execute(step, id, proposal)?,
            _ => return Err(BrokenInvariant::Corrupt(PROPOSAL).into()),
        }
    }
    Ok(())
}

fn lapse(step: &mut Step<'_>, id: u64, mut proposal: Proposal) -> Done {
    deposits::give_back(step, id, 0)?;
    step.emit(system::GOVERNANCE, &IGovernance::Lapsed { id });
    proposal.end(step, id, ProposalStatus::Lapsed)
}

fn decide(step: &mut Step<'_>, id: u64, mut proposal: Proposal) -> Done {
    let tally = votes::count(&step.state, id)?;
    let verdict = votes::verdict(&step.env.params, &tally);
    votes::forget(step, id);
    deposits::give_back(step, id, if verdict == ProposalStatus::Vetoed { 10_000 } else { 0 })?;
    proposal.tally = Some(tally);
    let event = IGovernance::Tallied {
        id,
        status: verdict as u8,
        yes: tally.yes,
        no: tally.no,
        abstain: tally.abstain,
        noWithVeto: tally.no_with_veto,
        bonded: tally.bonded,
    };
    step.emit(system::GOVERNANCE, &event);
    match verdict {
        ProposalStatus::Queued => {
            proposal.enter(step, id, verdict, step.env.params.gov_timelock_ms);
            proposal.store(step, id);
            Ok(())
        }
        _ => proposal.end(step, id, verdict),
    }
}

/// Carries an accepted proposal out: wholly, or not at all.
fn execute(step: &mut Step<'_>, id: u64, mut proposal: Proposal) -> Done {
    let mut inner = Step::new(&step.state, step.env);
    match proposal.action.carry_out(&mut inner, id) {
        Ok(()) => {
            let logs = std::mem::take(&mut inner.logs);
            let changes = inner.state.into_changes();
            step.state.absorb(changes);
            step.logs.extend(logs);
            step.emit(system::GOVERNANCE, &IGovernance::Executed { id });
            proposal.end(step, id, ProposalStatus::Executed)
        }
        Err(Stop::Fail(failure)) => {
            proposal.failure = failure.code();
            let reason = failure.name().to_owned();
            step.emit(system::GOVERNANCE, &IGovernance::ExecutionFailed { id, code: failure.code(), reason });
            proposal.end(step, id, ProposalStatus::Failed)
        }
        Err(broken) => Err(broken),
    }
}
