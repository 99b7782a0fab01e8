//! `assay quickstart`: a network, a real option book priced on it, verified, paid, reported.
//!
//! ```text
//! chain CSV -> a task a slice -> job 1 -> surface -> path ranges of the book -> job 2 -> risk
//!                                   \________ receipts, checked as `job verify` does _______/
//! ```

mod facts;
mod files;

pub(crate) use facts::Watcher;

use std::{sync::Arc, time::Instant};

use assay_client::{Chain, JobRequest, JobTerms, Progress as JobProgress};
use assay_provider::Misbehaviour;
use assay_types::{Abi, B256, Bytes, GIGAFUEL, GRAINS_PER_KRT, view::LotPhase};

use crate::{
    cli::{QuickstartArgs, TierArg},
    failure::Outcome,
    network::{Network, Options},
    pricing::{Holdings, PORTFOLIO_RISK_GUEST, Quotes, RISK_TASKS, VOL_SURFACE_GUEST, book, report},
    renter::{Finished, LOOPBACK, Renter, result_hash},
    tables,
    terminal::{Progress, Terminal},
};

/// The provider that lies under `--cheat`, by index: the cheapest, which the auction fills first.
const LIAR: usize = 0;
/// It lies about every so many tasks, the first included.
const LIES_EVERY: u32 = 7;
/// What each provider has in progress: four lots of the surface, so that no two of them suffice and all
/// three take part at one price.
const CAPACITY_GIGAFUEL: u64 = 400;
const TASKS_PER_LOT: u32 = 5;
const RISK_TASKS_PER_LOT: u32 = 2;

/// Runs it.
pub(crate) async fn run(args: QuickstartArgs, terminal: &Terminal) -> Outcome<()> {
    // Bad input is refused before anything is started.
    let quotes = Quotes::load(&args)?;
    let mut holdings = Holdings::load(args.book.as_deref())?;
    let dropped = holdings.fit_to(&quotes.chain, args.book.is_none())?;
    if dropped > 0 {
        terminal.note(format!("{dropped} positions of the sample book are not in this chain and were left out"));
    }
    let started = Instant::now();
    let spinner = terminal.spinner("network");
    let liar = args.cheat.then_some((LIAR, Misbehaviour::LieAboutTasks { every: LIES_EVERY, seed: 1 }));
    let options = Options { liar, capacity_gigafuel: Some(CAPACITY_GIGAFUEL), ..Options::default() };
    let network = Network::start(&args.dir, options, |text| spinner.say(text)).await?;
    drop(spinner);
    let result = Box::pin(price(&args, terminal, &network, &quotes, &holdings, started)).await;
    network.stop().await;
    result
}

async fn price(
    args: &QuickstartArgs,
    terminal: &Terminal,
    network: &Network,
    quotes: &Quotes,
    holdings: &Holdings,
    started: Instant,
) -> Outcome<()> {
    terminal.note(format!(
        "network of {} validators and {} providers is up at {}",
        network.nodes().len(),
        network.providers().len(),
        network.rpc_url()
    ));
    let watcher = facts::Watcher::start(network);
    let chain: Arc<dyn Chain> = network.chain_of(0)?;
    let renter = Renter::start(chain, network.roster().renter()?, &network.dir().join("renter"), LOOPBACK).await?;

    let tasks = quotes.tasks();
    let request = request(VOL_SURFACE_GUEST, tasks, TASKS_PER_LOT, args.tier);
    let slices = work(terminal, network, &renter, "vol-surface", &request).await?;
    let surface = quotes.surface(&slices.outputs)?;

    let risk_job = holdings.job(&surface, args.paths)?;
    let request = self::request(PORTFOLIO_RISK_GUEST, risk_job.tasks(RISK_TASKS), RISK_TASKS_PER_LOT, args.tier);
    let paths = work(terminal, network, &renter, "portfolio-risk", &request).await?;
    let risk = report(&risk_job, &paths.outputs)?;

    let spinner = terminal.spinner("report");
    spinner.say("checking receipts, writing tables");
    let files = files::write(args, network, &surface, &risk_job.rows, &[&slices, &paths])?;
    let hash = result_hash(slices.outputs.iter().chain(&paths.outputs));
    let jobs = [("vol-surface", &slices), ("portfolio-risk", &paths)];
    let mut findings = facts::gather(network, &renter, &jobs, watcher.stop().await, hash, args.cheat).await?;
    findings.market = quotes.market(&surface);
    findings.slices = quotes.slices(&surface);
    findings.book = book(&risk_job, &risk, surface.as_of);
    findings.files = files;
    findings.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    files::write_report(&findings)?;
    drop(spinner);
    renter.stop().await;
    tables::print(terminal, &findings);
    terminal.document(&facts::document(&findings));
    Ok(())
}

fn request(program: &'static [u8], tasks: Vec<Vec<u8>>, tasks_per_lot: u32, tier: TierArg) -> JobRequest {
    JobRequest {
        program: Bytes::from_static(program),
        // The bundled guests are public.
        program_sealed: false,
        inputs: tasks.into_iter().map(Bytes::from).collect(),
        terms: JobTerms {
            abi: Abi::Component,
            runtime_id: B256::from(assay_exec::runtime_id()),
            class: 1,
            substitutes: Vec::new(),
            fuel_per_task: 20 * GIGAFUEL,
            memory_mib: 256,
            output_bytes: 8 << 20,
            tasks_per_lot,
            replicas: tier.replicas(),
            audit: tier.audit(),
            min_reputation: 0,
            max_price_per_gigafuel: 2 * GRAINS_PER_KRT / 1_000,
            commit_window: 2_000,
            challenge_window: 4,
            lifetime: 50_000,
        },
    }
}

/// Runs one job with a progress bar a phase.
async fn work(
    terminal: &Terminal,
    network: &Network,
    renter: &Renter,
    name: &str,
    request: &JobRequest,
) -> Outcome<Finished> {
    let lots = request.inputs.len().div_ceil(request.terms.tasks_per_lot as usize) as u64;
    let bars = Bars {
        committed: terminal.bar(&format!("{name}: computed"), lots * u64::from(request.terms.replicas)),
        settled: terminal.bar(&format!("{name}: settled"), lots),
        fetched: terminal.bar(&format!("{name}: fetched"), request.inputs.len() as u64),
    };
    let dir = network.dir().join(format!("renter/{name}"));
    let receipt = network.dir().join(format!("{name}.receipt.json"));
    let finished = renter.run(request, &dir, &receipt, |progress| bars.show(progress)).await?;
    drop(bars);
    terminal.note(format!(
        "{name}: {} tasks in {lots} lots, verified, settled and paid in {:.1} s",
        request.inputs.len(),
        finished.elapsed.as_secs_f64()
    ));
    Ok(finished)
}

struct Bars {
    committed: Progress,
    settled: Progress,
    fetched: Progress,
}

impl Bars {
    fn show(&self, progress: &JobProgress) {
        let lots = &progress.job.lots;
        let over = |phase: LotPhase| matches!(phase, LotPhase::Settled | LotPhase::Refunded);
        let committed = |lot: &assay_types::view::LotView| match lot.phase {
            LotPhase::Running => lot.replicas.iter().filter(|r| r.commitment.is_some()).count(),
            _ => usize::from(progress.job.spec.replicas),
        };
        self.committed.at(lots.iter().map(|lot| committed(lot) as u64).sum());
        self.settled.at(lots.iter().filter(|lot| over(lot.phase)).count() as u64);
        self.fetched.at(progress.fetched.len() as u64);
        let disputes =
            lots.iter().filter(|l| matches!(l.phase, LotPhase::Disclosing | LotPhase::Judging | LotPhase::Deciding));
        let disputes = disputes.count();
        let say = match (disputes, &progress.trouble) {
            (0, None) => format!("block {}", progress.height),
            (0, Some(trouble)) => trouble.clone(),
            (n, _) => format!("{n} disputed: validators re-execute"),
        };
        self.settled.say(say);
    }
}
