// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// What is minted and burned: inflation that pays for security, the burned share of payments for work, and the
/// emission to providers, which never exceeds it. Lives at 0x00000000000000000000000000000000A55A000B.
/// Amounts are grains; rates and ratios are parts of 10^18, rates a year.
interface IRewards {
    /// Of `paid` for work, `burned` was burned; the provider has the rest.
    event PaymentBurned(address indexed provider, uint64 indexed epoch, uint32 indexed class, uint128 paid, uint128 burned);
    /// An epoch ended: `dtMs` of inflation were minted. `burned` is what payments of the epoch burned; `budget` the
    /// most that its providers are emitted for it.
    event EpochMinted(uint64 indexed epoch, uint64 dtMs, uint64 rate, uint64 bonded, uint128 toTreasury, uint128 toValidators, uint128 burned, uint128 budget);
    /// A provider was paid its emission for an epoch in which its payments burned `burned`.
    event EmissionPaid(address indexed provider, uint64 indexed epoch, uint128 burned, uint128 amount);

    /// Pays the sender what it is owed for ended epochs. A provider's next payment does so too.
    function claim() external returns (uint128 amount);

    /// The epoch under way, when the last one ended, the rate in force, the bonded part of the supply, the supply
    /// now; what inflation minted for the last epoch and in all, what providers were emitted in all; what payments
    /// burned in the epoch under way and in all.
    function inflation() external view returns (uint64 epoch, uint64 mintedAtMs, uint64 rate, uint64 bonded, uint128 supply, uint128 lastMinted, uint128 minted, uint128 emitted, uint128 burnedInEpoch, uint128 burned);
    /// What `claim` would pay the provider.
    function owed(address provider) external view returns (uint128);
    /// What the provider's payments burned in an epoch; 0 once its emission for it is paid.
    function burned(address provider, uint64 epoch) external view returns (uint128);
}
