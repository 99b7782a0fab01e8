//! What a node keeps of the past: everything, or the newest blocks.
//!
//! A pruning node drops old blocks, their certificates, their receipts and superseded state
//! operations. It keeps the whole present state. Asked for what it dropped it says so, and names an
//! archive node as the way out (JSON-RPC code 4444, as nodes of EIP-4444 answer).

use std::sync::Arc;

use assay_types::Params;
use commonware_glue::stateful::PruneConfig;
use commonware_runtime::Spawner;
use commonware_utils::NZUsize;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    consensus::{core::Core, engine::StartError, outcomes::Outcomes},
    index::IndexOptions,
};

/// What a node keeps of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retention {
    /// Everything.
    #[default]
    Archive,
    /// At least this many of the newest blocks.
    Blocks(u64),
}

/// Blocks of the state log that a pruning node still serves to those who sync, at most: a sync that
/// takes longer starts on a newer block.
const STATE_BLOCKS: u64 = 4_096;
/// Blocks between prunings. Storage drops whole sections, so a finer grain would free nothing.
const EVERY: u64 = 64;

impl Retention {
    /// Fewest blocks that a pruning node may keep: two epochs of the validators, so that whoever was
    /// away for one still finds its end.
    pub fn least(params: &Params) -> u64 {
        u64::from(params.validator_epoch_blocks).saturating_mul(2)
    }

    /// Refuses to keep too little.
    pub fn check(&self, params: &Params) -> Result<(), StartError> {
        let least = Self::least(params);
        match self {
            Self::Blocks(blocks) if *blocks < least => Err(StartError::Retention { given: *blocks, least }),
            _ => Ok(()),
        }
    }

    /// The same for the index of the JSON-RPC server.
    pub fn index(&self) -> IndexOptions {
        let retain_blocks = match self {
            Self::Archive => None,
            Self::Blocks(blocks) => Some(*blocks),
        };
        IndexOptions { retain_blocks, ..IndexOptions::default() }
    }

    pub(crate) fn prune_config(&self) -> Option<PruneConfig> {
        let Self::Blocks(blocks) = self else { return None };
        let size = |blocks: u64| usize::try_from(blocks).unwrap_or(usize::MAX);
        Some(PruneConfig {
            maintenance_interval: NZUsize!(EVERY as usize),
            retained_marshal_blocks: size(*blocks),
            retained_qmdb_blocks: size((*blocks).min(STATE_BLOCKS)),
        })
    }

    /// Keeps the archive of receipts at the same length.
    pub(crate) fn keep<E: Spawner>(self, context: &E, core: Arc<Core>, outcomes: Arc<dyn Outcomes>) {
        let Self::Blocks(blocks) = self else { return };
        context.child("retention").spawn(move |_| async move {
            let mut finalized = core.blocks.subscribe();
            loop {
                match finalized.recv().await {
                    Ok(block) if block.height % EVERY == 0 => {
                        let first = block.height.saturating_sub(blocks);
                        outcomes.prune(first).await;
                        core.first_block.fetch_max(first, std::sync::atomic::Ordering::Relaxed);
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }
}
