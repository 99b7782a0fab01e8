//! The real ledger as a chain in this process: blocks on a timer, no consensus.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use assay_client::{
    AccountState, BlockStream, Chain, ChainError, Fees, JobProof, LightError, LightVerifier, ProvenHeader, ProvenJob,
    Status, TxReceipt,
};
use assay_ledger::{
    BlockBuilder, BlockContext, CheckRules, Checked, ConsensusCrypto, Equivocation, MemState, Reject, StateRead,
    account, base_fee, check, genesis_state, keys, query,
};
use assay_types::{
    FinalizedBlock, Genesis, JobId, Params, RejectCode, Seat,
    view::{Books, JobSummary, JobView, ProviderView, WorkItem},
};
use async_trait::async_trait;
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// Nobody registers a validator or reports one here.
struct NoStaking;

impl ConsensusCrypto for NoStaking {
    fn possesses(&self, _: &[u8], _: &[u8]) -> bool {
        false
    }

    fn equivocator(&self, _: &B256, _: &[u8], _: &dyn Fn(u64) -> Option<Vec<Seat>>) -> Option<Equivocation> {
        None
    }
}

pub(crate) struct LedgerChain {
    genesis: Genesis,
    inner: Mutex<Inner>,
    blocks: broadcast::Sender<Arc<FinalizedBlock>>,
}

struct Inner {
    state: MemState,
    height: u64,
    time_ms: u64,
    pool: BTreeMap<(Address, u64), Checked>,
    receipts: HashMap<B256, TxReceipt>,
    failures: Vec<(Address, String)>,
}

impl LedgerChain {
    pub(crate) fn start(genesis: Genesis, interval: Duration) -> Arc<Self> {
        let mut state = MemState::default();
        state.apply(&genesis_state(&genesis).expect("a good genesis"));
        let time_ms = genesis.timestamp_ms;
        let inner =
            Inner { state, height: 0, time_ms, pool: BTreeMap::new(), receipts: HashMap::new(), failures: Vec::new() };
        let chain = Arc::new(Self { genesis, inner: Mutex::new(inner), blocks: broadcast::channel(1_024).0 });
        let weak = Arc::downgrade(&chain);
        tokio::spawn(async move {
            while let Some(chain) = weak.upgrade() {
                chain.tick();
                drop(chain);
                tokio::time::sleep(interval).await;
            }
        });
        chain
    }

    fn tick(&self) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let height = inner.height + 1;
        let validators = query::validators(&inner.state);
        let ctx = BlockContext {
            height,
            timestamp_ms: inner.time_ms + 50,
            proposer: validators[height as usize % validators.len()],
            beacon: keccak256(height.to_be_bytes()),
            crypto: &NoStaking,
        };
        let mut builder = BlockBuilder::new(&inner.state, ctx.clone());
        let mut included = Vec::new();
        inner.pool.retain(|_, tx| match builder.add(tx) {
            Ok(receipt) => {
                included.push(receipt);
                false
            }
            Err(reject) => matches!(reject, Reject::NonceGap | Reject::BlockGasFull | Reject::BlockBytesFull),
        });
        let output = builder.finish().expect("the books balance");
        inner.state.apply(&output.changes);
        inner.height = height;
        inner.time_ms = ctx.timestamp_ms;
        for receipt in included {
            if let Some(failure) = &receipt.failure {
                inner.failures.push((receipt.from, failure.name.clone()));
            }
            inner.receipts.insert(receipt.tx_hash, TxReceipt { height, receipt });
        }
        let block = FinalizedBlock {
            height,
            hash: keccak256(height.to_be_bytes()),
            parent_hash: B256::ZERO,
            timestamp_ms: ctx.timestamp_ms,
            proposer: ctx.proposer,
            state_root: root_of(&inner.state),
            transactions_root: B256::ZERO,
            receipts_root: output.receipts_root,
            beacon: ctx.beacon,
            base_fee: output.base_fee,
            gas_used: output.gas_used,
            gas_limit: self.genesis.params.block_gas_limit,
            size_bytes: 0,
            txs: Vec::new(),
            end_logs: output.end_logs,
        };
        // Nobody may be listening.
        self.blocks.send(Arc::new(block)).ok();
    }

    pub(crate) fn books(&self) -> Books {
        assay_ledger::books(&self.inner.lock().state).expect("readable")
    }

    /// Calls of `account` that the ledger refused.
    pub(crate) fn failures_of(&self, account: Address) -> Vec<String> {
        let inner = self.inner.lock();
        inner.failures.iter().filter(|(who, _)| *who == account).map(|(_, name)| name.clone()).collect()
    }

    fn read<T>(&self, read: impl FnOnce(&MemState) -> T) -> Result<T, ChainError> {
        Ok(read(&self.inner.lock().state))
    }
}

/// Stands in for a state root: one of job results is all these tests prove against.
fn root_of(state: &MemState) -> B256 {
    let mut bytes = Vec::new();
    state.scan(&[], None).for_each(|(key, value)| bytes.extend(keccak256([key, value].concat())));
    keccak256(bytes)
}

fn rejected(reject: Reject) -> ChainError {
    let code: RejectCode = reject.code();
    ChainError::Rejected { code, name: reject.name().to_owned(), detail: String::new() }
}

#[async_trait]
impl Chain for LedgerChain {
    async fn status(&self) -> Result<Status, ChainError> {
        let inner = self.inner.lock();
        Ok(Status {
            chain_id: self.genesis.chain_id,
            genesis_hash: self.genesis.hash(),
            height: inner.height,
            hash: keccak256(inner.height.to_be_bytes()),
            state_root: B256::ZERO,
            timestamp_ms: inner.time_ms,
        })
    }

    async fn genesis(&self) -> Result<Genesis, ChainError> {
        Ok(self.genesis.clone())
    }

    async fn params(&self) -> Result<Params, ChainError> {
        Ok(self.genesis.params.clone())
    }

    async fn account(&self, address: Address) -> Result<AccountState, ChainError> {
        let inner = self.inner.lock();
        let found = account(&inner.state, address);
        let waiting = (found.nonce..).take_while(|nonce| inner.pool.contains_key(&(address, *nonce))).count() as u64;
        Ok(AccountState { nonce: found.nonce, pending_nonce: found.nonce + waiting, balance: found.balance })
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        self.read(|state| Fees { base_fee: base_fee(state), priority_fee: 1 })
    }

    async fn send_raw(&self, raw: Bytes) -> Result<B256, ChainError> {
        let tx = check(&raw, &CheckRules::of_genesis(&self.genesis)).map_err(rejected)?;
        let mut inner = self.inner.lock();
        if tx.nonce < account(&inner.state, tx.sender).nonce {
            return Err(rejected(Reject::NonceTooLow));
        }
        let hash = tx.hash;
        inner.pool.insert((tx.sender, tx.nonce), tx);
        Ok(hash)
    }

    async fn receipt(&self, hash: B256) -> Result<Option<TxReceipt>, ChainError> {
        Ok(self.inner.lock().receipts.get(&hash).cloned())
    }

    async fn job(&self, id: JobId) -> Result<Option<JobView>, ChainError> {
        self.read(|state| query::job(state, id))
    }

    async fn jobs(&self, renter: Option<Address>, limit: u32) -> Result<Vec<JobSummary>, ChainError> {
        self.read(|state| query::jobs(state, renter, limit as usize))
    }

    async fn work(&self, account: Address) -> Result<Vec<WorkItem>, ChainError> {
        self.read(|state| query::work(state, account))
    }

    async fn providers(&self) -> Result<Vec<ProviderView>, ChainError> {
        self.read(query_providers)
    }

    async fn block(&self, _: u64) -> Result<Option<Arc<FinalizedBlock>>, ChainError> {
        Ok(None)
    }

    async fn subscribe_blocks(&self) -> Result<BlockStream, ChainError> {
        let blocks = futures::stream::unfold(self.blocks.subscribe(), |mut blocks| async move {
            loop {
                match blocks.recv().await {
                    Ok(block) => return Some((block, blocks)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        Ok(blocks.boxed())
    }

    async fn job_proof(&self, id: JobId) -> Result<Option<JobProof>, ChainError> {
        let inner = self.inner.lock();
        let key = keys::job_result(id);
        let Some(value) = inner.state.get(&key) else { return Ok(None) };
        let (hash, state_root) = (keccak256(inner.height.to_be_bytes()), root_of(&inner.state));
        let header = [inner.height.to_be_bytes().as_slice(), hash.as_slice(), state_root.as_slice()].concat();
        Ok(Some(JobProof {
            height: inner.height,
            hash,
            state_root,
            proof: keccak256([state_root.as_slice(), &key, &value].concat()).to_vec().into(),
            key: key.into(),
            value: Some(value.into()),
            certificate: keccak256([b"validators".as_slice(), &header].concat()).to_vec().into(),
            header: header.into(),
            handovers: Vec::new(),
        }))
    }
}

fn query_providers(state: &MemState) -> Vec<ProviderView> {
    query::providers(state)
}

/// Reads the proofs above.
pub(crate) struct TestLight;

impl LightVerifier for TestLight {
    fn verify_header(&self, _: &Genesis, proof: &JobProof) -> Result<ProvenHeader, LightError> {
        let header = &proof.header;
        if keccak256([b"validators".as_slice(), header].concat()).as_slice() != proof.certificate.as_ref() {
            return Err(LightError("not signed by the validators".into()));
        }
        Ok(ProvenHeader {
            height: u64::from_be_bytes(header[..8].try_into().expect("8 bytes")),
            hash: B256::from_slice(&header[8..40]),
            state_root: B256::from_slice(&header[40..]),
            timestamp_ms: 0,
        })
    }

    fn verify_job(&self, state_root: &B256, job: &JobId, proof: &JobProof) -> Result<ProvenJob, LightError> {
        let key = keys::job_result(*job);
        let value = proof.value.clone().unwrap_or_default();
        if keccak256([state_root.as_slice(), &key, &value].concat()).as_slice() != proof.proof.as_ref() {
            return Err(LightError("not under this root".into()));
        }
        let result = assay_ledger::JobResult::decode(&value).ok_or(LightError("no result".into()))?;
        Ok(ProvenJob {
            renter: result.renter,
            outcome: result.outcome,
            cause: result.cause,
            result_root: result.result_root,
            leaves_hash: result.leaves_hash,
            fuel: result.fuel,
            paid: result.paid,
            closed_at: result.closed_at,
            tasks: result.tasks,
            spec_hash: result.spec_hash,
        })
    }
}
