//! What is plotted: the formulas with the default parameters.

use assay_ledger::rewards::formula::{self, InflationRule, ONE, YEAR_MS};
use assay_types::{GRAINS_PER_KRT, Params};

use super::svg::{Axis, Plot};

const DAY_MS: u64 = 86_400_000;
const SUPPLY: u128 = 1_000_000_000 * GRAINS_PER_KRT;

/// All plots: file, drawing.
pub(crate) fn all() -> Vec<(&'static str, String)> {
    vec![
        ("rewards-pull.svg", pull().draw()),
        ("rewards-inflation.svg", inflation().draw()),
        ("rewards-fullness.svg", fullness().draw()),
        ("rewards-emission.svg", emission().draw()),
        ("rewards-supply.svg", supply().draw()),
    ]
}

/// Parts of one as hundredths of a percent: basis points.
fn bps(part: u64) -> i64 {
    i64::try_from(part / (ONE / 10_000)).expect("at most 10,000")
}

fn percent(label: &'static str, from: i64, to: i64, step: i64) -> Axis {
    Axis { label, from, to, step }
}

/// By how much the rate moves in a year, by what is bonded.
fn pull() -> Plot {
    // Far from both bounds.
    let rule = InflationRule { min: 0, max: ONE, ..InflationRule::of(&Params::default()) };
    let rate = ONE / 2;
    let points = (0..=100u32).map(|bonded| {
        let moved = i128::from(rule.next(rate, formula::from_bps(bonded * 100), YEAR_MS)) - i128::from(rate);
        (i64::from(bonded) * 100, i64::try_from(moved / i128::from(ONE / 10_000)).expect("small"))
    });
    Plot {
        title: "How inflation is pulled",
        x: percent("bonded, % of the supply", 0, 10_000, 1_000),
        y: percent("change of the rate, points a year", -1_000, 1_000, 200),
        lines: vec![("goal 50 %, 8 points a year", points.collect())],
    }
}

/// The rate over four years, from the first one.
fn inflation() -> Plot {
    let rule = InflationRule::of(&Params::default());
    let path = |bonded: u32| {
        let mut rate = rule.first();
        let mut points = vec![(0, bps(rate))];
        for day in 1..=1_461i64 {
            rate = rule.next(rate, formula::from_bps(bonded), DAY_MS);
            if day % 7 == 0 || day == 1_461 {
                points.push((day * 400 / 1_461, bps(rate)));
            }
        }
        points
    };
    Plot {
        title: "Inflation over time",
        x: percent("years", 0, 400, 100),
        y: percent("yearly rate, %", 0, 1_200, 200),
        lines: vec![
            ("20 % of the supply is bonded", path(2_000)),
            ("40 %", path(4_000)),
            ("50 %, the goal", path(5_000)),
            ("70 %", path(7_000)),
        ],
    }
}

/// What of its part of the budget a class has.
fn fullness() -> Plot {
    let full = Params::default().emission_full_bps;
    let points = (0..=100u32).map(|used| {
        let fullness = formula::fullness(used * 100, full);
        (i64::from(used) * 100, i64::from(fullness))
    });
    Plot {
        title: "Fullness of a class",
        x: percent("busy part of the capacity on offer, %", 0, 10_000, 1_000),
        y: percent("part of the budget, %", 0, 10_000, 2_000),
        lines: vec![("full at 70 %", points.collect())],
    }
}

/// What a provider has back of an epoch, beside others that burned a thousand KRT.
fn emission() -> Plot {
    let (krt, cap) = (GRAINS_PER_KRT, Params::default().emission_cap_bps);
    let hundredths = |grains: u128| i64::try_from(grains / (krt / 100)).expect("small");
    let (budget, others) = (800 * krt, 1_000 * krt);
    let line = |fullness: u32| {
        let of = |burned: u128| {
            let weighed = formula::weighed(burned, fullness);
            formula::emission(budget, others + burned, burned, weighed, cap)
        };
        (0..=100u128).map(|step| (hundredths(step * 10 * krt), hundredths(of(step * 10 * krt)))).collect()
    };
    let capped = (0..=100u128).map(|step| (hundredths(step * 10 * krt), hundredths(step * 5 * krt)));
    Plot {
        title: "Emission of an epoch: budget 800 KRT, others burned 1,000",
        x: percent("burned by its own payments, KRT", 0, 100_000, 10_000),
        y: percent("emitted, KRT", 0, 50_000, 10_000),
        lines: vec![
            ("the cap: half of its own burn", capped.collect()),
            ("class full", line(10_000)),
            ("class half full", line(5_000)),
        ],
    }
}

/// The supply over four years at the goal, by what is paid for work in a year.
fn supply() -> Plot {
    let params = Params::default();
    let rule = InflationRule::of(&params);
    let path = |paid_bps_a_year: u32| {
        let (mut supply, mut rate) = (SUPPLY, rule.first());
        let mut points = vec![(0, 10_000)];
        for day in 1..=1_461i64 {
            rate = rule.next(rate, rule.goal, DAY_MS);
            let paid = formula::minted(supply, formula::from_bps(paid_bps_a_year), DAY_MS);
            let burned = formula::burned(paid, params.job_burn_bps);
            let budget = formula::minted(supply, formula::from_bps(params.emission_bps_a_year), DAY_MS);
            let emitted = formula::emission(budget, burned, burned, burned, params.emission_cap_bps);
            supply = supply + formula::minted(supply, rate, DAY_MS) + emitted - burned;
            if day % 7 == 0 || day == 1_461 {
                let part = supply / (SUPPLY / 10_000);
                points.push((day * 400 / 1_461, i64::try_from(part).expect("small")));
            }
        }
        points
    };
    Plot {
        title: "Supply over time, half of it bonded, classes full",
        x: percent("years", 0, 400, 100),
        y: percent("supply, % of the first", 6_000, 14_000, 1_000),
        lines: vec![
            ("no work is paid for", path(0)),
            ("half the supply a year is paid for work", path(5_000)),
            ("the supply, once a year", path(10_000)),
            ("three times a year", path(30_000)),
        ],
    }
}
