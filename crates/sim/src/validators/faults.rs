//! Crashes and partitions: when they begin and end, and how fast the network goes on after the last.

use std::collections::BTreeSet;

use assay_ledger::committee;
use assay_types::B256;

use super::{
    World, genesis,
    scenario::{Fault, Trouble, VALIDATORS},
};

/// Blocks that all honest validators must have beyond the newest when the last fault was over.
const ON: u64 = 5;
/// Simulated milliseconds in which they must.
pub(super) const RECOVERY_MS: u64 = 30_000;

/// A fault under way.
pub(super) struct Active {
    until_ms: u64,
    /// Who crashed, or who is cut off.
    side: Vec<usize>,
    trouble: Trouble,
}

/// What must come after all is whole again.
pub(super) struct Recovery {
    since_ms: u64,
    height: u64,
    waiting: Vec<B256>,
}

impl World {
    /// Begins and ends what is due.
    pub(super) async fn see_to_faults(&mut self) {
        let now = self.now_ms();
        let mut index = 0;
        while let Some(active) = self.active.get(index) {
            if active.until_ms > now {
                index += 1;
                continue;
            }
            let over = self.active.remove(index);
            match over.trouble {
                Trouble::Crash => {
                    for at in over.side {
                        self.seen[at] = 0;
                        self.start_validator(at).await;
                    }
                }
                Trouble::Cut { .. } => self.heal(&over.side).await,
            }
            self.censorship.disturb();
            if self.active.is_empty() {
                let (height, _) = self.newest();
                self.recovery = Some(Recovery { since_ms: now, height, waiting: self.load.waiting() });
            }
        }
        while let Some(fault) = self.faults.front() {
            let cut = matches!(fault.trouble, Trouble::Cut { .. });
            let busy = cut && self.active.iter().any(|active| matches!(active.trouble, Trouble::Cut { .. }));
            if self.newest().0 < fault.height || busy {
                break;
            }
            let Some(fault) = self.faults.pop_front() else { break };
            self.begin(fault, now).await;
        }
    }

    async fn begin(&mut self, fault: Fault, now: u64) {
        let side = match fault.trouble {
            Trouble::Crash => {
                let up: BTreeSet<usize> = self.honest().map(|(at, _)| at).collect();
                let first = fault.order.iter().copied().find(|at| up.contains(at));
                first.into_iter().inspect(|at| self.crash(*at)).collect()
            }
            Trouble::Cut { seats } => {
                let side = self.side(&fault.order, seats);
                self.cut(&side).await;
                side
            }
        };
        self.censorship.disturb();
        self.recovery = None;
        *self.happened.entry(fault.trouble.name()).or_default() += 1;
        self.active.push(Active { until_ms: now + fault.lasts_ms, side, trouble: fault.trouble });
    }

    /// The first seats of an order, and every other of those without a seat.
    fn side(&self, order: &[usize], seats: usize) -> Vec<usize> {
        let state = self.best().and_then(|node| node.tip_state()).map(|(_, state)| state);
        let sitting = state.and_then(|state| committee(&state, self.epoch())).unwrap_or_default();
        let sits = |at: &usize| sitting.iter().any(|seat| seat.account == genesis::account(*at));
        let (with, without): (Vec<usize>, Vec<usize>) = order.iter().partition(|at| sits(at));
        with.into_iter().take(seats).chain(without.into_iter().step_by(2)).collect()
    }

    /// Liveness: once all is whole all honest validators go on, and what waited becomes final, in bounded time.
    pub(super) fn check_recovery(&mut self) {
        let Some(recovery) = &self.recovery else { return };
        let took = self.now_ms() - recovery.since_ms;
        let on = self.lowest().is_some_and(|lowest| lowest >= recovery.height + ON);
        if on && recovery.waiting.iter().all(|hash| self.load.finals.contains_key(hash)) {
            self.slowest_recovery_ms = self.slowest_recovery_ms.max(took);
            self.recovery = None;
            return;
        }
        let left: Vec<_> = recovery.waiting.iter().filter(|hash| !self.load.finals.contains_key(*hash)).collect();
        let heights: Vec<_> = (0..VALIDATORS).map(|at| (at, self.seen[at], self.scenario.kind(at))).collect();
        assert!(
            took <= RECOVERY_MS,
            "{took} ms after all was whole at {}: {heights:?}, not final: {left:?}",
            recovery.height
        );
    }
}
