//! Honest providers before auditors of every kind: nobody honest may be slashed.

use serde::Serialize;

use crate::{
    Parameters,
    formula::hit,
    parameters::PRICE,
    shape::{Pick, Shape},
    trial::{Audit, Auditor, Beacon, Fault, Lot, Verdict, audit},
};
use assay_proof::audit::is_audited;

/// Before whom, and what the lot carries.
const CASES: [(&str, Auditor, bool); 4] = [
    ("honest auditors", Auditor::Honest, false),
    ("lazy auditors", Auditor::Agrees, false),
    ("auditors that object falsely", Auditor::Objects, false),
    ("honest auditors, forced errors", Auditor::Honest, true),
];

/// Honest providers before one kind of auditor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HonestRun {
    /// Before whom.
    pub auditors: &'static str,
    /// Chance of an audit, basis points.
    pub chance_bps: u32,
    /// Points drawn.
    pub draws: u32,
    /// Lots.
    pub jobs: u64,
    /// Audited.
    pub audited: u64,
    /// Objected to.
    pub objections: u64,
    /// Providers slashed.
    pub provider_slashed: u64,
    /// Auditors slashed.
    pub auditors_slashed: u64,
    /// Objections to forced errors, paid a bounty.
    pub bounties: u64,
    /// What providers lost, grains a job.
    pub loss: f64,
    /// Fuel auditors burned over the fuel of the work.
    pub overhead: f64,
    /// The same by formula.
    pub overhead_formula: f64,
}

/// Plans of honest runs: each case at the default settings and with every lot audited.
pub(crate) fn plans(defaults: &Parameters) -> Vec<(usize, Parameters)> {
    [defaults.chance_bps, 10_000]
        .into_iter()
        .flat_map(|chance_bps| (0..CASES.len()).map(move |case| (case, Parameters { chance_bps, ..*defaults })))
        .collect()
}

/// Plays one.
pub(crate) fn play(case: usize, rule: &Parameters, shapes: &[Shape], jobs: u64, mut beacon: Beacon) -> HonestRun {
    let (auditors, auditor, forced) = CASES.get(case).copied().unwrap_or(("nobody", Auditor::Agrees, false));
    let mut run = HonestRun {
        auditors,
        chance_bps: rule.chance_bps,
        draws: rule.draws,
        jobs: 0,
        audited: 0,
        objections: 0,
        provider_slashed: 0,
        auditors_slashed: 0,
        bounties: 0,
        loss: 0.0,
        overhead: 0.0,
        overhead_formula: 0.0,
    };
    let (mut burned, mut useful, mut due) = (0.0, 0.0, 0.0);
    let each = jobs.div_ceil(shapes.len().max(1) as u64);
    let looking = if auditor == Auditor::Honest { f64::from(rule.auditors) } else { 0.0 };
    let drawn = vec![auditor; rule.auditors as usize];
    for shape in shapes {
        let rerun: f64 = expected_fuel(shape, rule.draws);
        for _ in 0..each {
            run.jobs += 1;
            useful += shape.total as f64;
            due += looking * f64::from(rule.chance_bps) / 1e4 * rerun;
            if !is_audited(beacon.value(), rule.chance_bps) {
                continue;
            }
            let fault = match forced {
                true => Fault::Forced(shape.pick(Pick::Random, 10_000, &mut beacon.0)),
                false => Fault::None,
            };
            let lot = Lot { shape, line: &shape.line, fault };
            let points = beacon.value();
            let audit = audit(&lot, rule.draws, &drawn, points);
            burned += audit.fuel as f64;
            run.count(&audit);
        }
    }
    let stake = PRICE as f64 * (1.0 + rule.lock(rule.chance_bps).unwrap_or(0.0));
    run.loss = run.provider_slashed as f64 * stake / run.jobs.max(1) as f64;
    run.overhead = burned / f64::max(useful, 1.0);
    run.overhead_formula = if forced { 0.0 } else { due / f64::max(useful, 1.0) };
    run
}

impl HonestRun {
    fn count(&mut self, audit: &Audit) {
        self.audited += 1;
        self.objections += u64::from(audit.objected);
        self.provider_slashed += u64::from(audit.verdict == Verdict::Guilty);
        self.auditors_slashed += u64::from(audit.verdict == Verdict::AuditorWrong);
        self.bounties += u64::from(audit.verdict == Verdict::Cleared);
    }
}

/// Fuel of the tasks that an auditor runs, on average: each task's, times the chance that a point falls on it.
fn expected_fuel(shape: &Shape, draws: u32) -> f64 {
    let total = shape.total as f64;
    shape.fuels.iter().map(|fuel| *fuel as f64).map(|fuel| fuel * hit(fuel / total, draws)).sum()
}

/// Overhead of lots of `tasks` equal tasks: `a m (1 - (1 - 1/N)^s)`.
pub(crate) fn overhead_of(tasks: u32, rule: &Parameters) -> f64 {
    f64::from(rule.chance_bps) / 1e4 * f64::from(rule.auditors) * hit(1.0 / f64::from(tasks), rule.draws)
}
