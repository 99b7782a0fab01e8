//! Jobs that go well, and jobs whose providers or renter do not.

use assay_ledger::{JobResult, keys, leaves_hash, query, spec_hash};
use assay_proof::lot_root;
use assay_types::{
    JobCause, JobOutcome,
    view::{LotPhase, Role},
};

use crate::{kit::*, scenario::*};

#[test]
fn a_job_is_assigned_run_agreed_settled_and_proved() {
    let mut net = Net::new();
    net.register_all(&["p1", "p2", "p3"]);
    let (spec, before) = (spec(5, 2, 2), net.balance("renter"));
    let id = net.assigned(spec.clone());
    let escrow = spec.escrow().expect("fits");
    assert_eq!(net.job(id).escrow, escrow);
    net.deliver_keys(id);
    for index in 0..3 {
        net.perform(id, index, honest);
    }
    assert!(query::work(&net.state, addr("renter")).iter().any(|item| item.role == Role::Renter));
    net.until(10, |net| net.job(id).outcome.is_some());
    let job = net.job(id);
    assert_eq!((job.outcome, job.cause), (Some(JobOutcome::Completed), JobCause::None));
    let leaves: Vec<_> = (0..5).map(truth).collect();
    let fuel: u64 = leaves.iter().map(|leaf| leaf.fuel).sum();
    assert_eq!(job.fuel, fuel);
    assert_eq!(job.result_root, lot_root(0, &leaves).ok().map(|root| root.hash));
    let one_run: u128 = leaves.iter().map(|leaf| u128::from(leaf.fuel) * (PRICE / 2) / 1_000_000_000).sum();
    assert_eq!((job.paid, job.refunded, job.escrow), (2 * one_run, escrow - 2 * one_run, 0));
    assert_eq!(job.lots.iter().map(|lot| lot.phase).collect::<Vec<_>>(), [LotPhase::Settled; 3]);
    assert!(before - net.balance("renter") < 2 * one_run + 10 * 1_000_000 * GWEI);
    for who in ["p1", "p2", "p3"] {
        let provider = net.provider(who);
        assert_eq!((provider.locked, provider.active_lots, provider.faults), (0, 0, 0));
        assert!(query::work(&net.state, addr(who)).is_empty());
    }
    assert!(query::work(&net.state, addr("renter")).is_empty());
    let bytes = assay_ledger::StateRead::get(&net.state, &keys::job_result(id)).expect("a result");
    let result = JobResult::decode(&bytes).expect("canonical");
    assert_eq!((result.spec_hash, result.leaves_hash), (spec_hash(&spec), leaves_hash(&leaves)));
    assert_eq!((result.paid, result.fuel, result.result_root), (job.paid, fuel, job.result_root));
    assert!(!assay_ledger::work_pending(&net.state), "nothing keeps an idle chain awake");
}
