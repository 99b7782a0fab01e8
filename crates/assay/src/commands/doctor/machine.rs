//! What a machine must give any process: room, a disk that keeps its word, memory, descriptors, a clock.
//! Linux tells most of it under `/proc`; where it does not, a check says that it cannot tell.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use assay_chain::host::{DISK_RESERVE_BYTES, free_bytes};

use super::Findings;

/// Below this a validator's disk is soon full, bytes.
const DISK_LOW: u64 = 10 << 30;
/// A validator waits for its disk some twenty times a block: at more than this it makes fewer than ten a second.
const FSYNC_SLOW: Duration = Duration::from_millis(5);
const FSYNC_TRIES: usize = 7;
/// A node holds a few hundred files and sockets; this leaves room.
const FILES_LOW: u64 = 4_096;
const MEMORY_LOW_KIB: u64 = 1 << 20;
const MEMORY_LEAST_KIB: u64 = 256 << 10;

/// All that needs no configuration, for a process whose state is in `dir`.
pub(super) fn look(findings: &mut Findings, dir: &Path) {
    disk(findings, dir);
    memory(findings);
    files(findings);
    synchronised(findings);
}

/// The nearest directory that exists.
fn existing(dir: &Path) -> PathBuf {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    dir.ancestors().find(|path| path.is_dir()).map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

fn disk(findings: &mut Findings, dir: &Path) {
    let dir = existing(dir);
    let at = dir.display();
    match free_bytes(&dir) {
        None => findings.pass("disk room", "cannot be told here"),
        Some(free) if free < DISK_RESERVE_BYTES => findings.fail(
            "disk room",
            format!("{} MiB are left under {at}", free >> 20),
            format!("free some: a node does not start below {} MiB", DISK_RESERVE_BYTES >> 20),
        ),
        Some(free) if free < DISK_LOW => findings.warn(
            "disk room",
            format!("{:.1} GiB are left under {at}", gib(free)),
            format!("plan for more: below {} GiB it may be full within days", DISK_LOW >> 30),
        ),
        Some(free) => findings.pass("disk room", format!("{:.1} GiB are left under {at}", gib(free))),
    }
    match file_system(&dir) {
        Some(kind) if matches!(kind.as_str(), "tmpfs" | "ramfs") => findings.warn(
            "file system",
            format!("{at} is on {kind}, in memory"),
            "a validator that forgets its votes may vote twice and lose its stake: choose a `dir` on a disk",
        ),
        Some(kind) if kind.starts_with("nfs") || kind == "cifs" || kind == "smb3" => findings.warn(
            "file system",
            format!("{at} is on {kind}, over a network"),
            "choose a `dir` on a disk of this machine: writes must be on disk before a vote is sent",
        ),
        Some(kind) => findings.pass("file system", kind),
        None => findings.pass("file system", "cannot be told here"),
    }
    match fsync(&dir) {
        Ok(time) if time > FSYNC_SLOW => findings.warn(
            "disk writes",
            format!("{:.1} ms until a write is on disk", ms(time)),
            format!("a block takes some twenty of them: choose a disk below {} ms", FSYNC_SLOW.as_millis()),
        ),
        Ok(time) => findings.pass("disk writes", format!("{:.1} ms until a write is on disk", ms(time))),
        Err(error) => findings.fail(
            "disk writes",
            format!("{at} cannot be written: {error}"),
            "let the user this runs as own the directory, or choose another `dir`",
        ),
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The median time for 4 KiB to be on disk.
fn fsync(dir: &Path) -> std::io::Result<Duration> {
    let path = dir.join(format!(".assay-doctor-{}", std::process::id()));
    let measure = || {
        let mut file = File::create(&path)?;
        let mut times = Vec::new();
        for _ in 0..FSYNC_TRIES {
            let begin = Instant::now();
            file.write_all(&[0x5a; 4_096])?;
            file.sync_data()?;
            times.push(begin.elapsed());
        }
        times.sort_unstable();
        Ok(times.get(FSYNC_TRIES / 2).copied().unwrap_or_default())
    };
    let measured = measure();
    // It may never have been made.
    std::fs::remove_file(&path).ok();
    measured
}

/// The type of the file system that holds `dir`.
fn file_system(dir: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let dir = dir.canonicalize().ok()?;
    let of = |line: &str| {
        let mut words = line.split(' ').skip(1);
        // Blanks in a mount point are written in octal.
        let point = PathBuf::from(words.next()?.replace("\\040", " "));
        dir.starts_with(&point).then_some(())?;
        Some((point.components().count(), words.next()?.to_owned()))
    };
    // Of two mounts on one point, the later hides the earlier.
    mounts.lines().filter_map(of).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

fn memory(findings: &mut Findings) {
    let read = || {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    match read() {
        None => findings.pass("memory", "cannot be told here"),
        Some(kib) if kib < MEMORY_LEAST_KIB => {
            findings.fail("memory", format!("{} MiB are available", kib >> 10), "stop something: a node needs 256 MiB");
        }
        Some(kib) if kib < MEMORY_LOW_KIB => findings.warn(
            "memory",
            format!("{} MiB are available", kib >> 10),
            "a validator that re-executes disputed tasks needs more: 4 GiB is usual",
        ),
        Some(kib) => findings.pass("memory", format!("{:.1} GiB are available", gib(kib << 10))),
    }
}

fn files(findings: &mut Findings) {
    let read = || {
        let text = std::fs::read_to_string("/proc/self/limits").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next().map(str::to_owned)
    };
    match read().map(|word| (word.parse::<u64>().unwrap_or(u64::MAX), word)) {
        None => findings.pass("open files", "cannot be told here"),
        Some((limit, _)) if limit < FILES_LOW => findings.warn(
            "open files",
            format!("at most {limit}"),
            format!("allow {FILES_LOW}: `ulimit -n 65536`, or LimitNOFILE=65536 in the unit"),
        ),
        Some((_, word)) => findings.pass("open files", format!("at most {word}")),
    }
}

/// Whether the system keeps its clock by others.
fn synchronised(findings: &mut Findings) {
    if let Some(seconds) = chrony() {
        let found = format!("{:.1} ms from chrony's sources", seconds * 1_000.0);
        return match seconds.abs() {
            off if off > 1.0 => findings.fail("clock", found, "let chrony correct it: `chronyc makestep`"),
            off if off > 0.1 => findings.warn("clock", found, "let chrony correct it: `chronyc makestep`"),
            _ => findings.pass("clock", found),
        };
    }
    let shown = Command::new("timedatectl").args(["show", "-p", "NTPSynchronized", "--value"]).output();
    let shown = shown.ok().filter(|output| output.status.success());
    match shown.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).as_deref() {
        Some("yes") => findings.pass("clock", "is kept by NTP"),
        Some("no") => findings.warn(
            "clock",
            "is not kept by NTP",
            "install chrony or `timedatectl set-ntp true`: blocks of a wrong clock are refused",
        ),
        _ => findings.pass("clock", "cannot be told: neither chronyc nor timedatectl answers"),
    }
}

/// Seconds this clock is off, as chrony tells.
fn chrony() -> Option<f64> {
    let output = Command::new("chronyc").args(["-c", "tracking"]).output().ok()?;
    if !output.status.success() {
        return None;
    }
    // Fields of `chronyc -c tracking`: the fifth is the offset of the system's time in seconds.
    String::from_utf8_lossy(&output.stdout).trim().split(',').nth(4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_timed_and_nothing_is_left_on_it() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(fsync(dir.path()).is_ok());
        assert_eq!(std::fs::read_dir(dir.path()).expect("reads").count(), 0);
        assert!(fsync(&dir.path().join("absent")).is_err());
        assert_eq!(existing(&dir.path().join("a/b")), dir.path());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_file_system_of_proc_is_proc() {
        assert_eq!(file_system(Path::new("/proc")).as_deref(), Some("proc"));
    }
}
