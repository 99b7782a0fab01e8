//! Random histories of claims: the books balance after each block, and every way a claim can end is reached.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Issue(u8, u8, u8),
    Sell(u8, u8, u8, u8),
    Bid(u8, u8, u8, u8),
    Cancel(u8, u8),
    Send(u8, u8, u8, u8),
    Redeem(u8, u8, u8),
    Spot(u8),
    Ask(u8, u8, bool),
    Collateral(u8, u8, u8),
    Work(u8, u8),
    Pass(u8),
}

const PEOPLE: [&str; 5] = ["p1", "p2", "p3", "renter", "stranger"];
const MAKERS: [&str; 3] = ["p1", "p2", "p3"];

fn act() -> impl Strategy<Value = Act> {
    let b = any::<u8>;
    prop_oneof![
        4 => (b(), b(), 1u8..8).prop_map(|(who, window, amount)| Act::Issue(who, window, amount)),
        4 => (b(), b(), 1u8..8, 2u8..12).prop_map(|(w, n, a, p)| Act::Sell(w, n, a, p)),
        4 => (b(), b(), 1u8..8, 2u8..12).prop_map(|(w, n, a, p)| Act::Bid(w, n, a, p)),
        1 => (b(), b()).prop_map(|(who, nth)| Act::Cancel(who, nth)),
        2 => (b(), b(), b(), 1u8..20).prop_map(|(w, n, t, a)| Act::Send(w, n, t, a)),
        6 => (b(), b(), 1u8..4).prop_map(|(who, nth, tasks)| Act::Redeem(who, nth, tasks)),
        2 => b().prop_map(Act::Spot),
        3 => (b(), 3u8..16, prop::bool::weighted(0.8)).prop_map(|(who, price, open)| Act::Ask(who, price, open)),
        4 => (b(), b(), b()).prop_map(|(who, nth, what)| Act::Collateral(who, nth, what)),
        8 => (b(), b()).prop_map(|(nth, what)| Act::Work(nth, what)),
        6 => (1u8..12).prop_map(Act::Pass),
    ]
}

/// The claims of an account, one of them picked.
fn pick(net: &Net, who: &str, nth: u8) -> Option<assay_types::view::ClaimView> {
    let all = query::claims(&net.state, addr(who));
    (!all.is_empty()).then(|| all[usize::from(nth) % all.len()].clone())
}

fn any_issuance(net: &Net, nth: u8) -> Option<IssuanceView> {
    let all = query::issuances(&net.state, 1);
    (!all.is_empty()).then(|| all[usize::from(nth) % all.len()].clone())
}

/// Some work on one open job: keys, commitments, openings, or a cancellation.
fn work(net: &mut Net, nth: u8, what: u8) {
    use assay_types::view::{LotPhase, ReplicaPhase};
    let open: Vec<_> =
        query::jobs(&net.state, None, usize::MAX).into_iter().filter(|job| job.outcome.is_none()).collect();
    let Some(summary) = open.get(usize::from(nth) % open.len().max(1)) else { return };
    let (id, renter) = (summary.id, name_of(summary.renter));
    if what < 12 {
        net.send(&renter, JOBS, 0, IJobs::cancelCall { job: id });
        return;
    }
    let rounds = if what.is_multiple_of(4) { 1 } else { 4 };
    for lot in (0..rounds).flat_map(|_| 0..summary.lots) {
        let lot = net.lot(id, lot);
        for replica in &lot.replicas {
            let who = name_of(replica.provider);
            match (lot.phase, replica.phase) {
                (_, ReplicaPhase::AwaitingKey) if what < 230 => {
                    let call =
                        IJobs::deliverKeyCall { job: id, provider: replica.provider, sealedKey: vec![7; 80].into() };
                    net.send(&renter, JOBS, 0, call);
                }
                (_, ReplicaPhase::AwaitingKey) => {
                    net.send(&who, JOBS, 0, IJobs::declineCall { job: id, lot: lot.index, reason: 4 });
                }
                (LotPhase::Running, ReplicaPhase::Running) => {
                    let leaves = truths(&lot);
                    let call = net.commit_call(id, lot.index, &who, &leaves);
                    net.send(&who, JOBS, 0, call);
                }
                (LotPhase::Revealing, ReplicaPhase::Committed) => {
                    let leaves = truths(&lot);
                    let call = net.reveal_call(id, lot.index, &who, &leaves);
                    net.send(&who, JOBS, 0, call);
                }
                _ => {}
            }
        }
    }
}

impl Net {
    fn act(&mut self, act: &Act) {
        let person = |who: u8| PEOPLE[usize::from(who) % PEOPLE.len()];
        let maker = |who: u8| MAKERS[usize::from(who) % MAKERS.len()];
        let next = |net: &Self, nth: u8| u32::try_from((net.height + 1) / 60).expect("small") + u32::from(nth % 3);
        match *act {
            Act::Issue(who, window, amount) => {
                let call = issue_call(next(self, window), u64::from(amount) * 20_000);
                self.send(maker(who), CLAIMS, 600 * PRICE, call);
            }
            Act::Sell(who, nth, amount, price) => {
                let Some(one) = pick(self, person(who), nth) else { return };
                let call = IClaims::sellCall {
                    id: one.issuance.id,
                    amount: (u64::from(amount) * 7_000).min(one.amount),
                    price: PRICE * u128::from(price) / 10,
                    minFill: 0,
                    expires: self.height + 50,
                };
                self.send(person(who), CLAIMS, 0, call);
            }
            Act::Bid(who, window, amount, price) => {
                let (window, price) = (next(self, window), PRICE * u128::from(price) / 10);
                let call =
                    IMarket::placeCall { expires: self.height + 50, ..bid(window, u64::from(amount) * 7_000, price) };
                self.send(person(who), MARKET, 100 * PRICE, call);
            }
            Act::Cancel(who, nth) => {
                let own = query::orders(&self.state, Some(addr(person(who))), 99);
                if let Some(order) = own.get(usize::from(nth) % own.len().max(1)) {
                    self.send(person(who), MARKET, 0, IMarket::cancelCall { id: order.id });
                }
            }
            Act::Send(who, nth, to, amount) => {
                let Some(one) = pick(self, person(who), nth) else { return };
                let amount = (u64::from(amount) * 5_000).min(one.amount);
                let call = IClaims::safeTransferFromCall {
                    id: one.issuance.id,
                    ..send_call(person(who), addr(person(to)), amount)
                };
                self.send(person(who), CLAIMS, 0, call);
            }
            Act::Redeem(who, nth, tasks) => {
                let Some(one) = pick(self, person(who), nth) else { return };
                let most = u32::try_from(one.amount / 20_000).expect("small").clamp(1, u32::from(tasks));
                let least = job(most).lifetime;
                let lifetime = if nth % 4 == 0 { least } else { least + 30 };
                let price = one.issuance.redemption_price;
                let shape = JobSpec { maxPricePerGigafuel: price, lifetime, ..job(most) };
                let call =
                    IClaims::redeemCall { id: one.issuance.id, amount: u64::from(most) * 20_000, spec: shape.into() };
                self.send(person(who), CLAIMS, 0, call);
            }
            Act::Spot(price) => {
                let limit = PRICE * (4 + u128::from(price % 16)) / 10;
                let spec = JobSpec { maxPricePerGigafuel: limit, lifetime: 60, ..spec(1, 1, 1) };
                self.send("v1", JOBS, 100 * PRICE, IJobs::submitCall { spec });
            }
            Act::Ask(who, price, open) => self.asking(maker(who), PRICE * u128::from(price) / 10, open),
            Act::Collateral(who, nth, what) => {
                let offered = |one: &IssuanceView| what % 4 == 2 && matches!(one.status, ClaimStatus::Offered { .. });
                let offered = query::issuances(&self.state, 1).into_iter().find(offered);
                let Some(one) = offered.or_else(|| any_issuance(self, nth)) else { return };
                let (who, id) = (person(who), one.id);
                match what % 4 {
                    0 => self.send(who, CLAIMS, PRICE * u128::from(what), IClaims::topUpCall { id }),
                    1 => self.send(&name_of(one.obligor), CLAIMS, 0, IClaims::withdrawSurplusCall { id }),
                    2 => self.send(maker(nth), CLAIMS, 900 * PRICE, IClaims::takeOverCall { id }),
                    _ => self.send(who, CLAIMS, 0, IClaims::collectCall { id, holder: addr(who) }),
                };
            }
            Act::Work(nth, what) => work(self, nth, what),
            Act::Pass(blocks) => self.pass(u64::from(blocks)),
        }
    }
}

/// What a history did, so that one that reaches nothing is seen.
#[derive(Debug, Default)]
struct Seen {
    sold: usize,
    delivered: usize,
    defaulted: usize,
    returned: usize,
    called: usize,
    taken: usize,
    closed: usize,
}

impl Seen {
    fn follow(&mut self, net: &Net) {
        self.sold += net.events::<IClaims::ClaimSold>().len();
        self.delivered += net.events::<IClaims::ClaimsDelivered>().len();
        self.defaulted += net.events::<IClaims::ClaimsDefaulted>().len();
        self.returned += net.events::<IClaims::ClaimsReturned>().len();
        self.called += net.events::<IClaims::CollateralCalled>().len();
        self.taken += net.events::<IClaims::ObligationTaken>().len();
        self.closed += net.events::<IClaims::ClosedOut>().len();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is issued, traded, sent, redeemed and done while the index moves: claims and money are
    /// somewhere after each block (the kit checks), and in the end no grain is stuck.
    #[test]
    fn any_history_of_claims_ends_with_nothing_left(acts in prop::collection::vec(act(), 30..160)) {
        let mut net = net();
        for act in &acts {
            net.act(act);
        }
        // Nobody does anything any more, but that holders of what was closed out are paid.
        net.pass(260);
        for one in query::issuances(&net.state, 1) {
            prop_assert!(matches!(one.status, ClaimStatus::ClosedOut { .. }), "{one:?} at {}", net.height);
            for who in PEOPLE {
                if net.has(addr(who), one.id) > 0 {
                    net.ok("v2", CLAIMS, 0, IClaims::collectCall { id: one.id, holder: addr(who) });
                }
            }
        }
        net.pass(2);
        prop_assert_eq!(query::issuances(&net.state, 1), vec![]);
        prop_assert_eq!(net.books().escrow, 0, "no grain is stuck");
        prop_assert!(query::jobs(&net.state, None, usize::MAX).iter().all(|job| job.outcome.is_some()));
        prop_assert!(query::orders(&net.state, None, 999).iter().all(|order| order.window == 0));
    }
}

#[test]
fn the_random_histories_reach_every_way_claims_can_end() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut seen = Seen::default();
    for _ in 0..40 {
        let acts = prop::collection::vec(act(), 100..160).new_tree(&mut runner).expect("a history").current();
        let mut net = net();
        for act in &acts {
            match act {
                Act::Pass(blocks) => (0..*blocks).for_each(|_| {
                    net.pass(1);
                    seen.follow(&net);
                }),
                act => {
                    let height = net.height;
                    net.act(act);
                    if net.height > height {
                        seen.follow(&net);
                    }
                }
            }
        }
    }
    let Seen { sold, delivered, defaulted, returned, called, taken, closed } = seen;
    assert!([sold, delivered, defaulted, returned, called, taken, closed].iter().all(|count| *count > 0), "{seen:?}");
    eprintln!("{seen:?}");
}
