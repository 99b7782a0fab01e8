//! `init`, `genesis build`, `genesis check`, `keys`: from homes to a network everybody agrees on.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::kit::Place;

/// Homes of so many validators; their entries' files.
fn homes(place: &Place, count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| {
            let (home, address) = (format!("v{number}"), format!("127.0.0.1:{}", 30_000 + number));
            let made = place.json(&["init", "--home", &home, "--address", &address, "--stake", "500"]);
            assert_eq!(made["entry"]["address"], address);
            made["entry_file"].as_str().expect("a path").to_owned()
        })
        .collect()
}

fn build<'a>(entries: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["genesis", "build", "--validators"];
    args.extend(entries.iter().map(String::as_str));
    args.extend(more);
    args
}

#[test]
fn homes_become_a_genesis_that_is_the_same_on_every_machine() {
    let place = Place::new();
    let entries = homes(&place, 4);
    let mode = std::fs::metadata(place.path().join("v1/validator.json")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a secret is its owner's");
    let said = place.refused(&["init", "--home", "v1"], 8);
    assert!(said.contains("keys that are there must not be lost"), "{said}");

    place.write("balances.csv", b"address,krt\n0x00000000000000000000000000000000000000aa,1.5\n");
    place.write("params.json", br#"{"idle_block_interval_ms": 300}"#);
    let more = |out| {
        [
            "--accounts",
            "balances.csv",
            "--params",
            "params.json",
            "--chain-id",
            "77",
            "--timestamp-ms",
            "1000",
            "-o",
            out,
        ]
    };
    let first = place.json(&build(&entries, &more("one.json")));
    let second = place.json(&build(&entries, &more("two.json")));
    assert_eq!(first["hash"], second["hash"]);
    assert_eq!(first["supply_grains"], "2001500000000000000000", "four stakes of 500 KRT and 1.5");
    assert_eq!(place.json(&["genesis", "check", "one.json"])["hash"], first["hash"]);
    let genesis: Value =
        serde_json::from_slice(&std::fs::read(place.path().join("one.json")).expect("reads")).expect("JSON");
    assert_eq!(genesis["params"]["idle_block_interval_ms"], 300);
    let said = place.refused(&build(&entries, &more("one.json")), 3);
    assert!(said.contains("is there already"), "{said}");

    // A home of this genesis has nothing that fails but its peers, which do not run.
    let home = place.json(&["init", "--home", "full", "--role", "full", "--genesis", "one.json"]);
    let said = place.refused(&["node", "--config", home["config"].as_str().expect("a path")], 4);
    assert!(said.contains("no upstream gave a usable answer"), "{said}");

    let shown = place.json(&["keys", "show", "--config", "v1/node.toml"]);
    assert_eq!(shown["network_key"], genesis["validators"][0]["network_key"]);
    let rotated = place.json(&["keys", "rotate", "--config", "v1/node.toml"]);
    assert_eq!(rotated["account"], shown["account"], "the account stays");
    assert_ne!(rotated["vote_key"], shown["vote_key"]);
    assert!(rotated["call"].as_str().expect("text").starts_with("assay stake rotate-keys --network-key 0x"));
    assert_eq!(
        place.json(&["keys", "show", "--config", "v1/node.toml"]),
        shown,
        "the old are in use until the chain says"
    );
    let again = place.json(&["keys", "rotate", "--config", "v1/node.toml"]);
    assert_ne!(again["keys"], rotated["keys"], "no key file is overwritten");
}

#[test]
fn each_defect_is_listed_with_its_cure() {
    let place = Place::new();
    let entries = homes(&place, 3);
    place.json(&build(&entries, &["--chain-id", "77", "-o", "good.json"]));
    let good: Value =
        serde_json::from_slice(&std::fs::read(place.path().join("good.json")).expect("reads")).expect("JSON");
    let system = "0x00000000000000000000000000000000a55a0001";
    type Break = fn(&mut Value);
    let breaks: [(&str, Break); 11] = [
        ("chain_id is 0", |g| g["chain_id"] = json!(0)),
        ("validators 1 and 2 have one vote_key", |g| {
            g["validators"][1]["vote_key"] = g["validators"][0]["vote_key"].clone();
            g["validators"][1]["proof_of_possession"] = g["validators"][0]["proof_of_possession"].clone();
        }),
        ("validators 2 and 3 have one network_key", |g| {
            g["validators"][2]["network_key"] = g["validators"][1]["network_key"].clone();
        }),
        ("validators 1 and 3 have one address", |g| {
            g["validators"][2]["address"] = g["validators"][0]["address"].clone()
        }),
        ("the proof of possession does not hold", |g| {
            g["validators"][0]["proof_of_possession"] = g["validators"][1]["proof_of_possession"].clone();
        }),
        ("vote_key has 2 bytes, not 48", |g| g["validators"][0]["vote_key"] = json!("0x1234")),
        ("is no ip:port", |g| g["validators"][0]["address"] = json!("node.example:1")),
        ("nobody can dial 0.0.0.0:1", |g| g["validators"][0]["address"] = json!("0.0.0.0:1")),
        ("its stake is 0", |g| g["validators"][0]["stake"] = json!("0")),
        ("there are no validators", |g| g["validators"] = json!([])),
        ("cannot be counted", |g| g["treasury"] = json!(u128::MAX.to_string())),
    ];
    for (expected, damage) in breaks {
        let mut genesis = good.clone();
        damage(&mut genesis);
        place.write("bad.json", genesis.to_string().as_bytes());
        let said = place.refused(&["genesis", "check", "bad.json"], 3);
        assert!(said.contains(expected), "no '{expected}' in {said}");
    }

    // Many at once, all told.
    let mut genesis = good.clone();
    let account = json!({ "address": "0x00000000000000000000000000000000000000aa", "balance": "1" });
    genesis["accounts"] = json!([account, account, { "address": system, "balance": "1" }]);
    genesis["params"]["epoch_blocks"] = json!(0);
    genesis["params"]["band_bps"] = json!(0);
    genesis["validators"][0]["stake"] = json!("0");
    place.write("bad.json", genesis.to_string().as_bytes());
    let said = place.refused(&["genesis", "check", "bad.json"], 3);
    for expected in
        ["appears 2 times", "is a system address", "params.epoch_blocks is 0", "params.band_bps is 0", "stake is 0"]
    {
        assert!(said.contains(expected), "no '{expected}' in {said}");
    }
    genesis["colour"] = json!("red");
    place.write("bad.json", genesis.to_string().as_bytes());
    let said = place.refused(&["genesis", "check", "bad.json"], 3);
    assert!(said.contains("unknown field `colour`"), "{said}");

    // What goes in is told by its file and line, and nothing is written.
    let twice = vec![entries[0].clone(), entries[0].clone()];
    let said = place.refused(&build(&twice, &["--chain-id", "7", "-o", "out.json"]), 3);
    assert!(said.contains("was one file given twice"), "{said}");
    place.write("balances.csv", b"address,krt\n0x00000000000000000000000000000000000000aa,1.5\nnobody,2\n");
    place.write("params.json", br#"{"epoch_blocs": 3}"#);
    let both = ["--accounts", "balances.csv", "--params", "params.json", "--chain-id", "7", "-o", "out.json"];
    let said = place.refused(&build(&entries, &both), 3);
    assert!(said.contains("line 3: nobody is not an address") && said.contains("epoch_blocs"), "{said}");
    assert!(!place.path().join("out.json").exists());
}
