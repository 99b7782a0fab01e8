//! Four validators on a disk that really fills up: a small file system mounted for the test.
//!
//! Mounting takes root. Without it the test says so and proves nothing.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use assay_chain::{
    Host, Node, StartError,
    host::{DISK_RESERVE_BYTES, Ended},
};

#[path = "support/network.rs"]
mod support;

struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let size = format!("size={}", 4 * DISK_RESERVE_BYTES);
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(dir)),
            other => {
                eprintln!("SKIPPED, NOTHING PROVEN: could not mount a tmpfs, which takes root: {other:?}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it to the last byte, or up to the nodes' reserve.
    fn fill(&self, to_the_last_byte: bool) {
        let mut file = File::create(self.path().join("filler")).expect("created");
        let piece = vec![0; 1 << 20];
        let most = if to_the_last_byte { u64::MAX } else { 3 * DISK_RESERVE_BYTES + (8 << 20) };
        let mut written = 0;
        while written < most && file.write_all(&piece).is_ok() {
            written += piece.len() as u64;
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path().join("filler")).expect("there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("could not unmount {}", self.path().display());
        }
    }
}

fn wait_for_height(node: &Node, height: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while node.tip().is_none_or(|tip| tip.height < height) {
        assert!(Instant::now() < deadline, "no height {height} within a minute: {:?}", node.tip());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn why_it_ended(host: &Host) -> Ended {
    let ended = host.ended();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(why) = ended.borrow().clone() {
            return why;
        }
        assert!(Instant::now() < deadline, "the nodes go on without a disk: {:?}", host.nodes()[0].tip());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn fills_up_and_goes_on(to_the_last_byte: bool) {
    let Some(disk) = SmallDisk::mount() else { return };
    let (_, nodes) = support::network(21, Address::repeat_byte(1));
    let dir = disk.path().join("state");
    let host = Host::start(dir.clone(), nodes.clone(), 2).expect("there is room");
    wait_for_height(&host.nodes()[0], 5);
    disk.fill(to_the_last_byte);
    let why = why_it_ended(&host);
    assert!(matches!(why, Ended::DiskFull { .. }), "{why}");
    let tips: Vec<_> = host.nodes().iter().map(|node| node.tip().expect("a tip")).collect();
    host.stop();

    let refused = Host::start(dir.clone(), nodes.clone(), 2).err();
    assert!(matches!(refused, Some(StartError::DiskFull { .. })), "{refused:?}");

    disk.make_room();
    let host = Host::start(dir, nodes, 2).expect("it starts again");
    let highest = tips.iter().map(|tip| tip.height).max().expect("four");
    for (node, before) in host.nodes().iter().zip(&tips) {
        wait_for_height(node, highest + 3);
        let same = node.recent_block(before.height).expect("recent");
        assert_eq!((same.hash, same.state_root), (before.hash, before.state_root), "what was final has changed");
        let (_, state) = node.tip_state().expect("a tip");
        assert!(assay_ledger::books(&state).expect("books").balance());
    }
    host.stop();
}

#[test]
fn nodes_end_in_good_order_when_the_disk_is_nearly_full_and_go_on_when_there_is_room() {
    fills_up_and_goes_on(false);
}

#[test]
fn a_disk_that_fills_up_at_once_loses_nothing_that_is_final() {
    fills_up_and_goes_on(true);
}
