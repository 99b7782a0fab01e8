//! What the record answers over HTTP.

use std::collections::BTreeSet;

use assay_indexer::{Index, Until, methods, openapi};
use assay_types::abi::{IJobs, IMarket};
use jsonrpsee::{
    core::{client::ClientT, params::ArrayParams},
    http_client::HttpClientBuilder,
    rpc_params,
    server::Server,
};
use serde_json::{Value, json};

use crate::{
    chain::{self, account, epoch, job_id, jobs, market},
    database::Database,
    http::Http,
    node::TestNode,
};

crate::on_both!(
    the_greatest_numbers_lose_no_digit,
    lists_are_paged_in_both_orders_without_gap_or_double,
    ranges_are_of_epochs_heights_and_numbers,
    bad_parameters_are_named,
    orders_and_jobs_show_what_became_of_them,
    classes_show_their_latest_prices,
    csv_has_all_epochs_however_many,
    what_is_not_there_and_what_cannot_be_done_is_said_in_json,
    a_broken_database_is_said_without_its_details,
    an_empty_record_answers,
    json_rpc_answers_what_rest_does,
);

async fn filled(database: &Database, length: u64) -> (TestNode, Index, Http) {
    let node = TestNode::start(length).await;
    let index = database.open().await;
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    let http = Http::of(&index).await;
    (node, index, http)
}

async fn the_greatest_numbers_lose_no_digit(database: Database) {
    let node = TestNode::start(1).await;
    let (most, wide) = (u128::MAX, u64::MAX);
    let job = job_id(1);
    node.push(vec![
        market(&IMarket::Cleared {
            class: u32::MAX,
            window: u32::MAX,
            price: most,
            volume: wide,
            low: most,
            high: most,
        }),
        market(&IMarket::EpochClosed {
            class: u32::MAX,
            epoch: (1 << 53) - 1,
            open: most,
            high: most,
            low: most,
            close: most,
            volume: wide,
            turnover: most,
            utilisationBps: u32::MAX,
            index: most,
            printed: true,
        }),
        market(&IMarket::OrderPlaced {
            id: 1,
            owner: account(wide),
            class: u32::MAX,
            window: 0,
            side: 1,
            price: most,
            quantity: wide,
            minFill: wide,
            expires: wide,
        }),
        market(&IMarket::OrderFilled { id: 1, price: most, quantity: wide, left: wide }),
        market(&IMarket::OrderClosed { id: 1, reason: u8::MAX, refunded: most }),
        jobs(&IJobs::JobSubmitted { job, renter: account(1), tasks: u32::MAX, lots: u32::MAX, escrow: most }),
        jobs(&IJobs::LotSettled { job, lot: 0, fuel: wide, paid: most - 1 }),
        jobs(&IJobs::LotSettled { job, lot: 1, fuel: wide, paid: 1 }),
    ]);
    let index = database.open().await;
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    let http = Http::of(&index).await;
    let (most, wide) = (most.to_string(), wide.to_string());
    let clearings = http.good("/v1/classes/4294967295/clearings").await;
    let expected = json!({"height": 2, "time": 1_700_000_001, "class": u32::MAX, "window": u32::MAX, "price": most,
        "volume": wide, "low": most, "high": most});
    assert_eq!(clearings, json!({"items": [expected], "next": null}));
    let epochs = http.good("/v1/classes/4294967295/epochs").await;
    let expected = json!({"class": u32::MAX, "epoch": 9_007_199_254_740_991_u64, "height": 2, "time": 1_700_000_001,
        "open": most, "high": most, "low": most, "close": most, "volume": wide, "turnover": most,
        "utilisation_bps": u32::MAX, "index": most, "printed": true});
    assert_eq!(epochs["items"], json!([expected]));
    let order = http.good("/v1/orders/1").await;
    let fills = json!({"items": [{"height": 2, "price": most, "quantity": wide, "left": wide}], "next": null});
    assert_eq!(order["fills"], fills);
    for (name, value) in
        [("price", &most), ("quantity", &wide), ("min_fill", &wide), ("expires", &wide), ("refunded", &most)]
    {
        assert_eq!(order[name], **value, "{name}");
    }
    assert_eq!((&order["side"], &order["close_reason"]), (&"ask".into(), &255.into()));
    let job = http.good(&format!("/v1/jobs/{job}")).await;
    let fuel = (u128::from(u64::MAX) * 2).to_string();
    assert_eq!((&job["fuel"], &job["paid"], &job["escrow"]), (&fuel.into(), &most.clone().into(), &most.into()));
    assert_eq!((&job["tasks"], &job["lots_settled"], &job["closed_at"]), (&u32::MAX.into(), &2.into(), &Value::Null));
}

/// All items of a list, page by page.
async fn walk(http: &Http, path: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = http.good(&format!("{path}limit={limit}{cursor}")).await;
        let more = page["items"].as_array().expect("a list").clone();
        assert!(more.len() <= limit);
        items.extend(more);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
        assert!(items.len() < 10_000, "{path} does not end");
    }
}

async fn lists_are_paged_in_both_orders_without_gap_or_double(database: Database) {
    let (node, index, http) = filled(&database, 120).await;
    // Several of one height, so that a page may end between them.
    let clear = |window, price| market(&IMarket::Cleared { class: 1, window, price, volume: 1, low: 1, high: 9 });
    let filled = |price| market(&IMarket::OrderFilled { id: 3, price, quantity: 1, left: 9 });
    node.push((0..9).flat_map(|n| [clear(n, 5), filled(u128::from(n))]).collect());
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    let owner = account(1);
    let lists = [
        ("/v1/classes/1/epochs?".to_owned(), 24),
        ("/v1/classes/1/clearings?".to_owned(), 30 + 9),
        ("/v1/classes/2/clearings?window=3&".to_owned(), 15),
        (format!("/v1/orders?owner={owner}&"), 20),
        ("/v1/jobs?".to_owned(), 40),
        (format!("/v1/jobs?renter={owner}&"), 20),
    ];
    for (path, count) in lists {
        let mut whole = walk(&http, &path, 1_000).await;
        assert_eq!(whole.len(), count, "{path}");
        for limit in [1, 4, count - 1, count, count + 1] {
            assert_eq!(walk(&http, &path, limit).await, whole, "{path} by {limit}");
        }
        whole.reverse();
        assert_eq!(walk(&http, &format!("{path}order=oldest&"), 7).await, whole, "{path} oldest first");
    }
    let (mut fills, mut cursor) = (Vec::new(), String::new());
    loop {
        let order = http.good(&format!("/v1/orders/3?order=oldest&limit=4{cursor}")).await;
        fills.extend(order["fills"]["items"].as_array().expect("a list").clone());
        let Some(next) = order["fills"]["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let prices: Vec<_> = fills.iter().skip(1).map(|fill| fill["price"].as_str().expect("digits").to_owned()).collect();
    assert_eq!(prices, (0..9).map(|n| n.to_string()).collect::<Vec<_>>());
}

async fn ranges_are_of_epochs_heights_and_numbers(database: Database) {
    let (_node, _index, http) = filled(&database, 120).await;
    let numbers = |list: &Value, name: &str| {
        let items = list["items"].as_array().expect("a list");
        items.iter().map(|item| item[name].as_u64().expect("a number")).collect::<Vec<_>>()
    };
    let epochs = http.good("/v1/classes/1/epochs?from=3&to=6").await;
    assert_eq!(numbers(&epochs, "epoch"), [6, 5, 4, 3]);
    let clearings = http.good("/v1/classes/1/clearings?from=10&to=18&order=oldest").await;
    assert_eq!(numbers(&clearings, "height"), [10, 14, 18]);
    let orders = http.good(&format!("/v1/orders?owner={:#x}&from=4&to=7", account(1))).await;
    assert_eq!(numbers(&orders, "id"), [7, 5]);
    let late = http.good("/v1/jobs?from=115").await;
    assert_eq!(numbers(&late, "submitted_at"), [120, 117]);
    for nothing in
        ["/v1/classes/1/epochs?from=1000", "/v1/jobs?from=18446744073709551615", "/v1/classes/2/clearings?window=4"]
    {
        assert_eq!(http.good(nothing).await, json!({"items": [], "next": null}), "{nothing}");
    }
}

async fn bad_parameters_are_named(database: Database) {
    let (_node, _index, http) = filled(&database, 10).await;
    let cases = [
        ("/v1/classes/one/epochs", "id", "'one' is not a whole number"),
        ("/v1/classes/4294967296/epochs", "id", "below 2^32"),
        ("/v1/classes/1/epochs?limit=0", "limit", "not from 1 to 1000"),
        ("/v1/classes/1/epochs?limit=1001", "limit", "not from 1 to 1000"),
        ("/v1/classes/1/epochs?limit=-1", "limit", "whole number"),
        ("/v1/classes/1/epochs?from=2&to=1", "from", "is after to"),
        ("/v1/classes/1/epochs?from=18446744073709551616", "from", "below 2^64"),
        ("/v1/classes/1/epochs?order=up", "order", "newest or oldest"),
        ("/v1/classes/1/epochs?cursor=7", "cursor", "'next' of the page before"),
        ("/v1/classes/1/epochs?cursor=-7.0", "cursor", "'next' of the page before"),
        ("/v1/classes/1/epochs?cursor=18446744073709551615.0", "cursor", "'next' of the page before"),
        ("/v1/classes/1/epochs?window=1", "window", "no such parameter"),
        ("/v1/classes/1/epochs?limit=1&limit=2", "limit", "twice"),
        ("/v1/classes/1/clearings?window=x", "window", "whole number"),
        ("/v1/orders", "owner", "missing"),
        ("/v1/orders?owner=0x12", "owner", "40 hexadecimal digits"),
        ("/v1/orders/1e3", "id", "whole number"),
        ("/v1/jobs?renter=me", "renter", "an address"),
        ("/v1/jobs/0x12", "id", "64 hexadecimal digits"),
        ("/v1/prices.csv", "class", "missing"),
        ("/v1/prices.csv?class=1&limit=3", "limit", "no such parameter"),
        ("/v1/status?pretty", "pretty", "no such parameter"),
    ];
    for (path, parameter, words) in cases {
        let (status, named, message) = http.refused(path).await;
        assert_eq!((status, named.as_str()), (400, parameter), "{path}: {message}");
        assert!(message.contains(words), "{path}: {message}");
    }
}

async fn orders_and_jobs_show_what_became_of_them(database: Database) {
    let (_node, _index, http) = filled(&database, 20).await;
    // Placed at 6 with 5,000, amended there to 4,000, filled by 1,000 and cancelled at 7.
    let order = http.good("/v1/orders/2").await;
    let expected = json!({"id": 2, "owner": format!("{:#x}", account(0)), "class": 1, "window": 0, "side": "bid",
        "price": "1061", "quantity": "5000", "left": "3000", "min_fill": "0", "expires": "96", "placed_at": 6,
        "amended_at": 6, "closed_at": 7, "close_reason": 2, "refunded": "77",
        "fills": {"items": [{"height": 7, "price": "1000", "quantity": "1000", "left": "3000"}], "next": null}});
    assert_eq!(order, expected);
    // Placed at 18, closed at 19: the last of all.
    let job = http.good(&format!("/v1/jobs/{}", job_id(18))).await;
    let expected = json!({"id": job_id(18).to_string(), "renter": format!("{:#x}", account(0)), "tasks": 4, "lots": 2,
        "escrow": "1200", "submitted_at": 18, "lots_settled": 2, "fuel": "30000", "paid": "601", "closed_at": 19,
        "outcome": 1, "cause": 0, "refunded": "299"});
    assert_eq!(job, expected);
    // An address may be written in any case.
    let owner = account(1).to_string().to_uppercase().replacen("0X", "0x", 1);
    let orders = http.good(&format!("/v1/orders?owner={owner}")).await;
    assert_eq!(orders["items"].as_array().map(Vec::len), Some(3));
}

async fn classes_show_their_latest_prices(database: Database) {
    let (node, index, http) = filled(&database, 20).await;
    let classes = http.good("/v1/classes").await;
    let seen: Vec<_> = classes
        .as_array()
        .expect("a list")
        .iter()
        .map(|class| {
            (
                class["id"].as_u64(),
                class["first_height"].as_u64(),
                class["last"]["height"].as_u64(),
                class["epoch"]["epoch"].as_u64(),
            )
        })
        .collect();
    // Class 2 cleared at 16 too, but for a later window.
    assert_eq!(seen, [(Some(1), Some(2), Some(18), Some(4)), (Some(2), Some(4), Some(20), Some(4))]);
    node.push(vec![market(&epoch(9, 5, 50))]);
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    let classes = http.good("/v1/classes").await;
    assert_eq!((&classes[2]["id"], &classes[2]["last"]), (&9.into(), &Value::Null));
    assert_eq!(classes[2]["epoch"]["close"], "53");
}

async fn csv_has_all_epochs_however_many(database: Database) {
    const MANY: u64 = 2_345;
    let (node, index, http) = filled(&database, 3).await;
    node.push((1..=MANY).map(|number| market(&epoch(5, number, u128::from(number) * 100))).collect());
    index.follow(&node.client(), Until::Head).await.expect("it follows");
    let (status, head, body) = http.ask("GET", "/v1/prices.csv?class=5").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/csv"), "{head}");
    let lines: Vec<_> = body.lines().collect();
    assert_eq!(lines.len() as u64, MANY + 1);
    assert_eq!(lines[0], "class,epoch,height,time,open,high,low,close,volume,turnover,utilisation_bps,index,printed");
    assert_eq!(lines[1_000], "5,1000,4,1700000002,100000,100040,99960,100003,123000,12300000,7512,100001,true");
    for (number, line) in (1..).zip(&lines[1..]) {
        assert!(line.starts_with(&format!("5,{number},4,")), "{line}");
    }
    let (_, _, some) = http.ask("GET", "/v1/prices.csv?class=5&from=999&to=1001").await;
    assert_eq!(some.lines().skip(1).collect::<Vec<_>>(), lines[999..1_002]);
}

async fn what_is_not_there_and_what_cannot_be_done_is_said_in_json(database: Database) {
    let (_node, _index, http) = filled(&database, 10).await;
    let job = format!("/v1/jobs/{}", job_id(77));
    for path in [
        "/",
        "/v1",
        "/v1/classes/7/epochs",
        "/v1/classes/7/clearings",
        "/v1/prices.csv?class=7",
        "/v1/orders/77",
        "/v1/orders/18446744073709551615",
        &job,
    ] {
        let (status, _, message) = http.refused(path).await;
        assert_eq!(status, 404, "{path}: {message}");
        assert!(!message.is_empty(), "{path}");
    }
    let (status, _, body) = http.ask("POST", "/v1/status").await;
    assert_eq!(status, 405);
    assert!(body.contains("can only be read"), "{body}");
}

async fn a_broken_database_is_said_without_its_details(database: Database) {
    let (_node, _index, http) = filled(&database, 10).await;
    database.run("UPDATE epochs SET close = 'secret'").await;
    for path in ["/v1/classes/1/epochs", "/v1/prices.csv?class=1", "/v1/classes"] {
        let (status, _, message) = http.refused(path).await;
        assert_eq!(status, 500, "{path}");
        assert!(message.contains("operator") && !message.contains("secret"), "{message}");
    }
    http.good("/v1/status").await;
}

async fn an_empty_record_answers(database: Database) {
    let index = database.open().await;
    let http = Http::of(&index).await;
    let nothing = json!({"chain_id": null, "genesis_hash": null, "height": 0, "hash": null, "time": null,
        "node_height": null, "lag": null});
    assert_eq!(http.good("/v1/status").await, nothing);
    assert_eq!(http.good("/v1/classes").await, json!([]));
    assert_eq!(http.good("/v1/jobs").await, json!({"items": [], "next": null}));
    let node = TestNode::start(4).await;
    index.follow(&node.client(), Until::Height(3)).await.expect("it follows");
    let status = http.good("/v1/status").await;
    assert_eq!((&status["chain_id"], &status["time"]), (&"4242".into(), &1_700_000_001.into()));
    assert_eq!((&status["height"], &status["node_height"], &status["lag"]), (&3.into(), &4.into(), &1.into()));
    assert_eq!(status["hash"], chain::chain(node.held().genesis, 3)[3].hash.to_string());
}

async fn json_rpc_answers_what_rest_does(database: Database) {
    let (_node, index, http) = filled(&database, 60).await;
    let server = Server::builder().build("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", server.local_addr().expect("an address"));
    let _running = server.start(methods(index).expect("no name twice"));
    let client = HttpClientBuilder::default().build(url).expect("an address");
    let ask = async |method: &str, params| client.request::<Value, ArrayParams>(method, params).await;
    let part = json!({"from": 2, "to": 9, "limit": 3});
    for (method, params, path) in [
        ("assay_priceStatus", rpc_params![], "/v1/status"),
        ("assay_priceClasses", rpc_params![], "/v1/classes"),
        ("assay_priceEpochs", rpc_params![1], "/v1/classes/1/epochs"),
        ("assay_priceEpochs", rpc_params![1, &part], "/v1/classes/1/epochs?from=2&to=9&limit=3"),
        ("assay_priceClearings", rpc_params![2, json!({"window": 3})], "/v1/classes/2/clearings?window=3"),
        (
            "assay_priceClearings",
            rpc_params![1, json!({"order": "oldest", "cursor": "10.1"})],
            "/v1/classes/1/clearings?order=oldest&cursor=10.1",
        ),
    ] {
        assert_eq!(ask(method, params).await.expect(path), http.good(path).await, "{method} and {path}");
    }
    for (part, words) in [
        (json!({"limit": 1001}), "limit"),
        (json!({"from": 2, "to": 1}), "from"),
        (json!({"cursor": "x"}), "cursor"),
        (json!({"order": "up"}), "`newest` or `oldest`"),
        (json!({"window": 0}), "window"),
        (json!({"page": 1}), "unknown field `page`"),
    ] {
        let error = ask("assay_priceEpochs", rpc_params![1, &part]).await.expect_err("it is bad");
        let jsonrpsee::core::client::Error::Call(object) = error else { panic!("{error}") };
        assert_eq!(object.code(), -32_602, "{part}");
        assert!(format!("{object:?}").contains(words), "{part}: {object:?}");
    }
}

#[tokio::test]
async fn the_openapi_document_describes_every_address_and_shape() {
    let database = Database::sqlite();
    let (_node, _index, http) = filled(&database, 20).await;
    let document = http.good("/openapi.json").await;
    assert_eq!(document, serde_json::to_value(openapi()).expect("JSON"));
    let paths: BTreeSet<_> = document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
    assert_eq!(
        paths.into_iter().collect::<Vec<_>>(),
        [
            "/v1/classes",
            "/v1/classes/{id}/clearings",
            "/v1/classes/{id}/epochs",
            "/v1/jobs",
            "/v1/jobs/{id}",
            "/v1/orders",
            "/v1/orders/{id}",
            "/v1/prices.csv",
            "/v1/status"
        ]
    );
    // What is answered has the fields that are described, no more and no fewer.
    let job = format!("/v1/jobs/{}", job_id(3));
    let answers = [
        ("Status", "/v1/status"),
        ("Class", "/v1/classes"),
        ("Epoch", "/v1/classes/1/epochs"),
        ("Clearing", "/v1/classes/1/clearings"),
        ("Job", &job),
    ];
    for (schema, path) in answers {
        let answer = http.good(path).await;
        let item = answer.get("items").unwrap_or(&answer);
        let item = item.get(0).unwrap_or(item);
        let fields = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
        let described = &document["components"]["schemas"][schema]["properties"];
        assert_eq!(fields(item), fields(described), "{schema}");
    }
}
