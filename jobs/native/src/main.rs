//! Runs a job's library natively, for comparison with its guest.
use std::{fs::File, time::Instant};
fn main() {
    let as_of = quant_date();
    let t = Instant::now();
    let chain = vol_surface::read_chain(File::open(std::env::args().nth(1).unwrap()).unwrap(), as_of).unwrap();
    let tasks = chain.tasks();
    eprintln!("read {:?} bytes {}", t.elapsed(), tasks.iter().map(Vec::len).sum::<usize>());
    let t = Instant::now();
    let outs: Vec<Vec<u8>> = tasks.iter().map(|x| vol_surface::run(x).unwrap()).collect();
    eprintln!("run {:?}", t.elapsed());
    let s = vol_surface::reduce(&outs).unwrap();
    eprintln!("{} rows priced {} inside {}", chain.rows, s.contracts_priced(), s.mids_inside_bounds());
    for x in &s.slices {
        println!(
            "{} {:4} T{:.4} F{:.2} r{:.3}% atm{:.2} skew{:.3} ev{:.3} es{:.3} n{} [{:.2} {:.2}] a{:.2e} b{:.3} rho{:.3} m{:.3} s{:.3} {}",
            x.key.expiration,
            x.key.root,
            x.years,
            x.forward.unwrap(),
            100.0 * x.rate().unwrap(),
            100.0 * x.atm_vol.unwrap(),
            x.skew.unwrap(),
            x.fit_error_vol.unwrap(),
            x.fit_error_spreads.unwrap(),
            x.fitted,
            x.range.0,
            x.range.1,
            x.svi.unwrap().a,
            x.svi.unwrap().b,
            x.svi.unwrap().rho,
            x.svi.unwrap().m,
            x.svi.unwrap().sigma,
            x.flags
        );
    }
}
fn quant_date() -> quant::date::Date {
    quant::date::Date::parse("2026-01-30").unwrap()
}
