//! `assay doctor`: what keeps a process from running well, and how to mend it.
//!
//! Each check says PASS, WARN or FAIL, what it found and what to do. A check that cannot tell says so
//! and passes: doctor never guesses. It changes nothing, but for a file of 4 KiB it writes and removes
//! to time the disk, and the repair of torn ends that opening a database always does.

mod machine;
mod ports;
mod process;

use assay_provider::http;
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::DoctorArgs,
    config::{Kind, kind},
    failure::{Code, Failure, Outcome},
    terminal::{Grid, Terminal, Tone},
};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Verdict {
    /// As it should be, or cannot be told.
    Pass,
    /// Works, but not as well as it should.
    Warn,
    /// Does not work.
    Fail,
}

/// One check's result.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    check: String,
    verdict: Verdict,
    found: String,
    fix: Option<String>,
}

/// All results so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    fn put(&mut self, check: &str, verdict: Verdict, found: impl Into<String>, fix: Option<String>) {
        self.0.push(Finding { check: check.to_owned(), verdict, found: found.into(), fix });
    }

    /// As it should be.
    pub(super) fn pass(&mut self, check: &str, found: impl Into<String>) {
        self.put(check, Verdict::Pass, found, None);
    }

    /// Works, not well.
    pub(super) fn warn(&mut self, check: &str, found: impl Into<String>, fix: impl Into<String>) {
        self.put(check, Verdict::Warn, found, Some(fix.into()));
    }

    /// Does not work.
    pub(super) fn fail(&mut self, check: &str, found: impl Into<String>, fix: impl Into<String>) {
        self.put(check, Verdict::Fail, found, Some(fix.into()));
    }

    /// Another part's failure.
    pub(super) fn failed(&mut self, check: &str, failure: &Failure) {
        let why = failure.why.join(": ");
        let found = if why.is_empty() { failure.what.clone() } else { format!("{}: {why}", failure.what) };
        self.fail(check, found, failure.next.clone().unwrap_or_default());
    }
}

/// Runs all checks.
pub(crate) async fn run(args: &DoctorArgs, terminal: &Terminal) -> Outcome<()> {
    if args.alive {
        return alive(&args.health, terminal).await;
    }
    let mut findings = Findings::default();
    match &args.config {
        None => machine::look(&mut findings, std::path::Path::new(".")),
        Some(path) => match kind(path) {
            Err(failure) => findings.failed("config", &failure),
            Ok(Kind::Node) => process::node(&mut findings, path).await,
            Ok(Kind::Provider) => process::provider(&mut findings, path).await,
            Ok(Kind::Gateway) => process::gateway(&mut findings, path).await,
        },
    }
    let count = |verdict| findings.0.iter().filter(|finding| finding.verdict == verdict).count();
    let (warned, failed) = (count(Verdict::Warn), count(Verdict::Fail));
    let mut grid = Grid::new(["check", "", "found", "how to mend it"]).text(&[1, 2, 3]);
    for finding in &findings.0 {
        let (word, tone) = match finding.verdict {
            Verdict::Pass => ("PASS", Tone::Good),
            Verdict::Warn => ("WARN", Tone::Warn),
            Verdict::Fail => ("FAIL", Tone::Bad),
        };
        let fix = finding.fix.clone().unwrap_or_default();
        grid.toned([
            (finding.check.clone(), Tone::Plain),
            (word.to_owned(), tone),
            (finding.found.clone(), Tone::Plain),
            (fix, Tone::Plain),
        ]);
    }
    terminal.table(&grid);
    if failed == 0 {
        terminal.document(&json!({ "well": true, "warnings": warned, "checks": findings.0 }));
        let line = if warned == 0 { "all is well".to_owned() } else { format!("it works, with {warned} warnings") };
        terminal.line(terminal.paint(Tone::Good, &line));
        return Ok(());
    }
    let failure = findings.0.iter().filter(|finding| finding.verdict == Verdict::Fail).fold(
        Failure::new(Code::Unwell, format!("{failed} of {} checks fail", findings.0.len())),
        |failure, finding| failure.why(format!("{}: {}", finding.check, finding.found)),
    );
    let failure = failure.next("mend them as the list says, then run it again");
    if terminal.json() {
        // One document: the checks beside the error.
        let mut document = failure.to_json();
        if let Some(document) = document.as_object_mut() {
            document.insert("well".to_owned(), false.into());
            document.insert("warnings".to_owned(), warned.into());
            document.insert("checks".to_owned(), json!(findings.0));
        }
        terminal.document(&document);
        return Err(failure.told());
    }
    Err(failure)
}

/// Asks a process whether it lives.
async fn alive(url: &str, terminal: &Terminal) -> Outcome<()> {
    let url = format!("{}/health", url.trim_end_matches('/'));
    let dead = |why: String| {
        Failure::new(Code::Unreachable, format!("{url} does not say that its process lives"))
            .why(why)
            .next("check the address with --health, and `metrics` in the configuration file")
    };
    let client = http::client(|client| client.timeout(std::time::Duration::from_secs(4)).no_proxy());
    let asked = client.map_err(|e| dead(e.to_string()))?.get(&url).send().await.map_err(|e| dead(e.to_string()))?;
    if !asked.status().is_success() {
        return Err(dead(format!("it answers {}", asked.status().as_u16())));
    }
    terminal.document(&json!({ "alive": true, "url": url }));
    terminal.line("it lives");
    Ok(())
}
