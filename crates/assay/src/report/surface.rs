//! The volatility surface: term structures, smiles, the table of slices.

use std::fmt::Write;

use super::{
    svg::{Axis, Margins, Plot, escape},
    table::HtmlTable,
};
use crate::{
    findings::{Findings, Slice},
    words::{count, maybe, number, percent, thousands},
};

/// Days to settlement shown as ticks.
const TENORS: [(f64, &str); 9] = [
    (2.0 / 365.0, "2d"),
    (7.0 / 365.0, "1w"),
    (14.0 / 365.0, "2w"),
    (30.0 / 365.0, "1m"),
    (91.0 / 365.0, "3m"),
    (182.0 / 365.0, "6m"),
    (1.0, "1y"),
    (2.0, "2y"),
    (5.0, "5y"),
];

pub(super) fn section(f: &Findings) -> String {
    let mut out = String::from("<h2 id=\"surface\">Volatility surface</h2>\n");
    let interpolated = f.slices.iter().filter(|s| has(s, "interpolated")).count();
    let arbitrage = f.slices.iter().filter(|s| s.flags.iter().any(|flag| is_arbitrage(flag))).count();
    let _infallible = writeln!(
        out,
        "<p class=\"lede\">Forwards and discounts are implied by put-call parity, vols are Black-76, each slice is a raw SVI fit of \
         its out-of-the-money quotes. {} interpolated in the parity curve, {} flagged for arbitrage.</p>",
        count(interpolated, "slice"),
        if arbitrage == 0 { "none".to_owned() } else { arbitrage.to_string() }
    );
    let _infallible = writeln!(
        out,
        "<div class=\"two\"><div class=\"card\"><h3>At-the-money vol</h3>{}</div><div class=\"card\"><h3>Skew <small>slope of vol in log-moneyness, at the money</small></h3>{}</div></div>",
        atm(f),
        skew(f)
    );
    let _infallible = writeln!(
        out,
        "<div class=\"two\" style=\"margin-top:14px\"><div class=\"card\"><h3>Forward <small>index points</small></h3>{}</div><div class=\"card\"><h3>Implied rate <small>−ln(discount) / years</small></h3>{}</div></div>",
        forward(f),
        rate(f)
    );
    out.push_str(&smiles(f));
    out.push_str("<h2 id=\"slices\">Slices</h2>\n<p class=\"note\">Fit error is the root mean square over fitted quotes, in vol points and in bid-ask spreads. \
                  Raw SVI: w(k) = a + b(ρ(k − m) + √((k − m)² + σ²)), k = ln(K/F), w total variance.</p>\n");
    out.push_str(&slices(f));
    out
}

fn has(slice: &Slice, flag: &str) -> bool {
    slice.flags.iter().any(|f| f.contains(flag))
}

/// Whether a flag of a slice tells of arbitrage.
pub(crate) fn is_arbitrage(flag: &str) -> bool {
    flag.contains("butterfly") || flag.contains("calendar")
}

fn years_axis(f: &Findings) -> Axis {
    let years = || f.slices.iter().map(|s| s.years).filter(|y| *y > 0.0);
    let low = years().fold(f64::INFINITY, f64::min);
    let high = years().fold(0.0, f64::max);
    if !(low.is_finite() && high > 0.0) {
        return Axis::log(0.01, 1.0, &TENORS);
    }
    Axis::log(low * 0.92, high * 1.08, &TENORS)
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// A term structure: PM-settled and AM-settled slices in two colours, interpolated ones grey.
fn term(
    f: &Findings,
    id: &str,
    title: &str,
    value: impl Fn(&Slice) -> Option<f64>,
    label: impl Fn(f64) -> String,
) -> String {
    let (low, high) = range(f.slices.iter().filter_map(&value));
    let pad = (high - low) * 0.06;
    let y = Axis::rounded(low - pad, high + pad, 5, label);
    let mut plot =
        Plot::new(id, (560.0, 250.0), Margins { left: 52.0, right: 12.0, top: 10.0, bottom: 22.0 }, years_axis(f), y);
    let points = |pick: &dyn Fn(&Slice) -> bool| -> Vec<(f64, f64)> {
        f.slices.iter().filter(|s| pick(s)).filter_map(|s| value(s).map(|v| (s.years, v))).collect()
    };
    let main = main_root(f);
    plot.line("series", points(&|s| s.root == main));
    plot.dots("point", points(&|s| s.root == main && !has(s, "interpolated")));
    plot.dots("point2", points(&|s| s.root != main && !has(s, "interpolated")));
    plot.dots("hollow", points(&|s| has(s, "interpolated")));
    format!("{}{}", plot.finish(title), roots_legend(f, &main))
}

/// The root with the most slices.
fn main_root(f: &Findings) -> String {
    let count = |root: &str| f.slices.iter().filter(|s| s.root == root).count();
    let best = f.slices.iter().max_by_key(|s| count(&s.root));
    best.map(|s| s.root.clone()).unwrap_or_default()
}

fn roots_legend(f: &Findings, main: &str) -> String {
    let mut out = format!("<div class=\"legend\"><span><i class=\"s1\"></i>{}</span>", escape(main));
    if let Some(other) = f.slices.iter().find(|s| s.root != main) {
        let _infallible = write!(out, "<span><i class=\"s2\"></i>{}</span>", escape(&other.root));
    }
    if f.slices.iter().any(|s| has(s, "interpolated")) {
        out.push_str("<span><i class=\"h\"></i>interpolated</span>");
    }
    out + "</div>"
}

fn atm(f: &Findings) -> String {
    term(
        f,
        "atm",
        "At-the-money implied vol by time to settlement",
        |s| s.atm_vol,
        |v| percent(v, if v < 0.5 { 1 } else { 0 }),
    )
}

fn skew(f: &Findings) -> String {
    term(f, "skew", "Skew by time to settlement", |s| s.skew, |v| number(v, 1))
}

fn forward(f: &Findings) -> String {
    term(f, "forward", "Implied forward by time to settlement", |s| s.forward, |v| number(v, 0))
}

fn rate(f: &Findings) -> String {
    // Under two weeks a tick of the discount is percents of a rate: the curve starts after.
    let long = |s: &Slice| s.discount.filter(|_| s.years > 14.0 / 365.0).map(|d| -d.ln() / s.years);
    term(f, "rate", "Implied continuously compounded rate by time to settlement", long, |v| percent(v, 2))
}

fn smiles(f: &Findings) -> String {
    let with_quotes: Vec<&Slice> = f.slices.iter().filter(|s| s.svi.is_some()).collect();
    let mut featured: Vec<usize> = Vec::new();
    for target in [7.0 / 365.0, 30.0 / 365.0, 0.25, 0.5, 1.0, 3.0] {
        let near = |s: &Slice| (s.years / target).ln().abs();
        let best = (0..with_quotes.len())
            .filter(|i| !featured.contains(i))
            .min_by(|a, b| near(with_quotes[*a]).total_cmp(&near(with_quotes[*b])));
        featured.extend(best);
    }
    featured.sort_unstable();
    let mut out = String::from(
        "<h3 style=\"margin-top:26px\">Smiles</h3><div class=\"legend\"><span><i class=\"s1\"></i>mid</span><span><i class=\"w\"></i>bid to ask</span>\
         <span><i class=\"s2\"></i>SVI fit, dashed where flagged</span><span>horizontal: ln(strike / forward)</span></div><div class=\"three\">",
    );
    for i in featured {
        let s = with_quotes[i];
        let _infallible = write!(
            out,
            "<div class=\"card\"><h3>{} {} <small>{} to settlement, ATM {}</small></h3>{}</div>",
            escape(&s.expiration),
            escape(&s.root),
            days(s.years),
            maybe(s.atm_vol, |v| percent(v, 1)),
            smile(s, &format!("f{i}"), (372.0, 230.0), Margins { left: 40.0, right: 8.0, top: 8.0, bottom: 20.0 })
        );
    }
    let _infallible = write!(
        out,
        "</div>\n<details><summary>All {}</summary><div class=\"grid4\">",
        count(with_quotes.len(), "smile")
    );
    for (i, s) in with_quotes.iter().enumerate() {
        let _infallible = write!(
            out,
            "<div class=\"card\"><h3>{} {}<small>{}</small></h3>{}</div>",
            escape(&s.expiration),
            escape(&s.root),
            maybe(s.atm_vol, |v| percent(v, 1)),
            smile(s, &format!("a{i}"), (270.0, 160.0), Margins::SMALL)
        );
    }
    out + "</div></details>\n"
}

fn days(years: f64) -> String {
    let days = years * 365.0;
    if days < 100.0 { format!("{} d", number(days, 0)) } else { format!("{} y", number(years, 2)) }
}

fn smile(s: &Slice, id: &str, size: (f64, f64), margins: Margins) -> String {
    let width = s.atm_vol.unwrap_or(0.2) * s.years.sqrt();
    // Eight deviations down and five up show all that trades without the penny wings.
    let shown: Vec<_> = s.quotes.iter().filter(|q| q.k > -8.0 * width && q.k < 5.0 * width).collect();
    let (mut low_k, mut high_k) = range(shown.iter().map(|q| q.k));
    if shown.is_empty() {
        (low_k, high_k) = (-4.0 * width, 3.0 * width);
    }
    let pad = (high_k - low_k) * 0.03;
    let (low_k, high_k) = (low_k - pad, high_k + pad);
    let vol = |k: f64| s.svi.map_or(f64::NAN, |svi| svi.vol(k, s.years));
    let fit: Vec<(f64, f64)> =
        (0..=72).map(|i| low_k + (high_k - low_k) * f64::from(i) / 72.0).map(|k| (k, vol(k))).collect();
    let (low, high) = range(shown.iter().map(|q| q.mid).chain(fit.iter().map(|p| p.1)));
    let y = Axis::linear((low * 0.9).max(0.0), high * 1.06, 4, |v| format!("{:.0}", v * 100.0));
    let x = Axis::linear(low_k, high_k, 4, |v| number(v, if high_k - low_k < 0.15 { 2 } else { 1 }));
    let mut plot = Plot::new(id, size, margins, x, y);
    plot.whiskers("whisker", shown.iter().map(|q| (q.k, q.bid.unwrap_or(q.mid), q.ask.unwrap_or(q.mid))));
    plot.dots("mid", shown.iter().map(|q| (q.k, q.mid)));
    plot.line(if s.flags.iter().any(|f| is_arbitrage(f)) { "fit flagged" } else { "fit" }, fit);
    plot.finish(&format!("Implied vol in percent of {} {}: quotes and SVI fit", s.expiration, s.root))
}

fn slices(f: &Findings) -> String {
    let head = [
        "expiration",
        "root",
        "years",
        "forward",
        "discount",
        "ATM vol",
        "skew",
        "a",
        "b",
        "ρ",
        "m",
        "σ",
        "fit, vol pts",
        "fit, spreads",
        "priced",
        "flags",
    ];
    let mut table = HtmlTable::new(&head, &[1, 15]).tall();
    for s in &f.slices {
        let svi = |pick: fn(&crate::findings::Svi) -> f64, decimals| {
            s.svi.as_ref().map_or_else(|| "–".to_owned(), |p| number(pick(p), decimals))
        };
        let flags: String = s
            .flags
            .iter()
            .map(|flag| {
                let class = if is_arbitrage(flag) {
                    "flag bad"
                } else if flag.contains("interpolated") {
                    "flag"
                } else {
                    "flag info"
                };
                format!("<span class=\"{class}\">{}</span>", escape(flag))
            })
            .collect();
        table.markup(&[
            escape(&s.expiration),
            escape(&s.root),
            number(s.years, 4),
            maybe(s.forward, |v| number(v, 2)),
            maybe(s.discount, |v| number(v, 6)),
            maybe(s.atm_vol, |v| percent(v, 2)),
            maybe(s.skew, |v| number(v, 3)),
            svi(|p| p.a, 5),
            svi(|p| p.b, 5),
            svi(|p| p.rho, 3),
            svi(|p| p.m, 4),
            svi(|p| p.sigma, 4),
            maybe(s.fit_error_vol, |v| number(v, 2)),
            maybe(s.fit_error_spreads, |v| number(v, 2)),
            thousands(s.priced),
            flags,
        ]);
    }
    table.finish()
}
