// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// The market: one batch auction a block and book. Lives at 0x00000000000000000000000000000000A55A0005.
///
/// A book is a class and a delivery window (0: now). Prices are grains for one unit of the class
/// (a gigafuel, a GiB, a second), at multiples of its tick; quantities are thousandths of that unit, at
/// multiples of its least quantity. Jobs are bids of their class and providers' asks are asks in it; the calls
/// here place orders in the other books. In a window of a class of compute claims are traded: bids are placed
/// here and buy claims of any issuer, asks with IClaims.sell.
interface IMarket {
    /// A clearing that traded. `low` and `high`: the prices that would have cleared the same volume.
    event Cleared(uint32 indexed class, uint32 indexed window, uint128 price, uint64 volume, uint128 low, uint128 high);
    /// The end of a class's epoch; prices are 0 where nothing traded. `printed` false: the index stands from before.
    event EpochClosed(uint32 indexed class, uint64 indexed epoch, uint128 open, uint128 high, uint128 low, uint128 close, uint64 volume, uint128 turnover, uint32 utilisationBps, uint128 index, bool printed);
    event OrderSealed(address indexed owner, bytes32 indexed commitment, uint128 value, uint64 opensBy);
    event OrderUnsealed(address indexed owner, bytes32 indexed commitment, uint64 indexed id);
    event OrderSealForfeited(address indexed owner, bytes32 indexed commitment, uint128 burned, uint128 refunded);
    /// side: 0 bid, 1 ask.
    event OrderPlaced(uint64 indexed id, address indexed owner, uint32 indexed class, uint32 window, uint8 side, uint128 price, uint64 quantity, uint64 minFill, uint64 expires);
    event OrderAmended(uint64 indexed id, uint128 price, uint64 quantity, uint64 expires);
    event OrderFilled(uint64 indexed id, uint128 price, uint64 quantity, uint64 left);
    /// reason: 1 filled, 2 cancelled, 3 expired, 4 its class was retired, 5 closed out.
    event OrderClosed(uint64 indexed id, uint8 reason, uint128 refunded);
    /// What a trade in a class whose delivery is metered gives its buyer: `quantity` from `seller`, by `expires`.
    event Allotted(uint64 indexed id, uint32 indexed class, address indexed buyer, address seller, uint64 quantity, uint128 price, uint64 expires);
    event AllotmentServed(uint64 indexed id, uint64 served, uint128 paid);
    event AllotmentClosed(uint64 indexed id, uint64 served, uint128 refunded);

    /// A bid's value covers price times quantity, rounded up; an ask takes none. Takes part from the next block on.
    function place(uint32 class, uint32 window, uint8 side, uint128 price, uint64 quantity, uint64 minFill, uint64 expires) external payable returns (uint64 id);
    /// Locks value behind an order nobody can read; it covers price times quantity, rounded up, on both sides:
    /// keccak256("assay/seal order", chain id, owner, salt, class, window, side, price, quantity, minFill, expires),
    /// integers big-endian at their types' widths, the chain id as uint64.
    function seal(bytes32 commitment) external payable;
    /// Places the sealed order; it takes part when the window is over, with all that were opened in it. What a bid
    /// does not need comes back, of an ask's all.
    function openSealed(bytes32 salt, uint32 class, uint32 window, uint8 side, uint128 price, uint64 quantity, uint64 minFill, uint64 expires) external returns (uint64 id);
    /// New price, quantity left and expiry; value only for what a bid needs more, what it needs less comes back at once.
    function amend(uint64 id, uint128 price, uint64 quantity, uint64 expires) external payable;
    function cancel(uint64 id) external;
    /// The seller of an allotment shows what the buyer signed for in all: EIP-712 `Served(uint64 allotment,uint64 served)`.
    function serve(uint64 allotment, uint64 served, bytes calldata signature) external;

    function order(uint64 id) external view returns (address owner, uint32 class, uint32 window, uint8 side, uint128 price, uint64 quantity, uint64 minFill, uint64 expires);
    /// Reference, the band around it, the last price (0: none yet) and the height it was made at.
    function quote(uint32 class, uint32 window) external view returns (uint128 index, uint128 low, uint128 high, uint128 last, uint64 height);
}
