//! Outputs that a renter cannot fetch.

use assay_ledger::query;
use assay_types::{
    GRAINS_PER_KRT, JobCause, JobId, JobOutcome,
    abi::IJobs,
    system::JOBS,
    view::{LotPhase, Role},
};

use crate::{kit::*, scenario::*};

const BOND: u128 = GRAINS_PER_KRT / 10;

fn agreed(net: &mut Net, names: &[&str]) -> JobId {
    net.register_all(names);
    let id = net.assigned(spec(1, 1, 1));
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    assert_eq!(net.lot(id, 0).phase, LotPhase::Agreed);
    id
}

fn demanded(net: &mut Net, id: JobId) -> Vec<String> {
    net.ok("renter", JOBS, 2 * BOND, IJobs::demandDeliveryCall { job: id, task: 0 });
    net.pass(1);
    net.lot(id, 0).delivery.expect("pending").witnesses.into_iter().map(name_of).collect()
}

fn attest(id: JobId, mask: u32) -> IJobs::attestDeliveryCall {
    IJobs::attestDeliveryCall { job: id, lot: 0, deliveredMask: mask }
}

#[test]
fn a_withheld_output_is_witnessed_the_provider_slashed_and_the_lot_redone() {
    let mut net = Net::new();
    let id = agreed(&mut net, &["p1", "p2", "p3", "p4"]);
    let withholder = net.replicas(id, 0).remove(0);
    let locked = net.provider(&withholder).locked;
    let witnesses = demanded(&mut net, id);
    assert_eq!(witnesses.len(), 3);
    assert!(!witnesses.contains(&withholder), "of other operators");
    assert_eq!(query::work(&net.state, addr(&witnesses[0]))[0].role, Role::Witness);
    net.pass(3);
    assert_eq!(net.lot(id, 0).phase, LotPhase::Agreed, "settlement waits");
    let before = net.balance("renter");
    net.ok(&witnesses[0], JOBS, 0, attest(id, 0));
    net.ok(&witnesses[1], JOBS, 0, attest(id, 0));
    net.until(8, |net| net.lot(id, 0).attempts == 1);
    assert!(!net.events::<IJobs::DeliveryResolved>().remove(0).delivered);
    assert_eq!((net.provider(&withholder).slashed, net.lot(id, 0).cause), (locked, JobCause::WithheldOutput));
    assert_eq!(net.balance("renter"), before + BOND + locked / 2, "bond back, and all that is not burned");
    net.until(3, |net| net.replicas(id, 0).len() == 1);
    assert_ne!(net.replicas(id, 0), [withholder]);
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    net.until(10, |net| net.job(id).outcome == Some(JobOutcome::Completed));
}

#[test]
fn when_witnesses_could_fetch_they_share_the_bond_and_the_lot_settles() {
    let mut net = Net::new();
    let id = agreed(&mut net, &["p1", "p2", "p3", "p4"]);
    let witnesses = demanded(&mut net, id);
    let had: Vec<_> = witnesses.iter().map(|who| net.balance(who)).collect();
    let mut fees = 0;
    for who in &witnesses {
        let receipt = net.ok(who, JOBS, 0, attest(id, 1));
        fees = u128::from(receipt.gas_used) * receipt.effective_gas_price;
    }
    assert!(net.events::<IJobs::DeliveryResolved>().remove(0).delivered);
    for (who, had) in witnesses.iter().zip(had) {
        assert_eq!(net.balance(who), had - fees + BOND / 3);
    }
    net.until(10, |net| net.job(id).outcome == Some(JobOutcome::Completed));
}

#[test]
fn a_demand_that_no_witness_answers_returns_the_bond_and_settles() {
    let mut net = Net::new();
    let id = agreed(&mut net, &["p1", "p2"]);
    demanded(&mut net, id);
    let before = net.balance("renter");
    net.until(10, |net| !net.events::<IJobs::DeliveryResolved>().is_empty());
    assert_eq!(net.balance("renter"), before + BOND);
    net.until(10, |net| net.job(id).outcome == Some(JobOutcome::Completed));
}

#[test]
fn a_demand_needs_the_renter_a_bond_a_witness_and_no_other_pending() {
    let mut net = Net::new();
    let id = agreed(&mut net, &["p1"]);
    let demand = IJobs::demandDeliveryCall { job: id, task: 0 };
    assert_eq!(net.fail("renter", JOBS, BOND, demand), "NoWitnesses");
    let mut net = Net::new();
    let id = agreed(&mut net, &["p1", "p2"]);
    let demand = IJobs::demandDeliveryCall { job: id, task: 0 };
    let txs = [
        net.tx("stranger", JOBS, BOND, alloy_sol_types::SolCall::abi_encode(&demand)),
        net.tx("renter", JOBS, BOND - 1, alloy_sol_types::SolCall::abi_encode(&demand)),
    ];
    let names: Vec<_> = net.run(&txs).into_iter().map(|r| outcome(&r.expect("included")).to_owned()).collect();
    assert_eq!(names, ["NotRenter", "ValueTooLow"]);
    let witness = demanded(&mut net, id).remove(0);
    assert_eq!(net.fail("renter", JOBS, BOND, demand), "AnotherPending");
    let challenge = IJobs::challengeCall { job: id, task: 0 };
    assert_eq!(net.fail("stranger", JOBS, GRAINS_PER_KRT, challenge), "AnotherPending");
    assert_eq!(net.fail("stranger", JOBS, 0, attest(id, 1)), "NotWitness");
    assert_eq!(net.fail(&witness, JOBS, 0, attest(id, 2)), "MaskOutOfRange");
}
