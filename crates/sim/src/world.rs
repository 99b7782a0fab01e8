//! One run: the network, its agents, what goes wrong, and what must hold whatever does.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Address, B256, keccak256};
use assay_chain::{
    Node, NodeConfig,
    committee::{Committee, PublicKey},
    keys::ValidatorKeys,
    mempool::Limits,
    simulated,
};
use assay_client::{
    Custodian, CustodianPolicy, JobFolder, JobRequest, JobTerms, SenderConfig, TxSender, Until, Wallet,
};
use assay_exec::{Cancel, Engine, EngineConfig};
use assay_ledger::{StateRead as _, books, query};
use assay_provider::{
    Agent, AgentParts, Capacity, Execute as _, Journal, Misbehaviour, Task,
    register::{self, Registration},
};
use assay_store::{
    Blobs as _, JobKey, SealingKeypair,
    transfer::{ExpectedBlobs, RefusePuts},
};
use assay_types::{
    Abi, Class, FinalizedBlock, GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, JobId, JobOutcome, Params,
};
use bytes::Bytes;
use commonware_cryptography::Signer as _;
use commonware_p2p::simulated::Oracle;
use commonware_runtime::{Clock as _, Handle, Runner as _, Spawner as _, Supervisor as _, deterministic};
use parking_lot::Mutex;
use rand::{SeedableRng as _, rngs::StdRng};
use serde::Serialize;
use tokio::sync::{broadcast, oneshot};

use crate::{
    blobs::{DataPlane, SimBlobs},
    chain::{Handles, History, SimChain},
    host::SimHost,
    scenario::{PROVIDERS, Scenario, VALIDATORS},
};

/// A development chain, since one provider cheats.
const CHAIN_ID: u64 = 31_337;
/// How often the world is looked at.
const TICK: Duration = Duration::from_millis(100);
/// Simulated time that jobs get to end after the scenario is over.
const GRACE_MS: u64 = 60_000;
/// The guest of the jobs.
const PROGRAM: &[u8] = include_bytes!("../../../jobs/bin/demo.wasm");
/// Provider that cheats.
const LIAR: usize = 0;
/// Provider that dies for good.
const MORTAL: usize = 1;
/// Provider that is killed and started again.
const RESTARTED: usize = 2;

type Context = deterministic::Context;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What happened in it.
    pub scenario: Scenario,
    /// Finalized height.
    pub height: u64,
    /// State root there.
    pub state_root: B256,
    /// Jobs, all of them closed as completed.
    pub jobs: usize,
    /// Disputes, missed deadlines and other causes for which lots were handed out anew.
    pub lots_redone: u32,
    /// Grains taken from the dishonest provider.
    pub slashed: String,
    /// Hash over everything the simulator did: equal for equal seeds.
    pub replay: String,
}

fn wallet(name: &str) -> Wallet {
    Wallet::from_key(&keccak256(name)).expect("a hash is a key")
}

fn address(name: &str) -> Address {
    wallet(name).address()
}

fn sealing(name: &str) -> SealingKeypair {
    SealingKeypair::from_secret(keccak256(format!("{name}/sealing")).0)
}

fn provider_name(at: usize) -> String {
    format!("p{at}")
}

fn validator_name(at: usize) -> String {
    format!("v{at}")
}

fn params() -> Params {
    Params {
        runtimes: vec![assay_exec::runtime_id().into()],
        min_block_interval_ms: 100,
        idle_block_interval_ms: 500,
        key_window: 60,
        reveal_window: 40,
        disclose_window: 40,
        verdict_commit_window: 60,
        verdict_reveal_window: 40,
        delivery_window: 40,
        challenge_window_bounds: (2, 1_000),
        max_attempts: 12,
        classes: vec![Class::any_cpu(GRAINS_PER_KRT)],
        ..Params::default()
    }
}

fn genesis(keys: &[ValidatorKeys]) -> Genesis {
    let names = (0..PROVIDERS).map(provider_name).chain((0..VALIDATORS).map(validator_name)).chain(["renter".into()]);
    let seat = |(at, keys): (usize, &ValidatorKeys)| GenesisValidator {
        account: address(&validator_name(at)),
        stake: GRAINS_PER_KRT,
        network_key: keys.network_key(),
        vote_key: keys.vote_key(),
        proof_of_possession: keys.proof_of_possession(),
        address: format!("127.0.0.1:{}", 1_000 + at),
    };
    Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: 0,
        accounts: names
            .map(|name| GenesisAccount { address: address(&name), balance: 100_000 * GRAINS_PER_KRT })
            .collect(),
        validators: keys.iter().enumerate().map(seat).collect(),
        treasury: 0,
        params: params(),
    }
}

/// Input of a task: work that takes a few thousand fuel and differs from task to task.
fn input(job: usize, task: u8) -> alloy_primitives::Bytes {
    format!("spin {}", 1_000 + 100 * job + usize::from(task)).into_bytes().into()
}

/// An agent's parts that outlive it.
struct Running {
    agent: Arc<Agent>,
    blobs: Arc<SimBlobs>,
    task: Handle<()>,
}

/// A job under way.
struct Submitted {
    number: usize,
    tasks: u8,
    /// Known once the chain has it.
    id: Arc<Mutex<Option<JobId>>>,
    /// Raised when all outputs are here.
    done: Arc<AtomicBool>,
    dir: PathBuf,
}

struct World {
    context: Context,
    scenario: Scenario,
    genesis: Genesis,
    keys: Vec<ValidatorKeys>,
    names: Vec<PublicKey>,
    oracle: Oracle<PublicKey, Context>,
    handles: Handles,
    validators: Vec<Option<Handle<()>>>,
    history: Arc<Mutex<History>>,
    blocks: broadcast::Sender<Arc<FinalizedBlock>>,
    plane: Arc<DataPlane>,
    engine: Arc<Engine>,
    dir: PathBuf,
    providers: BTreeMap<usize, Running>,
    judges: BTreeMap<usize, Running>,
    /// Digest and state root by height, as the first validator that had it said.
    agreed: BTreeMap<u64, (B256, B256)>,
    published: u64,
}

/// Runs one scenario. Panics, naming the seed, if anything that must hold does not.
pub fn run(scenario: &Scenario) -> Report {
    let seed = scenario.seed;
    let scenario = scenario.clone();
    // Journals are real files; memory is where they cost least.
    let memory = Path::new("/dev/shm");
    let dir = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let dir = dir.expect("a directory for journals");
    let path = dir.path().to_owned();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let config = deterministic::Config::default()
            .with_seed(seed)
            .with_timeout(Some(Duration::from_millis(scenario.length_ms + 2 * GRACE_MS)));
        deterministic::Runner::new(config).start(|context| async move {
            let mut world = World::start(context, scenario, path).await;
            world.live().await
        })
    }));
    match outcome {
        Ok(report) => report,
        Err(panic) => {
            eprintln!("seed {seed} failed; replay it with: cargo run --release -p assay-sim -- --seed {seed}");
            std::panic::resume_unwind(panic)
        }
    }
}

impl World {
    async fn start(context: Context, scenario: Scenario, dir: PathBuf) -> Self {
        let mut rng = StdRng::seed_from_u64(scenario.seed ^ 0xA55A);
        let keys: Vec<ValidatorKeys> = (0..VALIDATORS).map(|_| ValidatorKeys::generate(&mut rng)).collect();
        let genesis = genesis(&keys);
        let committee = Committee::of_genesis(&genesis).expect("a good genesis");
        let oracle = simulated::network(context.child("network"), &committee).await;
        let names: Vec<PublicKey> = keys.iter().map(|keys| keys.network.public_key()).collect();
        let engine = Engine::new(EngineConfig::default()).expect("the sandbox starts");
        let mut world = Self {
            context,
            scenario,
            genesis,
            keys,
            names,
            oracle,
            handles: Arc::new(Mutex::new(vec![None; VALIDATORS])),
            validators: (0..VALIDATORS).map(|_| None).collect(),
            history: Arc::default(),
            blocks: broadcast::Sender::new(4_096),
            plane: Arc::default(),
            engine: Arc::new(engine),
            dir,
            providers: BTreeMap::new(),
            judges: BTreeMap::new(),
            agreed: BTreeMap::new(),
            published: 0,
        };
        for at in 0..VALIDATORS {
            world.connect(at).await;
        }
        for at in 0..VALIDATORS {
            world.start_validator(at).await;
        }
        for at in 0..VALIDATORS {
            let judge = world.start_agent(&validator_name(at), None, false, at);
            world.judges.insert(at, judge);
        }
        for at in 0..PROVIDERS {
            let cheat = (at == LIAR).then_some(world.scenario.cheat);
            let provider = world.start_agent(&provider_name(at), cheat, true, at % VALIDATORS);
            world.providers.insert(at, provider);
            world.register(at);
        }
        world
    }

    /// Links a validator with those of lower index, or all others after a partition.
    async fn connect(&self, at: usize) {
        for other in 0..at {
            simulated::link(&self.oracle, &self.names[at], &self.names[other], self.scenario.link()).await;
        }
    }

    async fn start_validator(&mut self, at: usize) {
        let (started, start) = oneshot::channel();
        let (oracle, genesis, keys) = (self.oracle.clone(), self.genesis.clone(), self.keys[at].clone());
        let task = self.context.child("validator").spawn(move |context| async move {
            let partition = format!("v{at}");
            let config = NodeConfig { genesis, keys, partition, mempool: Limits::default() };
            let (node, consensus) = simulated::join(context.child("node"), &oracle, config).await.expect("it starts");
            started.send(node).expect("awaited");
            // Ends when the task is aborted, as by a crash.
            consensus.await.ok();
        });
        let node = start.await.expect("it starts");
        self.handles.lock()[at] = Some(node);
        self.validators[at] = Some(task);
    }

    fn chain(&self, preferred: usize) -> Arc<SimChain> {
        let (handles, history, blocks) = (self.handles.clone(), self.history.clone(), self.blocks.clone());
        Arc::new(SimChain::new(self.genesis.clone(), handles, history, blocks, preferred))
    }

    fn host(&self, name: &str) -> Arc<SimHost> {
        Arc::new(SimHost::new(self.context.child("host"), self.scenario.seed, name))
    }

    fn sender(&self, name: &str, preferred: usize) -> TxSender {
        let config = SenderConfig { poll: Duration::from_millis(50), ..SenderConfig::default() };
        TxSender::new(self.chain(preferred), self.host(&format!("{name}/sender")), wallet(name), CHAIN_ID, config)
    }

    fn start_agent(&self, name: &str, misbehaviour: Option<Misbehaviour>, provides: bool, preferred: usize) -> Running {
        let expected = Arc::new(ExpectedBlobs::default());
        let blobs = match provides {
            true => self.plane.node(name, expected.clone()),
            false => self.plane.node(name, Arc::new(RefusePuts)),
        };
        let journal = Journal::open(&self.dir.join(format!("{name}.redb"))).expect("a journal opens");
        let agent = Agent::new(AgentParts {
            chain: self.chain(preferred),
            host: self.host(name),
            blobs: blobs.clone(),
            engine: self.engine.clone(),
            sender: self.sender(name, preferred),
            journal: Arc::new(journal),
            sealing: provides.then(|| sealing(name)),
            expected: provides.then_some(expected),
            capacity: Capacity { cores: 2, share_after: 6, ..Capacity::default() },
            misbehaviour,
        });
        let agent = Arc::new(agent.expect("an agent starts"));
        let driven = agent.clone();
        let task = self.context.child("agent").spawn(move |_| async move {
            if let Err(error) = driven.run().await {
                tracing::warn!(%error, "an agent ended");
            }
        });
        Running { agent, blobs, task }
    }

    /// Registers a provider, trying again until it is.
    fn register(&self, at: usize) {
        let name = provider_name(at);
        let (chain, sender, host) =
            (self.chain(at % VALIDATORS), self.sender(&name, at % VALIDATORS), self.host("register"));
        let wanted = Registration {
            operator: address(&name),
            sealing_key: sealing(&name).public().into(),
            endpoint: self.providers[&at].blobs.source().to_bytes().into(),
            runtime_id: assay_exec::runtime_id().into(),
            class: 1,
            capacity: 8_000,
            price_per_gigafuel: GRAINS_PER_KRT,
            max_lots: 8,
            max_fuel_per_task: 1_000_000_000,
            max_memory_mib: 64,
            open: true,
            collateral: 1_000 * GRAINS_PER_KRT,
        };
        self.context.child("register").spawn(move |_| async move {
            while let Err(error) = register::ensure(&*chain, &sender, &wanted).await {
                tracing::debug!(%error, "registers later");
                assay_client::Host::sleep(&*host, Duration::from_millis(300)).await;
            }
        });
    }

    /// Submits a job and looks after it until all outputs are here; raises the flag then.
    fn submit(&self, number: usize, tasks: u8) -> Submitted {
        let name = "renter";
        let blobs = self.plane.node(&format!("renter/{number}"), Arc::new(RefusePuts));
        let request = JobRequest {
            program: alloy_primitives::Bytes::from_static(PROGRAM),
            program_sealed: number.is_multiple_of(2),
            inputs: (0..tasks).map(|task| input(number, task)).collect(),
            terms: JobTerms {
                abi: Abi::Component,
                runtime_id: assay_exec::runtime_id().into(),
                class: 1,
                substitutes: Vec::new(),
                fuel_per_task: 50_000_000,
                memory_mib: 16,
                output_bytes: 1_024,
                tasks_per_lot: 2,
                replicas: 2,
                audit: None,
                min_reputation: 0,
                max_price_per_gigafuel: 2 * GRAINS_PER_KRT,
                commit_window: 60,
                challenge_window: 12,
                lifetime: 100_000,
            },
        };
        let key =
            JobKey::from_bytes(keccak256([self.scenario.seed.to_be_bytes(), (number as u64).to_be_bytes()].concat()).0);
        let sealed = request.seal(key, &blobs.source()).expect("a job seals");
        let dir = self.dir.join(format!("job-{number}"));
        let folder = JobFolder::create(dir.clone(), &sealed, CHAIN_ID, self.genesis.hash(), address(name));
        let folder = folder.expect("a folder for the job");
        let (chain, host, sender) =
            (self.chain(number), self.host(&format!("renter/{number}")), self.sender(name, number));
        let (id, done) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let (known, finished) = (id.clone(), done.clone());
        self.context.child("renter").spawn(move |_| async move {
            let policy = CustodianPolicy::default();
            let custodian =
                Custodian::new(chain, host.clone(), sender, blobs, folder, policy).await.expect("takes charge");
            loop {
                match custodian.submit().await {
                    Ok(submitted) => {
                        *known.lock() = Some(submitted);
                        break;
                    }
                    Err(error) => {
                        tracing::debug!(%error, "submits later");
                        assay_client::Host::sleep(&*host, Duration::from_millis(200)).await;
                    }
                }
            }
            while let Err(error) = custodian.run(Until::Fetched, |_| {}).await {
                tracing::debug!(%error, "looks after the job again");
                assay_client::Host::sleep(&*host, Duration::from_millis(200)).await;
            }
            finished.store(true, Ordering::Relaxed);
        });
        Submitted { number, tasks, id, done, dir }
    }

    async fn live(&mut self) -> Report {
        let mut jobs = Vec::new();
        let plan = self.scenario.clone();
        let mut pending: Vec<(usize, u64, u8)> =
            plan.jobs.iter().enumerate().map(|(number, (at, tasks))| (number, *at, *tasks)).collect();
        let (mut crashed, mut back, mut cut, mut healed) = (false, false, false, false);
        let (mut died, mut restarted) = (false, false);
        let deadline = plan.length_ms + GRACE_MS;
        let mut now = 0u64;
        loop {
            let due: Vec<_> = pending.iter().copied().filter(|(_, at, _)| *at <= now).collect();
            pending.retain(|(_, at, _)| *at > now);
            for (number, _, tasks) in due {
                jobs.push(self.submit(number, tasks));
            }
            if !crashed && now >= plan.crash.from_ms {
                crashed = true;
                self.crash(plan.crash.validator);
            }
            if crashed && !back && now >= plan.crash.until_ms {
                back = true;
                self.start_validator(plan.crash.validator).await;
            }
            if !cut && now >= plan.partition.from_ms {
                cut = true;
                self.partition(plan.partition.validator).await;
            }
            if cut && !healed && now >= plan.partition.until_ms {
                healed = true;
                self.heal(plan.partition.validator).await;
            }
            if !died && now >= plan.death_ms {
                died = true;
                self.kill(MORTAL);
            }
            if !restarted && now >= plan.restart_ms {
                restarted = true;
                self.kill(RESTARTED);
                // The task's journal is closed once the task is gone.
                self.context.sleep(TICK).await;
                let provider = self.start_agent(&provider_name(RESTARTED), None, true, RESTARTED % VALIDATORS);
                self.providers.insert(RESTARTED, provider);
            }
            self.check();
            let over = now >= plan.length_ms && pending.is_empty();
            if over && jobs.iter().all(|job| job.done.load(Ordering::Relaxed)) {
                break;
            }
            assert!(now < deadline, "{}", self.stuck(&jobs));
            self.context.sleep(TICK).await;
            now += TICK.as_millis() as u64;
        }
        self.settle().await;
        self.report(&jobs)
    }

    fn stuck(&self, jobs: &[Submitted]) -> String {
        let state = self.best().and_then(|node| node.tip_state());
        let views: Vec<_> = jobs
            .iter()
            .map(|job| {
                let view = job.id.lock().and_then(|id| query::job(&state.as_ref()?.1, id));
                format!("job {} (done {}): {view:#?}", job.number, job.done.load(Ordering::Relaxed))
            })
            .collect();
        let trouble: Vec<_> = self.providers.values().map(|p| p.agent.status()).collect();
        format!("jobs did not end in time: {views:?}\nproviders: {trouble:?}\n{:?}", self.scenario)
    }

    fn best(&self) -> Option<Node> {
        let handles = self.handles.lock();
        handles.iter().flatten().max_by_key(|node| node.tip().map(|tip| tip.height)).cloned()
    }

    fn crash(&mut self, at: usize) {
        self.handles.lock()[at] = None;
        if let Some(task) = self.validators[at].take() {
            task.abort();
        }
    }

    async fn partition(&self, at: usize) {
        for other in (0..VALIDATORS).filter(|other| *other != at) {
            simulated::unlink(&self.oracle, &self.names[at], &self.names[other]).await;
        }
    }

    async fn heal(&self, at: usize) {
        for other in (0..VALIDATORS).filter(|other| *other != at) {
            simulated::link(&self.oracle, &self.names[at], &self.names[other], self.scenario.link()).await;
        }
    }

    fn kill(&mut self, at: usize) {
        if let Some(provider) = self.providers.remove(&at) {
            provider.task.abort();
            self.plane.cut_off(&provider.blobs.source());
        }
    }

    /// One chain, one state root a height, every grain accounted for; hands new blocks to readers.
    fn check(&mut self) {
        let nodes: Vec<(usize, Node)> =
            self.handles.lock().iter().cloned().enumerate().filter_map(|(at, node)| Some((at, node?))).collect();
        for (at, node) in &nodes {
            let Some((tip, state)) = node.tip_state() else { continue };
            let seen = *self.agreed.entry(tip.height).or_insert((tip.hash, tip.state_root));
            assert_eq!(seen, (tip.hash, tip.state_root), "validator {at} has another block at {}", tip.height);
            let books = books(&state).expect("the books can be read");
            assert!(books.balance(), "the books of validator {at} do not balance at {}: {books:?}", tip.height);
        }
        loop {
            let next = self.published + 1;
            let Some(block) = nodes.iter().find_map(|(_, node)| node.recent_block(next)) else { return };
            let seen = *self.agreed.entry(next).or_insert((block.hash, block.state_root));
            assert_eq!(seen, (block.hash, block.state_root), "two blocks at {next}");
            self.history.lock().file(&block);
            self.published = next;
            // Nobody listening is fine.
            self.blocks.send(block).ok();
        }
    }

    /// All validators reach one height with one state root.
    async fn settle(&mut self) {
        let target = self.best().and_then(|node| node.tip()).map_or(0, |tip| tip.height) + 3;
        for _ in 0..600 {
            self.check();
            let heights: Vec<u64> =
                self.handles.lock().iter().flatten().filter_map(|node| node.tip()).map(|tip| tip.height).collect();
            if heights.len() == VALIDATORS && heights.iter().all(|height| *height >= target) {
                return;
            }
            self.context.sleep(TICK).await;
        }
        panic!("the validators did not all reach height {target}: {:?}", self.scenario);
    }

    fn report(&self, jobs: &[Submitted]) -> Report {
        let (tip, state) = self.best().and_then(|node| node.tip_state()).expect("a network with a tip");
        let mut redone = 0;
        for Submitted { number, tasks, id, dir, .. } in jobs {
            let id = id.lock().expect("submitted");
            let job = query::job(&state, id).expect("known");
            assert_eq!(job.outcome, Some(JobOutcome::Completed), "job {number}: {:?} {:?}", job.cause, self.scenario);
            assert_eq!(job.escrow, 0, "escrow is left in job {number}");
            redone += job.lots.iter().map(|lot| lot.attempts).sum::<u32>();
            let folder = JobFolder::open(dir.clone()).expect("the job's folder");
            for task in 0..*tasks {
                let got = folder.output(u32::from(task)).expect("readable").expect("is there");
                let honest = self.honest(*number, task);
                assert_eq!(got.execution, honest, "job {number} task {task} of seed {}", self.scenario.seed);
            }
        }
        for at in (0..PROVIDERS).filter(|at| *at != LIAR && *at != MORTAL && *at != RESTARTED) {
            let provider = query::provider(&state, address(&provider_name(at))).expect("registered");
            assert_eq!(provider.slashed, 0, "honest provider {at} was slashed: {:?}", self.scenario);
        }
        let liar = query::provider(&state, address(&provider_name(LIAR))).map_or(0, |liar| liar.slashed);
        debug_assert!(state.get(&assay_ledger::keys::tip()).is_some());
        Report {
            scenario: self.scenario.clone(),
            height: tip.height,
            state_root: tip.state_root,
            jobs: jobs.len(),
            lots_redone: redone,
            slashed: liar.to_string(),
            replay: self.context.auditor().state(),
        }
    }

    /// What an honest machine makes of a task.
    fn honest(&self, job: usize, task: u8) -> Vec<u8> {
        let task = Task {
            program: Bytes::from_static(PROGRAM),
            abi: Abi::Component,
            input: input(job, task).to_vec(),
            fuel: 50_000_000,
            memory_mib: 16,
            output_bytes: 1_024,
        };
        self.engine.execute(&task, &Cancel::default()).expect("runs").execution
    }
}
