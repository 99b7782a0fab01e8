//! What the binary says when something does not work: what, why, what next, a stable code.

use std::net::TcpListener;

use crate::kit::Place;

#[test]
fn a_broken_row_of_a_chain_is_named_by_its_line_and_nothing_is_started() {
    let place = Place::new();
    place.write(
        "broken.csv",
        b"contract,type,expiration,strike,bid,ask,last,volume,open_interest\n\
          SPXW260202C02800000,call,2026-02-02,2800,4122.2,4148.5,4139.54,6,3\n\
          SPXW260202C03000000,call,2026-02-02,3000,nonsense,3950.9,3924.7,2,0\n",
    );
    let said = place.refused(&["quickstart", "--chain", "broken.csv", "--as-of", "2026-01-30"], 3);
    assert!(said.starts_with("error[bad-input]: broken.csv is not an option chain"), "{said}");
    assert!(said.contains("why: line 3: "), "{said}");
    assert!(!place.path().join("assay-data").exists());
}

#[test]
fn a_book_of_contracts_that_are_not_in_the_chain_is_refused_by_its_line() {
    let place = Place::new();
    place.write("book.csv", b"contract,quantity\nSPXW260206P05550000,5\nSPXW991231P05550000,5\n");
    let said = place.refused(&["quickstart", "--book", "book.csv"], 3);
    assert!(said.contains("line 3: SPXW991231P05550000"), "{said}");
}

#[test]
fn a_taken_port_is_told_with_its_number_and_what_to_do() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = taken.local_addr().expect("has one").port().to_string();
    let said = place.refused(&["up", "--dir", "net", "--rpc-port", &port, "--rest-port", "0"], 8);
    assert!(said.contains(&format!("error[port-in-use]: port {port} is taken")), "{said}");
    assert!(said.contains("next: "), "{said}");
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("mine")).expect("creates");
    place.write("mine/thesis.tex", b"ten years");
    for args in [&["up", "--dir", "mine"][..], &["up", "--dir", "mine", "--fresh"], &["quickstart", "--dir", "mine"]] {
        let said = place.refused(args, 8);
        assert!(said.contains("error[foreign-directory]"), "{said}");
    }
    assert!(place.path().join("mine/thesis.tex").exists());
}

#[test]
fn a_node_that_is_not_there_is_told_with_what_to_do() {
    let place = Place::new();
    let said = place.refused(&["chain", "status", "--rpc", "http://127.0.0.1:9"], 4);
    assert!(said.starts_with("error[unreachable]"), "{said}");
    assert!(said.contains("assay up"), "{said}");
}

#[test]
fn unknown_fields_of_a_configuration_are_refused() {
    let place = Place::new();
    place.write("node.toml", b"genesis = \"g\"\ncolour = 3\n");
    let said = place.refused(&["node", "--config", "node.toml"], 3);
    assert!(said.contains("error[bad-config]") && said.contains("colour"), "{said}");
}

#[test]
fn a_failure_is_one_json_document_where_json_is_asked_for() {
    let place = Place::new();
    let output = place.run(&["job", "verify", "none.json", "--output", "json"]);
    assert_eq!(output.status.code(), Some(3));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a document");
    assert_eq!(document["error"]["code"], "bad-input");
    assert_eq!(document["error"]["exit"], 3);
}

#[test]
fn the_help_lists_every_command_and_exit_code() {
    let output = Place::new().run(&["-h"]);
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @r"
    A market for compute in which wrong answers cost more than they earn

    Usage: assay [OPTIONS] <COMMAND>

    Commands:
      quickstart   Start a network, price an option book on it, verify, pay, report
      up           Keep a network running on this machine
      devnet       Run a network of separate processes on this machine, with generated homes
      init         Make the home of one process: keys and a configuration file
      genesis      Build a genesis from a list of validators, or check one
      node         Run one validator, or reset its state
      provider     Run one provider
      gateway      Run an HTTP edge before several nodes, without a chain of its own
      keys         A validator's keys: show, rotate
      doctor       Look for what keeps a process from running well, and say how to mend it
      job          Submit, follow, fetch and verify jobs
      order        Orders: list, place, seal, change, cancel, and why one is not filled
      account      Keys and balances
      chain        Read the chain
      risk         How few could halt the network or take it over, and whose its capacity is
      market       Classes, books, prices, and the auction's rule for everybody to check
      claims       Claims on capacity in a later window: issue, trade, send, see
      rewards      Inflation, what burns of payments for work, and what providers are paid back of it
      gov          Proposals and votes: parameters, classes, payments, runtimes, upgrades
      stake        Validators, delegations and rewards
      index        Keep the price record: follow, serve, rebuild
      light        Follow the validators by certificates alone, offline
      snapshot     A chain's state in one file: export, import, see
      top          A live view of the market: book, prices, jobs and blocks
      sim          Simulate agents against the market's rules, and cheats against audits
      bench        Measure this machine: finality, throughput, round trips, Wasm against native, memory
      completions  Print a completion script
      help         Print this message or the help of the given subcommand(s)

    Options:
          --output <OUTPUT>          How to print the result: tables for people, or one JSON document
                                     for programs [default: table] [possible values: table, json]
          --log <FILTER>             What to log to standard error, as in `info` or
                                     `consensus=debug,warn` [env: ASSAY_LOG=] [default: off]
          --log-format <LOG_FORMAT>  How log lines look [env: ASSAY_LOG_FORMAT=] [default: text]
                                     [possible values: text, json]
      -h, --help                     Print help (see more with '--help')
      -V, --version                  Print version

    Exit codes:
      0    done
      1    a fault of this program; please report it
      2    the command line is wrong
      3    an input is wrong: a file, a row of it, an amount, a key
      4    a node or provider does not answer
      5    the network refused the transaction
      6    the job ended without a complete result
      7    verification failed: the result must not be trusted
      8    this machine is in the way: port taken, state directory in use or foreign, disk full
      9    it took longer than allowed
      10   the network upgraded: a newer version of this program is needed
      11   the state on disk is damaged: `assay node reset` and read it from peers again
      12   `assay doctor` found something that FAILs
      130  interrupted with Ctrl-C
    ");
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = Place::new().run(&["completions", shell]);
        assert!(output.status.success() && output.stdout.len() > 1_000, "{shell}");
    }
}
