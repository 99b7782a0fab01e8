// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Adjudication: validators re-execute disputed tasks, commit salted results, reveal; two thirds on
/// one result decide. Lives at 0x00000000000000000000000000000000A55A0003.
interface IDisputes {
    /// As IJobs.Leaf.
    struct Leaf {
        bytes32 output;
        uint64 fuel;
    }

    /// cause: 1 replicas disagree, 2 challenge, 3 audit.
    event DisputeOpened(bytes32 indexed job, uint32 indexed lot, uint8 cause, uint32[] tasks, uint64 discloseBy);
    event KeyDisclosed(bytes32 indexed job, address indexed sender, bytes32 key);
    event VerdictCommitted(bytes32 indexed job, uint32 indexed lot, address indexed validator);
    event VerdictRevealed(bytes32 indexed job, uint32 indexed lot, address indexed validator);
    /// Validators revealed results of one task that differ so that none has two thirds: the runtime may not be
    /// deterministic. Until then nobody is punished for a result under it, and no new jobs name it.
    event RuntimeQuarantined(bytes32 indexed runtimeId, bytes32 indexed job, uint32 lot, uint64 until);
    /// A validator revealed no verdict in a dispute that was decided: a little of its stake is burned.
    event Slept(bytes32 indexed job, uint32 indexed lot, address indexed validator, uint128 burned);
    /// outcome: 1 decided, 2 no two thirds, 3 key not disclosed, 4 the runtime is quarantined.
    event DisputeResolved(bytes32 indexed job, uint32 indexed lot, uint8 outcome, address[] wrong);

    /// A fault that evidence cannot settle (lateness): its amount is held until `until`, and goes back if more than
    /// two thirds of the seats excuse it. Otherwise IJobs.Slashed follows.
    event SlashHeld(uint64 indexed appeal, bytes32 indexed job, uint32 lot, address indexed provider, uint8 fault, uint128 amount, uint64 until);
    event Excused(uint64 indexed appeal, address indexed validator);
    event SlashExcused(uint64 indexed appeal, address indexed provider, uint128 amount);

    /// A validator excuses a provider whose lateness was not its own.
    function excuse(uint64 appeal) external;
    /// Opens the job key to the adjudicators; checked against the job's key hash.
    function discloseKey(bytes32 job, bytes32 key) external;
    function commitVerdict(bytes32 job, uint32 lot, bytes32 commitment) external;
    /// One leaf per disputed task, in the order of DisputeOpened.
    function revealVerdict(bytes32 job, uint32 lot, bytes32 salt, Leaf[] calldata leaves) external;
}
