//! The pinned runtime: engine version, target, code generation and prices, and the id that names them.
//!
//! Two machines agree on every output bit and on fuel only when all of this is equal, so all of it is
//! hashed into [`runtime_id`]. Anything added here that can change a result must be hashed too.
//!
//! Wasm leaves NaN payloads to the engine. They are pinned by the instruction set: one engine version,
//! one explicit target, one optimisation level, host feature detection off, so that every machine runs
//! the same machine code, and x86-64 SSE defines how a NaN propagates.

use std::sync::OnceLock;

use wasmtime::{Config, OperatorCost, OptLevel, RegallocAlgorithm, Strategy, WasmFeatures};

/// Version of the engine, which the manifest pins with `=`.
pub const ENGINE_VERSION: &str = "48.0.8";

/// Target triple that guests are compiled for, whatever the host would offer.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Largest program any node accepts. Part of the runtime, so that refusing a program is deterministic.
pub const MAX_PROGRAM_BYTES: usize = 32 << 20;

/// Native stack a guest may use. Compiled code checks it; the thread that runs a guest has more.
pub(crate) const WASM_STACK_BYTES: usize = 2 << 20;

/// Elements that all tables of one instance may have together.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 1 << 20;

/// Core instances that one component may be made of, and the memories and tables of all of them: each
/// costs the host memory that no guest's limit counts.
pub(crate) const MAX_INSTANCES: usize = 64;
pub(crate) const MAX_MEMORIES: usize = 32;
pub(crate) const MAX_TABLES: usize = 64;

/// Fuel of one host call, beside [`FUEL_PER_BYTE`] for what it moves.
pub(crate) const FUEL_PER_HOST_CALL: u64 = 500;

/// Fuel of each byte that a host call, the input or the output moves.
pub(crate) const FUEL_PER_BYTE: u64 = 1;

/// Fuel of each small step that a host call takes: a vector followed, a directory entry passed.
pub(crate) const FUEL_PER_STEP: u64 = 20;

/// Fuel of one 64 KiB page of memory, declared or grown: the most a cost table can hold.
pub(crate) const FUEL_PER_PAGE: u8 = 255;

/// Fuel of each program byte when a program is refused, for the work of finding that out.
pub(crate) const FUEL_PER_REFUSED_BYTE: u64 = 100;

/// The instruction set x86-64-v2, as far as the compiler can make use of it.
const CPU_FLAGS: [&str; 5] = ["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt"];

/// Changed whenever our own half of the runtime changes a result: host functions, their charges, how
/// outcomes are told apart.
const HOST_INTERFACE: &str = "assay host 1";

/// Proposals that guests may not use: they are nondeterministic, unfinished or need a collector.
fn refused_features() -> WasmFeatures {
    WasmFeatures::THREADS
        | WasmFeatures::SHARED_EVERYTHING_THREADS
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::MEMORY64
        | WasmFeatures::CUSTOM_PAGE_SIZES
        | WasmFeatures::STACK_SWITCHING
        | WasmFeatures::WIDE_ARITHMETIC
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::GC
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::CM_ASYNC
        | WasmFeatures::CM_ERROR_CONTEXT
        | WasmFeatures::CM_GC
}

/// The price list of Wasm operators: the engine's own defaults, spelled out so that a change of them
/// shows in [`runtime_id`], with growing memory priced by the page.
fn operator_cost() -> OperatorCost {
    let mut cost = OperatorCost::new();
    cost.variable.memory_grow_per_page = FUEL_PER_PAGE;
    cost
}

/// The engine configuration of this runtime.
pub(crate) fn config() -> Result<Config, wasmtime::Error> {
    let mut config = Config::new();
    config.target(TARGET)?;
    config.strategy(Strategy::Cranelift);
    config.cranelift_opt_level(OptLevel::Speed);
    config.cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking);
    config.cranelift_nan_canonicalization(false);
    for flag in CPU_FLAGS {
        // SAFETY: these flags only enable instructions. The engine checks that the host has each of
        // them before it runs any code, and `Engine::new` fails early where one is missing.
        unsafe {
            config.cranelift_flag_enable(flag);
        }
    }
    config.consume_fuel(true);
    config.operator_cost(operator_cost());
    config.epoch_interruption(true);
    // Copy-on-write images skip the metered copy of data segments on some hosts.
    config.memory_init_cow(false);
    config.relaxed_simd_deterministic(true);
    config.wasm_features(refused_features(), false);
    config.max_wasm_stack(WASM_STACK_BYTES);
    // Traps are told apart by kind alone; frames would be collected for nothing.
    config.wasm_backtrace_max_frames(None);
    config.generate_address_map(false);
    Ok(config)
}

/// Names everything that decides output bits and fuel: a BLAKE3 hash of engine version, target, flags,
/// configuration, limits of the runtime and cost table.
///
/// Equal ids mean equal results; results of different ids must not be compared.
pub fn runtime_id() -> [u8; 32] {
    static ID: OnceLock<[u8; 32]> = OnceLock::new();
    *ID.get_or_init(|| {
        let mut hasher = blake3::Hasher::new_derive_key("assay 2026-11 runtime id");
        let mut field = |name: &str, value: &str| {
            for part in [name, value] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        };
        field("engine", ENGINE_VERSION);
        field("target", TARGET);
        field("flags", &CPU_FLAGS.join(","));
        field("compiler", "cranelift opt=speed regalloc=backtracking nan-canonicalization=off");
        field("metering", "fuel=on epoch=on memory-init-cow=off relaxed-simd=off relaxed-simd-deterministic=on");
        // The text forms below are those of the pinned engine version.
        field("refused", &format!("{:?}", refused_features()));
        field("operator-cost", &format!("{:?}", operator_cost()));
        field("host", HOST_INTERFACE);
        field(
            "limits",
            &format!(
                "program={MAX_PROGRAM_BYTES} stack={WASM_STACK_BYTES} table={MAX_TABLE_ELEMENTS} \
                 instances={MAX_INSTANCES} memories={MAX_MEMORIES} tables={MAX_TABLES} call={FUEL_PER_HOST_CALL} \
                 byte={FUEL_PER_BYTE} step={FUEL_PER_STEP} page={FUEL_PER_PAGE} refused-byte={FUEL_PER_REFUSED_BYTE}"
            ),
        );
        *hasher.finalize().as_bytes()
    })
}
