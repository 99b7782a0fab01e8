//! What is on the screen: the latest snapshot, what is chosen, and how the feed fares. Pure: time and
//! keys come in, nothing goes out.

mod key;

use std::{collections::VecDeque, time::Duration};

use assay_types::{
    node::NodeStatus,
    view::{BookView, ClassView, EpochView, JobSummary, OrderView, ProviderView},
};

pub use key::Key;

/// Snapshots the block rate is taken over.
const RATE_SAMPLES: usize = 240;

/// What a node said at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Where it stands.
    pub status: NodeStatus,
    /// Base fee of its latest block, grains a unit of gas.
    pub base_fee: Option<u128>,
    /// Validators of the network.
    pub validators: Option<usize>,
    /// All classes.
    pub classes: Vec<ClassView>,
    /// Book and prices of one class.
    pub market: Option<Market>,
    /// Open orders of all.
    pub orders: Vec<OrderView>,
    /// Jobs, the latest first.
    pub jobs: Vec<JobSummary>,
    /// Providers.
    pub providers: Vec<ProviderView>,
    /// Questions the node refused, with its reason.
    pub refused: Vec<String>,
}

/// Book and prices of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Market {
    /// Its book.
    pub book: BookView,
    /// Its epochs, the latest first.
    pub epochs: Vec<EpochView>,
}

/// What the feed tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// All is well.
    Fresh(Box<Snapshot>),
    /// The node did not answer.
    Trouble(Trouble),
}

/// Why there is nothing new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What went wrong.
    pub error: String,
    /// When the feed tries again, from the time of the update.
    pub retry_in: Duration,
}

/// A panel that takes keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Panel {
    /// The table of classes.
    #[default]
    Classes,
    /// The book.
    Book,
    /// The latest clearings.
    Clearings,
    /// The jobs.
    Jobs,
}

/// All that is shown.
#[derive(Debug, Clone)]
pub struct Model {
    /// Where the node is.
    pub endpoint: String,
    /// The latest answer.
    pub snapshot: Option<Snapshot>,
    /// When it came, milliseconds since the Unix epoch.
    pub updated_ms: Option<u64>,
    /// What went wrong since, and when.
    pub trouble: Option<(Trouble, u64)>,
    /// Now, milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The class whose book is shown, by number.
    pub chosen: Option<u32>,
    /// The panel that takes keys.
    pub focus: Panel,
    /// Rows the book is moved from its middle, upwards negative.
    pub book_scroll: i32,
    /// Clearings scrolled past.
    pub clearings_scroll: usize,
    /// Jobs scrolled past.
    pub jobs_scroll: usize,
    /// Takes no updates.
    pub paused: bool,
    /// Shows the keys.
    pub help: bool,
    /// Wants to end.
    pub quit: bool,
    /// Heights and block times of the latest snapshots.
    heights: VecDeque<(u64, u64)>,
}

impl Model {
    /// Nothing known yet.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            snapshot: None,
            updated_ms: None,
            trouble: None,
            now_ms: 0,
            chosen: None,
            focus: Panel::default(),
            book_scroll: 0,
            clearings_scroll: 0,
            jobs_scroll: 0,
            paused: false,
            help: false,
            quit: false,
            heights: VecDeque::new(),
        }
    }

    /// Takes what the feed tells; while paused, only that it is in trouble or no more.
    pub fn apply(&mut self, update: Update, now_ms: u64) {
        self.now_ms = now_ms;
        match update {
            Update::Trouble(trouble) => self.trouble = Some((trouble, now_ms)),
            Update::Fresh(_) if self.paused => self.trouble = None,
            Update::Fresh(snapshot) => {
                self.trouble = None;
                self.updated_ms = Some(now_ms);
                self.note_height(&snapshot.status);
                self.snapshot = Some(*snapshot);
                self.settle();
            }
        }
    }

    /// Remembers a height; another network or a chain that starts anew starts the count anew.
    fn note_height(&mut self, status: &NodeStatus) {
        let of_before = self.snapshot.as_ref().map(|snapshot| snapshot.status.genesis_hash);
        let falls = self.heights.back().is_some_and(|(height, _)| *height > status.height);
        if falls || of_before.is_some_and(|hash| hash != status.genesis_hash) {
            self.heights.clear();
        }
        if self.heights.back().is_none_or(|(height, _)| *height < status.height) {
            self.heights.push_back((status.height, status.timestamp_ms));
        }
        while self.heights.len() > RATE_SAMPLES {
            self.heights.pop_front();
        }
    }

    /// Keeps what is chosen within what there is.
    fn settle(&mut self) {
        let Some(snapshot) = &self.snapshot else { return };
        let is_there = |id| snapshot.classes.iter().any(|view| view.class.id == id);
        if !self.chosen.is_some_and(is_there) {
            let first = snapshot.classes.iter().find(|view| view.leaf && !view.class.retired);
            self.chosen = first.or(snapshot.classes.first()).map(|view| view.class.id);
        }
        let clearings = self.market().map_or(0, |market| market.book.recent.len());
        let jobs = snapshot.jobs.len();
        self.clearings_scroll = self.clearings_scroll.min(clearings.saturating_sub(1));
        self.jobs_scroll = self.jobs_scroll.min(jobs.saturating_sub(1));
    }

    /// Row of the chosen class.
    pub fn chosen_row(&self) -> Option<usize> {
        let classes = &self.snapshot.as_ref()?.classes;
        classes.iter().position(|view| Some(view.class.id) == self.chosen)
    }

    /// The chosen class.
    pub fn chosen_class(&self) -> Option<&ClassView> {
        self.snapshot.as_ref()?.classes.get(self.chosen_row()?)
    }

    /// Book and prices of the chosen class; None until the feed has read them.
    pub fn market(&self) -> Option<&Market> {
        let market = self.snapshot.as_ref()?.market.as_ref()?;
        (Some(market.book.class) == self.chosen).then_some(market)
    }

    /// Blocks a second over the latest snapshots, by the blocks' own times.
    pub fn blocks_per_second(&self) -> Option<f64> {
        let (from, to) = (self.heights.front()?, self.heights.back()?);
        rate(*from, *to)
    }

    /// Blocks a second between each two snapshots, the oldest first.
    pub fn rates(&self) -> Vec<f64> {
        self.heights.iter().zip(self.heights.iter().skip(1)).filter_map(|(from, to)| rate(*from, *to)).collect()
    }

    /// Milliseconds since the last answer.
    pub fn stale_ms(&self) -> Option<u64> {
        self.updated_ms.map(|at| self.now_ms.saturating_sub(at))
    }
}

fn rate((from, began_ms): (u64, u64), (to, ended_ms): (u64, u64)) -> Option<f64> {
    let ms = ended_ms.checked_sub(began_ms).filter(|ms| *ms > 0)?;
    let blocks = to.saturating_sub(from);
    Some(crate::figures::to_f64(blocks.into()) * 1_000.0 / crate::figures::to_f64(ms.into()))
}
