//! One run: the network, its agents, what goes wrong, and what must hold whatever does.

mod agents;
mod checks;
mod jobs;
mod market;
mod network;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use alloy_primitives::B256;
use assay_chain::{committee::PublicKey, keys::ValidatorKeys, simulated};
use assay_exec::{Engine, EngineConfig};
use assay_ledger::query;
use assay_types::{FinalizedBlock, Genesis};
use commonware_cryptography::Signer as _;
use commonware_p2p::simulated::Oracle;
use commonware_runtime::{Clock as _, Handle, Runner as _, Supervisor as _, deterministic};
use parking_lot::Mutex;
use rand::{SeedableRng as _, rngs::StdRng};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::{
    blobs::DataPlane,
    chain::{Handles, History},
    market::{Counts, Market},
    names::{provider_name, validator_name},
    scenario::{PROVIDERS, Scenario, VALIDATORS},
};
use agents::Running;
use jobs::Submitted;

/// A development chain, since one provider cheats.
const CHAIN_ID: u64 = 31_337;
/// How often the world is looked at.
const TICK: Duration = Duration::from_millis(100);
/// Simulated time that jobs get to end after the scenario is over.
const GRACE_MS: u64 = 60_000;
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
    /// What honest and dishonest traders achieved.
    pub market: Counts,
    /// Hash over everything the simulator did: equal for equal seeds.
    pub replay: String,
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
    /// What the market did so far.
    market: Market,
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
        let genesis = network::genesis(&keys);
        let names: Vec<PublicKey> = keys.iter().map(|keys| keys.network.public_key()).collect();
        let oracle = simulated::network(context.child("network"), &genesis, names.clone()).await;
        let engine = Engine::new(EngineConfig::default()).expect("the sandbox starts");
        let market = Market::new(genesis.params.clone());
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
            market,
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

    async fn live(&mut self) -> Report {
        let mut jobs = Vec::new();
        let plan = self.scenario.clone();
        let mut pending: Vec<(usize, u64, u8)> =
            plan.jobs.iter().enumerate().map(|(number, (at, tasks))| (number, *at, *tasks)).collect();
        let (mut crashed, mut back, mut cut, mut healed) = (false, false, false, false);
        let (mut died, mut restarted) = (false, false);
        let mut traders = market::traders(&plan);
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
            traders.iter_mut().for_each(|trader| self.see_to(trader, now));
            self.check();
            let over = now >= plan.length_ms && pending.is_empty();
            let done = jobs.iter().all(|job| job.done.load(Ordering::Relaxed));
            if over && done && traders.iter().all(market::Trader::is_done) && self.nothing_pending() {
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
        let orders = state.map(|(_, state)| query::orders(&state, None, 1_000));
        format!("not over in time: {views:?}\norders: {orders:?}\nproviders: {trouble:?}\n{:?}", self.scenario)
    }
}
