// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Stake behind validators: registering, delegating, leaving, rewards, faults. The most staked sit, an epoch at a time,
/// one equal vote a seat. Lives at 0x00000000000000000000000000000000A55A0009. Rules: docs/protocol/staking.md.
/// Amounts are grains, shares basis points, times milliseconds since the Unix epoch.
interface IStaking {
    struct Validator {
        address account;
        /// Bonded: its own and what others delegated.
        uint128 tokens;
        uint128 selfStake;
        uint32 commissionBps;
        /// Whether it sits in the present epoch.
        bool seated;
        /// 0: it is not jailed. Time alone does not end it: unjail does.
        uint64 jailedUntilMs;
        /// It voted for two things, and never sits again.
        bool tombstoned;
        bytes32 networkKey;
        bytes voteKey;
        /// ip:port of the peer-to-peer layer.
        string peer;
    }

    struct Seat {
        address account;
        uint128 stake;
        bytes32 networkKey;
        bytes voteKey;
        string peer;
    }

    struct Delegation {
        address validator;
        uint128 amount;
        /// What can be claimed.
        uint128 rewards;
    }

    /// Stake on its way out, or from one validator to another.
    struct Flight {
        uint64 id;
        address from;
        /// Zero: it is paid out.
        address to;
        /// What left, and what of it a fault of `from` may still take or has not taken yet.
        uint128 initial;
        uint128 left;
        uint64 dueMs;
    }

    event Registered(address indexed validator, uint128 stake, uint32 commissionBps, bytes32 networkKey, bytes voteKey, string peer);
    event Delegated(address indexed delegator, address indexed validator, uint128 amount);
    event Undelegated(address indexed delegator, address indexed validator, uint64 id, uint128 amount, uint64 dueMs);
    event Redelegated(address indexed delegator, address indexed from, address indexed to, uint64 id, uint128 amount, uint64 dueMs);
    /// Stake that left is paid out, less what was slashed meanwhile.
    event Unbonded(address indexed delegator, address indexed validator, uint64 id, uint128 amount);
    event RewardsClaimed(address indexed delegator, address indexed validator, uint128 amount);
    event CommissionClaimed(address indexed validator, uint128 amount);
    event CommissionSet(address indexed validator, uint32 commissionBps);
    event KeysRotated(address indexed validator, bytes32 networkKey, bytes voteKey);
    event AddressSet(address indexed validator, string peer);
    event Heartbeat(address indexed validator);
    /// `why`: 1 two votes for different things, 2 downtime. `burned` of bonded stake, beside the bounty.
    event Slashed(address indexed validator, uint8 why, uint32 bps, uint128 burned, uint128 bounty);
    /// The same share of stake that was leaving.
    event FlightSlashed(address indexed delegator, address indexed validator, uint64 id, uint128 burned);
    event Jailed(address indexed validator, uint64 untilMs);
    event Unjailed(address indexed validator);
    event Tombstoned(address indexed validator, uint64 epoch, uint64 view_, address reporter);
    /// The committee of `epoch` is fixed. `kept`: too few qualified, so that the same accounts sit again.
    event CommitteeFixed(uint64 indexed epoch, bytes32 hash, uint32 seats, bool kept);

    /// Becomes a validator; the value is its own stake. The proof shows that the vote key's secret is held.
    function register(bytes32 networkKey, bytes calldata voteKey, bytes calldata proofOfPossession, string calldata peer, uint32 commissionBps) external payable;
    function delegate(address validator) external payable;
    /// Takes `amount` out; it is paid when the unbonding time is over.
    function undelegate(address validator, uint128 amount) external;
    /// Moves `amount` at once; it stays liable for faults of `from` for the unbonding time.
    function redelegate(address from, address to, uint128 amount) external;
    function claimRewards(address validator) external;
    function claimCommission() external;
    function setCommission(uint32 commissionBps) external;
    /// Other keys from the next committee on.
    function rotateKeys(bytes32 networkKey, bytes calldata voteKey, bytes calldata proofOfPossession) external;
    /// Another peer-to-peer address from the next committee on.
    function setAddress(string calldata peer) external;
    /// A seat that leads no blocks shows that it is there.
    function heartbeat() external;
    function unjail() external;
    /// Two signed votes of one seat for different things, as consensus encodes them.
    function reportEquivocation(bytes calldata evidence) external;

    function validator(address account) external view returns (Validator memory);
    /// Those with the most stake first, without the tombstoned.
    function validators() external view returns (Validator[] memory);
    /// Empty where the epoch is forgotten, or not fixed yet.
    function committee(uint64 epoch) external view returns (Seat[] memory);
    function delegation(address delegator, address validator) external view returns (uint128 amount, uint128 rewards);
    /// All of an account: its own stake is delegated to itself.
    function delegations(address delegator) external view returns (Delegation[] memory);
    function unbondings(address delegator) external view returns (Flight[] memory);
    function rewards(address delegator, address validator) external view returns (uint128);
    /// `third`: the least seats without which two thirds are not exceeded. `thirdStakeBps`: share of all bonded stake
    /// behind the cheapest that many seats. `entryStake`: what that many newcomers need to push out others, grains.
    /// `nakamotoStake`: the least seats that hold a third of the seated stake.
    function decentralisation() external view returns (uint32 seats, uint32 third, uint32 thirdStakeBps, uint128 entryStake, uint32 nakamotoStake);
}
