//! A strategy at one setting: how often it was caught, how often it should be, what it earned.

use serde::Serialize;

use crate::{
    Formula, Odds, Parameters, Strategy, clopper_pearson,
    formula::{CAREER, cheated_jobs},
    parameters::{COST_SHARE, PRICE},
    shape::{Pick, Run, Shape},
    trial::{Beacon, Fault, Lead, Lot, Operators, Verdict, copied_is_caught, settle},
};

/// Rare events are waited for until so many are due, up to [`MOST`] times the jobs asked for.
const DUE: f64 = 16.0;
const MOST: u64 = 100;

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) strategy: Strategy,
    /// Stake of the auditors that agree with anything.
    pub(crate) agree_bps: u32,
    /// Blocks the cheat leads besides those it waits for.
    pub(crate) leads_bps: u32,
    /// Share of the claimed fuel to falsify, at least.
    pub(crate) wrong_bps: u32,
    pub(crate) chance_bps: u32,
    pub(crate) draws: u32,
}

/// A strategy at one setting. Shares and chances of one unless they say otherwise, money in grains a job cheated on,
/// relative to honest work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// What was played.
    pub strategy: Strategy,
    /// Share of claimed fuel falsified: asked for, basis points.
    pub fuel_bps: u32,
    /// The same, as it came out on average.
    pub fuel_share: f64,
    /// Chance of an audit, basis points.
    pub chance_bps: u32,
    /// Points drawn.
    pub draws: u32,
    /// Stake of auditors that agree with anything, basis points.
    pub agree_bps: u32,
    /// Blocks that the cheat leads besides those it waits for, basis points.
    pub leads_bps: u32,
    /// Whether the network's assumptions cover it.
    pub within_assumption: bool,
    /// Trials: lots, or careers of three lots of an adaptive cheat.
    pub trials: u64,
    /// How many were caught.
    pub caught: u64,
    /// Their share.
    pub measured: f64,
    /// Lower end of its 99 % interval (Clopper-Pearson).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The exact formula, averaged over the trials.
    pub formula: f64,
    /// Whether the formula lies in the interval.
    pub inside: bool,
    /// Distance between count and formula, in standard errors of the sum of the trials' chances.
    pub sigma: f64,
    /// The provider's lock over the lot's price.
    pub lock: f64,
    /// Profit, measured, if not working saves the whole price.
    pub profit: f64,
    /// The same by the formula.
    pub profit_formula: f64,
    /// Profit, measured, if not working saves what work costs.
    pub profit_at_cost: f64,
    /// What buyers paid for and did not get, share of the price.
    pub buyers_loss: f64,
}

/// What a run of trials adds up to.
#[derive(Debug, Default)]
struct Sums {
    trials: u64,
    caught: u64,
    cheated: u64,
    wrong: f64,
    mean: f64,
    variance: f64,
    /// Gained on jobs cheated on, shares of the price: saved at full price, saved at cost, and what is due.
    gain: f64,
    gain_at_cost: f64,
    gain_due: f64,
    cheated_due: f64,
    buyers_loss: f64,
}

/// What one lot is cheated by.
struct Cheat<'a> {
    lot: Lot<'a>,
    /// Share of the claimed fuel that is wrong.
    wrong: f64,
    /// Gained if nobody looks, share of the price, and the same at cost.
    gain: f64,
    gain_at_cost: f64,
}

impl Plan {
    fn odds(&self, rule: &Parameters, wrong: f64) -> Odds {
        Odds {
            strategy: self.strategy,
            wrong,
            chance: f64::from(self.chance_bps) / 1e4,
            draws: self.draws,
            auditors: rule.auditors,
            agree: f64::from(self.agree_bps) / 1e4,
            leads: f64::from(self.leads_bps) / 1e4,
        }
    }

    /// Gain of a job that nobody looks at, share of the price: what is falsified, or half of what is padded.
    fn gain(&self) -> f64 {
        let wrong = f64::from(self.wrong_bps) / 1e4;
        if self.strategy == Strategy::Padding { wrong / 2.0 } else { wrong }
    }

    /// Profit of a job cheated on by a formula, share of the price.
    pub(crate) fn profit(&self, rule: &Parameters, formula: Formula) -> Option<f64> {
        let odds = self.odds(rule, f64::from(self.wrong_bps) / 1e4);
        let lock = rule.lock(self.chance_bps)?;
        Some(self.gain() - formula(&odds) * (1.0 + lock) / cheated_jobs(self.strategy, odds.chance))
    }

    fn within(&self, rule: &Parameters) -> bool {
        let possible = self.strategy != Strategy::OneValue || !rule.points_later;
        possible && self.agree_bps.max(self.leads_bps) <= rule.collusion_bps
    }

    fn lead(&self) -> Lead {
        match self.strategy {
            Strategy::Timing => Lead::Decision,
            Strategy::TimingColluding => Lead::Both { leads_bps: self.leads_bps },
            Strategy::OneValue => Lead::OneValue,
            _ => Lead::None,
        }
    }

    fn cheat<'a>(&self, shape: &'a Shape, beacon: &mut Beacon) -> Cheat<'a> {
        if let (Strategy::Padding, Some((run, line))) = (self.strategy, shape.padded(self.wrong_bps)) {
            let claimed = (shape.total + run.fuel) as f64;
            let extra = run.fuel as f64 / claimed;
            let lot = Lot { shape, line, fault: Fault::Padded(run) };
            return Cheat { lot, wrong: 2.0 * extra, gain: extra, gain_at_cost: extra };
        }
        let run: Run<'_> = shape.pick(self.pick(), self.wrong_bps, &mut beacon.0);
        let wrong = run.fuel as f64 / shape.total as f64;
        let lot = Lot { shape, line: &shape.line, fault: Fault::MadeUp(run) };
        Cheat { lot, wrong, gain: wrong, gain_at_cost: COST_SHARE * wrong }
    }

    fn pick(&self) -> Pick {
        match self.strategy {
            Strategy::Lazy | Strategy::Adaptive => Pick::Stretch,
            Strategy::Heaviest => Pick::Heaviest,
            Strategy::Last => Pick::Last,
            _ => Pick::Random,
        }
    }

    /// Trials so that the event is seen now and then.
    fn trials(&self, rule: &Parameters, jobs: u64, formula: Formula) -> u64 {
        let due = formula(&self.odds(rule, f64::from(self.wrong_bps) / 1e4));
        if due <= 0.0 {
            return jobs;
        }
        ((DUE / due).ceil() as u64).clamp(jobs, jobs.saturating_mul(MOST))
    }
}

/// Plays a plan over all shapes. `defaults` are the network's; the plan says what differs.
pub(crate) fn play(
    plan: &Plan,
    defaults: &Parameters,
    shapes: &[Shape],
    jobs: u64,
    formula: Formula,
    mut beacon: Beacon,
) -> Cell {
    let rule = Parameters { chance_bps: plan.chance_bps, draws: plan.draws, ..*defaults };
    let operators = Operators::new(plan.agree_bps);
    let trials = plan.trials(&rule, jobs, formula);
    let each = trials.div_ceil(shapes.len().max(1) as u64);
    let mut sums = Sums::default();
    // Shape after shape, so that a shape's line stays in the processor's cache.
    for shape in shapes {
        for _ in 0..each {
            trial(plan, &rule, shape, &operators, formula, &mut beacon, &mut sums);
        }
    }
    sums.cell(plan, &rule)
}

fn trial(
    plan: &Plan,
    rule: &Parameters,
    shape: &Shape,
    operators: &Operators,
    formula: Formula,
    beacon: &mut Beacon,
    sums: &mut Sums,
) {
    let cheat = plan.cheat(shape, beacon);
    let odds = plan.odds(rule, cheat.wrong);
    let career = if plan.strategy == Strategy::Adaptive { CAREER } else { 1 };
    let (mut caught, mut cheated) = (false, 0u32);
    for _ in 0..career {
        cheated += 1;
        let audit = match plan.strategy {
            Strategy::Copying => {
                caught = copied_is_caught(beacon);
                break;
            }
            _ => settle(&cheat.lot, plan.lead(), rule, operators, beacon),
        };
        if let Some(audit) = audit {
            caught = audit.verdict == Verdict::Guilty;
            break;
        }
    }
    let due = formula(&odds);
    let cheated_due = cheated_jobs(plan.strategy, odds.chance);
    sums.trials += 1;
    sums.caught += u64::from(caught);
    sums.cheated += u64::from(cheated);
    sums.wrong += cheat.wrong;
    sums.mean += due;
    sums.variance += due * (1.0 - due);
    sums.gain += f64::from(cheated) * cheat.gain;
    sums.gain_at_cost += f64::from(cheated) * cheat.gain_at_cost;
    sums.gain_due += cheated_due * cheat.gain;
    sums.cheated_due += cheated_due;
    sums.buyers_loss += f64::from(cheated - u32::from(caught)) * cheat.gain;
}

impl Sums {
    fn cell(&self, plan: &Plan, rule: &Parameters) -> Cell {
        let trials = self.trials.max(1) as f64;
        let cheated = self.cheated.max(1) as f64;
        let (low, high) = clopper_pearson(self.caught, self.trials);
        let formula = self.mean / trials;
        // A network that could not lock anything would have no such lots; every chance simulated has a lock.
        let lock = rule.lock(plan.chance_bps).unwrap_or(0.0);
        let stake = PRICE as f64 * (1.0 + lock);
        let price = PRICE as f64;
        let lost = self.caught as f64 * stake;
        Cell {
            strategy: plan.strategy,
            fuel_bps: plan.wrong_bps,
            fuel_share: self.wrong / trials,
            chance_bps: plan.chance_bps,
            draws: plan.draws,
            agree_bps: plan.agree_bps,
            leads_bps: plan.leads_bps,
            within_assumption: plan.within(rule),
            trials: self.trials,
            caught: self.caught,
            measured: self.caught as f64 / trials,
            low,
            high,
            formula,
            inside: (low - 1e-12..=high + 1e-12).contains(&formula),
            sigma: sigma(self.caught, self.mean, self.variance),
            lock,
            profit: (price * self.gain - lost) / cheated,
            profit_formula: (price * self.gain_due - self.mean * stake) / self.cheated_due.max(1.0),
            profit_at_cost: (price * self.gain_at_cost - lost) / cheated,
            buyers_loss: self.buyers_loss / cheated,
        }
    }
}

/// Distance of a count from its mean in standard errors; a certain event that failed is a million away.
pub(crate) fn sigma(count: u64, mean: f64, variance: f64) -> f64 {
    let distance = (count as f64 - mean).abs();
    if distance < 1e-6 { 0.0 } else { (distance / variance.max(1e-12).sqrt()).min(1e6) }
}
