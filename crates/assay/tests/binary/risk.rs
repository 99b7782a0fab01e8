//! Reputation and risk of a running network: seen, asked for, explained.

use serde_json::Value;

use crate::kit::{Place, root};

/// A number of the document.
fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

#[test]
fn work_makes_a_reputation_that_jobs_ask_for_and_the_risk_shows_whose_it_was() {
    let place = Place::new();
    let up = place.up(&[]);
    let rpc = up.rpc().to_owned();
    let connection = ["--rpc", &rpc, "--keys", "net/keys"];
    let with = |args: &[&str]| place.json(&[args, &connection].concat());

    let risk = with(&["risk"]);
    let quarter = serde_json::json!({ "owners": 4, "halt": 2, "takeover": 3 });
    assert_eq!((&risk["seats"], &risk["stake"]), (&quarter, &quarter));
    assert_eq!((count(&risk["capacity"]["owners"]), count(&risk["collateral"]["owners"])), (3, 3));
    assert_eq!((count(&risk["offered"]["operator"]), count(&risk["offered"]["region"])), (3_333, 10_000));
    assert!(risk["delivered"]["operator"].is_null(), "nobody has worked: {risk}");

    let program = root().join("jobs/bin/demo-wasi.wasm").display().to_string();
    place.write("many.txt", &b"one two three\n".repeat(400_000));
    let submit = ["job", "submit", &program, "--abi", "wasi", "--input", "many.txt"];
    let job = with(&[&submit[..], &["--wait"]].concat());
    assert_eq!(job["verified"], true);
    let units = count(&job["fuel_total"]) / 1_000_000;
    assert!(units > 0, "{job}");
    let providers = with(&["chain", "providers"])["providers"].clone();
    let providers = providers.as_array().expect("a list");
    let delivered: Vec<u64> = providers.iter().map(|one| count(&one["reputation"]["delivered"])).collect();
    let worked = delivered.iter().filter(|work| (units.saturating_sub(1)..=units).contains(work)).count();
    assert_eq!((worked, delivered.iter().filter(|work| **work == 0).count()), (2, 1), "{delivered:?} of {units}");
    assert!(providers.iter().all(|one| count(&one["reputation"]["age"]) > 0));
    let score = |one: &Value| count(&one["reputation"]["score"]);
    assert!(providers.iter().all(|one| (score(one) > 0) == (count(&one["reputation"]["delivered"]) > 200)));
    let after = with(&["risk"]);
    assert_eq!((count(&after["delivered"]["operator"]), count(&after["delivered"]["class"])), (5_000, 10_000));
    assert!(count(&after["height"]) > count(&risk["height"]));

    // For people.
    let said = |args: &[&str]| String::from_utf8(place.run(&[args, &connection].concat()).stdout).expect("UTF-8");
    let text = said(&["risk"]);
    for part in ["validators by seat", "could halt", "operators by capacity", "work delivered", "hopeful bound"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(said(&["chain", "providers"]).contains("reputation"));

    // Too much asked for: told before it costs anything, or when somebody asks why it waits.
    let picky = [&submit[..], &["--min-reputation", "50"], &connection].concat();
    assert!(place.refused(&picky, 6).contains("with a reputation of 50.00 % at least, and 0 offer work"));
    let waits = [&picky[..], &["--max-price", "0.0012", "--timeout", "3"]].concat();
    place.refused(&waits, 9);
    let order = with(&["order", "list"])["orders"][0]["job"].as_str().expect("a job's order").to_owned();
    let why = with(&["order", "why", &order])["waiting"][0].clone();
    assert_eq!((count(&why["able"]), &why["enough_at"]), (0, &Value::Null));
    for ask in why["asks"].as_array().expect("asks") {
        let provider = providers.iter().find(|one| one["account"] == ask["provider"]).expect("listed");
        let short = 5_000 - score(provider);
        assert_eq!(ask["lacks"], serde_json::json!([{ "lack": "reputation", "by": short }]), "{why}");
    }
    assert!(said(&["order", "why", &order]).contains("reputation: "));
    assert!(said(&["job", "status", &order]).contains("50.00 % at least"));
    assert!(place.refused(&[&submit[..], &["--min-reputation", "101"]].concat(), 2).contains("0 to 100 percent"));
    up.stop();
}
