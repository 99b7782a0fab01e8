//! Looks at a node's state on disk without starting the node.
//!
//! It opens what a node opens and reads all of the state, so it repairs what a start would repair (the
//! torn end of a file after a power cut) and nothing else. The node must not run meanwhile.
//!
//! Does not: check signatures or execute blocks.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use commonware_codec::RangeCfg;
use commonware_cryptography::sha256::Digest;
use commonware_glue::stateful::db::DatabaseSet as _;
use commonware_runtime::{Runner as _, Supervisor as _, tokio as runtime};
use commonware_storage::{
    archive::{Archive as _, Identifier, prunable},
    translator::TwoCap,
};
use futures::StreamExt as _;

use crate::{
    block::Block,
    consensus::{
        app::Databases,
        core::decode_entry,
        storage::{archive_config, database_config, page_cache},
    },
    panics::{self, Awaited},
    state::State,
};

/// What is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Height of the state; none if there is none yet.
    pub height: Option<u64>,
    /// Entries of the state.
    pub entries: usize,
}

/// Opens the state in `dir` of the node with these partitions; says what is wrong with it. Blocks.
pub fn probe(dir: &Path, partition: &str) -> Result<Found, String> {
    let storage = dir.join("chain");
    if !storage.exists() {
        return Ok(Found { height: None, entries: 0 });
    }
    // The storage panics where it finds damage.
    let _awaited = Awaited::begin();
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let config = runtime::Config::new().with_worker_threads(1).with_storage_directory(storage);
        runtime::Runner::new(config).start(|context| look(context, partition.to_owned()))
    }));
    looked.unwrap_or_else(|panic| Err(panics::text(&*panic)))
}

async fn look(context: runtime::Context, partition: String) -> Result<Found, String> {
    let cache = page_cache();
    let blocks = archive_config(&partition, "blocks", cache.clone(), ());
    let blocks: prunable::Archive<TwoCap, _, Digest, Block> =
        prunable::Archive::init(context.child("blocks"), blocks).await.map_err(|e| format!("blocks: {e}"))?;
    let outcomes = archive_config(&partition, "outcomes", cache.clone(), (RangeCfg::from(..), ()));
    let _outcomes: prunable::Archive<TwoCap, _, Digest, Vec<u8>> =
        prunable::Archive::init(context.child("outcomes"), outcomes).await.map_err(|e| format!("outcomes: {e}"))?;
    let config = database_config::<runtime::Context>(&partition, cache);
    let database = Databases::<runtime::Context>::init(context.child("state"), config, None).await;
    let guard = database.read().await;
    let mut stream = std::pin::pin!(guard.stream_range(..));
    let mut entries = Vec::new();
    while let Some(entry) = stream.next().await {
        let (_, value) = entry.map_err(|e| format!("state: {e}"))?;
        entries.push(decode_entry(&value).ok_or("state: an entry is not as it was written")?);
    }
    let count = entries.len();
    if count == 0 {
        return Ok(Found { height: None, entries: 0 });
    }
    let state = State::from_entries(entries);
    let height = assay_ledger::latest(&state, &crate::crypto::Bls)
        .map(|ctx| ctx.height)
        .ok_or("state: it does not name its height")?;
    match blocks.get(Identifier::Index(height)).await {
        Ok(Some(_)) => Ok(Found { height: Some(height), entries: count }),
        Ok(None) => Err(format!("blocks: the one of the state's height, {height}, is missing")),
        Err(error) => Err(format!("blocks: {error}")),
    }
}
