//! Votes, and their count.
//!
//! A vote has the stake that its account has bonded **when the vote is counted**: what it delegated, to whomever,
//! and, for a validator, what others delegated to it and did not vote with themselves (Cosmos x/gov,
//! `keeper/tally.go`). So nothing is locked by voting, and no stake counts twice: what a delegation votes with is
//! taken off its validator's.
//!
//! The count looks at all of it in one block, between transactions, so stake cannot move meanwhile. That block's
//! work is bounded by the number of votes: of more than `gov_max_votes` those of most stake are kept, by the
//! stake they had when cast. A dropped vote loses little: its stake is small, and counts as its validator votes.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use assay_types::{Grains, Params, abi::IGovernance, system, view::ProposalStatus, view::TallyView};

use super::Proposal;
use crate::{
    codec::record,
    keys::{self, VOTE, VOTE_RANK},
    math,
    reject::{BrokenInvariant, Done, Failure, sane},
    staking,
    state::StateRead,
    step::{Step, keys_under, read},
};

record! {
    /// How an account shares its stake out, basis points.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Vote {
        pub(crate) yes: u16,
        pub(crate) no: u16,
        pub(crate) abstain: u16,
        pub(crate) veto: u16,
        /// The stake it had when it was cast.
        pub(crate) rank: Grains,
    }
}

impl Vote {
    /// A vote for one option, numbered as in `IGovernance.vote`.
    pub(crate) fn one(option: u8) -> Option<[u16; 4]> {
        match option {
            1 => Some([10_000, 0, 0, 0]),
            2 => Some([0, 10_000, 0, 0]),
            3 => Some([0, 0, 10_000, 0]),
            4 => Some([0, 0, 0, 10_000]),
            _ => None,
        }
    }
}

fn vote_key(id: u64, voter: &Address) -> Vec<u8> {
    keys::key(VOTE, &[&id.to_be_bytes(), voter.as_slice()])
}

fn rank_key(id: u64, rank: Grains, voter: &Address) -> Vec<u8> {
    keys::key(VOTE_RANK, &[&id.to_be_bytes(), &rank.to_be_bytes(), voter.as_slice()])
}

/// Stake an account votes with if nobody else does.
fn stake_of(view: &dyn StateRead, voter: &Address) -> Done<Grains> {
    let mut own: Grains = 0;
    for (_, amount) in staking::delegations_of(view, voter)? {
        own = sane(own.checked_add(amount))?;
    }
    Ok(own.max(staking::tokens_of(view, voter)?))
}

/// Casts or changes a vote.
pub(crate) fn cast(step: &mut Step<'_>, id: u64, voter: Address, shares: [u16; 4]) -> Done {
    let mut proposal = Proposal::named(step, id)?;
    if proposal.status != ProposalStatus::Voting || step.env.ctx.timestamp_ms >= proposal.until_ms {
        return Err(Failure::NotVoting.into());
    }
    if shares.iter().map(|share| u32::from(*share)).sum::<u32>() != 10_000 {
        return Err(Failure::BadVote.into());
    }
    let rank = stake_of(&step.state, &voter)?;
    if rank == 0 {
        return Err(Failure::NoStake.into());
    }
    let key = vote_key(id, &voter);
    if let Some(before) = step.read::<Vote>(&key)? {
        step.state.delete(rank_key(id, before.rank, &voter));
    } else if proposal.votes >= step.env.params.gov_max_votes {
        make_room(step, id, rank)?;
    } else {
        proposal.votes = sane(proposal.votes.checked_add(1))?;
        proposal.store(step, id);
    }
    let [yes, no, abstain, veto] = shares;
    step.write(key, &Vote { yes, no, abstain, veto, rank });
    step.mark(rank_key(id, rank, &voter));
    step.emit(system::GOVERNANCE, &IGovernance::Voted { id, voter, yes, no, abstain, noWithVeto: veto });
    Ok(())
}

/// Drops the vote of least stake, if that is less than `rank`.
fn make_room(step: &mut Step<'_>, id: u64, rank: Grains) -> Done {
    let prefix = keys::of_order(VOTE_RANK, id);
    let least = keys_under(&step.state, &prefix).next().ok_or(BrokenInvariant::Missing(VOTE_RANK))?;
    let voter = keys::address_at_end(&least).ok_or(BrokenInvariant::Corrupt(VOTE_RANK))?;
    let held: Vote = step.must(&vote_key(id, &voter))?;
    if held.rank >= rank {
        return Err(Failure::VoteTooSmall.into());
    }
    step.state.delete(least);
    step.state.delete(vote_key(id, &voter));
    step.emit(system::GOVERNANCE, &IGovernance::VoteDropped { id, voter });
    Ok(())
}

/// Votes of a proposal, by voter.
pub(crate) fn of(view: &dyn StateRead, id: u64) -> Result<Vec<(Address, Vote)>, BrokenInvariant> {
    let keys: Vec<_> = keys_under(view, &keys::of_order(VOTE, id)).collect();
    keys.iter()
        .map(|key| {
            let voter = keys::address_at_end(key).ok_or(BrokenInvariant::Corrupt(VOTE))?;
            Ok((voter, read(view, key)?.ok_or(BrokenInvariant::Missing(VOTE))?))
        })
        .collect()
}

/// Counts the votes with the stake of this moment. Shares of one account's stake are rounded down.
pub(crate) fn count(view: &dyn StateRead, id: u64) -> Done<TallyView> {
    let votes = of(view, id)?;
    let mut tally = TallyView { bonded: staking::bonded_total(view)?, ..TallyView::default() };
    let mut spoken_for: BTreeMap<Address, Grains> = BTreeMap::new();
    for (voter, vote) in &votes {
        for (validator, amount) in staking::delegations_of(view, voter)? {
            let sum = spoken_for.entry(validator).or_default();
            *sum = sane(sum.checked_add(amount))?;
            add(&mut tally, vote, amount)?;
        }
    }
    for (voter, vote) in &votes {
        let all = staking::tokens_of(view, voter)?;
        let taken = spoken_for.get(voter).copied().unwrap_or_default();
        // Each delegation is rounded down, so together they are not more; were they, nothing is left.
        add(&mut tally, vote, all.saturating_sub(taken))?;
    }
    Ok(tally)
}

fn add(tally: &mut TallyView, vote: &Vote, amount: Grains) -> Done {
    let part = |share: u16| sane(math::share(amount, u32::from(share)));
    for (sum, part) in [
        (&mut tally.yes, part(vote.yes)?),
        (&mut tally.no, part(vote.no)?),
        (&mut tally.abstain, part(vote.abstain)?),
        (&mut tally.no_with_veto, part(vote.veto)?),
        (&mut tally.turnout, amount),
    ] {
        *sum = sane(sum.checked_add(part))?;
    }
    Ok(())
}

/// What a count comes to (x/gov, `keeper/tally.go`).
pub(crate) fn verdict(params: &Params, tally: &TallyView) -> ProposalStatus {
    let quorum = math::mul_div_up(tally.bonded, u128::from(params.gov_quorum_bps), 10_000).unwrap_or(Grains::MAX);
    if tally.bonded == 0 || tally.turnout < quorum {
        return ProposalStatus::NoQuorum;
    }
    let above = |part: Grains, bps: u32, whole: Grains| {
        math::mul_div_down(whole, u128::from(bps), 10_000).is_some_and(|least| part > least)
    };
    if above(tally.no_with_veto, params.gov_veto_bps, tally.turnout) {
        return ProposalStatus::Vetoed;
    }
    let decided = tally.turnout.saturating_sub(tally.abstain);
    match decided > 0 && above(tally.yes, params.gov_threshold_bps, decided) {
        true => ProposalStatus::Queued,
        false => ProposalStatus::Rejected,
    }
}

/// Forgets all votes of a proposal.
pub(crate) fn forget(step: &mut Step<'_>, id: u64) {
    for table in [VOTE, VOTE_RANK] {
        for key in keys_under(&step.state, &keys::of_order(table, id)).collect::<Vec<_>>() {
            step.state.delete(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorum_veto_and_threshold_are_looked_at_in_this_order_and_at_their_edges() {
        use ProposalStatus::{NoQuorum, Queued, Rejected, Vetoed};
        let params = Params::default();
        let of = |yes, no, abstain, no_with_veto| {
            let turnout = yes + no + abstain + no_with_veto;
            verdict(&params, &TallyView { yes, no, abstain, no_with_veto, turnout, bonded: 10_000 })
        };
        assert_eq!([of(3_339, 0, 0, 0), of(3_340, 0, 0, 0)], [NoQuorum, Queued]);
        assert_eq!([of(2_000, 2_000, 0, 0), of(2_001, 2_000, 0, 0)], [Rejected, Queued], "more than a half");
        assert_eq!([of(1, 0, 5_000, 0), of(0, 0, 5_000, 0)], [Queued, Rejected], "those who abstain decide nothing");
        assert_eq!([of(6_660, 0, 0, 3_340), of(6_659, 0, 0, 3_341)], [Queued, Vetoed]);
        assert_eq!([of(3_330, 0, 3_330, 3_340), of(0, 3_000, 0, 1_500)], [Rejected, Rejected]);
        let nobody = TallyView::default();
        assert_eq!(verdict(&params, &nobody), NoQuorum);
    }
}
