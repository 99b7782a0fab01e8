//! How a finalized block lies in the index: RLP behind a version byte. Nobody but the index reads it.

use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use assay_types::{Address, B256, Bytes, FinalizedBlock, FinalizedTx, Log, Receipt, TxFailure};

/// First byte of a row.
const VERSION: u8 = 1;

#[derive(RlpEncodable, RlpDecodable)]
struct BlockRow {
    height: u64,
    hash: B256,
    parent_hash: B256,
    timestamp_ms: u64,
    proposer: Address,
    state_root: B256,
    transactions_root: B256,
    receipts_root: B256,
    beacon: B256,
    base_fee: u128,
    gas_used: u64,
    gas_limit: u64,
    size_bytes: u64,
    txs: Vec<TxRow>,
    end_logs: Vec<Log>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct TxRow {
    raw: Bytes,
    hash: B256,
    from: Address,
    to: Address,
    /// 0: it did what it asked.
    failure_code: u16,
    failure_name: String,
    gas_used: u64,
    cumulative_gas_used: u64,
    effective_gas_price: u128,
    logs: Vec<Log>,
}

impl From<&FinalizedTx> for TxRow {
    fn from(tx: &FinalizedTx) -> Self {
        let receipt = &tx.receipt;
        let failure = receipt.failure.clone().unwrap_or(TxFailure { code: 0, name: String::new() });
        Self {
            raw: tx.raw.clone(),
            hash: receipt.tx_hash,
            from: receipt.from,
            to: receipt.to,
            failure_code: failure.code,
            failure_name: failure.name,
            gas_used: receipt.gas_used,
            cumulative_gas_used: receipt.cumulative_gas_used,
            effective_gas_price: receipt.effective_gas_price,
            logs: receipt.logs.clone(),
        }
    }
}

impl From<TxRow> for FinalizedTx {
    fn from(row: TxRow) -> Self {
        let failure = TxFailure { code: row.failure_code, name: row.failure_name };
        Self {
            raw: row.raw,
            receipt: Receipt {
                tx_hash: row.hash,
                from: row.from,
                to: row.to,
                failure: (failure.code != 0).then_some(failure),
                gas_used: row.gas_used,
                cumulative_gas_used: row.cumulative_gas_used,
                effective_gas_price: row.effective_gas_price,
                logs: row.logs,
            },
        }
    }
}

/// Encodes a block.
pub(crate) fn encode(block: &FinalizedBlock) -> Vec<u8> {
    let row = BlockRow {
        height: block.height,
        hash: block.hash,
        parent_hash: block.parent_hash,
        timestamp_ms: block.timestamp_ms,
        proposer: block.proposer,
        state_root: block.state_root,
        transactions_root: block.transactions_root,
        receipts_root: block.receipts_root,
        beacon: block.beacon,
        base_fee: block.base_fee,
        gas_used: block.gas_used,
        gas_limit: block.gas_limit,
        size_bytes: block.size_bytes,
        txs: block.txs.iter().map(TxRow::from).collect(),
        end_logs: block.end_logs.clone(),
    };
    let mut bytes = Vec::with_capacity(row.length().saturating_add(1));
    bytes.push(VERSION);
    row.encode(&mut bytes);
    bytes
}

/// Decodes what [`encode`] wrote; `None` for anything else.
pub(crate) fn decode(bytes: &[u8]) -> Option<FinalizedBlock> {
    let (&VERSION, mut rest) = bytes.split_first()? else { return None };
    let row = BlockRow::decode(&mut rest).ok()?;
    rest.is_empty().then(|| FinalizedBlock {
        height: row.height,
        hash: row.hash,
        parent_hash: row.parent_hash,
        timestamp_ms: row.timestamp_ms,
        proposer: row.proposer,
        state_root: row.state_root,
        transactions_root: row.transactions_root,
        receipts_root: row.receipts_root,
        beacon: row.beacon,
        base_fee: row.base_fee,
        gas_used: row.gas_used,
        gas_limit: row.gas_limit,
        size_bytes: row.size_bytes,
        txs: row.txs.into_iter().map(FinalizedTx::from).collect(),
        end_logs: row.end_logs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::tables::tests::block;

    #[test]
    fn a_block_survives_its_row_and_a_damaged_row_is_refused() {
        let block = block(7, 3);
        let bytes = encode(&block);
        assert_eq!(decode(&bytes).as_ref(), Some(&*block));
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode(&[bytes.as_slice(), &[0]].concat()), None);
        assert_eq!(decode(&[&[VERSION + 1], &bytes[1..]].concat()), None);
        assert_eq!(decode(&[]), None);
    }
}
