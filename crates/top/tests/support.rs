//! Markets for the tests, all fixed.
#![allow(dead_code, reason = "each test file uses its part")]

use alloy_primitives::{Address, B256, Bytes};
use assay_top::model::{Market, Model, Snapshot, Update};
use assay_types::{
    Grains,
    class::{Class, Tier, Unit},
    job::JobOutcome,
    node::{NodeStatus, Quantiles},
    view::{BookView, ClassView, ClearedView, EpochView, JobSummary, LevelView, PriceRange, ProviderView},
};

/// When all this is.
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;
/// A price of a gigafuel.
const REFERENCE: Grains = 1_250_000_000_000_000;

/// A deterministic number below `below`.
pub(crate) fn noise(seed: u64, below: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x ^ (x >> 32)) % below
}

/// A node at a height.
pub(crate) fn status(height: u64) -> NodeStatus {
    NodeStatus {
        chain_id: 77_170,
        genesis_hash: B256::repeat_byte(7),
        height,
        hash: B256::repeat_byte(1),
        state_root: B256::repeat_byte(2),
        timestamp_ms: NOW_MS - 400,
        syncing: false,
        peers: 3,
        waiting_txs: 12,
        finality_ms: Some(Quantiles { p50: 212, p99: 1_480 }),
        version: "assay/0.1.0".to_owned(),
    }
}

/// A class with a market.
pub(crate) fn class(id: u32, name: &str, reference: Grains) -> ClassView {
    ClassView {
        class: Class { id, name: name.to_owned(), ..Class::any_cpu(reference) },
        leaf: true,
        leaves: vec![id],
        reference,
        band: band(reference),
        last: Some(reference / 1_000 * (970 + Grains::from(id) * 13)),
        last_height: Some(12_340),
        capacity: 1_000,
        busy: 1_000 * u64::from(id) / 7,
        bids: 3 * id,
        asks: 2 * id,
        epoch: epoch(96, reference, 3_500_000),
    }
}

fn band(reference: Grains) -> PriceRange {
    PriceRange { low: reference / 100 * 85, high: reference / 100 * 115 }
}

fn epoch(number: u64, price: Grains, volume: u64) -> EpochView {
    let open = price / 1_000 * (980 + Grains::from(noise(number, 40)));
    let close = price / 1_000 * (980 + Grains::from(noise(number + 1, 40)));
    EpochView {
        epoch: number,
        open: Some(open),
        high: Some(open.max(close) / 1_000 * (1_000 + Grains::from(noise(number + 7, 15)))),
        low: Some(open.min(close) / 1_000 * (1_000 - Grains::from(noise(number + 9, 15)))),
        close: Some(close),
        volume,
        turnover: price * Grains::from(volume) / 1_000,
        utilisation_bps: 6_000,
        index: price,
        printed: true,
    }
}

/// A book with levels on both sides, some outside the band, and epochs of which one is without a trade.
pub(crate) fn market(class: u32, reference: Grains) -> Market {
    let level = |n: u64, price| LevelView { price, quantity: 1_000 * (1 + noise(n, 90)), orders: 1 + (n % 4) as u32 };
    let step = reference / 100;
    let recent = |n: u64| ClearedView {
        height: 12_344 - 3 * n,
        price: (n % 5 != 3).then_some(reference / 1_000 * (985 + Grains::from(noise(n, 30)))),
        volume: if n % 5 == 3 { 0 } else { 250 * (1 + noise(n, 40)) },
        best_bid_left: Some(reference - step),
        best_ask_left: Some(reference + step),
    };
    let mut epochs: Vec<_> = (0..96)
        .map(|n| epoch(96 - n, reference / 1_000 * (900 + Grains::from(noise((96 - n) / 6, 200))), 500 * noise(n, 900)))
        .collect();
    epochs[4] = EpochView { epoch: 92, index: reference, ..EpochView::default() };
    Market {
        book: BookView {
            class,
            window: 0,
            reference,
            band: band(reference),
            bids: (0..22).map(|n| level(n, reference - step * Grains::from(n + 1))).collect(),
            asks: (0..18).map(|n| level(n + 50, reference + step * Grains::from(n + 1))).collect(),
            recent: (0..40).map(recent).collect(),
        },
        epochs,
    }
}

/// A provider with a price.
pub(crate) fn provider(n: u8) -> ProviderView {
    ProviderView {
        account: Address::repeat_byte(n),
        margin: 0,
        health_bps: None,
        operator: Address::repeat_byte(n / 2),
        sealing_key: B256::ZERO,
        endpoint: Bytes::new(),
        runtime_id: B256::ZERO,
        class: 1,
        capacity: 4_000,
        busy: 500 * u64::from(n % 9),
        price_per_gigafuel: REFERENCE / 100 * (90 + Grains::from(n)),
        max_lots: 8,
        max_fuel_per_task: 1,
        max_memory_mib: 1,
        open: !n.is_multiple_of(4),
        collateral: 1,
        locked: 0,
        withdrawing: 0,
        withdrawable_at: 0,
        active_lots: u32::from(n % 9),
        lots_settled: 0,
        faults: 0,
        earned: 0,
        suspended_until: 0,
        slashed: 0,
        reputation: Default::default(),
        proved_capacity: None,
        proved_memory_mib: None,
        missed_rounds: 0,
        challenge: None,
    }
}

fn job(n: u8) -> JobSummary {
    let outcome = match n % 6 {
        1 => Some(JobOutcome::Completed),
        3 => Some(JobOutcome::Partial),
        4 => Some(JobOutcome::Expired),
        5 => Some(JobOutcome::Cancelled),
        _ => None,
    };
    let settled = match n % 6 {
        1 => 64,
        4 | 5 => 0,
        _ => u32::from(n) * 5 % 60,
    };
    JobSummary {
        id: B256::repeat_byte(200 - n),
        renter: Address::repeat_byte(9),
        submitted_at: 12_000,
        tasks: 640,
        lots_settled: settled,
        lots: 64,
        outcome,
    }
}

/// A market in which much happens.
pub(crate) fn rich(height: u64) -> Snapshot {
    let mut classes = vec![
        class(1, "cpu", REFERENCE),
        class(2, "cpu-v4-eu-west", REFERENCE * 2),
        class(3, "bandwidth", 40_000_000),
        class(4, "h200-seconds-of-a-long-name", REFERENCE * 900),
        class(5, "retired", REFERENCE),
        class(6, "untraded", REFERENCE),
    ];
    classes[1].class.region = "eu/west".to_owned();
    (classes[2].class.unit, classes[2].class.tier) = (Unit::Gib, Tier::Metered);
    (classes[3].class.unit, classes[3].class.tier) = (Unit::ClassSecond, Tier::Metered);
    classes[4].class.retired = true;
    (classes[5].last, classes[5].capacity, classes[5].busy) = (None, 0, 0);
    Snapshot {
        status: status(height),
        base_fee: Some(1_000_000_007),
        validators: Some(4),
        classes,
        market: Some(market(1, REFERENCE)),
        orders: Vec::new(),
        jobs: (0..30).map(job).collect(),
        providers: (1..25).map(provider).collect(),
        refused: Vec::new(),
    }
}

/// A network with one class and nothing in it.
pub(crate) fn bare(height: u64) -> Snapshot {
    let mut view = class(1, "cpu", REFERENCE);
    (view.last, view.last_height, view.capacity, view.busy, view.bids, view.asks) = (None, None, 0, 0, 0, 0);
    view.epoch = EpochView { index: REFERENCE, ..EpochView::default() };
    let (reference, band) = (view.reference, view.band);
    let book =
        BookView { class: 1, window: 0, reference, band, bids: Vec::new(), asks: Vec::new(), recent: Vec::new() };
    Snapshot {
        status: NodeStatus { finality_ms: None, waiting_txs: 0, ..status(height) },
        classes: vec![view],
        market: Some(Market { book, epochs: Vec::new() }),
        jobs: Vec::new(),
        providers: Vec::new(),
        ..rich(height)
    }
}

/// A model that has seen snapshots.
pub(crate) fn model(snapshots: impl IntoIterator<Item = Snapshot>) -> Model {
    let mut model = Model::new("http://127.0.0.1:8545");
    for snapshot in snapshots {
        model.apply(Update::Fresh(Box::new(snapshot)), NOW_MS);
    }
    model
}
