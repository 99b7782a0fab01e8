//! Transfers, fees, and every way a transaction is refused.

use assay_ledger::Reject;

use crate::kit::*;

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
