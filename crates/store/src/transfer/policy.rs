//! Who may store what here.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::{BlobId, disk::Holder, source::NodeId};

/// A blob a peer would like to store here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutOffer {
    /// Who offers, authenticated.
    pub peer: NodeId,
    /// The blob.
    pub id: BlobId,
    /// Its size as announced; exactly so many bytes will be taken.
    pub size_bytes: u64,
}

/// The answer to an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutDecision {
    /// Send it.
    Accept,
    /// Not wanted here.
    Refuse,
    /// Wanted, but not of this size.
    TooLarge,
}

/// Decides over offers. Called on the network's threads: answer from memory.
pub trait AcceptPut: Send + Sync + 'static {
    /// Whether to take the blob.
    fn decide(&self, offer: &PutOffer) -> PutDecision;
}

/// Takes nothing from anyone.
#[derive(Debug, Clone, Copy, Default)]
pub struct RefusePuts;

impl AcceptPut for RefusePuts {
    fn decide(&self, _: &PutOffer) -> PutDecision {
        PutDecision::Refuse
    }
}

/// Takes the blobs that open jobs named, and no others.
#[derive(Debug, Default)]
pub struct ExpectedBlobs {
    // Few holders want the same blob, so a list each.
    wanted: Mutex<HashMap<BlobId, Vec<(Holder, u64)>>>,
}

impl ExpectedBlobs {
    /// Expects a blob of up to `max_bytes` on behalf of `holder`.
    pub fn expect(&self, id: BlobId, max_bytes: u64, holder: Holder) {
        let mut wanted = self.wanted.lock();
        let holders = wanted.entry(id).or_default();
        holders.retain(|(other, _)| *other != holder);
        holders.push((holder, max_bytes));
    }

    /// Expects nothing more on behalf of `holder`.
    pub fn forget(&self, holder: &Holder) {
        self.wanted.lock().retain(|_, holders| {
            holders.retain(|(other, _)| other != holder);
            !holders.is_empty()
        });
    }
}

impl AcceptPut for ExpectedBlobs {
    fn decide(&self, offer: &PutOffer) -> PutDecision {
        let wanted = self.wanted.lock();
        match wanted.get(&offer.id).and_then(|holders| holders.iter().map(|(_, max)| *max).max()) {
            None => PutDecision::Refuse,
            Some(max_bytes) if offer.size_bytes > max_bytes => PutDecision::TooLarge,
            Some(_) => PutDecision::Accept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_open_job_named_is_taken_and_only_while_it_is_open() {
        let policy = ExpectedBlobs::default();
        let offer = |n: u8, size_bytes| PutOffer { peer: NodeId([0; 32]), id: BlobId([n; 32]), size_bytes };
        policy.expect(BlobId([1; 32]), 10, [1; 32]);
        policy.expect(BlobId([1; 32]), 20, [2; 32]);
        assert_eq!(policy.decide(&offer(1, 20)), PutDecision::Accept);
        assert_eq!(policy.decide(&offer(1, 21)), PutDecision::TooLarge);
        assert_eq!(policy.decide(&offer(2, 1)), PutDecision::Refuse);
        policy.forget(&[2; 32]);
        assert_eq!(policy.decide(&offer(1, 20)), PutDecision::TooLarge);
        policy.forget(&[1; 32]);
        assert_eq!(policy.decide(&offer(1, 1)), PutDecision::Refuse);
    }
}
