//! The rules of the pool as a table, and its bounds under random calls.

use alloy_primitives::keccak256;

use super::*;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tx {
    sender: u8,
    nonce: u64,
    gas: u64,
    fee: u128,
    tip: u128,
    value: u128,
    size: usize,
}

impl PoolTx for Tx {
    fn hash(&self) -> B256 {
        keccak256(format!("{self:?}"))
    }
    fn sender(&self) -> Address {
        Address::repeat_byte(self.sender)
    }
    fn nonce(&self) -> u64 {
        self.nonce
    }
    fn gas_limit(&self) -> u64 {
        self.gas
    }
    fn gas(&self) -> u64 {
        self.gas
    }
    fn max_fee_per_gas(&self) -> u128 {
        self.fee
    }
    fn max_priority_fee_per_gas(&self) -> u128 {
        self.tip
    }
    fn value(&self) -> u128 {
        self.value
    }
    fn size_bytes(&self) -> usize {
        self.size
    }
}

/// A transfer of one sender: fee cap 100, tip 10, 110 bytes.
fn tx(sender: u8, nonce: u64) -> Tx {
    Tx { sender, nonce, gas: 21_000, fee: 100, tip: 10, value: 1, size: 110 }
}

const RICH: Funds = Funds { nonce: 0, balance: 1 << 100 };
const ROOMY: Space = Space { gas: 60_000_000, bytes: 1 << 20 };

/// A sender the pool takes nothing from.
const REFUSED: u8 = 0xee;

fn limits() -> Limits {
    let refused = [Address::repeat_byte(REFUSED)].into();
    Limits { max_txs: 6, max_bytes: 1_000, max_txs_per_sender: 4, max_nonce_gap: 2, refused, ..Limits::default() }
}

fn pool_of(txs: &[Tx]) -> Pool<Tx> {
    let mut pool = Pool::new(limits(), 100, 50);
    for tx in txs {
        pool.insert(Arc::new(tx.clone()), RICH).expect("set-up is admitted");
    }
    invariant_indexes_agree(&pool);
    pool
}

fn nonces(picked: &[Arc<Tx>]) -> Vec<(u8, u64)> {
    picked.iter().map(|tx| (tx.sender, tx.nonce)).collect()
}

fn invariant_indexes_agree<T: PoolTx>(pool: &Pool<T>) {
    let (mut count, mut bytes) = (0, 0);
    for (sender, queue) in &pool.senders {
        assert!(!queue.is_empty(), "an empty queue is dropped");
        let mut cost = 0u128;
        for (nonce, entry) in queue.iter() {
            assert_eq!(pool.by_hash.get(&entry.tx.hash()), Some(&(*sender, nonce)));
            count += 1;
            bytes += entry.tx.size_bytes();
            cost += entry.cost;
        }
        assert_eq!(cost, queue.cost());
        let last = queue.last_nonce().and_then(|nonce| queue.rank(nonce, *sender));
        assert_eq!(queue.filed, last, "each tail is filed at its present rank");
        assert!(last.is_some_and(|rank| pool.tails.contains(&rank)));
    }
    assert_eq!((pool.len(), pool.bytes(), pool.tails.len()), (count, bytes, pool.senders.len()));
}

#[test]
fn each_rule_of_admission_refuses_with_its_own_error() {
    let funds = |nonce, balance| Funds { nonce, balance };
    let cost = 21_000 * 100 + 1;
    let poor = |needed, balance| PoolError::InsufficientFunds { sender: Address::repeat_byte(1), balance, needed };
    let underpriced = PoolError::ReplacementUnderpriced { percent: 10, max_fee: 110, max_tip: 11 };
    type Row = (&'static str, Vec<Tx>, Tx, Funds, Result<(), PoolError>);
    let table: Vec<Row> = vec![
        ("a plain transfer waits", vec![], tx(1, 0), RICH, Ok(())),
        ("the same again", vec![tx(1, 0)], tx(1, 0), RICH, Err(PoolError::AlreadyKnown)),
        (
            "from a refused sender",
            vec![],
            tx(REFUSED, 0),
            RICH,
            Err(PoolError::RefusedSender { sender: Address::repeat_byte(REFUSED) }),
        ),
        (
            "gas beyond a block",
            vec![],
            Tx { gas: 60_000_001, ..tx(1, 0) },
            RICH,
            Err(PoolError::GasLimit { given: 60_000_001, limit: 60_000_000 }),
        ),
        (
            "bytes beyond a block",
            vec![],
            Tx { size: (1 << 20) + 1, ..tx(1, 0) },
            RICH,
            Err(PoolError::Size { given: (1 << 20) + 1, limit: 1 << 20 }),
        ),
        (
            "fee cap below the base fee",
            vec![],
            Tx { fee: 49, ..tx(1, 0) },
            RICH,
            Err(PoolError::FeeTooLow { given: 49, floor: 50 }),
        ),
        ("fee cap at the base fee", vec![], Tx { fee: 50, ..tx(1, 0) }, RICH, Ok(())),
        ("a used nonce", vec![], tx(1, 6), funds(7, 1 << 100), Err(PoolError::NonceTooLow { expected: 7, given: 6 })),
        ("the next nonce", vec![], tx(1, 7), funds(7, 1 << 100), Ok(())),
        ("a gap within the bound is held", vec![], tx(1, 2), RICH, Ok(())),
        (
            "a gap beyond the bound",
            vec![],
            tx(1, 3),
            RICH,
            Err(PoolError::NonceGap { expected: 0, given: 3, max_gap: 2 }),
        ),
        (
            "the gap counts from the first missing nonce",
            vec![tx(1, 0), tx(1, 2)],
            tx(1, 4),
            RICH,
            Err(PoolError::NonceGap { expected: 1, given: 4, max_gap: 2 }),
        ),
        ("a filled queue moves the bound on", vec![tx(1, 0), tx(1, 1)], tx(1, 4), RICH, Ok(())),
        ("replacement without a raise", vec![tx(1, 0)], Tx { value: 2, ..tx(1, 0) }, RICH, Err(underpriced)),
        ("replacement that raises the tip alone", vec![tx(1, 0)], Tx { tip: 11, ..tx(1, 0) }, RICH, Err(underpriced)),
        ("replacement that raises the cap alone", vec![tx(1, 0)], Tx { fee: 110, ..tx(1, 0) }, RICH, Err(underpriced)),
        ("replacement that raises both by 10 %", vec![tx(1, 0)], Tx { fee: 110, tip: 11, ..tx(1, 0) }, RICH, Ok(())),
        ("just enough money", vec![], tx(1, 0), funds(0, cost), Ok(())),
        ("a grain short", vec![], tx(1, 0), funds(0, cost - 1), Err(poor(cost, cost - 1))),
        ("what waits counts", vec![tx(1, 0)], tx(1, 1), funds(0, 2 * cost - 1), Err(poor(2 * cost, 2 * cost - 1))),
        (
            "what is replaced does not",
            vec![tx(1, 0)],
            Tx { fee: 110, tip: 11, ..tx(1, 0) },
            funds(0, 21_000 * 110 + 1),
            Ok(()),
        ),
        (
            "an amount that overflows",
            vec![],
            Tx { fee: u128::MAX, ..tx(1, 0) },
            RICH,
            Err(poor(u128::MAX, RICH.balance)),
        ),
        (
            "more than a sender's share",
            (0..4).map(|n| tx(1, n)).collect(),
            tx(1, 4),
            RICH,
            Err(PoolError::SenderQuota { limit: 4 }),
        ),
    ];
    for (what, set_up, tx, funds, expected) in table {
        let mut pool = pool_of(&set_up);
        assert_eq!(pool.insert(Arc::new(tx), funds), expected, "{what}");
        invariant_indexes_agree(&pool);
    }
}

#[test]
fn a_replacement_takes_the_place_and_the_hash_of_the_old_is_forgotten() {
    let (old, new) = (tx(1, 0), Tx { fee: 120, tip: 20, ..tx(1, 0) });
    let mut pool = pool_of(&[old.clone(), tx(1, 1)]);
    pool.insert(Arc::new(new.clone()), RICH).expect("raised enough");
    assert_eq!((pool.len(), pool.contains(&old.hash()), pool.contains(&new.hash())), (2, false, true));
    let picked = pool.propose(|_| RICH, 50, ROOMY);
    assert_eq!((nonces(&picked), picked[0].tip), (vec![(1, 0), (1, 1)], 20));
    invariant_indexes_agree(&pool);
}

#[test]
fn a_full_pool_makes_room_for_a_better_tip_and_turns_an_equal_one_away() {
    let mut pool = pool_of(&[tx(1, 0), tx(2, 0), Tx { tip: 5, ..tx(3, 0) }, tx(3, 1), tx(4, 0), tx(4, 1)]);
    let equal = pool.insert(Arc::new(tx(5, 0)), RICH);
    assert_eq!(equal, Err(PoolError::Full { cheapest: 10 }), "the cheap one stands before a dearer nonce");
    pool.insert(Arc::new(Tx { tip: 11, ..tx(5, 0) }), RICH).expect("pays more");
    assert_eq!(pool.len(), 6);
    assert!(!pool.contains(&tx(4, 1).hash()), "of equals the last to come goes first");
    invariant_indexes_agree(&pool);
}

#[test]
fn eviction_prefers_transactions_behind_a_gap_and_never_tears_one() {
    let gapped = Tx { tip: 90, ..tx(2, 2) };
    let mut pool = pool_of(&[tx(1, 0), tx(1, 1), tx(1, 2), gapped.clone(), tx(3, 0), tx(3, 1)]);
    pool.insert(Arc::new(Tx { tip: 11, ..tx(4, 0) }), RICH).expect("room is made");
    assert!(!pool.contains(&gapped.hash()), "it can't run, whatever it pays");
    for tip in 12..15 {
        pool.insert(Arc::new(Tx { tip, ..tx(tip as u8, 0) }), RICH).expect("room is made");
        invariant_indexes_agree(&pool);
        let mut next = BTreeMap::new();
        for (sender, nonce) in nonces(&pool.propose(|_| RICH, 50, ROOMY)) {
            assert_eq!(nonce, *next.entry(sender).and_modify(|n| *n += 1).or_insert(0u64), "no gap at {sender}");
        }
        assert_eq!(next.values().map(|n| n + 1).sum::<u64>(), 6, "all that wait can run");
    }
}

#[test]
fn a_large_transaction_evicts_as_many_as_it_needs_or_none() {
    let small: Vec<Tx> = (0..4).map(|n| tx(1, n)).collect();
    let mut pool = pool_of(&small);
    let large = |tip, size| Arc::new(Tx { tip, size, ..tx(9, 0) });
    assert_eq!(pool.insert(large(10, 800), RICH), Err(PoolError::Full { cheapest: 10 }));
    assert_eq!(pool.insert(large(11, 1_001), RICH), Err(PoolError::Full { cheapest: 10 }));
    assert_eq!(pool.len(), 4, "a refusal evicts nothing");
    pool.insert(large(11, 800), RICH).expect("pays more than those it displaces");
    assert_eq!(nonces(&pool.propose(|_| RICH, 50, ROOMY)), [(9, 0), (1, 0)]);
    invariant_indexes_agree(&pool);
}

#[test]
fn a_proposal_takes_the_best_tip_first_and_each_senders_nonces_in_order() {
    let pool = pool_of(&[
        Tx { tip: 5, ..tx(1, 0) },
        Tx { tip: 49, ..tx(1, 1) },
        Tx { tip: 20, ..tx(2, 0) },
        tx(3, 1),
        Tx { tip: 90, fee: 60, ..tx(4, 0) },
    ]);
    let picked = nonces(&pool.propose(|_| RICH, 50, ROOMY));
    assert_eq!(picked, [(2, 0), (4, 0), (1, 0), (1, 1)], "the cap limits 4 to a tip of 10; 3 waits for nonce 0");
    let dear = nonces(&pool.propose(|_| RICH, 61, ROOMY));
    assert_eq!(dear, [(2, 0), (1, 0), (1, 1)], "a cap below the base fee sits out");
}

#[test]
fn a_proposal_starts_where_the_parents_state_is_and_within_its_balances() {
    let pool = pool_of(&[tx(1, 0), tx(1, 1), tx(1, 2), tx(2, 0)]);
    let cost = 21_000 * 100 + 1;
    let parent = |sender: &Address| match sender.0[0] {
        1 => Funds { nonce: 1, balance: 2 * cost - 1 },
        _ => Funds { nonce: 0, balance: cost },
    };
    assert_eq!(nonces(&pool.propose(parent, 50, ROOMY)), [(1, 1), (2, 0)], "1 used nonce 0 and cannot pay for two");
}

#[test]
fn a_proposal_fills_gas_and_bytes_and_passes_over_what_does_not_fit() {
    let big = Tx { gas: 100_000, tip: 30, ..tx(1, 0) };
    let pool = pool_of(&[big, tx(2, 0), tx(3, 0), tx(3, 1)]);
    let pick = |gas, bytes| nonces(&pool.propose(|_| RICH, 50, Space { gas, bytes }));
    assert_eq!(pick(121_000, 1_000), [(1, 0), (2, 0)]);
    assert_eq!(pick(99_000, 1_000), [(2, 0), (3, 0), (3, 1)], "the big one waits for another block");
    assert_eq!(pick(200_000, 220), [(1, 0), (2, 0)], "bytes bind as gas does");
    assert_eq!(pick(20_999, 1_000), []);
}

#[test]
fn a_finalized_block_prunes_what_it_used_and_moves_the_base_fee() {
    let mut pool = pool_of(&[tx(1, 0), tx(1, 1), tx(1, 2), tx(2, 0)]);
    let sender = Address::repeat_byte(1);
    pool.finalized(101, 70, [sender, sender], |_| Funds { nonce: 2, balance: 1 << 100 });
    assert_eq!((pool.len(), pool.next_nonce(&sender, 2)), (2, 3));
    invariant_indexes_agree(&pool);
    let low = pool.insert(Arc::new(Tx { fee: 69, ..tx(3, 0) }), RICH);
    assert_eq!(low, Err(PoolError::FeeTooLow { given: 69, floor: 70 }));
    assert_eq!(
        nonces(&pool.propose(|s| Funds { nonce: if *s == sender { 2 } else { 0 }, ..RICH }, 70, ROOMY)).len(),
        2
    );
}

#[test]
fn what_waits_too_long_expires() {
    let mut pool = Pool::new(Limits { max_age_blocks: 1_000, ..limits() }, 100, 50);
    pool.insert(Arc::new(tx(1, 0)), RICH).expect("admitted");
    pool.finalized(900, 50, [], |_| RICH);
    pool.insert(Arc::new(tx(2, 0)), RICH).expect("admitted");
    pool.finalized(1_099, 50, [], |_| RICH);
    assert_eq!(pool.len(), 2);
    pool.finalized(1_200, 50, [], |_| RICH);
    assert_eq!((pool.len(), pool.contains(&tx(2, 0).hash())), (1, true));
    invariant_indexes_agree(&pool);
}

#[test]
fn a_transaction_the_ledger_refused_can_be_taken_out() {
    let mut pool = pool_of(&[tx(1, 0), tx(1, 1)]);
    assert!(pool.remove(&tx(1, 0).hash()).is_some());
    assert!(pool.remove(&tx(1, 0).hash()).is_none());
    assert_eq!((pool.next_nonce(&Address::repeat_byte(1), 0), nonces(&pool.propose(|_| RICH, 50, ROOMY))), (0, vec![]));
    invariant_indexes_agree(&pool);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(Tx),
        Finalize { sender: u8, nonce: u64, blocks: u64 },
        Remove(u8, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (1u8..5, 0u64..8, 45u128..130, 1u128..40, 100usize..400).prop_map(|(sender, nonce, fee, tip, size)| {
                Step::Insert(Tx { fee, tip, size, ..tx(sender, nonce) })
            }),
            1 => (1u8..5, 0u64..6, 1u64..40).prop_map(|(sender, nonce, blocks)| Step::Finalize { sender, nonce, blocks }),
            1 => (1u8..5, 0u64..8).prop_map(|(sender, nonce)| Step::Remove(sender, nonce)),
        ]
    }

    proptest! {
        #[test]
        fn no_history_breaks_the_pools_bounds_or_its_indexes(steps in prop::collection::vec(step(), 1..80)) {
            let limits = Limits { max_age_blocks: 100, ..limits() };
            let mut pool = Pool::new(limits.clone(), 100, 50);
            let (mut used, mut height) = (BTreeMap::<u8, u64>::new(), 100);
            let funds = |used: &BTreeMap<u8, u64>, sender: u8| {
                Funds { nonce: used.get(&sender).copied().unwrap_or(0), ..RICH }
            };
            for step in steps {
                match step {
                    Step::Insert(tx) => {
                        let sender = tx.sender;
                        let _refused = pool.insert(Arc::new(tx), funds(&used, sender)).is_err();
                    }
                    Step::Finalize { sender, nonce, blocks } => {
                        height += blocks;
                        let next = used.entry(sender).or_insert(0);
                        *next = nonce.max(*next);
                        pool.finalized(height, 50, [Address::repeat_byte(sender)], |a| funds(&used, a.0[0]));
                    }
                    Step::Remove(sender, nonce) => {
                        let hash = pool.senders.get(&Address::repeat_byte(sender))
                            .and_then(|q| q.get(nonce)).map(|e| e.tx.hash());
                        if let Some(hash) = hash {
                            prop_assert!(pool.remove(&hash).is_some());
                        }
                    }
                }
                invariant_indexes_agree(&pool);
                prop_assert!(pool.len() <= limits.max_txs && pool.bytes() <= limits.max_bytes);
                let mut next = used.clone();
                for (sender, nonce) in nonces(&pool.propose(|a| funds(&used, a.0[0]), 50, ROOMY)) {
                    let expected = next.entry(sender).or_insert(0);
                    prop_assert_eq!(nonce, *expected, "nonces of a sender come in order without a gap");
                    *expected += 1;
                }
                for (sender, queue) in &pool.senders {
                    let from = funds(&used, sender.0[0]).nonce;
                    let mut slow = from;
                    while queue.get(slow).is_some() {
                        slow += 1;
                    }
                    prop_assert_eq!(queue.first_missing(from), slow);
                }
            }
        }
    }
}
