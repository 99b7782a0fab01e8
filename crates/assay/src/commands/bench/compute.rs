//! The risk job: metered Wasm against the same source native, and against QuantLib where Python has it.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use assay_exec::{Abi, Engine, EngineConfig, Limits, Program};
use portfolio_risk::european::European;
use serde_json::{Map, Value, json};

use crate::{
    failure::{Code, Failure, Outcome},
    pricing::{PORTFOLIO_RISK_GUEST, risk_task},
    terminal::Terminal,
};

/// Paths of the task that is timed.
const PATHS: u64 = 20_000;
/// Each side is run so often, in turns; the fastest run of each counts, since noise only adds.
const RUNS: usize = 5;

/// `wasm_over_native`, with what it was made of.
pub(super) fn wasm_over_native(terminal: &Terminal) -> Outcome<Map<String, Value>> {
    let bar = terminal.spinner("wasm against native");
    bar.say("preparing the risk job");
    let input = risk_task(PATHS)?;
    let internal = |what: &str, why: &dyn std::fmt::Display| Failure::new(Code::Internal, what).why(why);
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
    let (mut native, mut wasm, mut fuel) = (f64::INFINITY, f64::INFINITY, 0);
    for run in 0..RUNS {
        bar.say(format!("run {} of {RUNS}", run + 1));
        let start = Instant::now();
        let expected = portfolio_risk::run(&input).map_err(|e| internal("the native job fails", &e))?;
        native = native.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let execution = program.run(&input, &limits).map_err(|e| internal("the guest does not run", &e))?;
        wasm = wasm.min(start.elapsed().as_secs_f64());
        fuel = execution.fuel_used;
        if execution.outcome.ok() != Some(expected.as_slice()) {
            return Err(internal("the guest and the native job differ", &execution.outcome));
        }
    }
    let mut found = Map::new();
    found.insert("wasm_over_native".to_owned(), json!(round(wasm / native, 3)));
    let paths = PATHS as f64;
    found.insert(
        "risk_job".to_owned(),
        json!({
            "paths": PATHS, "native_ms": round(native * 1e3, 1), "wasm_ms": round(wasm * 1e3, 1),
            "fuel": fuel, "fuel_per_second": (fuel as f64 / wasm).round(),
            "paths_per_second_wasm": (paths / wasm).round(),
        }),
    );
    if let Some(ratio) = quantlib(&program, &limits, terminal) {
        found.extend(ratio);
    }
    Ok(found)
}

fn round(x: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (x * scale).round() / scale
}

/// QuantLib's Monte Carlo engine against the risk guest on the same option, paths and steps, one core
/// each. `scripts/quantlib_mc.py` times QuantLib where Python has it.
fn quantlib(program: &Program, limits: &Limits, terminal: &Terminal) -> Option<Map<String, Value>> {
    let script = Path::new("scripts/quantlib_mc.py");
    let has = Command::new("python3").args(["-c", "import QuantLib"]).output().ok()?.status.success();
    if !script.exists() || !has {
        terminal.note("QuantLib is not measured: run from the repository, with PyPI QuantLib installed");
        return None;
    }
    let (paths, steps) = (100_000, European::YARDSTICK.steps);
    let told = Command::new("python3").arg(script).arg(paths.to_string()).arg(steps.to_string()).output().ok()?;
    let told: Value = serde_json::from_slice(&told.stdout).ok()?;
    let theirs = told.get("seconds")?.as_f64()?;
    let input = European::YARDSTICK.tasks(paths, 1).into_iter().next()?;
    let mut ours = f64::INFINITY;
    let mut price = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        let execution = program.run(&input, limits).ok()?;
        ours = ours.min(start.elapsed().as_secs_f64());
        price = European::reduce(&[execution.outcome.ok()?]).ok();
    }
    let mut map = Map::new();
    map.insert("quantlib_ratio".to_owned(), json!(round(theirs / ours, 2)));
    map.insert(
        "quantlib".to_owned(),
        json!({
            "paths": paths, "steps": steps, "quantlib_ms": round(theirs * 1e3, 1), "wasm_ms": round(ours * 1e3, 1),
            "quantlib_price": told.get("price"), "assay_price": price.map(|p| p.price),
        }),
    );
    Some(map)
}
