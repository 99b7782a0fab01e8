//! The actions that end in a transaction.

use alloy_primitives::{Address, B256};
use assay_client::{TxError, TxRequest, job::max_sealed_output};
use assay_proof::lot_root;
use assay_store::{BlobId, Source, seal::key_binding, seal_key};
use assay_types::{
    JobId, Leaf,
    abi::{IAudits, IDisputes, IJobs},
    job::{audit_commitment, result_commitment, verdict_commitment},
    system,
    view::{LeafView, Role, WorkItem},
};

use super::{Agent, AgentError, Outcome};
use crate::{
    misbehaviour::Misbehaviour,
    plan::{Action, DeclineReason, Opening, Slot, leaves_of},
};

/// Refusals that mean the thing is done, or no longer wanted: the next block tells which.
const SETTLED: [&str; 12] = [
    "AlreadyCommitted",
    "AlreadyRevealed",
    "AlreadyJudged",
    "AlreadyAttested",
    "AuditorSpoke",
    "AlreadyAnswered",
    "NotChallenged",
    "NotAuditor",
    "KeyAlreadyDelivered",
    "WrongPhase",
    "JobClosed",
    "TooLate",
];

impl Agent {
    pub(super) async fn act(&self, action: Action) -> Result<Outcome, AgentError> {
        let done = match action {
            Action::FetchBlobs(slot) => self.fetch_blobs(slot).await,
            Action::Run(slot, task) => self.run_task(slot, task).await,
            Action::Evict(job) => self.evict(job).await,
            Action::Commit(slot) => self.commit(slot).await,
            Action::CommitVerdict(slot) => self.commit_verdict(slot).await,
            Action::Reveal(slot) => self.reveal(slot).await,
            Action::RevealVerdict(slot) => self.reveal_verdict(slot).await,
            Action::CommitAudit(slot) => self.commit_audit(slot).await,
            Action::RevealAudit(slot) => self.reveal_audit(slot).await,
            Action::Decline(job, lot, reason) => self.decline(job, lot, reason).await,
            Action::DeclineAudit(job, lot, reason) => self.decline_audit(job, lot, reason).await,
            Action::Disclose(job) => self.disclose(job).await,
            Action::ShareKey(job, provider) => self.share_key(job, provider).await,
            Action::AttestDelivery(job, lot) => self.attest(job, lot).await,
            Action::AnswerChallenge(round) => self.answer_challenge(round).await,
            Action::OpenAnswer(round) => self.open_answer(round).await,
        };
        match done {
            Err(AgentError::Tx(TxError::Failed { failure, .. })) if SETTLED.contains(&failure.name.as_str()) => {
                tracing::debug!(agent = %self.address(), ?action, reason = failure.name, "overtaken");
                Ok(Outcome::Overtaken)
            }
            other => other,
        }
    }

    /// What a slot commits to; fixed in the journal before anything is said.
    async fn opening(&self, slot: Slot, item: &WorkItem) -> Result<Opening, AgentError> {
        let (fixed, leaves) = {
            let state = self.state.lock();
            let known = state.memory.slots.get(&slot);
            let leaves = known.and_then(|state| leaves_of(state, &slot.tasks(&item.lot)));
            (known.and_then(|state| state.opening.clone()), leaves)
        };
        if let Some(opening) = fixed {
            return Ok(opening);
        }
        let leaves = leaves.ok_or(AgentError::Missing("a result"))?;
        let fresh = Opening { salt: B256::from(self.parts.host.random()), leaves };
        let opening = self.journal(move |journal| journal.fix_opening(&slot, fresh)).await?;
        let mut state = self.state.lock();
        state.openings.insert(slot, opening.clone());
        state.slot(slot).opening = Some(opening.clone());
        Ok(opening)
    }

    async fn commit(&self, slot: Slot) -> Result<Outcome, AgentError> {
        let item = self.item(&slot)?;
        let opening = self.opening(slot, &item).await?;
        let leaves = leaves(&opening.leaves);
        let root = lot_root(item.lot.first_task, &leaves).map_err(|_| AgentError::Missing("a leaf"))?;
        let (chain_id, me) = (self.parts.sender.chain_id(), self.address());
        let mut commitment = result_commitment(chain_id, slot.job, slot.lot, me, opening.salt, root.hash, root.fuel);
        if self.parts.misbehaviour == Some(Misbehaviour::EchoCommitments) {
            let mut others = item.lot.replicas.iter().filter(|replica| replica.provider != me);
            commitment = others.find_map(|replica| replica.commitment).ok_or(AgentError::Missing("one to echo"))?;
        }
        let request = match item.spec.audit_bps {
            0 => TxRequest::call(system::JOBS, &IJobs::commitCall { job: slot.job, lot: slot.lot, commitment }),
            _ => {
                let fuels = leaves.iter().map(|leaf| leaf.fuel).collect();
                let call = IJobs::commitAuditedCall { job: slot.job, lot: slot.lot, commitment, fuels };
                TxRequest::call(system::JOBS, &call)
            }
        };
        self.parts.sender.send(request).await?;
        Ok(Outcome::Done)
    }

    async fn reveal(&self, slot: Slot) -> Result<Outcome, AgentError> {
        let item = self.item(&slot)?;
        let opening = self.opening(slot, &item).await?;
        let leaves = leaves(&opening.leaves);
        let call = IJobs::revealCall { job: slot.job, lot: slot.lot, salt: opening.salt, leaves };
        self.parts.sender.send(TxRequest::call(system::JOBS, &call)).await?;
        Ok(Outcome::Done)
    }

    async fn commit_verdict(&self, slot: Slot) -> Result<Outcome, AgentError> {
        let item = self.item(&slot)?;
        let opening = self.opening(slot, &item).await?;
        // The tree over the disputed leaves alone, numbered from 0.
        let root = lot_root(0, &leaves(&opening.leaves)).map_err(|_| AgentError::Missing("a leaf"))?;
        let (chain_id, me) = (self.parts.sender.chain_id(), self.address());
        let commitment = verdict_commitment(chain_id, slot.job, slot.lot, me, opening.salt, root.hash, root.fuel);
        let call = IDisputes::commitVerdictCall { job: slot.job, lot: slot.lot, commitment };
        self.parts.sender.send(TxRequest::call(system::DISPUTES, &call)).await?;
        Ok(Outcome::Done)
    }

    async fn reveal_verdict(&self, slot: Slot) -> Result<Outcome, AgentError> {
        let item = self.item(&slot)?;
        let opening = self.opening(slot, &item).await?;
        let leaves = opening.leaves.iter().map(|l| IDisputes::Leaf { output: l.output, fuel: l.fuel }).collect();
        let call = IDisputes::revealVerdictCall { job: slot.job, lot: slot.lot, salt: opening.salt, leaves };
        self.parts.sender.send(TxRequest::call(system::DISPUTES, &call)).await?;
        Ok(Outcome::Done)
    }

    async fn commit_audit(&self, slot: Slot) -> Result<Outcome, AgentError> {
        let item = self.item(&slot)?;
        let opening = self.opening(slot, &item).await?;
        // The tree over the drawn leaves alone, numbered from 0.
        let root = lot_root(0, &leaves(&opening.leaves)).map_err(|_| AgentError::Missing("a leaf"))?;
        let (chain_id, me) = (self.parts.sender.chain_id(), self.address());
        let commitment = audit_commitment(chain_id, slot.job, slot.lot, me, opening.salt, root.hash, root.fuel);
        let call = IAudits::commitCall { job: slot.job, lot: slot.lot, commitment };
        self.parts.sender.send(TxRequest::call(system::AUDITS, &call)).await?;
        Ok(Outcome::Done)
    }

    async fn reveal_audit(&self, slot: Slot) -> Result<Outcome, AgentError> {
        let item = self.item(&slot)?;
        let opening = self.opening(slot, &item).await?;
        let leaves = opening.leaves.iter().map(|l| IAudits::Leaf { output: l.output, fuel: l.fuel }).collect();
        let call = IAudits::revealCall { job: slot.job, lot: slot.lot, salt: opening.salt, leaves };
        self.parts.sender.send(TxRequest::call(system::AUDITS, &call)).await?;
        Ok(Outcome::Done)
    }

    async fn decline_audit(&self, job: JobId, lot: u32, reason: DeclineReason) -> Result<Outcome, AgentError> {
        tracing::info!(agent = %self.address(), %job, lot, ?reason, "gives an audit back");
        let call = IAudits::declineCall { job, lot, reason: reason as u8 };
        self.parts.sender.send(TxRequest::call(system::AUDITS, &call)).await?;
        Ok(Outcome::Done)
    }

    async fn decline(&self, job: JobId, lot: u32, reason: DeclineReason) -> Result<Outcome, AgentError> {
        tracing::info!(agent = %self.address(), %job, lot, ?reason, "gives a lot back");
        let call = IJobs::declineCall { job, lot, reason: reason as u8 };
        self.parts.sender.send(TxRequest::call(system::JOBS, &call)).await?;
        Ok(Outcome::Done)
    }

    async fn disclose(&self, job: JobId) -> Result<Outcome, AgentError> {
        let key = B256::from(*self.key(&job)?.as_bytes());
        let call = IDisputes::discloseKeyCall { job, key };
        self.parts.sender.send(TxRequest::call(system::DISPUTES, &call)).await?;
        Ok(Outcome::Done)
    }

    async fn share_key(&self, job: JobId, provider: Address) -> Result<Outcome, AgentError> {
        let key = self.key(&job)?;
        let found = self.parts.chain.provider(provider).await?.ok_or(AgentError::Missing("the provider"))?;
        let sealed =
            seal_key(&key, &found.sealing_key.0, &key_binding(&job.0, &provider.0.0), self.parts.host.random());
        let sealed = sealed.map_err(|_| AgentError::Missing("a usable sealing key"))?;
        let call = IJobs::deliverKeyCall { job, provider, sealedKey: sealed.into() };
        self.parts.sender.send(TxRequest::call(system::JOBS, &call)).await?;
        Ok(Outcome::Done)
    }

    /// Tries every replica. The first blob that arrives is proof for its replica; the others must say
    /// that they have it too.
    async fn attest(&self, job: JobId, lot: u32) -> Result<Outcome, AgentError> {
        let item = {
            let state = self.state.lock();
            let ours = |item: &&WorkItem| item.role == Role::Witness && item.job == job && item.lot.index == lot;
            state.work.iter().find(ours).cloned().ok_or(AgentError::Missing("the demand"))?
        };
        let demand = item.lot.delivery.as_ref().ok_or(AgentError::Missing("the demand"))?;
        let at = demand.task.checked_sub(item.lot.first_task).map(|at| at as usize);
        let leaf = at.and_then(|at| item.lot.leaves.get(at)).ok_or(AgentError::Missing("the result"))?;
        let output = BlobId(leaf.output.0);
        let cap = max_sealed_output(item.spec.output_bytes);
        let mut mask = 0u32;
        for (bit, replica) in item.lot.replicas.iter().enumerate().take(32) {
            let found = self.parts.chain.provider(replica.provider).await?;
            let Some(source) = found.and_then(|p| Source::from_bytes(&p.endpoint).ok()) else { continue };
            let has = self.parts.blobs.has(&source, output).await == Ok(true);
            if has && self.parts.blobs.get(output, cap, &[source]).await.is_ok() {
                mask |= 1 << bit;
            }
        }
        tracing::info!(witness = %self.address(), %job, lot, mask, "attests a delivery");
        let call = IJobs::attestDeliveryCall { job, lot, deliveredMask: mask };
        self.parts.sender.send(TxRequest::call(system::JOBS, &call)).await?;
        Ok(Outcome::Done)
    }
}

fn leaves(views: &[LeafView]) -> Vec<Leaf> {
    views.iter().map(|leaf| Leaf { output: leaf.output, fuel: leaf.fuel }).collect()
}
