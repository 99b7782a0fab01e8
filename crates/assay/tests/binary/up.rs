//! `up`: jobs against it, stopping and going on.

use crate::kit::{Place, root};

#[test]
fn a_network_goes_on_where_it_stopped_and_runs_jobs_whose_receipts_hold() {
    let place = Place::new();
    let up = place.up(&[]);
    let rpc = up.rpc().to_owned();
    let connection = ["--rpc", &rpc, "--keys", "net/keys"];
    let with = |args: &[&str]| place.json(&[args, &connection].concat());

    let sent = with(&["account", "send", "0x00000000000000000000000000000000000000aa", "1.5"]);
    assert!(sent["height"].as_u64().is_some());
    let balance = with(&["account", "balance", "0x00000000000000000000000000000000000000aa"]);
    assert_eq!(balance["balance_grains"], "1500000000000000000");

    let program = root().join("jobs/bin/demo-wasi.wasm").display().to_string();
    place.write("one.txt", b"one two three");
    place.write("two.txt", b"four");
    let job = with(&["job", "submit", &program, "--abi", "wasi", "--input", "one.txt", "two.txt", "--wait"]);
    assert_eq!(job["verified"], true);
    let id = job["job_id"].as_str().expect("an id");
    let status = with(&["job", "status", id]);
    assert_eq!(status["outcome"], "completed");
    assert_eq!(with(&["job", "list"])["jobs"].as_array().expect("a list").len(), 1);
    let books = with(&["chain", "status"]);
    assert_eq!(books["books_balanced"], true);

    let receipt = job["receipt"].as_str().expect("a path");
    assert_eq!(place.json(&["job", "verify", receipt, "--rerun"])["tasks_rerun"], 2);

    place.refused(&["up", "--dir", "net", "--rpc-port", "0", "--rest-port", "0"], 8);
    up.stop();

    // Logs and results need no provider and no node.
    let logs = place.json(&["job", "logs", &id[..12]]);
    assert_eq!(logs["tasks"].as_array().expect("a list").len(), 2);

    let again = place.up(&[]);
    assert_eq!(again.facts["resumed"], true);
    let height = again.facts["height"].as_u64().expect("a height");
    assert!(height >= books["status"]["height"].as_u64().expect("a height"));
    let rpc = again.rpc().to_owned();
    let block = place.json(&["chain", "block", &height.to_string(), "--rpc", &rpc]);
    assert_eq!(block["state_root"], again.facts["state_root"]);
    let balance = place.json(&["account", "balance", "0x00000000000000000000000000000000000000aa", "--rpc", &rpc]);
    assert_eq!(balance["balance_grains"], "1500000000000000000");
    again.stop();
}
