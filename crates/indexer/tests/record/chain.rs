//! A chain whose blocks hold what the market's events can say, encoded as the ledger encodes them.

use alloy_primitives::{Address, B256, Bytes, Log, keccak256};
use alloy_sol_types::SolEvent;
use assay_types::{
    FinalizedBlock, FinalizedTx, Receipt,
    abi::{IJobs, IMarket},
    system,
};

/// Blocks of an epoch.
pub(crate) const EPOCH: u64 = 5;

pub(crate) fn market(event: &impl SolEvent) -> Log {
    Log { address: system::MARKET, data: event.encode_log_data() }
}

pub(crate) fn jobs(event: &impl SolEvent) -> Log {
    Log { address: system::JOBS, data: event.encode_log_data() }
}

/// An owner or a renter.
pub(crate) fn account(number: u64) -> Address {
    Address::left_padding_from(&number.to_be_bytes())
}

pub(crate) fn job_id(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// A block on top of another: events of a transaction, events of the end of the block.
pub(crate) fn block(parent: &FinalizedBlock, of_tx: Vec<Log>, end_logs: Vec<Log>) -> FinalizedBlock {
    let height = parent.height + 1;
    let body = serde_json::to_vec(&(&of_tx, &end_logs)).expect("logs are JSON");
    let receipt = |logs| Receipt {
        tx_hash: keccak256(height.to_be_bytes()),
        from: account(1),
        to: system::MARKET,
        failure: None,
        gas_used: 21_000,
        cumulative_gas_used: 21_000,
        effective_gas_price: 1,
        logs,
    };
    let txs = (!of_tx.is_empty()).then(|| FinalizedTx { raw: Bytes::new(), receipt: receipt(of_tx) });
    FinalizedBlock {
        height,
        hash: keccak256([parent.hash.as_slice(), &body].concat()),
        parent_hash: parent.hash,
        timestamp_ms: parent.timestamp_ms + 500,
        txs: txs.into_iter().collect(),
        end_logs,
        ..opening(B256::ZERO)
    }
}

/// The block at height 0.
pub(crate) fn opening(genesis: B256) -> FinalizedBlock {
    FinalizedBlock {
        height: 0,
        hash: keccak256(genesis),
        parent_hash: B256::ZERO,
        timestamp_ms: 1_700_000_000_000,
        proposer: Address::ZERO,
        state_root: B256::ZERO,
        transactions_root: B256::ZERO,
        receipts_root: B256::ZERO,
        beacon: B256::ZERO,
        base_fee: 1,
        gas_used: 0,
        gas_limit: 30_000_000,
        size_bytes: 600,
        txs: Vec::new(),
        end_logs: Vec::new(),
    }
}

/// A chain of so many blocks after the opening one: quiet and busy ones, and every kind of event.
pub(crate) fn chain(genesis: B256, length: u64) -> Vec<FinalizedBlock> {
    let mut blocks = vec![opening(genesis)];
    for height in 1..=length {
        let (of_tx, end) = events(height);
        let next = block(blocks.last().expect("one at least"), of_tx, end);
        blocks.push(next);
    }
    blocks
}

/// What happens at a height.
fn events(height: u64) -> (Vec<Log>, Vec<Log>) {
    let (mut of_tx, mut end) = (Vec::new(), Vec::new());
    let price = 1_000 + u128::from(height % 7) * 10;
    // Events of others at the same contracts, which the record passes over.
    of_tx.push(jobs(&IJobs::KeyDelivered {
        job: job_id(height),
        provider: account(3),
        sender: account(1),
        sealedKey: Bytes::from(vec![1; 40]),
    }));
    if height.is_multiple_of(3) {
        let (id, owner) = (height / 3, account(height % 2));
        let side = u8::try_from(height % 2).expect("a bit");
        let expires = if height.is_multiple_of(2) { u64::MAX } else { height + 50 };
        of_tx.push(market(&IMarket::OrderPlaced {
            id,
            owner,
            class: 1,
            window: 0,
            side,
            price,
            quantity: 5_000,
            minFill: 0,
            expires,
        }));
        of_tx.push(jobs(&IJobs::JobSubmitted { job: job_id(height), renter: owner, tasks: 4, lots: 2, escrow: 900 }));
    }
    if height.is_multiple_of(6) {
        let id = height / 3;
        of_tx.push(market(&IMarket::OrderAmended { id, price: price + 1, quantity: 4_000, expires: height + 90 }));
        of_tx.push(jobs(&IJobs::JobAmended { job: job_id(height), maxPricePerGigafuel: 7, escrow: 1_200 }));
    }
    if height.is_multiple_of(2) {
        let class = 1 + u32::from(height.is_multiple_of(4));
        let window = if height.is_multiple_of(8) { 3 } else { 0 };
        let (low, high) = (price - 1, price + 1);
        end.push(market(&IMarket::Cleared { class, window, price, volume: height * 100, low, high }));
    }
    if height % 3 == 1 && height > 3 {
        let id = height / 3;
        end.push(market(&IMarket::OrderFilled { id, price, quantity: 1_000, left: 3_000 }));
        end.push(market(&IMarket::OrderClosed { id, reason: 2, refunded: 77 }));
        let job = job_id(height - 1);
        end.push(jobs(&IJobs::LotSettled { job, lot: 0, fuel: 10_000, paid: 300 }));
        end.push(jobs(&IJobs::LotSettled { job, lot: 1, fuel: 20_000, paid: 301 }));
        end.push(jobs(&IJobs::JobClosed { job, outcome: 1, cause: 0, paid: 601, refunded: 299 }));
    }
    // An order of a provider, which was never placed.
    if height.is_multiple_of(7) {
        end.push(market(&IMarket::OrderFilled { id: 1 << 40, price, quantity: 1, left: 0 }));
        end.push(market(&IMarket::OrderClosed { id: 1 << 40, reason: 1, refunded: 0 }));
    }
    if height.is_multiple_of(EPOCH) {
        for class in [1, 2] {
            end.push(market(&epoch(class, height / EPOCH, price)));
        }
    }
    (of_tx, end)
}

/// The close of an epoch.
pub(crate) fn epoch(class: u32, epoch: u64, price: u128) -> IMarket::EpochClosed {
    IMarket::EpochClosed {
        class,
        epoch,
        open: price,
        high: price + 40,
        low: price.saturating_sub(40),
        close: price + 3,
        volume: 123_000,
        turnover: price * 123,
        utilisationBps: 7_512,
        index: price + 1,
        printed: epoch.is_multiple_of(2),
    }
}
