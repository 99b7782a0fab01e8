//! State of one command's host, and how a host call is entered, charged and answered.

use wasmtime::{Caller, Extern, Memory};

use super::abi::Errno;
use super::clock::Clock;
use super::memory::{self, Vectors};
use super::streams::Descriptor;
use super::tree::{NodeId, Tree};
use super::{MEMORY, PROGRAM_NAME};
use crate::bundle::{Input, Output};
use crate::limits::Limits;
use crate::outcome::DecodeError;
use crate::program::{Host, Stop};
use crate::runtime::{FUEL_PER_BYTE, FUEL_PER_HOST_CALL, FUEL_PER_STEP};

/// Descriptors that a guest may hold at one time.
pub(super) const MAX_DESCRIPTORS: usize = 1_024;

/// One command's world.
pub(crate) struct Wasi {
    /// Arguments, each with its closing NUL.
    pub(super) args: Vec<Vec<u8>>,
    pub(super) stdin: Vec<u8>,
    pub(super) stdin_read: usize,
    pub(super) stdout: Vec<u8>,
    pub(super) log: Vec<u8>,
    log_limit: usize,
    /// Bytes in stdout and in files of `/out`.
    written: u64,
    output_limit: u64,
    pub(super) tree: Tree,
    out: NodeId,
    pub(super) descriptors: Vec<Option<Descriptor>>,
    pub(super) clock: Clock,
    pub(super) random: blake3::OutputReader,
    memory: Option<Memory>,
}

impl Wasi {
    /// A world with the given input in it. `seed` decides every random byte.
    pub(crate) fn new(input: Input, seed: [u8; 32], limits: &Limits) -> Result<Self, DecodeError> {
        let mut tree = Tree::new();
        let inside = tree.root(false);
        let out = tree.root(true);
        for (path, content) in input.files {
            tree.mount(inside, &path, content)?;
        }
        let mut args = vec![PROGRAM_NAME.as_bytes().to_vec()];
        args.extend(input.args.into_iter().map(String::into_bytes));
        for arg in &mut args {
            arg.push(0);
        }
        let descriptors = vec![
            Some(Descriptor::Stdin),
            Some(Descriptor::Stdout),
            Some(Descriptor::Stderr),
            Some(Descriptor::Directory { node: inside, mounted_at: Some("/in") }),
            Some(Descriptor::Directory { node: out, mounted_at: Some("/out") }),
        ];
        Ok(Self {
            args,
            stdin: input.stdin,
            stdin_read: 0,
            stdout: Vec::new(),
            log: Vec::new(),
            log_limit: limits.log_bytes as usize,
            written: 0,
            output_limit: u64::from(limits.output_bytes),
            tree,
            out,
            descriptors,
            clock: Clock::default(),
            random: blake3::Hasher::new_keyed(&seed).finalize_xof(),
            memory: None,
        })
    }

    pub(crate) fn into_log(self) -> Vec<u8> {
        self.log
    }

    /// Stdout and the files of `/out`; `None` if a path is longer than a bundle holds.
    pub(crate) fn take_output(&mut self) -> Option<Output> {
        let files = self.tree.take_files(self.out)?;
        Some(Output { stdout: std::mem::take(&mut self.stdout), files })
    }

    /// Counts bytes that the output grows by, and ends the guest where that is too much.
    pub(super) fn grow_output(&mut self, bytes: u64) -> Result<(), Fail> {
        self.written = self.written.checked_add(bytes).ok_or(Stop::OutputTooLarge)?;
        if self.written > self.output_limit { Err(Stop::OutputTooLarge.into()) } else { Ok(()) }
    }

    pub(super) fn shrink_output(&mut self, bytes: u64) {
        self.written = self.written.saturating_sub(bytes);
    }

    /// Appends to the log what still fits.
    pub(super) fn write_log(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(self.log_limit - self.log.len());
        self.log.extend_from_slice(&bytes[..fits]);
    }
}

/// Why a host call does not succeed: the guest is told, or ends.
#[derive(Debug)]
pub(super) enum Fail {
    Errno(Errno),
    Stop(Stop),
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Stop> for Fail {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// What a host call works on.
pub(super) struct Call<'a> {
    pub(super) memory: &'a mut [u8],
    pub(super) wasi: &'a mut Wasi,
    fuel_left: u64,
}

impl Call<'_> {
    /// Takes fuel for bytes about to be moved.
    pub(super) fn charge_bytes(&mut self, bytes: u64) -> Result<(), Fail> {
        self.charge(bytes.saturating_mul(FUEL_PER_BYTE))
    }

    /// Takes fuel for small steps about to be taken.
    pub(super) fn charge_steps(&mut self, steps: u64) -> Result<(), Fail> {
        self.charge(steps.saturating_mul(FUEL_PER_STEP))
    }

    /// Takes fuel for names about to be looked up, each the price of a call.
    pub(super) fn charge_lookups(&mut self, names: u64) -> Result<(), Fail> {
        self.charge(names.saturating_mul(FUEL_PER_HOST_CALL))
    }

    /// Reads the vectors of a scatter or gather call, and the sum of their lengths.
    pub(super) fn vectors(&mut self, at: u32, count: u32) -> Result<(Vectors, u64), Fail> {
        self.charge_steps(u64::from(count))?;
        Ok(memory::vectors(self.memory, at, count)?)
    }

    fn charge(&mut self, fuel: u64) -> Result<(), Fail> {
        self.fuel_left = self.fuel_left.checked_sub(fuel).ok_or(Stop::OutOfFuel)?;
        Ok(())
    }
}

/// Enters a host call: finds the guest's memory, charges, runs `body` and turns its end into what the
/// guest sees.
pub(super) fn enter(
    caller: &mut Caller<'_, Host>,
    body: impl FnOnce(&mut Call<'_>) -> Result<(), Fail>,
) -> wasmtime::Result<i32> {
    let fuel_left = caller.get_fuel()?;
    let known = caller.data().wasi.as_ref().and_then(|wasi| wasi.memory);
    let memory = match known {
        Some(memory) => memory,
        None => match caller.get_export(MEMORY) {
            Some(Extern::Memory(memory)) => memory,
            // `prepare` has seen the export.
            _ => wasmtime::bail!("the module's memory is not to be found"),
        },
    };
    let (bytes, host) = memory.data_and_store_mut(&mut *caller);
    let Some(wasi) = host.wasi.as_mut() else { wasmtime::bail!("a WASI call outside a command") };
    wasi.memory = Some(memory);
    let mut call = Call { memory: bytes, wasi, fuel_left };
    let result = call.charge(FUEL_PER_HOST_CALL).and_then(|()| body(&mut call));
    let fuel_left = call.fuel_left;
    caller.set_fuel(fuel_left)?;
    match result {
        Ok(()) => Ok(0),
        Err(Fail::Errno(errno)) => Ok(i32::from(errno as u16)),
        Err(Fail::Stop(stop)) => Err(stop.into()),
    }
}
