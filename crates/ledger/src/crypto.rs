//! The cryptography of consensus, which the ledger may not name: handed in through the block's context.

use assay_types::{Address, B256, Seat};

/// Checks what validators sign.
pub trait ConsensusCrypto: Send + Sync {
    /// Whether `proof` shows that the secret of `vote_key` is held by who made it.
    fn possesses(&self, vote_key: &[u8], proof: &[u8]) -> bool;

    /// Whose fault `evidence` proves on the network with this genesis; None where it proves nobody's. `committee` gives the seats of an epoch, while they
    /// are remembered, in order of their network keys.
    fn equivocator(
        &self,
        genesis_hash: &B256,
        evidence: &[u8],
        committee: &dyn Fn(u64) -> Option<Vec<Seat>>,
    ) -> Option<Equivocation>;
}

/// A seat that signed two votes of which an honest one signs at most one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Equivocation {
    /// Epoch of the votes.
    pub epoch: u64,
    /// View of the votes.
    pub view: u64,
    /// Who signed both.
    pub account: Address,
}
