//! Agents are killed at any moment and started again on what they left on disk.

use std::sync::Arc;

use assay_client::{Chain, JobFolder, Until};
use assay_provider::Misbehaviour;
use assay_store::transfer::RefusePuts;

use crate::{
    honest::{PATIENCE, completes},
    net::{BLOCK, Net, address},
};

#[tokio::test(flavor = "multi_thread")]
async fn providers_killed_again_and_again_neither_lose_nor_double_work() {
    let mut net = Net::start().await;
    for name in ["p1", "p2", "p3"] {
        net.provide(name, None).await;
    }
    let custodian = net.custodian(9, 2).await;
    let id = custodian.submit().await.expect("submits");
    let chain = net.chain.clone();
    let renter = tokio::spawn(async move { (custodian.run(Until::Fetched, |_| {}).await, custodian) });
    let mut kills = 0;
    while chain.job(id).await.expect("answers").expect("is known").outcome.is_none() {
        let name = ["p1", "p2", "p3"][kills % 3];
        net.take(name).kill().await;
        tokio::time::sleep(BLOCK / 2).await;
        net.run(name, None, true);
        kills += 1;
        tokio::time::sleep(BLOCK * 3).await;
    }
    assert!(kills > 3, "nobody was at risk");
    let (result, custodian) = tokio::time::timeout(PATIENCE, renter).await.expect("in time").expect("no panic");
    result.expect("runs");
    let job = completes(&net, &custodian, 9).await;
    assert!(job.lots.iter().all(|lot| lot.dispute.is_none()));
    for name in ["p1", "p2", "p3"] {
        assert_eq!(net.provider(name).await.slashed, 0, "{name} was punished for being killed");
        let failures = net.chain.failures_of(address(name));
        assert!(!failures.iter().any(|name| name == "RevealMismatch"), "{name} changed its mind: {failures:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renter_killed_at_any_moment_resumes_and_never_submits_twice() {
    let mut net = Net::start().await;
    for name in ["p1", "p2"] {
        net.provide(name, None).await;
    }
    let blobs = net.world.node("renter", Arc::new(RefusePuts));
    drop(net.custodian(4, 2).await);
    for lifetime in 1..400 {
        let folder = JobFolder::open(net.job_dir()).expect("opens");
        let custodian = net.resume(folder, blobs.clone()).await;
        let life = async {
            custodian.submit().await?;
            custodian.run(Until::Fetched, |_| {}).await
        };
        if let Ok(ended) = tokio::time::timeout(BLOCK * lifetime / 2, life).await {
            ended.expect("runs");
            break;
        }
    }
    let jobs = net.chain.jobs(Some(address("renter")), 10).await.expect("answers");
    assert_eq!(jobs.len(), 1, "one job, however often its renter died");
    let folder = JobFolder::open(net.job_dir()).expect("opens");
    let custodian = net.resume(folder, blobs).await;
    completes(&net, &custodian, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_provider_dies_and_the_renter_is_gone_a_co_replica_hands_the_key_on() {
    let mut net = Net::start().await;
    net.provide("p1", Some(Misbehaviour::NeverCommit)).await;
    net.provide("p2", None).await;
    let custodian = net.custodian(2, 2).await;
    let id = custodian.submit().await.expect("submits");
    let over = tokio::time::timeout(PATIENCE, custodian.run(Until::HandedOver, |_| {})).await;
    over.expect("in time").expect("runs");
    net.provide("p3", None).await;
    while net.chain.job(id).await.expect("answers").expect("is known").outcome.is_none() {
        tokio::time::sleep(BLOCK).await;
    }
    completes(&net, &custodian, 2).await;
    assert!(net.provider("p1").await.slashed > 0);
}
