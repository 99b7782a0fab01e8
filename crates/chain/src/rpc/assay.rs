//! `assay_*`: jobs, providers, books, certificates and proofs, in the shapes of `assay_types`.
//!
//! Heights are plain numbers here, amounts decimal strings, bytes `0x` hexadecimal.

use alloy_primitives::{Address, B256, Bytes};
use alloy_rpc_types_eth::BlockNumberOrTag;
use assay_ledger::{books, keys, query};
use assay_types::node::{NodeStatus, PlacedReceipt, StateProof};
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};
use serde::Deserialize;

use super::{
    context::{Context, quick, reading},
    error::{RpcResult, internal, invalid, not_found},
    state::CLIENT_VERSION,
    transactions::place,
};

/// Jobs listed unless told.
const JOBS_LISTED: usize = 100;
/// The most listed.
const JOBS_LISTED_MAX: usize = 1_000;
/// Longest state key that is looked up.
const MAX_KEY_BYTES: usize = 256;

/// A height as a number, or as Ethereum writes it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Height {
    Number(u64),
    Tag(BlockNumberOrTag),
}

impl Height {
    fn resolve(self, ctx: &Context) -> RpcResult<u64> {
        match self {
            Self::Number(height) => Ok(height),
            Self::Tag(tag) => ctx.height(tag),
        }
    }
}

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    of_node(module)?;
    of_ledger(module)?;
    of_proofs(module)
}

fn of_node(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    quick(module, "assay_genesis", |_, ctx| Ok((*ctx.genesis).clone()))?;
    quick(module, "assay_status", |_, ctx| Ok(status(ctx)))?;
    reading(module, "assay_block", |params, ctx| {
        let height: Height = params.one()?;
        ctx.block_at(height.resolve(ctx)?)
    })?;
    reading(module, "assay_receipt", |params, ctx| {
        let found = place(ctx, &params.one::<B256>()?)?;
        let receipt = found.and_then(|(block, index)| {
            let (height, index) = (block.height, u32::try_from(index).ok()?);
            let tx = block.txs.get(usize::try_from(index).ok()?)?;
            Some(PlacedReceipt { height, index, receipt: tx.receipt.clone() })
        });
        Ok(receipt)
    })?;
    Ok(())
}

fn status(ctx: &Context) -> NodeStatus {
    let (head, health) = (ctx.backend.head().block, ctx.backend.health());
    NodeStatus {
        chain_id: ctx.genesis.chain_id,
        genesis_hash: ctx.genesis_hash,
        height: head.height,
        hash: head.hash,
        state_root: head.state_root,
        timestamp_ms: head.timestamp_ms,
        syncing: health.behind.is_some(),
        peers: health.peers,
        waiting_txs: u64::try_from(health.waiting_txs).unwrap_or(u64::MAX),
        finality_ms: health.finality_ms,
        version: CLIENT_VERSION.into(),
    }
}

fn of_ledger(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    reading(module, "assay_params", |_, ctx| {
        query::params(&*ctx.backend.head().state).ok_or_else(|| internal("the state holds no genesis"))
    })?;
    reading(module, "assay_job", |params, ctx| Ok(query::job(&*ctx.backend.head().state, params.one()?)))?;
    reading(module, "assay_whyWaiting", |params, ctx| {
        Ok(query::why_waiting(&*ctx.backend.head().state, params.one()?))
    })?;
    reading(module, "assay_jobs", |params, ctx| {
        let mut params = params.sequence();
        let renter: Option<Address> = params.optional_next()?;
        let limit: usize = params.optional_next()?.unwrap_or(JOBS_LISTED);
        Ok(query::jobs(&*ctx.backend.head().state, renter, limit.min(JOBS_LISTED_MAX)))
    })?;
    reading(module, "assay_marketClasses", |_, ctx| Ok(query::market_classes(&*ctx.backend.head().state)))?;
    reading(module, "assay_marketBook", |params, ctx| {
        let mut params = params.sequence();
        let class: u32 = params.next()?;
        let window: u32 = params.optional_next()?.unwrap_or(0);
        Ok(query::market_book(&*ctx.backend.head().state, class, window))
    })?;
    reading(module, "assay_marketPrices", |params, ctx| {
        let mut params = params.sequence();
        let (class, window): (u32, Option<u32>) = (params.next()?, params.optional_next()?);
        let limit: usize = params.optional_next()?.unwrap_or(JOBS_LISTED);
        if window.is_some_and(|window| window != 0) {
            return Err(invalid("only the market for now, window 0, has epochs"));
        }
        Ok(query::market_prices(&*ctx.backend.head().state, class, limit.min(JOBS_LISTED_MAX)))
    })?;
    reading(module, "assay_marketEstimate", |params, ctx| {
        let mut params = params.sequence();
        let (class, bid): (u32, bool) = (params.next()?, params.next()?);
        let (price, quantity): (String, u64) = (params.next()?, params.next()?);
        let price = price.parse().map_err(|_| invalid("a price is grains as a decimal string"))?;
        Ok(query::market_estimate(&*ctx.backend.head().state, class, bid, price, quantity))
    })?;
    reading(module, "assay_orders", |params, ctx| {
        let mut params = params.sequence();
        let owner: Option<Address> = params.optional_next()?;
        let limit: usize = params.optional_next()?.unwrap_or(JOBS_LISTED);
        Ok(query::orders(&*ctx.backend.head().state, owner, limit.min(JOBS_LISTED_MAX)))
    })?;
    reading(module, "assay_order", |params, ctx| Ok(query::order(&*ctx.backend.head().state, params.one()?)))?;
    reading(module, "assay_claims", |params, ctx| Ok(query::claims(&*ctx.backend.head().state, params.one()?)))?;
    reading(module, "assay_issuances", |params, ctx| Ok(query::issuances(&*ctx.backend.head().state, params.one()?)))?;
    reading(module, "assay_work", |params, ctx| Ok(query::work(&*ctx.backend.head().state, params.one()?)))?;
    reading(module, "assay_providers", |_, ctx| Ok(query::providers(&*ctx.backend.head().state)))?;
    reading(module, "assay_provider", |params, ctx| Ok(query::provider(&*ctx.backend.head().state, params.one()?)))?;
    reading(module, "assay_risk", |_, ctx| {
        query::risk(&*ctx.backend.head().state).ok_or_else(|| internal("the state cannot be measured"))
    })?;
    reading(module, "assay_proposals", |params, ctx| {
        let limit: usize = params.sequence().optional_next()?.unwrap_or(JOBS_LISTED);
        Ok(query::proposals(&*ctx.backend.head().state, limit.min(JOBS_LISTED_MAX)))
    })?;
    reading(module, "assay_proposal", |params, ctx| Ok(query::proposal(&*ctx.backend.head().state, params.one()?)))?;
    reading(module, "assay_votes", |params, ctx| {
        let mut params = params.sequence();
        let (id, limit): (u64, Option<usize>) = (params.next()?, params.optional_next()?);
        Ok(query::votes(&*ctx.backend.head().state, id, limit.unwrap_or(JOBS_LISTED).min(JOBS_LISTED_MAX)))
    })?;
    reading(module, "assay_protocol", |_, ctx| {
        query::protocol(&*ctx.backend.head().state).ok_or_else(|| internal("the state holds no genesis"))
    })?;
    reading(module, "assay_books", |_, ctx| {
        books(&*ctx.backend.head().state).map_err(|broken| internal(format!("the books are broken: {broken}")))
    })?;
    Ok(())
}

fn of_proofs(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    module.register_async_method("assay_certificate", |params, ctx, _| async move {
        let height = params.one::<Height>()?.resolve(&ctx)?;
        let found = ctx.backend.certificate(height).await;
        found.ok_or_else(|| not_found(format!("no certificate of block {height} is held")))
    })?;
    module
        .register_async_method("assay_stateProof", |params, ctx, _| async move { state_proof(&params, &ctx).await })?;
    module.register_async_method("assay_jobProof", |params, ctx, _| async move {
        let id: B256 = params.one()?;
        if query::job(&*ctx.backend.head().state, id).is_none_or(|job| job.outcome.is_none()) {
            return Ok(None);
        }
        prove(&ctx, keys::job_result(id)).await.map(Some)
    })?;
    Ok(())
}

async fn state_proof(params: &Params<'_>, ctx: &Context) -> RpcResult<StateProof> {
    let mut params = params.sequence();
    let key: Bytes = params.next()?;
    let height: Option<Height> = params.optional_next()?;
    if key.len() > MAX_KEY_BYTES {
        return Err(invalid(format!("a state key has at most {MAX_KEY_BYTES} bytes, this one {}", key.len())));
    }
    if let Some(height) = height.map(|height| height.resolve(ctx)).transpose()? {
        let held = ctx.newest()?.height;
        if height < held {
            return Err(super::error::pruned(height, held));
        }
    }
    prove(ctx, key.to_vec()).await
}

async fn prove(ctx: &Context, key: Vec<u8>) -> RpcResult<StateProof> {
    let proof = ctx.backend.prove(key).await;
    proof.ok_or_else(|| not_found("no proof yet: the newest state is not certified, try again in a moment"))
}
