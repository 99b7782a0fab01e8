//! The stateless half of validity: decode a transaction, recover its sender, decode its call.
//!
//! Costs a signature recovery, so a validator does it once a transaction, in parallel, and keeps the
//! [`Checked`] from mempool to block.

use alloy_consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use assay_types::{
    Call, CallError, Genesis,
    abi::{
        IAudits::IAuditsCalls, ICapacity::ICapacityCalls, IJobs::IJobsCalls, IMarket::IMarketCalls,
        IProviders::IProvidersCalls, IRewards::IRewardsCalls,
    },
};

use crate::{
    gas, keys,
    reject::{BrokenInvariant, Reject},
    state::StateRead,
    step::{Network, params_of, read},
};

/// What the stateless check holds a transaction against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckRules {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Most bytes of a transaction.
    pub tx_bytes_limit: u32,
    /// Most gas of a transaction.
    pub block_gas_limit: u64,
}

impl CheckRules {
    /// The rules of a network from its genesis.
    pub fn of_genesis(genesis: &Genesis) -> Self {
        Self {
            chain_id: genesis.chain_id,
            tx_bytes_limit: genesis.params.tx_bytes_limit,
            block_gas_limit: genesis.params.block_gas_limit,
        }
    }

    /// The rules in force in a state.
    pub fn of_state(view: &dyn StateRead) -> Result<Self, BrokenInvariant> {
        let params = params_of(view)?;
        let network: Network = read(view, &keys::network())?.ok_or(BrokenInvariant::NoGenesis)?;
        Ok(Self {
            chain_id: network.chain_id,
            tx_bytes_limit: params.tx_bytes_limit,
            block_gas_limit: params.block_gas_limit,
        })
    }

    /// Whether a transaction that passed the check under other rules of the same network passes it under these, which
    /// a vote may have changed since.
    pub fn hold(&self, checked: &Checked) -> Result<(), Reject> {
        if checked.raw.len() > usize::try_from(self.tx_bytes_limit).unwrap_or(usize::MAX) {
            return Err(Reject::Oversized);
        }
        if checked.gas_limit > self.block_gas_limit { Err(Reject::GasLimitTooHigh) } else { Ok(()) }
    }
}

/// A transaction that passed the stateless check.
#[derive(Debug, Clone)]
pub struct Checked {
    /// keccak256 of the EIP-2718 bytes.
    pub hash: B256,
    /// Recovered sender.
    pub sender: Address,
    /// Sender's sequence number.
    pub nonce: u64,
    /// Most gas the sender pays for.
    pub gas_limit: u64,
    /// Gas it will be charged.
    pub gas: u64,
    /// Most grains a gas, base fee and tip together.
    pub max_fee_per_gas: u128,
    /// Most grains a gas for the leader.
    pub max_priority_fee_per_gas: u128,
    /// Grains sent along.
    pub value: u128,
    /// Destination.
    pub to: Address,
    /// What it asks for.
    pub call: Call,
    /// The EIP-2718 bytes.
    pub raw: Bytes,
}

impl Checked {
    /// The most the transaction can take from its sender.
    pub fn max_cost(&self) -> Option<u128> {
        u128::from(self.gas_limit).checked_mul(self.max_fee_per_gas)?.checked_add(self.value)
    }
}

/// Checks what can be checked without a state, in the order of [`Reject`].
pub fn check(raw: &[u8], rules: &CheckRules) -> Result<Checked, Reject> {
    if raw.len() > usize::try_from(rules.tx_bytes_limit).unwrap_or(usize::MAX) {
        return Err(Reject::Oversized);
    }
    let envelope = decode(raw)?;
    if envelope.chain_id() != Some(rules.chain_id) {
        return Err(Reject::WrongChainId);
    }
    let TxKind::Call(to) = envelope.kind() else { return Err(Reject::ContractCreation) };
    if envelope.access_list().is_some_and(|list| !list.is_empty()) {
        return Err(Reject::AccessList);
    }
    let max_fee_per_gas = envelope.max_fee_per_gas();
    let max_priority_fee_per_gas = envelope.max_priority_fee_per_gas().unwrap_or(max_fee_per_gas);
    let value = narrow(envelope.value())?;
    let most = u128::from(envelope.gas_limit()).checked_mul(max_fee_per_gas).and_then(|fee| fee.checked_add(value));
    if most.is_none() {
        return Err(Reject::AmountOverflow);
    }
    if max_priority_fee_per_gas > max_fee_per_gas {
        return Err(Reject::TipAboveMaxFee);
    }
    let input = envelope.input();
    let call = decode_call(&to, input)?;
    let gas = gas::cost(input, &call);
    if envelope.gas_limit() < gas {
        return Err(Reject::GasLimitTooLow);
    }
    if envelope.gas_limit() > rules.block_gas_limit {
        return Err(Reject::GasLimitTooHigh);
    }
    let sender = envelope.recover_signer().map_err(|_| Reject::BadSignature)?;
    Ok(Checked {
        hash: keccak256(raw),
        sender,
        nonce: envelope.nonce(),
        gas_limit: envelope.gas_limit(),
        gas,
        max_fee_per_gas,
        max_priority_fee_per_gas,
        value,
        to,
        call,
        raw: Bytes::copy_from_slice(raw),
    })
}

fn decode(raw: &[u8]) -> Result<TxEnvelope, Reject> {
    // Known types that are not served get an answer of their own, before their bodies are parsed.
    if raw.first().is_some_and(|kind| *kind < 0xc0 && *kind != 2) {
        return Err(Reject::UnsupportedType);
    }
    let mut rest = raw;
    let envelope = TxEnvelope::decode_2718(&mut rest).map_err(|_| Reject::Malformed)?;
    if !rest.is_empty() || envelope.encoded_2718() != raw {
        return Err(Reject::Malformed);
    }
    Ok(envelope)
}

fn narrow(value: U256) -> Result<u128, Reject> {
    value.try_into().map_err(|_| Reject::AmountOverflow)
}

pub(crate) fn decode_call(to: &Address, input: &Bytes) -> Result<Call, Reject> {
    let call = Call::decode(to, input).map_err(|error| match error {
        CallError::DataToAccount => Reject::DataToAccount,
        CallError::MalformedAbi => Reject::MalformedAbi,
    })?;
    if is_view(&call) { Err(Reject::ViewFunction) } else { Ok(call) }
}

/// Whether a call only reads.
pub(crate) fn is_view(call: &Call) -> bool {
    match call {
        Call::Transfer | Call::Disputes(_) => false,
        Call::Chain(_) => true,
        Call::Providers(call) => matches!(call, IProvidersCalls::provider(_) | IProvidersCalls::providers(_)),
        Call::Jobs(call) => matches!(call, IJobsCalls::job(_) | IJobsCalls::escrowFor(_)),
        Call::Claims(call) => crate::claims::calls::is_view(call),
        Call::Governance(call) => crate::governance::calls::is_view(call),
        Call::Market(call) => matches!(call, IMarketCalls::order(_) | IMarketCalls::quote(_)),
        Call::Audits(call) => matches!(call, IAuditsCalls::locks(_)),
        Call::Capacity(call) => matches!(call, ICapacityCalls::standing(_)),
        Call::Staking(call) => crate::staking::calls::is_view(call),
        Call::Rewards(call) => !matches!(call, IRewardsCalls::claim(_)),
    }
}
