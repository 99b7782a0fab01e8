//! The market of a running network: classes, books, estimates, orders and why they rest.

use serde_json::Value;

use crate::kit::{Place, root};

fn grains(value: &Value) -> u128 {
    value.as_str().and_then(|text| text.parse().ok()).expect("grains")
}

#[test]
fn an_order_rests_says_why_is_amended_and_filled_or_taken_back() {
    let place = Place::new();
    let up = place.up(&[]);
    let rpc = up.rpc().to_owned();
    let connection = ["--rpc", &rpc, "--keys", "net/keys"];
    let with = |args: &[&str]| place.json(&[args, &connection].concat());
    let refused = |args: &[&str], code| place.refused(&[args, &connection].concat(), code);

    let classes = with(&["market", "classes"]);
    let cpu = &classes["classes"][0];
    assert_eq!((cpu["name"].as_str(), cpu["leaf"].as_bool(), cpu["asks"].as_u64()), (Some("cpu"), Some(true), Some(3)));
    let book = with(&["market", "book", "cpu"]);
    let asks = book["book"]["asks"].as_array().expect("levels");
    assert!(asks.len() == 3 && grains(&asks[0]["price"]) < grains(&asks[2]["price"]), "{book}");
    assert!(refused(&["market", "book", "gold"], 3).contains("classes of this network: cpu, bandwidth, h200"));

    // Three operators offer; the third is reached only where three are needed.
    let estimate = |max: &str| with(&["market", "estimate", "--tasks", "4", "--max-price", max])["estimate"].clone();
    assert_eq!(estimate("0.0005")["filled"], 0);
    assert_eq!(estimate("0.0012")["filled"], estimate("0.0012")["wanted"]);
    refused(&["market", "estimate", "--max-price", "cheap"], 3);

    // A job below every ask rests, says what would do, and runs once its owner pays that.
    let program = root().join("jobs/bin/demo-wasi.wasm").display().to_string();
    place.write("one.txt", b"one two three");
    let submit = ["job", "submit", &program, "--abi", "wasi", "--input", "one.txt", "--max-price", "0.0009"];
    let output = place.run(&[&submit[..], &connection, &["--timeout", "3", "--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(9), "{}", String::from_utf8_lossy(&output.stdout));
    let orders = with(&["order", "list"]);
    let order = &orders["orders"][0];
    let id = order["job"].as_str().expect("a job's order").to_owned();
    assert!(matches!(order["unfilled"]["why"].as_str(), Some("band" | "price")), "{order}");
    let why = with(&["order", "why", &id]);
    assert_eq!(why["waiting"][0]["missing"], 2);
    assert_eq!(grains(&why["waiting"][0]["enough_at"]), 1_100_000_000_000_000);
    with(&["order", "amend", &id, "--price", "0.0011"]);
    let watched = with(&["job", "watch", &id]);
    assert_eq!(watched["outcome"].as_str().or(watched["job"]["outcome"].as_str()), Some("completed"), "{watched}");
    let status = with(&["job", "status", &id]);
    for replica in status["lots"][0]["replicas"].as_array().expect("replicas") {
        assert_eq!(grains(&replica["price_per_gigafuel"]), 1_100_000_000_000_000, "all are paid one price");
    }
    assert_eq!(grains(&with(&["market", "classes"])["classes"][0]["last"]), 1_100_000_000_000_000);
    assert!(with(&["market", "prices", "cpu"])["now"]["volume"].as_u64() > Some(0));

    // A metered order: placed, changed, taken back, with its escrow.
    let placed = with(&["order", "place", "bandwidth", "--side", "bid", "--price", "0.01", "--quantity", "2.5"]);
    assert_eq!(grains(&placed["escrow_grains"]), 25_000_000_000_000_000);
    let id = placed["order"].as_u64().expect("a number").to_string();
    assert_eq!(with(&["order", "why", &id])["order"]["quantity"], 2_500);
    with(&["order", "amend", &id, "--quantity", "1"]);
    assert_eq!(grains(&with(&["order", "why", &id])["order"]["escrow"]), 10_000_000_000_000_000);
    with(&["order", "cancel", &id]);
    refused(&["order", "why", &id], 3);
    assert!(refused(&["order", "cancel", &id], 5).contains("UnknownOrder"));
    assert!(
        refused(&["order", "place", "cpu", "--side", "bid", "--price", "1", "--quantity", "1"], 5)
            .contains("WrongClass")
    );
    refused(&["order", "place", "bandwidth", "--side", "bid", "--price", "1", "--quantity", "1.23456"], 3);
    assert_eq!(with(&["chain", "status"])["books_balanced"], true);

    // A sealed bid is opened by its own client and takes part when the window is over.
    let sealed = [&submit[..7], &["--sealed", "--wait"]].concat();
    let job = with(&sealed);
    assert_eq!(job["verified"], true);
    up.stop();
}
