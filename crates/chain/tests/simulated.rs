//! Four validators in the deterministic simulator: a crash, a minority cut off, and the same again
//! from the same seed.

use std::time::Duration;

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolCall as _;
use assay_chain::{
    Node, NodeConfig,
    committee::PublicKey,
    crypto::Bls,
    keys::ValidatorKeys,
    mempool::Limits,
    simulated::{Split, join_twins, launch, link, network, unlink},
    state::State,
};
use assay_ledger::{ConsensusCrypto as _, account, books, query};
use assay_types::{GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Params, abi::IStaking, system::STAKING};
use commonware_cryptography::Signer as _;
use commonware_p2p::simulated::{Link, Oracle};
use commonware_runtime::{Clock as _, Handle, Runner as _, Spawner as _, Supervisor as _, deterministic};
use commonware_utils::probability;
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::sync::oneshot;

const CHAIN_ID: u64 = 710_010;
type Context = deterministic::Context;

fn rich() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key")
}

fn transfer(nonce: u64, to: Address) -> Bytes {
    signed(nonce, 21_000, to, U256::from(1), Bytes::new())
}

fn signed(nonce: u64, gas_limit: u64, to: Address, value: U256, input: Bytes) -> Bytes {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value,
        input,
        ..TxEip1559::default()
    };
    let signature = rich().sign_hash_sync(&tx.signature_hash()).expect("a key signs");
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

fn network_of_four() -> (Genesis, Vec<ValidatorKeys>) {
    let mut rng = StdRng::seed_from_u64(11);
    let keys: Vec<ValidatorKeys> = (0..4).map(|_| ValidatorKeys::generate(&mut rng)).collect();
    let seat = |(index, keys): (u8, &ValidatorKeys)| GenesisValidator {
        account: Address::repeat_byte(0xa0 + index),
        stake: GRAINS_PER_KRT,
        network_key: keys.network_key(),
        vote_key: keys.vote_key(),
        proof_of_possession: keys.proof_of_possession(),
        address: format!("127.0.0.1:{}", 1_000 + u16::from(index)),
        commission_bps: 500,
    };
    let genesis = Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: 0,
        accounts: vec![GenesisAccount { address: rich().address(), balance: 1_000 * GRAINS_PER_KRT }],
        validators: (0..).zip(&keys).map(seat).collect(),
        treasury: 0,
        params: Params::default(),
    };
    (genesis, keys)
}

fn wire() -> Link {
    Link { latency: Duration::from_millis(10), jitter: Duration::from_millis(3), success_rate: probability!(1.0) }
}

struct Rig {
    genesis: Genesis,
    keys: Vec<ValidatorKeys>,
    names: Vec<PublicKey>,
    oracle: Oracle<PublicKey, Context>,
    nodes: Vec<Node>,
    tasks: Vec<Handle<()>>,
}

impl Rig {
    async fn new(context: &Context) -> Self {
        Self::with(context, Params::default()).await
    }

    async fn with(context: &Context, params: Params) -> Self {
        let (mut genesis, keys) = network_of_four();
        genesis.params = params;
        let names: Vec<PublicKey> = keys.iter().map(|keys| keys.network.public_key()).collect();
        let oracle = network(context.child("network"), &genesis, names.clone()).await;
        let mut rig = Self { genesis, keys, names, oracle, nodes: Vec::new(), tasks: Vec::new() };
        for one in 0..4 {
            for other in 0..one {
                link(&rig.oracle, &rig.names[one], &rig.names[other], wire()).await;
            }
        }
        for at in 0..4 {
            let (node, task) = rig.start(context, at).await;
            rig.nodes.push(node);
            rig.tasks.push(task);
        }
        rig
    }

    async fn start(&self, context: &Context, at: usize) -> (Node, Handle<()>) {
        let config = NodeConfig {
            genesis: self.genesis.clone(),
            keys: self.keys[at].clone(),
            partition: format!("v{at}"),
            mempool: Limits::default(),
            retention: Default::default(),
            guard: None,
        };
        launch(context, &self.oracle, config).await.expect("it starts")
    }

    fn height(&self, at: usize) -> u64 {
        self.nodes[at].tip().map_or(0, |tip| tip.height)
    }

    async fn reach(&self, context: &Context, at: usize, height: u64) {
        for _ in 0..3_000 {
            if self.height(at) >= height {
                return;
            }
            context.sleep(Duration::from_millis(20)).await;
        }
        panic!("validator {at} stands at {:?}, not {height}", self.nodes[at].tip());
    }

    async fn paid(&self, context: &Context, at: usize, grains: u128) {
        for _ in 0..3_000 {
            let (_, state) = self.nodes[at].tip_state().expect("started");
            if account(&state, receiver()).balance == grains {
                assert!(books(&state).expect("books").balance());
                return;
            }
            context.sleep(Duration::from_millis(20)).await;
        }
        panic!("validator {at} never saw {grains} grains arrive: {:?}", self.nodes[at].tip());
    }

    async fn agree(&self, context: &Context) {
        let height = (0..4).map(|at| self.height(at)).max().expect("four") + 1;
        let mut seen = Vec::new();
        for at in 0..4 {
            self.reach(context, at, height).await;
            let block = self.nodes[at].recent_block(height).expect("recent");
            seen.push((block.hash, block.state_root));
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    }

    fn send(&self, at: usize, nonces: std::ops::Range<u64>) {
        for nonce in nonces {
            self.nodes[at].submit(transfer(nonce, receiver())).expect("admitted");
        }
    }
}

fn receiver() -> Address {
    Address::repeat_byte(0x55)
}

/// Replay hash, height and state root at the end.
fn run(seed: u64) -> (String, u64, B256) {
    let config = deterministic::Config::default().with_seed(seed).with_timeout(Some(Duration::from_secs(300)));
    deterministic::Runner::new(config).start(|context| async move {
        let mut rig = Rig::new(&context).await;
        rig.send(0, 0..10);
        for at in 0..4 {
            rig.paid(&context, at, 10).await;
        }

        // A crash: three go on, the fourth comes back with its state and catches up.
        rig.tasks[3].abort();
        let before = rig.height(3);
        rig.send(1, 10..20);
        rig.paid(&context, 1, 20).await;
        let height = rig.height(1);
        rig.reach(&context, 1, height + 4).await;
        let (node, task) = rig.start(&context, 3).await;
        let resumed = node.tip().expect("resumed").height;
        assert!(resumed > 0 && resumed <= before, "resumed at {resumed}, stopped at {before}");
        (rig.nodes[3], rig.tasks[3]) = (node, task);
        rig.paid(&context, 3, 20).await;
        rig.agree(&context).await;

        // A minority cut off: it finalizes nothing, the others go on, and it catches up.
        for other in [0, 1, 3] {
            unlink(&rig.oracle, &rig.names[2], &rig.names[other]).await;
        }
        context.sleep(Duration::from_secs(1)).await;
        let cut = rig.height(2);
        rig.send(0, 20..30);
        rig.paid(&context, 0, 30).await;
        let height = rig.height(0);
        rig.reach(&context, 0, height + 4).await;
        assert_eq!(rig.height(2), cut, "a minority finalizes nothing");
        for other in [0, 1, 3] {
            link(&rig.oracle, &rig.names[2], &rig.names[other], wire()).await;
        }
        rig.paid(&context, 2, 30).await;
        rig.agree(&context).await;

        let tip = rig.nodes[2].tip().expect("a tip");
        println!("seed {seed}: height {}, finality {:?} ms simulated", tip.height, rig.nodes[0].finality());
        (context.auditor().state(), tip.height, tip.state_root)
    })
}

#[test]
fn a_network_survives_a_crash_and_a_partition_and_the_same_seed_replays_it() {
    let first = run(1);
    assert_eq!(first, run(1), "the same seed is the same run");
    assert_ne!(first.0, run(2).0, "another seed is another run");
}

#[test]
fn a_blackout_of_all_validators_at_any_moment_loses_no_finalized_block_and_no_receipt() {
    for cut_ms in [120, 257, 391, 660, 1_003] {
        let config = deterministic::Config::default().with_seed(cut_ms).with_timeout(Some(Duration::from_secs(300)));
        let (tips, checkpoint) = deterministic::Runner::new(config).start_and_recover(|context| async move {
            let rig = Rig::new(&context).await;
            rig.send(0, 0..10);
            context.sleep(Duration::from_millis(cut_ms)).await;
            rig.nodes.iter().map(|node| node.tip().expect("started")).collect::<Vec<_>>()
        });
        let agreed = tips.iter().max_by_key(|tip| tip.height).copied().expect("four");
        deterministic::Runner::from(checkpoint).start(|context| async move {
            let rig = Rig::new(&context).await;
            for at in 0..4 {
                let resumed = rig.nodes[at].tip().expect("resumed");
                for height in 1..=resumed.height {
                    assert!(
                        rig.nodes[at].recent_block(height).is_some(),
                        "cut at {cut_ms} ms: no receipts of {height}"
                    );
                }
                rig.reach(&context, at, agreed.height).await;
                if agreed.height > 0 {
                    let block = rig.nodes[at].recent_block(agreed.height).expect("recent");
                    assert_eq!((block.hash, block.state_root), (agreed.hash, agreed.state_root), "cut at {cut_ms} ms");
                }
            }
            let (_, state) = rig.nodes[0].tip_state().expect("a tip");
            let next = account(&state, rich().address()).nonce;
            rig.send(1, next..20);
            for at in 0..4 {
                rig.paid(&context, at, 20).await;
            }
            rig.agree(&context).await;
        });
    }
}

#[test]
fn epochs_follow_each_other_without_a_halt_and_who_was_away_for_several_catches_up() {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_ansi(false)
        .try_init()
        .ok();
    let config = deterministic::Config::default().with_seed(5).with_timeout(Some(Duration::from_secs(600)));
    deterministic::Runner::new(config).start(|context| async move {
        let params = Params { validator_epoch_blocks: 8, idle_block_interval_ms: 100, ..Params::default() };
        let mut rig = Rig::with(&context, params).await;
        rig.reach(&context, 0, 100).await;
        let block = |height| rig.nodes[0].recent_block(height).expect("recent").timestamp_ms;
        let gaps: Vec<u64> = (1..100).map(|height| block(height + 1) - block(height)).collect();
        let longest = *gaps.iter().max().expect("blocks");
        // One view may be lost where a new engine takes a leader it never heard of for a silent one.
        assert!(longest < 3_000, "a halt of {longest} ms: {gaps:?}");
        let lost = gaps.iter().filter(|gap| **gap > 1_000).count();
        assert!(lost <= 3, "{lost} views lost in twelve turns: {gaps:?}");
        rig.tasks[3].abort();
        let before = rig.height(0);
        rig.reach(&context, 0, before + 60).await;
        let (node, task) = rig.start(&context, 3).await;
        (rig.nodes[3], rig.tasks[3]) = (node, task);
        rig.agree(&context).await;
        assert!(rig.nodes[3].epoch() >= (before + 60) / 8, "in epoch {}", rig.nodes[3].epoch());
        // And all of them, stopped between two epochs.
        for at in 0..4 {
            rig.tasks[at].abort();
        }
        for at in 0..4 {
            let (node, task) = rig.start(&context, at).await;
            (rig.nodes[at], rig.tasks[at]) = (node, task);
        }
        rig.send(0, 0..10);
        for at in 0..4 {
            rig.paid(&context, at, 10).await;
        }
        rig.agree(&context).await;
    });
}

#[test]
fn a_chain_at_rest_for_longer_than_a_view_takes_elsewhere_goes_on() {
    let config = deterministic::Config::default().with_seed(6).with_timeout(Some(Duration::from_secs(300)));
    deterministic::Runner::new(config).start(|context| async move {
        let params = Params { validator_epoch_blocks: 4, idle_block_interval_ms: 6_000, ..Params::default() };
        let rig = Rig::with(&context, params).await;
        rig.reach(&context, 0, 6).await;
        rig.agree(&context).await;
    });
}

#[test]
fn a_leader_with_nothing_to_propose_hears_of_finality_as_soon_as_the_others() {
    let config = deterministic::Config::default().with_seed(3).with_timeout(Some(Duration::from_secs(300)));
    deterministic::Runner::new(config).start(|context| async move {
        let rig = Rig::new(&context).await;
        rig.reach(&context, 0, 2).await;
        for nonce in 0..8 {
            // The next leader waits for something to do when the transfer comes, and again after it.
            context.sleep(Duration::from_millis(300)).await;
            let sent = context.current();
            rig.send(nonce as usize % 4, nonce..nonce + 1);
            for at in 0..4 {
                rig.paid(&context, at, u128::from(nonce) + 1).await;
            }
            let took = context.current().duration_since(sent).expect("time goes on");
            assert!(took < Duration::from_millis(500), "transfer {nonce} took {took:?} to be seen by all");
        }
    });
}

/// Validator 0 equivocates: two nodes with its keys, one heard by validator 1, the other by 2 and 3.
/// Returns how often each honest validator saw it, and the blocks only one half sent.
fn with_an_equivocator(seed: u64, open: bool) -> ([usize; 3], [usize; 2]) {
    let config = deterministic::Config::default().with_seed(seed).with_timeout(Some(Duration::from_secs(300)));
    deterministic::Runner::new(config).start(|context| async move {
        let rig = Rig::new(&context).await;
        rig.tasks[0].abort();
        context.sleep(Duration::from_millis(100)).await;
        let split = Split { first: [rig.names[1].clone()].into(), open };
        let (started, start) = oneshot::channel();
        let (oracle, genesis, keys) = (rig.oracle.clone(), rig.genesis.clone(), rig.keys[0].clone());
        let liar = context.child("liar").spawn(move |context| async move {
            let config = NodeConfig {
                genesis,
                keys,
                partition: "liar".to_owned(),
                mempool: Limits::default(),
                retention: Default::default(),
                guard: None,
            };
            let (nodes, consensus, spoken) =
                join_twins(context.child("twins"), &oracle, config, split).await.expect("they start");
            started.send((nodes, spoken)).ok().expect("awaited");
            futures::future::join_all(consensus).await;
        });
        let (twins, spoken) = start.await.expect("they start");
        // Its halves have different transactions to put into their blocks.
        for nonce in 0..30 {
            twins[0].submit(transfer(nonce, receiver())).ok();
            twins[1].submit(transfer(nonce, Address::repeat_byte(0x66))).ok();
            context.sleep(Duration::from_millis(150)).await;
        }
        let (_, state) = rig.nodes[1].tip_state().expect("a tip");
        let (next, had) = (account(&state, rich().address()).nonce, account(&state, receiver()).balance);
        // The honest three agree, whatever became of those, and go on.
        let height = (1..4).map(|at| rig.height(at)).max().expect("three") + 1;
        let mut seen = Vec::new();
        for at in 1..4 {
            rig.reach(&context, at, height).await;
            for height in 1..=height {
                let block = rig.nodes[at].recent_block(height).expect("recent");
                seen.push((height, block.hash, block.state_root));
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len() as u64, height, "two blocks at one height: {seen:?}");
        liar.abort();
        context.sleep(Duration::from_secs(2)).await;
        let (_, state) = rig.nodes[1].tip_state().expect("a tip");
        let (next, had) =
            (next.max(account(&state, rich().address()).nonce), had.max(account(&state, receiver()).balance));
        for nonce in next..next + 5 {
            // A transfer of the twins may hold this nonce already; then it is what becomes final.
            rig.nodes[2].submit(transfer(nonce, receiver())).ok();
        }
        for at in 1..4 {
            let mut waited = 0;
            while account(&rig.nodes[at].tip_state().expect("a tip").1, rich().address()).nonce < next + 5 {
                waited += 1;
                assert!(waited < 3_000, "validator {at} stands still at {:?}", rig.nodes[at].tip());
                context.sleep(Duration::from_millis(20)).await;
            }
            let (_, state) = rig.nodes[at].tip_state().expect("a tip");
            assert!(books(&state).expect("books").balance());
            assert!(account(&state, receiver()).balance >= had);
        }
        let seen = [1, 2, 3].map(|at: usize| rig.nodes[at].evidence().len());
        if let Some((found, proof)) = (1..4).find_map(|at| rig.nodes[at].evidence().pop()) {
            punish(&context, &rig, found.account, proof).await;
        }
        (seen, spoken.apart())
    })
}

/// Anybody reports the evidence: the ledger finds the liar guilty, on all nodes, once.
async fn punish(context: &Context, rig: &Rig, guilty: Address, proof: Bytes) {
    let call = IStaking::reportEquivocationCall { evidence: proof };
    let input: Bytes = call.abi_encode().into();
    let gas = |node: &Node| {
        let (tip, state) = node.tip_state().expect("a tip");
        let ctx = assay_ledger::latest(&state, &Bls).expect("a block");
        assert_eq!(ctx.height, tip.height);
        assay_ledger::estimate_gas(&state, &ctx, STAKING, rich().address(), 0, &input).expect("the evidence holds")
    };
    let gas = gas(&rig.nodes[1]);
    let (_, state) = rig.nodes[1].tip_state().expect("a tip");
    let stake = |state: &State| query::validator(state, guilty).expect("a validator").tokens;
    let (had, nonce) = (stake(&state), account(&state, rich().address()).nonce);
    rig.nodes[1].submit(signed(nonce, gas, STAKING, U256::ZERO, input.clone())).expect("admitted");
    for at in 1..4 {
        let mut waited = 0;
        let state = loop {
            let (_, state) = rig.nodes[at].tip_state().expect("a tip");
            if query::validator(&state, guilty).is_some_and(|validator| validator.tombstoned) {
                break state;
            }
            waited += 1;
            assert!(waited < 3_000, "validator {at} does not punish");
            context.sleep(Duration::from_millis(20)).await;
        };
        assert!(stake(&state) < had && books(&state).expect("books").balance());
        let ctx = assay_ledger::latest(&state, &Bls).expect("a block");
        let again = assay_ledger::estimate_gas(&state, &ctx, STAKING, rich().address(), 0, &input);
        assert!(again.is_err(), "punished twice");
    }
    // What was signed cannot be laid at another's door.
    let mut forged = call.evidence.to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let (_, state) = rig.nodes[1].tip_state().expect("a tip");
    let committee = |epoch| assay_ledger::committee(&state, epoch);
    assert!(Bls.equivocator(&rig.genesis.hash(), &forged, &committee).is_none(), "a forged vote");
    assert!(Bls.equivocator(&B256::ZERO, &call.evidence, &committee).is_none(), "votes of another network");
    assert!(Bls.equivocator(&rig.genesis.hash(), &call.evidence, &committee).is_some());
}

#[test]
fn a_leader_that_proposes_two_blocks_splits_nobody_and_stops_nothing() {
    for seed in [1, 2, 3, 4] {
        let (seen, apart) = with_an_equivocator(seed, false);
        println!("seed {seed}: seen {seen:?}, blocks of one half only {apart:?}");
        assert!(apart.iter().all(|count| *count > 0), "it did not equivocate: {apart:?}");
    }
}

#[test]
fn a_double_vote_that_is_heard_is_seen_and_its_author_shut_out() {
    for seed in [1, 2] {
        let (seen, apart) = with_an_equivocator(seed, true);
        println!("seed {seed}: seen {seen:?}, blocks of one half only {apart:?}");
        assert!(seen.iter().sum::<usize>() > 0, "nobody saw it: {seen:?}");
    }
}
