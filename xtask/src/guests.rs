//! Building the bundled guests so that the same sources give the same bytes on any machine.
//!
//! What would leak into the bytes, and what is done about it:
//! - folder of the repository, cargo home, toolchain's folder (panic messages): `--remap-path-prefix`;
//! - the caller's `RUSTFLAGS`, wrappers and profile variables: cleared, all flags are set here;
//! - parallel code generation: one unit, fat LTO, no incremental state (profile of `jobs/Cargo.toml`);
//! - versions: `jobs/Cargo.lock` and `rust-toolchain.toml`, the encoder through the root's `Cargo.lock`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use wit_component::ComponentEncoder;

/// How a guest is called, which says how it is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Abi {
    /// A component without imports, world `assay:job/job`.
    Component,
    /// A WASI preview-1 command.
    Wasi,
}

/// Package, file that cargo writes, file in `jobs/bin`, ABI.
const GUESTS: [(&str, &str, &str, Abi); 4] = [
    ("guest-demo", "guest_demo.wasm", "demo.wasm", Abi::Component),
    ("guest-demo-wasi", "demo-wasi.wasm", "demo-wasi.wasm", Abi::Wasi),
    ("guest-portfolio-risk", "guest_portfolio_risk.wasm", "portfolio-risk.wasm", Abi::Component),
    ("guest-vol-surface", "guest_vol_surface.wasm", "vol-surface.wasm", Abi::Component),
];

/// A guest built: its file name and bytes.
type Built = (String, Vec<u8>);

/// The repository's folder.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_owned).context("xtask lies in the repository")
}

/// Builds the guests into `jobs/bin` and writes their hashes.
pub(crate) fn build(root: &Path) -> Result<()> {
    let built = compile(root, &cargo_home()?, &root.join("target/guests"))?;
    let bin = root.join("jobs/bin");
    fs::create_dir_all(&bin)?;
    for (name, bytes) in &built {
        fs::write(bin.join(name), bytes).with_context(|| format!("jobs/bin/{name} cannot be written"))?;
        println!("{name}: {} bytes", bytes.len());
    }
    fs::write(bin.join("HASHES"), hashes(&built))?;
    print!("{}", hashes(&built));
    Ok(())
}

/// Builds the guests from two other folders, the second under another cargo home, and compares.
pub(crate) fn check(root: &Path) -> Result<()> {
    let committed = fs::read_to_string(root.join("jobs/bin/HASHES")).context("jobs/bin/HASHES cannot be read")?;
    for line in committed.lines() {
        let (hash, name) = line.split_once("  ").context("a line of jobs/bin/HASHES is not `hash  name`")?;
        let bytes =
            fs::read(root.join("jobs/bin").join(name)).with_context(|| format!("jobs/bin/{name} is missing"))?;
        ensure!(blake3::hash(&bytes).to_hex().as_str() == hash, "jobs/bin/{name} is not what jobs/bin/HASHES says");
    }
    let scratch = root.join("target/guests-check");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    let home = cargo_home()?;
    let other_home = scratch.join("another-cargo-home");
    fs::create_dir_all(&other_home)?;
    for entry in fs::read_dir(&home)? {
        let entry = entry?;
        // Everything but the locks cargo keeps at the top, so that no two cargos fight over one.
        if !entry.file_name().to_string_lossy().starts_with(".package-cache") {
            link(&entry.path(), &other_home.join(entry.file_name()))?;
        }
    }
    let places = [("first", home), ("second/a-longer-way-down", other_home)];
    for (place, home) in places {
        let copy = scratch.join(place);
        for part in ["jobs", "wit"] {
            copy_tree(&root.join(part), &copy.join(part))?;
        }
        fs::copy(root.join("rust-toolchain.toml"), copy.join("rust-toolchain.toml"))?;
        let built = compile(&copy, &home, &copy.join("target"))?;
        let found = hashes(&built);
        if found != committed {
            bail!(
                "the guests built in {} differ from jobs/bin/HASHES:\n{found}committed:\n{committed}",
                copy.display()
            );
        }
        println!("{}: as committed", copy.display());
    }
    fs::remove_dir_all(&scratch)?;
    Ok(())
}

fn hashes(built: &[Built]) -> String {
    built.iter().map(|(name, bytes)| format!("{}  {name}\n", blake3::hash(bytes).to_hex())).collect()
}

fn compile(root: &Path, home: &Path, target: &Path) -> Result<Vec<Built>> {
    let manifest = root.join("jobs/Cargo.toml");
    cargo(root, home, &["fetch", "--locked"], &manifest, None)?;
    let mut built = Vec::new();
    for abi in [Abi::Component, Abi::Wasi] {
        let triple = if abi == Abi::Component { "wasm32-unknown-unknown" } else { "wasm32-wasip1" };
        let target = target.to_str().context("the target folder's name is not UTF-8")?;
        let mut args = vec!["build", "--profile", "guest", "--locked", "--target", triple, "--target-dir", target];
        for (package, _, _, _) in GUESTS.iter().filter(|guest| guest.3 == abi) {
            args.extend(["--package", package]);
        }
        cargo(root, home, &args, &manifest, Some(&flags(root, home)?))?;
        for (_, file, name, _) in GUESTS.iter().filter(|guest| guest.3 == abi) {
            let path = Path::new(target).join(triple).join("guest").join(file);
            let module = fs::read(&path).with_context(|| format!("{} is missing", path.display()))?;
            let bytes = if abi == Abi::Component { componentise(&module)? } else { module };
            built.push(((*name).to_owned(), bytes));
        }
    }
    built.sort();
    Ok(built)
}

fn componentise(module: &[u8]) -> Result<Vec<u8>> {
    let encoder =
        ComponentEncoder::default().module(module).map_err(|e| anyhow::anyhow!("not a guest module: {e:#}"))?;
    encoder.validate(true).encode().map_err(|e| anyhow::anyhow!("the guest is no component: {e:#}"))
}

/// The compiler's flags, in the form that may hold blanks.
fn flags(root: &Path, home: &Path) -> Result<String> {
    let mut flags = vec!["-Ctarget-feature=+simd128".to_owned()];
    let mut remap = |from: &Path, to: &str| flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    // The last that fits wins, so from the general to the particular.
    remap(home, "/cargo");
    remap(root, "/assay");
    // The folder of a registry carries the host's name, a mirror's for some.
    for entry in fs::read_dir(home.join("registry/src")).context("the cargo home has no sources")? {
        remap(&entry?.path(), "/cargo/registry");
    }
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(root))?;
    let version = output(Command::new("rustc").arg("-vV").current_dir(root))?;
    let commit = version.lines().find_map(|l| l.strip_prefix("commit-hash: ")).context("rustc names no commit")?;
    remap(&Path::new(sysroot.trim()).join("lib/rustlib/src/rust"), &format!("/rustc/{commit}"));
    Ok(flags.join("\u{1f}"))
}

fn output(command: &mut Command) -> Result<String> {
    let done = command.output().with_context(|| format!("{command:?} does not start"))?;
    ensure!(done.status.success(), "{command:?} failed");
    Ok(String::from_utf8(done.stdout)?)
}

fn cargo(root: &Path, home: &Path, args: &[&str], manifest: &Path, flags: Option<&str>) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(args).arg("--manifest-path").arg(manifest).current_dir(root.join("jobs")).env("CARGO_HOME", home);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let leaks = ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_", "CARGO_RESOLVER_"];
        let exact =
            ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_INCREMENTAL"];
        if exact.contains(&name.as_str()) || leaks.iter().any(|leak| name.starts_with(leak)) {
            command.env_remove(name);
        }
    }
    if let Some(flags) = flags {
        command.env("CARGO_ENCODED_RUSTFLAGS", flags);
    }
    let status = command.status().context("cargo does not start")?;
    ensure!(
        status.success(),
        "the guests do not build; `rustup target add wasm32-unknown-unknown wasm32-wasip1` if a target is missing"
    );
    Ok(())
}

/// The cargo home in use: the variable, or `.cargo` in the user's home.
fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(home));
    }
    Ok(PathBuf::from(env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?).join(".cargo"))
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> Result<()> {
    Ok(std::os::unix::fs::symlink(from, to)?)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() { copy_tree(from, to) } else { fs::copy(from, to).map(|_| ()).map_err(Into::into) }
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() == "target" {
            continue;
        }
        let (source, place) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_tree(&source, &place)?;
        } else {
            fs::copy(&source, &place)?;
        }
    }
    Ok(())
}
