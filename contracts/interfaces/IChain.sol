// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Read-only facts of the chain. Lives at 0x00000000000000000000000000000000A55A0004.
interface IChain {
    function height() external view returns (uint64);
    function genesisHash() external view returns (bytes32);
    function beacon() external view returns (bytes32);
    /// Grains minted at and since genesis, burned since, and where the rest is; yearly inflation in force, parts of 10^18.
    function supply() external view returns (uint128 minted, uint128 burned, uint128 balances, uint128 escrow, uint128 collateral, uint128 stake, uint128 treasury, uint64 inflation);
    function validators() external view returns (address[] memory);
}
