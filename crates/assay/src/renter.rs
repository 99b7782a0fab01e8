//! A job from the renter's side, start to end: seal, submit, look after, fetch, prove, verify.
//!
//! `quickstart`, `job submit` and the benchmarks all go through here.

use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::U256;
use assay_client::{
    Chain, Custodian, CustodianPolicy, Host, JobFolder, JobProof, JobRequest, Progress, Receipt, Seal, SenderConfig,
    TokioHost, TxSender, Until, Verified, Wallet, receipt::Disclose,
};
use assay_exec::{Outcome as TaskOutcome, decode_execution};
use assay_store::{BlobNode, BlobStore, JobKey, NodeConfig, StoreConfig, transfer::RefusePuts};
use assay_types::{Address, B256, Genesis, JobId, JobOutcome, view::JobView};

use crate::{
    failure::{Code, Failure, Outcome},
    light::ChainVerifier,
    network::write_file,
};

/// Where a renter serves the embedded network's providers.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Bytes of blobs a renter keeps to serve.
const QUOTA_BYTES: u64 = 8 << 30;

/// A renter at work: its key, its view of the chain, its blob node.
pub(crate) struct Renter {
    chain: Arc<dyn Chain>,
    host: Arc<dyn Host>,
    sender: TxSender,
    node: BlobNode,
    genesis: Genesis,
}

/// A finished job.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) id: JobId,
    pub(crate) view: JobView,
    /// What the tasks returned, in order.
    pub(crate) outputs: Vec<Vec<u8>>,
    /// From handing in the submission to seeing the job closed and all outputs here.
    pub(crate) elapsed: Duration,
    pub(crate) receipt: PathBuf,
    pub(crate) receipt_bytes: u64,
}

/// How a job is bid for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    /// Shown to nobody before it can no longer be answered.
    pub(crate) sealed: bool,
    /// Paid with these claims.
    pub(crate) claim: Option<U256>,
}

/// This machine's address on the way to the node at `url`: providers fetch what a renter serves from there, as they
/// reach the same network. Loopback where it cannot be told.
pub(crate) fn address_towards(url: &str) -> IpAddr {
    let Some(authority) = url.split("://").nth(1).and_then(|rest| rest.split('/').next()) else { return LOOPBACK };
    let any = if authority.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    // No packet is sent: connecting a datagram socket only asks for the route.
    let local = UdpSocket::bind(any).and_then(|socket| socket.connect(authority).and_then(|()| socket.local_addr()));
    local.map_or(LOOPBACK, |address| address.ip())
}

impl Renter {
    /// Starts the blob node of the renter with `wallet` on this machine's address `ip`; its blobs are kept in `dir`.
    pub(crate) async fn start(chain: Arc<dyn Chain>, wallet: Wallet, dir: &Path, ip: IpAddr) -> Outcome<Self> {
        let genesis = chain.genesis().await?;
        let host: Arc<dyn Host> = Arc::new(TokioHost);
        let chain_id = genesis.chain_id;
        let sender = TxSender::new(chain.clone(), host.clone(), wallet, chain_id, SenderConfig::default());
        let store = BlobStore::open(&dir.join("blobs"), StoreConfig { quota_bytes: QUOTA_BYTES })
            .map_err(|e| Failure::new(Code::Io, format!("could not keep blobs in {}", dir.display())).because(&e))?;
        let listen = NodeConfig::new(rand::random(), (ip, 0).into());
        let node = BlobNode::spawn(listen, store, Arc::new(RefusePuts))
            .await
            .map_err(|e| Failure::new(Code::Io, "the renter's blob node could not start").because(&e))?;
        Ok(Self { chain, host, sender, node, genesis })
    }

    /// Its account.
    pub(crate) fn address(&self) -> Address {
        self.sender.address()
    }

    /// The chain as it sees it.
    pub(crate) fn chain(&self) -> &Arc<dyn Chain> {
        &self.chain
    }

    /// The genesis of the network it uses.
    pub(crate) fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Seals a job and submits it; its folder is `dir`.
    pub(crate) async fn submit(&self, request: &JobRequest, dir: &Path) -> Outcome<(Custodian, JobId)> {
        self.submit_as(request, dir, How::default()).await
    }

    /// As [`Renter::submit`], as a bid of another kind.
    pub(crate) async fn submit_as(&self, request: &JobRequest, dir: &Path, how: How) -> Outcome<(Custodian, JobId)> {
        let key =
            JobKey::generate().map_err(|e| Failure::new(Code::Io, "this machine has no randomness").because(&e))?;
        let sealed = request.seal(key, &assay_store::Blobs::source(&self.node))?;
        let genesis_hash = self.genesis.hash();
        let mut folder = JobFolder::create(dir, &sealed, self.genesis.chain_id, genesis_hash, self.address())?;
        if let Some(claim) = how.claim {
            folder.update(|state| state.claim = Some(claim))?;
        }
        if how.sealed {
            let salt: [u8; 32] = rand::random();
            folder.update(|state| state.seal = Some(Seal { salt: salt.into(), nonce: None }))?;
        }
        let custodian = self.custodian(folder).await?;
        // Providers may come for the blobs as soon as the submission is final.
        custodian.serve().await?;
        let id = custodian.submit().await?;
        Ok((custodian, id))
    }

    /// Takes charge of a job that has a folder.
    pub(crate) async fn custodian(&self, folder: JobFolder) -> Outcome<Custodian> {
        let (chain, host) = (self.chain.clone(), self.host.clone());
        let blobs = Arc::new(self.node.clone());
        Ok(Custodian::new(chain, host, self.sender.clone(), blobs, folder, CustodianPolicy::default()).await?)
    }

    /// Submits a job and stays with it until its outputs are here and its receipt is written and checked.
    pub(crate) async fn run(
        &self,
        request: &JobRequest,
        dir: &Path,
        receipt: &Path,
        watch: impl FnMut(&Progress),
    ) -> Outcome<Finished> {
        let start = Instant::now();
        let (custodian, id) = self.submit(request, dir).await?;
        let progress = custodian.run(Until::Fetched, watch).await?;
        let elapsed = start.elapsed();
        let view = progress.job;
        ended_well(&view)?;
        let outputs = custodian.with_folder(|folder| outputs(folder, view.spec.inputs.len()))?;
        let text = self.receipt(&custodian, &view, Disclose::Everything).await?;
        write_file(receipt, text.as_bytes(), 0o600)?;
        let receipt_bytes = text.len() as u64;
        Ok(Finished { id, view, outputs, elapsed, receipt: receipt.to_owned(), receipt_bytes })
    }

    /// The receipt of a closed job, checked as anybody would check it.
    pub(crate) async fn receipt(&self, custodian: &Custodian, view: &JobView, disclose: Disclose) -> Outcome<String> {
        let proof = prove(&*self.chain, view.id).await?;
        let receipt =
            custodian.with_folder(|folder| Receipt::assemble(&self.genesis, folder, view, proof, disclose))?;
        check(&self.genesis, &receipt)?;
        Ok(receipt.to_json())
    }

    /// Ends the blob node.
    pub(crate) async fn stop(self) {
        self.node.shutdown().await;
    }
}

/// The receipt of a closed job from its folder, checked as anybody would check it.
pub(crate) async fn receipt_of(
    chain: &dyn Chain,
    folder: &JobFolder,
    view: &JobView,
    disclose: Disclose,
) -> Outcome<String> {
    let genesis = chain.genesis().await?;
    let proof = prove(chain, view.id).await?;
    sealed_receipt(&genesis, folder, view, proof, disclose)
}

fn sealed_receipt(
    genesis: &Genesis,
    folder: &JobFolder,
    view: &JobView,
    proof: JobProof,
    disclose: Disclose,
) -> Outcome<String> {
    let receipt = Receipt::assemble(genesis, folder, view, proof, disclose)?;
    check(genesis, &receipt)?;
    Ok(receipt.to_json())
}

/// Checks a receipt as `assay job verify` does, trusting the genesis alone.
pub(crate) fn check(genesis: &Genesis, receipt: &Receipt) -> Outcome<Verified> {
    Ok(assay_client::verify(genesis, receipt, &ChainVerifier::new(genesis.clone()))?)
}

/// Proof of a closed job's result. The newest block's certificate may be a moment away.
pub(crate) async fn prove(chain: &dyn Chain, job: JobId) -> Outcome<JobProof> {
    let mut tries = 0;
    loop {
        tries += 1;
        match chain.job_proof(job).await {
            Ok(Some(proof)) => return Ok(proof),
            Ok(None) if tries > 20 => {
                return Err(Failure::new(Code::NotFound, "there is nothing to prove yet")
                    .why("the job is not over")
                    .next("wait for it with `assay job watch`"));
            }
            Err(error) if tries > 20 => return Err(error.into()),
            Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(150)).await,
        }
    }
}

/// A job that ended short is a failure that says why.
pub(crate) fn ended_well(view: &JobView) -> Outcome<()> {
    match view.outcome {
        Some(JobOutcome::Completed) => Ok(()),
        None => Err(Failure::new(Code::JobFailed, "the job is not over")),
        Some(outcome) => {
            let how = match outcome {
                JobOutcome::Cancelled => "the job was cancelled",
                JobOutcome::Expired => "the job expired without a result",
                JobOutcome::Partial | JobOutcome::Completed => "the job ended with part of its results",
            };
            let unpaid = view.lots.iter().filter(|l| l.phase != assay_types::view::LotPhase::Settled).count();
            Err(Failure::new(Code::JobFailed, how)
                .why(view.cause.explain())
                .why(format!("{unpaid} of {} lots were not settled; their escrow was returned", view.lots.len()))
                .next("look at `assay chain providers` for what is offered, then submit again"))
        }
    }
}

/// What the tasks returned, in order. A guest that failed is told with its own words.
pub(crate) fn outputs(folder: &JobFolder, tasks: usize) -> Outcome<Vec<Vec<u8>>> {
    let tasks = u32::try_from(tasks).unwrap_or(u32::MAX);
    (0..tasks).map(|task| output(folder, task).and_then(|(outcome, _)| returned(task, outcome))).collect()
}

/// How a task ended, and its standard error.
pub(crate) fn output(folder: &JobFolder, task: u32) -> Outcome<(TaskOutcome, Vec<u8>)> {
    let found = folder.output(task)?.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("the output of task {task} is not here"))
            .next("fetch it with `assay job result`")
    })?;
    decode_execution(&found.execution).map_err(|e| {
        Failure::new(Code::VerificationFailed, format!("the output of task {task} is no execution")).because(&e)
    })
}

fn returned(task: u32, outcome: TaskOutcome) -> Outcome<Vec<u8>> {
    match outcome {
        TaskOutcome::Ok(bytes) => Ok(bytes),
        other => Err(Failure::new(Code::JobFailed, format!("task {task} did not return a result"))
            .why(other)
            .next("look at its log with `assay job logs`")),
    }
}

/// One hash over the outputs of all tasks of all jobs in clear, each after its length.
pub(crate) fn result_hash<'a>(outputs: impl IntoIterator<Item = &'a Vec<u8>>) -> B256 {
    let mut hasher = blake3::Hasher::new();
    for output in outputs {
        hasher.update(&(output.len() as u64).to_le_bytes());
        hasher.update(output);
    }
    B256::from(*hasher.finalize().as_bytes())
}
