//! Outputs and fuel pinned bit by bit.
//!
//! The constants hold on every honest host of this runtime, whatever profile the host was built in: run
//! this test in debug and in release. A change of any of them is a change of the runtime: it must show
//! in [`runtime_id`], and results from before and after must not be compared.

#[path = "support/guests.rs"]
#[allow(dead_code, reason = "shared with the sandbox tests, which use the rest")]
mod guests;

use assay_exec::bundle::Input;
use assay_exec::{Abi, Outcome, runtime_id};
use guests::{command, component, echo, engine, limits};

/// A guest, its input, and what it must come to: BLAKE3 of the encoded execution, and fuel.
struct Golden {
    name: &'static str,
    abi: Abi,
    program: Vec<u8>,
    input: Vec<u8>,
    hash: &'static str,
    fuel: u64,
}

/// Operations on NaNs of both signs and odd payloads, in scalars and vectors: their bits are the one
/// thing that Wasm leaves to the machine.
fn nans() -> Vec<u8> {
    let mut body = String::new();
    let mut at = 256;
    let odd = ["f64.const nan:0x4000000000123", "f64.const -nan:0x8000000000456", "f64.const 1.5", "f64.const inf"];
    for op in ["f64.add", "f64.sub", "f64.mul", "f64.div", "f64.min", "f64.max", "f64.copysign"] {
        for left in odd {
            for right in odd {
                body += &format!("(f64.store (i32.const {at}) ({op} ({left}) ({right})))");
                at += 8;
            }
        }
    }
    for op in ["f64.sqrt", "f64.floor", "f64.nearest", "f64.neg", "f64.abs"] {
        for value in odd {
            body += &format!("(f64.store (i32.const {at}) ({op} ({value})))");
            at += 8;
        }
    }
    let lanes = "v128.const i32x4 0x7fa00001 0xffc00002 0x3fc00000 0x7f800000";
    for op in ["f32x4.add", "f32x4.mul", "f32x4.div", "f32x4.min", "f32x4.pmax"] {
        body += &format!("(v128.store (i32.const {at}) ({op} ({lanes}) (v128.const f32x4 0 nan -1 0)))");
        at += 16;
    }
    body += &format!("(f32.store (i32.const {at}) (f32.demote_f64 (f64.const -nan:0xc000000000789)))");
    body += &format!("(f64.store (i32.const {}) (f64.promote_f32 (f32.const nan:0x600011)))", at + 4);
    // Computed at run time, so that no constant is folded: 0 / n where n is the length of the input.
    body += &format!(
        "(f64.store (i32.const {}) (f64.div (f64.convert_i32_u (local.get $n)) (f64.convert_i32_u (local.get $n))))",
        at + 12
    );
    component("", &format!("{body} (call $ok (i32.const 256) (i32.const {}))", at + 20 - 256))
}

/// A chaotic map in doubles: one wrong bit anywhere and the end is another.
fn chaos() -> Vec<u8> {
    component(
        "",
        "(local $x f64) (local $left i32)
         (local.set $x (f64.const 0.3)) (local.set $left (i32.const 20000))
         (loop $again
           (local.set $x (f64.mul (f64.const 3.99) (f64.mul (local.get $x) (f64.sub (f64.const 1) (local.get $x)))))
           (f64.store (i32.const 256) (f64.add (f64.sqrt (local.get $x)) (f64.nearest (f64.mul (local.get $x) (f64.const 1e6)))))
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $again (local.get $left)))
         (f64.store (i32.const 264) (local.get $x))
         (call $ok (i32.const 256) (i32.const 16))",
    )
}

/// Blocked vector arithmetic with rounding, the shape of the numeric jobs.
fn vectors() -> Vec<u8> {
    component(
        "",
        "(local $v v128) (local $left i32)
         (local.set $v (v128.const f64x2 0.1 0.7)) (local.set $left (i32.const 5000))
         (loop $again
           (local.set $v (f64x2.sub (f64x2.mul (local.get $v) (v128.const f64x2 17.3 19.9))
             (f64x2.floor (f64x2.mul (local.get $v) (v128.const f64x2 17.3 19.9)))))
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $again (local.get $left)))
         (v128.store (i32.const 256) (local.get $v))
         (call $ok (i32.const 256) (i32.const 16))",
    )
}

/// Memory that grows and is filled and copied, and calls through a table.
fn memory() -> Vec<u8> {
    component(
        "(type $step (func (param i32) (result i32))) (table 3 funcref) (elem (i32.const 0) $a $b $c)
         (func $a (type $step) (i32.mul (local.get 0) (i32.const 31)))
         (func $b (type $step) (i32.rotl (local.get 0) (i32.const 7)))
         (func $c (type $step) (i32.xor (local.get 0) (i32.popcnt (local.get 0))))",
        "(local $x i32) (local $left i32)
         (drop (memory.grow (i32.const 20)))
         (memory.fill (i32.const 70000) (i32.const 171) (i32.const 300000))
         (memory.copy (i32.const 512) (i32.const 70000) (i32.const 1000))
         (memory.copy (i32.const 70500) (i32.const 70000) (i32.const 100000))
         (local.set $x (i32.const 1)) (local.set $left (i32.const 9999))
         (loop $again
           (local.set $x (call_indirect (type $step) (local.get $x) (i32.rem_u (local.get $left) (i32.const 3))))
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $again (local.get $left)))
         (i32.store (i32.const 512) (local.get $x))
         (call $ok (i32.const 512) (i32.const 64))",
    )
}

/// Every source of nondeterminism that a command could look for.
fn world() -> Vec<u8> {
    command(
        r#"(data (i32.const 100) "log") (data (i32.const 104) "in.txt")"#,
        "(local $fd i32)
         (call $check (call $random_get (i32.const 1024) (i32.const 64)))
         (call $check (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 1088)))
         (call $check (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 1096)))
         (call $check (call $fd_readdir (i32.const 3) (i32.const 1104) (i32.const 100) (i64.const 0) (i32.const 16)))
         (call $check (call $fd_filestat_get (i32.const 3) (i32.const 1204)))
         (drop (call $read (i32.const 0) (i32.const 1268) (i32.const 50)))
         (drop (call $read (call $open (i32.const 3) (i32.const 104) (i32.const 6) (i32.const 0) (i64.const 2)) (i32.const 1318) (i32.const 9)))
         (local.set $fd (call $open (i32.const 4) (i32.const 100) (i32.const 3) (i32.const 1) (i64.const 64)))
         (call $print (local.get $fd) (i32.const 1024) (i32.const 400))
         (call $print (i32.const 1) (i32.const 1024) (i32.const 64))
         (call $print (i32.const 2) (i32.const 1088) (i32.const 16))",
    )
}

fn goldens() -> Vec<Golden> {
    let bundle = Input {
        args: vec!["one".into()],
        stdin: b"standard input".to_vec(),
        files: [("in.txt".to_owned(), b"file".to_vec()), ("z/y".to_owned(), Vec::new())].into(),
    };
    let bundle = bundle.encode().expect("a valid bundle");
    let golden =
        |name, program, hash, fuel| Golden { name, abi: Abi::Component, program, input: vec![5; 300], hash, fuel };
    vec![
        golden("echo", echo(), "603f73137a36e0ba2c50dbd0de12b37bd38736d1214d405feca42953a0aa21e4", 895),
        golden("nans", nans(), "41c16af5d7acd072c15771b8bfaceb2d5709e5c3422ebad596b9d821d62603d6", 2_431),
        golden("chaos", chaos(), "b54039d39b942960d22c846bfa54306919de8672247e48e88aebe0e198f5bf36", 460_618),
        golden("vectors", vectors(), "f96c7a2ffca42910414ae7a74df4c2fe862bdf38b071420a729dedd19f6e2fd5", 75_618),
        golden("memory", memory(), "7a3d016b841f543e8cd169f8bec5f8563ef7e2870a398b3c0d2b4817fc5ceb80", 570_097),
        golden(
            "trap",
            component("", "(i32.div_u (i32.const 1) (i32.sub (local.get $n) (i32.const 300)))"),
            "a296e9435fa2456e02d306729008585ec61ab08e4f06e92fdd3ed2b1914f1c23",
            575,
        ),
        golden(
            "failure",
            component("", "(call $err (local.get $p) (local.get $n))"),
            "0c428b3f18e76174e6da99265565c29ef98144d51a0299076bd2da0bcd33a414",
            895,
        ),
        Golden {
            name: "world",
            abi: Abi::WasiCommand,
            program: world(),
            input: bundle,
            hash: "ace04150096f9b531d4f830935061bd8917a51da79ff6873d289eaee614b7a19",
            fuel: 10_931,
        },
    ]
}

#[test]
fn outputs_and_fuel_are_bit_for_bit_what_they_were() {
    let engine = engine();
    let mut wrong = Vec::new();
    for golden in goldens() {
        let program = engine.load(&golden.program, golden.abi).expect("the guest loads");
        let execution = program.run(&golden.input, &limits()).expect("the host is not at fault");
        let hash = blake3::hash(&execution.encode()).to_hex();
        if (hash.as_str(), execution.fuel_used) != (golden.hash, golden.fuel) {
            wrong.push(format!("{}: \"{hash}\", {} ({})", golden.name, execution.fuel_used, execution.outcome));
        }
    }
    assert!(wrong.is_empty(), "the runtime changed:\n{}", wrong.join("\n"));
}

#[test]
fn the_runtime_has_the_id_it_had() {
    assert_eq!(hex::encode(runtime_id()), "ac2ae7305a5ce5957dec674db3b09fcfd85c1906445b1e80eeeb9cd3ed6ef4a1");
}

#[test]
fn nans_are_those_of_x86_64() {
    let program = engine().load(&nans(), Abi::Component).expect("the guest loads");
    let Outcome::Ok(output) = program.run(b"", &limits()).expect("no fault").outcome else { panic!("no output") };
    let bits = |at: usize| u64::from_le_bytes(output[at..at + 8].try_into().expect("eight bytes"));
    // A signalling NaN of the left operand comes out quiet, with its payload.
    assert_eq!(bits(0), 0x7ffc_0000_0000_0123);
    // Of two NaNs the left one survives; a NaN on the right alone survives too.
    assert_eq!(bits(8), 0x7ffc_0000_0000_0123);
    assert_eq!(bits(4 * 8), 0xfff8_0000_0000_0456);
    // What the machine makes itself: 0/0 at run time is the negative quiet NaN.
    assert_eq!(bits(output.len() - 8), 0xfff8_0000_0000_0000);
}
