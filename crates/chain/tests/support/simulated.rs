//! A network of four validators in the deterministic simulator.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes};
use alloy_signer_local::PrivateKeySigner;
use assay_chain::{
    Node, NodeConfig,
    committee::PublicKey,
    keys::ValidatorKeys,
    mempool::Limits,
    retention::Retention,
    simulated::{launch, link, network},
};
use assay_ledger::account;
use assay_types::{GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Params};
use commonware_cryptography::Signer as _;
use commonware_p2p::simulated::{Link, Oracle};
use commonware_runtime::{Clock as _, Handle, Supervisor as _, deterministic};
use commonware_utils::probability;
use rand::{SeedableRng as _, rngs::StdRng};

#[path = "transfer.rs"]
mod transfer;

pub(crate) type Context = deterministic::Context;

const CHAIN_ID: u64 = 710_011;

pub(crate) fn rich() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key")
}

/// One grain to each of many accounts, so that the state grows.
pub(crate) fn transfer(nonce: u64) -> Bytes {
    transfer::transfer(CHAIN_ID, &rich(), nonce, Address::left_padding_from(&(0x5000 + nonce).to_be_bytes()), 1)
}

pub(crate) struct Rig {
    pub(crate) genesis: Genesis,
    pub(crate) nodes: Vec<Node>,
    pub(crate) tasks: Vec<Handle<()>>,
    keys: Vec<ValidatorKeys>,
    oracle: Oracle<PublicKey, Context>,
    seed: u64,
}

/// Blocks of an epoch: a test passes several.
pub(crate) const EPOCH: u64 = 16;

impl Rig {
    /// `seed` tells networks apart.
    pub(crate) async fn new(context: &Context, seed: u64, validators: usize, retention: Retention) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let keys: Vec<ValidatorKeys> = (0..validators).map(|_| ValidatorKeys::generate(&mut rng)).collect();
        let seat = |(index, keys): (u8, &ValidatorKeys)| GenesisValidator {
            account: Address::repeat_byte(0xa0 + index),
            stake: GRAINS_PER_KRT,
            network_key: keys.network_key(),
            vote_key: keys.vote_key(),
            proof_of_possession: keys.proof_of_possession(),
            commission_bps: 0,
            address: format!("127.0.0.1:{}", 1_000 + u16::from(index)),
        };
        let params = Params { idle_block_interval_ms: 100, validator_epoch_blocks: EPOCH as u32, ..Params::default() };
        let genesis = Genesis {
            chain_id: CHAIN_ID,
            timestamp_ms: 0,
            accounts: vec![GenesisAccount { address: rich().address(), balance: 1_000 * GRAINS_PER_KRT }],
            validators: (0..).zip(&keys).map(seat).collect(),
            treasury: 0,
            params,
        };
        let names: Vec<PublicKey> = keys.iter().map(|keys| keys.network.public_key()).collect();
        let oracle = network(context.child("network"), &genesis, names.clone()).await;
        let wire = Link {
            latency: Duration::from_millis(10),
            jitter: Duration::from_millis(3),
            success_rate: probability!(1.0),
        };
        for one in 0..validators {
            for other in 0..one {
                link(&oracle, &names[one], &names[other], wire.clone()).await;
            }
        }
        let mut rig = Self { genesis, nodes: Vec::new(), tasks: Vec::new(), keys, oracle, seed };
        for at in 0..validators {
            let (node, task) = rig.start(context, at, retention).await;
            rig.nodes.push(node);
            rig.tasks.push(task);
        }
        rig
    }

    /// Starts a validator, again after a crash.
    pub(crate) async fn start(&self, context: &Context, at: usize, retention: Retention) -> (Node, Handle<()>) {
        let config = NodeConfig {
            genesis: self.genesis.clone(),
            keys: self.keys[at].clone(),
            partition: format!("network-{}-v{at}", self.seed),
            mempool: Limits::default(),
            retention,
            guard: None,
        };
        launch(context, &self.oracle, config).await.expect("it starts")
    }

    /// Sends `count` transfers beginning with nonce `from` and waits until all are final.
    pub(crate) async fn transfers(&self, context: &Context, from: u64, count: u64) {
        for nonce in from..from + count {
            self.nodes[0].submit(transfer(nonce)).expect("admitted");
        }
        for node in &self.nodes {
            nonce(context, node, from + count).await;
        }
    }
}

/// Waits until `node` stands at `height`.
pub(crate) async fn reach(context: &Context, node: &Node, height: u64) {
    for _ in 0..6_000 {
        if node.tip().is_some_and(|tip| tip.height >= height) {
            return;
        }
        context.sleep(Duration::from_millis(20)).await;
    }
    panic!("the node stands at {:?}, not {height}", node.tip());
}

/// Waits until the rich account's nonce is `nonce` on `node`.
pub(crate) async fn nonce(context: &Context, node: &Node, nonce: u64) {
    for _ in 0..6_000 {
        let (_, state) = node.tip_state().expect("started");
        if account(&state, rich().address()).nonce >= nonce {
            return;
        }
        context.sleep(Duration::from_millis(20)).await;
    }
    panic!("nonce {nonce} was never seen: {:?}", node.tip());
}
