//! Options of the commands that run for long: `up`, `node`, `provider`, `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of `up`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay up
  assay up --fresh --rpc-port 9545
  cast block-number --rpc-url http://127.0.0.1:8545

Stop it with Ctrl-C; started again it goes on from the same height and state root.")]
pub(crate) struct UpArgs {
    /// State directory.
    #[arg(long, value_name = "DIR", default_value = "assay-data/up")]
    pub(crate) dir: PathBuf,
    /// Throw the directory's network away and start a new one.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Port of the JSON-RPC server on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8545)]
    pub(crate) rpc_port: u16,
    /// Validators of a new network.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) validators: u32,
    /// Providers of a new network, each of another operator.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) providers: u32,
}

/// Options of `init`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay init --dir net --validators 4 --providers 3
  assay node --config net/validator-1/node.toml

`assay up` runs such a network in one process; this makes the files to run each role on its own.")]
pub(crate) struct InitArgs {
    /// Directory to make: a genesis, and a home for each role.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Validators.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) validators: u32,
    /// Providers, each of another operator.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=16))]
    pub(crate) providers: u32,
    /// Port of the first validator's JSON-RPC server; the others take the next ones.
    #[arg(long, value_name = "PORT", default_value_t = 8545, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub(crate) rpc_port: u16,
}

/// Options of `node`.
#[derive(Debug, Args)]
#[command(
    after_help = "`assay init` makes such files. TOML; paths are relative to the file, unknown fields are refused:
  genesis = \"genesis.json\"
  dir = \"state\"
  keys = \"validator.json\"
  listen = \"10.0.0.1:26656\"
  rpc = \"127.0.0.1:8545\"
  adjudicate = true"
)]
pub(crate) struct NodeArgs {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Options of `provider`.
#[derive(Debug, Args)]
#[command(
    after_help = "`assay init` makes such files. TOML; paths are relative to the file, unknown fields are refused:
  keys = \"keys\"                      # keystore directory, with `account` if it holds several
  password_file = \"keys/password\"
  data_dir = \"provider\"
  rpc = \"http://127.0.0.1:8545\"
  price_per_gigafuel = \"0.001\"       # KRT
  collateral = \"1000\"                # KRT, topped up to this at start
Optional, with defaults: operator, listen, advertise, cores, quota_mib, memory_mib, max_lots,
max_fuel_per_task, margin, retain."
)]
pub(crate) struct ProviderArgs {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Options of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay bench --output json
  assay bench transfers --seconds 10

All of it takes about three minutes. docs/BENCHMARKS.md holds figures with their machine.")]
pub(crate) struct BenchArgs {
    /// Measure only this.
    #[command(subcommand)]
    pub(crate) one: Option<BenchOne>,
    /// Where networks keep their state meanwhile [default: a temporary directory].
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) dir: Option<PathBuf>,
    /// How long transfers are sent.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, global = true)]
    pub(crate) seconds: u64,
    /// One-task jobs to run.
    #[arg(long, value_name = "N", default_value_t = 20, global = true)]
    pub(crate) jobs: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum BenchOne {
    /// Propose to finalized, four validators.
    Finality,
    /// Signed transfers a second over JSON-RPC.
    Transfers,
    /// One-task jobs, submit to verified and paid.
    Jobs,
    /// The risk job: metered Wasm against the same source native, and QuantLib if Python has it.
    Wasm,
    /// Clearings of the batch auction, and a matching engine on the same orders.
    Market,
    /// Resident memory of an idle `assay up`.
    Rss,
}
