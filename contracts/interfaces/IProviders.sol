// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Providers: who sells compute, on what terms, and the collateral behind it.
/// Lives at 0x00000000000000000000000000000000A55A0001. Amounts are grains (10^-18 KRT).
interface IProviders {
    /// What a provider sells and for how much.
    struct Ask {
        /// Runtime the results are bit-identical under (engine, target, cost table).
        bytes32 runtimeId;
        /// Class it sells in: a leaf of the region tree.
        uint32 class;
        /// Fuel it will have in progress at most, in units of 10^6.
        uint64 capacity;
        /// Least price: grains for 10^9 units of fuel.
        uint128 pricePerGigafuel;
        /// Lots it will run at the same time.
        uint32 maxLots;
        /// Largest fuel cap of one task it accepts.
        uint64 maxFuelPerTask;
        /// Largest memory of one task it accepts, MiB.
        uint32 maxMemoryMib;
        /// False: assigned work goes on, no new work is drawn.
        bool open;
    }

    struct Provider {
        address account;
        address operator;
        /// HPKE public key (X25519) that job keys are sealed to.
        bytes32 sealingKey;
        /// Canonical encoding of the blob endpoint.
        bytes endpoint;
        Ask ask;
        uint128 collateral;
        /// Part of the collateral behind running lots.
        uint128 locked;
        uint128 withdrawing;
        uint64 withdrawableAt;
        uint32 activeLots;
        uint64 lotsSettled;
        uint64 faults;
    }

    event ProviderRegistered(address indexed provider, address indexed operator, uint128 collateral);
    event ProviderUpdated(address indexed provider);
    event CollateralDeposited(address indexed provider, uint128 amount, uint128 collateral);
    event WithdrawalRequested(address indexed provider, uint128 amount, uint64 height);
    /// Collateral does not cover what open work needs at the class's present reference: no new work until it does.
    event HealthWarning(address indexed provider, uint32 healthBps, uint128 shortfall);
    /// Work it had not committed to goes to others, `attached` with it to who takes it over.
    event HandedOver(address indexed provider, bytes32 indexed job, uint32 lot, uint128 attached);
    /// What came with a lot that was handed over: to each of its replicas, the remainder or all of it to the renter.
    event AttachedPaid(bytes32 indexed job, uint32 lot, uint128 each, uint128 toRenter);
    event CollateralWithdrawn(address indexed provider, uint128 amount);

    /// Value sent becomes collateral. `operator` groups machines of one owner: replicas of a lot never share one.
    function register(address operator, bytes32 sealingKey, bytes calldata endpoint, Ask calldata ask) external payable;
    function update(bytes32 sealingKey, bytes calldata endpoint, Ask calldata ask) external;
    function depositCollateral() external payable;
    /// Starts the delay; only collateral that backs no lot can leave.
    function requestWithdrawal(uint128 amount) external;
    /// Leaves: no new work, what is not committed to is handed over, all that is free is asked back.
    function exit() external;
    /// Pays out after the delay, less what was slashed meanwhile.
    function withdraw() external;

    function provider(address account) external view returns (Provider memory);
    function providers() external view returns (address[] memory);
}
