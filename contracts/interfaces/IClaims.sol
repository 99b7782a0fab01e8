// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Capacity claims: gigafuel of a class, deliverable in one window, owed by an issuer that put down
/// collateral. Lives at 0x00000000000000000000000000000000A55A0006. ERC-1155, so that wallets show them.
///
/// id = uint256(class) << 192 | uint256(window) << 160 | uint160(issuer). Amounts are thousandths of a
/// gigafuel. Window w covers the heights from w times the network's window length up to the next window.
/// No code runs on this chain, so there is no receiver to ask and `data` is ignored.
interface IClaims {
    /// As IJobs.JobSpec.
    struct JobSpec {
        bytes32 program;
        bool programSealed;
        uint8 abi;
        bytes32 runtimeId;
        uint32 class;
        uint32[] substitutes;
        bytes32[] inputs;
        uint64 fuelPerTask;
        uint32 memoryMib;
        uint32 outputBytes;
        uint32 tasksPerLot;
        uint8 replicas;
        /// Tier audit: chance that a lot's result is audited, basis points; 0: no audits. Needs one replica.
        uint16 auditBps;
        /// Points of an audited lot's fuel that decide which of its tasks are run again.
        uint16 auditDraws;
        /// Auditors of other operators, each of which runs all of those tasks.
        uint8 auditors;
        uint16 minReputation;
        uint128 maxPricePerGigafuel;
        uint32 commitWindow;
        uint32 challengeWindow;
        uint32 lifetime;
        bytes32 keyHash;
        bytes source;
    }

    /// ERC-1155. Offered claims lie with the market's address, those being redeemed with this one.
    event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value);
    event TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] values);
    event ApprovalForAll(address indexed account, address indexed operator, bool approved);
    event URI(string value, uint256 indexed id);

    event ClaimsIssued(uint256 indexed id, address indexed issuer, uint64 amount, uint128 issuePrice, uint64 maxRate, uint64 lastRedemption, uint128 collateral);
    event ClaimSold(uint256 indexed id, address indexed buyer, address indexed seller, uint64 amount, uint128 price);
    event ClaimsRedeemed(uint256 indexed id, address indexed holder, bytes32 indexed job, uint64 amount, uint128 escrow);
    event ClaimsDelivered(uint256 indexed id, bytes32 indexed job, uint32 lot, uint64 amount);
    /// Not delivered for want of machines or through their fault; paid to the holder.
    event ClaimsDefaulted(uint256 indexed id, bytes32 indexed job, uint32 lot, uint64 amount, uint128 paid);
    /// Not delivered through the holder's doing, or nobody's: the claims are the holder's again.
    event ClaimsReturned(uint256 indexed id, bytes32 indexed job, uint32 lot, uint64 amount);
    event CollateralAdded(uint256 indexed id, address indexed from, uint128 amount);
    event SurplusWithdrawn(uint256 indexed id, address indexed obligor, uint128 amount);
    /// Collateral is below the maintenance level: topped up by `deadline`, or the obligation is offered.
    event CollateralCalled(uint256 indexed id, uint128 missing, uint64 deadline);
    event CallCured(uint256 indexed id);
    event ObligationOffered(uint256 indexed id, uint64 until);
    event ObligationTaken(uint256 indexed id, address indexed obligor, uint128 posted, uint128 paid);
    /// Nobody took it: holders are paid `pool` for `amount` claims, pro rata.
    event ClosedOut(uint256 indexed id, uint64 amount, uint128 pool);
    event Collected(uint256 indexed id, address indexed holder, uint64 amount, uint128 paid);
    /// Its window is over: what was not redeemed is void, the collateral goes back.
    event ClaimsExpired(uint256 indexed id, uint64 amount, uint128 returned);

    /// Value covers the initial collateral; what is sent beyond it never leaves the sender. The sender is a
    /// provider of the class. More of the same id only at the same price and rate.
    function issue(uint32 class, uint32 window, uint64 amount, uint128 issuePrice, uint64 maxRate) external payable returns (uint256 id);
    /// An ask in the book of the claim's class and window. Bids are placed with IMarket.place, and either is
    /// amended and cancelled there.
    function sell(uint256 id, uint64 amount, uint128 price, uint64 minFill, uint64 expires) external returns (uint64 order);
    /// Submits a job that the claims pay for: `amount` is the fuel caps of all replicas of all its lots.
    function redeem(uint256 id, uint64 amount, JobSpec calldata spec) external returns (bytes32 job);
    function topUp(uint256 id) external payable;
    function withdrawSurplus(uint256 id) external;
    /// Another provider of the class posts the initial collateral and becomes the obligor; it is paid a share of
    /// the old collateral that grows while nobody takes it.
    function takeOver(uint256 id) external payable;
    /// Pays a holder of claims that were closed out; anyone may have it done.
    function collect(uint256 id, address holder) external;

    function setApprovalForAll(address operator, bool approved) external;
    function safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes calldata data) external;
    function safeBatchTransferFrom(address from, address to, uint256[] calldata ids, uint256[] calldata amounts, bytes calldata data) external;

    function balanceOf(address account, uint256 id) external view returns (uint256);
    function balanceOfBatch(address[] calldata accounts, uint256[] calldata ids) external view returns (uint256[] memory);
    function isApprovedForAll(address account, address operator) external view returns (bool);
    function uri(uint256 id) external view returns (string memory);
    function supportsInterface(bytes4 interfaceId) external pure returns (bool);
    /// status: 0 unknown, 1 good, 2 called, 3 offered, 4 closed out.
    function issuance(uint256 id) external view returns (address obligor, uint8 status, uint128 issuePrice, uint64 maxRate, uint64 issued, uint64 outstanding, uint64 redeemed, uint64 lastRedemption, uint128 collateral, uint128 inJobs);
}
