//! What is priced: reading chain and book, cutting them into tasks, putting outputs together.
//!
//! The mathematics is that of `jobs/`; the guests run the same source. Nothing here prices anything.

mod risk;

use std::path::Path;

use quant::{black::Kind, date::Date, implied::implied_vol};
use vol_surface::{Chain, ChainError, Surface, read_chain, reduce};

use crate::{
    cli::QuickstartArgs,
    failure::{Code, Failure, Outcome},
    findings::{Market, Slice, SmileQuote, Svi},
};

pub(crate) use risk::{Holdings, RISK_TASKS, book, report};

/// SPX and SPXW at the close of 2026-01-30.
const BUILT_IN_CHAIN: &[u8] = include_bytes!("../../../data/spx-2026-01-30.csv");
const BUILT_IN_NAME: &str = "spx-2026-01-30.csv";
const BUILT_IN_AS_OF: &str = "2026-01-30";

/// The guests, as committed.
pub(crate) const VOL_SURFACE_GUEST: &[u8] = include_bytes!("../../../jobs/bin/vol-surface.wasm");
pub(crate) const PORTFOLIO_RISK_GUEST: &[u8] = include_bytes!("../../../jobs/bin/portfolio-risk.wasm");

/// A chain with where it came from.
#[derive(Debug)]
pub(crate) struct Quotes {
    pub(crate) chain: Chain,
    pub(crate) source: String,
}

impl Quotes {
    /// The chain the command line names, or the built-in one.
    pub(crate) fn load(args: &QuickstartArgs) -> Outcome<Self> {
        match (&args.chain, &args.as_of) {
            (Some(path), Some(as_of)) => {
                let bytes = read(path)?;
                let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into());
                Self::parse(&bytes, name, as_of)
            }
            _ => Self::parse(BUILT_IN_CHAIN, BUILT_IN_NAME.to_owned(), BUILT_IN_AS_OF),
        }
    }

    fn parse(bytes: &[u8], source: String, as_of: &str) -> Outcome<Self> {
        let date = Date::parse(as_of).ok_or_else(|| {
            Failure::new(Code::BadInput, format!("'{as_of}' is not a date")).next("write --as-of as 2026-01-30")
        })?;
        let chain = read_chain(bytes, date).map_err(|error| refused(&source, &error))?;
        Ok(Self { chain, source })
    }

    /// One task a slice.
    pub(crate) fn tasks(&self) -> Vec<Vec<u8>> {
        self.chain.tasks()
    }

    /// The surface of the tasks' outputs.
    pub(crate) fn surface(&self, outputs: &[Vec<u8>]) -> Outcome<Surface> {
        reduce(outputs)
            .map_err(|error| Failure::new(Code::VerificationFailed, "the slices do not make a surface").because(&error))
    }

    /// The facts of the market for the report.
    pub(crate) fn market(&self, surface: &Surface) -> Market {
        let mut roots: Vec<&str> = self.chain.slices.keys().map(|k| k.root.as_str()).collect();
        roots.sort_unstable();
        // SPXW and SPX are one underlying; the shortest root names it.
        let underlying = roots.iter().min_by_key(|r| r.len()).copied().unwrap_or("?").to_owned();
        Market {
            underlying,
            as_of: surface.as_of.to_string(),
            source: self.source.clone(),
            quotes: self.chain.rows as u64,
            contracts_priced: surface.contracts_priced() as u64,
            expiries: surface.expirations() as u64,
        }
    }

    /// The slices of a surface with their quotes in vols.
    pub(crate) fn slices(&self, surface: &Surface) -> Vec<Slice> {
        let mut priced = vec![0u64; surface.slices.len()];
        for contract in surface.contracts.iter().filter(|c| c.is_priced()) {
            priced[contract.slice] += 1;
        }
        surface.slices.iter().zip(priced).map(|(s, priced)| self.slice(s, priced)).collect()
    }

    fn slice(&self, s: &vol_surface::Slice, priced: u64) -> Slice {
        let flags = s.flags.to_string();
        Slice {
            expiration: s.key.expiration.to_string(),
            root: s.key.root.clone(),
            years: s.years,
            forward: s.forward,
            discount: s.discount,
            atm_vol: s.atm_vol,
            skew: s.skew,
            svi: s.svi.map(|v| Svi { a: v.a, b: v.b, rho: v.rho, m: v.m, sigma: v.sigma }),
            fit_error_vol: s.fit_error_vol,
            fit_error_spreads: s.fit_error_spreads,
            priced,
            flags: flags.split(';').filter(|f| !f.is_empty()).map(str::to_owned).collect(),
            quotes: self.smile(s),
        }
    }

    /// Out-of-the-money quotes in vols, the side that a smile is drawn and fitted from.
    fn smile(&self, s: &vol_surface::Slice) -> Vec<SmileQuote> {
        let (Some(forward), Some(discount)) = (s.forward, s.discount) else { return Vec::new() };
        let quotes = self.chain.slices.get(&s.key).map(Vec::as_slice).unwrap_or_default();
        let of = |q: &vol_surface::Quote| {
            let out = match q.kind {
                Kind::Call => q.strike() >= forward,
                Kind::Put => q.strike() < forward,
            };
            let vol = |price: f64| implied_vol(q.kind, price, forward, q.strike(), s.years, discount).ok();
            let mid = vol(q.mid().filter(|_| out)?)?;
            Some(SmileQuote { k: (q.strike() / forward).ln(), bid: vol(q.bid), mid, ask: vol(q.ask) })
        };
        quotes.iter().filter_map(of).collect()
    }
}

/// One task of the risk job on the built-in chain and book, for the benchmarks.
pub(crate) fn risk_task(paths: u64) -> Outcome<Vec<u8>> {
    let quotes = Quotes::parse(BUILT_IN_CHAIN, BUILT_IN_NAME.to_owned(), BUILT_IN_AS_OF)?;
    let slice = |task: &Vec<u8>| {
        vol_surface::run(task).map_err(|e| Failure::new(Code::Internal, "a slice of the built-in chain fails").why(e))
    };
    let outputs = quotes.tasks().iter().map(slice).collect::<Outcome<Vec<_>>>()?;
    let job = Holdings::load(None)?.job(&quotes.surface(&outputs)?, paths)?;
    Ok(job.tasks(1).swap_remove(0))
}

/// Task number `index` of the surface job on the built-in chain, for the benchmarks.
pub(crate) fn slice_task(index: usize) -> Outcome<Vec<u8>> {
    let mut tasks = Quotes::parse(BUILT_IN_CHAIN, BUILT_IN_NAME.to_owned(), BUILT_IN_AS_OF)?.tasks();
    let at = index % tasks.len().max(1);
    Ok(tasks.swap_remove(at))
}

/// Reads a file the user named.
pub(crate) fn read(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|error| Failure::io(format!("could not read {}", path.display()), &error))
}

fn refused(source: &str, error: &ChainError) -> Failure {
    Failure::new(Code::BadInput, format!("{source} is not an option chain that can be priced"))
        .because(error)
        .next("the columns are contract,type,expiration,strike,bid,ask,last,volume,open_interest; nothing was started")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_chain_gives_a_slice_for_each_expiration_and_root() {
        let quotes = Quotes::parse(BUILT_IN_CHAIN, BUILT_IN_NAME.to_owned(), BUILT_IN_AS_OF).expect("reads");
        assert_eq!((quotes.chain.rows, quotes.chain.expirations(), quotes.tasks().len()), (17_107, 54, 59));
        let outputs: Vec<Vec<u8>> = quotes.tasks().iter().map(|t| vol_surface::run(t).expect("runs")).collect();
        let surface = quotes.surface(&outputs).expect("reduces");
        let slices = quotes.slices(&surface);
        assert_eq!(slices.iter().map(|s| s.priced).sum::<u64>(), quotes.market(&surface).contracts_priced);
        let mut holdings = Holdings::load(None).expect("reads");
        assert_eq!(holdings.fit_to(&quotes.chain, true).expect("fits"), 0);
        let job = holdings.job(&surface, 4_096).expect("is a job");
        let outputs: Vec<Vec<u8>> = job.tasks(4).iter().map(|t| portfolio_risk::run(t).expect("runs")).collect();
        let risk = book(&job, &report(&job, &outputs).expect("reduces"), surface.as_of);
        assert!(risk.positions >= 100 && risk.es > risk.var && risk.var > 0.0, "{risk:?}");
        assert_eq!(risk.buckets.iter().map(|b| b.positions).sum::<u64>(), risk.positions);
        if let Some(p) = std::env::var_os("SAMPLE") {
            let mut f = crate::report::sample::findings();
            f.market = quotes.market(&surface);
            f.slices = slices;
            f.book = risk;
            std::fs::write(p, crate::report::html(&f)).unwrap();
        }
    }

    #[test]
    fn a_broken_row_is_named_by_its_line() {
        let text = "contract,type,expiration,strike,bid,ask,last,volume,open_interest\n\
                    SPXW260202C02800000,call,2026-02-02,2800,4122.2,x,4139.54,6,3\n";
        let failure = Quotes::parse(text.as_bytes(), "mine.csv".to_owned(), "2026-01-30").expect_err("refused");
        assert_eq!(failure.code, Code::BadInput);
        assert!(failure.why[0].starts_with("line 2: "), "{failure}");
    }
}
