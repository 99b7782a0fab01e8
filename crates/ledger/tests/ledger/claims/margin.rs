//! Claims marked to the index: margin calls, takeovers, close-outs.

use super::*;

#[test]
fn a_margin_call_is_cured_by_a_top_up_or_by_the_index() {
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    net.issue("p2", 1, ISSUED);
    net.index_doubles();
    let calls = net.events::<IClaims::CollateralCalled>();
    assert_eq!(calls.len(), 2);
    let missing = 200 * PRICE - initial(ISSUED, AT);
    assert_eq!((calls[0].missing, calls[0].deadline), (missing, net.height + 6));
    let deadline = calls[0].deadline;
    let one = net.issued(1, "p1").expect("is there");
    assert_eq!((one.status, one.maintenance), (ClaimStatus::Called { deadline }, 200 * PRICE));
    for call in [IClaims::withdrawSurplusCall { id: one.id }.abi_encode(), issue_call(1, 1_000).abi_encode()] {
        let (value, who) = (if call.len() > 40 { 100 * PRICE } else { 0 }, "p1");
        let tx = net.tx(who, CLAIMS, value, call);
        let receipt = net.run(&[tx]).remove(0).expect("in the block");
        assert_eq!(outcome(&receipt), "ClaimCalled");
    }
    assert_eq!(net.fail("p1", CLAIMS, 0, IClaims::topUpCall { id: one.id }), "AmountZero");
    assert_eq!(net.fail("p2", CLAIMS, 500 * PRICE, IClaims::takeOverCall { id: one.id }), "NotOffered");
    net.ok("p1", CLAIMS, missing - 1, IClaims::topUpCall { id: one.id });
    assert!(net.events::<IClaims::CallCured>().is_empty(), "a grain is missing");
    net.ok("stranger", CLAIMS, 1, IClaims::topUpCall { id: one.id });
    assert_eq!(net.events::<IClaims::CallCured>().len(), 1);
    assert_eq!(net.issued(1, "p1").expect("is there").status, ClaimStatus::Good);
    net.until(10, |net| net.height == deadline);
    assert_eq!(net.events::<IClaims::ObligationOffered>()[0].id, id(1, "p2"), "the other was not cured");
    assert_eq!(net.issued(1, "p1").expect("is there").status, ClaimStatus::Good);
    assert_eq!(net.fail("p2", CLAIMS, 1, IClaims::topUpCall { id: id(1, "p2") }), "ClaimOffered");
}

#[test]
fn another_provider_takes_over_at_half_time_for_half_the_old_collateral() {
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    net.ok("p1", CLAIMS, 0, send_call("p1", addr("renter"), 40_000));
    net.index_doubles();
    net.until(10, |net| !net.events::<IClaims::ObligationOffered>().is_empty());
    let offered = net.height;
    let one = net.issued(1, "p1").expect("is there");
    assert_eq!(one.status, ClaimStatus::Offered { since: offered, until: offered + 8 });
    let (old, posted) = (one.collateral, initial(ISSUED, PRICE));
    let take = || IClaims::takeOverCall { id: one.id };
    assert_eq!(net.fail("p1", CLAIMS, posted, take()), "SameObligor");
    assert_eq!(net.fail("renter", CLAIMS, posted, take()), "UnknownProvider");
    assert_eq!(net.fail("p2", CLAIMS, posted - 1, take()), "ValueTooLow");
    let before = net.balance("p2");
    let receipt = net.ok("p2", CLAIMS, posted, take());
    assert_eq!(net.height, offered + 4, "half of eight blocks");
    let fee = u128::from(receipt.gas_used) * receipt.effective_gas_price;
    assert_eq!(net.balance("p2"), before - fee - posted + old / 2);
    let now = net.issued(1, "p1").expect("is there");
    assert_eq!((now.obligor, now.status), (addr("p2"), ClaimStatus::Good));
    assert_eq!(now.collateral, posted + old / 2, "the rest stays behind the claims");
    assert_eq!(net.fail("p2", CLAIMS, 0, IClaims::withdrawSurplusCall { id: one.id }), "NoSurplus");
    assert_eq!(net.fail("p1", CLAIMS, 0, IClaims::withdrawSurplusCall { id: one.id }), "NotObligor");
    assert_eq!(net.fail("p1", CLAIMS, 500 * PRICE, issue_call(1, 1_000)), "NotObligor");
    // Claims are what they were, and in the end each has its own back.
    assert_eq!(net.has_of("renter"), 40_000);
    net.at(END);
    let (first, second) = (net.balance("p1"), net.balance("p2"));
    net.pass(1);
    assert_eq!((net.balance("p1"), net.balance("p2")), (first + old / 2, second + posted));
    assert!(net.issued(1, "p1").is_none());
}

#[test]
fn an_obligation_can_change_hands_twice_and_each_obligor_gets_its_rest() {
    let mut net = net();
    let amount = 20_000;
    net.issue("p1", 3, amount);
    let offered = |net: &mut Net, index: u128| {
        net.index_reaches(index);
        net.until(10, |net| !net.events::<IClaims::ObligationOffered>().is_empty());
        net.issued(3, "p1").expect("is there").collateral
    };
    let take = || IClaims::takeOverCall { id: id(3, "p1") };
    let old = offered(&mut net, PRICE);
    net.pass(1);
    net.ok("p2", CLAIMS, 500 * PRICE, take());
    let rest = old - old * 2 / 8;
    assert_eq!(net.issued(3, "p1").expect("is there").collateral, initial(amount, PRICE) + rest);
    let old = offered(&mut net, 2 * PRICE);
    assert_eq!(net.fail("p2", CLAIMS, 500 * PRICE, take()), "SameObligor");
    net.pass(4);
    net.ok("p1", CLAIMS, 500 * PRICE, take());
    let left = old - old * 6 / 8;
    let (first, posted) = (rest * 2 / 8, initial(amount, 2 * PRICE));
    assert_eq!(net.issued(3, "p1").expect("is there").collateral, posted + left);
    net.at(END + 120);
    let before = (net.balance("p1"), net.balance("p2"));
    net.pass(1);
    assert_eq!((net.balance("p1"), net.balance("p2")), (before.0 + posted + first, before.1 + left - first));
}

#[test]
fn what_nobody_takes_over_is_closed_out_and_its_holders_are_paid_pro_rata() {
    let mut net = net();
    net.issue("p1", 1, ISSUED);
    net.ok("p1", CLAIMS, 0, send_call("p1", addr("renter"), 33_333));
    net.ok("p1", CLAIMS, 0, sell_call(1, "p1", 20_000, 4 * PRICE));
    assert_eq!(
        net.fail("renter", CLAIMS, 0, IClaims::collectCall { id: id(1, "p1"), holder: addr("renter") }),
        "NotClosedOut"
    );
    net.index_doubles();
    let closed = net.told::<IClaims::ClosedOut>(20);
    // The pot is all there is: 125 where 125 is due at the doubled index.
    let pot = initial(ISSUED, AT);
    assert_eq!((closed[0].amount, closed[0].pool), (ISSUED, pot.min(penalty(ISSUED, PRICE))));
    assert_eq!(net.fail("renter", CLAIMS, 0, send_call("renter", addr("p4"), 1)), "ClaimClosed");
    assert_eq!(net.fail("renter", CLAIMS, 0, sell_call(1, "p1", 1, AT)), "ClaimClosed");
    assert_eq!(net.fail("p1", CLAIMS, 500 * PRICE, issue_call(1, 1_000)), "ClaimClosed");
    // A buyer is not given claims that were closed out.
    net.ok("stranger", MARKET, 100 * PRICE, bid(1, 1_000, 2 * PRICE));
    net.until(3, |net| !net.events::<IMarket::OrderClosed>().is_empty() || net.has(MARKET, id(1, "p1")) == 20_000);
    let before = net.balance("renter");
    net.ok("stranger", CLAIMS, 0, IClaims::collectCall { id: id(1, "p1"), holder: addr("renter") });
    let told = net.events::<IClaims::Collected>().remove(0);
    assert_eq!((told.amount, told.paid), (33_333, closed[0].pool * 33_333 / u128::from(ISSUED)));
    assert_eq!(net.balance("renter"), before + told.paid, "anyone may have it done");
    let again = IClaims::collectCall { id: id(1, "p1"), holder: addr("renter") };
    assert_eq!(net.fail("renter", CLAIMS, 0, again), "ClaimBalance");
    let market = IClaims::collectCall { id: id(1, "p1"), holder: MARKET };
    assert_eq!(net.fail("renter", CLAIMS, 0, market), "ClaimRecipient");
    // Offered ones come back with their order; then the last is paid and nothing is left, window over or not.
    net.at(END + 5);
    assert_eq!(net.has_of("p1"), ISSUED - 33_333);
    net.ok("p1", CLAIMS, 0, IClaims::collectCall { id: id(1, "p1"), holder: addr("p1") });
    assert!(net.issued(1, "p1").is_none());
    net.until(400, |net| net.books().escrow == 0);
}

#[test]
fn a_call_open_at_the_last_redemption_closes_out_at_once() {
    let params = Params {
        epoch_blocks: 20,
        index_min_owners: 1,
        index_min_volume: 1,
        index_cap_bps: 10_000,
        claim_margin_window: 1_000,
        ..params()
    };
    let mut net = Net::of(&Genesis { params, ..genesis() });
    net.register_all(&["p1", "p2", "p3"]);
    net.issue("p1", 1, ISSUED);
    net.ok("p1", CLAIMS, 0, send_call("p1", addr("renter"), 20_000));
    net.index_doubles();
    assert_eq!(net.events::<IClaims::CollateralCalled>()[0].deadline, LAST);
    net.at(START + 12);
    let spec = JobSpec { maxPricePerGigafuel: 2 * PRICE, ..job(1) };
    assert_eq!(net.fail("renter", CLAIMS, 0, redeem_call(1, "p1", spec)), "ClaimUncovered");
    net.until(60, |net| net.height == LAST);
    assert_eq!(net.events::<IClaims::ClosedOut>().len(), 1);
}
