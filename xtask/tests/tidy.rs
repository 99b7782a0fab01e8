//! Holds the repository to its own rules: who may import whom, and what must not be in the tree.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// The rows of the import table of `docs/ARCHITECTURE.md`: crate and the crates it may use.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("ARCHITECTURE.md is readable");
    text.lines()
        .skip_while(|line| !line.starts_with("| crate | holds | may use |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let uses = cells[2].split(',').map(|s| s.trim().to_owned()).filter(|s| s != "-").collect();
            (cells[0].trim_matches('`').to_owned(), uses)
        })
        .collect()
}

/// Each workspace package with the packages of ours its manifest names, dev-dependencies apart.
fn manifests() -> BTreeMap<String, BTreeSet<String>> {
    let crates = fs::read_dir(root().join("crates")).expect("crates/ is readable");
    let mut folders: Vec<PathBuf> = crates.map(|entry| entry.expect("an entry").path()).collect();
    folders.push(root().join("xtask"));
    folders
        .into_iter()
        .map(|folder| {
            let text = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest a folder");
            let manifest: toml::Table = text.parse().expect("a manifest parses");
            let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
            let uses = manifest.get("dependencies").and_then(|d| d.as_table()).into_iter().flat_map(|d| d.keys());
            (name, uses.filter(|d| d.starts_with("assay-")).cloned().collect())
        })
        .collect()
}

#[test]
fn every_crate_imports_only_what_the_architecture_allows() {
    let (allowed, found) = (allowed(), manifests());
    assert!(allowed.len() >= 10, "the import table was not found");
    for (name, uses) in &found {
        let may = allowed.get(name).unwrap_or_else(|| panic!("{name} is missing in docs/ARCHITECTURE.md"));
        let beyond: Vec<_> = uses.difference(may).collect();
        assert!(beyond.is_empty(), "{name} imports {beyond:?}, which docs/ARCHITECTURE.md does not allow");
    }
    let gone: Vec<_> = allowed.keys().filter(|name| !found.contains_key(*name)).collect();
    assert!(gone.is_empty(), "docs/ARCHITECTURE.md names crates that do not exist: {gone:?}");
}

#[test]
fn only_one_crate_names_each_heavy_engine() {
    for (engine, owner) in [
        ("commonware-", "crates/chain"),
        ("wasmtime", "crates/exec"),
        ("iroh", "crates/store"),
        ("sqlx", "crates/indexer"),
    ] {
        for entry in fs::read_dir(root().join("crates")).expect("crates/ is readable") {
            let folder = entry.expect("an entry").path();
            // The simulation runs the chain on commonware's deterministic runtime.
            if folder.ends_with(Path::new(owner).file_name().expect("a name")) || folder.ends_with("sim") {
                continue;
            }
            let text = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
            let manifest: toml::Table = text.parse().expect("a manifest parses");
            let empty = toml::Table::new();
            let uses = manifest.get("dependencies").and_then(|d| d.as_table()).unwrap_or(&empty);
            let named: Vec<_> = uses.keys().filter(|d| d.starts_with(engine)).collect();
            assert!(named.is_empty(), "{} names {named:?}; only {owner} may", folder.display());
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder is readable") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_source_has_an_ignored_test_a_mod_rs_or_a_module_without_a_purpose() {
    let mut found = Vec::new();
    for folder in ["crates", "xtask", "jobs"] {
        sources(&root().join(folder), &mut found);
    }
    assert!(found.len() > 40, "the sources were not found");
    let ignored = concat!("#[", "ignore");
    for path in found {
        let text = fs::read_to_string(&path).expect("a source is UTF-8");
        assert!(!text.contains(ignored), "{} ignores a test", path.display());
        assert!(!path.ends_with("mod.rs"), "{}: name the file after its module", path.display());
        let opens = text.trim_start().starts_with("//!") || text.trim_start().starts_with("#!");
        assert!(opens, "{} does not open with what it is for (`//!`)", path.display());
    }
}
