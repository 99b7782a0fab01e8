//! Transfers, fees, and every way a transaction is refused.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope, TxLegacy, crypto::secp256k1::sign_message};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, Signature, TxKind, U256, keccak256, uint};
use alloy_sol_types::{Revert, SolCall, SolError};
use assay_ledger::{CallError, Checked, Failure, Reject, call, check, estimate_gas, latest};
use assay_types::{
    GRAINS_PER_KRT,
    abi::{IChain, IDisputes, IJobs, IProviders},
    system::{CHAIN, DISPUTES, JOBS, PROVIDERS},
};

use crate::{kit::*, scenario::*};

#[test]
fn a_transfer_moves_value_burns_the_base_fee_and_tips_the_leader() {
    let mut net = Net::new();
    let (from, to, burned) = (net.balance("p1"), net.balance("p2"), net.books().burned);
    let leader = net.context().proposer;
    let leader_had = assay_ledger::account(&net.state, leader).balance;
    let receipt = net.run(&[net.tx("p1", addr("p2"), 5, vec![])]).remove(0).expect("included");
    assert_eq!((receipt.gas_used, receipt.effective_gas_price), (21_000, 1_001_000));
    assert_eq!(net.balance("p2"), to + 5);
    assert_eq!(net.balance("p1"), from - 5 - 21_000 * 1_001_000);
    assert_eq!(net.books().burned, burned + 21_000 * 1_000_000);
    assert_eq!(assay_ledger::account(&net.state, leader).balance, leader_had + 21_000 * 1_000);
}

#[test]
fn a_used_nonce_and_a_gap_are_refused_and_change_nothing() {
    let mut net = Net::new();
    let one = net.tx("p1", addr("p2"), 1, vec![]);
    let mut gap = one.clone();
    gap.nonce = 2;
    let before = net.balance("p1");
    let results = net.run(&[one.clone(), one, gap]);
    assert!(results[0].is_ok());
    assert_eq!(results[1], Err(Reject::NonceTooLow));
    assert_eq!(results[2], Err(Reject::NonceGap));
    assert_eq!(net.balance("p1"), before - 1 - 21_000 * 1_001_000);
}

/// A transaction with every stateless defect at once, mended one by one in order of precedence.
#[test]
fn the_first_reject_of_the_table_wins() {
    let view = IJobs::escrowForCall { spec: spec(1, 1, 1) }.abi_encode();
    let bad = TxEip1559 {
        chain_id: 1,
        gas_limit: 2,
        max_fee_per_gas: u128::MAX,
        max_priority_fee_per_gas: u128::MAX,
        to: TxKind::Create,
        value: U256::MAX,
        access_list: vec![Default::default()].into(),
        input: vec![1; 200 << 10].into(),
        ..tx(0, JOBS, 0, vec![])
    };
    type Mend = fn(&mut TxEip1559);
    let steps: Vec<(Reject, Mend)> = vec![
        (Reject::Oversized, |tx| tx.input = vec![1; 8].into()),
        (Reject::WrongChainId, |tx| tx.chain_id = CHAIN_ID),
        (Reject::ContractCreation, |tx| tx.to = TxKind::Call(Address::repeat_byte(9))),
        (Reject::AccessList, |tx| tx.access_list = Default::default()),
        (Reject::AmountOverflow, |tx| tx.value = U256::ZERO),
        (Reject::AmountOverflow, |tx| (tx.max_fee_per_gas, tx.gas_limit) = (5, 2)),
        (Reject::TipAboveMaxFee, |tx| tx.max_priority_fee_per_gas = 5),
        (Reject::DataToAccount, |tx| tx.to = TxKind::Call(JOBS)),
    ];
    let mut tx = bad;
    for (reject, mend) in steps {
        assert_eq!(check(&sign("p1", tx.clone()), &rules()).err(), Some(reject));
        mend(&mut tx);
    }
    assert_eq!(check(&sign("p1", tx.clone()), &rules()).err(), Some(Reject::MalformedAbi));
    tx.input = view.into();
    assert_eq!(check(&sign("p1", tx.clone()), &rules()).err(), Some(Reject::ViewFunction));
    tx.input = IJobs::cancelCall { job: Default::default() }.abi_encode().into();
    assert_eq!(check(&sign("p1", tx.clone()), &rules()).err(), Some(Reject::GasLimitTooLow));
    tx.gas_limit = 60_000_001;
    assert_eq!(check(&sign("p1", tx.clone()), &rules()).err(), Some(Reject::GasLimitTooHigh));
    tx.gas_limit = 100_000;
    assert!(check(&sign("p1", tx), &rules()).is_ok());
}

#[test]
fn a_bad_signature_and_any_damaged_byte_are_refused_or_change_the_sender() {
    let good = sign("p1", tx(0, addr("p2"), 1, vec![]));
    assert_eq!(check(&good, &rules()).expect("good").sender, addr("p1"));
    for at in 0..good.len() {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1;
        if let Ok(checked) = check(&bytes, &rules()) {
            assert_ne!((checked.sender, checked.hash), (addr("p1"), keccak256(&good)), "byte {at}");
            assert_ne!(checked.sender, addr("p1"), "byte {at}");
        }
    }
    let zero = Signature::new(U256::ZERO, U256::ZERO, false);
    let unsigned = TxEnvelope::Eip1559(tx(0, addr("p2"), 1, vec![]).into_signed(zero)).encoded_2718();
    assert_eq!(check(&unsigned, &rules()).err(), Some(Reject::BadSignature));
    // The other root of the same signature: EIP-2 refuses it, or a hash would not name a transaction.
    let signed = TxEnvelope::decode_2718(&mut good.as_ref()).expect("own bytes");
    let signature = *signed.signature();
    let order = uint!(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256);
    let high = Signature::new(signature.r(), order - signature.s(), !signature.v());
    let malleated = TxEnvelope::Eip1559(tx(0, addr("p2"), 1, vec![]).into_signed(high)).encoded_2718();
    assert_eq!(check(&malleated, &rules()).err(), Some(Reject::BadSignature));
}

#[test]
fn bytes_that_are_no_transaction_are_refused_by_kind() {
    let good = sign("p1", tx(0, addr("p2"), 1, vec![]));
    let mut long = good.to_vec();
    long.push(0);
    for (bytes, reject) in [
        (&[][..], Reject::Malformed),
        (&[2], Reject::Malformed),
        (&good[..good.len() - 1], Reject::Malformed),
        (&long, Reject::Malformed),
        (&[1, 0xc0], Reject::UnsupportedType),
        (&[3, 0xc0], Reject::UnsupportedType),
        (&[4, 0xc0], Reject::UnsupportedType),
        (&[0xc0], Reject::Malformed),
    ] {
        assert_eq!(check(bytes, &rules()).err(), Some(reject), "{bytes:?}");
    }
}

#[test]
fn a_legacy_transaction_counts_only_when_bound_to_the_chain() {
    let legacy = |chain_id| TxLegacy {
        chain_id,
        nonce: 0,
        gas_price: 2 * GWEI,
        gas_limit: 21_000,
        to: TxKind::Call(addr("p2")),
        value: U256::from(7),
        input: Default::default(),
    };
    let sign = |tx: TxLegacy| {
        let signature = sign_message(secret("p1"), tx.signature_hash()).expect("a secret");
        TxEnvelope::Legacy(tx.into_signed(signature)).encoded_2718()
    };
    assert_eq!(check(&sign(legacy(None)), &rules()).err(), Some(Reject::WrongChainId));
    assert_eq!(check(&sign(legacy(Some(1))), &rules()).err(), Some(Reject::WrongChainId));
    let checked = check(&sign(legacy(Some(CHAIN_ID))), &rules()).expect("bound to this chain");
    let mut net = Net::new();
    let before = net.balance("p2");
    let receipt = net.run(&[checked]).remove(0).expect("included");
    assert_eq!((net.balance("p2"), receipt.effective_gas_price), (before + 7, 2 * GWEI));
}

#[test]
fn what_cannot_be_paid_for_is_refused_in_order_and_what_fails_pays_its_fee() {
    let mut net = Net::new();
    let base = net.tx("p1", addr("p2"), 0, vec![]);
    let with = |change: &dyn Fn(&mut Checked)| {
        let mut tx = base.clone();
        change(&mut tx);
        tx
    };
    let poor = 1_000 * GRAINS_PER_KRT;
    let txs = [
        with(&|tx| (tx.nonce, tx.max_fee_per_gas, tx.value) = (1, 1, poor)),
        with(&|tx| (tx.max_fee_per_gas, tx.value) = (1, poor)),
        with(&|tx| (tx.value, tx.gas) = (poor, 70_000_000)),
        with(&|tx| (tx.gas, tx.raw) = (70_000_000, vec![0; 2 << 20].into())),
        with(&|tx| tx.raw = vec![0; 2 << 20].into()),
    ];
    let results: Vec<_> = net.run(&txs).into_iter().map(Result::err).collect();
    let expected = [
        Reject::NonceGap,
        Reject::FeeBelowBase,
        Reject::InsufficientFunds,
        Reject::BlockGasFull,
        Reject::BlockBytesFull,
    ];
    assert_eq!(results, expected.map(Some));
    let (had, nonce) = (net.balance("p1"), net.nonce("p1"));
    let receipt = net.send("p1", JOBS, 0, IJobs::cancelCall { job: Default::default() });
    assert_eq!(outcome(&receipt), "UnknownJob");
    assert_eq!(receipt.failure.map(|failure| failure.code), Some(Failure::UnknownJob.code()));
    let fee = u128::from(receipt.gas_used) * receipt.effective_gas_price;
    assert_eq!((net.balance("p1"), net.nonce("p1")), (had - fee, nonce + 1));
}

#[test]
fn value_sent_to_a_call_that_takes_none_is_not_taken() {
    let mut net = Net::new();
    assert_eq!(net.fail("p1", JOBS, 1, IJobs::cancelCall { job: Default::default() }), "NotPayable");
    assert_eq!(net.fail("p1", PROVIDERS, 1, IProviders::withdrawCall {}), "NotPayable");
    let disclose = IDisputes::discloseKeyCall { job: Default::default(), key: Default::default() };
    assert_eq!(net.fail("p1", DISPUTES, 1, disclose), "NotPayable");
}

#[test]
fn numbers_and_names_of_refusals_are_unique_and_documented() {
    let table = include_str!("../../../../docs/protocol/rejects.md");
    let rejects = Reject::ALL.iter().map(|r| (r.code(), r.name(), r.explain()));
    let failures = Failure::ALL.iter().map(|f| (f.code(), f.name(), f.explain()));
    let all: Vec<_> = rejects.chain(failures).collect();
    let mut codes: Vec<_> = all.iter().map(|(code, ..)| *code).collect();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), all.len());
    for (code, name, text) in &all {
        let row = format!("| {code} | `{name}` | {text} |");
        assert!(table.contains(&row), "docs/protocol/rejects.md lacks: {row}");
    }
    assert_eq!(table.lines().filter(|line| line.starts_with("| ") && line.contains('`')).count(), all.len());
}

#[test]
fn a_call_answers_what_a_transaction_would_return_and_says_why_it_would_fail() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let ctx = latest(&net.state, &HashCrypto).expect("a tip");
    let ask = |to, from, value, input: Vec<u8>| call(&net.state, &ctx, to, addr(from), value, &input);
    let escrow = ask(JOBS, "renter", 0, IJobs::escrowForCall { spec: spec(2, 1, 1) }.abi_encode()).expect("a view");
    let escrow = IJobs::escrowForCall::abi_decode_returns(&escrow).expect("an amount");
    assert_eq!(Some(escrow), spec(2, 1, 1).escrow());
    let submit = IJobs::submitCall { spec: spec(2, 1, 1) }.abi_encode();
    let id = ask(JOBS, "renter", escrow, submit.clone()).expect("would be accepted");
    assert_eq!(id.as_ref(), assay_types::job::job_id(CHAIN_ID, addr("renter"), 0).as_slice());
    let refused = ask(JOBS, "renter", 0, submit.clone()).expect_err("no escrow");
    assert_eq!(refused, CallError::Reverted(Failure::ValueTooLow));
    let said = Revert::abi_decode(&refused.data()).expect("Error(string)").reason;
    assert!(said.starts_with("ValueTooLow (101)"), "{said}");
    let gas = estimate_gas(&net.state, &ctx, JOBS, addr("renter"), escrow, &submit).expect("would be accepted");
    let receipt = net.ok("renter", JOBS, escrow, IJobs::submitCall { spec: spec(2, 1, 1) });
    assert_eq!(receipt.gas_used, gas);
    let height = call(&net.state, &ctx, CHAIN, addr("p1"), 0, &IChain::heightCall {}.abi_encode()).expect("a view");
    assert_eq!(IChain::heightCall::abi_decode_returns(&height).expect("a number"), net.height);
}

#[test]
fn a_call_is_tried_as_of_the_next_block() {
    let mut net = Net::new();
    net.register_all(&["p1"]);
    let id = net.assigned(spec(1, 1, 1));
    net.deliver_keys(id);
    net.commit(id, 0, "p1", &[truth(0)]);
    let ctx = latest(&net.state, &HashCrypto).expect("a tip");
    assert_eq!(ctx.height, net.height);
    let reveal = net.reveal_call(id, 0, "p1", &[truth(0)]);
    let tried = estimate_gas(&net.state, &ctx, JOBS, addr("p1"), 0, &reveal.abi_encode());
    assert!(tried.is_ok(), "{tried:?}: openings count from the next block on");
}
