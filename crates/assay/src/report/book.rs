//! The book: value, Greeks, the distribution of its profit and loss with its tail.

use std::fmt::Write;

use super::{
    svg::{Axis, Margins, Plot, escape},
    table::HtmlTable,
};
use crate::{
    findings::{Book, Findings},
    words::{count, number, percent, thousands},
};

pub(super) fn section(f: &Findings) -> String {
    let b = &f.book;
    let mut out = format!(
        "<h2 id=\"book\">Book</h2>\n<p class=\"lede\">{} revalued in full on {} paths of {} days, from the fitted surface. \
         Losses are to the left.</p>\n<div class=\"tiles\">",
        count(b.positions as usize, "position"),
        thousands(b.paths),
        b.horizon_days
    );
    let level = percent(b.confidence, 0);
    let mut tile = |value: String, what: String| {
        let _infallible =
            write!(out, "<div class=\"tile\"><b>{}</b><span>{}</span></div>", small_error(&value), escape(&what));
    };
    tile(money(b, b.value), "value".into());
    tile(
        format!("{} ± {}", money(b, b.var), money(b, b.var_se)),
        format!("{}-day {level} VaR ± standard error", b.horizon_days),
    );
    tile(
        format!("{} ± {}", money(b, b.es), money(b, b.es_se)),
        format!("{}-day {level} expected shortfall", b.horizon_days),
    );
    tile(money(b, b.delta), "delta: index up 1 %".into());
    tile(money(b, b.gamma), "gamma: delta's change, index up 1 %".into());
    tile(money(b, b.vega), "vega: all vols up one point".into());
    tile(money(b, b.theta), "theta: a calendar day".into());
    tile(format!("{} ± {}", money(b, b.mean), money(b, b.mean_se)), "mean profit and loss".into());
    out.push_str("</div>\n");
    let _infallible = writeln!(
        out,
        "<div class=\"card\"><h3>Profit and loss over {} days</h3>{}</div>",
        b.horizon_days,
        histogram(b)
    );
    out.push_str(&buckets(b));
    out
}

/// The error behind a value in smaller type.
fn small_error(value: &str) -> String {
    match value.split_once(" ± ") {
        Some((value, error)) => format!("{} <small>± {}</small>", escape(value), escape(error)),
        None => escape(value),
    }
}

fn money(b: &Book, x: f64) -> String {
    let scaled = match x.abs() {
        a if a >= 1e9 => format!("{}bn", number(x / 1e9, 2)),
        a if a >= 1e6 => format!("{}m", number(x / 1e6, 2)),
        a if a >= 1e4 => format!("{}k", number(x / 1e3, 1)),
        a if a >= 100.0 => number(x, 0),
        _ => number(x, 2),
    };
    match scaled.strip_prefix('−') {
        Some(positive) => format!("−{}{positive}", b.currency),
        None => format!("{}{scaled}", b.currency),
    }
}

#[allow(clippy::cast_precision_loss, reason = "bin counts and indices are small")]
fn histogram(b: &Book) -> String {
    let h = &b.histogram;
    let edge = |i: usize| h.low + h.width * i as f64;
    let total: u64 = h.counts.iter().sum();
    if total == 0 || h.width <= 0.0 {
        return "<p class=\"note\">No distribution.</p>".to_owned();
    }
    let (low, high) = (h.low, edge(h.counts.len()));
    let tallest = h.counts.iter().max().copied().unwrap_or(1) as f64;
    let x = Axis::linear(low, high, 8, |v| money(b, v));
    let y = Axis::linear(0.0, tallest * 1.08 / total as f64, 4, |v| percent(v, 1));
    let mut plot =
        Plot::new("pnl", (1120.0, 300.0), Margins::WIDE, x.titled("profit and loss"), y.titled("share of paths"));
    let bars = |tail: bool| {
        let bins = h.counts.iter().enumerate().map(move |(i, c)| (edge(i), edge(i + 1), *c as f64 / total as f64));
        bins.filter(move |bar| (bar.1 <= -b.var) == tail).collect::<Vec<_>>()
    };
    plot.bars("bar-main", bars(false));
    plot.bars("tail", bars(true));
    let level = percent(b.confidence, 0);
    plot.mark("es", -b.es, &format!("expected shortfall {}", money(b, b.es)), 1, false);
    plot.mark("var", -b.var, &format!("{level} VaR {}", money(b, b.var)), 0, false);
    plot.mark("mean", b.mean, &format!("mean {}", money(b, b.mean)), 0, true);
    plot.finish("Distribution of the book's profit and loss")
}

fn buckets(b: &Book) -> String {
    let mut table =
        HtmlTable::new(&["positions expiring", "positions", "value", "delta", "gamma", "vega", "theta"], &[]);
    let cells = |name: &str, n: u64, v: f64, d: f64, g: f64, ve: f64, t: f64| {
        [name.to_owned(), thousands(n), number(v, 0), number(d, 0), number(g, 0), number(ve, 0), number(t, 0)]
    };
    for k in &b.buckets {
        table.row(&cells(&k.name, k.positions, k.value, k.delta, k.gamma, k.vega, k.theta));
    }
    table.sum(&cells("all", b.positions, b.value, b.delta, b.gamma, b.vega, b.theta));
    table.finish()
}
