//! Options of the commands that run for long: `up`, `node`, `provider`, `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of `up`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay up
  assay up --fresh --rpc-port 9545
  assay up --dir short --params params.json
  cast block-number --rpc-url http://127.0.0.1:8545

FILE of --params is a JSON object, as {\"claim_window_blocks\": 200, \"idle_block_interval_ms\": 100}; `assay chain params
--output json` has all names.

Stop it with Ctrl-C; started again it goes on from the same height and state root.")]
pub(crate) struct UpArgs {
    /// Port of the price record's REST server on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8546)]
    pub(crate) rest_port: u16,
    /// Database of the price record: sqlite:PATH or postgres://USER@HOST/NAME [default: SQLite in DIR].
    #[arg(long, value_name = "URL", env = "ASSAY_DATABASE")]
    pub(crate) database: Option<String>,
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
    /// Consensus parameters of a new network that replace the defaults, a JSON object.
    #[arg(long, value_name = "FILE")]
    pub(crate) params: Option<PathBuf>,
}

/// Options of `provider`.
#[derive(Debug, Args)]
#[command(
    after_help = "`assay init --role provider` makes such a file. TOML; paths are relative to the file, unknown fields are refused:
  keys = \"keys\"                      # keystore directory, with `account` if it holds several
  password_file = \"keys/password\"
  data_dir = \"provider\"
  rpc = \"http://127.0.0.1:8545\"
  price_per_gigafuel = \"0.001\"       # KRT
  collateral = \"1000\"                # KRT, topped up to this at start
Optional, with defaults: operator, listen, advertise, cores, quota_mib, memory_mib, max_lots,
max_fuel_per_task, margin, retain, class, capacity_gigafuel. Instead of price_per_gigafuel a [pricing]
table makes the ask: `assay provider price --help`.",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(crate) struct ProviderArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ProviderCommand>,
    /// Configuration file.
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) config: Option<PathBuf>,
    /// End when standard input does.
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// The ask that the configuration file's [pricing] table comes to now.
    #[command(after_help = "In the file, instead of price_per_gigafuel; money in a currency of your choice:
  [pricing]
  energy = { fixed = 0.30 }            # a kWh; or { file = { path = \"kwh.txt\" } },
                                       # { url = { url = \"http://…\", field = \"data.0.price\" } },
                                       # { command = { argv = [\"my-meter\", \"--kwh\"] } }
  power = { watts = 90.0 }             # or { rapl = { other-watts = 25.0 } },
                                       # { model = { idle-watts = 20.0, watts-a-core = 9.0 } }
  gigafuel_per_s = 1.1                 # a core: --measure finds it
  hardware_cost = 900.0
  lifetime_hours = 30000.0
  utilisation = 0.5                    # part of those hours that is sold
  margin_percent = 20.0
  krt_per_unit = 10.0                  # KRT for one unit of the currency
Optional, with defaults: floor_krt, ceiling_krt, refresh_s, step_bps. While the provider runs, its ask on
chain follows; where a price cannot be read the last ask stands.

Example:
  assay provider price --config provider.toml --explain")]
    Price {
        /// Configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Show every step of the reckoning.
        #[arg(long)]
        explain: bool,
        /// Measure what a core of this machine does, with the bundled risk job, instead of taking the file's word.
        #[arg(long)]
        measure: bool,
    },
}

/// Options of `index`.
#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// JSON-RPC address of a node.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8545", env = "ASSAY_RPC", global = true)]
    pub(crate) rpc: String,
    /// Database: sqlite:PATH or postgres://USER@HOST/NAME.
    #[arg(
        long,
        value_name = "URL",
        default_value = "sqlite:assay-data/prices.sqlite",
        env = "ASSAY_DATABASE",
        global = true
    )]
    pub(crate) database: String,
    #[command(subcommand)]
    pub(crate) command: IndexCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IndexCommand {
    /// Follow the chain and serve the record over REST until Ctrl-C.
    #[command(after_help = "Example:
  assay index serve --database postgres://assay@localhost/prices --listen 127.0.0.1:8546")]
    Serve {
        /// Where REST is served.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8546")]
        listen: std::net::SocketAddr,
    },
    /// Throw the record away and fill it again from the chain's blocks.
    Rebuild,
    /// How far the record is.
    Status,
}

/// Options of `top`.
#[derive(Debug, Args)]
#[command(after_help = "Keys: q ends, arrows or j and k choose a class, Tab moves, p pauses, ? helps.

Example:
  assay top --once 120x40")]
pub(crate) struct TopArgs {
    /// JSON-RPC address of a node.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8545", env = "ASSAY_RPC")]
    pub(crate) rpc: String,
    /// Class shown first, by name or number.
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// Milliseconds between two looks at the node.
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub(crate) every: u64,
    /// Print one picture of this size instead, as text.
    #[arg(long, value_name = "COLUMNSxROWS")]
    pub(crate) once: Option<assay_top::Size>,
}

/// Options of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay bench --output json
  assay bench transfers --seconds 10
  assay bench processes --validators 4 --rate 2000 --seconds 600

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
    /// Transfers at a given rate on validators that are processes of their own; only where asked for.
    Processes(crate::commands::bench::Processes),
}
