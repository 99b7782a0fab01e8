//! `gateway`: one edge before two networks' nodes, one of which is killed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::{Place, free_ports, get, http};

fn call(url: &str, method: &str, id: u64) -> (u16, Value) {
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": [] }).to_string();
    let (status, answer) = http(url, "POST", "/", body.as_bytes());
    let (from, to) = (answer.find('{').expect("an object"), answer.rfind('}').expect("an object"));
    (status, serde_json::from_str(&answer[from..=to]).expect("JSON"))
}

#[test]
fn requests_go_to_a_node_that_is_well_and_fail_in_words_when_none_is() {
    let place = Place::new();
    let port = free_ports();
    place.json(&["devnet", "init", "--dir", "net", "--providers", "0", "--rpc-port", &port.to_string()]);
    let mut nodes: Vec<_> = (1..=4)
        .map(|number| Some(place.start(&["node", "--config", &format!("net/validator-{number}/node.toml")])))
        .collect();
    let urls: Vec<String> = nodes.iter().map(|node| node.as_ref().expect("runs").rpc().to_owned()).collect();
    let text = format!(
        "listen = \"127.0.0.1:0\"\nnodes = [\"{}\", \"{}\", \"http://127.0.0.1:9\"]\ncheck_every_ms = 100\n\
         timeout_ms = 3000\nmax_request_bytes = 2048\ndatabase = \"sqlite:prices.sqlite\"\n",
        urls[3], urls[0]
    );
    place.write("gateway.toml", text.as_bytes());
    let gateway = place.start(&["gateway", "--config", "gateway.toml"]);
    let url = gateway.rpc().to_owned();
    let problems: Vec<bool> =
        gateway.facts["nodes"].as_array().expect("a list").iter().map(|node| node["problem"].is_null()).collect();
    assert_eq!(problems, [true, true, false], "{}", gateway.facts);
    let (status, answer) = call(&url, "eth_chainId", 7);
    assert_eq!((status, &answer["id"], &answer["result"]), (200, &json!(7), &json!("0xa55a0def")));
    // What clients use goes through it, the price record too.
    assert_eq!(place.json(&["chain", "status", "--rpc", &url])["books_balanced"], true);
    let (status, record) = get(&url, "/v1/status");
    assert_eq!(status, 200, "{record}");

    // Bounds and nonsense.
    let (status, answer) = http(&url, "POST", "/", &[b' '; 4_096]);
    assert!(status == 413 && answer.contains("at most 2048 bytes"), "{status} {answer}");
    let (status, answer) = http(&url, "POST", "/", b"{nonsense");
    assert!(status == 400 && answer.contains("-32700"), "{status} {answer}");

    // The preferred node dies in the middle: the next answers, at once.
    nodes[3].take().expect("runs").kill();
    for id in 0..20 {
        let (status, answer) = call(&url, "eth_blockNumber", id);
        assert_eq!((status, &answer["id"]), (200, &json!(id)), "{answer}");
    }
    assert_eq!(get(&url, "/ready").0, 200);
    let (_, figures) = http(&url, "GET", "/metrics", b"");
    assert!(figures.contains(&format!("assay_gateway_node_well{{node=\"{}\"}} 0", urls[3])), "{figures}");
    assert!(figures.contains(&format!("assay_gateway_node_well{{node=\"{}\"}} 1", urls[0])), "{figures}");
    assert!(figures.contains("assay_gateway_requests_total{outcome=\"refused\"} 2"), "{figures}");

    // None is left: 502, in words, with the request's id and no node's address; and well again by itself.
    nodes[0].take().expect("runs").kill();
    let (status, answer) = call(&url, "eth_blockNumber", 99);
    assert_eq!((status, &answer["id"], &answer["error"]["code"]), (502, &json!(99), &json!(-32_002)), "{answer}");
    assert!(answer["error"]["message"].as_str().expect("text").contains("none of the 3 nodes"), "{answer}");
    assert!(!answer.to_string().contains(&urls[0]), "{answer}");
    let (status, state) = get(&url, "/ready");
    assert_eq!((status, &state["ready"]), (503, &json!(false)));
    assert_eq!(get(&url, "/health").0, 200, "the gateway itself lives");
    nodes[0] = Some(place.start(&["node", "--config", "net/validator-1/node.toml"]));
    let back = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        call(&url, "eth_blockNumber", 1).0 == 200
    });
    assert!(back, "a node that is back is used again within ten seconds");
    gateway.stop();
    for node in nodes.into_iter().flatten() {
        node.stop();
    }
}
