//! Inflation, the burned share of payments, emission: what a network mints and who has it.

use alloy_primitives::B256;
use alloy_sol_types::SolCall;
use assay_ledger::rewards::formula;
use assay_types::{
    GRAINS_PER_KRT, Genesis, Params,
    abi::{IChain, IJobs, IMarket, IRewards, IStaking},
    system::{CHAIN, JOBS, MARKET, REWARDS, STAKING},
};
use proptest::prelude::*;

use crate::{kit::*, scenario::*};

const HOUR_MS: u64 = 3_600_000;
const EPOCH: u32 = 20;

/// Short epochs, and as much emission as a cap allows.
fn network(change: impl Fn(&mut Genesis)) -> Net {
    let mut genesis = genesis();
    genesis.params = Params {
        epoch_blocks: EPOCH,
        emission_bps_a_year: 5_000,
        emission_full_bps: 1,
        // The references of these networks stand.
        index_min_owners: 99,
        ..genesis.params
    };
    change(&mut genesis);
    Net::of(&genesis)
}

/// Asks as anybody would, with `eth_call`.
fn ask_chain<C: SolCall>(net: &Net, to: assay_types::Address, call: &C) -> C::Return {
    let ctx = assay_ledger::latest(&net.state, &HashCrypto).expect("a genesis");
    let answer = assay_ledger::call(&net.state, &ctx, to, addr("stranger"), 0, &call.abi_encode()).expect("answers");
    C::abi_decode_returns(&answer).expect("decodes")
}

fn inflation(net: &Net) -> IRewards::inflationReturn {
    ask_chain(net, REWARDS, &IRewards::inflationCall {})
}

fn owed(net: &Net, who: &str) -> u128 {
    ask_chain(net, REWARDS, &IRewards::owedCall { provider: addr(who) })
}

fn burned(net: &Net, who: &str, epoch: u64) -> u128 {
    ask_chain(net, REWARDS, &IRewards::burnedCall { provider: addr(who), epoch })
}

/// A job of the renter's that one provider runs, to its end.
fn job(net: &mut Net, tasks: u32) -> u128 {
    let id = net.assigned(spec(tasks, tasks, 1));
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    net.until(10, |net| net.job(id).outcome.is_some());
    net.job(id).paid
}

/// Blocks up to the end of the epoch under way, the last of them an hour later.
fn epoch_over(net: &mut Net) -> IRewards::EpochMinted {
    net.time_ms += HOUR_MS;
    loop {
        net.pass(1);
        if let Some(event) = net.events::<IRewards::EpochMinted>().pop() {
            return event;
        }
    }
}

#[test]
fn a_share_of_a_payment_burns_and_the_renter_pays_no_more() {
    let mut net = network(|_| ());
    net.register_all(&["p1"]);
    let (had, burned_before, renter) = (net.balance("p1"), net.books().burned, net.balance("renter"));
    let id = net.assigned(spec(2, 2, 1));
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    net.until(10, |net| net.job(id).outcome.is_some());
    let event = net.events::<IRewards::PaymentBurned>().remove(0);
    let paid = net.job(id).paid;
    assert_eq!((event.provider, event.epoch, event.class), (addr("p1"), 0, 1));
    assert_eq!((event.paid, event.burned), (paid, paid / 20));
    assert_eq!(paid, (0..2).map(|task| u128::from(truth(task).fuel) * PRICE / 2 / 1_000_000_000).sum::<u128>());
    assert_eq!(net.provider("p1").earned, paid - event.burned);
    let fees = GRAINS_PER_KRT / 100_000;
    assert!(net.balance("p1") - had > paid - event.burned - fees, "the rest is its own");
    assert!(renter - net.balance("renter") < paid + fees, "the renter's cost is the price");
    assert!(net.books().burned - burned_before >= event.burned);
    assert_eq!(burned(&net, "p1", 0), event.burned);
    assert_eq!(inflation(&net).burnedInEpoch, event.burned);
}

#[test]
fn metered_service_burns_by_the_same_rule() {
    let mut net = network(|genesis| genesis.params.classes.push(crate::market::bandwidth()));
    net.register_all(&["p1"]);
    net.ok("p1", MARKET, 0, crate::market::place(1, 1_000, 3_000));
    net.ok("renter", MARKET, 5_000, crate::market::place(0, 1_000, 3_000));
    net.pass(1);
    let trade = net.events::<IMarket::Allotted>().remove(0);
    let hash = assay_ledger::served_hash(CHAIN_ID, trade.id, 1_001);
    let signature = alloy_consensus::crypto::secp256k1::sign_message(secret("renter"), hash).expect("a secret");
    let call = IMarket::serveCall { allotment: trade.id, served: 1_001, signature: signature.as_bytes().into() };
    net.ok("p1", MARKET, 0, call);
    let event = net.events::<IRewards::PaymentBurned>().remove(0);
    assert_eq!((event.class, event.paid, event.burned), (2, 1_001, 51), "rounded up");
    // Nobody says how much of it is on offer, so nothing is emitted for it.
    assert!(epoch_over(&mut net).budget > 0);
    assert_eq!((burned(&net, "p1", 0), owed(&net, "p1")), (51, 0));
}

#[test]
fn emission_is_paid_by_a_claim_once_and_is_at_most_the_cap_of_the_own_burn() {
    let mut net = network(|_| ());
    net.register_all(&["p1"]);
    let paid = job(&mut net, 3);
    assert_eq!(net.fail("p1", REWARDS, 0, IRewards::claimCall {}), "NothingOwed", "the epoch is not over");
    epoch_over(&mut net);
    let due = paid / 20 / 2;
    assert_eq!(owed(&net, "p1"), due, "half of what was burned: the cap, since the budget is large");
    let (minted, emitted) = (net.books().minted, inflation(&net).emitted);
    assert_eq!(net.fail("p1", REWARDS, 1, IRewards::claimCall {}), "NotPayable");
    let had = net.balance("p1");
    net.ok("p1", REWARDS, 0, IRewards::claimCall {});
    assert!(net.balance("p1") < had + due && net.balance("p1") > had + due - GRAINS_PER_KRT / 1_000, "less a fee");
    let event = net.events::<IRewards::EmissionPaid>().remove(0);
    assert_eq!((event.provider, event.epoch, event.burned, event.amount), (addr("p1"), 0, paid / 20, due));
    assert_eq!((net.books().minted - minted, inflation(&net).emitted - emitted), (due, due));
    assert_eq!(net.fail("p1", REWARDS, 0, IRewards::claimCall {}), "NothingOwed");
    assert_eq!((owed(&net, "p1"), burned(&net, "p1", 0)), (0, 0));
}

#[test]
fn the_next_payment_pays_what_is_owed_so_that_no_more_than_one_ended_epoch_waits() {
    let mut net = network(|_| ());
    net.register_all(&["p1"]);
    let first = job(&mut net, 1);
    for _ in 0..3 {
        epoch_over(&mut net);
    }
    let owed_before = owed(&net, "p1");
    assert_eq!(owed_before, first / 40);
    let (emitted, epoch) = (inflation(&net).emitted, inflation(&net).epoch);
    let second = job(&mut net, 1);
    assert_eq!(inflation(&net).emitted - emitted, owed_before);
    assert_eq!((owed(&net, "p1"), burned(&net, "p1", epoch)), (0, second / 20));
}

#[test]
fn what_is_not_claimed_in_time_is_never_minted() {
    let mut net = network(|genesis| genesis.params.emission_claim_epochs = 2);
    net.register_all(&["p1"]);
    job(&mut net, 1);
    epoch_over(&mut net);
    epoch_over(&mut net);
    assert!(owed(&net, "p1") > 0, "one epoch later it may be");
    epoch_over(&mut net);
    assert_eq!(owed(&net, "p1"), 0);
    let minted = net.books().minted;
    assert_eq!(net.fail("p1", REWARDS, 0, IRewards::claimCall {}), "NothingOwed");
    assert_eq!(net.books().minted, minted);
    job(&mut net, 1);
    assert_eq!(burned(&net, "p1", 0), 0, "and forgotten with its next payment");
}

#[test]
fn providers_share_a_small_budget_by_burn_and_fullness() {
    let mut net = network(|genesis| {
        (genesis.params.emission_bps_a_year, genesis.params.emission_full_bps) = (1, 10_000);
        genesis.params.emission_cap_bps = 10_000;
    });
    net.register_all(&["p1", "p2"]);
    let id = net.assigned(spec(1, 1, 2));
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    net.until(10, |net| net.job(id).outcome.is_some());
    // Two equal parts of the utilised part of the budget.
    net.time_ms += 1;
    let event = {
        net.until(30, |net| !net.events::<IRewards::EpochMinted>().is_empty());
        net.events::<IRewards::EpochMinted>().remove(0)
    };
    let used = assay_ledger::query::market_prices(&net.state, 1, 1).remove(0).utilisation_bps;
    assert!(used > 0 && used < 10_000, "{used}");
    let all = owed(&net, "p1") + owed(&net, "p2");
    assert_eq!(owed(&net, "p1"), owed(&net, "p2"));
    let most = event.budget * u128::from(used) / 10_000;
    assert!(event.burned > most, "burned more than there is: {} of {most}", event.burned);
    assert!(all <= most && all + 2 >= most, "{all} of {most}");
}

#[test]
fn inflation_is_minted_by_time_to_the_treasury_and_to_seats_by_stake() {
    let mut net = network(|genesis| genesis.validators[0].stake = 300 * GRAINS_PER_KRT);
    let supply = net.books().minted - net.books().burned;
    let (treasury, stakes) = (net.books().treasury, net.books().stake);
    let first = inflation(&net);
    let bonded = formula::bonded_ratio(600 * GRAINS_PER_KRT, supply);
    assert_eq!((first.rate, first.bonded, first.supply), (formula::from_bps(600), bonded, supply));
    let event = epoch_over(&mut net);
    let dt = HOUR_MS + 50 * u64::from(EPOCH);
    assert_eq!((event.epoch, event.dtMs, event.bonded), (0, dt, bonded));
    let rule = formula::InflationRule::of(&params());
    assert_eq!(event.rate, rule.next(first.rate, bonded, dt));
    assert!(event.rate > first.rate, "too little is bonded");
    let due = formula::minted(supply, event.rate, dt);
    assert_eq!(event.toTreasury, due / 10);
    assert_eq!(net.books().treasury - treasury, due / 10);
    assert!(event.toValidators <= due - due / 10 && event.toValidators + 4 > due - due / 10);
    assert_eq!(net.books().stake - stakes, event.toValidators, "it waits with staking");
    let names = ["v1", "v2", "v3", "v4"];
    let got = names.map(|who| {
        let had = net.balance(who);
        net.ok(who, STAKING, 0, IStaking::claimRewardsCall { validator: addr(who) });
        net.ok(who, STAKING, 0, IStaking::claimCommissionCall {});
        net.balance(who) + GRAINS_PER_KRT / 1_000_000 - had
    });
    let each = event.toValidators / 6;
    assert!(got[0].abs_diff(3 * each) < each / 100 && got[3].abs_diff(each) < each / 100, "{got:?} of {each}");
    assert_eq!(inflation(&net).lastMinted, event.toTreasury + event.toValidators);
    assert_eq!(ask_chain(&net, CHAIN, &IChain::supplyCall {}).inflation, event.rate);
}

#[test]
fn idle_and_fast_chains_mint_alike_and_a_halt_mints_for_the_longest_gap() {
    let mut fast = network(|genesis| genesis.params.epoch_blocks = 10);
    let mut slow = network(|genesis| genesis.params.epoch_blocks = 2);
    for _ in 0..100 {
        fast.pass(1);
    }
    for _ in 0..10 {
        slow.time_ms += 450;
        slow.pass(1);
    }
    assert_eq!(fast.time_ms, slow.time_ms);
    let (one, other) = (inflation(&fast), inflation(&slow));
    assert_eq!(one.minted.abs_diff(other.minted) * 1_000_000 / one.minted, 0, "within a millionth: compounding");
    let gap = params().max_mint_gap_ms;
    slow.time_ms += 1_000 * gap;
    slow.pass(2);
    assert_eq!(slow.events::<IRewards::EpochMinted>()[0].dtMs, gap);
}

#[test]
fn the_rate_falls_where_more_is_bonded_than_the_goal_and_stays_within_its_bounds() {
    let mut net = network(|genesis| {
        genesis.params.goal_bonded_bps = 100;
        genesis.params.inflation_change_bps = 10_000;
        genesis.params.inflation_min_bps = 590;
        genesis.params.max_mint_gap_ms = formula::YEAR_MS;
    });
    let first = inflation(&net).rate;
    let second = epoch_over(&mut net).rate;
    assert!(second < first);
    net.time_ms += formula::YEAR_MS;
    assert_eq!(epoch_over(&mut net).rate, formula::from_bps(590));
}

#[test]
fn nothing_staked_and_nothing_supplied_mint_nothing_to_nobody() {
    let mut net = network(|genesis| genesis.validators.iter_mut().for_each(|validator| validator.stake = 0));
    let event = epoch_over(&mut net);
    assert!(event.toTreasury > 0, "the treasury has its share");
    assert_eq!((event.toValidators, event.bonded), (0, 0));
    let mut net = network(|genesis| {
        genesis.accounts.clear();
        genesis.treasury = 0;
        genesis.validators.iter_mut().for_each(|validator| validator.stake = 0);
    });
    let event = epoch_over(&mut net);
    assert_eq!((event.toTreasury, event.toValidators, event.budget, event.bonded), (0, 0, 0, 0));
    assert_eq!(net.books().minted, 0);
}

#[test]
fn the_largest_supply_stops_minting_and_keeps_its_books() {
    let most = u128::MAX / 2;
    let mut net = network(|genesis| {
        let others: u128 = genesis.accounts.iter().skip(1).map(|account| account.balance).sum();
        let stakes: u128 = genesis.validators.iter().map(|validator| validator.stake).sum();
        genesis.accounts[0].balance = most - others - stakes - genesis.treasury - 1_000;
    });
    let event = epoch_over(&mut net);
    assert_eq!((event.toTreasury, event.toValidators / 4), (100, 225), "all that is left to mint");
    net.register_all(&["p1"]);
    job(&mut net, 1);
    epoch_over(&mut net);
    assert!(owed(&net, "p1") > 0);
    assert_eq!(net.fail("p1", REWARDS, 0, IRewards::claimCall {}), "NothingOwed", "nothing is left to mint");
    assert_eq!(net.books().minted, most);
}

#[test]
fn nobody_writes_with_a_view_and_nobody_claims_for_nothing() {
    let net = network(|_| ());
    for call in [
        IRewards::inflationCall {}.abi_encode(),
        IRewards::owedCall { provider: addr("p1") }.abi_encode(),
        IRewards::burnedCall { provider: addr("p1"), epoch: 0 }.abi_encode(),
    ] {
        let raw = sign("stranger", tx(0, REWARDS, 0, call));
        assert_eq!(assay_ledger::check(&raw, &rules()).err(), Some(assay_ledger::Reject::ViewFunction));
    }
    let mut net = net;
    assert_eq!(net.fail("stranger", REWARDS, 0, IRewards::claimCall {}), "NothingOwed");
}

/// What a renter and a provider that are one have, wherever it lies, and what burned of its payments that it was
/// not paid emission for: the most that may still come back.
fn coalition(net: &Net) -> u128 {
    let jobs = assay_ledger::query::jobs(&net.state, Some(addr("renter")), usize::MAX);
    let escrow: u128 = jobs.iter().map(|job| net.job(job.id).escrow).sum();
    let provider = net.provider("p1");
    let unpaid: u128 = (0..=inflation(net).epoch).map(|epoch| burned(net, "p1", epoch)).sum();
    net.balance("renter") + net.balance("p1") + provider.collateral + escrow + unpaid
}

#[derive(Debug, Clone)]
enum Deal {
    /// A job at that price, as a part of ten of the limit.
    Job(u8, u8),
    Claim,
    Pass(u8),
    Epoch,
}

fn deal() -> impl Strategy<Value = Deal> {
    prop_oneof![
        4 => (1u8..5, 1u8..11).prop_map(|(tasks, price)| Deal::Job(tasks, price)),
        1 => Just(Deal::Claim),
        1 => (0u8..6).prop_map(Deal::Pass),
        2 => Just(Deal::Epoch),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever buys from itself has no more after any block than before it, whatever share burns and comes back:
    /// with what may still come back, so that it never has more than it began with.
    #[test]
    fn self_dealing_never_gains(
        deals in prop::collection::vec(deal(), 4..40),
        burn in 1u32..5_001,
        cap in prop_oneof![Just(10_000u32), 1u32..10_001],
    ) {
        let mut net = network(|genesis| {
            (genesis.params.job_burn_bps, genesis.params.emission_cap_bps) = (burn, cap);
            genesis.params.min_base_fee = 8;
        });
        net.register_all(&["p1"]);
        let mut had = coalition(&net);
        let mut check = |net: &Net| {
            let has = coalition(net);
            assert!(has <= had, "gained {} at height {}", has - had, net.height);
            had = has;
        };
        for deal in deals.iter().chain(&[Deal::Job(4, 10), Deal::Epoch, Deal::Claim]) {
            match deal {
                Deal::Job(tasks, price) => {
                    let ask = assay_types::abi::IProviders::updateCall {
                        sealingKey: B256::ZERO, endpoint: vec![9; 40].into(), ask: ask(PRICE * u128::from(*price) / 10),
                    };
                    net.ok("p1", assay_types::system::PROVIDERS, 0, ask);
                    check(&net);
                    let id = net.submit(spec(u32::from(*tasks), 2, 1));
                    check(&net);
                    net.until(4, |net| net.job(id).lots.iter().all(|lot| lot.replicas.len() == 1));
                    net.deliver_keys(id);
                    for lot in 0..net.job(id).lots.len() {
                        net.perform(id, u32::try_from(lot).expect("few"), honest);
                    }
                    for _ in 0..8 {
                        net.pass(1);
                        check(&net);
                    }
                    prop_assert!(net.job(id).outcome.is_some());
                    prop_assert_eq!(net.fail("renter", JOBS, 0, IJobs::cancelCall { job: id }), "JobClosed");
                }
                Deal::Claim => { net.send("p1", REWARDS, 0, IRewards::claimCall {}); }
                Deal::Pass(blocks) => net.pass(u64::from(*blocks)),
                Deal::Epoch => { epoch_over(&mut net); }
            }
            check(&net);
        }
        let now = inflation(&net);
        prop_assert!(now.emitted > 0, "and there was something to gain");
        prop_assert!(now.emitted <= now.burned * u128::from(cap) / 10_000);
    }
}

#[test]
fn the_plots_in_the_docs_are_what_the_formulas_give() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/img");
    let page = std::fs::read_to_string(folder.join("../rewards.md")).expect("the page is there");
    for (name, drawing) in crate::plots::all() {
        let kept = std::fs::read_to_string(folder.join(name)).expect("the plot is there");
        assert!(kept == drawing, "{name} is old: cargo run -p assay-ledger --example rewards_plots");
        assert!(page.contains(&format!("(img/{name})")), "{name} is not on the page");
    }
}
