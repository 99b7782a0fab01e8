//! Tries the packaged resharing of a threshold key, as the beacon's second phase would use it.
//!
//! ```text
//! cargo run --release -p assay-chain --example reshare                         all trials, then costs
//! cargo run --release -p assay-chain --example reshare -- trial NAME [SEED]    one trial
//! cargo run --release -p assay-chain --example reshare -- costs                sizes, times up to 100 members
//! ```
//!
//! Each trial is one deterministic simulation: seven seats, one out and one in an epoch, votes by the
//! chain's own scheme, the key dealt by `commonware_glue::dkg::bootstrap` and reshared by
//! `commonware_glue::dkg::reshare`. After each epoch it is checked that the key is the same, that every
//! quorum gives the same signature of a height and that fewer give none. It panics where that fails.

mod block;
mod conduct;
mod costs;
mod first;
mod node;
mod secrets;
mod trial;

use std::time::Duration;

use commonware_utils::NZU64;
use conduct::Conduct;
use trial::{Back, Trial};

const SEED: u64 = 1;

fn honest(_: usize, _: u64) -> Conduct {
    Conduct::Honest
}

fn trials() -> Vec<Trial> {
    let plain = || Trial {
        name: "honest",
        about: "nobody is faulty",
        seats: 7,
        epoch_blocks: NZU64!(24),
        epochs: 4,
        lag: 0,
        hand_on: false,
        conduct: honest,
        stops: Vec::new(),
        fails: &[],
    };
    vec![
        plain(),
        Trial {
            name: "stingy",
            about: "member 3 deals nothing in epochs 1 and 2",
            conduct: |member, epoch| match (member, epoch) {
                (3, 1 | 2) => Conduct::Stingy,
                _ => Conduct::Honest,
            },
            ..plain()
        },
        Trial {
            name: "garbage",
            about: "member 3 deals wrong shares in epoch 1",
            conduct: |member, epoch| match (member, epoch) {
                (3, 1) => Conduct::Garbage,
                _ => Conduct::Honest,
            },
            ..plain()
        },
        Trial {
            name: "down",
            about: "members 2 and 3 are down through the round of epoch 1",
            stops: vec![(2, 20, Back::At(50)), (3, 20, Back::At(50))],
            ..plain()
        },
        Trial {
            name: "restart",
            about: "member 3 restarts from its disk in the dealing of epoch 1, member 4 after it",
            stops: vec![(3, 28, Back::At(32)), (4, 37, Back::At(39))],
            ..plain()
        },
        Trial {
            name: "third",
            about: "members 3, 4 and 5 of 7 say nothing in the round of epoch 1, and vote",
            conduct: |member, epoch| match (member, epoch) {
                (3..=5, 1) => Conduct::Mute,
                _ => Conduct::Honest,
            },
            fails: &[1],
            ..plain()
        },
        Trial {
            name: "halt",
            about: "members 3, 4 and 5 of 7 are down in epoch 1: no blocks, so the round waits for them",
            stops: vec![
                (3, 28, Back::After(Duration::from_secs(60))),
                (4, 28, Back::After(Duration::from_secs(60))),
                (5, 28, Back::After(Duration::from_secs(60))),
            ],
            ..plain()
        },
        Trial {
            name: "lag",
            about: "who votes is fixed one block before its epoch, so holders are three epochs behind",
            epochs: 5,
            lag: 3,
            fails: &[3, 4, 5],
            ..plain()
        },
        Trial {
            name: "handed",
            about: "as lag, and dealers hand their logs to those that lead",
            epochs: 5,
            lag: 3,
            hand_on: true,
            ..plain()
        },
    ]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if std::env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    }
    let trials = trials();
    let named = |name: &str| trials.iter().find(|trial| trial.name == name);
    match arguments.as_slice() {
        ["costs"] => costs::print(),
        ["trial", name, seed @ ..] => match (named(name), seed.first().map_or(Ok(SEED), |seed| seed.parse())) {
            (Some(trial), Ok(seed)) => trial::run(trial, seed),
            _ => trials.iter().for_each(|trial| eprintln!("{}: {}", trial.name, trial.about)),
        },
        [] => {
            trials.iter().for_each(|trial| trial::run(trial, SEED));
            costs::print();
        }
        _ => eprintln!("usage: reshare [costs | trial NAME [SEED]]"),
    }
}
