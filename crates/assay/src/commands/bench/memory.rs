//! Resident memory of an idle `assay up`.

use std::{
    ffi::OsStr,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::child::Child;
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
    let args = ["up", "--rpc-port", "0", "--rest-port", "0", "--dir"].map(OsStr::new);
    let child = Child::start(args.into_iter().chain([dir.as_os_str()])).await?;
    let start = Instant::now();
    while start.elapsed() < IDLE {
        bar.say(format!("idle for {} of {} s", start.elapsed().as_secs(), IDLE.as_secs()));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let resident = child.resident_mib();
    child.stop().await;
    resident.map(|mib| json!(mib)).ok_or_else(|| {
        Failure::new(Code::Io, "the memory of a process cannot be read on this machine")
            .why("/proc/PID/status is missing")
    })
}
