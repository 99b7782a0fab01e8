//! The validators: their genesis, their links, and what happens to them.

use alloy_primitives::Address;
use assay_chain::{Node, NodeConfig, keys::ValidatorKeys, mempool::Limits, simulated};
use assay_types::{Class, GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Params, Tier, Unit};

use super::{CHAIN_ID, World};
use crate::{
    names::{RENTER, address, provider_name, validator_name},
    scenario::{PROVIDERS, VALIDATORS},
    traders::{self, BANDWIDTH, BANDWIDTH_REFERENCE, OPENING_BALANCE},
};

fn params() -> Params {
    let cpu = Class::any_cpu(GRAINS_PER_KRT);
    let bandwidth = Class {
        id: BANDWIDTH,
        name: "bandwidth".to_owned(),
        unit: Unit::Gib,
        tier: Tier::Metered,
        ..Class::any_cpu(BANDWIDTH_REFERENCE)
    };
    Params {
        runtimes: vec![assay_exec::runtime_id().into()],
        min_block_interval_ms: 100,
        idle_block_interval_ms: 500,
        key_window: 60,
        reveal_window: 40,
        disclose_window: 40,
        verdict_commit_window: 60,
        verdict_reveal_window: 40,
        delivery_window: 40,
        challenge_window_bounds: (2, 1_000),
        max_attempts: 12,
        jail_blocks: 40,
        appeal_window: 30,
        classes: vec![cpu, bandwidth],
        // Short enough for a run to see several epochs, and orders, seals and deliveries end.
        epoch_blocks: 25,
        index_min_owners: 3,
        index_min_volume: 1,
        index_cap_bps: 5_000,
        max_orders_per_account: traders::ORDER_CAP,
        seal_window: 100,
        allotment_window: 30,
        ..Params::default()
    }
}

pub(super) fn genesis(keys: &[ValidatorKeys]) -> Genesis {
    let names = (0..PROVIDERS).map(provider_name).chain((0..VALIDATORS).map(validator_name)).chain([RENTER.into()]);
    let accounts: Vec<Address> = names.map(|name| address(&name)).chain(traders::accounts()).collect();
    let seat = |(at, keys): (usize, &ValidatorKeys)| GenesisValidator {
        account: address(&validator_name(at)),
        stake: GRAINS_PER_KRT,
        network_key: keys.network_key(),
        vote_key: keys.vote_key(),
        proof_of_possession: keys.proof_of_possession(),
        address: format!("127.0.0.1:{}", 1_000 + at),
        commission_bps: 500,
    };
    Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: 0,
        accounts: accounts.into_iter().map(|address| GenesisAccount { address, balance: OPENING_BALANCE }).collect(),
        validators: keys.iter().enumerate().map(seat).collect(),
        treasury: 0,
        params: params(),
    }
}

impl World {
    /// Links a validator with those of lower index, or all others after a partition.
    pub(super) async fn connect(&self, at: usize) {
        for other in 0..at {
            simulated::link(&self.oracle, &self.names[at], &self.names[other], self.scenario.link()).await;
        }
    }

    pub(super) async fn start_validator(&mut self, at: usize) {
        let config = NodeConfig {
            genesis: self.genesis.clone(),
            keys: self.keys[at].clone(),
            partition: format!("v{at}"),
            mempool: Limits::default(),
            retention: Default::default(),
            guard: None,
        };
        let (node, task) = simulated::launch(&self.context, &self.oracle, config).await.expect("it starts");
        self.handles.lock()[at] = Some(node);
        self.validators[at] = Some(task);
    }

    pub(super) fn crash(&mut self, at: usize) {
        self.handles.lock()[at] = None;
        if let Some(task) = self.validators[at].take() {
            task.abort();
        }
    }

    pub(super) async fn partition(&self, at: usize) {
        for other in (0..VALIDATORS).filter(|other| *other != at) {
            simulated::unlink(&self.oracle, &self.names[at], &self.names[other]).await;
        }
    }

    pub(super) async fn heal(&self, at: usize) {
        for other in (0..VALIDATORS).filter(|other| *other != at) {
            simulated::link(&self.oracle, &self.names[at], &self.names[other], self.scenario.link()).await;
        }
    }

    pub(super) fn best(&self) -> Option<Node> {
        let handles = self.handles.lock();
        handles.iter().flatten().max_by_key(|node| node.tip().map(|tip| tip.height)).cloned()
    }
}
