// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Proofs of capacity: all open providers of a class are challenged at one height to fill memory on all their
/// cores, and open later what a beacon draws. Lives at 0x00000000000000000000000000000000A55A0008.
/// Figures are fuel in progress in units of 10^6, as IProviders.Ask.capacity.
interface ICapacity {
    /// `round` is the height whose beacon seeds the task; the root is due by `answerBy`.
    event Challenged(address indexed provider, uint64 indexed round, uint64 answerBy);
    event Answered(address indexed provider, uint64 indexed round, uint32 lanes, bytes32 root);
    /// What is to be opened is drawn; due by `openBy`.
    event OpeningDrawn(address indexed provider, uint64 indexed round, uint64 openBy);
    event Proved(address indexed provider, uint64 indexed round, uint32 lanes, uint64 proved);
    /// No right answer, but as much audited fuel delivered since the last round as the figure says.
    event Covered(address indexed provider, uint64 indexed round, uint64 delivered);
    /// No right answer: the figure is lowered. `jailedUntil` is 0 unless this was one too many in a row.
    event Missed(address indexed provider, uint64 indexed round, uint32 inARow, uint64 proved, uint64 jailedUntil);

    /// Root over the roots of `lanes` filled lanes.
    function answer(uint64 round, uint32 lanes, bytes32 root) external;
    /// What was drawn: bytes as docs/protocol/capacity.md lays them out.
    function open(uint64 round, bytes calldata opening) external;

    /// What a provider asks to have in progress at most, what it has proved, and the lesser of both, which counts;
    /// memory of one task likewise. Where there are no rounds `proved` is 2^64 - 1. `missed`: rounds in a row.
    /// `round`: 0 when none is under way.
    function standing(address provider) external view returns (uint64 advertised, uint64 proved, uint64 effective, uint32 effectiveMib, uint32 missed, uint64 round);
}
