//! The clearing against an oracle that knows nothing of walks: it tries every price.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use assay_market::{Book as _, Clearing, Order, Resting, Rule, Side, Sorted, Why, clear, why};
use proptest::prelude::*;

fn bid(id: u64, price: u128, quantity: u64) -> Order {
    Order { id, side: Side::Bid, price, quantity, min_fill: 0 }
}

fn ask(id: u64, price: u128, quantity: u64) -> Order {
    Order { side: Side::Ask, ..bid(id, price, quantity) }
}

fn rule(reference: u128) -> Rule {
    Rule::new(reference, 1_250, B256::repeat_byte(7)).expect("a rule")
}

fn run(orders: &[Order], rule: &Rule) -> (Clearing, BTreeMap<u64, u64>) {
    let clearing = clear(&Sorted::new(orders.iter().copied()).expect("good orders"), rule);
    let fills = clearing.fills().map(|(_, fill)| (fill.id, fill.quantity)).collect();
    (clearing, fills)
}

/// Units of a side whose effective limit is at `price` or better, and strictly better.
fn depth(orders: &[Order], rule: &Rule, side: Side, price: u128) -> (u128, u128) {
    let (mut at, mut better) = (0, 0);
    for order in orders.iter().filter(|order| order.side == side) {
        let Some(limit) = rule.band().effective(side, order.price) else { continue };
        let (good, strict) =
            if side == Side::Bid { (limit >= price, limit > price) } else { (limit <= price, limit < price) };
        at += if good { u128::from(order.quantity) } else { 0 };
        better += if strict { u128::from(order.quantity) } else { 0 };
    }
    (at, better)
}

/// The largest volume any price in the band clears, and the prices that clear it leaving nobody short
/// who offered strictly more.
fn oracle(orders: &[Order], rule: &Rule) -> (u128, Vec<u128>) {
    let prices = || rule.band().low..=rule.band().high;
    let volume_at = |p| depth(orders, rule, Side::Bid, p).0.min(depth(orders, rule, Side::Ask, p).0);
    let most = prices().map(volume_at).max().unwrap_or(0);
    let fair = |p: &u128| {
        let (bids, asks) = (depth(orders, rule, Side::Bid, *p), depth(orders, rule, Side::Ask, *p));
        bids.0 >= most && asks.0 >= most && bids.1 <= most && asks.1 <= most
    };
    (most, prices().filter(fair).collect())
}

fn orders(most: usize, with_min: bool) -> impl Strategy<Value = Vec<Order>> {
    let one = (any::<bool>(), 80_u128..120, 1_u64..9, 0_u64..9);
    prop::collection::vec(one, 0..most).prop_map(move |rows| {
        (1..)
            .zip(rows)
            .map(|(id, (buys, price, quantity, min))| Order {
                id,
                side: if buys { Side::Bid } else { Side::Ask },
                price,
                quantity,
                min_fill: if with_min { min.min(quantity) } else { 0 },
            })
            .collect()
    })
}

/// What must hold with and without minimum fills.
fn sound(orders: &[Order], rule: &Rule, clearing: &Clearing, fills: &BTreeMap<u64, u64>) {
    let (mut bought, mut sold) = (0_u128, 0_u128);
    for order in orders {
        let Some(got) = fills.get(&order.id) else { continue };
        let price = clearing.price.expect("a price where something trades");
        assert!(*got > 0 && *got <= order.quantity && *got >= order.min_fill, "{order:?} got {got}");
        match order.side {
            Side::Bid => bought += u128::from(*got),
            Side::Ask => sold += u128::from(*got),
        }
        assert!(if order.side == Side::Bid { price <= order.price } else { price >= order.price }, "{order:?}");
    }
    assert_eq!((bought, sold), (clearing.volume, clearing.volume), "as much is sold as bought");
    if let Some(((low, high), price)) = clearing.range.zip(clearing.price) {
        assert!(low <= price && price <= high && rule.band().low <= low && high <= rule.band().high);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn volume_is_maximal_and_the_price_the_fair_one_nearest_to_the_reference(
        orders in orders(14, false), reference in 85_u128..115,
    ) {
        let rule = rule(reference);
        let (clearing, fills) = run(&orders, &rule);
        sound(&orders, &rule, &clearing, &fills);
        let (volume, prices) = oracle(&orders, &rule);
        prop_assert_eq!(clearing.volume, volume);
        if volume == 0 {
            prop_assert!(clearing.price.is_none());
            return Ok(());
        }
        let nearest = prices.iter().copied().min_by_key(|p| p.abs_diff(reference)).expect("never empty");
        prop_assert_eq!(clearing.price, Some(nearest));
        let range = (*prices.first().expect("some"), *prices.last().expect("some"));
        prop_assert_eq!(clearing.range, Some(range));
        for order in &orders {
            // Who offered strictly more than the margin is filled whole; who offered less gets nothing.
            let margin = if order.side == Side::Bid { clearing.bid } else { clearing.ask };
            let got = fills.get(&order.id).copied().unwrap_or(0);
            let limit = rule.band().effective(order.side, order.price);
            let (Some(limit), Some(worst)) = (limit, margin.traded) else {
                prop_assert_eq!(got, 0);
                continue;
            };
            let better = if order.side == Side::Bid { limit > worst } else { limit < worst };
            if better {
                prop_assert_eq!(got, order.quantity);
            } else if limit != worst {
                prop_assert_eq!(got, 0);
            }
        }
    }

    #[test]
    fn the_margin_is_shared_pro_rata_and_splitting_gains_only_rounding(
        orders in orders(14, false), reference in 85_u128..115, split in any::<prop::sample::Index>(),
    ) {
        let rule = rule(reference);
        let (clearing, fills) = run(&orders, &rule);
        for side in [Side::Bid, Side::Ask] {
            let margin = if side == Side::Bid { clearing.bid } else { clearing.ask };
            let level: Vec<&Order> = orders
                .iter()
                .filter(|o| o.side == side && rule.band().effective(side, o.price).is_some_and(|p| margin.traded == Some(p)))
                .collect();
            let all: u128 = level.iter().map(|o| u128::from(o.quantity)).sum();
            let got = |o: &Order| u128::from(fills.get(&o.id).copied().unwrap_or(0));
            let traded: u128 = level.iter().map(|o| got(o)).sum();
            let mut lucky: Vec<(B256, bool)> = level
                .iter()
                .map(|o| {
                    let floor = u128::from(o.quantity) * traded / all;
                    assert!(got(o) == floor || got(o) == floor + 1, "{o:?}");
                    (rule.tie(o.id), got(o) > floor)
                })
                .collect();
            lucky.sort();
            prop_assert!(lucky.windows(2).all(|pair| pair[0].1 >= pair[1].1), "leftovers go in tie order");
        }
        let Some(whole) = (!orders.is_empty()).then(|| *split.get(&orders)).filter(|o| o.quantity > 1) else { return Ok(()) };
        let half = whole.quantity / 2;
        let mut parts: Vec<Order> = orders.iter().copied().filter(|o| o.id != whole.id).collect();
        parts.push(Order { quantity: half, ..whole });
        parts.push(Order { id: 1_000, quantity: whole.quantity - half, ..whole });
        let (after, split_fills) = run(&parts, &rule);
        prop_assert_eq!((after.price, after.volume), (clearing.price, clearing.volume));
        let got = |fills: &BTreeMap<u64, u64>, id| fills.get(&id).copied().unwrap_or(0);
        prop_assert!(got(&split_fills, whole.id) + got(&split_fills, 1_000) <= got(&fills, whole.id) + 2);
    }

    #[test]
    fn minimum_fills_are_kept_and_whoever_is_left_out_is_told(orders in orders(20, true), reference in 85_u128..115) {
        let rule = rule(reference);
        let (clearing, fills) = run(&orders, &rule);
        sound(&orders, &rule, &clearing, &fills);
        for (id, would) in &clearing.left_out {
            let order = orders.iter().find(|o| o.id == *id).expect("one of ours");
            prop_assert!(!fills.contains_key(id) && *would > 0 && *would < order.min_fill);
            let explained = why(order, 0, &clearing, &rule);
            prop_assert_eq!(explained, Why::MinFill { got: *would, least: order.min_fill });
        }
        for order in &orders {
            let got = fills.get(&order.id).copied().unwrap_or(0);
            let explained = why(order, got, &clearing, &rule);
            prop_assert_eq!(explained == Why::Filled, got == order.quantity, "{:?}", explained);
        }
    }

    #[test]
    fn the_order_of_arrival_and_the_keeper_do_not_matter(
        orders in orders(30, true), reference in 85_u128..115, order in any::<u64>(),
    ) {
        let rule = rule(reference);
        let (clearing, _) = run(&orders, &rule);
        let mut shuffled = orders.clone();
        shuffled.sort_by_key(|o| o.id.wrapping_mul(order | 1));
        let mut book = Resting::default();
        for order in &shuffled {
            book.insert(*order).expect("good");
        }
        // Orders that come and go leave nothing behind.
        book.insert(bid(9_999, 100, 5)).expect("good");
        book.remove(9_999).expect("there");
        prop_assert_eq!(&clear(&book, &rule), &clearing);
        book.settle(&clearing).expect("its own");
        let resting: u128 = [Side::Bid, Side::Ask].into_iter().flat_map(|s| book.best_first(s).collect::<Vec<_>>()).map(|o| u128::from(o.quantity)).sum();
        let before: u128 = orders.iter().map(|o| u128::from(o.quantity)).sum();
        prop_assert_eq!(resting + 2 * clearing.volume, before);
        // What is left no longer crosses, but for those a minimum fill kept out.
        if clearing.left_out.is_empty() {
            prop_assert_eq!(clear(&book, &rule).volume, 0);
        }
    }
}

#[test]
fn a_worked_example() {
    // Demand 10 at 105, 20 at 100; supply 12 at 98, 8 at 101. Twelve trade: 10 whole, 2 of 20 at 100.
    let book = [bid(1, 105, 10), bid(2, 100, 15), bid(3, 100, 5), ask(4, 98, 12), ask(5, 101, 8)];
    let (clearing, fills) = run(&book, &rule(104));
    assert_eq!((clearing.volume, clearing.range, clearing.price), (12, Some((100, 100)), Some(100)));
    assert_eq!((fills[&1], fills[&4], fills.get(&5)), (10, 12, None));
    // 15 of 20 of two is one and a half: one, and the unit left over goes by the beacon.
    let two = (fills[&2], fills.get(&3).copied().unwrap_or(0));
    assert!([(2, 0), (1, 1)].contains(&two), "{two:?}");
    let got = fills.get(&3).copied().unwrap_or(0);
    assert_eq!(why(&book[2], got, &clearing, &rule(104)), Why::Rationed { got });
    assert_eq!(why(&book[4], 0, &clearing, &rule(104)), Why::Price { by: 1 });
    // Where both sides are used up, the price moves from the reference as little as it can.
    let (clearing, _) = run(&[bid(1, 105, 10), ask(2, 98, 10)], &rule(100));
    assert_eq!((clearing.range, clearing.price), (Some((98, 105)), Some(100)));
    let (clearing, _) = run(&[bid(1, 105, 10), ask(2, 103, 10)], &rule(100));
    assert_eq!(clearing.price, Some(103));
}

#[test]
fn a_limit_beyond_the_band_counts_as_its_edge_and_one_short_of_it_rests() {
    // The band around 100 is 88 (87.5 up) to 112 (112.5 down).
    assert_eq!((rule(100).band().low, rule(100).band().high), (88, 112));
    let book = [bid(1, 10_000, 10), bid(2, 112, 10), bid(3, 87, 10), ask(4, 111, 10), ask(5, 113, 10)];
    let (clearing, fills) = run(&book, &rule(100));
    assert_eq!((clearing.price, clearing.volume), (Some(112), 10));
    assert_eq!((fills[&1], fills[&2]), (5, 5), "beyond the edge is no better than at it");
    assert_eq!(why(&book[2], 0, &clearing, &rule(100)), Why::OutsideBand { by: 1 });
    assert_eq!(why(&book[4], 0, &clearing, &rule(100)), Why::OutsideBand { by: 1 });
    let alone = [bid(1, 100, 10)];
    assert_eq!(why(&alone[0], 0, &run(&alone, &rule(100)).0, &rule(100)), Why::NobodyThere);
}

#[test]
fn all_or_nothing_is_all_or_nothing() {
    let whole = |order: Order| Order { min_fill: order.quantity, ..order };
    let (clearing, fills) = run(&[bid(1, 100, 5), whole(ask(2, 90, 8)), ask(3, 95, 5)], &rule(100));
    assert_eq!((fills.get(&2), fills[&3], clearing.volume), (None, 5, 5));
    assert_eq!(clearing.left_out, BTreeMap::from([(2, 5)]));
    let (clearing, fills) = run(&[bid(1, 100, 8), whole(ask(2, 90, 8)), ask(3, 95, 5)], &rule(100));
    assert_eq!((fills[&2], clearing.volume), (8, 8));
    // More violators than single passes: all of the rest go at once, and it ends.
    let mut book: Vec<Order> = (1..=40).map(|id| whole(ask(id, 90, 8))).collect();
    book.push(bid(100, 100, 7));
    assert_eq!(run(&book, &rule(100)).0.volume, 0);
}

#[test]
fn bad_orders_and_rules_are_refused_by_name() {
    use assay_market::{OrderError, RuleError};
    let refused = |order: Order| Sorted::new([order]).expect_err("refused");
    assert_eq!(refused(bid(1, 0, 1)), OrderError::ZeroPrice(1));
    assert_eq!(refused(bid(1, 1, 0)), OrderError::ZeroQuantity(1));
    let order = Order { min_fill: 3, ..bid(1, 1, 2) };
    assert_eq!(refused(order), OrderError::MinFillAboveQuantity { id: 1, min_fill: 3, quantity: 2 });
    assert_eq!(Sorted::new([bid(1, 1, 1), ask(1, 2, 1)]).expect_err("twice"), OrderError::Duplicate(1));
    let mut book = Resting::default();
    book.insert(bid(1, 5, 4)).expect("good");
    assert_eq!(book.insert(ask(1, 6, 1)), Err(OrderError::Duplicate(1)));
    assert_eq!(book.remove(2), Err(OrderError::Unknown(2)));
    assert_eq!(book.reduce(1, 5), Err(OrderError::TooMuch { id: 1, has: 4, taken: 5 }));
    book.reduce(1, 4).expect("all of it");
    assert!(book.is_empty() && book.get(1).is_none());
    assert_eq!(Rule::new(0, 1, B256::ZERO), Err(RuleError::ZeroReference));
    assert_eq!(Rule::new(1, 10_001, B256::ZERO), Err(RuleError::BandTooWide(10_001)));
}

#[test]
fn the_largest_numbers_do_not_wrap() {
    let most = u64::MAX;
    let top = u128::MAX;
    let book = [bid(1, top, most), bid(2, top, most), ask(3, 1, most), ask(4, 1, 7)];
    for reference in [1, top / 2, top] {
        let rule = Rule::new(reference, 1_250, B256::ZERO).expect("a rule");
        let (clearing, fills) = run(&book, &rule);
        sound(&book, &rule, &clearing, &fills);
        assert_eq!(clearing.volume, u128::from(most) + 7);
    }
}
