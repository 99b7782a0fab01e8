//! The one function value moves through, and the count of where all of it is.
//!
//! Every grain lies in exactly one pot, each pot is an entry of the state, and
//! `minted = burned + accounts + escrow + bonds + collateral + stake + treasury`. After each block the change of
//! the money tables is checked against that ([`check_changes`]); [`books`] counts everything anew.

use alloy_primitives::{Address, B256};
use assay_types::{ClaimId, Grains, JobId, view::Books};

use crate::{
    accounts::Account,
    codec,
    keys::{self, ACCOUNT, BOND, BURNED, COLLATERAL, ESCROW, MINTED, STAKE},
    reject::{BrokenInvariant, Done, Failure, sane},
    state::{Changes, StateRead},
    step::{Step, read},
};

/// What a bond stands behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BondKind {
    Challenge = 0,
    Delivery = 1,
    /// What comes with a lot that its provider handed over.
    HandOver = 7,
}

/// What an order's money stands behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderPot {
    /// A bid.
    Bid = 2,
    /// A trade that is being delivered.
    Allotment = 3,
}

/// A place where grains lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pot {
    /// An account's balance.
    Account(Address),
    /// What a renter put down for a job.
    Escrow(JobId),
    /// What a provider put down for its honesty.
    Collateral(Address),
    /// What is bonded to a validator, its own and delegated.
    Stake(Address),
    /// Rewards of a validator's delegators that they have not claimed.
    Rewards(Address),
    /// What a validator kept of them and has not claimed.
    Commission(Address),
    /// Stake on its way out.
    Unbonding(u64),
    /// What stands behind a challenge or demand on a lot.
    Bond(BondKind, JobId, u32),
    /// What stands behind an order.
    Order(OrderPot, u64),
    /// What stands behind a sealed bid.
    Seal(Address, B256),
    /// What stands behind claims.
    Claims(ClaimId),
    /// What belongs to the network.
    Treasury,
    /// A slash that may still be excused.
    Appeal(u64),
    /// What stands behind a proposal.
    Proposal(u64),
    /// Grains that did not exist before: a source only.
    Mint,
    /// Grains that are no more: a sink only.
    Burn,
}

impl Pot {
    fn key(&self) -> Vec<u8> {
        match self {
            Self::Account(address) => keys::account(address),
            Self::Escrow(job) => keys::of_job(ESCROW, job),
            Self::Collateral(provider) => keys::of_address(COLLATERAL, provider),
            Self::Stake(validator) => keys::of_address(STAKE, validator),
            Self::Bond(kind, job, lot) => {
                keys::key(BOND, &[&[*kind as u8], job.as_slice(), lot.to_be_bytes().as_slice()])
            }
            Self::Order(kind, id) => keys::key(BOND, &[&[*kind as u8], &id.to_be_bytes()]),
            Self::Seal(owner, commitment) => keys::key(BOND, &[&[4], owner.as_slice(), commitment.as_slice()]),
            Self::Claims(id) => {
                keys::key(BOND, &[&[5], &id.class.to_be_bytes(), &id.window.to_be_bytes(), id.issuer.as_slice()])
            }
            Self::Treasury => keys::key(BOND, &[&[6]]),
            Self::Appeal(id) => keys::key(BOND, &[&[8], &id.to_be_bytes()]),
            Self::Rewards(validator) => keys::key(BOND, &[&[9], validator.as_slice()]),
            Self::Commission(validator) => keys::key(BOND, &[&[10], validator.as_slice()]),
            Self::Unbonding(id) => keys::key(BOND, &[&[11], &id.to_be_bytes()]),
            Self::Proposal(id) => keys::key(BOND, &[&[0x80], &id.to_be_bytes()]),
            Self::Mint => vec![MINTED],
            Self::Burn => vec![BURNED],
        }
    }
}

/// Moves `amount` from one pot to another. A balance that is too small is the sender's failure; any
/// other pot that is too small is a broken invariant.
pub(crate) fn transfer(step: &mut Step<'_>, from: Pot, to: Pot, amount: Grains) -> Done {
    if amount == 0 {
        return Ok(());
    }
    match from {
        Pot::Account(address) => {
            let mut account = Account::load(&step.state, &address)?;
            account.balance = account.balance.checked_sub(amount).ok_or(Failure::InsufficientFunds)?;
            account.store(step, &address);
        }
        Pot::Mint => count(step, &from, amount)?,
        Pot::Burn => return Err(BrokenInvariant::PotShort.into()),
        _ => {
            let key = from.key();
            let held: Grains = step.read(&key)?.unwrap_or_default();
            match held.checked_sub(amount).ok_or(BrokenInvariant::PotShort)? {
                0 => step.state.delete(key),
                left => step.write(key, &left),
            }
        }
    }
    match to {
        Pot::Account(address) => {
            let mut account = Account::load(&step.state, &address)?;
            account.balance = sane(account.balance.checked_add(amount))?;
            account.store(step, &address);
            Ok(())
        }
        Pot::Mint => Err(BrokenInvariant::PotShort.into()),
        _ => count(step, &to, amount),
    }
}

fn count(step: &mut Step<'_>, pot: &Pot, amount: Grains) -> Done {
    let key = pot.key();
    let held: Grains = step.read(&key)?.unwrap_or_default();
    let held = sane(held.checked_add(amount))?;
    step.write(key, &held);
    Ok(())
}

/// What lies in a pot.
pub(crate) fn held(view: &dyn StateRead, pot: Pot) -> Result<Grains, BrokenInvariant> {
    match pot {
        Pot::Account(address) => Account::load(view, &address).map(|account| account.balance),
        _ => Ok(read(view, &pot.key())?.unwrap_or_default()),
    }
}

fn amount_in(table: u8, value: &[u8]) -> Result<Grains, BrokenInvariant> {
    let amount = match table {
        ACCOUNT => codec::decode::<Account>(value).map(|account| account.balance),
        _ => codec::decode::<Grains>(value),
    };
    amount.ok_or(BrokenInvariant::Corrupt(table))
}

/// Checks that what a block changed in the money tables leaves the books balanced: pots and burned
/// after plus minted before = pots and burned before plus minted after.
pub(crate) fn check_changes(parent: &dyn StateRead, changes: &Changes) -> Result<(), BrokenInvariant> {
    let mut left: Grains = 0;
    let mut right: Grains = 0;
    let add = |sum: &mut Grains, amount| {
        *sum = sum.checked_add(amount).ok_or(BrokenInvariant::Books)?;
        Ok::<(), BrokenInvariant>(())
    };
    for (key, value) in changes.range(vec![ACCOUNT]..=vec![BURNED]) {
        let table = key.first().copied().unwrap_or_default();
        let after = value.as_deref().map_or(Ok(0), |value| amount_in(table, value))?;
        let before = parent.get(key).map_or(Ok(0), |value| amount_in(table, &value))?;
        if table == MINTED {
            add(&mut left, before)?;
            add(&mut right, after)?;
        } else {
            add(&mut left, after)?;
            add(&mut right, before)?;
        }
    }
    if left == right { Ok(()) } else { Err(BrokenInvariant::Books) }
}

/// Counts where every grain is, from nothing.
pub fn books(view: &dyn StateRead) -> Result<Books, BrokenInvariant> {
    let sum = |prefixes: &[&[u8]]| {
        let mut sum: Grains = 0;
        for prefix in prefixes {
            let table = prefix.first().copied().unwrap_or_default();
            for (_, value) in view.scan(prefix, keys::after(prefix).as_deref()) {
                sum = sum.checked_add(amount_in(table, &value)?).ok_or(BrokenInvariant::Books)?;
            }
        }
        Ok::<Grains, BrokenInvariant>(sum)
    };
    let treasury = held(view, Pot::Treasury)?;
    let staking = sum(&[&[BOND, 9], &[BOND, 10], &[BOND, 11]])?;
    let elsewhere = treasury.checked_add(staking).ok_or(BrokenInvariant::Books)?;
    Ok(Books {
        minted: sum(&[&[MINTED]])?,
        burned: sum(&[&[BURNED]])?,
        balances: sum(&[&[ACCOUNT]])?,
        escrow: sum(&[&[ESCROW], &[BOND]])?.checked_sub(elsewhere).ok_or(BrokenInvariant::Books)?,
        treasury,
        collateral: sum(&[&[COLLATERAL]])?,
        stake: sum(&[&[STAKE]])?.checked_add(staking).ok_or(BrokenInvariant::Books)?,
    })
}
