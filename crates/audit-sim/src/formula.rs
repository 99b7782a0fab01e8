//! The exact chance that a strategy is caught.

use serde::Serialize;

use crate::Strategy;

/// Jobs that an adaptive cheat takes one after another.
pub(crate) const CAREER: u32 = 3;

/// What the chance depends on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Odds {
    /// What is played.
    pub strategy: Strategy,
    /// Share of the lot's claimed fuel whose leaves are wrong.
    pub wrong: f64,
    /// Chance that a lot is audited.
    pub chance: f64,
    /// Points drawn.
    pub draws: u32,
    /// Auditors of an audited lot.
    pub auditors: u32,
    /// Share of the auditors' stake that agrees with anything.
    pub agree: f64,
    /// Share of the blocks that the cheat leads besides those it waits for.
    pub leads: f64,
}

/// A chance of being caught: [`caught`], or another one to test the comparison itself.
pub type Formula = fn(&Odds) -> f64;

/// Chance of being caught: a job's, for [`Strategy::Adaptive`] that of its three jobs.
///
/// Points are drawn with replacement over the fuel claimed, so each falls on wrong leaves with chance f and at least
/// one of s does with `h = 1 - (1 - f)^s`, exactly, whichever tasks they are. Auditors are drawn by stake, each
/// independently: one at least looks with `1 - q^m`. With `d = h (1 - q^m)`, given an audit:
///
/// - lazy, random, heaviest, last: `a d`; only f differs, which is the realised share of the fuel.
/// - padding: the same with f the padded tasks' share of the *claimed* fuel: padding a share g of the true fuel
///   x-fold makes it `g x / (1 + g (x - 1))`, more than g.
/// - copying: 1. A commitment hashes the name of who commits, so a copied one has no opening.
/// - colluding, lazy auditors: `a d` with q their share of the stake.
/// - adaptive over K jobs: cheats in job k if none before was audited, so `sum over k < K of (1 - a)^k a d`
///   `= d (1 - (1 - a)^K)`.
/// - timing: two values must both say "audited": `a^2 d`.
/// - timing with auditors of its own: `a^2`, then points that find it must come again where it leads (l):
///   `a^2 d (1 - l + l d)`.
/// - one value: both whole draws must find it: `(a d)^2`.
pub fn caught(odds: &Odds) -> f64 {
    let Odds { chance: a, leads, .. } = *odds;
    let d = found(odds);
    match odds.strategy {
        Strategy::Lazy
        | Strategy::Random
        | Strategy::Heaviest
        | Strategy::Last
        | Strategy::Padding
        | Strategy::Colluding
        | Strategy::LazyAuditors => a * d,
        Strategy::Copying => 1.0,
        Strategy::Adaptive => d * (1.0 - (1.0 - a).powi(CAREER as i32)),
        Strategy::Timing => a * a * d,
        Strategy::TimingColluding => a * a * d * (1.0 - leads + leads * d),
        Strategy::OneValue => (a * d).powi(2),
    }
}

/// Chance that an audit finds it: a point on wrong leaves and an auditor that looks.
fn found(odds: &Odds) -> f64 {
    hit(odds.wrong, odds.draws) * (1.0 - odds.agree.powi(odds.auditors as i32))
}

/// Chance that at least one of `draws` points falls on a share `wrong` of the line.
pub(crate) fn hit(wrong: f64, draws: u32) -> f64 {
    -(f64::from(draws) * (-wrong.min(1.0)).ln_1p()).exp_m1()
}

/// Jobs that an adaptive cheat cheats on, on average: `sum over k < K of (1 - a)^k`. One for the others.
pub(crate) fn cheated_jobs(strategy: Strategy, chance: f64) -> f64 {
    match strategy {
        Strategy::Adaptive => (0..CAREER).map(|job| (1.0 - chance).powi(job as i32)).sum(),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odds(strategy: Strategy) -> Odds {
        Odds { strategy, wrong: 0.5, chance: 0.5, draws: 2, auditors: 1, agree: 0.2, leads: 0.2 }
    }

    #[test]
    fn formulas_are_those_worked_out_by_hand() {
        // h = 3/4, d = 3/5.
        for (strategy, expected) in [
            (Strategy::Random, 0.3),
            (Strategy::Padding, 0.3),
            (Strategy::Copying, 1.0),
            (Strategy::Adaptive, 0.6 * 0.875),
            (Strategy::Timing, 0.15),
            (Strategy::TimingColluding, 0.15 * 0.92),
            (Strategy::OneValue, 0.09),
        ] {
            assert!((caught(&odds(strategy)) - expected).abs() < 1e-12, "{strategy:?}");
        }
        assert_eq!(hit(1.0, 1), 1.0);
        assert!((hit(0.01, 459) - 0.990_08).abs() < 1e-4);
    }

    #[test]
    fn a_whole_lot_is_caught_as_often_as_the_lock_assumes() {
        let parameters = crate::Parameters::defaults();
        let assumed = parameters.assumptions().caught(5_000, 1) as f64 / 1e9;
        let timed = Odds { wrong: 1.0, ..odds(Strategy::Timing) };
        assert!((caught(&timed) - assumed).abs() < 1e-9);
    }
}
