//! Whole jobs with real agents over the real ledger, with blobs, blocks and guests in memory.

mod adversaries;
mod audits;
mod blobs;
mod capacity;
mod chain;
mod honest;
mod net;
mod restarts;
mod whole;
