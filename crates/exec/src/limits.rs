//! What one run may use, and the limiter that holds the guest's memory and tables to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::error::HostFault;
use crate::runtime::{MAX_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};

const PAGE_BYTES: usize = 64 << 10;

/// What the pinned engine says when growth is refused for the 32-bit address space.
const BEYOND_32_BITS: &str = "memory growth exceeds memory type's limits";

/// What one run may use. All but `wall_clock` decide the outcome, so they come from the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fuel cap.
    pub fuel: u64,
    /// Bytes that all linear memories may have together. Growing beyond answers -1.
    pub memory_bytes: u64,
    /// Bytes of output: a component's result, or the output bundle of a WASI command.
    pub output_bytes: u32,
    /// Bytes of stderr that are kept; the rest is dropped without the guest noticing.
    pub log_bytes: u32,
    /// Guard against a host too slow for the fuel cap. Running into it is a [`HostFault`].
    pub wall_clock: Duration,
}

/// Memory that may be promised to guests at one time, so that none is started which the host could not
/// carry to its declared maximum.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    limit: Option<u64>,
    promised: AtomicU64,
}

impl MemoryBudget {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { limit, promised: AtomicU64::new(0) }
    }

    /// Promises `bytes` until the reservation is dropped.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation, HostFault> {
        let fits =
            |promised: u64| promised.checked_add(bytes).filter(|total| self.limit.is_none_or(|limit| *total <= limit));
        match self.promised.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(Reservation { budget: self.clone(), bytes }),
            Err(_) => Err(HostFault::OutOfMemory { wanted_bytes: bytes }),
        }
    }
}

/// A promise of memory, taken back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<MemoryBudget>,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.promised.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Holds memories and tables of one store to their limits, and remembers why growth was refused.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_limit: usize,
    memory_bytes: usize,
    table_elements: usize,
    /// The growth last agreed to lies within the memory's own maximum.
    within_maximum: bool,
    /// The guest was refused memory beyond its limit.
    pub(crate) refused: bool,
    /// The host could not give memory that was within the limit.
    pub(crate) host_failed: bool,
}

impl Limiter {
    pub(crate) fn new(memory_bytes: u64) -> Self {
        let memory_limit = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
        Self {
            memory_limit,
            memory_bytes: 0,
            table_elements: 0,
            within_maximum: false,
            refused: false,
            host_failed: false,
        }
    }

    /// Pages that all memories have together.
    pub(crate) fn pages(&self) -> u64 {
        (self.memory_bytes / PAGE_BYTES) as u64
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = (self.memory_bytes - current).saturating_add(desired);
        if total > self.memory_limit {
            self.refused = true;
            return Ok(false);
        }
        // Beyond the module's own maximum the engine refuses after we agreed: do not count it.
        self.within_maximum = maximum.is_none_or(|maximum| desired <= maximum);
        if self.within_maximum {
            self.memory_bytes = total;
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if error.to_string().contains(BEYOND_32_BITS) {
            // Refused before we were asked: more than any 32-bit memory can have.
            self.refused = true;
            return Ok(());
        }
        if !self.within_maximum {
            return Ok(());
        }
        self.host_failed = true;
        Err(error)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = (self.table_elements - current).saturating_add(desired);
        if total > MAX_TABLE_ELEMENTS {
            self.refused = true;
            return Ok(false);
        }
        if maximum.is_none_or(|maximum| desired <= maximum) {
            self.table_elements = total;
        }
        Ok(true)
    }
}
