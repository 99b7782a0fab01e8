//! Who is who: keys follow from names, so that they are the same in every run.

use alloy_primitives::{Address, keccak256};
use assay_client::Wallet;
use assay_store::SealingKeypair;

/// Pays for the jobs.
pub(crate) const RENTER: &str = "renter";

pub(crate) fn wallet(name: &str) -> Wallet {
    Wallet::from_key(&keccak256(name)).expect("a hash is a key")
}

pub(crate) fn address(name: &str) -> Address {
    wallet(name).address()
}

pub(crate) fn sealing(name: &str) -> SealingKeypair {
    SealingKeypair::from_secret(keccak256(format!("{name}/sealing")).0)
}

pub(crate) fn provider_name(at: usize) -> String {
    format!("p{at}")
}

pub(crate) fn validator_name(at: usize) -> String {
    format!("v{at}")
}
