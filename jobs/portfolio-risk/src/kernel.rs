//! The paths: eight at a time, without branches, so that the loops become vector instructions both
//! natively and in Wasm. [`run`] is what the guest exports.

#![expect(clippy::needless_range_loop, reason = "eight lanes march in step over several arrays")]

use quant::{
    lanes::{LANES, Lanes, cdf_with, exp, ln, quantiles},
    philox::{open_unit, philox4x32},
    wire::{Reader, Writer},
};

use crate::{
    european,
    job::{Holding, MAGIC, Smile, Task},
};

pub(crate) const OUTPUT_MAGIC: [u8; 4] = *b"APO1";
/// Draws of the path's factor and of its volatility lie where no step's draws do.
const FACTOR_DRAW: u32 = 0x4000_0000;
const VOL_DRAW: u32 = 0x8000_0000;
/// A path's factor is held below this; Student-t with six degrees of freedom passes it once in 10^7.
const MOST_FACTOR: f64 = 20.0;

/// The guest's entry: a task's bytes to its paths' P&L (a risk task) or discounted payoffs (a task of
/// [`european`]).
///
/// # Errors
/// A sentence, where the bytes are neither.
pub fn run(input: &[u8]) -> Result<Vec<u8>, String> {
    if input.starts_with(&european::MAGIC) {
        let task =
            european::Task::decode(input).map_err(|e| format!("portfolio-risk: the input is not a task: {e}"))?;
        return Ok(output(task.first, &task.payoffs()));
    }
    if !input.starts_with(&MAGIC) {
        return Err("portfolio-risk: the input is not a task of this job".to_owned());
    }
    let task = Task::decode(input).map_err(|e| format!("portfolio-risk: the input is not a task: {e}"))?;
    Ok(output(task.first, &task.profits()))
}

fn output(first: u64, values: &[f64]) -> Vec<u8> {
    let mut w = Writer::new(OUTPUT_MAGIC);
    w.u64(first);
    w.count(values.len());
    w.f64s(values);
    w.finish()
}

/// Reads a task's output: the first path and the values of it and those that follow.
pub(crate) fn decode_output(bytes: &[u8]) -> Result<(u64, Vec<f64>), quant::wire::WireError> {
    let mut r = Reader::new(bytes, OUTPUT_MAGIC)?;
    let first = r.u64()?;
    let count = r.count(8)?;
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let value = r.f64()?;
        if !value.is_finite() {
            return Err(quant::wire::WireError::Invalid("a path's value"));
        }
        values.push(value);
    }
    r.end()?;
    Ok((first, values))
}

/// Two lots of uniforms for eight paths from `first` on.
#[inline(always)]
pub(crate) fn uniforms(seed: u64, first: u64, draw: u32) -> [Lanes; 2] {
    let key = [seed as u32, (seed >> 32) as u32];
    let (mut one, mut two) = ([0.0; LANES], [0.0; LANES]);
    for i in 0..LANES {
        let path = first.wrapping_add(i as u64);
        let [a, b, c, d] = philox4x32([path as u32, (path >> 32) as u32, draw, 0], key);
        one[i] = open_unit(a, b);
        two[i] = open_unit(c, d);
    }
    [one, two]
}

/// Draws that are made at a time; each gives two normals a path.
pub(crate) const DRAWS: usize = 4;

/// Standard normals for eight paths from `first` on, of `DRAWS` draws from `draw` on, two of each.
#[inline(always)]
pub(crate) fn normals(seed: u64, first: u64, draw: u32, draws: usize) -> [Lanes; 2 * DRAWS] {
    let mut all = [0.0; 2 * DRAWS * LANES];
    for (n, pair) in all.chunks_exact_mut(2 * LANES).take(draws).enumerate() {
        let [one, two] = uniforms(seed, first, draw.wrapping_add(n as u32));
        pair[..LANES].copy_from_slice(&one);
        pair[LANES..].copy_from_slice(&two);
    }
    quantiles(&mut all[..2 * LANES * draws.min(DRAWS)]);
    let mut out = [[0.0; LANES]; 2 * DRAWS];
    for (lanes, values) in out.iter_mut().zip(all.chunks_exact(LANES)) {
        lanes.copy_from_slice(values);
    }
    out
}

/// What eight paths have come to.
struct Paths {
    /// Log-return of the index at the end of each step.
    at: Vec<Lanes>,
    /// The common shock of log volatility, in units of each smile's eta, and the path's factor.
    shock: Lanes,
}

impl Task {
    /// P&L of each path of the task.
    pub(crate) fn profits(&self) -> Vec<f64> {
        let count = usize::try_from(self.last - self.first).unwrap_or(0);
        let mut all = Vec::with_capacity(count);
        let mut paths = Paths { at: vec![[0.0; LANES]; self.steps.len()], shock: [0.0; LANES] };
        let mut states = vec![State::default(); self.smiles.len()];
        let mut first = self.first;
        while first < self.last {
            self.walk(first, &mut paths);
            let value = self.revalue(&paths, &mut states);
            let wanted = usize::try_from(self.last - first).unwrap_or(LANES).min(LANES);
            all.extend(value[..wanted].iter().map(|v| v - self.value));
            first += LANES as u64;
        }
        all
    }

    /// Walks eight paths to the horizon.
    #[inline(always)]
    fn walk(&self, first: u64, paths: &mut Paths) {
        let factor = self.factor(first);
        let (mut x, mut sum) = ([0.0; LANES], [0.0; LANES]);
        let mut variance = 0.0;
        let groups = self.steps.chunks(2 * DRAWS).zip(paths.at.chunks_mut(2 * DRAWS));
        for (group, (deviations, ends)) in groups.enumerate() {
            let lots = normals(self.seed, first, (group * DRAWS) as u32, deviations.len().div_ceil(2));
            for ((deviation, end), z) in deviations.iter().zip(ends).zip(&lots) {
                variance += deviation * deviation;
                for i in 0..LANES {
                    let wide = deviation * factor[i];
                    x[i] += wide * z[i] - 0.5 * wide * wide;
                    sum[i] += deviation * z[i];
                }
                *end = x;
            }
        }
        let along = if variance > 0.0 { self.correlation / variance.sqrt() } else { 0.0 };
        let across = (1.0 - self.correlation * self.correlation).max(0.0).sqrt();
        let [own, ..] = normals(self.seed, first, VOL_DRAW, 1);
        for i in 0..LANES {
            paths.shock[i] = (along * sum[i] + across * own[i]) * factor[i];
        }
    }

    /// sqrt((nu - 2) / chi2), chi2 with nu = 2 m degrees of freedom being -2 ln(u1 ... um).
    #[inline(always)]
    fn factor(&self, first: u64) -> Lanes {
        if self.half_freedom == 0 {
            return [1.0; LANES];
        }
        let mut chi = [0.0; LANES];
        for n in 0..self.half_freedom.div_ceil(2) {
            let [one, two] = uniforms(self.seed, first, FACTOR_DRAW + n);
            let both = if 2 * n + 1 < self.half_freedom { 1.0 } else { 0.0 };
            for i in 0..LANES {
                chi[i] -= 2.0 * (ln(one[i]) + both * ln(two[i]));
            }
        }
        let excess = f64::from(2 * self.half_freedom - 2);
        let mut out = [0.0; LANES];
        for i in 0..LANES {
            let t = (excess / chi[i]).sqrt();
            out[i] = if t < MOST_FACTOR { t } else { MOST_FACTOR };
        }
        out
    }

    /// The book's value at the horizon on eight paths.
    #[inline(always)]
    fn revalue(&self, paths: &Paths, states: &mut [State]) -> Lanes {
        for (state, smile) in states.iter_mut().zip(&self.smiles) {
            *state = State::new(smile, paths);
        }
        let mut total = [0.0; LANES];
        for holding in &self.holdings {
            let smile = &self.smiles[holding.smile as usize];
            let state = &states[holding.smile as usize];
            if smile.shrink > 0.0 {
                alive(holding, smile, state, &mut total)
            } else {
                settled(holding, state, &mut total)
            }
        }
        total
    }
}

/// One smile on eight paths.
#[derive(Clone, Copy, Default)]
struct State {
    /// Log-return of its forward.
    x: Lanes,
    /// The forward.
    forward: Lanes,
    /// Total variance there over the smile's today.
    scale: Lanes,
}

impl State {
    #[inline(always)]
    fn new(smile: &Smile, paths: &Paths) -> Self {
        let end = paths.at.len() - 1;
        let x = paths.at[(smile.settles as usize).min(end)];
        let mut state = Self { x, ..Self::default() };
        let drift = smile.eta * smile.eta;
        for i in 0..LANES {
            state.forward[i] = smile.forward * exp(x[i]);
            // Twice the log volatility's shock, held within a factor of e^3 either way.
            let s = 2.0 * smile.eta * paths.shock[i] - drift;
            let s = if s > 6.0 { 6.0 } else { s };
            let s = if s < -6.0 { -6.0 } else { s };
            state.scale[i] = smile.shrink * exp(s);
        }
        state
    }
}

/// Adds a holding that outlives the horizon: Black-76 at the moved smile. A put is the call less the
/// forward (parity), so calls and puts run through the same instructions.
#[inline(always)]
fn alive(holding: &Holding, smile: &Smile, state: &State, total: &mut Lanes) {
    let svi = &smile.svi;
    let curve = svi.sigma * svi.sigma;
    let amount = holding.amount * smile.discount;
    let short = if holding.is_put { amount } else { 0.0 };
    let inverse = 1.0 / holding.strike;
    for i in 0..LANES {
        let k = holding.k - state.x[i];
        let y = k - svi.m;
        let w = (svi.a + svi.b * (svi.rho * y + (y * y + curve).sqrt())) * state.scale[i];
        let w = if w > 1e-8 { w } else { 1e-8 };
        let v = w.sqrt();
        let d1 = 0.5 * v - k / v;
        let d2 = d1 - v;
        // F phi(d1) = K phi(d2): one exponential serves both.
        let e1 = exp(-0.5 * d1 * d1);
        let e2 = e1 * (state.forward[i] * inverse);
        let call = state.forward[i] * cdf_with(d1, e1) - holding.strike * cdf_with(d2, e2);
        total[i] += amount * call - short * (state.forward[i] - holding.strike);
    }
}

/// Adds the cash of a holding that settled inside the horizon.
#[inline(always)]
fn settled(holding: &Holding, state: &State, total: &mut Lanes) {
    let sign = if holding.is_put { -1.0 } else { 1.0 };
    for i in 0..LANES {
        let worth = sign * (state.forward[i] - holding.strike);
        total[i] += holding.amount * if worth > 0.0 { worth } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use quant::{
        black::{Kind, black76},
        svi::Svi,
    };

    use super::{LANES, Paths, State};
    use crate::job::{Holding, Smile, Task};

    fn task(half_freedom: u32) -> Task {
        let svi = Svi { a: 0.001, b: 0.04, rho: -0.5, m: 0.02, sigma: 0.1 };
        let smile = Smile { forward: 7_000.0, discount: 0.99, shrink: 0.75, eta: 0.2, settles: u32::MAX, svi };
        let front = Smile { forward: 6_950.0, discount: 1.0, shrink: 0.0, eta: 0.3, settles: 1, svi };
        let holding = |smile: u32, is_put, strike: f64, amount| {
            let forward = if smile == 0 { 7_000.0 } else { 6_950.0_f64 };
            Holding { smile, is_put, strike, k: libm::log(strike / forward), amount }
        };
        Task {
            first: 5,
            last: 5 + 3 * LANES as u64 + 2,
            seed: 11,
            half_freedom,
            correlation: -0.75,
            value: 1_234.5,
            steps: vec![0.01, 0.012, 0.009],
            smiles: vec![smile, front],
            holdings: vec![
                holding(0, false, 7_100.0, 3.0),
                holding(0, true, 6_500.0, -2.0),
                holding(0, true, 9_000.0, 1.0),
                holding(1, true, 7_000.0, 4.0),
            ],
        }
    }

    #[test]
    fn each_path_is_worth_what_the_plain_formula_says() {
        for half_freedom in [0, 3, 4] {
            let task = task(half_freedom);
            let profits = task.profits();
            assert_eq!(profits.len(), 26);
            for (n, profit) in profits.iter().enumerate() {
                // The lane of a path does not matter: walk it in the first.
                let mut paths = Paths { at: vec![[0.0; LANES]; 3], shock: [0.0; LANES] };
                task.walk(task.first + n as u64, &mut paths);
                let mut value = 0.0;
                for h in &task.holdings {
                    let smile = &task.smiles[h.smile as usize];
                    let kind = if h.is_put { Kind::Put } else { Kind::Call };
                    let x = paths.at[if h.smile == 1 { 1 } else { 2 }][0];
                    let forward = smile.forward * libm::exp(x);
                    let move_of_vol = libm::exp(smile.eta * paths.shock[0] - 0.5 * smile.eta * smile.eta);
                    let w = smile.svi.total_variance(libm::log(h.strike / forward)) * smile.shrink;
                    value += h.amount * black76(kind, forward, h.strike, w.sqrt() * move_of_vol, 1.0, smile.discount);
                }
                assert!((value - task.value - profit).abs() < 1e-8, "{n}: {value} {profit}");
            }
        }
    }

    #[test]
    fn the_paths_factor_keeps_the_variance_of_the_index() {
        let task = task(3);
        let (mut sum, mut squares) = (0.0, 0.0);
        for block in 0..20_000_u64 {
            for f in task.factor(block * LANES as u64) {
                sum += f * f;
                squares += f * f * f * f;
            }
        }
        let n = 20_000.0 * LANES as f64;
        // E[4 / chi2_6] = 1, and its square has a finite mean.
        let error = ((squares / n - (sum / n) * (sum / n)) / n).sqrt();
        assert!((sum / n - 1.0).abs() < 4.0 * error && error < 0.01, "{} {error}", sum / n);
    }

    #[test]
    fn a_smile_that_settles_early_takes_the_index_of_its_step() {
        let task = task(0);
        let mut paths = Paths { at: vec![[0.0; LANES]; 3], shock: [0.0; LANES] };
        task.walk(0, &mut paths);
        assert_eq!(State::new(&task.smiles[1], &paths).x, paths.at[1]);
        assert_eq!(State::new(&task.smiles[0], &paths).x, paths.at[2]);
    }
}
