//! The vocabulary of Assay: amounts, ids, protocol calls, job records, receipts, genesis.
//!
//! Pure data. Nothing here executes a transaction, touches a disk or knows of a network.
//!
//! Invariants
//! - Amounts are grains (10^-18 KRT) in `u128`; arithmetic on them is checked at the caller.
//! - Protocol calls are declared once, in `contracts/interfaces/*.sol`, and decoded into the one
//!   closed enum [`Call`]; nothing is addressed by string.
//! - Encodings are canonical: a value has one byte form, and decoding refuses every other.

pub mod abi;
pub mod amount;
pub mod block;
pub mod call;
pub mod claim;
pub mod class;
pub mod genesis;
pub mod job;
pub mod node;
pub mod staking;
pub mod system;
pub mod view;

pub use alloy_primitives::{Address, B256, Bytes, Log, LogData, U256};
pub use amount::{GIGAFUEL, GRAINS_PER_KRT, Grains, format_krt, parse_krt};
pub use block::{FinalizedBlock, FinalizedTx, Receipt, RejectCode, TxFailure};
pub use call::{Call, CallError};
pub use claim::ClaimId;
pub use class::{Class, Tier, Unit};
pub use genesis::{ChangesError, FIXED, Genesis, GenesisAccount, GenesisError, GenesisValidator, ParamChanges, Params};
pub use job::{Abi, Fault, JobCause, JobId, JobOutcome, JobSpec, JobSpecError, Leaf};
pub use staking::{Seat, committee_hash};
