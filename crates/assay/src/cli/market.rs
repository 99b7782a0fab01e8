//! Options of `market`, `order` and `sim`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ClientArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum MarketCommand {
    /// Classes, what they cost and how busy they are.
    Classes(ClientArgs),
    /// A class's book: what is asked and bid, and the latest clearings.
    Book(WhichClass),
    /// Open, high, low, close, volume, utilisation and index of a class, an epoch a line.
    #[command(after_help = "Example:
  assay market prices cpu --limit 20")]
    Prices {
        #[command(flatten)]
        which: WhichClass,
        /// Epochs, the latest first.
        #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=128))]
        limit: u32,
    },
    /// What a job would get and cost in the next block, before it is submitted.
    #[command(after_help = "Example:
  assay market estimate cpu --tasks 54 --tasks-per-lot 5 --fuel 20 --replicas 2 --max-price 0.0012")]
    Estimate(EstimateArgs),
    /// Clear a book from a file as the ledger would, offline.
    Clear(ClearArgs),
}

/// Names a class.
#[derive(Debug, Args)]
pub(crate) struct WhichClass {
    /// The class's name or number [default: the first with a book].
    pub(crate) class: Option<String>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// Options of `market estimate`.
#[derive(Debug, Args)]
pub(crate) struct EstimateArgs {
    #[command(flatten)]
    pub(crate) which: WhichClass,
    /// Tasks.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tasks: u32,
    /// Most fuel of a task, gigafuel.
    #[arg(long, value_name = "GIGAFUEL", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) fuel: u64,
    /// Providers that run each task.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) replicas: u8,
    /// Limit price of a gigafuel, KRT [default: the most the band allows].
    #[arg(long, value_name = "KRT")]
    pub(crate) max_price: Option<String>,
}

/// Side of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SideArg {
    /// Buys.
    Bid,
    /// Sells.
    Ask,
}

/// Options of `order place`.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// The class's name or number: one that is metered (compute is bid for by jobs).
    pub(crate) class: String,
    /// To buy or to sell.
    #[arg(long, value_name = "SIDE")]
    pub(crate) side: SideArg,
    /// Limit price of a unit, KRT.
    #[arg(long, value_name = "KRT")]
    pub(crate) price: String,
    /// Units, with up to three decimals.
    #[arg(long, value_name = "UNITS")]
    pub(crate) quantity: String,
    /// Least units it takes in one block.
    #[arg(long, value_name = "UNITS", default_value = "0")]
    pub(crate) min_fill: String,
    /// Blocks it rests; a sealed order, from the end of its window.
    #[arg(long, value_name = "BLOCKS", default_value_t = 10_000)]
    pub(crate) blocks: u64,
    /// Show it to nobody before nobody can answer it: what it may cost is locked first, and the order
    /// takes part some ten seconds later, with all that were sealed meanwhile.
    #[arg(long)]
    pub(crate) sealed: bool,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// Options of `order open`.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// The file that `order place --sealed` named.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// Options of `order amend`.
#[derive(Debug, Args)]
pub(crate) struct AmendArgs {
    /// An order's number, or a job's id.
    pub(crate) order: String,
    /// New limit price of a unit, KRT.
    #[arg(long, value_name = "KRT")]
    pub(crate) price: Option<String>,
    /// New units left; not of a job.
    #[arg(long, value_name = "UNITS")]
    pub(crate) quantity: Option<String>,
    /// Blocks it rests from now; not of a job.
    #[arg(long, value_name = "BLOCKS")]
    pub(crate) blocks: Option<u64>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// Names an order.
#[derive(Debug, Args)]
pub(crate) struct WhichOrder {
    /// An order's number, or a job's id or enough of its first digits.
    pub(crate) order: String,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// Options of `market clear`.
#[derive(Debug, Args)]
#[command(
    after_help = "The file has a line an order, under the header id,side,price,quantity,min_fill: integers, side bid or
ask, min_fill 0 for none and equal to quantity for all or nothing.

Example:
  assay market clear --book book.csv --reference 1000 --band-bps 1250 \\
    --beacon 0x0000000000000000000000000000000000000000000000000000000000000007

The rule: orders better than the margin fill whole, the margin shares pro rata, what rounding leaves goes
a unit each by keccak256(beacon, id); the price is the one nearest to the reference that clears."
)]
pub(crate) struct ClearArgs {
    /// Orders, as CSV.
    #[arg(long, value_name = "FILE")]
    pub(crate) book: PathBuf,
    /// Price to move from as little as possible: the previous epoch's index.
    #[arg(long, value_name = "PRICE")]
    pub(crate) reference: u128,
    /// Width of the band around the reference, basis points.
    #[arg(long, value_name = "BPS", default_value_t = 1_250)]
    pub(crate) band_bps: u32,
    /// Randomness that breaks ties, 32 bytes of hex.
    #[arg(long, value_name = "HEX")]
    pub(crate) beacon: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    /// Truthful, shading, colluding and wash-trading agents in the batch auction.
    #[command(after_help = "Example:
  assay sim market --blocks 5000 --output json

Each strategy plays the same blocks as the truthful run, so gains are differences that it alone made. The
economy is drawn: forty buyers and forty sellers with one order a block.")]
    Market {
        /// Blocks of each run; an epoch, after which the reference moves, has 100.
        #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(200..=100_000))]
        blocks: u64,
        /// Seed of the economy.
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
    /// Providers and auditors that cheat, caught as often as the formulas say or not.
    #[command(after_help = "Examples:
  assay sim adversary
  assay sim adversary --quick
  assay sim adversary --seed 2 --output json > cheats.json

Twelve strategies at 1 to 100 % of the fuel, 5 to 100 % audited, 1 to 459 points drawn: at least 10,000 jobs of
10,000 tasks a setting, with the ledger's own draws and locks. Takes a minute or two. See docs/adversary.md.")]
    Adversary {
        /// 500 jobs a setting instead of 10,000; intervals are wider.
        #[arg(long)]
        quick: bool,
        /// Seed of all chances.
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
    /// Validators that withhold their turn where the beacon does not suit them.
    #[command(after_help = "Example:
  assay sim beacon --output json

See docs/protocol/beacon.md.")]
    Beacon {
        /// Seed of the leader orders.
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// Open orders, and in a word why each is not filled.
    List {
        /// Of everybody.
        #[arg(long)]
        all: bool,
        /// How many, the latest first.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// What keeps an order from being filled, how far it is, and what would have done lately.
    #[command(after_help = "Of a job it also says what each provider lacks for it.

Example:
  assay order why my-job")]
    Why(WhichOrder),
    /// Place an order in a metered class: bandwidth, accelerators.
    #[command(after_help = "Example:
  assay order place bandwidth --side bid --price 0.01 --quantity 2.5
  assay order place bandwidth --side bid --price 0.01 --quantity 2.5 --sealed")]
    Place(PlaceArgs),
    /// Open a sealed order whose client was interrupted.
    #[command(after_help = "An order that is not opened within its window forfeits part of what it locked.

Example:
  assay order open assay-data/jobs/orders/5f0c.json")]
    Open(OpenArgs),
    /// Change an order's limit; what it needs less comes back at once.
    #[command(after_help = "Example:
  assay order amend 0x1f83 --price 0.0013")]
    Amend(AmendArgs),
    /// Take an order back, with what is locked behind it.
    Cancel(WhichOrder),
}
