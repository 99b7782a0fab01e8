//! The ledger through its public face: signed transactions in, receipts and books out.

mod audits;
mod capacity;
mod claims;
mod conformance;
mod delivery;
mod disputes;
mod governance;
mod health;
mod jobs;
mod kit;
mod market;
mod providers;
mod random;
mod reputation;
mod scenario;
mod sealed;
mod staking;
mod transactions;
