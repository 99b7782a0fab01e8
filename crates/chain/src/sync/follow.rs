//! A node without a seat: executes what the validators finalized and serves it like any other.
//!
//! The same actors as a validator's without consensus and peers: marshal is fed by [`super::feed`], the
//! transactions of its clients go to an upstream.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use assay_ledger::Checked;
use assay_types::Genesis;
use commonware_consensus::marshal::resolver::handler;
use commonware_resolver::opaque;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage};
use commonware_utils::NZUsize;
use rand_core::CryptoRng;
use tokio::sync::broadcast::error::RecvError;

use super::{
    feed::{Answers, Feed},
    join::state_sync,
};
use crate::{
    committee::{Committees, PublicKey},
    consensus::{
        base::{Base, BaseConfig, MAILBOX, StoppedMarshal},
        core::Core,
        engine::StartError,
    },
    keys::ValidatorKeys,
    mempool::Limits,
    node::Node,
    retention::Retention,
    upstream::Pool,
};

/// What a follower needs besides a runtime and upstreams.
#[derive(Debug, Clone)]
pub struct FollowerConfig {
    /// The network's genesis.
    pub genesis: Genesis,
    /// Prefix of all storage partitions.
    pub partition: String,
    /// Bounds of the mempool.
    pub mempool: Limits,
    /// What it keeps of the past.
    pub retention: Retention,
    /// An empty node syncs the state if the chain is longer than this, in blocks, and replays it whole
    /// otherwise.
    pub sync_beyond: u64,
}

/// Pause before transactions that no upstream took are tried again, and how many then.
const AGAIN: Duration = Duration::from_secs(1);
const AT_ONCE: usize = 64;

/// Blocks that are replayed rather than skipped by state sync, unless told.
pub const SYNC_BEYOND: u64 = 1_024;

/// Starts a follower: syncs the state if it has none, then follows. The handle ends when the node does.
pub async fn start_follower<E>(
    mut context: E,
    config: FollowerConfig,
    pool: Arc<Pool>,
) -> Result<(Node, Handle<()>), StartError>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
{
    let FollowerConfig { genesis, partition, mempool, retention, sync_beyond } = config;
    retention.check(&genesis.params)?;
    state_sync(context.child("join"), &genesis, &partition, &pool, sync_beyond).await?;
    // Nobody's: a follower proposes nothing.
    let committees = Committees::new(ValidatorKeys::generate(&mut context), None);
    let max_repair = NZUsize!(64);
    let base =
        Base::open(&context, BaseConfig { genesis, committees, partition, mempool, retention, max_repair }).await?;
    let core = Arc::clone(&base.core);
    let feed = Arc::new(Feed { core: Arc::clone(&core), pool: Arc::clone(&pool), cache: Default::default() });
    let (receiver, handler) = handler::init(context.child("handler"), MAILBOX);
    let resolver: opaque::Resolver<_, _, PublicKey> = opaque::init(
        context.child("upstream_resolver"),
        Answers(Arc::clone(&feed)),
        handler,
        MAILBOX,
        Duration::from_millis(100),
    );
    let marshal = base.marshal.clone();
    let run = |actor: StoppedMarshal<E>, application| actor.start_unbuffered(application, (receiver, resolver));
    let node = base.start(&context, run).await?;
    // Marshal checks certificates of this epoch.
    if let Some((tip, state)) = core.tip() {
        core.sitting(core.epoch_of(tip.height), &state);
        core.sitting(core.epoch_of(tip.height.saturating_add(1)), &state);
    }
    pass_on(&context, core, pool);
    let handle = context.child("feed").spawn(move |context| feed.run(context, marshal));
    Ok((node, handle))
}

/// Gives the transactions of this node's clients to an upstream, again while none takes them. They stay in the pool
/// until a block has them, so that a client can ask for them here.
fn pass_on<E: Clock + Spawner>(context: &E, core: Arc<Core>, pool: Arc<Pool>) {
    // From now on, not from when the task first runs.
    let mut fresh = core.mempool.fresh();
    context.child("pass_on").spawn(move |context| async move {
        let mut refused: VecDeque<Arc<Checked>> = VecDeque::new();
        let mut again_at = context.current();
        loop {
            let again = async {
                match refused.is_empty() {
                    true => futures::future::pending().await,
                    false => context.sleep_until(again_at).await,
                }
            };
            let next = tokio::select! {
                biased;
                () = again => None,
                next = fresh.recv() => Some(next),
            };
            match next {
                Some(Ok(tx)) => refused.extend(pass(&pool, tx).await),
                Some(Err(RecvError::Lagged(missed))) => tracing::warn!(missed, "transactions were not passed on"),
                Some(Err(RecvError::Closed)) => return,
                None => {
                    for _ in 0..refused.len().min(AT_ONCE) {
                        let waits = refused.pop_front().filter(|tx| core.mempool.contains(&tx.hash));
                        if let Some(tx) = waits {
                            refused.extend(pass(&pool, tx).await);
                        }
                    }
                    again_at = context.current() + AGAIN;
                }
            }
        }
    });
}

/// A transaction that no upstream took.
async fn pass(pool: &Pool, tx: Arc<Checked>) -> Option<Arc<Checked>> {
    let passed = pool.ask(|upstream| upstream.submit(tx.raw.clone()), |_| Ok(())).await;
    passed.err().map(|none| {
        tracing::warn!(hash = %tx.hash, %none, "a transaction could not be passed on yet");
        tx
    })
}
