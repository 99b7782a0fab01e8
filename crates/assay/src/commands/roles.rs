//! `assay provider`: a provider from one TOML file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use assay_client::{Keystore, RpcChain, RpcConfig, TokioHost};
use assay_provider::{PriceSource, ProviderConfig, provider};
use assay_types::Address;
use serde::Deserialize;
use serde_json::json;

use super::node::engine;
use crate::{
    cli::{ProviderArgs, ProviderCommand},
    config::{self, bad, beside, text},
    failure::{Code, Failure, Outcome},
    stop::Stop,
    terminal::{Terminal, Tone},
};

/// Settings of a provider: its own, and where its account's key is.
#[derive(Debug, Deserialize)]
pub(super) struct ProviderKeys {
    pub(super) keys: PathBuf,
    pub(super) password_file: PathBuf,
    #[serde(default)]
    pub(super) account: Option<Address>,
}

/// A provider's configuration file: where its keys are, and its settings with paths made absolute to it.
pub(super) fn provider_file(path: &Path) -> Outcome<(ProviderKeys, ProviderConfig)> {
    let known = [&config::PROVIDER_FIELDS[..], &["misbehaviour"]].concat();
    let mut table = config::table(path, &known)?;
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

/// How long a provider that was started by another process finishes what it began once it is to end.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(15);

/// Runs one provider until Ctrl-C, then gives back what it has not begun.
pub(crate) async fn provider(args: ProviderArgs, terminal: &Terminal) -> Outcome<()> {
    if let Some(ProviderCommand::Price { config, explain, measure }) = args.command {
        let (_, settings) = provider_file(&config)?;
        return super::price::run(&settings, explain, measure, terminal).await;
    }
    let path = args.config.unwrap_or_default();
    let mut stop = Stop::new(args.with_parent);
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
    tracing::info!(target: "provider", %account, rpc = %config.rpc, "starting");
    let running = provider::start(config, chain, Arc::new(TokioHost), wallet, engine).await?;
    tracing::info!(target: "provider", account = %running.address(), "up");
    terminal.document(&json!({ "provider": running.address() }));
    terminal.line(terminal.paint(Tone::Good, "The provider is registered and takes work."));
    terminal.line(format!("  account {}\nStop it with Ctrl-C: it takes nothing new and finishes what it began; a second Ctrl-C ends it at once.", running.address()));
    let mut second = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        tokio::select! {
            () = stop.asked() => break,
            _ = second.tick() => if !running.is_running() {
                // It says itself why it ended.
                return Ok(running.shutdown().await?);
            },
        }
    }
    terminal.note("draining");
    tracing::info!(target: "provider", "draining");
    let outcome = tokio::select! {
        drained = running.drain() => drained.map_err(Failure::from),
        () = stop.asked() => Ok(()),
        // Who started it may have died, and the network it drains from with it: it goes on at its next start.
        () = tokio::time::sleep(DRAIN), if args.with_parent => Ok(()),
    };
    tracing::info!(target: "provider", clean = outcome.is_ok(), "stopped");
    outcome
}
