//! A network of members over simulated links: the first key, then rounds of resharing with faults.

use std::{
    collections::BTreeMap,
    num::NonZeroU64,
    sync::Arc,
    time::{Duration, SystemTime},
};

use assay_chain::{
    committee::PublicKey,
    keys::{ValidatorKeys, VoteKey},
};
use commonware_codec::{Encode as _, EncodeSize as _};
use commonware_cryptography::bls12381::primitives::{
    group::Share,
    ops::{threshold, verify_message},
    sharing::Sharing,
    variant::{MinPk, PartialSignature},
};
use commonware_glue::dkg::{
    ReshareBlock as _,
    types::{EpochOutcome, Payload, SchemeInfo},
};
use commonware_p2p::simulated::{Config as NetworkConfig, Link, Network, Oracle};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock as _, Handle, Runner as _, Supervisor as _, deterministic, deterministic::Context};
use commonware_utils::{NZUsize, ordered::Set, probability};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::{
    block::{Block, Info},
    conduct::{Conduct, Plan, Tally},
    first::{bring, first_key},
    node::{self, Held, Member, NAMESPACE, Seats, Watch},
};

/// When a member that was stopped comes back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Back {
    /// When the others are at this height.
    At(u64),
    /// After this long, simulated.
    After(Duration),
}

/// What happens in a trial.
pub(crate) struct Trial {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) about: &'static str,
    /// Members that vote.
    pub(crate) seats: usize,
    /// Blocks of an epoch.
    pub(crate) epoch_blocks: NonZeroU64,
    /// Epochs after the first.
    pub(crate) epochs: u64,
    /// Epochs by which the holders are behind those that vote.
    pub(crate) lag: u64,
    /// Whether dealers hand their logs to those that lead.
    pub(crate) hand_on: bool,
    /// What a member does in a round, by member and epoch.
    pub(crate) conduct: fn(usize, u64) -> Conduct,
    /// Members that stop: which, at what height, and until when.
    pub(crate) stops: Vec<(usize, u64, Back)>,
    /// Rounds that must fail; all others must succeed.
    pub(crate) fails: &'static [u64],
}

/// Bytes and blocks of a round.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Round {
    /// Messages between members.
    pub(crate) messages: u64,
    /// Bytes of them.
    pub(crate) message_bytes: u64,
    /// Logs in blocks.
    pub(crate) logs: usize,
    /// Bytes of them.
    pub(crate) log_bytes: usize,
    /// Bytes that the last block carries.
    pub(crate) info_bytes: usize,
    /// Blocks from the middle of the epoch to the log that makes a quorum.
    pub(crate) quorum_after: Option<u64>,
}

struct Node {
    handle: Option<Handle<()>>,
    starts: u64,
    member: Member,
}

struct Run<'a> {
    context: &'a Context,
    oracle: Oracle<PublicKey, Context>,
    seats: Seats,
    nodes: Vec<Node>,
    tally: Tally,
}

impl Run<'_> {
    async fn start(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let context = self.context.child("member").with_attribute("index", index).with_attribute("start", node.starts);
        node.starts += 1;
        node.handle = Some(node::start(context, &self.oracle, node.member.clone()).await);
    }

    async fn stop(&mut self, index: usize) {
        if let Some(handle) = self.nodes[index].handle.take() {
            handle.abort();
            // Its disk is free when it has ended; that it was stopped is all it can say.
            handle.await.ok();
        }
    }

    /// Height of the furthest.
    fn height(&self) -> u64 {
        self.nodes.iter().map(|node| node.member.watch.height()).max().unwrap_or_default()
    }

    /// A final block, which all that have it must agree on.
    fn block(&self, height: u64) -> Block {
        let mut known = self.nodes.iter().filter_map(|node| node.member.watch.0.lock().get(&height).cloned());
        let block = known.next().expect("a final block");
        assert!(known.all(|other| other == block), "members agree on block {height}");
        block
    }

    /// Who holds the key in `epoch` by the last block before it.
    fn info(&self, epoch: u64) -> Info {
        if epoch == 0 {
            return self.nodes[0].member.info.clone();
        }
        let Some(Payload::EpochInfo(info)) = self.block(epoch * self.seats.epoch_blocks.get() - 1).payload() else {
            panic!("the last block before epoch {epoch} says who holds the key");
        };
        info
    }

    /// What the round of `epoch` took.
    fn round(&self, epoch: u64) -> Round {
        let length = self.seats.epoch_blocks.get();
        let (messages, message_bytes) = self.tally.lock().get(&epoch).copied().unwrap_or_default();
        let mut round = Round { messages, message_bytes, ..Round::default() };
        let quorum = self.info(epoch).output.public().required() as usize;
        for place in length / 2..length {
            let height = epoch * length + place;
            match self.block(height).payload() {
                Some(Payload::DealerLog(log)) => {
                    round.logs += 1;
                    round.log_bytes += log.encode_size();
                    if round.logs == quorum {
                        round.quorum_after = Some(place - length / 2 + 1);
                    }
                }
                Some(Payload::EpochInfo(info)) => round.info_bytes = info.encode_size(),
                None => {}
            }
        }
        round
    }

    /// The shares that members hold in `epoch`, and the key's sharing.
    fn shares(&self, epoch: u64) -> (Vec<Share>, Option<Sharing<MinPk>>) {
        let (mut shares, mut sharing) = (Vec::new(), None);
        for node in &self.nodes {
            if let Some(SchemeInfo::Signer { share, sharing: of, .. }) = node.member.held.lock().get(&epoch) {
                shares.push(share.clone());
                sharing = Some(of.clone());
            }
        }
        (shares, sharing)
    }
}

/// Signs `height` with shares: any quorum gives one signature that the key verifies, one fewer gives none.
fn sign(shares: &[Share], sharing: &Sharing<MinPk>, height: u64, rng: &mut StdRng) -> Vec<u8> {
    let (message, quorum) = (height.to_be_bytes(), sharing.required() as usize);
    let mut partials: Vec<PartialSignature<MinPk>> =
        shares.iter().map(|share| threshold::sign_message::<MinPk>(share, NAMESPACE, &message)).collect();
    for partial in &partials {
        threshold::verify_message::<MinPk>(sharing, NAMESPACE, &message, partial).expect("a partial verifies");
    }
    let mut made: Option<Vec<u8>> = None;
    for _ in 0..8 {
        partials.shuffle(rng);
        let signature = threshold::recover(sharing, &partials[..quorum], &Sequential).expect("a quorum signs");
        verify_message::<MinPk>(sharing.public(), NAMESPACE, &message, &signature).expect("the key verifies it");
        let bytes = signature.encode().to_vec();
        assert_eq!(made.get_or_insert_with(|| bytes.clone()), &bytes, "every quorum gives the same signature");
        assert!(
            threshold::recover(sharing, &partials[..quorum - 1], &Sequential).is_err(),
            "fewer than a quorum give none"
        );
    }
    made.expect("signed")
}

/// Runs a trial; prints an epoch a line. Panics where something does not hold.
pub(crate) fn run(trial: &Trial, seed: u64) {
    println!("\n{}: {} (seed {seed})", trial.name, trial.about);
    let config = deterministic::Config::new().with_seed(seed).with_timeout(Some(Duration::from_secs(3_600)));
    deterministic::Runner::new(config).start(|context| async move { all(&context, trial, seed).await })
}

async fn all(context: &Context, trial: &Trial, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let count = trial.seats + usize::try_from(trial.epochs).expect("few epochs") + 4;
    let seats = Seats {
        members: Arc::new((0..count).map(|_| ValidatorKeys::generate(&mut rng)).collect()),
        count: trial.seats,
        epoch_blocks: trial.epoch_blocks,
        lag: trial.lag,
    };
    let keys: Vec<PublicKey> = (0..count).map(|index| seats.key(index)).collect();
    let config = NetworkConfig {
        max_size: 1 << 20,
        max_peers_per_set: NZUsize!(count),
        disconnect_on_block: true,
        tracked_peer_sets: NZUsize!(1),
    };
    let (network, oracle) = Network::new_with_peers(context.child("network"), config, keys.clone()).await;
    network.start();
    let link =
        Link { latency: Duration::from_millis(10), jitter: Duration::from_millis(2), success_rate: probability!(1.0) };
    for from in &keys {
        for to in keys.iter().filter(|to| *to != from) {
            oracle.add_link(from.clone(), to.clone(), link.clone()).await.expect("members are linked");
        }
    }

    let info = first_key(context, &oracle, &seats).await;
    // Actors that were stopped let go of their disks when the runtime comes to them.
    context.sleep(Duration::from_secs(1)).await;
    let (key, tally) = (*info.output.public().public(), Tally::default());
    let mut nodes = Vec::new();
    for index in 0..count {
        bring(context, index).await;
        let conduct = trial.conduct;
        let plan: Plan = Arc::new(move |epoch| conduct(index, epoch));
        let (held, watch) = (Held::default(), Watch::default());
        let (seats, info, tally) = (seats.clone(), info.clone(), Tally::clone(&tally));
        let member = Member { seats, index, info, plan, tally, held, watch, hand_on: trial.hand_on };
        nodes.push(Node { handle: None, starts: 0, member });
    }
    let mut run = Run { context, oracle, seats, nodes, tally };
    for index in 0..count {
        run.start(index).await;
    }
    let began = context.current();
    watch(&mut run, trial, key, &mut rng).await;
    let simulated = context.current().duration_since(began).unwrap_or_default();
    println!("  {} blocks in {:.1} s, simulated", run.height(), simulated.as_secs_f64());
}

/// Lets the epochs pass, stops and starts members meanwhile, and checks each epoch.
async fn watch(run: &mut Run<'_>, trial: &Trial, key: VoteKey, rng: &mut StdRng) {
    let length = trial.epoch_blocks.get();
    let mut stopped: BTreeMap<usize, (Back, SystemTime)> = BTreeMap::new();
    let mut stops: Vec<_> = trial.stops.clone();
    for epoch in 0..=trial.epochs {
        // Three blocks into the epoch after it, so that all have heard of its end.
        let until = (epoch + 1) * length + 3;
        loop {
            let height = run.height();
            let now = run.context.current();
            for (index, _, back) in stops.extract_if(.., |(_, at, _)| *at <= height) {
                println!("  block {height}: member {index} stops");
                run.stop(index).await;
                stopped.insert(index, (back, now));
            }
            let back: Vec<usize> = stopped
                .iter()
                .filter(|(_, (back, since))| match back {
                    Back::At(at) => *at <= height,
                    Back::After(time) => *since + *time <= now,
                })
                .map(|(index, _)| *index)
                .collect();
            for index in back {
                println!("  block {height}: member {index} is back");
                stopped.remove(&index);
                run.start(index).await;
            }
            let reached = |node: &Node| node.handle.is_none() || node.member.watch.height() >= until;
            if height >= until && run.nodes.iter().all(reached) {
                break;
            }
            run.context.sleep(Duration::from_millis(20)).await;
        }
        check(run, trial, epoch, &key, rng);
    }
}

fn check(run: &Run<'_>, trial: &Trial, epoch: u64, key: &VoteKey, rng: &mut StdRng) {
    let (before, after) = (run.info(epoch), run.info(epoch + 1));
    assert_eq!(after.output.public().public(), key, "the key is what it was");
    let failed = trial.fails.contains(&epoch);
    assert_eq!(after.outcome == EpochOutcome::Failure, failed, "the round of epoch {epoch} ends as foreseen");
    if failed {
        assert_eq!(after.output, before.output, "who held the key goes on holding it");
    }
    let (shares, sharing) = run.shares(epoch + 1);
    let sharing = sharing.expect("somebody holds the key");
    assert_eq!(&sharing, after.output.public(), "members hold what the block says");
    let signature = sign(&shares, &sharing, 1_000, rng);
    let round = run.round(epoch);
    let members =
        |set: &Set<PublicKey>| set.iter().map(|key| run.seats.member(key).to_string()).collect::<Vec<_>>().join(",");
    println!(
        "  epoch {epoch}: {:?}; {} logs, quorum after {} blocks; {} messages, {} bytes; logs {} bytes, last block {}; \
         key held by {} ({} shares, {} sign), revealed [{}]; signature of 1000: {}",
        after.outcome,
        round.logs,
        round.quorum_after.map_or_else(|| "no".to_owned(), |blocks| blocks.to_string()),
        round.messages,
        round.message_bytes,
        round.log_bytes,
        round.info_bytes,
        members(after.output.players()),
        shares.len(),
        sharing.required(),
        members(after.output.revealed()),
        alloy_primitives::hex::encode(&signature[..8]),
    );
}
