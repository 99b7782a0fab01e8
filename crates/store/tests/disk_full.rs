//! A disk that really fills up: a tiny file system mounted for the test.
//!
//! Mounting takes root. Without it the test says so and proves nothing; the same behaviour is then
//! still covered by the unit test with a file that runs out of room.

use std::{path::Path, process::Command, sync::Arc};

use assay_store::{
    BlobId, BlobNode, BlobStore, Blobs, NodeConfig, PeerFailure, StoreConfig, StoreError,
    transfer::{ExpectedBlobs, RefusePuts},
};

struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(dir.path()).output();
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
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("could not unmount {}", self.path().display());
        }
    }
}

fn open(disk: &TinyDisk) -> BlobStore {
    BlobStore::open(&disk.path().join("store"), StoreConfig { quota_bytes: 1 << 30 }).unwrap()
}

fn partials(disk: &TinyDisk) -> usize {
    std::fs::read_dir(disk.path().join("store/partial")).unwrap().count()
}

#[test]
fn a_full_disk_is_reported_loses_nothing_and_the_store_restarts() {
    let Some(disk) = TinyDisk::mount() else { return };
    let store = open(&disk);
    let kept = store.put(&vec![1; 600_000]).unwrap();
    for _ in 0..3 {
        let error = store.put(&vec![2; 600_000]).unwrap_err();
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    }
    assert_eq!((store.usage().blobs, store.usage().reserved_bytes, partials(&disk)), (1, 0, 0));
    assert_eq!(store.get(&kept).unwrap().unwrap(), vec![1; 600_000]);
    drop(store);

    let store = open(&disk);
    assert_eq!(store.get(&kept).unwrap().unwrap(), vec![1; 600_000]);
    store.remove(&kept).unwrap();
    let id = store.put(&vec![2; 600_000]).unwrap();
    assert_eq!(store.get(&id).unwrap().unwrap(), vec![2; 600_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_full_disk_says_no_room_and_goes_on_serving() {
    let Some(disk) = TinyDisk::mount() else { return };
    let loopback = "127.0.0.1:0".parse().unwrap();
    let store = open(&disk);
    let kept = store.put(&vec![1; 600_000]).unwrap();
    let expected = Arc::new(ExpectedBlobs::default());
    let coming = vec![2; 600_000];
    expected.expect(BlobId::of(&coming), 1 << 20, [1; 32]);
    let full = BlobNode::spawn(NodeConfig::new([1; 32], loopback), store, expected).await.unwrap();

    let elsewhere = tempfile::tempdir().unwrap();
    let store = BlobStore::open(elsewhere.path(), StoreConfig { quota_bytes: 1 << 30 }).unwrap();
    let node = BlobNode::spawn(NodeConfig::new([2; 32], loopback), store, Arc::new(RefusePuts)).await.unwrap();
    let refused = node.push(&full.source(), coming.clone().into()).await.unwrap_err();
    assert_eq!(refused.failure, PeerFailure::NoRoom);
    assert_eq!(node.get(kept, 1 << 20, &[full.source()]).await.unwrap(), vec![1; 600_000]);

    // Getting works on a full disk too; only keeping does not.
    let id = node.put(coming.clone().into()).await.unwrap();
    assert_eq!(full.get(id, 1 << 20, &[node.source()]).await.unwrap(), coming);
    assert!(!full.store().has(&id));
    assert_eq!(partials(&disk), 0);
    full.shutdown().await;
    node.shutdown().await;
}
