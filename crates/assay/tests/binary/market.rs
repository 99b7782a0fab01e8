//! `market clear`: anybody can check the auction's rule.

use crate::kit::Place;

const BEACON: &str = "0x0707070707070707070707070707070707070707070707070707070707070707";
const HEADER: &str = "id,side,price,quantity,min_fill\n";

#[test]
fn a_book_from_a_file_is_cleared_as_the_ledger_would() {
    let place = Place::new();
    let rows = "1,bid,105,10,0\n2,bid,100,20,0\n3,ask,98,12,0\n4,ask,101,8,8\n5,bid,50,1,0\n";
    place.write("book.csv", [HEADER, rows].concat().as_bytes());
    let clear = ["market", "clear", "--book", "book.csv", "--reference", "104", "--beacon", BEACON];
    let cleared = place.json(&clear);
    assert_eq!(
        (&cleared["price"], &cleared["volume"], &cleared["lo"], &cleared["hi"]),
        (&100.into(), &12.into(), &100.into(), &100.into())
    );
    assert_eq!(cleared["fills"], serde_json::json!({ "1": 10, "2": 2, "3": 12 }));
    assert_eq!(cleared["why"]["4"], "price: 1 short");
    assert_eq!(cleared["why"]["5"], "rests: 41 outside the band");
    let text = place.run(&clear);
    let said = String::from_utf8(text.stdout).expect("UTF-8");
    assert!(said.contains("12 units at 100"), "{said}");
}

#[test]
fn a_bad_book_or_rule_is_refused_by_line_and_name() {
    let place = Place::new();
    let refused = |rows: &str, reference: &str, beacon: &str| {
        place.write("book.csv", [HEADER, rows].concat().as_bytes());
        place.refused(&["market", "clear", "--book", "book.csv", "--reference", reference, "--beacon", beacon], 3)
    };
    assert!(refused("1,bid,105,10,0\n2,bud,1,1,0\n", "100", BEACON).contains("line: 3"));
    assert!(refused("1,bid,105,1.5,0\n", "100", BEACON).contains("line: 2"));
    assert!(refused("1,bid,105,10,0\n1,ask,1,1,0\n", "100", BEACON).contains("order 1 is in the book already"));
    assert!(refused("1,bid,105,10,11\n", "100", BEACON).contains("wants at least 11 of 10"));
    assert!(refused("1,bid,0,10,0\n", "100", BEACON).contains("no price"));
    assert!(refused("1,bid,1,10,0\n", "0", BEACON).contains("reference"));
    assert!(refused("1,bid,1,10,0\n", "100", "0x07").contains("--beacon"));
}

#[test]
fn agents_are_simulated_and_the_same_seed_says_the_same() {
    let place = Place::new();
    let simulate = ["sim", "market", "--blocks", "200", "--seed", "3"];
    let report = place.json(&simulate);
    assert_eq!(report, place.json(&simulate));
    let outcomes = report["outcomes"].as_array().expect("a list");
    assert!(outcomes[0]["efficiency"].as_f64().expect("a share") > 0.95);
    assert!(outcomes.len() > 20);
    let text = String::from_utf8(place.run(&simulate).stdout).expect("UTF-8");
    assert!(text.contains("at best 20 colluding sellers of 40"), "{text}");
}

#[test]
fn cheats_against_audits_are_simulated_and_do_not_pay() {
    let place = Place::new();
    let report = place.json(&["sim", "adversary", "--quick", "--seed", "3"]);
    let number = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name} is a number"));
    assert!(number("cells_outside_interval") <= 0.03);
    assert!(number("worst_cell_sigma") <= 5.0);
    assert_eq!(number("honest_slashed"), 0.0);
    assert!(number("overhead") <= 0.1);
    assert!(number("max_cheat_profit") < 0.0);
    assert!(report["cells"].as_array().expect("a list").len() > 1_000);
    assert!(place.refused(&["sim", "adversary", "--seed", "many"], 2).contains("--seed"));
}
