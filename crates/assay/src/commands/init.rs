//! `assay init`: the files of a network whose roles run as processes of their own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use assay_client::{Keystore, Wallet};
use assay_types::{B256, Bytes, format_krt};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::connect;
use crate::{
    cli::InitArgs,
    failure::{Code, Failure, Outcome},
    network::{COLLATERAL, Roster, StateDir, ask, create_dir, params, write_file},
    terminal::{Terminal, Tone},
};

/// A validator's keys in a file of their own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFile {
    /// Key of the account that earns its fees.
    pub(super) account: B256,
    /// Network and vote keys.
    pub(super) node: Bytes,
}

/// Makes keys, a genesis and a configuration file for each role.
pub(crate) fn run(args: &InitArgs, terminal: &Terminal) -> Outcome<()> {
    let dir = StateDir::open(&args.dir, false)?;
    if dir.genesis()?.is_some() {
        return Err(Failure::new(Code::DirectoryInUse, format!("{} holds a network already", args.dir.display()))
            .next("choose another directory with --dir"));
    }
    let spinner = terminal.spinner("network");
    let roster = Roster::generate(args.validators, args.providers);
    let genesis = roster.genesis(params(args.providers))?;
    let rpc = |index: usize| {
        // Clap keeps the port so low that this cannot wrap.
        let offset = u16::try_from(index % args.validators as usize).unwrap_or_default();
        SocketAddr::from((Ipv4Addr::LOCALHOST, args.rpc_port.saturating_add(offset)))
    };
    let mut nodes = Vec::new();
    for (index, (seat, listed)) in roster.validators()?.into_iter().zip(&genesis.validators).enumerate() {
        let home = dir.join(format!("validator-{}", index + 1));
        create_dir(&home)?;
        let keys = KeyFile { account: seat.wallet.key(), node: seat.keys.to_bytes().into() };
        let text = serde_json::to_string_pretty(&keys).expect("keys are plain data");
        write_file(&home.join("validator.json"), text.as_bytes(), 0o600)?;
        let text = format!(
            "genesis = \"../genesis.json\"\ndir = \"state\"\nkeys = \"validator.json\"\nlisten = \"{}\"\nrpc = \"{}\"\n",
            listed.address,
            rpc(index)
        );
        nodes.push(config(&home, "node.toml", &text)?);
    }
    let mut providers = Vec::new();
    for (index, wallet) in roster.providers()?.iter().enumerate() {
        spinner.say(format!("keeping the key of provider {}", index + 1));
        let home = dir.join(format!("provider-{}", index + 1));
        keep(&home.join("keys"), wallet)?;
        let text = format!(
            "keys = \"keys\"\npassword_file = \"keys/password\"\ndata_dir = \"data\"\nrpc = \"http://{}\"\n\
             price_per_gigafuel = \"{}\"\ncollateral = \"{}\"\n",
            rpc(index),
            format_krt(ask(index)),
            format_krt(COLLATERAL)
        );
        providers.push(config(&home, "provider.toml", &text)?);
    }
    spinner.say("keeping the key of the funded account");
    let keys = dir.join("keys");
    let renter = roster.renter()?;
    keep(&keys, &renter)?;
    // Last, so that a directory half made is not taken for a whole one.
    dir.adopt(&genesis)?;
    drop(spinner);
    terminal.document(&json!({
        "genesis": dir.join("genesis.json"),
        "genesis_hash": genesis.hash(),
        "chain_id": genesis.chain_id,
        "nodes": nodes,
        "providers": providers,
        "rpc_url": format!("http://{}", rpc(0)),
        "account": renter.address(),
        "keys": keys,
    }));
    terminal.line(terminal.paint(Tone::Good, &format!("A network is ready in {}.", args.dir.display())));
    terminal.line("\nStart each in a terminal of its own:");
    for node in &nodes {
        terminal.line(format!("  assay node --config {}", node.display()));
    }
    for provider in &providers {
        terminal.line(format!("  assay provider --config {}", provider.display()));
    }
    terminal.line(format!(
        "\nThen:  assay job submit PROGRAM.wasm --input FILE --wait --rpc http://{} --keys {}",
        rpc(0),
        keys.display()
    ));
    Ok(())
}

/// Keeps a key in a keystore of its own, beside its password.
fn keep(keys: &Path, wallet: &Wallet) -> Outcome<()> {
    let (password, _) = connect::password_or_new(&crate::cli::ClientArgs::local(keys.to_owned()))?;
    Keystore::open(keys)?.import(wallet, &password)?;
    Ok(())
}

fn config(home: &Path, name: &str, text: &str) -> Outcome<PathBuf> {
    let path = home.join(name);
    write_file(&path, text.as_bytes(), 0o644)?;
    Ok(path)
}
