//! Retiring a class: it takes no new claims, and retires once those on it are over, so that no holder is left with a
//! claim nothing can redeem. Then its resting orders leave the book, a bounded number a block: limit orders are
//! closed and refunded, jobs go on to their other classes or end as unserved ones do, asks rest nowhere.

use assay_types::{abi::IGovernance, class::class_of, system};

use crate::{
    keys::{self, BOOK, ISSUANCE, RETIRING},
    market::orders,
    params,
    reject::{Done, Failure},
    state::StateRead,
    step::{Step, keys_under},
};

fn mark(class: u32) -> Vec<u8> {
    keys::key(RETIRING, &[&class.to_be_bytes()])
}

/// Whether it was decided that a class retires, and that is not done yet.
pub(crate) fn is_retiring(view: &dyn StateRead, class: u32) -> bool {
    view.get(&mark(class)).is_some()
}

pub(crate) fn may_retire(step: &Step<'_>, class: u32) -> Done {
    let params = params::load(&step.state)?;
    let stands = class_of(&params.classes, class).is_some_and(|class| !class.retired);
    if stands && !is_retiring(&step.state, class) { Ok(()) } else { Err(Failure::UnknownClass.into()) }
}

pub(crate) fn retire(step: &mut Step<'_>, class: u32) {
    step.mark(mark(class));
    step.emit(system::GOVERNANCE, &IGovernance::ClassRetiring { class });
}

/// A block's part of it.
pub(crate) fn run(step: &mut Step<'_>) -> Done {
    let retiring: Vec<u32> = keys_under(&step.state, &[RETIRING])
        .filter_map(|key| key.split_last_chunk::<4>().map(|(_, class)| u32::from_be_bytes(*class)))
        .collect();
    let mut left = usize::try_from(step.env.params.max_due_per_block).unwrap_or(usize::MAX);
    for class in retiring {
        // From the next block on the class is retired for everybody.
        if class_of(&step.env.params.classes, class).is_none_or(|class| class.retired) {
            let prefix = keys::key(BOOK, &[&class.to_be_bytes()]);
            let resting: Vec<u64> =
                keys_under(&step.state, &prefix).filter_map(|key| keys::order_at_end(&key)).take(left).collect();
            if resting.is_empty() && left > 0 {
                step.state.delete(mark(class));
            }
            left = left.saturating_sub(resting.len());
            resting.into_iter().for_each(|order| orders::touch(step, order));
        } else if !has_claims(step, class) {
            let mut after = assay_types::Params::clone(&*params::load(&step.state)?);
            after.classes.iter_mut().filter(|one| one.id == class).for_each(|one| one.retired = true);
            params::store(step, &after)?;
            step.emit(system::GOVERNANCE, &IGovernance::ClassRetired { class });
        }
    }
    Ok(())
}

fn has_claims(step: &Step<'_>, class: u32) -> bool {
    keys_under(&step.state, &keys::key(ISSUANCE, &[&class.to_be_bytes()])).next().is_some()
}
