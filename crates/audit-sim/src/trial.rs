//! One lot through an audit: draws by the ledger's code, an auditor that runs tasks again, an adjudicator.

use alloy_primitives::{Address, B256, keccak256};
use assay_proof::audit::{FuelLine, is_audited};
use assay_types::job::result_commitment;
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    Parameters,
    shape::{Run, Shape},
};

/// Beacon values nobody knew before, and the other chances of a run.
pub(crate) struct Beacon(pub(crate) StdRng);

impl Beacon {
    /// The run with this number of a seed.
    pub(crate) fn new(seed: u64, run: u64) -> Self {
        let seed = keccak256([seed.to_be_bytes(), run.to_be_bytes()].concat());
        Self(StdRng::from_seed(seed.0))
    }

    pub(crate) fn value(&mut self) -> B256 {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        B256::from(bytes)
    }
}

/// A task's result: what was computed and what it burned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaf {
    output: u64,
    fuel: u64,
}

/// What is wrong with a lot.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault<'a> {
    /// Nothing.
    None,
    /// Outputs of these tasks are made up.
    MadeUp(Run<'a>),
    /// These tasks claim twice their fuel.
    Padded(Run<'a>),
    /// Outputs of these tasks are wrong because a sealed order of the treasury, committed to before, says so.
    Forced(Run<'a>),
}

/// A lot whose provider has committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lot<'a> {
    pub(crate) shape: &'a Shape,
    /// The line of the fuel claimed.
    pub(crate) line: &'a FuelLine,
    pub(crate) fault: Fault<'a>,
}

impl Lot<'_> {
    /// What running the task gives.
    fn truth(&self, task: u32) -> Leaf {
        let fuel = self.shape.fuels.get(task as usize).copied().unwrap_or(0);
        Leaf { output: u64::from(task), fuel }
    }

    /// What the provider committed to.
    fn claimed(&self, task: u32) -> Leaf {
        let truth = self.truth(task);
        match &self.fault {
            Fault::MadeUp(run) | Fault::Forced(run) if run.holds(task) => Leaf { output: !truth.output, ..truth },
            Fault::Padded(run) if run.holds(task) => Leaf { fuel: 2 * truth.fuel, ..truth },
            _ => truth,
        }
    }

    fn forced(&self, task: u32) -> bool {
        matches!(&self.fault, Fault::Forced(run) if run.holds(task))
    }
}

/// How an auditor goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auditor {
    /// Runs the tasks and compares.
    Honest,
    /// Agrees without a look: lazy, or of the provider's coalition.
    Agrees,
    /// Says that the first task drawn is wrong, whatever it is.
    Objects,
}

/// How an audit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All agree: paid.
    Agreed,
    /// The provider was wrong: its lock is slashed and it is not paid.
    Guilty,
    /// An auditor objected to a forced error: bounty.
    Cleared,
    /// An auditor was wrong: its lock is slashed, the provider is paid.
    AuditorWrong,
}

/// An audit's end and what it cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Audit {
    pub(crate) verdict: Verdict,
    pub(crate) objected: bool,
    /// Fuel the auditors burned, where nothing was found.
    pub(crate) fuel: u64,
}

/// Audits a lot at the points of a beacon value.
pub(crate) fn audit(lot: &Lot<'_>, draws: u32, auditors: &[Auditor], points: B256) -> Audit {
    let mut audit = Audit { verdict: Verdict::Agreed, objected: false, fuel: 0 };
    for auditor in auditors {
        let objection = match auditor {
            Auditor::Honest => look(lot, draws, points, &mut audit.fuel),
            Auditor::Agrees => None,
            Auditor::Objects => lot.line.draw(points, 1).first().copied(),
        };
        audit.objected |= objection.is_some();
        let verdict = match objection {
            Some(task) => adjudicate(lot, task),
            None if forced_at(lot, draws, points) => Verdict::AuditorWrong,
            None => Verdict::Agreed,
        };
        if audit.verdict != Verdict::Guilty && verdict != Verdict::Agreed {
            audit.verdict = verdict;
        }
    }
    audit
}

/// Runs the tasks drawn, and says which differs. A longer draw begins with the points of a shorter one, so that
/// most of what is found is found early.
fn look(lot: &Lot<'_>, draws: u32, points: B256, fuel: &mut u64) -> Option<u32> {
    let mut places = Vec::new();
    for stage in [8, 64].into_iter().filter(|stage| *stage < draws).chain([draws]) {
        places = lot.line.draw(points, stage);
        if let Some(task) = places.iter().find(|task| lot.claimed(**task) != lot.truth(**task)) {
            return Some(*task);
        }
    }
    *fuel += places.iter().map(|task| lot.truth(*task).fuel).sum::<u64>();
    None
}

/// Validators run the task.
fn adjudicate(lot: &Lot<'_>, task: u32) -> Verdict {
    if lot.claimed(task) == lot.truth(task) {
        Verdict::AuditorWrong
    } else if lot.forced(task) {
        Verdict::Cleared
    } else {
        Verdict::Guilty
    }
}

/// Whether opening the treasury's order shows a forced error among the tasks drawn.
fn forced_at(lot: &Lot<'_>, draws: u32, points: B256) -> bool {
    matches!(lot.fault, Fault::Forced(_)) && lot.line.draw(points, draws).iter().any(|task| lot.forced(*task))
}

/// Operators by stake, some of whom agree with anything.
#[derive(Debug)]
pub(crate) struct Operators {
    line: FuelLine,
    agree: u32,
}

impl Operators {
    /// Operators with unequal stakes, of which those who agree hold exactly this share.
    pub(crate) fn new(agree_bps: u32) -> Self {
        let (theirs, others) = (stakes(u64::from(agree_bps.min(10_000))), stakes(u64::from(10_000 - agree_bps)));
        let agree = u32::try_from(theirs.len()).unwrap_or(u32::MAX);
        Self { line: FuelLine::new(&[theirs, others].concat()), agree }
    }

    /// Draws auditors by stake, each independently.
    pub(crate) fn draw(&self, value: B256, auditors: u32) -> Vec<Auditor> {
        let one = |auditor: u32| {
            let seed = keccak256([value.as_slice(), b"auditor", &auditor.to_be_bytes()].concat());
            let drawn = self.line.draw(seed, 1).first().copied();
            if drawn.is_some_and(|place| place < self.agree) { Auditor::Agrees } else { Auditor::Honest }
        };
        (0..auditors).map(one).collect()
    }
}

/// Stakes of 50, 100, 150 and so on that sum to `share` basis points.
fn stakes(share: u64) -> Vec<u64> {
    let mut left = share;
    let mut stakes = Vec::new();
    while left > 0 {
        let stake = left.min(50 * (stakes.len() as u64 % 20 + 1));
        stakes.push(stake);
        left -= stake;
    }
    stakes
}

/// What a leader does to the draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// Not its turn.
    None,
    /// Withholds a value that says "audited".
    Decision,
    /// As decision, and withholds points that find it where it leads, with this chance.
    Both {
        /// Basis points.
        leads_bps: u32,
    },
    /// One value does it all: withholds it when it finds the cheat.
    OneValue,
}

/// A lot's audit, if there is one.
pub(crate) fn settle(
    lot: &Lot<'_>,
    lead: Lead,
    rule: &Parameters,
    operators: &Operators,
    beacon: &mut Beacon,
) -> Option<Audit> {
    let decided = |beacon: &mut Beacon| is_audited(beacon.value(), rule.chance_bps);
    let looked = |beacon: &mut Beacon| {
        let points = beacon.value();
        audit(lot, rule.draws, &operators.draw(points, rule.auditors), points)
    };
    let whole = |beacon: &mut Beacon| decided(beacon).then(|| looked(beacon));
    let guilty = |audit: &Audit| audit.verdict == Verdict::Guilty;
    match lead {
        Lead::None => whole(beacon),
        Lead::Decision => (decided(beacon) && decided(beacon)).then(|| looked(beacon)),
        Lead::Both { leads_bps } => (decided(beacon) && decided(beacon)).then(|| {
            let first = looked(beacon);
            let withholds = guilty(&first) && beacon.0.random_range(0..10_000) < leads_bps;
            if withholds { looked(beacon) } else { first }
        }),
        Lead::OneValue => match whole(beacon) {
            Some(first) if guilty(&first) => whole(beacon),
            other => other,
        },
    }
}

/// Whether somebody who committed to another replica's bytes is caught when it has to open them.
pub(crate) fn copied_is_caught(beacon: &mut Beacon) -> bool {
    let (job, salt, root) = (beacon.value(), beacon.value(), beacon.value());
    let fuel = beacon.0.random_range(1..u64::MAX);
    let (other, copier) = (Address::from_word(beacon.value()), Address::from_word(beacon.value()));
    let committed = result_commitment(1, job, 0, other, salt, root, fuel);
    // The other has opened by now: its salt, root and fuel are all there is to try.
    result_commitment(1, job, 0, copier, salt, root, fuel) != committed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Pick;

    #[test]
    fn verdicts_follow_what_the_tasks_are_when_run() {
        let mut beacon = Beacon::new(1, 1);
        let shapes = Shape::all(&mut beacon.0, &[10_000]);
        let shape = shapes.first().expect("some");
        let all = shape.pick(Pick::Random, 10_000, &mut beacon.0);
        let (padded, line) = shape.padded(10_000).expect("asked for");
        let seed = beacon.value();
        let verdict = |fault, line, auditor| audit(&Lot { shape, line, fault }, 3, &[auditor], seed).verdict;
        use {Auditor as A, Verdict as V};
        for (fault, line, auditor, expected) in [
            (Fault::None, &shape.line, A::Honest, V::Agreed),
            (Fault::None, &shape.line, A::Agrees, V::Agreed),
            (Fault::None, &shape.line, A::Objects, V::AuditorWrong),
            (Fault::MadeUp(all), &shape.line, A::Honest, V::Guilty),
            (Fault::MadeUp(all), &shape.line, A::Agrees, V::Agreed),
            (Fault::MadeUp(all), &shape.line, A::Objects, V::Guilty),
            (Fault::Padded(padded), line, A::Honest, V::Guilty),
            (Fault::Forced(all), &shape.line, A::Honest, V::Cleared),
            (Fault::Forced(all), &shape.line, A::Agrees, V::AuditorWrong),
        ] {
            assert_eq!(verdict(fault, line, auditor), expected, "{auditor:?}");
        }
    }

    #[test]
    fn a_longer_draw_begins_with_the_points_of_a_shorter_one() {
        let mut beacon = Beacon::new(2, 1);
        let shapes = Shape::all(&mut beacon.0, &[]);
        for shape in &shapes {
            let seed = beacon.value();
            let long = shape.line.draw(seed, 459);
            assert!([8, 64].iter().all(|stage| shape.line.draw(seed, *stage).iter().all(|place| long.contains(place))));
        }
    }

    #[test]
    fn operators_hold_the_share_they_are_given() {
        for agree_bps in [0, 1_000, 3_333, 10_000] {
            let theirs: u64 = stakes(u64::from(agree_bps)).iter().sum();
            assert_eq!(theirs, u64::from(agree_bps));
            let (operators, mut beacon) = (Operators::new(agree_bps), Beacon::new(3, u64::from(agree_bps)));
            let agree = |_: &u32| operators.draw(beacon.value(), 1) == [Auditor::Agrees];
            let hits = (0u32..4_000).filter(agree).count() as u64;
            let (low, high) = crate::clopper_pearson(hits, 4_000);
            assert!((low..=high).contains(&(f64::from(agree_bps) / 1e4)), "{agree_bps}: {hits}");
        }
    }
}
