//! Capacity claims: gigafuel that an issuer owes in a delivery window, behind collateral.
//!
//! ```text
//!                       collateral ──▶ pot of the issuance ◀── topUp, takeOver
//!  issue ──▶ holder ──redeem──▶ this contract ──▶ delivered: burned   (the pot paid for the job)
//!             │  ▲                    │ ────────▶ not delivered: burned, the pot pays the holder
//!        sell │  │ bought, cancelled  └─────────▶ the holder's doing: back to the holder
//!             ▼  │
//!           the market                 window over: void, the pot goes back to the obligor
//! ```
//!
//! A claim lies with exactly one address: offered ones with the market's, those being redeemed with
//! this contract's. Not here: the auction (the window books are cleared by the same rule as any), and the
//! running of jobs; a redeemed job is like any other but that the issuance pays for it.
//!
//! Invariants
//! - What is outstanding of an issuance is the sum of what all addresses have of it.
//! - `in_jobs` is what lies in escrow of its running jobs.
//! - A record that is gone leaves nothing in its pot and nobody with claims.

pub(crate) mod calls;
pub(crate) mod issue;
pub(crate) mod margin;
pub(crate) mod redeem;
pub(crate) mod selling;
pub(crate) mod tokens;
pub(crate) mod views;

use alloy_primitives::{Address, B256, U256};
use assay_types::{ClaimId, Grains, Params, system};

use crate::{
    codec::{Wire, record},
    keys::{self, ISSUANCE},
    market::trading::Trading,
    math,
    money::{self, Pot},
    reject::{BrokenInvariant, Done, Failure},
    state::StateRead,
    step::{Step, read},
};

/// How an issuance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Good,
    /// Collateral is to be added by this height.
    Called(u64),
    /// The obligation is offered since this height.
    Offered(u64),
    /// Holders are paid this much for so many claims.
    ClosedOut(Grains, u64),
}

impl Wire for Standing {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Good => out.push(0),
            Self::Called(deadline) => {
                out.push(1);
                deadline.put(out);
            }
            Self::Offered(since) => {
                out.push(2);
                since.put(out);
            }
            Self::ClosedOut(pool, claims) => {
                out.push(3);
                (*pool, *claims).put(out);
            }
        }
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        match u8::take(input)? {
            0 => Some(Self::Good),
            1 => u64::take(input).map(Self::Called),
            2 => u64::take(input).map(Self::Offered),
            3 => <(Grains, u64)>::take(input).map(|(pool, claims)| Self::ClosedOut(pool, claims)),
            _ => None,
        }
    }
}

impl Wire for ClaimId {
    fn put(&self, out: &mut Vec<u8>) {
        self.class.put(out);
        self.window.put(out);
        self.issuer.put(out);
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        Some(Self { class: u32::take(input)?, window: u32::take(input)?, issuer: Address::take(input)? })
    }
}

record! {
    /// All claims with one id.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Issuance {
        /// Who owes delivery; the issuer until somebody took over.
        pub(crate) obligor: Address,
        pub(crate) price: Grains,
        /// Thousandths of a gigafuel a block.
        pub(crate) max_rate: u64,
        pub(crate) issued: u64,
        pub(crate) outstanding: u64,
        /// Redeemed so far, without what came back.
        pub(crate) redeemed: u64,
        /// Last height at which claims are redeemed.
        pub(crate) last: u64,
        /// Grains in escrow of running jobs.
        pub(crate) in_jobs: Grains,
        pub(crate) standing: Standing,
        /// Former obligors, and what of the pot is theirs when all is over.
        pub(crate) former: Vec<(Address, Grains)>,
        /// What the issuer's machines took when it issued.
        pub(crate) runtime_id: B256,
        pub(crate) max_fuel_per_task: u64,
        pub(crate) max_memory_mib: u32,
        pub(crate) max_lot: u64,
    }
}

fn key_of(tag: u8, id: &ClaimId) -> Vec<u8> {
    keys::key(tag, &[&id.class.to_be_bytes(), &id.window.to_be_bytes(), id.issuer.as_slice()])
}

/// The claim at the end of an index key.
pub(crate) fn id_at_end(key: &[u8]) -> Option<ClaimId> {
    let (_, mut id) = key.split_last_chunk::<28>().map(|(head, id)| (head, id.as_slice()))?;
    ClaimId::take(&mut id)
}

impl Issuance {
    pub(crate) fn load(view: &dyn StateRead, id: &ClaimId) -> Result<Option<Self>, BrokenInvariant> {
        read(view, &key_of(ISSUANCE, id))
    }

    /// The issuance a call names.
    pub(crate) fn named(step: &Step<'_>, id: U256) -> Done<(ClaimId, Self)> {
        let id = ClaimId::from_u256(id).ok_or(Failure::UnknownClaim)?;
        let issuance = Self::load(&step.state, &id)?.ok_or(Failure::UnknownClaim)?;
        Ok((id, issuance))
    }

    /// As [`Issuance::named`], with a window that is not over and not closed out.
    pub(crate) fn live(step: &Step<'_>, id: U256) -> Done<(ClaimId, Self)> {
        let (id, issuance) = Self::named(step, id)?;
        if step.env.height() >= ends(&step.env.params, id.window) {
            return Err(Failure::ClaimExpired.into());
        }
        if issuance.is_closed_out() {
            return Err(Failure::ClaimClosed.into());
        }
        Ok((id, issuance))
    }

    pub(crate) fn must(step: &Step<'_>, id: &ClaimId) -> Result<Self, BrokenInvariant> {
        Self::load(&step.state, id)?.ok_or(BrokenInvariant::Missing(ISSUANCE))
    }

    pub(crate) fn store(&self, step: &mut Step<'_>, id: &ClaimId) {
        step.write(key_of(ISSUANCE, id), self);
    }

    pub(crate) fn is_closed_out(&self) -> bool {
        matches!(self.standing, Standing::ClosedOut(..))
    }

    /// What one gigafuel of it counts for: the index, and no less than it was issued at.
    pub(crate) fn value(&self, view: &dyn StateRead, params: &Params, id: &ClaimId) -> Result<Grains, BrokenInvariant> {
        Ok(Trading::load(view, params, id.class, 0)?.reference.max(self.price))
    }

    /// Collateral it has: its pot, and what of it pays for running jobs.
    pub(crate) fn collateral(&self, view: &dyn StateRead, id: &ClaimId) -> Result<Grains, BrokenInvariant> {
        let held = money::held(view, Pot::Claims(*id))?;
        held.checked_add(self.in_jobs).ok_or(BrokenInvariant::Arithmetic)
    }

    /// What an undelivered `amount` pays, rounded down, were there enough.
    pub(crate) fn payoff(&self, step: &Step<'_>, id: &ClaimId, amount: u64) -> Result<Grains, BrokenInvariant> {
        let value = self.value(&step.state, &step.env.params, id)?;
        let share = u128::from(amount).saturating_mul(u128::from(step.env.params.claim_penalty_bps));
        Ok(math::mul_div_down(value, share, UNIT_BPS).unwrap_or(Grains::MAX))
    }
}

/// Thousandths times basis points in one.
const UNIT_BPS: u128 = 10_000_000;

/// A share of what `amount` is worth at `value` a gigafuel, rounded up. None when it does not fit.
pub(crate) fn share_up(value: Grains, amount: u64, bps: u32) -> Option<Grains> {
    math::mul_div_up(value, u128::from(amount).checked_mul(u128::from(bps))?, UNIT_BPS)
}

/// First height of a window.
pub(crate) fn starts(params: &Params, window: u32) -> u64 {
    u64::from(window).saturating_mul(u64::from(params.claim_window_blocks))
}

/// First height after a window.
pub(crate) fn ends(params: &Params, window: u32) -> u64 {
    starts(params, window).saturating_add(u64::from(params.claim_window_blocks))
}

/// `amount` at `rate`, in blocks, rounded up.
pub(crate) fn blocks_for(amount: u64, rate: u64) -> u64 {
    amount.div_ceil(rate.max(1))
}

/// Claims being redeemed.
pub(crate) fn redeeming(view: &dyn StateRead, id: &ClaimId) -> Result<u64, BrokenInvariant> {
    tokens::balance(view, id, &system::CLAIMS)
}
