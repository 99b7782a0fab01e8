//! The network of a run: so many validators, each with its whole node, on links between regions.
//!
//! What is simulated: sockets, clocks and disks. A link delivers in order, after half of the round trip of its
//! two regions on average, normally distributed; the simulator cuts a delay to whole milliseconds, so half a
//! millisecond is added to the mean before. Nothing is lost. A hop between two tasks of the simulation takes
//! [`HOP`]; computing takes no simulated time at all, so its cost is beside the figures and not in them
//! ([`super::cost`]). What is real: consensus, its timeouts and parameters as they are shipped, blocks, state,
//! signatures and their checks.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy_primitives::Address;
use assay_chain::{
    Node, NodeConfig, block::Header, committee::PublicKey, keys::ValidatorKeys, mempool::Limits, simulated,
};
use assay_types::{FinalizedBlock, GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Params};
use commonware_codec::DecodeExt as _;
use commonware_cryptography::Signer as _;
use commonware_p2p::simulated::{Link, Oracle};
use commonware_runtime::{Clock as _, Runner as _, Spawner as _, Supervisor as _, deterministic};
use commonware_utils::probability;
use parking_lot::Mutex;
use rand::{SeedableRng as _, rngs::StdRng};

use super::{
    Plan, Run, WanError,
    bound::Links,
    cpu::Stopwatch,
    figures::{Figures, Seen},
    load::Clients,
    regions::one_way_ms,
};

pub(super) const CHAIN_ID: u64 = 710_011;

/// Simulated time of a step of a task.
const HOP: Duration = Duration::from_micros(10);
/// First blocks, which are not measured: nobody has heard of the leaders yet and pools fill.
const WARM_UP: u64 = 6;
/// How often clients send.
const TICK: Duration = Duration::from_millis(5);
/// Simulated time after which a run that does not come to its end is given up, and for each block beside it.
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_A_BLOCK: Duration = Duration::from_secs(4);

type Context = deterministic::Context;
type Blocks = Arc<Mutex<BTreeMap<u64, Seen>>>;

struct Network {
    context: Context,
    plan: Plan,
    accounts: BTreeMap<Address, usize>,
    nodes: Vec<Node>,
    blocks: Blocks,
}

/// Simulates a plan; `progress` hears of the blocks measured so far.
pub(super) fn run(plan: &Plan, progress: impl Fn(u64)) -> Result<Run, WanError> {
    let config = deterministic::Config::default().with_seed(plan.seed).with_cycle(HOP);
    deterministic::Runner::new(config).start(|context| async move {
        let clients = Clients::new();
        let mut network = Network::start(context, plan.clone(), &clients).await?;
        let started = Stopwatch::start();
        network.live(clients, &progress).await?;
        let computing_ms = started.ms();
        let (figures, seen) = network.figures().await?;
        let blocks = seen + WARM_UP;
        Ok(Run { figures, computing_ms: computing_ms / blocks as f64 })
    })
}

fn account(at: usize) -> Address {
    let mut bytes = [0xa0; 20];
    bytes[..8].copy_from_slice(&(at as u64).to_be_bytes());
    Address::from(bytes)
}

pub(super) fn genesis(keys: &[ValidatorKeys], clients: &[Address]) -> Genesis {
    let seat = |(at, keys): (usize, &ValidatorKeys)| GenesisValidator {
        account: account(at),
        stake: 1_000 * GRAINS_PER_KRT,
        network_key: keys.network_key(),
        vote_key: keys.vote_key(),
        proof_of_possession: keys.proof_of_possession(),
        address: format!("127.0.0.1:{}", 1_000 + at),
        commission_bps: 500,
    };
    let rich = |address: &Address| GenesisAccount { address: *address, balance: 1_000 * GRAINS_PER_KRT };
    Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: 0,
        accounts: clients.iter().map(rich).collect(),
        validators: keys.iter().enumerate().map(seat).collect(),
        treasury: 0,
        params: Params::default(),
    }
}

/// New keys for a network.
pub(super) fn keys(count: usize, seed: u64) -> Vec<ValidatorKeys> {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x3A9);
    (0..count).map(|_| ValidatorKeys::generate(&mut rng)).collect()
}

fn link(plan: &Plan, from: usize, to: usize) -> Link {
    let mean_ms = one_way_ms(from, to);
    Link {
        latency: Duration::from_secs_f64((mean_ms + 0.5) / 1_000.0),
        jitter: Duration::from_secs_f64(mean_ms * f64::from(plan.jitter_percent) / 100_000.0),
        success_rate: probability!(1.0),
    }
}

impl Network {
    async fn start(context: Context, plan: Plan, clients: &Clients) -> Result<Self, WanError> {
        let keys = keys(plan.validators, plan.seed);
        let genesis = genesis(&keys, &clients.addresses());
        let names: Vec<PublicKey> = keys.iter().map(|keys| keys.network.public_key()).collect();
        let oracle = simulated::network(context.child("network"), &genesis, names.clone()).await;
        let regions = plan.spread.seats(plan.validators);
        for (one, (name, from)) in names.iter().zip(&regions).enumerate() {
            if let Some(mbit) = plan.uplink_mbit {
                let bytes = mbit as usize * 125_000;
                oracle.limit_bandwidth(name.clone(), Some(bytes), None).await.map_err(|_| WanError::Network)?;
            }
            for (other, to) in names.iter().zip(&regions).take(one) {
                simulated::link(&oracle, name, other, link(&plan, *from, *to)).await;
            }
        }
        let accounts = (0..plan.validators).map(|at| (account(at), at)).collect();
        let mut network = Self { context, plan, accounts, nodes: Vec::new(), blocks: Blocks::default() };
        for (at, keys) in keys.into_iter().enumerate() {
            network.join(at, &oracle, genesis.clone(), keys).await?;
        }
        Ok(network)
    }

    /// Starts a validator and notes when it has which block.
    async fn join(
        &mut self,
        at: usize,
        oracle: &Oracle<PublicKey, Context>,
        genesis: Genesis,
        keys: ValidatorKeys,
    ) -> Result<(), WanError> {
        let config = NodeConfig {
            genesis,
            keys,
            partition: format!("v{at}"),
            mempool: Limits::default(),
            retention: Default::default(),
            guard: None,
        };
        let (node, _) = simulated::launch(&self.context, oracle, config).await.map_err(WanError::Start)?;
        let (mut published, blocks, accounts) = (node.subscribe(), Arc::clone(&self.blocks), self.accounts.clone());
        self.context.child("watch").spawn(move |context| async move {
            while let Ok(block) = published.recv().await {
                let now = context.current().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
                let mut blocks = blocks.lock();
                let seen = blocks.entry(block.height).or_insert_with(|| unseen(&block, &accounts));
                seen.final_us.insert(at, us);
            }
        });
        self.nodes.push(node);
        Ok(())
    }

    /// Heights that are measured.
    fn measured(&self) -> std::ops::RangeInclusive<u64> {
        WARM_UP + 1..=WARM_UP + self.plan.blocks
    }

    /// Goes on until all have the last block.
    async fn live(&mut self, mut clients: Clients, progress: &impl Fn(u64)) -> Result<(), WanError> {
        let began = self.context.current();
        let patience = PATIENCE + PATIENCE_A_BLOCK * u32::try_from(self.plan.blocks).unwrap_or(u32::MAX);
        let mut sent: u64 = 0;
        loop {
            let since = self.context.current().duration_since(began).unwrap_or_default();
            let due = self.plan.transfers_a_second.saturating_mul(since.as_millis() as u64) / 1_000;
            while sent < due {
                let (at, raw) = clients.transfer(self.plan.validators);
                self.nodes[at].submit(raw).map_err(WanError::Refused)?;
                sent += 1;
            }
            let heights = self.nodes.iter().map(|node| node.tip().map_or(0, |tip| tip.height));
            let height = heights.min().unwrap_or_default();
            progress(height.saturating_sub(WARM_UP).min(self.plan.blocks));
            if height >= *self.measured().end() {
                return Ok(());
            }
            if since > patience {
                return Err(WanError::Stalled { height, seconds: since.as_secs(), seed: self.plan.seed });
            }
            self.context.sleep(TICK).await;
        }
    }

    async fn figures(&self) -> Result<(Figures, u64), WanError> {
        let views = match self.views().await {
            Some((first, last)) => last - first,
            None => return Err(WanError::Uncertified),
        };
        let seats = self.plan.spread.seats(self.plan.validators);
        let links = Links::new(seats.len(), |from, to| one_way_ms(seats[from], seats[to]));
        let blocks: Vec<Seen> = self.blocks.lock().range(self.measured()).map(|(_, seen)| seen.clone()).collect();
        let lost = views.saturating_sub(self.plan.blocks);
        Ok((Figures::of(&blocks, lost, &links, self.plan.validators), blocks.len() as u64))
    }

    /// Views of the block before those measured and of the last of them.
    async fn views(&self) -> Option<(u64, u64)> {
        let node = self.nodes.first()?;
        let view = |height| async move {
            let certificate = node.certified(height).await?;
            let header = Header::decode(certificate.header.to_vec()).ok()?;
            // A block that was finalized through a descendant has no certificate: its height counts, too.
            Some(header.context.round.view().get() - (header.height - height))
        };
        Some((view(WARM_UP).await?, view(*self.measured().end()).await?))
    }
}

fn unseen(block: &FinalizedBlock, accounts: &BTreeMap<Address, usize>) -> Seen {
    Seen {
        leader: accounts.get(&block.proposer).copied().unwrap_or(usize::MAX),
        proposed_us: block.timestamp_ms * 1_000,
        transfers: block.txs.len(),
        bytes: block.size_bytes,
        final_us: BTreeMap::new(),
    }
}
