//! A chain of one: the real ledger, mempool, index and RPC server, with blocks made on demand in
//! this process instead of by consensus. Certificates and proofs are placeholders with known bytes.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use assay_chain::{
    index::{History, Index, IndexOptions, follow},
    mempool::{Admission, Limits, Mempool, Space, SubmitError},
    rpc::{Backend, Head, Health, RpcConfig, RpcServer, serve},
};
use assay_ledger::{BlockBuilder, BlockContext, CheckRules, Checked, MemState, StateRead, base_fee, genesis_state};
use assay_types::{
    FinalizedBlock, FinalizedTx, GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Params,
    block::SharedBlock,
    node::{Certificate, Quantiles, StateProof},
};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::RwLock;
use tokio::sync::broadcast;

pub(crate) const CHAIN_ID: u64 = 5_577;

/// The key of a funded test account.
pub(crate) fn key(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::left_padding_from(&[1, number])).expect("a valid scalar")
}

pub(crate) fn genesis() -> Genesis {
    let funded = |number| GenesisAccount { address: key(number).address(), balance: 1_000_000 * GRAINS_PER_KRT };
    Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: 1_700_000_000_000,
        accounts: (0..16).map(funded).collect(),
        validators: vec![GenesisValidator {
            account: Address::repeat_byte(0xaa),
            stake: GRAINS_PER_KRT,
            network_key: B256::repeat_byte(1),
            vote_key: vec![1; 48].into(),
            proof_of_possession: vec![1; 96].into(),
            address: "127.0.0.1:1".into(),
            commission_bps: 500,
        }],
        treasury: 0,
        params: Params { runtimes: vec![B256::repeat_byte(1)], ..Params::default() },
    }
}

/// A signed EIP-1559 transaction.
pub(crate) fn sign(key: &PrivateKeySigner, tx: TxEip1559) -> Bytes {
    let signature = key.sign_hash_sync(&tx.signature_hash()).expect("signs");
    TxEnvelope::Eip1559(tx.into_signed(signature)).encoded_2718().into()
}

/// A transfer of 5 grains.
pub(crate) fn transfer(to: Address, nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000,
        max_priority_fee_per_gas: 1_000,
        to: TxKind::Call(to),
        value: U256::from(5),
        ..TxEip1559::default()
    }
}

struct Chain {
    blocks: Vec<SharedBlock>,
    state: Arc<MemState>,
}

/// The node's side.
pub(crate) struct DevNode {
    genesis: Arc<Genesis>,
    pool: Arc<Mempool>,
    admission: Admission,
    chain: Arc<RwLock<Chain>>,
    finalized: broadcast::Sender<SharedBlock>,
}

impl DevNode {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        let genesis = genesis();
        let mut state = MemState::default();
        state.apply(&genesis_state(&genesis).expect("a good genesis"));
        let first = FinalizedBlock {
            height: 0,
            hash: genesis.hash(),
            parent_hash: B256::ZERO,
            timestamp_ms: genesis.timestamp_ms,
            proposer: Address::ZERO,
            state_root: B256::ZERO,
            transactions_root: B256::ZERO,
            receipts_root: B256::ZERO,
            beacon: genesis.hash(),
            base_fee: genesis.params.min_base_fee,
            gas_used: 0,
            gas_limit: genesis.params.block_gas_limit,
            size_bytes: 0,
            txs: vec![],
            end_logs: vec![],
        };
        let pool = Arc::new(Mempool::new(limits, CheckRules::of_genesis(&genesis), 0, base_fee(&state)));
        let chain = Arc::new(RwLock::new(Chain { blocks: vec![Arc::new(first)], state: Arc::new(state) }));
        let view = Arc::clone(&chain);
        let admission = Admission::start(Arc::clone(&pool), move || {
            let state: Arc<dyn StateRead> = view.read().state.clone();
            state
        });
        Arc::new(Self {
            genesis: Arc::new(genesis),
            pool,
            admission: admission.expect("starts"),
            chain,
            finalized: broadcast::Sender::new(64),
        })
    }

    /// Makes one block of what waits.
    pub(crate) fn produce(&self) -> SharedBlock {
        let (parent, state) = {
            let chain = self.chain.read();
            (Arc::clone(chain.blocks.last().expect("genesis")), Arc::clone(&chain.state))
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        let params = &self.genesis.params;
        let ctx = BlockContext {
            height: parent.height + 1,
            timestamp_ms: now.max(parent.timestamp_ms + 1),
            proposer: self.genesis.validators[0].account,
            beacon: keccak256(parent.beacon),
            crypto: &assay_chain::crypto::Bls,
        };
        let mut builder = BlockBuilder::new(&*state, ctx.clone());
        let space = Space { gas: params.block_gas_limit, bytes: params.block_bytes_limit as usize };
        let mut txs = Vec::new();
        for checked in self.pool.propose(&*state, base_fee(&*state), space) {
            match builder.add(&checked) {
                Ok(receipt) => txs.push(FinalizedTx { raw: checked.raw.clone(), receipt }),
                Err(_) => self.pool.remove(&checked.hash),
            }
        }
        let output = builder.finish().expect("the books balance");
        let mut next = (*state).clone();
        next.apply(&output.changes);
        let block = Arc::new(FinalizedBlock {
            height: ctx.height,
            hash: keccak256([parent.hash.as_slice(), &ctx.timestamp_ms.to_be_bytes()].concat()),
            parent_hash: parent.hash,
            timestamp_ms: ctx.timestamp_ms,
            proposer: ctx.proposer,
            state_root: keccak256(ctx.height.to_be_bytes()),
            transactions_root: keccak256(b"transactions"),
            receipts_root: output.receipts_root,
            beacon: ctx.beacon,
            base_fee: output.base_fee,
            gas_used: output.gas_used,
            gas_limit: params.block_gas_limit,
            size_bytes: txs.iter().map(|tx| tx.raw.len() as u64).sum::<u64>() + 500,
            txs,
            end_logs: output.end_logs,
        });
        let mut chain = self.chain.write();
        chain.blocks.push(Arc::clone(&block));
        chain.state = Arc::new(next);
        self.pool.finalized(&block, &*chain.state, base_fee(&*chain.state));
        drop(chain);
        self.finalized.send(Arc::clone(&block)).ok();
        block
    }

    pub(crate) fn tip(&self) -> SharedBlock {
        self.head().block
    }
}

impl Backend for DevNode {
    fn genesis(&self) -> Arc<Genesis> {
        Arc::clone(&self.genesis)
    }
    fn head(&self) -> Head {
        let chain = self.chain.read();
        Head { block: Arc::clone(chain.blocks.last().expect("genesis")), state: chain.state.clone() }
    }
    fn health(&self) -> Health {
        Health {
            peers: 3,
            waiting_txs: self.pool.len(),
            behind: None,
            finality_ms: Some(Quantiles { p50: 40, p99: 90 }),
        }
    }
    fn submit(&self, raw: Bytes) -> BoxFuture<'_, Result<B256, SubmitError>> {
        self.admission.submit(raw).boxed()
    }
    fn waiting(&self, hash: &B256) -> Option<Arc<Checked>> {
        self.pool.get(hash)
    }
    fn next_nonce(&self, sender: &Address) -> u64 {
        self.pool.next_nonce(sender, &*self.head().state)
    }
    fn certificate(&self, height: u64) -> BoxFuture<'_, Option<Certificate>> {
        let block = self.chain.read().blocks.get(height as usize).cloned();
        let certificate = move |block: SharedBlock| Certificate {
            height,
            hash: block.hash,
            header: vec![1, 2].into(),
            certificate: vec![3, 4].into(),
        };
        async move { block.map(certificate) }.boxed()
    }
    fn prove(&self, key: Vec<u8>) -> BoxFuture<'_, Option<StateProof>> {
        let Head { block, state } = self.head();
        let proof = StateProof {
            height: block.height,
            hash: block.hash,
            state_root: block.state_root,
            value: state.get(&key).map(Bytes::from),
            key: key.into(),
            proof: vec![5, 6].into(),
            header: vec![1, 2].into(),
            certificate: vec![3, 4].into(),
            handovers: Vec::new(),
        };
        async move { Some(proof) }.boxed()
    }
}

/// A node with its RPC server on a free port.
pub(crate) struct Dev {
    pub(crate) node: Arc<DevNode>,
    pub(crate) history: Arc<History>,
    pub(crate) server: Option<RpcServer>,
    pub(crate) address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Dev {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}, Limits::default()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut RpcConfig), limits: Limits) -> Self {
        let node = DevNode::new(limits);
        let dir = tempfile::tempdir().expect("temporary folder");
        let index = Index::open(&dir.path().join("index.redb"), node.genesis.hash(), IndexOptions::default());
        let index = Arc::new(index.expect("opens"));
        let history = History::start(Arc::clone(&index)).expect("starts");
        let finalized = node.finalized.subscribe();
        let (chain, shared) = (Arc::clone(&node.chain), Arc::clone(&history));
        tokio::spawn(async move {
            let replay =
                |height: u64| futures::future::ready(chain.read().blocks.get(height as usize).cloned()).boxed();
            follow(shared, &index, finalized, 0, 0, replay).await
        });
        let mut config = RpcConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        change(&mut config);
        let backend: Arc<dyn Backend> = node.clone();
        let server = serve(config, backend, Arc::clone(&history)).await.expect("serves");
        let dev = Self { address: server.address(), node, history, server: Some(server), _dir: dir };
        dev.filed(0).await;
        dev
    }

    pub(crate) fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn ws(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Makes a block and waits until the RPC knows it.
    pub(crate) async fn block(&self) -> SharedBlock {
        let block = self.node.produce();
        self.filed(block.height).await;
        block
    }

    async fn filed(&self, height: u64) {
        let until = tokio::time::Instant::now() + Duration::from_secs(10);
        while self.history.newest().is_none_or(|newest| newest.height < height) {
            assert!(tokio::time::Instant::now() < until, "block {height} was not filed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
