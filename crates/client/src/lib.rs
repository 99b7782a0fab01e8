//! Rust SDK: the chain, keys, transactions, jobs from sealing to receipt.
//!
//! ```text
//!  JobRequest -> SealedJob -> JobFolder            on disk, so a killed client resumes
//!                                |
//!   Chain (RpcChain) <--- Custodian ---> Blobs     keys and inputs out, outputs in
//!                                |
//!                             Receipt              checked offline with a LightVerifier
//! ```
//!
//! What is deliberately absent: nothing here knows consensus; certificates and state proofs are bytes
//! that a [`receipt::LightVerifier`] reads. Nothing here executes guests.

pub mod chain;
pub mod custodian;
pub mod follow;
pub mod host;
pub mod job;
pub mod order;
pub mod receipt;
pub mod sender;
pub mod wallet;

pub use chain::{AccountState, BlockStream, Chain, ChainError, Fees, JobProof, RpcChain, RpcConfig, Status, TxReceipt};
pub use custodian::{Custodian, CustodianError, CustodianPolicy, Progress, Until};
pub use host::{Host, TokioHost};
pub use job::{JobError, JobFolder, JobRequest, JobState, JobTerms, Seal, SealedJob};
pub use order::{SealedOrder, SealedOrderError};
pub use receipt::{LightError, LightVerifier, ProvenHeader, ProvenJob, Receipt, ReceiptError, Verified, verify};
pub use sender::{SenderConfig, TxError, TxRequest, TxSender};
pub use wallet::{Keystore, KeystoreEntry, Wallet, WalletError};
