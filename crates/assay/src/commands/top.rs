//! `assay top`: a live view of the market.

use std::time::Duration;

use assay_top::Options;

use crate::{
    cli::TopArgs,
    failure::{Code, Failure, Outcome},
    terminal::Terminal,
};

/// Runs it until its reader has seen enough.
pub(crate) async fn run(args: TopArgs, terminal: &Terminal) -> Outcome<()> {
    let options = Options { poll: Duration::from_millis(args.every), class: args.class };
    let shown = match args.once {
        Some(size) => assay_top::once(&args.rpc, size, &options).await.map(|picture| terminal.line(picture)),
        None => assay_top::run(&args.rpc, &options).await,
    };
    shown.map_err(|error| {
        Failure::new(Code::Unreachable, "the market cannot be shown")
            .because(&error)
            .next("start a network with `assay up`, or name another node with --rpc URL; in a pipe, use --once 120x40")
    })
}
