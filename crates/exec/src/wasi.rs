//! WASI preview 1 for commands, on a host of our own in which nothing of the machine shows.
//!
//! What a guest sees: its arguments (after a fixed program name), an empty environment, stdin, stdout,
//! stderr, a read-only `/in` and a writable `/out` in memory. The wall clock stands still, the monotonic
//! clock counts calls and sleeps, random bytes are a BLAKE3 stream seeded by the input, there is no
//! network. Directory order is that of names, inode numbers are those of creation.
//!
//! The host of wasmtime-wasi is not used because inodes, directory order and times of the machine show
//! through it.
//!
//! Every host call is charged before it does its work: a fixed price, and one for each byte it moves,
//! name it looks up and vector it follows (`runtime`), so that no guest makes the host work for nothing.
//!
//! Nothing blocks: `poll_oneoff` advances the monotonic clock to the earliest deadline and returns.

mod abi;
mod clock;
mod files;
pub(crate) mod host;
mod link;
mod memory;
mod paths;
mod poll;
mod streams;
mod tree;

use wasmtime::{ExternType, InstancePre, Module, Store};

use crate::bundle::Input;
use crate::error::ProgramError;
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::program::{Ended, Host, charge, page_fuel};
use crate::runtime::{FUEL_PER_BYTE, FUEL_PER_HOST_CALL};

pub(crate) use link::linker;

/// The module that preview-1 functions are imported from.
const MODULE: &str = "wasi_snapshot_preview1";

/// Name that a command finds as its first argument.
pub const PROGRAM_NAME: &str = "program";

const START: &str = "_start";
const MEMORY: &str = "memory";

/// Checks a compiled module against the command ABI and prepares it for instantiation.
pub(crate) fn prepare(linker: &wasmtime::Linker<Host>, module: &Module) -> Result<InstancePre<Host>, ProgramError> {
    for import in module.imports() {
        let name = format!("{}.{}", import.module(), import.name());
        if import.module() != MODULE || !link::NAMES.contains(&import.name()) {
            return Err(ProgramError::ForbiddenImport(name));
        }
        if !matches!(import.ty(), ExternType::Func(_)) {
            return Err(ProgramError::ImportSignature(name));
        }
    }
    match module.get_export(START) {
        Some(ExternType::Func(start)) if start.params().len() == 0 && start.results().len() == 0 => {}
        Some(_) => return Err(ProgramError::ExportType { name: START, wanted: "func()" }),
        None => return Err(ProgramError::MissingExport(START)),
    }
    match module.get_export(MEMORY) {
        Some(ExternType::Memory(_)) => {}
        Some(_) => return Err(ProgramError::ExportType { name: MEMORY, wanted: "memory" }),
        None => return Err(ProgramError::MissingExport(MEMORY)),
    }
    // Names and kinds are known by now, so what is left to disagree about is a signature.
    linker.instantiate_pre(module).map_err(|error| ProgramError::ImportSignature(format!("({error:#})")))
}

/// Runs one command to its end.
pub(crate) fn call(
    store: &mut Store<Host>,
    pre: &InstancePre<Host>,
    input: &[u8],
    limits: &Limits,
) -> Result<Outcome, Ended> {
    charge(store, (input.len() as u64).saturating_mul(FUEL_PER_BYTE))?;
    let given = match Input::decode(input) {
        Ok(given) => given,
        Err(error) => return Ok(Outcome::Failed(format!("the task's input is not an input bundle: {error}"))),
    };
    let names: u64 = given.files.keys().map(|path| path.split('/').count() as u64).sum();
    charge(store, names.saturating_mul(FUEL_PER_HOST_CALL))?;
    let seed = blake3::derive_key("assay 2026-11 wasi random", input);
    match host::Wasi::new(given, seed, limits) {
        Ok(wasi) => store.data_mut().wasi = Some(wasi),
        Err(error) => return Ok(Outcome::Failed(format!("the task's input files cannot be mounted: {error}"))),
    }

    let code = match start(store, pre) {
        Ok(()) => 0,
        Err(ended) => ended.exit_code().ok_or(ended)?,
    };
    let output = store.data_mut().wasi.as_mut().and_then(host::Wasi::take_output);
    match output.map(|output| output.encode()) {
        Some(Ok(bundle)) if bundle.len() <= limits.output_bytes as usize => {
            charge(store, (bundle.len() as u64).saturating_mul(FUEL_PER_BYTE))?;
            Ok(if code == 0 { Outcome::Ok(bundle) } else { Outcome::Exited { code, output: bundle } })
        }
        // What cannot be taken or encoded has more files or longer paths than a bundle holds.
        _ => Ok(Outcome::OutputTooLarge),
    }
}

fn start(store: &mut Store<Host>, pre: &InstancePre<Host>) -> Result<(), Ended> {
    let instance = pre.instantiate(&mut *store).map_err(Ended::module)?;
    let pages = store.data().limiter.pages();
    charge(store, page_fuel(pages))?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, START).map_err(Ended::host)?;
    start.call(&mut *store, ()).map_err(Ended::module)
}
