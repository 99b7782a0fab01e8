//! `devnet`: processes started, watched and stopped together; how each is, over HTTP; damage and reset.

use std::process::Command;

use crate::kit::{Place, free_ports, get, http, within};

fn lives(pid: u64) -> bool {
    // One that has ended may wait for its parent to take notice.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn a_network_of_processes_starts_tells_of_a_death_stops_and_goes_on() {
    let place = Place::new();
    let port = free_ports().to_string();
    let sizes = ["--validators", "4", "--providers", "1", "--rpc-port", &port];
    let net = place.start_logged(&[&["devnet", "--dir", "net"], &sizes[..]].concat(), "first.err");
    let processes = net.facts["processes"].as_array().expect("a list").clone();
    assert_eq!(processes.len(), 5);
    let pids: Vec<u64> = processes.iter().map(|process| process["pid"].as_u64().expect("a pid")).collect();
    assert!(pids.iter().all(|pid| lives(*pid)));
    assert!(processes[..4].iter().all(|process| process["height"].as_u64().is_some_and(|height| height > 0)));
    assert!(processes[4]["account"].is_string(), "the provider is registered: {}", processes[4]);

    // Health, readiness and metrics of a node.
    let metrics = processes[0]["metrics_url"].as_str().expect("a URL");
    assert_eq!(
        get(metrics, "/health"),
        (200, serde_json::json!({ "status": "alive", "version": env!("CARGO_PKG_VERSION") }))
    );
    let ready = within("three peers", || Some(get(metrics, "/ready")).filter(|(_, state)| state["peers"] == 3));
    assert_eq!((ready.0, &ready.1["ready"], &ready.1["reasons"]), (200, &true.into(), &serde_json::json!([])));
    let (status, text) = http(metrics, "GET", "/metrics", b"");
    assert_eq!(status, 200);
    for figure in [
        "assay_ready 1",
        "assay_validators 4",
        "assay_books_balanced 1",
        "assay_equivocations_total 0",
        "assay_books_grains{pot=\"collateral\"} 10000",
        "process_resident_memory_bytes",
        "runtime_tasks_running",
    ] {
        assert!(text.contains(figure), "no {figure} in {text}");
    }
    // A slim container has no root certificates.
    let mut alive = place.command(&["doctor", "--alive", "--health", metrics]);
    let alive = alive.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent").output();
    let alive = alive.expect("the binary runs");
    assert!(alive.status.success(), "{}", String::from_utf8_lossy(&alive.stderr));
    let doctor = place.json(&["doctor", "--config", "net/validator-1/node.toml"]);
    let checks = doctor["checks"].as_array().expect("a list");
    let of = |name: &str| checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name}"));
    assert!(of("port rpc")["found"].as_str().expect("text").contains("this very node"), "{doctor}");
    for name in ["config", "genesis", "keys", "seat", "peers", "network", "version", "clock and chain", "chain"] {
        assert_eq!(of(name)["verdict"], "PASS", "{doctor}");
    }

    // One is killed: it is told, with its log, and the others go on.
    assert!(Command::new("kill").args(["-9", &pids[3].to_string()]).status().expect("runs").success());
    let told = within("the death is told", || {
        std::fs::read_to_string(place.path().join("first.err")).ok().filter(|text| text.contains("died"))
    });
    assert!(told.contains(&format!("validator-4 (process {}) died: signal 9", pids[3])), "{told}");
    assert!(told.contains("validator-4.log:\n  20"), "the end of its log: {told}");
    let rpc = net.rpc().to_owned();
    let sent = place.json(&[
        "account",
        "send",
        "0x00000000000000000000000000000000000000aa",
        "1",
        "--rpc",
        &rpc,
        "--keys",
        "net/keys",
    ]);
    let height = sent["height"].as_u64().expect("a height");
    within("a peer less", || Some(get(metrics, "/ready")).filter(|(_, state)| state["peers"] == 2));
    net.stop();
    assert!(pids.iter().all(|pid| !lives(*pid)), "none outlives it");

    // Damage is told by doctor and by a start, each with the cure; after a reset the node comes back.
    let partition = place.path().join("net/validator-4/state/validators/chain/validator-state-log_data");
    let file = std::fs::read_dir(&partition).expect("a partition").flatten().next().expect("a file").path();
    let mut bytes = std::fs::read(&file).expect("reads");
    bytes[12] ^= 0x40;
    std::fs::write(&file, bytes).expect("writes");
    let config = "net/validator-4/node.toml";
    let said = place.refused(&["doctor", "--config", config], 12);
    assert!(said.contains("database: is damaged"), "{said}");
    let said = place.refused(&["node", "--config", config], 11);
    assert!(said.contains("error[corrupt-state]") && said.contains("node reset"), "{said}");
    let said = place.refused(&["node", "reset", "--config", config, "--keep-keys"], 3);
    assert!(said.contains("--yes"), "nobody was asked: {said}");
    let keys = std::fs::read(place.path().join("net/validator-4/validator.json")).expect("keys");
    let reset = place.json(&["node", "reset", "--config", config, "--keep-keys", "--yes"]);
    assert_eq!(reset["deleted"].as_array().map(Vec::len), Some(2), "{reset}");
    assert_eq!(std::fs::read(place.path().join("net/validator-4/validator.json")).expect("keys"), keys);

    // Other sizes are refused; without them the network goes on, and the reset node catches up.
    let said = place.refused(&["devnet", "--dir", "net", "--validators", "5"], 8);
    assert!(said.contains("it has 4 validators, and 5 were asked for"), "{said}");
    let again = place.start(&["devnet", "--dir", "net"]);
    let fourth = again.facts["processes"][3]["rpc_url"].as_str().expect("a URL").to_owned();
    let block = within("the reset node has the block", || {
        let output = place.run(&["chain", "block", &height.to_string(), "--rpc", &fourth, "--output", "json"]);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).ok().filter(|block| block["hash"].is_string())
    });
    let first = place.json(&["chain", "block", &height.to_string(), "--rpc", &rpc]);
    assert_eq!(block["hash"], first["hash"]);
    let pids: Vec<u64> =
        again.facts["processes"].as_array().expect("a list").iter().filter_map(|p| p["pid"].as_u64()).collect();
    // Even a kill leaves no process behind.
    again.kill();
    within("all end with who started them", || pids.iter().all(|pid| !lives(*pid)).then_some(()));
}
