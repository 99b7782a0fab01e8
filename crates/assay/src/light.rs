//! Offline verification of receipts: the client's checks over the chain's certificates and proofs.

use assay_chain::light::{Trust, certificate_of, verify_state};
use assay_client::{JobProof, LightError, LightVerifier, ProvenHeader, ProvenJob};
use assay_ledger::{JobResult, keys};
use assay_types::{B256, Genesis, JobId, node::StateProof};

/// Verifies under one genesis.
#[derive(Debug, Clone)]
pub(crate) struct ChainVerifier {
    genesis: Genesis,
}

impl ChainVerifier {
    /// Trusts this genesis and nothing else.
    pub(crate) fn new(genesis: Genesis) -> Self {
        Self { genesis }
    }
}

fn said(error: impl std::fmt::Display) -> LightError {
    LightError(error.to_string())
}

impl LightVerifier for ChainVerifier {
    fn verify_header(&self, genesis: &Genesis, proof: &JobProof) -> Result<ProvenHeader, LightError> {
        let trust = Trust::following(genesis, &proof.handovers).map_err(said)?;
        let certified = certificate_of(proof.header.clone(), proof.certificate.clone()).map_err(said)?;
        let (facts, _) = trust.verify_header(&certified).map_err(said)?;
        Ok(ProvenHeader {
            height: facts.height,
            hash: facts.hash,
            state_root: facts.state_root,
            timestamp_ms: facts.timestamp_ms,
        })
    }

    fn verify_job(&self, state_root: &B256, job: &JobId, proof: &JobProof) -> Result<ProvenJob, LightError> {
        if proof.key.as_ref() != keys::job_result(*job).as_slice() {
            return Err(said("the proof is about something else than this job's result"));
        }
        let state = StateProof {
            height: proof.height,
            hash: proof.hash,
            state_root: proof.state_root,
            key: proof.key.clone(),
            value: proof.value.clone(),
            proof: proof.proof.clone(),
            header: proof.header.clone(),
            certificate: proof.certificate.clone(),
            handovers: Vec::new(),
        };
        let trust = Trust::following(&self.genesis, &proof.handovers).map_err(said)?;
        let facts = verify_state(&trust, &state).map_err(said)?;
        if facts.state_root != *state_root {
            return Err(said("the proof leads to another state"));
        }
        let value = proof.value.as_ref().ok_or_else(|| said("the chain has no result of this job"))?;
        let result = JobResult::decode(value).ok_or_else(|| said("the proven result is malformed"))?;
        if result.job != *job {
            return Err(said("the proven result is of another job"));
        }
        Ok(ProvenJob {
            renter: result.renter,
            outcome: result.outcome,
            cause: result.cause,
            result_root: result.result_root,
            leaves_hash: result.leaves_hash,
            fuel: result.fuel,
            paid: result.paid,
            closed_at: result.closed_at,
            tasks: result.tasks,
            spec_hash: result.spec_hash,
        })
    }
}
