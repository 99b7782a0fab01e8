//! All settings of a seed, and what they come to.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use serde::Serialize;

use crate::{
    AuditorRun, BreakEven, Cell, Formula, HonestRun, Parameters, Strategy, auditor, caught,
    cell::{self, Plan},
    honest,
    parameters::{COST_SHARE, PRICE, TASKS},
    shape::Shape,
    sweep,
    trial::Beacon,
};

/// Shares of fuel falsified, chances of an audit and draws of the grid.
const FUELS_BPS: [u32; 5] = [100, 500, 1_000, 5_000, 10_000];
const CHANCES_BPS: [u32; 4] = [500, 2_000, 5_000, 10_000];
const DRAWS: [u32; 5] = [1, 7, 44, 90, 459];
/// Strategies of the grid, with the stake that agrees and the blocks led besides.
const PLAYED: [(Strategy, u32, u32); 11] = [
    (Strategy::Lazy, 0, 0),
    (Strategy::Random, 0, 0),
    (Strategy::Heaviest, 0, 0),
    (Strategy::Last, 0, 0),
    (Strategy::Padding, 0, 0),
    (Strategy::Adaptive, 0, 0),
    (Strategy::Timing, 0, 0),
    (Strategy::TimingColluding, 2_000, 2_000),
    (Strategy::Colluding, 1_000, 0),
    (Strategy::Colluding, 3_000, 0),
    (Strategy::LazyAuditors, 2_000, 0),
];
/// Shares of fuel for a leader that sees the points: it wins on small ones.
const LITTLE_BPS: [u32; 6] = [25, 50, 100, 200, 500, 10_000];
/// Sizes of lots whose overhead is told.
const SIZES: [u32; 5] = [10, 32, 100, 1_000, 10_000];

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Seed of all chances.
    pub seed: u64,
    /// Jobs a cell, at least; more where a strategy is rarely caught.
    pub jobs: u64,
    /// Threads; figures do not depend on it.
    pub threads: usize,
}

/// A strategy over its cells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StrategySummary {
    /// What was played.
    pub strategy: Strategy,
    /// Stake of auditors that agree with anything, basis points.
    pub agree_bps: u32,
    /// Whether the network's assumptions cover it.
    pub within_assumption: bool,
    /// Cells.
    pub cells: usize,
    /// Of these with the formula outside of their interval.
    pub outside: usize,
    /// Greatest distance in standard errors.
    pub worst_sigma: f64,
    /// At the default parameters: share of fuel falsified in basis points, and how often that was caught.
    pub caught: Vec<(u32, f64)>,
    /// Best profit at the default parameters, grains a job, by count or by formula, whichever is more.
    pub best_profit: f64,
    /// The same if not working saves what work costs.
    pub best_profit_at_cost: f64,
    /// Most that buyers paid for in vain at the default parameters, share of the price.
    pub buyers_loss: f64,
}

/// All runs of a seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Jobs a cell, at least.
    pub jobs_per_cell: u64,
    /// Tasks a job.
    pub tasks_per_job: usize,
    /// Price of a job, grains.
    pub price: u64,
    /// What work costs an honest provider, share of the price.
    pub cost_share: f64,
    /// What an auditor is paid, grains an audit.
    pub auditor_fee: f64,
    /// The parameters called default.
    pub defaults: Parameters,
    /// Strategies against settings.
    pub cells: Vec<Cell>,
    /// Share of the cells whose formula lies outside of their 99 % interval.
    pub cells_outside_interval: f64,
    /// Greatest distance of a cell's count from its formula, in standard errors.
    pub worst_cell_sigma: f64,
    /// A strategy a row.
    pub strategies: Vec<StrategySummary>,
    /// Best strategy within the assumed collusion at the default parameters: grains a job relative to honest
    /// work, by count or by formula, whichever is more, and if not working saves the whole price.
    pub max_cheat_profit: f64,
    /// The same if not working saves what work costs.
    pub max_cheat_profit_at_cost: f64,
    /// Which.
    pub best_strategy: Option<Strategy>,
    /// A leader that sees the points before it withholds, were one beacon value to decide everything.
    pub one_value: Vec<Cell>,
    /// Its best profit, by count or by formula, whichever is less.
    pub one_value_profit: f64,
    /// From which coalition on a strategy pays.
    pub break_even: Vec<BreakEven>,
    /// Honest providers.
    pub honest: Vec<HonestRun>,
    /// Honest providers slashed, in all runs that have one.
    pub honest_slashed: u64,
    /// What honest providers lost to false slashing, grains a job, in the worst run.
    pub honest_loss: f64,
    /// Auditors that do not look.
    pub auditors: Vec<AuditorRun>,
    /// Fuel that auditors burn at the default parameters over the fuel of the work.
    pub overhead: f64,
    /// The same by formula.
    pub overhead_formula: f64,
    /// The same by formula for lots of so many equal tasks.
    pub overhead_by_tasks: Vec<(u32, f64)>,
}

/// Runs everything and compares with the exact formulas. `progress` hears how many runs are done, of how many.
pub fn simulate(options: &Options, progress: impl Fn(u64, u64) + Sync) -> Report {
    simulate_against(options, caught, progress)
}

/// As [`simulate`], against another formula: a wrong one must be found out.
pub fn simulate_against(options: &Options, formula: Formula, progress: impl Fn(u64, u64) + Sync) -> Report {
    let defaults = Parameters::defaults();
    let shapes = Shape::all(&mut Beacon::new(options.seed, u64::MAX).0, &FUELS_BPS);
    let (grid, one_value) = (grid(&defaults), one_value(&defaults));
    let swept = sweep::plans(&defaults, &FUELS_BPS, formula);
    let plans = [&grid[..], &one_value[..], &swept[..]].concat();
    let (honest, auditors) = (honest::plans(&defaults), auditor::plans(&defaults));
    let total = plans.len() + honest.len() + auditors.len();
    let done = AtomicU64::new(0);
    let tell = || progress(done.fetch_add(1, Ordering::Relaxed) + 1, total as u64);
    let beacon = |kind: u64, run: usize| Beacon::new(options.seed, kind << 32 | run as u64);
    let jobs = options.jobs.max(1);
    let mut played = parallel(options.threads, &plans, &tell, |run, plan| {
        cell::play(plan, &defaults, &shapes, jobs, formula, beacon(1, run))
    });
    let honest = parallel(options.threads, &honest, &tell, |run, (case, rule)| {
        honest::play(*case, rule, &shapes, jobs, beacon(2, run))
    });
    let auditors = parallel(options.threads, &auditors, &tell, |run, plan| {
        auditor::play(*plan, &defaults, &shapes, jobs, beacon(3, run))
    });
    let swept = played.split_off(grid.len() + one_value.len());
    let one_value = played.split_off(grid.len());
    let break_even = sweep::read(&swept, &defaults, &FUELS_BPS, formula);
    assemble(options, defaults, Runs { cells: played, one_value, break_even, honest, auditors })
}

fn grid(defaults: &Parameters) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (strategy, agree_bps, leads_bps) in PLAYED {
        for (chance_bps, draws) in CHANCES_BPS.into_iter().flat_map(|chance| DRAWS.map(|draws| (chance, draws))) {
            plans.extend(FUELS_BPS.map(|wrong_bps| Plan {
                strategy,
                agree_bps,
                leads_bps,
                wrong_bps,
                chance_bps,
                draws,
            }));
        }
    }
    // A copied commitment is caught whatever the audit is.
    let copying = (Strategy::Copying, 0, 0, 10_000);
    plans.push(plan(copying, defaults));
    plans
}

fn one_value(defaults: &Parameters) -> Vec<Plan> {
    LITTLE_BPS.map(|wrong_bps| plan((Strategy::OneValue, 2_000, 0, wrong_bps), defaults)).to_vec()
}

fn plan((strategy, agree_bps, leads_bps, wrong_bps): (Strategy, u32, u32, u32), defaults: &Parameters) -> Plan {
    Plan { strategy, agree_bps, leads_bps, wrong_bps, chance_bps: defaults.chance_bps, draws: defaults.draws }
}

/// Runs what is to be run on some threads; results in the order of `plans`.
fn parallel<P: Sync, R: Send>(
    threads: usize,
    plans: &[P],
    tell: &(impl Fn() + Sync),
    run: impl Fn(usize, &P) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(plans.len()));
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(plan) = plans.get(at) else { break };
            let result = run(at, plan);
            results.lock().unwrap_or_else(|broken| broken.into_inner()).push((at, result));
            tell();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(|broken| broken.into_inner());
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

struct Runs {
    cells: Vec<Cell>,
    one_value: Vec<Cell>,
    break_even: Vec<BreakEven>,
    honest: Vec<HonestRun>,
    auditors: Vec<AuditorRun>,
}

fn assemble(options: &Options, defaults: Parameters, runs: Runs) -> Report {
    let Runs { cells, one_value, break_even, honest, auditors } = runs;
    let strategies = summaries(&cells, &defaults);
    // With points from the same beacon value a leader that sees them is a strategy like any other.
    let possible = summaries(&one_value, &defaults);
    let within = || strategies.iter().chain(&possible).filter(|row| row.within_assumption);
    let best = within().max_by(|a, b| a.best_profit.total_cmp(&b.best_profit));
    let plain = honest.first();
    let slashed = honest.iter().map(|run| run.provider_slashed).sum::<u64>();
    Report {
        seed: options.seed,
        jobs_per_cell: options.jobs.max(1),
        tasks_per_job: TASKS,
        price: PRICE,
        cost_share: COST_SHARE,
        auditor_fee: auditor::FEE,
        cells_outside_interval: share(cells.iter().filter(|cell| !cell.inside).count(), cells.len()),
        worst_cell_sigma: most(cells.iter().map(|cell| cell.sigma)),
        max_cheat_profit: best.map_or(0.0, |row| row.best_profit),
        best_strategy: best.map(|row| row.strategy),
        max_cheat_profit_at_cost: most(within().map(|row| row.best_profit_at_cost)),
        one_value_profit: most(one_value.iter().map(|cell| cell.profit.min(cell.profit_formula))),
        honest_slashed: slashed + auditors.iter().map(|run| run.provider_slashed).sum::<u64>(),
        honest_loss: most(honest.iter().map(|run| run.loss)),
        overhead: plain.map_or(0.0, |run| run.overhead),
        overhead_formula: plain.map_or(0.0, |run| run.overhead_formula),
        overhead_by_tasks: SIZES.map(|tasks| (tasks, honest::overhead_of(tasks, &defaults))).to_vec(),
        defaults,
        cells,
        strategies,
        one_value,
        break_even,
        honest,
        auditors,
    }
}

fn summaries(cells: &[Cell], defaults: &Parameters) -> Vec<StrategySummary> {
    cells
        .chunk_by(|a, b| (a.strategy, a.agree_bps) == (b.strategy, b.agree_bps))
        .filter_map(|cells| Some((cells, cells.first()?)))
        .map(|(cells, first)| {
            let usual: Vec<&Cell> = cells
                .iter()
                .filter(|cell| cell.chance_bps == defaults.chance_bps && cell.draws == defaults.draws)
                .collect();
            StrategySummary {
                strategy: first.strategy,
                agree_bps: first.agree_bps,
                within_assumption: first.within_assumption,
                cells: cells.len(),
                outside: cells.iter().filter(|cell| !cell.inside).count(),
                worst_sigma: most(cells.iter().map(|cell| cell.sigma)),
                caught: usual.iter().map(|cell| (cell.fuel_bps, cell.measured)).collect(),
                best_profit: most(usual.iter().map(|cell| cell.profit.max(cell.profit_formula))),
                best_profit_at_cost: most(usual.iter().map(|cell| cell.profit_at_cost)),
                buyers_loss: most(usual.iter().map(|cell| cell.buyers_loss)),
            }
        })
        .collect()
}

fn most(values: impl Iterator<Item = f64>) -> f64 {
    values.max_by(f64::total_cmp).unwrap_or(0.0)
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
