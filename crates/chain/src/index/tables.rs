//! The index on disk.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use alloy_primitives::Bloom;
use alloy_rpc_types_eth::Filter;
use assay_types::{B256, FinalizedBlock, block::SharedBlock};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use super::{
    block_bloom, codec, end_hash,
    logs::{LogLimits, TxPlace, logs_of},
};

/// Layout of the tables; another number means another program wrote the file.
const VERSION: u64 = 1;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Height to block row.
const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
/// Block hash to height.
const HEIGHTS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("heights");
/// Transaction hash to height and position, the protocol's own included.
const TXS: TableDefinition<'_, &[u8; 32], (u64, u32)> = TableDefinition::new("transactions");
/// Height to bloom filter, of blocks that have logs.
const BLOOMS: TableDefinition<'_, u64, &[u8; 256]> = TableDefinition::new("blooms");

/// What a node chooses about its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexOptions {
    /// Blocks to keep; none to keep all.
    pub retain_blocks: Option<u64>,
    /// Memory for pages read.
    pub cache_bytes: usize,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self { retain_blocks: None, cache_bytes: 16 << 20 }
    }
}

/// Why the index fails.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file of another network or program version.
    #[error("the index {path} belongs to {found}, not to {expected}: move it away and it is built anew")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is of.
        found: String,
        /// What it should be of.
        expected: String,
    },
    /// Another block at a height that is final.
    #[error("block {height} was indexed as {known} and now comes as {given}")]
    Fork {
        /// Where.
        height: u64,
        /// Hash indexed.
        known: B256,
        /// Hash given.
        given: B256,
    },
    /// A row does not decode.
    #[error("the index row of block {height} is damaged: move the index away and it is built anew")]
    Corrupt {
        /// Which.
        height: u64,
    },
    /// A query spans too many blocks.
    #[error("query spans {given} blocks, at most {limit} are allowed: ask for shorter ranges")]
    RangeTooLong {
        /// Blocks asked for.
        given: u64,
        /// Blocks allowed.
        limit: u64,
    },
    /// A query finds too much.
    #[error("query returned more than {limit} results: retry with blocks {from} to {to}, or a narrower filter")]
    TooManyLogs {
        /// Logs allowed.
        limit: usize,
        /// First block.
        from: u64,
        /// Last block known to fit.
        to: u64,
    },
    /// The disk or the file.
    #[error("the index could not be read or written")]
    Storage(#[source] Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for IndexError {
    fn from(error: E) -> Self {
        Self::Storage(Box::new(error.into()))
    }
}

/// Blocks and where their transactions and logs are, on disk.
#[derive(Debug)]
pub struct Index {
    db: Database,
    options: IndexOptions,
}

impl Index {
    /// Opens or makes the index of the network with this genesis.
    pub fn open(path: &Path, genesis: B256, options: IndexOptions) -> Result<Self, IndexError> {
        let db = Database::builder().set_cache_size(options.cache_bytes).create(path)?;
        let write = db.begin_write()?;
        {
            let mut meta = write.open_table(META)?;
            let expected = format!("network {genesis}, layout {VERSION}");
            let found = meta.get("identity")?.map(|found| String::from_utf8_lossy(found.value()).into_owned());
            match found {
                Some(found) if found != expected => {
                    return Err(IndexError::Foreign { path: path.to_owned(), found, expected });
                }
                Some(_) => {}
                None => {
                    meta.insert("identity", expected.as_bytes())?;
                }
            }
            write.open_table(BLOCKS)?;
            write.open_table(HEIGHTS)?;
            write.open_table(TXS)?;
            write.open_table(BLOOMS)?;
        }
        write.commit()?;
        Ok(Self { db, options })
    }

    /// Lowest and highest height held.
    pub fn heights(&self) -> Result<Option<(u64, u64)>, IndexError> {
        let blocks = self.db.begin_read()?.open_table(BLOCKS)?;
        let (first, last) = (blocks.first()?, blocks.last()?);
        Ok(first.zip(last).map(|((first, _), (last, _))| (first.value(), last.value())))
    }

    /// Adds blocks, all or none, durably. Blocks held already are skipped; heights may be left out
    /// where blocks are lost.
    pub fn apply(&self, blocks: &[SharedBlock]) -> Result<(), IndexError> {
        let mut write = self.db.begin_write()?;
        write.set_durability(Durability::Immediate).map_err(redb::Error::from)?;
        {
            let mut rows = write.open_table(BLOCKS)?;
            let mut heights = write.open_table(HEIGHTS)?;
            let mut txs = write.open_table(TXS)?;
            let mut blooms = write.open_table(BLOOMS)?;
            for block in blocks {
                if let Some(known) = rows.get(block.height)? {
                    let known = codec::decode(known.value()).ok_or(IndexError::Corrupt { height: block.height })?.hash;
                    if known != block.hash {
                        return Err(IndexError::Fork { height: block.height, known, given: block.hash });
                    }
                    continue;
                }
                rows.insert(block.height, codec::encode(block).as_slice())?;
                heights.insert(&block.hash.0, block.height)?;
                for (hash, index) in hashes(block) {
                    txs.insert(&hash.0, (block.height, index))?;
                }
                if block.logs().next().is_some() {
                    blooms.insert(block.height, &block_bloom(block).0.0)?;
                }
            }
            if let Some(retain) = self.options.retain_blocks {
                let last = rows.last()?.map_or(0, |(height, _)| height.value());
                let keep_from = last.saturating_add(1).saturating_sub(retain);
                let first = rows.first()?.map_or(keep_from, |(height, _)| height.value());
                for height in first..keep_from {
                    let Some(row) = rows.remove(height)? else { continue };
                    let block = codec::decode(row.value()).ok_or(IndexError::Corrupt { height })?;
                    heights.remove(&block.hash.0)?;
                    blooms.remove(height)?;
                    for (hash, _) in hashes(&block) {
                        txs.remove(&hash.0)?;
                    }
                }
            }
        }
        write.commit()?;
        Ok(())
    }

    /// The block at a height.
    pub fn block(&self, height: u64) -> Result<Option<FinalizedBlock>, IndexError> {
        let rows = self.db.begin_read()?.open_table(BLOCKS)?;
        let Some(row) = rows.get(height)? else { return Ok(None) };
        codec::decode(row.value()).ok_or(IndexError::Corrupt { height }).map(Some)
    }

    /// The height of a block.
    pub fn height_of(&self, hash: &B256) -> Result<Option<u64>, IndexError> {
        let heights = self.db.begin_read()?.open_table(HEIGHTS)?;
        Ok(heights.get(&hash.0)?.map(|height| height.value()))
    }

    /// Where a transaction is.
    pub fn place_of(&self, tx: &B256) -> Result<Option<TxPlace>, IndexError> {
        let txs = self.db.begin_read()?.open_table(TXS)?;
        Ok(txs.get(&tx.0)?.map(|place| {
            let (height, index) = place.value();
            TxPlace { height, index }
        }))
    }

    /// Blocks in `range` that hold logs the filter wants, ascending, whole. The range of the filter
    /// itself is not looked at.
    pub fn matching(
        &self,
        filter: &Filter,
        range: RangeInclusive<u64>,
        limits: &LogLimits,
    ) -> Result<Vec<FinalizedBlock>, IndexError> {
        let read = self.db.begin_read()?;
        let (blooms, rows) = (read.open_table(BLOOMS)?, read.open_table(BLOCKS)?);
        let (mut found, mut budget) = (Vec::new(), LogBudget::new(*range.start(), limits));
        for entry in blooms.range(range)? {
            let (height, bloom) = entry?;
            if !filter.matches_bloom(Bloom::from(*bloom.value())) {
                continue;
            }
            let height = height.value();
            let Some(row) = rows.get(height)? else { continue };
            let block = codec::decode(row.value()).ok_or(IndexError::Corrupt { height })?;
            if budget.take(&block, filter)? {
                found.push(block);
            }
        }
        Ok(found)
    }
}

/// Counts what a query finds against its bounds.
pub(super) struct LogBudget<'a> {
    from: u64,
    limits: &'a LogLimits,
    logs: usize,
    bytes: usize,
}

impl<'a> LogBudget<'a> {
    pub(super) fn new(from: u64, limits: &'a LogLimits) -> Self {
        Self { from, limits, logs: 0, bytes: 0 }
    }

    /// Counts the logs of a block that the filter wants; whether there are any.
    pub(super) fn take(&mut self, block: &FinalizedBlock, filter: &Filter) -> Result<bool, IndexError> {
        let before = self.logs;
        for placed in logs_of(block).filter(|placed| filter.matches(placed.log)) {
            self.logs = self.logs.saturating_add(1);
            self.bytes = self.bytes.saturating_add(placed.log.data.data.len());
        }
        if self.logs > self.limits.max_logs || self.bytes > self.limits.max_bytes {
            let to = block.height.saturating_sub(1).max(self.from);
            return Err(IndexError::TooManyLogs { limit: self.limits.max_logs, from: self.from, to });
        }
        Ok(self.logs > before)
    }
}

/// Hashes of a block's transactions with their positions, the protocol's own included.
pub(super) fn hashes(block: &FinalizedBlock) -> impl Iterator<Item = (B256, u32)> {
    let end = (!block.end_logs.is_empty()).then(|| end_hash(block.height));
    block.txs.iter().map(|tx| tx.receipt.tx_hash).chain(end).zip(0u32..)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use alloy_primitives::keccak256;
    use assay_types::{Address, FinalizedTx, Log, LogData, Receipt, TxFailure};

    use super::*;

    /// A block with `txs` transactions; each logs its height and index, and so does the block's end
    /// at even heights.
    pub(in crate::index) fn block(height: u64, txs: u32) -> SharedBlock {
        let log = |topic: &str, index: u32| Log {
            address: Address::repeat_byte((height % 5) as u8),
            data: LogData::new_unchecked(
                vec![keccak256(topic), B256::left_padding_from(&index.to_be_bytes())],
                height.to_be_bytes().to_vec().into(),
            ),
        };
        let tx = |index: u32| FinalizedTx {
            raw: vec![2, height as u8, index as u8].into(),
            receipt: Receipt {
                tx_hash: keccak256([height as u8, index as u8]),
                from: Address::repeat_byte(8),
                to: Address::repeat_byte(9),
                failure: (index == 1).then(|| TxFailure { code: 140, name: "UnknownJob".into() }),
                gas_used: 21_000,
                cumulative_gas_used: 21_000 * u64::from(index + 1),
                effective_gas_price: u128::from(u64::MAX) + 7,
                logs: vec![log("tx", index)],
            },
        };
        Arc::new(FinalizedBlock {
            height,
            hash: keccak256(height.to_be_bytes()),
            parent_hash: keccak256(height.wrapping_sub(1).to_be_bytes()),
            timestamp_ms: 1_700_000_000_000 + height * 50,
            proposer: Address::repeat_byte(3),
            state_root: B256::repeat_byte(4),
            transactions_root: B256::repeat_byte(5),
            receipts_root: B256::repeat_byte(6),
            beacon: B256::repeat_byte(7),
            base_fee: 1_000_000,
            gas_used: 21_000 * u64::from(txs),
            gas_limit: 60_000_000,
            size_bytes: 1_234,
            txs: (0..txs).map(tx).collect(),
            end_logs: if height.is_multiple_of(2) { vec![log("end", txs)] } else { vec![] },
        })
    }

    fn open(dir: &tempfile::TempDir, options: IndexOptions) -> Index {
        Index::open(&dir.path().join("index.redb"), B256::ZERO, options).expect("opens")
    }

    fn blocks(range: std::ops::Range<u64>) -> Vec<SharedBlock> {
        range.map(|height| block(height, 2)).collect()
    }

    #[test]
    fn a_restarted_index_goes_on_where_it_stopped() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let index = open(&dir, IndexOptions::default());
        assert_eq!(index.heights().expect("reads"), None);
        index.apply(&blocks(0..4)).expect("applies");
        drop(index);
        let index = open(&dir, IndexOptions::default());
        assert_eq!(index.heights().expect("reads"), Some((0, 3)));
        index.apply(&blocks(2..6)).expect("what is known is skipped");
        assert_eq!(index.heights().expect("reads"), Some((0, 5)));
        for known in blocks(0..6) {
            assert_eq!(index.block(known.height).expect("reads").as_ref(), Some(&*known));
            assert_eq!(index.height_of(&known.hash).expect("reads"), Some(known.height));
            for (hash, at) in hashes(&known) {
                let place = TxPlace { height: known.height, index: at };
                assert_eq!(index.place_of(&hash).expect("reads"), Some(place));
            }
        }
        let end = index.place_of(&end_hash(4)).expect("reads");
        assert_eq!(end, Some(TxPlace { height: 4, index: 2 }), "the protocol's own comes last");
        assert_eq!(index.place_of(&end_hash(3)).expect("reads"), None, "a quiet end has none");
    }

    #[test]
    fn another_block_at_a_known_height_is_refused_and_changes_nothing() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let index = open(&dir, IndexOptions::default());
        index.apply(&blocks(5..8)).expect("an empty index starts anywhere");
        let mut other = (*block(6, 2)).clone();
        other.hash = B256::repeat_byte(1);
        let fork = index.apply(&[block(8, 2), Arc::new(other)]);
        assert!(matches!(fork, Err(IndexError::Fork { height: 6, .. })));
        assert_eq!(index.heights().expect("reads"), Some((5, 7)), "block 8 came in a batch that failed");
        index.apply(&[block(10, 2)]).expect("a hole is allowed");
        assert_eq!(index.heights().expect("reads"), Some((5, 10)));
        assert_eq!(index.block(9).expect("reads"), None);
    }

    #[test]
    fn the_index_of_another_network_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("temporary folder");
        drop(open(&dir, IndexOptions::default()));
        let path = dir.path().join("index.redb");
        let error = Index::open(&path, B256::repeat_byte(1), IndexOptions::default()).expect_err("refused");
        assert!(matches!(error, IndexError::Foreign { .. }), "{error}");
    }

    #[test]
    fn old_blocks_go_with_everything_that_points_at_them() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let index = open(&dir, IndexOptions { retain_blocks: Some(3), ..IndexOptions::default() });
        index.apply(&blocks(0..10)).expect("applies");
        assert_eq!(index.heights().expect("reads"), Some((7, 9)));
        let gone = block(6, 2);
        assert_eq!(index.height_of(&gone.hash).expect("reads"), None);
        for (hash, _) in hashes(&gone) {
            assert_eq!(index.place_of(&hash).expect("reads"), None);
        }
        let all = index.matching(&Filter::new(), 0..=100, &LogLimits::default()).expect("reads");
        assert_eq!(all.iter().map(|b| b.height).collect::<Vec<_>>(), [7, 8, 9]);
    }

    #[test]
    fn log_queries_find_by_address_and_topic_and_stop_at_their_bounds() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let index = open(&dir, IndexOptions::default());
        index.apply(&blocks(0..20)).expect("applies");
        let limits = LogLimits::default();
        let find = |filter: Filter, range, limits: &LogLimits| {
            index.matching(&filter, range, limits).map(|found| found.iter().map(|b| b.height).collect::<Vec<_>>())
        };
        let by_address = Filter::new().address(Address::repeat_byte(3));
        assert_eq!(find(by_address.clone(), 0..=19, &limits).expect("finds"), [3, 8, 13, 18]);
        assert_eq!(find(by_address.clone(), 4..=13, &limits).expect("finds"), [8, 13]);
        let ends = Filter::new().event_signature(keccak256("end"));
        assert_eq!(find(ends.clone(), 0..=5, &limits).expect("finds"), [0, 2, 4]);
        let both = by_address.clone().event_signature(keccak256("end"));
        assert_eq!(find(both, 0..=19, &limits).expect("finds"), [8, 18]);
        assert_eq!(find(Filter::new().address(Address::repeat_byte(99)), 0..=19, &limits).expect("finds"), [0u64; 0]);
        let few = LogLimits { max_logs: 3, ..limits };
        let error = find(ends, 0..=19, &few).expect_err("too many");
        assert!(matches!(error, IndexError::TooManyLogs { limit: 3, from: 0, to: 5 }), "{error}");
    }
}
