//! Components: results, traps and limits, each with the outcome it must have.

use assay_exec::{Abi, Limits, Outcome, TrapCode};

use crate::guests::{component, echo, engine, limits, run, run_component};

#[test]
fn a_component_that_echoes_gives_its_input_back_and_uses_fuel() {
    for input in [&b""[..], b"a", &[7; 50_000]] {
        let execution = run_component(&echo(), input);
        assert_eq!(execution.outcome, Outcome::Ok(input.to_vec()));
        assert!(execution.fuel_used > 2 * input.len() as u64, "bytes in and out are charged");
        assert!(execution.log.is_empty());
    }
}

#[test]
fn the_same_run_costs_the_same_fuel_every_time_and_on_every_thread() {
    let program = engine().load(&echo(), Abi::Component).unwrap();
    let first = program.run(b"some input", &limits()).unwrap();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| program.run(b"some input", &limits()).unwrap())).collect();
        for run in runs {
            assert_eq!(run.join().unwrap(), first);
        }
    });
}

#[test]
fn an_error_string_of_a_component_is_its_failure() {
    let guest =
        component(r#"(data (i32.const 100) "no such underlying")"#, "(call $err (i32.const 100) (i32.const 18))");
    assert_eq!(run_component(&guest, b"").outcome, Outcome::Failed("no such underlying".into()));
}

#[test]
fn each_kind_of_trap_has_its_code() {
    let table = "(table 2 funcref) (type $none (func)) (type $other (func (param i64)))
                 (func $f (type $other)) (elem (i32.const 1) $f)";
    let cases = [
        ("", "(unreachable)", TrapCode::Unreachable),
        ("", "(i32.load (i32.const -4))", TrapCode::MemoryOutOfBounds),
        (table, "(call_indirect (type $none) (i32.const 7)) (i32.const 0)", TrapCode::TableOutOfBounds),
        (table, "(call_indirect (type $none) (i32.const 0)) (i32.const 0)", TrapCode::IndirectCallToNull),
        (table, "(call_indirect (type $none) (i32.const 1)) (i32.const 0)", TrapCode::BadSignature),
        ("", "(i32.div_s (i32.const 0x80000000) (i32.const -1))", TrapCode::IntegerOverflow),
        ("", "(i32.div_u (i32.const 1) (local.get $n))", TrapCode::DivisionByZero),
        ("", "(i32.trunc_f64_s (f64.const nan))", TrapCode::BadConversion),
        // A result that lies outside memory, and an error that is no text.
        ("", "(call $ok (i32.const -16) (i32.const 64))", TrapCode::AbiViolation),
        (r#"(data (i32.const 100) "\ff\fe")"#, "(call $err (i32.const 100) (i32.const 2))", TrapCode::AbiViolation),
    ];
    for (items, body, code) in cases {
        let execution = run_component(&component(items, body), b"");
        assert_eq!(execution.outcome, Outcome::Trapped(code), "{body}");
        assert!(execution.fuel_used < limits().fuel);
    }
}

#[test]
fn an_infinite_loop_runs_out_of_fuel_and_pays_exactly_the_cap() {
    let guest = component("", "(loop $again (br $again)) (unreachable)");
    for fuel in [1_000, 1_000_000] {
        let execution = run(Abi::Component, &guest, b"", &Limits { fuel, ..limits() });
        assert_eq!(execution.outcome, Outcome::OutOfFuel);
        assert_eq!(execution.fuel_used, fuel);
    }
}

#[test]
fn too_little_fuel_to_take_the_input_is_out_of_fuel() {
    let execution = run(Abi::Component, &echo(), &[0; 10_000], &Limits { fuel: 5_000, ..limits() });
    assert_eq!((execution.outcome, execution.fuel_used), (Outcome::OutOfFuel, 5_000));
}

#[test]
fn endless_recursion_overflows_the_stack_and_costs_the_fuel_it_used() {
    let guest = component(
        "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))",
        "(call $deep (i32.const 0))",
    );
    let execution = run_component(&guest, b"");
    assert_eq!(execution.outcome, Outcome::StackOverflow);
    assert!(execution.fuel_used > 10_000 && execution.fuel_used < limits().fuel);
}

#[test]
fn a_memory_bomb_ends_as_memory_exceeded() {
    // Doubles until refused, then aborts as allocators do.
    let guest = component(
        "",
        "(loop $more
           (if (i32.eq (memory.grow (memory.size)) (i32.const -1)) (then (unreachable)))
           (br $more))
         (unreachable)",
    );
    assert_eq!(run_component(&guest, b"").outcome, Outcome::MemoryExceeded);
}

#[test]
fn growing_beyond_the_limit_answers_minus_one_and_the_guest_may_cope() {
    let guest = component(
        "",
        "(i32.store (i32.const 64) (memory.grow (i32.const 300)))
         (i32.store (i32.const 68) (memory.grow (i32.const 60000)))
         (i32.store (i32.const 72) (memory.grow (i32.const -1)))
         (i32.store (i32.const 76) (memory.grow (i32.const 2)))
         (i32.store (i32.const 80) (memory.size))
         (call $ok (i32.const 64) (i32.const 20))",
    );
    // What is asked for is charged whether or not it is given: 2^32 pages are 10^12 fuel.
    let execution = run(Abi::Component, &guest, b"", &Limits { fuel: 1 << 41, ..limits() });
    let refused = (-1i32).to_le_bytes();
    let expected = [refused, refused, refused, 1i32.to_le_bytes(), 3i32.to_le_bytes()].concat();
    assert_eq!(execution.outcome, Outcome::Ok(expected));
}

#[test]
fn a_component_that_declares_more_memory_than_its_limit_never_starts() {
    let execution = run(Abi::Component, &echo(), b"", &Limits { memory_bytes: 65_535, ..limits() });
    assert_eq!(execution.outcome, Outcome::MemoryExceeded);
}

#[test]
fn memory_is_priced_by_the_page() {
    let grow = |pages: u32| {
        let guest =
            component("", &format!("(drop (memory.grow (i32.const {pages}))) (call $ok (i32.const 0) (i32.const 0))"));
        run_component(&guest, b"").fuel_used
    };
    assert_eq!(grow(101) - grow(1), 100 * 255);
}

#[test]
fn an_output_or_error_above_the_limit_is_output_too_large() {
    let limits = Limits { output_bytes: 100, ..limits() };
    assert_eq!(run(Abi::Component, &echo(), &[1; 100], &limits).outcome, Outcome::Ok(vec![1; 100]));
    assert_eq!(run(Abi::Component, &echo(), &[1; 101], &limits).outcome, Outcome::OutputTooLarge);
    let failing = component("", "(call $err (i32.const 4096) (i32.const 101))");
    assert_eq!(run(Abi::Component, &failing, &[], &limits).outcome, Outcome::OutputTooLarge);
}

#[test]
fn nothing_of_one_run_is_seen_by_the_next() {
    let counting = component(
        "(global $count (mut i32) (i32.const 0))",
        "(global.set $count (i32.add (global.get $count) (i32.const 1)))
         (i32.store (i32.const 64) (global.get $count))
         (call $ok (i32.const 64) (i32.const 4))",
    );
    let program = engine().load(&counting, Abi::Component).unwrap();
    for _ in 0..3 {
        assert_eq!(program.run(b"", &limits()).unwrap().outcome, Outcome::Ok(vec![1, 0, 0, 0]));
    }
}

#[test]
fn a_component_made_of_too_many_instances_is_memory_exceeded() {
    let many = |count: usize| {
        let instances = "(core instance (instantiate $empty))".repeat(count);
        let text = format!(
            r#"(component
                 (core module $empty)
                 (core module $m
                   (memory (export "memory") 1)
                   (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
                   (func (export "run") (param i32 i32) (result i32) (i32.const 16)))
                 (core instance $i (instantiate $m)) {instances}
                 (func (export "run") (param "input" (list u8)) (result (result (list u8) (error string)))
                   (canon lift (core func $i "run") (memory $i "memory") (realloc (func $i "realloc")))))"#
        );
        run_component(&wat::parse_str(text).expect("the guest is well formed"), b"").outcome
    };
    assert_eq!(many(60), Outcome::Ok(Vec::new()));
    assert_eq!(many(64), Outcome::MemoryExceeded);
}
