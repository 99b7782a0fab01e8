//! Proposals: deposits, votes by stake, a timelock, execution.
//!
//! ```text
//! propose ─► depositing ──min deposit──► voting ──tally──► queued ──timelock──► executed | failed
//!               │ too little in time        │ no quorum, rejected: deposits back
//!               │ or cancelled              │ vetoed: deposits burned
//! ```
//!
//! The rules are those of Cosmos x/gov v1 (github.com/cosmos/cosmos-sdk, x/gov) but for the timelock, which is
//! that of Compound's Timelock contract, and for votes, of which the ones of most stake are counted (see
//! [`votes`]). Deposits that brought too little come back (x/gov: `burn_proposal_deposit_prevote` false), so do
//! those of a vote without quorum (`burn_vote_quorum` false); those of a vetoed proposal burn.
//!
//! Deadlines are in milliseconds by the blocks' clock, in an index of their own keyed by time.

mod action;
mod agenda;
pub(crate) mod calls;
mod classes;
mod deposits;
pub(crate) mod upgrade;
pub(crate) mod views;
mod votes;

pub(crate) use agenda::run;
pub(crate) use classes::is_retiring;

use action::Action;
use alloy_primitives::{Address, B256, Bytes};
use assay_types::{
    Grains,
    view::{ProposalStatus, TallyView},
};

use crate::{
    codec::{Wire, numbered, record},
    keys::{self, DUE_PROPOSAL, GOV_COUNTS, PROPOSAL},
    reject::{BrokenInvariant, Done, Failure, sane},
    state::StateRead,
    step::{Step, read},
};

numbered!(ProposalStatus {
    Depositing = 1,
    Voting = 2,
    Queued = 3,
    Executed = 4,
    Failed = 5,
    Rejected = 6,
    NoQuorum = 7,
    Vetoed = 8,
    Lapsed = 9,
    Cancelled = 10,
});

impl Wire for TallyView {
    fn put(&self, out: &mut Vec<u8>) {
        for amount in [self.yes, self.no, self.abstain, self.no_with_veto, self.turnout, self.bonded] {
            amount.put(out);
        }
    }
    fn take(input: &mut &[u8]) -> Option<Self> {
        Some(Self {
            yes: Wire::take(input)?,
            no: Wire::take(input)?,
            abstain: Wire::take(input)?,
            no_with_veto: Wire::take(input)?,
            turnout: Wire::take(input)?,
            bonded: Wire::take(input)?,
        })
    }
}

record! {
    /// A proposal. It stays when it is over; its votes and deposits do not.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Proposal {
        pub(crate) proposer: Address,
        pub(crate) title: Bytes,
        pub(crate) text_hash: B256,
        pub(crate) uri: Bytes,
        pub(crate) action: Action,
        pub(crate) status: ProposalStatus,
        pub(crate) proposed_ms: u64,
        /// End of the stage, or when it was over.
        pub(crate) until_ms: u64,
        pub(crate) deposit: Grains,
        pub(crate) votes: u32,
        pub(crate) tally: Option<TallyView>,
        /// Code of the failure that kept it from being carried out.
        pub(crate) failure: u16,
    }
}

record! {
    /// How many there are.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub(crate) struct Counts {
        pub(crate) proposed: u64,
        pub(crate) open: u32,
    }
}

impl Counts {
    pub(crate) fn load(view: &dyn StateRead) -> Result<Self, BrokenInvariant> {
        Ok(read(view, &[GOV_COUNTS])?.unwrap_or_default())
    }
}

impl Proposal {
    pub(crate) fn load(view: &dyn StateRead, id: u64) -> Result<Option<Self>, BrokenInvariant> {
        read(view, &keys::of_order(PROPOSAL, id))
    }

    /// One a caller named.
    pub(crate) fn named(step: &Step<'_>, id: u64) -> Done<Self> {
        Ok(Self::load(&step.state, id)?.ok_or(Failure::UnknownProposal)?)
    }

    pub(crate) fn store(&self, step: &mut Step<'_>, id: u64) {
        step.write(keys::of_order(PROPOSAL, id), self);
    }

    /// Moves to a stage that ends `after_ms` from now.
    pub(crate) fn enter(&mut self, step: &mut Step<'_>, id: u64, status: ProposalStatus, after_ms: u64) {
        self.leave(step, id);
        self.status = status;
        self.until_ms = step.env.ctx.timestamp_ms.saturating_add(after_ms);
        step.mark(deadline(self.until_ms, id));
    }

    /// Forgets the deadline of the present stage.
    fn leave(&self, step: &mut Step<'_>, id: u64) {
        step.state.delete(deadline(self.until_ms, id));
    }

    /// Is over, from now on and for good.
    pub(crate) fn end(&mut self, step: &mut Step<'_>, id: u64, status: ProposalStatus) -> Done {
        self.leave(step, id);
        self.status = status;
        self.until_ms = step.env.ctx.timestamp_ms;
        let mut counts = Counts::load(&step.state)?;
        counts.open = sane(counts.open.checked_sub(1))?;
        step.write(vec![GOV_COUNTS], &counts);
        self.store(step, id);
        Ok(())
    }
}

/// Entry of the index of deadlines.
fn deadline(until_ms: u64, id: u64) -> Vec<u8> {
    keys::key(DUE_PROPOSAL, &[&until_ms.to_be_bytes(), &id.to_be_bytes()])
}

/// A share of an amount, rounded up.
fn share_up(amount: Grains, bps: u32) -> Grains {
    crate::math::mul_div_up(amount, u128::from(bps), 10_000).unwrap_or(Grains::MAX)
}
