//! A scripted history whose state is pinned by hash: a change to any record, key, rule or event of it
//! shows here, and must be meant.

use assay_ledger::{MemState, StateRead};
use assay_types::{
    GRAINS_PER_KRT, JobOutcome,
    abi::{IJobs, IProviders},
    system::{JOBS, PROVIDERS},
};

use crate::{kit::*, scenario::*};

/// BLAKE3 over all entries in order, each key and value with its length before it.
fn state_hash(state: &MemState) -> String {
    let mut hasher = blake3::Hasher::new();
    for (key, value) in state.scan(&[], None) {
        for bytes in [key, value] {
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(&bytes);
        }
    }
    hasher.finalize().to_string()
}

/// A transfer, a failure, a job with a liar, a demand, a withdrawal, a job left open.
fn history() -> (Net, String) {
    let mut receipts = blake3::Hasher::new();
    let mut net = Net::new();
    net.register_all(&["p1", "p2", "p3", "p4"]);
    net.run(&[net.tx("stranger", addr("p4"), 12_345, vec![])]);
    net.fail("stranger", JOBS, 0, IJobs::cancelCall { job: Default::default() });
    let id = net.assigned(spec(3, 2, 2));
    net.deliver_keys(id);
    let liar = net.replicas(id, 0).remove(0);
    net.perform(id, 0, |who, lot| if who == liar { lies(lot, 5) } else { truths(lot) });
    net.disclose(id);
    receipts.update(net.last.as_ref().expect("a block").receipts_root.as_slice());
    net.judge(id, 0, right);
    net.until(9, |net| net.replicas(id, 0).len() == 2);
    net.deliver_keys(id);
    net.perform(id, 0, honest);
    net.ok("renter", JOBS, GRAINS_PER_KRT, IJobs::demandDeliveryCall { job: id, task: 0 });
    net.ok("p1", PROVIDERS, 0, IProviders::requestWithdrawalCall { amount: 1 });
    net.until(500, |net| net.job(id).outcome.is_some());
    assert_eq!(net.job(id).outcome, Some(JobOutcome::Partial));
    receipts.update(net.last.as_ref().expect("a block").receipts_root.as_slice());
    net.assigned(spec(1, 1, 1));
    let hash = format!("{} {}", state_hash(&net.state), receipts.finalize());
    (net, hash)
}

#[test]
fn the_same_transactions_give_the_same_bytes() {
    let (one, first) = history();
    let (two, second) = history();
    assert_eq!(first, second);
    assert_eq!(one.state, two.state);
}

#[test]
fn a_scripted_history_ends_in_the_pinned_state() {
    assert_eq!(history().1, PINNED);
}

const PINNED: &str = "3dea55b95f4633eb0f1fd3e7994f766b0968bce9d4027ad6def254376fa4af5f c3d64f07cfe75fc6ff8cdd953be7f7e0a5b24886c5f290cf2da031a066dee903";

/// A node that executes a block on an overlay gets what one with the state applied gets.
#[test]
fn a_block_on_an_overlay_changes_what_it_would_change_on_the_state() {
    use assay_ledger::{BlockBuilder, Overlay};
    let mut net = Net::new();
    net.register_all(&["p1", "p2"]);
    net.submit(spec(2, 1, 2));
    let base = net.state.clone();
    let first = BlockBuilder::new(&base, net.context()).finish().expect("books balance");
    let overlay = Overlay::with_changes(&base, first.changes.clone());
    let mut applied = base.clone();
    applied.apply(&first.changes);
    let mut ctx = net.context();
    (ctx.height, ctx.timestamp_ms) = (ctx.height + 1, ctx.timestamp_ms + 50);
    let above = BlockBuilder::new(&overlay, ctx.clone()).finish().expect("books balance");
    let direct = BlockBuilder::new(&applied, ctx).finish().expect("books balance");
    assert_eq!(above, direct);
}

#[test]
fn a_block_that_does_not_follow_its_parent_halts() {
    use assay_ledger::{BlockBuilder, BrokenInvariant, Reject};
    let net = Net::new();
    let mut ctx = net.context();
    ctx.height += 1;
    let mut builder = BlockBuilder::new(&net.state, ctx);
    let tx = net.tx("p1", addr("p2"), 1, vec![]);
    assert_eq!(builder.add(&tx), Err(Reject::LedgerHalted));
    assert_eq!(builder.finish(), Err(BrokenInvariant::Context));
    let empty = MemState::default();
    assert_eq!(BlockBuilder::new(&empty, net.context()).finish(), Err(BrokenInvariant::NoGenesis));
}

#[test]
fn a_grain_too_many_breaks_the_books_and_halts() {
    use assay_ledger::{BlockBuilder, BrokenInvariant, Reject, keys};
    let mut net = Net::new();
    let mut bytes = net.state.get(&keys::account(&addr("p1"))).expect("an account");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    net.state.insert(keys::account(&addr("p1")), bytes);
    assert!(!net.books().balance(), "a full recount sees it");
    net.state.insert(keys::account(&addr("p2")), vec![1, 2, 3]);
    let tx = net.tx("stranger", addr("p2"), 1, vec![]);
    let mut builder = BlockBuilder::new(&net.state, net.context());
    assert_eq!(builder.add(&tx), Err(Reject::LedgerHalted));
    assert_eq!(builder.finish(), Err(BrokenInvariant::Corrupt(1)));
}
