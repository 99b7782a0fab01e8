//! `quickstart`, honest and with a liar, and the receipts it leaves.

use serde_json::Value;

use crate::kit::{Place, small_chain};

const EXPIRATIONS: [&str; 4] = ["2026-02-20", "2026-03-20", "2026-06-18", "2026-12-18"];

fn quickstart(place: &Place, dir: &str, more: &[&str]) -> Value {
    place.write("chain.csv", &small_chain(&EXPIRATIONS));
    let args = ["quickstart", "--chain", "chain.csv", "--as-of", "2026-01-30", "--paths", "4096", "--dir", dir];
    place.json(&[&args, more].concat())
}

#[test]
fn an_honest_run_and_one_with_a_liar_give_the_same_answer_and_the_liar_pays() {
    let place = Place::new();
    let honest = quickstart(&place, "honest", &[]);
    assert_eq!(honest["verified"], true);
    assert_eq!(honest["books_balanced"], true);
    assert_eq!(honest["expiries"], 4);
    assert!(honest["providers"].as_array().expect("a list").iter().all(|p| p["slashed_grains"] == "0"));
    assert!(honest["cheat"].is_null());

    let cheated = quickstart(&place, "cheated", &["--cheat"]);
    assert_eq!(cheated["verified"], true);
    assert_eq!(cheated["books_balanced"], true);
    assert_eq!(cheated["cheat"]["caught"], true, "{}", cheated["cheat"]);
    assert_eq!(cheated["cheat"]["redone"], true);
    let liar = &cheated["cheat"]["liar"];
    for provider in cheated["providers"].as_array().expect("a list") {
        assert_eq!(provider["slashed_grains"] != "0", provider["id"] == *liar, "{provider}");
    }
    assert_ne!(cheated["compensated_grains"], "0");
    assert_eq!(cheated["result_hash"], honest["result_hash"]);
    receipts_hold_and_damaged_ones_do_not(&place, &honest);
}

fn receipts_hold_and_damaged_ones_do_not(place: &Place, run: &Value) {
    let receipt = run["receipt"].as_str().expect("a path");
    let verified = place.json(&["job", "verify", receipt, "--rerun"]);
    assert_eq!(verified["verified"], true);
    assert_eq!(verified["job_id"], run["job_id"]);
    assert_eq!(verified["tasks_rerun"], verified["tasks"]);

    let text = std::fs::read_to_string(place.path().join(receipt)).expect("reads");
    let genesis = place.path().join(run["genesis"].as_str().expect("a path")).display().to_string();
    let mut value: Value = serde_json::from_str(&text).expect("is JSON");
    let fuel = value["leaves"][0]["fuel"].as_u64().expect("a number");
    value["leaves"][0]["fuel"] = (fuel + 1).into();
    place.write("padded.json", value.to_string().as_bytes());
    let said = place.refused(&["job", "verify", "padded.json", "--genesis", &genesis], 7);
    assert!(said.contains("error[verification-failed]"), "{said}");

    let mut value: Value = serde_json::from_str(&text).expect("is JSON");
    let certificate = value["proof"]["certificate"].as_str().expect("text").to_owned();
    let last = if certificate.ends_with('0') { "1" } else { "0" };
    value["proof"]["certificate"] = format!("{}{last}", &certificate[..certificate.len() - 1]).into();
    place.write("forged.json", value.to_string().as_bytes());
    let said = place.refused(&["job", "verify", "forged.json", "--genesis", &genesis], 7);
    assert!(said.contains("certificate"), "{said}");
    tables_and_report_are_there(place, run);
}

fn tables_and_report_are_there(place: &Place, run: &Value) {
    let read = |field: &str| {
        let path = place.path().join(run[field].as_str().expect("a path"));
        std::fs::read_to_string(path).expect("reads")
    };
    let surface = read("surface");
    let header = "contract,expiration,type,strike,forward,discount,years,implied_vol,price,delta,gamma,vega,theta";
    assert_eq!(surface.lines().next(), Some(header));
    assert_eq!(surface.lines().count() as u64 - 1, run["contracts_priced"].as_u64().expect("a number"));
    let header =
        "expiration,root,forward,discount,years,atm_vol,skew,a,b,rho,m,sigma,fit_error_vol,fit_error_spreads,flags";
    assert_eq!(read("slices").lines().next(), Some(header));
    assert!(read("report").contains("</html>"));
}
