//! Options of `stake`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ClientArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum StakeCommand {
    /// Validators by stake, who sits, and how few could stop the network.
    List(ClientArgs),
    /// One validator.
    Show {
        /// Whose account it is.
        #[arg(value_name = "ADDRESS")]
        validator: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// What you have delegated, what it earned, and what is on its way.
    Rewards(ClientArgs),
    /// Make the keys of a new validator: its account, network and vote keys in one file.
    Keys {
        /// File to write; one that is there already is left alone.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Become a validator.
    #[command(after_help = "Example:
  assay stake keys --out validator.json
  assay account send --to 0x12ab… --amount 101
  assay stake register --validator validator.json --peer 203.0.113.7:9000 --amount 100 --commission-bps 500")]
    Register(RegisterArgs),
    /// Delegate to a validator, yourself included.
    Delegate(AmountArgs),
    /// Take stake out; it is paid when the unbonding time is over.
    Undelegate(AmountArgs),
    /// Move stake to another validator at once.
    Redelegate {
        /// From whom.
        #[arg(long, value_name = "ADDRESS")]
        from: String,
        /// To whom.
        #[arg(long, value_name = "ADDRESS")]
        to: String,
        /// How much.
        #[arg(long, value_name = "KRT")]
        amount: String,
        #[command(flatten)]
        signer: SignerArgs,
    },
    /// Claim rewards of a validator, or a validator's commission.
    Claim {
        /// Of whom.
        #[arg(value_name = "ADDRESS", required_unless_present = "commission")]
        of: Option<String>,
        /// Your own commission as a validator.
        #[arg(long, conflicts_with = "of")]
        commission: bool,
        #[command(flatten)]
        signer: SignerArgs,
    },
    /// Ask back in after a jail time.
    Unjail(SignerArgs),
    /// Sit with other keys from the next committee on.
    RotateKeys {
        /// File with the new keys, as `stake keys` writes it; its account is not used.
        #[arg(long, value_name = "FILE")]
        new: PathBuf,
        #[command(flatten)]
        signer: SignerArgs,
    },
    /// Be dialled elsewhere from the next committee on.
    SetAddress {
        /// Where peers find you.
        #[arg(long, value_name = "IP:PORT")]
        peer: String,
        #[command(flatten)]
        signer: SignerArgs,
    },
    /// Keep another part of your delegators' rewards; once a day, by a bounded step.
    SetCommission {
        /// Basis points.
        #[arg(long, value_name = "BPS")]
        commission_bps: u32,
        #[command(flatten)]
        signer: SignerArgs,
    },
    /// Show that your seat is there though it leads no blocks.
    Heartbeat(SignerArgs),
}

/// Who signs.
#[derive(Debug, Args)]
pub(crate) struct SignerArgs {
    /// Sign with the account in this validator's key file instead of a keystore.
    #[arg(long, value_name = "FILE")]
    pub(crate) validator: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// Options of `stake register`.
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// The validator's key file.
    #[arg(long, value_name = "FILE")]
    pub(crate) validator: PathBuf,
    /// Where peers find it.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) peer: String,
    /// Its own stake.
    #[arg(long, value_name = "KRT")]
    pub(crate) amount: String,
    /// What it keeps of its delegators' rewards, basis points.
    #[arg(long, value_name = "BPS", default_value_t = 500)]
    pub(crate) commission_bps: u32,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// An amount at a validator.
#[derive(Debug, Args)]
pub(crate) struct AmountArgs {
    /// Which validator.
    #[arg(value_name = "ADDRESS")]
    pub(crate) at: String,
    /// How much.
    #[arg(long, value_name = "KRT")]
    pub(crate) amount: String,
    #[command(flatten)]
    pub(crate) signer: SignerArgs,
}
