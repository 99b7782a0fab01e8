//! Finalized blocks in the shapes of Ethereum's JSON-RPC.

use alloy_consensus::{
    Receipt, ReceiptEnvelope, ReceiptWithBloom, Signed, TxEnvelope, TxLegacy, transaction::Recovered,
};
use alloy_eips::Decodable2718;
use alloy_primitives::{Signature, TxKind, U256};
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Log, Transaction, TransactionReceipt};
use assay_ledger::Checked;
use assay_types::{Address, FinalizedBlock, FinalizedTx, TxFailure, system};
use serde::Serialize;

use super::error::{RpcResult, internal};
use crate::index::{PlacedLog, block_bloom, end_hash, logs_of};

/// A receipt and, where it failed, the protocol's reason.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ReceiptJson {
    #[serde(flatten)]
    receipt: TransactionReceipt,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<TxFailure>,
}

fn seconds(block: &FinalizedBlock) -> u64 {
    block.timestamp_ms / 1_000
}

/// The header of a block.
pub(super) fn header(block: &FinalizedBlock) -> Header {
    Header {
        hash: block.hash,
        inner: alloy_consensus::Header {
            parent_hash: block.parent_hash,
            beneficiary: block.proposer,
            state_root: block.state_root,
            transactions_root: block.transactions_root,
            receipts_root: block.receipts_root,
            logs_bloom: block_bloom(block),
            number: block.height,
            gas_limit: block.gas_limit,
            gas_used: block.gas_used,
            timestamp: seconds(block),
            mix_hash: block.beacon,
            base_fee_per_gas: Some(u64::try_from(block.base_fee).unwrap_or(u64::MAX)),
            ..alloy_consensus::Header::default()
        },
        total_difficulty: None,
        size: Some(U256::from(block.size_bytes)),
    }
}

/// A block with its transactions, whole or by hash.
pub(super) fn block(block: &FinalizedBlock, full: bool) -> RpcResult<Block> {
    let transactions = if full {
        BlockTransactions::Full(
            (0..=block.txs.len())
                .filter_map(|index| transaction(block, index).transpose())
                .collect::<RpcResult<_>>()?,
        )
    } else {
        let end = (!block.end_logs.is_empty()).then(|| end_hash(block.height));
        BlockTransactions::Hashes(block.txs.iter().map(|tx| tx.receipt.tx_hash).chain(end).collect())
    };
    Ok(Block { header: header(block), uncles: Vec::new(), transactions, withdrawals: None })
}

/// The transaction at a position, the protocol's own last; none beyond.
pub(super) fn transaction(block: &FinalizedBlock, index: usize) -> RpcResult<Option<Transaction>> {
    let (envelope, from, price) = match block.txs.get(index) {
        Some(tx) => (envelope(&tx.raw)?, tx.receipt.from, tx.receipt.effective_gas_price),
        None if index == block.txs.len() && !block.end_logs.is_empty() => {
            (end_envelope(block.height), Address::ZERO, 0)
        }
        None => return Ok(None),
    };
    Ok(Some(Transaction {
        inner: Recovered::new_unchecked(envelope, from),
        block_hash: Some(block.hash),
        block_number: Some(block.height),
        transaction_index: u64::try_from(index).ok(),
        effective_gas_price: Some(price),
        block_timestamp: Some(seconds(block)),
    }))
}

/// A transaction that waits for a block.
pub(super) fn waiting(checked: &Checked) -> RpcResult<Transaction> {
    Ok(Transaction {
        inner: Recovered::new_unchecked(envelope(&checked.raw)?, checked.sender),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: Some(checked.max_fee_per_gas),
        block_timestamp: None,
    })
}

fn envelope(raw: &[u8]) -> RpcResult<TxEnvelope> {
    TxEnvelope::decode_2718(&mut &*raw).map_err(|_| internal("a finalized transaction does not decode"))
}

/// The protocol's own transaction as wallets can read one: legacy, unsigned, without gas.
fn end_envelope(height: u64) -> TxEnvelope {
    let tx = TxLegacy { to: TxKind::Call(system::CHAIN), ..TxLegacy::default() };
    TxEnvelope::Legacy(Signed::new_unchecked(tx, Signature::new(U256::ZERO, U256::ZERO, false), end_hash(height)))
}

/// A log in its place.
pub(super) fn log(block: &FinalizedBlock, placed: &PlacedLog<'_>) -> Log {
    Log {
        inner: placed.log.clone(),
        block_hash: Some(block.hash),
        block_number: Some(block.height),
        block_timestamp: Some(seconds(block)),
        transaction_hash: Some(placed.tx_hash),
        transaction_index: Some(placed.tx_index),
        log_index: Some(placed.log_index),
        removed: false,
    }
}

/// The receipt of the transaction at a position, the protocol's own last; none beyond.
pub(super) fn receipt(block: &FinalizedBlock, index: usize) -> Option<ReceiptJson> {
    let at = u64::try_from(index).ok()?;
    let logs = logs_of(block).filter(|placed| placed.tx_index == at).map(|placed| log(block, &placed)).collect();
    match block.txs.get(index) {
        Some(tx) => Some(receipt_of(block, at, Some(tx), logs)),
        None if index == block.txs.len() && !block.end_logs.is_empty() => Some(receipt_of(block, at, None, logs)),
        None => None,
    }
}

/// All receipts of a block, the protocol's own last.
pub(super) fn receipts(block: &FinalizedBlock) -> Vec<ReceiptJson> {
    let mut logs = logs_of(block).peekable();
    let ends = usize::from(!block.end_logs.is_empty());
    block
        .txs
        .iter()
        .map(Some)
        .chain(std::iter::repeat_n(None, ends))
        .zip(0u64..)
        .map(|(tx, at)| {
            let own = std::iter::from_fn(|| logs.next_if(|placed| placed.tx_index == at));
            let own = own.map(|placed| log(block, &placed)).collect();
            receipt_of(block, at, tx, own)
        })
        .collect()
}

fn receipt_of(block: &FinalizedBlock, at: u64, tx: Option<&FinalizedTx>, logs: Vec<Log>) -> ReceiptJson {
    let receipt = tx.map(|tx| &tx.receipt);
    let failure = receipt.and_then(|receipt| receipt.failure.clone());
    let logs_bloom = logs.iter().map(|log| &log.inner).collect();
    let inner = ReceiptWithBloom {
        receipt: Receipt {
            status: failure.is_none().into(),
            cumulative_gas_used: receipt.map_or(block.gas_used, |receipt| receipt.cumulative_gas_used),
            logs,
        },
        logs_bloom,
    };
    // The first byte of a typed transaction is its type; a legacy one begins with an RLP list.
    let inner = match tx.and_then(|tx| tx.raw.first()) {
        Some(2) => ReceiptEnvelope::Eip1559(inner),
        _ => ReceiptEnvelope::Legacy(inner),
    };
    ReceiptJson {
        receipt: TransactionReceipt {
            inner,
            transaction_hash: receipt.map_or_else(|| end_hash(block.height), |receipt| receipt.tx_hash),
            transaction_index: Some(at),
            block_hash: Some(block.hash),
            block_number: Some(block.height),
            gas_used: receipt.map_or(0, |receipt| receipt.gas_used),
            effective_gas_price: receipt.map_or(0, |receipt| receipt.effective_gas_price),
            blob_gas_used: None,
            blob_gas_price: None,
            from: receipt.map_or(Address::ZERO, |receipt| receipt.from),
            to: Some(receipt.map_or(system::CHAIN, |receipt| receipt.to)),
            contract_address: None,
        },
        failure,
    }
}
