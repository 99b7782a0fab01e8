//! Time as guests see it: a wall clock that stands still, and a monotonic clock that counts.

/// Nanoseconds since 1970 that the wall clock always shows: 2026-01-01T00:00:00Z.
pub(super) const WALL_CLOCK_NS: u64 = 1_767_225_600_000_000_000;

/// Nanoseconds that each reading of the monotonic clock adds, so that a guest which waits for time to
/// pass sees it pass.
const TICK_NS: u64 = 1_000;

const REALTIME: i32 = 0;
/// Monotonic, process and thread CPU time are one clock here.
const LAST_CLOCK: i32 = 3;

#[derive(Debug, Default)]
pub(super) struct Clock {
    monotonic_ns: u64,
}

impl Clock {
    /// Reads a clock; `None` if there is no such clock.
    pub(super) fn read(&mut self, id: i32) -> Option<u64> {
        match id {
            REALTIME => Some(WALL_CLOCK_NS),
            1..=LAST_CLOCK => {
                self.monotonic_ns = self.monotonic_ns.saturating_add(TICK_NS);
                Some(self.monotonic_ns)
            }
            _ => None,
        }
    }

    pub(super) fn resolution(id: i32) -> Option<u64> {
        (REALTIME..=LAST_CLOCK).contains(&id).then_some(TICK_NS)
    }

    /// Nanoseconds until a deadline on a clock; `None` if there is no such clock.
    pub(super) fn wait_ns(&self, id: i32, timeout_ns: u64, absolute: bool) -> Option<u64> {
        let now = match id {
            REALTIME => WALL_CLOCK_NS,
            1..=LAST_CLOCK => self.monotonic_ns,
            _ => return None,
        };
        Some(if absolute { timeout_ns.saturating_sub(now) } else { timeout_ns })
    }

    /// Lets time pass without anyone waiting.
    pub(super) fn advance(&mut self, ns: u64) {
        self.monotonic_ns = self.monotonic_ns.saturating_add(ns);
    }
}
