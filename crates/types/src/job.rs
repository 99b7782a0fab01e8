//! Jobs as the protocol names them: ids, results, reasons.

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

pub use crate::abi::IJobs::{JobSpec, Leaf};
use crate::{GIGAFUEL, Params, abi::IMarket, amount::Grains};

/// Identifies a job: keccak256 of ("assay/job", chain id, renter, renter's nonce).
pub type JobId = B256;

/// The id of the job that `renter`'s transaction with `nonce` submits.
pub fn job_id(chain_id: u64, renter: Address, nonce: u64) -> JobId {
    let mut bytes = Vec::with_capacity(9 + 8 + 20 + 8);
    bytes.extend_from_slice(b"assay/job");
    bytes.extend_from_slice(&chain_id.to_be_bytes());
    bytes.extend_from_slice(renter.as_slice());
    bytes.extend_from_slice(&nonce.to_be_bytes());
    keccak256(bytes)
}

/// What a job names its key by: BLAKE3 `derive_key` with a context of its own, so that the hash says
/// nothing about the key and can't be mistaken for another use of it.
pub fn key_hash(key: &B256) -> B256 {
    blake3::derive_key("assay 2026-11 job key hash", key.as_slice()).into()
}

/// What a provider commits to before anyone reveals: keccak256 of ("assay/commit", chain id, job,
/// lot, provider, salt, root, total fuel). Salted and bound to who says it, so it cannot be echoed.
pub fn result_commitment(
    chain_id: u64,
    job: JobId,
    lot: u32,
    provider: Address,
    salt: B256,
    root: B256,
    fuel: u64,
) -> B256 {
    commitment(b"assay/commit", chain_id, job, lot, provider, salt, root, fuel)
}

/// What an auditor commits to: keccak256 of ("assay/audit", chain id, job, lot, auditor, salt, root, total fuel)
/// over the leaves of the drawn tasks in order, at positions 0, 1, 2 …
pub fn audit_commitment(
    chain_id: u64,
    job: JobId,
    lot: u32,
    auditor: Address,
    salt: B256,
    root: B256,
    fuel: u64,
) -> B256 {
    commitment(b"assay/audit", chain_id, job, lot, auditor, salt, root, fuel)
}

/// What a provider shows for an output to whoever asks too early, when its lot is a trap: a wrong output that
/// its salt, committed to before, binds it to. keccak256 of ("assay/decoy", salt, output).
pub fn decoy(salt: B256, output: B256) -> B256 {
    keccak256([b"assay/decoy".as_slice(), salt.as_slice(), output.as_slice()].concat())
}

/// Names a specification in a job's result: keccak256 of its ABI encoding.
pub fn spec_hash(spec: &JobSpec) -> B256 {
    keccak256(spec.abi_encode())
}

/// What a sealed bid commits to: keccak256 of ("assay/seal", chain id, renter, salt, the specification's
/// hash). Bound to who says it, so that it cannot be copied.
pub fn seal_commitment(chain_id: u64, renter: Address, salt: B256, spec: &JobSpec) -> B256 {
    let mut bytes = b"assay/seal".to_vec();
    bytes.extend_from_slice(&chain_id.to_be_bytes());
    bytes.extend_from_slice(renter.as_slice());
    bytes.extend_from_slice(salt.as_slice());
    bytes.extend_from_slice(spec_hash(spec).as_slice());
    keccak256(bytes)
}

/// What a sealed order commits to: keccak256 of ("assay/seal order", chain id, owner, salt, class, window, side,
/// price, quantity, least fill, expiry), integers big-endian. Bound to who says it, so that it cannot be copied.
pub fn order_seal_commitment(chain_id: u64, owner: Address, order: &IMarket::openSealedCall) -> B256 {
    let mut bytes = b"assay/seal order".to_vec();
    bytes.extend_from_slice(&chain_id.to_be_bytes());
    bytes.extend_from_slice(owner.as_slice());
    bytes.extend_from_slice(order.salt.as_slice());
    bytes.extend_from_slice(&order.class.to_be_bytes());
    bytes.extend_from_slice(&order.window.to_be_bytes());
    bytes.push(order.side);
    bytes.extend_from_slice(&order.price.to_be_bytes());
    for number in [order.quantity, order.minFill, order.expires] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    keccak256(bytes)
}

impl IMarket::openSealedCall {
    /// The same order in the open.
    pub fn order(&self) -> IMarket::placeCall {
        let Self { class, window, side, price, quantity, minFill, expires, .. } = *self;
        IMarket::placeCall { class, window, side, price, quantity, minFill, expires }
    }
}

/// As [`result_commitment`] for an adjudicator's verdict over the disputed leaves.
pub fn verdict_commitment(
    chain_id: u64,
    job: JobId,
    lot: u32,
    validator: Address,
    salt: B256,
    root: B256,
    fuel: u64,
) -> B256 {
    commitment(b"assay/verdict", chain_id, job, lot, validator, salt, root, fuel)
}

#[allow(clippy::too_many_arguments, reason = "the fields of one hash, each of another type")]
fn commitment(
    domain: &[u8],
    chain_id: u64,
    job: JobId,
    lot: u32,
    who: Address,
    salt: B256,
    root: B256,
    fuel: u64,
) -> B256 {
    let mut bytes = Vec::with_capacity(160);
    bytes.extend_from_slice(domain);
    bytes.extend_from_slice(&chain_id.to_be_bytes());
    bytes.extend_from_slice(job.as_slice());
    bytes.extend_from_slice(&lot.to_be_bytes());
    bytes.extend_from_slice(who.as_slice());
    bytes.extend_from_slice(salt.as_slice());
    bytes.extend_from_slice(root.as_slice());
    bytes.extend_from_slice(&fuel.to_be_bytes());
    keccak256(bytes)
}

/// Most bytes of an endpoint's encoding.
pub const MAX_ENDPOINT_BYTES: u32 = 256;
/// Most classes a job names beside its first.
pub const MAX_SUBSTITUTES: usize = 8;
/// Basis points of a whole reputation.
pub const MOST_REPUTATION: u16 = 10_000;
/// Most bytes of a job key sealed to a provider.
pub const MAX_SEALED_KEY_BYTES: u32 = 160;

impl JobSpec {
    /// Checks a specification against the network's parameters. Whether the network runs its runtime is
    /// another question ([`Params::runtimes`]).
    pub fn validate(&self, params: &Params) -> Result<(), JobSpecError> {
        use JobSpecError::*;
        let within = |value: u32, (low, high): (u32, u32)| (low..=high).contains(&value);
        if self.inputs.is_empty() {
            return Err(NoTasks);
        }
        if !u32::try_from(self.inputs.len()).is_ok_and(|tasks| tasks <= params.max_tasks) {
            return Err(TooManyTasks(params.max_tasks));
        }
        let checks = [
            (within(self.tasksPerLot, (1, params.max_tasks_per_lot)), LotSize(params.max_tasks_per_lot)),
            (Abi::try_from(self.abi).is_ok(), UnknownAbi(self.abi)),
            ((1..=params.max_replicas).contains(&self.replicas), Replicas(params.max_replicas)),
            ((1..=params.max_fuel_per_task).contains(&self.fuelPerTask), Fuel(params.max_fuel_per_task)),
            // The whole job's fuel is one 64-bit sum in its result.
            (self.fuelPerTask.checked_mul(self.inputs.len() as u64).is_some(), Fuel(params.max_fuel_per_task)),
            (within(self.memoryMib, (1, params.max_memory_mib)), Memory(params.max_memory_mib)),
            (self.outputBytes <= params.max_output_bytes, Output(params.max_output_bytes)),
            (self.maxPricePerGigafuel > 0 && self.escrow().is_some(), Price),
            (within(self.commitWindow, params.commit_window_bounds), Window),
            (within(self.challengeWindow, params.challenge_window_bounds), Window),
            (within(self.lifetime, (self.commitWindow, params.max_lifetime)), Window),
            (self.substitutes.len() <= MAX_SUBSTITUTES && !repeats(self.class, &self.substitutes), Substitutes),
            (self.audits_make_sense(params), Audit),
            (self.minReputation <= MOST_REPUTATION, Reputation),
            (self.source.len() <= MAX_ENDPOINT_BYTES as usize, Source(MAX_ENDPOINT_BYTES)),
        ];
        checks.into_iter().find(|(good, _)| !good).map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Escrow that one task needs for one replica: its fuel cap at the limit price, rounded up, in the
    /// renter's disfavour by less than a grain.
    pub fn escrow_per_run(&self) -> Option<Grains> {
        run_ceiling(self.fuelPerTask, self.maxPricePerGigafuel)
    }

    /// Escrow the whole job needs. None when it does not fit 127 bits.
    pub fn escrow(&self) -> Option<Grains> {
        let per_lot = u128::from(self.tasksPerLot.max(1));
        let tasks = self.inputs.len() as u128;
        let (whole, rest) = (tasks.checked_div(per_lot)?, tasks.checked_rem(per_lot)?);
        let audits = audit_runs(self.auditors, self.auditDraws, u32::try_from(per_lot).ok()?).checked_mul(whole)?;
        let last = audit_runs(self.auditors, self.auditDraws, u32::try_from(rest).ok()?);
        let runs = tasks.checked_mul(u128::from(self.replicas))?.checked_add(audits)?.checked_add(last)?;
        self.escrow_per_run()?.checked_mul(runs).filter(|escrow| *escrow <= u128::MAX / 2)
    }

    /// Whether lots of this job are audited.
    pub fn audited(&self) -> bool {
        self.auditBps > 0
    }

    fn audits_make_sense(&self, params: &Params) -> bool {
        if !self.audited() {
            return self.auditDraws == 0 && self.auditors == 0;
        }
        (params.min_audit_bps..=10_000).contains(&u32::from(self.auditBps))
            && (1..=params.max_audit_draws).contains(&u32::from(self.auditDraws))
            && (1..=params.max_auditors).contains(&self.auditors)
            && self.replicas == 1
    }
}

impl From<crate::abi::IClaims::JobSpec> for JobSpec {
    fn from(spec: crate::abi::IClaims::JobSpec) -> Self {
        Self {
            program: spec.program,
            programSealed: spec.programSealed,
            abi: spec.abi,
            runtimeId: spec.runtimeId,
            class: spec.class,
            substitutes: spec.substitutes,
            inputs: spec.inputs,
            fuelPerTask: spec.fuelPerTask,
            memoryMib: spec.memoryMib,
            outputBytes: spec.outputBytes,
            tasksPerLot: spec.tasksPerLot,
            replicas: spec.replicas,
            auditBps: spec.auditBps,
            auditDraws: spec.auditDraws,
            auditors: spec.auditors,
            minReputation: spec.minReputation,
            maxPricePerGigafuel: spec.maxPricePerGigafuel,
            commitWindow: spec.commitWindow,
            challengeWindow: spec.challengeWindow,
            lifetime: spec.lifetime,
            keyHash: spec.keyHash,
            source: spec.source,
        }
    }
}

impl From<JobSpec> for crate::abi::IClaims::JobSpec {
    fn from(spec: JobSpec) -> Self {
        Self {
            program: spec.program,
            programSealed: spec.programSealed,
            abi: spec.abi,
            runtimeId: spec.runtimeId,
            class: spec.class,
            substitutes: spec.substitutes,
            inputs: spec.inputs,
            fuelPerTask: spec.fuelPerTask,
            memoryMib: spec.memoryMib,
            outputBytes: spec.outputBytes,
            tasksPerLot: spec.tasksPerLot,
            replicas: spec.replicas,
            auditBps: spec.auditBps,
            auditDraws: spec.auditDraws,
            auditors: spec.auditors,
            minReputation: spec.minReputation,
            maxPricePerGigafuel: spec.maxPricePerGigafuel,
            commitWindow: spec.commitWindow,
            challengeWindow: spec.challengeWindow,
            lifetime: spec.lifetime,
            keyHash: spec.keyHash,
            source: spec.source,
        }
    }
}

fn repeats(class: u32, substitutes: &[u32]) -> bool {
    let mut all = vec![class];
    all.extend(substitutes);
    all.sort_unstable();
    all.iter().zip(all.iter().skip(1)).any(|(one, next)| one == next)
}

/// How a job's results are audited: the terms of tier audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditTerms {
    /// Chance that a lot is audited, basis points.
    pub chance_bps: u16,
    /// Points of its fuel that decide which of its tasks are run again.
    pub draws: u16,
    /// Auditors that run them.
    pub auditors: u8,
}

impl Default for AuditTerms {
    /// Every other lot, seven draws, one auditor: half of a lot that is wrong is found with 99 % where it is looked at,
    /// and the audits of a lot of 64 tasks burn less than a tenth of its fuel.
    fn default() -> Self {
        Self { chance_bps: 5_000, draws: 7, auditors: 1 }
    }
}

/// Most runs that auditors of a lot of `tasks` are paid for.
pub fn audit_runs(auditors: u8, draws: u16, tasks: u32) -> u128 {
    u128::from(auditors).saturating_mul(u128::from(draws).min(u128::from(tasks)))
}

/// Fuel in the thousandths of a gigafuel in which it is traded, rounded up.
pub fn fuel_units(fuel: u64) -> u64 {
    fuel.div_ceil(GIGAFUEL / 1_000)
}

/// Thousandths of a gigafuel that all replicas of all lots of a job are traded as: what claims on
/// capacity it takes to redeem for it.
pub fn redeemed_units(spec: &JobSpec) -> u64 {
    let per_lot = u64::from(spec.tasksPerLot.max(1));
    let tasks = spec.inputs.len() as u64;
    let lot = |tasks: u64| fuel_units(spec.fuelPerTask.saturating_mul(tasks));
    let (whole, rest) = (tasks / per_lot, tasks % per_lot);
    lot(per_lot).saturating_mul(whole).saturating_add(lot(rest)).saturating_mul(u64::from(spec.replicas))
}

/// What `fuel` may cost at most at `price` grains a gigafuel, rounded up.
pub fn run_ceiling(fuel: u64, price: Grains) -> Option<Grains> {
    Some(price.checked_mul(u128::from(fuel))?.div_ceil(u128::from(GIGAFUEL)))
}

/// How a program is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Abi {
    /// Component world `run(input: list<u8>) -> result<list<u8>, string>`, no imports.
    Component = 0,
    /// WASI preview-1 command with the deterministic host.
    WasiCommand = 1,
}

impl TryFrom<u8> for Abi {
    type Error = u8;
    fn try_from(value: u8) -> Result<Self, u8> {
        match value {
            0 => Ok(Self::Component),
            1 => Ok(Self::WasiCommand),
            other => Err(other),
        }
    }
}

/// What a provider was slashed for. Numbers are those of the `Slashed` event, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Fault {
    /// Adjudication decided on another result.
    WrongResult = 1,
    /// Did not commit by the deadline.
    LateCommit = 2,
    /// Committed but did not reveal a matching opening by the deadline.
    LateReveal = 3,
    /// Agreed result that a majority of witnesses could not fetch.
    WithheldOutput = 4,
    /// An auditor's leaves are not what adjudication decided, or those of a trap.
    WrongAudit = 5,
    /// An auditor said nothing although it had the key.
    SilentAuditor = 6,
    /// A disputed lot's provider did not disclose the job key that it must have.
    WithheldKey = 7,
}

impl Fault {
    /// The fault with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        use Fault::*;
        [WrongResult, LateCommit, LateReveal, WithheldOutput, WrongAudit, SilentAuditor, WithheldKey]
            .into_iter()
            .find(|fault| *fault as u8 == number)
    }

    /// It in a few words.
    pub fn explain(self) -> &'static str {
        match self {
            Self::WrongResult => "wrong result",
            Self::LateCommit => "no commitment in time",
            Self::LateReveal => "no matching opening in time",
            Self::WithheldOutput => "output withheld",
            Self::WrongAudit => "wrong audit",
            Self::SilentAuditor => "silent as an auditor",
            Self::WithheldKey => "key withheld in a dispute",
        }
    }
}

/// How a job ended. Numbers are those of the `JobClosed` event, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum JobOutcome {
    /// Every lot settled.
    Completed = 1,
    /// Cancelled by its renter before any commitment.
    Cancelled = 2,
    /// No lot settled before its end.
    Expired = 3,
    /// Some lots settled, the rest refunded.
    Partial = 4,
}

/// Why a lot was requeued or a job closed short. Numbers are on chain, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum JobCause {
    /// Nothing went wrong.
    None = 0,
    /// The renter cancelled.
    RenterCancelled = 1,
    /// Not enough open asks of distinct operators within price, runtime and size.
    NoEligibleProviders = 2,
    /// No key reached an assigned provider in time.
    KeyNotDelivered = 3,
    /// Providers missed deadlines.
    Late = 4,
    /// Providers declined.
    Declined = 5,
    /// Adjudication found the revealed results wrong.
    WrongResult = 6,
    /// Adjudication could not decide.
    Undecided = 7,
    /// The output was withheld.
    WithheldOutput = 8,
    /// The job's lifetime ended first.
    LifetimeEnded = 9,
    /// The lot was tried as often as the parameters allow.
    AttemptsExhausted = 10,
    /// A provider left, or its collateral no longer covered the work.
    HandedOver = 11,
}

impl JobCause {
    /// The cause with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        use JobCause::*;
        [
            None,
            RenterCancelled,
            NoEligibleProviders,
            KeyNotDelivered,
            Late,
            Declined,
            WrongResult,
            Undecided,
            WithheldOutput,
            LifetimeEnded,
            AttemptsExhausted,
            HandedOver,
        ]
        .into_iter()
        .find(|c| *c as u8 == number)
    }

    /// One sentence a renter can act on.
    pub fn explain(self) -> &'static str {
        match self {
            Self::None => "nothing went wrong",
            Self::RenterCancelled => "the renter cancelled before any result was committed",
            Self::NoEligibleProviders => {
                "too few open asks of distinct operators at this price, runtime and task size: raise the price or lower the replicas"
            }
            Self::KeyNotDelivered => {
                "the job key never reached the assigned providers: keep the client running until the job starts"
            }
            Self::Late => "assigned providers missed their deadline and were slashed",
            Self::Declined => {
                "assigned providers gave the work back (inputs unreachable, wrong key, or a fault of their host)"
            }
            Self::WrongResult => "adjudication found the revealed result wrong; the providers were slashed",
            Self::Undecided => "adjudicators reached no two thirds, so nobody was punished and nobody paid",
            Self::WithheldOutput => "the output could not be fetched by drawn witnesses; the providers were slashed",
            Self::LifetimeEnded => "the job's lifetime ended before its work was done",
            Self::HandedOver => {
                "a provider left, or its collateral no longer covered the work, which went to others with a part of it"
            }
            Self::AttemptsExhausted => "the work was tried as often as the network allows",
        }
    }
}

/// Why a job specification is refused before any state is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JobSpecError {
    /// No tasks.
    #[error("a job needs at least one task")]
    NoTasks,
    /// More tasks than the network allows.
    #[error("a job may have at most {0} tasks")]
    TooManyTasks(u32),
    /// Lot size zero or above the network's limit.
    #[error("tasks per lot must lie in 1 to {0}")]
    LotSize(u32),
    /// Unknown ABI number.
    #[error("ABI {0} is unknown: 0 is component, 1 is WASI command")]
    UnknownAbi(u8),
    /// Replicas zero or above the network's limit.
    #[error("replicas must lie in 1 to {0}")]
    Replicas(u8),
    /// Fuel cap zero or above what adjudicators must be able to re-execute.
    #[error("fuel per task must lie in 1 to {0}")]
    Fuel(u64),
    /// Memory zero or above the limit.
    #[error("memory must lie in 1 to {0} MiB")]
    Memory(u32),
    /// Output cap above the limit.
    #[error("outputs may have at most {0} bytes")]
    Output(u32),
    /// Price zero or so high that the escrow overflows.
    #[error("the limit price is zero or overflows the escrow")]
    Price,
    /// A window outside its bounds.
    #[error("a window or lifetime lies outside the network's bounds")]
    Window,
    /// A class named twice, or too many.
    #[error("a job names at most 8 substitutes, each class once")]
    Substitutes,
    /// Audits that cannot be, or beside replicas.
    #[error("audits need a chance, draws and auditors within the network's bounds, and one replica")]
    Audit,
    /// More than a whole reputation.
    #[error("a least reputation lies in 0 to 10000 basis points")]
    Reputation,
    /// Endpoint encoding too long.
    #[error("the source endpoint is longer than {0} bytes")]
    Source(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_s_seal_is_the_hash_that_other_implementations_get() {
        let order = IMarket::openSealedCall {
            salt: B256::repeat_byte(0x22),
            class: 2,
            window: 3,
            side: 1,
            price: 10_000_000_000_000_000,
            quantity: 2_500,
            minFill: 100,
            expires: 5_000,
        };
        let commitment = order_seal_commitment(1_337, Address::repeat_byte(0x11), &order);
        let pinned = "f1676a0803726f80323a5129977966762d2da55567d1e8e6eafe0107918f6b48";
        assert_eq!(alloy_primitives::hex::encode(commitment), pinned);
    }
}
