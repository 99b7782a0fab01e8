//! Capacity rounds: who has what it offers keeps it, who claims more loses it.

use assay_provider::Misbehaviour;
use assay_types::{Params, view::ProviderView};

use crate::{
    honest::{PATIENCE, completes},
    net::{BLOCK, Net, address},
};

/// What a lane allows: two of the cores of a provider here cover what it offers.
const LANE: u64 = 5_000;

fn rounds(params: &mut Params) {
    params.capacity_round_blocks = 200;
    params.capacity_answer_blocks = 50;
    params.capacity_open_blocks = 50;
    params.capacity_lane_kib = 64;
    params.capacity_draws = 12;
    params.capacity_lane_units = LANE;
    params.capacity_newcomer_units = 3_000;
    params.capacity_jail_blocks = 100_000;
}

async fn until(net: &Net, name: &str, what: &str, done: impl Fn(&ProviderView) -> bool) -> ProviderView {
    let reached = async {
        loop {
            let provider = net.provider(name).await;
            if done(&provider) {
                return provider;
            }
            tokio::time::sleep(BLOCK).await;
        }
    };
    match tokio::time::timeout(PATIENCE, reached).await {
        Ok(provider) => provider,
        Err(_) => panic!("{name}: {what} within {PATIENCE:?}: {:?}", net.provider(name).await),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_provider_keeps_its_capacity_and_one_that_claims_lanes_it_never_fills_loses_it() {
    let mut net = Net::start_with(rounds).await;
    net.provide("p1", None).await;
    net.provide("p2", Some(Misbehaviour::ClaimLanes { times: 8 })).await;
    let jailed = until(&net, "p2", "three rounds missed", |p2| p2.missed_rounds >= 3).await;
    assert_eq!(jailed.proved_capacity, Some(3_000 / 8));
    assert!(jailed.suspended_until > 100_000);
    assert_eq!((jailed.slashed, jailed.faults), (0, 0), "nobody lost anything by it");
    let honest = until(&net, "p1", "the third round", |p1| p1.challenge.is_none()).await;
    assert_eq!((honest.proved_capacity, honest.missed_rounds), (Some(2 * LANE), 0), "two cores, in every round");
    let refused = net.chain.failures_of(address("p2"));
    assert!(refused.iter().any(|name| name == "OpeningBlock"), "{refused:?}");
    assert_eq!(net.chain.failures_of(address("p1")), Vec::<String>::new());
    // The market knows: all work is p1's.
    let custodian = net.custodian(4, 1).await;
    custodian.submit().await.expect("submits");
    let job = completes(&net, &custodian, 4).await;
    let workers = job.lots.iter().flat_map(|lot| &lot.replicas).map(|replica| replica.provider);
    assert!(workers.into_iter().all(|who| who == address("p1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_dies_between_answer_and_opening_opens_when_it_is_back() {
    let mut net = Net::start_with(rounds).await;
    net.provide("p1", None).await;
    let answered = |p1: &ProviderView| p1.challenge.as_ref().is_some_and(|challenge| challenge.answer.is_some());
    until(&net, "p1", "an answer", answered).await;
    net.take("p1").kill().await;
    net.run("p1", None, true);
    let back = until(&net, "p1", "a proof", |p1| p1.challenge.is_none()).await;
    assert_eq!((back.proved_capacity, back.missed_rounds), (Some(2 * LANE), 0));
}
