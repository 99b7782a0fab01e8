//! Carries out the renter's plan.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes};
use assay_store::{BlobId, Blobs, FetchError, PeerError, Source, open_blob, seal::key_binding, seal_key};
use assay_types::{
    JobId, Params,
    abi::{IClaims, IDisputes, IJobs},
    job::{job_id, redeemed_units, seal_commitment},
    system,
    view::{JobView, LotPhase, LotView, ReplicaPhase},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use parking_lot::Mutex;

use super::plan::{Action, Memory, Policy, plan};
use crate::{
    chain::{Chain, ChainError},
    follow::heights,
    host::{Host, blocking},
    job::{FolderError, JobFolder, JobState, Seal, input_context, max_sealed_output, open_output},
    sender::{TxError, TxRequest, TxSender},
};

/// Blocks before a failed action is tried again.
const BACK_OFF: u64 = 4;

/// How the custodian acts.
#[derive(Clone, Default)]
pub struct CustodianPolicy {
    /// When to do what.
    pub plan: Policy,
    /// Re-executes samples, if set.
    pub recheck: Option<Arc<dyn Recheck>>,
}

/// Local re-execution of sampled tasks.
pub trait Recheck: Send + Sync {
    /// Whether to check this task.
    fn samples(&self, task: u32) -> bool;
    /// Runs the task and says whether its execution is the one delivered. `None` if this machine
    /// could not run it. May take as long as it takes.
    fn agrees(&self, task: &RecheckTask) -> Option<bool>;
}

/// What a re-execution is given.
#[derive(Debug, Clone)]
pub struct RecheckTask {
    /// Index in the job.
    pub task: u32,
    /// The program, opened.
    pub program: Bytes,
    /// The input, opened.
    pub input: Vec<u8>,
    /// The delivered execution, opened, as its runtime encodes it.
    pub execution: Vec<u8>,
    /// Fuel the leaf claims.
    pub fuel: u64,
    /// The terms.
    pub spec: assay_types::JobSpec,
}

/// When [`Custodian::run`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Every lot has its replicas, and they have key and blobs: the client may go away.
    HandedOver,
    /// Every lot ended, and all outputs paid for are here.
    Fetched,
}

/// Where a job stands, for people who watch.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Finalized height.
    pub height: u64,
    /// The job.
    pub job: JobView,
    /// Tasks whose output is here.
    pub fetched: BTreeSet<u32>,
    /// What failed last, in words.
    pub trouble: Option<String>,
}

/// Why the custodian stopped.
#[derive(Debug, thiserror::Error)]
pub enum CustodianError {
    /// The chain failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A transaction failed.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// The job's folder failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The job's blobs could not be kept where others can fetch them.
    #[error(transparent)]
    Store(#[from] assay_store::StoreError),
    /// A provider did not take or deliver a blob.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// An output could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A provider's sealing key cannot be used.
    #[error(transparent)]
    Seal(#[from] assay_store::SealError),
    /// The folder is of another network, or another account's.
    #[error("this job belongs to {0}")]
    Foreign(String),
    /// The chain does not know the job.
    #[error("the chain does not know job {0}: was it submitted?")]
    UnknownJob(JobId),
    /// Providers sent something else than the accepted result.
    #[error("the output of task {0} is not sealed under the job's key: its providers agreed on nonsense")]
    Nonsense(u32),
    /// A registered endpoint does not decode.
    #[error("provider {0} has no usable endpoint")]
    NoEndpoint(Address),
}

/// Looks after one job for its renter.
pub struct Custodian {
    chain: Arc<dyn Chain>,
    host: Arc<dyn Host>,
    sender: TxSender,
    blobs: Arc<dyn Blobs>,
    folder: Mutex<JobFolder>,
    policy: CustodianPolicy,
    params: Params,
    doubted: Mutex<BTreeSet<u32>>,
}

/// What came of an action.
enum Outcome {
    Done,
    Fetched(u32, B256, Option<bool>),
}

type Running<'a> = BoxFuture<'a, (Action, Result<Outcome, CustodianError>)>;

impl Custodian {
    /// Takes charge of the job in `folder`; keeps its blobs where `blobs` serves them.
    pub async fn new(
        chain: Arc<dyn Chain>,
        host: Arc<dyn Host>,
        sender: TxSender,
        blobs: Arc<dyn Blobs>,
        folder: JobFolder,
        policy: CustodianPolicy,
    ) -> Result<Self, CustodianError> {
        let status = chain.status().await?;
        let state = folder.state();
        if (state.chain_id, state.genesis_hash) != (status.chain_id, status.genesis_hash) {
            return Err(CustodianError::Foreign(format!("the network with genesis {}", state.genesis_hash)));
        }
        if state.renter != sender.address() {
            return Err(CustodianError::Foreign(format!("account {}", state.renter)));
        }
        let params = chain.params().await?;
        Ok(Self { chain, host, sender, blobs, folder: Mutex::new(folder), policy, params, doubted: Mutex::default() })
    }

    /// Submits the job unless that was done, and returns its id. Killed half way, it never submits
    /// twice: the nonce is on disk before the transaction leaves.
    pub async fn submit(&self) -> Result<JobId, CustodianError> {
        let state = self.folder.lock().state().clone();
        if let Some(job) = state.job {
            return Ok(job);
        }
        let id_of = |nonce| job_id(state.chain_id, state.renter, nonce);
        if let Some(nonce) = state.nonce
            && self.submitted(id_of(nonce), nonce).await?
        {
            return self.note_job(id_of(nonce));
        }
        let request = match (&state.seal, state.claim) {
            (Some(seal), _) => self.sealed(&state, *seal).await?,
            (None, Some(id)) => {
                let spec = self.folder.lock().spec()?;
                let amount = redeemed_units(&spec);
                TxRequest::call(system::CLAIMS, &IClaims::redeemCall { id, amount, spec: spec.into() })
            }
            (None, None) => TxRequest { to: system::JOBS, value: state.escrow, input: state.submission.clone() },
        };
        let mut unsaved = None;
        let sent = self.sender.send_noting(request, |nonce| {
            if let Err(error) = self.folder.lock().update(|s| s.nonce = Some(nonce)) {
                unsaved = Some(error);
            }
        });
        let (nonce, _) = sent.await?;
        match unsaved {
            Some(error) => Err(error.into()),
            None => self.note_job(id_of(nonce)),
        }
    }

    /// Seals the bid unless that was done; the request that opens it.
    async fn sealed(&self, state: &JobState, seal: Seal) -> Result<TxRequest, CustodianError> {
        let spec = self.folder.lock().spec()?;
        let commitment = seal_commitment(state.chain_id, state.renter, seal.salt, &spec);
        let call = TxRequest::call(system::JOBS, &IJobs::sealCall { commitment }).with_value(state.escrow);
        let note = |nonce| {
            let noted = Some(Seal { nonce, ..seal });
            self.folder.lock().update(|state| state.seal = noted).map_err(CustodianError::from)
        };
        self.sender.send_once(call, seal.nonce, note).await?;
        Ok(TxRequest::call(system::JOBS, &IJobs::openSealedCall { salt: seal.salt, spec }))
    }

    /// Whether the submission noted before a crash made it. Waits while it may still.
    async fn submitted(&self, id: JobId, nonce: u64) -> Result<bool, CustodianError> {
        for _ in 0..200 {
            if self.chain.job(id).await?.is_some() {
                return Ok(true);
            }
            let account = self.chain.account(self.sender.address()).await?;
            if account.nonce > nonce || account.pending_nonce <= nonce {
                return Ok(self.chain.job(id).await?.is_some());
            }
            self.host.sleep(Duration::from_millis(100)).await;
        }
        Ok(false)
    }

    fn note_job(&self, id: JobId) -> Result<JobId, CustodianError> {
        self.folder.lock().update(|state| state.job = Some(id))?;
        Ok(id)
    }

    /// Gives the job up, which the chain allows while nothing was committed to.
    pub async fn cancel(&self) -> Result<(), CustodianError> {
        let job = self.job_id()?;
        self.sender.send(TxRequest::call(system::JOBS, &IJobs::cancelCall { job })).await?;
        Ok(())
    }

    /// Disputes a task's result, with the network's bond.
    pub async fn challenge(&self, task: u32) -> Result<(), CustodianError> {
        let call = IJobs::challengeCall { job: self.job_id()?, task };
        self.sender.send(TxRequest::call(system::JOBS, &call).with_value(self.params.challenge_bond)).await?;
        Ok(())
    }

    /// Makes drawn witnesses try to fetch a task's output, with the network's bond.
    pub async fn demand_delivery(&self, task: u32) -> Result<(), CustodianError> {
        let call = IJobs::demandDeliveryCall { job: self.job_id()?, task };
        self.sender.send(TxRequest::call(system::JOBS, &call).with_value(self.params.delivery_bond)).await?;
        Ok(())
    }

    /// Acts until there is nothing left to do, telling `watch` where the job stands at every step.
    pub async fn run(&self, until: Until, mut watch: impl FnMut(&Progress)) -> Result<Progress, CustodianError> {
        self.serve().await?;
        let id = self.job_id()?;
        let mut memory = self.remember()?;
        let mut busy: BTreeSet<Action> = BTreeSet::new();
        let mut running: FuturesUnordered<Running<'_>> = FuturesUnordered::new();
        let mut heights = heights(self.chain.clone(), self.host.clone());
        let mut height = 0;
        let mut trouble = None;
        loop {
            futures::select_biased! {
                (action, outcome) = running.select_next_some() => {
                    busy.remove(&action);
                    trouble = self.settle(&mut memory, action, outcome, height)?;
                }
                next = heights.next().fuse() => height = next.unwrap_or(height),
            }
            let job = match self.chain.job(id).await {
                Ok(Some(job)) => job,
                Ok(None) => return Err(CustodianError::UnknownJob(id)),
                Err(error) if error.is_transient() => continue,
                Err(error) => return Err(error.into()),
            };
            memory.doubted.clone_from(&self.doubted.lock());
            self.forget_superseded(&mut memory, &job)?;
            for action in plan(&job, &memory, &busy, self.policy.plan, height) {
                busy.insert(action);
                running.push(self.start(action, job.clone()).boxed());
            }
            let progress =
                Progress { height, fetched: memory.fetched.keys().copied().collect(), job, trouble: trouble.take() };
            watch(&progress);
            if done(until, &progress, &memory, self.policy.plan, busy.is_empty()) {
                return Ok(progress);
            }
        }
    }

    fn job_id(&self) -> Result<JobId, CustodianError> {
        self.folder.lock().state().job.ok_or(CustodianError::UnknownJob(JobId::ZERO))
    }

    /// Reads the folder.
    pub fn with_folder<T>(&self, read: impl FnOnce(&JobFolder) -> T) -> T {
        read(&self.folder.lock())
    }

    /// Puts the job's blobs where providers can fetch them.
    pub async fn serve(&self) -> Result<(), CustodianError> {
        let blobs = {
            let folder = self.folder.lock();
            let spec = folder.spec()?;
            let ids = std::iter::once(&spec.program).chain(&spec.inputs);
            ids.map(|id| folder.blob(id)).collect::<Result<Vec<_>, _>>()?
        };
        let holder = self.folder.lock().state().submission_digest();
        for blob in blobs {
            self.blobs.pin(BlobId::of(&blob), holder);
            self.blobs.put(blob.0).await?;
        }
        Ok(())
    }

    fn remember(&self) -> Result<Memory, CustodianError> {
        let folder = self.folder.lock();
        let mut memory = Memory {
            pushed: folder.state().pushed.clone(),
            demanded: folder.state().demanded.clone(),
            ..Memory::default()
        };
        for task in folder.outputs()? {
            if let Some(sealed) = folder.sealed_output(task)? {
                memory.fetched.insert(task, BlobId::of(&sealed).0.into());
            }
        }
        Ok(memory)
    }

    /// Outputs of results that were overturned are no results.
    fn forget_superseded(&self, memory: &mut Memory, job: &JobView) -> Result<(), CustodianError> {
        for lot in job.lots.iter().filter(|lot| matches!(lot.phase, LotPhase::Running | LotPhase::Refunded)) {
            for task in lot.first_task..lot.first_task.saturating_add(lot.tasks) {
                memory.unfetchable.remove(&task);
                self.doubted.lock().remove(&task);
                if memory.fetched.remove(&task).is_some() {
                    self.folder.lock().drop_output(task)?;
                }
            }
        }
        Ok(())
    }

    fn settle(
        &self,
        memory: &mut Memory,
        action: Action,
        outcome: Result<Outcome, CustodianError>,
        height: u64,
    ) -> Result<Option<String>, CustodianError> {
        match (action, outcome) {
            (_, Ok(Outcome::Fetched(task, output, agrees))) => {
                memory.fetched.insert(task, output);
                memory.unfetchable.remove(&task);
                if agrees == Some(false) {
                    self.doubted.lock().insert(task);
                    return Ok(Some(format!("task {task} re-executed here gives another result: challenging it")));
                }
            }
            (Action::PushBlobs(lot, provider), Ok(Outcome::Done)) => {
                memory.pushed.insert((lot, provider));
                self.folder.lock().update(|state| state.pushed.extend([(lot, provider)]))?;
            }
            // Once: should the adjudicators disagree with us, another bond would be lost too.
            (Action::Challenge(task), Ok(Outcome::Done)) => {
                self.doubted.lock().remove(&task);
            }
            (_, Ok(Outcome::Done)) => {}
            // A full or broken disk here is for the user to mend; everything else may pass.
            (_, Err(error @ CustodianError::Folder(_))) => return Err(error),
            (action, Err(error)) => {
                if let Action::FetchOutput(task, _) = action {
                    memory.unfetchable.entry(task).or_insert(height);
                }
                tracing::debug!(?action, %error, "will be tried again");
                memory.retry_at.insert(action, height.saturating_add(BACK_OFF));
                return Ok((!already_done(&error)).then(|| error.to_string()));
            }
        }
        Ok(None)
    }

    async fn start(&self, action: Action, job: JobView) -> (Action, Result<Outcome, CustodianError>) {
        let outcome = match action {
            Action::DiscloseKey => self.disclose(job.id).await,
            Action::DeliverKey(provider) => self.deliver(job.id, provider).await,
            Action::Challenge(task) => self.challenge(task).await.map(|()| Outcome::Done),
            Action::DemandDelivery(task) => self.demand(&job, task).await,
            Action::PushBlobs(lot, provider) => self.push(&job, lot, provider).await,
            Action::FetchOutput(task, output) => self.fetch(&job, task, output).await,
        };
        (action, outcome)
    }

    async fn disclose(&self, job: JobId) -> Result<Outcome, CustodianError> {
        let key = B256::from(*self.folder.lock().key().as_bytes());
        self.sender.send(TxRequest::call(system::DISPUTES, &IDisputes::discloseKeyCall { job, key })).await?;
        Ok(Outcome::Done)
    }

    async fn deliver(&self, job: JobId, provider: Address) -> Result<Outcome, CustodianError> {
        let registered = self.chain.provider(provider).await?.ok_or(CustodianError::NoEndpoint(provider))?;
        let key = self.folder.lock().key();
        let sealed =
            seal_key(&key, &registered.sealing_key.0, &key_binding(&job.0, &provider.0.0), self.host.random())?;
        let call = IJobs::deliverKeyCall { job, provider, sealedKey: sealed.into() };
        self.sender.send(TxRequest::call(system::JOBS, &call)).await?;
        Ok(Outcome::Done)
    }

    async fn demand(&self, job: &JobView, task: u32) -> Result<Outcome, CustodianError> {
        self.demand_delivery(task).await?;
        if let Some(lot) = lot_of(job, task) {
            self.folder.lock().update(|state| state.demanded.extend([(lot.index, lot.attempts)]))?;
        }
        Ok(Outcome::Done)
    }

    async fn push(&self, job: &JobView, lot: u32, provider: Address) -> Result<Outcome, CustodianError> {
        let target = self.endpoint(provider).await?;
        let Some(lot) = job.lots.iter().find(|l| l.index == lot) else { return Ok(Outcome::Done) };
        let tasks = lot.first_task as usize..(lot.first_task.saturating_add(lot.tasks)) as usize;
        let inputs = job.spec.inputs.get(tasks).unwrap_or_default();
        for id in std::iter::once(&job.spec.program).chain(inputs) {
            if self.blobs.has(&target, BlobId(id.0)).await? {
                continue;
            }
            let blob = self.folder.lock().blob(id)?;
            self.blobs.push(&target, blob.0).await?;
        }
        Ok(Outcome::Done)
    }

    async fn fetch(&self, job: &JobView, task: u32, output: B256) -> Result<Outcome, CustodianError> {
        let Some(lot) = lot_of(job, task) else { return Ok(Outcome::Done) };
        let mut sources = Vec::new();
        let witnesses = lot.delivery.iter().flat_map(|d| d.witnesses.iter().copied());
        let replicas = lot.replicas.iter().map(|replica| replica.provider);
        for provider in replicas.chain(witnesses) {
            // One provider with a broken endpoint must not keep us from the others.
            match self.endpoint(provider).await {
                Ok(source) => sources.push(source),
                Err(error) => tracing::debug!(%provider, %error, "cannot be asked"),
            }
        }
        let cap = max_sealed_output(job.spec.output_bytes);
        let sealed = self.blobs.get(BlobId(output.0), cap, &sources).await?;
        let key = self.folder.lock().key();
        let execution = open_output(&key, &job.id, task, &sealed).map_err(|_| CustodianError::Nonsense(task))?;
        let agrees = self.recheck(lot, task, execution).await?;
        self.folder.lock().put_output(task, &sealed)?;
        Ok(Outcome::Fetched(task, output, agrees))
    }

    async fn recheck(&self, lot: &LotView, task: u32, execution: Vec<u8>) -> Result<Option<bool>, CustodianError> {
        let Some(recheck) = self.policy.recheck.clone().filter(|r| r.samples(task)) else { return Ok(None) };
        let at = task.saturating_sub(lot.first_task) as usize;
        let Some(leaf) = lot.leaves.get(at) else { return Ok(None) };
        let task = {
            let folder = self.folder.lock();
            let (spec, key) = (folder.spec()?, folder.key());
            let program = folder.blob(&spec.program)?;
            let program = match spec.programSealed {
                true => open_blob(&key, crate::job::PROGRAM_CONTEXT, &program)?.into(),
                false => program,
            };
            let Some(input) = spec.inputs.get(task as usize) else { return Ok(None) };
            let input = open_blob(&key, &input_context(task), &folder.blob(input)?)?;
            RecheckTask { task, program, input, execution, fuel: leaf.fuel, spec }
        };
        Ok(blocking(&*self.host, move || recheck.agrees(&task)).await.flatten())
    }

    async fn endpoint(&self, provider: Address) -> Result<Source, CustodianError> {
        let registered = self.chain.provider(provider).await?.ok_or(CustodianError::NoEndpoint(provider))?;
        Source::from_bytes(&registered.endpoint).map_err(|_| CustodianError::NoEndpoint(provider))
    }
}

fn lot_of(job: &JobView, task: u32) -> Option<&LotView> {
    job.lots.iter().find(|lot| (lot.first_task..lot.first_task.saturating_add(lot.tasks)).contains(&task))
}

/// Whether somebody else did it first.
fn already_done(error: &CustodianError) -> bool {
    let done = ["KeyAlreadyDelivered", "WrongPhase", "AlreadyDelivered", "NotAssigned", "AnotherPending"];
    matches!(error, CustodianError::Tx(error) if error.name().is_some_and(|name| done.contains(&name)))
}

fn done(until: Until, progress: &Progress, memory: &Memory, policy: Policy, idle: bool) -> bool {
    let job = &progress.job;
    match until {
        Until::HandedOver => {
            idle && job.lots.iter().all(|lot| {
                lot.phase != LotPhase::Running
                    || !lot.replicas.is_empty()
                        && lot.replicas.iter().all(|replica| {
                            replica.phase != ReplicaPhase::AwaitingKey
                                && (!policy.push
                                    || replica.phase != ReplicaPhase::Running
                                    || memory.pushed.contains(&(lot.index, replica.provider)))
                        })
            })
        }
        Until::Fetched => {
            let here = |lot: &LotView| {
                (lot.first_task..).zip(&lot.leaves).all(|(task, leaf)| memory.fetched.get(&task) == Some(&leaf.output))
            };
            job.outcome.is_some() && job.lots.iter().all(|lot| lot.phase != LotPhase::Settled || here(lot))
        }
    }
}
