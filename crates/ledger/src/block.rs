//! Executing a block: transactions in order, then the end of the block.
//!
//! ```text
//! new(parent, ctx) ── add(tx) ── add(tx) ── … ── finish()
//!                      │ Reject: not in this block,      │ end of block: due events, then the
//!                      │ nothing changed                 │ books; a broken invariant halts
//!                      └ Receipt, fee charged            └ BlockOutput: changes, receipts, events
//! ```

use alloy_primitives::{B256, Log, keccak256};
use assay_types::{Receipt, TxFailure};

use crate::{
    accounts::Account,
    check::Checked,
    claims, execute, fees, governance, keys, market,
    money::{self, Pot, transfer},
    reject::{BrokenInvariant, Done, Failure, Reject, Stop},
    schedule, staking,
    state::{Changes, Overlay, StateRead},
    step::{BlockContext, Env, Step, Tip},
};

/// A block under execution.
pub struct BlockBuilder<'a> {
    parent: &'a dyn StateRead,
    env: Result<Env, BrokenInvariant>,
    state: Overlay<'a>,
    receipts: Vec<Receipt>,
    gas_used: u64,
    bytes_used: u64,
}

/// What a block did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockOutput {
    /// What it changed.
    pub changes: Changes,
    /// One receipt a transaction.
    pub receipts: Vec<Receipt>,
    /// Events of the end of the block.
    pub end_logs: Vec<Log>,
    /// Gas of all transactions.
    pub gas_used: u64,
    /// Gas they could have used.
    pub gas_limit: u64,
    /// Base fee they paid.
    pub base_fee: u128,
    /// Commitment to receipts and events.
    pub receipts_root: B256,
}

impl<'a> BlockBuilder<'a> {
    /// Starts the block `ctx` on the state `parent`.
    pub fn new(parent: &'a dyn StateRead, ctx: BlockContext) -> Self {
        Self::of_program(parent, ctx, governance::upgrade::PROTOCOL_VERSION)
    }

    /// As [`Self::new`] for a program that knows protocol versions up to `known`: a block under a higher one is not
    /// executed, and [`Self::finish`] says which upgrade is needed.
    pub fn of_program(parent: &'a dyn StateRead, ctx: BlockContext, known: u32) -> Self {
        let env = Env::load(parent, ctx).and_then(|env| {
            governance::upgrade::check(parent, env.height(), known)?;
            let follows = env.tip.height.checked_add(1) == Some(env.height());
            if follows { Ok(env) } else { Err(BrokenInvariant::Context) }
        });
        Self { parent, env, state: Overlay::new(parent), receipts: Vec::new(), gas_used: 0, bytes_used: 0 }
    }

    /// Base fee of this block.
    pub fn base_fee(&self) -> u128 {
        self.env.as_ref().map_or(0, |env| env.tip.next_base_fee)
    }

    /// Gas used so far.
    pub fn gas_used(&self) -> u64 {
        self.gas_used
    }

    /// Executes one transaction. A [`Reject`] leaves the block as it was.
    pub fn add(&mut self, tx: &Checked) -> Result<Receipt, Reject> {
        let env = self.env.as_ref().map_err(|_| Reject::LedgerHalted)?;
        let gas_after = self.gas_used.checked_add(tx.gas).filter(|gas| *gas <= env.params.block_gas_limit);
        let size = u64::try_from(tx.raw.len()).unwrap_or(u64::MAX);
        let bytes_limit = u64::from(env.params.block_bytes_limit);
        let bytes_after = self.bytes_used.checked_add(size).filter(|bytes| *bytes <= bytes_limit);
        let executed = admit(env, &self.state, tx).and_then(|admitted| {
            gas_after.ok_or(Refused::Reject(Reject::BlockGasFull))?;
            bytes_after.ok_or(Refused::Reject(Reject::BlockBytesFull))?;
            run(env, &self.state, tx, admitted)
        });
        let (changes, outcome) = match executed {
            Ok(executed) => executed,
            Err(Refused::Reject(reject)) => return Err(reject),
            Err(Refused::Broken(broken)) => {
                self.env = Err(broken);
                return Err(Reject::LedgerHalted);
            }
        };
        let gas_after = gas_after.ok_or(Reject::BlockGasFull)?;
        self.bytes_used = bytes_after.ok_or(Reject::BlockBytesFull)?;
        self.gas_used = gas_after;
        self.state.absorb(changes);
        let receipt = Receipt {
            tx_hash: tx.hash,
            from: tx.sender,
            to: tx.to,
            failure: outcome.failure,
            gas_used: tx.gas,
            cumulative_gas_used: gas_after,
            effective_gas_price: outcome.price,
            logs: outcome.logs,
        };
        self.receipts.push(receipt.clone());
        Ok(receipt)
    }

    /// Ends the block: due events, the block's own record, the books.
    pub fn finish(self) -> Result<BlockOutput, BrokenInvariant> {
        let Self { parent, env, mut state, receipts, gas_used, .. } = self;
        let env = env?;
        let mut step = Step::new(&state, &env);
        end_block(&mut step).map_err(|stop| match stop {
            Stop::Fail(failure) => BrokenInvariant::EndBlock(failure),
            Stop::Broken(broken) => broken,
        })?;
        let end_logs = std::mem::take(&mut step.logs);
        let receipts_root = receipts_root(&receipts, &end_logs);
        let base_fee = env.tip.next_base_fee;
        let dt_ms = env.ctx.timestamp_ms.saturating_sub(env.tip.timestamp_ms);
        let tip = Tip {
            height: env.ctx.height,
            timestamp_ms: env.ctx.timestamp_ms,
            proposer: env.ctx.proposer,
            beacon: env.ctx.beacon,
            receipts_root,
            base_fee,
            next_base_fee: fees::next_base_fee(
                base_fee,
                gas_used,
                env.params.block_gas_limit,
                dt_ms,
                env.params.min_base_fee,
            ),
            gas_used,
        };
        step.write(keys::tip(), &tip);
        step.write(keys::beacon(tip.height), &(tip.height, tip.beacon));
        let changes = step.state.into_changes();
        state.absorb(changes);
        let changes = state.into_changes();
        money::check_changes(parent, &changes)?;
        let gas_limit = env.params.block_gas_limit;
        Ok(BlockOutput { changes, receipts, end_logs, gas_used, gas_limit, base_fee, receipts_root })
    }
}

/// The market clears what rested before this block, then what is due happens, then the books are brought
/// up to date for the next clearing.
fn end_block(step: &mut Step<'_>) -> Done {
    market::clearing::run(step)?;
    schedule::run_due(step)?;
    governance::run(step)?;
    market::orders::refresh(step)?;
    market::epochs::close_if_over(step)?;
    claims::margin::run(step)?;
    staking::end_block(step)
}

struct Outcome {
    failure: Option<TxFailure>,
    price: u128,
    logs: Vec<Log>,
}

enum Refused {
    Reject(Reject),
    Broken(BrokenInvariant),
}

impl From<BrokenInvariant> for Refused {
    fn from(broken: BrokenInvariant) -> Self {
        Self::Broken(broken)
    }
}

/// A transaction that can be in the block: its sender's account, what a gas costs, the leader's part.
struct Admitted {
    account: Account,
    price: u128,
    tip: u128,
}

fn admit(env: &Env, state: &dyn StateRead, tx: &Checked) -> Result<Admitted, Refused> {
    let account = Account::load(state, &tx.sender)?;
    if tx.nonce != account.nonce {
        return Err(Refused::Reject(if tx.nonce < account.nonce { Reject::NonceTooLow } else { Reject::NonceGap }));
    }
    let base = env.tip.next_base_fee;
    let (price, tip) = fees::effective_price(tx.max_fee_per_gas, tx.max_priority_fee_per_gas, base)
        .ok_or(Refused::Reject(Reject::FeeBelowBase))?;
    if tx.max_cost().is_none_or(|most| most > account.balance) {
        return Err(Refused::Reject(Reject::InsufficientFunds));
    }
    Ok(Admitted { account, price, tip })
}

fn run(env: &Env, state: &dyn StateRead, tx: &Checked, admitted: Admitted) -> Result<(Changes, Outcome), Refused> {
    let Admitted { account, price, tip } = admitted;
    let mut paid = Step::new(state, env);
    charge(&mut paid, tx, account, env.tip.next_base_fee, tip).map_err(|stop| match stop {
        Stop::Fail(_) => Refused::Reject(Reject::InsufficientFunds),
        Stop::Broken(broken) => Refused::Broken(broken),
    })?;
    let mut called = Step::new(&paid.state, env);
    let (changes, failure, logs) = match execute::execute(&mut called, tx.sender, tx.nonce, tx.to, tx.value, &tx.call) {
        Ok(_) => {
            let logs = std::mem::take(&mut called.logs);
            (called.state.into_changes(), None, logs)
        }
        Err(Stop::Fail(failure)) => (Changes::new(), Some(failure), Vec::new()),
        Err(Stop::Broken(broken)) => return Err(Refused::Broken(broken)),
    };
    paid.state.absorb(changes);
    let failure = failure.map(Failure::to_receipt);
    Ok((paid.state.into_changes(), Outcome { failure, price, logs }))
}

fn charge(step: &mut Step<'_>, tx: &Checked, mut account: Account, base: u128, tip: u128) -> Result<(), Stop> {
    account.nonce = crate::reject::sane(account.nonce.checked_add(1))?;
    account.store(step, &tx.sender);
    let gas = u128::from(tx.gas);
    let sender = Pot::Account(tx.sender);
    transfer(step, sender, Pot::Burn, crate::reject::fits(gas.checked_mul(base))?)?;
    let leader = Pot::Account(step.env.ctx.proposer);
    transfer(step, sender, leader, crate::reject::fits(gas.checked_mul(tip))?)
}

/// keccak256 over the hashes of all receipts in order, then of the end-of-block events.
fn receipts_root(receipts: &[Receipt], end_logs: &[Log]) -> B256 {
    let mut bytes = b"assay/receipts".to_vec();
    for receipt in receipts {
        let mut one = Vec::new();
        one.extend_from_slice(receipt.tx_hash.as_slice());
        one.extend_from_slice(&receipt.failure.as_ref().map_or(0, |f| f.code).to_be_bytes());
        one.extend_from_slice(&receipt.cumulative_gas_used.to_be_bytes());
        one.extend_from_slice(&receipt.effective_gas_price.to_be_bytes());
        put_logs(&receipt.logs, &mut one);
        bytes.extend_from_slice(keccak256(&one).as_slice());
    }
    let mut end = Vec::new();
    put_logs(end_logs, &mut end);
    bytes.extend_from_slice(keccak256(&end).as_slice());
    keccak256(bytes)
}

fn put_logs(logs: &[Log], out: &mut Vec<u8>) {
    for log in logs {
        out.extend_from_slice(log.address.as_slice());
        let topics = log.data.topics();
        out.push(u8::try_from(topics.len()).unwrap_or(u8::MAX));
        topics.iter().for_each(|topic| out.extend_from_slice(topic.as_slice()));
        out.extend_from_slice(&u64::try_from(log.data.data.len()).unwrap_or(u64::MAX).to_be_bytes());
        out.extend_from_slice(&log.data.data);
    }
}
