//! WASI commands on the deterministic host.

use std::collections::BTreeMap;

use assay_exec::bundle::{Input, Output};
use assay_exec::{Abi, Limits, Outcome, TrapCode};

use crate::guests::{command, limits, output_of, run, run_command};

/// Rights to read and write.
const READ: i64 = 1 << 1;
const WRITE: i64 = 1 << 6;
const CREATE: i32 = 1;

fn files<const N: usize>(files: [(&str, &[u8]); N]) -> BTreeMap<String, Vec<u8>> {
    files.into_iter().map(|(path, content)| (path.to_owned(), content.to_vec())).collect()
}

/// A command that prints the bytes at 1024 after `body` has run.
fn printing(items: &str, body: &str, bytes: u32) -> Vec<u8> {
    command(items, &format!("{body} (call $print (i32.const 1) (i32.const 1024) (i32.const {bytes}))"))
}

fn stdout(guest: &[u8], input: &Input) -> Vec<u8> {
    output_of(&run_command(guest, input)).stdout
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

/// An error number that a call must answer with, else the guest exits with what it got.
fn expect(call: &str, errno: u32) -> String {
    format!("(call $check (i32.sub {call} (i32.const {errno})))")
}

#[test]
fn stdin_reaches_stdout_and_stderr_becomes_the_log() {
    let guest = command(
        "",
        "(local $n i32)
         (loop $more
           (local.set $n (call $read (i32.const 0) (i32.const 1024) (i32.const 7)))
           (call $print (i32.const 1) (i32.const 1024) (local.get $n))
           (call $print (i32.const 2) (i32.const 1024) (local.get $n))
           (br_if $more (local.get $n)))",
    );
    let input = Input { stdin: b"a line of some length\n".to_vec(), ..Input::default() };
    let execution = run_command(&guest, &input);
    assert_eq!(output_of(&execution), Output { stdout: input.stdin.clone(), files: BTreeMap::new() });
    assert_eq!(execution.log, input.stdin);
}

#[test]
fn stderr_is_cut_at_its_limit_and_the_guest_does_not_notice() {
    let guest = command(
        "(global $left (mut i32) (i32.const 100))",
        "(loop $more
           (call $print (i32.const 2) (i32.const 1024) (i32.const 33))
           (global.set $left (i32.sub (global.get $left) (i32.const 1)))
           (br_if $more (global.get $left)))
         (call $print (i32.const 1) (i32.const 8) (i32.const 1))",
    );
    let execution = run_command(&guest, &Input::default());
    assert_eq!(execution.log.len(), limits().log_bytes as usize);
    assert_eq!(output_of(&execution).stdout, [33]);
}

#[test]
fn an_exit_code_other_than_zero_is_an_outcome_with_the_output_so_far() {
    let guest = command(
        r#"(data (i32.const 1024) "half")"#,
        "(call $print (i32.const 1) (i32.const 1024) (i32.const 4)) (call $proc_exit (i32.const 3)) (unreachable)",
    );
    let execution = run_command(&guest, &Input::default());
    let Outcome::Exited { code: 3, output } = execution.outcome else { panic!("{:?}", execution.outcome) };
    assert_eq!(Output::decode(&output).unwrap().stdout, b"half");

    let well = command("", "(call $proc_exit (i32.const 0)) (unreachable)");
    assert_eq!(output_of(&run_command(&well, &Input::default())), Output::default());
}

#[test]
fn a_trap_keeps_the_log_and_drops_the_output() {
    let guest = command(
        r#"(data (i32.const 1024) "panicked")"#,
        "(call $print (i32.const 1) (i32.const 1024) (i32.const 8))
         (call $print (i32.const 2) (i32.const 1024) (i32.const 8)) (unreachable)",
    );
    let execution = run_command(&guest, &Input::default());
    assert_eq!(execution.outcome, Outcome::Trapped(TrapCode::Unreachable));
    assert_eq!(execution.log, b"panicked");
}

#[test]
fn arguments_arrive_after_a_fixed_name_and_the_environment_is_empty() {
    let guest = printing(
        "",
        "(call $check (call $args_sizes_get (i32.const 1024) (i32.const 1028)))
         (call $check (call $environ_sizes_get (i32.const 1032) (i32.const 1036)))
         (call $check (call $args_get (i32.const 1040) (i32.const 1056)))",
        32 + 8 + 4 + 1,
    );
    let input = Input { args: vec!["-n".into(), "".into(), "é".into()], ..Input::default() };
    let printed = stdout(&guest, &input);
    let bytes = "program\0-n\0\0é\0".as_bytes();
    assert_eq!(words(&printed[..32]), [4, bytes.len() as u32, 0, 0, 1056, 1064, 1067, 1068]);
    assert_eq!(&printed[32..], &bytes[..13]);
}

#[test]
fn files_are_read_from_in_and_written_to_out() {
    let guest = command(
        r#"(data (i32.const 100) "data/prices.csv") (data (i32.const 200) "result.bin") (data (i32.const 300) "sub/x")
           (data (i32.const 400) "sub")"#,
        &format!(
            "(local $in i32) (local $out i32) (local $n i32)
             (local.set $in (call $open (i32.const 3) (i32.const 100) (i32.const 15) (i32.const 0) (i64.const {READ})))
             (local.set $out (call $open (i32.const 4) (i32.const 200) (i32.const 10) (i32.const {CREATE}) (i64.const {WRITE})))
             (local.set $n (call $read (local.get $in) (i32.const 1024) (i32.const 100)))
             (call $print (local.get $out) (i32.const 1024) (local.get $n))
             (call $check (call $fd_close (local.get $in)))
             (call $check (call $path_create_directory (i32.const 4) (i32.const 400) (i32.const 3)))
             (drop (call $open (i32.const 4) (i32.const 300) (i32.const 5) (i32.const {CREATE}) (i64.const {WRITE})))
             ;; A gap is filled with zeros.
             (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 4))
             (call $check (call $fd_pwrite (i32.const 5) (i32.const 0) (i32.const 1) (i64.const 2) (i32.const 8)))",
        ),
    );
    let input = Input { files: files([("data/prices.csv", b"1,2,3")]), ..Input::default() };
    let output = output_of(&run_command(&guest, &input));
    assert_eq!(output.files, files([("result.bin", b"1,2,3"), ("sub/x", b"\0\0data")]));
}

#[test]
fn in_cannot_be_written_and_paths_cannot_leave_their_directory() {
    let open = |fd: u32, path: u32, len: u32, oflags: i32, rights: i64| {
        format!(
            "(call $path_open (i32.const {fd}) (i32.const 0) (i32.const {path}) (i32.const {len}) (i32.const {oflags})
               (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 12))"
        )
    };
    let body = [
        expect(&open(3, 100, 1, 0, WRITE), 69),
        expect(&open(3, 110, 3, CREATE, WRITE), 69),
        expect("(call $path_unlink_file (i32.const 3) (i32.const 100) (i32.const 1))", 69),
        expect("(call $path_create_directory (i32.const 3) (i32.const 110) (i32.const 3))", 69),
        expect(
            "(call $path_rename (i32.const 3) (i32.const 100) (i32.const 1) (i32.const 4) (i32.const 100) (i32.const 1))",
            69,
        ),
        // ../etc, /etc, no such file, not a directory, not a descriptor, not text.
        expect(&open(3, 120, 6, 0, READ), 76),
        expect(&open(3, 130, 4, 0, READ), 76),
        expect(&open(3, 110, 3, 0, READ), 44),
        expect(&open(3, 140, 3, 0, READ), 54),
        expect(&open(9, 100, 1, 0, READ), 8),
        expect(&open(0, 100, 1, 0, READ), 54),
        expect(&open(3, 150, 2, 0, READ), 28),
        expect(&open(3, 100, 5000, 0, READ), 37),
        expect(&open(3, -16i32 as u32, 32, 0, READ), 21),
        // Down and up again stays inside.
        "(drop (call $open (i32.const 3) (i32.const 160) (i32.const 6) (i32.const 0) (i64.const 2)))".to_owned(),
    ];
    let guest = command(
        r#"(data (i32.const 100) "a") (data (i32.const 110) "new") (data (i32.const 120) "../etc") (data (i32.const 130) "/etc")
           (data (i32.const 140) "a/b") (data (i32.const 150) "\ff\fe") (data (i32.const 160) "d/../a")"#,
        &body.concat(),
    );
    let input = Input { files: files([("a", b"x"), ("d/e", b"y")]), ..Input::default() };
    assert_eq!(output_of(&run_command(&guest, &input)), Output::default());
}

#[test]
fn files_can_be_renamed_and_removed_and_a_removed_file_no_longer_counts() {
    let guest = command(
        r#"(data (i32.const 100) "a") (data (i32.const 104) "b")
           (func $fill (param $path i32)
             (local $fd i32)
             (local.set $fd (call $open (i32.const 4) (local.get $path) (i32.const 1) (i32.const 1) (i64.const 64)))
             (call $print (local.get $fd) (i32.const 1024) (i32.const 40000))
             (call $check (call $fd_close (local.get $fd))))"#,
        "(call $fill (i32.const 100))
         (call $check (call $path_unlink_file (i32.const 4) (i32.const 100) (i32.const 1)))
         (call $fill (i32.const 100))
         (call $check (call $path_rename (i32.const 4) (i32.const 100) (i32.const 1) (i32.const 4) (i32.const 104) (i32.const 1)))
         (call $check (call $path_rename (i32.const 4) (i32.const 104) (i32.const 1) (i32.const 4) (i32.const 104) (i32.const 1)))",
    );
    let output = output_of(&run_command(&guest, &Input::default()));
    assert_eq!(output.files.keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(output.files["b"].len(), 40_000);
}

#[test]
fn writing_more_than_the_output_limit_ends_the_guest_wherever_it_writes() {
    let to_stdout = command("", "(loop $more (call $print (i32.const 1) (i32.const 0) (i32.const 1000)) (br $more))");
    let to_file = command(
        r#"(data (i32.const 100) "f")"#,
        "(local $fd i32)
         (local.set $fd (call $open (i32.const 4) (i32.const 100) (i32.const 1) (i32.const 1) (i64.const 64)))
         (loop $more (call $print (local.get $fd) (i32.const 0) (i32.const 1000)) (br $more))",
    );
    let far_away = command(
        r#"(data (i32.const 100) "f")"#,
        "(local $fd i32)
         (local.set $fd (call $open (i32.const 4) (i32.const 100) (i32.const 1) (i32.const 1) (i64.const 64)))
         (i32.store (i32.const 4) (i32.const 1))
         (drop (call $fd_pwrite (local.get $fd) (i32.const 0) (i32.const 1) (i64.const 0x3fffffffffff) (i32.const 8)))",
    );
    for guest in [to_stdout, to_file, far_away] {
        let execution = run_command(&guest, &Input::default());
        assert_eq!(execution.outcome, Outcome::OutputTooLarge);
        assert!(execution.fuel_used < 1_000_000, "work that is refused is not charged");
    }
}

#[test]
fn directories_are_listed_by_name_and_in_parts() {
    // Two calls with a small buffer, the second from where the first whole entry ended.
    let guest = printing(
        "",
        "(call $check (call $fd_readdir (i32.const 3) (i32.const 1032) (i32.const 60) (i64.const 0) (i32.const 1024)))
         (call $check (call $fd_readdir (i32.const 3) (i32.const 1096) (i32.const 200) (i64.const 2) (i32.const 1028)))",
        160,
    );
    let input = Input { files: files([("b", b""), ("a/z", b""), ("c", b"")]), ..Input::default() };
    let printed = stdout(&guest, &input);
    assert_eq!(words(&printed[..8]), [60, 25]);
    let name = |at: usize| (printed[at], printed[at + 16], printed[at + 20], printed[at + 24] as char);
    // (next cookie, name length, file type, name)
    assert_eq!(name(8), (1, 1, 3, 'a'));
    assert_eq!(name(8 + 25), (2, 1, 4, 'b'));
    assert_eq!(name(72), (3, 1, 4, 'c'));
}

#[test]
fn the_wall_clock_stands_still_and_the_monotonic_clock_counts() {
    let read = |id: u32, at: u32| {
        format!("(call $check (call $clock_time_get (i32.const {id}) (i64.const 0) (i32.const {at})))")
    };
    let body = [read(0, 1024), read(1, 1032), read(0, 1040), read(1, 1048), read(3, 1056)].concat();
    let printed = stdout(&printing("", &body, 40), &Input::default());
    let times: Vec<_> = printed.chunks_exact(8).map(|time| u64::from_le_bytes(time.try_into().unwrap())).collect();
    assert_eq!(times, [1_767_225_600_000_000_000, 1_000, 1_767_225_600_000_000_000, 2_000, 3_000]);
    let unknown = command("", &expect("(call $clock_time_get (i32.const 4) (i64.const 0) (i32.const 1024))", 28));
    output_of(&run_command(&unknown, &Input::default()));
}

#[test]
fn a_sleep_takes_no_time_and_moves_the_monotonic_clock() {
    // One subscription: userdata 9, clock 1, one hour from now.
    let guest = printing(
        "",
        "(i64.store (i32.const 512) (i64.const 9)) (i32.store (i32.const 528) (i32.const 1))
         (i64.store (i32.const 536) (i64.const 3600000000000))
         (call $check (call $poll_oneoff (i32.const 512) (i32.const 1024) (i32.const 1) (i32.const 1056)))
         (call $check (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 1064)))",
        48,
    );
    let printed = stdout(&guest, &Input::default());
    assert_eq!(
        words(&printed),
        [9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3_600_000_001_000u64 as u32, (3_600_000_001_000u64 >> 32) as u32]
    );
}

#[test]
fn random_bytes_are_those_of_the_input_and_of_nothing_else() {
    let guest = printing(
        "",
        "(call $check (call $random_get (i32.const 1024) (i32.const 5)))
         (call $check (call $random_get (i32.const 1029) (i32.const 27)))",
        32,
    );
    let random = |stdin: &[u8]| stdout(&guest, &Input { stdin: stdin.to_vec(), ..Input::default() });
    assert_eq!(random(b"task 1"), random(b"task 1"));
    assert_ne!(random(b"task 1"), random(b"task 2"));

    // One stream, however it is cut.
    let input = Input { stdin: b"task 1".to_vec(), ..Input::default() };
    let seed = blake3::derive_key("assay 2026-11 wasi random", &input.encode().unwrap());
    let mut expected = [0; 32];
    blake3::Hasher::new_keyed(&seed).finalize_xof().fill(&mut expected);
    assert_eq!(random(b"task 1"), expected);
}

#[test]
fn input_that_is_no_bundle_is_a_failure_that_says_so() {
    for input in [&b""[..], b"plain text", &[1, 0xff, 0xff, 0xff, 0xff]] {
        let execution = run(Abi::WasiCommand, &command("", ""), input, &limits());
        assert!(matches!(&execution.outcome, Outcome::Failed(why) if why.contains("input bundle")), "{execution:?}");
    }
}

#[test]
fn pointers_outside_memory_are_faults_that_the_guest_is_told_of() {
    let body = [
        expect("(call $fd_write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 8))", 21),
        expect("(call $random_get (i32.const 0x1fff0) (i32.const 17))", 21),
        expect("(call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 0x1fffc))", 21),
        expect("(call $args_get (i32.const 0x20000) (i32.const 1024))", 21),
        "(i32.store (i32.const 0) (i32.const 0x1ffff)) (i32.store (i32.const 4) (i32.const 2))".to_owned(),
        expect("(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))", 21),
        expect("(call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))", 21),
        expect("(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1025) (i32.const 8))", 28),
        expect("(call $fd_filestat_get (i32.const 3) (i32.const 0x1ffd0))", 21),
    ];
    assert_eq!(output_of(&run_command(&command("", &body.concat()), &Input::default())), Output::default());
}

#[test]
fn descriptors_run_out_before_the_host_does() {
    let guest = command(
        r#"(data (i32.const 100) "a")"#,
        "(local $errno i32)
         (loop $more
           (local.set $errno (call $path_open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 0)
             (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 12)))
           (br_if $more (i32.eqz (local.get $errno))))
         (i32.store (i32.const 16) (local.get $errno))
         (call $print (i32.const 1) (i32.const 12) (i32.const 8))",
    );
    let input = Input { files: files([("a", b"")]), ..Input::default() };
    assert_eq!(words(&stdout(&guest, &input)), [1023, 33]);
}

#[test]
fn a_command_that_declares_more_memory_than_its_limit_never_starts() {
    let input = Input::default().encode().unwrap();
    let limits = Limits { memory_bytes: 65_536, ..limits() };
    assert_eq!(run(Abi::WasiCommand, &command("", ""), &input, &limits).outcome, Outcome::MemoryExceeded);
}

#[test]
fn a_tree_deeper_than_a_path_may_be_long_is_output_too_large() {
    // Directory by directory, each opened below the last, then one file at the end.
    let guest = command(
        r#"(data (i32.const 100) "dddddddddddddddddddddddddddddddddddddddd")"#,
        "(local $fd i32) (local $next i32) (local $left i32)
         (local.set $fd (i32.const 4)) (local.set $left (i32.const 200))
         (loop $deeper
           (call $check (call $path_create_directory (local.get $fd) (i32.const 100) (i32.const 40)))
           (local.set $next (call $open (local.get $fd) (i32.const 100) (i32.const 40) (i32.const 2) (i64.const 2)))
           (if (i32.ne (local.get $fd) (i32.const 4)) (then (call $check (call $fd_close (local.get $fd)))))
           (local.set $fd (local.get $next))
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $deeper (local.get $left)))
         (drop (call $open (local.get $fd) (i32.const 100) (i32.const 40) (i32.const 1) (i64.const 64)))",
    );
    assert_eq!(run_command(&guest, &Input::default()).outcome, Outcome::OutputTooLarge);
}

#[test]
fn a_directory_cannot_be_moved_below_itself() {
    let rename = |from: (u32, u32), to: (u32, u32)| {
        format!(
            "(call $path_rename (i32.const 4) (i32.const {}) (i32.const {}) (i32.const 4) (i32.const {}) (i32.const {}))",
            from.0, from.1, to.0, to.1
        )
    };
    // a, a/b, a/b/c
    let body = [
        "(call $check (call $path_create_directory (i32.const 4) (i32.const 100) (i32.const 1)))".to_owned(),
        "(call $check (call $path_create_directory (i32.const 4) (i32.const 100) (i32.const 3)))".to_owned(),
        expect(&rename((100, 1), (100, 5)), 28),
        expect(&rename((100, 1), (100, 1)), 0),
        expect(&rename((100, 3), (104, 1)), 0),
        expect(&rename((100, 1), (110, 3)), 0),
        "(drop (call $open (i32.const 4) (i32.const 120) (i32.const 5) (i32.const 1) (i64.const 64)))".to_owned(),
    ];
    let guest = command(
        r#"(data (i32.const 100) "a/b/c") (data (i32.const 110) "c/d") (data (i32.const 120) "c/d/f")"#,
        &body.concat(),
    );
    let output = output_of(&run_command(&guest, &Input::default()));
    assert_eq!(output.files, files([("c/d/f", b"")]));
}
