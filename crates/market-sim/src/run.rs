//! A strategy against an economy.

use std::collections::BTreeMap;

use alloy_primitives::{Address, keccak256};
use assay_market::{IndexRule, Order, Print, Resting, Rule, Side, Traded, clear, index};
use serde::Serialize;

use crate::economy::{Economy, OWNERS, Trader, equilibrium};

/// Blocks of an epoch: the reference moves once in so many.
pub(crate) const EPOCH: u64 = 100;
const BAND_BPS: u32 = 1_250;
const INDEX: IndexRule = IndexRule { cap_bps: 1_000, min_owners: 10, min_volume: 1_000 };
/// Bond of each owner, grains: about what it trades in an epoch.
const BOND: u128 = 2_000_000_000;

/// What some owners do instead of telling the truth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Everybody orders at value or cost.
    Truthful,
    /// These owners of each side shade their limits by this much.
    Shade {
        /// How many of forty.
        owners: usize,
        /// Share of the limit.
        by: f64,
    },
    /// These sellers together ask so much more than cost.
    Cartel {
        /// How many of forty sellers.
        sellers: usize,
        /// Share of cost.
        markup: f64,
    },
    /// These sellers also buy from themselves, so many units a block, at the edge of the band.
    Wash {
        /// How many of forty sellers.
        sellers: usize,
        /// Units a block and seller.
        units: u64,
    },
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// What was played.
    pub strategy: Strategy,
    /// Realised over the best possible surplus.
    pub efficiency: f64,
    /// Mean distance of the price from the equilibrium, share of it.
    pub price_error: f64,
    /// Mean index of the second half over that of the truthful run, less one.
    pub index_moved: f64,
    /// Gain of the players over what the same owners gained in the truthful run, share of that.
    pub players_gain: f64,
    /// The same in grains a block.
    pub players_grains: f64,
    /// The same of everybody else, as a share.
    pub others_gain: f64,
    /// Epochs whose index was printed.
    pub printed: usize,
    /// Epochs.
    pub epochs: usize,
}

/// All runs of a seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Blocks of each run.
    pub blocks: u64,
    /// A run a strategy, the truthful one first.
    pub outcomes: Vec<Outcome>,
}

/// What a run left behind.
struct Ledger {
    realised: f64,
    best: f64,
    errors: Vec<f64>,
    indices: Vec<f64>,
    printed: usize,
    /// Gain of each owner at true worth: buyers, then sellers.
    gains: Vec<f64>,
}

fn account(side: Side, owner: usize) -> Address {
    let tag = if side == Side::Bid { b'b' } else { b's' };
    Address::from_word(keccak256([tag, u8::try_from(owner).unwrap_or(u8::MAX)]))
}

fn place(side: Side, owner: usize) -> usize {
    if side == Side::Bid { owner } else { OWNERS + owner }
}

impl Strategy {
    fn plays(&self, side: Side, owner: usize) -> bool {
        match *self {
            Self::Truthful => false,
            Self::Shade { owners, .. } => owner < owners,
            Self::Cartel { sellers, .. } | Self::Wash { sellers, .. } => side == Side::Ask && owner < sellers,
        }
    }

    fn limit(&self, trader: &Trader) -> f64 {
        let worth = trader.worth as f64;
        let plays = self.plays(trader.side, trader.owner);
        match (*self, trader.side) {
            (Self::Shade { by, .. }, Side::Bid) if plays => worth * (1.0 - by),
            (Self::Shade { by, .. }, Side::Ask) if plays => worth * (1.0 + by),
            (Self::Cartel { markup, .. }, Side::Ask) if plays => worth * (1.0 + markup),
            _ => worth,
        }
    }
}

fn play(seed: u64, blocks: u64, strategy: Strategy) -> Ledger {
    let mut economy = Economy::new(seed);
    let bonded: BTreeMap<Address, u128> = [Side::Bid, Side::Ask]
        .into_iter()
        .flat_map(|side| (0..OWNERS).map(move |owner| (account(side, owner), BOND)))
        .collect();
    let mut reference = economy.level() as u128;
    let mut trades = Vec::new();
    let mut left = Ledger {
        realised: 0.0,
        best: 0.0,
        errors: Vec::new(),
        indices: Vec::new(),
        printed: 0,
        gains: vec![0.0; 2 * OWNERS],
    };
    for block in 0..blocks {
        let traders = economy.next_block();
        let beacon = keccak256([seed.to_be_bytes(), block.to_be_bytes()].concat());
        let rule = Rule::new(reference, BAND_BPS, beacon).expect("a reference above zero");
        clear_block(&traders, strategy, &rule, &mut left, &mut trades);
        if (block + 1) % EPOCH == 0 {
            if let Print::Price(price) = index(&trades, &bonded, &INDEX) {
                reference = price;
                left.printed += 1;
            }
            left.indices.push(reference as f64);
            trades.clear();
        }
    }
    left
}

fn clear_block(traders: &[Trader], strategy: Strategy, rule: &Rule, left: &mut Ledger, trades: &mut Vec<Traded>) {
    let mut book = Resting::default();
    let mut owners: BTreeMap<u64, (Trader, bool)> = BTreeMap::new();
    let put = |order: Order, trader: Trader, wash: bool, owners: &mut BTreeMap<_, _>, book: &mut Resting| {
        book.insert(order).expect("a good order of its own");
        owners.insert(order.id, (trader, wash));
    };
    for (id, trader) in (0..).zip(traders) {
        put(trader.order(id, strategy.limit(trader)), *trader, false, &mut owners, &mut book);
        if let Strategy::Wash { units, .. } = strategy
            && strategy.plays(trader.side, trader.owner)
        {
            // Buys what it sells itself, as dear as the band allows: the seller's own ask stands as it is.
            let wash = Trader { quantity: units, ..*trader };
            let bid = Order { side: Side::Bid, ..wash.order(10_000 + id, rule.band().high as f64) };
            let ask = wash.order(20_000 + id, rule.band().high as f64);
            put(bid, wash, true, &mut owners, &mut book);
            put(ask, wash, true, &mut owners, &mut book);
        }
    }
    let (best, fair) = equilibrium(traders);
    left.best += best;
    let clearing = clear(&book, rule);
    let Some(price) = clearing.price else { return };
    if fair.is_finite() {
        left.errors.push((price as f64 / fair - 1.0).abs());
    }
    for (side, fill) in clearing.fills() {
        let Some((trader, wash)) = owners.get(&fill.id) else { continue };
        let units = fill.quantity as f64;
        let gain = match (side, wash) {
            (Side::Bid, false) => trader.worth as f64 - price as f64,
            (Side::Ask, false) => price as f64 - trader.worth as f64,
            // What a wash trader buys from others is worth nothing to it; what it sells to others of what
            // it never meant to compute costs it its cost.
            (Side::Bid, true) => -(price as f64),
            (Side::Ask, true) => price as f64 - trader.worth as f64,
        };
        let owner = place(trader.side, trader.owner);
        if let Some(total) = left.gains.get_mut(owner) {
            *total += gain * units;
        }
        let sign = if side == Side::Bid { 1.0 } else { -1.0 };
        if !wash {
            left.realised += sign * trader.worth as f64 * units;
        } else if side == Side::Ask {
            left.realised -= trader.worth as f64 * units;
        }
        trades.push(Traded { owner: account(trader.side, trader.owner), price, quantity: fill.quantity });
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// What is worth trying: one owner and all of them shading, cartels and wash traders with a tenth, three
/// tenths and half of the supply, each at several sizes.
pub fn strategies() -> Vec<Strategy> {
    let mut all = Vec::new();
    for owners in [1, OWNERS] {
        all.extend([0.01, 0.02, 0.05, 0.1].map(|by| Strategy::Shade { owners, by }));
    }
    for sellers in [OWNERS / 10, 3 * OWNERS / 10, OWNERS / 2] {
        all.extend([0.01, 0.02, 0.05, 0.1, 0.2].map(|markup| Strategy::Cartel { sellers, markup }));
        all.extend([10, 50].map(|units| Strategy::Wash { sellers, units }));
    }
    all
}

/// Plays each strategy against the economy of `seed` for `blocks` blocks.
pub fn simulate(seed: u64, blocks: u64, strategies: &[Strategy]) -> Report {
    let truthful = play(seed, blocks, Strategy::Truthful);
    let outcomes = std::iter::once(Strategy::Truthful)
        .chain(strategies.iter().copied())
        .map(|strategy| {
            let run = if strategy == Strategy::Truthful { None } else { Some(play(seed, blocks, strategy)) };
            compare(strategy, run.as_ref().unwrap_or(&truthful), &truthful)
        })
        .collect();
    Report { seed, blocks, outcomes }
}

fn compare(strategy: Strategy, run: &Ledger, truthful: &Ledger) -> Outcome {
    let second = |ledger: &Ledger| mean(ledger.indices.get(ledger.indices.len() / 2..).unwrap_or_default());
    let gain = |players: bool| {
        let of = |ledger: &Ledger| -> f64 {
            [Side::Bid, Side::Ask]
                .into_iter()
                .flat_map(|side| (0..OWNERS).map(move |owner| (side, owner)))
                .filter(|(side, owner)| strategy.plays(*side, *owner) == players)
                .filter_map(|(side, owner)| ledger.gains.get(place(side, owner)))
                .sum()
        };
        let before = of(truthful);
        let share = if before == 0.0 { 0.0 } else { of(run) / before - 1.0 };
        (share, of(run) - before)
    };
    let ((players_gain, players_grains), (others_gain, _)) = (gain(true), gain(false));
    let blocks = run.indices.len().max(1) as f64 * EPOCH as f64;
    Outcome {
        strategy,
        efficiency: run.realised / run.best,
        price_error: mean(&run.errors),
        index_moved: second(run) / second(truthful) - 1.0,
        players_gain,
        players_grains: players_grains / blocks,
        others_gain,
        printed: run.printed,
        epochs: run.indices.len(),
    }
}
