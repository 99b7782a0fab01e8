//! Programs that are refused, each with an error that says why and a number that goes on chain.

use assay_exec::{Abi, EngineConfig, MAX_PROGRAM_BYTES, Outcome, ProgramError, RejectCode};

use crate::guests::{command, echo, engine, limits};

fn refusal(program: &[u8], abi: Abi) -> ProgramError {
    engine().load(program, abi).expect_err("the program is refused")
}

fn text(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).expect("the guest is well formed")
}

#[test]
fn bytes_that_are_not_wasm_are_named_as_such() {
    for bytes in [&b""[..], b"\x7fELF", b"(module)", b"#!/bin/sh\necho hello"] {
        assert_eq!(refusal(bytes, Abi::Component), ProgramError::NotWasm);
        assert_eq!(refusal(bytes, Abi::WasiCommand), ProgramError::NotWasm);
    }
    assert!(matches!(refusal(b"\0asm\x63\0\0\0", Abi::WasiCommand), ProgramError::Invalid(_)));
}

#[test]
fn a_module_is_no_component_and_a_component_no_command() {
    let error = refusal(&command("", ""), Abi::Component);
    assert!(matches!(error, ProgramError::WrongKind { abi: Abi::Component, .. }));
    let error = refusal(&echo(), Abi::WasiCommand);
    assert!(matches!(error, ProgramError::WrongKind { abi: Abi::WasiCommand, .. }));
}

#[test]
fn a_truncated_program_is_invalid_wherever_it_is_cut() {
    let engine = engine();
    for (program, abi) in [(echo(), Abi::Component), (command("", ""), Abi::WasiCommand)] {
        for cut in (8..program.len()).step_by(17) {
            let error = engine.load(&program[..cut], abi).expect_err("a part is no program");
            assert!(error.code().is_some(), "{cut}: {error}");
        }
    }
}

#[test]
fn a_component_with_an_import_is_refused_and_the_import_named() {
    let guest = text(r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance)))"#);
    assert_eq!(refusal(&guest, Abi::Component), ProgramError::ForbiddenImport("wasi:clocks/wall-clock@0.2.0".into()));
}

#[test]
fn a_command_with_an_import_of_no_known_name_is_refused_and_the_import_named() {
    let import = |module, name| {
        text(&format!(
            r#"(module (import "{module}" "{name}" (func)) (memory (export "memory") 1) (func (export "_start")))"#
        ))
    };
    assert_eq!(refusal(&import("env", "system"), Abi::WasiCommand), ProgramError::ForbiddenImport("env.system".into()));
    assert_eq!(
        refusal(&import("wasi_snapshot_preview1", "sock_open"), Abi::WasiCommand),
        ProgramError::ForbiddenImport("wasi_snapshot_preview1.sock_open".into())
    );
    // A known name with another signature.
    let error = refusal(&import("wasi_snapshot_preview1", "fd_write"), Abi::WasiCommand);
    assert!(matches!(&error, ProgramError::ImportSignature(what) if what.contains("fd_write")), "{error}");
}

#[test]
fn missing_and_mistyped_exports_are_named() {
    assert_eq!(refusal(&text("(component)"), Abi::Component), ProgramError::MissingExport("run"));
    let other = text(
        r#"(component
             (core module $m (func (export "run")))
             (core instance $i (instantiate $m))
             (func (export "run") (canon lift (core func $i "run"))))"#,
    );
    assert!(matches!(refusal(&other, Abi::Component), ProgramError::ExportType { name: "run", .. }));
    assert_eq!(
        refusal(&text(r#"(module (memory (export "memory") 1))"#), Abi::WasiCommand),
        ProgramError::MissingExport("_start")
    );
    assert_eq!(
        refusal(&text(r#"(module (func (export "_start")))"#), Abi::WasiCommand),
        ProgramError::MissingExport("memory")
    );
    assert!(matches!(
        refusal(
            &text(r#"(module (memory (export "memory") 1) (func (export "_start") (param i32)))"#),
            Abi::WasiCommand
        ),
        ProgramError::ExportType { name: "_start", .. }
    ));
}

#[test]
fn nondeterministic_proposals_are_refused() {
    let guests = [
        r#"(module (memory (export "memory") 1 2 shared) (func (export "_start")))"#,
        r#"(module (memory (export "memory") 1) (func (export "_start")
             (drop (i32x4.relaxed_trunc_f32x4_s (v128.const i64x2 0 0)))))"#,
        r#"(module (memory (export "memory") i64 1) (func (export "_start")))"#,
        r#"(module (memory (export "memory") 1) (func (export "_start"))
             (func (param i64 i64 i64 i64) (result i64 i64)
               (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3))))"#,
    ];
    for guest in guests {
        let error = refusal(&text(guest), Abi::WasiCommand);
        assert!(matches!(error, ProgramError::Invalid(_)), "{guest}: {error}");
    }
}

#[test]
fn a_program_above_the_limit_is_refused_before_anything_looks_at_it() {
    let error = refusal(&vec![0; MAX_PROGRAM_BYTES + 1], Abi::Component);
    assert_eq!(error, ProgramError::TooLarge { bytes: MAX_PROGRAM_BYTES + 1, limit: MAX_PROGRAM_BYTES });
    assert_eq!(error.code(), Some(RejectCode::TooLarge));

    // A limit of this node alone is no reason that others share.
    let small = EngineConfig { max_module_bytes: 100, ..EngineConfig::default() };
    let error = assay_exec::Engine::new(small).unwrap().load(&echo(), Abi::Component).expect_err("too large here");
    assert!(matches!(error, ProgramError::TooLarge { limit: 100, .. }));
    assert_eq!(error.code(), None);
    assert_eq!(error.execution(1_000, &limits()), None);
}

#[test]
fn a_refused_program_has_an_execution_that_every_honest_node_agrees_on() {
    let error = refusal(b"no wasm", Abi::Component);
    let execution = error.execution(7, &limits()).expect("the program's own fault");
    assert_eq!(execution.outcome, Outcome::Rejected(RejectCode::NotWasm));
    assert_eq!(execution.fuel_used, 700);
    assert_eq!(error.execution(usize::MAX, &limits()).expect("as above").fuel_used, limits().fuel);
}

#[test]
fn deeply_nested_programs_do_not_bring_the_compiler_down() {
    let depth = 20_000;
    let mut nested = String::from(r#"(module (memory (export "memory") 1) (func (export "_start") "#);
    // The text parser recurses too, so the blocks are spelled flat.
    nested.push_str(&"block ".repeat(depth));
    nested.push_str(&"end ".repeat(depth));
    nested.push_str("))");
    match engine().load(&text(&nested), Abi::WasiCommand) {
        Ok(program) => assert_eq!(program.abi(), Abi::WasiCommand),
        Err(error) => assert!(error.code().is_some(), "{error}"),
    }
}
