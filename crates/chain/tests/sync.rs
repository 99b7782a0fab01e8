//! State sync and following, in the deterministic simulator: from honest upstreams, from liars, over
//! restarts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes};
use assay_chain::{
    Node,
    light::{Trust, verify_state},
    mempool::Limits,
    retention::Retention,
    sync::{FollowerConfig, JoinError, start_follower, state_sync},
    upstream::{BlockRecord, Pool, Upstream, UpstreamError},
};
use assay_ledger::{account, books};
use assay_types::{
    Genesis,
    node::{Certificate, Checkpoint, Handover},
};
use commonware_codec::{DecodeExt as _, Encode as _};
use commonware_runtime::{Clock as _, Handle, Runner as _, Spawner as _, Supervisor as _, deterministic};
use commonware_storage::{mmr, qmdb::sync::Request};
use futures::{FutureExt as _, future::BoxFuture};
use tokio::sync::oneshot;

#[path = "support/simulated.rs"]
mod support;

use support::{Context, EPOCH, Rig, nonce, reach, transfer};

fn follower(genesis: &Genesis, partition: &str, sync_beyond: u64) -> FollowerConfig {
    FollowerConfig {
        genesis: genesis.clone(),
        partition: partition.to_owned(),
        mempool: Limits::default(),
        retention: Default::default(),
        sync_beyond,
    }
}

fn pool(upstreams: Vec<Arc<dyn Upstream>>) -> Arc<Pool> {
    Pool::new(upstreams)
}

fn of(node: &Node) -> Arc<dyn Upstream> {
    Arc::new(node.clone())
}

/// Runs a follower in a task of its own, so that aborting it is a crash.
async fn run_follower(context: &Context, config: FollowerConfig, pool: Arc<Pool>) -> (Node, Handle<()>) {
    let (started, start) = oneshot::channel();
    let task = context.child("follower").spawn(move |context| async move {
        let (node, handle) = start_follower(context, config, pool).await.expect("it starts");
        started.send(node).expect("awaited");
        handle.await.ok();
    });
    (start.await.expect("it starts"), task)
}

fn balances_agree(one: &Node, other: &Node, transfers: u64) {
    let (_, one) = one.tip_state().expect("a tip");
    let (_, other) = other.tip_state().expect("a tip");
    for at in 0..transfers {
        let address = Address::left_padding_from(&(0x5000 + at).to_be_bytes());
        assert_eq!(account(&one, address).balance, 1);
        assert_eq!(account(&other, address).balance, 1);
    }
    assert!(books(&other).expect("books").balance());
}

#[test]
fn a_fresh_node_syncs_the_state_then_follows_and_resumes_after_a_crash() {
    deterministic::Runner::timed(Duration::from_secs(3_600)).start(|context| async move {
        let rig = Rig::new(&context, 1, 4, Retention::Archive).await;
        rig.transfers(&context, 0, 120).await;
        reach(&context, &rig.nodes[0], 3 * EPOCH + 5).await;
        let before = rig.nodes[0].tip().expect("a tip").height;
        let upstreams = pool(vec![of(&rig.nodes[1]), of(&rig.nodes[2])]);
        let config = follower(&rig.genesis, "fresh", 0);
        let (node, task) = run_follower(&context, config.clone(), Arc::clone(&upstreams)).await;
        assert!(node.first_block() >= before.saturating_sub(1), "it begins at the state, not at genesis");
        balances_agree(&rig.nodes[0], &node, 120);

        // It follows, with the same roots, and gives on what its clients send.
        rig.transfers(&context, 120, 30).await;
        nonce(&context, &node, 150).await;
        node.submit(transfer(150)).expect("admitted");
        nonce(&context, &rig.nodes[3], 151).await;
        let at = rig.nodes[3].tip().expect("a tip").height;
        reach(&context, &node, at).await;
        let known = node.recent_block(at).expect("recent");
        assert_eq!(known, rig.nodes[3].recent_block(at).expect("recent"), "receipts and roots are the validators'");
        let proof = node.state_proof(assay_ledger::keys::account(&Address::repeat_byte(9))).await.expect("a proof");
        assert!(at > 2 * EPOCH, "several epochs have passed");
        let handovers = Upstream::handovers(&node, 1, 64).await.expect("kept");
        assert!(handovers.len() as u64 >= at / EPOCH - 1, "a joined node has them from the first on");
        let trust = Trust::following(&rig.genesis, &handovers).expect("they hold");
        verify_state(&trust, &proof).expect("a follower proves like a validator");

        // A crash loses nothing: it goes on from its own disk.
        task.abort();
        task.await.ok();
        rig.transfers(&context, 151, 20).await;
        let (node, _task) = run_follower(&context, config, upstreams).await;
        assert!(node.first_block() >= before.saturating_sub(1));
        nonce(&context, &node, 171).await;
        balances_agree(&rig.nodes[0], &node, 171);
        let lag = rig.nodes[0].tip().expect("a tip").height - node.tip().expect("a tip").height;
        assert!(lag <= 8, "{lag} blocks behind");
    });
}

#[test]
fn a_node_of_a_short_chain_replays_it_whole_and_has_every_block() {
    deterministic::Runner::timed(Duration::from_secs(3_600)).start(|context| async move {
        let rig = Rig::new(&context, 2, 1, Retention::Archive).await;
        rig.transfers(&context, 0, 40).await;
        let height = rig.nodes[0].tip().expect("a tip").height;
        let config = follower(&rig.genesis, "replay", 1_000_000);
        let (node, _task) = run_follower(&context, config, pool(vec![of(&rig.nodes[0])])).await;
        reach(&context, &node, height).await;
        assert_eq!(node.first_block(), 0);
        for at in 1..=height {
            assert_eq!(node.recent_block(at), rig.nodes[0].recent_block(at), "block {at}");
        }
        // A follower serves the next one as a validator does.
        let second = follower(&rig.genesis, "second", 1_000_000);
        let (second, _task) = run_follower(&context, second, pool(vec![of(&node)])).await;
        reach(&context, &second, height).await;
        balances_agree(&node, &second, 40);
    });
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    WrongOperation,
    TruncatedOperations,
    OperationsOfAnotherRequest,
    ForgedCertificate,
    OtherHeight,
    WrongBlock,
    ForgedHandover,
    HandoverLeftOut,
    Silent,
}

const LIES: [Kind; 8] = [
    Kind::WrongOperation,
    Kind::TruncatedOperations,
    Kind::OperationsOfAnotherRequest,
    Kind::ForgedCertificate,
    Kind::OtherHeight,
    Kind::WrongBlock,
    Kind::ForgedHandover,
    Kind::HandoverLeftOut,
];

/// Answers as its node does but for one kind of question.
struct Liar(Node, Kind);

fn flipped(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let at = bytes.len() * 2 / 3;
    bytes[at] ^= 1;
    bytes.into()
}

impl Upstream for Liar {
    fn name(&self) -> String {
        format!("liar {:?}", self.1)
    }

    fn tip(&self, after: u64) -> BoxFuture<'_, Result<Certificate, UpstreamError>> {
        async move {
            if self.1 == Kind::Silent {
                return Err(UpstreamError::Unreachable("it is down".into()));
            }
            let mut tip = Upstream::tip(&self.0, after).await?;
            match self.1 {
                Kind::ForgedCertificate => tip.certificate = flipped(&tip.certificate),
                Kind::OtherHeight => tip.height += 1_000,
                _ => {}
            }
            Ok(tip)
        }
        .boxed()
    }

    fn blocks(&self, from: u64, count: u64) -> BoxFuture<'_, Result<Vec<BlockRecord>, UpstreamError>> {
        async move {
            let mut blocks = self.0.blocks(from, count).await?;
            if self.1 == Kind::WrongBlock {
                blocks.iter_mut().for_each(|record| record.block = flipped(&record.block));
            }
            Ok(blocks)
        }
        .boxed()
    }

    fn block(&self, hash: B256) -> BoxFuture<'_, Result<BlockRecord, UpstreamError>> {
        async move {
            let mut record = self.0.block(hash).await?;
            if self.1 == Kind::WrongBlock {
                record.block = flipped(&record.block);
            }
            Ok(record)
        }
        .boxed()
    }

    fn state_ops(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, UpstreamError>> {
        async move {
            let asked = match (self.1, Request::<mmr::Family>::decode(request.to_vec()).expect("a request")) {
                (Kind::OperationsOfAnotherRequest, Request::Operations { size, start, .. }) => {
                    Request::Boundary { size, start }.encode().to_vec().into()
                }
                _ => request,
            };
            let answer = self.0.state_ops(asked).await?;
            Ok(match self.1 {
                Kind::WrongOperation => flipped(&answer),
                Kind::TruncatedOperations => answer.slice(..answer.len() - 1),
                _ => answer,
            })
        }
        .boxed()
    }

    fn handovers(&self, epoch: u64, count: u64) -> BoxFuture<'_, Result<Vec<Handover>, UpstreamError>> {
        async move {
            let mut handovers = Upstream::handovers(&self.0, epoch, count).await?;
            match self.1 {
                Kind::ForgedHandover => handovers.iter_mut().for_each(|one| one.seats[0].stake += 1),
                Kind::HandoverLeftOut if handovers.len() > 1 => drop(handovers.remove(0)),
                _ => {}
            }
            Ok(handovers)
        }
        .boxed()
    }

    fn submit(&self, _: Bytes) -> BoxFuture<'_, Result<B256, UpstreamError>> {
        futures::future::ready(Err(UpstreamError::Unreachable("never".into()))).boxed()
    }
}

#[test]
fn every_kind_of_lie_is_refused_and_the_honest_upstream_used() {
    deterministic::Runner::timed(Duration::from_secs(36_000)).start(|context| async move {
        let rig = Rig::new(&context, 3, 1, Retention::Archive).await;
        let other = Rig::new(&context, 4, 1, Retention::Archive).await;
        rig.transfers(&context, 0, 80).await;
        reach(&context, &rig.nodes[0], 3 * EPOCH + 5).await;
        reach(&context, &other.nodes[0], rig.nodes[0].tip().expect("a tip").height + 5).await;
        let honest = &rig.nodes[0];
        for kind in LIES {
            let liar: Arc<dyn Upstream> = Arc::new(Liar(honest.clone(), kind));
            let both = pool(vec![Arc::clone(&liar), of(honest)]);
            let partition = format!("{kind:?}");
            let height = state_sync(context.child("sync"), &rig.genesis, &partition, &both, 0).await;
            assert!(height.expect("the honest one gives all").is_some(), "{kind:?}");
            assert!(both.strikes()[0] > 0 && both.strikes()[1] == 0, "{kind:?}: {:?}", both.strikes());

            let alone = pool(vec![liar]);
            let partition = format!("alone-{kind:?}");
            let refused = state_sync(context.child("alone"), &rig.genesis, &partition, &alone, 0).await;
            assert!(matches!(refused, Err(JoinError::NoUpstream(_))), "{kind:?}: {refused:?}");
            assert!(alone.strikes()[0] > 0, "{kind:?}");
        }
        // A chain of other validators has nothing to say here, however long it is.
        let both = pool(vec![of(&other.nodes[0]), of(honest)]);
        let height = state_sync(context.child("sync"), &rig.genesis, "other-chain", &both, 0).await;
        assert!(height.expect("the honest one gives all").is_some());
        assert!(both.strikes()[0] > 0 && both.strikes()[1] == 0);
        // One that is down is no liar.
        let silent: Arc<dyn Upstream> = Arc::new(Liar(honest.clone(), Kind::Silent));
        let both = pool(vec![silent, of(honest)]);
        assert!(state_sync(context.child("sync"), &rig.genesis, "silent", &both, 0).await.expect("synced").is_some());
        assert_eq!(both.strikes(), [0, 0]);
        let none = state_sync(context.child("sync"), &rig.genesis, "none", &pool(Vec::new()), 0).await;
        assert!(none.expect_err("nobody to ask").to_string().contains("no upstream is configured"));
    });
}

#[test]
fn who_trusts_a_checkpoint_joins_no_history_with_another_committee_in_its_epoch_nor_one_that_ends_before() {
    deterministic::Runner::timed(Duration::from_secs(36_000)).start(|context| async move {
        let rig = Rig::new(&context, 8, 1, Retention::Archive).await;
        reach(&context, &rig.nodes[0], 3 * EPOCH + 5).await;
        let honest = &rig.nodes[0];
        let seats = Upstream::handovers(honest, 2, 1).await.expect("known")[0].seats.clone();
        let right = Checkpoint { genesis_hash: rig.genesis.hash(), epoch: 2, seats, timestamp_ms: 0 };
        let mut other = right.clone();
        other.seats[0].stake += 1;
        let later = Checkpoint { epoch: 50, ..right.clone() };
        let (context, genesis) = (&context, &rig.genesis);
        let join = |name: &'static str, checkpoint, beyond| async move {
            let pool = Pool::trusting([of(honest)], Some(checkpoint));
            (state_sync(context.child("sync"), genesis, name, &pool, beyond).await, pool.strikes()[0])
        };
        let (height, strikes) = join("right", right, 0).await;
        assert!(height.expect("its own history").is_some() && strikes == 0);
        let (refused, strikes) = join("other", other, 0).await;
        let said = refused.expect_err("another committee").to_string();
        assert!(said.contains("other seats in epoch 2 than the checkpoint") && strikes > 0, "{said}");
        // Not even where the chain is short enough to be replayed.
        let (refused, strikes) = join("later", later, 1_000_000).await;
        let said = refused.expect_err("too short").to_string();
        assert!(said.contains("does not know epoch 50") && strikes == 0, "{said}");
    });
}

#[test]
fn a_follower_refuses_the_blocks_of_a_liar_and_takes_them_elsewhere() {
    deterministic::Runner::timed(Duration::from_secs(36_000)).start(|context| async move {
        let rig = Rig::new(&context, 5, 1, Retention::Archive).await;
        rig.transfers(&context, 0, 20).await;
        for kind in [Kind::WrongBlock, Kind::ForgedCertificate] {
            let liar: Arc<dyn Upstream> = Arc::new(Liar(rig.nodes[0].clone(), kind));
            let both = pool(vec![liar, of(&rig.nodes[0])]);
            let config = follower(&rig.genesis, &format!("{kind:?}"), 1_000_000);
            let (node, _task) = run_follower(&context, config, Arc::clone(&both)).await;
            nonce(&context, &node, 20).await;
            assert!(both.strikes()[0] > 0 && both.strikes()[1] == 0, "{kind:?}: {:?}", both.strikes());
        }
    });
}

/// Gives few operations at a time, and after `left` of its answers none.
struct Failing {
    node: Node,
    left: AtomicU64,
    served: Arc<AtomicU64>,
}

impl Upstream for Failing {
    fn name(&self) -> String {
        "failing".into()
    }

    fn tip(&self, after: u64) -> BoxFuture<'_, Result<Certificate, UpstreamError>> {
        Upstream::tip(&self.node, after)
    }

    fn blocks(&self, from: u64, count: u64) -> BoxFuture<'_, Result<Vec<BlockRecord>, UpstreamError>> {
        self.node.blocks(from, count)
    }

    fn block(&self, hash: B256) -> BoxFuture<'_, Result<BlockRecord, UpstreamError>> {
        self.node.block(hash)
    }

    fn state_ops(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, UpstreamError>> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_err() {
            return futures::future::ready(Err(UpstreamError::Unreachable("cut off".into()))).boxed();
        }
        let mut request = Request::<mmr::Family>::decode(request.to_vec()).expect("a request");
        if let Request::Operations { max_ops, .. } = &mut request {
            *max_ops = (*max_ops).min(std::num::NonZeroU64::new(8).expect("not zero"));
        }
        self.served.fetch_add(1, Ordering::Relaxed);
        self.node.state_ops(request.encode().to_vec().into())
    }

    fn handovers(&self, epoch: u64, count: u64) -> BoxFuture<'_, Result<Vec<Handover>, UpstreamError>> {
        Upstream::handovers(&self.node, epoch, count)
    }

    fn submit(&self, raw: Bytes) -> BoxFuture<'_, Result<B256, UpstreamError>> {
        Upstream::submit(&self.node, raw)
    }
}

#[test]
fn a_sync_that_was_cut_off_goes_on_at_the_same_block() {
    deterministic::Runner::timed(Duration::from_secs(36_000)).start(|context| async move {
        let rig = Rig::new(&context, 6, 1, Retention::Archive).await;
        rig.transfers(&context, 0, 150).await;
        let served = Arc::new(AtomicU64::new(0));
        let failing = |left| -> Arc<Pool> {
            let (node, served) = (rig.nodes[0].clone(), Arc::clone(&served));
            pool(vec![Arc::new(Failing { node, left: AtomicU64::new(left), served })])
        };
        let cut = state_sync(context.child("first"), &rig.genesis, "cut", &failing(20), 0).await;
        let said = cut.expect_err("cut off").to_string();
        assert!(said.contains("goes on where it was") && said.contains("cut off"), "{said}");
        assert_eq!(served.load(Ordering::Relaxed), 20);
        let begun = rig.nodes[0].tip().expect("a tip").height;
        rig.transfers(&context, 150, 20).await;
        context.sleep(Duration::from_secs(5)).await;
        let height = state_sync(context.child("second"), &rig.genesis, "cut", &failing(u64::MAX), 0).await;
        let height = height.expect("synced").expect("a height");
        assert!(height <= begun, "it goes on with the block it began with");
        let again = served.load(Ordering::Relaxed) - 20;
        let whole = state_sync(context.child("whole"), &rig.genesis, "whole", &failing(u64::MAX), 0).await;
        whole.expect("synced").expect("a height");
        let all = served.load(Ordering::Relaxed) - 20 - again;
        println!("{again} answers to go on, {all} for the whole state");
        // The node then starts at that block and follows.
        let (node, _task) =
            run_follower(&context, follower(&rig.genesis, "cut", 0), pool(vec![of(&rig.nodes[0])])).await;
        assert_eq!(node.first_block(), height);
        nonce(&context, &node, 170).await;
        balances_agree(&rig.nodes[0], &node, 170);
    });
}

#[test]
fn a_pruning_node_drops_old_blocks_says_so_restarts_and_still_lets_others_join() {
    deterministic::Runner::timed(Duration::from_secs(36_000)).start(|context| async move {
        let retention = Retention::Blocks(2 * EPOCH);
        let mut rig = Rig::new(&context, 7, 1, retention).await;
        rig.transfers(&context, 0, 30).await;
        reach(&context, &rig.nodes[0], 700).await;
        let gone = rig.nodes[0].blocks(1, 10).await;
        assert!(matches!(gone, Err(UpstreamError::Pruned(_))), "{gone:?}");
        assert!(rig.nodes[0].first_block() > 512);
        assert!(!rig.nodes[0].blocks(690, 5).await.expect("held").is_empty());
        let whole = follower(&rig.genesis, "whole", 1_000_000);
        let (whole, _task) = run_follower(&context, whole, pool(vec![of(&rig.nodes[0])])).await;

        rig.tasks[0].abort();
        context.sleep(Duration::from_secs(1)).await;
        let (node, task) = rig.start(&context, 0, retention).await;
        rig.nodes[0] = node;
        rig.tasks[0] = task;
        let height = rig.nodes[0].tip().expect("resumed").height;
        assert!(height > 640, "it resumes at {height}");
        rig.transfers(&context, 30, 10).await;
        reach(&context, &rig.nodes[0], height + 80).await;
        let joining = follower(&rig.genesis, "joining", 0);
        let (joining, _task) = run_follower(&context, joining, pool(vec![of(&rig.nodes[0])])).await;
        nonce(&context, &joining, 40).await;
        balances_agree(&rig.nodes[0], &joining, 40);
        assert_eq!(whole.tip().expect("genesis").height, 0, "who wants every block finds none here, and waits");
        let little = FollowerConfig { retention: Retention::Blocks(EPOCH), ..follower(&rig.genesis, "little", 0) };
        let refused = start_follower(context.child("little"), little, pool(vec![of(&rig.nodes[0])])).await;
        assert!(refused.err().is_some_and(|error| error.to_string().contains("at least 32 blocks")));
    });
}
