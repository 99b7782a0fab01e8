//! Floating orders find the leaf that suits them, and leaves clear as if they had been written there.

use alloy_primitives::B256;
use assay_market::{Floating, Leaf, Order, Regional, Rule, Side, Sorted, clear, clear_regions, lies_in};
use proptest::prelude::*;

fn order(id: u64, side: Side, price: u128, quantity: u64) -> Order {
    Order { id, side, price, quantity, min_fill: 0 }
}

fn rule() -> Rule {
    Rule::new(100, 1_250, B256::repeat_byte(3)).expect("a rule")
}

const PATHS: [&str; 3] = ["asia/tyo", "eu/west/fra", "eu/west/par"];

fn run(books: [&[Order]; 3], floating: &[Floating]) -> Regional {
    let books = books.map(|orders| Sorted::new(orders.iter().copied()).expect("good orders"));
    let leaves: Vec<Leaf<'_, Sorted>> =
        PATHS.iter().zip(&books).map(|(path, book)| Leaf { path, book, rule: rule() }).collect();
    clear_regions(&leaves, floating).expect("ids of their own")
}

fn float(id: u64, side: Side, price: u128, quantity: u64, region: &str) -> Floating {
    Floating { order: order(id, side, price, quantity), region: region.to_owned() }
}

#[test]
fn a_floating_bid_goes_to_the_cheapest_leaf_under_its_node_until_that_is_used_up() {
    let asks = [order(1, Side::Ask, 90, 10), order(2, Side::Ask, 95, 10), order(3, Side::Ask, 97, 10)];
    let books = [&asks[..1], &asks[1..2], &asks[2..]];
    let bids = [
        float(10, Side::Bid, 100, 10, "eu"),
        float(11, Side::Bid, 99, 10, "eu/west"),
        float(12, Side::Bid, 98, 10, ""),
        float(13, Side::Bid, 98, 1, "us"),
    ];
    let cleared = run(books, &bids);
    assert_eq!(cleared.placed.into_iter().collect::<Vec<_>>(), [(10, 1), (11, 2), (12, 0)]);
    assert_eq!(cleared.leaves.iter().map(|leaf| leaf.volume).collect::<Vec<_>>(), [10, 10, 10]);
}

#[test]
fn a_floating_ask_goes_where_it_is_paid_most_and_serves_a_floating_bid_there() {
    let bids = [order(1, Side::Bid, 100, 5), order(2, Side::Bid, 105, 5)];
    let floating = [float(10, Side::Ask, 90, 8, "eu"), float(11, Side::Bid, 104, 3, "eu")];
    let cleared = run([&[], &bids[..1], &bids[1..]], &floating);
    assert_eq!(cleared.placed[&10], 2, "Paris pays 105, Frankfurt 100");
    assert_eq!(cleared.placed[&11], 2, "what is left of the ask is the only supply");
    assert_eq!(cleared.leaves[2].volume, 8);
}

#[test]
fn a_node_is_not_a_prefix_of_letters() {
    assert!(lies_in("eu/west/fra", "eu/west") && lies_in("eu/west", "eu/west") && lies_in("eu", ""));
    assert!(!lies_in("eu/western", "eu/west") && !lies_in("eu", "eu/west"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn leaves_clear_as_books_written_there_and_floating_orders_never_lessen_trade(
        rows in prop::collection::vec((any::<bool>(), 85_u128..115, 1_u64..9, 0_usize..6), 0..30), turn in any::<u64>(),
    ) {
        let mut own: [Vec<Order>; 3] = Default::default();
        let mut floating = Vec::new();
        for (id, (buys, price, quantity, place)) in (1..).zip(rows) {
            let one = order(id, if buys { Side::Bid } else { Side::Ask }, price, quantity);
            match place {
                at @ 0..3 => own[at].push(one),
                3 => floating.push(Floating { order: one, region: "eu".into() }),
                4 => floating.push(Floating { order: one, region: "eu/west".into() }),
                _ => floating.push(Floating { order: one, region: String::new() }),
            }
        }
        let books = || [&own[0][..], &own[1][..], &own[2][..]];
        let cleared = run(books(), &floating);
        let mut shuffled = floating.clone();
        shuffled.sort_by_key(|one| one.order.id.wrapping_mul(turn | 1));
        prop_assert_eq!(&run(books(), &shuffled), &cleared, "the order of arrival matters");
        prop_assert_eq!(cleared.placed.len(), floating.len());
        for (at, leaf) in cleared.leaves.iter().enumerate() {
            let here = floating.iter().filter(|one| cleared.placed[&one.order.id] == at).map(|one| one.order);
            let written = Sorted::new(own[at].iter().copied().chain(here)).expect("good orders");
            prop_assert_eq!(leaf, &clear(&written, &rule()));
            let alone = clear(&Sorted::new(own[at].iter().copied()).expect("good orders"), &rule());
            prop_assert!(leaf.volume >= alone.volume);
        }
        for one in &floating {
            prop_assert!(lies_in(PATHS[cleared.placed[&one.order.id]], &one.region));
        }
    }
}
