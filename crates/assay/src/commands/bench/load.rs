//! Figures of a running network: finality, transfers and orders a second, round trips of jobs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy_consensus::TxEip1559;
use alloy_primitives::{TxKind, U256};
use alloy_sol_types::SolCall;
use assay_client::{Chain, JobRequest, JobTerms, SenderConfig, TokioHost, TxRequest, TxSender, Wallet};
use assay_types::{Abi, Address, B256, Bytes, GIGAFUEL, GRAINS_PER_KRT, abi::IMarket, system};
use jsonrpsee::{
    core::{client::ClientT, params::BatchRequestBuilder},
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
};
use serde_json::{Value, json};

use crate::{
    commands::quickstart::Watcher,
    failure::{Code, Failure, Outcome},
    findings::{Percentiles, rank},
    network::{BANDWIDTH, Network},
    pricing::{VOL_SURFACE_GUEST, slice_task},
    renter::{LOOPBACK, Renter},
    terminal::Terminal,
};

/// Accounts that send transfers.
const SENDERS: u64 = 64;
/// Orders that one account places: fewer than the network lets it have open.
const ORDERS_EACH: u64 = 200;
/// Transactions a request.
const BATCH: usize = 200;
/// Signed ahead, a second of measuring.
const SIGNED_A_SECOND: u64 = 6_000;
/// Transactions sent and not yet final, at most.
const IN_FLIGHT: u64 = 12_000;

fn sender(network: &Network) -> Outcome<(Arc<dyn Chain>, TxSender)> {
    let chain = network.chain_of(0)?;
    let (wallet, id) = (network.roster().renter()?, network.genesis().chain_id);
    Ok((chain.clone(), TxSender::new(chain, Arc::new(TokioHost), wallet, id, SenderConfig::default())))
}

/// Propose to finalized under a trickle of transfers, since an idle chain rests between blocks.
pub(super) async fn finality(network: &Network, terminal: &Terminal) -> Outcome<Value> {
    let bar = terminal.spinner("finality");
    let (_, sender) = sender(network)?;
    // The first blocks come while the validators are still finding one another.
    for _ in 0..4 {
        sender.send(TxRequest::transfer(Address::repeat_byte(7), 1)).await?;
    }
    let watcher = Watcher::start(network);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(15) {
        bar.say(format!("{} of 15 s", start.elapsed().as_secs()));
        sender.send(TxRequest::transfer(Address::repeat_byte(7), 1)).await?;
    }
    let times = Percentiles::of(watcher.stop().await);
    Ok(json!({ "p50": times.p50, "p99": times.p99, "blocks": times.count }))
}

/// One-task jobs, each from submission to a verified receipt of a paid job.
pub(super) async fn jobs(network: &Network, count: u32, terminal: &Terminal) -> Outcome<Value> {
    let bar = terminal.bar("one-task jobs", count.into());
    let dir = network.dir().join("bench-jobs");
    let renter = Renter::start(network.chain_of(0)?, network.roster().renter()?, &dir, LOOPBACK).await?;
    let mut times = Vec::new();
    for index in 0..=count {
        bar.at(index.into());
        let request = JobRequest {
            program: Bytes::from_static(VOL_SURFACE_GUEST),
            program_sealed: false,
            inputs: vec![slice_task(index as usize)?.into()],
            terms: JobTerms {
                abi: Abi::Component,
                runtime_id: B256::from(assay_exec::runtime_id()),
                class: 1,
                substitutes: Vec::new(),
                fuel_per_task: 20 * GIGAFUEL,
                memory_mib: 256,
                output_bytes: 8 << 20,
                tasks_per_lot: 1,
                replicas: 2,
                audit: None,
                min_reputation: 0,
                max_price_per_gigafuel: GRAINS_PER_KRT / 100,
                commit_window: 2_000,
                challenge_window: 4,
                lifetime: 50_000,
            },
        };
        let start = Instant::now();
        let (folder, receipt) = (dir.join(index.to_string()), dir.join(format!("{index}.receipt.json")));
        renter.run(&request, &folder, &receipt, |_| {}).await?;
        // The first job compiles the program, which all later jobs with it find compiled.
        if index > 0 {
            times.push(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
        }
    }
    renter.stop().await;
    times.sort_unstable();
    Ok(json!({ "p50": rank(&times, 50), "p95": rank(&times, 95), "jobs": times.len() }))
}

/// What a network is loaded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// Transfers of a grain.
    Transfers,
    /// Bids in a metered class, each at a price of its own, which rest.
    Orders,
}

impl Load {
    fn name(self) -> &'static str {
        match self {
            Self::Transfers => "transfers",
            Self::Orders => "orders",
        }
    }

    fn senders(self, seconds: u64) -> u64 {
        match self {
            Self::Transfers => SENDERS,
            Self::Orders => (seconds.max(1) * SIGNED_A_SECOND).div_ceil(ORDERS_EACH),
        }
    }

    /// Number `nonce` of a sender.
    pub(super) fn transaction(self, chain_id: u64, nonce: u64, fee: u128) -> TxEip1559 {
        let (to, value, input, gas_limit) = match self {
            Self::Transfers => (Address::repeat_byte(9), 1, Bytes::new(), 21_000),
            Self::Orders => {
                let price = GRAINS_PER_KRT / 110 + u128::from(nonce) * 1_000;
                let call = IMarket::placeCall {
                    class: BANDWIDTH,
                    window: 0,
                    side: 0,
                    price,
                    quantity: 1_000,
                    minFill: 0,
                    expires: 900_000,
                };
                (system::MARKET, price, call.abi_encode().into(), 100_000)
            }
        };
        TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(to),
            value: U256::from(value),
            access_list: Default::default(),
            input,
        }
    }
}

/// Transactions a second, sustained: signed before, sent over JSON-RPC to all validators in turns, counted
/// in finalized blocks where they succeeded.
pub(super) async fn sustained(
    network: &Network,
    load: Load,
    seconds: u64,
    terminal: &Terminal,
) -> Outcome<(Value, Value)> {
    let bar = terminal.spinner(load.name());
    bar.say("funding senders");
    let wallets: Vec<Wallet> = (0..load.senders(seconds)).map(|_| Wallet::random()).collect();
    let (chain, sender) = sender(network)?;
    let fund = wallets.iter().map(|w| sender.send(TxRequest::transfer(w.address(), 100 * GRAINS_PER_KRT)));
    futures::future::try_join_all(fund).await?;
    bar.say("signing");
    let fee = chain.fees().await?.base_fee.saturating_mul(1_000);
    let each = (seconds.max(1) * SIGNED_A_SECOND).div_ceil(load.senders(seconds));
    let chain_id = network.genesis().chain_id;
    let signed = tokio::task::spawn_blocking(move || sign(&wallets, load, each, chain_id, fee));
    let signed = signed.await.map_err(|e| Failure::new(Code::Internal, "signing failed").because(&e))??;

    let counted = Arc::new(AtomicU64::new(0));
    let counter = count(network, counted.clone());
    let clients: Vec<HttpClient> =
        (0..network.nodes().len()).map(|i| client(&network.rpc_url_of(i))).collect::<Outcome<_>>()?;
    let start = Instant::now();
    let limit = Duration::from_secs(seconds);
    let (mut sent, mut refused) = (0u64, 0u64);
    let mut batches = signed.chunks(BATCH).enumerate();
    let mut running = futures::stream::FuturesUnordered::new();
    while start.elapsed() < limit {
        let waiting = sent.saturating_sub(counted.load(Ordering::Relaxed));
        if waiting >= IN_FLIGHT || running.len() >= 2 * clients.len() {
            // The pool is full enough: the chain sets the pace.
            match futures::StreamExt::next(&mut running).await {
                Some(outcome) => refused += outcome?,
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
            continue;
        }
        let Some((index, batch)) = batches.next() else { break };
        sent += batch.len() as u64;
        // A sender's transactions go to one validator, in order.
        running.push(send(clients[index % clients.len()].clone(), batch));
        bar.say(format!(
            "{} sent, {} final, {:.0} s",
            sent,
            counted.load(Ordering::Relaxed),
            start.elapsed().as_secs_f64()
        ));
    }
    let elapsed = start.elapsed().as_secs_f64();
    let done = counted.load(Ordering::Relaxed);
    counter.abort();
    let rate = done as f64 / elapsed;
    Ok((json!(rate.round()), json!({ "seconds": elapsed.round(), "final": done, "sent": sent, "refused": refused })))
}

pub(super) fn client(url: &str) -> Outcome<HttpClient> {
    HttpClientBuilder::default()
        .request_timeout(Duration::from_secs(30))
        .build(url)
        .map_err(|e| Failure::new(Code::Unreachable, format!("{url} cannot be reached")).because(&e))
}

/// Signs each sender's transactions on all cores; consecutive batches hold one sender's each, and
/// neighbouring batches different senders'.
fn sign(wallets: &[Wallet], load: Load, each: u64, chain_id: u64, fee: u128) -> Outcome<Vec<Bytes>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let shares: Vec<Outcome<Vec<Vec<Bytes>>>> = std::thread::scope(|scope| {
        let of = |share: &[Wallet]| share.iter().map(|w| sign_all(w, load, each, chain_id, fee)).collect();
        let chunks = wallets.chunks(wallets.len().div_ceil(threads));
        let running: Vec<_> = chunks.map(|share| scope.spawn(move || of(share))).collect();
        let failed = || Failure::new(Code::Internal, "a signing thread failed");
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(failed()))).collect()
    });
    let mut senders = BTreeMap::new();
    for (share, signed) in shares.into_iter().enumerate() {
        for (index, list) in signed?.into_iter().enumerate() {
            senders.insert((share, index), list);
        }
    }
    let mut all = Vec::new();
    for round in 0..each.div_ceil(BATCH as u64) as usize {
        for list in senders.values() {
            all.extend(list.iter().skip(round * BATCH).take(BATCH).cloned());
        }
    }
    Ok(all)
}

fn sign_all(wallet: &Wallet, load: Load, count: u64, chain_id: u64, fee: u128) -> Outcome<Vec<Bytes>> {
    (0..count).map(|nonce| Ok(wallet.sign(load.transaction(chain_id, nonce, fee))?.1)).collect()
}

/// Counts transactions of finalized blocks.
fn count(network: &Network, counted: Arc<AtomicU64>) -> tokio::task::JoinHandle<()> {
    let mut blocks = network.nodes()[0].subscribe();
    tokio::spawn(async move {
        while let Ok(block) = blocks.recv().await {
            let good = block.txs.iter().filter(|tx| tx.receipt.failure.is_none()).count();
            counted.fetch_add(good as u64, Ordering::Relaxed);
        }
    })
}

/// Sends a batch; gives how many were refused.
pub(super) async fn send(client: HttpClient, batch: impl AsRef<[Bytes]>) -> Outcome<u64> {
    let failed =
        |why: &dyn std::fmt::Display| Failure::new(Code::Unreachable, "a validator did not take transactions").why(why);
    let mut request = BatchRequestBuilder::new();
    for raw in batch.as_ref() {
        request.insert("eth_sendRawTransaction", rpc_params![raw]).map_err(|e| failed(&e))?;
    }
    let answers = client.batch_request::<B256>(request).await.map_err(|e| failed(&e))?;
    Ok(answers.num_failed_calls() as u64)
}
