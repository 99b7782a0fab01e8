//! Evidence that a validator voted twice in a view: two of its votes that contradict each other, as
//! consensus saw them. Anyone can check it who knows the committee of that epoch.
//!
//! The bytes are simplex's encoding of the conflict: a tag, then both votes with their signatures.

use assay_ledger::Equivocation;
use commonware_codec::Decode as _;
use commonware_consensus::{
    Epochable as _, Viewable as _,
    simplex::types::{Activity, Attributable as _},
};
use commonware_cryptography::sha256::Digest;
use commonware_parallel::Sequential;
use rand::rngs::StdRng;
use rand_core::SeedableRng as _;

use crate::committee::{Committee, Scheme};

/// Most bytes of evidence: two votes.
pub(crate) const MAX_BYTES: usize = 1_024;

/// A conflict of votes.
pub(crate) type Conflict = Activity<Scheme, Digest>;

/// Reads evidence; none where it is anything else.
pub(crate) fn read(bytes: &[u8]) -> Option<(Conflict, u64)> {
    if bytes.len() > MAX_BYTES {
        return None;
    }
    // No certificate is part of a conflict, so none is allowed.
    let conflict = Conflict::decode_cfg(bytes.to_vec(), &0).ok()?;
    let epoch = match &conflict {
        Activity::ConflictingNotarize(conflict) => conflict.epoch(),
        Activity::ConflictingFinalize(conflict) => conflict.epoch(),
        Activity::NullifyFinalize(conflict) => conflict.epoch(),
        _ => return None,
    };
    Some((conflict, epoch.get()))
}

/// Who is guilty; none where the votes prove nothing under this committee.
pub(crate) fn check(conflict: &Conflict, committee: &Committee) -> Option<Equivocation> {
    let scheme = committee.verifier();
    // The randomness batches checks of signatures; nothing depends on it but the work of a forger.
    let mut rng = StdRng::from_seed(committee.genesis_hash().0);
    let (good, epoch, view, signer) = match conflict {
        Activity::ConflictingNotarize(c) => (c.verify(&mut rng, &scheme, &Sequential), c.epoch(), c.view(), c.signer()),
        Activity::ConflictingFinalize(c) => (c.verify(&mut rng, &scheme, &Sequential), c.epoch(), c.view(), c.signer()),
        Activity::NullifyFinalize(c) => (c.verify(&mut rng, &scheme, &Sequential), c.epoch(), c.view(), c.signer()),
        _ => return None,
    };
    let seat = committee.signer_at(usize::from(signer))?;
    (good && epoch.get() == committee.epoch()).then_some(Equivocation {
        epoch: epoch.get(),
        view: view.get(),
        account: seat.account,
    })
}
