//! Governance on a running network: parameters and a runtime changed by vote, and an upgrade that this program does
//! not know.

use serde_json::Value;

use crate::kit::{Place, root, until};

const PARAMS: &str = r#"{
    "gov_min_deposit": "2000000000000000000", "gov_deposit_ms": 60000, "gov_voting_ms": 9000, "gov_timelock_ms": 1500,
    "min_block_interval_ms": 100, "idle_block_interval_ms": 100
}"#;
const OTHER: &str = "0x7878787878787878787878787878787878787878787878787878787878787878";

struct Network<'a> {
    place: &'a Place,
    rpc: String,
    renter: String,
    validators: Vec<String>,
}

impl Network<'_> {
    fn with<'b>(&'b self, who: &'b str, args: &[&'b str]) -> Vec<&'b str> {
        [args, &["--rpc", &self.rpc, "--keys", "net/keys", "--account", who]].concat()
    }

    fn json(&self, who: &str, args: &[&str]) -> Value {
        self.place.json(&self.with(who, args))
    }

    fn proposed(&self, args: &[&str]) -> String {
        let made = self.json(&self.renter, &[&["gov", "propose"], args, &["--title", "A test"]].concat());
        assert_eq!((&made["status"], &made["missing"]), (&"voting".into(), &"0".into()), "{made}");
        made["id"].to_string()
    }

    /// All validators but the last vote for it.
    fn accept(&self, id: &str) {
        for who in self.validators.iter().take(3) {
            self.json(who, &["gov", "vote", id, "yes"]);
        }
    }

    fn carried_out(&self, id: &str) {
        let stands = || self.json(&self.renter, &["gov", "show", id])["proposal"]["status"].clone();
        until("the proposal is over", || !["voting", "queued"].contains(&stands().as_str().unwrap_or_default()));
        assert_eq!(stands(), "executed");
    }

    fn params(&self) -> Value {
        self.json(&self.renter, &["chain", "params"])
    }
}

#[test]
fn parameters_runtimes_and_the_protocol_version_change_by_vote_on_a_running_network() {
    let place = Place::new();
    place.write("params.json", PARAMS.as_bytes());
    let up = place.up(&["--params", "params.json"]);
    let secrets = std::fs::read_to_string(place.path().join("net/secrets.json")).expect("reads");
    let secrets: Value = serde_json::from_str(&secrets).expect("is JSON");
    let validators = secrets["validators"].as_array().expect("a list").iter();
    let import = |one: &Value| {
        place.write("v.key", one["account"].as_str().expect("a key").as_bytes());
        let made = place.json(&["account", "import", "v.key", "--keys", "net/keys"]);
        made["address"].as_str().expect("an address").to_owned()
    };
    let network = Network {
        place: &place,
        rpc: up.rpc().to_owned(),
        renter: up.facts["account"].as_str().expect("an address").to_owned(),
        validators: validators.map(import).collect(),
    };
    let own = network.params()["runtimes"][0].as_str().expect("a runtime").to_owned();

    // What cannot be is refused with its name, before it costs anything.
    place.write("bad.json", br#"{"max_tasks": 0}"#);
    let bad = ["gov", "propose", "params", "bad.json", "--title", "t"];
    let said = place.refused(&network.with(&network.renter, &bad), 3);
    assert!(said.contains("parameter max_tasks is out of bounds") && said.contains("gov params"), "{said}");
    place.write("bad.json", br#"{"epoch_blocks": 7}"#);
    assert!(place.refused(&network.with(&network.renter, &bad), 3).contains("epoch_blocks cannot be changed"));
    let listed = network.json(&network.renter, &["gov", "params"]);
    let bounds = listed["params"].as_array().expect("a list").iter().find(|one| one["name"] == "max_tasks");
    assert_eq!(bounds.map(|one| (one["least"].clone(), one["most"].clone())), Some(("1".into(), "4096".into())));

    // A parameter and a runtime, voted on together.
    place.write("changes.json", br#"{"max_tasks": 77}"#);
    let change = network.proposed(&["params", "changes.json"]);
    let activate = network.proposed(&["runtime", OTHER]);
    let vote = network.with(&network.renter, &["gov", "vote", &change, "yes"]);
    assert!(place.refused(&vote, 5).contains("NoStake"));
    network.accept(&change);
    network.accept(&activate);
    let open = network.json(&network.renter, &["gov", "list"]);
    assert_eq!(open["proposals"].as_array().map(Vec::len), Some(2), "{open}");
    network.carried_out(&change);
    assert_eq!(network.params()["max_tasks"], 77);
    network.carried_out(&activate);
    assert_eq!(network.params()["runtimes"], serde_json::json!([own, OTHER]));

    // Without its runtime a job is refused; with it voted in again it is done and paid.
    let program = root().join("jobs/bin/demo.wasm").display().to_string();
    place.write("one.txt", b"spin 1000");
    let submit = ["job", "submit", &program, "--input", "one.txt", "--fuel", "1", "--wait"];
    let off = network.proposed(&["runtime", &own, "--deactivate"]);
    network.accept(&off);
    network.carried_out(&off);
    let said = place.refused(&network.with(&network.renter, &submit), 5);
    assert!(said.contains("UnknownRuntime"), "{said}");
    let on = network.proposed(&["runtime", &own]);
    network.accept(&on);
    network.carried_out(&on);
    let job = network.json(&network.renter, &submit);
    assert_eq!((&job["verified"], &job["job"]["outcome"]), (&true.into(), &"completed".into()), "{job}");
    assert_eq!(network.json(&network.renter, &["chain", "status"])["books_balanced"], true);

    // An upgrade this program does not know ends it before that block, and again when it is started again.
    let height = network.json(&network.renter, &["chain", "status"])["status"]["height"].as_u64().expect("a height");
    let at = (height + 180).to_string();
    let upgrade = network.proposed(&["upgrade", "second", "--height", &at, "--protocol", "2"]);
    network.accept(&upgrade);
    network.carried_out(&upgrade);
    let seen = network.json(&network.renter, &["gov", "show", &upgrade]);
    assert_eq!(seen["protocol"]["upgrade"]["height"].to_string(), at, "{seen}");
    let (exit, said) = up.ends();
    assert_eq!(exit, Some(10), "{said}");
    assert!(said.contains(&format!("protocol version 2 from block {at} on")) && said.contains("second"), "{said}");
    let again = ["up", "--dir", "net", "--rpc-port", "0", "--rest-port", "0"];
    assert!(place.refused(&again, 10).contains("error[upgrade-needed]"));
}
