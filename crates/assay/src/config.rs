//! Configuration files of the processes: one TOML each, parsed once, unknown and contradictory fields
//! refused by name before anything is opened.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use assay_types::{Address, B256};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    failure::{Code, Failure, Outcome},
    nearest::nearest,
};

/// Reads a whole text file.
pub(crate) fn text(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|e| Failure::io(format!("could not read {}", path.display()), &e))
}

/// A file that cannot be used.
pub(crate) fn bad(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::BadConfig, format!("{} cannot be used", path.display()))
        .because(error)
        .next("the fields are listed by `--help`")
}

/// A path in a configuration file, which is relative to that file.
pub(crate) fn beside(config: &Path, path: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(path)
}

/// Reads a TOML table whose fields are among `known`.
pub(crate) fn table(path: &Path, known: &[&str]) -> Outcome<toml::Table> {
    let table: toml::Table = text(path)?.parse().map_err(|e: toml::de::Error| bad(path, &e))?;
    let unknown: Vec<&String> = table.keys().filter(|name| !known.contains(&name.as_str())).collect();
    if unknown.is_empty() {
        return Ok(table);
    }
    let mut failure = Failure::new(Code::BadConfig, format!("{} cannot be used", path.display()));
    for name in unknown {
        failure = failure.why(match nearest(name, known.iter().copied()) {
            Some(meant) => format!("there is no field `{name}`: did you mean `{meant}`?"),
            None => format!("there is no field `{name}`"),
        });
    }
    Err(failure.next(format!("the fields are {}", known.join(", "))))
}

fn read<T: DeserializeOwned>(path: &Path, known: &[&str]) -> Outcome<T> {
    table(path, known)?.try_into().map_err(|e: toml::de::Error| bad(path, &e))
}

fn contradiction(path: &Path, why: impl Into<String>, next: &str) -> Failure {
    Failure::new(Code::BadConfig, format!("{} contradicts itself", path.display())).why(why.into()).next(next)
}

/// Two servers cannot have one port, unless each takes any free one.
fn distinct(path: &Path, servers: &[(&str, Option<SocketAddr>)]) -> Outcome<()> {
    for (at, (one, address)) in servers.iter().enumerate() {
        for (other, second) in servers.iter().skip(at + 1) {
            let (Some(a), Some(b)) = (address, second) else { continue };
            let same_host = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
            if a.port() != 0 && a.port() == b.port() && same_host {
                return Err(contradiction(
                    path,
                    format!("{one} and {other} are both on port {}", a.port()),
                    "give each a port of its own",
                ));
            }
        }
    }
    Ok(())
}

fn http(path: &Path, field: &str, url: &str) -> Outcome<()> {
    if url.strip_prefix("http://").is_some_and(|rest| !rest.is_empty()) {
        return Ok(());
    }
    Err(Failure::new(Code::BadConfig, format!("{} cannot be used", path.display()))
        .why(format!("{field} has {url}, which is no http:// address"))
        .next("write it as http://10.0.0.1:8545; where TLS is wanted, put a proxy that speaks it between"))
}

/// Settings of a node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeFile {
    /// The network's genesis file.
    pub(crate) genesis: PathBuf,
    /// State directory.
    pub(crate) dir: PathBuf,
    /// The validator's keys; none for a full node.
    pub(crate) keys: Option<PathBuf>,
    /// Keys whose vote key takes over in the first epoch that lists it.
    pub(crate) next_keys: Option<PathBuf>,
    /// Nodes a full node takes its blocks from, and a validator its first state.
    #[serde(default)]
    pub(crate) upstream: Vec<String>,
    /// A checkpoint that the history of the upstreams must hold.
    pub(crate) checkpoint: Option<PathBuf>,
    /// Address for peers.
    pub(crate) listen: Option<SocketAddr>,
    /// Address of the JSON-RPC server.
    pub(crate) rpc: SocketAddr,
    /// Address of health, readiness and metrics.
    pub(crate) metrics: Option<SocketAddr>,
    /// Whether to re-execute disputed tasks.
    pub(crate) adjudicate: Option<bool>,
    /// Newest blocks that are kept; all if not given.
    pub(crate) keep_blocks: Option<u64>,
    /// Senders it takes no transactions from.
    #[serde(default)]
    pub(crate) refuse: BTreeSet<Address>,
}

impl NodeFile {
    /// Every field.
    pub(crate) const FIELDS: [&str; 12] = [
        "genesis",
        "dir",
        "keys",
        "next_keys",
        "upstream",
        "checkpoint",
        "listen",
        "rpc",
        "metrics",
        "adjudicate",
        "keep_blocks",
        "refuse",
    ];

    /// Reads and checks it; its paths become relative to where the program runs.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let mut file: Self = read(path, &Self::FIELDS)?;
        match (&file.keys, file.upstream.is_empty()) {
            (None, true) => {
                return Err(contradiction(
                    path,
                    "it has neither `keys`, as a validator, nor `upstream`, as a full node without a vote",
                    "add upstream = [\"http://…\"], the JSON-RPC address of any node, or a validator's `keys`",
                ));
            }
            (None, _) if file.next_keys.is_some() => {
                return Err(contradiction(path, "`next_keys` follow `keys`, and there are none", "add `keys`"));
            }
            (None, _) if file.listen.is_some() => {
                return Err(contradiction(
                    path,
                    "`listen` is where a validator's peers reach it, and a full node without `keys` has none",
                    "leave it out",
                ));
            }
            (Some(_), _) if file.listen.is_none() => {
                return Err(contradiction(
                    path,
                    "a validator needs `listen`, the address its peers reach it at",
                    "add it, as in listen = \"10.0.0.1:26656\"",
                ));
            }
            (None, _) if file.adjudicate == Some(true) => {
                return Err(contradiction(
                    path,
                    "`adjudicate = true` takes a validator's `keys`, and there are none",
                    "add `keys`, or leave adjudicate out",
                ));
            }
            (Some(_), true) if file.checkpoint.is_some() => {
                return Err(contradiction(
                    path,
                    "`checkpoint` is what the history of `upstream` must hold, and there is none",
                    "add upstream = [\"http://…\"], or leave checkpoint out",
                ));
            }
            _ => {}
        }
        for url in &file.upstream {
            http(path, "upstream", url)?;
        }
        distinct(path, &[("listen", file.listen), ("rpc", Some(file.rpc)), ("metrics", file.metrics)])?;
        file.genesis = beside(path, &file.genesis);
        file.dir = beside(path, &file.dir);
        file.keys = file.keys.map(|keys| beside(path, &keys));
        file.next_keys = file.next_keys.map(|keys| beside(path, &keys));
        file.checkpoint = file.checkpoint.map(|checkpoint| beside(path, &checkpoint));
        Ok(file)
    }
}

/// Settings of a gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayFile {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Nodes, the preferred one first.
    pub(crate) nodes: Vec<String>,
    /// Names the network; that of the first node to answer if not given.
    pub(crate) genesis_hash: Option<B256>,
    /// Address of health, readiness and metrics; where it listens too if not given.
    pub(crate) metrics: Option<SocketAddr>,
    /// Database of the price record, which is served under `/v1` if given.
    pub(crate) database: Option<String>,
    /// Blocks a node may be behind the best.
    #[serde(default = "defaults::max_lag_blocks")]
    pub(crate) max_lag_blocks: u64,
    /// Milliseconds between two looks at the nodes.
    #[serde(default = "defaults::check_every_ms")]
    pub(crate) check_every_ms: u64,
    /// Milliseconds a node has for an answer.
    #[serde(default = "defaults::timeout_ms")]
    pub(crate) timeout_ms: u64,
    /// Bytes of a request.
    #[serde(default = "defaults::max_request_bytes")]
    pub(crate) max_request_bytes: usize,
    /// Bytes of an answer.
    #[serde(default = "defaults::max_response_bytes")]
    pub(crate) max_response_bytes: usize,
    /// Requests under way at a time.
    #[serde(default = "defaults::max_requests")]
    pub(crate) max_requests: usize,
}

mod defaults {
    pub(super) fn max_lag_blocks() -> u64 {
        20
    }
    pub(super) fn check_every_ms() -> u64 {
        1_000
    }
    pub(super) fn timeout_ms() -> u64 {
        15_000
    }
    pub(super) fn max_request_bytes() -> usize {
        5 << 20
    }
    pub(super) fn max_response_bytes() -> usize {
        32 << 20
    }
    pub(super) fn max_requests() -> usize {
        256
    }
}

impl GatewayFile {
    /// Every field.
    pub(crate) const FIELDS: [&str; 11] = [
        "listen",
        "nodes",
        "genesis_hash",
        "metrics",
        "database",
        "max_lag_blocks",
        "check_every_ms",
        "timeout_ms",
        "max_request_bytes",
        "max_response_bytes",
        "max_requests",
    ];

    /// Reads and checks it.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let file: Self = read(path, &Self::FIELDS)?;
        let refused = |why: &str, next: &str| {
            Err(Failure::new(Code::BadConfig, format!("{} cannot be used", path.display())).why(why).next(next))
        };
        if file.nodes.is_empty() {
            return refused("`nodes` is empty", "name at least one node, as in nodes = [\"http://10.0.0.1:8545\"]");
        }
        for (at, url) in file.nodes.iter().enumerate() {
            http(path, "nodes", url)?;
            if file.nodes.iter().take(at).any(|other| other == url) {
                return Err(contradiction(path, format!("nodes lists {url} twice"), "leave one of them out"));
            }
        }
        for (field, value) in [("check_every_ms", file.check_every_ms), ("timeout_ms", file.timeout_ms)] {
            if !(10..=600_000).contains(&value) {
                return refused(&format!("{field} is {value}"), "choose 10 to 600000 milliseconds");
            }
        }
        if file.max_requests == 0 || file.max_request_bytes < 1_024 || file.max_response_bytes < 1_024 {
            return refused("a bound leaves no room for any request", "leave it out: the defaults are usual");
        }
        distinct(path, &[("listen", Some(file.listen)), ("metrics", file.metrics)])?;
        Ok(file)
    }
}

/// Every field of a provider's file; its values are checked by the provider.
pub(crate) const PROVIDER_FIELDS: [&str; 20] = [
    "keys",
    "password_file",
    "account",
    "data_dir",
    "rpc",
    "listen",
    "advertise",
    "operator",
    "cores",
    "quota_mib",
    "memory_mib",
    "price_per_gigafuel",
    "pricing",
    "class",
    "capacity_gigafuel",
    "max_lots",
    "max_fuel_per_task",
    "collateral",
    "margin",
    "retain",
];

/// What process a file configures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A full node or validator.
    Node,
    /// A provider.
    Provider,
    /// A gateway.
    Gateway,
}

/// Tells the kind of a file by the fields only that kind has.
pub(crate) fn kind(path: &Path) -> Outcome<Kind> {
    let table: toml::Table = text(path)?.parse().map_err(|e: toml::de::Error| bad(path, &e))?;
    let has = |name: &str| table.contains_key(name);
    if has("genesis") || has("adjudicate") || has("upstream") {
        Ok(Kind::Node)
    } else if has("nodes") {
        Ok(Kind::Gateway)
    } else if has("data_dir") || has("collateral") || has("price_per_gigafuel") {
        Ok(Kind::Provider)
    } else {
        Err(Failure::new(Code::BadConfig, format!("{} configures no process of assay", path.display()))
            .why("a node's has `genesis`, a provider's `data_dir`, a gateway's `nodes`")
            .next("make one with `assay init --home DIR --role validator|full|provider|gateway`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("node.toml");
        std::fs::write(&path, text).expect("writes");
        let failure = NodeFile::read(&path).expect_err("refused");
        assert_eq!(failure.code, Code::BadConfig, "{failure}");
        failure.to_string()
    }

    #[test]
    fn contradictions_and_slips_are_named() {
        let base = "genesis = \"g\"\ndir = \"d\"\nrpc = \"127.0.0.1:8545\"\n";
        let validator = "keys = \"k\"\nlisten = \"127.0.0.1:26656\"\n";
        let with = |more: &str| refused(&format!("{base}{more}"));
        assert!(with("").contains("neither `keys`"));
        assert!(with("upstream = [\"http://a\"]\nlisten = \"127.0.0.1:1\"\n").contains("leave it out"));
        assert!(with("upstream = [\"http://a\"]\nnext_keys = \"k\"\n").contains("follow `keys`"));
        assert!(with("keys = \"k\"\n").contains("needs `listen`"));
        assert!(with("upstream = [\"http://a\"]\nadjudicate = true\n").contains("takes a validator's `keys`"));
        assert!(with("upstream = [\"https://a\"]\n").contains("no http:// address"));
        assert!(with(&format!("{validator}metrics = \"0.0.0.0:8545\"\n")).contains("both on port 8545"));
        assert!(with(&format!("{validator}checkpoint = \"c.json\"\n")).contains("history of `upstream`"));
        assert!(with(&format!("{validator}refuse = [\"0x12\"]\n")).contains("refuse"), "no address");
        assert!(with(&format!("{validator}lisen = 3\n")).contains("did you mean `listen`?"));
    }
}
