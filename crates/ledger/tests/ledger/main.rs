//! The ledger through its public face: signed transactions in, receipts and books out.

mod claims;
mod conformance;
mod delivery;
mod disputes;
mod jobs;
mod kit;
mod market;
mod providers;
mod random;
mod scenario;
mod sealed;
mod transactions;
