//! The compact result of a closed job: what `job receipt` proves by a state proof.
//!
//! It lies at [`crate::keys::job_result`] and binds everything a renter would want to prove offline:
//! what was asked (hash of the specification), what came out (root and hash of all leaves), and who
//! paid what.

use alloy_primitives::{Address, B256, keccak256};
use assay_types::{Grains, JobCause, JobId, JobOutcome, Leaf};

use super::Case;
use crate::{
    codec::{self, record},
    keys,
    step::Step,
};

record! {
    /// Result of a closed job.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct JobResult {
        /// The job.
        pub job: JobId,
        /// Who paid.
        pub renter: Address,
        /// keccak256 of the ABI encoding of the specification: [`assay_types::job::spec_hash`].
        pub spec_hash: B256,
        /// BLAKE3 of the program blob.
        pub program: B256,
        /// Runtime the results are bit-identical under.
        pub runtime_id: B256,
        /// Number of tasks.
        pub tasks: u32,
        /// Lots paid and all lots.
        pub lots_settled: u32,
        /// All lots.
        pub lots: u32,
        /// How the job ended.
        pub outcome: JobOutcome,
        /// Why it ended short.
        pub cause: JobCause,
        /// Merkle-sum root over all tasks, first task 0; only when completed.
        pub result_root: Option<B256>,
        /// [`leaves_hash`] of all tasks.
        pub leaves_hash: B256,
        /// Fuel of all settled tasks, counted once a task.
        pub fuel: u64,
        /// Grains paid to providers.
        pub paid: Grains,
        /// Grains of escrow returned.
        pub refunded: Grains,
        /// Grains of slashed collateral the renter received.
        pub compensated: Grains,
        /// Height it was submitted at.
        pub submitted_at: u64,
        /// Height it closed at.
        pub closed_at: u64,
    }
}

impl JobResult {
    /// Reads the canonical bytes at [`crate::keys::job_result`]; None for any other bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// keccak256 over output hash and fuel (big-endian) of every task in order, zeros for a task that was
/// not settled.
pub fn leaves_hash(leaves: &[Leaf]) -> B256 {
    keccak256(
        leaves.iter().flat_map(|leaf| [leaf.output.as_slice(), &leaf.fuel.to_be_bytes()].concat()).collect::<Vec<u8>>(),
    )
}

pub(crate) fn write(step: &mut Step<'_>, case: &Case, outcome: JobOutcome, leaves: &[Leaf]) {
    let job = &case.job;
    let result = JobResult {
        job: case.id,
        renter: job.renter,
        spec_hash: job.spec_hash,
        program: case.terms.program,
        runtime_id: case.terms.runtime_id,
        tasks: job.tasks,
        lots_settled: job.lots_settled,
        lots: job.lots,
        outcome,
        cause: job.cause,
        result_root: job.result_root,
        leaves_hash: leaves_hash(leaves),
        fuel: job.fuel,
        paid: job.paid,
        refunded: job.refunded,
        compensated: job.compensated,
        submitted_at: job.submitted_at,
        closed_at: step.env.height(),
    };
    step.write(keys::job_result(case.id), &result);
}
