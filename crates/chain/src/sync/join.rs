//! State sync: the state of the newest certified block into an empty node.
//!
//! It ends before consensus starts. The glue crate could sync while it runs, but the ledger here
//! executes on the whole state in memory, which is there only once the database is complete.
//!
//! On disk, beside the database: which block is being synced to, with its certificate, and whether that
//! is done. So a restart goes on with the same block, and marshal starts at it.

use std::{sync::Arc, time::Duration};

use assay_types::{Bytes, Genesis, node::Handover};
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _, RangeCfg};
use commonware_consensus::marshal::standard::Standard;
use commonware_consensus::simplex::types::Finalization;
use commonware_cryptography::{certificate::Verifier as _, sha256::Digest};
use commonware_glue::stateful::SyncPlan;
use commonware_runtime::{Clock, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_storage::{
    archive::{Archive as _, prunable},
    metadata::{self, Metadata},
    qmdb::sync::{self, Target, engine::Config},
};
use commonware_utils::{NZU64, NZUsize, sequence::U64};
use serde::{Deserialize, Serialize};

use super::{
    source::Puller,
    trust::{Known, block_of},
};
use crate::{
    block::{Block, to_b256},
    committee::Scheme,
    consensus::{
        app::{Qmdb, now_ms},
        handovers::{Handovers as _, Kept},
        storage::{archive_config, database_config, page_cache},
    },
    light::LightError,
    upstream::{NoUpstream, Pool},
};

/// Operations of a request.
pub(crate) const FETCH: std::num::NonZeroU64 = NZU64!(crate::upstream::MAX_OPERATIONS);

/// Attempts to hear of a certified tip, and the pause between them.
const TIP_ATTEMPTS: u32 = 5;
const TIP_PAUSE: Duration = Duration::from_secs(1);

/// Why a node could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The genesis has no usable committee.
    #[error(transparent)]
    Committee(#[from] LightError),
    /// Nobody gave what is needed.
    #[error("state sync stopped, and goes on where it was when started again: {0}")]
    NoUpstream(#[source] NoUpstream),
    /// The database did not take what was verified.
    #[error(
        "state sync of block {height} failed in the database: {reason}; move the state directory away and start again to sync anew"
    )]
    Database {
        /// The block synced to.
        height: u64,
        /// Why.
        reason: String,
    },
    /// The roots of a certified header contradict each other: a fault of this program, or of more than
    /// two thirds of the validators.
    #[error("the certified block {height} states a state root that its own operations do not have")]
    Contradiction {
        /// The block.
        height: u64,
    },
}

/// The block a node joined at.
#[derive(Clone)]
pub(crate) struct Joined {
    pub(crate) finalization: Finalization<Scheme, Digest>,
    pub(crate) block: Block,
    /// How its committee came to sit; none in epoch 0.
    pub(crate) handover: Option<Handover>,
    done: bool,
}

/// As it lies on disk.
#[derive(Serialize, Deserialize)]
struct Note {
    certificate: Bytes,
    block: Bytes,
    handover: Option<Handover>,
    done: bool,
}

const KEY: U64 = U64::new(0);
type Notes<E> = Metadata<E, U64, Vec<u8>>;

async fn notes<E: Clock + Storage + Metrics>(context: &E, partition: &str) -> Notes<E> {
    let config = metadata::Config { partition: format!("{partition}-joined"), codec_config: (RangeCfg::from(..), ()) };
    Metadata::init(context.child("joined"), config).await.expect("the note of where the node joined opens")
}

fn encode(joined: &Joined) -> Vec<u8> {
    let note = Note {
        certificate: joined.finalization.encode().to_vec().into(),
        block: joined.block.encode().to_vec().into(),
        handover: joined.handover.clone(),
        done: joined.done,
    };
    serde_json::to_vec(&note).expect("a note is plain data")
}

fn decode(bytes: &[u8]) -> Option<Joined> {
    let Note { certificate, block, handover, done } = serde_json::from_slice(bytes).ok()?;
    let config = Scheme::certificate_codec_config_unbounded();
    Some(Joined {
        finalization: Finalization::decode_cfg(certificate.to_vec(), &config).ok()?,
        block: Block::decode(block.to_vec()).ok()?,
        handover,
        done,
    })
}

/// Where the node of `partition` joined, if it did by state sync.
pub(crate) async fn joined<E: Clock + Storage + Metrics>(context: &E, partition: &str) -> Option<Joined> {
    let notes = notes(context, partition).await;
    notes.get(&KEY).and_then(|bytes| decode(bytes)).filter(|joined| joined.done)
}

/// Height at which a node's state began, if it has one: 0 is genesis.
pub(crate) async fn has_state<E: Clock + Spawner + Storage + Metrics>(context: &E, partition: &str) -> Option<u64> {
    let plan = SyncPlan::<_, Scheme, Standard<Block>>::init(context.child("plan"), partition).await;
    let completed = plan.completed();
    let joined = joined(context, partition).await;
    joined.map(|joined| joined.block.header.height).or(completed.map(|height| height.get()))
}

/// Brings the state of the newest certified block into the empty node of `partition`, or goes on with
/// what an earlier call began. Does nothing on a node that has state, or while the chain is shorter
/// than `beyond` blocks: then the node replays it whole. Gives the height joined at.
pub async fn state_sync<E>(
    context: E,
    genesis: &Genesis,
    partition: &str,
    pool: &Arc<Pool>,
    beyond: u64,
) -> Result<Option<u64>, JoinError>
where
    E: Clock + Spawner + Storage + Metrics,
{
    let plan = SyncPlan::<_, Scheme, Standard<Block>>::init(context.child("plan"), partition).await;
    let has_state = plan.completed().is_some();
    drop(plan);
    let mut notes = notes(&context, partition).await;
    let noted = notes.get(&KEY).and_then(|bytes| decode(bytes));
    if has_state || noted.as_ref().is_some_and(|joined| joined.done) {
        return Ok(noted.map(|joined| joined.block.header.height));
    }
    warn_of_old_trust(&context, genesis, pool);
    let mut known = Known::of_genesis(genesis)?;
    let mut joined = match noted {
        Some(joined) => joined,
        None => match choose(&context, &mut known, pool, beyond).await? {
            Some(joined) => joined,
            None => return Ok(None),
        },
    };
    let page_cache = page_cache();
    loop {
        let height = joined.block.header.height;
        notes = notes.put_sync(KEY, encode(&joined)).await.map_err(|e| database(height, &e))?;
        tracing::info!(height, operations = *joined.block.header.ops_range.end(), "state sync");
        match pull(&context, partition, page_cache.clone(), pool, &joined).await {
            Ok(()) => break,
            Err(JoinError::NoUpstream(none)) if none.pruned => {
                // The chain went on without this node: a newer state, of which it may have most already.
                let newer = choose(&context, &mut known, pool, 0).await?;
                joined = newer.filter(|newer| newer.block.header.height > height).ok_or(JoinError::NoUpstream(none))?;
            }
            Err(error) => return Err(error),
        }
    }
    let height = joined.block.header.height;
    let blocks =
        prunable::Archive::init(context.child("blocks"), archive_config(partition, "blocks", page_cache.clone(), ()));
    let blocks = blocks.await.map_err(|e| database(height, &e))?;
    let digest = joined.block.header.digest();
    blocks.put_sync(height, digest, &Arc::new(joined.block.clone())).await.map_err(|e| database(height, &e))?;
    // For those who join through this node.
    let known = known.follow(pool).await.map_err(JoinError::NoUpstream)?;
    let kept = Kept::open(&context, partition, &page_cache).await;
    let kept = kept.map_err(|e| JoinError::Database { height, reason: e.to_string() })?;
    for (epoch, handover) in (1..).zip(&known.handovers) {
        kept.put(epoch, handover).await;
    }
    drop(kept);
    joined.done = true;
    notes.put_sync(KEY, encode(&joined)).await.map_err(|e| database(height, &e))?;
    tracing::info!(height, "state sync is complete");
    Ok(Some(height))
}

/// Stake that vouched for what is trusted may have left since: its keys could sign another past at no cost.
fn warn_of_old_trust(context: &impl Clock, genesis: &Genesis, pool: &Pool) {
    let (what, since_ms) = match pool.checkpoint() {
        Some(checkpoint) => ("the checkpoint", checkpoint.timestamp_ms),
        None => ("the genesis, without a checkpoint,", genesis.timestamp_ms),
    };
    let age_ms = now_ms(context).saturating_sub(since_ms);
    if age_ms > genesis.params.unbonding_ms {
        tracing::warn!(
            age_ms,
            unbonding_ms = genesis.params.unbonding_ms,
            "{what} that this node joins by is older than the unbonding time: compare a block hash with somebody you trust"
        );
    }
}

fn database(height: u64, error: &dyn std::error::Error) -> JoinError {
    JoinError::Database { height, reason: error.to_string() }
}

/// The newest certified block that any upstream has; none if it is not above `beyond`.
async fn choose<E: Clock>(
    context: &E,
    known: &mut Known,
    pool: &Arc<Pool>,
    beyond: u64,
) -> Result<Option<Joined>, JoinError> {
    let mut attempt = 0;
    let tips = loop {
        // An epoch may end between the two questions: then both are asked again.
        let tips = match known.clone().follow(pool).await {
            Ok(further) => {
                *known = further;
                pool.ask_all(|upstream| upstream.tip(0), |certificate| known.tip(&certificate)).await
            }
            Err(none) => Err(none),
        };
        match tips {
            Ok(tips) => break tips,
            Err(none) if attempt == TIP_ATTEMPTS => return Err(JoinError::NoUpstream(none)),
            Err(_) => attempt += 1,
        }
        context.sleep(TIP_PAUSE).await;
    };
    // A certificate proves a tip, so the newest needs no second witness.
    let Some(tip) = tips.into_iter().max_by_key(|tip| tip.header.height) else { return Ok(None) };
    if tip.header.height <= beyond {
        return Ok(None);
    }
    let digest = tip.header.digest();
    let block = pool.ask(|upstream| upstream.block(to_b256(&digest)), |record| block_of(&record, &digest));
    let block = block.await.map_err(JoinError::NoUpstream)?;
    let handover = known.handover(tip.header.context.round.epoch().get()).cloned();
    Ok(Some(Joined { finalization: tip.finalization, block, handover, done: false }))
}

/// Pulls the operations of `joined`'s state into the database.
async fn pull<E>(
    context: &E,
    partition: &str,
    page_cache: CacheRef,
    pool: &Arc<Pool>,
    joined: &Joined,
) -> Result<(), JoinError>
where
    E: Clock + Spawner + Storage + Metrics,
{
    let header = &joined.block.header;
    let config: Config<Qmdb<E>, Puller<E>> = Config {
        context: context.child("database"),
        source: Puller { pool: Arc::clone(pool), root: header.ops_root, clock: Arc::new(context.child("puller")) },
        target: Target::new(header.ops_root, header.ops_range.clone()),
        max_outstanding_requests: NZUsize!(8),
        fetch_batch_size: FETCH,
        apply_batch_size: NZU64!(4_096),
        db_config: database_config::<E>(partition, page_cache),
        update_rx: None,
        finish_rx: None,
        reached_target_tx: None,
    };
    let synced = sync::sync(config).await.map_err(|error| match error {
        sync::Error::Source(none) => JoinError::NoUpstream(none),
        error => database(header.height, &error),
    })?;
    if synced.root() != header.state_root {
        return Err(JoinError::Contradiction { height: header.height });
    }
    synced.sync().await.map_err(|e| database(header.height, &e))?;
    Ok(())
}
