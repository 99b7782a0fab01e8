//! Tier audit with real agents: honest lots are paid, and three kinds of cheats lose more than they gain.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use alloy_primitives::{Address, Log};
use alloy_sol_types::SolEvent;
use assay_client::{Chain, Custodian, CustodianPolicy, JobFolder, TokioHost, TxSender, Until};
use assay_provider::{Misbehaviour, register, register::Registration};
use assay_store::{Blobs, JobKey, transfer::RefusePuts};
use assay_types::{
    Fault, GRAINS_PER_KRT, JobId, JobOutcome,
    abi::{IAudits, IJobs},
    job::AuditTerms,
};
use futures::{StreamExt, stream};
use parking_lot::Mutex;

use crate::{
    blobs::MemBlobs,
    honest::{PATIENCE, completes},
    net::{Net, address},
};

/// A job of one lot of two tasks in a folder of its own.
async fn job(net: &Net, name: &str, audit: AuditTerms, blobs: &Arc<MemBlobs>, sender: &TxSender) -> Custodian {
    let mut request = net.request(2, 1);
    request.terms.audit = Some(audit);
    let sealed = request.seal(JobKey::generate().expect("randomness"), &blobs.source()).expect("seals");
    let status = net.chain.status().await.expect("a status");
    let folder = net.dir.path().join(name);
    let folder = JobFolder::create(folder, &sealed, status.chain_id, status.genesis_hash, sender.address());
    let (chain, host, policy) = (net.chain.clone(), Arc::new(TokioHost), CustodianPolicy::default());
    let custodian = Custodian::new(chain, host, sender.clone(), blobs.clone(), folder.expect("a folder"), policy).await;
    custodian.expect("takes charge")
}

fn blobs(net: &Net) -> Arc<MemBlobs> {
    net.world.node("renter", Arc::new(RefusePuts))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audited_job_is_run_by_one_provider_checked_by_another_paid_and_brought_home() {
    let mut net = Net::start().await;
    for name in ["p1", "p2", "p3"] {
        net.provide(name, None).await;
    }
    let always = AuditTerms { chance_bps: 10_000, draws: 40, auditors: 1 };
    let custodian = job(&net, "job", always, &blobs(&net), &net.sender("renter")).await;
    custodian.submit().await.expect("submits");
    let done = completes(&net, &custodian, 2).await;
    assert_eq!(net.engine.runs.load(Ordering::Relaxed), 4, "each task by the provider and by the auditor");
    let mut earned: Vec<u128> = Vec::new();
    for name in ["p1", "p2", "p3"] {
        assert_eq!(net.provider(name).await.faults, 0);
        earned.push(net.provider(name).await.earned);
    }
    earned.sort_unstable();
    let each = done.paid / 2;
    let kept = each - (each * 500).div_ceil(10_000);
    assert!(earned[0] == 0 && earned[1] == kept && earned[2] == kept, "{earned:?} of {}", done.paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_that_says_nothing_is_replaced_by_the_validators_and_pays() {
    let mut net = Net::start().await;
    net.provide("p1", None).await;
    // Too dear for the job's limit, so that it can only audit.
    net.run("p2", Some(Misbehaviour::IgnoreAudits), true);
    let dear = Registration { price_per_gigafuel: 100 * GRAINS_PER_KRT, ..net.registration("p2") };
    register::ensure(&*net.chain, &net.sender("p2"), &dear).await.expect("registers");
    let always = AuditTerms { chance_bps: 10_000, draws: 40, auditors: 1 };
    let custodian = job(&net, "job", always, &blobs(&net), &net.sender("renter")).await;
    custodian.submit().await.expect("submits");
    let done = completes(&net, &custodian, 2).await;
    assert_eq!(done.lots[0].attempts, 0, "the result stood");
    let (worker, silent) = (net.provider("p1").await, net.provider("p2").await);
    assert!(worker.earned > 0 && worker.faults == 0);
    assert_eq!((silent.earned, silent.faults), (0, 1), "drawn, and silent");
    assert!(silent.slashed > 0);
}

/// What the chain said about audits.
#[derive(Default)]
struct Seen {
    assigned: BTreeMap<(JobId, u32), Address>,
    /// Lots that were audited, by their provider.
    audited: BTreeMap<Address, u32>,
    /// Audits that somebody was drawn for.
    drawn: BTreeMap<Address, u32>,
    slashed: BTreeMap<(Address, u8), u32>,
}

impl Seen {
    fn follow(&mut self, log: &Log) {
        if let Ok(e) = IJobs::LotAssigned::decode_log_data(&log.data) {
            self.assigned.insert((e.job, e.lot), e.provider);
        }
        if let Ok(e) = IAudits::AuditDrawn::decode_log_data(&log.data) {
            let provider = self.assigned[&(e.job, e.lot)];
            *self.audited.entry(provider).or_default() += u32::from(!e.tasks.is_empty());
            e.auditors.iter().for_each(|auditor| *self.drawn.entry(*auditor).or_default() += 1);
        }
        if let Ok(e) = IJobs::Slashed::decode_log_data(&log.data) {
            *self.slashed.entry((e.provider, e.fault)).or_default() += 1;
        }
    }

    fn slashes(&self, name: &str, fault: Fault) -> u32 {
        self.slashed.get(&(address(name), fault as u8)).copied().unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_jobs_every_audited_lot_of_a_liar_a_padder_and_a_lazy_auditor_is_caught_and_cheating_loses() {
    const JOBS: usize = 200;
    let mut net = Net::start().await;
    let mut blocks = net.chain.subscribe_blocks().await.expect("blocks");
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let follower = seen.clone();
    let watch = tokio::spawn(async move {
        while let Some(block) = blocks.next().await {
            block.end_logs.iter().for_each(|log| follower.lock().follow(log));
        }
    });
    let cheats = [
        ("p1", Misbehaviour::LieAboutTasks { every: 1, seed: 1 }),
        ("p2", Misbehaviour::PadFuel { percent: 10 }),
        ("p3", Misbehaviour::MakeUpAudits),
    ];
    for (name, cheat) in cheats {
        net.provide(name, Some(cheat)).await;
    }
    for name in ["p4", "p5", "p6"] {
        net.provide(name, None).await;
    }
    let (blobs, sender) = (blobs(&net), net.sender("renter"));
    let ended = stream::iter(0..JOBS)
        .map(|number| {
            let (net, blobs, sender) = (&net, &blobs, &sender);
            async move {
                let custodian = job(net, &format!("job-{number}"), AuditTerms::default(), blobs, sender).await;
                custodian.submit().await.expect("submits");
                let run = tokio::time::timeout(PATIENCE, custodian.run(Until::Fetched, |_| {})).await;
                run.expect("in time").expect("runs").job.outcome
            }
        })
        .buffer_unordered(16)
        .collect::<Vec<_>>()
        .await;
    assert!(ended.iter().all(|outcome| *outcome == Some(JobOutcome::Completed)), "{ended:?}");
    watch.abort();
    let seen = std::mem::take(&mut *seen.lock());
    let audited = |name| seen.audited.get(&address(name)).copied().unwrap_or_default();
    for cheat in ["p1", "p2"] {
        assert!(audited(cheat) >= 5, "{cheat} was hardly looked at: {:?}", seen.audited);
        assert_eq!(seen.slashes(cheat, Fault::WrongResult), audited(cheat), "{cheat}: each audited lot was caught");
        let provider = net.provider(cheat).await;
        assert!(provider.slashed > provider.earned, "{cheat} lost {} of {}", provider.slashed, provider.earned);
    }
    let made_up = seen.drawn.get(&address("p3")).copied().unwrap_or_default();
    assert!(made_up >= 5, "the lazy auditor was hardly drawn: {:?}", seen.drawn);
    assert_eq!(seen.slashes("p3", Fault::WrongAudit), made_up);
    let lazy = net.provider("p3").await;
    assert!(lazy.slashed > lazy.earned, "it lost {} of {}", lazy.slashed, lazy.earned);
    for honest in ["p4", "p5", "p6"] {
        assert_eq!(net.provider(honest).await.slashed, 0, "{honest} is honest");
    }
    assert!(net.chain.books().balance());
}
