//! What is minted and burned: inflation that pays for security, the burned share of payments for work, and the
//! emission to providers.
//!
//! ```text
//!  renter's money ── pay_provider ──┬─ burned ──┐ counted a provider, epoch and class
//!                                   └─ provider │
//!  end of a market epoch ── inflation ── treasury, seats by stake          (minted at once)
//!                        └─ budget of the epoch, fullness of its classes   (kept)
//!  next payment, or claim ── emission: min(cap * own burn, part of budget) (minted then)
//! ```
//!
//! Time is the blocks' time, so that idle and fast chains mint alike. Epochs are counted here: the market's length
//! may be governed. A provider has at most one ended epoch unpaid, since each of its payments pays the ones before:
//! no block does more than its calls and classes ask for. Formulas and sources: [`formula`] and
//! `docs/protocol/rewards.md`.
//!
//! Invariants
//! - A provider's emission for an epoch is at most what its own payments burned in it.
//! - Emissions for an epoch are together at most its budget.
//! - `minted` never exceeds half of what 128 bits count, so that sums over the books cannot overflow.

pub(crate) mod calls;
pub(crate) mod emission;
pub(crate) mod epoch;
pub mod formula;
mod pay;

pub(crate) use pay::pay_provider;

use assay_types::Grains;

use crate::{
    codec::record,
    keys::ISSUED,
    money::{self, Pot, transfer},
    reject::{BrokenInvariant, Done},
    state::StateRead,
    step::{Step, read},
};

use formula::InflationRule;

/// Most that is ever minted.
const MOST: Grains = Grains::MAX >> 1;

record! {
    /// Where inflation and emission stand.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Issuance {
        /// The epoch under way.
        pub(crate) epoch: u64,
        /// When inflation was minted last.
        pub(crate) minted_at_ms: u64,
        /// Yearly rate in force, parts of 10^18.
        pub(crate) rate: u64,
        /// What inflation minted for the last epoch, and in all.
        pub(crate) last_minted: Grains,
        pub(crate) minted: Grains,
        /// What providers were emitted in all.
        pub(crate) emitted: Grains,
        /// What payments burned in the epoch under way, and in all.
        pub(crate) burned_in_epoch: Grains,
        pub(crate) burned: Grains,
    }
}

fn key() -> Vec<u8> {
    vec![ISSUED]
}

impl Issuance {
    pub(crate) fn load(view: &dyn StateRead) -> Result<Self, BrokenInvariant> {
        read(view, &key())?.ok_or(BrokenInvariant::Missing(ISSUED))
    }

    fn store(&self, step: &mut Step<'_>) {
        step.write(key(), self);
    }
}

/// Sets the first rate, at genesis.
pub(crate) fn begin(step: &mut Step<'_>) {
    let first = Issuance {
        epoch: 0,
        minted_at_ms: step.env.ctx.timestamp_ms,
        rate: InflationRule::of(&step.env.params).first(),
        last_minted: 0,
        minted: 0,
        emitted: 0,
        burned_in_epoch: 0,
        burned: 0,
    };
    first.store(step);
}

/// Grains there are.
pub(crate) fn supply(view: &dyn StateRead) -> Result<Grains, BrokenInvariant> {
    let (minted, burned) = (money::held(view, Pot::Mint)?, money::held(view, Pot::Burn)?);
    minted.checked_sub(burned).ok_or(BrokenInvariant::Books)
}

/// `amount`, as far as it may be minted.
fn mintable(view: &dyn StateRead, amount: Grains) -> Result<Grains, BrokenInvariant> {
    Ok(amount.min(MOST.saturating_sub(money::held(view, Pot::Mint)?)))
}

/// Mints `amount` as far as it may be; returns what was.
fn mint(step: &mut Step<'_>, to: Pot, amount: Grains) -> Done<Grains> {
    let amount = mintable(&step.state, amount)?;
    transfer(step, Pot::Mint, to, amount)?;
    Ok(amount)
}
