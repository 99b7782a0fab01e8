//! Receipts: a file that proves a job's result to someone who trusts the genesis file and nobody else.
//!
//! ```text
//! genesis -> certificate -> header -> state root -> proof -> job result -> leaves -> outputs
//! ```
//!
//! Each arrow is checked offline by [`verify`] and fails with an error of its own. Certificates and
//! state proofs are the chain's formats: a [`LightVerifier`] reads them.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::SolCall;
use assay_proof::lot_root;
use assay_store::{BlobId, JobKey};
use assay_types::{
    Genesis, Grains, JobCause, JobId, JobOutcome, JobSpec, Leaf,
    abi::IJobs,
    job::key_hash,
    view::{JobView, LeafView, LotPhase},
};
use serde::{Deserialize, Serialize};

use crate::{
    chain::JobProof,
    job::{FolderError, JobFolder, open_output},
};

/// Format of the file.
pub const RECEIPT_VERSION: u32 = 1;

/// What a certificate finalizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenHeader {
    /// Height of the block.
    pub height: u64,
    /// Its digest.
    pub hash: B256,
    /// State root after it.
    pub state_root: B256,
    /// Milliseconds since the Unix epoch, by its leader's clock.
    pub timestamp_ms: u64,
}

/// What the state says of a closed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenJob {
    /// Who paid.
    pub renter: Address,
    /// How it ended.
    pub outcome: JobOutcome,
    /// Why it ended short.
    pub cause: JobCause,
    /// Merkle-sum root over the leaves of all tasks; `None` if it did not complete.
    pub result_root: Option<B256>,
    /// Commits to all leaves, with zeros for a task that was not settled: [`leaves_hash`].
    pub leaves_hash: B256,
    /// Fuel of all settled tasks.
    pub fuel: u64,
    /// Grains paid to providers.
    pub paid: Grains,
    /// Height it closed at.
    pub closed_at: u64,
    /// Number of tasks.
    pub tasks: u32,
    /// Commits to the specification: [`assay_types::job::spec_hash`].
    pub spec_hash: B256,
}

/// Why a certificate or proof is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LightError(pub String);

/// Reads the chain's certificates and state proofs, trusting the genesis alone.
pub trait LightVerifier: Send + Sync {
    /// Checks that the validators of `genesis`, or those they handed over to, finalized the header of `proof`.
    fn verify_header(&self, genesis: &Genesis, proof: &JobProof) -> Result<ProvenHeader, LightError>;
    /// Checks a proof of the result of `job` under a state root, which comes from a verified header:
    /// key, value and proof alone are to be read from `proof`.
    fn verify_job(&self, state_root: &B256, job: &JobId, proof: &JobProof) -> Result<ProvenJob, LightError>;
}

/// What a job's result commits to its leaves by: keccak256 over output hash and fuel, big-endian, of
/// every task in order.
pub fn leaves_hash(leaves: &[LeafView]) -> B256 {
    let bytes: Vec<u8> =
        leaves.iter().flat_map(|leaf| [leaf.output.as_slice(), &leaf.fuel.to_be_bytes()].concat()).collect();
    keccak256(bytes)
}

/// The result of a task that was not settled.
pub const NO_LEAF: LeafView = LeafView { output: B256::ZERO, fuel: 0 };

/// A receipt as it is written to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Format.
    pub version: u32,
    /// Network.
    pub genesis_hash: B256,
    /// Its chain id.
    pub chain_id: u64,
    /// The job.
    pub job: JobId,
    /// Calldata of its submission: the specification.
    pub submission: Bytes,
    /// Results in task order, [`NO_LEAF`] where a task was not settled.
    pub leaves: Vec<LeafView>,
    /// Header, certificate and state proof.
    pub proof: JobProof,
    /// Present if the renter lets the reader see contents: the job key and blobs.
    pub contents: Option<Contents>,
}

/// What makes outputs readable and tasks repeatable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// The job key.
    pub key: B256,
    /// Sealed outputs by task.
    pub outputs: BTreeMap<u32, Bytes>,
    /// Program and inputs as stored, by hash, if tasks should be repeatable.
    pub blobs: BTreeMap<B256, Bytes>,
}

/// The step at which a receipt fails, and why.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// Not a receipt.
    #[error("this is not a receipt: {0}")]
    Malformed(String),
    /// Of another version.
    #[error("receipts of version {0} are unknown to this program")]
    Version(u32),
    /// Of another network.
    #[error("the receipt is of the network with genesis {found}, not {expected}")]
    WrongNetwork {
        /// The given genesis.
        expected: B256,
        /// The receipt's.
        found: B256,
    },
    /// The validators did not finalize this header.
    #[error("certificate: {0}")]
    Certificate(#[source] LightError),
    /// The header's state does not hold this result.
    #[error("state proof: {0}")]
    StateProof(#[source] LightError),
    /// The header proven is not the one the receipt says.
    #[error("the certificate is for another block (height {proven}) than the receipt says ({claimed})")]
    Header {
        /// By the header.
        proven: u64,
        /// By the receipt.
        claimed: u64,
    },
    /// The specification is not that of the proven job.
    #[error("the specification is not the one the chain accepted")]
    Spec,
    /// The leaves are not those of the proven root.
    #[error("the results listed are not those the chain accepted: {0}")]
    Leaves(&'static str),
    /// The key is not the job's.
    #[error("the key is not the job's")]
    Key,
    /// An output is not the one of its leaf, or does not open.
    #[error("output of task {task}: {detail}")]
    Output {
        /// Which.
        task: u32,
        /// What is wrong.
        detail: &'static str,
    },
    /// A program or input is not the one the specification names.
    #[error("blob {0} is not the one the specification names")]
    Blob(B256),
    /// The job's folder failed while the receipt was put together.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// A receipt that holds.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The block whose state proves it.
    pub header: ProvenHeader,
    /// The job.
    pub job: JobId,
    /// What the chain says of it.
    pub result: ProvenJob,
    /// Its specification.
    pub spec: JobSpec,
    /// Results in task order.
    pub leaves: Vec<LeafView>,
    /// Opened outputs by task: executions as their runtime encodes them.
    pub outputs: BTreeMap<u32, Vec<u8>>,
}

impl Receipt {
    /// Puts together the receipt of a closed job: without its contents, or with outputs, or with all
    /// it takes to repeat its tasks.
    pub fn assemble(
        genesis: &Genesis,
        folder: &JobFolder,
        job: &JobView,
        proof: JobProof,
        disclose: Disclose,
    ) -> Result<Self, ReceiptError> {
        let mut leaves = vec![NO_LEAF; job.spec.inputs.len()];
        for lot in job.lots.iter().filter(|lot| lot.phase == LotPhase::Settled) {
            let places = leaves.iter_mut().skip(lot.first_task as usize);
            places.zip(&lot.leaves).for_each(|(place, leaf)| *place = *leaf);
        }
        let contents = match disclose {
            Disclose::Nothing => None,
            Disclose::Outputs | Disclose::Everything => {
                let mut contents =
                    Contents { key: folder.state().key, outputs: BTreeMap::new(), blobs: BTreeMap::new() };
                for task in folder.outputs()? {
                    if let Some(sealed) = folder.sealed_output(task)? {
                        contents.outputs.insert(task, sealed);
                    }
                }
                if disclose == Disclose::Everything {
                    let spec = folder.spec()?;
                    for id in std::iter::once(&spec.program).chain(&spec.inputs) {
                        contents.blobs.insert(*id, folder.blob(id)?);
                    }
                }
                Some(contents)
            }
        };
        Ok(Self {
            version: RECEIPT_VERSION,
            genesis_hash: genesis.hash(),
            chain_id: genesis.chain_id,
            job: job.id,
            submission: folder.state().submission.clone(),
            leaves,
            proof,
            contents,
        })
    }

    /// Reads a receipt file.
    pub fn from_json(text: &str) -> Result<Self, ReceiptError> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| ReceiptError::Malformed(error.to_string()))?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(RECEIPT_VERSION) => {}
            Some(version) => return Err(ReceiptError::Version(u32::try_from(version).unwrap_or(u32::MAX))),
            None => return Err(ReceiptError::Malformed("it has no version".to_owned())),
        }
        serde_json::from_value(value).map_err(|error| ReceiptError::Malformed(error.to_string()))
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The specification in it.
    pub fn spec(&self) -> Result<JobSpec, ReceiptError> {
        let call = IJobs::submitCall::abi_decode_validate(&self.submission);
        call.map(|call| call.spec).map_err(|error| ReceiptError::Malformed(error.to_string()))
    }
}

/// How much of a job a receipt shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disclose {
    /// Hashes and fuel only.
    Nothing,
    /// The job key and outputs.
    Outputs,
    /// Also program and inputs, so that tasks can be repeated.
    Everything,
}

/// Checks a receipt, trusting the genesis alone.
pub fn verify(genesis: &Genesis, receipt: &Receipt, light: &dyn LightVerifier) -> Result<Verified, ReceiptError> {
    if receipt.version != RECEIPT_VERSION {
        return Err(ReceiptError::Version(receipt.version));
    }
    let expected = genesis.hash();
    if receipt.genesis_hash != expected || receipt.chain_id != genesis.chain_id {
        return Err(ReceiptError::WrongNetwork { expected, found: receipt.genesis_hash });
    }
    let proof = &receipt.proof;
    let header = light.verify_header(genesis, proof).map_err(ReceiptError::Certificate)?;
    if header.height != proof.height || header.hash != proof.hash || header.state_root != proof.state_root {
        return Err(ReceiptError::Header { proven: header.height, claimed: proof.height });
    }
    let result = light.verify_job(&header.state_root, &receipt.job, proof).map_err(ReceiptError::StateProof)?;
    let spec = receipt.spec()?;
    if assay_types::job::spec_hash(&spec) != result.spec_hash {
        return Err(ReceiptError::Spec);
    }
    verify_leaves(receipt, &spec, &result)?;
    let outputs = match &receipt.contents {
        None => BTreeMap::new(),
        Some(contents) => verify_contents(receipt, &spec, contents)?,
    };
    Ok(Verified { header, job: receipt.job, result, spec, leaves: receipt.leaves.clone(), outputs })
}

fn verify_leaves(receipt: &Receipt, spec: &JobSpec, result: &ProvenJob) -> Result<(), ReceiptError> {
    let leaves = &receipt.leaves;
    if leaves.len() != spec.inputs.len() || leaves.len() != result.tasks as usize {
        return Err(ReceiptError::Leaves("their number differs"));
    }
    if leaves_hash(leaves) != result.leaves_hash {
        return Err(ReceiptError::Leaves("their hash differs"));
    }
    let fuel = leaves.iter().try_fold(0u64, |sum, leaf| sum.checked_add(leaf.fuel));
    if fuel != Some(result.fuel) {
        return Err(ReceiptError::Leaves("their fuel differs"));
    }
    let Some(root) = result.result_root else { return Ok(()) };
    let leaves: Vec<Leaf> = leaves.iter().map(|leaf| Leaf { output: leaf.output, fuel: leaf.fuel }).collect();
    match lot_root(0, &leaves) {
        Ok(found) if found.hash == root => Ok(()),
        _ => Err(ReceiptError::Leaves("their root differs")),
    }
}

fn verify_contents(
    receipt: &Receipt,
    spec: &JobSpec,
    contents: &Contents,
) -> Result<BTreeMap<u32, Vec<u8>>, ReceiptError> {
    if key_hash(&contents.key) != spec.keyHash {
        return Err(ReceiptError::Key);
    }
    let key = JobKey::from_bytes(contents.key.0);
    let mut opened = BTreeMap::new();
    for (task, sealed) in &contents.outputs {
        let bad = |detail| ReceiptError::Output { task: *task, detail };
        let leaf = receipt.leaves.get(*task as usize).ok_or(bad("there is no such task"))?;
        if BlobId::of(sealed).0 != leaf.output.0 {
            return Err(bad("it is not the one the chain accepted"));
        }
        let output = open_output(&key, &receipt.job, *task, sealed).map_err(|_| bad("the key does not open it"))?;
        opened.insert(*task, output);
    }
    for (id, blob) in &contents.blobs {
        let named = spec.program == *id || spec.inputs.contains(id);
        if !named || BlobId::of(blob).0 != id.0 {
            return Err(ReceiptError::Blob(*id));
        }
    }
    Ok(opened)
}
