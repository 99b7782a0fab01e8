//! `assay init`: the home of one process: keys and a commented configuration file.

use std::path::{Path, PathBuf};

use assay_chain::keys::ValidatorKeys;
use assay_client::{Keystore, Wallet};
use assay_types::{Address, GenesisValidator, Grains, format_krt, parse_krt};
use serde_json::json;

use super::{connect, node::KeyFile};
use crate::{
    cli::{InitArgs, RoleArg},
    failure::{Code, Failure, Outcome},
    network::{COLLATERAL, ask, create_dir, read_genesis, write_file},
    terminal::{Terminal, Tone},
};

/// Makes a home.
pub(crate) fn run(args: &InitArgs, terminal: &Terminal) -> Outcome<()> {
    let occupied = std::fs::read_dir(&args.home).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(Failure::new(Code::DirectoryInUse, format!("{} is not empty", args.home.display()))
            .why("keys that are there must not be lost")
            .next("choose another directory with --home"));
    }
    let stake = parse_krt(&args.stake).map_err(|e| Failure::new(Code::BadInput, "--stake is no amount").because(&e))?;
    // Before anything is made.
    let genesis = args.genesis.as_deref().map(read_genesis).transpose()?;
    create_dir(&args.home)?;
    if let Some(genesis) = &genesis {
        write_file(&args.home.join("genesis.json"), genesis.to_json().as_bytes(), 0o644)?;
    }
    match args.role {
        RoleArg::Validator => validator(args, stake, terminal),
        RoleArg::Full => {
            let config = full_toml(&args.node);
            made(args, "node.toml", &config, "node", terminal)
        }
        RoleArg::Provider => provider(args, terminal),
        RoleArg::Gateway => made(args, "gateway.toml", &gateway_toml(&args.node), "gateway", terminal),
    }
}

fn validator(args: &InitArgs, stake: Grains, terminal: &Terminal) -> Outcome<()> {
    let keys = KeyFile::generate();
    save_keys(&args.home.join("validator.json"), &keys)?;
    let (wallet, node) = KeyFile::read(&args.home.join("validator.json"))?;
    let entry = entry(wallet.address(), &node, stake, &args.address.to_string());
    let text = serde_json::to_string_pretty(&entry).unwrap_or_default();
    let listed = args.home.join("validator-entry.json");
    write_file(&listed, format!("{text}\n").as_bytes(), 0o644)?;
    let config = args.home.join("node.toml");
    let toml = node_toml("genesis.json", &args.address.to_string(), "127.0.0.1:8545", "127.0.0.1:9464");
    write_file(&config, toml.as_bytes(), 0o644)?;
    if terminal.json() {
        terminal.document(&json!({ "config": config, "entry_file": listed, "entry": entry }));
        return Ok(());
    }
    terminal.line(terminal.paint(Tone::Good, &format!("A validator's home is ready in {}.", args.home.display())));
    terminal.line(format!("Its entry, in {} for `assay genesis build`:\n{text}", listed.display()));
    terminal.line(format!(
        "Keep {} secret and safe: who has it can vote as this validator, and it cannot be had again.",
        args.home.join("validator.json").display()
    ));
    next(args, &config, "node", terminal);
    Ok(())
}

fn provider(args: &InitArgs, terminal: &Terminal) -> Outcome<()> {
    let wallet = Wallet::random();
    keep(&args.home.join("keys"), &wallet)?;
    let node = args.node.first().map_or("http://127.0.0.1:8545", String::as_str);
    let config = args.home.join("provider.toml");
    write_file(&config, provider_toml(node, ask(0)).as_bytes(), 0o644)?;
    terminal.document(&json!({ "config": config, "account": wallet.address() }));
    terminal.line(terminal.paint(Tone::Good, &format!("A provider's home is ready in {}.", args.home.display())));
    terminal.line(format!(
        "  account {}\nSend it the collateral, {} KRT, and some more for fees.",
        wallet.address(),
        format_krt(COLLATERAL)
    ));
    next(args, &config, "provider", terminal);
    Ok(())
}

fn made(args: &InitArgs, name: &str, toml: &str, command: &str, terminal: &Terminal) -> Outcome<()> {
    let config = args.home.join(name);
    write_file(&config, toml.as_bytes(), 0o644)?;
    terminal.document(&json!({ "config": config }));
    terminal.line(terminal.paint(Tone::Good, &format!("A home is ready in {}.", args.home.display())));
    next(args, &config, command, terminal);
    Ok(())
}

fn next(args: &InitArgs, config: &Path, command: &str, terminal: &Terminal) {
    if args.genesis.is_none() && command == "node" {
        terminal.line(format!("Put the network's genesis at {}.", args.home.join("genesis.json").display()));
    }
    terminal.line(format!(
        "Then:  assay doctor --config {}\n       assay {command} --config {}",
        config.display(),
        config.display()
    ));
}

/// What a validator keeps of its delegators' rewards unless it says otherwise.
const COMMISSION_BPS: u32 = 500;

/// What a genesis lists of a validator.
pub(super) fn entry(account: Address, keys: &ValidatorKeys, stake: Grains, address: &str) -> GenesisValidator {
    GenesisValidator {
        account,
        stake,
        network_key: keys.network_key(),
        vote_key: keys.vote_key(),
        proof_of_possession: keys.proof_of_possession(),
        address: address.to_owned(),
        commission_bps: COMMISSION_BPS,
    }
}

/// Writes a key file that only its owner reads.
pub(super) fn save_keys(path: &Path, keys: &KeyFile) -> Outcome<()> {
    let text = serde_json::to_string_pretty(keys).unwrap_or_default();
    write_file(path, text.as_bytes(), 0o600)
}

/// Keeps a key in a keystore of its own, beside its password.
pub(super) fn keep(keys: &Path, wallet: &Wallet) -> Outcome<PathBuf> {
    let (password, _) = connect::password_or_new(&crate::cli::ClientArgs::local(keys.to_owned()))?;
    Ok(Keystore::open(keys)?.import(wallet, &password)?)
}

/// A validator's configuration file.
pub(super) fn node_toml(genesis: &str, listen: &str, rpc: &str, metrics: &str) -> String {
    format!(
        "# A validator of assay: `assay node --config` this file. Paths are relative to it.\n\
         genesis = \"{genesis}\"\n\
         # Databases. They can be read anew from peers; the keys cannot.\n\
         dir = \"state\"\n\
         keys = \"validator.json\"\n\
         # Where peers connect; the genesis or the chain lists the address they use.\n\
         listen = \"{listen}\"\n\
         # JSON-RPC. It has no accounts; put `assay gateway` before it for the public.\n\
         rpc = \"{rpc}\"\n\
         # /health, /ready and /metrics, for those who watch over it.\n\
         metrics = \"{metrics}\"\n\
         # Re-execute disputed tasks: validators are fined for sleeping through a dispute.\n\
         adjudicate = true\n"
    )
}

fn full_toml(upstream: &[String]) -> String {
    format!(
        "# A full node of assay: `assay node --config` this file. Paths are relative to it.\n\
         genesis = \"genesis.json\"\n\
         dir = \"state\"\n\
         # Nodes it takes blocks from. It has no `keys`, so no vote.\n\
         upstream = {}\n\
         # Their history must hold the committee of this checkpoint (`assay light verify --checkpoint-out`), which\n\
         # somebody you trust gave you. Needed once stake of the genesis' validators may have left.\n\
         # checkpoint = \"checkpoint.json\"\n\
         rpc = \"127.0.0.1:8545\"\n\
         metrics = \"127.0.0.1:9464\"\n",
        list(upstream)
    )
}

fn gateway_toml(nodes: &[String]) -> String {
    format!(
        "# An HTTP edge of assay: `assay gateway --config` this file.\n\
         listen = \"127.0.0.1:8545\"\n\
         # The first that is well answers; the others stand by.\n\
         nodes = {}\n\
         # /health, /ready and /metrics on an address of their own.\n\
         metrics = \"127.0.0.1:9465\"\n\
         # A node this many blocks behind the best is not asked.\n\
         max_lag_blocks = 20\n\
         # The price record under /v1, if wanted:\n\
         # database = \"sqlite:prices.sqlite\"\n",
        list(nodes)
    )
}

/// A provider's configuration file.
pub(super) fn provider_toml(rpc: &str, ask: Grains) -> String {
    format!(
        "# A provider of assay: `assay provider --config` this file. Paths are relative to it.\n\
         keys = \"keys\"\n\
         password_file = \"keys/password\"\n\
         data_dir = \"data\"\n\
         rpc = \"{rpc}\"\n\
         # KRT; `assay provider price --help` shows how it can follow your costs.\n\
         price_per_gigafuel = \"{}\"\n\
         # KRT behind the work, topped up to this at start.\n\
         collateral = \"{}\"\n",
        format_krt(ask),
        format_krt(COLLATERAL)
    )
}

fn list(urls: &[String]) -> String {
    let quoted: Vec<String> = urls.iter().map(|url| toml::Value::String(url.clone()).to_string()).collect();
    format!("[{}]", quoted.join(", "))
}
