//! Providers, adjudicators and a renter around one ledger.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use assay_client::{
    Chain, Custodian, CustodianPolicy, JobFolder, JobRequest, JobTerms, SenderConfig, TokioHost, TxSender, Wallet,
};
use assay_exec::{Cancel, HostFault};
use assay_provider::{
    Agent, AgentError, AgentParts, Capacity, Execute, Journal, JournalError, Misbehaviour, Task, TaskResult,
    register::{self, Registration},
};
use assay_store::{
    Blobs, JobKey, SealingKeypair,
    transfer::{ExpectedBlobs, RefusePuts},
};
use assay_types::{Abi, Class, GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Params, view::ProviderView};
use tokio::task::JoinHandle;

use crate::{
    blobs::{MemBlobs, World},
    chain::LedgerChain,
};

pub(crate) const RUNTIME: B256 = B256::repeat_byte(0x77);
pub(crate) const BLOCK: Duration = Duration::from_millis(8);
pub(crate) const CHAIN_ID: u64 = 31_337;

/// Gives every task a result that depends on program and input, and counts.
pub(crate) struct TestEngine {
    pub(crate) runs: AtomicU64,
}

pub(crate) fn result_of(program: &[u8], input: &[u8]) -> TaskResult {
    let execution = keccak256([program, input].concat()).to_vec();
    TaskResult { fuel: 500 + u64::from(execution[0]), execution }
}

impl Execute for TestEngine {
    fn runtime_id(&self) -> B256 {
        RUNTIME
    }

    fn execute(&self, task: &Task, cancel: &Cancel) -> Result<TaskResult, HostFault> {
        // Longer than a block, so that agents are caught at work.
        for _ in 0..4 {
            std::thread::sleep(BLOCK / 2);
            if cancel.is_cancelled() {
                return Err(HostFault::Cancelled);
            }
        }
        self.runs.fetch_add(1, Ordering::Relaxed);
        Ok(result_of(&task.program, &task.input))
    }
}

pub(crate) fn wallet(name: &str) -> Wallet {
    Wallet::from_key(&keccak256(name)).expect("a key")
}

pub(crate) struct Running {
    pub(crate) agent: Arc<Agent>,
    pub(crate) blobs: Arc<MemBlobs>,
    task: JoinHandle<Result<(), AgentError>>,
}

impl Running {
    /// As a killed process ends: in the middle of whatever it does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        // Its journal is closed once the task is gone.
        self.task.await.expect_err("was aborted");
    }

    pub(crate) async fn drain(self) {
        self.agent.drain();
        self.task.await.expect("no panic").expect("a clean end");
    }
}

pub(crate) struct Net {
    pub(crate) chain: Arc<LedgerChain>,
    pub(crate) world: Arc<World>,
    pub(crate) engine: Arc<TestEngine>,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) running: BTreeMap<String, Running>,
}

pub(crate) fn genesis(params: Params) -> Genesis {
    let names = ["renter", "p1", "p2", "p3", "p4", "p5", "p6", "v1", "v2", "v3", "v4"];
    let account = |name: &&str| GenesisAccount { address: wallet(name).address(), balance: 10_000 * GRAINS_PER_KRT };
    let validator = |i: u8| GenesisValidator {
        account: wallet(&format!("v{i}")).address(),
        stake: GRAINS_PER_KRT,
        network_key: B256::repeat_byte(i),
        vote_key: vec![i; 48].into(),
        proof_of_possession: vec![i; 96].into(),
        address: "127.0.0.1:1".into(),
        commission_bps: 500,
    };
    Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: 1_000_000,
        accounts: names.iter().map(account).collect(),
        validators: (1..=4).map(validator).collect(),
        treasury: 0,
        params,
    }
}

fn params() -> Params {
    Params {
        runtimes: vec![RUNTIME],
        classes: vec![Class::any_cpu(GRAINS_PER_KRT)],
        challenge_window_bounds: (2, 1_000),
        key_window: 400,
        // Cheats are to come back and be caught again.
        jail_blocks: 2,
        appeal_window: 0,
        ..Params::default()
    }
}

impl Net {
    /// A chain with four adjudicators at work and no providers yet.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with other parameters.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Params)) -> Self {
        let mut params = params();
        change(&mut params);
        let mut net = Self {
            chain: LedgerChain::start(genesis(params), BLOCK),
            world: Arc::default(),
            engine: Arc::new(TestEngine { runs: AtomicU64::new(0) }),
            dir: tempfile::tempdir().expect("a directory"),
            running: BTreeMap::new(),
        };
        for i in 1..=4 {
            net.run(&format!("v{i}"), None, false);
        }
        net
    }

    pub(crate) fn sender(&self, name: &str) -> TxSender {
        let config = SenderConfig { poll: BLOCK / 2, ..SenderConfig::default() };
        TxSender::new(self.chain.clone(), Arc::new(TokioHost), wallet(name), CHAIN_ID, config)
    }

    /// Starts, or starts again, the agent of `name` on what its earlier life left on disk.
    pub(crate) fn run(&mut self, name: &str, misbehaviour: Option<Misbehaviour>, provides: bool) {
        let expected = Arc::new(ExpectedBlobs::default());
        let blobs = match provides {
            true => self.world.node(name, expected.clone()),
            false => self.world.node(name, Arc::new(RefusePuts)),
        };
        let agent = Agent::new(AgentParts {
            chain: self.chain.clone(),
            host: Arc::new(TokioHost),
            blobs: blobs.clone(),
            engine: self.engine.clone(),
            sender: self.sender(name),
            journal: Arc::new(self.journal(name)),
            sealing: provides.then(|| sealing(name)),
            expected: provides.then_some(expected),
            capacity: Capacity { cores: 2, share_after: 4, ..Capacity::default() },
            misbehaviour,
        });
        let agent = Arc::new(agent.expect("starts"));
        let driven = agent.clone();
        let task = tokio::spawn(async move { driven.run().await });
        self.running.insert(name.to_owned(), Running { agent, blobs, task });
    }

    fn journal(&self, name: &str) -> Journal {
        let path = self.dir.path().join(format!("{name}.redb"));
        // Where an agent was killed, a write may still be under way on another thread.
        for _ in 0..1_000 {
            match Journal::open(&path) {
                Err(JournalError::InUse { .. }) => std::thread::sleep(BLOCK / 8),
                opened => return opened.expect("a journal"),
            }
        }
        panic!("the journal of {name} stays in use");
    }

    /// Registers and starts an honest provider, or one that cheats.
    pub(crate) async fn provide(&mut self, name: &str, misbehaviour: Option<Misbehaviour>) {
        self.run(name, misbehaviour, true);
        let mut wanted = self.registration(name);
        if misbehaviour.is_some() {
            // Draws are weighted by what providers offer: a cheat that is never drawn would prove nothing.
            wanted.capacity *= 20;
        }
        register::ensure(&*self.chain, &self.sender(name), &wanted).await.expect("registers");
    }

    pub(crate) fn registration(&self, name: &str) -> Registration {
        Registration {
            operator: wallet(name).address(),
            sealing_key: sealing(name).public().into(),
            endpoint: self.running[name].blobs.source().to_bytes().into(),
            runtime_id: RUNTIME,
            class: 1,
            capacity: 8_000,
            price_per_gigafuel: GRAINS_PER_KRT,
            max_lots: 8,
            max_fuel_per_task: 1_000_000,
            max_memory_mib: 64,
            open: true,
            collateral: 100 * GRAINS_PER_KRT,
        }
    }

    pub(crate) fn take(&mut self, name: &str) -> Running {
        self.running.remove(name).expect("runs")
    }

    pub(crate) fn request(&self, tasks: u8, replicas: u8) -> JobRequest {
        JobRequest {
            program: Bytes::from_static(b"the program"),
            program_sealed: true,
            inputs: (0..tasks).map(|task| Bytes::from(vec![task; 4])).collect(),
            terms: JobTerms {
                abi: Abi::Component,
                runtime_id: RUNTIME,
                class: 1,
                substitutes: Vec::new(),
                fuel_per_task: 1_000,
                memory_mib: 1,
                output_bytes: 1_000,
                tasks_per_lot: 2,
                replicas,
                audit: None,
                min_reputation: 0,
                max_price_per_gigafuel: 2 * GRAINS_PER_KRT,
                commit_window: 400,
                challenge_window: 60,
                lifetime: 5_000,
            },
        }
    }

    /// Seals a job and puts it in the hands of a custodian.
    pub(crate) async fn custodian(&self, tasks: u8, replicas: u8) -> Custodian {
        let blobs = self.world.node("renter", Arc::new(RefusePuts));
        let sealed = self.request(tasks, replicas).seal(JobKey::from_bytes([9; 32]), &blobs.source()).expect("seals");
        let status = self.chain.status().await.expect("a status");
        let renter = wallet("renter").address();
        let folder =
            JobFolder::create(self.job_dir(), &sealed, status.chain_id, status.genesis_hash, renter).expect("a folder");
        self.resume(folder, blobs).await
    }

    pub(crate) async fn resume(&self, folder: JobFolder, blobs: Arc<MemBlobs>) -> Custodian {
        self.resume_with(folder, blobs, CustodianPolicy::default()).await
    }

    pub(crate) async fn resume_with(
        &self,
        folder: JobFolder,
        blobs: Arc<MemBlobs>,
        policy: CustodianPolicy,
    ) -> Custodian {
        let (chain, host, sender) = (self.chain.clone(), Arc::new(TokioHost), self.sender("renter"));
        Custodian::new(chain, host, sender, blobs, folder, policy).await.expect("takes charge")
    }

    pub(crate) fn job_dir(&self) -> PathBuf {
        self.dir.path().join("job")
    }

    pub(crate) async fn provider(&self, name: &str) -> ProviderView {
        self.chain.provider(address(name)).await.expect("answers").expect("registered")
    }
}

pub(crate) fn address(name: &str) -> Address {
    wallet(name).address()
}

fn sealing(name: &str) -> SealingKeypair {
    SealingKeypair::from_secret(keccak256(format!("{name}/sealing")).0)
}
