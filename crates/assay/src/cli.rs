//! The command line: every subcommand, option and default, and nothing of what they do.

mod claims;
mod gov;
mod job;
mod light;
mod market;
mod node;
mod operate;
mod rewards;
mod score;
mod snapshot;
mod stake;
mod tier;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use claims::{BuyArgs, ClaimsCommand, IssueArgs, SellArgs};
pub(crate) use gov::{AboutArgs, GovCommand, ProposeCommand, VoteArg, VoteArgs};
pub(crate) use job::{AbiArg, JobCommand, SubmitArgs, WhichJob};
pub(crate) use light::{LightCommand, VerifyArgs};
pub(crate) use market::{
    AmendArgs, ClearArgs, EstimateArgs, MarketCommand, OpenArgs, OrderCommand, PlaceArgs, SideArg, SimCommand,
    WhichClass, WhichOrder,
};
pub(crate) use node::{BenchArgs, BenchOne, IndexArgs, IndexCommand, ProviderArgs, ProviderCommand, TopArgs, UpArgs};
pub(crate) use operate::{
    BuildArgs, DevnetArgs, DevnetCommand, DevnetFiles, DoctorArgs, GatewayArgs, GenesisCommand, InitArgs, KeysCommand,
    NodeArgs, NodeCommand, ResetArgs, RoleArg,
};
pub(crate) use rewards::RewardsCommand;
pub(crate) use snapshot::SnapshotCommand;
pub(crate) use stake::{AmountArgs, RegisterArgs, SignerArgs, StakeCommand};
pub(crate) use tier::TierArg;

use crate::failure::EXIT_CODES;

/// A market for compute in which wrong answers cost more than they earn.
#[derive(Debug, Parser)]
#[command(
    name = "assay",
    version,
    max_term_width = 100,
    after_help = EXIT_CODES,
    after_long_help = concat_help(),
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How to print the result: tables for people, or one JSON document for programs.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    /// What to log to standard error, as in `info` or `consensus=debug,warn`.
    #[arg(long, global = true, value_name = "FILTER", default_value = "off", env = "ASSAY_LOG")]
    pub(crate) log: String,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "ASSAY_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
}

fn concat_help() -> String {
    format!(
        "Examples:\n  \
         assay quickstart                  a network, a real option book priced, verified and paid\n  \
         assay quickstart --cheat          the same with a provider that lies, and is caught\n  \
         assay up                          keep a network running\n  \
         assay job submit hello.wasm --input names.txt --wait\n  \
         assay job verify receipt.json --genesis genesis.json\n\n{EXIT_CODES}"
    )
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Tables and text.
    Table,
    /// One JSON document.
    Json,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a network, price an option book on it, verify, pay, report.
    Quickstart(QuickstartArgs),
    /// Keep a network running on this machine.
    Up(UpArgs),
    /// Run a network of separate processes on this machine, with generated homes.
    Devnet(DevnetArgs),
    /// Make the home of one process: keys and a configuration file.
    Init(InitArgs),
    /// Build a genesis from a list of validators, or check one.
    #[command(subcommand)]
    Genesis(GenesisCommand),
    /// Run one validator, or reset its state.
    Node(NodeArgs),
    /// Run one provider.
    Provider(ProviderArgs),
    /// Run an HTTP edge before several nodes, without a chain of its own.
    Gateway(GatewayArgs),
    /// A validator's keys: show, rotate.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Look for what keeps a process from running well, and say how to mend it.
    Doctor(DoctorArgs),
    /// Submit, follow, fetch and verify jobs.
    #[command(subcommand)]
    Job(JobCommand),
    /// Orders: list, place, seal, change, cancel, and why one is not filled.
    #[command(subcommand)]
    Order(OrderCommand),
    /// Keys and balances.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Read the chain.
    #[command(subcommand)]
    Chain(ChainCommand),
    /// How few could halt the network or take it over, and whose its capacity is.
    Risk(ClientArgs),
    /// Classes, books, prices, and the auction's rule for everybody to check.
    #[command(subcommand)]
    Market(MarketCommand),
    /// Claims on capacity in a later window: issue, trade, send, see.
    #[command(subcommand)]
    Claims(ClaimsCommand),
    /// Inflation, what burns of payments for work, and what providers are paid back of it.
    #[command(subcommand)]
    Rewards(RewardsCommand),
    /// Proposals and votes: parameters, classes, payments, runtimes, upgrades.
    #[command(subcommand)]
    Gov(GovCommand),
    /// Validators, delegations and rewards.
    #[command(subcommand)]
    Stake(StakeCommand),
    /// Keep the price record: follow, serve, rebuild.
    Index(IndexArgs),
    /// Follow the validators by certificates alone, offline.
    #[command(subcommand)]
    Light(LightCommand),
    /// A chain's state in one file: export, import, see.
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// A live view of the market: book, prices, jobs and blocks.
    Top(TopArgs),
    /// Simulate agents against the market's rules, and cheats against audits.
    #[command(subcommand)]
    Sim(SimCommand),
    /// Measure this machine: finality, throughput, round trips, Wasm against native, memory.
    Bench(BenchArgs),
    /// Print a completion script.
    #[command(after_help = "Example:\n  assay completions bash > /etc/bash_completion.d/assay")]
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

/// Options of `quickstart`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay quickstart
  assay quickstart --cheat
  assay quickstart --cheat --tier audit
  assay quickstart --chain my-chain.csv --as-of 2026-03-02 --book my-book.csv
  assay quickstart --output json > run.json

The chain's columns are contract,type,expiration,strike,bid,ask,last,volume,open_interest with OCC
symbols; the book's are contract,quantity. Everything runs on this machine and in one process.")]
pub(crate) struct QuickstartArgs {
    /// Option chain to price [default: SPX at the close of 2026-01-30, built in].
    #[arg(long, value_name = "FILE", requires = "as_of")]
    pub(crate) chain: Option<PathBuf>,
    /// Date the chain was quoted at, as 2026-01-30.
    #[arg(long, value_name = "DATE", requires = "chain")]
    pub(crate) as_of: Option<String>,
    /// Positions to value [default: the sample book, built in].
    #[arg(long, value_name = "FILE")]
    pub(crate) book: Option<PathBuf>,
    /// Let one provider lie about its results.
    #[arg(long)]
    pub(crate) cheat: bool,
    /// How results are checked: replicate:K, or audit:CHANCE%,DRAWS,AUDITORS; audit alone looks at every one of these
    /// small lots.
    #[arg(long, value_name = "TIER", default_value = "replicate:2", value_parser = tier::in_quickstart)]
    pub(crate) tier: TierArg,
    /// Monte Carlo paths of the risk job.
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u64).range(1_024..=16_777_216))]
    pub(crate) paths: u64,
    /// Where the report goes [default: report.html in the run's directory].
    #[arg(long, value_name = "PATH")]
    pub(crate) report: Option<PathBuf>,
    /// Directory for the network's state, receipts and tables; emptied first if it is one of ours.
    #[arg(long, value_name = "DIR", default_value = "assay-data/quickstart")]
    pub(crate) dir: PathBuf,
}

/// How to reach a node and which key to sign with.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClientArgs {
    /// JSON-RPC address of a node.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8545",
        env = "ASSAY_RPC",
        help_heading = "Connection"
    )]
    pub(crate) rpc: String,
    /// Directory of Ethereum keystore files.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "assay-data/up/keys",
        env = "ASSAY_KEYS",
        help_heading = "Connection"
    )]
    pub(crate) keys: PathBuf,
    /// Account to act as [default: the only one with a key here].
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_ACCOUNT", help_heading = "Connection")]
    pub(crate) account: Option<String>,
    /// File with the key's password [default: `password` in the key directory].
    #[arg(long, value_name = "FILE", env = "ASSAY_PASSWORD_FILE", help_heading = "Connection")]
    pub(crate) password_file: Option<PathBuf>,
    /// Directory in which jobs keep their inputs, keys, results and receipts.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "assay-data/jobs",
        env = "ASSAY_JOBS",
        help_heading = "Connection"
    )]
    pub(crate) jobs_dir: PathBuf,
}

impl ClientArgs {
    /// A key directory of this machine's own network.
    pub(crate) fn local(keys: PathBuf) -> Self {
        let rpc = "http://127.0.0.1:8545".to_owned();
        Self { rpc, keys, account: None, password_file: None, jobs_dir: PathBuf::from("assay-data/jobs") }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make a new key and keep it in a keystore file.
    New(ClientArgs),
    /// Keep a key you have; it is read from a file or standard input, never from the command line.
    #[command(after_help = "Example:\n  assay account import key.hex --keys ~/.assay/keys --password-file pw")]
    Import {
        /// File with the key in hexadecimal, or a keystore file; `-` is standard input.
        file: PathBuf,
        /// Password of the keystore file to import, if it is one.
        #[arg(long, value_name = "FILE")]
        old_password_file: Option<PathBuf>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// List the keys here with their balances.
    List(ClientArgs),
    /// Print a balance.
    Balance {
        /// Whose [default: yours].
        address: Option<String>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Send KRT.
    #[command(after_help = "Example:\n  assay account send 0x7099…79C8 1.5")]
    Send {
        /// To whom.
        to: String,
        /// How many KRT, as 1.5.
        amount: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// Where the chain stands, and whether its books balance.
    Status(ClientArgs),
    /// Show a finalized block.
    Block {
        /// Height, or `latest`.
        #[arg(default_value = "latest")]
        height: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show a transaction and what it did.
    Tx {
        /// Its hash.
        hash: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show the consensus parameters.
    Params(ClientArgs),
    /// Show the providers, what they ask and how they fared.
    Providers(ClientArgs),
    /// Save the genesis file, which receipts are verified against.
    Genesis {
        /// Where to [default: standard output].
        #[arg(long, short = 'o', value_name = "FILE")]
        to: Option<PathBuf>,
        #[command(flatten)]
        client: ClientArgs,
    },
}
