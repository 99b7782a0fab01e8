//! The market of a running network: classes, books, estimates, orders and why they rest.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use assay_client::{Chain, Keystore, RpcChain, RpcConfig, SealedOrder, SenderConfig, TokioHost, TxSender};
use assay_types::{Address, abi::IMarket};
use serde_json::Value;

use crate::kit::{Place, grains, root, until};

/// What a URL answers, as JSON.
fn get(url: &str) -> Value {
    let rest = url.strip_prefix("http://").expect("plain HTTP");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("connects");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("sends");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("reads");
    let body = text.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn a_provider_says_what_its_costs_come_to_and_why() {
    let place = Place::new();
    let file =
        "keys = \"keys\"\npassword_file = \"keys/password\"\ndata_dir = \"p\"\ncollateral = \"100\"\ncores = 4\n";
    let pricing = "[pricing]\nenergy = { file = { path = \"kwh\" } }\npower = { watts = 90.0 }\ngigafuel_per_s = 0.5\n\
        hardware_cost = 2190.0\nlifetime_hours = 36500.0\nutilisation = 0.6\nmargin_percent = 25.0\nkrt_per_unit = 100.0\n";
    place.write("p.toml", format!("{file}{pricing}").as_bytes());
    place.write("kwh", b"0.4");
    let found = place.json(&["provider", "price", "--config", "p.toml", "--explain"]);
    assert_eq!(found["reckoning"]["joules_per_gigafuel"], 45.0);
    let cheap = grains(&found["ask_grains"]);
    place.write("kwh", b"0.8");
    assert!(grains(&place.json(&["provider", "price", "--config", "p.toml"])["ask_grains"]) > cheap);
    place.write("kwh", b"dear");
    assert!(place.refused(&["provider", "price", "--config", "p.toml"], 3).contains("no price of energy"));
    place.write("p.toml", format!("{file}price_per_gigafuel = \"1\"\n{pricing}").as_bytes());
    assert!(place.refused(&["provider", "price", "--config", "p.toml"], 3).contains("price_per_gigafuel"));
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

    // The record of all that is served by REST beside the node, and drawn by `top`.
    let rest = up.facts["rest_url"].as_str().expect("a URL").to_owned();
    let height = with(&["chain", "status"])["status"]["height"].as_u64().expect("a height");
    until("the record has the block", || get(&format!("{rest}/v1/status"))["height"].as_u64() >= Some(height));
    let clearings = get(&format!("{rest}/v1/classes/1/clearings"));
    assert!(clearings.to_string().contains("1100000000000000"), "{clearings}");
    let orders = get(&format!("{rest}/v1/orders/{id}"));
    assert!(orders.to_string().contains("\"close_reason\":2"), "it was cancelled: {orders}");
    let top = place.run(&["top", "--rpc", &rpc, "--once", "120x40"]);
    let picture = String::from_utf8_lossy(&top.stdout).into_owned();
    assert!(top.status.success() && picture.contains("cpu") && picture.contains("0.0011"), "{picture}");
    let database = format!("sqlite:{}", place.path().join("again.sqlite").display());
    let rebuilt = place.json(&["index", "--rpc", &rpc, "--database", &database, "rebuild"]);
    assert!(rebuilt["height"].as_u64() >= Some(height), "{rebuilt}");

    // A sealed bid is opened by its own client and takes part when the window is over.
    let sealed = [&submit[..7], &["--sealed", "--wait"]].concat();
    let job = with(&sealed);
    assert_eq!(job["verified"], true);
    up.stop();
}

#[test]
fn a_sealed_order_takes_part_when_its_window_is_over_and_one_cut_off_is_opened_later() {
    let place = Place::new();
    let up = place.up(&[]);
    let rpc = up.rpc().to_owned();
    let owner: Address = up.facts["account"].as_str().expect("an address").parse().expect("one");
    let connection = ["--rpc", &rpc, "--keys", "net/keys", "--jobs-dir", "jobs"];
    let with = |args: &[&str]| place.json(&[args, &connection].concat());
    let refused = |args: &[&str], code| place.refused(&[args, &connection].concat(), code);
    let kept = || std::fs::read_dir(place.path().join("jobs/orders")).map_or(0, Iterator::count);

    // What would be refused is refused before anything is locked.
    let order = ["order", "place", "bandwidth", "--side", "bid", "--price", "0.01", "--quantity", "2.5", "--sealed"];
    assert!(refused(&[&order[..], &["--blocks", "5"]].concat(), 3).contains("100 blocks at least"));
    let ask = ["order", "place", "bandwidth", "--side", "ask", "--price", "0.01", "--quantity", "2.5", "--sealed"];
    assert!(refused(&ask, 5).contains("UnknownProvider"));
    assert!(refused(&[&["order", "place", "cpu"], &order[3..]].concat(), 5).contains("WrongClass"));
    assert_eq!(kept(), 0);

    let opened = with(&order);
    assert_eq!(grains(&opened["locked_grains"]), 25_000_000_000_000_000);
    let (sealed, height) = (opened["sealed_height"].as_u64(), opened["height"].as_u64());
    let from = opened["takes_part_from"].as_u64().expect("a height");
    assert!(sealed < height && from == sealed.expect("a height") + 201, "{opened}");
    let id = opened["order"].as_u64().expect("a number").to_string();
    let why = with(&["order", "why", &id]);
    assert_eq!((why["order"]["unfilled"]["why"].as_str(), kept()), (Some("sealed"), 0));
    assert_eq!(why["order"]["unfilled"]["until"], from);
    let said = place.run(&[&["order", "why", &id], &connection[..]].concat());
    assert!(String::from_utf8_lossy(&said.stdout).contains("it is sealed and takes part from block"));
    assert!(refused(&["order", "cancel", &id], 5).contains("SealedStands"));

    // A client that is gone after sealing: the next one opens what it left.
    let cut_off = tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let keys = place.path().join("net/keys");
        let password = std::fs::read_to_string(keys.join("password")).expect("reads");
        let wallet = Keystore::open(&keys).expect("keys").unlock(owner, password.trim()).expect("unlocks");
        let chain: Arc<dyn Chain> = Arc::new(RpcChain::new(RpcConfig::new(&rpc)).expect("a URL"));
        let status = chain.status().await.expect("answers");
        let sender = TxSender::new(chain, Arc::new(TokioHost), wallet, status.chain_id, SenderConfig::default());
        let opening = IMarket::openSealedCall {
            salt: [7; 32].into(),
            class: 2,
            window: 0,
            side: 0,
            price: 10_000_000_000_000_000,
            quantity: 1_000,
            minFill: 0,
            expires: status.height + 5_000,
        };
        let dir = place.path().join("jobs/orders");
        let value = 12_000_000_000_000_000;
        let mut order = SealedOrder::create(&dir, status.chain_id, owner, value, &opening).expect("is kept");
        assert!(order.seal(&sender).await.expect("seals").is_some());
        order.path().display().to_string()
    });
    assert_eq!(kept(), 1);
    let later = with(&["order", "open", &cut_off]);
    assert_eq!((later["sealed_height"].as_u64(), kept()), (None, 0), "sealed once: {later}");
    assert_eq!(grains(&later["locked_grains"]), 12_000_000_000_000_000);
    assert_eq!(grains(&later["escrow_grains"]), 10_000_000_000_000_000);
    refused(&["order", "open", &cut_off], 3);

    // The window is ten seconds; then it is an order like any other.
    let here = || with(&["chain", "status"])["status"]["height"].as_u64();
    until("the window is over", || here() > Some(from));
    assert_eq!(with(&["order", "why", &id])["order"]["unfilled"]["why"], "nobody");
    with(&["order", "cancel", &id]);
    assert_eq!(with(&["chain", "status"])["books_balanced"], true);
    up.stop();
}

#[test]
fn capacity_is_issued_sold_bought_and_sent() {
    let place = Place::new();
    let up = place.up(&[]);
    let rpc = up.rpc().to_owned();
    let renter = up.facts["account"].as_str().expect("an address").to_owned();
    let secrets = std::fs::read_to_string(place.path().join("net/secrets.json")).expect("reads");
    let secrets: Value = serde_json::from_str(&secrets).expect("is JSON");
    place.write("p.key", secrets["providers"][0].as_str().expect("a key").as_bytes());
    let imported = place.json(&["account", "import", "p.key", "--keys", "net/keys"]);
    let issuer = imported["address"].as_str().expect("an address").to_owned();
    let with = |who: &str, args: &[&str]| {
        place.json(&[args, &["--rpc", &rpc, "--keys", "net/keys", "--account", who]].concat())
    };
    let refused = |who: &str, args: &[&str], code| {
        place.refused(&[args, &["--rpc", &rpc, "--keys", "net/keys", "--account", who]].concat(), code)
    };

    let issue = ["claims", "issue", "--window", "1", "--gigafuel", "100", "--price", "0.001", "--rate", "1"];
    assert!(refused(&renter, &issue, 5).contains("UnknownProvider"));
    let issued = with(&issuer, &issue);
    // The index is above the issue price: half more than 100 times 0.0011 KRT.
    assert!(grains(&issued["collateral_grains"]) >= 165_000_000_000_000_000, "{issued}");
    let claim = format!("1/1/{issuer}");
    let listed = with(&issuer, &["claims", "issued"]);
    assert_eq!(listed["issuances"][0]["outstanding"], 100_000);
    with(&issuer, &["claims", "sell", &claim, "--gigafuel", "40", "--price", "0.0011"]);
    with(&renter, &["claims", "buy", "--window", "1", "--gigafuel", "30", "--price", "0.0012"]);
    until("the claims are bought", || with(&renter, &["claims", "list"])["claims"][0]["amount"] == 30_000);
    with(
        &renter,
        &["claims", "transfer", &claim, "--to", "0x00000000000000000000000000000000000000aa", "--gigafuel", "10.5"],
    );
    assert_eq!(with(&renter, &["claims", "list"])["claims"][0]["amount"], 19_500);
    with(&renter, &["claims", "top-up", &claim, "--amount", "1"]);
    with(&issuer, &["claims", "withdraw", &claim]);
    assert!(
        refused(&renter, &["claims", "transfer", &claim, "--to", &issuer, "--gigafuel", "99"], 5).contains("Claim")
    );
    assert!(refused(&renter, &["claims", "collect", "nothing"], 3).contains("CLASS/WINDOW/ISSUER"));
    let program = root().join("jobs/bin/demo-wasi.wasm").display().to_string();
    place.write("one.txt", b"one");
    let redeem = ["job", "submit", &program, "--abi", "wasi", "--input", "one.txt", "--fuel", "1", "--claim", &claim];
    assert!(refused(&renter, &redeem, 5).contains("RedemptionEarly"), "its window has not begun");
    assert_eq!(with(&renter, &["chain", "status"])["books_balanced"], true);
    up.stop();
}

#[test]
fn a_sealed_job_whose_client_was_killed_is_gone_on_with_from_its_directory() {
    let place = Place::new();
    let up = place.up(&[]);
    let rpc = up.rpc().to_owned();
    let connection = ["--rpc", &rpc, "--keys", "net/keys", "--jobs-dir", "jobs"];
    place.write("input.txt", b"upper hello");
    let program = root().join("jobs/bin/demo.wasm").display().to_string();
    let submit = ["job", "submit", &program, "--input", "input.txt", "--sealed", "--wait"];
    let mut client = place.spawn(&[&submit[..], &connection].concat());
    let folder = || {
        let entries = std::fs::read_dir(place.path().join("jobs")).ok()?;
        entries.flatten().map(|entry| entry.path()).find(|path| path.join("job.json").exists())
    };
    let state = |dir: &std::path::Path| -> Option<Value> {
        serde_json::from_slice(&std::fs::read(dir.join("job.json")).ok()?).ok()
    };
    // From when the nonce of the sealing is kept, the seal may be on the chain.
    until("the order is sealed", || {
        folder().and_then(|dir| state(&dir)).is_some_and(|state| state["seal"]["nonce"].is_number())
    });
    client.kill().expect("is killed");
    client.wait().expect("ends");
    let dir = folder().expect("a folder").display().to_string();
    assert!(place.refused(&[&["job", "resume", "jobs"], &connection[..]].concat(), 3).contains("job.json"));
    let job = place.json(&[&["job", "resume", &dir], &connection[..]].concat());
    assert_eq!(job["outcome"], "completed");
    assert!(grains(&job["paid"]) > 0);
    let jobs = place.json(&[&["job", "list"], &connection[..]].concat());
    assert_eq!(jobs["jobs"].as_array().expect("a list").len(), 1, "submitted once: {jobs}");
    let status = place.json(&[&["chain", "status"], &connection[..]].concat());
    assert_eq!(status["books"]["escrow"], "0", "and nothing lies behind a seal: {status}");
    up.stop();
}
