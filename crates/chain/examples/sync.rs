//! How long a fresh node takes to the head of a long chain: state sync over JSON-RPC, then following.
//!
//! `cargo run --release -p assay-chain --example sync -- [BLOCKS] [ACCOUNTS]` makes a chain of one
//! validator with BLOCKS blocks (100,000 unless told) and at least ACCOUNTS accounts (10,000), both on
//! this machine's disk, then starts an empty follower on it. The chain goes on meanwhile.

use std::{
    error::Error,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use assay_chain::{
    Host, HostedNode, Node, NodeConfig,
    index::IndexOptions,
    keys::ValidatorKeys,
    mempool::Limits,
    rpc::{RpcConfig, serve_node},
    sync::{FollowerConfig, SYNC_BEYOND},
    upstream::{Pool, RpcUpstream, Upstream},
};
use assay_types::{GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Params};

const CHAIN_ID: u64 = 710_012;

fn transfer(from: &PrivateKeySigner, nonce: u64) -> Result<Bytes, Box<dyn Error>> {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::left_padding_from(&(0x1_0000 + nonce).to_be_bytes())),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    let signature = from.sign_hash_sync(&tx.signature_hash())?;
    Ok(TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into())
}

fn height(node: &Node) -> u64 {
    node.tip().map_or(0, |tip| tip.height)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let blocks: u64 = args.next().map_or(Ok(100_000), |text| text.parse())?;
    let accounts: u64 = args.next().map_or(Ok(10_000), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let sender = PrivateKeySigner::from_bytes(&B256::repeat_byte(7))?;
    let keys = ValidatorKeys::generate(&mut rand::rng());
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let genesis = Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: u64::try_from(now.as_millis())?,
        accounts: vec![GenesisAccount { address: sender.address(), balance: 1_000_000 * GRAINS_PER_KRT }],
        validators: vec![GenesisValidator {
            account: Address::repeat_byte(0xa0),
            stake: GRAINS_PER_KRT,
            network_key: keys.network_key(),
            vote_key: keys.vote_key(),
            proof_of_possession: keys.proof_of_possession(),
            commission_bps: 0,
            address: listen.to_string(),
        }],
        treasury: 0,
        // As fast as one validator goes, and at least two epochs.
        params: Params {
            min_block_interval_ms: 1,
            idle_block_interval_ms: 1,
            seal_window: 10_000,
            seal_window_ms: 10_000,
            validator_epoch_blocks: u32::try_from(blocks / 14)?.clamp(2, 7_200),
            ..Params::default()
        },
    };
    let config = NodeConfig {
        genesis: genesis.clone(),
        keys,
        partition: "validator".to_owned(),
        mempool: Limits::default(),
        retention: Default::default(),
        guard: None,
    };
    let host = Host::start(dir.path().join("validator"), vec![HostedNode { config, listen }], 2)?;
    let node = host.nodes()[0].clone();
    let begun = Instant::now();
    let mut sent = 0;
    while height(&node) < blocks {
        while sent < accounts && node.mempool().len() < 200 {
            node.submit(transfer(&sender, sent)?)?;
            sent += 1;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("{} blocks and {sent} transfers made in {:.0} s", height(&node), begun.elapsed().as_secs_f64());

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let index = dir.path().join("index.redb");
    let rpc = RpcConfig::new("127.0.0.1:0".parse()?);
    let served = runtime.block_on(serve_node(node.clone(), &index, IndexOptions::default(), rpc))?;
    let upstream: Arc<dyn Upstream> = Arc::new(RpcUpstream::new(&format!("http://{}", served.server().address()))?);
    let config = FollowerConfig {
        genesis,
        partition: "follower".to_owned(),
        mempool: Limits::default(),
        retention: Default::default(),
        sync_beyond: SYNC_BEYOND,
    };
    let (head, begun) = (height(&node), Instant::now());
    let follower = Host::follow(dir.path().join("follower"), config, Pool::new([upstream]), 2)?;
    let fresh = &follower.nodes()[0];
    println!("state of block {} after {:.2} s", fresh.first_block(), begun.elapsed().as_secs_f64());
    while height(fresh) < head {
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("block {head}, the head when it began, after {:.2} s", begun.elapsed().as_secs_f64());
    while height(&node) > height(fresh) + 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("within two blocks of the chain, at {}, after {:.2} s", height(fresh), begun.elapsed().as_secs_f64());
    let (_, state) = fresh.tip_state().ok_or("no state")?;
    println!("the state has {} entries", state.len());
    follower.stop();
    host.stop();
    runtime.block_on(served.stop());
    Ok(())
}
