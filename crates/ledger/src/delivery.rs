//! Delivery: a renter that cannot fetch an agreed output has witnesses try.
//!
//! The renter puts down a bond; witnesses of operators outside the lot are drawn by the beacon of the
//! next block; each says from which replicas it could fetch the output. When a strict majority of the
//! drawn say "from none", every replica withheld it: all are slashed wholly and the lot is redone.
//! Otherwise the witnesses have it now, can serve it, and share the bond. Settlement waits meanwhile.

use alloy_primitives::Address;
use assay_types::{
    Fault, Grains, JobCause, JobId,
    abi::IJobs,
    system,
    view::{DeliveryView, LotPhase},
};

use crate::{
    codec::record,
    disputes::calls::contestable,
    draw::{Candidate, draw},
    jobs::{Case, assign, lifecycle, matching},
    keys::{self, DELIVERY, WORK_WITNESS},
    money::{BondKind, Pot, transfer},
    providers::Provider,
    reject::{Done, Failure, sane},
    schedule::{self, Due},
    slash::{self, Catchers},
    state::StateRead,
    step::{Step, read},
};

record! {
    /// A demand under way.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Delivery {
        /// Task by index in the job.
        task: u32,
        bond: Grains,
        demanded_at: u64,
        /// Empty until they are drawn.
        witnesses: Vec<Address>,
        attested: Vec<(Address, u32)>,
        due: u64,
    }
}

fn key(case: &Case) -> Vec<u8> {
    keys::of_lot(DELIVERY, &case.id, case.index)
}

/// Whether a demand of this lot is pending.
pub(crate) fn pending(step: &Step<'_>, case: &Case) -> Done<bool> {
    Ok(step.read::<Delivery>(&key(case))?.is_some())
}

/// Demands the output of a task. Value above the bond never leaves the renter.
pub(crate) fn demand(step: &mut Step<'_>, sender: Address, value: u128, id: JobId, task: u32) -> Done {
    let (mut case, _) = Case::open_task(step, id, task)?;
    if sender != case.job.renter {
        return Err(Failure::NotRenter.into());
    }
    let bond = step.env.params.delivery_bond;
    if value < bond {
        return Err(Failure::ValueTooLow.into());
    }
    contestable(step, &case)?;
    if eligible(step, &case)?.is_empty() {
        return Err(Failure::NoWitnesses.into());
    }
    transfer(step, Pot::Account(sender), Pot::Bond(BondKind::Delivery, id, case.index), bond)?;
    let demanded_at = step.env.height();
    let delivery =
        Delivery { task, bond, demanded_at, witnesses: Vec::new(), attested: Vec::new(), due: step.env.after(1) };
    step.write(key(&case), &delivery);
    case.lot.due = delivery.due;
    case.store_lot(step);
    Ok(())
}

/// Open providers of this runtime whose operators have no part in the lot.
fn eligible(step: &Step<'_>, case: &Case) -> Done<Vec<Candidate>> {
    let accounts: Vec<Address> = matching::open_asks(&step.state).collect();
    let mut candidates = Vec::new();
    for account in accounts {
        let provider = Provider::must(step, &account)?;
        let same = provider.runtime_id == case.terms.runtime_id;
        let present = same && step.env.height() >= provider.suspended_until;
        if present && case.lot.replicas.iter().all(|replica| replica.operator != provider.operator) {
            let weight = provider.free(&step.state, &account)?;
            candidates.push(Candidate { provider: account, operator: provider.operator, weight });
        }
    }
    Ok(candidates)
}

/// A witness says which replicas it could fetch from.
pub(crate) fn attest(step: &mut Step<'_>, sender: Address, id: JobId, index: u32, mask: u32) -> Done {
    let case = Case::open(step, id, index)?;
    if case.lot.phase != LotPhase::Agreed {
        return Err(Failure::WrongPhase.into());
    }
    let mut delivery: Delivery = step.read(&key(&case))?.ok_or(Failure::WrongPhase)?;
    if !delivery.witnesses.contains(&sender) {
        return Err(Failure::NotWitness.into());
    }
    if delivery.attested.iter().any(|(who, _)| *who == sender) {
        return Err(Failure::AlreadyAttested.into());
    }
    if step.env.height() > delivery.due {
        return Err(Failure::TooLate.into());
    }
    let replicas = u32::try_from(case.lot.replicas.len()).unwrap_or(u32::MAX);
    if mask.checked_shr(replicas).unwrap_or(0) != 0 {
        return Err(Failure::MaskOutOfRange.into());
    }
    delivery.attested.push((sender, mask));
    if delivery.attested.len() == delivery.witnesses.len() {
        schedule::at(step, step.env.height(), Due::Lot(id, index));
    }
    step.write(key(&case), &delivery);
    step.emit(system::JOBS, &IJobs::DeliveryAttested { job: id, lot: index, witness: sender, deliveredMask: mask });
    Ok(())
}

/// Does what is due about a lot's demand; true when there is or was one, so settlement waits.
pub(crate) fn advance(step: &mut Step<'_>, case: &mut Case) -> Done<bool> {
    let Some(delivery) = step.read::<Delivery>(&key(case))? else { return Ok(false) };
    let height = step.env.height();
    if delivery.witnesses.is_empty() {
        if height > delivery.demanded_at {
            draw_witnesses(step, case, delivery)?;
        }
    } else if height >= delivery.due || delivery.attested.len() == delivery.witnesses.len() {
        resolve(step, case, delivery)?;
    }
    Ok(true)
}

fn draw_witnesses(step: &mut Step<'_>, case: &mut Case, mut delivery: Delivery) -> Done {
    let urn = eligible(step, case)?;
    let mut operators: Vec<Address> = urn.iter().map(|candidate| candidate.operator).collect();
    operators.sort();
    operators.dedup();
    let wanted = usize::try_from(step.env.params.delivery_witnesses).unwrap_or(usize::MAX);
    let seed = matching::seed(step, case, b"assay/witness");
    let drawn = draw(seed, &urn, wanted.min(operators.len())).unwrap_or_default();
    if drawn.is_empty() {
        return resolve(step, case, delivery);
    }
    delivery.witnesses = drawn.into_iter().map(|candidate| candidate.provider).collect();
    delivery.due = step.env.after(step.env.params.delivery_window);
    for witness in &delivery.witnesses {
        step.mark(keys::work(WORK_WITNESS, witness, &case.id, case.index));
    }
    case.lot.due = delivery.due;
    step.write(key(case), &delivery);
    step.emit(
        system::JOBS,
        &IJobs::DeliveryDemanded {
            job: case.id,
            lot: case.index,
            task: delivery.task,
            witnesses: delivery.witnesses,
            deadline: delivery.due,
        },
    );
    Ok(())
}

fn resolve(step: &mut Step<'_>, case: &mut Case, delivery: Delivery) -> Done {
    step.state.delete(key(case));
    for witness in &delivery.witnesses {
        step.state.delete(keys::work(WORK_WITNESS, witness, &case.id, case.index));
    }
    let nothing = delivery.attested.iter().filter(|(_, mask)| *mask == 0).count();
    let withheld = nothing.saturating_mul(2) > delivery.witnesses.len();
    step.emit(system::JOBS, &IJobs::DeliveryResolved { job: case.id, lot: case.index, delivered: !withheld });
    let pot = Pot::Bond(BondKind::Delivery, case.id, case.index);
    let renter = Pot::Account(case.job.renter);
    if withheld {
        transfer(step, pot, renter, delivery.bond)?;
        for replica in std::mem::take(&mut case.lot.replicas) {
            slash::wholly(step, case, &replica, Fault::WithheldOutput, &Catchers::default())?;
            case.lot.excluded.push(replica.operator);
        }
        case.lot.adjudicated = false;
        return assign::requeue(step, case, JobCause::WithheldOutput);
    }
    let attested: Vec<Address> = delivery.attested.iter().map(|(who, _)| *who).collect();
    let paid = slash::pay_equally(step, pot, delivery.bond, &attested)?;
    transfer(step, pot, renter, sane(delivery.bond.checked_sub(paid))?)?;
    lifecycle::resume(step, case);
    Ok(())
}

/// A demand as queries show it.
pub(crate) fn view_of(view: &dyn StateRead, id: JobId, index: u32) -> Option<DeliveryView> {
    let delivery: Delivery = read(view, &keys::of_lot(DELIVERY, &id, index)).ok()??;
    Some(DeliveryView {
        task: delivery.task,
        witnesses: delivery.witnesses,
        attested: delivery.attested,
        due: delivery.due,
    })
}
