//! The record over JSON-RPC, to be merged into a node's methods or served alone.
//!
//! `assay_priceEpochs` and `assay_priceClearings` take a class and an optional object of `from`, `to`,
//! `order`, `limit`, `cursor` (and `window`), as REST does, and answer a page; `assay_priceClasses` and
//! `assay_priceStatus` take nothing.

use jsonrpsee::{
    RpcModule,
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params, error::INTERNAL_ERROR_CODE, error::INVALID_PARAMS_CODE},
};
use serde::Deserialize;

use crate::{
    Index, IndexError,
    read::{Order, Range},
    rest::{MAX_PAGE, PAGE},
};

/// Which part of a list, as a request says it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    from: Option<u64>,
    to: Option<u64>,
    order: Option<OrderName>,
    limit: Option<u32>,
    cursor: Option<String>,
    window: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OrderName {
    Newest,
    Oldest,
}

type Reply<T> = Result<T, ErrorObjectOwned>;

/// The methods, which answer from an index.
pub fn methods(index: Index) -> Result<RpcModule<Index>, RegisterMethodError> {
    let mut module = RpcModule::new(index);
    module.register_async_method(
        "assay_priceStatus",
        |_, index, _| async move { index.status().await.map_err(failed) },
    )?;
    module.register_async_method("assay_priceClasses", |_, index, _| async move {
        index.classes().await.map_err(failed)
    })?;
    module.register_async_method("assay_priceEpochs", |params, index, _| async move {
        let (class, asked) = read(&params)?;
        if asked.window.is_some() {
            return Err(invalid("window: epochs are of all delivery windows"));
        }
        index.epochs(class, range(asked)?).await.map_err(failed)
    })?;
    module.register_async_method("assay_priceClearings", |params, index, _| async move {
        let (class, asked) = read(&params)?;
        index.clearings(class, asked.window, range(asked)?).await.map_err(failed)
    })?;
    Ok(module)
}

fn read(params: &Params<'_>) -> Reply<(u32, Asked)> {
    let mut params = params.sequence();
    Ok((params.next()?, params.optional_next()?.unwrap_or_default()))
}

fn range(asked: Asked) -> Reply<Range> {
    let (from, to) = (asked.from.unwrap_or(0), asked.to.unwrap_or(u64::MAX));
    if from > to {
        return Err(invalid(&format!("from: {from} is after to, {to}")));
    }
    let limit = asked.limit.unwrap_or(PAGE);
    if limit == 0 || limit > MAX_PAGE {
        return Err(invalid(&format!("limit: {limit} is not from 1 to {MAX_PAGE}")));
    }
    let order = match asked.order {
        None | Some(OrderName::Newest) => Order::Newest,
        Some(OrderName::Oldest) => Order::Oldest,
    };
    let cursor = asked.cursor.map(|text| text.parse()).transpose();
    let cursor = cursor.map_err(|error: crate::CursorError| invalid(&format!("cursor: {error}")))?;
    Ok(Range { from, to, order, cursor, limit })
}

fn invalid(message: &str) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INVALID_PARAMS_CODE, message, None::<()>)
}

fn failed(error: IndexError) -> ErrorObjectOwned {
    tracing::error!(%error, "the price record failed to answer");
    let message = "the index failed; its operator finds why in the log, try again later";
    ErrorObjectOwned::owned(INTERNAL_ERROR_CODE, message, None::<()>)
}
