//! Options of `snapshot`.

use std::path::PathBuf;

use clap::Subcommand;

/// What `snapshot` does.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Write the newest certified state of a node to a file, checked as it comes.
    #[command(
        after_help = "Example:\n  assay snapshot export --rpc http://127.0.0.1:8545 --genesis genesis.json -o state.snapshot"
    )]
    Export {
        /// JSON-RPC address of a node; may be given several times.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8545", env = "ASSAY_RPC")]
        rpc: Vec<String>,
        /// The network's genesis file.
        #[arg(long, value_name = "FILE")]
        genesis: PathBuf,
        /// File to write.
        #[arg(short, long = "out", value_name = "FILE")]
        out: PathBuf,
    },
    /// Bring a snapshot into an empty state directory; nothing is believed that validators did not sign.
    #[command(
        after_help = "Example:\n  assay snapshot import state.snapshot --genesis genesis.json --dir state/validators\n\n\
        DIR is the `validators` folder in the node's `dir`; it must not hold a state."
    )]
    Import {
        /// The snapshot.
        file: PathBuf,
        /// The network's genesis file.
        #[arg(long, value_name = "FILE")]
        genesis: PathBuf,
        /// State directory of the node.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// Name of the node in that directory.
        #[arg(long, value_name = "NAME", default_value = "validator")]
        partition: String,
        /// A checkpoint that its history must hold, of `assay light verify --checkpoint-out`.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// What a snapshot says it is, its hash checked.
    Info {
        /// The snapshot.
        file: PathBuf,
        /// Genesis file of the network it should be of.
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
    },
}
