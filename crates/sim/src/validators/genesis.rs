//! Who there is: validators, those who come later, and accounts.

use assay_chain::keys::ValidatorKeys;
use assay_types::{Address, GRAINS_PER_KRT, Genesis, GenesisAccount, GenesisValidator, Params};

use super::{
    job::RUNTIME,
    scenario::{EPOCH_BLOCKS, SEATS, Scenario, VALIDATORS},
};
use crate::names::{address, validator_name};

pub(super) const CHAIN_ID: u64 = 31_338;
/// Moves stake from validator to validator.
pub(super) const STAKER: &str = "staker";
/// Reports who contradicted itself.
pub(super) const REPORTER: &str = "reporter";
/// Whose transactions the two halves of an equivocator have different ones of.
pub(super) const FORKED: &str = "forked";
/// Whose transactions censors refuse.
pub(super) const REFUSED: &str = "refused";
/// Who else sends.
pub(super) const SENDERS: [&str; 3] = ["sender/0", "sender/1", "sender/2"];

/// Stake that a candidate registers with, and its fees.
pub(super) const CANDIDATE_STAKE: u128 = 200 * GRAINS_PER_KRT;
const OPENING_BALANCE: u128 = 1_000_000 * GRAINS_PER_KRT;

fn params() -> Params {
    Params {
        validator_epoch_blocks: u32::try_from(EPOCH_BLOCKS).unwrap_or(u32::MAX),
        max_validators: u32::try_from(SEATS).unwrap_or(u32::MAX),
        max_candidates: 8,
        min_block_interval_ms: 100,
        idle_block_interval_ms: 300,
        // Longer than a run: evidence of any of its epochs is good to its end.
        unbonding_ms: 600_000,
        runtimes: vec![RUNTIME],
        ..Params::default()
    }
}

/// The account of a validator.
pub(super) fn account(at: usize) -> Address {
    address(&validator_name(at))
}

/// Where a validator says it listens; nobody looks in the simulation.
pub(super) fn peer(at: usize) -> String {
    format!("127.0.0.1:{}", 1_000 + at)
}

pub(super) fn genesis(scenario: &Scenario, keys: &[ValidatorKeys]) -> Genesis {
    let names = [STAKER, REPORTER, FORKED, REFUSED].into_iter().chain(SENDERS);
    let accounts = names.map(address).chain((0..VALIDATORS).map(account));
    let seat = |(at, keys): (usize, &ValidatorKeys)| {
        // The honest are pushed out first, so that there are faults to survive to the end.
        let favour = if scenario.kind(at).is_some() { 500 } else { 0 };
        GenesisValidator {
            account: account(at),
            stake: (1_000 + favour + at as u128) * GRAINS_PER_KRT,
            network_key: keys.network_key(),
            vote_key: keys.vote_key(),
            proof_of_possession: keys.proof_of_possession(),
            address: peer(at),
            commission_bps: 500,
        }
    };
    Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: 0,
        accounts: accounts.map(|address| GenesisAccount { address, balance: OPENING_BALANCE }).collect(),
        validators: keys.iter().enumerate().take(SEATS).map(seat).collect(),
        treasury: 0,
        params: params(),
    }
}
