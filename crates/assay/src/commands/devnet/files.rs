//! The files of a development network: keys, a genesis, a home for each role.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use assay_client::Keystore;
use assay_types::{Address, B256, Genesis};
use serde_json::json;

use super::name_of;
use crate::{
    cli::DevnetFiles,
    commands::{
        init::{keep, node_toml, provider_toml, save_keys},
        node::KeyFile,
        roles::provider_file,
    },
    config::NodeFile,
    failure::{Code, Failure, Outcome},
    network::{ParamsFile, Roster, StateDir, ask, create_dir, match_existing, of_new, write_file},
    terminal::{Terminal, Tone},
};

/// Metrics are served this much above JSON-RPC.
const METRICS_OFFSET: u16 = 100;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Validator,
    Provider,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::Provider => "provider",
        }
    }
}

/// A home and what is needed to start and ask it.
#[derive(Debug, Clone)]
pub(super) struct Home {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) config: PathBuf,
    pub(super) rpc_url: String,
}

/// All homes of a network.
pub(super) struct Homes {
    pub(super) validators: Vec<Home>,
    pub(super) providers: Vec<Home>,
    pub(super) account: Address,
    pub(super) genesis_hash: B256,
    pub(super) chain_id: u64,
}

impl Homes {
    /// Makes keys, a genesis and a configuration file for each role.
    pub(super) fn make(dir: &StateDir, files: &DevnetFiles, terminal: &Terminal) -> Outcome<Self> {
        let spinner = terminal.spinner("network");
        let (validators, providers) = (files.validators.unwrap_or(4), files.providers.unwrap_or(3));
        let params = files.params.as_deref().map(ParamsFile::read).transpose()?;
        let params = of_new(params.as_ref(), providers)?;
        let roster = Roster::generate(validators, providers);
        let genesis = roster.genesis(params)?;
        let first = files.rpc_port.unwrap_or(8545);
        let rpc = |index: usize, above: u16| {
            // Clap keeps both so low that this cannot wrap.
            let offset = u16::try_from(index % validators as usize).unwrap_or_default();
            SocketAddr::from((Ipv4Addr::LOCALHOST, first.saturating_add(offset).saturating_add(above)))
        };
        for (index, (seat, listed)) in roster.validators()?.into_iter().zip(&genesis.validators).enumerate() {
            let home = dir.join(format!("validator-{}", index + 1));
            create_dir(&home)?;
            let keys = KeyFile { account: seat.wallet.key(), node: seat.keys.to_bytes().into() };
            save_keys(&home.join("validator.json"), &keys)?;
            let [rpc, metrics] = [rpc(index, 0), rpc(index, METRICS_OFFSET)].map(|address| address.to_string());
            let text = node_toml("../genesis.json", &listed.address, &rpc, &metrics);
            write_file(&home.join("node.toml"), text.as_bytes(), 0o644)?;
        }
        for (index, wallet) in roster.providers()?.iter().enumerate() {
            spinner.say(format!("keeping the key of provider {}", index + 1));
            let home = dir.join(format!("provider-{}", index + 1));
            keep(&home.join("keys"), wallet)?;
            let text = provider_toml(&format!("http://{}", rpc(index, 0)), ask(index));
            write_file(&home.join("provider.toml"), text.as_bytes(), 0o644)?;
        }
        spinner.say("keeping the key of the funded account");
        keep(&dir.join("keys"), &roster.renter()?)?;
        // Last, so that a directory half made is not taken for a whole one.
        dir.adopt(&genesis)?;
        Self::found(dir, &genesis)
    }

    /// The homes that are there, if they are what `files` ask for.
    pub(super) fn load(dir: &StateDir, genesis: &Genesis, files: &DevnetFiles) -> Outcome<Self> {
        let homes = Self::found(dir, genesis)?;
        let params = files.params.as_deref().map(ParamsFile::read).transpose()?;
        match_existing(params.as_ref(), genesis, dir.path())?;
        let other = |what: &str, there: usize, wanted: usize| {
            Failure::new(Code::ForeignDirectory, format!("{} holds another network", dir.path().display()))
                .why(format!("it has {there} {what}, and {wanted} were asked for"))
                .next("leave the number out to go on with it, choose another --dir, or start over with --fresh")
        };
        for (what, there, wanted) in [
            ("validators", homes.validators.len(), files.validators),
            ("providers", homes.providers.len(), files.providers),
        ] {
            if let Some(wanted) = wanted.map(|wanted| wanted as usize)
                && wanted != there
            {
                return Err(other(what, there, wanted));
            }
        }
        if let Some(port) = files.rpc_port
            && !homes.rpc_url().ends_with(&format!(":{port}"))
        {
            let why = format!("its JSON-RPC is {}, not on port {port}", homes.rpc_url());
            return Err(Failure::new(Code::ForeignDirectory, "the network has another port")
                .why(why)
                .next("leave --rpc-port out, or change `rpc` in the files of its validators and providers"));
        }
        Ok(homes)
    }

    fn found(dir: &StateDir, genesis: &Genesis) -> Outcome<Self> {
        let (mut validators, mut providers) = (Vec::new(), Vec::new());
        for config in configs(dir, "validator", "node.toml") {
            let file = NodeFile::read(&config)?;
            let rpc_url = format!("http://{}", file.rpc);
            validators.push(Home { role: Role::Validator, name: name_of(&config), config, rpc_url });
        }
        for config in configs(dir, "provider", "provider.toml") {
            let (_, file) = provider_file(&config)?;
            let rpc_url = file.rpc;
            providers.push(Home { role: Role::Provider, name: name_of(&config), config, rpc_url });
        }
        let account = Keystore::open(dir.join("keys"))?.list()?.first().map(|kept| kept.address);
        let account = account.ok_or_else(|| Failure::new(Code::NoKey, "the key of the funded account is gone"))?;
        if validators.is_empty() {
            return Err(Failure::new(
                Code::ForeignDirectory,
                format!("{} has no validator-1/node.toml", dir.path().display()),
            )
            .why("it is a network of one process, of `assay up`")
            .next("choose another directory with --dir"));
        }
        Ok(Self { validators, providers, account, genesis_hash: genesis.hash(), chain_id: genesis.chain_id })
    }

    /// The first validator's JSON-RPC address.
    pub(super) fn rpc_url(&self) -> String {
        self.validators.first().map_or_else(String::new, |home| home.rpc_url.clone())
    }

    /// Says what was made and how each role is started.
    pub(super) fn announce(&self, dir: &StateDir, terminal: &Terminal) {
        let list = |homes: &[Home]| homes.iter().map(|home| home.config.clone()).collect::<Vec<_>>();
        terminal.document(&json!({
            "genesis": dir.join("genesis.json"),
            "genesis_hash": self.genesis_hash,
            "chain_id": self.chain_id,
            "nodes": list(&self.validators),
            "providers": list(&self.providers),
            "rpc_url": self.rpc_url(),
            "account": self.account,
            "keys": dir.join("keys"),
        }));
        terminal.line(terminal.paint(Tone::Good, &format!("A network is ready in {}.", dir.path().display())));
        terminal.line(format!("\nStart all:  assay devnet --dir {}", dir.path().display()));
        terminal.line("or each in a terminal of its own:");
        for home in self.validators.iter().chain(&self.providers) {
            let command = if home.role == Role::Validator { "node" } else { "provider" };
            terminal.line(format!("  assay {command} --config {}", home.config.display()));
        }
        terminal.line(format!(
            "\nThen:  assay job submit PROGRAM.wasm --input FILE --wait --rpc {} --keys {}",
            self.rpc_url(),
            dir.join("keys").display()
        ));
    }
}

/// Configuration files of homes `PREFIX-1`, `PREFIX-2` and so on, as far as they go.
fn configs(dir: &StateDir, prefix: &str, file: &str) -> Vec<PathBuf> {
    let at = |number: usize| dir.join(Path::new(&format!("{prefix}-{number}")).join(file));
    (1..).map(at).take_while(|path| path.exists()).collect()
}
