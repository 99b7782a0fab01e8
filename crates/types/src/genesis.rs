//! The genesis file: what every node of a network must agree on before the first block.
//!
//! Its hash names the network: it is part of the consensus namespace, so certificates of one network
//! mean nothing on another. Parameters change later by governance only.

mod changes;

use std::collections::BTreeSet;

pub use changes::{ChangesError, FIXED, ParamChanges};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

use crate::{
    amount::{GRAINS_PER_KRT, Grains, as_string},
    class::{Class, check_classes},
};

/// Everything a network starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// Opening balances.
    pub accounts: Vec<GenesisAccount>,
    /// The validators, each one seat.
    pub validators: Vec<GenesisValidator>,
    /// What the treasury starts with, in grains, minted beside the balances: it pays the bounties of forced errors.
    #[serde(with = "as_string")]
    pub treasury: Grains,
    /// Consensus parameters.
    pub params: Params,
}

/// An opening balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Whose.
    pub address: Address,
    /// How much, in grains, as a decimal string.
    #[serde(with = "as_string")]
    pub balance: Grains,
}

/// A validator seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// Account that receives priority fees and sends verdicts.
    pub account: Address,
    /// Locked stake in grains, minted at genesis beside the balances.
    #[serde(with = "as_string")]
    pub stake: Grains,
    /// Ed25519 key of the peer-to-peer layer, 32 bytes.
    pub network_key: B256,
    /// BLS12-381 MinPk vote key, 48 bytes.
    pub vote_key: Bytes,
    /// Proof of possession of the vote key, 96 bytes; without it aggregates could be forged by rogue keys.
    pub proof_of_possession: Bytes,
    /// Peer-to-peer address, `ip:port`.
    pub address: String,
    /// What it keeps of its delegators' rewards, basis points.
    #[serde(default = "default_commission_bps")]
    pub commission_bps: u32,
}

fn default_commission_bps() -> u32 {
    500
}

const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// Consensus parameters. Times are milliseconds, windows are blocks, shares are basis points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Gas all transactions of a block may use.
    pub block_gas_limit: u64,
    /// Bytes all transactions of a block may have.
    pub block_bytes_limit: u32,
    /// Bytes one transaction may have.
    pub tx_bytes_limit: u32,
    /// A leader waits at least this long after the parent.
    pub min_block_interval_ms: u64,
    /// An idle leader proposes an empty block after this long.
    pub idle_block_interval_ms: u64,
    /// Base fee of block 1 and its floor, grains a gas.
    #[serde(with = "as_string")]
    pub min_base_fee: Grains,
    /// Least collateral locked for a lot, as a share of the most it could earn.
    pub collateral_bps: u32,
    /// How far above break-even a lock is that deters: 10,000 is break-even.
    pub deterrence_bps: u32,
    /// Share of the draws of auditors and replicas that is assumed to fall to one coalition.
    pub assumed_collusion_bps: u32,
    /// Draws that those who add to a beacon are assumed to choose from, by withholding; more where more sit
    /// (docs/protocol/beacon.md).
    pub draw_tries: u32,
    /// Least blocks from a commitment to the beacon that decides about its audit; more where a third of the seats is more.
    pub audit_delay: u32,
    /// Least chance of an audit a job may ask for, other than none.
    pub min_audit_bps: u32,
    /// Most draws of an audit.
    pub max_audit_draws: u32,
    /// Most auditors of a lot.
    pub max_auditors: u8,
    /// Share of audits that are traps for auditors who do not run the tasks.
    pub forced_error_bps: u32,
    /// What an auditor who objects to one is paid beside its fee, as a share of the fee.
    pub bounty_bps: u32,
    /// Least collateral a provider registers with.
    #[serde(with = "as_string")]
    pub min_collateral: Grains,
    /// Share of a slash that is burned.
    pub slash_burn_bps: u32,
    /// Share of a slash for those who caught or proved the fault; the rest goes to the renter.
    pub slash_catcher_bps: u32,
    /// Share of the locked collateral a missed deadline costs.
    pub late_slash_bps: u32,
    /// Blocks in which validators may excuse a lateness before it is slashed for good; 0: at once.
    pub appeal_window: u32,
    /// What of its stake a validator that slept through a dispute loses, grains.
    #[serde(with = "as_string")]
    pub sleeper_fine: Grains,
    /// Blocks for which a runtime under which validators differed is quarantined.
    pub quarantine_blocks: u32,
    /// Blocks for which a provider that was found wrong is not drawn, doubled each time until work of its settles.
    pub jail_blocks: u32,
    /// Blocks within which a key must reach an assigned provider.
    pub key_window: u32,
    /// Blocks for revealing once all have committed.
    pub reveal_window: u32,
    /// Blocks for disclosing the job key to adjudicators.
    pub disclose_window: u32,
    /// Blocks for adjudicators to re-execute and commit.
    pub verdict_commit_window: u32,
    /// Blocks for adjudicators to reveal.
    pub verdict_reveal_window: u32,
    /// Blocks for witnesses to attest a delivery.
    pub delivery_window: u32,
    /// Blocks collateral stays slashable after a withdrawal was requested.
    pub withdrawal_delay: u32,
    /// Least and most blocks of a commit window.
    pub commit_window_bounds: (u32, u32),
    /// Least and most blocks of a challenge window.
    pub challenge_window_bounds: (u32, u32),
    /// Most blocks of a job's lifetime.
    pub max_lifetime: u32,
    /// Most tasks of a job.
    pub max_tasks: u32,
    /// Most tasks of a lot.
    pub max_tasks_per_lot: u32,
    /// Most replicas of a lot.
    pub max_replicas: u8,
    /// Most fuel of a task, so that adjudication fits its window.
    pub max_fuel_per_task: u64,
    /// Most memory of a task, MiB.
    pub max_memory_mib: u32,
    /// Most bytes of an output.
    pub max_output_bytes: u32,
    /// Times a lot is handed out anew before it is refunded.
    pub max_attempts: u32,
    /// Bond of a challenge.
    #[serde(with = "as_string")]
    pub challenge_bond: Grains,
    /// Bond of a delivery demand.
    #[serde(with = "as_string")]
    pub delivery_bond: Grains,
    /// Witnesses drawn for a delivery demand.
    pub delivery_witnesses: u32,
    /// Height-indexed events handled at the end of one block; the rest wait for the next.
    pub max_due_per_block: u32,
    /// Deposits that bring a proposal to a vote, grains.
    #[serde(with = "as_string")]
    pub gov_min_deposit: Grains,
    /// Least part of that a proposer or depositor puts down at a time.
    pub gov_initial_deposit_bps: u32,
    /// Time in which deposits are taken.
    pub gov_deposit_ms: u64,
    /// Time in which votes are taken.
    pub gov_voting_ms: u64,
    /// Time from an accepted proposal to its execution.
    pub gov_timelock_ms: u64,
    /// Share of the bonded stake that has to vote.
    pub gov_quorum_bps: u32,
    /// Share of the stake that did not abstain above which a proposal is accepted.
    pub gov_threshold_bps: u32,
    /// Share of the stake that voted above which "no with veto" burns the deposits.
    pub gov_veto_bps: u32,
    /// Share of the deposits burned when a proposer cancels.
    pub gov_cancel_burn_bps: u32,
    /// Votes of a proposal that are counted, those of most stake.
    pub gov_max_votes: u32,
    /// Proposals open at a time.
    pub gov_max_open: u32,
    /// Runtimes jobs may name and adjudicators run.
    pub runtimes: Vec<B256>,
    /// What is traded.
    pub classes: Vec<Class>,
    /// Width of the price band around the reference.
    pub band_bps: u32,
    /// Blocks of an epoch, at whose end the reference moves.
    pub epoch_blocks: u32,
    /// Least bonded owners for an index to be printed.
    pub index_min_owners: u32,
    /// Least volume for it, thousandths of a unit.
    pub index_min_volume: u64,
    /// Share of an index's weight that one owner has at most.
    pub index_cap_bps: u32,
    /// Least yearly inflation that pays for security, of the supply.
    pub inflation_min_bps: u32,
    /// And most.
    pub inflation_max_bps: u32,
    /// What inflation rises by in a year in which nothing is bonded.
    pub inflation_change_bps: u32,
    /// Bonded part of the supply at which inflation stands.
    pub goal_bonded_bps: u32,
    /// The treasury's share of it; the rest is the validators'.
    pub treasury_share_bps: u32,
    /// Share of every payment for work that is burned.
    pub job_burn_bps: u32,
    /// Most that all providers together are paid beside their prices in a year, of the supply.
    pub emission_bps_a_year: u32,
    /// Most that a provider is paid so, of what its own payments burned.
    pub emission_cap_bps: u32,
    /// Utilisation of a class from which on its providers have the whole of their share.
    pub emission_full_bps: u32,
    /// Epochs in which what a provider is owed so is paid out; later it is not minted.
    pub emission_claim_epochs: u32,
    /// Most time for which is minted at once: what a halt mints.
    pub max_mint_gap_ms: u64,
    /// Open orders of an account, jobs included.
    pub max_orders_per_account: u32,
    /// Orders with a minimum fill that rest in a book: each may cost a clearing of its own.
    pub max_min_fills_per_book: u32,
    /// Most blocks an order rests.
    pub max_order_lifetime: u32,
    /// Blocks in which a sealed bid is opened, and in which it cannot be censored.
    pub seal_window: u32,
    /// And the least milliseconds.
    pub seal_window_ms: u64,
    /// Blocks within which a metered trade is delivered.
    pub allotment_window: u32,
    /// Blocks of a delivery window of claims.
    pub claim_window_blocks: u32,
    /// Collateral behind claims when they are issued, as a share of their value.
    pub claim_initial_bps: u32,
    /// And below which the issuer is called to add some.
    pub claim_maintenance_bps: u32,
    /// What an undelivered claim pays, as a share of its value.
    pub claim_penalty_bps: u32,
    /// Blocks in which such a call is answered.
    pub claim_margin_window: u32,
    /// Blocks for which an obligation is offered to others.
    pub claim_closeout_window: u32,
    /// Blocks after which work and faults count half in a provider's reputation.
    pub reputation_half_life: u64,
    /// Blocks from one round of capacity challenges to the next; 0: there are none.
    pub capacity_round_blocks: u32,
    /// Blocks in which a challenge is answered.
    pub capacity_answer_blocks: u32,
    /// Blocks in which what is drawn of an answer is opened.
    pub capacity_open_blocks: u32,
    /// Blocks for which a provider that missed three rounds in a row is not drawn.
    pub capacity_jail_blocks: u32,
    /// Memory of a lane of the task, KiB: a power of two.
    pub capacity_lane_kib: u32,
    /// Times a lane is filled: a power of two.
    pub capacity_passes: u32,
    /// Blocks of an answer that are opened.
    pub capacity_draws: u32,
    /// Fuel in progress that a proved lane allows, thousandths of a gigafuel.
    pub capacity_lane_units: u64,
    /// Memory of one task that a proved lane allows, MiB.
    pub capacity_lane_mib: u32,
    /// Fuel in progress that a provider is allowed before its first round, and memory as for as many lanes.
    pub capacity_newcomer_units: u64,
    /// Providers of a class challenged at one height at most; the rest follow at the next heights.
    pub capacity_cohort: u32,
    /// Blocks of a validators' epoch: epoch e has heights e * this to (e + 1) * this - 1. Never changed after genesis.
    pub validator_epoch_blocks: u32,
    /// Most seats of a committee.
    pub max_validators: u32,
    /// Validators without a seat that nodes connect to beforehand.
    pub max_candidates: u32,
    /// Least stake of a validator's own with which it registers and may sit, grains.
    #[serde(with = "as_string")]
    pub min_self_stake: Grains,
    /// Milliseconds for which stake that leaves stays slashable.
    pub unbonding_ms: u64,
    /// Unbondings of a delegator from one validator, and redelegations to one, under way at once.
    pub max_unbondings: u32,
    /// Most by which a commission moves in a day.
    pub max_commission_change_bps: u32,
    /// Share of the stake that two votes for different things cost.
    pub equivocation_slash_bps: u32,
    /// Share of the stake that a window of downtime costs.
    pub downtime_slash_bps: u32,
    /// Milliseconds for which a validator that was down is jailed at least.
    pub downtime_jail_ms: u64,
    /// Milliseconds of block time of a window of downtime.
    pub downtime_window_ms: u64,
    /// Share of what is slashed of bonded stake for whoever reports an equivocation.
    pub evidence_bounty_bps: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            block_gas_limit: 60_000_000,
            block_bytes_limit: 1 << 20,
            tx_bytes_limit: 128 << 10,
            min_block_interval_ms: 50,
            idle_block_interval_ms: 1_000,
            min_base_fee: 1_000_000,
            collateral_bps: 15_000,
            deterrence_bps: 15_000,
            assumed_collusion_bps: 2_000,
            draw_tries: 2,
            audit_delay: 2,
            min_audit_bps: 500,
            max_audit_draws: 512,
            max_auditors: 4,
            forced_error_bps: 200,
            bounty_bps: 20_000,
            min_collateral: 10 * GRAINS_PER_KRT,
            slash_burn_bps: 5_000,
            slash_catcher_bps: 4_000,
            late_slash_bps: 1_000,
            appeal_window: 12_000,
            sleeper_fine: GRAINS_PER_KRT / 100,
            quarantine_blocks: 100_000,
            jail_blocks: 1_200,
            key_window: 600,
            reveal_window: 200,
            disclose_window: 200,
            verdict_commit_window: 1_200,
            verdict_reveal_window: 200,
            delivery_window: 200,
            withdrawal_delay: 5_000,
            commit_window_bounds: (10, 100_000),
            challenge_window_bounds: (2, 100_000),
            max_lifetime: 1_000_000,
            max_tasks: 1_024,
            max_tasks_per_lot: 64,
            max_replicas: 7,
            max_fuel_per_task: 200 * crate::GIGAFUEL,
            max_memory_mib: 4_096,
            max_output_bytes: 16 << 20,
            max_attempts: 5,
            challenge_bond: GRAINS_PER_KRT,
            delivery_bond: GRAINS_PER_KRT / 10,
            delivery_witnesses: 3,
            max_due_per_block: 256,
            // Periods and shares as on the Cosmos Hub, but for a timelock, which it does not have.
            gov_min_deposit: 500 * GRAINS_PER_KRT,
            gov_initial_deposit_bps: 1_000,
            gov_deposit_ms: 14 * DAY_MS,
            gov_voting_ms: 14 * DAY_MS,
            gov_timelock_ms: 2 * DAY_MS,
            gov_quorum_bps: 3_340,
            gov_threshold_bps: 5_000,
            gov_veto_bps: 3_340,
            gov_cancel_burn_bps: 5_000,
            gov_max_votes: 512,
            gov_max_open: 64,
            runtimes: Vec::new(),
            classes: vec![Class::any_cpu(11 * GRAINS_PER_KRT / 10_000)],
            band_bps: 1_250,
            epoch_blocks: 1_200,
            index_min_owners: 10,
            index_min_volume: 1_000,
            index_cap_bps: 1_000,
            inflation_min_bps: 200,
            inflation_max_bps: 1_000,
            inflation_change_bps: 800,
            goal_bonded_bps: 5_000,
            treasury_share_bps: 1_000,
            job_burn_bps: 500,
            emission_bps_a_year: 200,
            emission_cap_bps: 5_000,
            emission_full_bps: 7_000,
            // A month of epochs of 1,200 blocks of 500 ms.
            emission_claim_epochs: 4_320,
            max_mint_gap_ms: 14_400_000,
            max_orders_per_account: 256,
            max_min_fills_per_book: 32,
            max_order_lifetime: 1_000_000,
            seal_window: 200,
            seal_window_ms: 10_000,
            allotment_window: 100_000,
            claim_window_blocks: 20_000,
            claim_initial_bps: 15_000,
            claim_maintenance_bps: 12_500,
            claim_penalty_bps: 12_500,
            claim_margin_window: 1_200,
            claim_closeout_window: 1_200,
            // A week of 500 ms blocks.
            reputation_half_life: 1_200_000,
            capacity_round_blocks: 0,
            capacity_answer_blocks: 200,
            capacity_open_blocks: 200,
            capacity_jail_blocks: 20_000,
            capacity_lane_kib: 64 << 10,
            capacity_passes: 2,
            capacity_draws: 24,
            capacity_lane_units: 200_000,
            capacity_lane_mib: 1_024,
            capacity_newcomer_units: 200_000,
            capacity_cohort: 256,
            validator_epoch_blocks: 7_200,
            max_validators: 100,
            max_candidates: 100,
            min_self_stake: 100 * GRAINS_PER_KRT,
            // Three weeks, as on the Cosmos Hub.
            unbonding_ms: 21 * 86_400_000,
            max_unbondings: 7,
            max_commission_change_bps: 100,
            equivocation_slash_bps: 500,
            downtime_slash_bps: 1,
            downtime_jail_ms: 600_000,
            downtime_window_ms: 600_000,
            evidence_bounty_bps: 500,
        }
    }
}

/// Why a genesis is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not the JSON of a genesis.
    #[error("the genesis file is malformed: {0}")]
    Malformed(String),
    /// No validators.
    #[error("a network needs at least one validator")]
    NoValidators,
    /// The same account or key twice.
    #[error("{what} {value} appears twice")]
    Duplicate {
        /// What kind of value.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A key of the wrong length.
    #[error("validator {account}: {what} must have {expected} bytes, has {found}")]
    KeyLength {
        /// Which validator.
        account: Address,
        /// Which field.
        what: &'static str,
        /// Bytes it must have.
        expected: usize,
        /// Bytes it has.
        found: usize,
    },
    /// Supply beyond 128 bits, or above half of it, which leaves no room for checked sums.
    #[error("the opening balances and stakes add up to more than can be counted")]
    SupplyOverflow,
    /// A parameter outside its bounds.
    #[error("parameter {0} is out of bounds")]
    Param(&'static str),
    /// An opening balance on a system address would be stuck for ever.
    #[error("{0} is a system address and cannot hold an opening balance")]
    SystemAddress(Address),
    /// A validator that keeps more than there is.
    #[error("validator {0}: a commission lies in 0 to 10000 basis points")]
    Commission(Address),
}

impl Genesis {
    /// Reads and checks a genesis file.
    pub fn from_json(text: &str) -> Result<Self, GenesisError> {
        let genesis: Self = serde_json::from_str(text).map_err(|e| GenesisError::Malformed(e.to_string()))?;
        genesis.validate()?;
        Ok(genesis)
    }

    /// The file's canonical text: JSON, two-space indent, fields in declaration order.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a genesis is plain data with string keys")
    }

    /// Names the network: keccak256 of the compact JSON, fields in declaration order.
    pub fn hash(&self) -> B256 {
        keccak256(serde_json::to_vec(self).expect("a genesis is plain data with string keys"))
    }

    /// Checks what can be checked without cryptography (signature checks are the chain's).
    pub fn validate(&self) -> Result<(), GenesisError> {
        if self.validators.is_empty() {
            return Err(GenesisError::NoValidators);
        }
        let mut supply = 0u128;
        let mut add = |amount: u128| {
            supply = supply.checked_add(amount).filter(|s| *s <= u128::MAX / 2).ok_or(GenesisError::SupplyOverflow)?;
            Ok(())
        };
        let mut seen = BTreeSet::new();
        for account in &self.accounts {
            if crate::system::is_system(&account.address) {
                return Err(GenesisError::SystemAddress(account.address));
            }
            if !seen.insert(account.address) {
                return Err(GenesisError::Duplicate { what: "account", value: account.address.to_string() });
            }
            add(account.balance)?;
        }
        let (mut accounts, mut votes, mut nets) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for validator in &self.validators {
            let account = validator.account;
            let length = |what, bytes: &Bytes, expected| match bytes.len() {
                found if found == expected => Ok(()),
                found => Err(GenesisError::KeyLength { account, what, expected, found }),
            };
            length("vote_key", &validator.vote_key, 48)?;
            length("proof_of_possession", &validator.proof_of_possession, 96)?;
            let twice = |what, value: String| Err(GenesisError::Duplicate { what, value });
            if !accounts.insert(account) {
                return twice("validator", account.to_string());
            }
            if !votes.insert(validator.vote_key.clone()) {
                return twice("vote key", validator.vote_key.to_string());
            }
            if !nets.insert(validator.network_key) {
                return twice("network key", validator.network_key.to_string());
            }
            if validator.commission_bps > 10_000 {
                return Err(GenesisError::Commission(account));
            }
            add(validator.stake)?;
        }
        add(self.treasury)?;
        self.params.validate()?;
        if self.validators.len() > usize::try_from(self.params.max_validators).unwrap_or(usize::MAX) {
            return Err(GenesisError::Param("max_validators"));
        }
        Ok(())
    }
}

impl Params {
    /// Checks each parameter against its bounds.
    pub fn validate(&self) -> Result<(), GenesisError> {
        let checks = [
            ("block_gas_limit", self.block_gas_limit >= 1_000_000),
            ("block_bytes_limit", self.block_bytes_limit >= self.tx_bytes_limit && self.block_bytes_limit <= 4 << 20),
            ("tx_bytes_limit", self.tx_bytes_limit >= 1_024),
            ("idle_block_interval_ms", (self.min_block_interval_ms..=60_000).contains(&self.idle_block_interval_ms)),
            ("min_base_fee", self.min_base_fee >= 8 && self.min_base_fee <= GRAINS_PER_KRT),
            ("collateral_bps", self.collateral_bps >= 10_000 && self.collateral_bps <= 1_000_000),
            ("deterrence_bps", self.deterrence_bps >= 10_000 && self.deterrence_bps <= 1_000_000),
            // Above this no lock that a provider can have deters.
            ("assumed_collusion_bps", self.assumed_collusion_bps <= 9_000),
            ("draw_tries", (1..=8).contains(&self.draw_tries)),
            ("audit_delay", self.audit_delay >= 1 && self.audit_delay <= 128),
            ("min_audit_bps", self.min_audit_bps >= 1 && self.min_audit_bps <= 10_000),
            ("max_audit_draws", self.max_audit_draws >= 1 && self.max_audit_draws <= 4_096),
            ("max_auditors", self.max_auditors >= 1 && self.max_auditors <= 31),
            ("forced_error_bps", self.forced_error_bps <= 5_000),
            ("bounty_bps", self.bounty_bps <= 1_000_000),
            ("slash_burn_bps", u64::from(self.slash_burn_bps) + u64::from(self.slash_catcher_bps) <= 10_000),
            ("late_slash_bps", self.late_slash_bps <= 10_000),
            ("reveal_window", self.reveal_window >= 2),
            ("key_window", self.key_window >= 2),
            ("disclose_window", self.disclose_window >= 2),
            ("verdict_commit_window", self.verdict_commit_window >= 2),
            ("verdict_reveal_window", self.verdict_reveal_window >= 2),
            ("delivery_window", self.delivery_window >= 2),
            ("commit_window_bounds", ordered(self.commit_window_bounds)),
            ("challenge_window_bounds", ordered(self.challenge_window_bounds)),
            ("max_tasks", self.max_tasks >= 1 && self.max_tasks <= 4_096),
            ("max_tasks_per_lot", self.max_tasks_per_lot >= 1 && self.max_tasks_per_lot <= 256),
            ("max_replicas", self.max_replicas >= 1 && self.max_replicas <= 31),
            ("max_fuel_per_task", self.max_fuel_per_task >= 1),
            ("max_attempts", self.max_attempts >= 1),
            ("delivery_witnesses", self.delivery_witnesses >= 1),
            ("max_due_per_block", self.max_due_per_block >= 1),
            ("gov_min_deposit", self.gov_min_deposit >= 1),
            ("gov_initial_deposit_bps", self.gov_initial_deposit_bps >= 500 && self.gov_initial_deposit_bps <= 10_000),
            ("gov_deposit_ms", self.gov_deposit_ms >= 1_000 && self.gov_deposit_ms <= 90 * DAY_MS),
            ("gov_voting_ms", self.gov_voting_ms >= 1_000 && self.gov_voting_ms <= 90 * DAY_MS),
            ("gov_timelock_ms", self.gov_timelock_ms <= 90 * DAY_MS),
            ("gov_quorum_bps", self.gov_quorum_bps >= 1 && self.gov_quorum_bps <= 10_000),
            // Below a half, both a proposal and its opposite could be accepted.
            ("gov_threshold_bps", self.gov_threshold_bps >= 5_000 && self.gov_threshold_bps < 10_000),
            ("gov_veto_bps", self.gov_veto_bps >= 1 && self.gov_veto_bps <= 10_000),
            ("gov_cancel_burn_bps", self.gov_cancel_burn_bps <= 10_000),
            ("gov_max_votes", self.gov_max_votes >= 16 && self.gov_max_votes <= 4_096),
            ("gov_max_open", self.gov_max_open >= 1 && self.gov_max_open <= 1_024),
            ("band_bps", self.band_bps >= 1 && self.band_bps <= 10_000),
            ("epoch_blocks", self.epoch_blocks >= 2),
            ("index_cap_bps", self.index_cap_bps >= 1 && self.index_cap_bps <= 10_000),
            ("index_min_owners", self.index_min_owners >= 1),
            ("inflation_min_bps", self.inflation_min_bps <= self.inflation_max_bps),
            ("inflation_max_bps", self.inflation_max_bps <= 5_000),
            ("inflation_change_bps", self.inflation_change_bps <= 10_000),
            ("goal_bonded_bps", self.goal_bonded_bps >= 1 && self.goal_bonded_bps <= 10_000),
            ("treasury_share_bps", self.treasury_share_bps <= 10_000),
            ("job_burn_bps", self.job_burn_bps <= 5_000),
            ("emission_bps_a_year", self.emission_bps_a_year <= 5_000),
            // Above its own burn, a provider that buys from itself would print money.
            ("emission_cap_bps", self.emission_cap_bps <= 10_000),
            ("emission_full_bps", self.emission_full_bps >= 1 && self.emission_full_bps <= 10_000),
            ("emission_claim_epochs", self.emission_claim_epochs >= 1 && self.emission_claim_epochs <= 100_000),
            ("max_mint_gap_ms", self.max_mint_gap_ms >= 1 && self.max_mint_gap_ms <= 31_557_600_000),
            ("max_orders_per_account", self.max_orders_per_account >= 1),
            ("max_order_lifetime", self.max_order_lifetime >= 1),
            ("seal_window", self.seal_window >= 2),
            ("seal_window_ms", self.seal_window_ms >= 10_000),
            (
                "seal_window",
                u64::from(self.seal_window).saturating_mul(self.min_block_interval_ms) >= self.seal_window_ms,
            ),
            ("allotment_window", self.allotment_window >= 1),
            ("claim_window_blocks", self.claim_window_blocks >= 4),
            // What is held back at the worst pays for a job at the band's upper edge.
            (
                "claim_maintenance_bps",
                u64::from(self.claim_maintenance_bps) >= 10_000 + u64::from(self.band_bps)
                    && self.claim_maintenance_bps <= 1_000_000,
            ),
            (
                "claim_initial_bps",
                self.claim_initial_bps >= self.claim_maintenance_bps && self.claim_initial_bps <= 1_000_000,
            ),
            ("claim_penalty_bps", self.claim_penalty_bps >= 10_000 && self.claim_penalty_bps <= 1_000_000),
            ("claim_margin_window", self.claim_margin_window >= 1),
            ("claim_closeout_window", self.claim_closeout_window >= 1),
            ("reputation_half_life", self.reputation_half_life >= 1),
            ("capacity_answer_blocks", self.capacity_answer_blocks >= 2),
            ("capacity_open_blocks", self.capacity_open_blocks >= 2),
            // One round is over before the next begins, whatever the draw takes.
            (
                "capacity_round_blocks",
                self.capacity_round_blocks == 0
                    || u64::from(self.capacity_round_blocks) / 2
                        >= u64::from(self.capacity_answer_blocks) + u64::from(self.capacity_open_blocks),
            ),
            ("capacity_jail_blocks", self.capacity_jail_blocks >= 1),
            ("capacity_lane_kib", self.capacity_lane_kib.is_power_of_two() && self.capacity_lane_kib >= 4),
            ("capacity_passes", self.capacity_passes.is_power_of_two() && self.capacity_steps() <= 1 << 24),
            (
                "capacity_draws",
                self.capacity_draws >= 1 && (self.capacity_round_blocks == 0 || self.capacity_opening_fits()),
            ),
            ("capacity_lane_units", self.capacity_lane_units >= 1),
            ("capacity_lane_mib", self.capacity_lane_mib >= 1),
            ("capacity_cohort", self.capacity_cohort >= 1 && self.capacity_cohort <= 4_096),
            ("validator_epoch_blocks", self.validator_epoch_blocks >= 2),
            // Every block reads its committee.
            ("max_validators", self.max_validators >= 1 && self.max_validators <= 500),
            ("max_candidates", self.max_candidates <= 1_000),
            ("min_self_stake", self.min_self_stake >= 1),
            ("unbonding_ms", self.unbonding_ms >= 1_000 && self.unbonding_ms <= 366 * 86_400_000),
            ("max_unbondings", self.max_unbondings >= 1 && self.max_unbondings <= 64),
            ("max_commission_change_bps", self.max_commission_change_bps <= 10_000),
            ("equivocation_slash_bps", self.equivocation_slash_bps <= 10_000),
            ("downtime_slash_bps", self.downtime_slash_bps <= 10_000),
            ("downtime_jail_ms", self.downtime_jail_ms <= 366 * 86_400_000),
            ("downtime_window_ms", self.downtime_window_ms >= 600_000 && self.downtime_window_ms <= 30 * 86_400_000),
            // At most half, or reporting oneself would pay for the fault.
            ("evidence_bounty_bps", self.evidence_bounty_bps <= 5_000),
        ];
        check_classes(&self.classes).map_err(GenesisError::Param)?;
        match checks.into_iter().find(|(_, good)| !good) {
            Some((name, _)) => Err(GenesisError::Param(name)),
            None => Ok(()),
        }
    }
}

impl Params {
    fn capacity_steps(&self) -> u64 {
        u64::from(self.capacity_lane_kib) * u64::from(self.capacity_passes)
    }

    /// Whether the largest opening fits a transaction: two blocks, three paths and a lane's path a draw.
    fn capacity_opening_fits(&self) -> bool {
        let a_draw = 2_048 + 96 * u64::from(self.capacity_steps().ilog2()) + 288;
        u64::from(self.capacity_draws) * a_draw + 512 <= u64::from(self.tx_bytes_limit)
    }
}

fn ordered((low, high): (u32, u32)) -> bool {
    low >= 1 && low <= high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn genesis() -> Genesis {
        Genesis {
            chain_id: 1,
            timestamp_ms: 0,
            accounts: vec![GenesisAccount { address: Address::repeat_byte(1), balance: u128::from(u64::MAX) * 4 }],
            validators: vec![GenesisValidator {
                account: Address::repeat_byte(2),
                stake: 7,
                network_key: B256::repeat_byte(3),
                vote_key: vec![4; 48].into(),
                proof_of_possession: vec![5; 96].into(),
                address: "127.0.0.1:1".into(),
                commission_bps: 500,
            }],
            treasury: 5,
            params: Params::default(),
        }
    }

    #[test]
    fn a_genesis_survives_its_file_and_any_change_changes_its_hash() {
        let one = genesis();
        let read = Genesis::from_json(&one.to_json()).expect("own output reads");
        assert_eq!((&read, read.hash()), (&one, one.hash()));
        let mut other = one.clone();
        other.params.max_attempts += 1;
        assert_ne!(other.hash(), one.hash());
    }

    #[test]
    fn each_defect_is_named() {
        let bad = |change: &dyn Fn(&mut Genesis)| {
            let mut g = genesis();
            change(&mut g);
            g.validate().expect_err("refused")
        };
        assert_eq!(bad(&|g| g.validators.clear()), GenesisError::NoValidators);
        assert!(matches!(bad(&|g| g.validators.push(g.validators[0].clone())), GenesisError::Duplicate { .. }));
        assert!(matches!(bad(&|g| g.accounts.push(g.accounts[0].clone())), GenesisError::Duplicate { .. }));
        assert!(matches!(bad(&|g| g.validators[0].vote_key = vec![1].into()), GenesisError::KeyLength { .. }));
        assert_eq!(bad(&|g| g.accounts[0].balance = u128::MAX), GenesisError::SupplyOverflow);
        assert_eq!(bad(&|g| g.params.slash_burn_bps = 9_000), GenesisError::Param("slash_burn_bps"));
        let rounds = |change: fn(&mut Params)| {
            bad(&|g| {
                g.params.capacity_round_blocks = 800;
                change(&mut g.params);
            })
        };
        assert_eq!(rounds(|p| p.capacity_round_blocks = 799), GenesisError::Param("capacity_round_blocks"));
        assert_eq!(rounds(|p| p.capacity_lane_kib = 5), GenesisError::Param("capacity_lane_kib"));
        assert_eq!(rounds(|p| p.capacity_passes = 512), GenesisError::Param("capacity_passes"));
        assert_eq!(rounds(|p| p.capacity_draws = 33), GenesisError::Param("capacity_draws"));
        assert!(matches!(bad(&|g| g.accounts[0].address = crate::system::JOBS), GenesisError::SystemAddress(_)));
        assert!(matches!(bad(&|g| g.validators[0].commission_bps = 10_001), GenesisError::Commission(_)));
        assert_eq!(bad(&|g| g.params.max_validators = 0), GenesisError::Param("max_validators"));
        assert_eq!(bad(&|g| g.params.downtime_window_ms = 599_999), GenesisError::Param("downtime_window_ms"));
        assert!(matches!(Genesis::from_json("{}"), Err(GenesisError::Malformed(_))));
    }

    #[test]
    fn a_genesis_has_no_more_validators_than_seats() {
        let mut one = genesis();
        one.params.max_validators = 1;
        assert_eq!(one.validate(), Ok(()));
        let second = GenesisValidator {
            account: Address::repeat_byte(9),
            network_key: B256::repeat_byte(9),
            vote_key: vec![9; 48].into(),
            ..one.validators[0].clone()
        };
        one.validators.push(second);
        assert_eq!(one.validate(), Err(GenesisError::Param("max_validators")));
    }
}
