//! Options of `claims`.

use clap::{Args, Subcommand};

use super::{ClientArgs, WhichClass};

#[derive(Debug, Subcommand)]
pub(crate) enum ClaimsCommand {
    /// Claims you have.
    List(ClientArgs),
    /// What is issued in a class: terms, collateral, how it stands.
    Issued(WhichClass),
    /// Issue claims on capacity you sell; locks collateral.
    #[command(after_help = "Example:
  assay claims issue --window 3 --gigafuel 5000 --price 0.001 --rate 2")]
    Issue(IssueArgs),
    /// Offer claims in their window's book.
    #[command(after_help = "Example:
  assay claims sell 1/3/0x12ab… --gigafuel 100 --price 0.0012")]
    Sell(SellArgs),
    /// Bid for claims of any issuer in a window.
    #[command(after_help = "Example:
  assay claims buy --window 3 --gigafuel 100 --price 0.0012")]
    Buy(BuyArgs),
    /// Send claims to somebody.
    Transfer {
        #[command(flatten)]
        which: WhichClaim,
        /// To whom.
        #[arg(long, value_name = "ADDRESS")]
        to: String,
        /// How much.
        #[arg(long, value_name = "GIGAFUEL")]
        gigafuel: String,
    },
    /// Add collateral to an issuance, anybody's.
    TopUp {
        #[command(flatten)]
        which: WhichClaim,
        /// How much.
        #[arg(long, value_name = "KRT")]
        amount: String,
    },
    /// Take out collateral above what was required at issue.
    Withdraw(WhichClaim),
    /// Take over an obligation that is offered because its collateral fell short.
    TakeOver {
        #[command(flatten)]
        which: WhichClaim,
        /// Collateral to post; the network says the least.
        #[arg(long, value_name = "KRT")]
        collateral: String,
    },
    /// Collect what closed-out claims pay.
    Collect(WhichClaim),
}

/// Names an issuance.
#[derive(Debug, Args)]
pub(crate) struct WhichClaim {
    /// CLASS/WINDOW/ISSUER, or the ERC-1155 id.
    pub(crate) claim: String,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// Options of `claims issue`.
#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    #[command(flatten)]
    pub(crate) which: WhichClass,
    /// Delivery window.
    #[arg(long, value_name = "N")]
    pub(crate) window: u32,
    /// How much.
    #[arg(long, value_name = "GIGAFUEL")]
    pub(crate) gigafuel: String,
    /// Issue price of a gigafuel, which undelivered claims pay at least.
    #[arg(long, value_name = "KRT")]
    pub(crate) price: String,
    /// Most gigafuel delivered a block.
    #[arg(long, value_name = "GIGAFUEL")]
    pub(crate) rate: String,
}

/// Options of `claims sell`.
#[derive(Debug, Args)]
pub(crate) struct SellArgs {
    #[command(flatten)]
    pub(crate) which: WhichClaim,
    /// How much.
    #[arg(long, value_name = "GIGAFUEL")]
    pub(crate) gigafuel: String,
    /// Least price of a gigafuel.
    #[arg(long, value_name = "KRT")]
    pub(crate) price: String,
    /// Blocks it rests.
    #[arg(long, value_name = "BLOCKS", default_value_t = 2_000)]
    pub(crate) blocks: u64,
}

/// Options of `claims buy`.
#[derive(Debug, Args)]
pub(crate) struct BuyArgs {
    #[command(flatten)]
    pub(crate) which: WhichClass,
    /// Delivery window.
    #[arg(long, value_name = "N")]
    pub(crate) window: u32,
    /// How much.
    #[arg(long, value_name = "GIGAFUEL")]
    pub(crate) gigafuel: String,
    /// Limit price of a gigafuel.
    #[arg(long, value_name = "KRT")]
    pub(crate) price: String,
    /// Blocks it rests.
    #[arg(long, value_name = "BLOCKS", default_value_t = 2_000)]
    pub(crate) blocks: u64,
}
