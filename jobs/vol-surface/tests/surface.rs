//! The whole SPX chain of 2026-01-30: what comes out, whether it agrees with QuantLib, and that it is
//! always the same bits.

use std::{fs, path::Path, sync::OnceLock};

use quant::{
    black::{Kind, black76},
    csv::fields,
    date::Date,
    implied::implied_vol,
};
use vol_surface::{Flags, Surface, chain::parse_symbol, read_chain, reduce, run, table};

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn outputs() -> &'static Vec<Vec<u8>> {
    static OUTPUTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    OUTPUTS.get_or_init(|| {
        let file = fs::File::open(repository("data/spx-2026-01-30.csv")).expect("the chain is there");
        let chain = read_chain(file, Date::parse("2026-01-30").expect("a date")).expect("the chain reads");
        assert_eq!((chain.rows, chain.expired, chain.expirations(), chain.slices.len()), (17_107, 0, 54, 59));
        chain.tasks().iter().map(|task| run(task).expect("a slice")).collect()
    })
}

fn surface() -> &'static Surface {
    static SURFACE: OnceLock<Surface> = OnceLock::new();
    SURFACE.get_or_init(|| reduce(outputs()).expect("a surface"))
}

#[test]
fn nearly_every_contract_is_priced_and_every_slice_has_a_sane_forward_and_rate() {
    let surface = surface();
    assert_eq!(surface.contracts.len(), 17_107);
    assert!(surface.contracts_priced() >= 15_700, "{}", surface.contracts_priced());
    assert!((15_600..15_900).contains(&surface.mids_inside_bounds()), "{}", surface.mids_inside_bounds());
    assert_eq!((surface.slices.len(), surface.expirations()), (59, 54));
    let mut last = 6_900.0;
    for slice in &surface.slices {
        let (forward, rate) = (slice.forward.expect("a forward"), slice.rate().expect("a rate"));
        // Carry is positive; neighbouring forwards may cross by a point or so of noise.
        assert!(forward > last - 2.0 && forward < 9_000.0, "{:?} {forward}", slice.key);
        assert!((0.035..0.045).contains(&rate), "{:?} {rate}", slice.key);
        last = forward;
    }
}

#[test]
fn the_expiration_without_common_strikes_is_interpolated_and_flagged_and_no_other() {
    for slice in &surface().slices {
        let alone = slice.key.expiration.to_string() == "2026-03-10";
        assert_eq!(slice.flags.has(Flags::FORWARD_INTERPOLATED), alone, "{:?}", slice.key);
    }
    let at = |date: &str| surface().slices.iter().find(|s| s.key.expiration.to_string() == date).expect("a slice");
    let (before, slice, after) = (at("2026-03-09"), at("2026-03-10"), at("2026-03-13"));
    assert!(before.forward < slice.forward && slice.forward < after.forward);
    assert!(before.discount > slice.discount && slice.discount > after.discount);
    let names = ["SPXW260310C07000000", "SPXW260310P06800000"];
    assert!(
        surface().contracts.iter().filter(|c| c.symbol.starts_with("SPXW260310")).all(|c| c.is_priced()),
        "{names:?}"
    );
}

#[test]
fn smiles_fit_within_fractions_of_a_vol_point_and_hold_no_butterfly() {
    let mut sum = 0.0;
    for slice in &surface().slices {
        let (vol, spreads) = (slice.fit_error_vol.expect("a fit"), slice.fit_error_spreads.expect("a fit"));
        assert!(vol < 1.0 && spreads < 2.5, "{:?} {vol} {spreads}", slice.key);
        assert_eq!(slice.flags.has(Flags::POOR_FIT), spreads > 1.0);
        assert!(!slice.flags.has(Flags::BUTTERFLY), "{:?}", slice.key);
        let svi = slice.svi.expect("a smile");
        assert!(svi.is_free_of_butterflies(slice.range.0, slice.range.1), "{:?}", slice.key);
        assert!(svi.rho.abs() < 1.0 && slice.skew.expect("a skew") < 0.0, "{:?} {svi:?}", slice.key);
        sum += vol;
    }
    assert!(sum / 59.0 < 0.4, "{}", sum / 59.0);
}

#[test]
fn smiles_miss_by_no_more_spreads_and_raise_no_more_flags_than_they_do() {
    let mut spreads: Vec<f64> = surface().slices.iter().map(|s| s.fit_error_spreads.expect("a fit")).collect();
    spreads.sort_by(f64::total_cmp);
    assert!(spreads[29] < 0.805 && spreads[58] < 1.80, "{} {}", spreads[29], spreads[58]);
    let count = |flag| surface().slices.iter().filter(|s| s.flags.has(flag)).count();
    let (poor, calendar) = (count(Flags::POOR_FIT), count(Flags::CALENDAR));
    assert!(poor <= 18 && calendar <= 27, "{poor} {calendar}");
}

/// The quotes a slice was fitted to, as (k, vol).
fn fitted(slice: usize) -> Vec<(f64, f64)> {
    let (forward, (low, high)) = (surface().slices[slice].forward.expect("a forward"), surface().slices[slice].range);
    let out = |strike: f64| if strike >= forward { Kind::Call } else { Kind::Put };
    let of_slice = surface().contracts.iter().filter(|c| c.slice == slice && c.priced.kind == out(c.strike));
    let quotes = of_slice.filter_map(|c| Some((libm::log(c.strike / forward), c.priced.market_vol?)));
    quotes.filter(|(k, _)| (low..=high).contains(k)).collect()
}

#[test]
fn call_wings_of_the_ten_shortest_expirations_follow_their_quotes() {
    let mut sum = 0.0;
    for (i, slice) in surface().slices[..10].iter().enumerate() {
        let svi = slice.svi.expect("a smile");
        let calls: Vec<(f64, f64)> = fitted(i).into_iter().filter(|(k, _)| *k > 0.0).collect();
        let misses = calls.iter().map(|(k, vol)| 100.0 * (svi.vol(*k, slice.years) - vol));
        sum += misses.map(|miss| miss * miss).sum::<f64>() / calls.len() as f64;
    }
    let miss = (sum / 10.0).sqrt();
    assert!(miss < 1.15, "{miss} vol points");
}

#[test]
fn beyond_the_last_quotes_smiles_stay_between_half_and_twice_their_volatility() {
    for (i, slice) in surface().slices.iter().enumerate() {
        let (svi, (low, high)) = (slice.svi.expect("a smile"), slice.range);
        let beyond = 0.2 * (high - low);
        for (last, out) in [(low, low - beyond), (high, high + beyond)] {
            let (_, quoted) = fitted(i).into_iter().find(|(k, _)| *k == last).expect("the last quote");
            let ratio = svi.vol(out, slice.years) / quoted;
            assert!((0.5..2.0).contains(&ratio), "{:?} at {out}: {ratio}", slice.key);
        }
        assert!(svi.is_free_of_butterflies(low - beyond, high + beyond), "{:?}", slice.key);
        // Nor do they run off further out: the asymptotes are far from Lee's bound of two.
        assert!(svi.b * (1.0 + svi.rho.abs()) < 0.5, "{:?} {svi:?}", slice.key);
    }
}

#[test]
fn implied_vols_reprice_their_middles_to_a_trillionth_of_the_forward() {
    let mut checked = 0;
    for c in &surface().contracts {
        let (Some(vol), Some(mid)) = (c.priced.market_vol, c.priced.mid) else { continue };
        let slice = &surface().slices[c.slice];
        let (forward, discount) = (slice.forward.expect("a forward"), slice.discount.expect("a discount"));
        let again = black76(c.priced.kind, forward, c.strike, vol, slice.years, discount);
        assert!((again - mid).abs() <= 1e-12 * forward, "{} {again} {mid}", c.symbol);
        checked += 1;
    }
    assert_eq!(checked, surface().mids_inside_bounds());
}

#[test]
fn implied_vols_agree_with_quantlib() {
    let text = fs::read_to_string(repository("jobs/fixtures/quantlib_vols.csv")).expect("the fixture");
    let (mut checked, mut published) = (0, 0);
    for row in text.lines().skip(1) {
        let cells = fields(row);
        let number = |i: usize| cells[i].parse::<f64>().expect("a number");
        let (key, kind, _) = parse_symbol(cells[0]).expect("a symbol");
        let (strike, mid, forward, discount, years, theirs) =
            (number(2), number(3), number(4), number(5), number(6), number(7));
        let ours = implied_vol(kind, mid, forward, strike, years, discount).expect("inside the bounds");
        assert!((ours - theirs).abs() < 1e-8, "{}: {ours} for {theirs}", cells[0]);
        checked += 1;
        // The fixture was made with the published forward and discount; where those are still the
        // same, the published volatility is this one.
        let contract = surface().contract(cells[0]).expect("in the surface");
        let slice = &surface().slices[contract.slice];
        assert_eq!(slice.key, key);
        if slice.forward == Some(forward) && slice.discount == Some(discount) {
            assert!((contract.implied_vol().expect("a vol") - theirs).abs() < 1e-8, "{}", cells[0]);
            published += 1;
        }
    }
    assert!(checked >= 400 && published >= 200, "{checked} {published}");
}

#[test]
fn the_outputs_have_the_pinned_bits_in_any_order() {
    let mut hasher = blake3::Hasher::new();
    for output in outputs() {
        hasher.update(output);
    }
    let golden = fs::read_to_string(repository("jobs/fixtures/golden.txt")).expect("the golden hashes");
    let found = format!("vol-surface {}", hasher.finalize().to_hex());
    assert!(golden.lines().any(|line| line == found), "{found} is not in jobs/fixtures/golden.txt");
    let mut turned: Vec<Vec<u8>> = outputs().clone();
    turned.reverse();
    turned.swap(3, 40);
    assert_eq!(&reduce(&turned).expect("a surface"), surface());
}

#[test]
fn the_tables_have_a_row_per_contract_and_slice_and_read_back_exactly() {
    let csv = table::surface_csv(surface());
    assert_eq!(csv.lines().next(), Some(table::SURFACE_HEADER));
    assert_eq!(csv.lines().count(), 1 + surface().contracts_priced());
    let width = table::SURFACE_HEADER.split(',').count();
    for (row, contract) in csv.lines().skip(1).zip(surface().contracts.iter().filter(|c| c.is_priced())) {
        let cells = fields(row);
        assert_eq!((cells.len(), cells[0]), (width, contract.symbol.as_str()));
        assert_eq!(cells[7].parse().ok(), contract.implied_vol());
    }
    let csv = table::slices_csv(surface());
    assert_eq!(csv.lines().next(), Some(table::SLICES_HEADER));
    assert_eq!(csv.lines().count(), 60);
}
