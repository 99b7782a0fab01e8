//! Chores of the repository that are more than a shell line: `cargo xtask guests` builds the bundled
//! guest programs, `cargo xtask guests --check` proves that the committed ones are what the sources give.

mod guests;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the Assay repository")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build the guest programs into jobs/bin.
    Guests {
        /// Write nothing: build from two other folders and another cargo home, and compare with jobs/bin.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    let root = guests::root()?;
    match Args::parse().chore {
        Chore::Guests { check: false } => guests::build(&root),
        Chore::Guests { check: true } => guests::check(&root),
    }
}
