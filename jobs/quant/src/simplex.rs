//! Nelder-Mead minimisation without randomness: the same start gives the same bits.
//!
//! Source: Nelder and Mead, "A simplex method for function minimization" (1965), with the usual
//! coefficients 1, 2, 1/2, 1/2. Ties keep the earlier vertex, so the order is total.

/// A minimum that was found.
#[derive(Clone, Copy, Debug)]
pub struct Minimum<const N: usize> {
    /// Where.
    pub at: [f64; N],
    /// How low.
    pub value: f64,
}

/// Minimises `f` from `start` with initial edges `edges`, for at most `budget` evaluations or until
/// the simplex's values agree to `tolerance` relatively. A NaN counts as infinitely high.
pub fn minimise<const N: usize>(
    start: [f64; N],
    edges: [f64; N],
    budget: usize,
    tolerance: f64,
    mut f: impl FnMut(&[f64; N]) -> f64,
) -> Minimum<N> {
    let mut eval = |x: &[f64; N]| {
        let y = f(x);
        if y.is_nan() { f64::INFINITY } else { y }
    };
    let mut points: Vec<([f64; N], f64)> = Vec::with_capacity(N + 1);
    points.push((start, eval(&start)));
    for i in 0..N {
        let mut x = start;
        x[i] += edges[i];
        let y = eval(&x);
        points.push((x, y));
    }
    let mut used = N + 1;
    let along = |centre: &[f64; N], worst: &[f64; N], t: f64| {
        let mut x = *centre;
        for i in 0..N {
            x[i] += t * (centre[i] - worst[i]);
        }
        x
    };
    while used < budget {
        points.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (best, worst) = (points[0].1, points[N].1);
        if worst - best <= tolerance * (best.abs() + 1e-300) {
            break;
        }
        let mut centre = [0.0; N];
        for (x, _) in &points[..N] {
            for i in 0..N {
                centre[i] += x[i] / N as f64;
            }
        }
        let last = points[N].0;
        let reflected = along(&centre, &last, 1.0);
        let y = eval(&reflected);
        used += 1;
        if y < best {
            let expanded = along(&centre, &last, 2.0);
            let z = eval(&expanded);
            used += 1;
            points[N] = if z < y { (expanded, z) } else { (reflected, y) };
        } else if y < points[N - 1].1 {
            points[N] = (reflected, y);
        } else {
            let t = if y < worst { 0.5 } else { -0.5 };
            let contracted = along(&centre, &last, t);
            let z = eval(&contracted);
            used += 1;
            if z < y.min(worst) {
                points[N] = (contracted, z);
            } else {
                let first = points[0].0;
                for (x, value) in &mut points[1..] {
                    for i in 0..N {
                        x[i] = 0.5 * (x[i] + first[i]);
                    }
                    *value = eval(x);
                    used += 1;
                }
            }
        }
    }
    points.sort_by(|a, b| a.1.total_cmp(&b.1));
    Minimum { at: points[0].0, value: points[0].1 }
}

#[cfg(test)]
mod tests {
    use super::minimise;

    #[test]
    fn the_valley_of_rosenbrock_is_followed_to_its_end() {
        let found = minimise([-1.2, 1.0], [0.1, 0.1], 2_000, 1e-15, |[x, y]| {
            100.0 * (y - x * x) * (y - x * x) + (1.0 - x) * (1.0 - x)
        });
        assert!((found.at[0] - 1.0).abs() < 1e-6 && (found.at[1] - 1.0).abs() < 1e-6, "{found:?}");
    }
}
