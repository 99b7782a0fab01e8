//! Blocks and logs.

use alloy_primitives::{B256, U64};
use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag, Filter, FilterBlockOption, Log, SyncInfo, SyncStatus};
use assay_types::block::SharedBlock;
use jsonrpsee::{RpcModule, core::RegisterMethodError};

use super::{
    context::{Context, reading},
    error::{RpcResult, indexed, invalid, not_found},
    shape,
};
use crate::index::logs_of;

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    reading(module, "eth_blockNumber", |_, ctx| ctx.newest().map(|b| U64::from(b.height)))?;
    reading(module, "eth_getBlockByNumber", |params, ctx| {
        let mut params = params.sequence();
        let tag: BlockNumberOrTag = params.next()?;
        let full: bool = params.optional_next()?.unwrap_or(false);
        ctx.block(tag.into())?.map(|block| shape::block(&block, full)).transpose()
    })?;
    reading(module, "eth_getBlockByHash", |params, ctx| {
        let mut params = params.sequence();
        let hash: B256 = params.next()?;
        let full: bool = params.optional_next()?.unwrap_or(false);
        ctx.block(hash.into())?.map(|block| shape::block(&block, full)).transpose()
    })?;
    reading(module, "eth_getBlockReceipts", |params, ctx| {
        let id: BlockId = params.one()?;
        Ok(ctx.block(id)?.map(|block| shape::receipts(&block)))
    })?;
    for method in ["eth_getBlockTransactionCountByNumber", "eth_getBlockTransactionCountByHash"] {
        reading(module, method, |params, ctx| {
            let block = ctx.block(params.one()?)?;
            let count = |block: SharedBlock| block.txs.len() + usize::from(!block.end_logs.is_empty());
            Ok(block.map(|block| U64::from(count(block))))
        })?;
    }
    reading(module, "eth_getLogs", |params, ctx| logs(ctx, &params.one()?))?;
    reading(module, "eth_syncing", |_, ctx| syncing(ctx))?;
    Ok(())
}

fn logs(ctx: &Context, filter: &Filter) -> RpcResult<Vec<Log>> {
    let blocks = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let block = ctx.block(hash.into())?;
            vec![block.ok_or_else(|| not_found(format!("unknown block {hash}")))?]
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let newest = ctx.newest()?.height;
            let height = |tag: Option<BlockNumberOrTag>| tag.map_or(Ok(newest), |tag| ctx.height(tag));
            let (from, to) = (height(from_block)?, height(to_block)?.min(newest));
            if from > height(to_block)? {
                return Err(invalid(format!("invalid block range: from {from} to {to}")));
            }
            if from > to {
                return Ok(Vec::new());
            }
            indexed(ctx.history.matching(filter, from, to, &ctx.config.logs))?
        }
    };
    Ok(blocks.iter().flat_map(|block| logs_in(block, filter)).collect())
}

/// Logs of a block that a filter wants, its range not looked at.
pub(super) fn logs_in(block: &SharedBlock, filter: &Filter) -> Vec<Log> {
    logs_of(block).filter(|placed| filter.matches(placed.log)).map(|placed| shape::log(block, &placed)).collect()
}

fn syncing(ctx: &Context) -> RpcResult<SyncStatus> {
    /// Filing a block takes a moment; a reader should not call that syncing.
    const TOLERATED: u64 = 64;
    let (seen, head) = (ctx.newest()?.height, ctx.backend.head().block.height);
    let highest = ctx.backend.health().behind.unwrap_or(head).max(head);
    if highest.saturating_sub(seen) <= TOLERATED {
        return Ok(SyncStatus::None);
    }
    Ok(SyncStatus::Info(Box::new(SyncInfo {
        current_block: alloy_primitives::U256::from(seen),
        highest_block: alloy_primitives::U256::from(highest),
        ..SyncInfo::default()
    })))
}
