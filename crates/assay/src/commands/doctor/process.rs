//! What a node, a provider or a gateway needs, by its configuration file.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use assay_chain::{committee::Committee, keys::ValidatorKeys, metrics::STALE_MS, probe::probe, rpc::CLIENT_VERSION};
use assay_client::Keystore;
use assay_types::{Address, B256, Genesis, node::NodeStatus, view::ValidatorView};
use jsonrpsee::rpc_params;

use super::{Findings, machine, ports};
use crate::{
    commands::{
        connect,
        node::{KeyFile, PARTITION},
        roles::provider_file,
    },
    config::{GatewayFile, NodeFile, beside, text},
    network::{StateDir, read_genesis},
    vitals::now_ms,
};

/// How long a peer has to take a connection.
const DIAL: Duration = Duration::from_secs(2);

/// A node.
pub(super) async fn node(findings: &mut Findings, path: &Path) {
    let file = match NodeFile::read(path) {
        Ok(file) => file,
        Err(failure) => return findings.failed("config", &failure),
    };
    let role = if file.keys.is_some() { "a validator" } else { "a full node" };
    findings.pass("config", format!("{} is {role}'s", path.display()));
    let genesis = match read_genesis(&file.genesis) {
        Ok(genesis) => {
            findings.pass("genesis", format!("{}, chain {}", genesis.hash(), genesis.chain_id));
            Some(genesis)
        }
        Err(failure) => {
            findings.failed("genesis", &failure);
            None
        }
    };
    let keys = file.keys.as_deref().and_then(|keys| key_file(findings, keys));
    if let (Some(genesis), Some((account, keys))) = (&genesis, &keys) {
        seat(findings, genesis, *account, keys);
    }
    let own = state(findings, &file, genesis.as_ref()).await;
    for (field, address) in [("listen", file.listen), ("rpc", Some(file.rpc)), ("metrics", file.metrics)] {
        if let Some(address) = address {
            ports::look(findings, field, address, own);
        }
    }
    if let Some(genesis) = &genesis {
        let me = keys.as_ref().map(|(_, keys)| keys.network_key());
        let url = own.map(|_| format!("http://{}", file.rpc));
        peers(findings, genesis, url.as_deref(), me).await;
    }
    if own.is_some() {
        chain(findings, &format!("http://{}", file.rpc), genesis.as_ref()).await;
    }
    machine::look(findings, &file.dir);
}

/// Parses a key file and looks who may read it.
fn key_file(findings: &mut Findings, path: &Path) -> Option<(Address, ValidatorKeys)> {
    private(findings, path);
    match KeyFile::read(path) {
        Ok((wallet, keys)) => {
            findings.pass("keys", format!("{} of {}", path.display(), wallet.address()));
            Some((wallet.address(), keys))
        }
        Err(failure) => {
            findings.failed("keys", &failure);
            None
        }
    }
}

/// A secret is its owner's only.
fn private(findings: &mut Findings, path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if let Ok(data) = std::fs::metadata(path) {
            let mode = data.permissions().mode() & 0o777;
            match mode & 0o077 {
                0 => findings.pass("key permissions", format!("{mode:04o}")),
                _ => findings.fail(
                    "key permissions",
                    format!("{} has {mode:04o}: others may read it", path.display()),
                    format!("chmod 600 {}, and rotate the keys if others use this machine", path.display()),
                ),
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        findings.pass("key permissions", "cannot be told here");
    }
}

/// Whether these keys are a validator's of the network.
fn seat(findings: &mut Findings, genesis: &Genesis, account: Address, keys: &ValidatorKeys) {
    let Some(listed) = genesis.validators.iter().find(|validator| validator.account == account) else {
        return findings.warn(
            "seat",
            format!("{account} is no validator of the genesis"),
            "right if it registered later; else the keys or the genesis are another network's",
        );
    };
    if listed.network_key != keys.network_key() || listed.vote_key != keys.vote_key() {
        return findings.warn(
            "seat",
            format!("the genesis lists {account} with other keys"),
            "right if they were rotated since; else name the key file it was listed with",
        );
    }
    match Committee::of_genesis(genesis) {
        Ok(_) => findings.pass("seat", format!("one of {} of the genesis", genesis.validators.len())),
        Err(error) => findings.fail("seat", error.to_string(), "check the file with `assay genesis check`"),
    }
}

/// Looks at the state directory; the process that uses it, if one does.
async fn state(findings: &mut Findings, file: &NodeFile, genesis: Option<&Genesis>) -> Option<u32> {
    if !file.dir.exists() {
        findings.pass("database", "there is none yet");
        return None;
    }
    let holder = || text(&file.dir.join("lock")).ok().and_then(|text| text.trim().parse::<u32>().ok());
    let dir = match StateDir::open(&file.dir, false) {
        Ok(dir) => dir,
        Err(failure) if failure.code == crate::failure::Code::DirectoryInUse => {
            let pid = holder();
            let who = pid.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
            findings.pass("database", format!("{who} has it open: it is looked into when no node runs"));
            return pid;
        }
        Err(failure) => {
            findings.failed("database", &failure);
            return None;
        }
    };
    match (dir.genesis(), genesis) {
        (Ok(Some(found)), Some(genesis)) if found.hash() != genesis.hash() => findings.fail(
            "database",
            format!("it is of the network with genesis {}, not {}", found.hash(), genesis.hash()),
            "get that network's genesis file, or choose another `dir`",
        ),
        (Err(failure), _) => findings.failed("database", &failure),
        _ => {}
    }
    let reset = "`assay node reset --config FILE --keep-keys`: keys stay, and the node reads all blocks from its peers";
    let validators = dir.join("validators");
    let looked = tokio::task::spawn_blocking(move || probe(&validators, PARTITION)).await;
    match looked.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(found) => {
            let height = found.height.map_or_else(|| "no block yet".to_owned(), |height| format!("height {height}"));
            findings.pass("database", format!("opens: {height}, {} entries", found.entries));
        }
        Err(what) => findings.fail("database", format!("is damaged: {what}"), reset),
    }
    None
}

/// Network key and address of each validator that sits, as the node at `url` says, or else the genesis.
async fn sitting(genesis: &Genesis, url: Option<&str>) -> Vec<(B256, String)> {
    if let Some(url) = url
        && let Ok(known) = connect::ask::<Vec<ValidatorView>>(url, "assay_validators", rpc_params![]).await
    {
        return known.into_iter().filter(|it| it.seated).map(|it| (it.network_key, it.address)).collect();
    }
    genesis.validators.iter().map(|listed| (listed.network_key, listed.address.clone())).collect()
}

/// Whether the others take connections.
async fn peers(findings: &mut Findings, genesis: &Genesis, url: Option<&str>, me: Option<B256>) {
    let sitting = sitting(genesis, url).await;
    let others: Vec<&str> =
        sitting.iter().filter(|(key, _)| Some(*key) != me).map(|(_, address)| address.as_str()).collect();
    if others.is_empty() {
        return findings.pass("peers", "there are no other validators");
    }
    let dial = |address: &str| {
        let address: Option<SocketAddr> = address.parse().ok();
        async move {
            let Some(address) = address else { return false };
            matches!(tokio::time::timeout(DIAL, tokio::net::TcpStream::connect(address)).await, Ok(Ok(_)))
        }
    };
    let reached = futures::future::join_all(others.iter().map(|address| dial(address))).await;
    let silent: Vec<&str> =
        others.iter().zip(&reached).filter(|(_, reached)| !**reached).map(|(address, _)| *address).collect();
    let found = format!("{} of {} take connections", others.len() - silent.len(), others.len());
    if silent.is_empty() {
        return findings.pass("peers", found);
    }
    let found = format!("{found}; not {}", silent.join(", "));
    let fix = "see that they run, and that no firewall stands between, in either direction";
    // With itself, more than two thirds must be there for a block.
    if (others.len() - silent.len() + 1) * 3 > (others.len() + 1) * 2 {
        findings.warn("peers", found, fix);
    } else {
        findings.fail("peers", found, fix);
    }
}

async fn status(url: &str) -> Option<NodeStatus> {
    connect::ask(url, "assay_status", rpc_params![]).await.ok()
}

/// What a running node says: network, version, clock, progress.
async fn chain(findings: &mut Findings, url: &str, genesis: Option<&Genesis>) {
    let asked_ms = now_ms();
    let Some(status) = status(url).await else {
        return findings.fail("chain", format!("{url} does not answer"), "start the node, or mend its `rpc` address");
    };
    let here_ms = (asked_ms + now_ms()) / 2;
    if let Some(genesis) = genesis
        && genesis.hash() != status.genesis_hash
    {
        let found = format!("{url} runs {} of chain {}", status.genesis_hash, status.chain_id);
        findings.fail("network", found, "the genesis file or the address is of another network");
    } else {
        findings.pass("network", format!("{} of chain {}", status.genesis_hash, status.chain_id));
    }
    if status.version == CLIENT_VERSION {
        findings.pass("version", status.version.clone());
    } else {
        let found = format!("{url} runs {}, this program is {CLIENT_VERSION}", status.version);
        findings.warn("version", found, "restart the older of the two from the newer program");
    }
    // Blocks are stamped by validators with their clocks, which two thirds of them must find right.
    let ahead_ms = status.timestamp_ms.saturating_sub(here_ms);
    let age_ms = here_ms.saturating_sub(status.timestamp_ms);
    if ahead_ms > 1_000 {
        let found = format!("the newest block is {ahead_ms} ms later than this clock");
        findings.fail("clock and chain", found, "set this machine's clock: it is slow");
    } else {
        findings.pass("clock and chain", format!("the newest block is {age_ms} ms old"));
    }
    let allowed_ms = genesis.map_or(1_000, |genesis| genesis.params.idle_block_interval_ms) + STALE_MS;
    let found = format!("height {}, {} peers", status.height, status.peers);
    if age_ms > allowed_ms {
        let fix = "see `peers`; if they are there and this clock is right, the network stands";
        findings.fail("chain", format!("{found}, and no block for {age_ms} ms"), fix);
    } else {
        findings.pass("chain", found);
    }
}

/// A provider.
pub(super) async fn provider(findings: &mut Findings, path: &Path) {
    let (keys, file) = match provider_file(path) {
        Ok(read) => read,
        Err(failure) => return findings.failed("config", &failure),
    };
    findings.pass("config", format!("{} is a provider's", path.display()));
    let (dir, password): (PathBuf, PathBuf) = (beside(path, &keys.keys), beside(path, &keys.password_file));
    match Keystore::open(&dir).and_then(|store| store.list()) {
        Ok(list) if list.is_empty() => findings.fail(
            "keys",
            format!("there are none in {}", dir.display()),
            format!("make one: assay account new --keys {}", dir.display()),
        ),
        Ok(list) if list.len() > 1 && keys.account.is_none() => findings.fail(
            "keys",
            format!("{} holds {}", dir.display(), list.len()),
            "name the provider's with `account = \"0x…\"` in the file",
        ),
        Ok(list) => unlock(findings, &dir, &password, keys.account.or(list.first().map(|kept| kept.address))),
        Err(error) => findings.failed("keys", &error.into()),
    }
    ports::look(findings, "listen", file.listen, None);
    chain(findings, &file.rpc, None).await;
    machine::look(findings, &file.data_dir);
}

fn unlock(findings: &mut Findings, dir: &Path, password: &Path, account: Option<Address>) {
    private(findings, password);
    let Some(account) = account else { return };
    let unlocked = text(password).and_then(|text| {
        let store = Keystore::open(dir)?;
        Ok(store.unlock(account, text.trim_end_matches(['\r', '\n']))?)
    });
    match unlocked {
        Ok(wallet) => findings.pass("keys", format!("{} is unlocked by its password", wallet.address())),
        Err(failure) => findings.failed("keys", &failure),
    }
}

/// A gateway.
pub(super) async fn gateway(findings: &mut Findings, path: &Path) {
    let file = match GatewayFile::read(path) {
        Ok(file) => file,
        Err(failure) => return findings.failed("config", &failure),
    };
    findings.pass("config", format!("{} is a gateway's", path.display()));
    let answers = futures::future::join_all(file.nodes.iter().map(|url| status(url))).await;
    let network = file.genesis_hash.or_else(|| answers.iter().flatten().next().map(|status| status.genesis_hash));
    let mut well = 0;
    for (url, answer) in file.nodes.iter().zip(&answers) {
        match answer {
            Some(status) if Some(status.genesis_hash) != network => {
                let found = format!("{url} is of another network, {}", status.genesis_hash);
                findings.fail("node", found, "take it out of `nodes`");
            }
            Some(status) => {
                well += 1;
                findings.pass("node", format!("{url} is at height {}", status.height));
            }
            None => findings.warn("node", format!("{url} does not answer"), "start it, or take it out of `nodes`"),
        }
    }
    if well == 0 {
        findings.fail("nodes", "none answers", "without one all requests end with 502");
    }
    for (field, address) in [("listen", Some(file.listen)), ("metrics", file.metrics)] {
        if let Some(address) = address {
            ports::look(findings, field, address, None);
        }
    }
    machine::look(findings, Path::new("."));
}
