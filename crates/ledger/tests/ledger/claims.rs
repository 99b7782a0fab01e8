//! Capacity claims: issued, traded, redeemed, defaulted on, marked to the index, closed out, expired.

mod margin;
mod random;

use alloy_primitives::{Address, Bytes, FixedBytes, U256};
use alloy_sol_types::{SolCall, SolEvent};
use assay_ledger::{CallError, Failure, call, latest, query};
use assay_types::{
    ClaimId, Class, GRAINS_PER_KRT, Genesis, JobCause, JobId, JobOutcome, JobSpec, Params,
    abi::{IClaims, IJobs, IMarket, IProviders},
    system::{CLAIMS, JOBS, MARKET},
    view::{ClaimStatus, IssuanceView},
};

use crate::{kit::*, scenario::*};

/// Window 1 of the kit's network: heights 60 to 119.
const START: u64 = 60;
const END: u64 = 120;
/// Thousandths a block.
const RATE: u64 = 4_000;
const ISSUED: u64 = 100_000;
/// Issued at the opening reference.
const AT: u128 = PRICE / 2;
/// Where claims of 100 gigafuel at 4 a block are redeemed for the last time.
const LAST: u64 = END - ISSUED / RATE;

fn net() -> Net {
    let params =
        Params { epoch_blocks: 20, index_min_owners: 1, index_min_volume: 1, index_cap_bps: 10_000, ..params() };
    let mut net = Net::of(&Genesis { params, ..genesis() });
    net.register_all(&["p1", "p2", "p3"]);
    net
}

fn id(window: u32, issuer: &str) -> U256 {
    ClaimId { class: 1, window, issuer: addr(issuer) }.to_u256()
}

fn issue_call(window: u32, amount: u64) -> IClaims::issueCall {
    IClaims::issueCall { class: 1, window, amount, issuePrice: AT, maxRate: RATE }
}

fn sell_call(window: u32, issuer: &str, amount: u64, price: u128) -> IClaims::sellCall {
    IClaims::sellCall { id: id(window, issuer), amount, price, minFill: 0, expires: 400 }
}

fn bid(window: u32, amount: u64, price: u128) -> IMarket::placeCall {
    IMarket::placeCall { class: 1, window, side: 0, price, quantity: amount, minFill: 0, expires: 400 }
}

/// A job of as many tasks on two machines, with the least lifetime its claims allow.
fn job(tasks: u32) -> JobSpec {
    let amount = u64::from(tasks) * 20_000;
    let lifetime = u32::try_from(2 * amount.div_ceil(RATE)).expect("small") + 10;
    JobSpec { lifetime, ..spec(tasks, 1, 2) }
}

fn redeem_call(window: u32, issuer: &str, spec: JobSpec) -> IClaims::redeemCall {
    let amount = spec.inputs.len() as u64 * 10_000 * u64::from(spec.replicas);
    IClaims::redeemCall { id: id(window, issuer), amount, spec: spec.into() }
}

fn send_call(from: &str, to: Address, amount: u64) -> IClaims::safeTransferFromCall {
    let id = id(1, "p1");
    IClaims::safeTransferFromCall { from: addr(from), to, id, amount: U256::from(amount), data: Bytes::new() }
}

/// What is behind `amount` of claims at first, at `price` a gigafuel.
fn initial(amount: u64, price: u128) -> u128 {
    price * u128::from(amount) / 1_000 * 25 / 10
}

/// What they pay undelivered.
fn penalty(amount: u64, price: u128) -> u128 {
    price * u128::from(amount) / 1_000 * 125 / 100
}

impl Net {
    fn at(&mut self, height: u64) {
        self.until(400, |net| net.height + 1 >= height);
        assert_eq!(self.height + 1, height, "the next block is {height}");
    }

    fn issue(&mut self, who: &str, window: u32, amount: u64) {
        self.ok(who, CLAIMS, 100 * GRAINS_PER_KRT, issue_call(window, amount));
    }

    fn issued(&self, window: u32, issuer: &str) -> Option<IssuanceView> {
        query::issuances(&self.state, 1).into_iter().find(|one| one.id == id(window, issuer))
    }

    fn has(&self, who: Address, id: U256) -> u64 {
        let answer: U256 = self.asks(IClaims::balanceOfCall { account: who, id });
        u64::try_from(answer).expect("small")
    }

    fn has_of(&self, who: &str) -> u64 {
        self.has(addr(who), id(1, "p1"))
    }

    /// What a view call answers.
    fn asks<C: SolCall>(&self, input: C) -> C::Return {
        let ctx = latest(&self.state, &HashCrypto).expect("a tip");
        let bytes = call(&self.state, &ctx, CLAIMS, addr("v1"), 0, &input.abi_encode()).expect("an answer");
        C::abi_decode_returns(&bytes).expect("of that shape")
    }

    fn redeem(&mut self, who: &str, spec: JobSpec) -> JobId {
        let id = assay_types::job::job_id(CHAIN_ID, addr(who), self.nonce(who));
        self.ok(who, CLAIMS, 0, redeem_call(1, "p1", spec));
        id
    }

    fn asking(&mut self, who: &str, price: u128, open: bool) {
        let ask = IProviders::Ask { open, ..ask(price) };
        let call = IProviders::updateCall { sealingKey: Default::default(), endpoint: vec![9; 40].into(), ask };
        self.ok(who, assay_types::system::PROVIDERS, 0, call);
    }

    /// Nobody takes new work any more.
    fn all_close(&mut self) {
        ["p1", "p2", "p3"].iter().for_each(|who| self.asking(who, PRICE / 2, false));
    }

    /// The index doubles at the end of the epoch under way.
    fn index_doubles(&mut self) {
        self.index_reaches(PRICE);
    }

    /// A trade at `price` makes it the index at the end of the epoch under way.
    fn index_reaches(&mut self, price: u128) {
        self.all_close();
        self.asking("p3", price, true);
        let job = self.assigned(JobSpec { maxPricePerGigafuel: price, ..spec(1, 1, 1) });
        self.ok("renter", JOBS, 0, IJobs::cancelCall { job });
        self.until(20, |net| net.height.is_multiple_of(20));
        assert_eq!(query::market_classes(&self.state)[0].reference, price);
    }

    /// Events of one kind in the next blocks.
    fn told<E: SolEvent>(&mut self, blocks: u64) -> Vec<E> {
        let next = |_| {
            self.pass(1);
            self.events::<E>()
        };
        (0..blocks).flat_map(next).collect()
    }
}

#[test]
fn claims_are_issued_sold_sent_redeemed_delivered_and_the_rest_expires() {
    let mut net = net();
    let before = net.balance("p1");
    net.issue("p1", 1, ISSUED);
    let one = net.issued(1, "p1").expect("issued");
    assert_eq!((one.collateral, one.outstanding, one.last_redemption), (initial(ISSUED, AT), ISSUED, LAST));
    assert_eq!((one.starts, one.ends, one.status), (START, END, ClaimStatus::Good));
    assert!(before - net.balance("p1") >= one.collateral, "value above it never left");
    assert!(before - net.balance("p1") < one.collateral + GRAINS_PER_KRT);
    let made = net.events::<IClaims::TransferSingle>().remove(0);
    assert_eq!((made.from, made.to, made.id, made.value), (Address::ZERO, addr("p1"), one.id, U256::from(ISSUED)));
    assert_eq!(net.events::<IClaims::URI>()[0].value, net.asks(IClaims::uriCall { id: one.id }));

    // Sold in the auction of the window.
    net.ok("p1", CLAIMS, 0, sell_call(1, "p1", 60_000, AT * 9 / 10));
    assert_eq!((net.has_of("p1"), net.has(MARKET, one.id)), (40_000, 60_000));
    let (buyer, seller) = (net.balance("renter"), net.balance("p1"));
    let receipt = net.ok("renter", MARKET, 100 * PRICE, bid(1, 50_000, AT * 12 / 10));
    let fee = u128::from(receipt.gas_used) * receipt.effective_gas_price;
    net.pass(1);
    let sold = net.events::<IClaims::ClaimSold>().remove(0);
    assert_eq!((sold.buyer, sold.seller, sold.amount, sold.price), (addr("renter"), addr("p1"), 50_000, AT * 9 / 10));
    assert_eq!(net.balance("p1"), seller + 45 * AT, "at the price of what is left of the ask");
    assert_eq!(net.balance("renter"), buyer - fee - 45 * AT, "what the bid did not need is back");
    assert_eq!((net.has_of("renter"), net.has(MARKET, one.id)), (50_000, 10_000));
    let book = query::market_book(&net.state, 1, 1).expect("a book");
    assert_eq!((book.bids.len(), book.asks[0].quantity, book.recent[0].price), (0, 10_000, Some(AT * 9 / 10)));
    net.ok("renter", CLAIMS, 0, send_call("renter", addr("stranger"), 5_000));
    assert_eq!((net.has_of("renter"), net.has_of("stranger")), (45_000, 5_000));
    assert_eq!(query::claims(&net.state, addr("stranger"))[0].amount, 5_000);

    // Redeemed: the claims pay, whoever serves earns.
    net.at(START + 9);
    let pot = net.issued(1, "p1").expect("is there").collateral;
    let (holder, machines) = (net.balance("renter"), [net.balance("p2"), net.balance("p3")]);
    let id = net.redeem("renter", job(2));
    let one = net.issued(1, "p1").expect("is there");
    assert_eq!((one.redeeming, one.in_jobs, one.collateral), (40_000, 40 * PRICE, pot - 40 * PRICE));
    assert_eq!((net.has_of("renter"), net.has(CLAIMS, one.id)), (5_000, 40_000));
    let more = IJobs::amendCall { job: id, maxPricePerGigafuel: 2 * PRICE };
    assert_eq!(net.fail("renter", JOBS, 100 * PRICE, more), "PrepaidJob");
    net.until(3, |net| net.job(id).lots.iter().all(|lot| lot.replicas.len() == 2));
    net.deliver_keys(id);
    (0..2).for_each(|lot| net.perform(id, lot, honest));
    net.until(20, |net| net.job(id).outcome == Some(JobOutcome::Completed));
    let one = net.issued(1, "p1").expect("is there");
    assert_eq!((one.outstanding, one.redeeming, one.in_jobs), (60_000, 0, 0));
    let paid = net.job(id).paid;
    assert!(paid > 0);
    assert_eq!(one.collateral, pot - paid, "what the job did not use is the issuance's again");
    assert!(holder - net.balance("renter") < GRAINS_PER_KRT / 1_000, "the holder paid fees only");
    assert!(net.balance("p2") > machines[0] || net.balance("p3") > machines[1]);

    // What is above the initial collateral can leave, the rest when the window is over.
    assert_eq!(net.fail("p2", CLAIMS, 0, IClaims::withdrawSurplusCall { id: one.id }), "NotObligor");
    net.ok("p1", CLAIMS, 0, IClaims::withdrawSurplusCall { id: one.id });
    assert_eq!(net.issued(1, "p1").expect("is there").collateral, initial(60_000, AT));
    assert_eq!(net.fail("p1", CLAIMS, 0, IClaims::withdrawSurplusCall { id: one.id }), "NoSurplus");
    net.at(END);
    assert_eq!(net.fail("renter", CLAIMS, 0, send_call("renter", addr("p4"), 1)), "ClaimExpired", "at the end");
    let over = net.events::<IClaims::ClaimsExpired>().remove(0);
    assert_eq!((over.amount, over.returned), (60_000, initial(60_000, AT)));
    assert!(net.issued(1, "p1").is_none() && query::claims(&net.state, addr("renter")).is_empty());
    assert_eq!(net.fail("renter", CLAIMS, 0, send_call("renter", addr("p4"), 1)), "UnknownClaim");
    assert_eq!(net.books().escrow, 0, "nothing is left");
}

#[test]
fn bad_issues_are_refused_each_with_its_own_error_and_lose_nothing() {
    let metered = Class { id: 2, name: "bandwidth".into(), unit: assay_types::Unit::Gib, ..Class::any_cpu(AT) };
    let classes = vec![
        Class { tick: 10, min_quantity: 10, ..Class::any_cpu(AT) },
        Class { tier: assay_types::Tier::Metered, ..metered },
        Class { id: 3, name: "v4".into(), cpu: "x86-64-v4".into(), ..Class::any_cpu(AT) },
    ];
    let mut net = Net::of(&Genesis { params: Params { classes, ..params() }, ..genesis() });
    net.register_all(&["p1"]);
    let good = || issue_call(1, ISSUED);
    let value = initial(ISSUED, AT);
    let cases = [
        ("p1", value, IClaims::issueCall { class: 9, ..good() }, "UnknownClass"),
        ("p1", value, IClaims::issueCall { class: 2, ..good() }, "WrongClass"),
        ("renter", value, good(), "UnknownProvider"),
        ("p1", value, IClaims::issueCall { class: 3, ..good() }, "NotSelling"),
        ("p1", value, IClaims::issueCall { window: 0, ..good() }, "WindowPast"),
        ("p1", value, IClaims::issueCall { issuePrice: 0, ..good() }, "OffTick"),
        ("p1", value, IClaims::issueCall { issuePrice: AT + 1, ..good() }, "OffTick"),
        ("p1", value, IClaims::issueCall { amount: 0, ..good() }, "BelowMinimum"),
        ("p1", value, IClaims::issueCall { amount: 15, ..good() }, "BelowMinimum"),
        ("p1", value, IClaims::issueCall { maxRate: 0, ..good() }, "ClaimRateTooLow"),
        ("p1", value, IClaims::issueCall { maxRate: ISSUED / 60, ..good() }, "ClaimRateTooLow"),
        ("p1", value, IClaims::issueCall { maxRate: ISSUED / 31, ..good() }, "ClaimRateTooLow"),
        ("p1", value, IClaims::issueCall { issuePrice: u128::MAX / 10 * 10, ..good() }, "AmountOverflow"),
        ("p1", value - 1, good(), "ValueTooLow"),
    ];
    for (who, value, call, why) in cases {
        let said = net.fail(who, CLAIMS, value, call);
        assert_eq!(said, why);
    }
    assert_eq!(net.books().escrow, 0);
    net.ok("p1", CLAIMS, value, good());
    assert_eq!(net.fail("p1", CLAIMS, value, IClaims::issueCall { issuePrice: AT + 10, ..good() }), "ClaimTerms");
    assert_eq!(net.fail("p1", CLAIMS, value, IClaims::issueCall { maxRate: RATE + 1, ..good() }), "ClaimTerms");
    net.ok("p1", CLAIMS, value, IClaims::issueCall { amount: 20_000, ..good() });
    let one = net.issued(1, "p1").expect("is there");
    assert_eq!((one.outstanding, one.last_redemption), (120_000, END - 30), "more of it leaves less time to redeem");
    net.at(START);
    assert_eq!(net.fail("p1", CLAIMS, value, good()), "WindowPast", "it begins in this block");
}

#[test]
fn bad_sales_and_transfers_are_refused_and_lose_nothing() {
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    let sell = |amount, price| sell_call(1, "p1", amount, price);
    assert_eq!(net.fail("p1", CLAIMS, 1, sell(1_000, AT)), "NotPayable");
    assert_eq!(net.fail("p1", CLAIMS, 0, IClaims::sellCall { id: id(2, "p1"), ..sell(1_000, AT) }), "UnknownClaim");
    assert_eq!(net.fail("p1", CLAIMS, 0, sell(ISSUED + 1, AT)), "ClaimBalance");
    assert_eq!(net.fail("renter", CLAIMS, 0, sell(1, AT)), "ClaimBalance");
    assert_eq!(net.fail("p1", CLAIMS, 0, sell(0, AT)), "BelowMinimum");
    assert_eq!(net.fail("p1", CLAIMS, 0, sell(1_000, 0)), "OffTick");
    assert_eq!(net.fail("p1", CLAIMS, 0, IClaims::sellCall { minFill: 2_000, ..sell(1_000, AT) }), "MinFillTooLarge");
    assert_eq!(net.fail("p1", CLAIMS, 0, IClaims::sellCall { expires: 1, ..sell(1_000, AT) }), "Expired");
    // Bids: compute is bid for now by jobs, in a window by anyone; asks are claims.
    assert_eq!(net.fail("renter", MARKET, PRICE, bid(0, 1_000, AT)), "WrongClass");
    assert_eq!(net.fail("renter", MARKET, AT - 1, bid(1, 1_000, AT)), "ValueTooLow");
    assert_eq!(net.fail("p1", MARKET, 0, IMarket::placeCall { side: 1, ..bid(1, 1_000, AT) }), "SellClaims");
    // Nobody trades with itself.
    net.ok("p1", CLAIMS, 0, sell(1_000, AT));
    let order = net.events::<IMarket::OrderPlaced>().remove(0);
    assert_eq!((order.window, order.side, order.expires), (1, 1, LAST), "it ends with the last redemption");
    assert_eq!(net.fail("p1", MARKET, PRICE, bid(1, 1_000, AT)), "SelfTrade");
    net.ok("p1", MARKET, PRICE, bid(1, 1_000, AT - 2));
    assert_eq!(net.fail("p1", CLAIMS, 0, sell(1_000, AT - 2)), "SelfTrade");
    // An ask is amended and cancelled as any order; claims follow.
    let amend = |quantity, price| IMarket::amendCall { id: order.id, price, quantity, expires: 400 };
    assert_eq!(net.fail("renter", MARKET, 0, amend(5, AT)), "NotOwner");
    assert_eq!(net.fail("p1", MARKET, 0, amend(ISSUED + 1, AT)), "ClaimBalance");
    assert_eq!(net.fail("p1", MARKET, 1, amend(5_000, AT)), "NotPayable");
    net.ok("p1", MARKET, 0, amend(5_000, AT));
    assert_eq!((net.has_of("p1"), net.has(MARKET, id(1, "p1"))), (ISSUED - 5_000, 5_000));
    net.ok("p1", MARKET, 0, amend(2_000, AT));
    assert_eq!((net.has_of("p1"), net.has(MARKET, id(1, "p1"))), (ISSUED - 2_000, 2_000));
    net.ok("p1", MARKET, 0, IMarket::cancelCall { id: order.id });
    assert_eq!((net.has_of("p1"), net.has(MARKET, id(1, "p1"))), (ISSUED, 0));
    // Transfers.
    assert_eq!(net.fail("renter", CLAIMS, 0, send_call("p1", addr("renter"), 1)), "NotApproved");
    assert_eq!(net.fail("p1", CLAIMS, 0, send_call("p1", Address::ZERO, 1)), "ClaimRecipient");
    assert_eq!(net.fail("p1", CLAIMS, 0, send_call("p1", MARKET, 1)), "ClaimRecipient");
    assert_eq!(net.fail("p1", CLAIMS, 0, send_call("p1", addr("renter"), ISSUED + 1)), "ClaimBalance");
    let huge = IClaims::safeTransferFromCall { amount: U256::MAX, ..send_call("p1", addr("renter"), 0) };
    assert_eq!(net.fail("p1", CLAIMS, 0, huge), "ClaimBalance");
    let nothing = IClaims::safeTransferFromCall { id: U256::MAX, ..send_call("p1", addr("renter"), 0) };
    assert_eq!(net.fail("p1", CLAIMS, 0, nothing), "UnknownClaim");
    let batch = IClaims::safeBatchTransferFromCall {
        from: addr("p1"),
        to: addr("renter"),
        ids: vec![id(1, "p1")],
        amounts: vec![],
        data: Bytes::new(),
    };
    assert_eq!(net.fail("p1", CLAIMS, 0, batch), "BatchLength");
    // An order rests until its claims are of no use, a bid until the window is over.
    net.ok("p1", CLAIMS, 0, sell(1_000, AT));
    net.until(200, |net| net.height == LAST);
    assert_eq!(net.has_of("p1"), ISSUED, "they are back");
    assert_eq!(net.fail("p1", CLAIMS, 0, sell(1_000, AT)), "RedemptionLate");
    assert_eq!(query::orders(&net.state, Some(addr("p1")), 9).iter().filter(|order| order.window == 1).count(), 1);
    net.at(END);
    net.pass(1);
    assert!(query::orders(&net.state, Some(addr("p1")), 9).iter().all(|order| order.window == 0));
    assert_eq!(net.fail("renter", MARKET, AT, bid(1, 1_000, AT)), "WindowClosed");
    assert_eq!(net.books().escrow, 0);
}

#[test]
fn bad_redemptions_are_refused_and_lose_nothing() {
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    net.ok("p1", CLAIMS, 0, send_call("p1", addr("renter"), 60_000));
    let with = |spec| redeem_call(1, "p1", spec);
    assert_eq!(net.fail("renter", CLAIMS, 0, with(job(1))), "RedemptionEarly");
    net.at(START);
    assert_eq!(net.fail("renter", CLAIMS, 0, with(job(1))), "ClaimRate", "twenty gigafuel take five blocks");
    net.at(START + 18);
    let cases = [
        (IClaims::redeemCall { id: id(2, "p1"), ..with(job(1)) }, "UnknownClaim"),
        (IClaims::redeemCall { amount: 0, ..with(job(1)) }, "AmountZero"),
        (with(job(4)), "ClaimBalance"),
        (IClaims::redeemCall { amount: 19_999, ..with(job(1)) }, "ClaimUnits"),
        (IClaims::redeemCall { amount: 20_001, ..with(job(1)) }, "ClaimUnits"),
        (with(JobSpec { class: 2, ..job(1) }), "ClaimJob"),
        (with(JobSpec { substitutes: vec![2], ..job(1) }), "ClaimJob"),
        (with(JobSpec { replicas: 3, ..job(1) }), "ClaimJob"),
        (with(JobSpec { minReputation: 1, ..job(1) }), "ClaimJob"),
        (with(JobSpec { memoryMib: 1_025, ..job(1) }), "ClaimFit"),
        (with(JobSpec { runtimeId: Default::default(), ..job(1) }), "ClaimFit"),
        (with(JobSpec { maxPricePerGigafuel: PRICE - 1, ..job(1) }), "ClaimPrice"),
        (with(JobSpec { maxPricePerGigafuel: PRICE + 1, ..job(1) }), "ClaimPrice"),
        (with(JobSpec { commitWindow: 2, ..job(1) }), "ClaimTime"),
        (with(JobSpec { lifetime: 19, ..job(1) }), "ClaimTime"),
        (with(JobSpec { lifetime: 70, ..job(1) }), "ClaimTime"),
        (with(JobSpec { fuelPerTask: 0, ..job(1) }), "SpecFuel"),
    ];
    for (call, why) in cases {
        assert_eq!(net.fail("renter", CLAIMS, 0, call), why, "at height {}", net.height);
        assert!(net.height < LAST, "all in time");
    }
    let held = net.issued(1, "p1").expect("is there");
    assert_eq!((held.collateral, held.redeeming, net.has_of("renter")), (initial(ISSUED, AT), 0, 60_000));
}

#[test]
fn claims_are_redeemed_once_and_not_after_their_last_height() {
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    net.ok("p1", CLAIMS, 0, send_call("p1", addr("renter"), 20_000));
    net.at(START + 10);
    net.redeem("renter", job(1));
    assert_eq!(net.fail("renter", CLAIMS, 0, redeem_call(1, "p1", job(1))), "ClaimBalance");
    assert_eq!(net.fail("renter", CLAIMS, 0, send_call("renter", addr("p4"), 1)), "ClaimBalance");
    net.at(LAST);
    net.redeem("p1", job(1));
    assert_eq!(net.fail("p1", CLAIMS, 0, redeem_call(1, "p1", job(1))), "RedemptionLate");
}

#[test]
fn undelivered_claims_pay_the_higher_of_index_and_issue_price_with_a_penalty() {
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    net.ok("p1", CLAIMS, 0, send_call("p1", addr("renter"), 20_000));
    net.all_close();
    net.at(START + 10);
    let before = net.balance("renter");
    let id = net.redeem("renter", job(1));
    net.until(60, |net| net.job(id).outcome.is_some());
    assert_eq!(net.job(id).cause, JobCause::NoEligibleProviders);
    let told = net.events::<IClaims::ClaimsDefaulted>().remove(0);
    assert_eq!((told.amount, told.paid), (20_000, penalty(20_000, AT)));
    assert_eq!(net.job(id).compensated, told.paid);
    assert!(net.balance("renter") > before + told.paid - GRAINS_PER_KRT / 1_000);
    let one = net.issued(1, "p1").expect("is there");
    assert_eq!((one.outstanding, one.in_jobs, one.redeeming), (80_000, 0, 0));
    assert_eq!(one.collateral, initial(ISSUED, AT) - told.paid);
    assert_eq!(net.has_of("renter"), 0, "they are gone");
}

#[test]
fn what_a_default_pays_is_capped_by_its_part_of_the_collateral() {
    // While the job waits for machines the index rises fourfold.
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    net.ok("p1", CLAIMS, 0, send_call("p1", addr("renter"), 20_000));
    net.at(START + 22);
    net.all_close();
    net.redeem("renter", JobSpec { lifetime: 50, ..job(1) });
    for (at, price) in [("p2", PRICE), ("p3", 2 * PRICE)] {
        net.asking(at, price, true);
        let call = IJobs::submitCall { spec: JobSpec { maxPricePerGigafuel: price, ..spec(1, 1, 1) } };
        net.ok("stranger", JOBS, 100 * PRICE, call);
        net.pass(1);
        net.asking(at, price, false);
        net.until(20, |net| net.height.is_multiple_of(20));
    }
    let one = net.issued(1, "p1").expect("is there");
    let all = one.collateral + one.in_jobs;
    let due = one.outstanding;
    let index = query::market_classes(&net.state)[0].reference;
    assert!(penalty(20_000, index) > all / 5, "{index} is more than its part");
    let told = net.told::<IClaims::ClaimsDefaulted>(40);
    assert_eq!((told[0].amount, told[0].paid), (20_000, all * 20_000 / u128::from(due)));
}

#[test]
fn claims_come_back_when_the_holder_is_to_blame() {
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    net.ok("p1", CLAIMS, 0, send_call("p1", addr("renter"), 60_000));
    net.at(START + 15);
    // Cancelled: the claims can be redeemed again.
    let id = net.redeem("renter", job(3));
    assert_eq!(net.has_of("renter"), 0);
    net.ok("renter", JOBS, 0, IJobs::cancelCall { job: id });
    assert_eq!((net.has_of("renter"), net.job(id).outcome), (60_000, Some(JobOutcome::Cancelled)));
    assert_eq!(net.events::<IClaims::ClaimsReturned>().iter().map(|told| told.amount).sum::<u64>(), 60_000);
    // No key ever came: whatever the job ends with, nobody owes anything.
    let never = net.redeem("renter", job(1));
    // The key came in the last moment, too late for the job's lifetime.
    let late = net.redeem("renter", JobSpec { lifetime: 16, ..spec(1, 1, 1) });
    net.until(3, |net| net.replicas(late, 0).len() == 1);
    let due = net.lot(late, 0).replicas[0].due;
    net.at(due - 1);
    net.deliver_keys(late);
    assert!(net.lot(late, 0).replicas[0].due > net.job(late).ends_at);
    net.until(60, |net| [never, late].iter().all(|id| net.job(*id).outcome.is_some()));
    assert_eq!(net.job(late).cause, JobCause::LifetimeEnded);
    assert_eq!(net.has_of("renter"), 60_000);
    let one = net.issued(1, "p1").expect("is there");
    assert_eq!((one.collateral, one.in_jobs, one.outstanding), (initial(ISSUED, AT), 0, ISSUED));
}

#[test]
fn claims_come_back_when_every_machine_declines() {
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    net.ok("p1", CLAIMS, 0, send_call("p1", addr("renter"), 20_000));
    net.at(START + 10);
    let id = net.redeem("renter", job(1));
    for _ in 0..2 {
        net.until(3, |net| net.replicas(id, 0).len() == 2);
        let who = net.replicas(id, 0).remove(0);
        net.ok(&who, JOBS, 0, IJobs::declineCall { job: id, lot: 0, reason: 1 });
    }
    net.until(40, |net| net.job(id).outcome.is_some());
    assert_eq!(net.job(id).cause, JobCause::NoEligibleProviders, "nobody is left");
    assert_eq!((net.has_of("renter"), net.job(id).compensated), (20_000, 0));
}

#[test]
fn a_late_machine_is_the_issuers_failure() {
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    net.ok("p1", CLAIMS, 0, send_call("p1", addr("renter"), 20_000));
    net.at(START + 10);
    let id = net.redeem("renter", job(1));
    net.until(3, |net| net.replicas(id, 0).len() == 2);
    net.deliver_keys(id);
    let mut told = Vec::new();
    while net.job(id).outcome.is_none() {
        net.pass(1);
        told.extend(net.events::<IClaims::ClaimsDefaulted>());
    }
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].paid, penalty(20_000, AT));
}

#[test]
fn two_windows_trade_side_by_side_and_leave_the_present_alone() {
    let mut net = net();
    for window in [1, 2] {
        net.issue("p1", window, ISSUED);
        net.ok("p1", CLAIMS, 0, sell_call(window, "p1", 10_000, AT * u128::from(window)));
    }
    let mut txs = Vec::new();
    for (who, window, price) in [("renter", 1u32, AT), ("stranger", 2, 2 * AT)] {
        txs.push(net.tx(who, MARKET, 100 * PRICE, bid(window, 10_000, price).abi_encode()));
    }
    net.run(&txs);
    net.pass(1);
    let sold = net.events::<IClaims::ClaimSold>();
    let seen: Vec<_> = sold.iter().map(|one| (one.id, one.buyer, one.price)).collect();
    assert_eq!(seen, [(id(1, "p1"), addr("renter"), AT), (id(2, "p1"), addr("stranger"), 2 * AT)]);
    let class = query::market_classes(&net.state).remove(0);
    assert_eq!((class.last, class.epoch.volume), (None, 0), "the index is of present trades");
    assert_eq!(net.fail("p2", CLAIMS, 0, sell_call(1, "p2", 1, AT)), "UnknownClaim");
    net.at(END);
    net.pass(1);
    assert!(net.issued(1, "p1").is_none() && net.issued(2, "p1").is_some(), "one is over, the other is not");
    net.at(2 * END - 60);
    net.pass(1);
    assert_eq!(net.books().escrow, 0);
}

#[test]
fn more_issued_later_ends_asks_that_would_sell_what_nobody_can_redeem() {
    let mut net = net();
    net.issue("p1", 1, 40_000);
    net.ok("p1", CLAIMS, 0, sell_call(1, "p1", 10_000, AT));
    assert_eq!(net.events::<IMarket::OrderPlaced>()[0].expires, END - 10);
    net.issue("p1", 1, 80_000);
    let last = net.issued(1, "p1").expect("is there").last_redemption;
    assert_eq!(last, END - 30);
    net.at(last);
    net.ok("renter", MARKET, 100 * PRICE, bid(1, 10_000, AT));
    net.pass(1);
    assert!(net.events::<IClaims::ClaimSold>().is_empty());
    assert_eq!(net.events::<IMarket::OrderClosed>()[0].reason, 3);
    assert_eq!((net.has_of("p1"), net.has_of("renter")), (120_000, 0));
}

#[test]
fn wallets_read_and_move_claims_as_erc_1155() {
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    net.issue("p1", 2, 50_000);
    for (interface, known) in [
        ([0x01, 0xff, 0xc9, 0xa7], true),
        ([0xd9, 0xb6, 0x7a, 0x26], true),
        ([0x0e, 0x89, 0x34, 0x1c], true),
        ([0xff; 4], false),
    ] {
        assert_eq!(net.asks(IClaims::supportsInterfaceCall { interfaceId: FixedBytes(interface) }), known);
    }
    // The selectors are those of the standard.
    assert_eq!(IClaims::safeTransferFromCall::SELECTOR, [0xf2, 0x42, 0x43, 0x2a]);
    assert_eq!(IClaims::safeBatchTransferFromCall::SELECTOR, [0x2e, 0xb2, 0xc2, 0xd6]);
    assert_eq!(IClaims::balanceOfCall::SELECTOR, [0x00, 0xfd, 0xd5, 0x8e]);
    assert_eq!(IClaims::balanceOfBatchCall::SELECTOR, [0x4e, 0x12, 0x73, 0xf4]);
    assert_eq!(IClaims::setApprovalForAllCall::SELECTOR, [0xa2, 0x2c, 0xb4, 0x65]);
    assert_eq!(IClaims::isApprovedForAllCall::SELECTOR, [0xe9, 0x85, 0xe9, 0xc5]);
    assert_eq!(IClaims::uriCall::SELECTOR, [0x0e, 0x89, 0x34, 0x1c]);

    let (one, two) = (id(1, "p1"), id(2, "p1"));
    let allow = |approved| IClaims::setApprovalForAllCall { operator: addr("stranger"), approved };
    net.ok("p1", CLAIMS, 0, allow(true));
    assert!(net.events::<IClaims::ApprovalForAll>()[0].approved);
    let approved = || IClaims::isApprovedForAllCall { account: addr("p1"), operator: addr("stranger") };
    assert!(net.asks(approved()));
    let batch = |amounts: [u64; 2]| IClaims::safeBatchTransferFromCall {
        from: addr("p1"),
        to: addr("renter"),
        ids: vec![one, two],
        amounts: amounts.map(U256::from).to_vec(),
        data: vec![1, 2].into(),
    };
    assert_eq!(net.fail("stranger", CLAIMS, 0, batch([1, 50_001])), "ClaimBalance");
    assert_eq!(net.has_of("renter"), 0, "all or nothing");
    net.ok("stranger", CLAIMS, 0, batch([7, 9]));
    let told = net.events::<IClaims::TransferBatch>().remove(0);
    assert_eq!((told.operator, told.from, told.to), (addr("stranger"), addr("p1"), addr("renter")));
    assert_eq!((told.ids, told.values), (vec![one, two], vec![U256::from(7), U256::from(9)]));
    let accounts = vec![addr("renter"), addr("renter"), addr("p1")];
    let of = IClaims::balanceOfBatchCall { accounts: accounts.clone(), ids: vec![one, two, U256::MAX] };
    assert_eq!(net.asks(of), [U256::from(7), U256::from(9), U256::ZERO]);
    net.ok("p1", CLAIMS, 0, allow(false));
    assert!(!net.asks(approved()));
    assert_eq!(net.fail("stranger", CLAIMS, 0, batch([1, 1])), "NotApproved");
    net.ok("renter", CLAIMS, 0, send_call("renter", addr("renter"), 7));
    assert_eq!(net.has_of("renter"), 7, "to oneself");

    let ctx = latest(&net.state, &HashCrypto).expect("a tip");
    let refused = |input: Vec<u8>| call(&net.state, &ctx, CLAIMS, addr("p1"), 0, &input).expect_err("refused");
    let uneven = IClaims::balanceOfBatchCall { accounts, ids: vec![one] };
    assert_eq!(refused(uneven.abi_encode()), CallError::Reverted(Failure::BatchLength));
    let nothing = IClaims::uriCall { id: U256::ZERO };
    assert_eq!(refused(nothing.abi_encode()), CallError::Reverted(Failure::UnknownClaim));
    let text = net.asks(IClaims::uriCall { id: one });
    let json = text.strip_prefix("data:application/json;utf8,").expect("inline metadata");
    assert!(json.contains("\"decimals\":3") && json.contains("cpu window 1"), "{json}");
    let said = net.asks(IClaims::issuanceCall { id: one });
    assert_eq!((said.obligor, said.status, said.outstanding), (addr("p1"), 1, ISSUED));
    assert_eq!(net.asks(IClaims::issuanceCall { id: U256::ZERO }).status, 0);
}
