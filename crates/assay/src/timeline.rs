//! The course of one job as the chain's own events tell it: who had which lot, when each phase began
//! and ended, who was slashed and paid.
//!
//! Times are block times in milliseconds since the job was submitted. The timeline is a fold over
//! finalized blocks, so feeding the same blocks gives the same timeline.

use std::collections::{BTreeMap, BTreeSet};

use alloy_sol_types::SolEventInterface;
use assay_types::{
    Address, Fault, FinalizedBlock, Grains, JobId, Log,
    abi::{
        IDisputes::{DisputeResolved, IDisputesEvents},
        IJobs::{IJobsEvents, Slashed},
    },
    system,
};

/// What a replica of a lot was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Waits for the job key.
    Key,
    /// Fetches and runs.
    Run,
    /// Committed, waits for the other replicas.
    Committed,
    /// Openings are due.
    Reveal,
    /// Agreed, open to challenge.
    Challenge,
    /// Adjudicated.
    Dispute,
}

/// A phase of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) phase: Phase,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
}

/// How a replica ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Still at it.
    Open,
    /// Paid.
    Settled,
    /// Slashed for this.
    Slashed(Fault),
    /// Its lot was handed out anew through no fault of its own.
    Released,
}

/// One replica of one lot.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) lot: u32,
    pub(crate) provider: Address,
    pub(crate) spans: Vec<Span>,
    pub(crate) end: End,
}

/// A slash as it was split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlashEvent {
    pub(crate) at_ms: u64,
    pub(crate) lot: u32,
    pub(crate) provider: Address,
    pub(crate) fault: Fault,
    pub(crate) amount: Grains,
    pub(crate) burned: Grains,
    pub(crate) to_catchers: Grains,
    pub(crate) to_renter: Grains,
}

/// The course of one job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timeline {
    job: JobId,
    /// Block time of the submission.
    pub(crate) submitted_at_ms: Option<u64>,
    /// Block time of the close.
    pub(crate) closed_at_ms: Option<u64>,
    /// Every replica of every lot, in order of assignment.
    pub(crate) rows: Vec<Row>,
    /// Slashes in order.
    pub(crate) slashes: Vec<SlashEvent>,
    /// Lots settled so far.
    pub(crate) settled: u32,
    /// Commitments so far.
    pub(crate) commitments: u32,
    /// Disputes opened.
    pub(crate) disputes: u32,
    /// Lots handed out anew.
    pub(crate) requeued: u32,
    /// Paid to each provider.
    pub(crate) paid: BTreeMap<Address, Grains>,
    /// Providers that have the job key.
    keyed: BTreeSet<Address>,
    /// The last thing that happened, in words.
    pub(crate) latest: String,
}

impl Timeline {
    /// The timeline of `job`, empty as yet.
    pub(crate) fn new(job: JobId) -> Self {
        Self { job, ..Self::default() }
    }

    /// Milliseconds from submission to close.
    pub(crate) fn length_ms(&self) -> u64 {
        let last = self.rows.iter().flat_map(|r| &r.spans).map(|s| s.to_ms).max().unwrap_or_default();
        match (self.submitted_at_ms, self.closed_at_ms) {
            (Some(from), Some(to)) => to.saturating_sub(from),
            _ => last,
        }
    }

    /// Takes in the next finalized block.
    pub(crate) fn follow(&mut self, block: &FinalizedBlock) {
        for log in block.logs() {
            self.event(log, block.timestamp_ms);
        }
    }

    fn event(&mut self, log: &Log, time_ms: u64) {
        // The job is the first indexed field of every event of both contracts.
        if log.topics().get(1) != Some(&self.job) {
            return;
        }
        let now = time_ms.saturating_sub(self.submitted_at_ms.unwrap_or(time_ms));
        match log.address {
            system::JOBS => {
                if let Ok(event) = IJobsEvents::decode_raw_log(log.topics(), &log.data.data) {
                    self.job_event(event, time_ms, now);
                }
            }
            system::DISPUTES => {
                if let Ok(event) = IDisputesEvents::decode_raw_log(log.topics(), &log.data.data) {
                    self.dispute_event(event, now);
                }
            }
            _ => {}
        }
    }

    fn job_event(&mut self, event: IJobsEvents, time_ms: u64, now: u64) {
        match event {
            IJobsEvents::JobSubmitted(_) => self.submitted_at_ms = Some(time_ms),
            IJobsEvents::LotAssigned(e) => {
                let phase = if self.keyed.contains(&e.provider) { Phase::Run } else { Phase::Key };
                self.enter(e.lot, e.provider, phase, now);
            }
            IJobsEvents::KeyDelivered(e) => {
                self.keyed.insert(e.provider);
                let waiting = self.rows.iter_mut().filter(|r| r.provider == e.provider && r.is_in(Phase::Key));
                waiting.for_each(|row| row.enter(Phase::Run, now));
            }
            IJobsEvents::Committed(e) => {
                self.commitments += 1;
                self.enter(e.lot, e.provider, Phase::Committed, now);
            }
            IJobsEvents::RevealOpened(e) => self.enter_all(e.lot, Phase::Reveal, now),
            IJobsEvents::LotAgreed(e) => self.enter_all(e.lot, Phase::Challenge, now),
            IJobsEvents::LotSettled(e) => {
                self.settled += 1;
                self.latest = format!("lot {} settled", e.lot);
                self.close(e.lot, None, End::Settled, now);
            }
            IJobsEvents::LotRequeued(e) => {
                self.requeued += 1;
                self.latest = format!("lot {} handed out anew", e.lot);
                self.close(e.lot, None, End::Released, now);
            }
            IJobsEvents::Declined(e) => self.close(e.lot, Some(e.provider), End::Released, now),
            IJobsEvents::Slashed(e) => self.slashed(&e, now),
            IJobsEvents::ProviderPaid(e) => {
                let paid = self.paid.entry(e.provider).or_default();
                *paid = paid.saturating_add(e.amount);
                self.paid_for(e.lot, e.provider, now);
            }
            IJobsEvents::JobClosed(_) => self.closed_at_ms = Some(time_ms),
            IJobsEvents::Revealed(_)
            | IJobsEvents::JobAmended(_)
            | IJobsEvents::BidSealed(_)
            | IJobsEvents::SealOpened(_)
            | IJobsEvents::SealForfeited(_)
            | IJobsEvents::DeliveryDemanded(_)
            | IJobsEvents::DeliveryAttested(_)
            | IJobsEvents::DeliveryResolved(_) => {}
        }
    }

    fn dispute_event(&mut self, event: IDisputesEvents, now: u64) {
        match event {
            IDisputesEvents::DisputeOpened(e) => {
                self.disputes += 1;
                self.latest = format!("lot {}: results differ, validators re-execute", e.lot);
                self.enter_all(e.lot, Phase::Dispute, now);
            }
            IDisputesEvents::DisputeResolved(DisputeResolved { lot, wrong, .. }) => {
                self.latest = format!("lot {lot}: adjudicated, {} wrong", wrong.len());
            }
            IDisputesEvents::RuntimeQuarantined(_) => {
                "validators differ: the runtime is quarantined".clone_into(&mut self.latest);
            }
            IDisputesEvents::SlashHeld(e) => {
                self.latest = format!("lot {}: a provider was late", e.lot);
            }
            IDisputesEvents::Slept(_)
            | IDisputesEvents::Excused(_)
            | IDisputesEvents::SlashExcused(_)
            | IDisputesEvents::KeyDisclosed(_)
            | IDisputesEvents::VerdictCommitted(_)
            | IDisputesEvents::VerdictRevealed(_) => {}
        }
    }

    fn slashed(&mut self, e: &Slashed, now: u64) {
        let Some(fault) = Fault::from_number(e.fault) else { return };
        self.slashes.push(SlashEvent {
            at_ms: now,
            lot: e.lot,
            provider: e.provider,
            fault,
            amount: e.amount,
            burned: e.burned,
            to_catchers: e.toCatchers,
            to_renter: e.toRenter,
        });
        self.latest = format!("lot {}: a provider was slashed", e.lot);
        self.close(e.lot, Some(e.provider), End::Slashed(fault), now);
    }

    fn enter(&mut self, lot: u32, provider: Address, phase: Phase, now: u64) {
        let open = self.rows.iter_mut().find(|r| r.lot == lot && r.provider == provider && r.end == End::Open);
        match open {
            Some(row) => row.enter(phase, now),
            None => {
                let span = Span { phase, from_ms: now, to_ms: now };
                self.rows.push(Row { lot, provider, spans: vec![span], end: End::Open });
            }
        }
    }

    fn enter_all(&mut self, lot: u32, phase: Phase, now: u64) {
        self.rows.iter_mut().filter(|r| r.lot == lot && r.end == End::Open).for_each(|row| row.enter(phase, now));
    }

    /// A replica that was right keeps its place when its lot is handed out anew, and is paid with it.
    fn paid_for(&mut self, lot: u32, provider: Address, now: u64) {
        let row = self.rows.iter_mut().rev().find(|r| r.lot == lot && r.provider == provider);
        if let Some(row) = row.filter(|r| r.end == End::Released) {
            row.end = End::Open;
            row.enter(Phase::Committed, now);
            row.end = End::Settled;
        }
    }

    fn close(&mut self, lot: u32, provider: Option<Address>, end: End, now: u64) {
        let of = |r: &&mut Row| r.lot == lot && r.end == End::Open && provider.is_none_or(|p| p == r.provider);
        self.rows.iter_mut().filter(of).for_each(|row| {
            row.touch(now);
            row.end = end;
        });
    }
}

impl Row {
    fn is_in(&self, phase: Phase) -> bool {
        self.end == End::Open && self.spans.last().is_some_and(|s| s.phase == phase)
    }

    fn touch(&mut self, now: u64) {
        if let Some(span) = self.spans.last_mut() {
            span.to_ms = span.to_ms.max(now);
        }
    }

    fn enter(&mut self, phase: Phase, now: u64) {
        self.touch(now);
        if !self.is_in(phase) {
            self.spans.push(Span { phase, from_ms: now, to_ms: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::IntoLogData;
    use assay_types::{B256, abi::IJobs};

    use super::*;

    fn log(event: impl IntoLogData) -> Log {
        Log { address: system::JOBS, data: event.to_log_data() }
    }

    #[test]
    fn a_lot_handed_out_anew_starts_a_row_of_its_own() {
        let job = B256::repeat_byte(7);
        let [a, b] = [1, 2].map(Address::repeat_byte);
        let mut line = Timeline::new(job);
        let assigned = |provider| IJobs::LotAssigned { job, lot: 0, provider, pricePerGigafuel: 1, locked: 2 };
        line.event(&log(IJobs::JobSubmitted { job, renter: b, tasks: 1, lots: 1, escrow: 5 }), 1_000);
        line.event(&log(assigned(a)), 1_050);
        line.event(&log(IJobs::KeyDelivered { job, provider: a, sender: b, sealedKey: Default::default() }), 1_100);
        line.event(&log(IJobs::Committed { job, lot: 0, provider: a }), 1_500);
        let fault = Fault::WrongResult as u8;
        let slash =
            IJobs::Slashed { job, lot: 0, provider: a, fault, amount: 10, burned: 5, toCatchers: 4, toRenter: 1 };
        line.event(&log(slash), 1_700);
        line.event(&log(IJobs::LotRequeued { job, lot: 0, cause: 6 }), 1_700);
        line.event(&log(assigned(b)), 1_750);
        line.event(&log(IJobs::LotSettled { job, lot: 0, fuel: 1, paid: 1 }), 2_000);
        // An event of another job changes nothing.
        line.event(&log(IJobs::LotSettled { job: B256::ZERO, lot: 0, fuel: 1, paid: 1 }), 2_100);
        let phases: Vec<_> = line.rows[0].spans.iter().map(|s| (s.phase, s.from_ms, s.to_ms)).collect();
        assert_eq!(phases, [(Phase::Key, 50, 100), (Phase::Run, 100, 500), (Phase::Committed, 500, 700)]);
        assert_eq!(line.rows[0].end, End::Slashed(Fault::WrongResult));
        assert_eq!((line.rows[1].provider, line.rows[1].end), (b, End::Settled));
        assert_eq!((line.settled, line.requeued, line.slashes.len()), (1, 1, 1));
    }
}
