//! A network of four validators on loopback.

use std::net::{SocketAddr, TcpListener};

use alloy_primitives::Address;
use assay_chain::{HostedNode, NodeConfig, keys::ValidatorKeys, mempool::Limits};
use assay_types::{GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Params};
use rand::{SeedableRng as _, rngs::StdRng};

pub(crate) const CHAIN_ID: u64 = 710_009;

fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    held.iter().map(|listener| listener.local_addr().expect("an address")).collect()
}

/// The genesis and nodes of a network in which `sender` is rich.
pub(crate) fn network(seed: u64, sender: Address) -> (Genesis, Vec<HostedNode>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let keys: Vec<ValidatorKeys> = (0..4).map(|_| ValidatorKeys::generate(&mut rng)).collect();
    let addresses = free_addresses(4);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock past 1970");
    let genesis = Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: now.as_millis() as u64,
        accounts: vec![GenesisAccount { address: sender, balance: 1_000 * GRAINS_PER_KRT }],
        validators: keys
            .iter()
            .zip(&addresses)
            .enumerate()
            .map(|(index, (keys, address))| GenesisValidator {
                account: Address::repeat_byte(0xa0 + index as u8),
                stake: GRAINS_PER_KRT,
                network_key: keys.network_key(),
                vote_key: keys.vote_key(),
                proof_of_possession: keys.proof_of_possession(),
                address: address.to_string(),
                commission_bps: 500,
            })
            .collect(),
        treasury: 0,
        params: Params { idle_block_interval_ms: 200, ..Params::default() },
    };
    let nodes = keys
        .into_iter()
        .zip(addresses)
        .enumerate()
        .map(|(index, (keys, listen))| HostedNode {
            config: NodeConfig {
                genesis: genesis.clone(),
                keys,
                partition: format!("validator-{index}"),
                mempool: Limits::default(),
            },
            listen,
        })
        .collect();
    (genesis, nodes)
}
