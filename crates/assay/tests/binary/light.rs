//! `light`, and joining by a checkpoint that it wrote.

use serde_json::Value;

use crate::kit::{Place, until};

const GENESIS: [&str; 2] = ["--genesis", "net/genesis.json"];

fn full(place: &Place, name: &str, rpc: &str, checkpoint: &str) -> String {
    let config = format!("{name}.toml");
    let text = format!(
        "genesis = \"net/genesis.json\"\ndir = \"{name}\"\nupstream = [\"{rpc}\"]\ncheckpoint = \"{checkpoint}\"\n\
         rpc = \"127.0.0.1:0\"\n"
    );
    place.write(&config, text.as_bytes());
    config
}

#[test]
fn a_block_is_proven_offline_and_who_joins_by_a_checkpoint_takes_no_other_history() {
    let place = Place::new();
    place.write("params.json", br#"{"validator_epoch_blocks": 8, "idle_block_interval_ms": 100}"#);
    let up = place.up(&["--params", "params.json"]);
    let rpc = up.rpc().to_owned();
    let epochs = |count: u64| {
        until("epochs pass", || {
            place.json(&["chain", "status", "--rpc", &rpc])["status"]["height"].as_u64() > Some(8 * count)
        });
    };
    let export = |file: &str| place.json(&["light", "export", "--rpc", &rpc, "-o", file]);
    let verify = |args: &[&str]| place.json(&[&["light", "verify"], args, &GENESIS].concat());
    epochs(3);
    let exported = export("chain.json");
    let verified = verify(&["chain.json", "--checkpoint-out", "today.json"]);
    assert_eq!((&verified["verified"], &verified["height"]), (&true.into(), &exported["height"]));
    // The same keys sat all along, and yet the checkpoint is of now.
    let epoch = verified["committee_epoch"].as_u64().expect("a number");
    assert!(epoch >= 3, "{verified}");
    epochs(epoch + 3);
    export("later.json");
    let later = verify(&["later.json", "--checkpoint", "today.json"]);
    assert_eq!(later["trusted_epoch"], epoch);
    assert!(later["height"].as_u64() > verified["height"].as_u64());

    // A node joins by it, and not by one with another committee, nor by another network's.
    let joined = place.start(&["node", "--config", &full(&place, "right", &rpc, "today.json")]);
    let own = joined.rpc().to_owned();
    until("it follows", || {
        place.json(&["chain", "status", "--rpc", &own])["status"]["height"].as_u64() > Some(8 * epoch)
    });
    joined.stop();
    let text = std::fs::read(place.path().join("today.json")).expect("reads");
    let changed = |name: &str, change: fn(&mut Value)| {
        let mut checkpoint: Value = serde_json::from_slice(&text).expect("JSON");
        change(&mut checkpoint);
        place.write(&format!("{name}.json"), checkpoint.to_string().as_bytes());
        full(&place, name, &rpc, &format!("{name}.json"))
    };
    let other = changed("other", |checkpoint| {
        checkpoint["seats"][0]["address"] = "127.0.0.1:1".into();
        checkpoint["timestamp_ms"] = 1.into();
    });
    let said = place.refused(&["node", "--config", &other], 4);
    assert!(said.contains(&format!("other seats in epoch {epoch} than the checkpoint")), "{said}");
    assert!(said.contains("stake behind it may have left"), "{said}");
    let foreign = changed("foreign", |checkpoint| checkpoint["genesis_hash"] = format!("0x{:064x}", 7).into());
    let said = place.refused(&["node", "--config", &foreign], 3);
    assert!(said.contains("is of another network"), "{said}");

    // What is changed proves nothing.
    let mut file: Value =
        serde_json::from_slice(&std::fs::read(place.path().join("later.json")).expect("reads")).expect("JSON");
    file["tip"]["height"] = 1.into();
    place.write("forged.json", file.to_string().as_bytes());
    let said = place.refused(&[&["light", "verify", "forged.json"][..], &GENESIS].concat(), 7);
    assert!(said.contains("the file does not prove what it says"), "{said}");
    up.stop();
}
