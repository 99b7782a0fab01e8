//! Proposals and their votes.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::amount::{Grains, as_string};

/// Where a proposal stands. Numbers as in `IGovernance.proposal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ProposalStatus {
    /// Takes deposits.
    Depositing = 1,
    /// Takes votes.
    Voting = 2,
    /// Accepted; waits to be carried out.
    Queued = 3,
    /// Carried out.
    Executed = 4,
    /// Accepted, but could not be carried out; nothing was changed.
    Failed = 5,
    /// Not more yes than the threshold.
    Rejected = 6,
    /// Too little stake voted.
    NoQuorum = 7,
    /// Vetoed; its deposits were burned.
    Vetoed = 8,
    /// Too little was deposited in time; what was is returned.
    Lapsed = 9,
    /// By its proposer; a part of its deposits was burned.
    Cancelled = 10,
}

impl ProposalStatus {
    /// Whether it is not over.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Depositing | Self::Voting | Self::Queued)
    }
}

/// What a proposal would have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ActionView {
    /// Nothing: a text to agree on.
    Text,
    /// Parameters by name, as JSON.
    Params {
        /// The JSON.
        changes: String,
    },
    /// A new class, as JSON.
    Class {
        /// The JSON.
        class: String,
    },
    /// A class that takes no new orders.
    RetireClass {
        /// Its number.
        class: u32,
    },
    /// Money out of the treasury.
    Payment {
        /// To whom.
        to: Address,
        /// How much, grains.
        #[serde(with = "as_string")]
        amount: Grains,
    },
    /// A runtime that jobs may name, or no longer.
    Runtime {
        /// Its id.
        runtime: B256,
        /// Which of both.
        active: bool,
    },
    /// A protocol version from a height on; height 0 cancels the scheduled one.
    Upgrade {
        /// Its name.
        name: String,
        /// First height under it.
        height: u64,
        /// The version.
        protocol_version: u32,
    },
}

/// Stake behind each option, grains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyView {
    /// For.
    #[serde(with = "as_string")]
    pub yes: Grains,
    /// Against.
    #[serde(with = "as_string")]
    pub no: Grains,
    /// Counts for the quorum only.
    #[serde(with = "as_string")]
    pub abstain: Grains,
    /// Against, and the deposits are to be burned.
    #[serde(with = "as_string")]
    pub no_with_veto: Grains,
    /// All stake that voted.
    #[serde(with = "as_string")]
    pub turnout: Grains,
    /// All stake that could.
    #[serde(with = "as_string")]
    pub bonded: Grains,
}

/// A proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalView {
    /// Its number.
    pub id: u64,
    /// Who proposed it.
    pub proposer: Address,
    /// Its title.
    pub title: String,
    /// keccak256 of its text.
    pub text_hash: B256,
    /// Where the text is.
    pub uri: String,
    /// What it does.
    #[serde(flatten)]
    pub action: ActionView,
    /// Where it stands.
    pub status: ProposalStatus,
    /// When it was proposed, milliseconds since the Unix epoch.
    pub proposed_ms: u64,
    /// End of its present stage, or when it was over.
    pub until_ms: u64,
    /// What was deposited, grains.
    #[serde(with = "as_string")]
    pub deposit: Grains,
    /// What is missing for a vote, grains.
    #[serde(with = "as_string")]
    pub missing: Grains,
    /// Accounts that voted.
    pub votes: u32,
    /// The count: as it would be now while voting, else the final one; none where there was no vote.
    pub tally: Option<TallyView>,
    /// Why it could not be carried out: number and name as in rejects.md.
    pub failure: Option<crate::TxFailure>,
}

/// One account's vote, basis points of its stake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteView {
    /// Whose.
    pub voter: Address,
    /// For.
    pub yes: u16,
    /// Against.
    pub no: u16,
    /// For the quorum only.
    pub abstain: u16,
    /// Against, with veto.
    pub no_with_veto: u16,
}

/// A scheduled upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeView {
    /// Its name.
    pub name: String,
    /// First height under it.
    pub height: u64,
    /// The version it needs.
    pub protocol_version: u32,
}

/// The protocol version in force, and the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolView {
    /// Version of the next block, unless an upgrade comes with it.
    pub version: u32,
    /// What is scheduled.
    pub upgrade: Option<UpgradeView>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_of_each_kind_survives_json() {
        let kinds = [
            ActionView::Text,
            ActionView::Params { changes: r#"{"max_tasks": 7}"#.into() },
            ActionView::Class { class: "{}".into() },
            ActionView::RetireClass { class: 3 },
            ActionView::Payment { to: Address::repeat_byte(2), amount: u128::MAX },
            ActionView::Runtime { runtime: B256::repeat_byte(4), active: false },
            ActionView::Upgrade { name: "two".into(), height: u64::MAX, protocol_version: 2 },
        ];
        for action in kinds {
            let one = ProposalView {
                id: 1,
                proposer: Address::repeat_byte(1),
                title: "title".into(),
                text_hash: B256::ZERO,
                uri: String::new(),
                action,
                status: ProposalStatus::NoQuorum,
                proposed_ms: 5,
                until_ms: 6,
                deposit: u128::MAX,
                missing: 0,
                votes: 7,
                tally: Some(TallyView { yes: 1, turnout: 2, bonded: u128::MAX, ..TallyView::default() }),
                failure: Some(crate::TxFailure { code: 350, name: "TreasuryShort".into() }),
            };
            let text = serde_json::to_string(&one).expect("plain data");
            assert_eq!(serde_json::from_str::<ProposalView>(&text).expect("own output"), one, "{text}");
        }
    }
}
