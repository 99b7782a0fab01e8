//! Options of what operators run: `init`, `genesis`, `devnet`, `node`, `gateway`, `keys`, `doctor`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};

/// What a home is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Votes on blocks.
    Validator,
    /// Follows the chain without a vote.
    Full,
    /// Sells compute.
    Provider,
    /// Serves HTTP before several nodes.
    Gateway,
}

/// Options of `init`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay init --home validator --address 203.0.113.7:26656
  assay init --home provider --role provider --node http://10.0.0.1:8545

A validator's entry for `assay genesis build` is printed and kept as HOME/validator-entry.json; the secrets stay in
HOME/validator.json. `assay devnet` makes a whole network at once.")]
pub(crate) struct InitArgs {
    /// Directory to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) home: PathBuf,
    /// What it is for.
    #[arg(long, value_enum, default_value_t = RoleArg::Validator)]
    pub(crate) role: RoleArg,
    /// The network's genesis file, to be copied; it can be put there later.
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// Where a validator's peers reach it.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:26656")]
    pub(crate) address: SocketAddr,
    /// Stake of a validator's entry, KRT.
    #[arg(long, value_name = "KRT", default_value = "10000")]
    pub(crate) stake: String,
    /// JSON-RPC address of a node that a provider, gateway or full node uses; may be given several times.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8545")]
    pub(crate) node: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GenesisCommand {
    /// Make a genesis file; every defect is told at once and nothing is written then.
    #[command(after_help = "Example:
  assay genesis build --validators a.json b.json c.json d.json --accounts balances.csv --chain-id 1055 --out genesis.json

A validator's file is what `assay init` prints. Balances are a CSV with the columns address,krt or a JSON list of
{\"address\", \"balance\"} in grains. FILE of --params is a JSON object, as in {\"idle_block_interval_ms\": 500}. The same
arguments with the same --timestamp-ms make the same file on every machine.")]
    Build(BuildArgs),
    /// List every defect of a genesis file with its cure; print its hash, seats and supply.
    Check {
        /// Genesis file.
        file: PathBuf,
    },
}

/// Options of `genesis build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Entries of the validators, one file each.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    pub(crate) validators: Vec<PathBuf>,
    /// Opening balances.
    #[arg(long, value_name = "FILE")]
    pub(crate) accounts: Option<PathBuf>,
    /// Consensus parameters that replace the defaults, a JSON object.
    #[arg(long, value_name = "FILE")]
    pub(crate) params: Option<PathBuf>,
    /// EIP-155 chain id: one no other network uses.
    #[arg(long, value_name = "N")]
    pub(crate) chain_id: u64,
    /// What the treasury starts with, KRT.
    #[arg(long, value_name = "KRT", default_value = "0")]
    pub(crate) treasury: String,
    /// Time of the genesis, milliseconds since the Unix epoch [default: now].
    #[arg(long, value_name = "MS")]
    pub(crate) timestamp_ms: Option<u64>,
    /// File to make.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// Options of `devnet`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:
  assay devnet --validators 7 --providers 5
  assay devnet init --dir net --validators 4 --providers 3
  assay devnet --dir net

Each role is a process of its own with a home in DIR and its log in DIR/logs. None is started again when it dies; that
is told with the last lines of its log. Ctrl-C stops all in order; started again the network goes on.
Validator N serves JSON-RPC on --rpc-port + N - 1 and metrics on 100 above that.",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct DevnetArgs {
    #[command(subcommand)]
    pub(crate) command: Option<DevnetCommand>,
    #[command(flatten)]
    pub(crate) files: DevnetFiles,
    /// Throw the directory's network away and start a new one.
    #[arg(long)]
    pub(crate) fresh: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DevnetCommand {
    /// Make the files only, and print the command that starts each role.
    Init(DevnetFiles),
}

/// What a development network is made of.
#[derive(Debug, Args)]
pub(crate) struct DevnetFiles {
    /// Directory of a genesis and a home for each role.
    #[arg(long, value_name = "DIR", default_value = "assay-data/devnet")]
    pub(crate) dir: PathBuf,
    /// Validators of a new network [default: 4].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) validators: Option<u32>,
    /// Providers of a new network, each of another operator [default: 3].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=64))]
    pub(crate) providers: Option<u32>,
    /// Port of the first validator's JSON-RPC server in a new network [default: 8545].
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub(crate) rpc_port: Option<u16>,
    /// Consensus parameters of a new network that replace the defaults, a JSON object.
    #[arg(long, value_name = "FILE")]
    pub(crate) params: Option<PathBuf>,
}

/// Options of `node`.
#[derive(Debug, Args)]
#[command(
    after_help = "`assay init` makes such a file. TOML; paths are relative to the file, unknown fields are refused:
  genesis = \"genesis.json\"
  dir = \"state\"
  keys = \"validator.json\"             # none: a full node, which takes blocks from its upstream
  next_keys = \"next.json\"             # whose vote key takes over in the first epoch that lists it
  upstream = [\"http://10.0.0.2:8545\"] # any nodes; a validator brings its first state from there
  checkpoint = \"checkpoint.json\"     # of `assay light verify`: their history must hold it
  keep_blocks = 20000                  # newest blocks kept; all if left out
  listen = \"10.0.0.1:26656\"           # peers
  rpc = \"127.0.0.1:8545\"
  metrics = \"127.0.0.1:9464\"          # /health, /ready, /metrics; none if left out
  adjudicate = true                    # re-execute disputed tasks
  refuse = [\"0x…\"]                    # senders whose transactions it puts into no block",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    pub(crate) command: Option<NodeCommand>,
    /// Configuration file.
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) config: Option<PathBuf>,
    /// End when standard input does.
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Delete the node's databases, so that it reads all blocks from its peers again.
    Reset(ResetArgs),
}

/// Options of `node reset`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  assay node reset --config validator/node.toml --keep-keys")]
pub(crate) struct ResetArgs {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Keys stay, as does all that is no database; there is no other way.
    #[arg(long, required = true)]
    pub(crate) keep_keys: bool,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Options of `gateway`.
#[derive(Debug, Args)]
#[command(after_help = "`assay init --role gateway` makes such a file. TOML, unknown fields are refused:
  listen = \"0.0.0.0:8545\"             # JSON-RPC by POST /, prices under /v1, /health, /ready, /metrics
  nodes = [\"http://10.0.0.1:8545\", \"http://10.0.0.2:8545\"]
                                       # the first that is well answers
Optional: metrics (an address of its own for /health, /ready, /metrics), genesis_hash, database (the price record's,
as sqlite:prices.sqlite), max_lag_blocks = 20, check_every_ms = 1000, timeout_ms = 15000, max_request_bytes,
max_response_bytes, max_requests = 256.")]
pub(crate) struct GatewayArgs {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Print a validator's public keys, as its entry of a genesis has them.
    Show {
        /// The node's configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Make new network and vote keys beside the old, which stay in use until the chain has seated the new.
    Rotate {
        /// The node's configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Options of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay doctor
  assay doctor --config validator/node.toml

Ends with 0 if nothing FAILs, else with 11. A file of a node, a provider or a gateway is told by its fields.")]
pub(crate) struct DoctorArgs {
    /// Configuration file of the process to look at [default: this machine only].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Only ask a running process whether it lives, as a container's health check does.
    #[arg(long, conflicts_with = "config")]
    pub(crate) alive: bool,
    /// Where it serves /health.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9464", env = "ASSAY_HEALTH")]
    pub(crate) health: String,
}
