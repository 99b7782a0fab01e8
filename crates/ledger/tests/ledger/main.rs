//! The ledger through its public face: signed transactions in, receipts and books out.

mod jobs;
mod kit;
mod scenario;
mod transactions;
