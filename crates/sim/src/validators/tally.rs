//! What is counted in a run of the validators' network, and over many.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts of one run, or of several added up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Validators' epochs that began.
    pub epochs: u64,
    /// Turns after which other accounts sat.
    pub changes: u64,
    /// Heights whose books were added up from the outside; each node adds up those of every block.
    pub books: u64,
    /// Transactions that became final.
    pub transactions: u64,
    /// Crashes and partitions, by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// Validators shown to have contradicted themselves, and shut out.
    pub punished: u64,
    /// Times that an honest validator cut off one who spoke garbage.
    pub blocked: u64,
    /// Refused transactions held to the bound on censorship.
    pub bounded: u64,
    /// Those of them that submit a job.
    pub bounded_jobs: u64,
    /// The most blocks that one of them took in an epoch, and across a turn.
    pub refused_worst: [u64; 2],
    /// Longest simulated time from the end of the last fault to five blocks more everywhere, milliseconds.
    pub slowest_recovery_ms: u64,
    /// Simulated time, milliseconds.
    pub simulated_ms: u64,
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.epochs += other.epochs;
        self.changes += other.changes;
        self.books += other.books;
        self.transactions += other.transactions;
        for (name, count) in &other.faults {
            *self.faults.entry(*name).or_default() += count;
        }
        self.punished += other.punished;
        self.blocked += other.blocked;
        self.bounded += other.bounded;
        self.bounded_jobs += other.bounded_jobs;
        for (worst, one) in self.refused_worst.iter_mut().zip(other.refused_worst) {
            *worst = one.max(*worst);
        }
        self.slowest_recovery_ms = self.slowest_recovery_ms.max(other.slowest_recovery_ms);
        self.simulated_ms += other.simulated_ms;
    }
}
