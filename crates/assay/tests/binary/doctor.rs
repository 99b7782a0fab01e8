//! `doctor` on good and bad homes; configuration files that cannot be used.

use std::{net::TcpListener, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use crate::kit::Place;

fn checks(document: &Value, name: &str) -> Vec<(String, String)> {
    let all = document["checks"].as_array().unwrap_or_else(|| panic!("no checks in {document}"));
    let named = all.iter().filter(|check| check["check"] == name);
    let text = |check: &Value, field: &str| check[field].as_str().unwrap_or_default().to_owned();
    named.map(|check| (text(check, "verdict"), text(check, "found"))).collect()
}

fn doctor(place: &Place, config: &str, exit: i32) -> Value {
    let output = place.run(&["doctor", "--config", config, "--output", "json"]);
    assert_eq!(output.status.code(), Some(exit), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one document")
}

#[test]
fn a_home_without_a_network_and_one_with_everything_wrong() {
    let place = Place::new();
    let machine = place.json(&["doctor"]);
    assert_eq!(machine["well"], true);
    assert!(!checks(&machine, "disk writes").is_empty() && !checks(&machine, "clock").is_empty());

    let held = TcpListener::bind("127.0.0.1:0").expect("binds");
    let taken = held.local_addr().expect("has one");
    let made = place.json(&["init", "--home", "v1", "--address", "127.0.0.1:30001"]);
    let entry = made["entry_file"].as_str().expect("a path");
    place.json(&["genesis", "build", "--validators", entry, "--chain-id", "77", "-o", "v1/genesis.json"]);
    let good = place.write("v1/node.toml", b"genesis = \"genesis.json\"\ndir = \"state\"\nkeys = \"validator.json\"\nlisten = \"127.0.0.1:0\"\nrpc = \"127.0.0.1:0\"\n");
    let config = good.display().to_string();
    let well = doctor(&place, &config, 0);
    assert_eq!(checks(&well, "seat"), [("PASS".to_owned(), "one of 1 of the genesis".to_owned())]);
    assert_eq!(checks(&well, "peers")[0].0, "PASS", "it is alone");

    // Keys others may read, a taken port, a genesis of other validators.
    let key = place.path().join("v1/validator.json");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("sets");
    let text =
        std::fs::read_to_string(&good).expect("reads").replace("rpc = \"127.0.0.1:0\"", &format!("rpc = \"{taken}\""));
    std::fs::write(&good, text).expect("writes");
    let ill = doctor(&place, &config, 12);
    assert_eq!(ill["error"]["code"], "unwell");
    assert_eq!(checks(&ill, "key permissions")[0].0, "FAIL");
    let (verdict, found) = checks(&ill, "port rpc").remove(0);
    assert!(verdict == "FAIL" && found.contains(&format!("process {}", std::process::id())), "{found}");

    let made = place.json(&["init", "--home", "v2", "--address", "127.0.0.1:9"]);
    let entry = made["entry_file"].as_str().expect("a path");
    place.json(&["genesis", "build", "--validators", entry, "--chain-id", "78", "-o", "other.json"]);
    std::fs::copy(place.path().join("other.json"), place.path().join("v1/genesis.json")).expect("copies");
    let ill = doctor(&place, &config, 12);
    assert_eq!(checks(&ill, "seat")[0].0, "WARN", "{ill}");
    assert_eq!(checks(&ill, "peers")[0], ("FAIL".to_owned(), "0 of 1 take connections; not 127.0.0.1:9".to_owned()));

    std::fs::write(&key, "{\"account\": 3}").expect("writes");
    assert_eq!(checks(&doctor(&place, &config, 12), "keys")[0].0, "FAIL");
    std::fs::write(place.path().join("v1/genesis.json"), "{}").expect("writes");
    assert_eq!(checks(&doctor(&place, &config, 12), "genesis")[0].0, "FAIL");

    let said = place.refused(&["doctor", "--alive", "--health", "http://127.0.0.1:9"], 4);
    assert!(said.contains("does not say that its process lives"), "{said}");
}

#[test]
fn files_that_contradict_themselves_are_refused_with_the_nearest_name() {
    let place = Place::new();
    let base = "genesis = \"g\"\ndir = \"d\"\nrpc = \"127.0.0.1:8545\"\n";
    let refused = |command: &str, text: String, expected: &str| {
        place.write("x.toml", text.as_bytes());
        let said = place.refused(&[command, "--config", "x.toml"], 3);
        assert!(said.contains("error[bad-config]") && said.contains(expected), "no '{expected}' in {said}");
    };
    let both = format!("{base}listen = \"127.0.0.1:1\"\nupstream = [\"http://a\"]\n");
    refused("node", both, "contradicts itself");
    refused("node", format!("{base}genisis = \"g\"\n"), "did you mean `genesis`?");
    refused("gateway", "listen = \"127.0.0.1:0\"\nnodes = []\n".into(), "`nodes` is empty");
    refused("gateway", "listen = \"127.0.0.1:0\"\nnodes = [\"a:1\"]\n".into(), "no http:// address");
    refused("gateway", "listen = \"127.0.0.1:0\"\nnods = []\n".into(), "did you mean `nodes`?");
    refused("provider", "keys = \"k\"\npasword_file = \"p\"\n".into(), "did you mean `password_file`?");
    let said = place.refused(&["--log", "consensu=debug", "doctor"], 3);
    assert!(said.contains("did you mean consensus?"), "{said}");
}
