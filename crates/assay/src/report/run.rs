//! How the answer came about: the jobs' timelines, the lie if there was one, who paid whom, and how
//! to check the receipts.

use std::fmt::Write;

use assay_types::Address;

use super::{svg::escape, table::HtmlTable};
use crate::{
    findings::{Findings, JobFacts, Party},
    timeline::{End, Phase, Row},
    words::{count, duration, gigafuel, krt, percent, short_address, short_hash, thousands},
};

pub(super) fn section(f: &Findings) -> String {
    let mut out = String::from(
        "<h2 id=\"timeline\">Timeline</h2>\n<p class=\"lede\">Each bar is one provider's work on one lot, by block time. A provider \
         commits to a salted hash of its results before any other opens theirs; equal openings settle after the challenge \
         window, different ones are re-executed by the validators.</p>\n<div class=\"legend\">",
    );
    for (class, name) in [
        ("p-key", "waits for the job key"),
        ("p-run", "fetches and runs"),
        ("p-committed", "committed, waits for the others"),
        ("p-reveal", "openings due"),
        ("p-dispute", "adjudicated"),
        ("p-challenge", "agreed, open to challenge"),
    ] {
        let _infallible = write!(out, "<span><i class=\"{class}\"></i>{name}</span>");
    }
    out.push_str("</div>\n");
    for job in &f.jobs {
        out.push_str(&timeline(f, job));
    }
    if f.cheat.is_some() {
        out.push_str(&cheat(f));
    }
    out.push_str(&money(f));
    out.push_str(&check(f));
    out
}

fn name(f: &Findings, address: Address) -> String {
    let party = f.network.providers.iter().find(|p| p.address == address);
    party.map_or_else(|| short_address(&address), |p| p.name.clone())
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds to pixels")]
fn timeline(f: &Findings, job: &JobFacts) -> String {
    const ROW: f64 = 15.0;
    const LEFT: f64 = 128.0;
    const WIDTH: f64 = 1120.0;
    const RIGHT: f64 = 96.0;
    let mut rows: Vec<&Row> = job.timeline.rows.iter().collect();
    rows.sort_by_key(|r| (r.lot, r.spans.first().map(|s| s.from_ms), name(f, r.provider)));
    let length = job.timeline.length_ms().max(1) as f64;
    let x = |ms: u64| LEFT + ms as f64 / length * (WIDTH - LEFT - RIGHT);
    let height = rows.len() as f64 * ROW + 30.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\"><title>Timeline of the job {}</title>",
        escape(&job.name)
    );
    let step = tick_ms(length);
    let mut tick = 0u64;
    while tick as f64 <= length {
        let px = x(tick);
        let bottom = height - 24.0;
        let _infallible = write!(
            svg,
            "<path class=\"grid\" d=\"M{px:.1} 0V{bottom:.1}\"/><text x=\"{px:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{} s</text>",
            height - 9.0,
            tick as f64 / 1_000.0
        );
        tick += step;
    }
    let mut lot = u32::MAX;
    for (i, row) in rows.iter().enumerate() {
        let top = i as f64 * ROW + 2.0;
        if row.lot != lot {
            lot = row.lot;
            let _infallible = write!(svg, "<text x=\"2\" y=\"{:.1}\">lot {lot}</text>", top + 9.5);
        }
        let _infallible = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            top + 9.5,
            escape(&name(f, row.provider))
        );
        for span in row.spans.iter().filter(|s| s.to_ms > s.from_ms) {
            let (from, to) = (x(span.from_ms), x(span.to_ms));
            let (class, what) = phase(span.phase);
            let _infallible = write!(
                svg,
                "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"11\" rx=\"2\"><title>lot {lot}, {}: {what}, {}</title></rect>",
                (to - from).max(0.8),
                escape(&name(f, row.provider)),
                duration(span.to_ms - span.from_ms)
            );
        }
        let end = row.spans.last().map_or(0, |s| s.to_ms);
        let (class, text) = match row.end {
            End::Settled => ("good", "paid"),
            End::Slashed(_) => ("bad", "slashed"),
            End::Released => ("", "handed on"),
            End::Open => ("", ""),
        };
        let _infallible =
            write!(svg, "<text class=\"end {class}\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>", x(end) + 6.0, top + 9.5);
    }
    svg.push_str("</svg>");
    format!(
        "<div class=\"card\"><h3>{} <small>{}, {} tasks in {}, {}, submit to settled {}</small></h3>{svg}</div>\n",
        escape(&job.name),
        escape(&short_hash(&job.id)),
        thousands(job.tasks.into()),
        count(job.lots as usize, "lot"),
        gigafuel(job.fuel),
        duration(job.submit_to_settled_ms)
    )
}

fn tick_ms(length: f64) -> u64 {
    [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000]
        .into_iter()
        .find(|s| length / f64::from(*s as u32) <= 12.0)
        .unwrap_or(60_000)
}

fn phase(phase: Phase) -> (&'static str, &'static str) {
    match phase {
        Phase::Key => ("p-key", "waiting for the key"),
        Phase::Run => ("p-run", "running"),
        Phase::Committed => ("p-committed", "committed"),
        Phase::Reveal => ("p-reveal", "revealing"),
        Phase::Challenge => ("p-challenge", "open to challenge"),
        Phase::Dispute => ("p-dispute", "adjudicated"),
    }
}

fn cheat(f: &Findings) -> String {
    let Some(cheat) = &f.cheat else { return String::new() };
    let mut out = format!(
        "<h2 id=\"cheat\">The lie</h2>\n<ol class=\"story\"><li><b>{}</b> ({}) returned wrong results for {}. It had committed to them before it could see anybody else's.</li>\
         <li>The openings differed, so the job key was disclosed and all validators re-executed the disputed tasks, committed salted verdicts and opened them.</li>\
         <li>Two thirds agreed on the honest result. {} slashed, the split is below.</li><li>{}</li>\
         <li>The result hash is the same as without the lie: <code>{}</code></li></ol>\n",
        escape(&cheat.liar),
        escape(&short_address(&cheat.address)),
        count(cheat.lots as usize, "lot"),
        count(cheat.slashes.len(), "time"),
        if cheat.redone {
            "The lots were handed out anew and settled with the right result."
        } else {
            "Not every lot could be done again."
        },
        f.result_hash
    );
    let mut table = HtmlTable::new(
        &["job", "lot", "at", "fault", "slashed, KRT", "burned", "to those who caught it", "to the renter"],
        &[3],
    );
    for s in &cheat.slashes {
        table.row(&[
            s.job.clone(),
            s.lot.to_string(),
            duration(s.at_ms),
            s.fault.explain().to_owned(),
            krt(s.amount),
            krt(s.burned),
            krt(s.to_catchers),
            krt(s.to_renter),
        ]);
    }
    out.push_str(&table.finish());
    out
}

fn money(f: &Findings) -> String {
    let mut out = String::from(
        "<h2 id=\"money\">Money</h2>\n<p class=\"lede\">Amounts in KRT. A provider is paid its ask for the fuel of settled tasks; what the escrow held beyond that went back.</p>\n",
    );
    let mut jobs = HtmlTable::new(
        &["job", "tasks", "replicas", "fuel", "paid to providers", "returned", "compensation", "submit to settled"],
        &[],
    );
    for j in &f.jobs {
        jobs.row(&[
            j.name.clone(),
            j.tasks.to_string(),
            j.replicas.to_string(),
            gigafuel(j.fuel),
            krt(j.paid),
            krt(j.refunded),
            krt(j.compensated),
            duration(j.submit_to_settled_ms),
        ]);
    }
    out.push_str(&jobs.finish());
    let mut parties = HtmlTable::new(
        &[
            "who",
            "account",
            "asks, a gigafuel",
            "lots settled",
            "earned",
            "slashed",
            "for catching",
            "fees paid",
            "collateral",
            "balance",
        ],
        &[1],
    );
    let n = &f.network;
    for p in n.providers.iter().chain([&n.renter]) {
        parties.markup(&party(p));
    }
    out.push_str(&parties.finish());
    let b = &n.books;
    let share = |g: u128| percent(ratio(g, b.minted), 4);
    let mut books = HtmlTable::new(&["books at the last block", "KRT", "of the supply"], &[]);
    for (name, grains) in [
        ("in accounts", b.balances),
        ("in escrow", b.escrow),
        ("collateral", b.collateral),
        ("stake", b.stake),
        ("burned", b.burned),
    ] {
        books.row(&[name.into(), krt(grains), share(grains)]);
    }
    let balanced =
        if b.balance() { "minted: equal to the sum, to the grain" } else { "minted: the books do not balance" };
    books.sum(&[balanced.into(), krt(b.minted), String::new()]);
    out.push_str(&books.finish());
    out
}

/// For shares only.
#[allow(clippy::cast_precision_loss, reason = "a share shown to four decimals")]
fn ratio(part: u128, whole: u128) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn party(p: &Party) -> [String; 10] {
    let slashed = match p.slashed {
        0 => "0".to_owned(),
        amount => format!("<span class=\"bad-text\">{}</span>", krt(amount)),
    };
    let ask = if p.price_per_gigafuel == 0 { "–".to_owned() } else { krt(p.price_per_gigafuel) };
    [
        escape(&p.name),
        format!("<code>{}</code>", short_address(&p.address)),
        ask,
        p.lots_settled.to_string(),
        krt(p.earned),
        slashed,
        krt(p.caught),
        krt(p.fees),
        krt(p.collateral),
        krt(p.balance),
    ]
}

fn check(f: &Findings) -> String {
    let n = &f.network;
    let mut out = String::from(
        "<h2 id=\"check\">Check it yourself</h2>\n<p class=\"lede\">A receipt proves a job's result to anybody who has the genesis file, offline and with no trust in any node: \
         the validators' certificate signs a block, its state root proves the job's result, and the outputs hash to that result. \
         <code>--rerun</code> executes every task again and compares.</p>\n<pre>",
    );
    for receipt in &f.files.receipts {
        let _infallible =
            writeln!(out, "assay job verify {} --genesis {} --rerun", escape(receipt), escape(&f.files.genesis));
    }
    out.push_str("</pre>\n<dl>");
    let mut fact = |name: &str, value: String| {
        let _infallible = write!(out, "<dt>{}</dt><dd>{value}</dd>", escape(name));
    };
    let code = |text: String| format!("<code>{}</code>", escape(&text));
    fact("result hash", code(f.result_hash.to_string()));
    for j in &f.jobs {
        fact(&format!("{} job", j.name), code(j.id.to_string()));
        fact("its result root", code(j.result_root.to_string()));
    }
    fact("state root", format!("{} at height {}", code(n.state_root.to_string()), thousands(n.height)));
    fact("network", format!("chain id {}, genesis {}", n.chain_id, code(n.genesis_hash.to_string())));
    fact("runtime", code(n.runtime_id.to_string()));
    fact(
        "finality",
        format!(
            "p50 {} ms, p99 {} ms over {} blocks, {} transactions",
            n.finality.p50,
            n.finality.p99,
            thousands(n.finality.count),
            thousands(n.transactions)
        ),
    );
    fact("every priced contract", code(f.files.surface.clone()));
    fact("every slice", code(f.files.slices.clone()));
    out + "</dl>\n<p class=\"note\">What replication cannot see: replicas that collude on the same wrong answer. Sampled audits are for that; until then, challenge a task or re-run it.</p>\n"
}
