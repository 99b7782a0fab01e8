//! Transactions: who sends them, to which validator, and in which block they are final.

use std::collections::BTreeMap;

use alloy_consensus::TxEip1559;
use alloy_primitives::TxKind;
use assay_chain::{
    Node,
    mempool::{PoolError, SubmitError},
};
use assay_client::Wallet;
use assay_ledger::account;
use assay_types::{Address, B256, Bytes, FinalizedBlock, U256, system::JOBS};
use rand::RngExt as _;

use super::{
    World,
    genesis::{CHAIN_ID, FORKED, REFUSED, SENDERS},
    job,
    scenario::Kind,
};
use crate::names::{address, wallet};

/// More than any base fee of a run.
const MAX_FEE: u128 = 10_000_000_000;
const TRANSFER_GAS: u64 = 21_000;
/// More than any call here takes; what is not used is not paid.
pub(super) const CALL_GAS: u64 = 3_000_000;
/// After which a client tries another validator, simulated milliseconds.
const RETRY_MS: u64 = 1_000;
const TRANSFER_EVERY_MS: u64 = 150;
const FORK_EVERY_MS: u64 = 300;

/// A transaction that is not final yet.
struct Waiting {
    hash: B256,
    raw: Bytes,
    tried_ms: u64,
}

struct Account {
    wallet: Wallet,
    nonce: u64,
    waiting: BTreeMap<u64, Waiting>,
}

/// What was sent, and what is final.
#[derive(Default)]
pub(super) struct Load {
    accounts: BTreeMap<String, Account>,
    /// Height at which each is final.
    pub(super) finals: BTreeMap<B256, u64>,
    transfers_due_ms: u64,
    forks_due_ms: u64,
}

impl Load {
    /// Transactions that are not final yet.
    pub(super) fn waiting(&self) -> Vec<B256> {
        self.accounts.values().flat_map(|account| account.waiting.values().map(|waiting| waiting.hash)).collect()
    }

    /// Whether all that an account sent is final.
    pub(super) fn is_idle(&self, name: &str) -> bool {
        self.accounts.get(name).is_none_or(|account| account.waiting.is_empty())
    }

    /// Takes a finalized block in.
    pub(super) fn file(&mut self, block: &FinalizedBlock) {
        for tx in &block.txs {
            let hash = tx.receipt.tx_hash;
            let before = self.finals.insert(hash, block.height);
            assert_eq!(before, None, "transaction {hash} is in two blocks, the second at {}", block.height);
            let failure = &tx.receipt.failure;
            assert!(failure.is_none(), "a transaction of {} failed: {failure:?}", tx.receipt.from);
        }
        for account in self.accounts.values_mut() {
            account.waiting.retain(|_, waiting| !self.finals.contains_key(&waiting.hash));
        }
    }
}

impl World {
    /// Signs a transaction, and hands it to an honest validator.
    pub(super) fn send(&mut self, name: &str, to: Address, value: u128, gas_limit: u64, input: Bytes) -> B256 {
        let entry = self.load.accounts.entry(name.to_owned());
        let account = entry.or_insert_with(|| Account { wallet: wallet(name), nonce: 0, waiting: BTreeMap::new() });
        let (hash, raw) = sign(&account.wallet, account.nonce, to, value, gas_limit, input);
        account.waiting.insert(account.nonce, Waiting { hash, raw, tried_ms: 0 });
        account.nonce += 1;
        self.push_waiting();
        hash
    }

    /// Hands what is not final, and was not tried for a while, to an honest validator.
    pub(super) fn push_waiting(&mut self) {
        let now = self.now_ms();
        let nodes: Vec<Node> = self.honest().map(|(_, node)| node.clone()).collect();
        if nodes.is_empty() {
            return;
        }
        for (name, account) in &mut self.load.accounts {
            for waiting in account.waiting.values_mut() {
                if waiting.tried_ms != 0 && now < waiting.tried_ms + RETRY_MS {
                    continue;
                }
                waiting.tried_ms = now;
                let node = &nodes[self.rng.random_range(0..nodes.len())];
                match node.submit(waiting.raw.clone()) {
                    Ok(_) | Err(SubmitError::Stopped) => {}
                    // It waits there, or is final there.
                    Err(SubmitError::Pool(PoolError::AlreadyKnown | PoolError::NonceTooLow { .. })) => {}
                    Err(refused) => panic!("an honest validator refused a transaction of {name}: {refused}"),
                }
            }
        }
    }

    /// Transfers when they are due.
    pub(super) fn transfer(&mut self) {
        let now = self.now_ms();
        if now >= self.load.transfers_due_ms {
            self.load.transfers_due_ms = now + TRANSFER_EVERY_MS;
            let sender = SENDERS[self.rng.random_range(0..SENDERS.len())];
            self.send(sender, Address::repeat_byte(0x55), 1, TRANSFER_GAS, Bytes::new());
            if self.scenario.byzantine.iter().any(|one| one.kind == Kind::Censor) {
                let job = self.censorship.next_is_a_job();
                let hash = if job {
                    let (call, escrow) = job::submission();
                    self.send(REFUSED, JOBS, escrow, CALL_GAS, call)
                } else {
                    self.send(REFUSED, Address::repeat_byte(0x56), 1, TRANSFER_GAS, Bytes::new())
                };
                self.censorship.follow(hash, job);
            }
        }
        if now >= self.load.forks_due_ms {
            self.load.forks_due_ms = now + FORK_EVERY_MS;
            self.fork();
        }
    }

    /// Gives the halves of equivocators different transactions to put into their blocks.
    fn fork(&self) {
        let Some((_, state)) = self.best().and_then(|node| node.tip_state()) else { return };
        let nonce = account(&state, address(FORKED)).nonce;
        for running in self.validators.iter().flatten() {
            let Some(twin) = &running.twin else { continue };
            for (half, node) in [(0x66, &running.node), (0x77, twin)] {
                let (_, raw) = sign(&wallet(FORKED), nonce, Address::repeat_byte(half), 1, TRANSFER_GAS, Bytes::new());
                // It may have the other's already.
                node.submit(raw).ok();
            }
        }
    }
}

fn sign(wallet: &Wallet, nonce: u64, to: Address, value: u128, gas_limit: u64, input: Bytes) -> (B256, Bytes) {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit,
        max_fee_per_gas: MAX_FEE,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::from(value),
        input,
        ..Default::default()
    };
    wallet.sign(tx).expect("a key signs")
}
