//! The committed guests are the ones that `jobs/bin/HASHES` names, and no others lie beside them.
//! That the sources still give these bytes is for `cargo xtask guests --check`, which takes minutes.

use std::{collections::BTreeMap, fs, path::Path};

#[test]
fn the_committed_guests_are_those_that_the_hashes_name() {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").join("jobs/bin");
    let text = fs::read_to_string(bin.join("HASHES")).expect("jobs/bin/HASHES");
    let named: BTreeMap<String, String> = text
        .lines()
        .map(|line| line.split_once("  ").expect("`hash  name`"))
        .map(|(hash, name)| (name.to_owned(), hash.to_owned()))
        .collect();
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&bin).expect("jobs/bin") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "wasm") {
            let name = path.file_name().and_then(|n| n.to_str()).expect("a name").to_owned();
            found.insert(name, blake3::hash(&fs::read(&path).expect("a guest")).to_hex().to_string());
        }
    }
    assert!(found.len() >= 4, "{found:?}");
    assert_eq!(found, named);
}
