//! What `quickstart` prints for people.

use crate::{
    findings::{Book, Findings, Slice},
    report,
    terminal::{Grid, Terminal, Tone},
    words::{count, duration, gigafuel, krt, maybe, number, percent, short_address, thousands},
};

/// Prints all of it.
pub(crate) fn print(terminal: &Terminal, f: &Findings) {
    terminal.heading(&format!(
        "{} options of {}: {} quotes, {} contracts priced, {} expiries",
        f.market.underlying,
        f.market.as_of,
        thousands(f.market.quotes),
        thousands(f.market.contracts_priced),
        f.market.expiries
    ));
    slices(terminal, &f.slices);
    book(terminal, &f.book);
    jobs(terminal, f);
    money(terminal, f);
    if f.cheat.is_some() {
        cheat(terminal, f);
    }
    ending(terminal, f);
}

fn slices(terminal: &Terminal, slices: &[Slice]) {
    let mut grid = Grid::new([
        "expiry", "root", "forward", "discount", "ATM vol", "skew", "a", "b", "rho", "m", "sigma", "fit vol",
        "fit spr", "flags",
    ])
    .text(&[1, 13]);
    for s in slices {
        let svi = |pick: fn(&crate::findings::Svi) -> f64, decimals| {
            s.svi.as_ref().map_or_else(|| "–".to_owned(), |p| number(pick(p), decimals))
        };
        let plain = |text: String| (text, Tone::Plain);
        let arbitrage = s.flags.iter().any(|f| report::is_arbitrage(f));
        let flags = if s.flags.is_empty() { String::new() } else { s.flags.join(" ") };
        grid.toned([
            plain(s.expiration.clone()),
            plain(s.root.clone()),
            plain(maybe(s.forward, |v| number(v, 2))),
            plain(maybe(s.discount, |v| number(v, 5))),
            plain(maybe(s.atm_vol, |v| percent(v, 2))),
            plain(maybe(s.skew, |v| number(v, 2))),
            plain(svi(|p| p.a, 4)),
            plain(svi(|p| p.b, 4)),
            plain(svi(|p| p.rho, 2)),
            plain(svi(|p| p.m, 3)),
            plain(svi(|p| p.sigma, 3)),
            plain(maybe(s.fit_error_vol, |v| number(v, 2))),
            plain(maybe(s.fit_error_spreads, |v| number(v, 2))),
            (flags, if arbitrage { Tone::Warn } else { Tone::Dim }),
        ]);
    }
    terminal.table(&grid);
    terminal.line(terminal.paint(
        Tone::Dim,
        "forward and discount by put-call parity; fit: root mean square in vol points and in bid-ask spreads",
    ));
}

fn book(terminal: &Terminal, b: &Book) {
    let level = percent(b.confidence, 0);
    terminal.heading(&format!("Book of {}", count(usize::try_from(b.positions).unwrap_or_default(), "position")));
    let money = |x: f64| {
        let text = number(x, 0);
        match text.strip_prefix('−') {
            Some(rest) => format!("−{}{rest}", b.currency),
            None => format!("{}{text}", b.currency),
        }
    };
    let mut grid = Grid::new(["", "", "standard error"]).text(&[]);
    let mut row = |name: &str, value: f64, error: Option<f64>| {
        grid.row([name.to_owned(), money(value), error.map_or_else(String::new, |e| format!("± {}", money(e)))]);
    };
    row("value at model prices", b.value, None);
    row("delta: index up 1 %", b.delta, None);
    row("gamma: change of delta, index up 1 %", b.gamma, None);
    row("vega: all vols up one point", b.vega, None);
    row("theta: one day", b.theta, None);
    row(&format!("{}-day {level} value at risk", b.horizon_days), b.var, Some(b.var_se));
    row(&format!("{}-day {level} expected shortfall", b.horizon_days), b.es, Some(b.es_se));
    row(&format!("{}-day mean profit and loss", b.horizon_days), b.mean, Some(b.mean_se));
    terminal.table(&grid);
    terminal.line(terminal.paint(Tone::Dim, &format!("full revaluation on {} paths", thousands(b.paths))));
}

fn jobs(terminal: &Terminal, f: &Findings) {
    terminal.heading("Jobs");
    let mut grid = Grid::new([
        "job",
        "tasks",
        "lots",
        "replicas",
        "fuel",
        "cost, KRT",
        "returned",
        "submit to settled",
        "disputes",
    ]);
    for j in &f.jobs {
        grid.row([
            j.name.clone(),
            j.tasks.to_string(),
            j.lots.to_string(),
            j.replicas.to_string(),
            gigafuel(j.fuel),
            krt(j.paid),
            krt(j.refunded),
            duration(j.submit_to_settled_ms),
            j.timeline.disputes.to_string(),
        ]);
    }
    terminal.table(&grid);
}

fn money(terminal: &Terminal, f: &Findings) {
    terminal.heading("Who earned what, in KRT");
    let mut grid =
        Grid::new(["who", "account", "asks a Gf", "lots paid", "earned", "slashed", "for catching", "fees"]).text(&[1]);
    for p in f.network.providers.iter().chain([&f.network.renter]) {
        let slashed = if p.slashed > 0 { Tone::Bad } else { Tone::Plain };
        grid.toned([
            (p.name.clone(), Tone::Plain),
            (short_address(&p.address), Tone::Dim),
            (if p.price_per_gigafuel > 0 { krt(p.price_per_gigafuel) } else { "–".to_owned() }, Tone::Plain),
            (p.lots_settled.to_string(), Tone::Plain),
            (krt(p.earned), Tone::Plain),
            (krt(p.slashed), slashed),
            (krt(p.caught), Tone::Plain),
            (krt(p.fees), Tone::Plain),
        ]);
    }
    terminal.table(&grid);
}

fn cheat(terminal: &Terminal, f: &Findings) {
    let Some(cheat) = &f.cheat else { return };
    terminal.heading(&format!("The lie of {}", cheat.liar));
    if cheat.slashes.is_empty() {
        terminal.line("it was not drawn for any lot it lies about; run again to see it caught");
        return;
    }
    let mut grid = Grid::new(["job", "lot", "caught after", "slashed, KRT", "burned", "to catchers", "to the renter"]);
    for s in &cheat.slashes {
        grid.row([
            s.job.clone(),
            s.lot.to_string(),
            duration(s.at_ms),
            krt(s.amount),
            krt(s.burned),
            krt(s.to_catchers),
            krt(s.to_renter),
        ]);
    }
    terminal.table(&grid);
    terminal.line(match cheat.redone {
        true => terminal.paint(
            Tone::Good,
            &format!(
                "caught by {}, adjudicated by the validators, slashed, the buyer compensated; every lot was done again by others",
                cheat.caught_by
            ),
        ),
        false => terminal.paint(Tone::Bad, "caught and slashed, but not every lot was done again"),
    });
}

fn ending(terminal: &Terminal, f: &Findings) {
    let n = &f.network;
    terminal.heading(&match f.verified {
        true => terminal.paint(Tone::Good, "Verified"),
        false => terminal.paint(Tone::Bad, "Not verified"),
    });
    let line = |name: &str, value: String| terminal.line(format!("  {name:<13} {value}"));
    line("result hash", f.result_hash.to_string());
    line("state root", format!("{} at height {}", n.state_root, thousands(n.height)));
    line(
        "books",
        match n.books.balance() {
            true => format!("balance to the grain: {} KRT minted, {} burned", krt(n.books.minted), krt(n.books.burned)),
            false => "do not balance".to_owned(),
        },
    );
    line(
        "finality",
        format!("p50 {} ms, p99 {} ms over {} blocks", n.finality.p50, n.finality.p99, thousands(n.finality.count)),
    );
    line("report", f.files.report.clone());
    line("tables", format!("{}, {}, {}", f.files.surface, f.files.slices, f.files.book));
    line("took", duration(f.elapsed_ms));
    terminal.line("\nCheck the receipts yourself, offline, re-executing every task:");
    for receipt in &f.files.receipts {
        terminal.line(format!("  assay job verify {receipt} --rerun"));
    }
}
