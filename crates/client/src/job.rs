//! A job before it is a job: what the renter wants run, sealed and priced.
//!
//! Programs, inputs and outputs are sealed under one random key a job. The contexts below bind each
//! blob to its place, so that a blob of one task can't be passed off as another's.

pub(crate) mod folder;

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolCall;
use assay_store::{BlobId, JobKey, Source, open_blob, seal_blob};
use assay_types::{Abi, Grains, JobId, JobSpec, abi::IJobs, job::AuditTerms};

pub use folder::{FolderError, JobFolder, JobState, Seal, TaskOutput};

/// What a sealed program is bound to.
pub const PROGRAM_CONTEXT: &[u8] = b"assay/program/1";

/// What the sealed input of a task is bound to.
pub fn input_context(task: u32) -> Vec<u8> {
    [b"assay/input/1".as_slice(), &task.to_be_bytes()].concat()
}

/// What the sealed output of a task is bound to.
pub fn output_context(job: &JobId, task: u32) -> Vec<u8> {
    [b"assay/output/1".as_slice(), job.as_slice(), &task.to_be_bytes()].concat()
}

/// Bytes of a guest's stderr that are kept. A constant of the protocol, since the log is part of what
/// the leaf names.
pub const LOG_BYTES: u32 = 64 << 10;

/// Most bytes a sealed output may have: the guest's output and its capped log, encoded and sealed.
pub fn max_sealed_output(output_bytes: u32) -> u64 {
    u64::from(output_bytes) + u64::from(LOG_BYTES) + 4_096
}

/// Most bytes a program or input may have that a provider fetches.
pub const MAX_BLOB_BYTES: u64 = 64 << 20;

/// What a renter asks for, besides program and inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobTerms {
    /// How the program is called.
    pub abi: Abi,
    /// Runtime results must be bit-identical under.
    pub runtime_id: B256,
    /// Class it is to run in.
    pub class: u32,
    /// Further classes, in order of preference.
    pub substitutes: Vec<u32>,
    /// Fuel cap of a task.
    pub fuel_per_task: u64,
    /// Memory cap of a task, MiB.
    pub memory_mib: u32,
    /// Cap of an output, bytes.
    pub output_bytes: u32,
    /// Tasks a lot.
    pub tasks_per_lot: u32,
    /// Providers that run each lot; one where it is audited.
    pub replicas: u8,
    /// How its results are audited, if they are.
    pub audit: Option<AuditTerms>,
    /// Least reputation of its providers, basis points; 0: any.
    pub min_reputation: u16,
    /// Limit price, grains a gigafuel.
    pub max_price_per_gigafuel: Grains,
    /// Blocks to run and commit.
    pub commit_window: u32,
    /// Blocks open to challenge before settlement.
    pub challenge_window: u32,
    /// Blocks until the job ends whatever happened.
    pub lifetime: u32,
}

/// What a renter wants run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// The program, a Wasm module or component.
    pub program: Bytes,
    /// Whether only the job's providers may read the program. A public one is cached across jobs.
    pub program_sealed: bool,
    /// One input a task.
    pub inputs: Vec<Bytes>,
    /// The rest.
    pub terms: JobTerms,
}

/// Why a job cannot be made or submitted.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// No tasks.
    #[error("a job needs at least one input")]
    NoInputs,
    /// More tasks than can be counted.
    #[error("a job has more inputs than can be numbered")]
    TooManyInputs,
    /// The escrow does not fit 128 bits.
    #[error("fuel, tasks, replicas and price multiply to more than can be paid")]
    EscrowOverflow,
    /// No randomness for the job key, or a blob that does not open.
    #[error(transparent)]
    Seal(#[from] assay_store::SealError),
}

/// A job ready to be submitted.
#[derive(Debug, Clone)]
pub struct SealedJob {
    /// Seals its inputs and outputs.
    pub key: JobKey,
    /// What goes on chain.
    pub spec: JobSpec,
    /// Program and inputs as stored; the program comes first.
    pub blobs: Vec<Bytes>,
    /// Grains to send along.
    pub escrow: Grains,
}

impl JobRequest {
    /// Seals program and inputs under `key`; the blobs will be served from `source`.
    pub fn seal(&self, key: JobKey, source: &Source) -> Result<SealedJob, JobError> {
        if self.inputs.is_empty() {
            return Err(JobError::NoInputs);
        }
        let count = u32::try_from(self.inputs.len()).map_err(|_| JobError::TooManyInputs)?;
        let program = match self.program_sealed {
            true => seal_blob(&key, PROGRAM_CONTEXT, &self.program).into(),
            false => self.program.clone(),
        };
        let sealed = (0..count).zip(&self.inputs).map(|(task, input)| seal_blob(&key, &input_context(task), input));
        let inputs: Vec<Bytes> = sealed.map(Bytes::from).collect();
        let terms = &self.terms;
        let spec = JobSpec {
            program: id_of(&program),
            programSealed: self.program_sealed,
            abi: terms.abi as u8,
            runtimeId: terms.runtime_id,
            class: terms.class,
            substitutes: terms.substitutes.clone(),
            inputs: inputs.iter().map(|blob| id_of(blob)).collect(),
            fuelPerTask: terms.fuel_per_task,
            memoryMib: terms.memory_mib,
            outputBytes: terms.output_bytes,
            tasksPerLot: terms.tasks_per_lot,
            replicas: terms.replicas,
            auditBps: terms.audit.map_or(0, |audit| audit.chance_bps),
            auditDraws: terms.audit.map_or(0, |audit| audit.draws),
            auditors: terms.audit.map_or(0, |audit| audit.auditors),
            minReputation: terms.min_reputation,
            maxPricePerGigafuel: terms.max_price_per_gigafuel,
            commitWindow: terms.commit_window,
            challengeWindow: terms.challenge_window,
            lifetime: terms.lifetime,
            keyHash: key.hash().into(),
            source: source.to_bytes().into(),
        };
        let escrow = spec.escrow().ok_or(JobError::EscrowOverflow)?;
        let blobs = std::iter::once(program).chain(inputs).collect();
        Ok(SealedJob { key, spec, blobs, escrow })
    }
}

fn id_of(blob: &[u8]) -> B256 {
    BlobId::of(blob).0.into()
}

/// The calldata that submits `spec`.
pub fn submit_input(spec: &JobSpec) -> Bytes {
    IJobs::submitCall { spec: spec.clone() }.abi_encode().into()
}

/// Opens the sealed output of a task: the execution as encoded by the runtime.
pub fn open_output(key: &JobKey, job: &JobId, task: u32, sealed: &[u8]) -> Result<Vec<u8>, assay_store::SealError> {
    open_blob(key, &output_context(job, task), sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> JobRequest {
        JobRequest {
            program: Bytes::from_static(b"\0asm"),
            program_sealed: false,
            inputs: vec![Bytes::from_static(b"a"), Bytes::from_static(b"a")],
            terms: JobTerms {
                abi: Abi::Component,
                runtime_id: B256::repeat_byte(1),
                class: 1,
                substitutes: Vec::new(),
                fuel_per_task: 3,
                memory_mib: 1,
                output_bytes: 10,
                tasks_per_lot: 1,
                replicas: 2,
                audit: None,
                min_reputation: 0,
                max_price_per_gigafuel: 500_000_000,
                commit_window: 10,
                challenge_window: 2,
                lifetime: 100,
            },
        }
    }

    fn source() -> Source {
        Source::new(ED25519_BASE, ["127.0.0.1:1".parse().expect("an address")]).expect("a source")
    }

    /// The base point of Ed25519 (RFC 8032, section 5.1), compressed.
    const ED25519_BASE: [u8; 32] = {
        let mut bytes = [0x66; 32];
        bytes[0] = 0x58;
        bytes
    };

    #[test]
    fn equal_inputs_of_two_tasks_look_different_and_only_the_key_and_place_open_them() {
        let key = JobKey::from_bytes([5; 32]);
        let sealed = request().seal(key.clone(), &source()).expect("seals");
        assert_ne!(sealed.spec.inputs[0], sealed.spec.inputs[1]);
        assert_eq!(sealed.blobs.len(), 3);
        assert_eq!(open_blob(&key, &input_context(1), &sealed.blobs[2]).expect("opens"), b"a");
        assert!(open_blob(&key, &input_context(0), &sealed.blobs[2]).is_err());
        assert_eq!(sealed.spec.keyHash, assay_types::job::key_hash(&B256::from([5; 32])));
    }

    #[test]
    fn escrow_rounds_each_task_up_and_overflow_is_told() {
        let mut spec = request().seal(JobKey::from_bytes([5; 32]), &source()).expect("seals").spec;
        assert_eq!(spec.escrow(), Some(2 * 2 * 2), "3 * 0.5 grains a task is 2, two tasks, two replicas");
        spec.maxPricePerGigafuel = u128::MAX;
        spec.fuelPerTask = u64::MAX;
        assert_eq!(spec.escrow(), None);
    }

    #[test]
    fn a_job_without_inputs_is_refused() {
        let none = JobRequest { inputs: Vec::new(), ..request() };
        assert!(matches!(none.seal(JobKey::from_bytes([5; 32]), &source()), Err(JobError::NoInputs)));
    }
}
