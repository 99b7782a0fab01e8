//! How much power the machine takes.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// Where Linux shows the counters of the processor packages (RAPL, running average power limit).
const COUNTERS: &str = "/sys/class/powercap";
/// How long the counters are watched.
const WATCHED: Duration = Duration::from_millis(500);

/// Power at full work, in watts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Power {
    /// As measured at the socket.
    Watts(f64),
    /// What the processor's energy counters say now, and the rest of the machine.
    Rapl {
        /// Everything but the processor, watts.
        other_watts: f64,
    },
    /// A model: so much idle, so much more a busy core.
    Model {
        /// Idle.
        idle_watts: f64,
        /// More for each core at work.
        watts_a_core: f64,
    },
}

/// Why the power is not known.
#[derive(Debug, thiserror::Error)]
pub enum PowerError {
    /// The system shows no counters.
    #[error("no energy counters under {}: give watts or a model instead", .0.display())]
    NoCounters(PathBuf),
    /// They could not be read: usually only root may.
    #[error("the energy counter {} could not be read (only root may, on most systems)", .path.display())]
    Counter {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Power {
    pub(super) fn is_sensible(&self) -> bool {
        let zero_or_above = |x: f64| x.is_finite() && x >= 0.0;
        match self {
            Self::Watts(watts) => zero_or_above(*watts) && *watts > 0.0,
            Self::Rapl { other_watts } => zero_or_above(*other_watts),
            Self::Model { idle_watts, watts_a_core } => {
                zero_or_above(*idle_watts) && zero_or_above(*watts_a_core) && idle_watts + watts_a_core > 0.0
            }
        }
    }

    /// Power now, or by the model with `cores` at work.
    pub async fn read(&self, cores: usize) -> Result<f64, PowerError> {
        match self {
            Self::Watts(watts) => Ok(*watts),
            Self::Model { idle_watts, watts_a_core } => Ok(idle_watts + watts_a_core * cores as f64),
            Self::Rapl { other_watts } => Ok(other_watts + packages(Path::new(COUNTERS)).await?),
        }
    }
}

/// Microjoules of a counter, and where it begins anew.
struct Counter {
    path: PathBuf,
    range: u64,
}

fn number(path: &Path) -> Result<u64, PowerError> {
    let failed = |source| PowerError::Counter { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(failed)?;
    text.trim().parse().map_err(|_| failed(std::io::ErrorKind::InvalidData.into()))
}

/// The counters of whole packages under `root`: `intel-rapl:N`, and not their parts.
fn counters(root: &Path) -> Result<Vec<Counter>, PowerError> {
    let is_package = |name: &str| name.strip_prefix("intel-rapl:").is_some_and(|rest| !rest.contains(':'));
    let entries = fs::read_dir(root).map_err(|_| PowerError::NoCounters(root.to_owned()))?;
    let mut found = Vec::new();
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_package) {
            let range = number(&entry.path().join("max_energy_range_uj"))?;
            found.push(Counter { path: entry.path().join("energy_uj"), range });
        }
    }
    if found.is_empty() { Err(PowerError::NoCounters(root.to_owned())) } else { Ok(found) }
}

/// What the packages take together, watts.
pub(super) async fn packages(root: &Path) -> Result<f64, PowerError> {
    let counters = counters(root)?;
    let read = || counters.iter().map(|one| number(&one.path)).collect::<Result<Vec<u64>, _>>();
    let (started, before) = (Instant::now(), read()?);
    tokio::time::sleep(WATCHED).await;
    let (seconds, after) = (started.elapsed().as_secs_f64(), read()?);
    let used = counters.iter().zip(before.iter().zip(&after)).map(|(one, (before, after))| {
        // A counter that passed its range began anew from zero.
        let turns = if after < before { one.range } else { 0 };
        after.saturating_add(turns).saturating_sub(*before) as f64
    });
    Ok(used.sum::<f64>() / 1e6 / seconds)
}
