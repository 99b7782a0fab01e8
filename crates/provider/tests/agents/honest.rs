//! Nobody cheats and nothing breaks.

use std::{sync::atomic::Ordering, time::Duration};

use assay_client::{
    Chain, JobFolder, Receipt, ReceiptError, Until,
    receipt::{Disclose, verify},
};
use assay_types::{B256, JobOutcome};

use crate::{
    chain::TestLight,
    net::{Net, result_of, wallet},
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the custodian to the end and checks that every output is the honest one.
pub(crate) async fn completes(net: &Net, custodian: &assay_client::Custodian, tasks: u8) -> assay_types::view::JobView {
    let finished = tokio::time::timeout(PATIENCE, custodian.run(Until::Fetched, |_| {})).await;
    let progress = finished.expect("in time").expect("runs");
    assert_eq!(progress.job.outcome, Some(JobOutcome::Completed), "{:?}", progress.job.cause);
    for task in 0..tasks {
        let output = custodian.with_folder(|folder| folder.output(u32::from(task))).expect("reads").expect("is there");
        assert_eq!(output.execution, result_of(b"the program", &[task; 4]).execution, "task {task}");
    }
    assert!(net.chain.books().balance());
    progress.job
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_run_twice_agreed_on_paid_and_brought_home() {
    let mut net = Net::start().await;
    for name in ["p1", "p2", "p3"] {
        net.provide(name, None).await;
    }
    let custodian = net.custodian(5, 2).await;
    let id = custodian.submit().await.expect("submits");
    assert_eq!(custodian.submit().await.expect("knows"), id, "submitting again is no second job");
    let job = completes(&net, &custodian, 5).await;
    assert_eq!(net.engine.runs.load(Ordering::Relaxed), 10, "each task ran on two providers, once");
    assert!(job.lots.iter().all(|lot| lot.attempts == 0));
    for name in ["p1", "p2", "p3"] {
        assert_eq!(net.provider(name).await.slashed, 0);
    }
    assert!(job.paid > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renter_who_goes_away_after_handing_over_finds_the_results_later() {
    let mut net = Net::start().await;
    for name in ["p1", "p2", "p3"] {
        net.provide(name, None).await;
    }
    let custodian = net.custodian(4, 2).await;
    let id = custodian.submit().await.expect("submits");
    let over = tokio::time::timeout(PATIENCE, custodian.run(Until::HandedOver, |_| {})).await;
    over.expect("in time").expect("runs");
    let source = net.world.node("renter", std::sync::Arc::new(assay_store::transfer::RefusePuts));
    drop(custodian);
    net.world.set_online(&assay_store::Blobs::source(&*source), false);
    while net.chain.job(id).await.expect("answers").expect("is known").outcome.is_none() {
        tokio::time::sleep(crate::net::BLOCK).await;
    }
    let folder = JobFolder::open(net.job_dir()).expect("opens");
    let resumed = net.resume(folder, source).await;
    completes(&net, &resumed, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_provider_finishes_what_it_started_and_unpunished() {
    let mut net = Net::start().await;
    for name in ["p1", "p2", "p3", "p4"] {
        net.provide(name, None).await;
    }
    let custodian = net.custodian(6, 2).await;
    let id = custodian.submit().await.expect("submits");
    let run = async { completes(&net, &custodian, 6).await };
    let drained = net.running["p1"].agent.clone();
    let watch = async {
        while net.chain.job(id).await.expect("answers").expect("known").lots.iter().all(|lot| lot.replicas.is_empty()) {
            tokio::time::sleep(crate::net::BLOCK).await;
        }
        drained.drain();
    };
    futures::join!(run, watch);
    assert_eq!(net.provider("p1").await.slashed, 0);
    tokio::time::timeout(PATIENCE, net.take("p1").drain()).await.expect("ends in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_holds_and_each_tampering_fails_at_its_own_step() {
    let mut net = Net::start().await;
    for name in ["p1", "p2"] {
        net.provide(name, None).await;
    }
    let custodian = net.custodian(3, 2).await;
    let id = custodian.submit().await.expect("submits");
    let job = completes(&net, &custodian, 3).await;
    let genesis = net.chain.genesis().await.expect("answers");
    let proof = net.chain.job_proof(id).await.expect("answers").expect("is closed");
    let receipt = custodian
        .with_folder(|folder| Receipt::assemble(&genesis, folder, &job, proof, Disclose::Everything))
        .expect("assembles");
    let read = Receipt::from_json(&receipt.to_json()).expect("reads its own");
    assert_eq!(read, receipt);
    let good = verify(&genesis, &receipt, &TestLight).expect("holds");
    assert_eq!((good.job, good.result.renter), (id, wallet("renter").address()));
    assert_eq!(good.outputs[&2], result_of(b"the program", &[2; 4]).execution);

    let bad = |change: &dyn Fn(&mut Receipt)| {
        let mut tampered = receipt.clone();
        change(&mut tampered);
        verify(&genesis, &tampered, &TestLight).expect_err("is refused")
    };
    let flip = |bytes: &mut assay_types::Bytes| {
        let mut changed = bytes.to_vec();
        changed[0] ^= 1;
        *bytes = changed.into();
    };
    assert!(matches!(bad(&|r| r.version = 2), ReceiptError::Version(2)));
    assert!(matches!(bad(&|r| r.genesis_hash = B256::ZERO), ReceiptError::WrongNetwork { .. }));
    assert!(matches!(bad(&|r| flip(&mut r.proof.certificate)), ReceiptError::Certificate(_)));
    assert!(matches!(bad(&|r| flip(&mut r.proof.header)), ReceiptError::Certificate(_)));
    assert!(matches!(bad(&|r| r.proof.height += 1), ReceiptError::Header { .. }));
    assert!(matches!(bad(&|r| flip(&mut r.proof.proof)), ReceiptError::StateProof(_)));
    assert!(matches!(bad(&|r| r.job = B256::ZERO), ReceiptError::StateProof(_)));
    let other = assay_client::job::submit_input(&assay_types::JobSpec { replicas: 1, ..good.spec.clone() });
    assert!(matches!(bad(&|r| r.submission = other.clone()), ReceiptError::Spec));
    assert!(matches!(bad(&|r| r.leaves[0].fuel += 1), ReceiptError::Leaves(_)));
    assert!(matches!(bad(&|r| r.leaves.swap(0, 1)), ReceiptError::Leaves(_)));
    assert!(matches!(bad(&|r| r.leaves.truncate(2)), ReceiptError::Leaves(_)));
    let in_contents = |change: &dyn Fn(&mut assay_client::receipt::Contents)| {
        bad(&|r| change(r.contents.as_mut().expect("has contents")))
    };
    assert!(matches!(in_contents(&|c| c.key = B256::ZERO), ReceiptError::Key));
    let output = in_contents(&|c| flip(c.outputs.get_mut(&1).expect("is there")));
    assert!(matches!(output, ReceiptError::Output { task: 1, .. }));
    let blob = in_contents(&|c| c.blobs.values_mut().for_each(flip));
    assert!(matches!(blob, ReceiptError::Blob(_)));
}
