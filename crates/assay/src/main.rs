//! The binary `assay`: one entry to everything a person does with the network.
//!
//! It wires the other crates together and owns no protocol rule: the chain decides in `assay-ledger`,
//! agents in `assay-provider` and `assay-client`. Here are the command line, the embedded network of
//! `quickstart` and `up`, what is printed, and the benchmarks.

#![recursion_limit = "256"]

mod cli;
mod commands;
mod failure;
mod findings;
mod light;
mod network;
mod pricing;
mod renter;
mod report;
mod tables;
mod terminal;
mod timeline;
mod words;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};
use failure::{Code, Failure, Outcome};
use terminal::Terminal;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Terminal::new(cli.output);
    match run(cli, &terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            terminal.document(&failure.to_json());
            ExitCode::from(failure.code.exit())
        }
    }
}

fn run(cli: Cli, terminal: &Terminal) -> Outcome<()> {
    log(&cli.log)?;
    match cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "assay", &mut std::io::stdout());
            Ok(())
        }
        command => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            let runtime = runtime.map_err(|e| Failure::io("could not start threads", &e))?;
            runtime.block_on(dispatch(command, terminal))
        }
    }
}

async fn dispatch(command: Command, terminal: &Terminal) -> Outcome<()> {
    // These end with Ctrl-C, and in order.
    let command = match command {
        Command::Up(args) => return commands::up::run(args, terminal).await,
        Command::Node(args) => return commands::roles::node(args, terminal).await,
        Command::Provider(args) => return commands::roles::provider(args, terminal).await,
        Command::Index(args) => return commands::index::run(args, terminal).await,
        Command::Top(args) => return commands::top::run(args, terminal).await,
        other => other,
    };
    let work = async {
        match command {
            Command::Quickstart(args) => commands::quickstart::run(args, terminal).await,
            Command::Init(args) => commands::init::run(&args, terminal),
            Command::Job(command) => commands::job::run(command, terminal).await,
            Command::Order(command) => commands::order::run(command, terminal).await,
            Command::Account(command) => commands::account::run(command, terminal).await,
            Command::Chain(command) => commands::chain::run(command, terminal).await,
            Command::Risk(client) => commands::risk::run(&client, terminal).await,
            Command::Claims(command) => commands::claims::run(command, terminal).await,
            Command::Sim(command) => commands::sim::run(&command, terminal),
            Command::Market(command) => commands::market::run(&command, terminal).await,
            Command::Snapshot(command) => commands::snapshot::run(command, terminal).await,
            Command::Bench(args) => commands::bench::run(args, terminal).await,
            Command::Up(_)
            | Command::Node(_)
            | Command::Provider(_)
            | Command::Index(_)
            | Command::Top(_)
            | Command::Completions { .. } => Ok(()),
        }
    };
    tokio::select! {
        done = work => done,
        () = commands::up::interrupted() => Err(Failure::new(Code::Interrupted, "interrupted")
            .next("what was submitted goes on: `assay job list` shows it")),
    }
}

/// Logs to standard error what `filter` asks for.
fn log(filter: &str) -> Outcome<()> {
    let parsed = tracing_subscriber::EnvFilter::try_new(filter).map_err(|e| {
        Failure::new(Code::BadInput, format!("'{filter}' is no log filter"))
            .because(&e)
            .next("write --log as `info` or `assay_chain=debug,warn`")
    })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    // It fails only where one is set already, which nothing here does twice.
    subscriber.try_init().ok();
    Ok(())
}
