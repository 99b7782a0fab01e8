//! Clearings of the batch auction, and a published matching engine on the same orders.

use std::time::{Duration, Instant};

use assay_market::{Order, Resting, Rule, Side, clear};
use assay_types::B256;
use lobster::{OrderBook, OrderEvent, OrderType, Side as PeerSide};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Map, Value, json};

use crate::{
    failure::{Code, Failure, Outcome},
    terminal::Terminal,
};

const CLASSES: usize = 64;
const REFERENCE: u128 = 1_000_000;
const ROUNDS: usize = 15;
const MANY: u64 = 1_000_000;
const SOME: u64 = 100_000;

/// Prices bids and asks are drawn from.
#[derive(Clone)]
struct Prices {
    bids: std::ops::Range<u128>,
    asks: std::ops::Range<u128>,
}

/// Half the orders about the reference cross.
const CROSSING: Prices = Prices { bids: 900_000..1_100_000, asks: 900_000..1_100_000 };
/// Orders that only rest.
const APART: Prices = Prices { bids: 880_000..999_000, asks: 1_001_000..1_120_000 };
/// New orders, which meet one another and the best of those that rest.
const NEW: Prices = Prices { bids: 990_000..1_010_000, asks: 990_000..1_010_000 };

fn order(rng: &mut StdRng, id: u64, prices: &Prices) -> Order {
    let side = if rng.random::<bool>() { Side::Bid } else { Side::Ask };
    let price = rng.random_range(if side == Side::Bid { prices.bids.clone() } else { prices.asks.clone() });
    Order { id, side, price, quantity: rng.random_range(1..1_000), min_fill: 0 }
}

/// The stream of orders of a seed; of the crossing ones, one in fifty is all or nothing.
fn stream(seed: u64, count: u64, prices: Prices, whole: bool) -> Vec<Order> {
    let mut rng = StdRng::seed_from_u64(seed);
    let one = |id: u64| {
        let mut one = order(&mut rng, id, &prices);
        if whole && id.is_multiple_of(50) {
            one.min_fill = one.quantity;
        }
        one
    };
    (0..count).map(one).collect()
}

fn internal(error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::Internal, "the market could not be measured").because(error)
}

fn books(count: u64) -> Outcome<Vec<Resting>> {
    let mut books = vec![Resting::default(); CLASSES];
    let classes = (0..CLASSES).cycle();
    for (order, class) in stream(1, count, CROSSING, true).into_iter().zip(classes) {
        if let Some(book) = books.get_mut(class) {
            book.insert(order).map_err(|e| internal(&e))?;
        }
    }
    Ok(books)
}

fn rule() -> Outcome<Rule> {
    Rule::new(REFERENCE, 1_250, B256::repeat_byte(9)).map_err(|e| internal(&e))
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The best of fifteen clearings of all classes, milliseconds, and units traded.
fn clear_all(books: &[Resting]) -> Outcome<(f64, u128)> {
    let rule = rule()?;
    let mut best = Duration::MAX;
    let mut volume = 0;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        volume = books.iter().map(|book| clear(book, &rule).volume).sum();
        best = best.min(started.elapsed());
    }
    Ok((milliseconds(best), volume))
}

/// A thousand new orders put beside a million that rest, cleared and settled: the best of fifteen.
fn incremental() -> Outcome<f64> {
    let mut book = Resting::default();
    for order in stream(2, MANY, APART, false) {
        book.insert(order).map_err(|e| internal(&e))?;
    }
    let rule = rule()?;
    let mut rng = StdRng::seed_from_u64(3);
    let mut best = Duration::MAX;
    for next in (MANY..).step_by(1_000).take(ROUNDS) {
        let new: Vec<Order> = (next..next.saturating_add(1_000)).map(|id| order(&mut rng, id, &NEW)).collect();
        let started = Instant::now();
        for order in new {
            book.insert(order).map_err(|e| internal(&e))?;
        }
        let clearing = clear(&book, &rule);
        book.settle(&clearing).map_err(|e| internal(&e))?;
        best = best.min(started.elapsed());
    }
    Ok(milliseconds(best))
}

/// Resident bytes, where the system tells.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default().saturating_mul(4_096)
}

/// The same stream through a price-time matching engine, an order at a time, with our insertion and
/// clearing of it in one book beside it: milliseconds, and units traded.
fn against_peer() -> Outcome<Value> {
    let orders = stream(1, SOME, CROSSING, false);
    let narrow = |price: u128| u64::try_from(price).unwrap_or(u64::MAX);
    let started = Instant::now();
    let mut peer = OrderBook::default();
    let mut traded = 0_u64;
    for order in &orders {
        let side = if order.side == Side::Bid { PeerSide::Bid } else { PeerSide::Ask };
        let limit =
            OrderType::Limit { id: u128::from(order.id), side, qty: order.quantity, price: narrow(order.price) };
        match peer.execute(limit) {
            OrderEvent::Filled { filled_qty, .. } | OrderEvent::PartiallyFilled { filled_qty, .. } => {
                traded = traded.saturating_add(filled_qty);
            }
            _ => {}
        }
    }
    let theirs = started.elapsed();
    let started = Instant::now();
    let mut book = Resting::default();
    for order in &orders {
        book.insert(*order).map_err(|e| internal(&e))?;
    }
    let clearing = clear(&book, &rule()?);
    book.settle(&clearing).map_err(|e| internal(&e))?;
    let ours = started.elapsed();
    Ok(json!({
        "peer": "lobster 0.7.0, price-time priority, no batch, no uniform price, no minimum fill",
        "orders": SOME,
        "peer_ms": milliseconds(theirs),
        "peer_volume": traded,
        "ours_ms": milliseconds(ours),
        "ours_volume": clearing.volume.to_string(),
    }))
}

/// All figures of the market that need no network.
pub(super) fn measure(terminal: &Terminal) -> Outcome<Map<String, Value>> {
    let spinner = terminal.spinner("market");
    spinner.say("a million orders");
    let before = resident();
    let many = books(MANY)?;
    let bytes = resident().saturating_sub(before) / MANY;
    let (clear_1m, _) = clear_all(&many)?;
    drop(many);
    spinner.say("a hundred thousand orders");
    let (clear_100k, volume) = clear_all(&books(SOME)?)?;
    spinner.say("a thousand new beside a million that rest");
    let incremental = incremental()?;
    spinner.say("a matching engine on the same orders");
    let peer = against_peer()?;
    let mut figures = Map::new();
    figures.insert("clear_100k_ms".into(), json!(clear_100k));
    figures.insert("clear_1m_ms".into(), json!(clear_1m));
    figures.insert("incremental_1m_resting_ms".into(), json!(incremental));
    figures.insert("bytes_per_order".into(), json!(bytes));
    figures.insert("volume_100k".into(), json!(volume.to_string()));
    figures.insert("matching_engine".into(), peer);
    Ok(figures)
}
