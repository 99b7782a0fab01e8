//! A node's JSON-RPC over a real socket: the methods a record is filled from, with the encodings and
//! bounds of the node's own server, over blocks that a case makes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use alloy_primitives::{B256, U64, keccak256};
use alloy_rpc_types_eth::{Block, BlockNumberOrTag, BlockTransactions, Filter, FilterBlockOption, Header, Log};
use assay_indexer::Node;
use assay_types::{FinalizedBlock, node::NodeStatus};
use jsonrpsee::{
    RpcModule, SubscriptionMessage,
    server::{Server, ServerConfig, ServerHandle},
    types::ErrorObjectOwned,
};
use tokio::sync::broadcast;

use crate::chain;

/// What the node holds and allows; a case changes it as it likes.
pub(crate) struct Held {
    pub(crate) genesis: B256,
    pub(crate) blocks: Vec<FinalizedBlock>,
    /// Blocks and logs of one log query.
    pub(crate) most: (u64, usize),
    /// Blocks below are no longer held.
    pub(crate) pruned: u64,
    /// Changes logs on their way out.
    pub(crate) tamper: fn(&mut Vec<Log>),
    /// Log queries and whole blocks asked for.
    pub(crate) asked: (u32, u32),
}

/// A running node.
pub(crate) struct TestNode {
    held: Arc<Mutex<Held>>,
    heads: broadcast::Sender<u64>,
    address: SocketAddr,
    handle: ServerHandle,
}

struct Context {
    held: Arc<Mutex<Held>>,
    heads: broadcast::Sender<u64>,
}

type Reply<T> = Result<T, ErrorObjectOwned>;

impl Context {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no case panics with it")
    }
}

impl TestNode {
    /// A node with a chain of so many blocks.
    pub(crate) async fn start(length: u64) -> Self {
        let genesis = B256::repeat_byte(7);
        Self::of(genesis, chain::chain(genesis, length)).await
    }

    pub(crate) async fn of(genesis: B256, blocks: Vec<FinalizedBlock>) -> Self {
        Self::at("127.0.0.1:0", genesis, blocks).await
    }

    /// A node behind something that lets no WebSocket through.
    pub(crate) async fn without_websocket(length: u64) -> Self {
        let genesis = B256::repeat_byte(7);
        let config = ServerConfig::builder().http_only().build();
        Self::with(config, "127.0.0.1:0", genesis, chain::chain(genesis, length)).await
    }

    /// A node at an address.
    pub(crate) async fn at(address: &str, genesis: B256, blocks: Vec<FinalizedBlock>) -> Self {
        Self::with(ServerConfig::default(), address, genesis, blocks).await
    }

    async fn with(config: ServerConfig, address: &str, genesis: B256, blocks: Vec<FinalizedBlock>) -> Self {
        let held = Held { genesis, blocks, most: (100_000, 10_000), pruned: 0, tamper: |_| (), asked: (0, 0) };
        let held = Arc::new(Mutex::new(held));
        let heads = broadcast::channel(64).0;
        let server = Server::builder().set_config(config).build(address).await.expect("a free port");
        let address = server.local_addr().expect("an address");
        let handle = server.start(methods(Context { held: held.clone(), heads: heads.clone() }));
        Self { held, heads, address, handle }
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no case panics with it")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> Node {
        Node::new(&self.url()).expect("an address")
    }

    /// Finalizes blocks until the chain has this height.
    pub(crate) fn grow(&self, height: u64) {
        let mut held = self.held();
        let whole = chain::chain(held.genesis, height);
        let more = whole.into_iter().skip(held.blocks.len()).collect::<Vec<_>>();
        for block in more {
            let at = block.height;
            held.blocks.push(block);
            // Nobody may be listening.
            self.heads.send(at).ok();
        }
    }

    /// Finalizes a block with these events at its end.
    pub(crate) fn push(&self, end: Vec<alloy_primitives::Log>) {
        let mut held = self.held();
        let next = chain::block(held.blocks.last().expect("one at least"), Vec::new(), end);
        held.blocks.push(next);
    }

    pub(crate) async fn stop(self) {
        self.handle.stop().ok();
        self.handle.stopped().await;
    }
}

fn methods(context: Context) -> RpcModule<Context> {
    let mut module = RpcModule::new(context);
    let declared = module.register_method("assay_status", |_, ctx, _| {
        let held = ctx.held();
        let head = held.blocks.last().expect("one at least");
        Reply::Ok(NodeStatus {
            chain_id: 4242,
            genesis_hash: held.genesis,
            height: head.height,
            hash: head.hash,
            state_root: head.state_root,
            timestamp_ms: head.timestamp_ms,
            syncing: false,
            peers: 3,
            waiting_txs: 0,
            finality_ms: None,
            version: "test".to_owned(),
        })
    });
    declared.expect("a new name");
    let declared =
        module.register_method("eth_blockNumber", |_, ctx, _| Reply::Ok(U64::from(ctx.held().blocks.len() - 1)));
    declared.expect("a new name");
    let declared = module.register_method("eth_getBlockByNumber", |params, ctx, _| {
        let mut params = params.sequence();
        let tag: BlockNumberOrTag = params.next()?;
        let held = ctx.held();
        let height = tag.as_number().unwrap_or(held.blocks.len() as u64 - 1);
        let block = held.blocks.get(height as usize).filter(|block| block.height >= held.pruned);
        Reply::Ok(block.map(shape))
    });
    declared.expect("a new name");
    let declared = module.register_method("assay_block", |params, ctx, _| {
        let height: u64 = params.one()?;
        let mut held = ctx.held();
        held.asked.1 += 1;
        Reply::Ok(held.blocks.get(height as usize).cloned())
    });
    declared.expect("a new name");
    let declared = module.register_method("eth_getLogs", |params, ctx, _| logs(&mut ctx.held(), &params.one()?));
    declared.expect("a new name");
    let declared = module.register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        |_, pending, ctx, _| async move {
            let mut heads = ctx.heads.subscribe();
            let sink = pending.accept().await?;
            while let Ok(height) = heads.recv().await {
                let header = ctx.held().blocks.get(height as usize).map(header);
                let text = serde_json::value::to_raw_value(&header)?;
                sink.send(SubscriptionMessage::new(sink.method_name(), sink.subscription_id(), &text)?).await?;
            }
            Ok(())
        },
    );
    declared.expect("a new name");
    module
}

fn header(block: &FinalizedBlock) -> Header {
    let inner = alloy_consensus::Header {
        parent_hash: block.parent_hash,
        number: block.height,
        timestamp: block.timestamp_ms / 1_000,
        base_fee_per_gas: Some(1),
        ..alloy_consensus::Header::default()
    };
    Header { hash: block.hash, inner, total_difficulty: None, size: None }
}

fn shape(block: &FinalizedBlock) -> Block {
    let hashes = block.txs.iter().map(|tx| tx.receipt.tx_hash).collect();
    let transactions = BlockTransactions::Hashes(hashes);
    Block { header: header(block), uncles: Vec::new(), transactions, withdrawals: None }
}

fn logs(held: &mut Held, filter: &Filter) -> Reply<Vec<Log>> {
    held.asked.0 += 1;
    let FilterBlockOption::Range { from_block, to_block } = filter.block_option else { panic!("a range is asked for") };
    let height = |tag: Option<BlockNumberOrTag>| tag.and_then(|tag| tag.as_number()).expect("a number");
    let (from, to) = (height(from_block), height(to_block));
    let refused = |message: String| ErrorObjectOwned::owned(-32_005, message, None::<()>);
    if to - from + 1 > held.most.0 {
        return Err(refused(format!("{} blocks, the limit is {}", to - from + 1, held.most.0)));
    }
    let mut found = Vec::new();
    for block in held.blocks.iter().filter(|block| (from..=to).contains(&block.height)) {
        for (index, log) in (0..).zip(block.logs()) {
            if filter.matches(log) {
                found.push(Log {
                    inner: log.clone(),
                    block_hash: Some(block.hash),
                    block_number: Some(block.height),
                    block_timestamp: Some(block.timestamp_ms / 1_000),
                    transaction_hash: Some(keccak256(block.height.to_be_bytes())),
                    transaction_index: Some(0),
                    log_index: Some(index),
                    removed: false,
                });
            }
        }
    }
    if found.len() > held.most.1 {
        return Err(refused(format!("more than {} logs", held.most.1)));
    }
    (held.tamper)(&mut found);
    Ok(found)
}
