//! `assay order`: why a job has not all its providers.

use assay_types::view::{Lack, WaitingLot};
use jsonrpsee::rpc_params;
use serde_json::json;

use super::{connect, job};
use crate::{
    cli::{OrderCommand, WhichJob},
    failure::Outcome,
    terminal::{Grid, Terminal, Tone},
    words::{krt, short_address, thousands},
};

/// Runs it.
pub(crate) async fn run(command: &OrderCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        OrderCommand::Why(which) => why(which, terminal).await,
    }
}

async fn why(which: &WhichJob, terminal: &Terminal) -> Outcome<()> {
    let view = job::view(which).await?;
    let id = job::id(which)?;
    let waiting: Vec<WaitingLot> = connect::ask(&which.client.rpc, "assay_whyWaiting", rpc_params![id]).await?;
    terminal.document(&json!({ "job_id": id, "outcome": view.outcome, "waiting": waiting }));
    if waiting.is_empty() {
        terminal.line(match view.outcome {
            Some(_) => format!("{id} is over: see `assay job status`"),
            None => format!("{id} waits for nobody: every lot has its providers"),
        });
        return Ok(());
    }
    for lot in &waiting {
        show(lot, terminal);
    }
    Ok(())
}

fn show(lot: &WaitingLot, terminal: &Terminal) {
    let since = lot.since.map_or_else(String::new, |height| format!(" since block {}", thousands(height)));
    terminal.line(terminal.paint(
        Tone::Warn,
        &format!("lot {} lacks {} providers{since}; {} could take it now", lot.lot, lot.missing, lot.able),
    ));
    match lot.enough_at {
        Some(price) => terminal.line(format!("enough would at {} KRT a gigafuel", krt(price))),
        None => terminal.line("no price would do: too few providers could take it at all"),
    }
    let mut grid = Grid::new(["provider", "operator", "asks a Gf", "lacks"]).text(&[0, 1, 3]);
    for ask in &lot.asks {
        let lacks: Vec<String> = ask.lacks.iter().map(words).collect();
        let lacks = if lacks.is_empty() { "nothing".to_owned() } else { lacks.join("; ") };
        grid.row([ask.provider.to_string(), short_address(&ask.operator), krt(ask.price_per_gigafuel), lacks]);
    }
    terminal.table(&grid);
}

fn words(lack: &Lack) -> String {
    match lack {
        Lack::Price { by } => format!("price: {} KRT above the limit", krt(*by)),
        Lack::Fuel { by } => format!("takes tasks with {} fuel less", thousands(*by)),
        Lack::Memory { by_mib } => format!("has {by_mib} MiB less"),
        Lack::Capacity { lots } => format!("busy with {lots} lots"),
        Lack::Collateral { by } => format!("collateral: {} KRT short", krt(*by)),
        Lack::Suspended { until } => format!("missed deadlines, back at block {}", thousands(*until)),
        Lack::Runtime => "runs another runtime".to_owned(),
        Lack::Own => "it is your own".to_owned(),
        Lack::Class { class } => format!("sells in class {class}, which the job does not name"),
        Lack::Operator => "its operator is in this lot or failed it".to_owned(),
    }
}
