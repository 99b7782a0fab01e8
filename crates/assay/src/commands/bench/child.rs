//! This program once more, as a process of its own that is measured.

use std::{
    ffi::OsStr,
    fs::File,
    io::{Read as _, Seek as _},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{self, Command},
};

use crate::failure::{Code, Failure, Outcome};

/// How long it has until it is ready.
const PATIENCE: Duration = Duration::from_secs(240);

/// A running one; it ends with this process.
pub(super) struct Child {
    process: process::Child,
    /// What it said when it was ready.
    pub(super) facts: Value,
}

impl Child {
    /// Starts a command that goes on, and waits for its document.
    pub(super) async fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Outcome<Self> {
        let failed = |error: &std::io::Error| Failure::io("could not start this program again", error);
        let program = std::env::current_exe().map_err(|e| failed(&e))?;
        let mut said = tempfile::tempfile().map_err(|e| failed(&e))?;
        let mut process = Command::new(program)
            .args(args)
            .args(["--output", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(said.try_clone().map_err(|e| failed(&e))?)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| failed(&e))?;
        let document = tokio::time::timeout(PATIENCE, document(&mut process)).await.ok().flatten();
        match document.map(|text| serde_json::from_str(&text)) {
            Some(Ok(facts)) => Ok(Self { process, facts }),
            _ => Err(Failure::new(Code::Internal, "the program that is measured was not ready in time")
                .why(words(&mut said))),
        }
    }

    /// MiB it holds in memory.
    pub(super) fn resident_mib(&self) -> Option<u64> {
        resident_mib(self.process.id()?)
    }

    /// Asks it to end, politely first.
    pub(super) async fn stop(mut self) {
        if let Some(pid) = self.process.id() {
            // Where there is no `kill`, the process is ended below.
            let _asked = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
        }
        if tokio::time::timeout(Duration::from_secs(20), self.process.wait()).await.is_err() {
            let _gone = self.process.kill().await;
        }
    }
}

/// MiB a process holds in memory.
pub(super) fn resident_mib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib.div_ceil(1_024))
}

/// The document on standard output; none if the process ends before it.
async fn document(process: &mut process::Child) -> Option<String> {
    let mut lines = BufReader::new(process.stdout.take()?).lines();
    let mut text = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        text.push_str(&line);
        if line == "}" {
            return Some(text);
        }
    }
    None
}

/// What it said on standard error.
fn words(said: &mut File) -> String {
    let mut text = String::new();
    match said.rewind().and_then(|()| said.read_to_string(&mut text)) {
        Ok(0) => "it said nothing".to_owned(),
        Ok(_) => text.trim().to_owned(),
        Err(error) => error.to_string(),
    }
}
