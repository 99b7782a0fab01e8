//! A PostgreSQL server of this test run: its own data directory, a socket, no port.
//!
//! A shell holds it and waits for the end of its input, which comes when this process ends, however it
//! does: then the server is stopped and its directory removed.

use std::{
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

const MISSING: &str = "PostgreSQL is not installed, and this suite runs against the real one: run scripts/postgres.sh";

/// The commit log stays in memory's care: what is tested is not the disk.
const SCRIPT: &str = r#"
"$BIN/initdb" -D "$DIR/data" -U postgres -A trust -E UTF8 --locale=C --no-sync > "$DIR/log" 2>&1 || exit 1
"$BIN/postgres" -D "$DIR/data" -k "$DIR" -c listen_addresses= -c max_connections=200 -c fsync=off >> "$DIR/log" 2>&1 &
server=$!
read -r _
kill -INT $server
wait $server
rm -rf "$DIR"
"#;

struct Server {
    directory: PathBuf,
    /// Its input is closed by the end of this process.
    _shell: Child,
}

/// Where the server's socket is; starts it at the first call.
pub(crate) fn socket() -> &'static Path {
    static SERVER: OnceLock<Server> = OnceLock::new();
    &SERVER.get_or_init(start).directory
}

/// Its programs: the newest of Debian's versions, or those in PATH.
fn programs() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<(u32, PathBuf)> = debian
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = || std::env::split_paths(&path).find(|bin| bin.join("initdb").exists());
    versions.pop().map(|(_, bin)| bin).or_else(in_path).expect(MISSING)
}

/// The number of a user or its group.
fn number(of: &str, user: &str) -> u32 {
    let answer = Command::new("id").args([of, user]).output().expect("id runs").stdout;
    let text = String::from_utf8(answer).expect("id answers text");
    text.trim().parse().unwrap_or_else(|_| panic!("there is no user {user}, as whom the server runs: {MISSING}"))
}

fn start() -> Server {
    let bin = programs();
    let directory = tempfile::Builder::new().prefix("assay-pg-").tempdir().expect("a directory").keep();
    let root = std::fs::metadata("/proc/self").expect("a process").uid() == 0;
    let mut command = Command::new(if root { "setpriv" } else { "sh" });
    if root {
        // The server refuses to run as root.
        let (user, group) = (number("-u", "postgres"), number("-g", "postgres"));
        chown(&directory, Some(user), Some(group)).expect("root may give a directory away");
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into(), "sh".into()]);
    }
    command.args(["-c", SCRIPT]).env("BIN", &bin).env("DIR", &directory).current_dir(&directory);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("a shell starts");
    let began = Instant::now();
    while !directory.join("data/postmaster.pid").exists() || !ready(&bin, &directory) {
        let log = || std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        let ended = child.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "PostgreSQL ended:\n{}", log());
        assert!(began.elapsed() < Duration::from_secs(60), "PostgreSQL does not answer:\n{}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
    Server { directory, _shell: child }
}

fn ready(bin: &Path, directory: &Path) -> bool {
    let asked = Command::new(bin.join("pg_isready")).arg("-q").arg("-h").arg(directory).status();
    asked.expect("pg_isready runs").success()
}
