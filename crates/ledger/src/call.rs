//! `eth_call` and `eth_estimateGas`: a call on a state that is then thrown away.

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use assay_types::{
    Call, CallError as Undecodable,
    abi::IChain::{self, IChainCalls},
};

use crate::{
    accounts::Account,
    crypto::ConsensusCrypto,
    execute, gas, keys,
    money::books,
    reject::{BrokenInvariant, Done, Failure, Stop},
    rewards,
    state::StateRead,
    step::{BlockContext, Env, Step, Tip, read},
};

/// The block on whose state a call is tried, as if it were in the next one: what becomes possible there
/// is not refused as too early.
pub type CallContext = BlockContext;

/// Why a call gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallError {
    /// The calldata is not a call of that address.
    Undecodable(Undecodable),
    /// The call was refused.
    Reverted(Failure),
    /// The state is broken.
    Broken(BrokenInvariant),
}

impl CallError {
    /// Revert data for JSON-RPC: ABI `Error(string)`.
    pub fn data(&self) -> Bytes {
        match self {
            Self::Reverted(failure) => failure.revert_data(),
            Self::Undecodable(_) | Self::Broken(_) => Bytes::new(),
        }
    }
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Undecodable(error) => write!(f, "{error}"),
            Self::Reverted(failure) => write!(f, "execution reverted: {failure}"),
            Self::Broken(broken) => write!(f, "broken invariant: {broken}"),
        }
    }
}

impl std::error::Error for CallError {}

impl From<Stop> for CallError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fail(failure) => Self::Reverted(failure),
            Stop::Broken(broken) => Self::Broken(broken),
        }
    }
}

impl From<BrokenInvariant> for CallError {
    fn from(broken: BrokenInvariant) -> Self {
        Self::Broken(broken)
    }
}

/// The context of the latest block, with the cryptography of consensus beside it.
pub fn latest(view: &dyn StateRead, crypto: &'static dyn ConsensusCrypto) -> Option<CallContext> {
    let Tip { height, timestamp_ms, proposer, beacon, .. } = read(view, &keys::tip()).ok()??;
    Some(CallContext { height, timestamp_ms, proposer, beacon, crypto })
}

/// Answers a call without changing anything: view functions, and what any other call would return.
pub fn call(
    view: &dyn StateRead,
    ctx: &CallContext,
    to: Address,
    from: Address,
    value: u128,
    input: &[u8],
) -> Result<Bytes, CallError> {
    run(view, ctx, to, from, value, input).map(|(bytes, _)| bytes)
}

/// Gas a transaction with this call will be charged, after trying whether it would succeed.
pub fn estimate_gas(
    view: &dyn StateRead,
    ctx: &CallContext,
    to: Address,
    from: Address,
    value: u128,
    input: &[u8],
) -> Result<u64, CallError> {
    run(view, ctx, to, from, value, input).map(|(_, gas)| gas)
}

fn run(
    view: &dyn StateRead,
    ctx: &CallContext,
    to: Address,
    from: Address,
    value: u128,
    input: &[u8],
) -> Result<(Bytes, u64), CallError> {
    let input = Bytes::copy_from_slice(input);
    let call = Call::decode(&to, &input).map_err(CallError::Undecodable)?;
    let env = Env::load(view, CallContext { height: ctx.height.saturating_add(1), ..ctx.clone() })?;
    let mut step = Step::new(view, &env);
    let nonce = Account::load(view, &from)?.nonce;
    let output = execute::execute(&mut step, from, nonce, to, value, &call)?;
    Ok((output, gas::cost(&input, &call)))
}

/// Answers of `IChain`.
pub(crate) fn chain_view(step: &Step<'_>, call: &IChainCalls) -> Done<Bytes> {
    let tip: Tip = step.must(&keys::tip())?;
    let network = &step.env.network;
    Ok(match call {
        IChainCalls::height(_) => IChain::heightCall::abi_encode_returns(&tip.height),
        IChainCalls::genesisHash(_) => IChain::genesisHashCall::abi_encode_returns(&network.genesis_hash),
        IChainCalls::beacon(_) => IChain::beaconCall::abi_encode_returns(&tip.beacon),
        IChainCalls::supply(_) => {
            let books = books(&step.state)?;
            IChain::supplyCall::abi_encode_returns(&IChain::supplyReturn {
                minted: books.minted,
                burned: books.burned,
                balances: books.balances,
                escrow: books.escrow,
                collateral: books.collateral,
                stake: books.stake,
                treasury: books.treasury,
                inflation: rewards::Issuance::load(&step.state)?.rate,
            })
        }
        IChainCalls::validators(_) => IChain::validatorsCall::abi_encode_returns(&step.env.seats),
    }
    .into())
}
