//! What must hold whatever the seed does: one chain, one state, one committee an epoch, honest money.

use std::sync::Arc;

use alloy_sol_types::SolEvent as _;
use assay_chain::Node;
use assay_ledger::{books, query};
use assay_types::{Address, B256, FinalizedBlock, abi::IStaking, system::STAKING};

use super::{
    World, genesis,
    scenario::{EPOCH_BLOCKS, Kind, VALIDATORS},
};

impl World {
    /// Looks at each honest validator that is up.
    pub(super) async fn look(&mut self) {
        let nodes: Vec<(usize, Node)> = self.honest().map(|(at, node)| (at, node.clone())).collect();
        for (at, node) in nodes {
            self.look_at(at, &node);
        }
        self.look_at_blocks().await;
    }

    fn look_at(&mut self, at: usize, node: &Node) {
        let Some((tip, state)) = node.tip_state() else { return };
        assert!(tip.height >= self.seen[at], "validator {at} went back from {} to {}", self.seen[at], tip.height);
        for height in self.seen[at] + 1..=tip.height {
            let block = node.recent_block(height);
            let block = block.unwrap_or_else(|| panic!("validator {at} has no block {height} below its tip"));
            match self.agreed.get(&height) {
                Some(agreed) => {
                    let ours = (block.hash, block.state_root, block.receipts_root);
                    let theirs = (agreed.hash, agreed.state_root, agreed.receipts_root);
                    assert_eq!(ours, theirs, "validator {at} has another block {height}");
                }
                None => self.file(block),
            }
        }
        self.seen[at] = tip.height;
        if tip.height > self.booked {
            self.booked = tip.height;
            self.books += 1;
            let books = books(&state).expect("the books can be read");
            assert!(books.balance(), "the books of {} do not balance: {books:?}", tip.height);
            let agreed = &self.agreed[&tip.height];
            assert_eq!((tip.hash, tip.state_root), (agreed.hash, agreed.state_root), "validator {at}'s own tip");
        }
        self.check_committee(tip.height, &state);
        if let Some((committee, _)) = node.committee() {
            let known = *self.committees.entry(committee.epoch()).or_insert(committee.hash());
            assert_eq!(known, committee.hash(), "validator {at} has another committee of {}", committee.epoch());
        }
    }

    /// Takes in a block that nobody had before.
    fn file(&mut self, block: Arc<FinalizedBlock>) {
        let height = block.height;
        let parent = self.agreed.get(&(height - 1)).map(|parent| parent.hash);
        assert!(height == 1 || parent == Some(block.parent_hash), "block {height} does not build on {}", height - 1);
        for log in block.logs().filter(|log| log.address == STAKING) {
            let guilty = match log.topics().first() {
                Some(topic) if *topic == IStaking::Slashed::SIGNATURE_HASH => log.topics().get(1),
                Some(topic) if *topic == IStaking::Jailed::SIGNATURE_HASH => log.topics().get(1),
                Some(topic) if *topic == IStaking::Tombstoned::SIGNATURE_HASH => log.topics().get(1),
                _ => None,
            };
            if let Some(guilty) = guilty.map(|word| Address::from_word(*word)) {
                assert!(self.equivocators().contains(&guilty), "{guilty} is punished in block {height}, and honest");
            }
        }
        self.load.file(&block);
        self.agreed.insert(height, block);
    }

    /// No honest validator cuts another off. Those who speak garbage are let in again, so that all of it is
    /// heard.
    async fn look_at_blocks(&mut self) {
        let now = self.now_ms();
        let again = now >= self.unblock_due_ms;
        for (from, to) in self.oracle.blocked().await.expect("the network is up") {
            let place = |key| self.names.iter().position(|name| name == key).expect("a validator");
            let (from_at, to_at) = (place(&from), place(&to));
            let kinds = (self.scenario.kind(from_at), self.scenario.kind(to_at));
            assert!(kinds != (None, None), "validator {from_at} cut validator {to_at} off, and both are honest");
            if again && kinds.1 == Some(Kind::Garbage) {
                self.blocked += 1;
                self.oracle.unblock(from, to).await.expect("the network is up");
            }
        }
        if again {
            self.unblock_due_ms = now + 500;
        }
    }

    /// Accounts of those who contradict themselves.
    pub(super) fn equivocators(&self) -> Vec<Address> {
        let equivocates = |kind| matches!(kind, Kind::Equivocate { .. });
        let them = self.scenario.byzantine.iter().filter(|one| equivocates(one.kind));
        them.map(|one| genesis::account(one.validator)).collect()
    }

    /// At the end: who was reported is out, all others are as they were.
    pub(super) fn check_verdicts(&self) {
        let (_, state) = self.best().and_then(|node| node.tip_state()).expect("somebody is up");
        for at in 0..VALIDATORS {
            let account = genesis::account(at);
            let validator = query::validator(&state, account).expect("a validator");
            let guilty = self.stakes.reported.contains(&account);
            assert_eq!(validator.tombstoned, guilty, "validator {at}: {validator:?}");
            assert!(guilty || validator.jailed_until_ms.is_none(), "validator {at} is jailed: {validator:?}");
        }
        assert!(self.stakes.reported.iter().all(|account| self.equivocators().contains(account)));
    }

    /// The last committee that all honest validators know.
    pub(super) fn epochs(&self) -> u64 {
        self.committees.keys().next_back().copied().unwrap_or_default()
    }

    /// The newest block and its state root.
    pub(super) fn newest(&self) -> (u64, B256) {
        self.agreed.last_key_value().map_or_else(Default::default, |(height, block)| (*height, block.state_root))
    }

    /// The lowest tip of the honest, all of which must be up.
    pub(super) fn lowest(&self) -> Option<u64> {
        let honest = (0..VALIDATORS).filter(|at| self.scenario.kind(*at).is_none()).count();
        let heights: Vec<u64> = self.honest().map(|(at, _)| self.seen[at]).collect();
        (heights.len() == honest).then(|| heights.into_iter().min())?
    }

    /// The epoch of the block after the newest.
    pub(super) fn epoch(&self) -> u64 {
        (self.newest().0 + 1) / EPOCH_BLOCKS
    }
}
