//! A WASI preview-1 command that does what its first argument says, for tests and for trying things
//! out:
//!
//! | arguments | what it does |
//! |---|---|
//! | `count` (or none) | counts lines, words and bytes of stdin, notes its start and end on stderr |
//! | `echo TEXT...` | prints its arguments |
//! | `cat` | copies stdin to stdout |
//! | `stderr TEXT...` | writes its arguments to stderr, `done` to stdout |
//! | `files` | copies each file of `/in` to `/out` in upper case and lists them on stdout |
//! | `exit CODE` | ends with that code |
//! | `clock` | prints the wall clock in nanoseconds |
//! | `panic` | panics, which writes to stderr and traps |
//! | `loop` | never ends |

use std::{
    env, fs,
    io::{self, Read, Write},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default().join(" ");
    let done = match args.first().map(String::as_str) {
        None | Some("count") => count(),
        Some("echo") => writeln!(io::stdout(), "{rest}"),
        Some("cat") => io::copy(&mut io::stdin(), &mut io::stdout()).map(|_| ()),
        Some("stderr") => {
            eprintln!("{rest}");
            writeln!(io::stdout(), "done")
        }
        Some("files") => files(),
        Some("exit") => return ExitCode::from(rest.parse::<u8>().unwrap_or(1)),
        Some("clock") => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            writeln!(io::stdout(), "{}", now.as_nanos())
        }
        Some("panic") => panic!("told to panic"),
        Some("loop") => loop {
            std::hint::black_box(());
        },
        Some(other) => {
            eprintln!("demo-wasi: no such word: {other}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo-wasi: {error}");
            ExitCode::FAILURE
        }
    }
}

fn count() -> io::Result<()> {
    eprintln!("demo-wasi: counting");
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    let lines = text.iter().filter(|b| **b == b'\n').count();
    let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
    writeln!(io::stdout(), "{lines} {words} {}", text.len())?;
    eprintln!("demo-wasi: counted {} bytes", text.len());
    Ok(())
}

fn files() -> io::Result<()> {
    let mut names: Vec<_> = fs::read_dir("/in")?.map(|e| e.map(|e| e.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        let bytes = fs::read(format!("/in/{}", name.to_string_lossy()))?;
        fs::write(format!("/out/{}", name.to_string_lossy()), bytes.to_ascii_uppercase())?;
        writeln!(io::stdout(), "{} {}", name.to_string_lossy(), bytes.len())?;
    }
    Ok(())
}
