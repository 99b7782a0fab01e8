//! Sealed bids: value is locked behind a commitment, and the job or order behind it is shown when nobody can
//! answer it any more.
//!
//! All that are opened within the window of their own take part when it is over. A bid that is not opened
//! forfeits the band's width of what it locked: less would let somebody bid twice and open only the one
//! that suits the prices seen since.

use alloy_primitives::{Address, B256};
use assay_types::{
    Grains, JobId, JobSpec,
    abi::{IJobs, IMarket},
    job::{order_seal_commitment, seal_commitment},
    system,
};

use super::limits::{self, Backing};
use crate::{
    codec::{numbered, record},
    jobs::submit,
    keys::{self, SEALED},
    math,
    money::{self, Pot, transfer},
    reject::{Done, Failure, sane},
    schedule::{self, Due},
    step::Step,
};

/// What is behind a commitment, as its owner says when sealing; it is opened as nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A job: `IJobs`.
    Job,
    /// A limit order: `IMarket`.
    Order,
}
numbered!(Kind { Job = 0, Order = 1 });

record! {
    /// A bid that nobody can read yet.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Sealed {
        pub(crate) kind: Kind,
        pub(crate) sealed_at: u64,
        pub(crate) sealed_ms: u64,
        /// Last height at which it can be opened, moved on while the least time has not passed.
        pub(crate) opens_by: u64,
    }
}

/// A bid that is being opened.
struct Opening {
    key: Vec<u8>,
    owner: Address,
    pot: Pot,
    held: Grains,
    /// Height from which it takes part.
    opens_at: u64,
}

impl Opening {
    /// The bid of this kind behind a commitment; not in the block it was sealed in.
    fn of(step: &Step<'_>, kind: Kind, owner: Address, commitment: B256) -> Done<Self> {
        let key = key(&owner, &commitment);
        let sealed: Option<Sealed> = step.read(&key)?;
        let sealed = sealed.filter(|sealed| sealed.kind == kind).ok_or(Failure::UnknownSeal)?;
        if step.env.height() <= sealed.sealed_at {
            return Err(Failure::TooEarly.into());
        }
        let pot = Pot::Seal(owner, commitment);
        let held = money::held(&step.state, pot)?;
        Ok(Self { key, owner, pot, held, opens_at: sealed.opens_by.saturating_add(1) })
    }

    /// What it does not need comes back.
    fn end(self, step: &mut Step<'_>) -> Done {
        let rest = money::held(&step.state, self.pot)?;
        transfer(step, self.pot, Pot::Account(self.owner), rest)?;
        // The entry in the schedule stays: a chain with a window open goes on at full pace, and finds nothing
        // to forfeit at its end.
        step.state.delete(self.key);
        Ok(())
    }
}

fn key(owner: &Address, commitment: &B256) -> Vec<u8> {
    keys::key(SEALED, &[owner.as_slice(), commitment.as_slice()])
}

/// Locks value behind a commitment.
pub(crate) fn seal(step: &mut Step<'_>, owner: Address, value: Grains, kind: Kind, commitment: B256) -> Done {
    if value == 0 {
        return Err(Failure::ValueTooLow.into());
    }
    let key = key(&owner, &commitment);
    if step.read::<Sealed>(&key)?.is_some() {
        return Err(Failure::SealExists.into());
    }
    transfer(step, Pot::Account(owner), Pot::Seal(owner, commitment), value)?;
    let opens_by = step.env.after(step.env.params.seal_window);
    let sealed = Sealed { kind, sealed_at: step.env.height(), sealed_ms: step.env.ctx.timestamp_ms, opens_by };
    step.write(key, &sealed);
    schedule::at(step, opens_by, Due::Seal(owner, commitment));
    match kind {
        Kind::Job => {
            step.emit(system::JOBS, &IJobs::BidSealed { renter: owner, commitment, value, opensBy: opens_by });
        }
        Kind::Order => {
            step.emit(system::MARKET, &IMarket::OrderSealed { owner, commitment, value, opensBy: opens_by });
        }
    }
    Ok(())
}

/// Shows the job behind a commitment and submits it; what it does not need comes back.
pub(crate) fn open_job(step: &mut Step<'_>, sender: Address, nonce: u64, salt: B256, spec: &JobSpec) -> Done<JobId> {
    let commitment = seal_commitment(step.env.network.chain_id, sender, salt, spec);
    let opening = Opening::of(step, Kind::Job, sender, commitment)?;
    if step.env.after(spec.lifetime) <= opening.opens_at.saturating_add(1) {
        // It would be over before it took part, and cost nothing.
        return Err(Failure::SealedStands.into());
    }
    let job = submit::submit_from(step, opening.pot, sender, nonce, opening.held, spec, opening.opens_at)?;
    opening.end(step)?;
    step.emit(system::JOBS, &IJobs::SealOpened { renter: sender, commitment, job });
    Ok(job)
}

/// Shows the order behind a commitment and places it; what a bid does not need comes back, of an ask's all.
pub(crate) fn open_order(step: &mut Step<'_>, sender: Address, call: &IMarket::openSealedCall) -> Done<u64> {
    let commitment = order_seal_commitment(step.env.network.chain_id, sender, call);
    let opening = Opening::of(step, Kind::Order, sender, commitment)?;
    let backing = Backing { pot: opening.pot, value: opening.held, opens_at: opening.opens_at };
    let id = limits::place(step, sender, backing, limits::Terms::try_from(&call.order())?)?;
    opening.end(step)?;
    step.emit(system::MARKET, &IMarket::OrderUnsealed { owner: sender, commitment, id });
    Ok(id)
}

/// The window of a bid that was not opened is over.
pub(crate) fn forfeit(step: &mut Step<'_>, owner: Address, commitment: B256) -> Done {
    let key = key(&owner, &commitment);
    let Some(mut sealed) = step.read::<Sealed>(&key)? else { return Ok(()) };
    let params = &step.env.params;
    if step.env.ctx.timestamp_ms < sealed.sealed_ms.saturating_add(params.seal_window_ms) {
        // Blocks came faster than time passed.
        sealed.opens_by = step.env.after(params.seal_window);
        step.write(key, &sealed);
        schedule::at(step, sealed.opens_by, Due::Seal(owner, commitment));
        return Ok(());
    }
    let pot = Pot::Seal(owner, commitment);
    let held = money::held(&step.state, pot)?;
    let burned = sane(math::mul_div_up(held, u128::from(params.band_bps), 10_000))?;
    transfer(step, pot, Pot::Burn, burned)?;
    let refunded = sane(held.checked_sub(burned))?;
    transfer(step, pot, Pot::Account(owner), refunded)?;
    step.state.delete(key);
    match sealed.kind {
        Kind::Job => {
            step.emit(system::JOBS, &IJobs::SealForfeited { renter: owner, commitment, burned, refunded });
        }
        Kind::Order => {
            step.emit(system::MARKET, &IMarket::OrderSealForfeited { owner, commitment, burned, refunded });
        }
    }
    Ok(())
}
