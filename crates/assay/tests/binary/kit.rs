//! Spawning the binary and reading what it says.

use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
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

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null()).env("NO_COLOR", "1");
        for name in [
            "ASSAY_RPC",
            "ASSAY_KEYS",
            "ASSAY_ACCOUNT",
            "ASSAY_PASSWORD_FILE",
            "ASSAY_JOBS",
            "ASSAY_LOG",
            "ASSAY_LOG_FORMAT",
        ] {
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

    /// Starts a command whose standard error is kept in a file.
    pub(crate) fn start_logged(&self, args: &[&str], log: &str) -> Up {
        let log = std::fs::File::create(self.path().join(log)).expect("creates");
        self.start_with(args, Stdio::from(log))
    }

    /// Starts `assay up` on a free port and waits until it is ready.
    pub(crate) fn up(&self, more: &[&str]) -> Up {
        self.start(&[&["up", "--dir", "net", "--rpc-port", "0", "--rest-port", "0"], more].concat())
    }

    /// Starts a command that goes on, and waits until it is ready.
    pub(crate) fn start(&self, args: &[&str]) -> Up {
        self.start_with(args, Stdio::piped())
    }

    fn start_with(&self, args: &[&str], stderr: Stdio) -> Up {
        let args = [args, &["--output", "json"]].concat();
        let mut child = self.command(&args).stdout(Stdio::piped()).stderr(stderr).spawn().expect("starts");
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

/// Far beyond what anything a test waits for takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Looks ten times a second until there is something.
pub(crate) fn within<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Looks ten times a second until it is so.
pub(crate) fn until(what: &str, done: impl Fn() -> bool) {
    within(what, || done().then_some(()));
}

/// An amount as documents write it.
pub(crate) fn grains(value: &Value) -> u128 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("grains: {value}"))
}

/// A port from which four in a row are free now, and four from a hundred above, where metrics are served.
pub(crate) fn free_ports() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut ports = (33_000..60_000u16).step_by(4);
    let skip = usize::try_from(std::process::id() % 1_000).expect("small");
    let all_free = |port: &u16| (*port..*port + 4).all(|port| free(port) && free(port + 100));
    ports.nth(skip).into_iter().chain(ports).find(all_free).expect("free ports")
}

/// A request over HTTP/1.1: the status and the body.
pub(crate) fn http(url: &str, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let host = url.strip_prefix("http://").expect("an http:// address");
    let mut stream = TcpStream::connect(host).expect("connects");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("is sent");
    // A server that refuses by the length alone may close before it has read all.
    stream.write_all(body).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// GET of a JSON document, which may be in chunks.
pub(crate) fn get(url: &str, path: &str) -> (u16, Value) {
    let (status, body) = http(url, "GET", path, b"");
    let (from, to) = (body.find('{').expect("an object"), body.rfind('}').expect("an object"));
    (status, serde_json::from_str(&body[from..=to]).expect("JSON"))
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
