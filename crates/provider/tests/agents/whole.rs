//! Providers and adjudicators as a user starts them: real blob nodes, real runtime, files on disk.

use std::{path::Path, sync::Arc, time::Duration};

use alloy_primitives::Bytes;
use assay_client::{
    Custodian, CustodianPolicy, JobFolder, JobRequest, JobTerms, SenderConfig, TokioHost, TxSender, Until,
};
use assay_exec::{Engine, EngineConfig, Outcome, bundle, decode_execution, runtime_id};
use assay_provider::{
    AdjudicatorConfig, Misbehaviour, Power, PriceSource, Pricing, ProviderConfig, ProviderError, RunningProvider,
    adjudicator, provider,
};
use assay_store::{BlobNode, BlobStore, Blobs, JobKey, NodeConfig, StoreConfig, transfer::RefusePuts};
use assay_types::{Abi, GRAINS_PER_KRT, JobOutcome, Params};

use crate::{
    chain::LedgerChain,
    honest::PATIENCE,
    net::{BLOCK, CHAIN_ID, genesis, wallet},
};

/// The smallest WASI command: exports a memory and a `_start` that returns.
const NOTHING: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x04\x01\x60\0\0\
    \x03\x02\x01\0\
    \x05\x03\x01\0\x01\
    \x07\x13\x02\x06_start\0\0\x06memory\x02\0\
    \x0a\x04\x01\x02\0\x0b";

async fn provide(chain: &Arc<LedgerChain>, dir: &Path, name: &str, engine: &Engine) -> RunningProvider {
    let mut config = ProviderConfig::new(dir.join(name), GRAINS_PER_KRT / 2, 50 * GRAINS_PER_KRT);
    config.cores = 1;
    config.max_fuel_per_task = 1_000_000;
    let host = Arc::new(TokioHost);
    provider::start(config, chain.clone(), host, wallet(name), Arc::new(engine.clone())).await.expect("starts")
}

async fn renter(chain: &Arc<LedgerChain>, dir: &Path) -> (Custodian, BlobNode) {
    let store = BlobStore::open(&dir.join("renter"), StoreConfig { quota_bytes: 1 << 20 }).expect("a store");
    let config = NodeConfig::new([7; 32], "127.0.0.1:0".parse().expect("an address"));
    let node = BlobNode::spawn(config, store, Arc::new(RefusePuts)).await.expect("a node");
    let input = bundle::Input { stdin: b"hello".to_vec(), ..bundle::Input::default() };
    let request = JobRequest {
        program: Bytes::from_static(NOTHING),
        program_sealed: false,
        inputs: vec![input.encode().expect("encodes").into(); 3],
        terms: JobTerms {
            abi: Abi::WasiCommand,
            runtime_id: runtime_id().into(),
            class: 1,
            substitutes: Vec::new(),
            fuel_per_task: 100_000,
            memory_mib: 1,
            output_bytes: 1_000,
            tasks_per_lot: 2,
            replicas: 2,
            audit: None,
            min_reputation: 0,
            max_price_per_gigafuel: GRAINS_PER_KRT,
            commit_window: 1_000,
            challenge_window: 10,
            lifetime: 5_000,
        },
    };
    let sealed = request.seal(JobKey::generate().expect("randomness"), &node.source()).expect("seals");
    let (genesis, host) = (assay_client::Chain::genesis(&**chain).await.expect("answers"), Arc::new(TokioHost));
    let account = wallet("renter");
    let folder = JobFolder::create(dir.join("job"), &sealed, CHAIN_ID, genesis.hash(), account.address());
    let sender = TxSender::new(chain.clone(), host.clone(), account, CHAIN_ID, SenderConfig::default());
    let blobs = Arc::new(node.clone());
    let policy = CustodianPolicy::default();
    let custodian = Custodian::new(chain.clone(), host, sender, blobs, folder.expect("a folder"), policy).await;
    (custodian.expect("takes charge"), node)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_over_real_blob_nodes_and_the_real_runtime_and_survives_a_restart() {
    let params = Params {
        runtimes: vec![runtime_id().into()],
        classes: vec![assay_types::Class::any_cpu(GRAINS_PER_KRT)],
        key_window: 1_000,
        ..Params::default()
    };
    let chain = LedgerChain::start(genesis(params), BLOCK);
    let dir = tempfile::tempdir().expect("a directory");
    let engine = Engine::new(EngineConfig::default()).expect("an engine");
    let host = Arc::new(TokioHost);
    let mut judges = Vec::new();
    for name in ["v1", "v2", "v3", "v4"] {
        let config = AdjudicatorConfig::new(dir.path().join(name));
        let judge = adjudicator::start(config, chain.clone(), host.clone(), wallet(name), Arc::new(engine.clone()));
        judges.push(judge.await.expect("starts"));
    }
    let first = provide(&chain, dir.path(), "p1", &engine).await;
    let second = provide(&chain, dir.path(), "p2", &engine).await;
    let (custodian, node) = renter(&chain, dir.path()).await;
    custodian.submit().await.expect("submits");
    let handed = tokio::time::timeout(PATIENCE, custodian.run(Until::HandedOver, |_| {})).await;
    handed.expect("in time").expect("runs");
    first.shutdown().await.expect("a clean end");
    // On the same directory, with another port: the chain's record of it is brought up to date.
    let first = provide(&chain, dir.path(), "p1", &engine).await;
    let ended = tokio::time::timeout(PATIENCE, custodian.run(Until::Fetched, |_| {})).await;
    let progress = ended.expect("in time").expect("runs");
    assert_eq!(progress.job.outcome, Some(JobOutcome::Completed), "{:?}", progress.job.cause);
    for task in 0..3 {
        let output = custodian.with_folder(|folder| folder.output(task)).expect("reads").expect("is there");
        let (outcome, log) = decode_execution(&output.execution).expect("decodes");
        assert!(matches!(outcome, Outcome::Ok(_)) && log.is_empty(), "{outcome}");
    }
    let drained = tokio::time::timeout(Duration::from_secs(20), first.drain()).await;
    drained.expect("in time").expect("a clean end");
    second.shutdown().await.expect("a clean end");
    for judge in judges {
        judge.shutdown().await.expect("a clean end");
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_may_cheat_on_a_chain_that_is_not_for_development() {
    let mut real = genesis(Params {
        runtimes: vec![runtime_id().into()],
        classes: vec![assay_types::Class::any_cpu(GRAINS_PER_KRT)],
        ..Params::default()
    });
    real.chain_id = 1;
    let chain = LedgerChain::start(real, BLOCK);
    let dir = tempfile::tempdir().expect("a directory");
    let engine = Engine::new(EngineConfig::default()).expect("an engine");
    let mut config = ProviderConfig::new(dir.path(), 1, GRAINS_PER_KRT);
    config.misbehaviour = Some(Misbehaviour::NeverCommit);
    let started = provider::start(config, chain, Arc::new(TokioHost), wallet("p1"), Arc::new(engine)).await;
    assert!(matches!(started.err(), Some(ProviderError::Agent(assay_provider::AgentError::MisbehaviourRefused(1)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_follows_the_price_of_energy_and_stands_while_that_cannot_be_read() {
    let params = Params {
        runtimes: vec![runtime_id().into()],
        classes: vec![assay_types::Class::any_cpu(GRAINS_PER_KRT)],
        ..Params::default()
    };
    let chain = LedgerChain::start(genesis(params), BLOCK);
    let dir = tempfile::tempdir().expect("a directory");
    let engine = Engine::new(EngineConfig::default()).expect("an engine");
    let price = dir.path().join("kwh");
    std::fs::write(&price, "0.36").expect("writes");
    let mut config = ProviderConfig::new(dir.path().join("p1"), 0, 10 * GRAINS_PER_KRT);
    config.cores = 1;
    config.pricing = Some(Pricing {
        energy: PriceSource::File { path: price.clone(), field: None },
        power: Power::Watts(100.0),
        gigafuel_per_s: 1.0,
        hardware_cost: 0.0,
        lifetime_hours: 1.0,
        utilisation: 1.0,
        margin_percent: 0.0,
        krt_per_unit: 1_000.0,
        floor_krt: 0.0,
        ceiling_krt: 1.0,
        refresh_s: 1,
        step_bps: 100,
    });
    let started = provider::start(config, chain.clone(), Arc::new(TokioHost), wallet("p1"), Arc::new(engine)).await;
    let running = started.expect("starts");
    let ask = || async {
        let found = assay_client::Chain::provider(&*chain, running.address()).await.expect("answers");
        found.expect("registered").price_per_gigafuel
    };
    // 100 J a gigafuel at 0.36 a kWh and 1,000 KRT a unit: 0.01 KRT.
    let first = ask().await;
    assert!(first.abs_diff(GRAINS_PER_KRT / 100) < 10_000_000_000, "{first}");
    std::fs::write(&price, "0.72").expect("writes");
    let doubled = async {
        while ask().await.abs_diff(GRAINS_PER_KRT / 50) > 10_000_000_000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, doubled).await.expect("it follows");
    std::fs::write(&price, "on holiday").expect("writes");
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(ask().await.abs_diff(GRAINS_PER_KRT / 50) < 10_000_000_000, "the last ask stands");
    running.shutdown().await.expect("a clean end");
}
