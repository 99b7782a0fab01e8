//! Guests written by hand in the text format, and engines to run them on.

use std::time::Duration;

use assay_exec::bundle::{Input, Output};
use assay_exec::{Abi, Engine, EngineConfig, Execution, Limits, Outcome};

pub(crate) fn engine() -> Engine {
    Engine::new(EngineConfig::default()).expect("the test machine runs guests")
}

pub(crate) fn limits() -> Limits {
    Limits {
        fuel: 50_000_000,
        memory_bytes: 16 << 20,
        output_bytes: 64 << 10,
        log_bytes: 1 << 10,
        wall_clock: Duration::from_secs(60),
    }
}

/// A component whose `run` has the given body: parameters `$p` and `$n` are the input, the result is
/// what `$ok` or `$err` of (pointer, length) return. `items` are added to the core module.
pub(crate) fn component(items: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  (core module $m
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 4096))
    (func $realloc (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (local.set $at (global.get $next))
      (global.set $next (i32.add (global.get $next) (local.get $size)))
      (if (i32.gt_u (global.get $next) (i32.shl (memory.size) (i32.const 16)))
        (then
          (if (i32.eq (i32.const -1)
                (memory.grow (i32.add (i32.const 1)
                  (i32.shr_u (i32.sub (global.get $next) (i32.shl (memory.size) (i32.const 16))) (i32.const 16)))))
            (then (unreachable)))))
      (local.get $at))
    (func $result (param $tag i32) (param $p i32) (param $n i32) (result i32)
      (i32.store (i32.const 16) (local.get $tag))
      (i32.store (i32.const 20) (local.get $p))
      (i32.store (i32.const 24) (local.get $n))
      (i32.const 16))
    (func $ok (param $p i32) (param $n i32) (result i32)
      (call $result (i32.const 0) (local.get $p) (local.get $n)))
    (func $err (param $p i32) (param $n i32) (result i32)
      (call $result (i32.const 1) (local.get $p) (local.get $n)))
    {items}
    (func (export "run") (param $p i32) (param $n i32) (result i32)
      {body}))
  (core instance $i (instantiate $m))
  (func (export "run") (param "input" (list u8)) (result (result (list u8) (error string)))
    (canon lift (core func $i "run") (memory $i "memory") (realloc (func $i "realloc")))))"#
    );
    wat::parse_str(text).expect("the guest is well formed")
}

/// A component that gives its input back.
pub(crate) fn echo() -> Vec<u8> {
    component("", "(call $ok (local.get $p) (local.get $n))")
}

/// A command with every import a test may want, two pages of memory and the given `_start`.
///
/// `$print` writes (pointer, length) to a descriptor; `$open` opens a path; `$check` exits with a code if
/// it is not 0.
pub(crate) fn command(items: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pwrite" (func $fd_pwrite (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $fd_prestat_dir_name (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $path_create_directory (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $path_unlink_file (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 2)
  (func $check (param $code i32)
    (if (local.get $code) (then (call $proc_exit (local.get $code)))))
  (func $print (param $fd i32) (param $p i32) (param $n i32)
    (i32.store (i32.const 0) (local.get $p))
    (i32.store (i32.const 4) (local.get $n))
    (call $check (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $read (param $fd i32) (param $p i32) (param $n i32) (result i32)
    (i32.store (i32.const 0) (local.get $p))
    (i32.store (i32.const 4) (local.get $n))
    (call $check (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.load (i32.const 8)))
  (func $open (param $dir i32) (param $p i32) (param $n i32) (param $oflags i32) (param $rights i64) (result i32)
    (call $check (call $path_open (local.get $dir) (i32.const 0) (local.get $p) (local.get $n)
      (local.get $oflags) (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 12)))
    (i32.load (i32.const 12)))
  {items}
  (func (export "_start") {body}))"#
    );
    wat::parse_str(text).expect("the guest is well formed")
}

pub(crate) fn run(abi: Abi, program: &[u8], input: &[u8], limits: &Limits) -> Execution {
    let program = engine().load(program, abi).expect("the guest loads");
    program.run(input, limits).expect("the host is not at fault")
}

pub(crate) fn run_component(program: &[u8], input: &[u8]) -> Execution {
    run(Abi::Component, program, input, &limits())
}

pub(crate) fn run_command(program: &[u8], input: &Input) -> Execution {
    run(Abi::WasiCommand, program, &input.encode().expect("a valid bundle"), &limits())
}

/// The output of a command that exited with 0.
pub(crate) fn output_of(execution: &Execution) -> Output {
    match &execution.outcome {
        Outcome::Ok(bundle) => Output::decode(bundle).expect("the host writes valid bundles"),
        other => panic!("the command did not succeed: {other:?}"),
    }
}
