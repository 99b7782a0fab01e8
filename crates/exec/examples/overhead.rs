//! Prints what the sandbox costs beside the guest's own work: compiling, loading from the cache,
//! one run of an empty task, and how much fuel a second burns.
//!
//!     cargo run --release -p assay-exec --example overhead [FILE.wasm ...]

use std::time::{Duration, Instant};

use assay_exec::{Abi, Engine, EngineConfig, Limits};

const ECHO: &str = r#"(component
  (core module $m
    (memory (export "memory") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param $p i32) (param $n i32) (result i32)
      (i32.store (i32.const 20) (local.get $p)) (i32.store (i32.const 24) (local.get $n)) (i32.const 16)))
  (core instance $i (instantiate $m))
  (func (export "run") (param "input" (list u8)) (result (result (list u8) (error string)))
    (canon lift (core func $i "run") (memory $i "memory") (realloc (func $i "realloc")))))"#;

/// A loop of the given body, `$left` times over `$x` and `$v`.
fn looping(body: &str, times: u32) -> String {
    format!(
        r#"(module (memory (export "memory") 1)
             (func (export "_start") (local $x f64) (local $v v128) (local $left i32)
               (local.set $x (f64.const 0.3)) (local.set $left (i32.const {times}))
               (loop $again {body}
                 (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                 (br_if $again (local.get $left)))
               (f64.store (i32.const 0) (local.get $x)) (v128.store (i32.const 16) (local.get $v))))"#
    )
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let config = EngineConfig { cache_dir: Some(dir.path().to_owned()), ..EngineConfig::default() };
    let limits = Limits {
        fuel: u64::MAX / 2,
        memory_bytes: 1 << 30,
        output_bytes: 1 << 20,
        log_bytes: 1 << 16,
        wall_clock: Duration::from_secs(600),
    };
    let start = Instant::now();
    let engine = Engine::new(config.clone())?;
    println!("engine ready              {:>10.1?}", start.elapsed());

    let mut programs = vec![("echo".to_owned(), wat::parse_str(ECHO)?)];
    for file in std::env::args().skip(1) {
        let bytes = std::fs::read(&file)?;
        programs.push((file, bytes));
    }
    for (name, bytes) in &programs {
        let abi = if bytes.get(6) == Some(&1) { Abi::Component } else { Abi::WasiCommand };
        let start = Instant::now();
        engine.load(bytes, abi)?;
        let compiled = start.elapsed();
        let start = Instant::now();
        engine.load(bytes, abi)?;
        let again = start.elapsed();
        let start = Instant::now();
        Engine::new(config.clone())?.load(bytes, abi)?;
        let (kib, disk) = (bytes.len() / 1024, start.elapsed());
        println!("load {name} ({kib} KiB): compiled {compiled:.1?}, from memory {again:.1?}, from disk {disk:.1?}");
    }

    let echo = engine.load(&programs[0].1, Abi::Component)?;
    let times = (0..2_000).map(|_| {
        let start = Instant::now();
        echo.run(b"input", &limits).map(|_| start.elapsed())
    });
    println!("run an empty task         {:>10.1?} (median of 2000)", median(times.collect::<Result<_, _>>()?));

    let scalar =
        "(local.set $x (f64.mul (f64.const 3.99) (f64.mul (local.get $x) (f64.sub (f64.const 1) (local.get $x)))))";
    let vector =
        "(local.set $v (f64x2.add (f64x2.mul (local.get $v) (v128.const f64x2 0.5 0.25)) (v128.const f64x2 1 2)))";
    let cases = [("empty loop", ""), ("scalar map", scalar), ("4 vectors", &vector.repeat(4))];
    for (name, body) in cases {
        let program = engine.load(&wat::parse_str(looping(body, 100_000_000))?, Abi::WasiCommand)?;
        let input = assay_exec::bundle::Input::default().encode()?;
        let mut times = Vec::new();
        let mut fuel = 0;
        for _ in 0..3 {
            let start = Instant::now();
            fuel = program.run(&input, &limits)?.fuel_used;
            times.push(start.elapsed());
        }
        let time = median(times);
        println!(
            "{name}: 100 M turns, {fuel} fuel, {time:.2?}, {:.2} gigafuel/s",
            fuel as f64 / time.as_nanos() as f64
        );
    }
    Ok(())
}
