//! Clopper and Pearson's interval: never too narrow, also for rare events (Biometrika 26, 1934).

/// Chance left outside of the interval, on each side: 99 % stay inside.
const TAIL: f64 = 0.005;

/// The 99 % interval of a rate that showed `hits` times in `trials`.
pub fn clopper_pearson(hits: u64, trials: u64) -> (f64, f64) {
    let (k, n) = (hits as f64, trials as f64);
    let low = if hits == 0 { 0.0 } else { quantile(TAIL, k, n - k + 1.0) };
    let high = if hits >= trials { 1.0 } else { quantile(1.0 - TAIL, k + 1.0, n - k) };
    (low, high)
}

/// Where the beta distribution reaches `chance`, by bisection.
fn quantile(chance: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if beta(middle, a, b) < chance {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// The regularised incomplete beta function, by the continued fraction of DLMF 8.17.22 (Lentz's method).
fn beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(1.0 - x, b, a);
    }
    let front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    front.exp() * fraction(x, a, b) / a
}

fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let safe = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / safe(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for step in 1..10_000 {
        let m = f64::from(step);
        for term in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / safe(1.0 + term * d);
            c = safe(1.0 + term / c);
            value *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-14 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chance of at least `hits` of `trials`, by adding up the binomial.
    fn at_least(hits: u64, trials: u64, rate: f64) -> f64 {
        let chance = |k: u64| {
            let (k, n) = (k as f64, trials as f64);
            let ways = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
            (ways + k * rate.ln() + (n - k) * (-rate).ln_1p()).exp()
        };
        (hits..=trials).map(chance).sum()
    }

    #[test]
    fn the_ends_are_where_the_binomial_leaves_half_a_percent() {
        for (hits, trials) in [(1, 10), (5, 10), (9, 10), (16, 500), (400, 500), (3, 2_000)] {
            let (low, high) = clopper_pearson(hits, trials);
            assert!((at_least(hits, trials, low) - TAIL).abs() < 1e-6, "{hits} {trials} {low}");
            assert!((1.0 - at_least(hits + 1, trials, high) - TAIL).abs() < 1e-6, "{hits} {trials} {high}");
        }
    }

    #[test]
    fn none_and_all_reach_the_ends() {
        let (low, high) = clopper_pearson(0, 1_000);
        assert_eq!(low, 0.0);
        assert!((high - (1.0 - TAIL.powf(1e-3))).abs() < 1e-9, "{high}");
        let (low, high) = clopper_pearson(1_000, 1_000);
        assert_eq!(high, 1.0);
        assert!((low - TAIL.powf(1e-3)).abs() < 1e-9, "{low}");
    }
}
