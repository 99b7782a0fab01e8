//! Deterministic execution of guest programs: validate, compile, meter, run.
//!
//! Synchronous and without a network. Given the same program, input and [`Limits`], every honest
//! machine of one [`runtime_id`] returns the same [`Outcome`], the same log and the same fuel, bit for
//! bit; this is what replicas, auditors and adjudicators compare.
//!
//! ```text
//! program bytes --Engine::load--> Program --Program::run(input, limits)--> Execution { outcome, fuel, log }
//!                  |   ^                                                       |
//!                  v   |                                              encode_execution -> hashed on chain
//!            memory and disk cache of compiled code
//! ```
//!
//! Two ways to call a program ([`Abi`]):
//! - **component**: world `run: func(input: list<u8>) -> result<list<u8>, string>`, no imports;
//! - **WASI command**: preview 1 on a host of our own ([`wasi`]) that has no clock, entropy, network or
//!   disk of the machine in it; input and output are [`bundle`]s.
//!
//! **Invariant:** what the guest did is an [`Outcome`] and may go on chain; what the host failed to do
//! (too slow, out of memory, asked to stop) is a [`HostFault`] and never does.
//!
//! **Invariant:** nothing here reads the machine's clock, entropy or file system on behalf of a guest.
//!
//! Stack depth is the one limit that is not the same on all hosts (a debug and a release build differ
//! by a few frames), which is why [`Outcome::StackOverflow`] is an outcome of its own: replicas that
//! differ because of it are not at fault.

mod cache;
mod cancel;
mod component;
mod engine;
mod error;
mod limits;
mod outcome;
mod program;
mod runtime;
mod ticker;

pub mod bundle;
pub mod wasi;

pub use assay_types::job::Abi;
pub use cancel::Cancel;
pub use engine::{CacheStats, Engine, EngineConfig};
pub use error::{EngineError, HostFault, ProgramError, RejectCode};
pub use limits::Limits;
pub use outcome::{DecodeError, Execution, Outcome, TrapCode, decode_execution, encode_execution};
pub use program::Program;
pub use runtime::{ENGINE_VERSION, MAX_PROGRAM_BYTES, TARGET, runtime_id};
