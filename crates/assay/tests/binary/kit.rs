//! Spawning the binary and reading what it says.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// A directory of its own, in which the binary runs.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, text: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("writes");
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null()).env("NO_COLOR", "1");
        for name in ["ASSAY_RPC", "ASSAY_KEYS", "ASSAY_ACCOUNT", "ASSAY_PASSWORD_FILE", "ASSAY_JOBS", "ASSAY_LOG"] {
            command.env_remove(name);
        }
        command
    }

    /// Starts the binary, to be killed.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary runs")
    }

    /// Runs it with `--output json`; its document.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--output", "json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
    }

    /// Runs it; it must fail with this exit code. What it said on standard error.
    pub(crate) fn refused(&self, args: &[&str], exit: i32) -> String {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {said}");
        said
    }

    /// Starts `assay up` on a free port and waits until it is ready.
    pub(crate) fn up(&self, more: &[&str]) -> Up {
        self.start(&[&["up", "--dir", "net", "--rpc-port", "0", "--rest-port", "0"], more].concat())
    }

    /// Starts a command that goes on, and waits until it is ready.
    pub(crate) fn start(&self, args: &[&str]) -> Up {
        let args = [args, &["--output", "json"]].concat();
        let mut child = self.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut text = String::new();
        for line in BufReader::new(child.stdout.as_mut().expect("piped")).lines() {
            let line = line.expect("UTF-8");
            text += &line;
            if line == "}" {
                break;
            }
        }
        match serde_json::from_str(&text) {
            Ok(facts) => Up { child: Some(child), facts },
            Err(error) => {
                let output = child.wait_with_output().expect("ends");
                panic!("no document from {args:?} ({error}): {}", String::from_utf8_lossy(&output.stderr));
            }
        }
    }
}

/// A running command.
pub(crate) struct Up {
    child: Option<Child>,
    pub(crate) facts: Value,
}

impl Up {
    pub(crate) fn rpc(&self) -> &str {
        self.facts["rpc_url"].as_str().expect("a URL")
    }

    /// Ends it at once, as a power cut does.
    pub(crate) fn kill(mut self) {
        let mut child = self.child.take().expect("runs");
        child.kill().expect("is killed");
        child.wait().expect("ends");
    }

    /// Waits until it ends by itself; its exit code and what it said on standard error.
    pub(crate) fn ends(mut self) -> (Option<i32>, String) {
        let output = self.child.take().expect("runs").wait_with_output().expect("ends");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Stops it as Ctrl-C does, and waits for its end.
    pub(crate) fn stop(mut self) {
        let mut child = self.child.take().expect("runs");
        let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(asked.expect("kill runs").success());
        assert!(child.wait().expect("ends").success(), "Ctrl-C is a clean end");
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // The test has failed already; nothing may outlive it.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The built-in chain cut down to these expirations.
pub(crate) fn small_chain(expirations: &[&str]) -> Vec<u8> {
    let text = std::fs::read_to_string(root().join("data/spx-2026-01-30.csv")).expect("the chain is there");
    let keep = |line: &&str| expirations.iter().any(|e| line.split(',').nth(2) == Some(e));
    let header = text.lines().take(1);
    let rows = text.lines().skip(1).filter(keep);
    header.chain(rows).flat_map(|line| [line, "\n"]).collect::<String>().into_bytes()
}
