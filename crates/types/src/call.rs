//! The closed set of things a transaction can ask for.
//!
//! A transaction to a system address carries ABI-encoded calldata; it is decoded here, strictly,
//! once, before anything stateful happens. A transaction to any other address is a transfer.

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolInterface;

use crate::{
    abi::{
        IAudits::IAuditsCalls, ICapacity::ICapacityCalls, IChain::IChainCalls, IClaims::IClaimsCalls,
        IDisputes::IDisputesCalls, IGovernance::IGovernanceCalls, IJobs::IJobsCalls, IMarket::IMarketCalls,
        IProviders::IProvidersCalls, IRewards::IRewardsCalls, IStaking::IStakingCalls,
    },
    system,
};

/// What a transaction asks of the ledger.
#[derive(Debug, Clone)]
pub enum Call {
    /// Moves value to an account that is nobody's code.
    Transfer,
    /// A call of [`crate::abi::IProviders`].
    Providers(IProvidersCalls),
    /// A call of [`crate::abi::IJobs`].
    Jobs(IJobsCalls),
    /// A call of [`crate::abi::IDisputes`].
    Disputes(IDisputesCalls),
    /// A call of [`crate::abi::IChain`].
    Chain(IChainCalls),
    /// A call of [`crate::abi::IMarket`].
    Market(IMarketCalls),
    /// A call of [`crate::abi::IClaims`].
    Claims(IClaimsCalls),
    /// A call of [`crate::abi::IAudits`].
    Audits(IAuditsCalls),
    /// A call of [`crate::abi::ICapacity`].
    Capacity(ICapacityCalls),
    /// A call of [`crate::abi::IStaking`].
    Staking(IStakingCalls),
    /// A call of [`crate::abi::IGovernance`].
    Governance(IGovernanceCalls),
    /// A call of [`crate::abi::IRewards`].
    Rewards(IRewardsCalls),
}

/// Why calldata is not a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Calldata on a plain transfer: there is no code to read it.
    #[error("calldata sent to an address without code")]
    DataToAccount,
    /// Selector unknown, arguments malformed or not canonically encoded.
    #[error("malformed calldata for a system contract")]
    MalformedAbi,
}

impl Call {
    /// Decodes the calldata of a transaction to `to`. Trailing or non-canonical bytes are refused.
    pub fn decode(to: &Address, input: &Bytes) -> Result<Self, CallError> {
        fn strict<T: SolInterface>(input: &Bytes) -> Result<T, CallError> {
            let call = T::abi_decode_validate(input).map_err(|_| CallError::MalformedAbi)?;
            if call.abi_encode() != input.as_ref() {
                return Err(CallError::MalformedAbi);
            }
            Ok(call)
        }
        match *to {
            system::PROVIDERS => strict(input).map(Call::Providers),
            system::JOBS => strict(input).map(Call::Jobs),
            system::DISPUTES => strict(input).map(Call::Disputes),
            system::CHAIN => strict(input).map(Call::Chain),
            system::MARKET => strict(input).map(Call::Market),
            system::CLAIMS => strict(input).map(Call::Claims),
            system::AUDITS => strict(input).map(Call::Audits),
            system::CAPACITY => strict(input).map(Call::Capacity),
            system::STAKING => strict(input).map(Call::Staking),
            system::GOVERNANCE => strict(input).map(Call::Governance),
            system::REWARDS => strict(input).map(Call::Rewards),
            _ if input.is_empty() => Ok(Call::Transfer),
            _ => Err(CallError::DataToAccount),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_sol_types::SolCall;

    use super::*;
    use crate::abi::IJobs;

    #[test]
    fn a_call_survives_encoding_and_any_damage_to_it_is_refused() {
        let call = IJobs::cancelCall { job: [7; 32].into() };
        let bytes = call.abi_encode();
        assert!(matches!(
            Call::decode(&system::JOBS, &bytes.clone().into()),
            Ok(Call::Jobs(IJobsCalls::cancel(c))) if c.job == call.job
        ));
        let mut long = bytes.clone();
        long.push(0);
        for bad in [&bytes[..bytes.len() - 1], &bytes[..3], &long, &[]] {
            let input = Bytes::copy_from_slice(bad);
            assert_eq!(Call::decode(&system::JOBS, &input).err(), Some(CallError::MalformedAbi));
        }
        let elsewhere = Call::decode(&Address::repeat_byte(9), &bytes.into());
        assert_eq!(elsewhere.err(), Some(CallError::DataToAccount));
    }
}
