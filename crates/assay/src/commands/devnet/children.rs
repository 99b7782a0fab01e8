//! The processes of a development network: started, watched, stopped in order.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{ChildStdin, ChildStdout, Command},
    sync::mpsc,
    task::JoinHandle,
};

use super::files::{Home, Role};
use crate::{
    failure::{Code, Failure, Outcome},
    network::create_dir,
};

/// How long a process has to end in order once asked to.
const ORDERLY: Duration = Duration::from_secs(20);
/// Lines of a log that are told when its process dies.
const LAST_LINES: usize = 12;
/// Bytes at the end of a log that are looked at for them.
const TAIL_BYTES: u64 = 16 << 10;

/// A started process.
pub(super) struct Child {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) config: PathBuf,
    pub(super) log: PathBuf,
    pub(super) pid: u32,
    /// What it said once it was up.
    pub(super) facts: Value,
    rpc_url: String,
    // Closed to stop it.
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    kill: Option<tokio::sync::oneshot::Sender<()>>,
    ended: Option<JoinHandle<()>>,
    running: bool,
}

impl Child {
    /// Where it serves JSON-RPC, or the node it uses.
    pub(super) fn rpc(&self) -> String {
        self.rpc_url.clone()
    }
}

/// A process that died.
pub(super) struct Dead {
    pub(super) name: String,
    pub(super) pid: u32,
    pub(super) how: String,
    log: PathBuf,
}

impl Dead {
    /// What to tell of it.
    pub(super) fn report(&self) -> String {
        let tail = tail(&self.log);
        let tail = if tail.is_empty() { "  (nothing)".to_owned() } else { tail };
        format!("{} (process {}) died: {}; the end of {}:\n{tail}", self.name, self.pid, self.how, self.log.display())
    }
}

/// The last lines of a file, indented.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
    last.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// All processes.
pub(super) struct Children {
    logs: PathBuf,
    list: Vec<Child>,
    deaths: mpsc::UnboundedReceiver<(usize, String)>,
    tell: mpsc::UnboundedSender<(usize, String)>,
}

impl Children {
    /// None yet; their logs will be in `logs`.
    pub(super) fn new(logs: &Path) -> Outcome<Self> {
        create_dir(logs)?;
        let (tell, deaths) = mpsc::unbounded_channel();
        Ok(Self { logs: logs.to_owned(), list: Vec::new(), deaths, tell })
    }

    /// Those started.
    pub(super) fn list(&self) -> &[Child] {
        &self.list
    }

    /// How many of a role run.
    pub(super) fn running(&self, role: Role) -> usize {
        self.list.iter().filter(|child| child.role == role && child.running).count()
    }

    /// Starts a process in a home.
    pub(super) fn start(&mut self, home: &Home) -> Outcome<()> {
        let program = std::env::current_exe().map_err(|e| Failure::io("could not find this program's file", &e))?;
        let path = self.logs.join(format!("{}.log", home.name));
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|e| Failure::io(format!("could not write {}", path.display()), &e))?;
        let role = match home.role {
            Role::Validator => "node",
            Role::Provider => "provider",
        };
        let mut command = Command::new(program);
        command.arg(role).arg("--config").arg(&home.config).args([
            "--with-parent",
            "--output",
            "json",
            "--log",
            "info",
        ]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        // Ctrl-C on the terminal is for this process, which stops the others in order.
        #[cfg(unix)]
        command.process_group(0);
        let mut process = command.spawn().map_err(|e| Failure::io(format!("could not start {}", home.name), &e))?;
        let (pid, index, tell) = (process.id().unwrap_or_default(), self.list.len(), self.tell.clone());
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let (kill, killed) = tokio::sync::oneshot::channel::<()>();
        let ended = tokio::spawn(async move {
            let status = tokio::select! {
                status = process.wait() => status,
                Ok(()) = killed => {
                    // Gone already is as good.
                    process.kill().await.ok();
                    process.wait().await
                }
            };
            let how = status.map_or_else(|error| error.to_string(), how);
            // Nobody listens any more once all are being stopped.
            tell.send((index, how)).ok();
        });
        self.list.push(Child {
            role: home.role,
            name: home.name.clone(),
            config: home.config.clone(),
            log: path,
            pid,
            facts: Value::Null,
            rpc_url: home.rpc_url.clone(),
            stdin,
            stdout,
            kill: Some(kill),
            ended: Some(ended),
            running: true,
        });
        Ok(())
    }

    /// Waits until all that were started have said that they are up.
    pub(super) async fn all_up(&mut self, patience: Duration) -> Outcome<()> {
        let deadline = tokio::time::Instant::now() + patience;
        for index in 0..self.list.len() {
            let Some(stdout) = self.list.get_mut(index).and_then(|child| child.stdout.take()) else { continue };
            let said = tokio::time::timeout_at(deadline, document(stdout)).await;
            let Some(child) = self.list.get_mut(index) else { continue };
            match said {
                Ok(Some(facts)) if facts.get("error").is_none() => child.facts = facts,
                Ok(_) => {
                    // Its end follows its silence at once.
                    let how = tokio::time::timeout(Duration::from_secs(5), self.deaths.recv()).await;
                    let how = how.ok().flatten().map_or_else(|| "it said nothing".to_owned(), |(_, how)| how);
                    return Err(not_up(child, &how));
                }
                Err(_) => return Err(not_up(child, &format!("not up within {} s", patience.as_secs()))),
            }
        }
        Ok(())
    }

    /// The next that dies.
    pub(super) async fn next_dead(&mut self) -> Option<Dead> {
        let (index, how) = self.deaths.recv().await?;
        let child = self.list.get_mut(index)?;
        child.running = false;
        Some(Dead { name: child.name.clone(), pid: child.pid, how, log: child.log.clone() })
    }

    /// Stops all: providers, which still need the chain, then validators.
    pub(super) async fn stop(&mut self) {
        for role in [Role::Provider, Role::Validator] {
            let mut ends = Vec::new();
            for child in self.list.iter_mut().filter(|child| child.role == role) {
                drop(child.stdin.take());
                if let Some(ended) = child.ended.take() {
                    ends.push((child.name.clone(), child.kill.take(), ended));
                }
            }
            let orderly = ends.into_iter().map(|(name, kill, mut ended)| async move {
                if tokio::time::timeout(ORDERLY, &mut ended).await.is_err() {
                    tracing::warn!(target: "devnet", name, "did not end in order and is killed");
                    if let Some(kill) = kill {
                        kill.send(()).ok();
                    }
                    ended.await.ok();
                }
            });
            futures::future::join_all(orderly).await;
        }
    }
}

fn not_up(child: &Child, how: &str) -> Failure {
    let dead = Dead { name: child.name.clone(), pid: child.pid, how: how.to_owned(), log: child.log.clone() };
    Failure::new(Code::Io, format!("{} does not start", child.name))
        .why(dead.report())
        .next(format!("run it alone: assay doctor --config {}", child.config.display()))
}

fn how(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        if let Some(signal) = status.signal() {
            return format!("signal {signal}");
        }
    }
    status.code().map_or_else(|| "for no known reason".to_owned(), |code| format!("exit code {code}"))
}

/// The document a process prints once it is up; none if it ends first.
async fn document(stdout: ChildStdout) -> Option<Value> {
    let mut lines = BufReader::new(stdout).lines();
    let mut text = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        text += &line;
        if line == "}" {
            return serde_json::from_str(&text).ok();
        }
    }
    None
}
