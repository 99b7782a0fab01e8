//! `assay node`: a validator or a full node from one TOML file, and forgetting its state.

use std::{
    io::{BufRead as _, IsTerminal as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use assay_chain::{
    NodeConfig, StartError,
    guard::{FileGuard, Guard, GuardError},
    host::{Host, HostedNode},
    keys::ValidatorKeys,
    mempool::Limits,
    metrics::Metrics,
    retention::Retention,
    sync::{FollowerConfig, SYNC_BEYOND},
    upstream::{Pool, RpcUpstream, Upstream},
};
use assay_client::{RpcChain, RpcConfig, TokioHost, Wallet};
use assay_exec::{Engine, EngineConfig};
use assay_provider::{AdjudicatorConfig, adjudicator};
use assay_types::{B256, Bytes, Genesis};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    cli::{NodeArgs, NodeCommand, ResetArgs},
    commands::light,
    config::{NodeFile, bad, text},
    failure::{Code, Failure, Outcome},
    network::{Edge, StateDir, ended_by_itself, read_genesis, start_failure},
    stop::Stop,
    terminal::{Terminal, Tone},
    vitals::{Served, of_node},
    words::duration,
};

/// Prefix of the node's partitions on disk.
pub(super) const PARTITION: &str = "validator";
/// The folder of its databases in its state directory.
const DATABASES: &str = "validators/chain";
/// Worker threads of a node.
const THREADS: usize = 2;

/// A validator's keys in a file of their own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFile {
    /// Key of the account that earns its fees.
    pub(crate) account: B256,
    /// Network and vote keys.
    pub(crate) node: Bytes,
}

impl KeyFile {
    /// New keys.
    pub(crate) fn generate() -> Self {
        Self { account: Wallet::random().key(), node: ValidatorKeys::generate(&mut rand::rng()).to_bytes().into() }
    }

    /// Reads a key file: the account's wallet and the node's keys.
    pub(crate) fn read(path: &Path) -> Outcome<(Wallet, ValidatorKeys)> {
        let keys: Self = serde_json::from_str(&text(path)?).map_err(|e| bad(path, &e))?;
        let node = ValidatorKeys::from_bytes(&keys.node).map_err(|e| bad(path, &e))?;
        Ok((Wallet::from_key(&keys.account)?, node))
    }
}

/// Runs one validator until Ctrl-C, or resets one.
pub(crate) async fn run(args: NodeArgs, terminal: &Terminal) -> Outcome<()> {
    match args.command {
        Some(NodeCommand::Reset(reset)) => forget(&reset, terminal),
        None => serve(&args.config.unwrap_or_default(), args.with_parent, terminal).await,
    }
}

async fn serve(path: &Path, with_parent: bool, terminal: &Terminal) -> Outcome<()> {
    let file = NodeFile::read(path)?;
    let genesis = read_genesis(&file.genesis)?;
    let dir = StateDir::open(&file.dir, false)?;
    match dir.genesis()? {
        None => dir.adopt(&genesis)?,
        Some(found) if found.hash() == genesis.hash() => {}
        Some(found) => {
            return Err(Failure::new(Code::ForeignDirectory, format!("{} is of another network", file.dir.display()))
                .why(format!(
                    "its genesis is {} of chain {}, the file's {} of chain {}",
                    found.hash(),
                    found.chain_id,
                    genesis.hash(),
                    genesis.chain_id
                ))
                .next("choose another directory, or get the genesis file of that network"));
        }
    }
    let seat = match (&file.keys, file.listen) {
        (Some(keys), Some(listen)) => Some(Seat::open(keys, file.next_keys.as_deref(), listen)?),
        _ => None,
    };
    let role = if seat.is_some() { "validator" } else { "full" };
    tracing::info!(target: "node", role, chain_id = genesis.chain_id, genesis = %genesis.hash(),
        dir = %file.dir.display(), "starting");
    let wallet = seat.as_ref().map(|seat| seat.wallet.clone());
    let (path, retention) = (dir.join("validators"), file.keep_blocks.map_or(Retention::Archive, Retention::Blocks));
    let upstreams = upstreams(&file, &genesis, terminal)?;
    let mempool = Limits { refused: file.refuse, ..Limits::default() };
    if let Some(wallet) = wallet.as_ref().filter(|wallet| mempool.refused.contains(&wallet.address())) {
        return Err(Failure::new(Code::BadConfig, format!("`refuse` lists {}, this node's own", wallet.address()))
            .next("take it out: a validator sends its heartbeats and votes through its own node"));
    }
    let network = genesis.clone();
    let spinner = terminal.spinner(if upstreams.is_none() { "opening" } else { "state from upstream" });
    let started = tokio::task::spawn_blocking(move || start(path, network, mempool, retention, seat, upstreams)).await;
    drop(spinner);
    let host = started
        .map_err(|e| Failure::new(Code::Internal, "the node could not start").because(&e))?
        .map_err(|e| start_failure(&e))?;
    let node = host.nodes()[0].clone();
    let metrics = match file.metrics {
        Some(at) => {
            let routes = of_node(Metrics::new(node.clone(), host.figures(), dir.path()));
            Some(Served::start(routes, at, "metrics").await?)
        }
        None => None,
    };
    let edge = Edge::start(node.clone(), &dir.join("index"), retention.index(), file.rpc).await?;
    let url = format!("http://{}", edge.address());
    let judge = if let Some(wallet) = wallet.filter(|_| file.adjudicate.unwrap_or(true)) {
        let chain = Arc::new(RpcChain::new(RpcConfig::new(&url))?);
        let mut config = AdjudicatorConfig::new(dir.join("adjudicator"));
        if let Some(listen) = file.listen {
            // Where its peers reach it; any address if that is unspecified.
            config.listen.set_ip(listen.ip());
        }
        let engine = engine(&dir.join("compiled"))?;
        Some(adjudicator::start(config, chain, Arc::new(TokioHost), wallet, engine).await?)
    } else {
        None
    };
    let metrics_url = metrics.as_ref().map(|served| format!("http://{}", served.address()));
    let height = || node.tip().map_or(0, |tip| tip.height);
    tracing::info!(target: "node", rpc = %edge.address(), metrics = metrics_url.as_deref().unwrap_or("none"), role,
        height = height(), "up");
    terminal.document(&json!({
        "rpc_url": url,
        "role": role,
        "listen": file.listen,
        "metrics_url": metrics_url,
        "chain_id": genesis.chain_id,
        "genesis_hash": genesis.hash(),
        "height": height(),
    }));
    let what = if role == "full" { "The full node is up." } else { "The validator is up." };
    terminal.line(terminal.paint(Tone::Good, what));
    terminal.line(format!("  RPC {url}"));
    if let Some(listen) = file.listen {
        terminal.line(format!("  peers {listen}"));
    }
    if let Some(url) = metrics_url {
        terminal.line(format!("  {url}/health /ready /metrics"));
    }
    terminal.line("Stop it with Ctrl-C.");
    let mut ended = host.ended();
    let mut stop = Stop::new(with_parent);
    let outcome = tokio::select! {
        () = stop.asked() => Ok(()),
        failure = ended_by_itself(&mut ended) => Err(failure),
    };
    terminal.note("stopping");
    tracing::info!(target: "node", asked = outcome.is_ok(), height = height(), "stopping");
    if let Some(judge) = judge {
        judge.shutdown().await?;
    }
    if tokio::task::spawn_blocking(move || host.stop()).await.is_err() {
        terminal.note("the validator did not end cleanly");
    }
    edge.stop().await;
    if let Some(served) = metrics {
        served.stop().await;
    }
    tracing::info!(target: "node", height = height(), "stopped");
    outcome
}

/// A validator's part of a node.
struct Seat {
    wallet: Wallet,
    keys: ValidatorKeys,
    guard: Arc<dyn Guard>,
    listen: SocketAddr,
}

impl Seat {
    /// Reads the keys and takes the guard that lies beside them.
    fn open(path: &Path, next: Option<&Path>, listen: SocketAddr) -> Outcome<Self> {
        let (wallet, mut keys) = KeyFile::read(path)?;
        if let Some(next) = next {
            keys.next_vote = Some(KeyFile::read(next)?.1.vote);
        }
        let guard = FileGuard::open(&path.with_extension("guard")).map_err(|error| guard_failure(&error))?;
        Ok(Self { wallet, keys, guard: Arc::new(guard), listen })
    }
}

fn guard_failure(error: &GuardError) -> Failure {
    match error {
        GuardError::InUse { .. } => Failure::new(Code::DirectoryInUse, "these keys are in use")
            .because(error)
            .next("stop the other process; each validator needs keys of its own"),
        GuardError::Damaged { path } => Failure::new(Code::Corrupt, "these keys may not vote")
            .because(error)
            .next("rotate to new keys: `assay keys rotate`, which no old vote can contradict")
            .next(format!(
                "or, once the epoch in which they voted last is over for sure, delete {} and start again",
                path.display()
            )),
        GuardError::Io { .. } => Failure::new(Code::Io, "these keys may not vote").because(error),
    }
}

fn upstreams(file: &NodeFile, genesis: &Genesis, terminal: &Terminal) -> Outcome<Option<Arc<Pool>>> {
    if file.upstream.is_empty() {
        return Ok(None);
    }
    let upstream = |url: &String| -> Outcome<Arc<dyn Upstream>> {
        let upstream = RpcUpstream::new(url)
            .map_err(|e| Failure::new(Code::BadConfig, "an upstream's address cannot be used").because(&e))?;
        Ok(Arc::new(upstream))
    };
    let members = file.upstream.iter().map(upstream).collect::<Outcome<Vec<_>>>()?;
    let trusted = file.checkpoint.as_ref().map(|path| light::checkpoint(path, genesis)).transpose()?;
    let since_ms = trusted.as_ref().map_or(genesis.timestamp_ms, |checkpoint| checkpoint.timestamp_ms);
    let age_ms = light::now_ms().saturating_sub(since_ms);
    if age_ms > genesis.params.unbonding_ms && !file.dir.join(DATABASES).exists() {
        terminal.note(format!(
            "what this node joins by is {} old, and stake behind it may have left after {}: name a newer `checkpoint`, or \
             compare a block hash with somebody you trust",
            duration(age_ms),
            duration(genesis.params.unbonding_ms)
        ));
    }
    Ok(Some(Pool::trusting(members, trusted)))
}

/// Starts the node's databases and tasks; with upstreams and no state of its own it brings that first.
fn start(
    dir: PathBuf,
    genesis: Genesis,
    mempool: Limits,
    retention: Retention,
    seat: Option<Seat>,
    upstreams: Option<Arc<Pool>>,
) -> Result<Host, StartError> {
    let partition = PARTITION.to_owned();
    let Some(Seat { keys, guard, listen, .. }) = seat else {
        let config = FollowerConfig { genesis, partition, mempool, retention, sync_beyond: SYNC_BEYOND };
        return Host::follow(dir, config, upstreams.unwrap_or_else(|| Pool::new([])), THREADS);
    };
    let config = NodeConfig { genesis, keys, partition, mempool, retention, guard: Some(guard) };
    let node = HostedNode { config, listen };
    match upstreams {
        None => Host::start(dir, vec![node], THREADS),
        Some(pool) => Host::join(dir, node, pool, THREADS),
    }
}

/// The engine that runs jobs, with its cache of compiled programs.
pub(super) fn engine(cache: &Path) -> Outcome<Arc<Engine>> {
    let config = EngineConfig { cache_dir: Some(cache.to_owned()), ..EngineConfig::default() };
    let engine = Engine::new(config)
        .map_err(|e| Failure::new(Code::Io, "this machine cannot run the jobs' runtime").because(&e))?;
    Ok(Arc::new(engine))
}

/// Deletes the databases of a node. Keys, journals of adjudication and what else lies beside them stay.
fn forget(args: &ResetArgs, terminal: &Terminal) -> Outcome<()> {
    let file = NodeFile::read(&args.config)?;
    let state = StateDir::open(&file.dir, false)?;
    let databases = [state.join(DATABASES), state.join("index")];
    let there: Vec<_> = databases.iter().filter(|path| path.exists()).collect();
    if let Some(keys) = &file.keys
        && there.iter().any(|path| keys.starts_with(path))
    {
        return Err(Failure::new(Code::BadConfig, format!("{} lies inside a database", keys.display()))
            .next("move the key file out of there first"));
    }
    if there.is_empty() {
        terminal.document(&json!({ "deleted": [] }));
        terminal.line("nothing to delete: there is no state yet");
        return Ok(());
    }
    if !args.yes {
        agreed(&there)?;
    }
    for path in &there {
        std::fs::remove_dir_all(path).map_err(|e| Failure::io(format!("could not delete {}", path.display()), &e))?;
    }
    tracing::info!(target: "node", dir = %file.dir.display(), "reset");
    terminal.document(&json!({ "deleted": there }));
    for path in there {
        terminal.line(format!("deleted {}", path.display()));
    }
    terminal.line("The keys are as they were. Started again, the node reads all blocks from its peers.");
    Ok(())
}

/// Asks on the terminal.
fn agreed(paths: &[&std::path::PathBuf]) -> Outcome<()> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Code::BadInput, "nobody is there to ask").next("say --yes to delete without asking"));
    }
    for path in paths {
        eprintln!("to be deleted: {}", path.display());
    }
    eprint!("The node must read all blocks from its peers again. Delete? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|e| Failure::io("could not read the answer", &e))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(Code::Interrupted, "nothing was deleted"))
}
