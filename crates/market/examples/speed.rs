//! How long clearings take, and what a resting order costs: best of fifteen, one thread, as JSON.

use std::time::{Duration, Instant};

use alloy_primitives::B256;
use assay_market::{Order, Resting, Rule, Side, clear};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

const CLASSES: usize = 64;
const REFERENCE: u128 = 1_000_000;
const ROUNDS: usize = 15;

fn order(rng: &mut StdRng, id: u64, prices: [std::ops::Range<u128>; 2]) -> Order {
    let side = if rng.random::<bool>() { Side::Bid } else { Side::Ask };
    let [bids, asks] = prices;
    let price = rng.random_range(if side == Side::Bid { bids } else { asks });
    let quantity = rng.random_range(1..1_000);
    // One order in fifty is all or nothing.
    let min_fill = if rng.random_range(0..50) == 0 { quantity } else { 0 };
    Order { id, side, price, quantity, min_fill }
}

/// A book a class, of orders about the reference, half of which cross.
fn books(count: u64) -> Vec<Resting> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut books = vec![Resting::default(); CLASSES];
    for id in 0..count {
        let one = order(&mut rng, id, [900_000..1_100_000, 900_000..1_100_000]);
        books[id as usize % CLASSES].insert(one).expect("good orders");
    }
    books
}

fn rule() -> Rule {
    Rule::new(REFERENCE, 1_250, B256::repeat_byte(9)).expect("a rule")
}

fn best(mut round: impl FnMut() -> Duration) -> f64 {
    let times = (0..ROUNDS).map(|_| round());
    times.min().unwrap_or_default().as_secs_f64() * 1e3
}

fn clear_all(books: &[Resting]) -> (Duration, u128) {
    let rule = rule();
    let started = Instant::now();
    let volume = books.iter().map(|book| clear(book, &rule).volume).sum();
    (started.elapsed(), volume)
}

/// A million orders that do not cross, and a thousand new ones that do: put, cleared, settled.
fn incremental() -> f64 {
    let mut rng = StdRng::seed_from_u64(2);
    let mut book = Resting::default();
    for id in 0..1_000_000 {
        let one = order(&mut rng, id, [880_000..999_000, 1_001_000..1_120_000]);
        book.insert(Order { min_fill: 0, ..one }).expect("good orders");
    }
    let mut next = 1_000_000_u64;
    best(|| {
        let new: Vec<Order> =
            (0..1_000).map(|n| order(&mut rng, next + n, [990_000..1_010_000, 990_000..1_010_000])).collect();
        next += 1_000;
        let started = Instant::now();
        for one in new {
            book.insert(one).expect("good orders");
        }
        let clearing = clear(&book, &rule());
        book.settle(&clearing).expect("its own fills");
        started.elapsed()
    })
}

/// Resident bytes, where the system tells.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

fn main() {
    let before = resident();
    let million = books(1_000_000);
    let bytes_per_order = resident().saturating_sub(before) / 1_000_000;
    let clear_1m = best(|| clear_all(&million).0);
    drop(million);
    let hundred = books(100_000);
    let clear_100k = best(|| clear_all(&hundred).0);
    let volume = clear_all(&hundred).1;
    println!(
        "{:#}",
        serde_json::json!({
            "clear_100k_ms": clear_100k,
            "clear_1m_ms": clear_1m,
            "incremental_1m_resting_ms": incremental(),
            "bytes_per_order": bytes_per_order,
            "volume_100k": volume.to_string(),
        })
    );
}
