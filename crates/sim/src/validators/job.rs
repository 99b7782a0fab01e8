//! A job that nobody takes up: what counts here is how soon it is final. Whole jobs are of the market's world.

use alloy_sol_types::SolCall as _;
use assay_types::{B256, Bytes, GIGAFUEL, GRAINS_PER_KRT, Grains, JobSpec, abi::IJobs};

/// The runtime of the network's jobs.
pub(super) const RUNTIME: B256 = B256::repeat_byte(0x11);

fn spec() -> JobSpec {
    JobSpec {
        program: B256::repeat_byte(0x22),
        programSealed: false,
        abi: 0,
        runtimeId: RUNTIME,
        class: 1,
        substitutes: Vec::new(),
        inputs: vec![B256::repeat_byte(0x33)],
        fuelPerTask: 10 * GIGAFUEL,
        memoryMib: 64,
        outputBytes: 1 << 16,
        tasksPerLot: 1,
        replicas: 2,
        auditBps: 0,
        auditDraws: 0,
        auditors: 0,
        minReputation: 0,
        maxPricePerGigafuel: GRAINS_PER_KRT / 1_000,
        commitWindow: 100,
        challengeWindow: 10,
        lifetime: 10_000,
        keyHash: B256::repeat_byte(0x44),
        source: vec![1].into(),
    }
}

/// What its submission says, and the escrow it comes with.
pub(super) fn submission() -> (Bytes, Grains) {
    let spec = spec();
    let escrow = spec.escrow().expect("a small job");
    (IJobs::submitCall { spec }.abi_encode().into(), escrow)
}
