//! The state at height 0.

use alloy_primitives::B256;
use assay_types::{Genesis, GenesisError, Seat};

use crate::{
    crypto::{ConsensusCrypto, Equivocation},
    keys,
    money::{Pot, transfer},
    reject::Stop,
    rewards,
    schedule::{self, Due},
    staking,
    state::{Changes, MemState},
    step::{BlockContext, Env, Network, Step, Tip},
};

/// No transaction is executed at genesis, and its keys are the chain's to check.
struct AtGenesis;

impl ConsensusCrypto for AtGenesis {
    fn possesses(&self, _: &[u8], _: &[u8]) -> bool {
        false
    }

    fn equivocator(&self, _: &B256, _: &[u8], _: &dyn Fn(u64) -> Option<Vec<Seat>>) -> Option<Equivocation> {
        None
    }
}

/// The state a network starts from. Signature checks of the validators' keys are the chain's.
pub fn genesis_state(genesis: &Genesis) -> Result<Changes, GenesisError> {
    genesis.validate()?;
    let beacon = genesis.hash();
    let tip = Tip {
        height: 0,
        timestamp_ms: genesis.timestamp_ms,
        proposer: Default::default(),
        beacon,
        receipts_root: B256::ZERO,
        base_fee: genesis.params.min_base_fee,
        next_base_fee: genesis.params.min_base_fee,
        gas_used: 0,
    };
    let env = Env {
        ctx: BlockContext {
            height: 0,
            timestamp_ms: genesis.timestamp_ms,
            proposer: Default::default(),
            beacon,
            crypto: &AtGenesis,
        },
        params: genesis.params.clone().into(),
        network: Network::of(genesis),
        tip,
        seats: Vec::new(),
    };
    let nothing = MemState::default();
    let mut step = Step::new(&nothing, &env);
    let params = serde_json::to_vec(&genesis.params).map_err(|e| GenesisError::Malformed(e.to_string()))?;
    step.state.put(keys::params(), params);
    step.write(keys::network(), &env.network);
    step.write(keys::tip(), &env.tip);
    let overflow = |_: Stop| GenesisError::SupplyOverflow;
    for account in &genesis.accounts {
        transfer(&mut step, Pot::Mint, Pot::Account(account.address), account.balance).map_err(overflow)?;
    }
    staking::genesis(&mut step, &genesis.validators).map_err(overflow)?;
    transfer(&mut step, Pot::Mint, Pot::Treasury, genesis.treasury).map_err(overflow)?;
    rewards::begin(&mut step);
    if genesis.params.capacity_round_blocks > 0 {
        schedule::at(&mut step, u64::from(genesis.params.capacity_round_blocks), Due::Round(0, Default::default()));
    }
    Ok(step.state.into_changes())
}
