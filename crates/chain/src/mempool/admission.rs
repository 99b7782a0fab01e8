//! The way in: raw bytes from many connections, checked in batches on threads of their own.
//!
//! A batch is whatever came in while the last one was checked, so one lone transaction waits for
//! nobody and a flood shares the cost of waking the workers. Order of arrival is kept, or a burst of
//! one sender's nonces would come out shuffled.

use std::sync::Arc;

use assay_ledger::{Reject, StateRead};
use assay_types::{B256, Bytes, RejectCode};
use tokio::sync::{mpsc, oneshot};

use super::{
    pool::PoolError,
    shared::{Mempool, Origin},
};

/// Most transactions checked at once.
const BATCH: usize = 512;

/// Transactions that may wait for a check; more are turned away.
const BACKLOG: usize = 8_192;

/// Why a submitted transaction was not taken. Texts begin with those geth uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// It can be in no block.
    #[error("{}: {}", geth_text(*.0), .0.explain())]
    Reject(Reject),
    /// It may not wait here.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// More transactions wait for their check than this node holds.
    #[error("txpool is full: this node is overloaded, try again in a moment")]
    Overloaded,
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Stopped,
}

impl SubmitError {
    /// Stable number and name, for programs; never reused.
    pub fn code(&self) -> (RejectCode, &'static str) {
        match self {
            Self::Reject(reject) => (reject.code(), reject.name()),
            Self::Pool(error) => error.code(),
            Self::Overloaded => (44, "Overloaded"),
            Self::Stopped => (45, "Stopped"),
        }
    }
}

/// What geth says in the same case; wallets match on it.
fn geth_text(reject: Reject) -> &'static str {
    match reject {
        Reject::Oversized => "oversized data",
        Reject::Malformed => "malformed transaction",
        Reject::UnsupportedType => "transaction type not supported",
        Reject::WrongChainId => "invalid chain id for signer",
        Reject::ContractCreation => "contract creation not supported",
        Reject::AccessList => "access list not supported",
        Reject::AmountOverflow => "amount overflow",
        Reject::TipAboveMaxFee => "max priority fee per gas higher than max fee per gas",
        Reject::DataToAccount | Reject::MalformedAbi | Reject::ViewFunction => "invalid calldata",
        Reject::GasLimitTooLow => "intrinsic gas too low",
        Reject::GasLimitTooHigh | Reject::BlockGasFull => "exceeds block gas limit",
        Reject::BadSignature => "invalid sender",
        Reject::NonceTooLow => "nonce too low",
        Reject::NonceGap => "nonce too high",
        Reject::FeeBelowBase => "max fee per gas less than block base fee",
        Reject::InsufficientFunds => "insufficient funds for gas * price + value",
        Reject::BlockBytesFull => "oversized data",
        Reject::LedgerHalted => "node halted",
    }
}

type Job = (Bytes, oneshot::Sender<Result<B256, SubmitError>>);

/// The way into a [`Mempool`] for this node's clients. Clones share one worker, which ends when the
/// last clone is dropped.
#[derive(Debug, Clone)]
pub struct Admission {
    jobs: mpsc::Sender<Job>,
}

impl Admission {
    /// Starts the worker. `state` gives the finalized state at the time it is called.
    pub fn start(pool: Arc<Mempool>, state: impl Fn() -> Arc<dyn StateRead> + Send + 'static) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(BACKLOG);
        std::thread::Builder::new().name("tx-admission".into()).spawn(move || work(&pool, state, queue))?;
        Ok(Self { jobs })
    }

    /// Checks a transaction and lets it wait. Gives its hash.
    pub async fn submit(&self, raw: Bytes) -> Result<B256, SubmitError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send((raw, reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SubmitError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => SubmitError::Stopped,
        })?;
        answer.await.unwrap_or(Err(SubmitError::Stopped))
    }
}

fn work(pool: &Mempool, state: impl Fn() -> Arc<dyn StateRead>, mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut jobs, BATCH) > 0 {
        let (raws, replies): (Vec<_>, Vec<_>) = jobs.drain(..).unzip();
        let results = admit(pool, &*state(), &raws);
        for (reply, result) in replies.into_iter().zip(results) {
            // The client may have hung up; its transaction waits all the same.
            reply.send(result).ok();
        }
    }
}

fn admit(pool: &Mempool, state: &dyn StateRead, raws: &[Bytes]) -> Vec<Result<B256, SubmitError>> {
    let checked = pool.check_all(raws);
    let good: Vec<_> = checked.iter().filter_map(|result| result.as_ref().ok().cloned()).collect();
    let mut inserted = pool.insert_all(good, state, Origin::Local).into_iter();
    checked
        .into_iter()
        .map(|result| {
            let checked = result.map_err(SubmitError::Reject)?;
            inserted.next().unwrap_or(Ok(()))?;
            Ok(checked.hash)
        })
        .collect()
}
