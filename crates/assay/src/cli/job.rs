//! Options of `assay job`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{ClientArgs, TierArg, score};

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Submit a program with one input file a task.
    Submit(Box<SubmitArgs>),
    /// Go on with a job whose submission was cut off, from its directory: nothing is locked or sent twice.
    Resume {
        /// Directory that `job submit` said it keeps the job in.
        dir: PathBuf,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show where a job stands.
    Status(WhichJob),
    /// Follow a job until it ends.
    Watch(WhichJob),
    /// Print the standard error of a job's tasks, also after its providers are gone.
    Logs {
        #[command(flatten)]
        job: WhichJob,
        /// Only this task.
        #[arg(long, value_name = "INDEX")]
        task: Option<u32>,
    },
    /// Save a job's outputs, one file a task.
    Result {
        #[command(flatten)]
        job: WhichJob,
        /// Directory to save to [default: `results` in the job's directory].
        #[arg(long, short = 'o', value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Save the receipt: proof of the result for anybody who has the genesis file.
    Receipt {
        #[command(flatten)]
        job: WhichJob,
        /// Where to [default: `receipt.json` in the job's directory].
        #[arg(long, short = 'o', value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Check a receipt offline, trusting no node.
    #[command(
        after_help = "Checks, in this order: the genesis file's hash is that of the receipt's network; the finality
certificate is signed by its validators; the state proof leads from the certified block to the
job's result; leaves add up to that result; the outputs beside the receipt are those of the leaves.
With --rerun each task is executed here and compared as well.

Example:
  assay job verify assay-data/quickstart/vol-surface.receipt.json --genesis assay-data/quickstart/genesis.json"
    )]
    Verify {
        /// Receipt to check.
        file: PathBuf,
        /// Genesis file you trust [default: `genesis.json` beside the receipt].
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
        /// Execute the tasks here and compare outputs and fuel.
        #[arg(long)]
        rerun: bool,
    },
    /// Cancel a job that nobody has committed a result to.
    Cancel(WhichJob),
    /// List jobs.
    List {
        /// Jobs of every renter, not only yours.
        #[arg(long)]
        all: bool,
        /// At most so many, newest first.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        client: ClientArgs,
    },
}

/// Names a job.
#[derive(Debug, Args)]
pub(crate) struct WhichJob {
    /// The job's id, or enough of its first digits to be the only one in the jobs directory.
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// How a program is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AbiArg {
    /// Component `run(list<u8>)`.
    Component,
    /// WASI preview-1 command: standard input in, standard output out.
    Wasi,
}

/// Options of `job submit`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay job submit word-count.wasm --abi wasi --input a.txt --input b.txt --wait
  assay job submit price.wasm --input task*.bin --replicas 3 --max-price 0.002
  assay job submit price.wasm --input task*.bin --tasks-per-lot 64 --tier audit:50%,7

Each task runs on as many providers as --tier says; they are paid when they agree, or when auditors
found nothing. The command stays until the providers have what they need, or with --wait until the
result is settled and saved.")]
pub(crate) struct SubmitArgs {
    /// The program: a WebAssembly component or WASI command.
    pub(crate) program: PathBuf,
    /// Input of one task; give it once a task, or several files at once.
    #[arg(long, short, value_name = "FILE", num_args = 1.., required = true)]
    pub(crate) input: Vec<PathBuf>,
    /// How the program is called [default: by the kind of the module].
    #[arg(long, value_enum)]
    pub(crate) abi: Option<AbiArg>,
    /// Argument of a WASI command; give it once an argument.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) arg: Vec<String>,
    /// How results are checked: none (paid on receipt unless you challenge it), replicate:K (K providers of
    /// different operators must agree), audit:CHANCE%,DRAWS,AUDITORS (auditors drawn by the beacon run some tasks
    /// of some lots again before they are opened).
    #[arg(long, value_name = "TIER", default_value = "replicate:2", conflicts_with = "replicas")]
    pub(crate) tier: TierArg,
    /// The same as --tier replicate:K; 1 is --tier none.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(1..))]
    replicas: Option<u8>,
    /// Least reputation of a provider that runs it, in percent as `assay chain providers` shows it.
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = score::basis_points)]
    pub(crate) min_reputation: u16,
    /// Tasks handed out together.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) tasks_per_lot: u32,
    /// Most you pay a provider for a gigafuel, in KRT [default: a tenth above the dearest ask].
    #[arg(long, value_name = "KRT")]
    pub(crate) max_price: Option<String>,
    /// Most fuel of one task, in gigafuel.
    #[arg(long, value_name = "GIGAFUEL", default_value_t = 10)]
    pub(crate) fuel: u64,
    /// Most memory of one task.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub(crate) memory: u32,
    /// Largest output of one task, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    pub(crate) output_bytes: u32,
    /// Stay until the result is settled, then save outputs, logs and receipt.
    #[arg(long, short)]
    pub(crate) wait: bool,
    /// Hide the bid until nobody can answer it: it takes part when its window is over, ten seconds at least.
    #[arg(long)]
    pub(crate) sealed: bool,
    /// Class to run in, by name or number [default: the first with a book]; one whose region holds others may run
    /// in any of those.
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// Further classes, in order of preference, tried when that one does not serve it.
    #[arg(long, value_name = "CLASS")]
    pub(crate) substitute: Vec<String>,
    /// Redeem claims for it instead of paying: CLASS/WINDOW/ISSUER or their ERC-1155 id.
    #[arg(
        long,
        value_name = "CLAIM",
        conflicts_with_all = ["sealed", "budget", "max_price", "substitute", "min_reputation"]
    )]
    pub(crate) claim: Option<String>,
    /// Most the whole job may cost, KRT: lowers the limit price to what that allows.
    #[arg(long, value_name = "KRT")]
    pub(crate) budget: Option<String>,
    /// Give up waiting after so many seconds; the job goes on.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

impl SubmitArgs {
    /// How results are checked.
    pub(crate) fn tier(&self) -> TierArg {
        match self.replicas {
            None => self.tier,
            Some(1) => TierArg::None,
            Some(replicas) => TierArg::Replicate(replicas),
        }
    }
}
