//! Randomness, phase 1: an accumulator over the leaders' unique signatures.
//!
//! Each leader adds its BLS signature over the height and nothing else. BLS signatures are unique, so
//! there is one value it can add and nothing to grind; nobody else can know it before. It can withhold
//! the block, once, at the price of its turn: one bit of bias a turn (see DESIGN, beacon).
//!
//! What a value decides must be fixed before the value exists: the ledger draws with the beacon of a
//! block strictly after the one that carried the order.

use assay_types::B256;
use commonware_codec::Encode as _;
use commonware_cryptography::bls12381::primitives::{
    group::Private,
    ops::{sign_message, verify_message},
    variant::MinPk,
};

use crate::keys::{VoteKey, VoteSignature};

/// What reveals of the network with namespace `network` are bound to.
fn namespace(network: &[u8]) -> Vec<u8> {
    [network, b"_BEACON"].concat()
}

/// The one value the holder of `key` can reveal at `height`.
pub fn reveal(network: &[u8], key: &Private, height: u64) -> VoteSignature {
    sign_message::<MinPk>(key, &namespace(network), &height.to_be_bytes())
}

/// Whether `reveal` is what `key` reveals at `height`.
pub fn verify(network: &[u8], key: &VoteKey, height: u64, reveal: &VoteSignature) -> bool {
    verify_message::<MinPk>(key, &namespace(network), &height.to_be_bytes(), reveal).is_ok()
}

/// The accumulator after a reveal: keccak256("assay/beacon", previous, reveal).
pub fn accumulate(previous: B256, reveal: &VoteSignature) -> B256 {
    let mut bytes = b"assay/beacon".to_vec();
    bytes.extend_from_slice(previous.as_slice());
    bytes.extend_from_slice(&reveal.encode());
    alloy_primitives::keccak256(bytes)
}
