//! Listens to what consensus sees: when blocks become final, and who equivocates.

use std::sync::Arc;

use commonware_actor::Feedback;
use commonware_codec::Encode as _;
use commonware_consensus::{Reporter, simplex::types::Activity};
use commonware_cryptography::sha256::Digest;
use commonware_runtime::Clock;

use super::{app::now_ms, core::Core};
use crate::{
    committee::{Committee, Scheme},
    evidence,
};

/// A reporter beside the one that drives the chain.
pub(crate) struct Tap<E> {
    core: Arc<Core>,
    committee: Arc<Committee>,
    clock: Arc<E>,
}

impl<E> Tap<E> {
    pub(crate) fn new(core: Arc<Core>, committee: Arc<Committee>, clock: E) -> Self {
        Self { core, committee, clock: Arc::new(clock) }
    }
}

impl<E> Clone for Tap<E> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), committee: Arc::clone(&self.committee), clock: Arc::clone(&self.clock) }
    }
}

impl<E: Clock> Reporter for Tap<E> {
    type Activity = Activity<Scheme, Digest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        match activity {
            Activity::Finalization(finalization) => {
                self.core.note_finalized(&finalization.proposal.payload, now_ms(&*self.clock));
            }
            Activity::ConflictingNotarize(_) | Activity::ConflictingFinalize(_) | Activity::NullifyFinalize(_) => {
                // Reported votes need not be checked yet.
                if let Some(found) = evidence::check(&activity, &self.committee) {
                    self.core.note_evidence(found, activity.encode().to_vec().into());
                }
            }
            _ => {}
        }
        Feedback::Ok
    }
}
