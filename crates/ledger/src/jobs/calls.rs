//! Answers calls of `IJobs`.

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use assay_types::abi::IJobs::{self, IJobsCalls};

use super::{replicas, submit, views};
use crate::{
    delivery, disputes,
    market::sealed,
    reject::{Done, Failure, fits},
    step::Step,
};

/// Answers a call of `IJobs`; returns its ABI-encoded return data.
pub(crate) fn execute(step: &mut Step<'_>, sender: Address, nonce: u64, value: u128, call: &IJobsCalls) -> Done<Bytes> {
    let payable = matches!(
        call,
        IJobsCalls::submit(_)
            | IJobsCalls::seal(_)
            | IJobsCalls::amend(_)
            | IJobsCalls::challenge(_)
            | IJobsCalls::demandDelivery(_)
    );
    if value != 0 && !payable {
        return Err(Failure::NotPayable.into());
    }
    match call {
        IJobsCalls::submit(call) => {
            let job = submit::submit(step, sender, nonce, value, &call.spec)?;
            return Ok(IJobs::submitCall::abi_encode_returns(&job).into());
        }
        IJobsCalls::amend(call) => submit::amend(step, sender, value, call.job, call.maxPricePerGigafuel)?,
        IJobsCalls::seal(call) => sealed::seal(step, sender, value, sealed::Kind::Job, call.commitment)?,
        IJobsCalls::openSealed(call) => {
            let job = sealed::open_job(step, sender, nonce, call.salt, &call.spec)?;
            return Ok(IJobs::openSealedCall::abi_encode_returns(&job).into());
        }
        IJobsCalls::deliverKey(call) => {
            replicas::deliver_key(step, sender, call.job, call.provider, &call.sealedKey)?;
        }
        IJobsCalls::commit(call) => replicas::commit(step, sender, call.job, call.lot, call.commitment, None)?,
        IJobsCalls::commitAudited(call) => {
            replicas::commit(step, sender, call.job, call.lot, call.commitment, Some(&call.fuels))?;
        }
        IJobsCalls::reveal(call) => replicas::reveal(step, sender, call.job, call.lot, call.salt, &call.leaves)?,
        IJobsCalls::decline(call) => replicas::decline(step, sender, call.job, call.lot, call.reason)?,
        IJobsCalls::cancel(call) => replicas::cancel(step, sender, call.job)?,
        IJobsCalls::challenge(call) => disputes::challenge(step, sender, value, call.job, call.task)?,
        IJobsCalls::demandDelivery(call) => delivery::demand(step, sender, value, call.job, call.task)?,
        IJobsCalls::attestDelivery(call) => {
            delivery::attest(step, sender, call.job, call.lot, call.deliveredMask)?;
        }
        IJobsCalls::job(call) => return views::job_call(step, &call.id),
        IJobsCalls::escrowFor(call) => {
            let escrow = fits(call.spec.escrow())?;
            return Ok(IJobs::escrowForCall::abi_encode_returns(&escrow).into());
        }
    }
    Ok(Bytes::new())
}
