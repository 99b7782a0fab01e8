//! `assay devnet`: a network of separate processes on this machine.
//!
//! ```text
//! DIR/genesis.json, DIR/keys     the network, and a funded account
//! DIR/validator-N/               home of a validator: node.toml, validator.json, state
//! DIR/provider-N/                home of a provider: provider.toml, keys, data
//! DIR/logs/NAME.log              what each process logs
//! ```
//!
//! It starts this program once a role and watches; it starts nothing again, so that what dies is seen.
//! A process ends when its standard input does: it outlives neither Ctrl-C nor a kill of this one.

mod children;
mod files;

use std::{path::Path, time::Duration};

use assay_types::node::NodeStatus;
use jsonrpsee::rpc_params;
use serde_json::{Value, json};

use super::{connect, up::interrupted};
use crate::{
    cli::{DevnetArgs, DevnetCommand},
    failure::{Code, Failure, Outcome},
    network::StateDir,
    terminal::{Grid, Terminal, Tone},
    words::thousands,
};
use children::{Child, Children};
use files::{Homes, Role};

/// How long all processes have to be up, and then the chain to make a block.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs it, or makes its files.
pub(crate) async fn run(args: DevnetArgs, terminal: &Terminal) -> Outcome<()> {
    if let Some(DevnetCommand::Init(files)) = &args.command {
        let dir = StateDir::open(&files.dir, false)?;
        if dir.genesis()?.is_some() {
            return Err(Failure::new(Code::DirectoryInUse, format!("{} holds a network already", files.dir.display()))
                .next("choose another directory with --dir"));
        }
        let homes = Homes::make(&dir, files, terminal)?;
        homes.announce(&dir, terminal);
        return Ok(());
    }
    let dir = StateDir::open(&args.files.dir, args.fresh)?;
    let homes = match dir.genesis()? {
        Some(genesis) => Homes::load(&dir, &genesis, &args.files)?,
        None => Homes::make(&dir, &args.files, terminal)?,
    };
    let mut children = Children::new(&dir.join("logs"))?;
    let outcome = tokio::select! {
        outcome = watch(&mut children, &homes, &dir, terminal) => outcome,
        () = interrupted() => Ok(()),
    };
    terminal.note("stopping");
    tracing::info!(target: "devnet", asked = outcome.is_ok(), "stopping");
    children.stop().await;
    tracing::info!(target: "devnet", "stopped");
    outcome
}

/// Starts all, says where they are, then tells of each that dies. Ends only if nothing is left to watch.
async fn watch(children: &mut Children, homes: &Homes, dir: &StateDir, terminal: &Terminal) -> Outcome<()> {
    let spinner = terminal.spinner("network");
    spinner.say(format!("starting {} validators", homes.validators.len()));
    for home in &homes.validators {
        children.start(home)?;
    }
    children.all_up(PATIENCE).await?;
    spinner.say("waiting for the first block");
    tokio::time::timeout(PATIENCE, first_block(&homes.rpc_url())).await.map_err(|_| {
        Failure::new(Code::Timeout, "the chain makes no blocks")
            .why(format!("none within {} s", PATIENCE.as_secs()))
            .next(format!("see the logs in {}", dir.join("logs").display()))
    })?;
    spinner.say(format!("registering {} providers", homes.providers.len()));
    for home in &homes.providers {
        children.start(home)?;
    }
    children.all_up(PATIENCE).await?;
    drop(spinner);
    tracing::info!(target: "devnet", validators = homes.validators.len(), providers = homes.providers.len(),
        dir = %dir.path().display(), "up");
    announce(children, homes, dir, terminal).await;
    while let Some(dead) = children.next_dead().await {
        eprintln!("{}", dead.report());
        tracing::warn!(target: "devnet", name = %dead.name, pid = dead.pid, how = %dead.how, "a process died");
        let left = children.running(Role::Validator);
        let needed = quorum(homes.validators.len());
        if left < needed {
            eprintln!("the chain stands: {left} validators run and {needed} are needed");
        }
        if children.running(Role::Validator) == 0 {
            break;
        }
    }
    Err(Failure::new(Code::Internal, "no validator runs any more")
        .next(format!("see the logs in {}, then run it again", dir.join("logs").display())))
}

/// Votes that make a block final: all but the greatest number of faults below a third.
fn quorum(validators: usize) -> usize {
    validators - validators.saturating_sub(1) / 3
}

async fn status(url: &str) -> Option<NodeStatus> {
    connect::ask(url, "assay_status", rpc_params![]).await.ok()
}

async fn first_block(url: &str) {
    while status(url).await.is_none_or(|status| status.height == 0) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn announce(children: &Children, homes: &Homes, dir: &StateDir, terminal: &Terminal) {
    let mut grid = Grid::new(["process", "role", "pid", "RPC", "height", "peers"]).text(&[1, 3]);
    let mut processes: Vec<Value> = Vec::new();
    for child in children.list() {
        let rpc = child.rpc();
        let seen = match child.role {
            Role::Validator => status(&rpc).await,
            Role::Provider => None,
        };
        let (height, peers) =
            seen.as_ref().map_or(("–".into(), "–".into()), |s| (thousands(s.height), s.peers.to_string()));
        let role = child.role.name();
        grid.row([child.name.clone(), role.to_owned(), child.pid.to_string(), rpc, height, peers]);
        processes.push(process(child, seen.as_ref()));
    }
    terminal.document(&json!({
        "dir": dir.path(),
        "rpc_url": homes.rpc_url(),
        "genesis": dir.join("genesis.json"),
        "genesis_hash": homes.genesis_hash,
        "chain_id": homes.chain_id,
        "account": homes.account,
        "keys": dir.join("keys"),
        "logs": dir.join("logs"),
        "processes": processes,
    }));
    let up = format!("The network in {} is up.", dir.path().display());
    terminal.line(terminal.paint(Tone::Good, &up));
    terminal.table(&grid);
    terminal.line(format!(
        "\nTry:  assay job submit PROGRAM.wasm --input FILE --wait --rpc {} --keys {}\nLogs: {}\nStop all with Ctrl-C.",
        homes.rpc_url(),
        dir.join("keys").display(),
        dir.join("logs").display()
    ));
}

fn process(child: &Child, status: Option<&NodeStatus>) -> Value {
    json!({
        "name": child.name,
        "role": child.role.name(),
        "pid": child.pid,
        "rpc_url": child.rpc(),
        "metrics_url": child.facts.get("metrics_url"),
        "account": child.facts.get("provider"),
        "config": child.config,
        "log": child.log,
        "height": status.map(|s| s.height),
        "peers": status.map(|s| s.peers),
    })
}

/// A name for a file's folder.
fn name_of(config: &Path) -> String {
    let folder = config.parent().and_then(Path::file_name).unwrap_or_default();
    folder.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_bears_less_than_a_third_of_faults() {
        for (validators, needed) in [(1, 1), (3, 3), (4, 3), (6, 5), (7, 5), (16, 11)] {
            assert_eq!(quorum(validators), needed, "{validators}");
        }
    }
}
