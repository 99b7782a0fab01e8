//! The ledger through its public face: signed transactions in, receipts and books out.

mod delivery;
mod disputes;
mod jobs;
mod kit;
mod providers;
mod scenario;
mod transactions;
