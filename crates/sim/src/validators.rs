//! The validators' network on its own: seats that change hands each epoch, fewer than a third of them Byzantine,
//! while honest ones crash and networks part.
//!
//! ```text
//!  height   0 ........ 9 | 10 ....... 19 | 20 .......            7 seats, 3 candidates, 10 blocks an epoch
//!            stake moves:  another sits    another sits
//!  each      gate ── real node ── gate  equivocate, withhold, delay, garbage, censor: what gates let through
//!  faults    crash and restart · partition 5/2 and 4/3, from a height on, for simulated milliseconds
//!  load      transfers and stake through honest validators, tried again at another after a second
//! ```
//!
//! Every 20 simulated ms it is checked that there is one chain with one state, that books balance, that all have
//! the same committees and that those are of the most staked, that only who contradicted itself is punished,
//! that no honest validator cuts another off, and that no transaction is final twice. After the last fault the
//! network must go on in bounded time. What a censor refuses must be final within a bound of blocks. One seed is
//! one run, bit for bit.

mod byzantine;
mod censorship;
mod checks;
mod faults;
mod garbage;
mod genesis;
mod job;
mod load;
mod nodes;
pub mod scenario;
mod stakes;
pub mod tally;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use alloy_primitives::B256;
use assay_chain::{committee::PublicKey, keys::ValidatorKeys, simulated};
use assay_types::{FinalizedBlock, Genesis};
use commonware_cryptography::Signer as _;
use commonware_p2p::simulated::Oracle;
use commonware_runtime::{Clock as _, Runner as _, Supervisor as _, deterministic};
use rand::{SeedableRng as _, rngs::StdRng};
use serde::Serialize;

use censorship::Censorship;
use faults::{Active, Recovery};
use load::Load;
use nodes::Running;
use scenario::{EPOCH_BLOCKS, Fault, Scenario, TURNS, VALIDATORS};
use stakes::Stakes;
use tally::Tally;

/// How often the world is looked at.
const TICK: Duration = Duration::from_millis(20);
/// Simulated time after which a run that is not over has failed.
const LIMIT_MS: u64 = 240_000;
/// Height that all honest validators must reach.
const HEIGHT: u64 = EPOCH_BLOCKS * TURNS + 3;

type Context = deterministic::Context;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What happened in it.
    pub scenario: Scenario,
    /// Finalized height.
    pub height: u64,
    /// State root there.
    pub state_root: B256,
    /// What was counted.
    #[serde(flatten)]
    pub tally: Tally,
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
    validators: Vec<Option<Running>>,
    rng: StdRng,
    load: Load,
    stakes: Stakes,
    censorship: Censorship,
    /// Faults to come, by height.
    faults: VecDeque<Fault>,
    active: Vec<Active>,
    recovery: Option<Recovery>,
    slowest_recovery_ms: u64,
    /// Faults that were, by name.
    happened: BTreeMap<&'static str, u64>,
    /// Blocks by height, as the first honest validator that had each has it.
    agreed: BTreeMap<u64, Arc<FinalizedBlock>>,
    /// Height up to which each validator was looked at.
    seen: Vec<u64>,
    /// Newest height whose books were added up, and how many were.
    booked: u64,
    books: u64,
    /// Committees by epoch.
    committees: BTreeMap<u64, B256>,
    blocked: u64,
    unblock_due_ms: u64,
}

/// Runs one scenario. Panics if anything that must hold does not.
pub fn run(scenario: &Scenario) -> Report {
    let config = deterministic::Config::default()
        .with_seed(scenario.seed)
        .with_timeout(Some(Duration::from_millis(2 * LIMIT_MS)));
    let scenario = scenario.clone();
    deterministic::Runner::new(config).start(|context| async move {
        let mut world = World::start(context, scenario).await;
        world.live().await
    })
}

impl World {
    async fn start(context: Context, scenario: Scenario) -> Self {
        let mut rng = StdRng::seed_from_u64(scenario.seed ^ 0xC0DE);
        let keys: Vec<ValidatorKeys> = (0..VALIDATORS).map(|_| ValidatorKeys::generate(&mut rng)).collect();
        let genesis = genesis::genesis(&scenario, &keys);
        let names: Vec<PublicKey> = keys.iter().map(|keys| keys.network.public_key()).collect();
        let oracle = simulated::network(context.child("network"), &genesis, names.clone()).await;
        let mut world = Self {
            context,
            genesis,
            keys,
            names,
            oracle,
            validators: (0..VALIDATORS).map(|_| None).collect(),
            rng,
            load: Load::default(),
            stakes: Stakes::default(),
            censorship: Censorship::default(),
            faults: scenario.faults.iter().cloned().collect(),
            active: Vec::new(),
            recovery: None,
            slowest_recovery_ms: 0,
            happened: BTreeMap::new(),
            agreed: BTreeMap::new(),
            seen: vec![0; VALIDATORS],
            booked: 0,
            books: 0,
            committees: BTreeMap::new(),
            blocked: 0,
            unblock_due_ms: 0,
            scenario,
        };
        world.link_all().await;
        for at in 0..VALIDATORS {
            world.start_validator(at).await;
        }
        world.register_candidates();
        world
    }

    async fn live(&mut self) -> Report {
        while !self.is_over() {
            assert!(self.now_ms() < LIMIT_MS, "not over in time: {:?}, {:?}", self.seen, self.scenario);
            self.look().await;
            self.see_to_faults().await;
            self.check_recovery();
            self.check_censorship();
            self.report_evidence();
            if self.newest().0 < HEIGHT {
                self.move_stake();
                self.transfer();
            }
            self.push_waiting();
            self.context.sleep(TICK).await;
        }
        self.check_verdicts();
        let (height, state_root) = self.newest();
        Report {
            scenario: self.scenario.clone(),
            height,
            state_root,
            tally: Tally {
                epochs: self.epochs(),
                changes: self.stakes.changes,
                books: self.books,
                transactions: self.load.finals.len() as u64,
                faults: self.happened.clone(),
                punished: self.stakes.reported.len() as u64,
                blocked: self.blocked,
                bounded: self.censorship.bounded,
                bounded_jobs: self.censorship.bounded_jobs,
                refused_worst: self.censorship.worst,
                slowest_recovery_ms: self.slowest_recovery_ms,
                simulated_ms: self.now_ms(),
            },
            replay: self.context.auditor().state(),
        }
    }

    /// Whether all is whole, all honest validators are far enough, and nothing waits.
    fn is_over(&self) -> bool {
        let far = self.lowest().is_some_and(|lowest| lowest >= HEIGHT);
        let whole = self.faults.is_empty() && self.active.is_empty() && self.recovery.is_none();
        far && whole && self.load.waiting().is_empty()
    }

    fn now_ms(&self) -> u64 {
        let since = self.context.current().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
