//! `IRewards`: claiming, and what the state says.

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use assay_types::abi::IRewards::{self, IRewardsCalls};

use super::{Issuance, emission, formula, supply};
use crate::{
    reject::{Done, Failure},
    staking,
    step::Step,
};

/// Answers a call of `IRewards`.
pub(crate) fn execute(step: &mut Step<'_>, sender: Address, value: u128, call: &IRewardsCalls) -> Done<Bytes> {
    if value != 0 {
        return Err(Failure::NotPayable.into());
    }
    Ok(match call {
        IRewardsCalls::claim(_) => match emission::settle(step, sender)? {
            0 => return Err(Failure::NothingOwed.into()),
            paid => IRewards::claimCall::abi_encode_returns(&paid),
        },
        IRewardsCalls::inflation(_) => inflation(step)?,
        IRewardsCalls::owed(call) => {
            IRewards::owedCall::abi_encode_returns(&emission::owed(&step.state, &call.provider)?)
        }
        IRewardsCalls::burned(call) => {
            IRewards::burnedCall::abi_encode_returns(&emission::burned(&step.state, &call.provider, call.epoch)?)
        }
    }
    .into())
}

fn inflation(step: &Step<'_>) -> Done<Vec<u8>> {
    let issuance = Issuance::load(&step.state)?;
    let supply = supply(&step.state)?;
    Ok(IRewards::inflationCall::abi_encode_returns(&IRewards::inflationReturn {
        epoch: issuance.epoch,
        mintedAtMs: issuance.minted_at_ms,
        rate: issuance.rate,
        bonded: formula::bonded_ratio(staking::bonded_total(&step.state)?, supply),
        supply,
        lastMinted: issuance.last_minted,
        minted: issuance.minted,
        emitted: issuance.emitted,
        burnedInEpoch: issuance.burned_in_epoch,
        burned: issuance.burned,
    }))
}
