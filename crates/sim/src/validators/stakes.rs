//! Stake on the move: candidates register, and in each epoch somebody delegates so that another validator sits
//! in the next. Who contradicted itself is reported.

use std::collections::{BTreeMap, BTreeSet};

use alloy_sol_types::SolCall as _;
use assay_chain::state::State;
use assay_ledger::{committee, query};
use assay_types::{Address, B256, GRAINS_PER_KRT, abi::IStaking, system::STAKING, view::ValidatorView};
use rand::RngExt as _;

use super::{
    World,
    genesis::{self, CANDIDATE_STAKE, REPORTER, STAKER},
    load::CALL_GAS,
    scenario::{EPOCH_BLOCKS, SEATS, VALIDATORS},
};
use crate::names::{address, validator_name};

/// What happened to committees.
#[derive(Default)]
pub(super) struct Stakes {
    /// What moved stake, by the epoch in which it was sent.
    moved: BTreeMap<u64, Vec<B256>>,
    /// Epochs whose end was compared with what the stakes say.
    modelled: BTreeSet<u64>,
    /// Turns after which other accounts sit.
    pub(super) changes: u64,
    /// Who was reported.
    pub(super) reported: BTreeSet<Address>,
}

/// Accounts with a seat in an epoch.
fn seated(state: &State, epoch: u64) -> Option<BTreeSet<Address>> {
    Some(committee(state, epoch)?.into_iter().map(|seat| seat.account).collect())
}

impl World {
    /// The later validators register; their nodes run already.
    pub(super) fn register_candidates(&mut self) {
        for at in SEATS..VALIDATORS {
            let call = IStaking::registerCall {
                networkKey: self.keys[at].network_key(),
                voteKey: self.keys[at].vote_key(),
                proofOfPossession: self.keys[at].proof_of_possession(),
                peer: genesis::peer(at),
                commissionBps: 500,
            };
            let stake = CANDIDATE_STAKE + at as u128 * GRAINS_PER_KRT;
            self.send(&validator_name(at), STAKING, stake, CALL_GAS, call.abi_encode().into());
        }
    }

    /// Once an epoch, brings a validator without a seat to the top, and now and then takes away what another
    /// has.
    pub(super) fn move_stake(&mut self) {
        let Some((tip, state)) = self.best().and_then(|node| node.tip_state()) else { return };
        let epoch = (tip.height + 1) / EPOCH_BLOCKS;
        let all = query::staked_validators(&state);
        if self.stakes.moved.contains_key(&epoch)
            || !self.load.is_idle(STAKER)
            || !is_ready(&all, &self.stakes.reported)
        {
            return;
        }
        let (seats, others): (Vec<_>, Vec<_>) = all.iter().partition(|validator| validator.seated);
        let others: Vec<&ValidatorView> =
            others.into_iter().filter(|one| !self.equivocators().contains(&one.account)).collect();
        let Some(top) = all.iter().map(|validator| validator.tokens).max() else { return };
        if others.is_empty() {
            return;
        }
        let newcomer = others[self.rng.random_range(0..others.len())];
        let amount = top - newcomer.tokens + 10 * GRAINS_PER_KRT;
        let call = IStaking::delegateCall { validator: newcomer.account };
        let mut moved = vec![self.send(STAKER, STAKING, amount, CALL_GAS, call.abi_encode().into())];
        let held = query::delegations(&state, address(STAKER));
        let sits = |account: Address| seats.iter().any(|seat| seat.account == account);
        let held: Vec<_> = held.into_iter().filter(|held| sits(held.validator) && held.amount > 0).collect();
        if !held.is_empty() && self.rng.random_bool(0.5) {
            let left = &held[self.rng.random_range(0..held.len())];
            let call = IStaking::undelegateCall { validator: left.validator, amount: left.amount };
            moved.push(self.send(STAKER, STAKING, 0, CALL_GAS, call.abi_encode().into()));
        }
        self.stakes.moved.insert(epoch, moved);
    }

    /// At the end of an epoch: the next committee is that of the most staked, and not the present one.
    pub(super) fn check_committee(&mut self, height: u64, state: &State) {
        let epoch = height / EPOCH_BLOCKS;
        if !(height + 1).is_multiple_of(EPOCH_BLOCKS) || !self.stakes.modelled.insert(epoch) {
            return;
        }
        let (now, next) = (seated(state, epoch), seated(state, epoch + 1));
        let (now, next) = now.zip(next).expect("both committees are fixed");
        let least = self.genesis.params.min_self_stake;
        let mut all = query::staked_validators(state);
        all.retain(|one| !one.tombstoned && one.jailed_until_ms.is_none() && one.self_stake >= least);
        all.sort_by_key(|one| (std::cmp::Reverse(one.tokens), one.account));
        let most: BTreeSet<Address> = all.iter().take(SEATS).map(|one| one.account).collect();
        assert_eq!(next, most, "epoch {} is not that of the most staked", epoch + 1);
        let in_time = |hash| self.load.finals.get(hash).is_some_and(|at| *at <= height);
        if self.stakes.moved.get(&epoch).is_some_and(|moved| moved.iter().all(in_time)) {
            assert_ne!(now, next, "stake moved in epoch {epoch}, and the same sit");
        }
        self.stakes.changes += u64::from(now != next);
    }

    /// Reports who an honest validator saw contradict itself, each once.
    pub(super) fn report_evidence(&mut self) {
        let seen: Vec<_> = self.honest().flat_map(|(_, node)| node.evidence()).collect();
        for (found, proof) in seen {
            let guilty = self.equivocators().contains(&found.account);
            assert!(guilty, "{} keeps the rules, and there is evidence against it: {found:?}", found.account);
            if self.stakes.reported.insert(found.account) {
                let call = IStaking::reportEquivocationCall { evidence: proof };
                self.send(REPORTER, STAKING, 0, CALL_GAS, call.abi_encode().into());
            }
        }
    }
}

/// Whether all have registered, but for those who may be tombstoned.
fn is_ready(all: &[ValidatorView], reported: &BTreeSet<Address>) -> bool {
    (SEATS..VALIDATORS).all(|at| all.iter().any(|one| one.account == genesis::account(at)))
        && all.len() + reported.len() >= VALIDATORS
}
