//! Auditors that do not look, and the forced errors that find them.
//!
//! A share phi of the audited lots is wrong by a sealed order of the treasury. An auditor that agrees with one loses
//! its lock and its fee; one that objects has its fee and a bounty of the same. Simulated orders cover the whole
//! lot; were they to cover a share g of its fuel, phi would have to be read as `phi (1 - (1 - g)^s)`.

use assay_proof::audit::is_audited;
use rand::RngExt as _;
use serde::Serialize;

use crate::{
    Parameters,
    cell::sigma,
    clopper_pearson,
    shape::{Pick, Shape},
    trial::{Auditor, Beacon, Fault, Lot, Verdict, audit},
};

/// An auditor's fee, grains: the price of the tasks it runs.
pub(crate) const FEE: f64 = 1_000.0;
/// Bounty for objecting to a forced error, in fees.
const BOUNTY: f64 = 1.0;

/// What an auditor does instead of running tasks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditorPlay {
    /// Agrees with everything.
    AlwaysAgree,
    /// Agrees without a look with this chance, looks otherwise.
    AgreeWith {
        /// Basis points.
        chance_bps: u32,
    },
    /// Commits to leaves that the provider hands it: those the provider committed to.
    Copying,
    /// As copying, but the provider says which errors are forced. That is collusion, which forced errors do not
    /// find; the assumed coalition covers it.
    Warned,
}

impl AuditorPlay {
    const ALL: [Self; 5] = [
        Self::AlwaysAgree,
        Self::AgreeWith { chance_bps: 5_000 },
        Self::AgreeWith { chance_bps: 1_000 },
        Self::Copying,
        Self::Warned,
    ];

    /// Share of the audits it does not run.
    fn idle(self) -> f64 {
        match self {
            Self::AgreeWith { chance_bps } => f64::from(chance_bps) / 1e4,
            Self::AlwaysAgree | Self::Copying | Self::Warned => 1.0,
        }
    }

    /// Share of the forced errors it agrees with.
    fn fooled(self) -> f64 {
        if self == Self::Warned { 0.0 } else { self.idle() }
    }
}

/// An auditor that does not look. Money in grains an audit, relative to an honest auditor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditorRun {
    /// What it does.
    pub play: AuditorPlay,
    /// Share of the audited lots with forced errors, basis points.
    pub forced_bps: u32,
    /// Its lock over its fee.
    pub lock: f64,
    /// Audits.
    pub audits: u64,
    /// Of these with a forced error.
    pub forced: u64,
    /// Times it was slashed.
    pub caught: u64,
    /// Times its provider was, who is honest.
    pub provider_slashed: u64,
    /// Slashed, share of the audits.
    pub measured: f64,
    /// Lower end of its 99 % interval (Clopper-Pearson).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Exactly: phi times the share of audits it does not run.
    pub formula: f64,
    /// Whether the formula lies in the interval.
    pub inside: bool,
    /// Distance in standard errors.
    pub sigma: f64,
    /// Profit, measured, if not looking saves the whole fee.
    pub profit: f64,
    /// The same by the formula.
    pub profit_formula: f64,
    /// Share of forced errors from which it does not pay, with this lock: `1 / (lock + fee + bounty)` in fees. None:
    /// pays always.
    pub break_even_forced: Option<f64>,
}

/// Plans: each play at half, once and twice the default share of forced errors.
pub(crate) fn plans(defaults: &Parameters) -> Vec<(AuditorPlay, u32)> {
    let phi = defaults.forced_bps;
    [phi / 2, phi, 2 * phi].into_iter().flat_map(|phi| AuditorPlay::ALL.map(|play| (play, phi))).collect()
}

/// Plays one. The lock is the network's, whatever the share of forced errors is.
pub(crate) fn play(
    (play, forced_bps): (AuditorPlay, u32),
    defaults: &Parameters,
    shapes: &[Shape],
    jobs: u64,
    mut beacon: Beacon,
) -> AuditorRun {
    let phi = f64::from(forced_bps) / 1e4;
    let lock = defaults.auditor_lock(defaults.forced_bps).unwrap_or(0.0);
    let (mut audits, mut forced, mut caught, mut provider_slashed) = (0u64, 0u64, 0u64, 0u64);
    let (mut saved, mut bounties) = (0.0, 0.0);
    let each = jobs.div_ceil(shapes.len().max(1) as u64);
    for shape in shapes {
        for _ in 0..each {
            let is_forced = is_audited(beacon.value(), forced_bps);
            let run = shape.pick(Pick::Random, 10_000, &mut beacon.0);
            let fault = if is_forced { Fault::Forced(run) } else { Fault::None };
            let lot = Lot { shape, line: &shape.line, fault };
            let idles = match play {
                AuditorPlay::AgreeWith { chance_bps } => beacon.0.random_range(0..10_000) < chance_bps,
                AuditorPlay::AlwaysAgree | AuditorPlay::Copying | AuditorPlay::Warned => true,
            };
            let auditor = match (play, idles) {
                // Told that the leaf at the first point is wrong, it objects to that.
                (AuditorPlay::Warned, _) if is_forced => Auditor::Objects,
                (_, true) => Auditor::Agrees,
                (_, false) => Auditor::Honest,
            };
            let points = beacon.value();
            let verdict = audit(&lot, defaults.draws, &[auditor], points).verdict;
            audits += 1;
            forced += u64::from(is_forced);
            caught += u64::from(verdict == Verdict::AuditorWrong);
            provider_slashed += u64::from(verdict == Verdict::Guilty);
            saved += f64::from(u8::from(idles));
            // An honest auditor would have had the bounty of every forced error.
            bounties += f64::from(u8::from(verdict == Verdict::Cleared)) - f64::from(u8::from(is_forced));
        }
    }
    let trials = audits.max(1) as f64;
    let formula = phi * play.fooled();
    let (low, high) = clopper_pearson(caught, audits);
    let stake = lock + 1.0;
    AuditorRun {
        play,
        forced_bps,
        lock,
        audits,
        forced,
        caught,
        provider_slashed,
        measured: caught as f64 / trials,
        low,
        high,
        formula,
        inside: (low..=high).contains(&formula),
        sigma: sigma(caught, formula * trials, formula * (1.0 - formula) * trials),
        profit: FEE * (saved - caught as f64 * stake + BOUNTY * bounties) / trials,
        profit_formula: FEE * (play.idle() - formula * (stake + BOUNTY)),
        break_even_forced: (play.fooled() > 0.0).then(|| 1.0 / (stake + BOUNTY)),
    }
}
