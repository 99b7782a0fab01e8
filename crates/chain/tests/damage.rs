//! A database with damage in it: said so by its name, never started from, and found without a start.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use assay_chain::{Host, StartError, metrics::readiness, probe::probe};

#[path = "support/network.rs"]
mod support;

const PARTITION: &str = "validator-0";

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock past 1970");
    u64::try_from(now.as_millis()).expect("fits")
}

/// The files of a partition, which is a folder of the storage.
fn files(dir: &Path, name: &str) -> Vec<PathBuf> {
    let folder = dir.join("chain").join(format!("{PARTITION}-{name}"));
    let mut files: Vec<_> = fs::read_dir(folder).expect("a partition").flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn flip(path: &Path, at: usize) -> Vec<u8> {
    let sound = fs::read(path).expect("reads");
    let mut damaged = sound.clone();
    damaged[at] ^= 0x40;
    fs::write(path, damaged).expect("writes");
    sound
}

#[test]
fn damage_is_told_at_the_start_and_by_a_look_and_a_whole_database_goes_on() {
    let (_, nodes) = support::network(31, Address::repeat_byte(1));
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(probe(dir.path(), PARTITION).map(|found| found.height), Ok(None), "nothing is there yet");
    let host = Host::start(dir.path().to_owned(), nodes.clone(), 2).expect("starts");
    let node = host.nodes()[0].clone();
    let deadline = Instant::now() + Duration::from_secs(60);
    while node.tip().is_none_or(|tip| tip.height < 20) || node.peers() != Some(3) {
        assert!(Instant::now() < deadline, "no height 20 with three peers: {:?}, {:?}", node.tip(), node.peers());
        std::thread::sleep(Duration::from_millis(20));
    }
    let state = readiness(&node, now_ms());
    assert!(state.ready && state.reasons.is_empty(), "{state:?}");
    let later = readiness(&node, now_ms() + 60_000);
    assert!(!later.ready && later.reasons[0].contains("ms old"), "{later:?}");
    host.stop();
    let found = probe(dir.path(), PARTITION).expect("is whole");
    assert_eq!(found.height, node.tip().map(|tip| tip.height), "all that was final is on disk");
    assert!(found.entries > 10);

    for (partition, at) in
        [("blocks-key", 4_000), ("state-log_data", 12), ("state-log_data", 9_000), ("state-grafted", 12)]
    {
        let path = files(dir.path(), partition).remove(0);
        let sound = flip(&path, at);
        let seen = probe(dir.path(), PARTITION);
        assert!(seen.is_err(), "{partition} at {at}: a look finds nothing: {seen:?}");
        // A look repairs torn ends: damage anew.
        fs::write(&path, &sound).expect("writes");
        flip(&path, at);
        let refused = Host::start(dir.path().to_owned(), nodes.clone(), 2).err();
        assert!(matches!(refused, Some(StartError::Corrupt { .. })), "{partition} at {at}: {refused:?}");
        fs::write(&path, &sound).expect("writes");
    }
}
