//! Sealed bids: value is locked behind a commitment, and the job behind it is shown when nobody can answer
//! it any more.
//!
//! All that are opened within the window of their own take part when it is over. A bid that is not opened
//! forfeits the band's width of what it locked: less would let somebody bid twice and open only the one
//! that suits the prices seen since.

use alloy_primitives::{Address, B256};
use assay_types::{Grains, JobId, JobSpec, abi::IJobs, job::seal_commitment, system};

use crate::{
    codec::record,
    jobs::submit,
    keys::{self, SEALED},
    math,
    money::{self, Pot, transfer},
    reject::{Done, Failure, sane},
    schedule::{self, Due},
    step::Step,
};

record! {
    /// A bid that nobody can read yet.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Sealed {
        pub(crate) sealed_at: u64,
        pub(crate) sealed_ms: u64,
        /// Last height at which it can be opened, moved on while the least time has not passed.
        pub(crate) opens_by: u64,
    }
}

fn key(owner: &Address, commitment: &B256) -> Vec<u8> {
    keys::key(SEALED, &[owner.as_slice(), commitment.as_slice()])
}

/// Locks value behind a commitment.
pub(crate) fn seal(step: &mut Step<'_>, sender: Address, value: Grains, commitment: B256) -> Done {
    if value == 0 {
        return Err(Failure::ValueTooLow.into());
    }
    let key = key(&sender, &commitment);
    if step.read::<Sealed>(&key)?.is_some() {
        return Err(Failure::SealExists.into());
    }
    transfer(step, Pot::Account(sender), Pot::Seal(sender, commitment), value)?;
    let opens_by = step.env.after(step.env.params.seal_window);
    let sealed = Sealed { sealed_at: step.env.height(), sealed_ms: step.env.ctx.timestamp_ms, opens_by };
    step.write(key, &sealed);
    schedule::at(step, opens_by, Due::Seal(sender, commitment));
    step.emit(system::JOBS, &IJobs::BidSealed { renter: sender, commitment, value, opensBy: opens_by });
    Ok(())
}

/// Shows the job behind a commitment and submits it; what it does not need comes back.
pub(crate) fn open(step: &mut Step<'_>, sender: Address, nonce: u64, salt: B256, spec: &JobSpec) -> Done<JobId> {
    let commitment = seal_commitment(step.env.network.chain_id, sender, salt, spec);
    let key = key(&sender, &commitment);
    let sealed: Sealed = step.read(&key)?.ok_or(Failure::UnknownSeal)?;
    if step.env.height() <= sealed.sealed_at {
        return Err(Failure::TooEarly.into());
    }
    let opens_at = sealed.opens_by.saturating_add(1);
    if step.env.after(spec.lifetime) <= opens_at.saturating_add(1) {
        // It would be over before it took part, and cost nothing.
        return Err(Failure::SealedStands.into());
    }
    let pot = Pot::Seal(sender, commitment);
    let held = money::held(&step.state, pot)?;
    let job = submit::submit_from(step, pot, sender, nonce, held, spec, opens_at)?;
    let rest = money::held(&step.state, pot)?;
    transfer(step, pot, Pot::Account(sender), rest)?;
    step.state.delete(key);
    // The entry in the schedule stays: a chain with a window open goes on at full pace, and finds nothing
    // to forfeit at its end.
    step.emit(system::JOBS, &IJobs::SealOpened { renter: sender, commitment, job });
    Ok(job)
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
    step.emit(system::JOBS, &IJobs::SealForfeited { renter: owner, commitment, burned, refunded });
    Ok(())
}
