//! Lots: how fuel lies over their tasks, and which stretch of it a cheat falsifies.

use assay_proof::audit::FuelLine;
use rand::{Rng, RngExt as _, seq::SliceRandom as _};

use crate::parameters::TASKS;

/// Distributions of fuel, each a shape.
const KINDS: [Kind; 6] =
    [Kind::Even, Kind::Normal(0.25), Kind::Normal(0.5), Kind::Normal(1.0), Kind::Heavy(1.5), Kind::Two];

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Uniform between one and two.
    Even,
    /// Log-normal with this deviation.
    Normal(f64),
    /// Pareto with this exponent: a few tasks hold much of the fuel.
    Heavy(f64),
    /// One in twenty is twenty times as heavy.
    Two,
}

impl Kind {
    /// A task's fuel; about a million.
    fn fuel(self, rng: &mut impl Rng) -> u64 {
        let uniform: f64 = rng.random();
        let times = match self {
            Self::Even => 1.0 + uniform,
            // A normal by the sum of twelve uniforms: its tails do not matter here.
            Self::Normal(deviation) => (deviation * ((0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0)).exp(),
            Self::Heavy(exponent) => (1.0 - uniform).powf(-1.0 / exponent),
            Self::Two => (if uniform < 0.05 { 20.0 } else { 1.0 }) * (0.5 + rng.random::<f64>()),
        };
        (1e6 * times).max(1.0) as u64
    }
}

/// Tasks in some order, with the fuel up to each.
#[derive(Debug)]
pub(crate) struct Order {
    /// Position of each task in the order.
    rank: Vec<u32>,
    /// Fuel before each position, and all of it.
    before: Vec<u64>,
}

/// Consecutive tasks of an order, around its end if need be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    order: &'a Order,
    start: usize,
    count: usize,
    /// Their fuel.
    pub(crate) fuel: u64,
}

impl Order {
    fn new(order: &[u32], fuels: &[u64]) -> Self {
        let mut rank = vec![0; order.len()];
        let mut before = Vec::with_capacity(order.len() + 1);
        let mut sum = 0;
        before.push(sum);
        for (at, task) in (0u32..).zip(order) {
            if let Some(rank) = rank.get_mut(*task as usize) {
                *rank = at;
            }
            sum += fuels.get(*task as usize).copied().unwrap_or(0);
            before.push(sum);
        }
        Self { rank, before }
    }

    fn until(&self, position: usize) -> u64 {
        self.before.get(position).copied().unwrap_or(0)
    }

    fn total(&self) -> u64 {
        self.until(self.rank.len())
    }

    /// The fewest tasks from `start` on that hold `fuel`.
    pub(crate) fn run(&self, start: usize, fuel: u64) -> Run<'_> {
        let total = self.total();
        let goal = self.until(start) + fuel.min(total);
        let reach = |goal: u64| self.before.partition_point(|sum| *sum < goal);
        let (count, fuel) = if goal <= total {
            let end = reach(goal);
            (end - start, self.until(end) - self.until(start))
        } else {
            let end = reach(goal - total);
            (self.rank.len() - start + end, total - self.until(start) + self.until(end))
        };
        Run { order: self, start, count, fuel }
    }

    /// The fewest tasks up to the end that hold `fuel`.
    fn tail(&self, fuel: u64) -> Run<'_> {
        let total = self.total();
        let rest = total.saturating_sub(fuel);
        let start = self.before.partition_point(|sum| *sum <= rest).saturating_sub(1);
        Run { order: self, start, count: self.rank.len() - start, fuel: total - self.until(start) }
    }
}

impl Run<'_> {
    /// Whether a task is one of them.
    pub(crate) fn holds(&self, task: u32) -> bool {
        let length = self.order.rank.len();
        let Some(rank) = self.order.rank.get(task as usize) else { return false };
        let after = (*rank as usize + length - self.start) % length;
        after < self.count
    }
}

/// A lot's tasks.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) fuels: Vec<u64>,
    pub(crate) line: FuelLine,
    pub(crate) total: u64,
    in_order: Order,
    shuffled: Order,
    heaviest: Order,
    padded: Vec<Padded>,
}

/// Which order a cheat works through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    Stretch,
    Random,
    Heaviest,
    Last,
}

/// A lot with the fuel of some tasks doubled.
#[derive(Debug)]
struct Padded {
    wrong_bps: u32,
    /// True fuel of the padded tasks.
    fuel: u64,
    line: FuelLine,
}

impl Shape {
    /// The shapes that all cells share; `wrong_bps` are the shares of claimed fuel that padding needs.
    pub(crate) fn all(rng: &mut impl Rng, wrong_bps: &[u32]) -> Vec<Self> {
        KINDS.iter().map(|kind| Self::new(*kind, rng, wrong_bps)).collect()
    }

    fn new(kind: Kind, rng: &mut impl Rng, wrong_bps: &[u32]) -> Self {
        let fuels: Vec<u64> = (0..TASKS).map(|_| kind.fuel(rng)).collect();
        let mut order: Vec<u32> = (0u32..).take(TASKS).collect();
        let in_order = Order::new(&order, &fuels);
        order.sort_by_key(|task| std::cmp::Reverse(fuels.get(*task as usize).copied()));
        let heaviest = Order::new(&order, &fuels);
        order.shuffle(rng);
        let shuffled = Order::new(&order, &fuels);
        let total = in_order.total();
        let padded = wrong_bps.iter().map(|wrong_bps| Padded::new(*wrong_bps, &fuels, &shuffled)).collect();
        Self { line: FuelLine::new(&fuels), total, in_order, shuffled, heaviest, padded, fuels }
    }

    /// Tasks that hold at least a share of the fuel.
    pub(crate) fn pick(&self, pick: Pick, wrong_bps: u32, rng: &mut impl Rng) -> Run<'_> {
        let fuel = share(self.total, u64::from(wrong_bps), 10_000);
        match pick {
            Pick::Stretch => self.in_order.run(rng.random_range(0..TASKS), fuel),
            Pick::Random => self.shuffled.run(rng.random_range(0..TASKS), fuel),
            Pick::Heaviest => self.heaviest.run(0, fuel),
            Pick::Last => self.in_order.tail(fuel),
        }
    }

    /// Tasks to pad so that they make up a share of the fuel then claimed, and the line of that.
    pub(crate) fn padded(&self, wrong_bps: u32) -> Option<(Run<'_>, &FuelLine)> {
        let padded = self.padded.iter().find(|padded| padded.wrong_bps == wrong_bps)?;
        Some((self.shuffled.run(0, padded.fuel), &padded.line))
    }
}

impl Padded {
    /// Doubling tasks of fuel g of a total 1 makes them f = 2g / (1 + g) of what is claimed: g = f / (2 - f).
    fn new(wrong_bps: u32, fuels: &[u64], order: &Order) -> Self {
        let wrong = u64::from(wrong_bps);
        let run = order.run(0, share(order.total(), wrong, 20_000 - wrong));
        let claim = |(task, fuel): (u32, &u64)| if run.holds(task) { 2 * fuel } else { *fuel };
        let claimed: Vec<u64> = (0u32..).zip(fuels).map(claim).collect();
        Self { wrong_bps, fuel: run.fuel, line: FuelLine::new(&claimed) }
    }
}

/// `total * part / whole`, rounded up.
fn share(total: u64, part: u64, whole: u64) -> u64 {
    u64::try_from((u128::from(total) * u128::from(part)).div_ceil(u128::from(whole))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn a_pick_is_the_fewest_tasks_that_hold_the_fuel() {
        let mut rng = StdRng::seed_from_u64(5);
        for shape in Shape::all(&mut rng, &[100, 10_000]) {
            for pick in [Pick::Stretch, Pick::Random, Pick::Heaviest, Pick::Last] {
                for wrong_bps in [1, 100, 5_000, 9_999, 10_000] {
                    let run = shape.pick(pick, wrong_bps, &mut rng);
                    let held: u64 =
                        (0u32..).zip(&shape.fuels).filter(|(task, _)| run.holds(*task)).map(|(_, fuel)| *fuel).sum();
                    assert_eq!(run.fuel, held, "{pick:?} {wrong_bps}");
                    let goal = share(shape.total, u64::from(wrong_bps), 10_000);
                    let most = shape.fuels.iter().max().copied().unwrap_or(0);
                    assert!(held >= goal && held < goal + most, "{pick:?} {wrong_bps}");
                }
            }
            let heaviest = shape.pick(Pick::Heaviest, 1_000, &mut rng);
            let random = shape.pick(Pick::Random, 1_000, &mut rng);
            assert!(heaviest.count < random.count);
            assert!(shape.pick(Pick::Last, 1, &mut rng).holds(TASKS as u32 - 1));
            assert_eq!(shape.padded(10_000).expect("asked for").0.fuel, shape.total);
        }
    }
}
