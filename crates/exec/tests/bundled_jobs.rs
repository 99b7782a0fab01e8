//! The bundled guests in the sandbox: outputs and fuel pinned bit by bit, equal to what their libraries
//! answer natively, and the same however the work is cut into tasks.
//!
//! The constants hold for hosts of any profile. They change with the guests' `.wasm` or the runtime: a
//! commit that rebuilds the guests pins them anew.

#[path = "support/guests.rs"]
#[allow(dead_code, reason = "shared with the sandbox tests, which use the rest")]
mod guests;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use assay_exec::bundle::{Input, Output};
use assay_exec::{Abi, Limits, Outcome, Program, TrapCode};
use guests::{engine, output_of};
use portfolio_risk::{Book, RiskJob, Scenario};
use quant::date::Date;
use vol_surface::{Surface, read_chain};

fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

fn load(name: &str, abi: Abi) -> Program {
    let bytes = fs::read(repository("jobs/bin").join(name)).expect("the bundled guests are in the repository");
    engine().load(&bytes, abi).expect("the bundled guests load")
}

fn limits() -> Limits {
    Limits {
        fuel: 100_000_000_000,
        memory_bytes: 256 << 20,
        output_bytes: 16 << 20,
        log_bytes: 1 << 16,
        wall_clock: Duration::from_secs(600),
    }
}

/// Outputs in order, their common hash, and the fuel of all.
struct Ran {
    outputs: Vec<Vec<u8>>,
    hash: String,
    fuel: u64,
}

fn run_all(program: &Program, tasks: &[Vec<u8>]) -> Ran {
    let mut hasher = blake3::Hasher::new();
    let mut fuel = 0;
    let mut outputs = Vec::new();
    for task in tasks {
        let execution = program.run(task, &limits()).expect("the host is not at fault");
        hasher.update(blake3::hash(&execution.encode()).as_bytes());
        fuel += execution.fuel_used;
        match execution.outcome {
            Outcome::Ok(output) => outputs.push(output),
            other => panic!("{other}"),
        }
    }
    Ran { outputs, hash: hasher.finalize().to_hex().to_string(), fuel }
}

fn chain_tasks() -> Vec<Vec<u8>> {
    let as_of = Date::parse("2026-01-30").expect("a date");
    let file = fs::File::open(repository("data/spx-2026-01-30.csv")).expect("the chain is in the repository");
    read_chain(file, as_of).expect("the chain is well formed").tasks()
}

fn surface() -> Surface {
    let outputs: Vec<_> = chain_tasks().iter().map(|task| vol_surface::run(task).expect("it fits")).collect();
    vol_surface::reduce(&outputs).expect("all slices are there")
}

#[test]
fn vol_surface_answers_and_costs_what_it_did_and_what_its_library_answers() {
    let tasks = chain_tasks();
    let ran = run_all(&load("vol-surface.wasm", Abi::Component), &tasks);
    for (task, output) in tasks.iter().zip(&ran.outputs) {
        assert_eq!(&vol_surface::run(task).expect("it fits"), output);
    }
    assert_eq!(
        (ran.hash.as_str(), ran.fuel),
        ("163b93896306a225ef7e16816675091494ee69268dede3761adab8e146ec6e20", 3_134_802_284)
    );
}

#[test]
fn portfolio_risk_answers_and_costs_what_it_did_however_it_is_cut() {
    let book = fs::File::open(repository("data/sample-book.csv")).expect("the book is in the repository");
    let book = Book::read(book).expect("the book is well formed");
    let scenario = Scenario { paths: 4_001, ..Scenario::default() };
    let job = RiskJob::new(&surface(), &book, scenario).expect("the book fits the surface");
    let program = load("portfolio-risk.wasm", Abi::Component);

    let whole = run_all(&program, &job.tasks(1));
    let report = job.reduce(&whole.outputs).expect("all paths are there");
    for parts in [2, 7, 64] {
        let ran = run_all(&program, &job.tasks(parts));
        assert_eq!(ran.outputs.len() as u64, parts);
        assert_eq!(job.reduce(&ran.outputs).expect("all paths are there"), report);
    }
    for (task, output) in job.tasks(1).iter().zip(&whole.outputs) {
        assert_eq!(&portfolio_risk::run(task).expect("it runs"), output);
    }
    assert_eq!(
        (whole.hash.as_str(), whole.fuel),
        ("330517b0e745658394c94080fcf5527cb19c5c76254d575d0e764e0414801377", 106_315_538)
    );
}

#[test]
fn the_demo_component_ends_in_every_way_there_is() {
    let program = load("demo.wasm", Abi::Component);
    let end = |input: &str, limits: &Limits| program.run(input.as_bytes(), limits).expect("the host is not at fault");
    let small = Limits { fuel: 20_000_000, memory_bytes: 8 << 20, output_bytes: 1_000, ..limits() };
    let cases = [
        ("echo hello", Outcome::Ok(b"hello".to_vec())),
        ("upper shout", Outcome::Ok(b"SHOUT".to_vec())),
        ("error sorry", Outcome::Failed("sorry".into())),
        ("output 1001", Outcome::OutputTooLarge),
        ("allocate 4", Outcome::Ok(b"4 MiB".to_vec())),
        ("trap", Outcome::Trapped(TrapCode::Unreachable)),
        ("overflow", Outcome::StackOverflow),
        ("loop", Outcome::OutOfFuel),
    ];
    for (input, outcome) in cases {
        let execution = end(input, &small);
        assert_eq!(execution.outcome, outcome, "{input}");
        assert_eq!(execution.fuel_used == small.fuel, outcome == Outcome::OutOfFuel, "{input}");
    }
    assert_eq!(end("echo hello", &small).fuel_used, 6_818);
    let spun = end("spin 100000", &small);
    assert_eq!(
        (blake3::hash(&spun.encode()).to_hex().as_str(), spun.fuel_used),
        ("1c20af60d9b3cbf3007e3b181d1963d10a301c9002a15865330152b537e2c1fe", 1_807_557)
    );
    // A guest that checks for memory copes with being refused it.
    let Outcome::Failed(why) = end("allocate 64", &small).outcome else { panic!("more memory than there is") };
    assert!(why.starts_with("no memory after"), "{why}");
}

fn command(args: &[&str], input: Input) -> assay_exec::Execution {
    let input = Input { args: args.iter().map(|arg| (*arg).to_owned()).collect(), ..input };
    let program = load("demo-wasi.wasm", Abi::WasiCommand);
    program.run(&input.encode().expect("a valid bundle"), &limits()).expect("the host is not at fault")
}

#[test]
fn the_demo_command_reads_writes_and_logs_as_on_any_system() {
    let stdin = Input { stdin: b"one two\nthree\n".to_vec(), ..Input::default() };
    let counted = command(&["count"], stdin.clone());
    assert_eq!(output_of(&counted).stdout, b"2 3 14\n");
    assert_eq!(counted.log, b"demo-wasi: counting\ndemo-wasi: counted 14 bytes\n");
    assert_eq!(
        (blake3::hash(&counted.encode()).to_hex().as_str(), counted.fuel_used),
        ("5fd74646b85819e79c8ba187cfc0526f1c0772c8484f0b123b5595fb6e7f603a", 29_782)
    );

    assert_eq!(output_of(&command(&["cat"], stdin.clone())).stdout, stdin.stdin);
    assert_eq!(output_of(&command(&["echo", "a", "b"], stdin)).stdout, b"a b\n");
    assert_eq!(output_of(&command(&["clock"], Input::default())).stdout, b"1767225600000000000\n");

    let files = [("a.txt".to_owned(), b"abc".to_vec()), ("b.txt".to_owned(), b"xy".to_vec())];
    let copied = output_of(&command(&["files"], Input { files: files.into(), ..Input::default() }));
    let upper = [("a.txt".to_owned(), b"ABC".to_vec()), ("b.txt".to_owned(), b"XY".to_vec())];
    assert_eq!(copied, Output { stdout: b"a.txt 3\nb.txt 2\n".to_vec(), files: upper.into() });
}

#[test]
fn the_demo_command_exits_and_panics_with_an_outcome_for_each() {
    let Outcome::Exited { code: 7, .. } = command(&["exit", "7"], Input::default()).outcome else {
        panic!("no exit code")
    };
    let panicked = command(&["panic"], Input::default());
    assert_eq!(panicked.outcome, Outcome::Trapped(TrapCode::Unreachable));
    assert!(String::from_utf8_lossy(&panicked.log).contains("told to panic"));
}
