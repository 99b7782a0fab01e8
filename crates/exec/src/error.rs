//! What can go wrong, divided by who answers for it: the program ([`ProgramError`]), the host
//! ([`HostFault`]) or the machine a node was started on ([`EngineError`]).

use std::time::Duration;

use assay_types::job::Abi;

use crate::limits::Limits;
use crate::outcome::{Execution, Outcome};
use crate::runtime::{FUEL_PER_REFUSED_BYTE, MAX_PROGRAM_BYTES};

/// Why an engine cannot be made on this machine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The host is not what guests are compiled for.
    #[error(
        "this machine cannot run guests of runtime class {target}: an x86-64 Linux host with SSE4.2 and POPCNT is needed"
    )]
    UnsupportedHost {
        /// The class's target triple.
        target: &'static str,
        /// What the engine said.
        #[source]
        source: wasmtime::Error,
    },
    /// The directory for compiled code cannot be made.
    #[error("the cache directory {path} cannot be created")]
    CacheDir {
        /// The directory of this runtime.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A helper thread cannot be started.
    #[error("the thread that guards running guests cannot be started")]
    Thread(#[source] std::io::Error),
}

/// Why a program cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// More bytes than accepted.
    #[error("the program has {bytes} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes do not begin as Wasm does.
    #[error("the program is not WebAssembly (it does not begin with \\0asm)")]
    NotWasm,
    /// A core module where a component is wanted, or the other way round.
    #[error("the program is a {found}, but the ABI {abi:?} needs a {wanted}")]
    WrongKind {
        /// The ABI asked for.
        abi: Abi,
        /// What that ABI needs.
        wanted: &'static str,
        /// What the bytes are.
        found: &'static str,
    },
    /// Truncated, malformed, or using features that the runtime refuses.
    #[error("the program is not valid: {0}")]
    Invalid(String),
    /// It asks for something the sandbox does not give.
    #[error("the program imports {0}, which the sandbox does not provide")]
    ForbiddenImport(String),
    /// A known import with another signature.
    #[error("the program imports {0} with a signature other than that of WASI preview 1")]
    ImportSignature(String),
    /// It lacks an export that its ABI needs.
    #[error("the program does not export {0}")]
    MissingExport(&'static str),
    /// An export has another type than its ABI needs.
    #[error("the export {name} must have the type {wanted}")]
    ExportType {
        /// Which export.
        name: &'static str,
        /// The type its ABI gives.
        wanted: &'static str,
    },
    /// Not the program's fault: never a result.
    #[error(transparent)]
    Host(#[from] HostFault),
}

impl ProgramError {
    /// The number that goes on chain, or `None` where this node, not the program, is the reason.
    pub fn code(&self) -> Option<RejectCode> {
        Some(match self {
            Self::TooLarge { bytes, .. } if *bytes > MAX_PROGRAM_BYTES => RejectCode::TooLarge,
            Self::TooLarge { .. } | Self::Host(_) => return None,
            Self::NotWasm => RejectCode::NotWasm,
            Self::WrongKind { .. } => RejectCode::WrongKind,
            Self::Invalid(_) => RejectCode::Invalid,
            Self::ForbiddenImport(_) => RejectCode::ForbiddenImport,
            Self::ImportSignature(_) => RejectCode::ImportSignature,
            Self::MissingExport(_) => RejectCode::MissingExport,
            Self::ExportType { .. } => RejectCode::ExportType,
        })
    }

    /// The execution to commit for each task of a job whose program every honest node refuses: its
    /// renter pays for the refusal by the byte, within the cap. `None` for a fault of this host.
    pub fn execution(&self, program_bytes: usize, limits: &Limits) -> Option<Execution> {
        let fuel = (program_bytes as u64).saturating_mul(FUEL_PER_REFUSED_BYTE);
        self.code().map(|code| Execution {
            outcome: Outcome::Rejected(code),
            fuel_used: fuel.min(limits.fuel),
            log: Vec::new(),
        })
    }
}

/// Why every honest node refuses a program. Numbers go on chain and are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum RejectCode {
    /// Above [`MAX_PROGRAM_BYTES`].
    #[error("program too large")]
    TooLarge = 1,
    /// Not Wasm at all.
    #[error("program is not WebAssembly")]
    NotWasm = 2,
    /// Module for component or component for module.
    #[error("program is of the wrong kind for its ABI")]
    WrongKind = 3,
    /// Malformed or using refused features.
    #[error("program is not valid")]
    Invalid = 4,
    /// Import that the sandbox does not provide.
    #[error("program imports what the sandbox does not provide")]
    ForbiddenImport = 5,
    /// Import of another type.
    #[error("program imports a host function with another signature")]
    ImportSignature = 6,
    /// Export missing.
    #[error("program lacks an export of its ABI")]
    MissingExport = 7,
    /// Export of another type.
    #[error("program has an export of another type than its ABI needs")]
    ExportType = 8,
}

impl RejectCode {
    /// The code with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        use RejectCode::*;
        [TooLarge, NotWasm, WrongKind, Invalid, ForbiddenImport, ImportSignature, MissingExport, ExportType]
            .into_iter()
            .find(|code| *code as u8 == number)
    }
}

/// What the host failed to do. Never a result: the provider gives the work back, or is late.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    /// The wall-clock guard ran out before the fuel did.
    #[error("the guest was stopped after {limit:?} of wall-clock time; this host is too slow for the fuel cap")]
    WallClock {
        /// The guard.
        limit: Duration,
    },
    /// Someone raised the [`crate::Cancel`] flag.
    #[error("the run was cancelled")]
    Cancelled,
    /// The declared maximum could not be reserved, or the system refused memory within it.
    #[error("this host cannot give the guest the {wanted_bytes} bytes of memory it was promised")]
    OutOfMemory {
        /// What was asked for.
        wanted_bytes: u64,
    },
    /// The compiler panicked or its thread could not start.
    #[error("compiling the program failed on this host: {0}")]
    Compile(String),
    /// The thread of a guest could not start, or our own code panicked.
    #[error("running the guest failed on this host: {0}")]
    Run(String),
}
