//! How many transfers a second the ledger executes, signature recovery left out.
//!
//! `cargo run --release -p assay-ledger --example transfers`: 2,000 accounts in a ring, blocks of 2,000
//! transfers, each block's changes applied before the next.

use std::time::Instant;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use assay_ledger::{BlockBuilder, BlockContext, Checked, ConsensusCrypto, Equivocation, MemState, genesis_state};
use assay_types::{Call, GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Params, Seat};

const ACCOUNTS: u32 = 2_000;
const BLOCKS: u64 = 50;

fn account(index: u32) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

fn genesis() -> Genesis {
    Genesis {
        chain_id: 1,
        timestamp_ms: 0,
        accounts: (0..ACCOUNTS)
            .map(|i| GenesisAccount { address: account(i), balance: 1_000 * GRAINS_PER_KRT })
            .collect(),
        validators: vec![GenesisValidator {
            account: account(u32::MAX),
            stake: 1,
            network_key: B256::ZERO,
            vote_key: vec![0; 48].into(),
            proof_of_possession: vec![0; 96].into(),
            address: String::new(),
            commission_bps: 0,
        }],
        treasury: 0,
        params: Params::default(),
    }
}

fn transfer(from: u32, nonce: u64) -> Checked {
    Checked {
        hash: keccak256([from.to_be_bytes().as_slice(), &nonce.to_be_bytes()].concat()),
        sender: account(from),
        nonce,
        gas_limit: 21_000,
        gas: 21_000,
        max_fee_per_gas: 1_000_000_000_000,
        max_priority_fee_per_gas: 1,
        value: 1,
        to: account((from + 1) % ACCOUNTS),
        call: Call::Transfer,
        raw: Bytes::from(vec![0; 110]),
    }
}

/// Nobody registers a validator or reports one here.
struct NoStaking;

impl ConsensusCrypto for NoStaking {
    fn possesses(&self, _: &[u8], _: &[u8]) -> bool {
        false
    }

    fn equivocator(&self, _: &[u8], _: &dyn Fn(u64) -> Option<Vec<Seat>>) -> Option<Equivocation> {
        None
    }
}

fn main() {
    let mut state = MemState::default();
    state.apply(&genesis_state(&genesis()).expect("a good genesis"));
    let (mut executing, mut applying) = (0.0, 0.0);
    for height in 1..=BLOCKS {
        let txs: Vec<_> = (0..ACCOUNTS).map(|from| transfer(from, height - 1)).collect();
        let ctx = BlockContext {
            height,
            timestamp_ms: height * 50,
            proposer: account(u32::MAX),
            beacon: keccak256(height.to_be_bytes()),
            crypto: &NoStaking,
        };
        let start = Instant::now();
        let mut block = BlockBuilder::new(&state, ctx);
        for tx in &txs {
            block.add(tx).expect("valid");
        }
        let output = block.finish().expect("balanced books");
        executing += start.elapsed().as_secs_f64();
        let start = Instant::now();
        state.apply(&output.changes);
        applying += start.elapsed().as_secs_f64();
    }
    let transfers = f64::from(ACCOUNTS) * BLOCKS as f64;
    println!("{transfers} transfers executed in {executing:.3} s: {:.0} a second", transfers / executing);
    println!("changes applied in {applying:.3} s");
}
