//! A component that does what it is told, for tests and for trying things out. Its input is a word and,
//! after a blank, the word's argument:
//!
//! | input | what it does |
//! |---|---|
//! | `echo TEXT` | returns TEXT, any bytes |
//! | `upper TEXT` | returns TEXT in ASCII upper case |
//! | `error TEXT` | returns TEXT as the error |
//! | `spin N` | N rounds of work, then their checksum: fuel on demand |
//! | `output N` | returns N bytes |
//! | `allocate N` | takes N MiB of memory and touches every page |
//! | `trap` | executes `unreachable` |
//! | `overflow` | recurses until the stack ends |
//! | `loop` | never ends |
//!
//! Anything else is echoed whole.

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "job" });

    struct Demo;

    impl Guest for Demo {
        fn run(input: Vec<u8>) -> Result<Vec<u8>, String> {
            crate::run(input)
        }
    }

    export!(Demo);
}

fn run(input: Vec<u8>) -> Result<Vec<u8>, String> {
    let (word, argument) = match input.iter().position(|b| *b == b' ') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (&input[..], &[][..]),
    };
    let text = || String::from_utf8_lossy(argument).trim().to_owned();
    let number = || text().parse::<u64>().map_err(|_| format!("`{}` is not a number", text()));
    match word {
        b"echo" => Ok(argument.to_vec()),
        b"upper" => Ok(argument.to_ascii_uppercase()),
        b"error" => Err(text()),
        b"spin" => Ok(spin(number()?).to_le_bytes().to_vec()),
        b"output" => Ok(vec![0x5A; usize::try_from(number()?).map_err(|_| "too many bytes".to_owned())?]),
        b"allocate" => allocate(number()?),
        b"trap" => trap(),
        b"overflow" => Ok(deeper(1).to_le_bytes().to_vec()),
        b"loop" => forever(),
        _ => Ok(input),
    }
}

/// splitmix64 over a counter; the checksum keeps it from being optimised away.
fn spin(rounds: u64) -> u64 {
    let mut sum = 0_u64;
    for i in 0..rounds {
        let mut z = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        sum ^= z ^ (z >> 31);
    }
    sum
}

fn allocate(mebibytes: u64) -> Result<Vec<u8>, String> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for _ in 0..mebibytes {
        let mut block = Vec::new();
        block.try_reserve_exact(1 << 20).map_err(|_| format!("no memory after {} MiB", kept.len()))?;
        block.resize(1 << 20, kept.len() as u8);
        kept.push(std::hint::black_box(block));
    }
    Ok(format!("{} MiB", kept.len()).into_bytes())
}

fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}

fn forever() -> ! {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

#[expect(unconditional_recursion, reason = "the stack is to end")]
#[inline(never)]
fn deeper(n: u64) -> u64 {
    std::hint::black_box(deeper(std::hint::black_box(n + 1))) ^ n
}
