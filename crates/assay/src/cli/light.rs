//! Options of `light`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What `light` does.
#[derive(Debug, Subcommand)]
pub(crate) enum LightCommand {
    /// Write to a file how the validators came to sit that finalized the newest block.
    #[command(after_help = "Example:\n  assay light export --rpc http://127.0.0.1:8545 -o chain.light.json")]
    Export {
        /// JSON-RPC address of a node.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8545", env = "ASSAY_RPC")]
        rpc: String,
        /// First epoch whose committee the reader knows.
        #[arg(long, value_name = "EPOCH", default_value_t = 0)]
        from: u64,
        /// File to write.
        #[arg(short, long = "out", value_name = "FILE")]
        out: PathBuf,
    },
    /// Check such a file offline, from a genesis or from a checkpoint.
    #[command(
        after_help = "A trusted committee may sign anything once its stake has left, so what is trusted must be \
younger than the unbonding time: that is what makes lying cost stake. An older genesis needs a checkpoint from somebody \
you trust, or --trust-old.\n\nExamples:
  assay light verify chain.light.json --genesis genesis.json --checkpoint-out today.json
  assay light verify later.light.json --genesis genesis.json --checkpoint today.json"
    )]
    Verify(VerifyArgs),
}

/// Options of `light verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// What `light export` wrote.
    pub(crate) file: PathBuf,
    /// The network's genesis file.
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: PathBuf,
    /// A checkpoint to start from instead of the genesis' committee.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Trust it even if stake behind it may have left.
    #[arg(long)]
    pub(crate) trust_old: bool,
    /// Write the latest verified committee as a checkpoint.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint_out: Option<PathBuf>,
}
