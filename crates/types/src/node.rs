//! What a node says about itself and proves about the state: shapes of `assay_status`,
//! `assay_certificate`, `assay_stateProof`, `assay_jobProof` and `assay_receipt`.

use alloy_primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::{block::Receipt, staking::Seat};

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Names the network.
    pub genesis_hash: B256,
    /// Latest finalized height.
    pub height: u64,
    /// Its block's digest.
    pub hash: B256,
    /// State root after it.
    pub state_root: B256,
    /// Its time, milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// Whether the node is still reading blocks it missed.
    pub syncing: bool,
    /// Validators it talks to, itself not counted.
    pub peers: u32,
    /// Transactions that wait for a block.
    pub waiting_txs: u64,
    /// Proposal to finality of the latest blocks, milliseconds; none before the first.
    pub finality_ms: Option<Quantiles>,
    /// The node's program version.
    pub version: String,
}

/// Two quantiles of a measured time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Median.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
}

/// Proof that a block is final, for someone who knows the validators' keys. The bytes are the chain's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Height of the block.
    pub height: u64,
    /// Its digest, which the validators signed.
    pub hash: B256,
    /// Encoded header that hashes to the digest.
    pub header: Bytes,
    /// Encoded finality certificate.
    pub certificate: Bytes,
}

/// How one committee names the next: the certified last block of an epoch, and the seats it commits to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// Encoded header of the last block of an epoch.
    pub header: Bytes,
    /// Encoded finality certificate over it.
    pub certificate: Bytes,
    /// The committee of the next epoch.
    pub seats: Vec<Seat>,
}

/// A committee somebody trusts, as of a time: what a verification starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Names the network.
    pub genesis_hash: B256,
    /// Epoch the committee votes in.
    pub epoch: u64,
    /// The committee.
    pub seats: Vec<Seat>,
    /// When it was known to be that committee: the time of the block that fixed it, milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
}

/// Proof that the state has a value under a key, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateProof {
    /// Height of the proven state.
    pub height: u64,
    /// Digest of that block.
    pub hash: B256,
    /// State root after it.
    pub state_root: B256,
    /// What was asked for.
    pub key: Bytes,
    /// What is there; none proves that nothing is.
    pub value: Option<Bytes>,
    /// Encoded proof under the state root.
    pub proof: Bytes,
    /// Encoded header of the block.
    pub header: Bytes,
    /// Encoded finality certificate over it.
    pub certificate: Bytes,
    /// How the committee came to sit that signed it, from the one the reader knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Handover>,
}

/// A final receipt and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedReceipt {
    /// Height of its block.
    pub height: u64,
    /// Position in the block.
    pub index: u32,
    /// What the transaction did.
    pub receipt: Receipt,
}
