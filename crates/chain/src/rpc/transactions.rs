//! Transactions: in, and what became of them.

use std::time::Duration;

use alloy_primitives::{B256, Bytes, U64};
use alloy_rpc_types_eth::{BlockNumberOrTag, Transaction};
use assay_types::block::SharedBlock;
use jsonrpsee::{RpcModule, core::RegisterMethodError};
use tokio::sync::broadcast::error::RecvError;

use super::{
    context::{Context, reading},
    error::{RpcResult, indexed, refused, timed_out},
    shape::{self, ReceiptJson},
};

/// How long `eth_sendRawTransactionSync` waits unless told.
const SYNC_WAIT_MS: u64 = 20_000;
/// The longest it waits.
const SYNC_WAIT_MAX_MS: u64 = 60_000;

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    module.register_async_method("eth_sendRawTransaction", |params, ctx, _| async move {
        let raw: Bytes = params.one()?;
        ctx.backend.submit(raw).await.map_err(refused)
    })?;
    module.register_async_method("eth_sendRawTransactionSync", |params, ctx, _| async move {
        let mut params = params.sequence();
        let raw: Bytes = params.next()?;
        let wait_ms = params.optional_next::<U64>()?.map_or(SYNC_WAIT_MS, |ms| ms.to()).min(SYNC_WAIT_MAX_MS);
        send_and_wait(&ctx, raw, wait_ms).await
    })?;
    reading(module, "eth_getTransactionByHash", |params, ctx| by_hash(ctx, params.one()?))?;
    reading(module, "eth_getTransactionReceipt", |params, ctx| {
        let found = place(ctx, &params.one()?)?;
        Ok(found.and_then(|(block, index)| shape::receipt(&block, index)))
    })?;
    reading(module, "eth_getTransactionByBlockNumberAndIndex", |params, ctx| {
        let mut params = params.sequence();
        let (tag, index): (BlockNumberOrTag, U64) = (params.next()?, params.next()?);
        in_block(ctx.block(tag.into())?, index)
    })?;
    reading(module, "eth_getTransactionByBlockHashAndIndex", |params, ctx| {
        let mut params = params.sequence();
        let (hash, index): (B256, U64) = (params.next()?, params.next()?);
        in_block(ctx.block(hash.into())?, index)
    })?;
    Ok(())
}

/// The block a transaction is in, and its position there.
pub(super) fn place(ctx: &Context, hash: &B256) -> RpcResult<Option<(SharedBlock, usize)>> {
    let Some(place) = indexed(ctx.history.place_of(hash))? else { return Ok(None) };
    let index = usize::try_from(place.index).unwrap_or(usize::MAX);
    Ok(ctx.block_at(place.height)?.map(|block| (block, index)))
}

fn by_hash(ctx: &Context, hash: B256) -> RpcResult<Option<Transaction>> {
    match place(ctx, &hash)? {
        Some((block, index)) => shape::transaction(&block, index),
        None => ctx.backend.waiting(&hash).map(|checked| shape::waiting(&checked)).transpose(),
    }
}

fn in_block(block: Option<SharedBlock>, index: U64) -> RpcResult<Option<Transaction>> {
    let Some(block) = block else { return Ok(None) };
    usize::try_from(index).map_or(Ok(None), |index| shape::transaction(&block, index))
}

async fn send_and_wait(ctx: &Context, raw: Bytes, wait_ms: u64) -> RpcResult<ReceiptJson> {
    let mut blocks = ctx.history.subscribe();
    let hash = ctx.backend.submit(raw).await.map_err(refused)?;
    let receipt = async {
        loop {
            match blocks.recv().await {
                Ok(block) => {
                    let index = block.txs.iter().position(|tx| tx.receipt.tx_hash == hash);
                    if let Some(receipt) = index.and_then(|index| shape::receipt(&block, index)) {
                        return receipt;
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    if let Ok(Some((block, index))) = place(ctx, &hash)
                        && let Some(receipt) = shape::receipt(&block, index)
                    {
                        return receipt;
                    }
                }
                // The node is going down; the wait ends by time.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    tokio::time::timeout(Duration::from_millis(wait_ms), receipt).await.map_err(|_| timed_out(hash, wait_ms))
}
