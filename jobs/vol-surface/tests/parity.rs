//! Forward and discount out of quotes that are noisy, stale, few or missing.

use quant::date::Date;
use vol_surface::{
    parity::{Pair, carry},
    read_chain, reduce, run,
};

/// Pairs around a known forward and discount; every fifth is stale by `stale` points.
fn pairs(forward: f64, discount: f64, stale: f64) -> Vec<Pair> {
    (0..60_u32)
        .map(|i| {
            let strike = 6_000.0 + 30.0 * f64::from(i);
            let noise = 0.2 * libm::sin(f64::from(i) * 1.7);
            let off = if i % 5 == 0 { stale } else { 0.0 };
            let error = 0.5 + (strike - forward).abs() / 500.0;
            Pair { strike, difference: discount * (forward - strike) + noise + off, error }
        })
        .collect()
}

#[test]
fn stale_pairs_do_not_bend_the_line() {
    let (years, discount) = (1.0, 0.96);
    for stale in [0.0, 5.0, 40.0, -40.0] {
        let found = carry(&pairs(6_950.0, discount, stale), years, &[]).expect("a carry");
        assert!((found.forward - 6_950.0).abs() < 1.0, "{stale}: {}", found.forward);
        assert!((found.discount - discount).abs() < 0.003, "{stale}: {}", found.discount);
        assert!(!found.interpolated);
    }
}

#[test]
fn a_short_slice_takes_its_rate_from_the_curve_and_its_forward_from_itself() {
    let rate = 0.04;
    let long = pairs(7_100.0, libm::exp(-rate), 0.0);
    let longer = pairs(7_250.0, libm::exp(-2.0 * rate), 0.0);
    let years = 3.0 / 365.0;
    // Alone, its slope says a rate of minus 12 %.
    let short = pairs(6_940.0, 1.001, 0.0);
    let found = carry(&short, years, &[(1.0, &long), (2.0, &longer)]).expect("a carry");
    assert!(found.rate_from_curve);
    assert!((-libm::log(found.discount) / years - rate).abs() < 0.03, "{}", found.discount);
    assert!((found.forward - 6_940.0).abs() < 0.5, "{}", found.forward);
}

#[test]
fn without_pairs_the_forward_lies_between_the_neighbours() {
    let (near, far) = (pairs(6_950.0, 0.996, 0.0), pairs(6_970.0, 0.992, 0.0));
    let found = carry(&[], 0.15, &[(0.1, &near), (0.2, &far)]).expect("a carry");
    assert!(found.interpolated && found.rate_from_curve);
    assert!((found.forward - 6_960.0).abs() < 0.5, "{}", found.forward);
    assert!((found.discount - libm::exp(-0.04 * 0.15)).abs() < 2e-4, "{}", found.discount);
    assert!(carry(&[], 0.15, &[]).is_none());
}

#[test]
fn a_slice_without_any_quote_takes_its_neighbours_smile_and_says_so() {
    let mut text = String::from("contract,type,expiration,strike,bid,ask\n");
    for (strike, call, put) in
        [(6_700, 259.0, 18.0), (6_800, 170.7, 29.3), (6_900, 93.5, 52.2), (7_000, 36.4, 95.1), (7_100, 8.8, 167.5)]
    {
        for (letter, name, mid) in [("C", "call", call), ("P", "put", put)] {
            let (bid, ask) = (mid - 0.4, mid + 0.4);
            text.push_str(&format!("SPXW260227{letter}0{strike}000,{name},2026-02-27,{strike},{bid},{ask}\n"));
            text.push_str(&format!("SPXW260306{letter}0{strike}000,{name},2026-03-06,{strike},0,0\n"));
        }
    }
    let chain = read_chain(text.as_bytes(), Date::parse("2026-01-30").expect("a date")).expect("a chain");
    let outputs: Vec<Vec<u8>> = chain.tasks().iter().map(|t| run(t).expect("a slice")).collect();
    let surface = reduce(&outputs).expect("a surface");
    assert_eq!(surface.contracts_priced(), 20);
    assert_eq!(surface.slices[1].flags.to_string(), "forward-interpolated;smile-interpolated;rate-from-curve");
    let (first, second) = (surface.slices[0].atm_vol.expect("a vol"), surface.slices[1].atm_vol.expect("a vol"));
    assert!((first - second).abs() < 1e-12, "{first} {second}");
}
