//! `assay provider price`: the ask that a provider's costs come to.

use std::time::{Duration, Instant};

use assay_exec::{Abi, Engine, EngineConfig, Limits};
use assay_provider::{ProviderConfig, Reckoning};
use assay_types::{GIGAFUEL, format_krt};
use serde_json::json;

use crate::{
    failure::{Code, Failure, Outcome},
    pricing::{PORTFOLIO_RISK_GUEST, risk_task},
    terminal::{Grid, Terminal},
    words::number,
};

/// Paths of the task that is timed, and how often; the fastest run counts.
const PATHS: u64 = 20_000;
const RUNS: usize = 3;

/// Runs it.
pub(crate) async fn run(config: &ProviderConfig, explain: bool, measure: bool, terminal: &Terminal) -> Outcome<()> {
    let measured = if measure { Some(gigafuel_per_s(terminal)?) } else { None };
    let Some(mut pricing) = config.pricing.clone() else {
        terminal.document(&json!({
            "ask_grains": config.price_per_gigafuel.to_string(), "fixed": true, "gigafuel_per_s_measured": measured,
        }));
        terminal.line(format!("{} KRT a gigafuel, fixed in the file", format_krt(config.price_per_gigafuel)));
        if let Some(speed) = measured {
            terminal.line(format!("a core of this machine makes {} gigafuel a second", number(speed, 3)));
        }
        return Ok(());
    };
    if let Some(speed) = measured {
        pricing.gigafuel_per_s = speed;
    }
    let found = pricing.now(config.cores).await.map_err(|error| {
        Failure::new(Code::BadConfig, "no ask can be made")
            .because(&error)
            .next("see `assay provider price --help` for what a [pricing] table may hold")
    })?;
    terminal.document(&json!({
        "ask_grains": found.ask.to_string(), "fixed": false, "gigafuel_per_s_measured": measured,
        "reckoning": found, "refresh_s": pricing.refresh_s, "step_bps": pricing.step_bps,
    }));
    terminal.line(format!("{} KRT a gigafuel", format_krt(found.ask)));
    if explain {
        table(&found, pricing.margin_percent, terminal);
        let bound = match () {
            () if found.ask_krt > found.unbounded_krt => "raised to the floor",
            () if found.ask_krt < found.unbounded_krt => "cut to the ceiling",
            () => "within floor and ceiling",
        };
        terminal.line(format!(
            "{bound}; reckoned anew every {} s, sent when it is off by more than {} %",
            pricing.refresh_s,
            number(f64::from(pricing.step_bps) / 100.0, 2)
        ));
    }
    Ok(())
}

fn table(found: &Reckoning, margin_percent: f64, terminal: &Terminal) {
    // Costs of a gigafuel are small: of a million of them a reader can think.
    let million = |cost: f64| number(cost * 1e6, 4);
    let mut grid = Grid::new(["step", "value", "how"]).text(&[2]);
    let mut row = |step: &str, value: String, how: &str| grid.row([step.to_owned(), value, how.to_owned()]);
    row("energy price", number(found.energy_price_per_kwh, 4), "currency a kWh");
    row("power", number(found.watts, 1), "W at full work");
    row("throughput", number(found.gigafuel_per_s, 3), &format!("gigafuel a second on {} cores", found.cores));
    row("energy", number(found.joules_per_gigafuel, 2), "J a gigafuel: power over throughput");
    row("energy cost", million(found.energy), "currency a million gigafuel");
    row("depreciation", million(found.depreciation), "as above: hardware over hours sold over throughput");
    row("cost", million(found.cost), "both");
    row("margin", million(found.margin), &format!("{} %", number(margin_percent, 1)));
    row("rate", number(found.krt_per_unit, 4), "KRT a unit of the currency");
    row("ask", number(found.ask_krt * 1e6, 2), "KRT a million gigafuel, bounded");
    terminal.table(&grid);
}

/// What one core does with the bundled risk job, gigafuel a second.
fn gigafuel_per_s(terminal: &Terminal) -> Outcome<f64> {
    let spinner = terminal.spinner("measuring");
    let internal = |what: &str, why: &dyn std::fmt::Display| Failure::new(Code::Internal, what).why(why);
    let input = risk_task(PATHS)?;
    let engine = Engine::new(EngineConfig::default()).map_err(|e| internal("the runtime does not start", &e))?;
    let program =
        engine.load(PORTFOLIO_RISK_GUEST, Abi::Component).map_err(|e| internal("the guest does not load", &e))?;
    let limits = Limits {
        fuel: u64::MAX / 2,
        memory_bytes: 1 << 30,
        output_bytes: 64 << 20,
        log_bytes: 1 << 16,
        wall_clock: Duration::from_secs(600),
    };
    let mut best = 0.0f64;
    for run in 0..RUNS {
        spinner.say(format!("run {} of {RUNS}", run + 1));
        let start = Instant::now();
        let execution = program.run(&input, &limits).map_err(|e| internal("the guest does not run", &e))?;
        best = best.max(execution.fuel_used as f64 / GIGAFUEL as f64 / start.elapsed().as_secs_f64());
    }
    Ok(best)
}
