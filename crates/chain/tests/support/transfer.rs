//! Signed transfers.

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;

/// `value` grains to `to`, at a fee that any block takes.
pub(crate) fn transfer(chain_id: u64, from: &PrivateKeySigner, nonce: u64, to: Address, value: u128) -> Bytes {
    let tx = TxEip1559 {
        chain_id,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::from(value),
        ..TxEip1559::default()
    };
    let signature = from.sign_hash_sync(&tx.signature_hash()).expect("a key signs");
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}
