//! The binary `assay`: one entry to everything a person does with the network.
//!
//! It wires the other crates together and owns no protocol rule: the chain decides in `assay-ledger`,
//! agents in `assay-provider` and `assay-client`. Here are the command line, the embedded network of
//! `quickstart` and `up`, what is printed, and the benchmarks.

#![recursion_limit = "256"]

mod cli;
mod commands;
mod config;
mod failure;
mod findings;
mod light;
mod logs;
mod nearest;
mod network;
mod pricing;
mod renter;
mod report;
mod stop;
mod tables;
mod terminal;
mod timeline;
mod vitals;
mod words;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};
use failure::{Code, Failure, Outcome};
use terminal::Terminal;

fn main() -> ExitCode {
    // Refused only where one is chosen already.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let terminal = Terminal::new(cli.output);
    match run(cli, &terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            if !failure.told {
                terminal.document(&failure.to_json());
            }
            ExitCode::from(failure.code.exit())
        }
    }
}

fn run(cli: Cli, terminal: &Terminal) -> Outcome<()> {
    logs::start(&cli.log, cli.log_format)?;
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
        Command::Node(args) => return commands::node::run(args, terminal).await,
        Command::Devnet(args) => return commands::devnet::run(args, terminal).await,
        Command::Gateway(args) => return commands::gateway::run(&args, terminal).await,
        Command::Provider(args) => return commands::roles::provider(args, terminal).await,
        Command::Index(args) => return commands::index::run(args, terminal).await,
        Command::Top(args) => return commands::top::run(args, terminal).await,
        other => other,
    };
    let work = async {
        match command {
            Command::Quickstart(args) => commands::quickstart::run(args, terminal).await,
            Command::Init(args) => commands::init::run(&args, terminal),
            Command::Genesis(command) => commands::genesis::run(&command, terminal),
            Command::Keys(command) => commands::keys::run(&command, terminal),
            Command::Doctor(args) => commands::doctor::run(&args, terminal).await,
            Command::Job(command) => commands::job::run(command, terminal).await,
            Command::Order(command) => commands::order::run(command, terminal).await,
            Command::Account(command) => commands::account::run(command, terminal).await,
            Command::Chain(command) => commands::chain::run(command, terminal).await,
            Command::Risk(client) => commands::risk::run(&client, terminal).await,
            Command::Claims(command) => commands::claims::run(command, terminal).await,
            Command::Rewards(command) => commands::rewards::run(command, terminal).await,
            Command::Gov(command) => commands::gov::run(command, terminal).await,
            Command::Stake(command) => commands::stake::run(command, terminal).await,
            Command::Sim(command) => commands::sim::run(&command, terminal),
            Command::Market(command) => commands::market::run(&command, terminal).await,
            Command::Light(command) => commands::light::run(command, terminal).await,
            Command::Snapshot(command) => commands::snapshot::run(command, terminal).await,
            Command::Bench(args) => commands::bench::run(args, terminal).await,
            Command::Up(_)
            | Command::Node(_)
            | Command::Devnet(_)
            | Command::Gateway(_)
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
