// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Jobs: from escrow to settlement. Lives at 0x00000000000000000000000000000000A55A0002.
///
/// A job is N tasks of one program; consecutive tasks form lots of `tasksPerLot`. A lot is what
/// providers are drawn for: `replicas` of them, each of another operator, run every task of the lot,
/// commit to the results, reveal after all committed, and are paid when they agree.
interface IJobs {
    struct JobSpec {
        /// BLAKE3 of the program blob as stored.
        bytes32 program;
        /// True: the program blob is sealed under the job key like the inputs.
        bool programSealed;
        /// 0 component `run(list<u8>)`, 1 WASI preview-1 command.
        uint8 abi;
        bytes32 runtimeId;
        /// Class it is to run in; one with others under its region may run in any of those.
        uint32 class;
        /// Further classes, in order of preference, tried when this one does not serve it.
        uint32[] substitutes;
        /// BLAKE3 of each task's sealed input blob, in task order.
        bytes32[] inputs;
        uint64 fuelPerTask;
        uint32 memoryMib;
        uint32 outputBytes;
        uint32 tasksPerLot;
        /// 1: tier none, paid on reveal unless challenged, or tier audit. 2 or more: tier replicate.
        uint8 replicas;
        /// Tier audit: chance that a lot's result is audited, basis points; 0: no audits. Needs one replica.
        uint16 auditBps;
        /// Points of an audited lot's fuel that decide which of its tasks are run again.
        uint16 auditDraws;
        /// Auditors of other operators, each of which runs all of those tasks.
        uint8 auditors;
        /// Least reputation of a provider that runs it, basis points; 0: any. Auditors are drawn whatever theirs is.
        uint16 minReputation;
        /// Limit price. Escrow covers `tasks * fuelPerTask * replicas` at this price, rounded up a task, and the
        /// most that audits can cost: `auditors * min(auditDraws, tasks)` runs a lot.
        uint128 maxPricePerGigafuel;
        /// Blocks from assignment (or key delivery, if later) to the commit deadline.
        uint32 commitWindow;
        /// Blocks between agreement and settlement, in which anyone may challenge.
        uint32 challengeWindow;
        /// Blocks from submission until the job ends whatever happened, disputes excepted.
        uint32 lifetime;
        /// Hash of the job key that seals inputs and outputs.
        bytes32 keyHash;
        /// Where the blobs can be fetched: canonical endpoint encoding.
        bytes source;
    }

    /// The result of one task: BLAKE3 of the sealed output blob, and the fuel it burned.
    struct Leaf {
        bytes32 output;
        uint64 fuel;
    }

    event JobSubmitted(bytes32 indexed job, address indexed renter, uint32 tasks, uint32 lots, uint128 escrow);
    event JobAmended(bytes32 indexed job, uint128 maxPricePerGigafuel, uint128 escrow);
    event BidSealed(address indexed renter, bytes32 indexed commitment, uint128 value, uint64 opensBy);
    event SealOpened(address indexed renter, bytes32 indexed commitment, bytes32 indexed job);
    event SealForfeited(address indexed renter, bytes32 indexed commitment, uint128 burned, uint128 refunded);
    event LotAssigned(bytes32 indexed job, uint32 indexed lot, address indexed provider, uint128 pricePerGigafuel, uint128 locked);
    event KeyDelivered(bytes32 indexed job, address indexed provider, address sender, bytes sealedKey);
    event Committed(bytes32 indexed job, uint32 indexed lot, address indexed provider);
    event RevealOpened(bytes32 indexed job, uint32 indexed lot, uint64 deadline);
    event Revealed(bytes32 indexed job, uint32 indexed lot, address indexed provider, bytes32 root, uint64 fuel);
    event Declined(bytes32 indexed job, uint32 indexed lot, address indexed provider, uint8 reason);
    /// fault: 1 wrong result, 2 late commit, 3 late reveal, 4 withheld output, 5 wrong audit, 6 silent auditor,
    /// 7 withheld key. An auditor's faults are its own: `provider` is the auditor then.
    event Slashed(bytes32 indexed job, uint32 lot, address indexed provider, uint8 fault, uint128 amount, uint128 burned, uint128 toCatchers, uint128 toRenter);
    event LotAgreed(bytes32 indexed job, uint32 indexed lot, bytes32 root, uint64 settlesAt);
    event LotRequeued(bytes32 indexed job, uint32 indexed lot, uint8 cause);
    event LotSettled(bytes32 indexed job, uint32 indexed lot, uint64 fuel, uint128 paid);
    event ProviderPaid(bytes32 indexed job, uint32 lot, address indexed provider, uint128 amount);
    event DeliveryDemanded(bytes32 indexed job, uint32 indexed lot, uint32 task, address[] witnesses, uint64 deadline);
    event DeliveryAttested(bytes32 indexed job, uint32 indexed lot, address indexed witness, uint32 deliveredMask);
    event DeliveryResolved(bytes32 indexed job, uint32 indexed lot, bool delivered);
    /// outcome: 1 completed, 2 cancelled, 3 expired, 4 partly completed. cause says why (see docs).
    event JobClosed(bytes32 indexed job, uint8 outcome, uint8 cause, uint128 paid, uint128 refunded);

    function submit(JobSpec calldata spec) external payable returns (bytes32 job);
    /// New limit price of an open job, not below what an assigned lot is to be paid. Value only for the
    /// escrow it needs more; what it needs less comes back at once.
    function amend(bytes32 job, uint128 maxPricePerGigafuel) external payable;
    /// Locks value behind a bid nobody can read:
    /// keccak256("assay/seal", chain id, renter, salt, keccak256(abi.encode(spec))).
    function seal(bytes32 commitment) external payable;
    /// Submits the sealed job; it takes part when the window is over, with all that were opened in it.
    function openSealed(bytes32 salt, JobSpec calldata spec) external returns (bytes32 job);
    /// Any holder of the key (renter, a co-replica) may seal it to an assigned provider or auditor.
    function deliverKey(bytes32 job, address provider, bytes calldata sealedKey) external;
    function commit(bytes32 job, uint32 lot, bytes32 commitment) external;
    /// As commit, for a job with audits: the fuel each task of the lot burned is said in the open, since audits
    /// are drawn by it. The opening must bill exactly that.
    function commitAudited(bytes32 job, uint32 lot, bytes32 commitment, uint64[] calldata fuels) external;
    function reveal(bytes32 job, uint32 lot, bytes32 salt, Leaf[] calldata leaves) external;
    /// Gives a lot back before the commit deadline: 1 inputs unreachable, 2 wrong key, 3 host fault, 4 draining.
    function decline(bytes32 job, uint32 lot, uint8 reason) external;
    /// Only while no lot has been committed to.
    function cancel(bytes32 job) external;
    /// Bond = value. The task's leaf is adjudicated; the loser pays.
    function challenge(bytes32 job, uint32 task) external payable;
    /// Bond = value. Drawn witnesses of other operators must be able to fetch the task's output.
    function demandDelivery(bytes32 job, uint32 task) external payable;
    /// Bit i set: the output could be fetched from replica i of the lot.
    function attestDelivery(bytes32 job, uint32 lot, uint32 deliveredMask) external;

    /// 0 unknown, 1 open, 2 closed; outcome as in JobClosed.
    function job(bytes32 id) external view returns (address renter, uint8 phase, uint8 outcome, uint32 tasks, uint32 lotsSettled, uint32 lots, uint128 escrow, uint128 paid, bytes32 resultRoot);
    function escrowFor(JobSpec calldata spec) external view returns (uint128 grains);
}
