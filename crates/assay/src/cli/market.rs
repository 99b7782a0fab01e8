//! Options of `market`, `order` and `sim`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::WhichJob;

#[derive(Debug, Subcommand)]
pub(crate) enum MarketCommand {
    /// Clear a book from a file as the ledger would, offline.
    Clear(ClearArgs),
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
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// What each provider with an open ask lacks for a job that waits, and by how much.
    #[command(after_help = "Example:
  assay order why my-job")]
    Why(WhichJob),
}
