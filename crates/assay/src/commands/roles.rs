//! `assay node` and `assay provider`: one role a process, each from one TOML file.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use assay_chain::{
    NodeConfig,
    host::{Host, HostedNode},
    keys::ValidatorKeys,
    mempool::Limits,
};
use assay_client::{Keystore, RpcChain, RpcConfig, TokioHost, Wallet};
use assay_exec::{Engine, EngineConfig};
use assay_provider::{AdjudicatorConfig, PriceSource, ProviderConfig, adjudicator, provider};
use assay_types::Address;
use serde::Deserialize;
use serde_json::json;

use super::{init::KeyFile, up::interrupted};
use crate::{
    cli::{NodeArgs, ProviderArgs, ProviderCommand},
    failure::{Code, Failure, Outcome},
    network::{Edge, StateDir, ended_by_itself, read_genesis, start_failure},
    terminal::{Terminal, Tone},
};

/// Settings of a validator.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeFile {
    /// The network's genesis file.
    genesis: PathBuf,
    /// State directory.
    dir: PathBuf,
    /// The validator's keys.
    keys: PathBuf,
    /// Address for peers.
    listen: SocketAddr,
    /// Address of the JSON-RPC server.
    rpc: SocketAddr,
    /// Whether to re-execute disputed tasks.
    #[serde(default = "yes")]
    adjudicate: bool,
}

fn yes() -> bool {
    true
}

/// Settings of a provider: its own, and where its account's key is.
#[derive(Debug, Deserialize)]
struct ProviderKeys {
    keys: PathBuf,
    password_file: PathBuf,
    #[serde(default)]
    account: Option<Address>,
}

fn text(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|e| Failure::io(format!("could not read {}", path.display()), &e))
}

fn bad(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::BadConfig, format!("{} cannot be used", path.display()))
        .because(error)
        .next("the fields are listed by `--help`")
}

/// A path in a configuration file, which is relative to that file.
fn beside(config: &Path, path: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(path)
}

/// Runs one validator until Ctrl-C.
pub(crate) async fn node(args: NodeArgs, terminal: &Terminal) -> Outcome<()> {
    let mut file: NodeFile = toml::from_str(&text(&args.config)?).map_err(|e| bad(&args.config, &e))?;
    for path in [&mut file.genesis, &mut file.dir, &mut file.keys] {
        *path = beside(&args.config, path);
    }
    let genesis = read_genesis(&file.genesis)?;
    let keys: KeyFile = serde_json::from_str(&text(&file.keys)?).map_err(|e| bad(&file.keys, &e))?;
    let wallet = Wallet::from_key(&keys.account)?;
    let node_keys = ValidatorKeys::from_bytes(&keys.node).map_err(|e| bad(&file.keys, &e))?;
    let dir = StateDir::open(&file.dir, false)?;
    match dir.genesis()? {
        None => dir.adopt(&genesis)?,
        Some(found) if found.hash() == genesis.hash() => {}
        Some(found) => {
            return Err(Failure::new(Code::ForeignDirectory, format!("{} is of another network", file.dir.display()))
                .why(format!("its genesis is {}, the file's {}", found.hash(), genesis.hash()))
                .next("choose another directory"));
        }
    }
    let config = NodeConfig {
        genesis: genesis.clone(),
        keys: node_keys,
        partition: "validator".to_owned(),
        mempool: Limits::default(),
        retention: Default::default(),
        guard: None,
    };
    let (path, listen) = (dir.join("validators"), file.listen);
    let started = tokio::task::spawn_blocking(move || Host::start(path, vec![HostedNode { config, listen }], 2)).await;
    let host = started
        .map_err(|e| Failure::new(Code::Internal, "the validator could not start").because(&e))?
        .map_err(|e| start_failure(&e))?;
    let node = host.nodes()[0].clone();
    let edge = Edge::start(node, &dir.join("index"), file.rpc).await?;
    let url = format!("http://{}", edge.address());
    let judge = if file.adjudicate {
        let chain = Arc::new(RpcChain::new(RpcConfig::new(&url))?);
        let config = AdjudicatorConfig::new(dir.join("adjudicator"));
        let engine = engine(&dir.join("compiled"))?;
        Some(adjudicator::start(config, chain, Arc::new(TokioHost), wallet, engine).await?)
    } else {
        None
    };
    terminal.document(&json!({ "rpc_url": url, "listen": file.listen, "chain_id": genesis.chain_id }));
    terminal.line(terminal.paint(Tone::Good, "The validator is up."));
    terminal.line(format!("  RPC {url}\n  peers {}\nStop it with Ctrl-C.", file.listen));
    let mut ended = host.ended();
    let outcome = tokio::select! {
        () = interrupted() => Ok(()),
        failure = ended_by_itself(&mut ended) => Err(failure),
    };
    terminal.note("stopping");
    if let Some(judge) = judge {
        judge.shutdown().await?;
    }
    if tokio::task::spawn_blocking(move || host.stop()).await.is_err() {
        terminal.note("the validator did not end cleanly");
    }
    edge.stop().await;
    outcome
}

fn engine(cache: &Path) -> Outcome<Arc<Engine>> {
    let config = EngineConfig { cache_dir: Some(cache.to_owned()), ..EngineConfig::default() };
    let engine = Engine::new(config)
        .map_err(|e| Failure::new(Code::Io, "this machine cannot run the jobs' runtime").because(&e))?;
    Ok(Arc::new(engine))
}

/// A provider's configuration file: where its keys are, and its settings with paths made absolute to it.
fn provider_file(path: &Path) -> Outcome<(ProviderKeys, ProviderConfig)> {
    let mut table: toml::Table = text(path)?.parse().map_err(|e: toml::de::Error| bad(path, &e))?;
    let mut own = toml::Table::new();
    for field in ["keys", "password_file", "account"] {
        if let Some(value) = table.remove(field) {
            own.insert(field.to_owned(), value);
        }
    }
    let keys: ProviderKeys = own.try_into().map_err(|e: toml::de::Error| bad(path, &e))?;
    let mut config = ProviderConfig::from_toml(&table.to_string()).map_err(|e| bad(path, &e))?;
    config.data_dir = beside(path, &config.data_dir);
    if let Some(pricing) = &mut config.pricing
        && let PriceSource::File { path: file, .. } = &mut pricing.energy
    {
        *file = beside(path, file);
    }
    Ok((keys, config))
}

/// Runs one provider until Ctrl-C, then gives back what it has not begun.
pub(crate) async fn provider(args: ProviderArgs, terminal: &Terminal) -> Outcome<()> {
    if let Some(ProviderCommand::Price { config, explain, measure }) = args.command {
        let (_, settings) = provider_file(&config)?;
        return super::price::run(&settings, explain, measure, terminal).await;
    }
    let path = args.config.unwrap_or_default();
    let (keys, config) = provider_file(&path)?;
    let keystore = Keystore::open(beside(&path, &keys.keys))?;
    let account = match (keys.account, keystore.list()?.as_slice()) {
        (Some(account), _) => account,
        (None, [one]) => one.address,
        (None, several) => {
            return Err(Failure::new(Code::NoKey, format!("{} holds {} keys", keys.keys.display(), several.len()))
                .next("name the provider's with `account = \"0x…\"` in the file"));
        }
    };
    let wallet = keystore.unlock(account, text(&beside(&path, &keys.password_file))?.trim_end_matches(['\r', '\n']))?;
    let chain = Arc::new(RpcChain::new(RpcConfig::new(&config.rpc))?);
    let engine = engine(&config.data_dir.join("compiled"))?;
    let running = provider::start(config, chain, Arc::new(TokioHost), wallet, engine).await?;
    terminal.document(&json!({ "provider": running.address() }));
    terminal.line(terminal.paint(Tone::Good, "The provider is registered and takes work."));
    terminal.line(format!("  account {}\nStop it with Ctrl-C: it takes nothing new and finishes what it began; a second Ctrl-C ends it at once.", running.address()));
    let mut second = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        tokio::select! {
            () = interrupted() => break,
            _ = second.tick() => if !running.is_running() {
                // It says itself why it ended.
                return Ok(running.shutdown().await?);
            },
        }
    }
    terminal.note("draining");
    tokio::select! {
        drained = running.drain() => Ok(drained?),
        () = interrupted() => Ok(()),
    }
}
