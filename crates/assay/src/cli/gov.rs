//! Options of `gov`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ClientArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum GovCommand {
    /// Propose something; puts a deposit down.
    #[command(subcommand)]
    Propose(ProposeCommand),
    /// Add to a proposal's deposit; the vote begins when there is enough.
    #[command(after_help = "Example:\n  assay gov deposit 3 100")]
    Deposit {
        /// The proposal's number.
        id: u64,
        /// How much; what is not needed stays yours.
        #[arg(value_name = "KRT")]
        amount: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Vote with all stake you have bonded; the last vote counts.
    #[command(after_help = "Examples:\n  assay gov vote 3 yes\n  assay gov vote 3 --split yes=70,abstain=30")]
    Vote(VoteArgs),
    /// Withdraw a proposal of yours before the vote; a part of the deposits is burned.
    Cancel(WhichProposal),
    /// Proposals, the latest first.
    List {
        /// Those that are over as well.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// One proposal: what it does, how the vote stands, how long it takes.
    Show(WhichProposal),
    /// Parameters in force, and what a vote could make them.
    Params(ClientArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProposeCommand {
    /// Change parameters.
    #[command(after_help = "Example:
  echo '{\"band_bps\": 1500}' > changes.json
  assay gov propose params changes.json --title 'A wider band'")]
    Params {
        /// JSON object of parameters by name.
        file: PathBuf,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// Create a class of what is traded.
    Class {
        /// The class as JSON, as `assay market classes --output json` writes one.
        file: PathBuf,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// Retire a class: its orders are closed and refunded.
    RetireClass {
        /// Its number.
        class: u32,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// Pay out of the treasury.
    #[command(after_help = "Example:\n  assay gov propose payment 0x7099…79C8 250 --title 'An audit of the ledger'")]
    Payment {
        /// To whom.
        to: String,
        /// How much.
        #[arg(value_name = "KRT")]
        amount: String,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// Let jobs name a runtime, or no longer; jobs that run end as they began.
    Runtime {
        /// Its id.
        runtime: String,
        /// No longer.
        #[arg(long)]
        deactivate: bool,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// Have the network run a newer protocol version from a height on.
    #[command(
        after_help = "Example:\n  assay gov propose upgrade second --height 1200000 --protocol 2 --title 'Version two'"
    )]
    Upgrade {
        /// Its name, at most 32 bytes.
        #[arg(required_unless_present = "cancel")]
        name: Option<String>,
        /// First height under it.
        #[arg(long, value_name = "N", required_unless_present = "cancel")]
        height: Option<u64>,
        /// The version.
        #[arg(long, value_name = "N", required_unless_present = "cancel")]
        protocol: Option<u32>,
        /// Call the scheduled upgrade off instead.
        #[arg(long, conflicts_with_all = ["name", "height", "protocol"])]
        cancel: bool,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// Agree on a text.
    Text(AboutArgs),
}

/// What a proposal says of itself.
#[derive(Debug, Args)]
pub(crate) struct AboutArgs {
    /// Title, at most 128 bytes.
    #[arg(long)]
    pub(crate) title: String,
    /// File with the whole text; its hash goes on the chain.
    #[arg(long, value_name = "FILE")]
    pub(crate) text: Option<PathBuf>,
    /// Where others read that text.
    #[arg(long, default_value = "")]
    pub(crate) uri: String,
    /// Deposit [default: what a vote needs].
    #[arg(long, value_name = "KRT")]
    pub(crate) deposit: Option<String>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// Names a proposal.
#[derive(Debug, Args)]
pub(crate) struct WhichProposal {
    /// Its number.
    pub(crate) id: u64,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// Options of `gov vote`.
#[derive(Debug, Args)]
pub(crate) struct VoteArgs {
    /// The proposal's number.
    pub(crate) id: u64,
    /// For what.
    #[arg(value_enum, required_unless_present = "split")]
    pub(crate) option: Option<VoteArg>,
    /// Shares of your stake in percent, 100 in all.
    #[arg(long, value_name = "OPTION=PERCENT,…", conflicts_with = "option")]
    pub(crate) split: Option<String>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// What to vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VoteArg {
    /// For it.
    Yes,
    /// Against it.
    No,
    /// Neither; counts for the quorum.
    Abstain,
    /// Against it, and burn the deposits.
    Veto,
}
