//! Options of `rewards`.

use clap::Subcommand;

use super::ClientArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum RewardsCommand {
    /// The rate in force, what is bonded, minted and burned, and what a provider is owed.
    #[command(after_help = "Examples:
  assay rewards show
  assay rewards show --provider 0x12ab…")]
    Show {
        #[command(flatten)]
        client: ClientArgs,
        /// Whose emission to show beside it.
        #[arg(long, value_name = "ADDRESS")]
        provider: Option<String>,
    },
    /// Have what you are owed for ended epochs paid; the next payment for work does so too.
    Claim(ClientArgs),
}
