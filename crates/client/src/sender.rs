//! Sending transactions so that they happen once: nonces, fees, waiting for finality, and recovery
//! when a node forgot a transaction, fees rose, or another process used the same account.
//!
//! A transaction handed to [`TxSender::send`] is signed with the account's next nonce. Until it is
//! final its bytes are handed in again now and then, with higher fees when the base fee outgrew the
//! offer; the nonce stays, so at most one of the versions is ever included. A transaction that is
//! given up has its nonce taken by an empty transfer to oneself, so that later ones don't wait behind
//! a gap.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use assay_types::{
    Call, RejectCode, TxFailure,
    abi::{
        IAudits::IAuditsCalls, IClaims::IClaimsCalls, IDisputes::IDisputesCalls, IGovernance::IGovernanceCalls,
        IJobs::IJobsCalls, IStaking::IStakingCalls,
    },
};
use futures::lock::Mutex;

use crate::{
    chain::{Chain, ChainError, Fees, TxReceipt},
    host::Host,
    wallet::{Wallet, WalletError},
};

/// What a transaction should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxRequest {
    /// Destination.
    pub to: Address,
    /// Grains it carries.
    pub value: u128,
    /// Calldata.
    pub input: Bytes,
}

impl TxRequest {
    /// Moves grains.
    pub fn transfer(to: Address, value: u128) -> Self {
        Self { to, value, input: Bytes::new() }
    }

    /// Calls a system contract.
    pub fn call(to: Address, call: &impl SolCall) -> Self {
        Self { to, value: 0, input: call.abi_encode().into() }
    }

    /// The same with grains attached.
    pub fn with_value(self, value: u128) -> Self {
        Self { value, ..self }
    }
}

/// Why a transaction did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum TxError {
    /// Included, but the ledger refused what it asked; the fee was charged.
    #[error("the chain refused the call: {} (code {})", .failure.name, .failure.code)]
    Failed {
        /// The ledger's reason.
        failure: TxFailure,
        /// The transaction.
        hash: B256,
        /// Height it was included at.
        height: u64,
    },
    /// Never included: refused on arrival. It cost nothing.
    #[error("the node refused the transaction: {name} (code {code})")]
    Rejected {
        /// Stable number.
        code: RejectCode,
        /// Stable name.
        name: String,
    },
    /// Not final in time; its nonce was taken by an empty transfer, or will be when a node answers.
    #[error("the transaction {hash} was not final after {waited_ms} ms and was given up")]
    Stuck {
        /// The version sent last.
        hash: B256,
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// The node failed otherwise.
    #[error(transparent)]
    Chain(ChainError),
    /// Signing failed.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

impl From<ChainError> for TxError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Rejected { code, name, .. } => Self::Rejected { code, name },
            other => Self::Chain(other),
        }
    }
}

impl TxError {
    /// The ledger's or the node's stable name of the refusal, if it was one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Failed { failure, .. } => Some(&failure.name),
            Self::Rejected { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// How a sender waits and bids.
#[derive(Debug, Clone)]
pub struct SenderConfig {
    /// Between two looks for a receipt.
    pub poll: Duration,
    /// Without a receipt for so long, the transaction is handed in again.
    pub resend_after: Duration,
    /// Without a receipt for so long, it is given up.
    pub give_up_after: Duration,
    /// The fee offer, as a multiple of the base fee now.
    pub base_fee_headroom: u128,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(25),
            resend_after: Duration::from_secs(3),
            give_up_after: Duration::from_secs(120),
            base_fee_headroom: 4,
        }
    }
}

/// Sends the transactions of one account. Clones share the nonce.
#[derive(Clone)]
pub struct TxSender {
    inner: Arc<Inner>,
}

struct Inner {
    chain: Arc<dyn Chain>,
    host: Arc<dyn Host>,
    wallet: Wallet,
    chain_id: u64,
    config: SenderConfig,
    /// Next nonce; `None` until asked from the chain.
    nonce: Mutex<Option<u64>>,
}

/// A transaction under way.
struct Sent {
    nonce: u64,
    fees: Offer,
    raw: Bytes,
    /// Every version, newest last.
    hashes: Vec<B256>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offer {
    max_fee: u128,
    priority: u128,
}

impl TxSender {
    /// A sender for `wallet` on the chain with `chain_id`.
    pub fn new(
        chain: Arc<dyn Chain>,
        host: Arc<dyn Host>,
        wallet: Wallet,
        chain_id: u64,
        config: SenderConfig,
    ) -> Self {
        Self { inner: Arc::new(Inner { chain, host, wallet, chain_id, config, nonce: Mutex::new(None) }) }
    }

    /// Whose transactions it sends.
    pub fn address(&self) -> Address {
        self.inner.wallet.address()
    }

    /// The chain it sends to.
    pub fn chain_id(&self) -> u64 {
        self.inner.chain_id
    }

    /// Sends and returns the final receipt of a transaction that did what it asked.
    pub async fn send(&self, request: TxRequest) -> Result<TxReceipt, TxError> {
        self.send_noting(request, |_| {}).await.map(|(_, receipt)| receipt)
    }

    /// As [`Self::send`]; tells `note` the nonce before anything leaves this machine, and again should
    /// it change, and returns the one that was used.
    pub async fn send_noting(
        &self,
        request: TxRequest,
        mut note: impl FnMut(u64) + Send,
    ) -> Result<(u64, TxReceipt), TxError> {
        let mut sent = self.submit(&request, &mut note).await?;
        let config = &self.inner.config;
        let (mut waited, mut since_sent, mut overtaken) = (Duration::ZERO, Duration::ZERO, 0);
        loop {
            self.inner.host.sleep(config.poll).await;
            waited += config.poll;
            since_sent += config.poll;
            if let Some(found) = self.find(&sent).await? {
                return finished(found).map(|receipt| (sent.nonce, receipt));
            }
            if waited >= config.give_up_after {
                self.abandon(&sent).await;
                let hash = sent.hashes.last().copied().unwrap_or_default();
                return Err(TxError::Stuck { hash, waited_ms: waited.as_millis() as u64 });
            }
            if since_sent < config.resend_after {
                continue;
            }
            since_sent = Duration::ZERO;
            let account = match self.inner.chain.account(self.address()).await {
                Ok(account) => account,
                Err(error) if error.is_transient() => continue,
                Err(error) => return Err(error.into()),
            };
            if account.nonce <= sent.nonce {
                self.resend(&request, &mut sent).await?;
                continue;
            }
            // The nonce is used. Either ours is final and its receipt about to appear, or another
            // process sent with this account and ours can never be included any more.
            overtaken += 1;
            if overtaken >= 2 {
                *self.inner.nonce.lock().await = None;
                sent = self.submit(&request, &mut note).await?;
                overtaken = 0;
            }
        }
    }

    /// Sends what must be sent once, unless the transaction with the nonce `noted` before a crash is final.
    /// `note` keeps the nonce before anything leaves this machine, and forgets it when the ledger refused.
    pub async fn send_once<E>(
        &self,
        request: TxRequest,
        noted: Option<u64>,
        mut note: impl FnMut(Option<u64>) -> Result<(), E> + Send,
    ) -> Result<Option<TxReceipt>, E>
    where
        E: From<TxError> + Send,
    {
        if let Some(nonce) = noted
            && self.passed(nonce).await.map_err(TxError::from)?
        {
            return Ok(None);
        }
        let mut unsaved = None;
        let sent = self.send_noting(request, |nonce| unsaved = note(Some(nonce)).err().or(unsaved.take())).await;
        match (sent, unsaved) {
            (Err(error @ TxError::Failed { .. }), _) => {
                note(None)?;
                Err(error.into())
            }
            (Err(error), _) => Err(error.into()),
            (Ok(_), Some(error)) => Err(error),
            (Ok((_, receipt)), None) => Ok(Some(receipt)),
        }
    }

    /// Whether a transaction with this nonce, sent before a crash, is final. Waits while it may still be.
    async fn passed(&self, nonce: u64) -> Result<bool, ChainError> {
        for _ in 0..200 {
            let account = self.inner.chain.account(self.address()).await?;
            if account.nonce > nonce || account.pending_nonce <= nonce {
                return Ok(account.nonce > nonce);
            }
            self.inner.host.sleep(Duration::from_millis(100)).await;
        }
        Ok(false)
    }

    async fn find(&self, sent: &Sent) -> Result<Option<TxReceipt>, TxError> {
        for hash in sent.hashes.iter().rev() {
            match self.inner.chain.receipt(*hash).await {
                Ok(Some(receipt)) => return Ok(Some(receipt)),
                Ok(None) => {}
                Err(error) if error.is_transient() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Signs with the next nonce and hands in. Nonces go out in order, so the lock is held meanwhile.
    async fn submit(&self, request: &TxRequest, note: &mut (impl FnMut(u64) + Send)) -> Result<Sent, TxError> {
        let inner = &*self.inner;
        let mut next = inner.nonce.lock().await;
        let mut tries = 0;
        loop {
            let nonce = match *next {
                Some(nonce) => nonce,
                None => self.patiently(|| inner.chain.account(self.address())).await?.pending_nonce,
            };
            let fees = self.offer().await?;
            let (hash, raw) = self.sign(request, nonce, fees)?;
            note(nonce);
            match self.patiently(|| inner.chain.send_raw(raw.clone())).await {
                Ok(_) => {
                    *next = Some(nonce + 1);
                    return Ok(Sent { nonce, fees, raw, hashes: vec![hash] });
                }
                Err(ChainError::Rejected { name, .. }) if is_nonce_error(&name) && tries < 5 => {
                    tries += 1;
                    let account = self.patiently(|| inner.chain.account(self.address())).await?;
                    tracing::debug!(account = %self.address(), nonce, fresh = account.pending_nonce, name, "nonce is off");
                    // A node may refuse a nonce its own answer still names, until its next block.
                    if account.pending_nonce == nonce {
                        inner.host.sleep(inner.config.poll * 2).await;
                    }
                    *next = Some(account.pending_nonce);
                }
                // The node has no room just now; the base fee rose since it was asked for.
                Err(ChainError::Rejected { name, .. }) if is_passing(&name) && tries < 40 => {
                    tries += 1;
                    inner.host.sleep(inner.config.poll * 4).await;
                }
                Err(error) => {
                    *next = None;
                    return Err(error.into());
                }
            }
        }
    }

    /// Asks again while the node does not answer, for a while.
    async fn patiently<T, F>(&self, ask: impl Fn() -> F) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>>,
    {
        let mut waited = Duration::ZERO;
        let mut pause = self.inner.config.poll;
        loop {
            match ask().await {
                Err(error) if error.is_transient() && waited < self.inner.config.give_up_after / 4 => {
                    self.inner.host.sleep(pause).await;
                    waited += pause;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                answer => return answer,
            }
        }
    }

    async fn offer(&self) -> Result<Offer, ChainError> {
        let Fees { base_fee, priority_fee } = self.patiently(|| self.inner.chain.fees()).await?;
        let max_fee = base_fee.saturating_mul(self.inner.config.base_fee_headroom).saturating_add(priority_fee);
        Ok(Offer { max_fee, priority: priority_fee })
    }

    fn sign(&self, request: &TxRequest, nonce: u64, fees: Offer) -> Result<(B256, Bytes), WalletError> {
        self.inner.wallet.sign(TxEip1559 {
            chain_id: self.inner.chain_id,
            nonce,
            gas_limit: gas_limit(request),
            max_fee_per_gas: fees.max_fee,
            max_priority_fee_per_gas: fees.priority,
            to: TxKind::Call(request.to),
            value: U256::from(request.value),
            access_list: Default::default(),
            input: request.input.clone(),
        })
    }

    /// Hands the transaction in again, for a higher fee if what it offers is no longer enough.
    async fn resend(&self, request: &TxRequest, sent: &mut Sent) -> Result<(), TxError> {
        let fresh = match self.inner.chain.fees().await {
            Ok(fees) => fees,
            Err(error) if error.is_transient() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if fresh.base_fee.saturating_add(fresh.priority_fee) > sent.fees.max_fee {
            let wanted = self.offer().await?;
            let bumped = raised(sent.fees);
            sent.fees =
                Offer { max_fee: wanted.max_fee.max(bumped.max_fee), priority: wanted.priority.max(bumped.priority) };
            let (hash, raw) = self.sign(request, sent.nonce, sent.fees)?;
            sent.raw = raw;
            sent.hashes.push(hash);
        }
        match self.inner.chain.send_raw(sent.raw.clone()).await {
            Ok(_) => Ok(()),
            // Included meanwhile, or waiting unchanged: the receipt will tell.
            Err(ChainError::Rejected { name, .. }) if is_nonce_error(&name) || is_known(&name) => Ok(()),
            Err(error) if error.is_transient() => Ok(()),
            Err(error) => {
                self.abandon(sent).await;
                Err(error.into())
            }
        }
    }

    /// Frees the nonce for those behind it.
    async fn abandon(&self, sent: &Sent) {
        let nothing = TxRequest::transfer(self.address(), 0);
        let filled = async {
            let wanted = self.offer().await?;
            let bumped = raised(sent.fees);
            let fees =
                Offer { max_fee: wanted.max_fee.max(bumped.max_fee), priority: wanted.priority.max(bumped.priority) };
            let (_, raw) = self.sign(&nothing, sent.nonce, fees)?;
            self.inner.chain.send_raw(raw).await.map_err(TxError::from)
        };
        if let Err(error) = filled.await {
            tracing::warn!(nonce = sent.nonce, %error, "could not free the nonce of an abandoned transaction");
        }
        *self.inner.nonce.lock().await = None;
    }
}

/// A fee a mempool accepts in place of `fees`: a quarter more, where an eighth is the common rule.
fn raised(fees: Offer) -> Offer {
    let more = |fee: u128| fee.saturating_add(fee / 4).saturating_add(1);
    Offer { max_fee: more(fees.max_fee), priority: more(fees.priority) }
}

fn finished(found: TxReceipt) -> Result<TxReceipt, TxError> {
    match &found.receipt.failure {
        None => Ok(found),
        Some(failure) => {
            Err(TxError::Failed { failure: failure.clone(), hash: found.receipt.tx_hash, height: found.height })
        }
    }
}

fn is_nonce_error(name: &str) -> bool {
    name.contains("Nonce")
}

fn is_passing(name: &str) -> bool {
    name == "Overloaded" || name.ends_with("Full") || name == "FeeTooLow" || name == "FeeBelowBase"
}

fn is_known(name: &str) -> bool {
    name.contains("Known") || name.contains("Replacement") || name.contains("Underpriced")
}

/// Gas that covers a request. What a call costs is a function of the call alone (the ledger's table),
/// so no node has to be asked: this follows the table and rounds up where that is simpler. Only what
/// the call costs is charged.
pub fn gas_limit(request: &TxRequest) -> u64 {
    let bytes = 16 * request.input.len() as u64;
    let call = match Call::decode(&request.to, &request.input) {
        Ok(Call::Transfer) => 0,
        Ok(Call::Jobs(IJobsCalls::submit(submit))) => submission(submit.spec.inputs.len(), submit.spec.tasksPerLot),
        Ok(Call::Jobs(IJobsCalls::openSealed(open))) => submission(open.spec.inputs.len(), open.spec.tasksPerLot),
        Ok(Call::Claims(IClaimsCalls::redeem(redeem))) => submission(redeem.spec.inputs.len(), redeem.spec.tasksPerLot),
        Ok(Call::Claims(IClaimsCalls::safeBatchTransferFrom(batch))) => 40_000 + 20_000 * batch.ids.len() as u64,
        Ok(Call::Jobs(IJobsCalls::reveal(reveal))) => 40_000 + 2_000 * reveal.leaves.len() as u64,
        Ok(Call::Jobs(IJobsCalls::commitAudited(commit))) => 40_000 + 500 * commit.fuels.len() as u64,
        Ok(Call::Audits(IAuditsCalls::reveal(reveal))) => 40_000 + 2_000 * reveal.leaves.len() as u64,
        Ok(Call::Disputes(IDisputesCalls::revealVerdict(reveal))) => 40_000 + 2_000 * reveal.leaves.len() as u64,
        Ok(Call::Governance(
            IGovernanceCalls::deposit(_)
            | IGovernanceCalls::vote(_)
            | IGovernanceCalls::voteWeighted(_)
            | IGovernanceCalls::cancel(_),
        )) => 40_000,
        Ok(Call::Governance(_)) => 200_000,
        Ok(Call::Staking(IStakingCalls::register(_) | IStakingCalls::rotateKeys(_))) => 500_000,
        Ok(Call::Staking(IStakingCalls::reportEquivocation(_))) => 1_000_000,
        Ok(_) | Err(_) => 60_000,
    };
    21_000 + bytes + call
}

fn submission(tasks: usize, per_lot: u32) -> u64 {
    let tasks = tasks as u64;
    let lots = tasks.div_ceil(u64::from(per_lot.max(1)));
    60_000 + 2_000 * tasks + 20_000 * lots
}
