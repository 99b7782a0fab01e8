//! Computing time of this process: on a shared machine the clock on the wall says little.

use std::{
    fs,
    time::{Duration, Instant},
};

/// What all threads of this process have computed so far, by the kernel's scheduler
/// (`/proc/PID/task/*/schedstat`, nanoseconds); none where it does not tell.
fn spent() -> Option<Duration> {
    let threads = fs::read_dir("/proc/self/task").ok()?;
    let of = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    };
    // A thread may end meanwhile.
    let times: Vec<Duration> = threads.flatten().filter_map(of).collect();
    (!times.is_empty()).then(|| times.iter().sum())
}

/// Counts computing, or the clock on the wall where the kernel does not tell.
pub(super) struct Stopwatch {
    cpu: Option<Duration>,
    wall: Instant,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self { cpu: spent(), wall: Instant::now() }
    }

    /// Milliseconds since the start.
    pub(super) fn ms(&self) -> f64 {
        let cpu = self.cpu.zip(spent()).map(|(before, now)| now.saturating_sub(before));
        cpu.unwrap_or_else(|| self.wall.elapsed()).as_secs_f64() * 1_000.0
    }
}
