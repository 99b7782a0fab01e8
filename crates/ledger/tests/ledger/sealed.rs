//! Sealed limit orders: locked unread, opened within their window, in the book when it is over.

use alloy_primitives::B256;
use alloy_sol_types::SolCall;
use assay_ledger::{check, query};
use assay_types::{
    Class, GRAINS_PER_KRT, Genesis, Params, Receipt,
    abi::{IJobs, IMarket},
    job::{order_seal_commitment, seal_commitment},
    system::{JOBS, MARKET},
    view::{OrderKind, OrderView, Unfilled},
};

use crate::{
    kit::*,
    market::{bandwidth, place},
    scenario::*,
};

/// Blocks of a window here.
pub(crate) const WINDOW: u32 = 12;

/// A window of few blocks, and a band that is an eighth.
pub(crate) fn sealing(params: Params) -> Params {
    Params {
        classes: vec![Class::any_cpu(PRICE / 2), bandwidth()],
        band_bps: 1_250,
        seal_window: WINDOW,
        seal_window_ms: 10_000,
        min_block_interval_ms: 1_250,
        idle_block_interval_ms: 1_250,
        ..params
    }
}

fn net_of(params: Params) -> Net {
    let mut net = Net::of(&Genesis { params: sealing(params), ..genesis() });
    net.register_all(&["p1", "p2"]);
    net
}

/// What opens the sealed `order` of `who`.
pub(crate) fn opens(who: &str, order: &IMarket::placeCall) -> IMarket::openSealedCall {
    let IMarket::placeCall { class, window, side, price, quantity, minFill, expires } = *order;
    IMarket::openSealedCall { salt: salt(who), class, window, side, price, quantity, minFill, expires }
}

/// What seals the same.
pub(crate) fn seals(who: &str, order: &IMarket::placeCall) -> IMarket::sealCall {
    IMarket::sealCall { commitment: order_seal_commitment(CHAIN_ID, addr(who), &opens(who, order)) }
}

fn fee(receipt: &Receipt) -> u128 {
    u128::from(receipt.gas_used) * receipt.effective_gas_price
}

impl Net {
    fn order(&self, id: u64) -> OrderView {
        query::order(&self.state, id).expect("open")
    }

    fn in_book(&self) -> (u32, u32) {
        let view = query::market_classes(&self.state).into_iter().find(|one| one.class.id == 2).expect("there");
        (view.bids, view.asks)
    }

    /// Seals in one block and opens in the next; the order's number.
    fn sealed(&mut self, who: &str, value: u128, order: &IMarket::placeCall) -> u64 {
        self.ok(who, MARKET, value, seals(who, order));
        self.ok(who, MARKET, 0, opens(who, order));
        self.events::<IMarket::OrderUnsealed>().remove(0).id
    }
}

#[test]
fn sealed_orders_of_one_window_clear_together_and_not_before() {
    let mut net = net_of(params());
    let (bid, ask) = (place(0, 1_010, 4_000), place(1, 990, 3_000));
    let both = [
        net.tx("renter", MARKET, 5_000, seals("renter", &bid).abi_encode()),
        net.tx("p1", MARKET, 3_000, seals("p1", &ask).abi_encode()),
    ];
    assert!(net.run(&both).into_iter().all(|one| one.is_ok_and(|receipt| receipt.failure.is_none())));
    let sealed_at = net.height;
    let told = net.events::<IMarket::OrderSealed>();
    assert_eq!((told[0].owner, told[0].value, told[0].opensBy), (addr("renter"), 5_000, sealed_at + 12));
    assert_eq!(net.books().escrow, 8_000);
    assert!(assay_ledger::work_pending(&net.state), "an open window keeps the chain at its pace");

    // A bid keeps its worst case and gets the rest back; an ask, all.
    let before = net.balance("renter");
    let opened = net.ok("renter", MARKET, 0, opens("renter", &bid));
    assert_eq!(net.balance("renter"), before - fee(&opened) + 960);
    let of_bid = net.events::<IMarket::OrderUnsealed>().remove(0);
    let placed = net.events::<IMarket::OrderPlaced>().remove(0);
    assert_eq!((of_bid.owner, of_bid.id), (addr("renter"), placed.id));
    assert_eq!((placed.side, placed.price, placed.quantity, placed.expires), (0, 1_010, 4_000, 500));
    net.pass(3);
    let before = net.balance("p1");
    let opened = net.ok("p1", MARKET, 0, opens("p1", &ask));
    assert_eq!(net.balance("p1"), before - fee(&opened) + 3_000);
    let of_ask = net.events::<IMarket::OrderUnsealed>().remove(0).id;
    assert_eq!(net.books().escrow, 4_040);

    // Orders in the open trade meanwhile, and those neither see nor touch the sealed.
    for id in [of_bid.id, of_ask] {
        assert_eq!(net.order(id).unfilled, Some(Unfilled::Sealed { until: sealed_at + 13 }));
    }
    net.ok("stranger", MARKET, 1_000, place(0, 1_000, 1_000));
    net.ok("p2", MARKET, 0, place(1, 1_000, 1_000));
    net.pass(1);
    let met = net.events::<IMarket::Allotted>();
    assert_eq!((met.len(), met[0].buyer, met[0].seller), (1, addr("stranger"), addr("p2")));
    net.until(12, |net| net.height == sealed_at + 12);
    assert_eq!(net.in_book(), (0, 0));
    net.pass(1);
    assert_eq!(net.in_book(), (1, 1));
    assert!(net.events::<IMarket::Allotted>().is_empty());
    net.pass(1);
    let met = net.events::<IMarket::Allotted>();
    assert_eq!((met.len(), met[0].buyer, met[0].seller), (1, addr("renter"), addr("p1")));
    assert_eq!((met[0].quantity, met[0].price), (3_000, 1_010));
    assert_eq!((net.order(of_bid.id).quantity, net.order(of_bid.id).escrow), (1_000, 1_010));
    assert!(query::order(&net.state, of_ask).is_none());
}

#[test]
fn what_is_not_opened_pays_the_band_and_the_market_says_so() {
    let mut net = net_of(params());
    let bid = place(0, 1_000, 1_000);
    assert_eq!(net.fail("renter", MARKET, 0, seals("renter", &bid)), "ValueTooLow");
    net.ok("renter", MARKET, 1_001, seals("renter", &bid));
    assert_eq!(net.fail("renter", MARKET, 1_000, seals("renter", &bid)), "SealExists");
    net.pass(14);
    assert!(net.events::<IMarket::OrderSealForfeited>().is_empty(), "ten seconds have not passed");
    net.time_ms += 10_000;
    let (burned, before) = (net.books().burned, net.balance("renter"));
    let mut told = Vec::new();
    for _ in 0..12 {
        net.pass(1);
        told.extend(net.events::<IMarket::OrderSealForfeited>());
        assert!(net.events::<IJobs::SealForfeited>().is_empty(), "it was no job");
    }
    // An eighth of what was locked, rounded up.
    assert_eq!(told.iter().map(|one| (one.burned, one.refunded)).collect::<Vec<_>>(), [(126, 875)]);
    assert_eq!(told[0].commitment, seals("renter", &bid).commitment);
    assert_eq!((net.books().burned - burned, net.balance("renter") - before), (126, 875));
    assert_eq!(net.books().escrow, 0);
    assert_eq!(net.fail("renter", MARKET, 0, opens("renter", &bid)), "UnknownSeal");
}

#[test]
fn a_seal_is_opened_once_by_its_owner_with_its_salt_and_terms_and_not_in_its_own_block() {
    let mut net = net_of(params());
    let bid = place(0, 1_000, 1_000);
    let nonce = net.nonce("renter");
    let signed =
        |nonce, value, input| check(&sign("renter", tx(nonce, MARKET, value, input)), &rules()).expect("valid");
    let both = [
        signed(nonce, 1_000, seals("renter", &bid).abi_encode()),
        signed(nonce + 1, 0, opens("renter", &bid).abi_encode()),
    ];
    let said: Vec<_> = net.run(&both).into_iter().map(|one| outcome(&one.expect("in the block")).to_owned()).collect();
    assert_eq!(said, ["ok", "TooEarly"]);
    let right = opens("renter", &bid);
    let wrong = [
        IMarket::openSealedCall { salt: B256::ZERO, ..right },
        IMarket::openSealedCall { class: 1, ..right },
        IMarket::openSealedCall { window: 1, ..right },
        IMarket::openSealedCall { side: 1, ..right },
        IMarket::openSealedCall { price: 990, ..right },
        IMarket::openSealedCall { quantity: 900, ..right },
        IMarket::openSealedCall { minFill: 100, ..right },
        IMarket::openSealedCall { expires: 501, ..right },
    ];
    for call in wrong {
        assert_eq!(net.fail("renter", MARKET, 0, call.clone()), "UnknownSeal", "{call:?}");
    }
    assert_eq!(net.fail("p1", MARKET, 0, right.clone()), "UnknownSeal");
    assert_eq!(net.fail("renter", MARKET, 1, right.clone()), "NotPayable");
    net.ok("renter", MARKET, 0, right.clone());
    assert_eq!(net.fail("renter", MARKET, 0, right), "UnknownSeal");
}

#[test]
fn a_job_s_seal_is_not_opened_as_an_order_nor_an_order_s_as_a_job() {
    let mut net = net_of(params());
    let (bid, spec) = (place(0, 1_000, 1_000), spec(1, 1, 1));
    let escrow = spec.escrow().expect("fits");
    let IMarket::sealCall { commitment } = seals("renter", &bid);
    let of_job = seal_commitment(CHAIN_ID, addr("renter"), salt("renter"), &spec);
    net.ok("renter", JOBS, escrow, IJobs::sealCall { commitment });
    net.ok("renter", MARKET, escrow, IMarket::sealCall { commitment: of_job });
    assert_eq!(net.fail("renter", MARKET, 0, opens("renter", &bid)), "UnknownSeal");
    let job = IJobs::openSealedCall { salt: salt("renter"), spec };
    assert_eq!(net.fail("renter", JOBS, 0, job), "UnknownSeal");
    net.time_ms += 10_000;
    // Each is told by the contract it was sealed with.
    let (mut jobs, mut orders) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        net.pass(1);
        jobs.extend(net.events::<IJobs::SealForfeited>().into_iter().map(|one| one.commitment));
        orders.extend(net.events::<IMarket::OrderSealForfeited>().into_iter().map(|one| one.commitment));
    }
    assert_eq!((jobs, orders), (vec![commitment], vec![of_job]));
}

#[test]
fn a_sealed_order_stands_until_it_took_part() {
    let mut net = net_of(params());
    let id = net.sealed("renter", 1_000, &place(0, 1_000, 1_000));
    let takes_part = net.height + 13;
    let amend = || IMarket::amendCall { id, price: 990, quantity: 1_000, expires: 400 };
    while net.height + 1 < takes_part {
        assert_eq!(net.fail("renter", MARKET, 0, IMarket::cancelCall { id }), "SealedStands");
        if net.height + 1 < takes_part {
            assert_eq!(net.fail("renter", MARKET, 0, amend()), "SealedStands");
        }
    }
    assert_eq!(net.order(id).escrow, 1_000);
    net.ok("p1", MARKET, 0, IMarket::placeCall { expires: 30, ..place(1, 1_100, 1_000) });
    net.ok("renter", MARKET, 0, amend());
    // Once it has, it is an order like any other.
    net.ok("renter", MARKET, 0, amend());
    assert_eq!(net.order(id).escrow, 990);
    net.ok("renter", MARKET, 0, IMarket::cancelCall { id });
    assert_eq!(net.books().escrow, 0);
}

#[test]
fn a_sealed_order_whose_turn_comes_late_stands_until_then_and_takes_part_all_the_same() {
    let mut net = net_of(Params { max_due_per_block: 1, ..params() });
    let opens_at = net.height + 1 + u64::from(WINDOW) + 1;
    let id = net.sealed("renter", 1_000, &IMarket::placeCall { expires: opens_at + 2, ..place(0, 1_000, 1_000) });
    // More is due before it than the blocks to its expiry can handle.
    for nth in 0..6 {
        net.ok("stranger", MARKET, 200, IMarket::placeCall { expires: opens_at - 1, ..place(0, 950 + 10 * nth, 100) });
    }
    net.until(20, |net| net.height == opens_at + 3);
    assert_eq!(net.fail("renter", MARKET, 0, IMarket::cancelCall { id }), "SealedStands");
    net.ok("p1", MARKET, 0, place(1, 1_000, 1_000));
    let mut met = Vec::new();
    for _ in 0..8 {
        net.pass(1);
        met.extend(net.events::<IMarket::Allotted>().into_iter().map(|one| (one.buyer, one.quantity)));
    }
    assert_eq!(met, [(addr("renter"), 1_000)]);

    // One that finds nobody is over after the one clearing it was due.
    let opens_at = net.height + 1 + u64::from(WINDOW) + 1;
    let id = net.sealed("renter", 1_000, &IMarket::placeCall { expires: opens_at + 2, ..place(0, 1_000, 1_000) });
    net.until(20, |net| query::order(&net.state, id).is_none());
    assert_eq!(net.height, opens_at + 2);
}

#[test]
fn too_little_value_loses_nothing_at_opening_and_the_band_at_the_end() {
    let mut net = net_of(params());
    for (who, side) in [("renter", 0), ("p1", 1)] {
        let order = place(side, 1_000 - 10 * u128::from(side), 1_000);
        net.ok(who, MARKET, 800, seals(who, &order));
        assert_eq!(net.fail(who, MARKET, 0, opens(who, &order)), "ValueTooLow");
        assert_eq!(net.fail(who, MARKET, 0, opens(who, &order)), "ValueTooLow");
    }
    assert_eq!(net.books().escrow, 1_600);
    assert!(query::orders(&net.state, None, 99).iter().all(|order| order.kind == OrderKind::Capacity));
    net.time_ms += 10_000;
    let mut told = Vec::new();
    for _ in 0..12 {
        net.pass(1);
        told.extend(net.events::<IMarket::OrderSealForfeited>().into_iter().map(|one| (one.burned, one.refunded)));
    }
    assert_eq!(told, [(100, 700), (100, 700)]);
}

#[test]
fn an_order_is_checked_as_any_other_when_it_is_opened() {
    let mut net = net_of(Params { max_orders_per_account: 3, max_min_fills_per_book: 1, ..params() });
    let bid = || place(0, 1_000, 1_000);
    let cases = [
        ("UnknownClass", IMarket::placeCall { class: 9, ..bid() }),
        ("WrongClass", IMarket::placeCall { class: 1, ..bid() }),
        ("SellClaims", IMarket::placeCall { class: 1, window: 3, side: 1, ..bid() }),
        ("WindowClosed", IMarket::placeCall { window: 3, ..bid() }),
        ("BadSide", IMarket::placeCall { side: 2, ..bid() }),
        ("OffTick", IMarket::placeCall { price: 1_001, ..bid() }),
        ("BelowMinimum", IMarket::placeCall { quantity: 150, ..bid() }),
        ("Expired", IMarket::placeCall { expires: 1, ..bid() }),
        ("MinFillTooLarge", IMarket::placeCall { minFill: 1_001, ..bid() }),
        ("UnknownProvider", IMarket::placeCall { side: 1, ..bid() }),
        ("AmountOverflow", IMarket::placeCall { price: u128::MAX / 10 * 10, quantity: u64::MAX / 100 * 100, ..bid() }),
    ];
    for (why, order) in cases {
        net.ok("renter", MARKET, GRAINS_PER_KRT, seals("renter", &order));
        assert_eq!(net.fail("renter", MARKET, 0, opens("renter", &order)), why);
    }
    // It may not be over before it took part: the window's last block, the next that books it, one that clears.
    let ends = |expires| IMarket::placeCall { expires, ..bid() };
    let ending = net.height + 1 + u64::from(WINDOW) + 2;
    net.ok("renter", MARKET, 1_000, seals("renter", &ends(ending)));
    assert_eq!(net.fail("renter", MARKET, 0, opens("renter", &ends(ending))), "SealedStands");
    let ending = net.height + 1 + u64::from(WINDOW) + 3;
    let id = net.sealed("renter", 1_000, &ends(ending));
    assert_eq!(net.order(id).expires, ending);

    // An owner's own orders are counted, and do not trade with each other, sealed or not.
    net.sealed("p1", 1_100, &place(0, 1_010, 1_000));
    let ask = place(1, 1_010, 1_000);
    assert_eq!(net.fail("p1", MARKET, 0, ask.clone()), "SelfTrade");
    net.ok("p1", MARKET, 1_100, seals("p1", &ask));
    assert_eq!(net.fail("p1", MARKET, 0, opens("p1", &ask)), "SelfTrade");
    net.sealed("p1", 1_000, &IMarket::placeCall { minFill: 100, ..bid() });
    let least = IMarket::placeCall { minFill: 100, ..bid() };
    assert_eq!(net.fail("stranger", MARKET, 1_000, least.clone()), "TooManyMinFills");
    net.ok("stranger", MARKET, 1_000, seals("stranger", &least));
    assert_eq!(net.fail("stranger", MARKET, 0, opens("stranger", &least)), "TooManyMinFills");
    assert_eq!(net.fail("p1", MARKET, 1_000, place(0, 980, 1_000)), "TooManyOrders");
    net.ok("p1", MARKET, 1_000, seals("p1", &place(0, 980, 1_000)));
    assert_eq!(net.fail("p1", MARKET, 0, opens("p1", &place(0, 980, 1_000))), "TooManyOrders");
}

#[test]
fn claims_of_a_later_window_are_bid_for_sealed_too() {
    let mut net = net_of(params());
    let order = IMarket::placeCall { class: 1, window: 3, ..place(0, PRICE / 2, 10_000) };
    let id = net.sealed("renter", 5 * PRICE, &order);
    let until = net.height - 1 + u64::from(WINDOW) + 1;
    assert_eq!(net.order(id).unfilled, Some(Unfilled::Sealed { until }));
    let bids = |net: &Net| query::market_book(&net.state, 1, 3).expect("there").bids.len();
    net.until(20, |net| net.height == until - 1);
    assert_eq!(bids(&net), 0);
    net.pass(1);
    assert_eq!(bids(&net), 1);
}
