//! Every way a transaction can be refused, by stable number.
//!
//! A [`Reject`] means that a transaction cannot be in a block at all (a block that holds it is
//! invalid, nothing is charged). A [`Failure`] means that it is included, pays its fee, bumps its
//! nonce and does nothing else. Variants stand in the order they are looked for: when several apply,
//! the first wins. Numbers are never reused; `docs/protocol/rejects.md` is this table in prose.

use alloy_primitives::Bytes;
use alloy_sol_types::{Revert, SolError};
use assay_types::{JobSpecError, RejectCode, TxFailure};

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $number:literal $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum $name {
            $(#[doc = $text] $variant = $number),*
        }

        impl $name {
            /// All of them, in order of precedence.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Stable number.
            pub fn code(self) -> RejectCode {
                match self { $(Self::$variant => $number),* }
            }

            /// Stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }

            /// What happened, in a sentence a sender can act on.
            pub fn explain(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{} ({}): {}", self.name(), self.code(), self.explain())
            }
        }

        impl std::error::Error for $name {}
    };
}

codes! {
    /// Why a transaction cannot be in a block.
    Reject {
        Oversized = 1 "the transaction has more bytes than the network allows",
        Malformed = 2 "the bytes are not a canonical EIP-2718 transaction",
        UnsupportedType = 3 "only EIP-1559 and EIP-155 legacy transactions are accepted",
        WrongChainId = 4 "the transaction is signed for another chain, or for any chain",
        ContractCreation = 5 "there is no virtual machine to create a contract in: set a destination",
        AccessList = 6 "access lists buy nothing here: send an empty one",
        AmountOverflow = 7 "value, fee or their sum does not fit 128 bits",
        TipAboveMaxFee = 8 "the priority fee is above the maximum fee",
        DataToAccount = 9 "calldata was sent to an address without code",
        MalformedAbi = 10 "the calldata is not a canonically encoded call of this system contract",
        ViewFunction = 11 "this function only reads: use eth_call",
        GasLimitTooLow = 12 "the gas limit is below what this call costs: use eth_estimateGas",
        GasLimitTooHigh = 13 "the gas limit is above that of a block",
        BadSignature = 14 "the signature recovers no sender, or has a high s",
        NonceTooLow = 20 "this nonce was used already",
        NonceGap = 21 "an earlier nonce of the sender is missing",
        FeeBelowBase = 22 "the maximum fee is below the block's base fee",
        InsufficientFunds = 23 "the balance does not cover the value and the most the gas may cost",
        BlockGasFull = 24 "the block has no gas left for this transaction",
        BlockBytesFull = 25 "the block has no room left for this transaction",
        LedgerHalted = 26 "the ledger found a broken invariant and stopped",
    }
}

codes! {
    /// Why an included transaction did nothing but pay its fee.
    Failure {
        NotPayable = 100 "this call takes no value",
        ValueTooLow = 101 "the value sent does not cover the escrow, bond or least collateral",
        AmountOverflow = 102 "an amount does not fit 128 bits",
        InsufficientFunds = 103 "the balance does not cover the value",
        AlreadyRegistered = 110 "this account is a provider already: use update",
        UnknownProvider = 111 "this account is not a registered provider",
        EndpointTooLong = 112 "the endpoint is longer than the network allows",
        UnknownRuntime = 113 "the network does not run this runtime",
        AskInvalid = 114 "price, lots, fuel and memory of an ask must not be zero",
        AmountZero = 115 "the amount is zero",
        CollateralInUse = 116 "collateral that backs lots or is being withdrawn already cannot be asked back",
        NothingToWithdraw = 117 "no withdrawal was requested",
        WithdrawalTooEarly = 118 "the withdrawal delay has not passed",
        SpecNoTasks = 120 "a job needs at least one task",
        SpecTooManyTasks = 121 "the job has more tasks than the network allows",
        SpecLotSize = 122 "tasks per lot lie outside the network's bounds",
        SpecUnknownAbi = 123 "the ABI number is unknown",
        SpecReplicas = 124 "replicas lie outside the network's bounds",
        SpecFuel = 125 "fuel per task lies outside the network's bounds",
        SpecMemory = 126 "memory lies outside the network's bounds",
        SpecOutput = 127 "the output cap is above the network's limit",
        SpecPrice = 128 "the limit price is zero or overflows the escrow",
        SpecWindow = 129 "a window or the lifetime lies outside the network's bounds",
        SpecSource = 130 "the source endpoint is longer than the network allows",
        JobExists = 131 "this job exists already",
        SpecSubstitutes = 132 "a job names at most 8 substitutes, each class once",
        SpecAudit = 133 "audits need a chance, draws and auditors within the network's bounds, and one replica",
        RuntimeQuarantined = 134 "validators differed on results under this runtime: it takes no new jobs for a while",
        SpecReputation = 135 "a least reputation lies in 0 to 10000 basis points",
        UnknownJob = 140 "no such job",
        JobClosed = 141 "the job is closed",
        UnknownLot = 142 "the job has no such lot or task",
        NotRenter = 143 "only the renter may do this",
        NotAssigned = 144 "the provider has no replica in this job or lot",
        NotKeyHolder = 145 "only the renter or an assigned provider may deliver the key",
        KeyTooLong = 146 "a sealed key has 1 to 160 bytes",
        KeyAlreadyDelivered = 147 "this sender already delivered a key to this provider",
        WrongPhase = 148 "the lot is in a phase that does not allow this",
        AlreadyCommitted = 149 "this replica has committed already",
        AlreadyRevealed = 150 "this was revealed already",
        KeyNotDelivered = 151 "a replica cannot commit before it has the key",
        TooEarly = 152 "openings count only in a block after the last commitment",
        TooLate = 153 "the deadline has passed",
        LeafCount = 154 "there must be one leaf a task",
        FuelAboveCap = 155 "a leaf claims more fuel than the task may burn",
        RevealMismatch = 156 "the opening does not match the commitment",
        BadReason = 157 "a reason to decline is 1, 2, 3 or 4",
        HasCommitments = 158 "a job can be cancelled only while nothing has been committed to",
        AnotherPending = 160 "a delivery demand or another dispute of this lot is pending",
        NoWitnesses = 161 "no open provider of another operator could witness",
        NotWitness = 162 "this account was not drawn as a witness",
        AlreadyAttested = 163 "this witness has attested already",
        MaskOutOfRange = 164 "the mask names replicas that the lot does not have",
        WrongKey = 165 "the key does not hash to the job's key hash",
        NotValidator = 166 "only a validator may judge",
        AlreadyJudged = 167 "this validator has committed a verdict already",
        NoVerdict = 168 "this validator committed no verdict",
        UnknownAppeal = 169 "no such appeal, or it is over",
        UnknownClass = 170 "no such class, or it was retired",
        WrongClass = 171 "this class is not traded that way: compute is bid for by jobs and asked by providers",
        NotLeaf = 172 "sellers name a leaf of the region tree",
        OffTick = 173 "the price is zero or no multiple of the class's tick",
        BelowMinimum = 174 "the quantity is zero or no multiple of the class's least",
        MinFillTooLarge = 175 "the minimum fill is above the quantity",
        BadSide = 176 "a side is 0 for bid or 1 for ask",
        Expired = 177 "the expiry has passed, or lies further ahead than the network allows",
        WindowClosed = 178 "this delivery window is over, or there is none like it",
        SelfTrade = 179 "an open order of yours on the other side would trade with this one",
        TooManyOrders = 180 "this account has as many open orders as the network allows",
        TooManyMinFills = 181 "this book holds as many orders with a minimum fill as the network allows",
        UnknownOrder = 182 "no such order, or it is closed",
        NotOwner = 183 "only its owner may do this",
        PriceBelowAssigned = 184 "a lot that is assigned is to be paid more than this",
        SealExists = 185 "this commitment is sealed already",
        UnknownSeal = 186 "this sender sealed no such bid",
        UnknownAllotment = 187 "no such allotment, or it is closed",
        NotSeller = 188 "only the seller may do this",
        ServedInvalid = 189 "no more was served than was shown already, or more than was bought",
        BadReceipt = 190 "the buyer did not sign this",
        SealedStands = 191 "a sealed bid stands until it has taken part, and its job or order must live longer than that",
        UnknownClaim = 200 "there are no such claims, or they are over",
        ClaimExpired = 201 "the window of these claims is over",
        ClaimClosed = 202 "these claims were closed out: collect what they pay",
        ClaimBalance = 203 "the holder has fewer of these claims",
        ClaimRecipient = 204 "claims go to accounts, not to nobody and not to the protocol's own addresses",
        NotApproved = 205 "only the holder, or whom it approved, may do this",
        BatchLength = 206 "a batch names as many amounts or accounts as ids",
        NotSelling = 207 "only a provider that sells in the claims' class may do this",
        WindowPast = 208 "claims are issued before their window begins",
        ClaimCalled = 209 "collateral of these claims is missing: top it up first",
        NotObligor = 210 "only who owes these claims may do this",
        ClaimTerms = 211 "more of the same claims is issued at the same price and rate only",
        ClaimRateTooLow = 212 "at this rate not all claims could be redeemed and delivered within the window",
        ClaimOffered = 213 "the obligation is offered to others: take it over instead",
        NoSurplus = 214 "the collateral is not above what must stay",
        NotOffered = 215 "this obligation is not offered to others",
        SameObligor = 216 "who owes these claims cannot take them over",
        NotClosedOut = 217 "only claims that were closed out are collected",
        SellClaims = 218 "claims are offered with IClaims.sell",
        RedemptionEarly = 219 "the window of these claims has not begun",
        RedemptionLate = 220 "the last height at which these claims are redeemed has passed",
        ClaimJob = 221 "a redeeming job names the claims' class alone, at most two replicas, no audits and no reputation",
        ClaimUnits = 222 "the amount is not the fuel caps of all replicas of all lots of the job",
        ClaimFit = 223 "runtime, fuel, memory or lots of the job are beyond what the issuer sold when it issued",
        ClaimPrice = 224 "the limit price of a redeeming job is the upper edge of its class's band, on the tick",
        ClaimTime = 225 "the job's windows leave the claims' rate too little time, or its lifetime ends too late",
        ClaimRate = 226 "more would be redeemed than the claims' rate allows by this height",
        ClaimUncovered = 227 "the claims' part of the collateral does not cover this job: wait for more or for the close-out",
        PrepaidJob = 228 "claims pay for this job: its limit price stays",
        FuelsInTheOpen = 240 "lots that may be audited are committed to with their fuels, others without",
        NotAuditor = 241 "this account was not drawn to audit this lot",
        AuditorSpoke = 242 "this auditor has committed or declined already",
        NotChallenged = 250 "this account has no capacity challenge of this round to answer",
        AlreadyAnswered = 251 "a root for this challenge was posted already",
        LaneCount = 252 "an answer has 1 to 256 lanes",
        NotAnswered = 253 "only an answer can be opened: post a root first",
        NotDrawn = 254 "the beacon that draws what is to be opened is not there yet",
        OpeningLength = 255 "the opening has not the bytes that the drawn blocks take",
        OpeningLane = 256 "an opened lane is not under the posted root",
        OpeningBlock = 257 "an opened block is not in its lane, or not made from the blocks before it",
        AlreadyValidator = 300 "this account is a validator already: delegate to yourself to add stake",
        UnknownValidator = 301 "this account is not a registered validator",
        KeyLength = 302 "a vote key has 48 bytes, its proof of possession 96, and a network key is not zero",
        KeyTaken = 303 "this key is or was another validator's, or is in use already: make a new one",
        NoPossession = 304 "the proof does not show that the vote key's secret is held",
        PeerAddress = 305 "a peer address is ip:port of at most 64 characters, not unspecified and not multicast",
        CommissionBounds = 306 "a commission lies in 0 to 10000 basis points",
        CommissionChange = 307 "a commission moves once a day, by at most max_commission_change_bps",
        SelfStakeTooLow = 308 "a validator's own stake is below min_self_stake",
        TombstonedValidator = 309 "this validator voted for two things and never sits again: no stake goes to it",
        StakeWorthless = 310 "all stake of this validator was slashed: its shares have no price",
        DelegationTooSmall = 311 "the amount buys no share",
        TooManyDelegations = 312 "an account delegates to at most 64 validators at once",
        NotDelegated = 313 "the account has less than this delegated to this validator",
        TooManyUnbondings = 314 "as many unbondings or redelegations are under way here as the network allows",
        SameValidator = 315 "stake is moved from one validator to another",
        TransitiveRedelegation = 316 "stake that came by a redelegation stays until that is over",
        NothingToClaim = 317 "there is nothing to claim",
        NotSeated = 318 "this account has no seat in this epoch",
        NotJailed = 319 "this validator is not jailed",
        StillJailed = 320 "the jail time is not over",
        EvidenceInvalid = 321 "this proves no fault of a seat",
        EvidenceTooOld = 322 "the committee of that epoch is forgotten, as its stake has left, or not known yet",
        EvidenceKnown = 323 "this validator was found guilty already",
        NotJudge = 324 "this validator had no seat when this was opened: those who had one judge it",
        ProposalText = 330 "a title has 1 to 128 bytes, the place of its text at most 256, both without control characters",
        TooManyProposals = 331 "as many proposals are open as the network allows",
        DepositTooSmall = 332 "a deposit is at least the network's share of the least deposit, or all that is missing",
        UnknownProposal = 333 "there is no such proposal",
        NotDepositing = 334 "the proposal takes no deposits, and cannot be cancelled, once voting has begun or it is over",
        NotVoting = 335 "the proposal takes no votes",
        BadVote = 336 "an option is 1, 2, 3 or 4; shares of a vote add up to 10,000 basis points",
        NoStake = 337 "only bonded stake votes, and this account has none",
        VoteTooSmall = 338 "the network counts a limited number of votes, and all that are cast have at least this stake",
        NotProposer = 339 "only its proposer may do this",
        ParamsMalformed = 340 "the changes are not one JSON object of at most 4,096 bytes that names each parameter once",
        ParamUnknown = 341 "there is no parameter of this name",
        ParamValue = 342 "a value is not of its parameter's kind",
        ParamFixed = 343 "this parameter cannot be changed after genesis",
        ParamOwnKind = 344 "classes and runtimes are changed by proposals of their own",
        ParamBounds = 345 "a parameter would be out of its bounds, alone or beside the others",
        ParamsSame = 346 "nothing would be another than it is",
        ClassInvalid = 347 "this is not the JSON of a class that is not retired and keeps the rules of classes",
        ClassTaken = 348 "a class has or had this number or name",
        ClassSplits = 349 "a class with a book would get another under it: retire it first",
        PaymentInvalid = 350 "a payment is more than nothing and goes to an account that is not the protocol's",
        TreasuryShort = 351 "the treasury holds less",
        RuntimeStands = 352 "the runtime is active already, or it is not, or it is the last",
        UpgradeInvalid = 353 "an upgrade has a name of 1 to 32 bytes and a protocol version above the one in force",
        UpgradePast = 354 "the height of the upgrade has passed",
        UpgradeNone = 355 "no upgrade is scheduled",
        NothingOwed = 360 "no emission is owed for ended epochs: it is paid with the next payment for work, or was already",
    }
}

impl Failure {
    /// As receipts carry it.
    pub fn to_receipt(self) -> TxFailure {
        TxFailure { code: self.code(), name: self.name().to_owned() }
    }

    /// Return data of the failed call: ABI `Error(string)` with the stable name, which wallets print.
    pub fn revert_data(self) -> Bytes {
        Revert::from(format!("{} ({}): {}", self.name(), self.code(), self.explain())).abi_encode().into()
    }
}

impl From<JobSpecError> for Failure {
    fn from(error: JobSpecError) -> Self {
        match error {
            JobSpecError::NoTasks => Self::SpecNoTasks,
            JobSpecError::TooManyTasks(_) => Self::SpecTooManyTasks,
            JobSpecError::LotSize(_) => Self::SpecLotSize,
            JobSpecError::UnknownAbi(_) => Self::SpecUnknownAbi,
            JobSpecError::Replicas(_) => Self::SpecReplicas,
            JobSpecError::Fuel(_) => Self::SpecFuel,
            JobSpecError::Memory(_) => Self::SpecMemory,
            JobSpecError::Output(_) => Self::SpecOutput,
            JobSpecError::Price => Self::SpecPrice,
            JobSpecError::Window => Self::SpecWindow,
            JobSpecError::Source(_) => Self::SpecSource,
            JobSpecError::Substitutes => Self::SpecSubstitutes,
            JobSpecError::Audit => Self::SpecAudit,
            JobSpecError::Reputation => Self::SpecReputation,
        }
    }
}

/// Something that must never be: the node stops rather than go on with wrong books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenInvariant {
    /// The state holds no genesis.
    NoGenesis,
    /// A record of this table does not decode.
    Corrupt(u8),
    /// A record that another one names is missing from this table.
    Missing(u8),
    /// A pot holds less than the protocol owes from it.
    PotShort,
    /// A count or sum overflowed or went below zero.
    Arithmetic,
    /// Minted is no longer burned plus all pots.
    Books,
    /// The end of a block refused a step of its own.
    EndBlock(Failure),
    /// Escrow was left when a job closed.
    EscrowLeft,
    /// A block's height is not its parent's plus one, or its time lies before its parent's.
    Context,
    /// The block is under a protocol version that this program does not know: nothing is broken, but a newer
    /// program has to go on.
    UpgradeNeeded {
        /// Of the block.
        height: u64,
        /// The version.
        version: u32,
        /// Of the upgrade that brought it.
        name: crate::governance::upgrade::UpgradeName,
    },
}

impl std::fmt::Display for BrokenInvariant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoGenesis => f.write_str("the state holds no genesis"),
            Self::Corrupt(table) => write!(f, "a record of table {table:#04x} does not decode"),
            Self::Missing(table) => write!(f, "a record is missing from table {table:#04x}"),
            Self::PotShort => f.write_str("a pot holds less than is owed from it"),
            Self::Arithmetic => f.write_str("a count or sum is out of range"),
            Self::Books => f.write_str("minted is not burned plus all pots"),
            Self::EndBlock(failure) => write!(f, "the end of the block refused its own step: {failure}"),
            Self::EscrowLeft => f.write_str("a closed job left escrow behind"),
            Self::Context => f.write_str("the block does not follow its parent in height and time"),
            Self::UpgradeNeeded { height, version, name } => {
                write!(f, "from height {height} on the network runs protocol version {version} (upgrade \"{name}\")")
            }
        }
    }
}

impl std::error::Error for BrokenInvariant {}

/// Why a step stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The sender's fault.
    Fail(Failure),
    /// Ours.
    Broken(BrokenInvariant),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}

impl From<BrokenInvariant> for Stop {
    fn from(broken: BrokenInvariant) -> Self {
        Self::Broken(broken)
    }
}

/// Result of a step.
pub(crate) type Done<T = ()> = Result<T, Stop>;

/// For sums that cannot overflow while the books balance.
pub(crate) fn sane<T>(value: Option<T>) -> Done<T> {
    value.ok_or(Stop::Broken(BrokenInvariant::Arithmetic))
}

/// For sums a sender could make overflow.
pub(crate) fn fits<T>(value: Option<T>) -> Done<T> {
    value.ok_or(Stop::Fail(Failure::AmountOverflow))
}
