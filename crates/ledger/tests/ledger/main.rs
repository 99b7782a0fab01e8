//! The ledger through its public face: signed transactions in, receipts and books out.

mod kit;
mod transactions;
