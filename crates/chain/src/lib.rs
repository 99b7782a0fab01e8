//! assay-chain

pub mod index;
pub mod mempool;
