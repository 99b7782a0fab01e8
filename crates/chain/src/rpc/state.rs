//! Accounts, calls, and what a node is.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{BlockId, TransactionRequest};
use assay_ledger::{CallContext, CallError, StateRead, account, call, estimate_gas, latest};
use assay_types::{CallError as Undecodable, system};
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};

use super::{
    context::{Context, quick, reading},
    error::{RpcResult, call_failed, internal, invalid, value_overflow},
};
use crate::crypto::Bls;

/// Name and version as `web3_clientVersion` says them.
pub const CLIENT_VERSION: &str = concat!("assay/v", env!("CARGO_PKG_VERSION"));

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    quick(module, "eth_chainId", |_, ctx| Ok(U64::from(ctx.genesis.chain_id)))?;
    quick(module, "net_version", |_, ctx| Ok(ctx.genesis.chain_id.to_string()))?;
    quick(module, "net_listening", |_, _| Ok(true))?;
    quick(module, "net_peerCount", |_, ctx| Ok(U64::from(ctx.backend.health().peers)))?;
    quick(module, "web3_clientVersion", |_, _| Ok(CLIENT_VERSION))?;
    quick(module, "eth_accounts", |_, _| Ok(Vec::<Address>::new()))?;
    reading(module, "eth_getBalance", |params, ctx| {
        let (address, state) = of_account(params, ctx)?;
        Ok(U256::from(account(&*state, address).balance))
    })?;
    reading(module, "eth_getTransactionCount", |params, ctx| {
        let mut sequence = params.sequence();
        let address: Address = sequence.next()?;
        if sequence.optional_next::<BlockId>()?.is_some_and(|id| id.is_pending()) {
            return Ok(U64::from(ctx.backend.next_nonce(&address)));
        }
        let (address, state) = of_account(params, ctx)?;
        Ok(U64::from(account(&*state, address).nonce))
    })?;
    reading(module, "eth_getCode", |params, ctx| {
        let (address, _) = of_account(params, ctx)?;
        let code = if system::is_system(&address) { Bytes::from_static(&system::CODE) } else { Bytes::new() };
        Ok(code)
    })?;
    reading(module, "eth_getStorageAt", |params, ctx| {
        // No address has storage of the EVM's kind, so every slot is zero.
        let mut params = params.sequence();
        let (_, _): (Address, U256) = (params.next()?, params.next()?);
        ctx.state(params.optional_next()?).map(|_| B256::ZERO)
    })?;
    reading(module, "eth_call", eth_call)?;
    reading(module, "eth_estimateGas", |params, ctx| {
        let request = Request::read(params, ctx)?;
        let Request { state, at, to, from, value, input } = &request;
        estimate_gas(&**state, at, *to, *from, *value, input).map(U64::from).map_err(call_failed)
    })?;
    Ok(())
}

fn of_account(params: &Params<'_>, ctx: &Context) -> RpcResult<(Address, std::sync::Arc<dyn StateRead>)> {
    let mut params = params.sequence();
    let address = params.next()?;
    Ok((address, ctx.state(params.optional_next()?)?))
}

/// A call as wallets ask for it.
struct Request {
    state: std::sync::Arc<dyn StateRead>,
    at: CallContext,
    to: Address,
    from: Address,
    value: u128,
    input: Bytes,
}

impl Request {
    fn read(params: &Params<'_>, ctx: &Context) -> RpcResult<Self> {
        let mut params = params.sequence();
        let request: TransactionRequest = params.next()?;
        let state = ctx.state(params.optional_next()?)?;
        if params.optional_next::<serde_json::Map<String, serde_json::Value>>()?.is_some_and(|o| !o.is_empty()) {
            return Err(invalid("state overrides are not supported"));
        }
        let to = request.to.and_then(|to| to.into_to());
        let to = to.ok_or_else(|| invalid("contract creation not supported: set a destination"))?;
        let at = latest(&*state, &Bls).ok_or_else(|| internal("the state holds no genesis"))?;
        let value = u128::try_from(request.value.unwrap_or_default()).map_err(|_| value_overflow())?;
        let input = request.input.try_into_unique_input().map_err(|error| invalid(error.to_string()))?;
        Ok(Self { state, at, to, from: request.from.unwrap_or_default(), value, input: input.unwrap_or_default() })
    }
}

fn eth_call(params: &Params<'_>, ctx: &Context) -> RpcResult<Bytes> {
    let request = Request::read(params, ctx)?;
    let Request { state, at, to, from, value, input } = &request;
    match call(&**state, at, *to, *from, *value, input) {
        // As on Ethereum: nothing runs at an address without code, whatever it is asked.
        Err(CallError::Undecodable(Undecodable::DataToAccount)) => Ok(Bytes::new()),
        result => result.map_err(call_failed),
    }
}
