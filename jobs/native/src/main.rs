//! Runs the jobs' libraries natively: to look at their answers, and to time them against their guests.
//! `jobs/.cargo/config.toml` builds this for x86-64-v2, the instruction set that the guests run on.
//!
//! ```text
//! native surface CHAIN AS_OF [DIRECTORY]         the slices as a table; both CSV files into DIRECTORY
//! native risk CHAIN AS_OF BOOK PATHS             the book's value, Greeks, VaR and ES
//! native input CHAIN AS_OF BOOK PATHS FILE       the risk job as one task, into FILE
//! native slices CHAIN AS_OF DIRECTORY            each slice's task into DIRECTORY/NN.task
//! native european PATHS STEPS FILE               the yardstick option as one task, into FILE
//! native time JOB FILE ROUNDS                    runs a task; prints JSON with the best and median seconds
//! ```

use std::{env, error::Error, fs, io::Write, process::ExitCode, time::Instant};

use portfolio_risk::{Book, RiskJob, Scenario, european::European};
use quant::date::Date;
use vol_surface::{Surface, read_chain, table};

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["surface", chain, as_of] => surface(chain, as_of, None),
        ["surface", chain, as_of, directory] => surface(chain, as_of, Some(directory)),
        ["risk", chain, as_of, book, paths] => risk(chain, as_of, book, paths),
        ["input", chain, as_of, book, paths, file] => input(chain, as_of, book, paths, file),
        ["slices", chain, as_of, directory] => slices(chain, as_of, directory),
        ["european", paths, steps, file] => european(paths, steps, file),
        ["time", job, file, rounds] => time(job, file, rounds),
        _ => Err("usage: see the head of jobs/native/src/main.rs".into()),
    };
    match done {
        Ok(text) if std::io::stdout().write_all(text.as_bytes()).is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("native: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build(chain: &str, as_of: &str) -> Fallible<Surface> {
    let as_of = Date::parse(as_of).ok_or("the as-of date is not YYYY-MM-DD")?;
    let started = Instant::now();
    let chain = read_chain(fs::File::open(chain)?, as_of)?;
    let tasks = chain.tasks();
    let read = started.elapsed();
    let outputs = tasks.iter().map(|t| vol_surface::run(t)).collect::<Result<Vec<_>, _>>()?;
    let ran = started.elapsed() - read;
    let surface = vol_surface::reduce(&outputs)?;
    let bytes: usize = tasks.iter().map(Vec::len).sum();
    eprintln!(
        "{} rows in {} tasks of {bytes} bytes: read {read:.1?}, run {ran:.1?}; {} priced, {} middles inside bounds",
        chain.rows,
        tasks.len(),
        surface.contracts_priced(),
        surface.mids_inside_bounds()
    );
    Ok(surface)
}

fn surface(chain: &str, as_of: &str, directory: Option<&str>) -> Fallible<String> {
    let surface = build(chain, as_of)?;
    if let Some(directory) = directory {
        fs::write(format!("{directory}/surface.csv"), table::surface_csv(&surface))?;
        fs::write(format!("{directory}/slices.csv"), table::slices_csv(&surface))?;
    }
    let mut out = String::from(
        "expiration root  years    forward  rate%  atm%    skew  err(vol) err(spr) quotes  range of k           a        b     rho      m   sigma  flags\n",
    );
    for s in &surface.slices {
        let svi = s.svi.unwrap_or_default();
        let some = |v: Option<f64>| v.unwrap_or(f64::NAN);
        out.push_str(&format!(
            "{} {:5} {:.4} {:9.2} {:6.3} {:6.2} {:7.3} {:8.3} {:8.3} {:6}  [{:6.3} {:6.3}] {:9.2e} {:7.4} {:6.3} {:6.3} {:6.3}  {}\n",
            s.key.expiration,
            s.key.root,
            s.years,
            some(s.forward),
            100.0 * some(s.rate()),
            100.0 * some(s.atm_vol),
            some(s.skew),
            some(s.fit_error_vol),
            some(s.fit_error_spreads),
            s.fitted,
            s.range.0,
            s.range.1,
            svi.a,
            svi.b,
            svi.rho,
            svi.m,
            svi.sigma,
            s.flags
        ));
    }
    Ok(out)
}

fn prepare(chain: &str, as_of: &str, book: &str, paths: &str) -> Fallible<RiskJob> {
    let surface = build(chain, as_of)?;
    let book = Book::read(fs::File::open(book)?)?;
    Ok(RiskJob::new(&surface, &book, Scenario { paths: paths.parse()?, ..Scenario::default() })?)
}

fn risk(chain: &str, as_of: &str, book: &str, paths: &str) -> Fallible<String> {
    let job = prepare(chain, as_of, book, paths)?;
    let started = Instant::now();
    let outputs = job.tasks(8).iter().map(|t| portfolio_risk::run(t)).collect::<Result<Vec<_>, _>>()?;
    eprintln!("{} positions on {} paths: {:.1?}", job.rows.len(), job.scenario.paths, started.elapsed());
    let r = job.reduce(&outputs)?;
    let g = &job.greeks;
    Ok(format!(
        "horizon {}\nvalue {:.0} (at middles {:.0})\ndelta 1% {:.0}\ngamma 1% {:.0}\nvega point {:.0}\ntheta day {:.0}\n\
         VaR 99% {:.0} +- {:.0}\nES 99% {:.0} +- {:.0}\nmean {:.0} +- {:.0}, deviation {:.0}, worst {:.0}, best {:.0}\n",
        job.horizon,
        g.value,
        g.market_value,
        g.delta_1pct,
        g.gamma_1pct,
        g.vega_point,
        g.theta_day,
        r.var,
        r.var_error,
        r.es,
        r.es_error,
        r.mean,
        r.mean_error,
        r.deviation,
        r.quantile(0.0),
        r.quantile(1.0)
    ))
}

fn input(chain: &str, as_of: &str, book: &str, paths: &str, file: &str) -> Fallible<String> {
    let job = prepare(chain, as_of, book, paths)?;
    let task = job.tasks(1).into_iter().next().ok_or("the job has no task")?;
    fs::write(file, task)?;
    Ok(String::new())
}

fn slices(chain: &str, as_of: &str, directory: &str) -> Fallible<String> {
    let as_of = Date::parse(as_of).ok_or("the as-of date is not YYYY-MM-DD")?;
    let tasks = read_chain(fs::File::open(chain)?, as_of)?.tasks();
    for (n, task) in tasks.iter().enumerate() {
        fs::write(format!("{directory}/{n:02}.task"), task)?;
    }
    Ok(format!("{} tasks\n", tasks.len()))
}

fn european(paths: &str, steps: &str, file: &str) -> Fallible<String> {
    let what = European { steps: steps.parse()?, ..European::YARDSTICK };
    let task = what.tasks(paths.parse()?, 1).into_iter().next().ok_or("the job has no task")?;
    fs::write(file, task)?;
    Ok(String::new())
}

fn time(job: &str, file: &str, rounds: &str) -> Fallible<String> {
    let run = match job {
        "vol-surface" => vol_surface::run,
        "portfolio-risk" => portfolio_risk::run,
        _ => return Err("the job is vol-surface or portfolio-risk".into()),
    };
    let task = fs::read(file)?;
    let mut seconds = Vec::new();
    let mut bytes = 0;
    for _ in 0..rounds.parse::<u32>()?.max(1) {
        let started = Instant::now();
        bytes = std::hint::black_box(run(std::hint::black_box(&task))?).len();
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let (best, median) = (seconds[0], seconds[seconds.len() / 2]);
    Ok(format!("{{\"job\":\"{job}\",\"best_s\":{best},\"median_s\":{median},\"output_bytes\":{bytes}}}\n"))
}
