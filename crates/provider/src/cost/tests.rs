//! Asks worked out by hand, each source and its failures, energy counters.

use std::io::{Read as _, Write as _};

use assay_types::GRAINS_PER_KRT;
use proptest::prelude::*;

use super::*;

fn pricing(energy: PriceSource) -> Pricing {
    Pricing {
        energy,
        power: Power::Watts(90.0),
        gigafuel_per_s: 0.5,
        hardware_cost: 2_190.0,
        lifetime_hours: 36_500.0,
        utilisation: 0.6,
        margin_percent: 25.0,
        krt_per_unit: 100.0,
        floor_krt: 0.0,
        ceiling_krt: 10.0,
        refresh_s: 60,
        step_bps: 100,
    }
}

#[test]
fn an_ask_worked_out_by_hand() {
    // Four cores: 2 Gf/s, so 45 J a Gf, at 0.4 a kWh 0.000005; hardware 0.1 an hour sold, 7,200 Gf in it.
    let found = reckon(&pricing(PriceSource::Fixed(0.4)), 0.4, 90.0, 4).expect("reckons");
    assert_eq!((found.gigafuel_per_s, found.joules_per_gigafuel), (2.0, 45.0));
    assert!((found.energy - 5e-6).abs() < 1e-12, "{found:?}");
    assert!((found.depreciation - 0.1 / 7_200.0).abs() < 1e-12, "{found:?}");
    let by_hand = (5e-6 + 0.1 / 7_200.0) * 1.25 * 100.0;
    assert!((found.ask_krt - by_hand).abs() < 1e-12);
    let grains = by_hand * 1e18;
    assert!(found.ask as f64 >= grains && (found.ask as f64) < grains + 2e9, "rounded up: {}", found.ask);
    assert_eq!(found.ask % 1_000_000_000, 0);
}

#[test]
fn bounds_hold_and_nothing_is_given_away() {
    let free = Pricing { hardware_cost: 0.0, floor_krt: 0.0, ..pricing(PriceSource::Fixed(0.0)) };
    assert_eq!(reckon(&free, 0.0, 90.0, 4).expect("reckons").ask, 1_000_000_000);
    let floored = Pricing { floor_krt: 0.5, ..free };
    assert_eq!(reckon(&floored, 0.0, 90.0, 4).expect("reckons").ask, GRAINS_PER_KRT / 2);
    let dear = reckon(&floored, 1e30, 90.0, 4).expect("reckons");
    assert_eq!(dear.ask, 10 * GRAINS_PER_KRT);
    assert!(matches!(reckon(&floored, f64::INFINITY, 90.0, 4), Err(PricingError::Senseless { .. })));
}

#[test]
fn small_moves_are_not_worth_a_transaction() {
    let pricing = pricing(PriceSource::Fixed(0.4));
    assert!(!pricing.is_worth_sending(10_000, 10_100) && pricing.is_worth_sending(10_000, 10_101));
    assert!(!pricing.is_worth_sending(10_000, 9_900) && pricing.is_worth_sending(10_000, 9_899));
}

proptest! {
    #[test]
    fn whatever_costs_more_makes_the_ask_no_lower(
        price in 0.0f64..2.0, more in 0.0f64..1.0, watts in 1.0f64..2_000.0, cores in 1usize..128,
    ) {
        let base = pricing(PriceSource::Fixed(price));
        let ask = |p: &Pricing, price, watts| reckon(p, price, watts, cores).expect("reckons").ask;
        let at = ask(&base, price, watts);
        prop_assert!(ask(&base, price + more, watts) >= at);
        prop_assert!(ask(&base, price, watts + more) >= at);
        let dearer = Pricing { hardware_cost: base.hardware_cost + more, ..base.clone() };
        prop_assert!(ask(&dearer, price, watts) >= at);
        let greedier = Pricing { margin_percent: base.margin_percent + more, ..base.clone() };
        prop_assert!(ask(&greedier, price, watts) >= at);
        let idler = Pricing { utilisation: base.utilisation / (1.0 + more), ..base.clone() };
        prop_assert!(ask(&idler, price, watts) >= at);
        let slower = Pricing { gigafuel_per_s: base.gigafuel_per_s / (1.0 + more), ..base };
        prop_assert!(ask(&slower, price, watts) >= at);
    }

    #[test]
    fn whatever_a_source_says_is_a_price_or_an_error(text in ".{0,80}", field in prop::option::of("[a-z.0-9]{0,12}")) {
        if let Ok(price) = source::parse(&text, field.as_deref()) {
            prop_assert!(price.is_finite() && price >= 0.0);
        }
    }
}

#[test]
fn prices_are_read_from_text_and_from_fields() {
    let read = |text: &str, field: Option<&str>| source::parse(text, field).ok();
    assert_eq!(read(" 0.31\n", None), Some(0.31));
    assert_eq!(read("{\"data\":[{\"price\":\"0.2\"}]}", Some("data.0.price")), Some(0.2));
    assert_eq!(read("{\"now\":0.1}", Some("now")), Some(0.1));
    for (text, field) in
        [("", None), ("-0.1", None), ("NaN", None), ("0.3 EUR", None), ("{}", Some("now")), ("[", Some("x"))]
    {
        assert_eq!(read(text, field), None, "{text}");
    }
}

#[tokio::test]
async fn a_file_that_changes_is_read_anew_and_one_that_is_gone_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("price");
    let source = PriceSource::File { path: path.clone(), field: None };
    let gone = source.read().await.expect_err("is not there");
    assert!(gone.to_string().contains("price"), "{gone}");
    for price in ["0.3", "0.4"] {
        std::fs::write(&path, price).expect("writes");
        assert_eq!(source.read().await.expect("reads").to_string(), price);
    }
}

#[tokio::test]
async fn a_command_speaks_on_its_standard_output_or_its_failure_is_told() {
    let run = |argv: &[&str]| {
        let argv = argv.iter().map(|one| (*one).to_owned()).collect();
        async move { PriceSource::Command { argv, field: None }.read().await }
    };
    assert_eq!(run(&["echo", "0.25"]).await.expect("reads").to_string(), "0.25");
    let failed = run(&["sh", "-c", "echo no power >&2; exit 3"]).await.expect_err("fails");
    assert!(failed.to_string().contains("no power"), "{failed}");
    assert!(run(&["a-program-that-is-not-there"]).await.is_err());
    assert!(matches!(run(&["echo", "dear"]).await, Err(SourceError::NoPrice { .. })));
}

/// A server that gives one answer a connection.
fn serve(answers: Vec<String>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/price", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = [0; 1_024];
            let _read = stream.read(&mut request);
            let _sent = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[tokio::test]
async fn a_url_is_fetched_within_bounds() {
    let answer = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    };
    let large = "9".repeat(100_000);
    let url = serve(vec![answer("200 OK", "{\"price\": 0.28}"), answer("503 Busy", "0.1"), answer("200 OK", &large)]);
    let source = PriceSource::Url { url, field: Some("price".to_owned()) };
    assert_eq!(source.read().await.expect("reads").to_string(), "0.28");
    assert!(source.read().await.expect_err("fails").to_string().contains("503"));
    assert!(source.read().await.expect_err("fails").to_string().contains("more than"));
    assert!(matches!(source.read().await, Err(SourceError::Url { .. })), "nobody is there any more");
}

#[tokio::test]
async fn energy_counters_of_whole_packages_are_added_also_across_their_end() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(matches!(power::packages(dir.path()).await, Err(PowerError::NoCounters(_))));
    let write = |zone: &str, uj: u64| {
        let zone = dir.path().join(zone);
        std::fs::create_dir_all(&zone).expect("makes");
        std::fs::write(zone.join("energy_uj"), uj.to_string()).expect("writes");
        std::fs::write(zone.join("max_energy_range_uj"), "100000000").expect("writes");
    };
    write("intel-rapl:0", 99_000_000);
    write("intel-rapl:1", 0);
    write("intel-rapl:0:0", 0);
    let change = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        write("intel-rapl:0", 4_000_000);
        write("intel-rapl:1", 10_000_000);
        write("intel-rapl:0:0", 50_000_000);
    };
    let (watts, ()) = tokio::join!(power::packages(dir.path()), change);
    // Fifteen joules in half a second and a bit.
    let watts = watts.expect("reads");
    assert!(watts > 10.0 && watts <= 30.0, "{watts}");
    assert!((Power::Model { idle_watts: 30.0, watts_a_core: 7.0 }.read(4).await.expect("reads") - 58.0).abs() < 1e-9);
}
