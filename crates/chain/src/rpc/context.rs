//! What every method works with: the node, the past, the bounds.

use std::sync::Arc;

use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag};
use assay_ledger::StateRead;
use assay_types::{B256, Genesis, block::SharedBlock};
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};
use serde::Serialize;

use super::{
    Backend,
    error::{RpcResult, indexed, not_found, pruned, pruned_block},
    server::RpcConfig,
    subscribe::Rendered,
};
use crate::index::History;

pub(super) struct Context {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) history: Arc<History>,
    pub(super) genesis: Arc<Genesis>,
    pub(super) genesis_hash: B256,
    pub(super) config: RpcConfig,
    pub(super) rendered: Rendered,
}

impl Context {
    /// The newest block readers can see. Behind the node's own by the moment it takes to file it.
    pub(super) fn newest(&self) -> RpcResult<SharedBlock> {
        if let Some(block) = self.history.newest() {
            return Ok(block);
        }
        match indexed(self.history.heights())? {
            Some((_, last)) => Ok(self.block_at(last)?.unwrap_or_else(|| self.backend.head().block)),
            None => Ok(self.backend.head().block),
        }
    }

    /// The block at a height.
    pub(super) fn block_at(&self, height: u64) -> RpcResult<Option<SharedBlock>> {
        let found = indexed(self.history.block(height))?;
        if found.is_none() {
            let held = indexed(self.history.heights())?.map_or(0, |(first, _)| first);
            let first = held.max(self.backend.first_block());
            if height < first {
                return Err(pruned_block(height, first));
            }
        }
        Ok(found)
    }

    /// The height a tag means.
    pub(super) fn height(&self, tag: BlockNumberOrTag) -> RpcResult<u64> {
        Ok(match tag {
            BlockNumberOrTag::Number(height) => height,
            BlockNumberOrTag::Earliest => indexed(self.history.heights())?.map_or(0, |(first, _)| first),
            BlockNumberOrTag::Latest
            | BlockNumberOrTag::Safe
            | BlockNumberOrTag::Finalized
            | BlockNumberOrTag::Pending => self.newest()?.height,
        })
    }

    /// The block an id means, none if there is no such block.
    pub(super) fn block(&self, id: BlockId) -> RpcResult<Option<SharedBlock>> {
        match id {
            BlockId::Hash(hash) => indexed(self.history.block_by_hash(&hash.block_hash)),
            BlockId::Number(tag) if tag.is_number() || tag.is_earliest() => self.block_at(self.height(tag)?),
            BlockId::Number(_) => self.newest().map(Some),
        }
    }

    /// The state a method reads: the newest, unless an older block is named.
    pub(super) fn state(&self, id: Option<BlockId>) -> RpcResult<Arc<dyn StateRead>> {
        let head = self.backend.head();
        let height = match id {
            None => return Ok(head.state),
            Some(BlockId::Number(tag)) if !tag.is_number() && !tag.is_earliest() => return Ok(head.state),
            Some(BlockId::Number(tag)) => self.height(tag)?,
            Some(BlockId::Hash(hash)) => {
                let block = indexed(self.history.block_by_hash(&hash.block_hash))?;
                block.ok_or_else(|| not_found(format!("header not found: no block {}", hash.block_hash)))?.height
            }
        };
        if let Some(state) = self.backend.state_at(height) {
            return Ok(state);
        }
        if height > head.block.height {
            return Err(not_found(format!("header not found: block {height}, newest is {}", head.block.height)));
        }
        // A reader that just asked for the newest number must get an answer, though the node may have
        // gone on meanwhile.
        if height >= self.newest()?.height { Ok(head.state) } else { Err(pruned(height, head.block.height)) }
    }
}

/// Declares a method that answers at once, from memory.
pub(super) fn quick<T: Serialize + Clone + 'static>(
    module: &mut RpcModule<Context>,
    name: &'static str,
    answer: impl Fn(&Params<'_>, &Context) -> RpcResult<T> + Send + Sync + 'static,
) -> Result<(), RegisterMethodError> {
    module.register_method(name, move |params, ctx, _| answer(&params, ctx)).map(drop)
}

/// Declares a method that reads the disk or computes: it runs away from the async threads.
pub(super) fn reading<T: Serialize + Clone + Send + 'static>(
    module: &mut RpcModule<Context>,
    name: &'static str,
    answer: impl Fn(&Params<'_>, &Context) -> RpcResult<T> + Clone + Send + Sync + 'static,
) -> Result<(), RegisterMethodError> {
    module.register_blocking_method(name, move |params, ctx, _| answer(&params, &ctx)).map(drop)
}
