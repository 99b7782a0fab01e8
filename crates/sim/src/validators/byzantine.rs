//! What leaves a validator, and to whom: all of it from an honest one, less or more from the others.
//!
//! Every validator is the real node. Between it and the network stands a gate, which sees each message.

use std::{collections::BTreeSet, sync::Arc};

use assay_chain::committee::PublicKey;
use commonware_p2p::{
    Recipients,
    simulated::{SplitForwarder, SplitOrigin},
};
use commonware_runtime::IoBuf;
use parking_lot::Mutex;

use super::scenario::Kind;

/// Numbers of the channels of votes and of blocks, in the order of [`assay_chain::Channels`].
const VOTES: u64 = 0;
const BLOCKS: u64 = 3;
/// Messages of its own that a speaker of garbage spoils.
const SAMPLES: usize = 24;

/// The newest messages of a node, which garbage is made of.
pub(super) type Samples = Arc<Mutex<Vec<Vec<u8>>>>;

/// The gate of a validator.
#[derive(Clone)]
pub(super) struct Gate {
    kind: Option<Kind>,
    /// Who hears the first half of an equivocator, or the blocks of one who withholds them.
    some: Arc<BTreeSet<PublicKey>>,
    /// All other validators.
    others: Arc<Vec<PublicKey>>,
    pub(super) samples: Samples,
}

impl Gate {
    pub(super) fn new(kind: Option<Kind>, some: BTreeSet<PublicKey>, others: Vec<PublicKey>) -> Self {
        Self { kind, some: Arc::new(some), others: Arc::new(others), samples: Samples::default() }
    }

    /// Who gets a message. What comes from the second origin is the second half of an equivocator, or garbage.
    fn recipients(
        &self,
        channel: u64,
        origin: SplitOrigin,
        to: &Recipients<PublicKey>,
        message: &IoBuf,
    ) -> Option<Recipients<PublicKey>> {
        let first = origin == SplitOrigin::Primary;
        match self.kind {
            None | Some(Kind::Delay { .. } | Kind::Censor) => first.then(|| to.clone()),
            Some(Kind::WithholdVotes) => (first && channel != VOTES).then(|| to.clone()),
            Some(Kind::WithholdBlocks { .. }) if channel == BLOCKS => Some(self.of_some(to, true)),
            Some(Kind::WithholdBlocks { .. }) => first.then(|| to.clone()),
            Some(Kind::Equivocate { open: true }) if channel == VOTES => Some(to.clone()),
            Some(Kind::Equivocate { .. }) => Some(self.of_some(to, first)),
            Some(Kind::Garbage) => {
                if first {
                    let mut samples = self.samples.lock();
                    if samples.len() == SAMPLES {
                        samples.remove(0);
                    }
                    samples.push(message.as_ref().to_vec());
                }
                Some(to.clone())
            }
        }
    }

    /// Of the recipients those who are among some, or those who are not.
    fn of_some(&self, to: &Recipients<PublicKey>, among: bool) -> Recipients<PublicKey> {
        let hears = |peer: &&PublicKey| self.some.contains(*peer) == among;
        let heard = match to {
            Recipients::All => self.others.iter().filter(hears).cloned().collect(),
            Recipients::Some(peers) => peers.iter().filter(hears).cloned().collect(),
            Recipients::One(peer) => Some(peer).into_iter().filter(hears).cloned().collect(),
        };
        Recipients::Some(heard)
    }

    /// The gate as the simulated network asks it.
    pub(super) fn on(self, channel: u64) -> impl SplitForwarder<PublicKey> {
        move |origin, to: &Recipients<PublicKey>, message: &IoBuf| self.recipients(channel, origin, to, message)
    }
}
