//! What stands behind a proposal until it was voted on.
//!
//! A deposit is at least the network's share of the least deposit, or all that is missing, so that a proposal has a
//! bounded number of depositors and all are paid back in one block.

use alloy_primitives::Address;
use assay_types::{Grains, abi::IGovernance, system, view::ProposalStatus};

use super::{Proposal, share_up};
use crate::{
    keys::{self, DEPOSIT},
    math,
    money::{self, Pot, transfer},
    reject::{BrokenInvariant, Done, Failure, sane},
    step::{Step, keys_under},
};

/// What is missing for a vote.
pub(crate) fn missing(step: &Step<'_>, proposal: &Proposal) -> Grains {
    step.env.params.gov_min_deposit.saturating_sub(proposal.deposit)
}

/// Takes a deposit; starts the vote once there is enough. Value above what is missing never leaves the sender.
pub(crate) fn add(step: &mut Step<'_>, id: u64, mut proposal: Proposal, sender: Address, value: Grains) -> Done {
    let now = step.env.ctx.timestamp_ms;
    if proposal.status != ProposalStatus::Depositing || now >= proposal.until_ms {
        return Err(Failure::NotDepositing.into());
    }
    let missing = missing(step, &proposal);
    let least = share_up(step.env.params.gov_min_deposit, step.env.params.gov_initial_deposit_bps).min(missing);
    if value < least {
        return Err(Failure::DepositTooSmall.into());
    }
    let amount = value.min(missing);
    transfer(step, Pot::Account(sender), Pot::Proposal(id), amount)?;
    let key = keys::key(DEPOSIT, &[&id.to_be_bytes(), sender.as_slice()]);
    let before: Grains = step.read(&key)?.unwrap_or_default();
    step.write(key, &sane(before.checked_add(amount))?);
    proposal.deposit = sane(proposal.deposit.checked_add(amount))?;
    let event = IGovernance::Deposited { id, depositor: sender, amount, total: proposal.deposit };
    step.emit(system::GOVERNANCE, &event);
    if amount == missing {
        proposal.enter(step, id, ProposalStatus::Voting, step.env.params.gov_voting_ms);
        step.emit(system::GOVERNANCE, &IGovernance::VotingStarted { id, until: proposal.until_ms });
    }
    proposal.store(step, id);
    Ok(())
}

/// Gives deposits back but for a share that is burned, rounded in the network's favour.
pub(crate) fn give_back(step: &mut Step<'_>, id: u64, burned_bps: u32) -> Done {
    let kept_bps = 10_000_u32.saturating_sub(burned_bps);
    let prefix = keys::of_order(DEPOSIT, id);
    for key in keys_under(&step.state, &prefix).collect::<Vec<_>>() {
        let depositor = keys::address_at_end(&key).ok_or(BrokenInvariant::Corrupt(DEPOSIT))?;
        let put_down: Grains = step.must(&key)?;
        step.state.delete(key);
        let amount = sane(math::share(put_down, kept_bps))?;
        transfer(step, Pot::Proposal(id), Pot::Account(depositor), amount)?;
        if amount > 0 {
            step.emit(system::GOVERNANCE, &IGovernance::DepositReturned { id, depositor, amount });
        }
    }
    let amount = money::held(&step.state, Pot::Proposal(id))?;
    transfer(step, Pot::Proposal(id), Pot::Burn, amount)?;
    if amount > 0 {
        step.emit(system::GOVERNANCE, &IGovernance::DepositBurned { id, amount });
    }
    Ok(())
}
