//! The report of a run: one HTML file that needs no network, no script and no other file.
//!
//! Sections follow a reader's questions: what are the options worth, what is the book's risk, how was
//! it computed and checked, what did it cost, how do I check it myself.

mod book;
mod run;
#[cfg(test)]
pub(crate) mod sample;
mod surface;
mod svg;
mod table;

use std::fmt::Write;

use crate::{
    findings::Findings,
    words::{duration, gigafuel, krt, thousands},
};
pub(crate) use surface::is_arbitrage;
use svg::escape;

/// The whole page.
pub(crate) fn html(f: &Findings) -> String {
    let title = format!("{} options of {}", f.market.underlying, f.market.as_of);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{}</title><style>{}</style></head><body>\n",
        escape(&title),
        include_str!("report/style.css")
    );
    page.push_str(&header(f, &title));
    page.push_str("<main>\n");
    page.push_str(&surface::section(f));
    page.push_str(&book::section(f));
    page.push_str(&run::section(f));
    page.push_str("</main>\n");
    let _infallible = writeln!(
        page,
        "<footer>Made by assay {} on this machine. Quotes are of {}; nothing here is advice.</footer></body></html>",
        env!("CARGO_PKG_VERSION"),
        escape(&f.market.as_of)
    );
    page
}

fn header(f: &Findings, title: &str) -> String {
    let seal = match f.verified {
        true => "<span class=\"seal good\">verified</span>",
        false => "<span class=\"seal bad\">not verified</span>",
    };
    let fuel: u64 = f.jobs.iter().map(|j| j.fuel).sum();
    let tasks: u32 = f.jobs.iter().map(|j| j.tasks).sum();
    let paid = f.jobs.iter().map(|j| j.paid).sum();
    let settled: u64 = f.jobs.iter().map(|j| j.submit_to_settled_ms).sum();
    let mut tiles = String::new();
    let mut tile = |value: String, what: &str| {
        let _infallible =
            write!(tiles, "<div class=\"tile\"><b>{}</b><span>{}</span></div>", escape(&value), escape(what));
    };
    tile(thousands(f.market.quotes), "quotes read");
    tile(thousands(f.market.contracts_priced), "contracts priced");
    tile(format!("{} / {}", f.market.expiries, f.slices.len()), "expiries / slices");
    tile(thousands(tasks.into()), "tasks, each run twice or more");
    tile(gigafuel(fuel), "fuel, counted once a task");
    tile(format!("{} KRT", krt(paid)), "paid to providers");
    tile(duration(settled), "submit to settled, both jobs");
    tile(format!("{} ms", f.network.finality.p50), "median propose to finalized");
    let nav = "<nav><a href=\"#surface\">Surface</a><a href=\"#slices\">Slices</a><a href=\"#book\">Book</a>\
               <a href=\"#timeline\">Timeline</a><a href=\"#money\">Money</a><a href=\"#check\">Check it</a></nav>";
    let lie = match &f.cheat {
        Some(c) => format!(
            " {} lied about {}; it was caught, slashed and replaced, and the answer is the same bit for bit.",
            c.liar,
            crate::words::count(c.lots as usize, "lot")
        ),
        None => String::new(),
    };
    format!(
        "<header><h1>{}{seal}</h1><p class=\"lede\">{} from {}, fitted and risk-managed by {} independent providers, \
         every task run by at least two of them, checked and paid by {} validators.{}</p>{nav}\
         <div class=\"tiles\">{tiles}</div></header>\n",
        escape(title),
        escape(&format!("{} quotes", thousands(f.market.quotes))),
        escape(&f.market.source),
        f.network.providers.len(),
        f.network.validators,
        escape(&lie)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_needs_nothing_from_outside_and_shows_every_section() {
        let page = html(&sample::findings());
        for outside in ["http://", "https://", "<script", "src=", "url(http", "@import"] {
            assert!(!page.contains(outside), "the page asks for {outside}");
        }
        for id in ["surface", "slices", "book", "timeline", "cheat", "money", "check"] {
            assert!(page.contains(&format!("id=\"{id}\"")), "no section {id}");
        }
        for missing in ["NaN", " inf", "Minf", "Linf", "Vinf", ">inf", "-inf"] {
            assert!(!page.contains(missing), "a number is missing somewhere: {missing}");
        }
    }

    #[test]
    fn every_element_of_the_report_is_closed() {
        let page = html(&sample::findings());
        for tag in [
            "div", "svg", "table", "tr", "td", "section", "main", "header", "p", "g", "text", "details", "dl", "ol",
            "li",
        ] {
            let open = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "<{tag}>");
        }
    }
}
