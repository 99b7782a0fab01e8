//! The auction in the ledger: prices, who is given what, orders that go unserved, epochs.

use alloy_sol_types::SolCall;
use assay_ledger::query;
use assay_types::{
    Class, GRAINS_PER_KRT, Genesis, JobCause, JobOutcome, JobSpec, Params,
    abi::{IJobs, IMarket, IProviders},
    system::{JOBS, MARKET, PROVIDERS},
    view::{Lack, OrderKind, Unfilled},
};
use proptest::prelude::*;

use crate::{kit::*, scenario::*, sealed};

/// Thousandths of a gigafuel of one replica of a lot of one task.
const LOT: u64 = 10_000;

fn with(params: Params) -> Net {
    Net::of(&Genesis { params, ..genesis() })
}

fn class(id: u32, region: &str) -> Class {
    Class { id, name: format!("cpu {region}"), region: region.to_owned(), ..Class::any_cpu(PRICE / 2) }
}

impl Net {
    fn sell(&mut self, who: &str, ask: IProviders::Ask) {
        let call = IProviders::registerCall {
            operator: Default::default(),
            sealingKey: Default::default(),
            endpoint: Default::default(),
            ask,
        };
        self.ok(who, PROVIDERS, 100 * GRAINS_PER_KRT, call);
    }

    fn price_of(&self, id: assay_types::JobId, lot: u32) -> Vec<u128> {
        self.lot(id, lot).replicas.iter().map(|replica| replica.price_per_gigafuel).collect()
    }
}

#[test]
fn all_trade_at_one_price_between_the_margin_and_the_next_best() {
    let mut net = Net::new();
    for (who, price) in [("p1", PRICE / 4), ("p2", PRICE * 6 / 10), ("p3", PRICE * 8 / 10)] {
        net.sell(who, ask(price));
    }
    // Two operators are needed: the price reaches the second, and moves up from the reference no further.
    let id = net.assigned(spec(1, 1, 2));
    assert_eq!(net.price_of(id, 0), [PRICE * 6 / 10; 2]);
    let cleared = net.events::<IMarket::Cleared>().remove(0);
    assert_eq!((cleared.price, cleared.volume), (PRICE * 6 / 10, 2 * LOT));
    let view = &query::market_classes(&net.state)[0];
    assert_eq!((view.last, view.epoch.volume), (Some(PRICE * 6 / 10), 2 * LOT));
    assert_eq!(view.epoch.open, Some(PRICE * 6 / 10));
    assert_eq!(view.busy, 2 * LOT);
    // One replica: the cheapest alone serves it, and has more at that price.
    let id = net.assigned(spec(1, 1, 1));
    assert_eq!((net.replicas(id, 0), net.price_of(id, 0)), (vec!["p1".to_owned()], vec![PRICE / 4]));
}

#[test]
fn a_job_that_nobody_can_serve_neither_moves_the_price_nor_holds_up_others() {
    let run = |with_it: bool| {
        let mut net = Net::new();
        for (who, price) in [("p1", PRICE / 4), ("p2", PRICE / 4), ("p3", PRICE * 9 / 10)] {
            net.sell(who, IProviders::Ask { capacity: 4 * LOT, ..ask(price) });
        }
        let call = |spec: JobSpec| IJobs::submitCall { spec }.abi_encode();
        let impossible = JobSpec { memoryMib: 4_000, ..spec(4, 1, 2) };
        let mut txs = Vec::new();
        if with_it {
            txs.push(net.tx("stranger", JOBS, impossible.escrow().expect("fits"), call(impossible)));
        }
        let cheap = JobSpec { maxPricePerGigafuel: PRICE / 2, ..spec(2, 1, 2) };
        let id = assay_types::job::job_id(CHAIN_ID, addr("renter"), net.nonce("renter"));
        txs.push(net.tx("renter", JOBS, cheap.escrow().expect("fits"), call(cheap)));
        assert!(net.run(&txs).into_iter().all(|one| one.is_ok_and(|receipt| receipt.failure.is_none())));
        net.pass(1);
        let mut given: Vec<_> = (0..2).map(|lot| (net.replicas(id, lot), net.price_of(id, lot))).collect();
        given.iter_mut().for_each(|(names, _)| names.sort());
        (given, query::market_classes(&net.state)[0].last)
    };
    let (given, price) = run(true);
    assert_eq!((given.clone(), price), run(false));
    assert_eq!(given, vec![(vec!["p1".to_owned(), "p2".to_owned()], vec![PRICE / 4; 2]); 2]);
}

#[test]
fn what_is_scarce_goes_to_the_higher_limit_and_in_whole_lots_by_lot_among_equals() {
    let mut net = Net::new();
    for who in ["p1", "p2"] {
        net.sell(who, IProviders::Ask { capacity: 3 * LOT, ..ask(PRICE / 4) });
    }
    let mut txs = Vec::new();
    let mut ids = Vec::new();
    for (who, limit, tasks) in [("p3", PRICE / 2, 4), ("p4", PRICE, 2), ("stranger", PRICE / 2, 4)] {
        let spec = JobSpec { maxPricePerGigafuel: limit, ..spec(tasks, 1, 2) };
        ids.push(assay_types::job::job_id(CHAIN_ID, addr(who), 0));
        txs.push(net.tx(who, JOBS, spec.escrow().expect("fits"), IJobs::submitCall { spec }.abi_encode()));
    }
    net.run(&txs);
    net.pass(1);
    let given = |id| net.job(id).lots.iter().filter(|lot| lot.replicas.len() == 2).count();
    assert_eq!(given(ids[1]), 2, "who pays more has all");
    assert_eq!(given(ids[0]) + given(ids[2]), 1, "the last lot goes to one of the others");
    assert_eq!(net.price_of(ids[1], 0), [PRICE / 2; 2], "all pay what the last one would");
    let rationed = if given(ids[0]) == 1 { ids[2] } else { ids[0] };
    let orders = query::orders(&net.state, None, 10);
    let order = orders.iter().find(|o| o.kind == OrderKind::Job { job: rationed }).expect("is open");
    assert_eq!((order.quantity, order.unfilled), (8 * LOT, Some(Unfilled::Nobody)));
}

#[test]
fn an_order_says_why_it_rests_and_an_estimate_says_what_would_do() {
    let mut net = Net::new();
    net.sell("p1", ask(PRICE * 8 / 10));
    let low = net.submit(JobSpec { maxPricePerGigafuel: PRICE * 6 / 10, ..spec(1, 1, 1) });
    net.pass(2);
    let order = query::orders(&net.state, Some(addr("renter")), 5).remove(0);
    assert_eq!(
        (order.kind, order.unfilled),
        (OrderKind::Job { job: low }, Some(Unfilled::Price { by: PRICE * 2 / 10 }))
    );
    assert_eq!(order.would_have_cleared_at[0].best_ask_left, Some(PRICE * 8 / 10));
    assert_eq!(order.escrow, net.job(low).escrow);
    let estimate = query::market_estimate(&net.state, 1, true, PRICE * 6 / 10, LOT).expect("a class");
    assert_eq!((estimate.filled, estimate.enough_at), (0, Some(PRICE * 8 / 10)));
    let enough = query::market_estimate(&net.state, 1, true, PRICE * 8 / 10, LOT).expect("a class");
    assert_eq!((enough.filled, enough.price, enough.cost), (LOT, Some(PRICE * 8 / 10), Some(8 * PRICE)));
    let far = query::market_estimate(&net.state, 1, true, PRICE, u64::MAX / 4).expect("a class");
    assert!(far.filled < u64::MAX / 4 && far.enough_at.is_none(), "{far:?}");
    assert!(query::market_estimate(&net.state, 9, true, PRICE, LOT).is_none());
    assert!(query::market_estimate(&net.state, 1, true, 0, LOT).is_none());
    // The owner raises its limit; escrow follows and the job runs.
    let before = net.job(low).escrow;
    assert_eq!(net.fail("renter", JOBS, 0, IJobs::amendCall { job: low, maxPricePerGigafuel: PRICE }), "ValueTooLow");
    assert_eq!(net.fail("p1", JOBS, before, IJobs::amendCall { job: low, maxPricePerGigafuel: PRICE }), "NotRenter");
    assert_eq!(net.fail("renter", JOBS, 0, IJobs::amendCall { job: low, maxPricePerGigafuel: 0 }), "SpecPrice");
    net.ok("renter", JOBS, before, IJobs::amendCall { job: low, maxPricePerGigafuel: PRICE });
    assert_eq!(net.job(low).escrow, before / 6 * 10);
    net.pass(1);
    assert_eq!(net.price_of(low, 0), [PRICE * 8 / 10]);
    let lower = IJobs::amendCall { job: low, maxPricePerGigafuel: PRICE * 7 / 10 };
    assert_eq!(net.fail("renter", JOBS, 0, lower), "PriceBelowAssigned");
    let (balance, held) = (net.balance("renter"), net.job(low).escrow);
    net.ok("renter", JOBS, 0, IJobs::amendCall { job: low, maxPricePerGigafuel: PRICE * 8 / 10 });
    assert_eq!(net.job(low).escrow, held / 10 * 8);
    assert!(net.balance("renter") > balance, "what is not needed comes back at once");
}

#[test]
fn a_job_runs_in_any_leaf_under_the_region_it_names_and_else_in_its_next_choice() {
    let mut net = with(Params {
        classes: vec![class(1, "eu"), class(2, "eu/west"), class(3, "eu/north"), class(4, "us")],
        ..params()
    });
    let refused = |net: &mut Net, ask: IProviders::Ask| {
        let call = IProviders::registerCall {
            operator: Default::default(),
            sealingKey: Default::default(),
            endpoint: Default::default(),
            ask,
        };
        net.fail("p4", PROVIDERS, 100 * GRAINS_PER_KRT, call)
    };
    assert_eq!(refused(&mut net, ask(PRICE)), "NotLeaf");
    assert_eq!(refused(&mut net, IProviders::Ask { class: 9, ..ask(PRICE) }), "UnknownClass");
    assert_eq!(refused(&mut net, IProviders::Ask { class: 2, capacity: 0, ..ask(PRICE) }), "AskInvalid");
    net.sell("p1", IProviders::Ask { class: 2, ..ask(PRICE * 9 / 10) });
    net.sell("p2", IProviders::Ask { class: 3, ..ask(PRICE * 6 / 10) });
    net.sell("p3", IProviders::Ask { class: 4, ..ask(PRICE / 2) });
    let anywhere = net.assigned(spec(1, 1, 1));
    assert_eq!((net.replicas(anywhere, 0), net.price_of(anywhere, 0)), (vec!["p2".to_owned()], vec![PRICE * 6 / 10]));
    let west = net.assigned(JobSpec { class: 2, ..spec(1, 1, 1) });
    assert_eq!(net.replicas(west, 0), ["p1"]);
    // Nobody in eu/west is that cheap: after a while it tries its substitute.
    let cheap = JobSpec { class: 2, substitutes: vec![4], maxPricePerGigafuel: PRICE / 2, ..spec(1, 1, 1) };
    let id = net.submit(cheap);
    net.pass(2);
    assert!(net.replicas(id, 0).is_empty());
    let lot = &query::why_waiting(&net.state, id)[0];
    let lacks = |who| lot.asks.iter().find(|one| one.provider == addr(who)).expect("listed").lacks.clone();
    assert_eq!(lacks("p2"), [Lack::Class { class: 3 }, Lack::Price { by: PRICE / 10 }]);
    assert_eq!(lacks("p3"), []);
    net.until(6, |net| net.replicas(id, 0) == ["p3"]);
    for (spec, why) in [
        (JobSpec { class: 7, ..spec(1, 1, 1) }, "UnknownClass"),
        (JobSpec { substitutes: vec![2, 2], ..spec(1, 1, 1) }, "SpecSubstitutes"),
        (JobSpec { substitutes: vec![1], ..spec(1, 1, 1) }, "SpecSubstitutes"),
    ] {
        let escrow = spec.escrow().expect("fits");
        assert_eq!(net.fail("renter", JOBS, escrow, IJobs::submitCall { spec }), why);
    }
}

#[test]
fn a_renter_is_never_given_its_own_machines() {
    let mut net = Net::new();
    net.sell("renter", ask(PRICE / 4));
    let id = net.submit(spec(1, 1, 1));
    net.pass(3);
    assert!(net.replicas(id, 0).is_empty());
    assert_eq!(query::why_waiting(&net.state, id)[0].asks[0].lacks, [Lack::Own]);
    let mine = |o: &assay_types::view::OrderView| o.kind == OrderKind::Job { job: id };
    let order = query::orders(&net.state, Some(addr("renter")), 5).into_iter().find(mine).expect("is open");
    assert_eq!(order.unfilled, Some(Unfilled::Fit));
    net.sell("p1", ask(PRICE));
    net.until(3, |net| net.replicas(id, 0) == ["p1"]);
}

#[test]
fn the_band_holds_an_order_back_until_the_reference_has_moved_to_it() {
    let mut net = with(Params { band_bps: 1_250, epoch_blocks: 8, ..params() });
    // All who would trade want to trade at twice the reference.
    net.sell("p1", ask(PRICE));
    let id = net.submit(spec(1, 1, 1));
    net.pass(1);
    assert!(net.replicas(id, 0).is_empty());
    let asks = query::orders(&net.state, Some(addr("p1")), 5);
    assert!(matches!(asks[0].unfilled, Some(Unfilled::Band { .. })), "{asks:?}");
    // It does, an eighth an epoch.
    net.until(60, |net| !net.replicas(id, 0).is_empty());
    assert_eq!(net.price_of(id, 0), [PRICE]);
    let epochs = query::market_prices(&net.state, 1, 10);
    assert!(epochs.iter().all(|epoch| !epoch.printed));
    let moves: Vec<u128> = epochs.iter().rev().map(|epoch| epoch.index).collect();
    assert!(moves.windows(2).all(|pair| pair[1] <= pair[0] * 1_125 / 1_000 && pair[1] > pair[0]), "{moves:?}");
}

#[test]
fn an_epoch_is_recorded_and_its_index_is_the_next_reference() {
    let mut net =
        with(Params { epoch_blocks: 12, index_min_owners: 2, index_cap_bps: 5_000, index_min_volume: LOT, ..params() });
    net.sell("p1", ask(PRICE * 6 / 10));
    net.sell("p2", ask(PRICE * 7 / 10));
    net.assigned(spec(2, 1, 2));
    assert_eq!(query::market_classes(&net.state)[0].reference, PRICE / 2);
    net.until(20, |net| net.height == 12);
    let closed = net.events::<IMarket::EpochClosed>().remove(0);
    assert_eq!((closed.class, closed.epoch, closed.printed, closed.index), (1, 0, true, PRICE * 7 / 10));
    assert_eq!(
        (closed.open, closed.high, closed.low, closed.close),
        (PRICE * 7 / 10, PRICE * 7 / 10, PRICE * 7 / 10, PRICE * 7 / 10)
    );
    assert_eq!((closed.volume, closed.turnover), (4 * LOT, 28 * PRICE));
    assert!(closed.utilisationBps > 0, "they worked");
    let record = query::market_prices(&net.state, 1, 5).remove(0);
    assert_eq!((record.index, record.volume, record.printed), (closed.index, closed.volume, true));
    let view = &query::market_classes(&net.state)[0];
    assert_eq!((view.reference, view.epoch.volume, view.epoch.epoch), (PRICE * 7 / 10, 0, 1));
}

#[test]
fn a_sealed_bid_takes_part_when_its_window_is_over_and_an_unopened_one_pays_the_band() {
    let mut net = with(Params {
        band_bps: 1_250,
        seal_window: 12,
        seal_window_ms: 10_000,
        min_block_interval_ms: 1_250,
        idle_block_interval_ms: 1_250,
        ..params()
    });
    net.sell("p1", ask(PRICE / 2));
    let spec = JobSpec { maxPricePerGigafuel: PRICE / 2, ..spec(1, 1, 1) };
    let escrow = spec.escrow().expect("fits");
    let salt = salt("sealed");
    let commitment = assay_types::job::seal_commitment(CHAIN_ID, addr("renter"), salt, &spec);
    let seal = || IJobs::sealCall { commitment };
    assert_eq!(net.fail("renter", JOBS, 0, seal()), "ValueTooLow");
    net.ok("renter", JOBS, 3 * escrow, seal());
    let sealed_at = net.height;
    assert_eq!(net.fail("renter", JOBS, escrow, seal()), "SealExists");
    let other = IJobs::openSealedCall { salt, spec: JobSpec { outputBytes: 7, ..spec.clone() } };
    assert_eq!(net.fail("renter", JOBS, 0, other), "UnknownSeal");
    let open = || IJobs::openSealedCall { salt, spec: spec.clone() };
    assert_eq!(net.fail("p1", JOBS, 0, open()), "UnknownSeal");
    let id = assay_types::job::job_id(CHAIN_ID, addr("renter"), net.nonce("renter"));
    let before = net.balance("renter");
    net.ok("renter", JOBS, 0, open());
    assert_eq!(net.job(id).escrow, escrow);
    assert!(net.balance("renter") > before + escrow, "the rest is back");
    let order = query::orders(&net.state, Some(addr("renter")), 5).remove(0);
    assert_eq!(order.unfilled, Some(Unfilled::Sealed { until: sealed_at + 13 }));
    assert_eq!(net.fail("renter", JOBS, 0, open()), "UnknownSeal");
    // It cannot be taken back once others' bids are open, or it would have been one for nothing.
    assert_eq!(net.fail("renter", JOBS, 0, IJobs::cancelCall { job: id }), "SealedStands");
    let lower = IJobs::amendCall { job: id, maxPricePerGigafuel: 1 };
    assert_eq!(net.fail("renter", JOBS, 0, lower), "SealedStands");
    net.until(8, |net| net.height == sealed_at + 12);
    assert!(net.replicas(id, 0).is_empty(), "not before all of its window are open");
    net.until(3, |net| net.replicas(id, 0) == ["p1"]);

    // Nor may it be over before its window is.
    let short = JobSpec { lifetime: 10, ..spec.clone() };
    let brief = assay_types::job::seal_commitment(CHAIN_ID, addr("renter"), salt, &short);
    net.ok("renter", JOBS, escrow, IJobs::sealCall { commitment: brief });
    assert_eq!(net.fail("renter", JOBS, 0, IJobs::openSealedCall { salt, spec: short }), "SealedStands");

    net.ok("renter", JOBS, 800, seal());
    net.pass(14);
    assert!(net.events::<IJobs::SealForfeited>().is_empty(), "ten seconds have not passed");
    net.time_ms += 10_000;
    let burned = net.books().burned;
    let mut told = Vec::new();
    for _ in 0..13 {
        net.pass(1);
        told.extend(net.events::<IJobs::SealForfeited>());
    }
    let one = told.iter().find(|one| one.commitment == commitment).expect("is told");
    assert_eq!((one.burned, one.refunded), (100, 700));
    assert_eq!(net.books().burned, burned + told.iter().map(|one| one.burned).sum::<u128>());
    assert_eq!(net.fail("renter", JOBS, 0, open()), "UnknownSeal");
}

#[test]
fn open_orders_of_an_account_are_counted_and_bounded() {
    let mut net = with(Params { max_orders_per_account: 2, ..params() });
    let first = net.submit(spec(1, 1, 1));
    net.submit(spec(1, 1, 1));
    let spec = spec(1, 1, 1);
    let escrow = spec.escrow().expect("fits");
    assert_eq!(net.fail("renter", JOBS, escrow, IJobs::submitCall { spec: spec.clone() }), "TooManyOrders");
    net.ok("renter", JOBS, 0, IJobs::cancelCall { job: first });
    net.ok("renter", JOBS, escrow, IJobs::submitCall { spec });
    assert_eq!(query::orders(&net.state, Some(addr("renter")), 5).len(), 2);
}

pub(crate) fn bandwidth() -> Class {
    Class {
        id: 2,
        name: "bandwidth".into(),
        unit: assay_types::Unit::Gib,
        tier: assay_types::Tier::Metered,
        tick: 10,
        min_quantity: 100,
        ..Class::any_cpu(1_000)
    }
}

fn metered() -> Net {
    let classes = vec![Class::any_cpu(PRICE / 2), bandwidth()];
    let mut net = with(Params { classes, allotment_window: 30, max_min_fills_per_book: 1, ..params() });
    net.register_all(&["p1", "p2"]);
    net
}

pub(crate) fn place(side: u8, price: u128, quantity: u64) -> IMarket::placeCall {
    IMarket::placeCall { class: 2, window: 0, side, price, quantity, minFill: 0, expires: 500 }
}

#[test]
fn a_metered_trade_is_paid_as_its_buyer_signs_and_the_rest_comes_back() {
    let mut net = metered();
    net.ok("p1", MARKET, 0, place(1, 990, 3_000));
    let before = net.balance("renter");
    net.ok("renter", MARKET, 5_000, place(0, 1_010, 4_000));
    let spent = before - net.balance("renter");
    assert!(spent > 4_040, "the worst case is locked");
    net.pass(1);
    let trade = net.events::<IMarket::Allotted>().remove(0);
    assert_eq!((trade.buyer, trade.seller, trade.quantity, trade.price), (addr("renter"), addr("p1"), 3_000, 1_010));
    let left = query::orders(&net.state, Some(addr("renter")), 5).remove(0);
    assert_eq!((left.quantity, left.escrow, left.unfilled), (1_000, 1_010, Some(Unfilled::Nobody)));

    let receipt = |who: &str, served: u64| {
        let hash = assay_ledger::served_hash(CHAIN_ID, trade.id, served);
        let signature = alloy_consensus::crypto::secp256k1::sign_message(secret(who), hash).expect("a secret");
        IMarket::serveCall { allotment: trade.id, served, signature: signature.as_bytes().into() }
    };
    assert_eq!(net.fail("p2", MARKET, 0, receipt("renter", 1_000)), "NotSeller");
    assert_eq!(net.fail("p1", MARKET, 0, receipt("p1", 1_000)), "BadReceipt");
    assert_eq!(net.fail("p1", MARKET, 0, receipt("renter", 3_001)), "ServedInvalid");
    let cut = IMarket::serveCall { signature: vec![1; 64].into(), ..receipt("renter", 1_000) };
    assert_eq!(net.fail("p1", MARKET, 0, cut), "BadReceipt");
    net.ok("p1", MARKET, 0, receipt("renter", 1_000));
    assert_eq!(net.events::<IMarket::AllotmentServed>()[0].paid, 1_010);
    assert_eq!(net.fail("p1", MARKET, 0, receipt("renter", 1_000)), "ServedInvalid");
    net.ok("p1", MARKET, 0, receipt("renter", 2_500));
    assert_eq!(net.events::<IMarket::AllotmentServed>()[0].paid, 1_515);
    let before = net.balance("renter");
    let mut closed = Vec::new();
    for _ in 0..40 {
        net.pass(1);
        closed.extend(net.events::<IMarket::AllotmentClosed>());
    }
    assert_eq!((closed[0].served, closed[0].refunded), (2_500, 505));
    assert_eq!(net.balance("renter"), before + 505);
    assert_eq!(net.fail("p1", MARKET, 0, receipt("renter", 3_000)), "UnknownAllotment");
    // A wholly served trade is over at once.
    net.ok("p2", MARKET, 0, place(1, 990, 1_000));
    net.pass(1);
    let trade = net.events::<IMarket::Allotted>().remove(0);
    let hash = assay_ledger::served_hash(CHAIN_ID, trade.id, 1_000);
    let signature = alloy_consensus::crypto::secp256k1::sign_message(secret("renter"), hash).expect("a secret");
    let call = IMarket::serveCall { allotment: trade.id, served: 1_000, signature: signature.as_bytes().into() };
    net.ok("p2", MARKET, 0, call);
    assert_eq!(net.events::<IMarket::AllotmentClosed>()[0].refunded, 0);
    assert!(query::orders(&net.state, None, 99).iter().all(|order| order.kind != OrderKind::Limit));
}

#[test]
fn bad_orders_are_refused_each_with_its_own_error_and_lose_nothing() {
    let mut net = metered();
    let bid = || place(0, 1_000, 1_000);
    let calls = [
        ("UnknownClass", IMarket::placeCall { class: 9, ..bid() }),
        ("WrongClass", IMarket::placeCall { class: 1, ..bid() }),
        ("WindowClosed", IMarket::placeCall { window: 3, ..bid() }),
        ("OffTick", IMarket::placeCall { price: 0, ..bid() }),
        ("OffTick", IMarket::placeCall { price: 1_001, ..bid() }),
        ("BelowMinimum", IMarket::placeCall { quantity: 0, ..bid() }),
        ("BelowMinimum", IMarket::placeCall { quantity: 150, ..bid() }),
        ("MinFillTooLarge", IMarket::placeCall { minFill: 1_001, ..bid() }),
        ("Expired", IMarket::placeCall { expires: 1, ..bid() }),
        ("Expired", IMarket::placeCall { expires: u64::MAX, ..bid() }),
        ("BadSide", IMarket::placeCall { side: 2, ..bid() }),
        ("AmountOverflow", IMarket::placeCall { price: u128::MAX / 10 * 10, quantity: u64::MAX / 100 * 100, ..bid() }),
        ("ValueTooLow", IMarket::placeCall { quantity: 10_000, ..bid() }),
    ];
    for (why, call) in calls {
        assert_eq!(net.fail("renter", MARKET, 1_000, call), why);
    }
    assert_eq!(net.fail("renter", MARKET, 0, place(1, 1_000, 1_000)), "UnknownProvider");
    assert_eq!(net.fail("p1", MARKET, 5, place(1, 1_000, 1_000)), "NotPayable");
    assert_eq!(net.books().escrow, 0);

    // The cap holds within a block too.
    let call = || IMarket::placeCall { minFill: 100, ..bid() }.abi_encode();
    let both = [net.tx("renter", MARKET, 1_000, call()), net.tx("stranger", MARKET, 1_000, call())];
    let said: Vec<_> = net.run(&both).into_iter().map(|one| outcome(&one.expect("in the block")).to_owned()).collect();
    assert_eq!(said, ["ok", "TooManyMinFills"]);
    let id = net.events::<IMarket::OrderPlaced>()[0].id;
    assert_eq!(net.fail("p2", MARKET, 1_000, IMarket::placeCall { minFill: 100, ..bid() }), "TooManyMinFills");
    net.ok("p1", MARKET, 0, place(1, 1_010, 1_000));
    assert_eq!(net.fail("p1", MARKET, 1_100, place(0, 1_010, 1_000)), "SelfTrade");
    net.ok("p1", MARKET, 1_100, place(0, 1_000, 1_000));
    let own = net.events::<IMarket::OrderPlaced>()[0].id;
    let cross = IMarket::amendCall { id: own, price: 1_010, quantity: 1_000, expires: 500 };
    assert_eq!(net.fail("p1", MARKET, 50, cross), "SelfTrade");
    let amend = |price, quantity| IMarket::amendCall { id, price, quantity, expires: 500 };
    assert_eq!(net.fail("p1", MARKET, 0, amend(990, 1_000)), "NotOwner");
    assert_eq!(net.fail("p1", MARKET, 0, IMarket::cancelCall { id }), "NotOwner");
    assert_eq!(net.fail("renter", MARKET, 0, IMarket::cancelCall { id: 999 }), "UnknownOrder");
    assert_eq!(net.fail("renter", MARKET, 500, amend(1_000, 2_000)), "ValueTooLow");
    net.ok("renter", MARKET, 1_000, amend(1_000, 2_000));
    assert_eq!(query::order(&net.state, id).expect("open").escrow, 2_000);
    net.ok("renter", MARKET, 0, amend(990, 100));
    assert_eq!(query::order(&net.state, id).expect("open").escrow, 99);
    // A job's order and a provider's are not limit orders: they follow what they stand for.
    let capacity = query::orders(&net.state, Some(addr("p2")), 5).remove(0);
    assert_eq!(net.fail("p2", MARKET, 0, IMarket::cancelCall { id: capacity.id }), "UnknownOrder");
    net.ok("renter", MARKET, 0, IMarket::cancelCall { id });
    assert!(query::order(&net.state, id).is_none());
    net.ok("p2", MARKET, 1_000, IMarket::placeCall { minFill: 100, ..bid() });
    net.until(600, |net| net.height > 500);
    assert_eq!(net.books().escrow, 0, "what expires comes back");
    assert!(query::orders(&net.state, None, 99).iter().all(|order| order.kind == OrderKind::Capacity));
}

#[derive(Debug, Clone)]
enum Act {
    Ask(u8, u8, u8),
    Job(u8, u8, u8, u8),
    Limit(u8, bool, u8, u8, u8),
    Sealed(u8, bool, u8, u8, u8),
    Cancel(u8, u8),
    Work(u8),
    Pass,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0u8..4, 1u8..12, 1u8..8).prop_map(|(who, price, capacity)| Act::Ask(who, price, capacity)),
        4 => (0u8..3, 1u8..5, 1u8..3, 1u8..12).prop_map(|(who, tasks, replicas, price)| Act::Job(who, tasks, replicas, price)),
        4 => (0u8..4, any::<bool>(), 90u8..110, 1u8..9, 0u8..4).prop_map(|(w, b, p, q, m)| Act::Limit(w, b, p, q, m)),
        2 => (0u8..4, any::<bool>(), 90u8..110, 1u8..9, 0u8..6).prop_map(|(w, b, p, q, o)| Act::Sealed(w, b, p, q, o)),
        1 => (0u8..4, any::<u8>()).prop_map(|(who, nth)| Act::Cancel(who, nth)),
        3 => any::<u8>().prop_map(Act::Work),
        3 => Just(Act::Pass),
    ]
}

/// What holds of every clearing of a block, from its events and the state before it.
fn clearings_are_rational(net: &Net, before: &[assay_types::view::OrderView]) {
    for cleared in net.events::<IMarket::Cleared>() {
        assert!(cleared.low <= cleared.price && cleared.price <= cleared.high || cleared.volume == 0);
        let view = query::market_classes(&net.state).into_iter().find(|c| c.class.id == cleared.class).expect("known");
        assert_eq!(view.last, Some(cleared.price));
    }
    for given in net.events::<IJobs::LotAssigned>() {
        let job = net.job(given.job);
        assert!(given.pricePerGigafuel <= job.spec.max_price_per_gigafuel, "a job pays its limit at most");
        let is_sellers = |o: &&assay_types::view::OrderView| o.owner == given.provider && o.kind == OrderKind::Capacity;
        let ask = before.iter().find(is_sellers).expect("it rested before");
        assert!(given.pricePerGigafuel >= ask.price, "a provider gets its ask at least");
    }
    let (mut bought, mut sold) = (0u64, 0u64);
    for filled in net.events::<IMarket::OrderFilled>() {
        let order = before.iter().find(|order| order.id == filled.id).expect("it rested before");
        assert!(!matches!(order.unfilled, Some(Unfilled::Sealed { .. })), "not before its window is over");
        assert_eq!(filled.left, order.quantity - filled.quantity);
        assert!(filled.quantity >= order.min_fill.min(order.quantity), "no fill below the minimum");
        match order.bid {
            true => {
                assert!(filled.price <= order.price);
                bought += filled.quantity;
            }
            false => {
                assert!(filled.price >= order.price);
                sold += filled.quantity;
            }
        }
    }
    assert_eq!(bought, sold, "what is bought is sold");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is ordered and done: the books balance after each block (the kit checks), every fill is
    /// rational, what rests is what its owner has, and in the end all money is back.
    #[test]
    fn any_trading_is_rational_and_leaves_nothing_behind(acts in prop::collection::vec(act(), 1..60)) {
        let classes = vec![Class::any_cpu(PRICE / 2), bandwidth()];
        let mut net = with(Params { classes, allotment_window: 10, epoch_blocks: 16, index_min_owners: 2,
            index_cap_bps: 6_000, seal_window: 12, min_block_interval_ms: 1_000, ..params() });
        let sellers = ["p1", "p2", "p3", "p4"];
        let buyers = ["renter", "stranger", "v1"];
        let mut jobs = Vec::new();
        for act in acts {
            let (mut before, height) = (query::orders(&net.state, None, usize::MAX), net.height);
            match act {
                Act::Ask(who, price, capacity) => {
                    let who = sellers[usize::from(who)];
                    let ask = IProviders::Ask { capacity: u64::from(capacity) * LOT, ..ask(PRICE * u128::from(price) / 10) };
                    let known = query::provider(&net.state, addr(who)).is_some();
                    let (key, endpoint) = (Default::default(), Default::default());
                    if known {
                        net.ok(who, PROVIDERS, 0, IProviders::updateCall { sealingKey: key, endpoint, ask });
                    } else {
                        net.sell(who, ask);
                    }
                }
                Act::Job(who, tasks, replicas, price) => {
                    let who = buyers[usize::from(who)];
                    let limit = PRICE * u128::from(price) / 10;
                    let spec = JobSpec { maxPricePerGigafuel: limit, lifetime: 60, ..spec(u32::from(tasks), 1, replicas) };
                    let id = assay_types::job::job_id(CHAIN_ID, addr(who), net.nonce(who));
                    let escrow = spec.escrow().expect("fits");
                    net.ok(who, JOBS, escrow, IJobs::submitCall { spec });
                    jobs.push((who, id));
                }
                Act::Limit(who, bid, price, quantity, min) => {
                    let who = if bid { buyers[usize::from(who) % 3] } else { sellers[usize::from(who)] };
                    let quantity = u64::from(quantity) * 100;
                    let call = IMarket::placeCall {
                        class: 2, window: 0, side: u8::from(!bid), price: u128::from(price) * 10, quantity,
                        minFill: quantity * u64::from(min) / 3, expires: net.height + 40,
                    };
                    net.send(who, MARKET, if bid { 10_000 } else { 0 }, call);
                }
                Act::Sealed(who, bid, price, quantity, how) => {
                    let who = if bid { buyers[usize::from(who) % 3] } else { sellers[usize::from(who)] };
                    let order = IMarket::placeCall {
                        expires: net.height + 40, ..place(u8::from(!bid), u128::from(price) * 10, u64::from(quantity) * 100)
                    };
                    // Some lock too little, some are opened late or never.
                    net.send(who, MARKET, if how == 0 { 400 } else { 1_000 }, sealed::seals(who, &order));
                    net.time_ms += if matches!(how, 2 | 5) { 10_000 } else { 0 };
                    net.pass([0, 0, 0, 3, 11, 12][usize::from(how)]);
                    if how != 2 {
                        net.send(who, MARKET, 0, sealed::opens(who, &order));
                    }
                    before = query::orders(&net.state, None, usize::MAX);
                    net.pass(1);
                }
                Act::Cancel(who, nth) => {
                    let who = buyers[usize::from(who) % 3];
                    let own: Vec<_> = query::orders(&net.state, Some(addr(who)), 99);
                    if let Some(order) = own.get(usize::from(nth) % own.len().max(1)) {
                        match order.kind {
                            OrderKind::Job { job } => { net.send(who, JOBS, 0, IJobs::cancelCall { job }); }
                            _ => { net.send(who, MARKET, 0, IMarket::cancelCall { id: order.id }); }
                        }
                    }
                }
                Act::Work(nth) => {
                    if let Some((_, id)) = jobs.get(usize::from(nth) % jobs.len().max(1)).filter(|(_, id)| net.job(*id).outcome.is_none()) {
                        let job = net.job(*id);
                        let waits = job.lots.iter().flat_map(|lot| &lot.replicas)
                            .find(|r| r.phase == assay_types::view::ReplicaPhase::AwaitingKey);
                        if let Some(replica) = waits {
                            let call = IJobs::deliverKeyCall { job: *id, provider: replica.provider, sealedKey: vec![7; 80].into() };
                            let who = name_of(job.renter);
                            net.send(&who, JOBS, 0, call);
                        }
                    }
                }
                Act::Pass => net.pass(1),
            }
            if net.height == height {
                net.pass(1);
            }
            clearings_are_rational(&net, &before);
            for order in query::orders(&net.state, None, usize::MAX).iter().filter(|o| o.kind == OrderKind::Limit && o.bid) {
                prop_assert_eq!(order.escrow, (order.price * u128::from(order.quantity)).div_ceil(1_000), "exactly the worst case");
            }
        }
        net.time_ms += 10_000;
        net.pass(150);
        prop_assert_eq!(net.books().escrow, 0, "no escrow outlives its order");
        prop_assert!(jobs.iter().all(|(_, id)| net.job(*id).outcome.is_some()));
        // A provider whose suspension ends in the last of these blocks comes back to its book: one block more.
        if assay_ledger::work_pending(&net.state) {
            net.pass(1);
        }
        prop_assert!(!assay_ledger::work_pending(&net.state));
        let view = query::market_classes(&net.state).remove(0);
        prop_assert_eq!((view.bids, view.busy), (0, 0));
    }
}

#[test]
fn a_job_that_waits_to_its_end_says_so_and_gets_all_back() {
    let mut net = Net::new();
    let id = net.submit(JobSpec { lifetime: 12, ..spec(1, 1, 1) });
    net.pass(3);
    assert_eq!(net.lot(id, 0).cause, JobCause::NoEligibleProviders);
    net.until(20, |net| net.job(id).outcome.is_some());
    let job = net.job(id);
    assert_eq!((job.outcome, job.cause, job.escrow), (Some(JobOutcome::Expired), JobCause::NoEligibleProviders, 0));
    assert!(query::orders(&net.state, None, 9).is_empty());
}
