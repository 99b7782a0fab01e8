//! Runtimes under which validators differed: a result that depends on the machine is nobody's fault.
//!
//! More than two thirds of the seats revealed a verdict and no leaf has two thirds: either a third of the seats lie, or
//! the runtime is not deterministic. Nobody can be punished on such evidence, and nobody is for a while; a release
//! that mends it has another runtime id.

use alloy_primitives::B256;
use assay_types::{abi::IDisputes, system};

use crate::{
    jobs::Case,
    keys::{self, QUARANTINE},
    reject::BrokenInvariant,
    step::Step,
};

fn key(runtime: &B256) -> Vec<u8> {
    keys::key(QUARANTINE, &[runtime.as_slice()])
}

/// Whether results under `runtime` are not to be judged now.
pub(crate) fn holds(step: &Step<'_>, runtime: &B256) -> Result<bool, BrokenInvariant> {
    Ok(step.read::<u64>(&key(runtime))?.is_some_and(|until| step.env.height() < until))
}

/// Puts a case's runtime under quarantine, anew if it is already.
pub(crate) fn impose(step: &mut Step<'_>, case: &Case) {
    let until = step.env.after(step.env.params.quarantine_blocks);
    step.write(key(&case.terms.runtime_id), &until);
    step.emit(
        system::DISPUTES,
        &IDisputes::RuntimeQuarantined { runtimeId: case.terms.runtime_id, job: case.id, lot: case.index, until },
    );
}
