//! Claims from issue to the end of their window, on a network whose windows are short; and the parameters
//! that make it so.

use serde_json::Value;

use crate::kit::{Place, grains, root, until};

/// Blocks of a delivery window here.
const WINDOW: u64 = 160;
const PARAMS: &str = r#"{
    "claim_window_blocks": 160, "claim_margin_window": 20, "claim_closeout_window": 20,
    "min_block_interval_ms": 100, "idle_block_interval_ms": 100
}"#;

#[test]
fn a_claim_pays_for_a_job_and_the_collateral_of_the_others_comes_back_after_the_window() {
    let place = Place::new();
    place.write("params.json", PARAMS.as_bytes());
    let up = place.up(&["--params", "params.json"]);
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
    let height = || with(&renter, &["chain", "status"])["status"]["height"].as_u64().expect("a height");
    let balance = |who: &str| grains(&with(who, &["account", "balance"])["balance_grains"]);
    let issuance = || with(&issuer, &["claims", "issued"])["issuances"][0].clone();
    assert_eq!(with(&renter, &["chain", "params"])["claim_window_blocks"], WINDOW);

    // A whole window is left to trade in.
    let window = height() / WINDOW + 2;
    let number = window.to_string();
    let issue = ["claims", "issue", "--window", &number, "--gigafuel", "20", "--price", "0.001", "--rate", "2"];
    with(&issuer, &issue);
    let posted = grains(&issuance()["collateral"]);
    let claim = format!("1/{window}/{issuer}");
    with(&issuer, &["claims", "sell", &claim, "--gigafuel", "10", "--price", "0.0011"]);
    with(&renter, &["claims", "buy", "--window", &number, "--gigafuel", "6", "--price", "0.0012"]);
    let mine = || with(&renter, &["claims", "list"])["claims"][0]["amount"].as_u64();
    until("the claims are bought", || mine() == Some(6_000));
    // Half more than twenty gigafuel at the index, which is above the issue price.
    assert_eq!((grains(&issuance()["collateral"]), posted), (33_000_000_000_000_000, 33_000_000_000_000_000));

    // One task of a gigafuel on two machines redeems two of the six.
    let first = issuance()["starts"].as_u64().expect("a height");
    until("the window begins", || height() > first);
    let earned = |at: &Value| grains(&at["earned"]);
    let providers = || with(&renter, &["chain", "providers"])["providers"].as_array().cloned().expect("a list");
    let before: u128 = providers().iter().map(earned).sum();
    let funds = balance(&renter);
    let program = root().join("jobs/bin/demo.wasm").display().to_string();
    // Enough work for its price to stand out from fees.
    place.write("one.txt", b"spin 20000000");
    let redeem = ["job", "submit", &program, "--input", "one.txt", "--fuel", "1", "--wait"];
    let job = with(&renter, &[&redeem[..], &["--claim", &claim]].concat());
    assert_eq!((&job["verified"], &job["job"]["outcome"]), (&true.into(), &"completed".into()), "{job}");
    let paid = grains(&job["cost_grains"]);
    assert!(paid > 0, "{job}");
    let got = providers().iter().map(earned).sum::<u128>() - before;
    assert_eq!(got, paid - 2 * (paid / 2 * 500).div_ceil(10_000), "the machines were paid, less what burns");
    let spent = funds - balance(&renter);
    assert!(spent < paid / 10, "the renter paid {spent} of {paid}, more than fees");
    assert_eq!(mine(), Some(4_000));
    let stands = issuance();
    assert_eq!((&stands["outstanding"], &stands["redeeming"]), (&18_000.into(), &0.into()), "{stands}");
    let kept = grains(&stands["collateral"]);
    assert_eq!(kept, posted - paid, "and the collateral for the machines");
    let receipt = job["receipt"].as_str().expect("a path");
    assert_eq!(place.json(&["job", "verify", receipt, "--rerun"])["tasks_rerun"], 1);

    // What was not redeemed is void after the window, and the rest of the collateral is the issuer's again.
    let before = balance(&issuer);
    until("the window is over", || issuance().is_null());
    assert!(height() >= first + WINDOW);
    assert_eq!(mine(), None);
    let back = balance(&issuer) - before;
    assert!(back <= kept && kept - back < kept / 100, "{back} of {kept} came back");
    assert_eq!(with(&renter, &["chain", "status"])["books_balanced"], true);
    up.stop();

    // It goes on with the parameters it has, and with no others.
    let again =
        |file: &str| ["up", "--dir", "net", "--rpc-port", "0", "--rest-port", "0", "--params", file].map(String::from);
    place.write("other.json", br#"{"claim_window_blocks": 161, "idle_block_interval_ms": 100}"#);
    let other = again("other.json");
    let said = place.refused(&other.each_ref().map(String::as_str), 8);
    assert!(said.contains("error[foreign-directory]") && said.contains("about claim_window_blocks\n"), "{said}");
    assert!(said.contains("--fresh"), "{said}");
    let resumed = place.up(&["--params", "params.json"]);
    assert_eq!(resumed.facts["resumed"], true);
    resumed.stop();
}

#[test]
fn parameters_that_cannot_be_are_refused_before_anything_is_thrown_away() {
    let place = Place::new();
    let up = ["up", "--dir", "net", "--rpc-port", "0", "--rest-port", "0", "--fresh", "--params", "params.json"];
    std::fs::create_dir(place.path().join("net")).expect("creates");
    place.write("net/assay.json", b"{}");
    let refused = |text: &str| {
        place.write("params.json", text.as_bytes());
        let said = place.refused(&up, 3);
        assert!(said.starts_with("error[bad-input]: params.json cannot be used") && said.contains("next: "), "{said}");
        assert!(place.path().join("net/assay.json").exists(), "the directory was touched");
        said
    };
    assert!(refused("[1]").contains("JSON object"));
    assert!(refused(r#"{"colour": 3}"#).contains("there is no parameter colour"));
    assert!(refused(r#"{"seal_window": 1, "seal_window": 300}"#).contains("seal_window is there twice"));
    assert!(refused(r#"{"max_tasks": "many"}"#).contains("max_tasks: "));
    let low = refused(r#"{"claim_window_blocks": 3}"#);
    assert!(low.contains("parameter claim_window_blocks is out of bounds") && low.contains("20000"), "{low}");
    assert!(refused(r#"{"runtimes": []}"#).contains("runtimes lacks 0x"));
    assert!(refused(r#"{"classes": []}"#).contains("class 1"));
    assert!(refused(r#"{"min_collateral": "99999999999999999999999999"}"#).contains("min_collateral"));
    std::fs::remove_file(place.path().join("params.json")).expect("removes");
    assert!(place.refused(&up, 3).contains("could not read params.json"));
}
