//! How a node is: for Prometheus (text format 0.0.4), and whether it is fit to serve.
//!
//! Names begin with `assay_` and end in their unit; what the runtime and its parts count about
//! themselves keeps commonware's names. Labels are few and bounded.
//!
//! Does not: listen anywhere. Who runs the node serves these texts.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use assay_types::view::Books;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::{host::free_bytes, node::Node, rpc::CLIENT_VERSION};

/// A block this much older than an idle network makes them means that the node lags or the network stands.
pub const STALE_MS: u64 = 10_000;

/// Counting the books reads every account, so a count serves all who ask for this long.
const BOOKS_AGE: Duration = Duration::from_secs(30);

/// Connections of a node, as its network layer counts them.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    // One more than counted; zero while nobody counts, as on a simulated network.
    counted: AtomicU32,
}

impl Connections {
    pub(crate) fn set(&self, peers: u32) {
        self.counted.store(peers.saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<u32> {
        self.counted.load(Ordering::Relaxed).checked_sub(1)
    }
}

/// Validators with which node number `index` of a host has a connection, out of the runtime's figures.
pub(crate) fn connected(runtime: &str, index: usize) -> u32 {
    let own = format!("index=\"{index}\"");
    let connection = |line: &&str| {
        line.split_once('{').is_some_and(|(name, labels)| {
            name.contains("tracker")
                && name.ends_with("_connected")
                && labels.split([',', '}']).any(|label| label == own)
        })
    };
    u32::try_from(runtime.lines().filter(connection).count()).unwrap_or(u32::MAX)
}

/// Whether a node is fit to serve, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether it is.
    pub ready: bool,
    /// What stands in the way; empty if it is ready.
    pub reasons: Vec<String>,
    /// Newest final height; none until the database is open.
    pub height: Option<u64>,
    /// Age of that block, milliseconds.
    pub age_ms: Option<u64>,
    /// Validators it is connected to.
    pub peers: Option<u32>,
}

/// Looks at a node at `now_ms`, milliseconds since the Unix epoch.
pub fn readiness(node: &Node, now_ms: u64) -> Readiness {
    let tip = node.tip();
    let age_ms = tip.map(|tip| now_ms.saturating_sub(tip.timestamp_ms));
    let peers = node.peers();
    let allowed_ms = node.genesis().params.idle_block_interval_ms.saturating_add(STALE_MS);
    let mut reasons = Vec::new();
    match age_ms {
        None => reasons.push("the database is being opened".to_owned()),
        Some(age) if age > allowed_ms => reasons.push(format!(
            "the newest block is {age} ms old, more than {allowed_ms}: this node lags, or the network stands"
        )),
        Some(_) => {}
    }
    if peers == Some(0) && node.seats() > 1 {
        reasons.push("connected to no other validator".to_owned());
    }
    Readiness { ready: reasons.is_empty(), reasons, height: tip.map(|tip| tip.height), age_ms, peers }
}

/// Asks a host's runtime for its figures.
#[derive(Debug, Clone)]
pub struct RuntimeFigures(pub(crate) mpsc::UnboundedSender<oneshot::Sender<String>>);

impl RuntimeFigures {
    /// The figures; none once the runtime has ended.
    pub async fn read(&self) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        self.0.send(reply).ok()?;
        answer.await.ok()
    }
}

/// Renders a node's figures.
pub struct Metrics {
    node: Node,
    runtime: RuntimeFigures,
    dir: PathBuf,
    books: Mutex<Option<(Instant, Books)>>,
}

impl Metrics {
    /// Of `node`, whose host's runtime is `runtime` and whose state is in `dir`.
    pub fn new(node: Node, runtime: RuntimeFigures, dir: &Path) -> Arc<Self> {
        Arc::new(Self { node, runtime, dir: dir.to_owned(), books: Mutex::default() })
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Everything, in Prometheus' text format.
    pub async fn text(self: &Arc<Self>, now_ms: u64) -> String {
        let own = Arc::clone(self);
        let counted = tokio::task::spawn_blocking(move || own.own(now_ms)).await.unwrap_or_default();
        let runtime = self.runtime.read().await.unwrap_or_default();
        // The end mark of OpenMetrics has no place in this format.
        let runtime = runtime.trim_end().trim_end_matches("# EOF");
        format!("{counted}{runtime}")
    }

    fn own(&self, now_ms: u64) -> String {
        let mut page = Page::default();
        let node = &self.node;
        let version = CLIENT_VERSION.trim_start_matches("assay/v");
        page.gauge("assay_build_info", "Version of this program.", &[(&format!("{{version=\"{version}\"}}"), 1)]);
        let state = readiness(node, now_ms);
        page.one("assay_ready", "1 if this node is fit to serve.", u8::from(state.ready));
        if let Some(peers) = state.peers {
            page.one("assay_peers", "Validators this node is connected to.", peers);
        }
        page.one("assay_validators", "Seats of the epoch under way.", node.seats());
        if let Some((tip, view)) = node.tip_state() {
            page.one("assay_epoch", "Epoch of the validators under way.", node.epoch());
            page.one("assay_height", "Height of the newest final block.", tip.height);
            page.one("assay_block_age_ms", "Age of that block.", state.age_ms.unwrap_or_default());
            page.one("assay_state_entries", "Entries of the ledger's state.", view.len());
            page.one("assay_base_fee_grains", "Base fee of a gas in the next block.", assay_ledger::base_fee(&view));
            if let Some(block) = node.recent_block(tip.height) {
                page.one("assay_block_gas_used", "Gas of the newest block.", block.gas_used);
                page.one("assay_block_gas_limit", "Gas a block may use.", block.gas_limit);
                page.one("assay_block_transactions", "Transactions of the newest block.", block.txs.len());
                page.one("assay_block_size_bytes", "Size of the newest block.", block.size_bytes);
            }
            if let Some(books) = self.books(&view) {
                let pots = [
                    ("minted", books.minted),
                    ("burned", books.burned),
                    ("balances", books.balances),
                    ("escrow", books.escrow),
                    ("collateral", books.collateral),
                    ("stake", books.stake),
                    ("treasury", books.treasury),
                ];
                let rows = pots.map(|(pot, grains)| (format!("{{pot=\"{pot}\"}}"), grains));
                page.gauge("assay_books_grains", "Where the money is, counted at most every 30 s.", &rows);
                page.one("assay_books_balanced", "1 if every grain is accounted for.", u8::from(books.balance()));
            }
        }
        page.one("assay_mempool_transactions", "Transactions that wait for a block.", node.mempool().len());
        if let Some(quantiles) = node.finality() {
            let rows = [("{quantile=\"0.5\"}", quantiles.p50), ("{quantile=\"0.99\"}", quantiles.p99)];
            page.gauge("assay_finality_ms", "Proposal to finality of this node's own recent blocks.", &rows);
        }
        page.counter("assay_equivocations_total", "Conflicting votes seen.", node.evidence().len() as u64);
        let help = "Messages of peers left unread because they had sent too many transactions in vain.";
        page.counter("assay_gossip_unread_total", help, node.core.unread.load(Ordering::Relaxed));
        if let Some(free) = free_bytes(&self.dir) {
            page.one("assay_disk_free_bytes", "Room left on the disk of the state.", free);
        }
        page.process();
        page.0
    }

    fn books(&self, view: &crate::state::State) -> Option<Books> {
        let mut kept = self.books.lock();
        if let Some((at, books)) = kept.as_ref()
            && at.elapsed() < BOOKS_AGE
        {
            return Some(*books);
        }
        let books = assay_ledger::books(view).ok()?;
        *kept = Some((Instant::now(), books));
        Some(books)
    }
}

/// A page of figures being written.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// The page so far.
    pub fn into_text(self) -> String {
        self.0
    }

    /// A figure without labels.
    pub fn one(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, help, "gauge", &[("", value)]);
    }

    /// A figure by labels.
    pub fn gauge(&mut self, name: &str, help: &str, rows: &[(impl AsRef<str>, impl std::fmt::Display)]) {
        self.family(name, help, "gauge", rows);
    }

    /// A count that only grows; its name ends in `_total`.
    pub fn counter(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, help, "counter", &[("", value)]);
    }

    /// Counts by labels.
    pub fn counters(&mut self, name: &str, help: &str, rows: &[(impl AsRef<str>, impl std::fmt::Display)]) {
        self.family(name, help, "counter", rows);
    }

    fn family(&mut self, name: &str, help: &str, kind: &str, rows: &[(impl AsRef<str>, impl std::fmt::Display)]) {
        // Writing to a string cannot fail.
        let _always = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in rows {
            let _always = writeln!(self.0, "{name}{} {value}", labels.as_ref());
        }
    }

    /// What this process holds, under the names of Prometheus' own client libraries. Linux only.
    pub fn process(&mut self) {
        if let Some(kib) = status_kib("VmRSS:") {
            let bytes = kib.saturating_mul(1_024);
            self.one("process_resident_memory_bytes", "Resident memory size in bytes.", bytes);
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            self.one("process_open_fds", "Number of open file descriptors.", open.count());
        }
    }
}

/// A line of `/proc/self/status`, in KiB.
fn status_kib(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_by_node() {
        let text = "# HELP x\nnode_network_tracker_directory_connected{index=\"0\",peer=\"ab\"} 17\n\
                    node_network_tracker_directory_connected{peer=\"cd\",index=\"0\"} 18\n\
                    node_network_tracker_directory_connected{index=\"1\",peer=\"ab\"} 19\n\
                    node_network_tracker_directory_tracked{index=\"0\"} 3\n";
        assert_eq!((connected(text, 0), connected(text, 1), connected(text, 2)), (2, 1, 0));
        let counted = Connections::default();
        assert_eq!(counted.get(), None, "nobody has counted");
        counted.set(0);
        assert_eq!(counted.get(), Some(0));
    }

    #[test]
    fn a_page_has_help_type_and_value_of_each_figure() {
        let mut page = Page::default();
        page.one("assay_height", "Height.", 7);
        page.gauge("assay_books_grains", "Money.", &[("{pot=\"burned\"}", 1u128)]);
        let text = page.into_text();
        assert_eq!(
            text,
            "# HELP assay_height Height.\n# TYPE assay_height gauge\nassay_height 7\n\
             # HELP assay_books_grains Money.\n# TYPE assay_books_grains gauge\nassay_books_grains{pot=\"burned\"} 1\n"
        );
    }
}
