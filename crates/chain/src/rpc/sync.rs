//! `assay_*` for nodes that join: certified tips, whole blocks, operations of the state log.
//!
//! Answers are checked by who asks; see `docs/protocol/sync.md`.

use assay_types::{B256, Bytes};
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::ErrorObjectOwned};

use super::{
    context::Context,
    error::{RpcResult, not_found, plain},
};
use crate::upstream::{NOT_FOUND, PRUNED, UpstreamError};

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    module.register_async_method("assay_certifiedTip", |params, ctx, _| async move {
        let after: u64 = params.sequence().optional_next()?.unwrap_or(0);
        served(ctx.backend.upstream()?.tip(after).await)
    })?;
    module.register_async_method("assay_blocks", |params, ctx, _| async move {
        let mut params = params.sequence();
        let (from, count): (u64, u64) = (params.next()?, params.next()?);
        served(ctx.backend.upstream()?.blocks(from, count).await)
    })?;
    module.register_async_method("assay_blockByHash", |params, ctx, _| async move {
        let hash: B256 = params.one()?;
        served(ctx.backend.upstream()?.block(hash).await)
    })?;
    module.register_async_method("assay_handovers", |params, ctx, _| async move {
        let mut params = params.sequence();
        let (epoch, count): (u64, u64) = (params.next()?, params.next()?);
        served(ctx.backend.upstream()?.handovers(epoch, count).await)
    })?;
    module.register_async_method("assay_stateOps", |params, ctx, _| async move {
        let request: Bytes = params.one()?;
        served(ctx.backend.upstream()?.state_ops(request).await)
    })?;
    Ok(())
}

impl dyn super::Backend {
    fn upstream(&self) -> RpcResult<&dyn crate::upstream::Upstream> {
        self.serves_joiners().ok_or_else(|| not_found("this server gives no blocks to joining nodes"))
    }
}

fn served<T>(answer: Result<T, UpstreamError>) -> RpcResult<T> {
    answer.map_err(|error| -> ErrorObjectOwned {
        match error {
            UpstreamError::Pruned(message) => plain(PRUNED, format!("pruned: {message}")),
            UpstreamError::Unknown(message) => plain(NOT_FOUND, message),
            UpstreamError::Refused { code, message } => plain(code, message),
            error => super::error::internal(error.to_string()),
        }
    })
}
