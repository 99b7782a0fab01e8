//! `assay up`: a network that stays.

use std::path::PathBuf;

use assay_client::Keystore;
use assay_types::{Address, B256};
use serde_json::json;

use super::connect;
use crate::{
    cli::{ClientArgs, UpArgs},
    failure::Outcome,
    network::{Network, Options, ParamsFile, PriceRecord, ended_by_itself},
    terminal::{Terminal, Tone},
    words::thousands,
};

/// Runs it until Ctrl-C.
pub(crate) async fn run(args: UpArgs, terminal: &Terminal) -> Outcome<()> {
    let params = args.params.as_deref().map(ParamsFile::read).transpose()?;
    let spinner = terminal.spinner("network");
    let options = Options {
        fresh: args.fresh,
        validators: args.validators,
        providers: args.providers,
        rpc_port: args.rpc_port,
        liar: None,
        params,
        capacity_gigafuel: None,
    };
    let network = Network::start(&args.dir, options, |text| spinner.say(text)).await?;
    spinner.say("keeping the key of the funded account");
    let ready = prepare(&network);
    drop(spinner);
    let ready = match ready {
        Ok(ready) => ready,
        Err(failure) => {
            network.stop().await;
            return Err(failure);
        }
    };
    let database =
        args.database.clone().unwrap_or_else(|| format!("sqlite:{}", args.dir.join("prices.sqlite").display()));
    let record = match PriceRecord::start(&network.rpc_url(), &database, args.rest_port).await {
        Ok(record) => record,
        Err(failure) => {
            network.stop().await;
            return Err(failure);
        }
    };
    announce(terminal, &network, &ready, &record, &args);
    let ended = until_stopped(&network).await;
    terminal.note("stopping");
    record.stop().await;
    let nodes = network.nodes().to_vec();
    network.stop().await;
    let (height, root) = tip(&nodes);
    terminal.note(format!("stopped at height {}, state root {root}", thousands(height)));
    ended
}

struct Ready {
    account: Address,
    keystore: PathBuf,
    password_file: PathBuf,
    height: u64,
    state_root: B256,
}

/// Keeps the funded account's key where wallets can import it.
fn prepare(network: &Network) -> Outcome<Ready> {
    let renter = network.roster().renter()?;
    let keys = network.dir().join("keys");
    let client = ClientArgs::local(keys.clone());
    let (password, _) = connect::password_or_new(&client)?;
    let keystore = Keystore::open(&keys)?;
    let kept = keystore.list()?.into_iter().find(|k| k.address == renter.address());
    let path = match kept {
        Some(kept) => kept.path,
        None => keystore.import(&renter, &password)?,
    };
    let (height, state_root) = tip(network.nodes());
    Ok(Ready { account: renter.address(), keystore: path, password_file: keys.join("password"), height, state_root })
}

fn tip(nodes: &[assay_chain::Node]) -> (u64, B256) {
    nodes.first().and_then(assay_chain::Node::tip).map_or((0, B256::ZERO), |tip| (tip.height, tip.state_root))
}

fn announce(terminal: &Terminal, network: &Network, ready: &Ready, record: &PriceRecord, args: &UpArgs) {
    terminal.document(&json!({
        "rpc_url": network.rpc_url(),
        "rest_url": record.url(),
        "chain_id": network.genesis().chain_id,
        "genesis_hash": network.genesis().hash(),
        "genesis": network.dir().join("genesis.json"),
        "account": ready.account,
        "keystore": ready.keystore,
        "password_file": ready.password_file,
        "providers": network.providers(),
        "validators": network.genesis().validators.iter().map(|v| v.account).collect::<Vec<_>>(),
        "resumed": network.resumed(),
        "height": ready.height,
        "state_root": ready.state_root,
    }));
    let how = match network.resumed() {
        true => format!("goes on from height {}, state root {}", thousands(ready.height), ready.state_root),
        false => "is new".to_owned(),
    };
    terminal.line(terminal.paint(Tone::Good, &format!("The network in {} is up and {how}.", args.dir.display())));
    let line = |name: &str, value: String| terminal.line(format!("  {name:<14} {value}"));
    line("RPC", network.rpc_url());
    line("price record", format!("{}/v1/classes", record.url()));
    line("chain id", network.genesis().chain_id.to_string());
    line("genesis", network.dir().join("genesis.json").display().to_string());
    line("account", format!("{} (funded)", ready.account));
    line("its key", ready.keystore.display().to_string());
    line("password", ready.password_file.display().to_string());
    for (index, provider) in network.providers().iter().enumerate() {
        line(if index == 0 { "providers" } else { "" }, provider.to_string());
    }
    let mut options = String::new();
    if args.rpc_port != 8545 {
        options = format!(" --rpc {}", network.rpc_url());
    }
    if args.dir != *"assay-data/up" {
        options += &format!(" --keys {}", network.dir().join("keys").display());
    }
    terminal.line(format!("\nTry:  assay account balance{options}\n      assay job submit PROGRAM.wasm --input FILE --wait{options}\nStop it with Ctrl-C."));
}

/// Waits for Ctrl-C or a request to end; a network that ends by itself is a failure.
async fn until_stopped(network: &Network) -> Outcome<()> {
    let Some(mut ended) = network.ended() else { return Ok(()) };
    tokio::select! {
        () = interrupted() => Ok(()),
        failure = ended_by_itself(&mut ended) => Err(failure),
    }
}

/// Ctrl-C, or a polite kill.
pub(crate) async fn interrupted() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler there is nothing to wait for.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    () = ctrl_c => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(_) => ctrl_c.await,
        }
    }
    #[cfg(not(unix))]
    ctrl_c.await;
}
