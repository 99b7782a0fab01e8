//! From which coalition on a strategy pays at the default parameters.

use serde::Serialize;

use crate::{Cell, Formula, Parameters, Strategy, cell::Plan, parameters::PRICE};

/// Steps of the sweep, basis points of the stake.
const STEP_BPS: usize = 500;

/// Strategies whose profit grows with the coalition. The other ways to pick tasks are as [`Strategy::Colluding`].
const SWEPT: [Strategy; 5] =
    [Strategy::Colluding, Strategy::Padding, Strategy::Adaptive, Strategy::Timing, Strategy::TimingColluding];

/// A coalition's profit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepPoint {
    /// Its share of the auditors' stake, basis points.
    pub share_bps: u32,
    /// Share of fuel that is best falsified, basis points, of those tried.
    pub fuel_bps: u32,
    /// Profit of a job, grains, measured.
    pub profit: f64,
    /// The same by the formula.
    pub profit_formula: f64,
}

/// From which share on a strategy pays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BreakEven {
    /// What is played.
    pub strategy: Strategy,
    /// Share of the stake from which it pays by the formula; None: never.
    pub closed_form: Option<f64>,
    /// First share of the sweep from which on it paid; None: never.
    pub measured: Option<f64>,
    /// The sweep.
    pub points: Vec<SweepPoint>,
}

/// The plans of the sweep, strategy after strategy.
pub(crate) fn plans(defaults: &Parameters, fuels: &[u32], formula: Formula) -> Vec<Plan> {
    SWEPT
        .iter()
        .flat_map(|strategy| {
            (0..=10_000).step_by(STEP_BPS).map(|share| best(*strategy, share, defaults, fuels, formula))
        })
        .collect()
}

/// The most profitable plan of a coalition.
fn best(strategy: Strategy, share_bps: u32, defaults: &Parameters, fuels: &[u32], formula: Formula) -> Plan {
    let plan = |wrong_bps| Plan {
        strategy,
        agree_bps: share_bps,
        leads_bps: if strategy == Strategy::TimingColluding { share_bps } else { 0 },
        wrong_bps,
        chance_bps: defaults.chance_bps,
        draws: defaults.draws,
    };
    let profit = |plan: &Plan| plan.profit(defaults, formula).unwrap_or(f64::INFINITY);
    fuels.iter().map(|fuel| plan(*fuel)).max_by(|a, b| profit(a).total_cmp(&profit(b))).unwrap_or_else(|| plan(10_000))
}

/// What the sweep's cells say.
pub(crate) fn read(cells: &[Cell], defaults: &Parameters, fuels: &[u32], formula: Formula) -> Vec<BreakEven> {
    let of = |strategy: Strategy| {
        let cells: Vec<&Cell> = cells.iter().filter(|cell| cell.strategy == strategy).collect();
        let pays = cells.iter().rposition(|cell| cell.profit <= 0.0).map_or(0, |last| last + 1);
        BreakEven {
            strategy,
            closed_form: closed_form(strategy, defaults, fuels, formula),
            measured: cells.get(pays).map(|cell| f64::from(cell.agree_bps) / 1e4),
            points: cells.iter().map(|cell| point(cell)).collect(),
        }
    };
    SWEPT.iter().map(|strategy| of(*strategy)).collect()
}

fn point(cell: &Cell) -> SweepPoint {
    SweepPoint {
        share_bps: cell.agree_bps,
        fuel_bps: cell.fuel_bps,
        profit: cell.profit,
        profit_formula: cell.profit_formula,
    }
}

/// Where the best plan's profit crosses zero, to a basis point.
fn closed_form(strategy: Strategy, defaults: &Parameters, fuels: &[u32], formula: Formula) -> Option<f64> {
    let pays = |share: u32| {
        let plan = best(strategy, share, defaults, fuels, formula);
        plan.profit(defaults, formula).is_none_or(|profit| profit * PRICE as f64 > 0.0)
    };
    let shares: Vec<u32> = (0..=10_000).collect();
    shares.get(shares.partition_point(|share| !pays(*share))).map(|share| f64::from(*share) / 1e4)
}
