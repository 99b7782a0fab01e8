//! Every host call with arbitrary arguments in arbitrary order: whatever the guest does, the host
//! answers, stays up, and answers the same again.

use assay_exec::bundle::Input;
use assay_exec::{Abi, Limits};
use proptest::prelude::*;

use crate::guests::{engine, limits};

/// Names and parameters of preview 1 (`i` for 32 bits, `I` for 64); all but `proc_exit` return an `i32`.
const CALLS: [(&str, &str); 46] = [
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "iIi"),
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_seek", "iIii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_exit", "i"),
    ("proc_raise", "i"),
    ("sched_yield", ""),
    ("random_get", "ii"),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

/// One call: which, and a word for each parameter.
type Step = (usize, Vec<u64>);

/// Descriptors, lengths and pointers that mean something, edges, and anything.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0u64..8,
        4 => prop::sample::select(vec![100u64, 110, 120, 200, 512, 1024, 4096]),
        2 => prop::sample::select(vec![0xffff, 0x1_0000, 0x1_fff8, 0x7fff_ffff, 0xffff_fff0, u64::from(u32::MAX), u64::MAX, 1 << 40]),
        1 => any::<u64>(),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..CALLS.len(), prop::collection::vec(word(), 9)), 1..24)
}

fn module(steps: &[Step]) -> Vec<u8> {
    let mut text = String::from("(module ");
    for (name, params) in CALLS {
        let params: String = params.chars().map(|c| if c == 'i' { " i32" } else { " i64" }).collect();
        let result = if name == "proc_exit" { "" } else { "(result i32)" };
        text += &format!(r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} (param{params}) {result}))"#);
    }
    // Paths, a vector that covers them, and a subscription to a clock.
    text += r#"(memory (export "memory") 2)
        (data (i32.const 100) "a/b") (data (i32.const 110) "new") (data (i32.const 120) "../x")
        (data (i32.const 200) "\64\00\00\00\20\00\00\00\00\10\00\00\40\00\00\00")
        (func (export "_start")"#;
    for (call, words) in steps {
        let (name, params) = CALLS[*call];
        text += &format!("(call ${name}");
        for (kind, word) in params.chars().zip(words) {
            text += &match kind {
                'i' => format!(" (i32.const {})", *word as u32),
                _ => format!(" (i64.const {word})"),
            };
        }
        text += ")";
        if name != "proc_exit" {
            text += "drop ";
        }
    }
    wat::parse_str(text + "))").expect("the guest is well formed")
}

proptest! {
    #[test]
    fn any_calls_are_answered_and_answered_the_same_again(steps in steps()) {
        let engine = engine();
        let program = engine.load(&module(&steps), Abi::WasiCommand).expect("every call is known");
        let input = Input {
            args: vec!["x".into()],
            stdin: b"standard input".to_vec(),
            files: [("a/b".to_owned(), b"content".to_vec())].into(),
        };
        let input = input.encode().expect("a valid bundle");
        let limits = Limits { fuel: 10_000_000, ..limits() };
        let first = program.run(&input, &limits);
        prop_assert!(first.is_ok(), "{:?}", first);
        prop_assert_eq!(program.run(&input, &limits), first);
    }
}
