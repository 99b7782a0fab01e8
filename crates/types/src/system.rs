//! Fixed addresses of the protocol's own contracts. They hold no code: the ledger answers for them,
//! and `eth_getCode` says [`CODE`] so that wallets do not take them for empty accounts.

use alloy_primitives::{Address, address};

/// Answers [`crate::abi::IProviders`].
pub const PROVIDERS: Address = address!("00000000000000000000000000000000A55A0001");
/// Answers [`crate::abi::IJobs`].
pub const JOBS: Address = address!("00000000000000000000000000000000A55A0002");
/// Answers [`crate::abi::IDisputes`].
pub const DISPUTES: Address = address!("00000000000000000000000000000000A55A0003");
/// Answers [`crate::abi::IChain`], view calls only.
pub const CHAIN: Address = address!("00000000000000000000000000000000A55A0004");
/// Answers [`crate::abi::IMarket`].
pub const MARKET: Address = address!("00000000000000000000000000000000A55A0005");
/// Answers [`crate::abi::IClaims`].
pub const CLAIMS: Address = address!("00000000000000000000000000000000A55A0006");
/// Answers [`crate::abi::IAudits`].
pub const AUDITS: Address = address!("00000000000000000000000000000000A55A0007");
/// Answers [`crate::abi::ICapacity`].
pub const CAPACITY: Address = address!("00000000000000000000000000000000A55A0008");
/// Answers [`crate::abi::IStaking`].
pub const STAKING: Address = address!("00000000000000000000000000000000A55A0009");
/// Answers [`crate::abi::IGovernance`].
pub const GOVERNANCE: Address = address!("00000000000000000000000000000000A55A000A");
/// Answers [`crate::abi::IRewards`].
pub const REWARDS: Address = address!("00000000000000000000000000000000A55A000B");

/// What `eth_getCode` answers for a system address (0xfe is EVM INVALID).
pub const CODE: [u8; 1] = [0xfe];

/// All system addresses, ascending.
pub const ALL: [Address; 11] =
    [PROVIDERS, JOBS, DISPUTES, CHAIN, MARKET, CLAIMS, AUDITS, CAPACITY, STAKING, GOVERNANCE, REWARDS];

/// Whether `address` is one of the protocol's own.
pub fn is_system(address: &Address) -> bool {
    ALL.contains(address)
}
