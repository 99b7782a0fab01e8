//! The files of a run: tables as CSV, the report.

use std::path::Path;

use portfolio_risk::report::{PositionRow, positions_csv};
use vol_surface::{
    Surface,
    table::{slices_csv, surface_csv},
};

use crate::{
    cli::QuickstartArgs,
    failure::Outcome,
    findings::{Files, Findings},
    network::{Network, write_file},
    renter::Finished,
    report,
};

/// Writes the tables and says where everything is, as the user would type it.
pub(super) fn write(
    args: &QuickstartArgs,
    network: &Network,
    surface: &Surface,
    rows: &[PositionRow],
    jobs: &[&Finished],
) -> Outcome<Files> {
    let dir = network.dir();
    let tables =
        [("surface.csv", surface_csv(surface)), ("slices.csv", slices_csv(surface)), ("book.csv", positions_csv(rows))];
    for (name, text) in &tables {
        write_file(&dir.join(name), text.as_bytes(), 0o644)?;
    }
    let text = |path: &Path| path.display().to_string();
    Ok(Files {
        report: text(&args.report.clone().unwrap_or_else(|| dir.join("report.html"))),
        surface: text(&dir.join("surface.csv")),
        slices: text(&dir.join("slices.csv")),
        book: text(&dir.join("book.csv")),
        genesis: text(&dir.join("genesis.json")),
        receipts: jobs.iter().map(|job| text(&job.receipt)).collect(),
    })
}

/// Writes the report.
pub(super) fn write_report(findings: &Findings) -> Outcome<()> {
    write_file(Path::new(&findings.files.report), report::html(findings).as_bytes(), 0o644)
}
