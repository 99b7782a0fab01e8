// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Proposals, deposits, votes by stake. Lives at 0x00000000000000000000000000000000A55A000A.
///
/// A proposal takes deposits, then votes, then waits, then is carried out by the protocol: nobody calls it.
/// Times are milliseconds since the Unix epoch by the blocks' clock. Shares are basis points.
interface IGovernance {
    /// What a proposal says of itself: a title of 1 to 128 bytes, keccak256 of its text, and where that is, at
    /// most 256 bytes.
    struct About {
        string title;
        bytes32 textHash;
        string uri;
    }

    /// kind: 1 text, 2 parameters, 3 new class, 4 class retired, 5 payment, 6 runtime, 7 upgrade.
    event Proposed(uint64 indexed id, address indexed proposer, uint8 kind, string title, uint64 depositUntil);
    event Deposited(uint64 indexed id, address indexed depositor, uint128 amount, uint128 total);
    event VotingStarted(uint64 indexed id, uint64 until);
    event Voted(uint64 indexed id, address indexed voter, uint16 yes, uint16 no, uint16 abstain, uint16 noWithVeto);
    /// More votes than are counted: the one of least stake made room.
    event VoteDropped(uint64 indexed id, address indexed voter);
    /// status: as in `proposal`.
    event Tallied(uint64 indexed id, uint8 status, uint128 yes, uint128 no, uint128 abstain, uint128 noWithVeto, uint128 bonded);
    event DepositReturned(uint64 indexed id, address indexed depositor, uint128 amount);
    event DepositBurned(uint64 indexed id, uint128 amount);
    event Lapsed(uint64 indexed id);
    event Cancelled(uint64 indexed id);
    event Executed(uint64 indexed id);
    /// Nothing was changed; code as in rejects.md.
    event ExecutionFailed(uint64 indexed id, uint16 code, string reason);
    event ParamsChanged(uint64 indexed id, string changes);
    event ClassCreated(uint64 indexed id, uint32 class);
    /// Takes no new claims; it retires once those on it are over.
    event ClassRetiring(uint32 indexed class);
    event ClassRetired(uint32 indexed class);
    event Paid(uint64 indexed id, address indexed to, uint128 amount);
    event RuntimeChanged(uint64 indexed id, bytes32 runtime, bool active);
    event UpgradeScheduled(uint64 indexed id, string name, uint64 height, uint32 protocolVersion);
    event UpgradeCancelled(uint64 indexed id);
    event Upgraded(string name, uint32 protocolVersion);

    /// Value is the first deposit; what is sent beyond what is missing never leaves the sender.
    function proposeText(About calldata about) external payable returns (uint64 id);
    /// A JSON object of parameters by name, as `assay chain params` writes them.
    function proposeParams(About calldata about, string calldata changes) external payable returns (uint64 id);
    /// A class as JSON, with a number and a name that no class has or had.
    function proposeClass(About calldata about, string calldata class) external payable returns (uint64 id);
    function proposeRetireClass(About calldata about, uint32 class) external payable returns (uint64 id);
    /// Out of the treasury.
    function proposePayment(About calldata about, address to, uint128 amount) external payable returns (uint64 id);
    function proposeRuntime(About calldata about, bytes32 runtime, bool active) external payable returns (uint64 id);
    /// From `height` on the network runs `protocolVersion`: programs that know only lower ones stop before it.
    /// A height of 0 cancels the upgrade that is scheduled.
    function proposeUpgrade(About calldata about, string calldata name, uint64 height, uint32 protocolVersion) external payable returns (uint64 id);

    /// At least the network's share of the least deposit, or what is missing.
    function deposit(uint64 id) external payable;
    /// option: 1 yes, 2 no, 3 abstain, 4 no with veto. The last vote counts.
    function vote(uint64 id, uint8 option) external;
    /// Shares of the stake, 10,000 in all.
    function voteWeighted(uint64 id, uint16 yes, uint16 no, uint16 abstain, uint16 noWithVeto) external;
    /// By the proposer, before voting starts: a part of the deposits is burned.
    function cancel(uint64 id) external;

    /// status: 0 unknown, 1 takes deposits, 2 voting, 3 waits to be carried out, 4 carried out, 5 could not be carried
    /// out, 6 rejected, 7 no quorum, 8 vetoed, 9 lapsed for want of deposits, 10 cancelled. `until` ends 1 to 3.
    function proposal(uint64 id) external view returns (uint8 status, uint8 kind, address proposer, uint128 deposited, uint64 until, uint128 yes, uint128 no, uint128 abstain, uint128 noWithVeto);
    /// What is wrong with changes of parameters; nothing if they could be proposed.
    function checkParams(string calldata changes) external view returns (string memory problem);
    /// The scheduled upgrade; a height of 0 means there is none.
    function upgrade() external view returns (string memory name, uint64 height, uint32 protocolVersion);
}
