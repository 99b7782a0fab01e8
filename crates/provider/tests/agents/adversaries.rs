//! One provider cheats: it is caught and pays, and the job ends as if it had not been there.

use std::sync::Arc;

use assay_client::{
    Chain, CustodianPolicy, JobFolder,
    custodian::{Recheck, RecheckTask},
};
use assay_provider::Misbehaviour;
use assay_store::transfer::RefusePuts;
use assay_types::view::JobView;

use crate::{
    honest::completes,
    net::{Net, address, result_of},
};

/// Two cheats of three providers at most would collude; here one of four cheats until it was drawn.
async fn with_a_cheat(cheat: Misbehaviour) -> (Net, JobView) {
    let mut net = Net::start().await;
    net.provide("p1", Some(cheat)).await;
    for name in ["p2", "p3", "p4"] {
        net.provide(name, None).await;
    }
    let custodian = net.custodian(12, 2).await;
    custodian.submit().await.expect("submits");
    let job = completes(&net, &custodian, 12).await;
    (net, job)
}

async fn is_punished(cheat: Misbehaviour) {
    let (net, job) = with_a_cheat(cheat).await;
    assert!(net.provider("p1").await.slashed > 0, "{cheat:?} went unpunished");
    assert!(job.compensated > 0, "the renter was not compensated for {cheat:?}");
    for honest in ["p2", "p3", "p4"] {
        assert_eq!(net.provider(honest).await.slashed, 0, "{honest} was punished for {cheat:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_adjudicated_slashed_and_its_work_redone() {
    is_punished(Misbehaviour::LieAboutTasks { every: 3, seed: 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_padded_bill_is_adjudicated_and_slashed() {
    is_punished(Misbehaviour::PadFuel { percent: 10 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_never_commits_is_slashed_for_being_late() {
    is_punished(Misbehaviour::NeverCommit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_never_reveals_is_slashed() {
    is_punished(Misbehaviour::NeverReveal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echoed_commitment_cannot_be_opened_and_is_slashed() {
    is_punished(Misbehaviour::EchoCommitments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_withheld_by_its_only_holder_is_demanded_and_the_job_redone() {
    let mut net = Net::start().await;
    net.provide("p1", Some(Misbehaviour::WithholdOutput)).await;
    let custodian = net.custodian(2, 1).await;
    custodian.submit().await.expect("submits");
    // Drawn alone; the witnesses and the one to redo the work come later.
    let joined = async {
        while net.chain.work(address("p1")).await.expect("answers").is_empty() {
            tokio::time::sleep(crate::net::BLOCK).await;
        }
    };
    joined.await;
    for name in ["p2", "p3", "p4"] {
        net.provide(name, None).await;
    }
    let job = completes(&net, &custodian, 2).await;
    assert!(net.provider("p1").await.slashed > 0);
    assert!(job.lots[0].attempts > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_liars_who_collude_are_not_seen_by_replication_which_is_what_audits_are_for() {
    let mut net = Net::start().await;
    for name in ["p1", "p2"] {
        net.provide(name, Some(Misbehaviour::LieAboutTasks { every: 1, seed: 7 })).await;
    }
    let custodian = net.custodian(1, 2).await;
    let id = custodian.submit().await.expect("submits");
    let run = custodian.run(assay_client::Until::Fetched, |_| {});
    tokio::time::timeout(crate::honest::PATIENCE, run).await.expect("in time").expect("runs");
    let job = net.chain.job(id).await.expect("answers").expect("is known");
    assert_eq!(job.outcome, Some(assay_types::JobOutcome::Completed));
    let output = custodian.with_folder(|folder| folder.output(0)).expect("reads").expect("is there");
    assert_ne!(output.execution, crate::net::result_of(b"the program", &[0; 4]).execution);
}

/// Re-executes every task.
struct Suspicious;

impl Recheck for Suspicious {
    fn samples(&self, _: u32) -> bool {
        true
    }

    fn agrees(&self, task: &RecheckTask) -> Option<bool> {
        let own = result_of(&task.program, &task.input);
        Some(own.execution == task.execution && own.fuel == task.fuel)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn colluding_liars_are_caught_by_a_renter_who_re_executes_and_challenges() {
    let mut net = Net::start().await;
    for name in ["p1", "p2"] {
        net.provide(name, Some(Misbehaviour::LieAboutTasks { every: 1, seed: 7 })).await;
    }
    drop(net.custodian(1, 2).await);
    let policy = CustodianPolicy { recheck: Some(Arc::new(Suspicious)), ..CustodianPolicy::default() };
    let folder = JobFolder::open(net.job_dir()).expect("opens");
    let custodian = net.resume_with(folder, net.world.node("renter", Arc::new(RefusePuts)), policy).await;
    custodian.submit().await.expect("submits");
    while net.chain.work(address("p1")).await.expect("answers").is_empty() {
        tokio::time::sleep(crate::net::BLOCK).await;
    }
    for name in ["p3", "p4"] {
        net.provide(name, None).await;
    }
    completes(&net, &custodian, 1).await;
    for liar in ["p1", "p2"] {
        assert!(net.provider(liar).await.slashed > 0);
    }
}
