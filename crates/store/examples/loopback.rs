//! How fast blobs move and are sealed on this machine: `cargo run --release -p assay-store --example loopback`.
//!
//! Prints MB/s (10^6 bytes a second) for one blob of 256 MiB over loopback, plain TCP beside it as
//! the bound, and latencies of small requests. Figures, not assertions.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use assay_store::{
    BlobId, BlobNode, BlobStore, Blobs, JobKey, NodeConfig, StoreConfig, open_blob, seal_blob,
    transfer::{ExpectedBlobs, RefusePuts},
};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const BLOB_BYTES: usize = 256 << 20;
const ROUNDS: usize = 5;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut blob = vec![0; BLOB_BYTES];
    blake3::Hasher::new().finalize_xof().fill(&mut blob);
    let blob = Bytes::from(blob);

    let dirs = [tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?];
    let store = |i: usize, quota_bytes| BlobStore::open(dirs[i].path(), StoreConfig { quota_bytes });
    let loopback = "127.0.0.1:0".parse()?;
    let expected = Arc::new(ExpectedBlobs::default());
    let holder = BlobNode::spawn(NodeConfig::new([1; 32], loopback), store(0, u64::MAX)?, expected.clone()).await?;
    let keeper = BlobNode::spawn(NodeConfig::new([2; 32], loopback), store(1, u64::MAX)?, Arc::new(RefusePuts)).await?;
    // Without a quota nothing is kept, so only the transfer is timed.
    let passer = BlobNode::spawn(NodeConfig::new([3; 32], loopback), store(2, 0)?, Arc::new(RefusePuts)).await?;
    let sources = [holder.source()];

    let mut tcp = Vec::new();
    for _ in 0..ROUNDS {
        tcp.push(plain_tcp(blob.clone()).await?);
    }
    let tcp = median(tcp);
    println!("plain TCP                    {:>8.0} MB/s", rate(tcp));

    let id = holder.put(blob.clone()).await?;
    let (mut get, mut keep, mut push) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        get.push(timed(passer.get(id, u64::MAX, &sources)).await?);
        keep.push(timed(keeper.get(id, u64::MAX, &sources)).await?);
        keeper.store().remove(&id)?;
        holder.store().remove(&id)?;
        expected.expect(id, u64::MAX, [0; 32]);
        push.push(timed(keeper.push(&holder.source(), blob.clone())).await?);
    }
    for (what, samples) in [("get", get), ("get and keep on disk", keep), ("push and keep on disk", push)] {
        let took = median(samples);
        println!("{what:<28} {:>8.0} MB/s, {:.2} of TCP", rate(took), tcp.as_secs_f64() / took.as_secs_f64());
    }

    let small = holder.put(Bytes::from_static(&[7; 1024])).await?;
    let (mut asks, mut gets) = (Vec::new(), Vec::new());
    for _ in 0..2000 {
        asks.push(timed(passer.has(&holder.source(), small)).await?);
        gets.push(timed(passer.get(small, 1024, &sources)).await?);
    }
    println!("has                          {:>8.0} us p50", median(asks).as_secs_f64() * 1e6);
    println!("get of 1 KiB                 {:>8.0} us p50", median(gets).as_secs_f64() * 1e6);

    let mut puts = Vec::new();
    for n in 0..500u32 {
        let bytes = Bytes::from([n.to_le_bytes().as_slice(), &[7; 1020]].concat());
        puts.push(timed(keeper.put(bytes)).await?);
    }
    println!("put of 1 KiB, durable        {:>8.0} us p50", median(puts).as_secs_f64() * 1e6);

    let key = JobKey::generate()?;
    let start = Instant::now();
    let sealed = seal_blob(&key, b"bench", &blob);
    println!("seal                         {:>8.0} MB/s", rate(start.elapsed()));
    let start = Instant::now();
    open_blob(&key, b"bench", &sealed)?;
    println!("open                         {:>8.0} MB/s", rate(start.elapsed()));
    let start = Instant::now();
    let named = BlobId::of(&blob);
    println!("hash                         {:>8.0} MB/s ({named})", rate(start.elapsed()));

    for node in [holder, keeper, passer] {
        node.shutdown().await;
    }
    Ok(())
}

async fn plain_tcp(blob: Bytes) -> Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut client = TcpStream::connect(listener.local_addr()?).await?;
    let (mut server, _) = listener.accept().await?;
    let start = Instant::now();
    let sending = tokio::spawn(async move { server.write_all(&blob).await });
    let mut received = vec![0; BLOB_BYTES];
    client.read_exact(&mut received).await?;
    sending.await??;
    Ok(start.elapsed())
}

async fn timed<T, E: Error + 'static>(work: impl Future<Output = std::result::Result<T, E>>) -> Result<Duration> {
    let start = Instant::now();
    work.await?;
    Ok(start.elapsed())
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

fn rate(took: Duration) -> f64 {
    BLOB_BYTES as f64 / took.as_secs_f64() / 1e6
}
