// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Audits: drawn auditors of other operators run some tasks of a lot again before its provider opens what it
/// committed to. Lives at 0x00000000000000000000000000000000A55A0007.
interface IAudits {
    /// As IJobs.Leaf.
    struct Leaf {
        bytes32 output;
        uint64 fuel;
    }

    /// The beacon decided about a committed lot. `tasks` by index in the job, empty: not audited. Without
    /// auditors, since nobody could be drawn, the validators run the tasks.
    event AuditDrawn(bytes32 indexed job, uint32 indexed lot, uint32[] tasks, address[] auditors, uint64 deadline);
    event AuditCommitted(bytes32 indexed job, uint32 indexed lot, address indexed auditor);
    event AuditDeclined(bytes32 indexed job, uint32 indexed lot, address indexed auditor, uint8 reason);
    event AuditRevealed(bytes32 indexed job, uint32 indexed lot, address indexed auditor);
    /// The provider's opening shows that this audit was a trap (a forced error): who agreed with the wrong
    /// leaves is slashed, who objected earns a bounty.
    event ForcedError(bytes32 indexed job, uint32 indexed lot);
    event AuditorPaid(bytes32 indexed job, uint32 lot, address indexed auditor, uint128 fee, uint128 bounty);

    /// keccak256("assay/audit", chain id, job, lot, auditor, salt, root, fuel) over the leaves of the drawn
    /// tasks in order, at positions 0, 1, 2 ...
    function commit(bytes32 job, uint32 lot, bytes32 commitment) external;
    /// Reasons as IJobs.decline. The validators run the tasks instead; who declined although it could have
    /// had key and blobs pays what a late one pays.
    function decline(bytes32 job, uint32 lot, uint8 reason) external;
    /// One leaf a drawn task, once the lot is in phase revealing.
    function reveal(bytes32 job, uint32 lot, bytes32 salt, Leaf[] calldata leaves) external;

    /// Collateral a lot of `tasks` takes from its provider, and from each auditor at most, at `price`.
    function locks(uint16 auditBps, uint8 auditors, uint128 mostEarned, uint128 mostFee) external view returns (uint128 provider, uint128 auditor);
}
