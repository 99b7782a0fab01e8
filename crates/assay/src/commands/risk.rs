//! `assay risk`: how concentrated a network is.

use assay_types::view::{Herfindahl, Nakamoto, RiskView};
use jsonrpsee::rpc_params;
use serde_json::json;

use super::{connect, market::live::units};
use crate::{
    cli::ClientArgs,
    failure::Outcome,
    terminal::{Grid, Terminal, Tone},
    words::thousands,
};

/// Runs it.
pub(crate) async fn run(client: &ClientArgs, terminal: &Terminal) -> Outcome<()> {
    let risk: RiskView = connect::ask(&client.rpc, "assay_risk", rpc_params![]).await?;
    terminal.document(&json!(risk));
    terminal.heading(&format!("Risk at block {}", thousands(risk.height)));
    let mut grid = Grid::new(["how few", "owners", "could halt", "could take over", "what that means"]).text(&[4]);
    for (name, of, meaning) in [
        ("validators by seat", risk.seats, "blocks and verdicts need more than two thirds of the seats"),
        ("validators by stake", risk.stake, "the same, were votes weighed by what validators have at stake"),
        ("operators by capacity", risk.capacity, "a third, and two thirds, of the compute on offer is theirs"),
        ("operators by collateral", risk.collateral, "likewise of what stands behind providers' work"),
    ] {
        grid.toned(row(name, of, meaning));
    }
    terminal.table(&grid);
    let heads = ["how concentrated", "Gf", "by operator", "by region", "by class", "what that means"];
    let mut grid = Grid::new(heads).text(&[5]);
    for (name, of, meaning) in [
        ("compute on offer", risk.offered, "whose machines new work would run on"),
        ("work delivered", risk.delivered, "whose machines work ran on, half as much a half-life ago"),
    ] {
        let Herfindahl { total, operator, region, class } = of;
        let cells = [name.to_owned(), units(total), index(operator), index(region), index(class), meaning.to_owned()];
        grid.row(cells);
    }
    terminal.table(&grid);
    terminal.line("could halt: without so many, the largest first, no more than two thirds are left");
    terminal.line("could take over: so many have more than two thirds");
    terminal.line("concentration is the sum of squared shares: 10,000 for one owner, 2,500 for four equal ones");
    terminal.line("owners are addresses: one person may have several, so that all of this is a hopeful bound");
    Ok(())
}

fn row(name: &str, of: Nakamoto, meaning: &str) -> [(String, Tone); 5] {
    let count = |count: Option<u32>| match count {
        None => ("–".to_owned(), Tone::Dim),
        // One party alone.
        Some(1) => ("1".to_owned(), Tone::Warn),
        Some(more) => (more.to_string(), Tone::Plain),
    };
    let plain = |text: String| (text, Tone::Plain);
    [
        plain(name.to_owned()),
        plain(of.owners.to_string()),
        count(of.halt),
        count(of.takeover),
        plain(meaning.to_owned()),
    ]
}

fn index(of: Option<u16>) -> String {
    of.map_or_else(|| "–".to_owned(), |index| thousands(u64::from(index)))
}
