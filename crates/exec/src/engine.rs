//! The engine: loads programs, and keeps what it compiled in memory and on disk.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assay_types::job::Abi;
use wasmtime::Module;
use wasmtime::component::Component;

use crate::cache::DiskCache;
use crate::error::{EngineError, HostFault, ProgramError};
use crate::limits::MemoryBudget;
use crate::program::{Code, Host, Program};
use crate::runtime::{self, MAX_PROGRAM_BYTES, TARGET};
use crate::ticker::Ticker;
use crate::{component, wasi};

/// Stack of a compiling thread: the compiler recurses on the shape of a program.
const COMPILE_STACK_BYTES: usize = 16 << 20;

/// The smallest module, compiled once to see that this host can run what the runtime compiles for.
const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A node's own settings. None of them can change a result.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where compiled code is kept between starts; nowhere if `None`.
    pub cache_dir: Option<PathBuf>,
    /// Larger programs are refused. Below [`MAX_PROGRAM_BYTES`] this node refuses what others accept, so
    /// it must not take such work.
    pub max_module_bytes: usize,
    /// Programs kept ready in memory.
    pub programs_in_memory: usize,
    /// Memory that may be promised to guests at one time; unlimited if `None`.
    pub memory_budget_bytes: Option<u64>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { cache_dir: None, max_module_bytes: MAX_PROGRAM_BYTES, programs_in_memory: 32, memory_budget_bytes: None }
    }
}

/// Where loaded programs came from, counted since the engine was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Found ready in memory.
    pub memory_hits: u64,
    /// Read from disk.
    pub disk_hits: u64,
    /// Compiled.
    pub compiled: u64,
}

/// Loads programs of one runtime. Clones share everything.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
    loader: Arc<Loader>,
}

/// What running programs need; they keep it alive.
pub(crate) struct Inner {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) ticker: Ticker,
    pub(crate) memory: Arc<MemoryBudget>,
}

struct Loader {
    config: EngineConfig,
    disk: Option<DiskCache>,
    wasi: wasmtime::Linker<Host>,
    recent: Mutex<Recent>,
    memory_hits: AtomicU64,
    disk_hits: AtomicU64,
    compiled: AtomicU64,
}

/// What loading one program came to, or nothing yet. Locked while loading, so that a program wanted by
/// many threads at once is compiled by one.
type Slot = Arc<Mutex<Option<Result<Code, ProgramError>>>>;

/// Programs in memory, the least recently used leaving first. Refused programs stand here too, so that
/// the tasks of a job compile a bad program once.
#[derive(Default)]
struct Recent {
    uses: u64,
    slots: HashMap<([u8; 32], Abi), (u64, Slot)>,
}

impl Recent {
    fn slot(&mut self, key: ([u8; 32], Abi), capacity: usize) -> Slot {
        self.uses += 1;
        let uses = self.uses;
        let (used, slot) = self.slots.entry(key).or_default();
        *used = uses;
        let slot = slot.clone();
        while self.slots.len() > capacity.max(1) {
            // `uses` never repeats, so the least is one entry whatever order the map iterates in.
            let Some(oldest) = self.slots.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key) else { break };
            self.slots.remove(&oldest);
        }
        slot
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = blake3::Hash::from(runtime::runtime_id());
        f.debug_struct("Engine").field("runtime_id", &id.to_hex().as_str()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes an engine, or says why this machine cannot run guests.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let unsupported = |source| EngineError::UnsupportedHost { target: TARGET, source };
        let wasmtime = wasmtime::Engine::new(&runtime::config().map_err(unsupported)?).map_err(unsupported)?;
        Module::from_binary(&wasmtime, EMPTY_MODULE).map_err(unsupported)?;
        let disk = match &config.cache_dir {
            Some(root) => Some(DiskCache::open(root).map_err(|(path, source)| EngineError::CacheDir { path, source })?),
            None => None,
        };
        let wasi = wasi::linker(&wasmtime).map_err(unsupported)?;
        let ticker = Ticker::start(wasmtime.clone()).map_err(EngineError::Thread)?;
        let memory = Arc::new(MemoryBudget::new(config.memory_budget_bytes));
        Ok(Self {
            inner: Arc::new(Inner { wasmtime, ticker, memory }),
            loader: Arc::new(Loader {
                config,
                disk,
                wasi,
                recent: Mutex::default(),
                memory_hits: AtomicU64::new(0),
                disk_hits: AtomicU64::new(0),
                compiled: AtomicU64::new(0),
            }),
        })
    }

    /// Checks and compiles a program, or finds it compiled already. Blocks: the first load of a large
    /// program takes seconds.
    pub fn load(&self, program: &[u8], abi: Abi) -> Result<Program, ProgramError> {
        let limit = self.loader.config.max_module_bytes.min(MAX_PROGRAM_BYTES);
        if program.len() > limit {
            return Err(ProgramError::TooLarge { bytes: program.len(), limit });
        }
        check_kind(program, abi)?;
        let hash = *blake3::hash(program).as_bytes();
        let slot = lock(&self.loader.recent).slot((hash, abi), self.loader.config.programs_in_memory);
        let mut loaded = lock(&slot);
        let code = match &*loaded {
            Some(known) => {
                self.loader.memory_hits.fetch_add(1, Ordering::Relaxed);
                known.clone()
            }
            None => {
                let code = self.on_a_deep_stack(|| self.read_or_compile(program, &hash, abi));
                // A fault of the host may pass: the next load tries again.
                if !matches!(code, Err(ProgramError::Host(_))) {
                    *loaded = Some(code.clone());
                }
                code
            }
        };
        Ok(Program { engine: self.inner.clone(), code: code?, hash })
    }

    /// Where programs came from so far.
    pub fn cache_stats(&self) -> CacheStats {
        CacheStats {
            memory_hits: self.loader.memory_hits.load(Ordering::Relaxed),
            disk_hits: self.loader.disk_hits.load(Ordering::Relaxed),
            compiled: self.loader.compiled.load(Ordering::Relaxed),
        }
    }

    fn read_or_compile(&self, program: &[u8], hash: &[u8; 32], abi: Abi) -> Result<Code, ProgramError> {
        if let Some(disk) = &self.loader.disk
            && let Some(native) = disk.get(hash, abi)
        {
            match self.adopt(&native, abi) {
                Ok(code) => {
                    self.loader.disk_hits.fetch_add(1, Ordering::Relaxed);
                    return code;
                }
                Err(error) => tracing::warn!(%error, "cached code does not fit this engine; compiling again"),
            }
        }
        let (code, native) = self.compile(program, abi)?;
        self.loader.compiled.fetch_add(1, Ordering::Relaxed);
        if let Some(disk) = &self.loader.disk {
            match native {
                Ok(native) => disk.put(hash, abi, &native),
                Err(error) => tracing::warn!(%error, "compiled code cannot be kept"),
            }
        }
        Ok(code)
    }

    /// The outer error: the engine does not accept the compiled code. The inner: the program itself.
    fn adopt(&self, native: &[u8], abi: Abi) -> wasmtime::Result<Result<Code, ProgramError>> {
        let engine = &self.inner.wasmtime;
        Ok(match abi {
            // SAFETY: the cache hands out only bytes whose hash, bound to this runtime, program and
            // ABI, is that of what `serialize` returned here or in another process of this runtime,
            // in a directory that only this user may write. The engine checks its version and settings.
            Abi::Component => self.component(&unsafe { Component::deserialize(engine, native) }?),
            // SAFETY: as above.
            Abi::WasiCommand => self.module(&unsafe { Module::deserialize(engine, native) }?),
        })
    }

    fn compile(&self, program: &[u8], abi: Abi) -> Result<(Code, wasmtime::Result<Vec<u8>>), ProgramError> {
        let engine = &self.inner.wasmtime;
        let invalid = |error: wasmtime::Error| ProgramError::Invalid(format!("{error:#}"));
        match abi {
            Abi::Component => {
                let component = Component::from_binary(engine, program).map_err(invalid)?;
                Ok((self.component(&component)?, component.serialize()))
            }
            Abi::WasiCommand => {
                let module = Module::from_binary(engine, program).map_err(invalid)?;
                Ok((self.module(&module)?, module.serialize()))
            }
        }
    }

    fn component(&self, component: &Component) -> Result<Code, ProgramError> {
        component::prepare(&self.inner.wasmtime, component).map(Code::Component)
    }

    fn module(&self, module: &Module) -> Result<Code, ProgramError> {
        wasi::prepare(&self.loader.wasi, module).map(Code::Wasi)
    }

    /// Runs the compiler where a deeply nested program cannot exhaust the caller's stack, and turns a
    /// panic of it into a fault of this host.
    fn on_a_deep_stack(&self, load: impl FnOnce() -> Result<Code, ProgramError> + Send) -> Result<Code, ProgramError> {
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .name("exec-compile".into())
                .stack_size(COMPILE_STACK_BYTES)
                .spawn_scoped(scope, load)
                .map_err(|error| HostFault::Compile(format!("no thread: {error}")))?
                .join()
                .unwrap_or_else(|_| Err(HostFault::Compile("the compiler panicked".into()).into()))
        })
    }
}

/// Looks at the eight bytes that every Wasm binary begins with.
fn check_kind(program: &[u8], abi: Abi) -> Result<(), ProgramError> {
    const MODULE: &str = "core module";
    const COMPONENT: &str = "component";
    let wanted = match abi {
        Abi::Component => COMPONENT,
        Abi::WasiCommand => MODULE,
    };
    let found = match program.get(..8) {
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => MODULE,
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => COMPONENT,
        _ if program.starts_with(b"\0asm") => {
            return Err(ProgramError::Invalid("its version is unknown".into()));
        }
        _ => return Err(ProgramError::NotWasm),
    };
    if found == wanted { Ok(()) } else { Err(ProgramError::WrongKind { abi, wanted, found }) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is whole between any two statements, so a panic elsewhere left no half state.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
