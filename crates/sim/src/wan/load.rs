//! Clients of the simulated network: transfers at a steady rate, each account at a validator of its own.

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use assay_client::Wallet;

use super::network::CHAIN_ID;

/// Accounts that pay; those of one validator's clients are every `validators`-th.
const ACCOUNTS: usize = 200;
/// Receives all transfers.
const RECEIVER: Address = Address::repeat_byte(0x55);

/// The accounts and how far they are.
pub(super) struct Clients {
    wallets: Vec<Wallet>,
    nonces: Vec<u64>,
    next: usize,
}

impl Clients {
    /// All accounts, before their first transfer.
    pub(super) fn new() -> Self {
        let key = |at: usize| {
            let mut key = [0x17; 32];
            key[..8].copy_from_slice(&(at as u64 + 1).to_be_bytes());
            Wallet::from_key(&B256::from(key)).expect("a key")
        };
        Self { wallets: (0..ACCOUNTS).map(key).collect(), nonces: vec![0; ACCOUNTS], next: 0 }
    }

    /// Who needs an opening balance.
    pub(super) fn addresses(&self) -> Vec<Address> {
        self.wallets.iter().map(Wallet::address).collect()
    }

    /// The next signed transfer, and the validator of `validators` that its client talks to.
    pub(super) fn transfer(&mut self, validators: usize) -> (usize, Bytes) {
        let at = self.next % ACCOUNTS;
        self.next += 1;
        let tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: self.nonces[at],
            gas_limit: 21_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(RECEIVER),
            value: U256::from(1),
            ..TxEip1559::default()
        };
        self.nonces[at] += 1;
        let (_, raw) = self.wallets[at].sign(tx).expect("a key signs");
        (at % validators, raw)
    }
}
