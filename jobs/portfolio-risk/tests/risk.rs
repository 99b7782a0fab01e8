//! The sample book on the SPX chain of 2026-01-30, and the yardstick option.

use std::{fs, path::Path, sync::OnceLock};

use portfolio_risk::{Book, BookError, ReduceError, RiskError, RiskJob, Scenario, european::European, reduce, run};
use quant::{
    black::{Kind, black_scholes},
    date::Date,
};
use vol_surface::{Surface, read_chain};

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn surface() -> &'static Surface {
    static SURFACE: OnceLock<Surface> = OnceLock::new();
    SURFACE.get_or_init(|| {
        let file = fs::File::open(repository("data/spx-2026-01-30.csv")).expect("the chain is there");
        let chain = read_chain(file, Date::parse("2026-01-30").expect("a date")).expect("the chain reads");
        let outputs: Vec<Vec<u8>> = chain.tasks().iter().map(|t| vol_surface::run(t).expect("a slice")).collect();
        vol_surface::reduce(&outputs).expect("a surface")
    })
}

fn sample() -> Book {
    Book::read(fs::File::open(repository("data/sample-book.csv")).expect("the book is there")).expect("the book reads")
}

fn job(paths: u64) -> RiskJob {
    RiskJob::new(surface(), &sample(), Scenario { paths, ..Scenario::default() }).expect("a job")
}

fn outputs(tasks: &[Vec<u8>]) -> Vec<Vec<u8>> {
    tasks.iter().map(|task| run(task).expect("paths")).collect()
}

#[test]
fn the_sample_book_has_a_hundred_positions_long_and_short_and_a_sane_risk() {
    let book = sample();
    assert!(book.positions.len() >= 100);
    assert!(book.positions.iter().any(|p| p.quantity < 0.0) && book.positions.iter().any(|p| p.quantity > 0.0));
    let job = job(20_000);
    let report = job.reduce(&outputs(&job.tasks(4))).expect("a report");
    assert_eq!((report.paths, job.horizon.to_string().as_str()), (20_000, "2026-02-13"));
    assert!(report.es > report.var && report.var > 0.0, "{} {}", report.es, report.var);
    assert!(report.var_error > 0.0 && report.var_error < 0.15 * report.var, "{}", report.var_error);
    assert!(report.es_error > 0.0 && report.es_error < 0.15 * report.es, "{}", report.es_error);
    let gap = (job.greeks.value - job.greeks.market_value).abs();
    assert!(gap < 0.2 * job.greeks.value.abs(), "model and market value differ by {gap}");
}

#[test]
fn any_partition_of_the_paths_gives_the_same_bits() {
    let job = job(3_001);
    let whole = job.reduce(&outputs(&job.tasks(1))).expect("a report");
    for parts in [2, 3, 7, 64, 3_001] {
        let mut cut = outputs(&job.tasks(parts));
        assert_eq!(cut.len() as u64, parts);
        cut.reverse();
        let report = job.reduce(&cut).expect("a report");
        assert!(report.sorted.iter().zip(&whole.sorted).all(|(a, b)| a.to_bits() == b.to_bits()), "{parts}");
        assert_eq!((report.var.to_bits(), report.es.to_bits()), (whole.var.to_bits(), whole.es.to_bits()));
        assert_eq!(report, whole, "{parts}");
    }
}

#[test]
fn the_paths_have_the_pinned_bits() {
    let golden = fs::read_to_string(repository("jobs/fixtures/golden.txt")).expect("the golden hashes");
    let mut hasher = blake3::Hasher::new();
    for output in outputs(&job(4_096).tasks(2)) {
        hasher.update(&output);
    }
    let found = format!("portfolio-risk {}", hasher.finalize().to_hex());
    assert!(golden.lines().any(|line| line == found), "{found} is not in jobs/fixtures/golden.txt");
    let european = outputs(&European::YARDSTICK.tasks(4_096, 1));
    let found = format!("european {}", blake3::hash(&european[0]).to_hex());
    assert!(golden.lines().any(|line| line == found), "{found} is not in jobs/fixtures/golden.txt");
}

#[test]
fn a_synthetic_future_earns_nothing_on_average_and_moves_as_the_index_does() {
    let text = "contract,quantity\nSPX260320C06930000,10\nSPX260320P06930000,-10\n";
    let book = Book::read(text.as_bytes()).expect("a book");
    let scenario = Scenario { paths: 200_000, ..Scenario::default() };
    let job = RiskJob::new(surface(), &book, scenario).expect("a job");
    let report = job.reduce(&outputs(&job.tasks(2))).expect("a report");
    // Discounting rolls down over the horizon, which moves the (small) value of the future a little.
    assert!(report.mean.abs() < 3.0 * report.mean_error + 100.0, "{} {}", report.mean, report.mean_error);
    let vol = surface().atm_variance(14.0 / 365.0).expect("a variance").sqrt();
    let want = 1_000.0 * 6_961.0 * vol;
    assert!((report.deviation / want - 1.0).abs() < 0.03, "{} for {want}", report.deviation);
    // Vega and gamma cancel; the loss is that of a future.
    assert!(job.greeks.vega_point.abs() < 1e-6 * job.greeks.delta_1pct.abs());
}

#[test]
fn positions_that_expire_inside_the_horizon_settle_in_cash() {
    let text = "contract,quantity\nSPXW260206C06950000,1\nSPXW260206P06950000,-1\n";
    let book = Book::read(text.as_bytes()).expect("a book");
    let job = RiskJob::new(surface(), &book, Scenario { paths: 50_000, ..Scenario::default() }).expect("a job");
    let report = job.reduce(&outputs(&job.tasks(1))).expect("a report");
    let vol = surface().atm_variance(7.0 / 365.0).expect("a variance").sqrt();
    assert!((report.deviation / (100.0 * 6_940.0 * vol) - 1.0).abs() < 0.05, "{}", report.deviation);
    assert!(report.mean.abs() < 3.0 * report.mean_error + 10.0);
}

#[test]
fn the_yardstick_option_comes_within_three_standard_errors_of_its_closed_form() {
    for (steps, strike, is_put) in [(1, 100.0, false), (7, 90.0, false), (32, 100.0, false), (33, 110.0, true)] {
        let what = European { steps, strike, is_put, ..European::YARDSTICK };
        let estimate = European::reduce(&outputs(&what.tasks(100_000, 3))).expect("an estimate");
        let kind = if is_put { Kind::Put } else { Kind::Call };
        let exact = black_scholes(kind, what.spot, strike, what.vol, what.years, what.rate);
        assert!((estimate.price - exact).abs() < 3.0 * estimate.error, "{steps}: {estimate:?} for {exact}");
        assert!(estimate.error < 0.06);
    }
}

#[test]
fn broken_books_are_refused_and_say_where() {
    let read = |text: &str| Book::read(text.as_bytes());
    assert!(matches!(read(""), Err(BookError::Empty)));
    assert!(matches!(read("contract,quantity\n"), Err(BookError::Empty)));
    assert!(matches!(read("contract,size\n"), Err(BookError::MissingColumn("quantity"))));
    let row = |row: &str| read(&format!("contract,quantity,multiplier\nSPX260320C07000000,1,\n{row}\n"));
    assert!(matches!(row("SPX260320C07000000,1"), Err(BookError::FieldCount { line: 3 })));
    assert!(matches!(row("SPX,1,100"), Err(BookError::Contract { line: 3, .. })));
    for quantity in ["", "x", "NaN", "inf", "0"] {
        let found = row(&format!("SPX260320C07000000,{quantity},100"));
        assert!(matches!(found, Err(BookError::Number { line: 3, column: "quantity", .. })), "{quantity}");
    }
    assert!(matches!(row("SPX260320C07000000,1,-100"), Err(BookError::Number { line: 3, column: "multiplier", .. })));
    let unknown = row("SPX260320C07001000,1,100").expect("it reads");
    let refused = RiskJob::new(surface(), &unknown, Scenario::default()).expect_err("not in the chain");
    assert!(matches!(refused, RiskError::Book(BookError::UnknownContract { line: 3, .. })));
    assert_eq!(refused.to_string(), "line 3: SPX260320C07001000 is not in the option chain");
}

#[test]
fn scenarios_out_of_range_are_refused() {
    let good = Scenario::default();
    for bad in [
        Scenario { paths: 0, ..good },
        Scenario { days: 0, ..good },
        Scenario { days: 513, ..good },
        Scenario { half_freedom: 1, ..good },
        Scenario { vol_of_vol: f64::NAN, ..good },
        Scenario { correlation: -1.5, ..good },
        Scenario { reference_years: 0.0, ..good },
    ] {
        assert!(matches!(RiskJob::new(surface(), &sample(), bad), Err(RiskError::Scenario(_))), "{bad:?}");
    }
}

#[test]
fn broken_bytes_are_refused_and_missing_paths_named() {
    let task = job(100).tasks(1).remove(0);
    for end in (0..task.len()).step_by(7) {
        assert!(run(&task[..end]).is_err(), "{end}");
    }
    for at in (0..task.len()).step_by(11) {
        for value in [0x00, 0x7F, 0xFF] {
            let mut bytes = task.clone();
            bytes[at] = value;
            // The first 24 bytes name paths and seed: a flip there may ask for millions of paths.
            if at >= 28 {
                let _unless_refused: Result<Vec<u8>, String> = run(&bytes);
            }
        }
    }
    let european = European::YARDSTICK.tasks(100, 1).remove(0);
    for end in 0..european.len() {
        assert!(run(&european[..end]).is_err(), "{end}");
    }
    for task in [&task, &european] {
        let mut bytes = task.clone();
        bytes[4..12].copy_from_slice(&(u64::MAX - 3).to_le_bytes());
        bytes[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(run(&bytes).is_err(), "paths beyond the last");
    }
    let cut = outputs(&job(300).tasks(3));
    assert_eq!(reduce(&cut[1..]), Err(ReduceError::Gap { path: 0 }));
    assert_eq!(reduce(&[cut[0].clone(), cut[2].clone()]), Err(ReduceError::Gap { path: 100 }));
    assert_eq!(reduce(&[cut[0].clone(), cut[0].clone()]), Err(ReduceError::Gap { path: 100 }));
    assert_eq!(job(400).reduce(&cut), Err(ReduceError::Count { expected: 400, found: 300 }));
    assert!(matches!(reduce(&[vec![0_u8; 5]]), Err(ReduceError::Output { index: 0, .. })));
}
