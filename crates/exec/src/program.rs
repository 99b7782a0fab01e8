//! A loaded program, and running it once: store, thread, guard, and how the end is told.

use std::sync::Arc;
use std::time::Instant;

use assay_types::job::Abi;
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::cancel::Cancel;
use crate::engine::Inner;
use crate::error::HostFault;
use crate::limits::{Limiter, Limits};
use crate::outcome::{Execution, Outcome, TrapCode};
use crate::runtime::{FUEL_PER_PAGE, WASM_STACK_BYTES};
use crate::wasi::host::Wasi;
use crate::{component, wasi};

/// What the pinned engine says of more instances, memories or tables than the runtime allows.
const TOO_MANY_PARTS: &str = "resource limit exceeded";

/// Stack for the host's own frames above and below the guest's.
const HOST_STACK_BYTES: usize = 2 << 20;

/// A program that is compiled, checked against its ABI and ready to run any number of times, from any
/// number of threads. Clones are cheap.
#[derive(Clone)]
pub struct Program {
    pub(crate) engine: Arc<Inner>,
    pub(crate) code: Code,
    pub(crate) hash: [u8; 32],
}

#[derive(Clone)]
pub(crate) enum Code {
    Component(wasmtime::component::InstancePre<Host>),
    Wasi(wasmtime::InstancePre<Host>),
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hash = blake3::Hash::from(self.hash);
        f.debug_struct("Program").field("hash", &hash.to_hex().as_str()).field("abi", &self.abi()).finish()
    }
}

impl Program {
    /// BLAKE3 hash of the program's bytes.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// How it is called.
    pub fn abi(&self) -> Abi {
        match self.code {
            Code::Component(_) => Abi::Component,
            Code::Wasi(_) => Abi::WasiCommand,
        }
    }

    /// Runs one task to its end. Blocks; starts a thread of its own so that the stack is as deep as the
    /// runtime says whoever calls.
    ///
    /// `input` is the component's argument, or an [input bundle](crate::bundle::Input) for a WASI
    /// command; bytes that are no input bundle end in [`Outcome::Failed`].
    pub fn run(&self, input: &[u8], limits: &Limits) -> Result<Execution, HostFault> {
        self.run_cancellable(input, limits, &Cancel::new())
    }

    /// As [`Program::run`], until `cancel` is raised.
    pub fn run_cancellable(&self, input: &[u8], limits: &Limits, cancel: &Cancel) -> Result<Execution, HostFault> {
        if cancel.is_cancelled() {
            return Err(HostFault::Cancelled);
        }
        let _reservation = self.engine.memory.reserve(limits.memory_bytes)?;
        let _watch = self.engine.ticker.watch();
        std::thread::scope(|scope| {
            let guest = std::thread::Builder::new()
                .name("exec-guest".into())
                .stack_size(WASM_STACK_BYTES + HOST_STACK_BYTES)
                .spawn_scoped(scope, || self.run_here(input, limits, cancel))
                .map_err(|error| HostFault::Run(format!("no thread: {error}")))?;
            guest.join().unwrap_or_else(|_| Err(HostFault::Run("the host panicked".into())))
        })
    }

    fn run_here(&self, input: &[u8], limits: &Limits, cancel: &Cancel) -> Result<Execution, HostFault> {
        let mut store = Store::new(&self.engine.wasmtime, Host::new(limits));
        store.limiter(|host| &mut host.limiter);
        store.set_fuel(limits.fuel).map_err(|error| HostFault::Run(format!("{error:#}")))?;
        guard(&mut store, limits, cancel);

        let ended = match &self.code {
            Code::Component(pre) => component::call(&mut store, pre, input, limits.output_bytes),
            Code::Wasi(pre) => wasi::call(&mut store, pre, input, limits),
        };
        let outcome = match ended {
            Ok(outcome) => outcome,
            Err(ended) => ended.outcome(&store.data().limiter, limits)?,
        };
        let left = store.get_fuel().map_err(|error| HostFault::Run(format!("{error:#}")))?;
        let log = store.into_data().wasi.map(Wasi::into_log).unwrap_or_default();
        Ok(match outcome {
            Outcome::OutOfFuel => Execution { outcome, fuel_used: limits.fuel, log: Vec::new() },
            outcome => {
                let log = if outcome == Outcome::StackOverflow { Vec::new() } else { log };
                Execution { outcome, fuel_used: limits.fuel - left.min(limits.fuel), log }
            }
        })
    }
}

/// Makes the guest ask every tick of the epoch whether it may go on.
fn guard(store: &mut Store<Host>, limits: &Limits, cancel: &Cancel) {
    let deadline = Instant::now().checked_add(limits.wall_clock);
    let cancel = cancel.clone();
    store.epoch_deadline_callback(move |_| {
        if cancel.is_cancelled() {
            return Err(Stop::Cancelled.into());
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Stop::WallClock.into());
        }
        Ok(UpdateDeadline::Continue(1))
    });
    store.set_epoch_deadline(1);
}

/// What a store holds beside the guest.
pub(crate) struct Host {
    pub(crate) limiter: Limiter,
    pub(crate) wasi: Option<Wasi>,
}

impl Host {
    fn new(limits: &Limits) -> Self {
        Self { limiter: Limiter::new(limits.memory_bytes), wasi: None }
    }
}

/// Takes fuel for work that the host does on the guest's behalf.
pub(crate) fn charge(store: &mut Store<Host>, fuel: u64) -> Result<(), Ended> {
    let left = store.get_fuel().map_err(Ended::host)?;
    let left = left.checked_sub(fuel).ok_or_else(|| Ended::running(Stop::OutOfFuel.into()))?;
    store.set_fuel(left).map_err(Ended::host)
}

/// The price of memory that an instance begins with.
pub(crate) fn page_fuel(pages: u64) -> u64 {
    pages.saturating_mul(u64::from(FUEL_PER_PAGE))
}

/// Why our own code stopped a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("proc_exit({0})")]
    Exit(u32),
    #[error("out of fuel in a host call")]
    OutOfFuel,
    #[error("output limit reached")]
    OutputTooLarge,
    #[error("wall-clock guard")]
    WallClock,
    #[error("cancelled")]
    Cancelled,
}

/// An error that ended a guest, and how far it had come.
#[derive(Debug)]
pub(crate) struct Ended {
    error: wasmtime::Error,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Module,
    Component,
    Host,
}

impl Ended {
    /// An error while a component's function ran.
    pub(crate) fn running(error: wasmtime::Error) -> Self {
        Self { error, phase: Phase::Component }
    }

    /// An error of a module's start or command: unless it is a trap or ours, the host's fault.
    pub(crate) fn module(error: wasmtime::Error) -> Self {
        Self { error, phase: Phase::Module }
    }

    /// An error that no guest can cause.
    pub(crate) fn host(error: wasmtime::Error) -> Self {
        Self { error, phase: Phase::Host }
    }

    /// The exit code, where the guest ended by asking to.
    pub(crate) fn exit_code(&self) -> Option<u32> {
        match self.error.downcast_ref() {
            Some(Stop::Exit(code)) => Some(*code),
            _ => None,
        }
    }

    /// Tells the guest's end from the host's fault.
    fn outcome(self, limiter: &Limiter, limits: &Limits) -> Result<Outcome, HostFault> {
        if limiter.host_failed || self.error.is::<wasmtime::OutOfMemory>() {
            return Err(HostFault::OutOfMemory { wanted_bytes: limits.memory_bytes });
        }
        if let Some(stop) = self.error.downcast_ref::<Stop>() {
            return match stop {
                Stop::OutOfFuel => Ok(Outcome::OutOfFuel),
                Stop::OutputTooLarge => Ok(Outcome::OutputTooLarge),
                Stop::WallClock => Err(HostFault::WallClock { limit: limits.wall_clock }),
                Stop::Cancelled => Err(HostFault::Cancelled),
                Stop::Exit(code) => Err(HostFault::Run(format!("proc_exit({code}) outside a WASI command"))),
            };
        }
        match self.error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Ok(Outcome::OutOfFuel),
            Some(Trap::StackOverflow) => Ok(Outcome::StackOverflow),
            Some(_) if limiter.refused => Ok(Outcome::MemoryExceeded),
            Some(trap) => Ok(Outcome::Trapped(trap_code(*trap))),
            None if format!("{:#}", self.error).contains(TOO_MANY_PARTS) => Ok(Outcome::MemoryExceeded),
            None if limiter.refused && self.phase != Phase::Host => Ok(Outcome::MemoryExceeded),
            // While a component runs, an error that is neither a trap nor ours is a broken promise of
            // the canonical ABI: a bad pointer, a text that is not UTF-8.
            None if self.phase == Phase::Component => Ok(Outcome::Trapped(TrapCode::AbiViolation)),
            None => Err(HostFault::Run(format!("{:#}", self.error))),
        }
    }
}

fn trap_code(trap: Trap) -> TrapCode {
    match trap {
        Trap::UnreachableCodeReached => TrapCode::Unreachable,
        Trap::MemoryOutOfBounds => TrapCode::MemoryOutOfBounds,
        Trap::TableOutOfBounds => TrapCode::TableOutOfBounds,
        Trap::IndirectCallToNull => TrapCode::IndirectCallToNull,
        Trap::BadSignature => TrapCode::BadSignature,
        Trap::IntegerOverflow => TrapCode::IntegerOverflow,
        Trap::IntegerDivisionByZero => TrapCode::DivisionByZero,
        Trap::BadConversionToInteger => TrapCode::BadConversion,
        Trap::StringOutOfBounds | Trap::ListOutOfBounds | Trap::InvalidDiscriminant | Trap::UnalignedPointer => {
            TrapCode::AbiViolation
        }
        _ => TrapCode::Other,
    }
}
