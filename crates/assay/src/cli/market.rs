//! Options of `market`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
