//! `assay bench`: the figures of `docs/BENCHMARKS.md` on this machine.
//!
//! Networks are whole: four validators in one process, each verifying for itself, on real sockets and
//! a real disk.

mod child;
mod compute;
mod load;
mod market;
mod memory;
mod processes;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use self::load::Load;
pub(crate) use self::processes::Processes;
use crate::{
    cli::{BenchArgs, BenchOne},
    failure::{Failure, Outcome},
    network::{Network, Options},
    terminal::{Grid, Terminal},
};

/// Where a network under measurement keeps its state; removed at the end unless the user named it.
pub(super) struct Scratch {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Scratch {
    fn new(args: &BenchArgs) -> Outcome<Self> {
        match &args.dir {
            Some(dir) => Ok(Self { path: dir.join("network"), _temporary: None }),
            None => {
                let dir = tempfile::tempdir().map_err(|e| Failure::io("could not make a temporary directory", &e))?;
                Ok(Self { path: dir.path().join("network"), _temporary: Some(dir) })
            }
        }
    }

    /// The directory for a network.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Runs what is asked for.
pub(crate) async fn run(args: BenchArgs, terminal: &Terminal) -> Outcome<()> {
    let all = args.one.is_none();
    let wanted = |one| all || args.one == Some(one);
    let mut figures = Map::new();
    let scratch = Scratch::new(&args)?;
    let loads = [BenchOne::Finality, BenchOne::Jobs, BenchOne::Transfers, BenchOne::Market];
    if loads.into_iter().any(wanted) {
        let spinner = terminal.spinner("network");
        let network = Network::start(scratch.path(), Options::default(), |text| spinner.say(text)).await?;
        drop(spinner);
        let measured = async {
            if wanted(BenchOne::Finality) {
                figures.insert("finality_ms".to_owned(), load::finality(&network, terminal).await?);
            }
            if wanted(BenchOne::Jobs) {
                figures.insert("job_round_trip_ms".to_owned(), load::jobs(&network, args.jobs, terminal).await?);
            }
            if wanted(BenchOne::Transfers) {
                let (rate, more) = load::sustained(&network, Load::Transfers, args.seconds, terminal).await?;
                figures.insert("transfers_per_s".to_owned(), rate);
                figures.insert("transfers".to_owned(), more);
            }
            if wanted(BenchOne::Market) {
                let (rate, more) = load::sustained(&network, Load::Orders, args.seconds, terminal).await?;
                figures.insert("orders_per_s".to_owned(), rate);
                figures.insert("orders".to_owned(), more);
            }
            Ok::<_, Failure>(())
        }
        .await;
        network.stop().await;
        measured?;
    }
    if wanted(BenchOne::Wasm) {
        let found = compute::wasm_over_native(terminal)?;
        figures.extend(found);
    }
    if wanted(BenchOne::Market) {
        figures.extend(market::measure(terminal)?);
    }
    if wanted(BenchOne::Rss) {
        figures.insert("rss_mib".to_owned(), memory::idle(&scratch.path().join("up"), terminal).await?);
    }
    if let Some(BenchOne::Processes(what)) = args.one {
        let dir = scratch.path().join("devnet");
        figures.insert("processes".to_owned(), processes::sustained(&dir, what, args.seconds, terminal).await?);
    }
    figures.insert("machine".to_owned(), machine());
    show(terminal, &figures);
    terminal.document(&Value::Object(figures));
    Ok(())
}

fn machine() -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(": ")).map(|l| l.1.to_owned());
    json!({
        "cpu": model,
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "os": std::env::consts::OS,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn show(terminal: &Terminal, figures: &Map<String, Value>) {
    let mut grid = Grid::new(["figure", "measured", "to reach"]).text(&[1, 2]);
    let reach = |name: &str| match name {
        "finality_ms" => "p50 150 ms, p99 400 ms",
        "transfers_per_s" => "3,000 a second",
        "job_round_trip_ms" => "p50 2,000 ms",
        "wasm_over_native" => "1.4 times",
        "quantlib_ratio" => "5 times faster",
        "clear_100k_ms" => "30 ms",
        "clear_1m_ms" => "400 ms",
        "incremental_1m_resting_ms" => "5 ms",
        "bytes_per_order" => "200 bytes",
        "orders_per_s" => "2,000 a second",
        "processes" => "2,000 a second for 600 s, memory flat",
        "rss_mib" => "700 MiB",
        _ => "",
    };
    for (name, value) in figures {
        let text = match value {
            Value::Object(fields) => {
                let words = fields.iter().filter(|(_, v)| !v.is_array()).map(|(k, v)| format!("{k} {}", plain(v)));
                words.collect::<Vec<_>>().join(", ")
            }
            other => plain(other),
        };
        grid.row([name.clone(), text, reach(name).to_owned()]);
    }
    terminal.table(&grid);
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
