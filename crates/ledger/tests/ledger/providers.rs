//! Providers: registration, terms, collateral in and out.

use alloy_primitives::{Address, B256};
use assay_types::{GRAINS_PER_KRT, abi::IProviders, system::PROVIDERS};

use crate::{kit::*, scenario::*};

fn register(ask: IProviders::Ask, endpoint: usize) -> IProviders::registerCall {
    IProviders::registerCall {
        operator: Address::ZERO,
        sealingKey: B256::ZERO,
        endpoint: vec![0; endpoint].into(),
        ask,
    }
}

#[test]
fn a_registration_is_refused_for_each_bad_term_and_once_is_enough() {
    let mut net = Net::new();
    let least = 10 * GRAINS_PER_KRT;
    let runtime = IProviders::Ask { runtimeId: B256::ZERO, ..ask(PRICE) };
    assert_eq!(net.fail("p1", PROVIDERS, least, register(ask(PRICE), 257)), "EndpointTooLong");
    assert_eq!(net.fail("p1", PROVIDERS, least, register(runtime, 0)), "UnknownRuntime");
    assert_eq!(net.fail("p1", PROVIDERS, least, register(ask(0), 0)), "AskInvalid");
    assert_eq!(net.fail("p1", PROVIDERS, least - 1, register(ask(PRICE), 0)), "ValueTooLow");
    net.ok("p1", PROVIDERS, least, register(ask(PRICE), 256));
    assert_eq!(net.fail("p1", PROVIDERS, least, register(ask(PRICE), 0)), "AlreadyRegistered");
    let provider = net.provider("p1");
    assert_eq!((provider.operator, provider.collateral), (addr("p1"), least), "its own operator by default");
    let update = IProviders::updateCall { sealingKey: B256::ZERO, endpoint: vec![].into(), ask: ask(1) };
    assert_eq!(net.fail("p2", PROVIDERS, 0, update.clone()), "UnknownProvider");
    net.ok("p1", PROVIDERS, 0, update);
    assert_eq!(net.provider("p1").price_per_gigafuel, 1);
}

#[test]
fn collateral_leaves_only_when_free_and_after_the_delay() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let id = net.assigned(spec(1, 1, 1));
    let locked = net.provider("p1").locked;
    assert!(locked > 0);
    let request = |amount| IProviders::requestWithdrawalCall { amount };
    let free = 100 * GRAINS_PER_KRT - locked;
    assert_eq!(net.fail("p1", PROVIDERS, 0, IProviders::withdrawCall {}), "NothingToWithdraw");
    assert_eq!(net.fail("p1", PROVIDERS, 0, request(0)), "AmountZero");
    assert_eq!(net.fail("p1", PROVIDERS, 0, request(free + 1)), "CollateralInUse");
    net.ok("p1", PROVIDERS, 0, request(free));
    assert_eq!(net.fail("p1", PROVIDERS, 0, request(1)), "CollateralInUse");
    assert_eq!(net.fail("p1", PROVIDERS, 0, IProviders::withdrawCall {}), "WithdrawalTooEarly");
    net.pass(20);
    let before = net.balance("p1");
    let receipt = net.ok("p1", PROVIDERS, 0, IProviders::withdrawCall {});
    let fee = u128::from(receipt.gas_used) * receipt.effective_gas_price;
    assert_eq!(net.balance("p1"), before + free - fee);
    assert!(net.job(id).outcome.is_none());
}

#[test]
fn collateral_being_withdrawn_backs_no_new_lot() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    net.ok("p1", PROVIDERS, 0, IProviders::requestWithdrawalCall { amount: 100 * GRAINS_PER_KRT });
    let id = net.submit(spec(1, 1, 1));
    net.pass(3);
    assert!(net.replicas(id, 0).is_empty());
    net.ok("p1", PROVIDERS, 50 * GRAINS_PER_KRT, IProviders::depositCollateralCall {});
    net.until(3, |net| net.replicas(id, 0) == ["p1"]);
    assert_eq!(net.fail("p2", PROVIDERS, 1, IProviders::depositCollateralCall {}), "UnknownProvider");
    assert_eq!(net.fail("p1", PROVIDERS, 0, IProviders::depositCollateralCall {}), "AmountZero");
}

#[test]
fn a_closed_ask_draws_no_work_and_keeps_what_it_has() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let first = net.assigned(spec(1, 1, 1));
    let closed = IProviders::Ask { open: false, ..ask(PRICE / 2) };
    net.ok("p1", PROVIDERS, 0, IProviders::updateCall { sealingKey: B256::ZERO, endpoint: vec![].into(), ask: closed });
    let second = net.submit(spec(1, 1, 1));
    net.pass(3);
    assert!(net.replicas(second, 0).is_empty());
    net.deliver_keys(first);
    net.perform(first, 0, honest);
    net.until(10, |net| net.job(first).outcome.is_some());
}

#[test]
fn a_submission_is_refused_for_each_bad_term() {
    use assay_types::{JobSpec, abi::IJobs, system::JOBS};
    let mut net = Net::new();
    let all = 500 * GRAINS_PER_KRT;
    let mut refused = |change: &dyn Fn(&mut JobSpec)| {
        let mut spec = spec(2, 1, 1);
        change(&mut spec);
        net.fail("renter", JOBS, all, IJobs::submitCall { spec })
    };
    assert_eq!(refused(&|spec| spec.inputs.clear()), "SpecNoTasks");
    assert_eq!(refused(&|spec| spec.inputs = vec![B256::ZERO; 1_025]), "SpecTooManyTasks");
    assert_eq!(refused(&|spec| spec.tasksPerLot = 0), "SpecLotSize");
    assert_eq!(refused(&|spec| spec.tasksPerLot = 65), "SpecLotSize");
    assert_eq!(refused(&|spec| spec.abi = 2), "SpecUnknownAbi");
    assert_eq!(refused(&|spec| spec.replicas = 0), "SpecReplicas");
    assert_eq!(refused(&|spec| spec.fuelPerTask = u64::MAX), "SpecFuel");
    assert_eq!(refused(&|spec| spec.memoryMib = 0), "SpecMemory");
    assert_eq!(refused(&|spec| spec.outputBytes = u32::MAX), "SpecOutput");
    assert_eq!(refused(&|spec| spec.maxPricePerGigafuel = 0), "SpecPrice");
    assert_eq!(refused(&|spec| spec.maxPricePerGigafuel = u128::MAX), "SpecPrice");
    assert_eq!(refused(&|spec| spec.commitWindow = 1), "SpecWindow");
    assert_eq!(refused(&|spec| spec.challengeWindow = 1_001), "SpecWindow");
    assert_eq!(refused(&|spec| spec.lifetime = 9), "SpecWindow");
    assert_eq!(refused(&|spec| spec.source = vec![0; 257].into()), "SpecSource");
    assert_eq!(refused(&|spec| spec.runtimeId = B256::ZERO), "UnknownRuntime");
    let escrow = spec(2, 1, 1).escrow().expect("fits");
    assert_eq!(net.fail("renter", JOBS, escrow - 1, IJobs::submitCall { spec: spec(2, 1, 1) }), "ValueTooLow");
    let before = net.balance("renter");
    let receipt = net.ok("renter", JOBS, all, IJobs::submitCall { spec: spec(2, 1, 1) });
    let fee = u128::from(receipt.gas_used) * receipt.effective_gas_price;
    assert_eq!(net.balance("renter"), before - fee - escrow, "value above the escrow is not taken");
}

#[test]
fn keys_are_accepted_from_holders_only_once_and_within_size() {
    use assay_types::{abi::IJobs, system::JOBS};
    let mut net = Net::new();
    net.register_all(&["p1", "p2", "p3"]);
    let id = net.assigned(spec(1, 1, 2));
    let drawn = net.replicas(id, 0);
    let idle = ["p1", "p2", "p3"].into_iter().find(|who| !drawn.contains(&(*who).to_owned())).expect("one idle");
    let key = |who: &str, bytes: usize| IJobs::deliverKeyCall {
        job: id,
        provider: addr(who),
        sealedKey: vec![1; bytes].into(),
    };
    assert_eq!(net.fail("stranger", JOBS, 0, key(&drawn[0], 80)), "NotKeyHolder");
    assert_eq!(net.fail("renter", JOBS, 0, key(idle, 80)), "NotAssigned");
    assert_eq!(net.fail("renter", JOBS, 0, key(&drawn[0], 161)), "KeyTooLong");
    let commit = IJobs::commitCall { job: id, lot: 0, commitment: B256::ZERO };
    assert_eq!(net.fail(&drawn[0], JOBS, 0, commit.clone()), "KeyNotDelivered");
    net.ok("renter", JOBS, 0, key(&drawn[0], 160));
    assert_eq!(net.fail("renter", JOBS, 0, key(&drawn[0], 80)), "KeyAlreadyDelivered");
    net.ok(&drawn[0], JOBS, 0, key(&drawn[1], 80));
    assert_eq!(net.fail(idle, JOBS, 0, commit.clone()), "NotAssigned");
    net.ok(&drawn[1], JOBS, 0, commit.clone());
    assert_eq!(net.fail(&drawn[1], JOBS, 0, commit.clone()), "AlreadyCommitted");
    let unknown = |job, lot| IJobs::commitCall { job, lot, commitment: B256::ZERO };
    assert_eq!(net.fail(&drawn[0], JOBS, 0, unknown(B256::ZERO, 0)), "UnknownJob");
    assert_eq!(net.fail(&drawn[0], JOBS, 0, unknown(id, 1)), "UnknownLot");
}
