//! `assay keys`: a validator's keys, shown and rotated.
//!
//! Rotation is two steps. Here a new file is made beside the old, which stays in use; then the chain is
//! told, and from the epoch in which it seats the new keys the configuration names the new file. A node
//! never runs with both: two that vote for one seat are an equivocation.

use std::path::{Path, PathBuf};

use assay_types::B256;
use serde_json::json;

use super::{init::entry, init::save_keys, node::KeyFile};
use crate::{
    cli::KeysCommand,
    config::NodeFile,
    failure::{Code, Failure, Outcome},
    terminal::{Terminal, Tone},
};

/// Runs it.
pub(crate) fn run(command: &KeysCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        KeysCommand::Show { config } => show(config, terminal),
        KeysCommand::Rotate { config } => rotate(config, terminal),
    }
}

fn key_file(config: &Path) -> Outcome<(NodeFile, PathBuf)> {
    let file = NodeFile::read(config)?;
    let keys = file.keys.clone().ok_or_else(|| {
        Failure::new(Code::BadConfig, format!("{} names no keys: it is a full node's", config.display()))
    })?;
    Ok((file, keys))
}

fn show(config: &Path, terminal: &Terminal) -> Outcome<()> {
    let (file, path) = key_file(config)?;
    let (wallet, keys) = KeyFile::read(&path)?;
    let address = file.listen.map_or_else(String::new, |listen| listen.to_string());
    let entry = entry(wallet.address(), &keys, 0, &address);
    let public = json!({
        "account": entry.account,
        "network_key": entry.network_key,
        "vote_key": entry.vote_key,
        "proof_of_possession": entry.proof_of_possession,
        "address": entry.address,
    });
    terminal.document(&public);
    terminal.line(serde_json::to_string_pretty(&public).unwrap_or_default());
    Ok(())
}

fn rotate(config: &Path, terminal: &Terminal) -> Outcome<()> {
    let (_, path) = key_file(config)?;
    let (wallet, old) = KeyFile::read(&path)?;
    // The account stays: it holds the stake.
    let fresh = KeyFile { account: wallet.key(), ..KeyFile::generate() };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let base = stem.split_once('.').map_or(stem.as_str(), |(base, _)| base).to_owned();
    let number = (2..1_000u32).find(|number| !path.with_file_name(format!("{base}.{number}.json")).exists());
    let number = number.ok_or_else(|| Failure::new(Code::DirectoryInUse, "a thousand key files are there already"))?;
    let made = path.with_file_name(format!("{base}.{number}.json"));
    save_keys(&made, &fresh)?;
    let (_, keys) = KeyFile::read(&made)?;
    let (network_key, vote_key, proof): (B256, _, _) =
        (keys.network_key(), keys.vote_key(), keys.proof_of_possession());
    tracing::info!(target: "node", old = %old.network_key(), new = %network_key, file = %made.display(), "keys made");
    let call = format!(
        "assay stake rotate-keys --network-key {network_key} --vote-key {vote_key} --proof-of-possession {proof}"
    );
    terminal.document(&json!({
        "keys": made,
        "old_keys": path,
        "account": wallet.address(),
        "network_key": network_key,
        "vote_key": vote_key,
        "proof_of_possession": proof,
        "call": call,
    }));
    terminal.line(terminal.paint(Tone::Good, &format!("New keys are in {}; nothing uses them yet.", made.display())));
    terminal.line(format!("1. Tell the chain, as {}:\n   {call}", wallet.address()));
    terminal.line(format!(
        "2. In the epoch in which the committee lists the new network key, stop the node, set\n   keys = {:?}\n   in {} and start it. Until then it runs with {}.",
        made.file_name().unwrap_or_default().to_string_lossy(),
        config.display(),
        path.display()
    ));
    terminal.line("3. Keep the old file until the epochs it voted in can no longer be disputed, then destroy it.");
    Ok(())
}
