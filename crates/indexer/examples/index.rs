//! The price record as a program of its own: `index NODE DATABASE LISTEN`, as
//! `index http://127.0.0.1:8545 sqlite:prices.db 127.0.0.1:8600`. With a fourth word, `rebuild`, it
//! empties the record and fills it from block 1 first.

use anyhow::Context as _;
use assay_indexer::{Index, Node, Until, serve};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (node, database, listen, rebuild) = match words.as_slice() {
        [node, database, listen] => (node, database, listen, false),
        [node, database, listen, word] if word == "rebuild" => (node, database, listen, true),
        _ => anyhow::bail!("usage: index NODE DATABASE LISTEN [rebuild]"),
    };
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let (node, index) = (Node::new(node)?, Index::open(database).await?);
    if rebuild {
        index.rebuild(&node, |at| eprintln!("block {} of {}", at.height, at.head)).await?;
    }
    tokio::select! {
        ended = index.follow(&node, Until::Forever) => ended.map(drop)?,
        served = serve(index.clone(), listener, async { tokio::signal::ctrl_c().await.unwrap_or_default() }) => served?,
    }
    index.close().await;
    Ok(())
}
