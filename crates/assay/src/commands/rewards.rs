//! `assay rewards`: inflation, burn and emission.

use alloy_sol_types::SolEvent;
use assay_client::TxRequest;
use assay_types::{Address, abi::IRewards, format_krt, system};
use serde_json::json;

use super::{connect, order::sender};
use crate::{
    cli::{ClientArgs, RewardsCommand},
    failure::Outcome,
    terminal::{Grid, Terminal},
    words::{percent, thousands},
};

/// Runs it.
pub(crate) async fn run(command: RewardsCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        RewardsCommand::Show { client, provider } => show(&client, provider.as_deref(), terminal).await,
        RewardsCommand::Claim(client) => claim(&client, terminal).await,
    }
}

/// A rate or ratio in parts of 10^18, as a percentage.
pub(crate) fn of_one(part: u64) -> String {
    // Four digits are shown, of which a float keeps all.
    percent(part as f64 / 1e18, 2)
}

/// What the chain says about inflation.
pub(crate) async fn inflation(client: &ClientArgs) -> Outcome<IRewards::inflationReturn> {
    connect::view(&client.rpc, system::REWARDS, &IRewards::inflationCall {}).await
}

async fn show(client: &ClientArgs, provider: Option<&str>, terminal: &Terminal) -> Outcome<()> {
    let now = inflation(client).await?;
    let provider = provider.map(connect::address).transpose()?;
    let of_provider = match provider {
        None => None,
        Some(provider) => Some((provider, owed(client, provider).await?, burned(client, provider, now.epoch).await?)),
    };
    terminal.document(&json!({
        "epoch": now.epoch,
        "minted_at_ms": now.mintedAtMs,
        "inflation_1e18": now.rate,
        "bonded_1e18": now.bonded,
        "supply_grains": now.supply.to_string(),
        "last_minted_grains": now.lastMinted.to_string(),
        "minted_grains": now.minted.to_string(),
        "emitted_grains": now.emitted.to_string(),
        "burned_in_epoch_grains": now.burnedInEpoch.to_string(),
        "burned_grains": now.burned.to_string(),
        "provider": of_provider.map(|(provider, owed, burned)| json!({
            "account": provider,
            "owed_grains": owed.to_string(),
            "burned_in_epoch_grains": burned.to_string(),
        })),
    }));
    let line = |name: &str, value: String| terminal.line(format!("{name:<12} {value}"));
    line("epoch", thousands(now.epoch));
    line("inflation", format!("{} a year", of_one(now.rate)));
    line("bonded", format!("{} of the supply", of_one(now.bonded)));
    let mut grid = Grid::new(["", "KRT"]);
    for (name, grains) in [
        ("supply", now.supply),
        ("minted for the last epoch", now.lastMinted),
        ("minted by inflation in all", now.minted),
        ("emitted to providers in all", now.emitted),
        ("burned of payments this epoch", now.burnedInEpoch),
        ("burned of payments in all", now.burned),
    ] {
        grid.row([name.to_owned(), format_krt(grains)]);
    }
    if let Some((_, owed, burned)) = of_provider {
        grid.row(["burned of its payments this epoch".to_owned(), format_krt(burned)]);
        grid.row(["owed to it for ended epochs".to_owned(), format_krt(owed)]);
    }
    terminal.table(&grid);
    Ok(())
}

async fn owed(client: &ClientArgs, provider: Address) -> Outcome<u128> {
    connect::view(&client.rpc, system::REWARDS, &IRewards::owedCall { provider }).await
}

async fn burned(client: &ClientArgs, provider: Address, epoch: u64) -> Outcome<u128> {
    connect::view(&client.rpc, system::REWARDS, &IRewards::burnedCall { provider, epoch }).await
}

async fn claim(client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let done = sender(client).await?.send(TxRequest::call(system::REWARDS, &IRewards::claimCall {})).await?;
    let paid = done.receipt.logs.iter().filter_map(|log| IRewards::EmissionPaid::decode_log(log).ok());
    let paid = paid.fold(0u128, |sum, event| sum.saturating_add(event.amount));
    terminal.document(&json!({ "paid_grains": paid.to_string(), "height": done.height }));
    terminal.line(format!("{} KRT paid in block {}", format_krt(paid), thousands(done.height)));
    Ok(())
}
