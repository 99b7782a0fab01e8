//! Keeping blobs on disk: damage, quota, restarts.

use std::{fs, io::Write, os::unix::fs::PermissionsExt};

use super::{writer::Sink, *};

fn open(dir: &Path, quota_bytes: u64) -> BlobStore {
    BlobStore::open(dir, StoreConfig { quota_bytes }).unwrap()
}

fn partials(dir: &Path) -> usize {
    fs::read_dir(dir.join("partial")).unwrap().count()
}

#[test]
fn what_is_put_is_got_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1 << 20);
    let blobs: Vec<Vec<u8>> = [0, 1, 1000, 70_000].map(|len| vec![7; len]).to_vec();
    let ids: Vec<BlobId> = blobs.iter().map(|blob| store.put(blob).unwrap()).collect();
    assert_eq!(store.put(&blobs[2]).unwrap(), ids[2]);
    let usage = store.usage();
    assert_eq!((usage.blobs, usage.kept_bytes, usage.reserved_bytes), (4, 71_001, 0));
    drop(store);

    let store = open(dir.path(), 1 << 20);
    assert_eq!(store.usage(), usage);
    for (id, blob) in ids.iter().zip(&blobs) {
        assert_eq!(store.get(id).unwrap().unwrap(), blob);
    }
    assert_eq!(store.get(&BlobId::of(b"never seen")).unwrap(), None);
}

#[test]
fn a_file_that_went_bad_is_an_error_then_missing_then_can_be_put_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1 << 20);
    for damage in [b"contenT".as_slice(), b"conten", b""] {
        let id = store.put(b"content").unwrap();
        fs::write(store.inner.files.blob(&id), damage).unwrap();
        assert!(matches!(store.get(&id), Err(StoreError::Corrupt { id: bad }) if bad == id));
        assert!(!store.has(&id));
        assert_eq!(store.get(&id).unwrap(), None);
        assert_eq!(store.usage().kept_bytes, 0);
        store.put(b"content").unwrap();
        assert_eq!(store.get(&id).unwrap().unwrap(), b"content".as_slice());
        store.remove(&id).unwrap();
    }
}

#[test]
fn putting_a_blob_whose_file_went_bad_while_the_store_was_closed_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1 << 20);
    let id = store.put(b"content").unwrap();
    let path = store.inner.files.blob(&id);
    drop(store);
    fs::write(&path, b"contenT").unwrap();
    let store = open(dir.path(), 1 << 20);
    assert_eq!(store.put(b"content").unwrap(), id);
    assert_eq!(store.get(&id).unwrap().unwrap(), b"content".as_slice());
}

#[test]
fn a_file_deleted_behind_our_back_is_simply_missing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1 << 20);
    let id = store.put(b"content").unwrap();
    fs::remove_file(store.inner.files.blob(&id)).unwrap();
    assert_eq!(store.get(&id).unwrap(), None);
    assert_eq!(store.usage().kept_bytes, 0);
}

#[test]
fn the_quota_evicts_the_oldest_and_spares_the_pinned() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 300);
    let ids: Vec<BlobId> = (0..3u8).map(|n| store.put(&[n; 100]).unwrap()).collect();
    store.pin(ids[0], [1; 32]);
    store.get(&ids[1]).unwrap();
    store.put(&[9; 100]).unwrap();
    assert!(store.has(&ids[0]) && store.has(&ids[1]) && !store.has(&ids[2]));
    assert!(!store.inner.files.blob(&ids[2]).exists());
    assert!(matches!(store.put(&[8; 201]), Err(StoreError::OverQuota { held_bytes: 100, .. })));
    store.unpin(&[1; 32]);
    store.put(&[8; 300]).unwrap();
    assert_eq!(store.usage().blobs, 1);
}

#[test]
fn recency_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 300);
    let ids: Vec<BlobId> = (0..3u8).map(|n| store.put(&[n; 100]).unwrap()).collect();
    for (age_s, id) in [(10, ids[0]), (3000, ids[1]), (20, ids[2])] {
        let file = File::options().write(true).open(store.inner.files.blob(&id)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age_s)).unwrap();
    }
    drop(store);
    let store = open(dir.path(), 300);
    store.put(&[9; 100]).unwrap();
    assert!(!store.has(&ids[1]) && store.has(&ids[0]) && store.has(&ids[2]));
}

#[test]
fn a_writer_keeps_only_what_was_announced_under_its_true_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1000);
    let id = BlobId::of(b"content");

    let mut writer = store.writer(7).unwrap();
    writer.write(b"con").unwrap();
    assert!(matches!(writer.write(b"tents"), Err(StoreError::WrongSize { .. })));
    drop(writer);
    let mut writer = store.writer(7).unwrap();
    writer.write(b"con").unwrap();
    assert!(matches!(writer.finish(id), Err(StoreError::WrongSize { written_bytes: 3, .. })));
    let mut writer = store.writer(7).unwrap();
    writer.write(b"CONTENT").unwrap();
    assert!(matches!(writer.finish(id), Err(StoreError::HashMismatch { expected, .. }) if expected == id));
    assert_eq!((store.usage().blobs, store.usage().reserved_bytes, partials(dir.path())), (0, 0, 0));

    let mut writer = store.writer(7).unwrap();
    assert_eq!(store.usage().reserved_bytes, 7);
    writer.write(b"con").unwrap();
    writer.write(b"tent").unwrap();
    writer.finish(id).unwrap();
    assert_eq!(store.get(&id).unwrap().unwrap(), b"content".as_slice());
    assert_eq!((store.usage().reserved_bytes, partials(dir.path())), (0, 0));
}

#[test]
fn blobs_being_written_at_once_cannot_exceed_the_quota_together() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 100);
    let first = store.writer(60).unwrap();
    assert!(matches!(store.writer(60), Err(StoreError::OverQuota { .. })));
    drop(first);
    store.writer(60).unwrap();
}

#[test]
fn a_crash_in_mid_write_leaves_no_blob_and_no_rubbish_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 100);
    let mut writer = store.writer(10).unwrap();
    writer.write(b"half").unwrap();
    std::mem::forget(writer);
    assert_eq!(partials(dir.path()), 1);
    // The forgotten writer holds the directory's lock for ever, as a dead process would not.
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir_all(copy.path().join("partial")).unwrap();
    fs::copy(dir.path().join("FORMAT"), copy.path().join("FORMAT")).unwrap();
    fs::write(copy.path().join("partial/0"), b"half").unwrap();
    let store = open(copy.path(), 100);
    assert_eq!((store.usage().blobs, partials(copy.path())), (0, 0));
}

#[test]
fn a_directory_in_use_or_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { quota_bytes: 1 };
    let store = open(dir.path(), 1);
    assert!(matches!(BlobStore::open(dir.path(), config.clone()), Err(StoreError::InUse { .. })));
    drop(store);
    fs::write(dir.path().join("FORMAT"), b"assay blob store 2\n").unwrap();
    assert!(matches!(BlobStore::open(dir.path(), config.clone()), Err(StoreError::ForeignDirectory { .. })));

    let foreign = tempfile::tempdir().unwrap();
    fs::write(foreign.path().join("letters.txt"), b"mine").unwrap();
    assert!(matches!(BlobStore::open(foreign.path(), config), Err(StoreError::ForeignDirectory { .. })));
    assert_eq!(fs::read(foreign.path().join("letters.txt")).unwrap(), b"mine");
}

#[test]
fn files_that_are_no_blobs_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 100);
    let id = store.put(b"content").unwrap();
    let stray = store.inner.files.blob(&id).with_file_name("notes.txt");
    fs::write(&stray, b"mine").unwrap();
    drop(store);
    assert_eq!(open(dir.path(), 100).usage().blobs, 1);
    assert!(stray.exists());
}

#[test]
fn a_directory_that_cannot_be_written_is_a_typed_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a file");
    fs::write(&file, b"").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let opened = BlobStore::open(&file.join("store"), StoreConfig { quota_bytes: 1 });
    assert!(matches!(opened, Err(StoreError::Io { action: "create", .. })));
}

/// A file on a disk with room for 4 more bytes.
struct AlmostFull(File, usize);

impl Write for AlmostFull {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = bytes.len().min(self.1);
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.1 -= room;
        self.0.write(&bytes[..room])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for AlmostFull {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = Layout::open(dir.path()).unwrap();
    files.create = |path| Ok(Box::new(AlmostFull(File::create_new(path)?, 4)));
    let store = BlobStore { inner: Arc::new(Inner { files, index: Mutex::new(Index::new(100)) }) };
    let kept = store.put(b"four").unwrap();
    assert!(matches!(store.put(b"five!"), Err(StoreError::DiskFull { .. })));
    assert_eq!((store.usage().kept_bytes, store.usage().reserved_bytes, partials(dir.path())), (4, 0, 0));
    drop(store);
    let store = open(dir.path(), 100);
    assert_eq!(store.get(&kept).unwrap().unwrap(), b"four".as_slice());
    store.put(b"five!").unwrap();
}
