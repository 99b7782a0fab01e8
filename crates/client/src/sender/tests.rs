//! A node that forgets, refuses and lags, and a sender that gets everything done once.

use std::collections::BTreeMap;

use alloy_consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable};
use alloy_eips::Decodable2718;
use assay_types::{
    FinalizedBlock, Genesis, JobId, Params, Receipt,
    view::{JobSummary, JobView, ProviderView, WorkItem},
};
use async_trait::async_trait;
use parking_lot::Mutex as SyncMutex;

use super::*;
use crate::{
    chain::{AccountState, BlockStream, JobProof, Status},
    host::TokioHost,
};

const CHAIN_ID: u64 = 1_337;

/// One account's worth of a chain: a block whenever someone looks for a receipt.
#[derive(Default)]
struct Node {
    state: SyncMutex<State>,
}

#[derive(Default)]
struct State {
    nonce: u64,
    base_fee: u128,
    pool: BTreeMap<u64, TxEnvelope>,
    included: Vec<TxEnvelope>,
    receipts: BTreeMap<B256, TxReceipt>,
    /// Transactions swallowed without a trace.
    forget: u32,
    /// Answers that get lost on the way, after the transaction was taken.
    lose: u32,
    /// Blocks stay empty.
    frozen: bool,
    fail_with: Option<TxFailure>,
}

impl Node {
    fn refuse<T>(name: &str) -> Result<T, ChainError> {
        Err(ChainError::Rejected { code: 1, name: name.to_owned(), detail: String::new() })
    }

    fn block(&self) {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.frozen {
            return;
        }
        while let Some(tx) = state.pool.get(&state.nonce).cloned() {
            if tx.max_fee_per_gas() < state.base_fee {
                return;
            }
            state.pool.remove(&state.nonce);
            state.nonce += 1;
            let receipt = Receipt {
                tx_hash: *tx.tx_hash(),
                from: Address::ZERO,
                to: Address::ZERO,
                failure: state.fail_with.clone(),
                gas_used: 0,
                cumulative_gas_used: 0,
                effective_gas_price: 0,
                logs: Vec::new(),
            };
            state.receipts.insert(receipt.tx_hash, TxReceipt { height: state.nonce, receipt });
            state.included.push(tx);
        }
    }

    fn values(&self) -> Vec<u128> {
        self.state.lock().included.iter().map(|tx| tx.value().to()).collect()
    }
}

#[async_trait]
impl Chain for Node {
    async fn status(&self) -> Result<Status, ChainError> {
        Self::refuse("unused")
    }
    async fn genesis(&self) -> Result<Genesis, ChainError> {
        Self::refuse("unused")
    }
    async fn params(&self) -> Result<Params, ChainError> {
        Self::refuse("unused")
    }
    async fn account(&self, _: Address) -> Result<AccountState, ChainError> {
        let state = self.state.lock();
        let waiting = (state.nonce..).take_while(|nonce| state.pool.contains_key(nonce)).count() as u64;
        Ok(AccountState { nonce: state.nonce, pending_nonce: state.nonce + waiting, balance: 0 })
    }
    async fn fees(&self) -> Result<Fees, ChainError> {
        Ok(Fees { base_fee: self.state.lock().base_fee, priority_fee: 1 })
    }
    async fn send_raw(&self, raw: Bytes) -> Result<B256, ChainError> {
        let tx = TxEnvelope::decode_2718(&mut raw.as_ref()).expect("decodes");
        tx.recover_signer().expect("is signed");
        let mut state = self.state.lock();
        if tx.nonce() < state.nonce {
            return Self::refuse("NonceTooLow");
        }
        if let Some(before) = state.pool.get(&tx.nonce()).cloned()
            && before.tx_hash() != tx.tx_hash()
            && tx.max_fee_per_gas() < before.max_fee_per_gas() * 9 / 8
        {
            return Self::refuse("ReplacementUnderpriced");
        }
        let hash = *tx.tx_hash();
        if state.forget > 0 {
            state.forget -= 1;
            return Ok(hash);
        }
        state.pool.insert(tx.nonce(), tx);
        if state.lose > 0 {
            state.lose -= 1;
            return Err(ChainError::Unreachable("the answer got lost".into()));
        }
        Ok(hash)
    }
    async fn receipt(&self, hash: B256) -> Result<Option<TxReceipt>, ChainError> {
        self.block();
        Ok(self.state.lock().receipts.get(&hash).cloned())
    }
    async fn job(&self, _: JobId) -> Result<Option<JobView>, ChainError> {
        Self::refuse("unused")
    }
    async fn jobs(&self, _: Option<Address>, _: u32) -> Result<Vec<JobSummary>, ChainError> {
        Self::refuse("unused")
    }
    async fn work(&self, _: Address) -> Result<Vec<WorkItem>, ChainError> {
        Self::refuse("unused")
    }
    async fn providers(&self) -> Result<Vec<ProviderView>, ChainError> {
        Self::refuse("unused")
    }
    async fn block(&self, _: u64) -> Result<Option<Arc<FinalizedBlock>>, ChainError> {
        Self::refuse("unused")
    }
    async fn subscribe_blocks(&self) -> Result<BlockStream, ChainError> {
        Self::refuse("unused")
    }
    async fn job_proof(&self, _: JobId) -> Result<Option<JobProof>, ChainError> {
        Self::refuse("unused")
    }
}

fn setup(change: impl FnOnce(&mut State)) -> (Arc<Node>, TxSender) {
    let node = Arc::new(Node::default());
    {
        let mut state = node.state.lock();
        state.base_fee = 10;
        change(&mut state);
    }
    let config = SenderConfig {
        poll: Duration::from_millis(2),
        resend_after: Duration::from_millis(10),
        give_up_after: Duration::from_millis(400),
        base_fee_headroom: 2,
    };
    let wallet = Wallet::from_key(&B256::repeat_byte(3)).expect("a key");
    let sender = TxSender::new(node.clone(), Arc::new(TokioHost), wallet, CHAIN_ID, config);
    (node, sender)
}

fn request(value: u128) -> TxRequest {
    TxRequest::transfer(Address::repeat_byte(5), value)
}

#[tokio::test]
async fn many_at_once_each_happen_once_in_the_order_of_their_nonces() {
    let (node, sender) = setup(|_| {});
    let sent = futures::future::join_all((1..=20).map(|value| sender.send(request(value)))).await;
    assert!(sent.iter().all(Result::is_ok));
    assert_eq!(node.values(), (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_nonce_used_elsewhere_is_noticed_and_another_taken() {
    let (node, sender) = setup(|_| {});
    sender.send(request(1)).await.expect("sends");
    node.state.lock().nonce = 7;
    sender.send(request(2)).await.expect("recovers");
    assert_eq!(node.values(), [1, 2]);
    assert_eq!(node.state.lock().nonce, 8);
}

#[tokio::test]
async fn what_a_node_forgot_is_handed_in_again() {
    let (node, sender) = setup(|state| state.forget = 2);
    sender.send(request(1)).await.expect("gets there");
    assert_eq!(node.values(), [1]);
}

#[tokio::test]
async fn a_lost_answer_does_not_send_twice() {
    let (node, sender) = setup(|state| state.lose = 2);
    sender.send(request(1)).await.expect("gets there");
    sender.send(request(2)).await.expect("gets there");
    assert_eq!(node.values(), [1, 2]);
}

#[tokio::test]
async fn a_fee_that_is_no_longer_enough_is_raised_under_the_same_nonce() {
    let (node, sender) = setup(|state| state.frozen = true);
    let rise = async {
        tokio::time::sleep(Duration::from_millis(8)).await;
        let mut state = node.state.lock();
        state.base_fee = 1_000;
        state.frozen = false;
    };
    let (sent, ()) = futures::join!(sender.send(request(1)), rise);
    sent.expect("gets there");
    assert_eq!(node.values(), [1]);
    assert_eq!(node.state.lock().included[0].nonce(), 0);
}

#[tokio::test]
async fn what_is_given_up_leaves_no_gap_behind() {
    let (node, sender) = setup(|state| state.frozen = true);
    assert!(matches!(sender.send(request(1)).await, Err(TxError::Stuck { .. })));
    node.state.lock().frozen = false;
    sender.send(request(2)).await.expect("is not stuck behind it");
    assert_eq!(node.values(), [0, 2], "its nonce went to an empty transfer");
}

#[tokio::test]
async fn a_refused_call_tells_its_code_and_name() {
    let failure = TxFailure { code: 148, name: "WrongPhase".into() };
    let (_, sender) = setup(|state| state.fail_with = Some(failure.clone()));
    let error = sender.send(request(1)).await.expect_err("failed");
    assert_eq!(error.name(), Some("WrongPhase"));
    assert!(matches!(error, TxError::Failed { failure: found, height: 1, .. } if found == failure));
}

#[tokio::test]
async fn what_must_be_sent_once_is_and_what_was_refused_may_be_again() {
    let (node, sender) = setup(|_| {});
    let noted = std::cell::Cell::new(None);
    let once = |value| {
        let known: Option<u64> = noted.get();
        let sender = &sender;
        async move {
            let mut last = known;
            let sent = sender.send_once(request(value), known, |nonce| {
                last = nonce;
                Ok::<_, TxError>(())
            });
            let sent = sent.await;
            (sent, last)
        }
    };
    node.state.lock().fail_with = Some(TxFailure { code: 1, name: "No".into() });
    let (sent, last) = once(1).await;
    assert!(matches!(sent, Err(TxError::Failed { .. })) && last.is_none(), "it may be tried again");
    node.state.lock().fail_with = None;
    let (sent, last) = once(1).await;
    assert!(sent.expect("gets there").is_some());
    assert_eq!(last, Some(1), "its nonce was noted");
    noted.set(last);
    let (sent, last) = once(1).await;
    assert!(sent.expect("is there").is_none(), "not once more");
    assert_eq!((last, node.values().len()), (Some(1), 2));
    noted.set(Some(2));
    assert!(once(2).await.0.expect("gets there").is_some(), "a nonce that never left this machine");
    assert_eq!(node.values(), [1, 1, 2]);
}
