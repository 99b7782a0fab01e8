//! From what the chain recorded to what the user is told: finality times, timelines, money, the lie.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_sol_types::SolEvent;
use assay_types::{Address, B256, FinalizedBlock, Grains, JobOutcome, abi::IRewards, system, view::ProviderView};
use tokio::{
    sync::{broadcast::error::RecvError, oneshot},
    task::JoinHandle,
};

use super::LIAR;
use crate::{
    failure::{Code, Failure, Outcome},
    findings::*,
    network::Network,
    renter::{Finished, Renter},
    timeline::{End, Timeline},
};

/// Watches finalized blocks for the time from their proposal to their finality.
pub(crate) struct Watcher {
    task: JoinHandle<Vec<u64>>,
    stop: oneshot::Sender<()>,
}

impl Watcher {
    /// Watches the first validator.
    pub(crate) fn start(network: &Network) -> Self {
        let mut blocks = network.nodes()[0].subscribe();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut times = Vec::new();
            loop {
                tokio::select! {
                    _ = &mut stopped => return times,
                    block = blocks.recv() => match block {
                        // A block's time is its leader's clock when it proposed; all share this machine's.
                        Ok(block) => times.push(now_ms().saturating_sub(block.timestamp_ms)),
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return times,
                    },
                }
            }
        });
        Self { task, stop }
    }

    /// The times seen, milliseconds.
    pub(crate) async fn stop(self) -> Vec<u64> {
        // An error means that it has ended already.
        self.stop.send(()).ok();
        self.task.await.unwrap_or_default()
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// All blocks of the chain so far.
async fn blocks(renter: &Renter, tip: u64) -> Outcome<Vec<Arc<FinalizedBlock>>> {
    let mut blocks = Vec::new();
    for height in 1..=tip {
        let block = renter.chain().block(height).await?;
        blocks.push(block.ok_or_else(|| Failure::new(Code::Internal, format!("block {height} is missing")))?);
    }
    Ok(blocks)
}

/// Everything but the prices.
pub(super) async fn gather(
    network: &Network,
    renter: &Renter,
    jobs: &[(&str, &Finished)],
    finality: Vec<u64>,
    result_hash: B256,
    cheating: bool,
) -> Outcome<Findings> {
    let status = renter.chain().status().await?;
    let blocks = blocks(renter, status.height).await?;
    let mut job_facts = Vec::new();
    for (name, job) in jobs {
        let mut timeline = Timeline::new(job.id);
        blocks.iter().for_each(|block| timeline.follow(block));
        job_facts.push(facts_of(name, job, timeline));
    }
    let (_, state) = network.nodes()[0]
        .tip_state()
        .ok_or_else(|| Failure::new(Code::Internal, "the first validator has no state"))?;
    let books = assay_ledger::books(&state)
        .map_err(|broken| Failure::new(Code::VerificationFailed, format!("the books do not balance: {broken}")))?;
    let providers = parties(network, renter, &blocks).await?;
    let renter_party = renter_party(renter, &blocks, &job_facts).await?;
    let audited = jobs.iter().any(|(_, job)| job.view.spec.audit_bps > 0);
    let cheat = cheating.then(|| lie(&providers, &job_facts, audited));
    let completed = jobs.iter().all(|(_, job)| job.view.outcome == Some(JobOutcome::Completed));
    Ok(Findings {
        market: Market::default(),
        slices: Vec::new(),
        book: Book::default(),
        jobs: job_facts,
        network: NetworkFacts {
            chain_id: status.chain_id,
            genesis_hash: status.genesis_hash,
            runtime_id: B256::from(assay_exec::runtime_id()),
            validators: u32::try_from(network.nodes().len()).unwrap_or(u32::MAX),
            height: status.height,
            state_root: status.state_root,
            transactions: blocks.iter().map(|b| b.txs.len() as u64).sum(),
            finality: Percentiles::of(finality),
            books,
            renter: renter_party,
            providers,
        },
        cheat,
        files: Files::default(),
        result_hash,
        // Receipts were checked when they were written, or the run would have ended there.
        verified: completed && books.balance(),
        elapsed_ms: 0,
    })
}

fn facts_of(name: &str, job: &Finished, timeline: Timeline) -> JobFacts {
    let view = &job.view;
    JobFacts {
        name: name.to_owned(),
        id: job.id,
        tasks: u32::try_from(view.spec.inputs.len()).unwrap_or(u32::MAX),
        lots: u32::try_from(view.lots.len()).unwrap_or(u32::MAX),
        replicas: view.spec.replicas,
        fuel: view.fuel,
        paid: view.paid,
        refunded: view.refunded,
        compensated: view.compensated,
        submit_to_settled_ms: u64::try_from(job.elapsed.as_millis()).unwrap_or(u64::MAX),
        result_root: view.result_root.unwrap_or_default(),
        receipt: job.receipt.display().to_string(),
        receipt_bytes: job.receipt_bytes,
        timeline,
    }
}

/// Fees each account paid.
fn fees(blocks: &[Arc<FinalizedBlock>]) -> BTreeMap<Address, Grains> {
    let mut fees: BTreeMap<Address, Grains> = BTreeMap::new();
    for receipt in blocks.iter().flat_map(|b| &b.txs).map(|tx| &tx.receipt) {
        let paid = u128::from(receipt.gas_used).saturating_mul(receipt.effective_gas_price);
        let sum = fees.entry(receipt.from).or_default();
        *sum = sum.saturating_add(paid);
    }
    fees
}

/// What each provider was paid beside its prices.
fn emitted(blocks: &[Arc<FinalizedBlock>]) -> BTreeMap<Address, Grains> {
    let mut emitted: BTreeMap<Address, Grains> = BTreeMap::new();
    let logs = blocks.iter().flat_map(|block| block.logs()).filter(|log| log.address == system::REWARDS);
    for paid in logs.filter_map(|log| IRewards::EmissionPaid::decode_log(log).ok()) {
        let sum = emitted.entry(paid.provider).or_default();
        *sum = sum.saturating_add(paid.amount);
    }
    emitted
}

async fn parties(network: &Network, renter: &Renter, blocks: &[Arc<FinalizedBlock>]) -> Outcome<Vec<Party>> {
    let (fees, emitted) = (fees(blocks), emitted(blocks));
    let opening: BTreeMap<Address, Grains> =
        network.genesis().accounts.iter().map(|account| (account.address, account.balance)).collect();
    let mut parties = Vec::new();
    for (index, address) in network.providers().into_iter().enumerate() {
        let view = renter.chain().provider(address).await?;
        let view: ProviderView =
            view.ok_or_else(|| Failure::new(Code::Internal, format!("provider {address} is not registered")))?;
        let balance = renter.chain().account(address).await?.balance;
        let fees = fees.get(&address).copied().unwrap_or_default();
        let opening = opening.get(&address).copied().unwrap_or_default();
        let begun_with = opening.saturating_add(emitted.get(&address).copied().unwrap_or_default());
        // What it has and gave away, less what it began with, was emitted and was paid for work, came from slashes.
        let has = balance.saturating_add(view.collateral).saturating_add(view.slashed).saturating_add(fees);
        parties.push(Party {
            name: format!("provider {}", index + 1),
            address,
            price_per_gigafuel: view.price_per_gigafuel,
            lots_settled: view.lots_settled,
            earned: view.earned,
            slashed: view.slashed,
            caught: has.saturating_sub(begun_with).saturating_sub(view.earned),
            fees,
            balance,
            collateral: view.collateral,
        });
    }
    Ok(parties)
}

async fn renter_party(renter: &Renter, blocks: &[Arc<FinalizedBlock>], jobs: &[JobFacts]) -> Outcome<Party> {
    let address = renter.address();
    Ok(Party {
        name: "renter".to_owned(),
        address,
        price_per_gigafuel: 0,
        lots_settled: 0,
        earned: 0,
        slashed: 0,
        caught: jobs.iter().map(|j| j.compensated).fold(0, u128::saturating_add),
        fees: fees(blocks).get(&address).copied().unwrap_or_default(),
        balance: renter.chain().account(address).await?.balance,
        collateral: 0,
    })
}

fn lie(providers: &[Party], jobs: &[JobFacts], audited: bool) -> CheatFacts {
    let liar = &providers[LIAR];
    let mut slashes = Vec::new();
    let mut redone = true;
    for job in jobs {
        for slash in job.timeline.slashes.iter().filter(|s| s.provider == liar.address) {
            slashes.push(SlashFacts {
                job: job.name.clone(),
                lot: slash.lot,
                fault: slash.fault,
                amount: slash.amount,
                burned: slash.burned,
                to_catchers: slash.to_catchers,
                to_renter: slash.to_renter,
                at_ms: slash.at_ms,
            });
            let by_others =
                |r: &&crate::timeline::Row| r.lot == slash.lot && r.end == End::Settled && r.provider != liar.address;
            let settled = job.timeline.rows.iter().filter(by_others).count();
            redone &= settled >= usize::from(job.replicas);
        }
    }
    CheatFacts {
        liar: liar.name.clone(),
        address: liar.address,
        lots: u32::try_from(slashes.len()).unwrap_or(u32::MAX),
        slashes,
        caught_by: if audited { "auditors" } else { "its co-replicas" },
        redone,
    }
}

/// The one JSON document of `--output json`.
pub(super) fn document(f: &Findings) -> serde_json::Value {
    use serde_json::json;
    let provider = |p: &Party| {
        json!({
            "id": p.address,
            "name": p.name,
            "earned_grains": p.earned.to_string(),
            "slashed_grains": p.slashed.to_string(),
            "caught_grains": p.caught.to_string(),
            "fees_grains": p.fees.to_string(),
            "lots_settled": p.lots_settled,
            "price_per_gigafuel_grains": p.price_per_gigafuel.to_string(),
        })
    };
    let job = |j: &JobFacts| {
        json!({
            "name": j.name,
            "job_id": j.id,
            "tasks": j.tasks,
            "lots": j.lots,
            "replicas": j.replicas,
            "fuel": j.fuel,
            "cost_grains": j.paid.to_string(),
            "refunded_grains": j.refunded.to_string(),
            "compensated_grains": j.compensated.to_string(),
            "submit_to_settled_ms": j.submit_to_settled_ms,
            "result_root": j.result_root,
            "receipt": j.receipt,
            "receipt_bytes": j.receipt_bytes,
            "disputes": j.timeline.disputes,
            "lots_redone": j.timeline.requeued,
        })
    };
    let slash = |s: &SlashFacts| {
        json!({
            "job": s.job, "lot": s.lot, "fault": s.fault, "amount_grains": s.amount.to_string(),
            "burned_grains": s.burned.to_string(), "to_catchers_grains": s.to_catchers.to_string(),
            "to_renter_grains": s.to_renter.to_string(), "at_ms": s.at_ms,
        })
    };
    let sum = |pick: fn(&JobFacts) -> u128| f.jobs.iter().map(pick).fold(0, u128::saturating_add).to_string();
    let (b, books) = (&f.book, &f.network.books);
    json!({
        "verified": f.verified,
        "job_id": f.jobs.first().map(|j| j.id),
        "quotes": f.market.quotes,
        "contracts_priced": f.market.contracts_priced,
        "expiries": f.market.expiries,
        "slices_priced": f.slices.iter().filter(|s| s.priced > 0).count(),
        "tasks": f.jobs.iter().map(|j| j.tasks).sum::<u32>(),
        "fuel_total": f.jobs.iter().map(|j| j.fuel).sum::<u64>(),
        "cost_grains": sum(|j| j.paid),
        "compensated_grains": sum(|j| j.compensated),
        "finality_ms": { "p50": f.network.finality.p50, "p99": f.network.finality.p99, "blocks": f.network.finality.count },
        "submit_to_settled_ms": f.jobs.iter().map(|j| j.submit_to_settled_ms).sum::<u64>(),
        "elapsed_ms": f.elapsed_ms,
        "providers": f.network.providers.iter().map(provider).collect::<Vec<_>>(),
        "books_balanced": books.balance(),
        "books": books,
        "chain_id": f.network.chain_id,
        "genesis_hash": f.network.genesis_hash,
        "height": f.network.height,
        "state_root": f.network.state_root,
        "runtime_id": f.network.runtime_id,
        "result_hash": f.result_hash,
        "receipt": f.files.receipts.first(),
        "receipts": f.files.receipts,
        "genesis": f.files.genesis,
        "report": f.files.report,
        "surface": f.files.surface,
        "slices": f.files.slices,
        "book": f.files.book,
        "jobs": f.jobs.iter().map(job).collect::<Vec<_>>(),
        "risk": {
            "positions": b.positions, "value": b.value, "delta_1pct": b.delta, "gamma_1pct": b.gamma,
            "vega_point": b.vega, "theta_day": b.theta, "paths": b.paths, "horizon_days": b.horizon_days,
            "confidence": b.confidence, "var": b.var, "var_standard_error": b.var_se,
            "expected_shortfall": b.es, "expected_shortfall_standard_error": b.es_se,
            "mean": b.mean, "mean_standard_error": b.mean_se,
        },
        "cheat": f.cheat.as_ref().map(|c| json!({
            "liar": c.address, "name": c.liar, "lots": c.lots, "caught": !c.slashes.is_empty(),
            "redone": c.redone, "slashes": c.slashes.iter().map(slash).collect::<Vec<_>>(),
        })),
    })
}
