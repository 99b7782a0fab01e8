//! What a member does on the channel of dealings, and how many bytes it sends there.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use assay_chain::committee::PublicKey;
use commonware_actor::{Feedback, Unreliable};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients};
use commonware_runtime::IoBufs;
use parking_lot::Mutex;

/// How a member behaves in an epoch's round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// As it should.
    Honest,
    /// It deals nothing, and acknowledges what others deal.
    Stingy,
    /// It deals shares that do not match its commitment.
    Garbage,
    /// It says nothing at all.
    Mute,
}

/// Conduct by epoch.
pub(crate) type Plan = Arc<dyn Fn(u64) -> Conduct + Send + Sync>;
/// Messages and bytes sent on the channel, by epoch.
pub(crate) type Tally = Arc<Mutex<BTreeMap<u64, (u64, u64)>>>;

/// A sender that behaves as planned and counts.
#[derive(Clone)]
pub(crate) struct Conducted<S> {
    /// What sends.
    pub(crate) inner: S,
    /// What it does.
    pub(crate) plan: Plan,
    /// What it sent.
    pub(crate) tally: Tally,
}

impl<S: LimitedSender<PublicKey = PublicKey>> LimitedSender for Conducted<S> {
    type PublicKey = PublicKey;
    type Checked<'a> = Checked<S::Checked<'a>>;

    fn check(&mut self, recipients: Recipients<PublicKey>) -> Result<Self::Checked<'_>, SystemTime> {
        let (plan, tally) = (Arc::clone(&self.plan), Arc::clone(&self.tally));
        self.inner.check(recipients).map(|inner| Checked { inner, plan, tally })
    }
}

/// A sender to recipients that were checked.
pub(crate) struct Checked<S> {
    inner: S,
    plan: Plan,
    tally: Tally,
}

impl<S: CheckedSender<PublicKey = PublicKey>> CheckedSender for Checked<S> {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        self.inner.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let mut bytes = message.into().coalesce().as_ref().to_vec();
        // The epoch is a varint and small here; then the kind of message, 0 a dealing.
        let (epoch, dealing) = (u64::from(bytes[0]), bytes[1] == 0);
        assert!(epoch < 128, "the epoch takes one byte");
        match (self.plan)(epoch) {
            Conduct::Mute => return Unreliable::Outcome(Feedback::Ok),
            Conduct::Stingy if dealing => return Unreliable::Outcome(Feedback::Ok),
            Conduct::Garbage if dealing => {
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
            }
            Conduct::Honest | Conduct::Stingy | Conduct::Garbage => {}
        }
        let receivers = self.inner.recipients().len() as u64;
        let mut tally = self.tally.lock();
        let counted = tally.entry(epoch).or_default();
        *counted = (counted.0 + receivers, counted.1 + receivers * bytes.len() as u64);
        drop(tally);
        self.inner.send(bytes, priority)
    }
}
