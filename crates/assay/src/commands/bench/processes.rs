//! Transfers at a given rate on validators that are processes of their own, over minutes: what becomes final, how
//! fast, and what memory it takes.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    net::TcpListener,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use assay_client::{Chain, Keystore, RpcChain, RpcConfig, SenderConfig, TokioHost, TxRequest, TxSender, Wallet};
use assay_types::{Bytes, GRAINS_PER_KRT, node::NodeStatus};
use futures::{StreamExt as _, stream::FuturesUnordered};
use jsonrpsee::rpc_params;
use serde_json::{Value, json};

use super::{
    child::{Child, resident_mib},
    load::{self, Load},
};
use crate::{
    commands::connect,
    failure::{Code, Failure, Outcome},
    findings::rank,
    terminal::Terminal,
};

/// Accounts that send, each to one validator, in order.
const SENDERS: usize = 64;
/// Between two looks at memory and at what is final.
const LOOK: Duration = Duration::from_secs(5);
/// Requests a second.
const TICKS: u64 = 10;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct Processes {
    /// Validators, a process each.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub(crate) validators: u32,
    /// Transfers a second.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) rate: u64,
}

/// One look.
struct Look {
    at: Duration,
    last: u64,
    resident_mib: Vec<u64>,
}

/// A network of processes; they end with this one.
struct Devnet(Child);

impl Devnet {
    async fn start(dir: &Path, validators: u32) -> Outcome<Self> {
        let port = free_ports(validators).ok_or_else(|| {
            Failure::new(Code::PortInUse, format!("no {validators} free ports in a row were found"))
                .next("try it again when fewer programs listen on this machine")
        })?;
        let (validators, port) = (validators.to_string(), port.to_string());
        let args = ["devnet", "--providers", "0", "--validators", &validators, "--rpc-port", &port, "--dir"];
        Ok(Self(Child::start(args.map(OsStr::new).into_iter().chain([dir.as_os_str()])).await?))
    }

    fn of_each<T>(&self, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        self.0.facts["processes"].as_array().into_iter().flatten().filter_map(read).collect()
    }

    fn urls(&self) -> Vec<String> {
        self.of_each(|process| process["rpc_url"].as_str().map(str::to_owned))
    }

    fn resident_mib(&self) -> Vec<u64> {
        self.of_each(|process| resident_mib(u32::try_from(process["pid"].as_u64()?).ok()?))
    }

    /// The account that owns everything.
    fn funder(&self, dir: &Path) -> Outcome<Wallet> {
        let keys = dir.join("keys");
        let password = crate::config::text(&keys.join("password"))?;
        let store = Keystore::open(&keys)?;
        let found = store.list()?;
        let account = found
            .first()
            .map(|kept| kept.address)
            .ok_or_else(|| Failure::new(Code::NoKey, format!("`assay devnet` left no key in {}", keys.display())))?;
        Ok(store.unlock(account, password.trim_end_matches(['\r', '\n']))?)
    }
}

/// The first of as many ports in a row that are free now, with as many a hundred above for metrics.
fn free_ports(validators: u32) -> Option<u16> {
    let count = u16::try_from(validators).ok()?;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let all_free = |first: &u16| (*first..first.saturating_add(count)).all(|port| free(port) && free(port + 100));
    (21_000..60_000u16).step_by(200).find(all_free)
}

/// Sends transfers for as long as is said and reports.
pub(super) async fn sustained(dir: &Path, what: Processes, seconds: u64, terminal: &Terminal) -> Outcome<Value> {
    let bar = terminal.bar("transfers on processes", seconds);
    let net = Devnet::start(dir, what.validators).await?;
    let measured = measure(&net, dir, what, seconds, |second| bar.at(second)).await;
    net.0.stop().await;
    measured
}

async fn measure(net: &Devnet, dir: &Path, what: Processes, seconds: u64, at: impl Fn(u64)) -> Outcome<Value> {
    let urls = net.urls();
    let chain: Arc<dyn Chain> = match urls.first() {
        Some(url) => Arc::new(RpcChain::new(RpcConfig::new(url))?),
        None => return Err(Failure::new(Code::Internal, "`assay devnet` names no process")),
    };
    let clients = urls.iter().map(|url| load::client(url)).collect::<Outcome<Vec<_>>>()?;
    let chain_id = chain.genesis().await?.chain_id;
    let wallets: Vec<Wallet> = (0..SENDERS).map(|_| Wallet::random()).collect();
    let funder = TxSender::new(chain.clone(), Arc::new(TokioHost), net.funder(dir)?, chain_id, SenderConfig::default());
    let fund = wallets.iter().map(|one| funder.send(TxRequest::transfer(one.address(), 1_000 * GRAINS_PER_KRT)));
    futures::future::try_join_all(fund).await?;
    let fee = chain.fees().await?.base_fee.saturating_mul(1_000);

    let begun = Instant::now();
    let (mut sent, mut refused, mut looked) = (0u64, 0u64, Vec::new());
    let mut running = FuturesUnordered::new();
    let mut ready: VecDeque<(usize, Vec<Bytes>)> = VecDeque::new();
    let mut signer = Signer { wallets: Arc::new(wallets), chain_id, fee, next: 0 };
    let mut tick = tokio::time::interval(Duration::from_millis(1_000 / TICKS));
    // Late ticks are made up for: the rate is the user's, not the machine's.
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    while begun.elapsed() < Duration::from_secs(seconds) {
        at(begun.elapsed().as_secs());
        if ready.is_empty() {
            ready.extend(signer.sign(what.rate.div_ceil(TICKS)).await?);
        }
        tokio::select! {
            _ = tick.tick() => if let Some((sender, batch)) = ready.pop_front() {
                sent += batch.len() as u64;
                running.push(load::send(clients[sender % clients.len()].clone(), batch));
            },
            Some(outcome) = running.next() => refused += outcome?,
        }
        if looked.last().is_none_or(|look: &Look| begun.elapsed() >= look.at + LOOK) {
            let last = signer.finals(&*chain).await?;
            looked.push(Look { at: begun.elapsed(), last, resident_mib: net.resident_mib() });
        }
    }
    while let Some(outcome) = running.next().await {
        refused += outcome?;
    }
    let elapsed = begun.elapsed();
    let done = signer.finals(&*chain).await?;
    looked.push(Look { at: elapsed, last: done, resident_mib: net.resident_mib() });
    let statuses = urls.iter().map(|url| connect::ask::<NodeStatus>(url, "assay_status", rpc_params![]));
    let statuses = futures::future::try_join_all(statuses).await?;
    Ok(report(what, elapsed, (sent, refused, done), &looked, &statuses))
}

fn report(
    what: Processes,
    elapsed: Duration,
    (sent, refused, done): (u64, u64, u64),
    looked: &[Look],
    statuses: &[NodeStatus],
) -> Value {
    // The first tenth is for caches and pools to fill.
    let settled = looked.iter().find(|look| look.at >= elapsed / 10);
    let largest = |look: Option<&Look>| look.and_then(|look| look.resident_mib.iter().max().copied());
    let quantile = |of: fn(&assay_types::node::Quantiles) -> u64| {
        let mut all: Vec<u64> = statuses.iter().filter_map(|status| status.finality_ms.as_ref().map(of)).collect();
        all.sort_unstable();
        rank(&all, 50)
    };
    json!({
        "validators": what.validators,
        "asked_per_s": what.rate,
        "seconds": elapsed.as_secs_f64().round(),
        "final_per_s": (done as f64 / elapsed.as_secs_f64()).round(),
        "sent": sent,
        "refused": refused,
        "final": done,
        "finality_p50_ms": quantile(|quantiles| quantiles.p50),
        "finality_p99_ms": quantile(|quantiles| quantiles.p99),
        "rss_mib_at_a_tenth": largest(settled),
        "rss_mib_at_half": largest(looked.iter().find(|look| look.at >= elapsed / 2)),
        "rss_mib_at_the_end": largest(looked.last()),
        "final_by_time": looked.iter().map(|look| json!([look.at.as_secs(), look.last])).collect::<Vec<_>>(),
    })
}

/// Signs the senders' transfers a second ahead.
struct Signer {
    wallets: Arc<Vec<Wallet>>,
    chain_id: u64,
    fee: u128,
    /// Batches signed so far.
    next: u64,
}

impl Signer {
    /// The batches of a second, of `size` transfers of one sender each.
    async fn sign(&mut self, size: u64) -> Outcome<Vec<(usize, Vec<Bytes>)>> {
        let (wallets, chain_id, fee, first) = (Arc::clone(&self.wallets), self.chain_id, self.fee, self.next);
        self.next += TICKS;
        let signed = tokio::task::spawn_blocking(move || {
            let one = |number: u64| {
                let (round, sender) = (number / SENDERS as u64, (number % SENDERS as u64) as usize);
                let nonces = round * size..(round + 1) * size;
                let wallet = &wallets[sender];
                let raw = |nonce| Ok(wallet.sign(Load::Transfers.transaction(chain_id, nonce, fee))?.1);
                Ok((sender, nonces.map(raw).collect::<Outcome<_>>()?))
            };
            (first..first + TICKS).map(one).collect::<Outcome<Vec<_>>>()
        });
        signed.await.map_err(|e| Failure::new(Code::Internal, "signing failed").because(&e))?
    }

    /// Transfers that are final.
    async fn finals(&self, chain: &dyn Chain) -> Outcome<u64> {
        let nonces =
            self.wallets.iter().map(|wallet| async { Ok::<_, Failure>(chain.account(wallet.address()).await?.nonce) });
        Ok(futures::future::try_join_all(nonces).await?.into_iter().sum())
    }
}
