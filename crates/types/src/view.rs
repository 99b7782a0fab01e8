//! What the chain says about itself to people and programs: the shapes of the `assay_*` JSON-RPC
//! methods. The ledger's queries fill them; providers, adjudicators and clients act on them.

mod claims;
mod governance;
mod market;
mod risk;
mod staking;

pub use claims::{ClaimStatus, ClaimView, IssuanceView};
pub use governance::{ActionView, ProposalStatus, ProposalView, ProtocolView, TallyView, UpgradeView, VoteView};
pub use market::{
    BookView, ClassView, ClearedView, EpochView, EstimateView, LevelView, OrderKind, OrderView, PriceRange, Unfilled,
};

pub use risk::{Herfindahl, Nakamoto, ReputationView, RiskView};
pub use staking::{DecentralisationView, DelegationView, FlightView, ValidatorView};

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::{
    amount::{Grains, as_string},
    job::{JobCause, JobId, JobOutcome},
};

/// The specification of a job as submitted, in JSON-friendly types; field meanings as in `IJobs.JobSpec`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields are documented in contracts/interfaces/IJobs.sol")]
pub struct JobSpecView {
    pub program: B256,
    pub program_sealed: bool,
    pub abi: u8,
    pub runtime_id: B256,
    pub class: u32,
    pub substitutes: Vec<u32>,
    pub inputs: Vec<B256>,
    pub fuel_per_task: u64,
    pub memory_mib: u32,
    pub output_bytes: u32,
    pub tasks_per_lot: u32,
    pub replicas: u8,
    pub audit_bps: u16,
    pub audit_draws: u16,
    pub auditors: u8,
    pub min_reputation: u16,
    #[serde(with = "as_string")]
    pub max_price_per_gigafuel: Grains,
    pub commit_window: u32,
    pub challenge_window: u32,
    pub lifetime: u32,
    pub key_hash: B256,
    pub source: Bytes,
}

impl From<&crate::JobSpec> for JobSpecView {
    fn from(spec: &crate::JobSpec) -> Self {
        Self {
            program: spec.program,
            program_sealed: spec.programSealed,
            abi: spec.abi,
            runtime_id: spec.runtimeId,
            class: spec.class,
            substitutes: spec.substitutes.clone(),
            inputs: spec.inputs.clone(),
            fuel_per_task: spec.fuelPerTask,
            memory_mib: spec.memoryMib,
            output_bytes: spec.outputBytes,
            tasks_per_lot: spec.tasksPerLot,
            replicas: spec.replicas,
            audit_bps: spec.auditBps,
            audit_draws: spec.auditDraws,
            auditors: spec.auditors,
            min_reputation: spec.minReputation,
            max_price_per_gigafuel: spec.maxPricePerGigafuel,
            commit_window: spec.commitWindow,
            challenge_window: spec.challengeWindow,
            lifetime: spec.lifetime,
            key_hash: spec.keyHash,
            source: spec.source.clone(),
        }
    }
}

/// One task's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeafView {
    /// BLAKE3 of the sealed output blob.
    pub output: B256,
    /// Fuel burned.
    pub fuel: u64,
}

/// Where a lot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LotPhase {
    /// Replicas are missing: waits for providers, keys or commitments.
    Running,
    /// Committed; waits for the beacon that says whether and where it is audited.
    Drawing,
    /// Auditors run the drawn tasks and commit.
    Auditing,
    /// All replicas committed; openings are due.
    Revealing,
    /// Replicas agree; open to challenge until it settles.
    Agreed,
    /// Waits for the job key to be disclosed.
    Disclosing,
    /// Adjudicators re-execute and commit.
    Judging,
    /// Adjudicators reveal.
    Deciding,
    /// Paid.
    Settled,
    /// Ended unpaid; its escrow was refunded.
    Refunded,
}

/// Where one replica of a lot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplicaPhase {
    /// Assigned, waits for the job key.
    AwaitingKey,
    /// Has the key; its commitment is due.
    Running,
    /// Committed.
    Committed,
    /// Revealed a matching opening.
    Revealed,
    /// Paid.
    Paid,
}

/// One replica of a lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaView {
    /// Who runs it.
    pub provider: Address,
    /// Where it stands.
    pub phase: ReplicaPhase,
    /// Grains per gigafuel it is paid.
    #[serde(with = "as_string")]
    pub price_per_gigafuel: Grains,
    /// Collateral behind it.
    #[serde(with = "as_string")]
    pub locked: Grains,
    /// Height by which its next step is due.
    pub due: u64,
    /// Its commitment.
    pub commitment: Option<B256>,
    /// Its revealed results, in task order; empty before.
    pub leaves: Vec<LeafView>,
}

/// A dispute under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeView {
    /// Disputed tasks, by index in the job.
    pub tasks: Vec<u32>,
    /// The challenger, if it came from a challenge.
    pub challenger: Option<Address>,
    /// The disclosed job key.
    pub key: Option<B256>,
    /// Height by which the present step is due.
    pub due: u64,
    /// Validators that committed a verdict.
    pub committed: Vec<Address>,
    /// Validators that revealed theirs.
    pub revealed: Vec<Address>,
}

/// An audit of a lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditView {
    /// Fuel of each task as its provider bills it, before anything is opened.
    pub fuels: Vec<u64>,
    /// Height whose beacon decides next, or decided last: first whether, then where.
    pub draws_at: u64,
    /// Whether the lot is audited, as far as is known.
    pub audited: bool,
    /// Whether all is decided.
    pub drawn: bool,
    /// Tasks that are run again, by index in the job; none when the lot is not audited.
    pub tasks: Vec<u32>,
    /// Whether the opening showed it to be a trap for auditors.
    pub forced: bool,
    /// Height by which auditors commit.
    pub due: u64,
    /// Who runs them.
    pub auditors: Vec<AuditorView>,
}

/// One auditor of a lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditorView {
    /// Its account.
    pub auditor: Address,
    /// Whether the job key was sealed to it.
    pub has_key: bool,
    /// Its commitment.
    pub commitment: Option<B256>,
    /// Whether it declined.
    pub declined: bool,
    /// What it revealed, in the order of the drawn tasks; empty before.
    pub leaves: Vec<LeafView>,
    /// Collateral behind it.
    #[serde(with = "as_string")]
    pub locked: Grains,
}

/// A delivery demand under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    /// Task whose output is demanded.
    pub task: u32,
    /// Drawn witnesses.
    pub witnesses: Vec<Address>,
    /// Those that attested, with their mask (bit i: fetched from replica i).
    pub attested: Vec<(Address, u32)>,
    /// Height by which they must.
    pub due: u64,
}

/// One lot of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotView {
    /// Index in the job.
    pub index: u32,
    /// First task.
    pub first_task: u32,
    /// Number of tasks.
    pub tasks: u32,
    /// Where it stands.
    pub phase: LotPhase,
    /// Why it was last handed out anew, or ended unpaid.
    pub cause: JobCause,
    /// How often it was handed out anew.
    pub attempts: u32,
    /// Present replicas.
    pub replicas: Vec<ReplicaView>,
    /// Accepted results in task order; empty before agreement.
    pub leaves: Vec<LeafView>,
    /// Settlement height once agreed.
    pub settles_at: Option<u64>,
    /// Dispute under way.
    pub dispute: Option<DisputeView>,
    /// Delivery demand under way.
    pub delivery: Option<DeliveryView>,
    /// Audit, from the commitment on.
    pub audit: Option<AuditView>,
}

/// A job, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// Who pays.
    pub renter: Address,
    /// As submitted.
    pub spec: JobSpecView,
    /// Height it was submitted at.
    pub submitted_at: u64,
    /// Height at which it ends whatever happened, disputes under way excepted.
    pub ends_at: u64,
    /// How it ended; None while open.
    pub outcome: Option<JobOutcome>,
    /// Why it ended short.
    pub cause: JobCause,
    /// Limit price, as submitted or amended since.
    #[serde(with = "as_string")]
    pub limit_price: Grains,
    /// Escrow still held.
    #[serde(with = "as_string")]
    pub escrow: Grains,
    /// Paid to providers so far.
    #[serde(with = "as_string")]
    pub paid: Grains,
    /// Returned to the renter so far.
    #[serde(with = "as_string")]
    pub refunded: Grains,
    /// Compensation the renter received from slashed collateral.
    #[serde(with = "as_string")]
    pub compensated: Grains,
    /// Fuel of all settled tasks, counted once a task.
    pub fuel: u64,
    /// Merkle-sum root over the accepted leaves of all tasks, once completed.
    pub result_root: Option<B256>,
    /// Its lots.
    pub lots: Vec<LotView>,
}

/// A line of a list of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSummary {
    /// Its id.
    pub id: JobId,
    /// Who pays.
    pub renter: Address,
    /// Height it was submitted at.
    pub submitted_at: u64,
    /// Number of tasks.
    pub tasks: u32,
    /// Lots settled and all lots.
    pub lots_settled: u32,
    /// All lots.
    pub lots: u32,
    /// How it ended; None while open.
    pub outcome: Option<JobOutcome>,
}

/// A provider as registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderView {
    /// Its account.
    pub account: Address,
    /// Whose machine it is.
    pub operator: Address,
    /// HPKE public key.
    pub sealing_key: B256,
    /// Canonical encoding of its blob endpoint.
    pub endpoint: Bytes,
    /// Runtime it sells.
    pub runtime_id: B256,
    /// Class it sells in.
    pub class: u32,
    /// Fuel it has in progress at most, in units of 10^6.
    pub capacity: u64,
    /// Fuel it has in progress, in units of 10^6.
    pub busy: u64,
    /// Its least price.
    #[serde(with = "as_string")]
    pub price_per_gigafuel: Grains,
    /// Lots it runs at the same time at most.
    pub max_lots: u32,
    /// Largest fuel cap it takes.
    pub max_fuel_per_task: u64,
    /// Largest memory it takes, MiB.
    pub max_memory_mib: u32,
    /// Takes new work.
    pub open: bool,
    /// All its collateral.
    #[serde(with = "as_string")]
    pub collateral: Grains,
    /// The part behind running lots.
    #[serde(with = "as_string")]
    pub locked: Grains,
    /// The part asked back.
    #[serde(with = "as_string")]
    pub withdrawing: Grains,
    /// Height from which that may leave.
    pub withdrawable_at: u64,
    /// What its locks lack at its class's present reference.
    #[serde(with = "as_string")]
    pub margin: Grains,
    /// Collateral that is not leaving over what open work needs, basis points; none without open work.
    pub health_bps: Option<u32>,
    /// Lots it works on.
    pub active_lots: u32,
    /// Lots it was paid for.
    pub lots_settled: u64,
    /// Times it was slashed.
    pub faults: u64,
    /// Earned for work over its life, less what burned of it.
    #[serde(with = "as_string")]
    pub earned: Grains,
    /// Height before which it is not drawn, because it missed deadlines.
    pub suspended_until: u64,
    /// Slashed over its life.
    #[serde(with = "as_string")]
    pub slashed: Grains,
    /// What the chain saw it do of late.
    pub reputation: ReputationView,
    /// Fuel in progress it has proved to be good for, in units of 10^6; None where capacity is not challenged.
    pub proved_capacity: Option<u64>,
    /// Memory of one task that allows, MiB.
    pub proved_memory_mib: Option<u32>,
    /// Capacity challenges it missed in a row.
    pub missed_rounds: u32,
    /// The one it is to answer now.
    pub challenge: Option<ChallengeView>,
}

/// A capacity challenge under way, with all that answering it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeView {
    /// Height it was made at.
    pub round: u64,
    /// Beacon of that height.
    pub beacon: B256,
    /// Memory of a lane, KiB.
    pub lane_kib: u32,
    /// Times a lane is filled.
    pub passes: u32,
    /// Blocks that are drawn.
    pub draws: u32,
    /// Height by which a root is posted.
    pub answer_by: u64,
    /// Lanes and root posted.
    pub answer: Option<(u32, B256)>,
    /// Beacon that draws what is opened, once it is there.
    pub drawn: Option<B256>,
    /// Height by which that is opened; 0 before it is drawn.
    pub open_by: u64,
}

/// What keeps a provider from a lot, and how far it is from taking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "lack")]
pub enum Lack {
    /// It asks more than the job pays.
    Price {
        /// Grains a gigafuel.
        #[serde(with = "as_string")]
        by: Grains,
    },
    /// The job's tasks may use more fuel than it takes.
    Fuel {
        /// Fuel a task.
        by: u64,
    },
    /// They may use more memory than it has, or proved to have.
    Memory {
        /// MiB.
        by_mib: u32,
    },
    /// It works on as much as it takes, or as much as it proved to be good for.
    Capacity {
        /// Lots it works on.
        lots: u32,
        /// Fuel in progress it proved to be good for, in units of 10^6, where that is less than it offers and
        /// the lot would fit what it offers.
        proved: Option<u64>,
    },
    /// Its free collateral does not cover the lot.
    Collateral {
        /// Grains.
        #[serde(with = "as_string")]
        by: Grains,
    },
    /// Its reputation is below what the job asks for.
    Reputation {
        /// Basis points.
        by: u16,
    },
    /// It missed deadlines and is not drawn for a while.
    Suspended {
        /// Height from which it is drawn again.
        until: u64,
    },
    /// It or another provider of its operator works on the lot, or failed it.
    Operator,
    /// It runs another runtime.
    Runtime,
    /// It is the renter's own.
    Own,
    /// It sells in a class the job does not name.
    Class {
        /// Which.
        class: u32,
    },
}

/// What one provider with an open ask lacks for a lot; nothing if it could take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// Its account.
    pub provider: Address,
    /// Whose machine it is.
    pub operator: Address,
    /// What it asks.
    #[serde(with = "as_string")]
    pub price_per_gigafuel: Grains,
    /// What keeps it from the lot.
    pub lacks: Vec<Lack>,
}

/// Why a lot has not all its providers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingLot {
    /// Index of the lot.
    pub lot: u32,
    /// Height since which it waits; None before it was first looked at.
    pub since: Option<u64>,
    /// Providers it lacks, each of another operator.
    pub missing: u32,
    /// Operators that could take it now.
    pub able: u32,
    /// The price a gigafuel at which enough would take it, if only price is in the way.
    #[serde(with = "as_string::option")]
    pub enough_at: Option<Grains>,
    /// Each open ask, those of the job's class and cheapest first.
    pub asks: Vec<Assessment>,
}

/// What a provider has to do about one lot: a level, not an edge, so a restarted provider needs no
/// history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkItem {
    /// The job.
    pub job: JobId,
    /// The lot as it stands; its replicas include this provider's.
    pub lot: LotView,
    /// The job's specification with `inputs` cut down to this lot's tasks.
    pub spec: JobSpecView,
    /// Who pays.
    pub renter: Address,
    /// The job key sealed to this provider; several if several holders sent one.
    pub sealed_keys: Vec<Bytes>,
    /// What is expected of this provider.
    pub role: Role,
    /// Endpoints of the lot's other replicas, further sources of the same blobs.
    pub peers: Vec<Bytes>,
}

/// Why a lot concerns an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs a replica.
    Replica,
    /// Was drawn as a delivery witness.
    Witness,
    /// Was drawn to audit it.
    Auditor,
    /// Is a validator who adjudicates.
    Adjudicator,
    /// Is the renter: delivers keys, fetches outputs, discloses the key in a dispute.
    Renter,
}

/// Where all grains are. `minted == burned + balances + escrow + collateral + stake + treasury` or the
/// node halts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// Minted at genesis, and since by inflation and as emission.
    #[serde(with = "as_string")]
    pub minted: Grains,
    /// Burned: base fees, and shares of slashes and of payments for work.
    #[serde(with = "as_string")]
    pub burned: Grains,
    /// In accounts.
    #[serde(with = "as_string")]
    pub balances: Grains,
    /// Held for jobs, challenges and demands.
    #[serde(with = "as_string")]
    pub escrow: Grains,
    /// Providers' collateral.
    #[serde(with = "as_string")]
    pub collateral: Grains,
    /// Validators' stake.
    #[serde(with = "as_string")]
    pub stake: Grains,
    /// The network's own.
    #[serde(with = "as_string")]
    pub treasury: Grains,
}

impl Books {
    /// Whether every grain is accounted for.
    pub fn balance(&self) -> bool {
        [self.burned, self.balances, self.escrow, self.collateral, self.stake, self.treasury]
            .into_iter()
            .try_fold(0u128, u128::checked_add)
            == Some(self.minted)
    }
}
