//! `devnet init`, `node`, `provider`: a network of separate processes, one of which is killed.

use crate::kit::{Place, Up, free_ports, root};

fn node(place: &Place, number: usize) -> Up {
    place.start(&["node", "--config", &format!("net/validator-{number}/node.toml")])
}

#[test]
fn roles_run_as_processes_of_their_own_and_one_may_be_killed() {
    let place = Place::new();
    let port = free_ports().to_string();
    let made = place.json(&["devnet", "init", "--dir", "net", "--providers", "2", "--rpc-port", &port]);
    assert_eq!(made["nodes"].as_array().expect("a list").len(), 4);
    let said = place.refused(&["devnet", "init", "--dir", "net"], 8);
    assert!(said.contains("holds a network already"), "{said}");

    let mut nodes: Vec<Option<Up>> = (1..=4).map(|number| Some(node(&place, number))).collect();
    let said = place.refused(&["node", "--config", "net/validator-1/node.toml"], 8);
    assert!(said.contains("is in use"), "{said}");
    let providers = ["net/provider-1/provider.toml", "net/provider-2/provider.toml"];
    let providers = providers.map(|config| place.start(&["provider", "--config", config]));

    let rpc = made["rpc_url"].as_str().expect("a URL");
    let connection = ["--rpc", rpc, "--keys", "net/keys"];
    let with = |args: &[&str]| place.json(&[args, &connection].concat());
    let program = root().join("jobs/bin/demo-wasi.wasm").display().to_string();
    place.write("one.txt", b"one two three");
    let job = with(&["job", "submit", &program, "--abi", "wasi", "--input", "one.txt", "--wait"]);
    assert_eq!(job["verified"], true);
    let id = job["job_id"].as_str().expect("an id");
    let result = with(&["job", "result", id, "-o", "result"]);
    assert_eq!(result["job_id"], id);
    let receipt = job["receipt"].as_str().expect("a path");
    assert_eq!(place.json(&["job", "verify", receipt, "--genesis", "net/genesis.json"])["verified"], true);

    // Three of four go on, and the killed one catches up.
    nodes[3].take().expect("runs").kill();
    let sent = with(&["account", "send", "0x00000000000000000000000000000000000000aa", "1"]);
    let height = sent["height"].as_u64().expect("a height");
    let again = node(&place, 4);
    let block = place.json(&["chain", "block", &height.to_string(), "--rpc", rpc]);
    let own = again.rpc().to_owned();
    let caught_up = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let output = place.run(&["chain", "block", &height.to_string(), "--rpc", &own, "--output", "json"]);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).ok().filter(|block| block["hash"].is_string())
    });
    assert_eq!(caught_up.expect("it catches up within ten seconds")["hash"], block["hash"]);

    for provider in providers {
        provider.stop();
    }
    again.stop();
    for node in nodes.into_iter().flatten() {
        node.stop();
    }
}

#[test]
fn a_job_nobody_takes_can_be_watched_and_cancelled_and_its_escrow_comes_back() {
    let place = Place::new();
    let up = place.up(&[]);
    let rpc = up.rpc().to_owned();
    let connection = ["--rpc", &rpc, "--keys", "net/keys"];
    let with = |args: &[&str]| place.json(&[args, &connection].concat());
    let account = up.facts["account"].as_str().expect("an account").to_owned();
    let balance = || with(&["account", "balance", &account])["balance_grains"].as_str().expect("grains").to_owned();
    let program = root().join("jobs/bin/demo-wasi.wasm").display().to_string();
    place.write("one.txt", b"one");
    // A price nobody asks so little for.
    let before = balance();
    let submit =
        ["job", "submit", &program, "--abi", "wasi", "--input", "one.txt", "--max-price", "0.0009", "--fuel", "100"];
    let said = place.refused(&[&submit[..], &connection, &["--timeout", "3"]].concat(), 9);
    assert!(said.contains("too few providers take it"), "{said}");
    let jobs = with(&["job", "list"]);
    let id = jobs["jobs"][0]["id"].as_str().unwrap_or_else(|| panic!("no id in {jobs}"));
    assert_eq!(with(&["job", "status", id])["outcome"], serde_json::Value::Null);
    let why = with(&["order", "why", id]);
    let lot = &why["waiting"][0];
    assert_eq!((&lot["missing"], &lot["able"]), (&2.into(), &0.into()), "{why}");
    // The second cheapest of three asks: 0.0011 KRT.
    assert_eq!(lot["enough_at"], "1100000000000000");
    assert_eq!(lot["asks"][0]["lacks"][0], serde_json::json!({ "lack": "price", "by": "100000000000000" }));
    let held: u128 = balance().parse().expect("grains");
    assert!(held < before.parse::<u128>().expect("grains"), "nothing is held in escrow");
    let cancelled = with(&["job", "cancel", id]);
    assert_eq!(cancelled["job_id"], id);
    assert_eq!(with(&["job", "status", id])["outcome"], "cancelled");
    let said = place.refused(&[&["job", "watch", id][..], &connection].concat(), 6);
    assert!(said.contains("cancelled"), "{said}");
    assert!(balance().parse::<u128>().expect("grains") > held, "the escrow did not come back");
    assert_eq!(with(&["chain", "status"])["books_balanced"], true);
    up.stop();
}
