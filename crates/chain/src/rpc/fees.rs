//! What to offer for inclusion.
//!
//! The base fee is the next block's, exactly. The tip is a guess: while blocks have room, anything
//! gets in, so a hundredth of the base fee is suggested; when they are full, what six in ten of the
//! newest transactions outbid.

use alloy_primitives::{U64, U256};
use alloy_rpc_types_eth::{BlockNumberOrTag, FeeHistory};
use assay_ledger::base_fee;
use assay_types::block::SharedBlock;
use jsonrpsee::{RpcModule, core::RegisterMethodError};

use super::{
    context::{Context, reading},
    error::{RpcResult, invalid, not_found},
};

/// Blocks the suggested tip looks back on.
const LOOK_BACK: u64 = 8;
/// Blocks one `eth_feeHistory` covers at most; fewer than asked is within its specification.
const HISTORY_BLOCKS: u64 = 128;
/// Percentiles it takes.
const MAX_PERCENTILES: usize = 100;

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    reading(module, "eth_maxPriorityFeePerGas", |_, ctx| suggested_tip(ctx).map(U256::from))?;
    reading(module, "eth_gasPrice", |_, ctx| {
        suggested_tip(ctx).map(|tip| U256::from(next_base_fee(ctx).saturating_add(tip)))
    })?;
    reading(module, "eth_feeHistory", |params, ctx| {
        let mut params = params.sequence();
        let (count, newest): (U64, BlockNumberOrTag) = (params.next()?, params.next()?);
        let percentiles: Option<Vec<f64>> = params.optional_next()?;
        history(ctx, count.to(), newest, percentiles.as_deref())
    })?;
    Ok(())
}

fn next_base_fee(ctx: &Context) -> u128 {
    base_fee(&*ctx.backend.head().state)
}

fn suggested_tip(ctx: &Context) -> RpcResult<u128> {
    let newest = ctx.newest()?.height;
    let mut tips = Vec::new();
    for height in newest.saturating_sub(LOOK_BACK - 1)..=newest {
        let Some(block) = ctx.block_at(height)? else { continue };
        // More than nine tenths full: some may have been left out.
        if block.gas_used / 9 >= block.gas_limit / 10 {
            tips.extend(block.txs.iter().map(|tx| tip(&block, tx.receipt.effective_gas_price)));
        }
    }
    tips.sort_unstable();
    let floor = (next_base_fee(ctx) / 100).max(1);
    Ok(tips.get(tips.len() * 6 / 10).map_or(floor, |tip| tip.saturating_add(1).max(floor)))
}

fn tip(block: &SharedBlock, price: u128) -> u128 {
    price.saturating_sub(block.base_fee)
}

fn history(ctx: &Context, count: u64, newest: BlockNumberOrTag, percentiles: Option<&[f64]>) -> RpcResult<FeeHistory> {
    if let Some(percentiles) = percentiles {
        let ordered = percentiles.windows(2).all(|pair| pair[0] <= pair[1]);
        if !ordered || percentiles.len() > MAX_PERCENTILES || percentiles.iter().any(|p| !(0.0..=100.0).contains(p)) {
            return Err(invalid(format!("at most {MAX_PERCENTILES} percentiles, rising, each from 0 to 100")));
        }
    }
    let known = ctx.newest()?.height;
    let last = ctx.height(newest)?;
    if last > known {
        return Err(not_found(format!("block {last} is beyond the newest, {known}")));
    }
    let mut answer = FeeHistory { reward: percentiles.map(|_| Vec::new()), ..FeeHistory::default() };
    if count == 0 {
        return Ok(answer);
    }
    let first = last.saturating_sub(count.min(HISTORY_BLOCKS) - 1);
    let mut oldest = None;
    for height in first..=last {
        let Some(block) = ctx.block_at(height)? else { continue };
        oldest.get_or_insert(height);
        answer.base_fee_per_gas.push(block.base_fee);
        answer.gas_used_ratio.push(block.gas_used as f64 / block.gas_limit.max(1) as f64);
        if let (Some(rewards), Some(percentiles)) = (&mut answer.reward, percentiles) {
            rewards.push(tips_at(&block, percentiles));
        }
    }
    answer.oldest_block = oldest.unwrap_or(first);
    let next = ctx.block_at(last.saturating_add(1))?.map(|block| block.base_fee);
    answer.base_fee_per_gas.push(next.unwrap_or_else(|| next_base_fee(ctx)));
    Ok(answer)
}

/// Tips at percentiles of gas, cheapest first; zeros for an empty block.
fn tips_at(block: &SharedBlock, percentiles: &[f64]) -> Vec<u128> {
    let mut tips: Vec<(u128, u64)> =
        block.txs.iter().map(|tx| (tip(block, tx.receipt.effective_gas_price), tx.receipt.gas_used)).collect();
    tips.sort_unstable();
    percentiles
        .iter()
        .map(|percentile| {
            let threshold = block.gas_used as f64 * percentile / 100.0;
            let mut gas = 0u64;
            let reached = tips.iter().find(|(_, used)| {
                gas = gas.saturating_add(*used);
                gas as f64 >= threshold
            });
            reached.or(tips.last()).map_or(0, |(tip, _)| *tip)
        })
        .collect()
}
