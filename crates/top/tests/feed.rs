//! The feed against a real JSON-RPC server that goes away and comes back.

mod support;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use assay_top::{
    Node, NodeError, Options, Size, TopError,
    feed::follow,
    model::{Model, Update},
    once,
};
use jsonrpsee::{
    RpcModule,
    server::{Server, ServerConfig, ServerHandle},
    types::ErrorObjectOwned,
};
use support::{NOW_MS, market, rich};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

type Answer<T> = Result<T, ErrorObjectOwned>;

/// A node's answers at a height that grows with each question for it; without the market if it is `old`.
fn module(height: Arc<AtomicU64>, old: bool) -> RpcModule<Arc<AtomicU64>> {
    let mut module = RpcModule::new(height);
    let of = |height: &AtomicU64| rich(height.load(Ordering::Relaxed));
    module
        .register_method("assay_status", move |_, height, _| {
            height.fetch_add(1, Ordering::Relaxed);
            Answer::Ok(of(height).status)
        })
        .expect("new");
    module
        .register_method("assay_genesis", |_, _, _| Answer::Ok(serde_json::json!({ "validators": [{}, {}, {}, {}] })))
        .expect("new");
    module
        .register_method("eth_getBlockByNumber", |params, _, _| {
            let (tag, whole): (String, bool) = params.parse()?;
            assert_eq!((tag.as_str(), whole), ("latest", false));
            Answer::Ok(serde_json::json!({ "number": "0x1", "baseFeePerGas": "0x3b9aca07" }))
        })
        .expect("new");
    module.register_method("assay_providers", move |_, height, _| Answer::Ok(of(height).providers)).expect("new");
    module
        .register_method("assay_jobs", move |params, height, _| {
            let (renter, limit): (Option<String>, usize) = params.parse()?;
            assert_eq!(renter, None);
            Answer::Ok(of(height).jobs.into_iter().take(limit).collect::<Vec<_>>())
        })
        .expect("new");
    if old {
        return module;
    }
    module.register_method("assay_marketClasses", move |_, height, _| Answer::Ok(of(height).classes)).expect("new");
    module
        .register_method("assay_marketBook", |params, _, _| {
            let (class, window): (u32, u32) = params.parse()?;
            assert_eq!(window, 0);
            Answer::Ok(market(class, 1_000_000_000_000 * u128::from(class)).book)
        })
        .expect("new");
    module
        .register_method("assay_marketPrices", |params, _, _| {
            let (class, _, limit): (u32, u32, usize) = params.parse()?;
            let epochs = market(class, 1_000_000_000_000 * u128::from(class)).epochs;
            Answer::Ok(epochs.into_iter().take(limit).collect::<Vec<_>>())
        })
        .expect("new");
    module
        .register_method("assay_orders", |params, _, _| {
            let (owner, _): (Option<String>, usize) = params.parse()?;
            assert_eq!(owner, None);
            Answer::Ok(Vec::<()>::new())
        })
        .expect("new");
    module
}

async fn serve(at: SocketAddr, height: &Arc<AtomicU64>, old: bool) -> (SocketAddr, ServerHandle) {
    // Connections of the server before may still hold the port for a moment.
    for _ in 0..100 {
        let built = Server::builder().set_config(ServerConfig::builder().build()).build(at).await;
        if let Ok(server) = built {
            let bound = server.local_addr().expect("bound");
            return (bound, server.start(module(Arc::clone(height), old)));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{at} stays taken");
}

async fn next(updates: &mut mpsc::Receiver<Update>) -> Update {
    timeout(PATIENCE, updates.recv()).await.expect("in time").expect("the feed goes on")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_goes_away_and_comes_back_is_followed_again() {
    let height = Arc::new(AtomicU64::new(100));
    let (at, server) = serve(([127, 0, 0, 1], 0).into(), &height, false).await;
    let (choose, chosen) = watch::channel(None);
    let (send, mut updates) = mpsc::channel(1);
    let node = Node::new(&format!("ws://{at}"), Duration::from_secs(5)).expect("an address");
    let feed = tokio::spawn(follow(node, Duration::from_millis(20), chosen, send));

    let mut model = Model::new("node");
    model.apply(next(&mut updates).await, NOW_MS);
    assert_eq!(model.market().expect("the first class's").book.class, 1);
    let snapshot = model.snapshot.as_ref().expect("fresh");
    assert_eq!((snapshot.base_fee, snapshot.validators), (Some(1_000_000_007), Some(4)));
    assert_eq!((snapshot.classes.len(), snapshot.jobs.len(), &snapshot.refused), (6, 30, &Vec::new()));

    // Another class: its book comes, and not under the old one's name.
    choose.send(Some(3)).expect("the feed listens");
    model.chosen = Some(3);
    for _ in 0..5 {
        model.apply(next(&mut updates).await, NOW_MS);
        if model.market().is_some() {
            break;
        }
    }
    assert_eq!(model.market().expect("the chosen class's").book.reference, 3_000_000_000_000);

    server.stop().expect("runs");
    server.stopped().await;
    let mut waits = Vec::new();
    while waits.len() < 3 {
        let update = next(&mut updates).await;
        if let Update::Trouble(trouble) = &update {
            assert!(trouble.error.contains("was not answered"), "{}", trouble.error);
            waits.push(trouble.retry_in);
        }
        model.apply(update, NOW_MS);
    }
    assert_eq!(waits, [250, 500, 1_000].map(Duration::from_millis));
    assert!(model.trouble.is_some() && model.snapshot.is_some(), "what was known stays on the screen");

    let before = model.snapshot.as_ref().expect("kept").status.height;
    let (_, server) = serve(at, &height, false).await;
    loop {
        model.apply(next(&mut updates).await, NOW_MS);
        if model.trouble.is_none() {
            break;
        }
    }
    assert!(model.snapshot.as_ref().expect("fresh").status.height > before);

    drop(updates);
    timeout(PATIENCE, feed).await.expect("ends when nobody listens").expect("no panic");
    server.stop().expect("runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_frame_needs_no_terminal_and_errors_help() {
    let height = Arc::new(AtomicU64::new(12_000));
    let (at, server) = serve(([127, 0, 0, 1], 0).into(), &height, false).await;
    let url = format!("http://{at}");
    let size = Size { columns: 120, rows: 40 };
    let of = |class: &str| Options { class: Some(class.to_owned()), ..Options::default() };
    let text = once(&url, size, &of("bandwidth")).await.expect("a frame");
    assert_eq!(text.lines().count(), 40);
    assert!(text.contains("book of bandwidth") && text.contains("12,00"), "{text}");

    let error = once(&url, size, &of("nope")).await.expect_err("no such class");
    assert!(matches!(&error, TopError::Class { known, .. } if known.starts_with("cpu, ")), "{error}");
    for bad in ["127.0.0.1:8545", "ftp://x", "http://", ""] {
        let error = once(bad, size, &Options::default()).await.expect_err("no address");
        assert!(matches!(error, TopError::Node(NodeError::Url { .. })), "{bad}: {error}");
    }
    server.stop().expect("runs");
    server.stopped().await;
    let error = once(&url, size, &Options::default()).await.expect_err("nobody there");
    assert!(error.to_string().starts_with("assay_status was not answered"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_from_before_the_market_is_shown_as_far_as_it_goes() {
    let height = Arc::new(AtomicU64::new(5));
    let (at, server) = serve(([127, 0, 0, 1], 0).into(), &height, true).await;
    let size = Size { columns: 80, rows: 24 };
    let text = once(&format!("http://{at}"), size, &Options::default()).await.expect("a frame");
    assert!(text.contains("trades no classes") && text.contains("the node refuses assay_marketClasses"), "{text}");
    assert!(text.contains("jobs · 10 open of 30"), "{text}");
    server.stop().expect("runs");
}
