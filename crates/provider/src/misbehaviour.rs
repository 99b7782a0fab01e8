//! Dishonest behaviour, for adversary tests and `quickstart --cheat`.
//!
//! An honest build of this crate contains it, because a cheat that is caught must be a real provider
//! running the real code. It is off unless configured, and refused on anything but a development
//! chain ([`Misbehaviour::allowed_on`]). It enters at two points only: what a task's result is said to
//! be ([`Misbehaviour::bend`]), and which planned actions are carried out ([`Misbehaviour::omits`]).

use assay_types::JobId;
use serde::{Deserialize, Serialize};

use crate::plan::Action;

/// Chain ids of development networks: what anvil, hardhat and ganache use, and ours.
pub const DEV_CHAIN_IDS: [u64; 3] = [1_337, 31_337, 0xA55A_0DEF];

/// How a provider cheats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Misbehaviour {
    /// Says that every `every`th task of a job, counted from the first, gave something else. Two liars
    /// with the same seed collude: they tell the same lie.
    LieAboutTasks {
        /// Distance between lies; 1 is every task.
        every: u32,
        /// What the lie is made of.
        seed: u64,
    },
    /// Commits to what another replica committed to, byte for byte.
    EchoCommitments,
    /// Bills more fuel than was burned, within the cap.
    PadFuel {
        /// How much more, percent.
        percent: u32,
    },
    /// Takes work and never commits.
    NeverCommit,
    /// Commits and never reveals.
    NeverReveal,
    /// Computes, commits and reveals honestly, then serves no output.
    WithholdOutput,
    /// Audits without running anything: says what it makes up.
    MakeUpAudits,
    /// Is drawn as an auditor and never says anything.
    IgnoreAudits,
    /// Answers capacity challenges for this many times the lanes it fills.
    ClaimLanes {
        /// How many times.
        times: u32,
    },
}

/// A result as it will be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) execution: Vec<u8>,
    pub(crate) fuel: u64,
}

impl Misbehaviour {
    /// Whether this network is one where nobody can be hurt.
    pub fn allowed_on(chain_id: u64) -> bool {
        DEV_CHAIN_IDS.contains(&chain_id)
    }

    /// What the provider says a task gave.
    pub(crate) fn bend(self, job: &JobId, task: u32, fuel_cap: u64, honest: Told) -> Told {
        match self {
            Self::LieAboutTasks { every, seed } if task.is_multiple_of(every.max(1)) => {
                let mut lie = honest.execution;
                let noise =
                    alloy_primitives::keccak256([job.as_slice(), &task.to_be_bytes(), &seed.to_be_bytes()].concat());
                // The last byte of the payload or log: the lie still looks like an execution.
                match lie.last_mut() {
                    Some(last) => *last ^= noise[0] | 1,
                    None => lie.push(noise[0]),
                }
                lie.extend_from_slice(&noise[..8]);
                Told { execution: lie, fuel: honest.fuel }
            }
            Self::MakeUpAudits => Told { execution: [job.as_slice(), &task.to_be_bytes()].concat(), ..honest },
            Self::PadFuel { percent } => {
                let padding = (u128::from(honest.fuel) * u128::from(percent) / 100) as u64;
                Told { fuel: honest.fuel.saturating_add(padding).min(fuel_cap), ..honest }
            }
            _ => honest,
        }
    }

    /// Whether the provider leaves out an action its plan demands.
    pub(crate) fn omits(self, action: &Action) -> bool {
        matches!(
            (self, action),
            (Self::NeverCommit, Action::Commit(_) | Action::Decline(..))
                | (Self::NeverReveal, Action::Reveal(_))
                | (Self::IgnoreAudits, Action::CommitAudit(_) | Action::DeclineAudit(..))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn honest() -> Told {
        Told { execution: vec![1, 2, 3], fuel: 100 }
    }

    #[test]
    fn liars_with_one_seed_agree_and_liars_with_two_do_not() {
        let lie = |seed, task| {
            Misbehaviour::LieAboutTasks { every: 2, seed }.bend(&JobId::repeat_byte(1), task, 1_000, honest())
        };
        assert_eq!(lie(1, 0), lie(1, 0));
        assert_ne!(lie(1, 0), lie(2, 0));
        assert_ne!(lie(1, 0), honest());
        assert_eq!(lie(1, 1), honest());
    }

    #[test]
    fn padding_stays_within_the_cap() {
        let padded = |cap| Misbehaviour::PadFuel { percent: 50 }.bend(&JobId::ZERO, 0, cap, honest()).fuel;
        assert_eq!((padded(1_000), padded(120)), (150, 120));
    }

    #[test]
    fn nobody_cheats_on_a_network_that_is_not_for_development() {
        assert!(Misbehaviour::allowed_on(31_337));
        assert!(!Misbehaviour::allowed_on(1));
    }
}
