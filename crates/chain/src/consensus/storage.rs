//! Where a node keeps what on disk, and the version it starts from.

use std::num::NonZeroUsize;

use assay_types::Genesis;
use commonware_codec::{CodecShared, RangeCfg};
use commonware_cryptography::sha256::Digest;
use commonware_glue::stateful::db::DatabaseSet;
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_storage::{
    archive::prunable,
    journal::contiguous::variable::Config as LogConfig,
    merkle::full::Config as MerkleConfig,
    qmdb::current::VariableConfig,
    translator::{EightCap, TwoCap},
};
use commonware_utils::{NZU16, NZU64, NZUsize};
use futures::{StreamExt as _, future::BoxFuture};

use super::{
    app::Databases,
    core::{Core, Version, decode_entry, is_blank},
    engine::StartError,
};
use crate::{block::Block, light::MAX_VALUE_BYTES, state::State};

pub(crate) const BUFFER: NonZeroUsize = NZUsize!(1 << 16);

/// Pages all databases of a node share.
pub(crate) fn page_cache() -> CacheRef {
    CacheRef::new(NZU16!(4_096), NZUsize!(1_024))
}

/// An archive of finalized things by height and digest.
pub(crate) type Archive<E, V> = prunable::Archive<TwoCap, E, Digest, V>;

pub(crate) fn archive_config<C>(
    prefix: &str,
    name: &str,
    page_cache: CacheRef,
    codec_config: C,
) -> prunable::Config<TwoCap, C> {
    prunable::Config {
        translator: TwoCap,
        metadata_partition: format!("{prefix}-{name}-metadata"),
        key_partition: format!("{prefix}-{name}-key"),
        key_page_cache: page_cache,
        value_partition: format!("{prefix}-{name}-value"),
        compression: None,
        codec_config,
        // What pruning drops at once.
        items_per_section: NZU64!(512),
        key_write_buffer: BUFFER,
        value_write_buffer: BUFFER,
        replay_buffer: BUFFER,
    }
}

pub(crate) fn database_config<E: Spawner + Storage + Clock + Metrics>(
    prefix: &str,
    page_cache: CacheRef,
) -> <Databases<E> as DatabaseSet<E>>::Config {
    VariableConfig {
        merkle_config: MerkleConfig {
            journal_partition: format!("{prefix}-state-merkle-journal"),
            metadata_partition: format!("{prefix}-state-merkle-pins"),
            items_per_blob: NZU64!(65_536),
            write_buffer: BUFFER,
            replay_buffer: BUFFER,
            strategy: Sequential,
            page_cache: page_cache.clone(),
        },
        journal_config: LogConfig {
            partition: format!("{prefix}-state-log"),
            items_per_section: NZU64!(65_536),
            compression: None,
            codec_config: ((), (RangeCfg::from(0..=MAX_VALUE_BYTES), ())),
            page_cache,
            write_buffer: BUFFER,
            replay_buffer: BUFFER,
        },
        grafted_metadata_partition: format!("{prefix}-state-grafted"),
        translator: EightCap,
        init_cache: Some(NZUsize!(1 << 16)),
        init_buffer: NZUsize!(1 << 21),
        init_concurrency: (),
    }
}

/// Opens an archive; `what` it holds is said where it is damaged.
pub(crate) async fn open_archive<E, V>(
    context: &E,
    partition: &str,
    name: &'static str,
    what: &'static str,
    codec_config: V::Cfg,
    page_cache: &CacheRef,
) -> Result<Archive<E, V>, StartError>
where
    E: commonware_storage::Context,
    V: CodecShared,
{
    let config = archive_config(partition, name, page_cache.clone(), codec_config);
    prunable::Archive::init(context.child(name), config).await.map_err(|e| StartError::corrupt(what, &e))
}

/// Block 0 of a genesis.
pub(crate) fn opening_block<E: Spawner + Storage + Clock + Metrics>(genesis: &Genesis) -> Block {
    let targets = <Databases<E> as DatabaseSet<E>>::initial_sync_targets();
    Block::genesis(
        targets.root,
        targets.root,
        targets.range,
        genesis.hash(),
        genesis.timestamp_ms,
        genesis.params.min_base_fee,
    )
}

/// Loads the version the node starts from: what its database holds, or the opening state.
pub(crate) async fn load<E>(
    core: &Core,
    database: &Databases<E>,
    opening: State,
    block_at: impl Fn(u64) -> BoxFuture<'static, Option<Block>>,
) -> Result<(), StartError>
where
    E: Clock + Spawner + Storage + Metrics,
{
    let mut entries = Vec::new();
    let root = {
        let guard = database.read().await;
        let mut stream = std::pin::pin!(guard.stream_range(..));
        while let Some(entry) = stream.next().await {
            let (_, value) = entry.map_err(|e| StartError::corrupt("state", &e))?;
            let entry = decode_entry(&value);
            entries.push(entry.ok_or_else(|| StartError::damaged("state", "an entry of the state does not decode"))?);
        }
        guard.root()
    };
    let state = State::from_entries(entries);
    let genesis_block = &core.genesis_block;
    if is_blank(&state) {
        let version = Version {
            height: 0,
            timestamp_ms: genesis_block.header.timestamp_ms,
            beacon: genesis_block.header.beacon,
            state: opening,
            output: None,
        };
        core.start_from(genesis_block, version);
        return Ok(());
    }
    let latest = assay_ledger::latest(&state, &crate::crypto::Bls);
    let height = latest.ok_or_else(|| StartError::damaged("state", "it does not say after which block it is"))?.height;
    let block = block_at(height).await;
    let block =
        block.ok_or_else(|| StartError::damaged("blocks", format!("block {height} of the state is missing")))?;
    if block.header.height != height || block.header.state_root != root {
        return Err(StartError::damaged("state", format!("its root is not that of block {height}")));
    }
    let version =
        Version { height, timestamp_ms: block.header.timestamp_ms, beacon: block.header.beacon, state, output: None };
    tracing::info!(height, "resumed");
    core.start_from(&block, version);
    Ok(())
}
