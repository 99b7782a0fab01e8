//! Resident memory of an idle `assay up`.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{
    failure::{Code, Failure, Outcome},
    terminal::Terminal,
};

/// How long the network idles before it is looked at.
const IDLE: Duration = Duration::from_secs(60);

/// MiB resident after a minute of idling.
pub(super) async fn idle(dir: &Path, terminal: &Terminal) -> Outcome<Value> {
    let bar = terminal.spinner("memory");
    bar.say("starting `assay up`");
    let failed = |what: &str, error: &std::io::Error| Failure::io(what.to_owned(), error);
    let program = std::env::current_exe().map_err(|e| failed("could not find this program", &e))?;
    let mut child = Command::new(program)
        .args(["up", "--rpc-port", "0", "--rest-port", "0", "--output", "json", "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed("could not start `assay up`", &e))?;
    ready(&mut child).await?;
    let start = Instant::now();
    while start.elapsed() < IDLE {
        bar.say(format!("idle for {} of {} s", start.elapsed().as_secs(), IDLE.as_secs()));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let resident = child.id().and_then(resident_mib);
    stop(&mut child).await;
    resident.map(|mib| json!(mib)).ok_or_else(|| {
        Failure::new(Code::Io, "the memory of a process cannot be read on this machine")
            .why("/proc/PID/status is missing")
    })
}

/// Waits for the document that `up` prints when it is ready.
async fn ready(child: &mut Child) -> Outcome<()> {
    let early = || Failure::new(Code::Internal, "`assay up` ended before it was ready");
    let mut lines = BufReader::new(child.stdout.take().ok_or_else(early)?).lines();
    loop {
        let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await;
        match line {
            Ok(Ok(Some(line))) if line == "}" => return Ok(()),
            Ok(Ok(Some(_))) => {}
            _ => return Err(early()),
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

/// Asks politely first.
pub(super) async fn stop(child: &mut Child) {
    if let Some(pid) = child.id() {
        // Where there is no `kill`, the process is ended below.
        let _asked = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
    }
    if tokio::time::timeout(Duration::from_secs(20), child.wait()).await.is_err() {
        let _gone = child.kill().await;
    }
}
