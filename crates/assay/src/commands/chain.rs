//! `assay chain`: reading the chain.

use std::{path::Path, sync::Arc};

use assay_types::{FinalizedBlock, GIGAFUEL, format_krt, node::NodeStatus, view::Books};
use jsonrpsee::rpc_params;
use serde_json::json;

use super::{connect, rewards};
use crate::{
    cli::{ChainCommand, ClientArgs},
    failure::{Code, Failure, Outcome},
    network::write_file,
    terminal::{Grid, Terminal, Tone},
    words::{basis_points, gigafuel, krt, short_address, thousands},
};

/// Runs it.
pub(crate) async fn run(command: ChainCommand, terminal: &Terminal) -> Outcome<()> {
    match command {
        ChainCommand::Status(client) => status(&client, terminal).await,
        ChainCommand::Block { height, client } => block(&height, &client, terminal).await,
        ChainCommand::Tx { hash, client } => tx(&hash, &client, terminal).await,
        ChainCommand::Params(client) => params(&client, terminal).await,
        ChainCommand::Providers(client) => providers(&client, terminal).await,
        ChainCommand::Genesis { to, client } => genesis(to.as_deref(), &client, terminal).await,
    }
}

async fn status(client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let status: NodeStatus = connect::ask(&client.rpc, "assay_status", rpc_params![]).await?;
    let books: Books = connect::ask(&client.rpc, "assay_books", rpc_params![]).await?;
    let issued = rewards::inflation(client).await?;
    terminal.document(&json!({
        "status": status,
        "books": books,
        "books_balanced": books.balance(),
        "inflation_1e18": issued.rate,
    }));
    let line = |name: &str, value: String| terminal.line(format!("{name:<12} {value}"));
    line("chain id", status.chain_id.to_string());
    line("genesis", status.genesis_hash.to_string());
    line("height", thousands(status.height));
    line("block", status.hash.to_string());
    line("state root", status.state_root.to_string());
    line("waiting", format!("{} transactions", thousands(status.waiting_txs)));
    if let Some(finality) = status.finality_ms {
        line("finality", format!("p50 {} ms, p99 {} ms", finality.p50, finality.p99));
    }
    line("inflation", format!("{} a year", rewards::of_one(issued.rate)));
    line("node", status.version.clone());
    let mut grid = Grid::new(["books", "KRT"]);
    let rows = [
        ("in accounts", books.balances),
        ("in escrow", books.escrow),
        ("collateral", books.collateral),
        ("stake", books.stake),
        ("treasury", books.treasury),
        ("burned", books.burned),
        ("minted", books.minted),
    ];
    for (name, grains) in rows {
        grid.row([name.to_owned(), format_krt(grains)]);
    }
    terminal.table(&grid);
    terminal.line(match books.balance() {
        true => terminal.paint(Tone::Good, "the books balance"),
        false => terminal.paint(Tone::Bad, "the books do not balance"),
    });
    Ok(())
}

async fn find(height: &str, client: &ClientArgs) -> Outcome<Arc<FinalizedBlock>> {
    let chain = connect::chain(client)?;
    let number = match height {
        "latest" => chain.status().await?.height,
        text => text.parse().map_err(|_| {
            Failure::new(Code::BadInput, format!("'{text}' is no height")).next("write a number, or `latest`")
        })?,
    };
    let block = chain.block(number).await?;
    block.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("there is no block {number}"))
            .next("see the newest height with `assay chain status`")
    })
}

async fn block(height: &str, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let block = find(height, client).await?;
    terminal.document(&json!(*block));
    let line = |name: &str, value: String| terminal.line(format!("{name:<12} {value}"));
    line("height", thousands(block.height));
    line("hash", block.hash.to_string());
    line("parent", block.parent_hash.to_string());
    line("time", format!("{} ms since 1970", block.timestamp_ms));
    line("leader", block.proposer.to_string());
    line("state root", block.state_root.to_string());
    line("gas", format!("{} of {}", thousands(block.gas_used), thousands(block.gas_limit)));
    line("base fee", format!("{} grains", block.base_fee));
    let mut grid = Grid::new(["transaction", "from", "to", "gas", "outcome"]).text(&[1, 2, 4]);
    for tx in &block.txs {
        let r = &tx.receipt;
        let outcome = r.failure.as_ref().map_or_else(|| "done".to_owned(), |f| f.name.clone());
        grid.row([r.tx_hash.to_string(), short_address(&r.from), short_address(&r.to), thousands(r.gas_used), outcome]);
    }
    if !block.txs.is_empty() {
        terminal.table(&grid);
    }
    terminal.line(format!("{} transactions, {} events at its end", block.txs.len(), block.end_logs.len()));
    Ok(())
}

async fn tx(hash: &str, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let hash = connect::hash(hash)?;
    let found = connect::chain(client)?.receipt(hash).await?;
    let found = found.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("no final transaction {hash}"))
            .next("if it was just sent, ask again in a moment")
    })?;
    terminal.document(&json!(found));
    let r = &found.receipt;
    let line = |name: &str, value: String| terminal.line(format!("{name:<12} {value}"));
    line("hash", r.tx_hash.to_string());
    line("block", thousands(found.height));
    line("from", r.from.to_string());
    line("to", r.to.to_string());
    line("gas", thousands(r.gas_used));
    line("fee", format!("{} KRT", format_krt(u128::from(r.gas_used).saturating_mul(r.effective_gas_price))));
    line(
        "outcome",
        match &r.failure {
            None => terminal.paint(Tone::Good, "done"),
            Some(f) => terminal.paint(Tone::Bad, &format!("refused: {} (code {})", f.name, f.code)),
        },
    );
    line("events", r.logs.len().to_string());
    Ok(())
}

async fn params(client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let params = connect::chain(client)?.params().await?;
    let value = json!(params);
    terminal.document(&value);
    let mut grid = Grid::new(["parameter", "value"]);
    for (name, value) in value.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        grid.row([name.clone(), text]);
    }
    terminal.table(&grid);
    Ok(())
}

async fn providers(client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let providers = connect::chain(client)?.providers().await?;
    terminal.document(&json!({ "providers": providers }));
    let mut grid = Grid::new([
        "provider",
        "operator",
        "asks a Gf",
        "takes",
        "busy",
        "lots paid",
        "faults",
        "reputation",
        "declined",
        "earned",
        "slashed",
        "collateral",
        "locked",
    ])
    .text(&[1, 3]);
    for p in &providers {
        grid.toned([
            (p.account.to_string(), Tone::Plain),
            (short_address(&p.operator), Tone::Dim),
            (krt(p.price_per_gigafuel), Tone::Plain),
            (if p.open { "work".to_owned() } else { "nothing new".to_owned() }, Tone::Plain),
            (format!("{} of {}", p.active_lots, p.max_lots), Tone::Plain),
            (p.lots_settled.to_string(), Tone::Plain),
            (p.faults.to_string(), if p.faults > 0 { Tone::Warn } else { Tone::Plain }),
            (basis_points(p.reputation.score), Tone::Plain),
            (gigafuel(p.reputation.declined.saturating_mul(GIGAFUEL / 1_000)), Tone::Plain),
            (krt(p.earned), Tone::Plain),
            (krt(p.slashed), if p.slashed > 0 { Tone::Bad } else { Tone::Plain }),
            (krt(p.collateral), Tone::Plain),
            (krt(p.locked), Tone::Plain),
        ]);
    }
    terminal.table(&grid);
    Ok(())
}

async fn genesis(to: Option<&Path>, client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let genesis = connect::chain(client)?.genesis().await?;
    match to {
        Some(path) => {
            write_file(path, genesis.to_json().as_bytes(), 0o644)?;
            terminal.document(&json!({ "genesis": path, "genesis_hash": genesis.hash() }));
            terminal.line(format!("{}\ngenesis hash {}", path.display(), genesis.hash()));
        }
        None => {
            terminal.document(&json!(genesis));
            terminal.line(genesis.to_json());
        }
    }
    Ok(())
}
